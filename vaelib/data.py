"""Load a data set by its name: MNIST, Fashion-MNIST, sprites or a folder of images."""

from __future__ import annotations

import gzip
import lzma
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vaelib.image_folder import folder
from vaelib.images import DataError, ImageData, binarized
from vaelib.images import draw_binary as draw_binary
from vaelib.images import pixels as pixels
from vaelib.sprites import FACTORS, SHAPES, draw_sprites

DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
OFFLINE = "mnist, sprites and folder:PATH need no download"
MNIST_FILES = (
    "train-images-idx3-ubyte",
    "t10k-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-labels-idx1-ubyte",
)


def load_dataset(
    name: str = "mnist",
    binarize: str = "none",
    channels: int = 1,
    image_size: int = 28,
    data_dir: str = "",
) -> ImageData:
    """Return the data set `name`: mnist, fashion_mnist, sprites or folder:PATH.

    `channels` and `image_size` apply to sprites and folder:PATH. Downloads are kept in
    `data_dir`; its default is the environment variable VAELIB_DATA, or ~/.cache/vaelib.

    Raises DataError if there is no such data set, or if it cannot be loaded.

    Example:

    >>> from vaelib import load_dataset
    >>> data = load_dataset("sprites", image_size=8)
    >>> data.train.shape, data.test.shape
    (torch.Size([20000, 1, 8, 8]), torch.Size([2000, 1, 8, 8]))
    >>> data.factor_names
    ('shape', 'scale', 'rotation', 'x', 'y')
    """
    if name == "mnist":
        data = mnist()
    elif name == "fashion_mnist":
        data = fashion_mnist(download_dir(data_dir))
    elif name == "sprites":
        data = sprites(channels=channels, size=image_size)
    elif name.startswith("folder:"):
        data = folder(Path(name.removeprefix("folder:")), channels, image_size)
    else:
        raise DataError(
            f"data set {name!r} cannot be loaded by name: "
            "pass your tensors, or use mnist."
        )
    return binarized(data, binarize)


def download_dir(given: str) -> Path:
    """Return the folder for downloads: `given`, or the default if it is empty."""
    default = os.environ.get("VAELIB_DATA") or Path.home() / ".cache" / "vaelib"
    return Path(given or default)


def mnist() -> ImageData:
    """Return MNIST, 60,000 + 10,000 images, from the files shipped with the package."""
    with ThreadPoolExecutor() as pool:
        raw = pool.map(mnist_bytes, MNIST_FILES)
        train, test, *labels = map(read_idx, raw)

    return ImageData(
        train[:, None],
        test[:, None],
        name="mnist",
        source="Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database",
        licence="CC BY-SA 3.0",
        labels=(labels[0], labels[1]),
        classes=tuple("0123456789"),
    )


def mnist_bytes(name: str) -> bytes:
    """Return one of the four original files of MNIST, stored in compressed pieces."""
    folder = files("vaelib") / "mnist"
    pieces = sorted(f.name for f in folder.iterdir() if f.name.startswith(name))

    def unpacked(piece: str) -> bytes:
        return lzma.decompress((folder / piece).read_bytes())

    with ThreadPoolExecutor() as pool:  # lzma releases the GIL: all cores unpack
        return b"".join(pool.map(unpacked, pieces))


def read_idx(raw: bytes) -> Tensor:
    """Return the array of an IDX file of uint8 values.

    Its header is two zero bytes, the type (8), the number of axes, and the size of
    each axis as a big-endian 32-bit integer.
    """
    axes = raw[3]
    sizes = np.frombuffer(raw, ">i4", axes, offset=4)
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * axes)
    return torch.from_numpy(values.copy().reshape(tuple(sizes)))


def fashion_mnist(data_dir: Path) -> ImageData:
    """Return Fashion-MNIST, which torchvision downloads once into `data_dir`.

    If Debian's package dataset-fashion-mnist is installed, nothing is downloaded.
    Raises DataError if the files can neither be downloaded nor read.
    """
    import_torchvision()
    from torchvision.datasets import FashionMNIST

    raw = data_dir / "FashionMNIST" / "raw"
    try:
        raw.mkdir(parents=True, exist_ok=True)
        for packed in DEBIAN_FASHION.glob("*.gz"):
            unpack(packed, raw / packed.stem)
        train = FashionMNIST(str(data_dir), train=True, download=True)
        test = FashionMNIST(str(data_dir), train=False, download=True)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"fashion_mnist could not be downloaded or read ({reason}): put its four "
            f"files, unpacked (train-images-idx3-ubyte and so on), into {raw}, or "
            f"install Debian's dataset-fashion-mnist; {OFFLINE}."
        ) from None

    return ImageData(
        train.data[:, None],
        test.data[:, None],
        name="fashion_mnist",
        source="H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST",
        licence="MIT",
        labels=(train.targets, test.targets),
        classes=tuple(train.classes),
    )


def unpack(packed: Path, file: Path) -> None:
    """Unpack a .gz file, unless `file` exists and is complete.

    A .gz file ends with the size of its content, with which `file` is compared.
    """
    size = int.from_bytes(packed.read_bytes()[-4:], "little")
    if not file.exists() or file.stat().st_size != size:
        part = file.with_suffix(".part")
        part.write_bytes(gzip.decompress(packed.read_bytes()))
        part.replace(file)


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


def sprites(
    n_train: int = 20_000, n_test: int = 2_000, channels: int = 1, size: int = 28
) -> ImageData:
    """Return sprites, small shapes whose true factors are known.

    `factors` are shape, scale, rotation, x, y and, for RGB images, hue; the labels are
    the shapes.
    """
    images, factors = draw_sprites(n_train + n_test, channels, size)
    labels = factors[:, 0].long()
    return ImageData(
        images[:n_train],
        images[n_train:],
        name="sprites",
        source="drawn by vaelib",
        licence="MIT",
        labels=(labels[:n_train], labels[n_train:]),
        classes=SHAPES,
        factors=(factors[:n_train], factors[n_train:]),
        factor_names=FACTORS[: factors.shape[1]],
    )
