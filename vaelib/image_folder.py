"""Images of your own, read from a folder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from vaelib.images import DataError, ImageData


def folder(path: Path, channels: int = 1, size: int = 28) -> ImageData:
    """Return the images below `path`, each cropped to a square and resized.

    Sub-folders are classes. The test split is every tenth image and the last one, or,
    if the folders directly below `path` are train and test, the images in test.

    Raises DataError if the folder does not exist, contains fewer than two images, or
    contains an image that cannot be read.
    """
    found = image_files(path)
    parts = [file.relative_to(path).parts for file in found]
    has_splits = {part[0] for part in parts} == {"train", "test"}
    if has_splits:
        is_test = torch.tensor([part[0] == "test" for part in parts])
    else:
        last = len(found) - 1
        is_test = torch.tensor([i % 10 == 9 or i == last for i in range(len(found))])

    names = [part[-2] if len(part) > 1 + has_splits else "" for part in parts]
    classes = tuple(sorted(set(names)))
    labels = torch.tensor([classes.index(name) for name in names])
    has_classes = len(classes) > 1

    with ThreadPoolExecutor() as pool:
        images = torch.stack(
            list(pool.map(lambda file: read_image(file, channels, size), found))
        )
    return ImageData(
        images[~is_test],
        images[is_test],
        name="folder",
        source=str(path),
        licence="the owner's",
        labels=(labels[~is_test], labels[is_test]) if has_classes else None,
        classes=classes if has_classes else (),
    )


def image_files(path: Path) -> list[Path]:
    """Return the image files below the folder `path`, sorted.

    Raises DataError if `path` is not a folder or contains fewer than two of them.
    """
    if not path.is_dir():
        raise DataError(
            f"there is no folder {str(path)!r}: give the folder with your images."
        )
    known = Image.registered_extensions()
    found = [p for p in path.rglob("*") if p.suffix.lower() in known and p.is_file()]
    if len(found) < 2:
        raise DataError(
            f"{str(path)!r} contains {len(found)} image(s): "
            "at least 2 are needed, such as .png or .jpg."
        )
    return sorted(found)


def read_image(file: Path, channels: int, size: int) -> Tensor:
    """Return an image file as uint8 (channels, size, size).

    Raises DataError if the file is damaged or is not an image.
    """
    mode = "L" if channels == 1 else "RGB"
    try:
        with Image.open(file) as image:
            square = ImageOps.fit(image.convert(mode), (size, size))
    except (OSError, ValueError, Image.DecompressionBombError):
        raise DataError(
            f"{str(file)!r} cannot be read as an image: repair or remove it."
        ) from None
    rows = torch.from_numpy(np.array(square)).reshape(size, size, channels)
    return rows.permute(2, 0, 1)
