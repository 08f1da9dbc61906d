"""Plain VAE as in pytorch/examples/vae, written from its description.

Tests compare its numbers with those of vaelib, benchmarks its speed. It uses global
random numbers, a DataLoader, torchvision's MNIST with ToTensor, a loss summed over the
batch, plain Adam, and draws pictures every epoch. As a program, `python reference.py
DATA_FOLDER [--epochs 10] [--seed 1]`, it trains and prints the test loss and the
seconds of each epoch.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vaelib.packed import mnist_bytes


def import_torchvision() -> None:
    """Import torchvision, even if it was built for another build of torch.

    In that case (a CPU build of torch, for example) its import fails because two of
    its compiled operators are not declared. Its data sets do not need these operators,
    so it is enough to declare them.
    """
    try:
        import torchvision as _  # noqa: F401
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        arguments = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library = torch.library.Library("torchvision", "DEF")
        library.define(f"nms{arguments}")
        library.define(f"qnms{arguments}")
        LIBRARIES.append(library)


LIBRARIES = []  # an operator exists only as long as the library that declared it

import_torchvision()

from torchvision import datasets, transforms  # noqa: E402
from torchvision.utils import save_image  # noqa: E402


class PlainVAE(nn.Module):
    """VAE with layers of 784, 400, 20, 400 and 784 units."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(784, 400)
        self.mean = nn.Linear(400, 20)
        self.log_variance = nn.Linear(400, 20)
        self.back = nn.Linear(20, 400)
        self.out = nn.Linear(400, 784)

    def decode(self, z: Tensor) -> Tensor:
        """Return the pixel means of latents z."""
        return torch.sigmoid(self.out(F.relu(self.back(z))))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstruction of x, and mean and log variance of q."""
        h = F.relu(self.hidden(x.view(-1, 784)))
        mean, log_variance = self.mean(h), self.log_variance(h)
        std = torch.exp(0.5 * log_variance)
        z = mean + torch.randn_like(std) * std
        return self.decode(z), mean, log_variance


def loss_of(y: Tensor, x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return cross-entropy + KL, summed over pixels, latents and the batch."""
    cross_entropy = F.binary_cross_entropy(y, x.view(-1, 784), reduction="sum")
    terms = 1 + log_variance - mean.pow(2) - log_variance.exp()
    return cross_entropy - 0.5 * torch.sum(terms)


def prepare(folder: Path) -> Path:
    """Write the four files of MNIST to where torchvision reads them."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for part, kind in product(("train", "t10k"), ("images-idx3", "labels-idx1")):
        file = raw / f"{part}-{kind}-ubyte"
        if not file.exists():
            file.write_bytes(mnist_bytes(file.name))
    return folder


def train(
    folder: Path, epochs: int, seed: int, pictures: Path | None = None
) -> Iterator[tuple[float, float]]:
    """Yield each epoch's test loss in nats per image, and its seconds of training."""
    torch.manual_seed(seed)
    to_tensor = transforms.ToTensor()
    train_set = datasets.MNIST(str(folder), train=True, transform=to_tensor)
    test_set = datasets.MNIST(str(folder), train=False, transform=to_tensor)
    training = DataLoader(train_set, 128, shuffle=True)
    testing = DataLoader(test_set, 128)
    model = PlainVAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        began = time.perf_counter()
        seen = 0.0
        for x, _ in training:
            optimizer.zero_grad()
            loss = loss_of(*with_images(model(x), x))
            loss.backward()
            seen += loss.item()
            optimizer.step()
        seconds = time.perf_counter() - began
        total, first = 0.0, None
        with torch.no_grad():
            for x, _ in testing:
                y, mean, log_variance = model(x)
                total += loss_of(y, x, mean, log_variance).item()
                first = first or (x[:8], y.view(-1, 1, 28, 28)[:8])
            z = torch.randn(64, 20)
            if pictures and first:
                sheet = pictures / f"reconstruction_{epoch}.png"
                save_image(torch.cat(first), sheet, nrow=8)
                samples = model.decode(z).view(64, 1, 28, 28)
                save_image(samples, pictures / f"sample_{epoch}.png")
        yield total / len(test_set), seconds


def with_images(
    out: tuple[Tensor, Tensor, Tensor], x: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the output of the model and x in the order that loss_of takes."""
    y, mean, log_variance = out
    return y, x, mean, log_variance


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    folder = prepare(args.folder)
    for test_loss, seconds in train(folder, args.epochs, args.seed, folder):
        print(f"{test_loss:.4f} {seconds:.2f}", flush=True)
