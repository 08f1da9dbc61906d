"""The images on which a published page trains, as files that it loads when asked.

`python book/page_images.py FOLDER` writes them. Each file has 10,000 images, and is a
script, because a page that is opened from a disk can load no other files.
"""

from __future__ import annotations

import gzip
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from torch import Tensor

from vaelib import ImageData, files, load_dataset
from vaelib.config import from_dict
from vaelib.widgets import frontend
from vaelib.widgets.explorer import POINTS
from vaelib.widgets.panel import DATASETS

PIECE = 10_000  # training images of a file
PIECES = {"mnist": 6, "sprites": 2, "sprites, RGB": 2}  # files of each data set


def write(folder: Path) -> None:
    """Write the images of all data sets into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in PIECES.items():
        data = load_dataset(*from_dict(DATASETS[name]).data_source)
        pieces = data.train.split(PIECE)
        assert len(pieces) == count
        with ThreadPoolExecutor() as pool:  # zlib releases the GIL
            zipped = list(pool.map(gzipped, [data.test, *pieces]))
        write_file(folder, f"{name}-test", **about(data), test=[zipped[0]])
        for i, images in enumerate(zipped[1:]):
            write_file(folder, f"{name}-{i}", images=images)


def about(data: ImageData) -> dict[str, Any]:
    """Return the shape of the images, and the classes of the first test images."""
    labels = data.labels[1][:POINTS].tolist() if data.labels else []
    return dict(shape=list(data.shape), labels=labels, classes=list(data.classes))


def gzipped(images: Tensor) -> bytes:
    """Return the bytes of images, compressed; the same ones at each call."""
    return gzip.compress(images.numpy().tobytes(), 6, mtime=0)


def write_file(folder: Path, name: str, **state: Any) -> None:
    """Write a script whose name has no blanks."""
    name = re.sub(r"\W+", "-", name)
    text = frontend.state(f"images/{name}", state)
    files.write(folder / f"{name}.js", text.encode())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
