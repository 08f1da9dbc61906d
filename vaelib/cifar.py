"""CIFAR-10, from its binary version: no file is read that could contain code."""

from __future__ import annotations

import io
import tarfile
import zlib
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch

from vaelib.downloads import OFFLINE, download, in_one_line, keep
from vaelib.images import DataError, ImageData

CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
CIFAR_BYTES = 170_052_171
CIFAR_FOLDER = "cifar-10-batches-bin"
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILES = ("test_batch.bin",)
CIFAR_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32  # bytes: the class, then the red, green and blue planes


def cifar10(data_dir: Path) -> ImageData:
    """Return CIFAR-10, 50,000 + 10,000 colour images, which is downloaded once.

    Files that are in the folder cifar-10-batches-bin of `data_dir` already are used as
    they are. Raises DataError if they can neither be downloaded nor read.
    """
    folder = data_dir / CIFAR_FOLDER
    names = (*TRAIN_FILES, *TEST_FILES)
    try:
        if not all((folder / name).exists() for name in names):
            unpack(download(CIFAR_URL, CIFAR_MD5, CIFAR_BYTES), folder)
        train, train_labels = read_records(folder, TRAIN_FILES)
        test, test_labels = read_records(folder, TEST_FILES)
    except (OSError, EOFError, HTTPException, tarfile.TarError, zlib.error) as error:
        reason = in_one_line(error)
        raise DataError(
            f"cifar10 could not be downloaded or read ({reason}): put the six files of "
            f"its binary version, data_batch_1.bin to data_batch_5.bin and "
            f"test_batch.bin, into {folder}; {OFFLINE}."
        ) from None
    return ImageData(
        train,
        test,
        name="cifar10",
        source="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images",
        licence="not known",
        labels=(train_labels, test_labels),
        classes=CIFAR_CLASSES,
    )


def unpack(archive: bytes, folder: Path) -> None:
    """Write the six files of an archive into a folder, whatever else is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        for name in (*TRAIN_FILES, *TEST_FILES):
            try:
                content = packed.extractfile(f"{CIFAR_FOLDER}/{name}")
            except KeyError:
                content = None
            if content is None:
                raise OSError(f"{name} is not in the archive")
            keep(folder / name, content.read())


def read_records(
    folder: Path, names: tuple[str, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images (N, 3, 32, 32) and labels (N,) of some files.

    Raises OSError if one has not whole records, or a label that is no class.
    """
    parts = [np.frombuffer((folder / name).read_bytes(), np.uint8) for name in names]
    for name, part in zip(names, parts, strict=True):
        is_whole = len(part) > 0 and len(part) % RECORD == 0
        if not is_whole or part[::RECORD].max() >= len(CIFAR_CLASSES):
            raise OSError(f"{name} is damaged, or another file")
    records = np.concatenate(parts).reshape(-1, RECORD)
    labels = torch.from_numpy(records[:, 0].astype(np.int64))
    images = torch.from_numpy(records[:, 1:].copy())
    return images.view(-1, *SHAPE), labels
