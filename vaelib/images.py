"""`ImageData`: a data set of images in memory as uint8 tensors; its binarization."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.checks import UserError

BINARIZE_SEED = 1312_6114  # fixed binarization is the same for every run


class DataError(UserError):
    """A data set that cannot be loaded or used; the message is one sentence."""


@dataclass(frozen=True)
class ImageData:
    """Data set of a training and a test split, each a uint8 tensor (N, C, H, W).

    C is 1 (grey) or 3 (RGB). `labels` (N,), whole numbers, and `factors` (N, F), if
    known, are pairs as well: (train, test). A label is an index of `classes`, if these
    are given. `factors` are the true factors that the images were drawn from. `note`
    says what was read, where the split comes from, and which files were passed over and
    why. NumPy arrays are copied to tensors.

    Raises DataError if the images are not uint8, empty, of other shapes, or differ in
    shape, or if labels or factors do not fit to them.

    Example:

    >>> import torch
    >>> from vaelib import ImageData
    >>> images = torch.zeros(100, 3, 8, 8, dtype=torch.uint8)
    >>> data = ImageData(train=images[:90], test=images[90:])
    >>> len(data.train), len(data.test), data.shape
    (90, 10, (3, 8, 8))
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
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("train", "test", "labels", "factors"):
            object.__setattr__(self, name, as_tensors(getattr(self, name)))
        check_images("train", self.train)
        check_images("test", self.test)
        if self.train.shape[1:] != self.test.shape[1:]:
            raise DataError(
                f"train images are {self.shape} and test images "
                f"{tuple(self.test.shape[1:])}: give images of one shape (C, H, W)."
            )
        check_pair("labels", self.labels, self)
        check_pair("factors", self.factors, self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of one image."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the images of both splits, by which a run knows its data again."""
        digest = hashlib.sha256()
        for x in (self.train, self.test):
            digest.update(repr(tuple(x.shape)).encode())
            digest.update(x.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    @property
    def binary(self) -> bool:
        """Whether pixels are 0 or 1, so that the cross-entropy is a likelihood."""
        return self.binarize != "none"

    def batch(self, index: Tensor, rng: torch.Generator) -> Tensor:
        """Return training images (B, D) in [0, 1].

        Under dynamic binarization their pixels are drawn again, with noise from `rng`.
        """
        x = self.train.index_select(0, index)
        return pixels(draw_binary(x, rng) if self.binarize == "dynamic" else x)

    def first(self, train: int | None = None, test: int | None = None) -> ImageData:
        """Return the first images of each split, with their labels and factors.

        By default a split stays whole.
        """
        pairs = {
            name: (pair[0][:train], pair[1][:test])
            for name in ("labels", "factors")
            if (pair := getattr(self, name)) is not None
        }
        return replace(self, train=self.train[:train], test=self.test[:test], **pairs)

    def to(self, device: torch.device) -> ImageData:
        """Return the same data set with its images on `device`."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))


def as_tensors(given: Any) -> Any:
    """Return NumPy arrays, also those in a pair, as tensors, and all else as it is."""
    if isinstance(given, (tuple, list)):
        return tuple(as_tensors(one) for one in given)
    if isinstance(given, np.ndarray):
        with suppress(TypeError, ValueError):  # torch has no such type, such as text
            # The copy is writable, owns its memory, and has no negative strides.
            return torch.from_numpy(given.copy())
    return given


def check_images(split: str, x: Any) -> None:
    """Raise DataError unless `x` is uint8 (N, 1 or 3, H, W) and not empty."""
    if not isinstance(x, Tensor):
        raise DataError(
            f"{split} is of type {type(x).__name__}: give a uint8 tensor (N, C, H, W)."
        )
    shape = tuple(x.shape)
    if x.dtype != torch.uint8 or x.ndim != 4 or not x.numel():
        raise DataError(
            f"{split} is {x.dtype} of shape {shape}: give uint8 images (N, C, H, W)."
        )
    if shape[1] not in (1, 3):
        last = shape[3] in (1, 3)
        advice = "use permute(0, 3, 1, 2)" if last else "give 1 (grey) or 3 (RGB)"
        raise DataError(
            f"{split} of shape {shape} has {shape[1]} channels in (N, C, H, W): "
            f"{advice}."
        )


def check_pair(name: str, pair: Any, data: ImageData) -> None:
    """Raise DataError unless labels (N,) or factors (N, F) fit to the images."""
    if pair is None:
        return
    axes = 1 if name == "labels" else 2
    if (
        not isinstance(pair, tuple)
        or len(pair) != 2
        or not all(isinstance(x, Tensor) and x.ndim == axes for x in pair)
    ):
        shape = "(N,)" if axes == 1 else "(N, F)"
        raise DataError(
            f"{name} must be a pair of tensors {shape}, for train and for test: "
            f"give {name}=(of_train, of_test)."
        )
    lengths, expected = [len(x) for x in pair], [len(data.train), len(data.test)]
    if lengths != expected:
        raise DataError(
            f"{name} are for {lengths[0]} + {lengths[1]} images, "
            f"but there are {expected[0]} + {expected[1]}: give one for each image."
        )
    if name == "labels":
        check_labels(pair, len(data.classes))
    elif {x.shape[1] for x in pair} != {len(data.factor_names) or pair[0].shape[1]}:
        columns = " and ".join(str(x.shape[1]) for x in pair)
        raise DataError(
            f"factors have {columns} columns and {len(data.factor_names)} "
            "factor_names: give both splits the same, and a name for each."
        )


def check_labels(labels: tuple[Tensor, Tensor], n_classes: int) -> None:
    """Raise DataError unless labels are whole numbers, in the range of the classes.

    -1 stands for an image without a class.
    """
    for x in labels:
        if x.dtype == torch.bool or x.is_floating_point() or x.is_complex():
            raise DataError(f"labels are {x.dtype}: give whole numbers, as .long().")
        low, high = int(x.min()), int(x.max())
        if n_classes and not -1 <= low <= high < n_classes:
            raise DataError(
                f"labels are from {low} to {high}, but there are {n_classes} classes: "
                f"give numbers from 0 to {n_classes - 1}, or -1 for none."
            )


def pixels(images: Tensor) -> Tensor:
    """Return uint8 images (N, C, H, W) as floats (N, D) in [0, 1].

    The result is equal to that of torchvision's ToTensor.
    """
    return images.flatten(1).float().div_(255)


def draw_binary(images: Tensor, rng: torch.Generator) -> Tensor:
    """Return black or white pixels, where P(white) is exactly the grey value / 255.

    The noise is drawn on the CPU, so it is the same for every device.
    """
    noise = torch.empty(images.shape, dtype=torch.uint8, device="cpu")
    noise = noise.random_(0, 255, generator=rng).to(images.device)
    return (images > noise).to(torch.uint8).mul_(255)


def binarized(data: ImageData, how: str) -> ImageData:
    """Return `data` with binarization `how`: "none", "fixed" or "dynamic".

    The test split is drawn once in both cases, the training split only if "fixed".
    """
    if how == "none":
        return data
    rng = torch.Generator().manual_seed(BINARIZE_SEED)
    test = draw_binary(data.test, rng)
    train = draw_binary(data.train, rng) if how == "fixed" else data.train
    return replace(data, train=train, test=test, binarize=how)
