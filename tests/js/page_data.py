"""Small images and settings, as the engine receives them."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from vaelib import ImageData, TrainConfig

# JavaScript: the images that `for_page` returns.
IMAGES = """
    const bytes = (text) => Uint8Array.from(Buffer.from(text, "base64"));
    const imagesOf = ({ train, test, ...others }) =>
        ({ ...others, train: bytes(train), test: bytes(test) });
"""


def random_images(
    shape: tuple[int, ...] = (1, 6, 6), train: int = 44, test: int = 23, seed: int = 0
) -> ImageData:
    """Return random images with a class each, some of them alike."""
    rng = torch.Generator().manual_seed(seed)
    means = torch.rand(3, *shape, generator=rng)
    labels = torch.arange(train + test) % 3
    noise = torch.rand(train + test, *shape, generator=rng)
    images = (255 * (0.7 * means[labels] + 0.3 * noise)).to(torch.uint8)
    return ImageData(
        images[:train],
        images[train:],
        labels=(labels[:train], labels[train:]),
        classes=("a", "b", "c"),
    )


def for_page(data: ImageData) -> dict[str, Any]:
    """Return images as the page has them, in JSON."""
    images = {
        name: base64.b64encode(getattr(data, name).numpy().tobytes()).decode()
        for name in ("train", "test")
    }
    labels = data.labels[1].tolist() if data.labels else []
    shape, classes = list(data.shape), list(data.classes)
    pixels = data.test[0].numel()
    return dict(shape=shape, pixels=pixels, labels=labels, classes=classes, **images)


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """Return settings as the page has them, in JSON."""
    return asdict(config) | dict(seed=str(config.seed))


def floats(text: str) -> np.ndarray:
    """Return the 32-bit floats that base64 contains."""
    return np.frombuffer(base64.b64decode(text), np.float32)


def greys(raw: bytes) -> np.ndarray:
    """Return grey values, as numbers that can be subtracted."""
    return np.frombuffer(raw, np.uint8).astype(int)
