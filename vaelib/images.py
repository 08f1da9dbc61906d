"""`ImageData`: a data set of images in memory as uint8 tensors; its binarization."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

BINARIZE_SEED = 1312_6114  # fixed binarization is the same for every run


class DataError(ValueError):
    """A data set that cannot be loaded or used; the message is one sentence."""


@dataclass(frozen=True)
class ImageData:
    """Data set of a training and a test split, each a uint8 tensor (N, C, H, W).

    `labels` (N,) and `factors` (N, F), if known, are pairs as well: (train, test).
    `factors` are the true factors that the images were drawn from. `note` says what was
    read, where the split comes from, and which files were passed over and why.

    Raises DataError if the tensors are not uint8, empty, or differ in shape.

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
        for split, x in (("train", self.train), ("test", self.test)):
            if x.dtype != torch.uint8 or x.ndim != 4 or not x.numel():
                raise DataError(
                    f"{split} is {x.dtype} of shape {tuple(x.shape)}: "
                    "give uint8 images (N, C, H, W)."
                )
        if self.train.shape[1:] != self.test.shape[1:]:
            raise DataError(
                f"train images are {self.shape} and test images "
                f"{tuple(self.test.shape[1:])}: give images of one shape (C, H, W)."
            )

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
            digest.update(x.cpu().contiguous().numpy())
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

    def to(self, device: torch.device) -> ImageData:
        """Return the same data set with its images on `device`."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))


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
