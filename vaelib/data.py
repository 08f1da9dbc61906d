"""Load a data set by its name: MNIST, Fashion-MNIST, sprites or a folder of images."""

from __future__ import annotations

import os
from pathlib import Path

from vaelib.datasets import fashion_mnist, mnist, sprites
from vaelib.image_folder import folder
from vaelib.images import DataError, ImageData, binarized
from vaelib.images import draw_binary as draw_binary
from vaelib.images import pixels as pixels


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
