"""A plain VAE as pytorch/examples/vae does it, written from its description: the yardstick for exactness and for speed.

Global random numbers, DataLoader, torchvision's MNIST with ToTensor, batch-sum loss, plain Adam, pictures every epoch.
Run as a program it trains and prints each epoch's test loss: python reference.py DATA_FOLDER [--epochs 10] [--seed 1]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vaelib.datasets import import_torchvision, mnist_bytes

import_torchvision()

from torchvision import datasets, transforms  # noqa: E402
from torchvision.utils import save_image  # noqa: E402


class PlainVAE(nn.Module):
    """784-400-20-400-784."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(784, 400)
        self.mean = nn.Linear(400, 20)
        self.log_variance = nn.Linear(400, 20)
        self.back = nn.Linear(20, 400)
        self.out = nn.Linear(400, 784)

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.out(F.relu(self.back(z))))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = F.relu(self.hidden(x.view(-1, 784)))
        mean, log_variance = self.mean(h), self.log_variance(h)
        std = torch.exp(0.5 * log_variance)
        z = mean + torch.randn_like(std) * std
        return self.decode(z), mean, log_variance


def loss_of(y: Tensor, x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Summed over pixels, latents and the batch."""
    cross_entropy = F.binary_cross_entropy(y, x.view(-1, 784), reduction="sum")
    return cross_entropy - 0.5 * torch.sum(
        1 + log_variance - mean.pow(2) - log_variance.exp()
    )


def prepare(folder: Path) -> Path:
    """MNIST's four files where torchvision looks for them."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name in (
        "train-images-idx3",
        "train-labels-idx1",
        "t10k-images-idx3",
        "t10k-labels-idx1",
    ):
        if not (raw / f"{name}-ubyte").exists():
            (raw / f"{name}-ubyte").write_bytes(mnist_bytes(f"{name}-ubyte"))
    return folder


def train(
    folder: Path, epochs: int, seed: int, pictures: Path | None = None
) -> Iterator[tuple[float, float]]:
    """Yields each epoch's test loss, nats per image, and the seconds of training, without the test."""
    torch.manual_seed(seed)
    training = DataLoader(
        datasets.MNIST(str(folder), train=True, transform=transforms.ToTensor()),
        128,
        shuffle=True,
    )
    testing = DataLoader(
        datasets.MNIST(str(folder), train=False, transform=transforms.ToTensor()), 128
    )
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
                save_image(
                    torch.cat(first), pictures / f"reconstruction_{epoch}.png", nrow=8
                )
                save_image(
                    model.decode(z).view(64, 1, 28, 28),
                    pictures / f"sample_{epoch}.png",
                )
        yield total / len(testing.dataset), seconds  # pyright: ignore[reportArgumentType]


def with_images(
    out: tuple[Tensor, Tensor, Tensor], x: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The model's output in the order that the loss takes it."""
    y, mean, log_variance = out
    return y, x, mean, log_variance


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    for test_loss, seconds in train(
        prepare(args.folder), args.epochs, args.seed, args.folder
    ):
        print(f"{test_loss:.4f} {seconds:.2f}", flush=True)
