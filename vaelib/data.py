"""Load a data set by its name: MNIST, sprites, CIFAR-10, a folder, and others."""

from __future__ import annotations

import gzip
import zlib
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vaelib.checks import path_of
from vaelib.cifar import cifar10
from vaelib.downloads import OFFLINE, download, download_dir, in_one_line, keep
from vaelib.image_folder import folder
from vaelib.images import DataError, ImageData, binarized
from vaelib.images import draw_binary as draw_binary
from vaelib.images import pixels as pixels
from vaelib.packed import MNIST_FILES, mnist_bytes
from vaelib.sprites import FACTORS, SHAPES, draw_sprites

BINARIZE = ("none", "fixed", "dynamic")
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION_MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
FASHION_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
FREY_FILE = "frey_rawface.mat"
FREY_URL = f"https://cs.nyu.edu/~roweis/data/{FREY_FILE}"
FREY_TEST = 400  # images; the paper does not say which, and ours are the last ones


def load_dataset(
    name: str = "mnist",
    binarize: str = "none",
    channels: int = 1,
    image_size: int = 28,
    data_dir: str = "",
    train_images: int = 0,
) -> ImageData:
    """Return the data set `name`: one of `config.DATASETS`, or folder:PATH.

    `channels` and `image_size` apply to sprites and folder:PATH. Downloads are kept in
    `data_dir`; its default is the environment variable VAELIB_DATA, or ~/.cache/vaelib.
    A leading ~ of a path is the home folder. `train_images`: only the first images of
    the training split, this many, unless it is 0.

    Raises DataError if there is no such data set, or if it cannot be loaded.

    Example:

    >>> from vaelib import load_dataset
    >>> data = load_dataset("sprites", image_size=8)
    >>> data.train.shape, data.test.shape
    (torch.Size([20000, 1, 8, 8]), torch.Size([2000, 1, 8, 8]))
    >>> data.factor_names
    ('shape', 'scale', 'rotation', 'x', 'y')
    """
    if channels not in (1, 3):
        raise DataError(f"channels is {channels!r}: give 1 (grey) or 3 (RGB).")
    if binarize not in BINARIZE:
        raise DataError(f"binarize is {binarize!r}: give one of {', '.join(BINARIZE)}.")
    if image_size < 1:
        raise DataError(f"image_size is {image_size!r}: give at least 1 pixel.")
    if name == "mnist":
        data = mnist()
    elif name == "fashion_mnist":
        data = fashion_mnist(download_dir(data_dir))
    elif name == "cifar10":
        data = cifar10(download_dir(data_dir))
    elif name == "frey_face":
        data = frey_face(download_dir(data_dir))
    elif name == "sprites":
        data = sprites(channels=channels, size=image_size)
    elif name.startswith("folder:"):
        path = path_of(name.removeprefix("folder:"))
        data = folder(path, channels, image_size)
    else:
        raise DataError(
            f"data set {name!r} cannot be loaded by name: "
            "pass your tensors, or use mnist."
        )
    return first_images(binarized(data, binarize), train_images)


def first_images(data: ImageData, n: int) -> ImageData:
    """Return the data with only the first `n` training images, or all of them if 0.

    Raises DataError if there are fewer.
    """
    if n > len(data.train):
        raise DataError(
            f"train_images is {n}, but {data.name} has {len(data.train):,}: give that "
            "many or fewer, or 0 for all."
        )
    return data.first(n or None)


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
    """Return Fashion-MNIST, which is downloaded once into `data_dir`.

    If Debian's package dataset-fashion-mnist is installed, nothing is downloaded.
    Raises DataError if the files can neither be downloaded nor read.
    """
    raw = data_dir / "FashionMNIST" / "raw"  # where torchvision keeps them too
    try:
        raw.mkdir(parents=True, exist_ok=True)
        train, test, *labels = [read_idx(fashion_file(raw, n)) for n in MNIST_FILES]
    except (OSError, EOFError, ValueError, HTTPException, zlib.error) as error:
        reason = in_one_line(error)
        raise DataError(
            f"fashion_mnist could not be downloaded or read ({reason}): put its four "
            f"files, unpacked (train-images-idx3-ubyte and so on), into {raw}, or "
            f"install Debian's dataset-fashion-mnist; {OFFLINE}."
        ) from None

    return ImageData(
        train[:, None],
        test[:, None],
        name="fashion_mnist",
        source="H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST",
        licence="MIT",
        labels=(labels[0], labels[1]),
        classes=FASHION_CLASSES,
    )


def frey_face(data_dir: Path) -> ImageData:
    """Return the Frey faces of Fig 2, 1,965 frames of a video, from the user's file.

    Frames that follow each other are alike, so that the test images are the last ones.
    Raises DataError if the file is not in `data_dir` or cannot be read.
    """
    file = data_dir / FREY_FILE
    if not file.exists():
        raise DataError(
            f"frey_face does not come with vaelib, since its licence is not known: put "
            f"{FREY_FILE} from {FREY_URL} into {data_dir}."
        )
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError:
        raise DataError("frey_face needs SciPy: run pip install scipy.") from None
    try:
        pixels = loadmat(file)["ff"]  # a column is an image
        images = torch.from_numpy(np.ascontiguousarray(pixels.T))
        images = images.view(-1, 1, 28, 20)
        train, test = images[:-FREY_TEST], images[-FREY_TEST:]
        return ImageData(
            train,
            test,
            name="frey_face",
            source="S. Roweis and B. Frey",
            licence="not known",
        )
    except Exception as error:
        raise DataError(
            f"{file} is damaged, or is not the file of {FREY_URL} "
            f"({type(error).__name__})."
        ) from None


def fashion_file(raw: Path, name: str) -> bytes:
    """Return a file of Fashion-MNIST in `raw`, which is unpacked or downloaded first.

    An incomplete file is replaced.
    """
    file, packed = raw / name, DEBIAN_FASHION / f"{name}.gz"
    n, header, size = 60_000 if name.startswith("train") else 10_000, 8, 1
    if "images" in name:
        header, size = 16, 28 * 28
    length = header + n * size
    if not file.exists() or file.stat().st_size != length:
        url, md5 = f"{FASHION_URL}{name}.gz", FASHION_MD5[f"{name}.gz"]
        content = packed.read_bytes() if packed.exists() else download(url, md5)
        content = gzip.decompress(content)
        if len(content) != length:
            raise OSError(f"{packed} is incomplete")
        keep(file, content)
    return file.read_bytes()


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
