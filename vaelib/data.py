"""Data sets as in-memory uint8 tensors: MNIST (shipped), Fashion-MNIST, sprites, a folder, your own tensors."""

from __future__ import annotations

import gzip
import lzma
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vaelib.sprites import FACTORS, SHAPES, draw_sprites

BINARIZE_SEED = (
    1312_6114  # the fixed black-and-white pixels are one draw, the same for every run
)
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
OFFLINE = "mnist, sprites and folder:PATH need no download"


class DataError(ValueError):
    """A data set that cannot be had; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class ImageData:
    """A data set: a pair of uint8 tensors (N, C, H, W) and its facts.

    `labels` (N,) and `factors` (N, F), where known, are pairs too: train, test. `factors` are the true causes.
    """

    train: Tensor
    test: Tensor
    name: str = "tensors"
    source: str = "passed in Python"
    licence: str = "the owner's"
    labels: tuple[Tensor, Tensor] | None = None
    classes: tuple[str, ...] = ()
    factors: tuple[Tensor, Tensor] | None = None
    factor_names: tuple[str, ...] = ()
    binarize: str = "none"

    def __post_init__(self) -> None:
        for split, x in (("train", self.train), ("test", self.test)):
            if x.dtype != torch.uint8 or x.ndim != 4 or not x.numel():
                raise DataError(
                    f"{split} is {x.dtype} of shape {tuple(x.shape)}: give uint8 images (N, C, H, W)."
                )
        if self.train.shape[1:] != self.test.shape[1:]:
            raise DataError(
                f"train and test images differ in shape: {self.shape}, {tuple(self.test.shape[1:])}."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)"""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    @property
    def binary(self) -> bool:
        """Whether pixels are 0 or 1, so that cross-entropy is a likelihood."""
        return self.binarize != "none"

    def batch(self, index: Tensor, rng: torch.Generator) -> Tensor:
        """Training images (B, D) in [0, 1]; under dynamic binarization, pixels drawn anew from `rng`."""
        x = self.train.index_select(0, index)
        return pixels(draw_binary(x, rng) if self.binarize == "dynamic" else x)

    def to(self, device: torch.device) -> ImageData:
        """The same data set with its images on `device`."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))


def pixels(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) as floats (N, D) in [0, 1]: the same division as torchvision's ToTensor."""
    return images.flatten(1).float().div_(255)


def draw_binary(images: Tensor, rng: torch.Generator) -> Tensor:
    """Black or white, P(white) = grey value / 255 exactly. Noise comes from the CPU on every device."""
    noise = torch.empty(images.shape, dtype=torch.uint8).random_(0, 255, generator=rng)
    return (images > noise.to(images.device)).to(torch.uint8).mul_(255)


def binarized(data: ImageData, how: str) -> ImageData:
    """`data` with the pixels that `how` (none, fixed, dynamic) asks for; the test split is drawn once in any case."""
    if how == "none":
        return data
    rng = torch.Generator().manual_seed(BINARIZE_SEED)
    test = draw_binary(data.test, rng)
    return replace(
        data,
        train=draw_binary(data.train, rng) if how == "fixed" else data.train,
        test=test,
        binarize=how,
    )


def load_dataset(
    name: str = "mnist",
    binarize: str = "none",
    channels: int = 1,
    image_size: int = 28,
    data_dir: str = "",
) -> ImageData:
    """A data set by name: mnist, fashion_mnist, sprites or folder:PATH.

    Raises: DataError, one sentence, where it cannot be had.
    """
    if name == "mnist":
        data = mnist()
    elif name == "fashion_mnist":
        data = fashion_mnist(
            Path(
                data_dir
                or os.environ.get("VAELIB_DATA")
                or Path.home() / ".cache" / "vaelib"
            )
        )
    elif name == "sprites":
        data = sprites(channels=channels, size=image_size)
    elif name.startswith("folder:"):
        data = folder(Path(name.removeprefix("folder:")), channels, image_size)
    else:
        raise DataError(
            f"data set {name!r} cannot be loaded by name: pass your tensors, or use mnist."
        )
    return binarized(data, binarize)


def read_idx(raw: bytes) -> Tensor:
    """An IDX file's array: two zero bytes, 8 (uint8), the number of axes, their sizes (big-endian), the values."""
    axes = raw[3]
    sizes = np.frombuffer(raw, ">i4", axes, offset=4)
    return torch.from_numpy(
        np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).copy().reshape(tuple(sizes))
    )


def mnist_bytes(name: str) -> bytes:
    """One of MNIST's four original files, such as train-images-idx3-ubyte, from its compressed pieces."""
    pieces = sorted(
        file.name
        for file in (files("vaelib") / "mnist").iterdir()
        if file.name.startswith(name)
    )
    with (
        ThreadPoolExecutor() as pool
    ):  # lzma releases the interpreter's lock: all cores unpack
        return b"".join(
            pool.map(
                lambda piece: lzma.decompress(
                    (files("vaelib") / "mnist" / piece).read_bytes()
                ),
                pieces,
            )
        )


def mnist() -> ImageData:
    """The full MNIST (60,000 + 10,000), shipped with the package."""
    parts = (
        "train-images-idx3",
        "t10k-images-idx3",
        "train-labels-idx1",
        "t10k-labels-idx1",
    )
    with ThreadPoolExecutor() as pool:
        train, test, *labels = pool.map(
            lambda part: read_idx(mnist_bytes(f"{part}-ubyte")), parts
        )
    return ImageData(
        train[:, None],
        test[:, None],
        "mnist",
        "Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database",
        "CC BY-SA 3.0",
        (labels[0], labels[1]),
        tuple("0123456789"),
    )


def fashion_mnist(data_dir: Path) -> ImageData:
    """Fashion-MNIST through torchvision, downloaded once into `data_dir`, or taken from Debian's package."""
    import_torchvision()
    from torchvision.datasets import FashionMNIST

    raw = data_dir / "FashionMNIST" / "raw"
    try:
        raw.mkdir(parents=True, exist_ok=True)
        for packed in DEBIAN_FASHION.glob("*.gz"):
            unpack(packed, raw / packed.stem)
        train, test = (
            FashionMNIST(str(data_dir), train=split, download=True)
            for split in (True, False)
        )
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"fashion_mnist could not be downloaded or read ({' '.join(str(error).split())}): put its four files, unpacked "
            f"(train-images-idx3-ubyte and so on), into {raw}, or install Debian's dataset-fashion-mnist; {OFFLINE}."
        ) from None
    labels, classes = (train.targets, test.targets), tuple(train.classes)
    source = "H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST"
    return ImageData(
        train.data[:, None],
        test.data[:, None],
        "fashion_mnist",
        source,
        "MIT",
        labels,
        classes,
    )


def unpack(packed: Path, file: Path) -> None:
    """Unpacks a .gz, unless it lies there already with the size that the .gz ends with."""
    size = int.from_bytes(packed.read_bytes()[-4:], "little")
    if not file.exists() or file.stat().st_size != size:
        part = file.with_suffix(".part")
        part.write_bytes(gzip.decompress(packed.read_bytes()))
        part.replace(file)


def import_torchvision() -> None:
    """Makes torchvision importable also where it was built for another torch than the one installed (a CPU build, say).

    Its datasets and transforms need none of its compiled operators, but its import stops where two are not declared.
    """
    try:
        import torchvision as _  # noqa: F401
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [
            name for name in sys.modules if name.split(".")[0] == "torchvision"
        ]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define(
            "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )
        KEPT.append(library)


KEPT = []  # operators live as long as the library object that declared them


def sprites(
    n_train: int = 20_000, n_test: int = 2_000, channels: int = 1, size: int = 28
) -> ImageData:
    """Small anti-aliased shapes whose causes are known: `factors` holds shape, scale, rotation, x, y (RGB: hue)."""
    images, factors = draw_sprites(n_train + n_test, channels, size)
    labels = factors[:, 0].long()
    return ImageData(
        images[:n_train],
        images[n_train:],
        "sprites",
        "drawn by vaelib",
        "MIT",
        (labels[:n_train], labels[n_train:]),
        SHAPES,
        (factors[:n_train], factors[n_train:]),
        FACTORS[: factors.shape[1]],
    )


def folder(path: Path, channels: int = 1, size: int = 28) -> ImageData:
    """Your own images, cropped to a square and resized; every tenth is for testing, or those below `path`/test.

    Sub-folders are classes. Raises: DataError where there is no folder, fewer than two images, or one is damaged.
    """
    from PIL import Image, ImageOps

    if not path.is_dir():
        raise DataError(
            f"there is no folder {str(path)!r}: give the folder that holds your images."
        )
    known = Image.registered_extensions()
    found = sorted(
        p for p in path.rglob("*") if p.suffix.lower() in known and p.is_file()
    )
    if len(found) < 2:
        raise DataError(
            f"{str(path)!r} holds {len(found)} image(s): at least 2 are needed, such as .png or .jpg."
        )

    def read(file: Path) -> Tensor:
        try:
            with Image.open(file) as image:
                square = ImageOps.fit(
                    image.convert("L" if channels == 1 else "RGB"), (size, size)
                )
        except (OSError, ValueError, Image.DecompressionBombError):
            raise DataError(
                f"{str(file)!r} cannot be read as an image: repair it or take it out."
            ) from None
        return (
            torch.from_numpy(np.array(square))
            .reshape(size, size, channels)
            .permute(2, 0, 1)
        )

    parts = [p.relative_to(path).parts for p in found]
    split = {part[0] for part in parts} == {"train", "test"}
    testing = torch.tensor(
        [
            part[0] == "test" if split else i % 10 == 9 or i == len(found) - 1
            for i, part in enumerate(parts)
        ]
    )
    names = [part[-2] if len(part) > 1 + split else "" for part in parts]
    classes = tuple(sorted(set(names)))
    label = torch.tensor([classes.index(name) for name in names])
    with ThreadPoolExecutor() as pool:
        images = torch.stack(list(pool.map(read, found)))
    return ImageData(
        images[~testing],
        images[testing],
        "folder",
        str(path),
        "the owner's",
        (label[~testing], label[testing]) if len(classes) > 1 else None,
        classes if len(classes) > 1 else (),
    )
