"""How much memory a training will take, from its settings alone; imports no torch."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from vaelib.combinations import conv_shapes
from vaelib.config import ConfigError, TrainConfig

FLOAT = 4  # bytes
NOTEWORTHY = 2**32  # bytes, 4 GiB: a run that takes more is said to do so
PROGRAM = 350 * 2**20  # bytes of Python, torch and matplotlib
EVALUATION = 400 * 2**20  # bytes of the test and of the pictures, which are bounded
LAYER = 20_000  # bytes of a layer without weights
# Numbers for each pixel of a mini-batch, in the forward and the backward pass: measured
# by tests/benchmarks/corners.py.
PER_PIXEL = {
    "bce": 5.6,
    "bce_logits": 4.4,
    "mse": 6.4,
    "gaussian": 12.5,
    "logistic": 21.5,
}
PER_UNIT = 1.6  # numbers for each hidden unit
PER_LATENT = 12.0
# Number of images, training and test, and shape of the data sets of a known size.
SIZES = {"mnist": 70_000, "fashion_mnist": 70_000, "sprites": 22_000}
SIZES |= {"cifar10": 60_000, "frey_face": 1965}
SHAPES = {"cifar10": (3, 32, 32), "frey_face": (1, 28, 20)}
LIMITS = (  # of a container: version 2 of control groups, and version 1
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def image_shapes(config: TrainConfig, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the shape of an image and, with convolutions, that after each of them."""
    is_conv = config.model == "conv"
    return conv_shapes(shape, config.conv_channels) if is_conv else [shape]


def count_weights(config: TrainConfig, shape: tuple[int, ...]) -> int:
    """Return the number of weights and biases of the model of a run."""
    kinds = 2 if config.loss in ("gaussian", "logistic") else 1
    images = image_shapes(config, shape)
    back = [*reversed(images[1:]), (kinds * shape[0], *shape[1:])]
    n_in, n_out, j = math.prod(images[-1]), math.prod(back[0]), config.latent_dim
    up, down = [n_in, *config.hidden_dim], [j, *reversed(config.hidden_dim)]
    dense = [*pairwise(up), (up[-1], 2 * j), *pairwise(down), (down[-1], n_out)]
    kernels = [(16 * a[0], b[0]) for a, b in (*pairwise(images), *pairwise(back))]
    return sum((inputs + 1) * outputs for inputs, outputs in dense + kernels)


def estimate(
    config: TrainConfig, shape: tuple[int, ...], images: int
) -> dict[str, int]:
    """Return the bytes that each part of a run takes on the CPU, at its peak.

    `shape`: shape (C, H, W) of one image. `images`: number of all images, training and
    test. A mini-batch, the test with its pictures, and the writing of state.pt follow
    each other: only the largest of the three counts.
    """
    d, weights = math.prod(shape), count_weights(config, shape)
    features = sum(map(math.prod, image_shapes(config, shape)[1:]))  # of convolutions
    units = PER_UNIT * (sum(config.hidden_dim) + features)
    of_draw = PER_PIXEL[config.loss] * d + units + PER_LATENT * config.latent_dim
    numbers = units + config.samples * of_draw  # one encoder, K decoders
    chains = images * config.latent_dim if config.method == "mcem" else 0
    copies = 3 if config.binarize == "fixed" else 1  # while the images are drawn

    phases = {
        "a mini-batch": round(min(config.batch_size, images) * numbers * FLOAT),
        "the test and its pictures": EVALUATION,
        "writing the state": (4 * weights + chains) * FLOAT,
    }
    largest = max(phases, key=lambda name: phases[name])
    return {
        "the program": PROGRAM,
        "the images": copies * images * d,
        # Weights, their gradients, two moments of Adam, and a chain for each image.
        "the model": (4 * weights + chains) * FLOAT
        + 2 * LAYER * len(config.hidden_dim),
        largest: phases[largest],
    }


ADVICE = {
    "the images": "image_size, or fewer images,",
    "the model": "hidden_dim, latent_dim or image_size",
    "writing the state": "hidden_dim, latent_dim or image_size",
    "a mini-batch": "batch_size or samples",
}


def check_memory(
    config: TrainConfig,
    shape: tuple[int, ...] = (),
    images: int = 0,
    on_gpu: bool = False,
) -> str:
    """Return a note if a run will take more than 4 GiB of memory, or "" if not.

    `shape` (C, H, W) and `images`, the number of all images, may be left out for the
    data sets of `config.DATASETS`. Raises ConfigError if this machine, or the
    container, has less memory than the run will take. What a GPU computes is not
    counted.

    Example:

    >>> from vaelib import TrainConfig
    >>> from vaelib.memory import check_memory
    >>> check_memory(TrainConfig())
    ''
    >>> check_memory(TrainConfig(hidden_dim=(10_000,) * 100))
    Traceback (most recent call last):
    vaelib.checks.ConfigError: this run will take about 5...
    """
    if not images:
        images = SIZES.get(config.dataset, 1)
        square = config.channels, config.image_size, config.image_size
        shape = SHAPES.get(config.dataset, square)
    parts = estimate(config, shape, images)
    if on_gpu:
        parts.pop("a mini-batch", None)
    total, available = sum(parts.values()), machine_memory()
    if total <= min(NOTEWORTHY, available):
        return ""

    largest = max(ADVICE, key=lambda name: parts.get(name, 0))
    text = f"this run will take about {gib(total)}, most of it for {largest}"
    advice = f"a smaller {ADVICE[largest]} takes less"
    if total > available:
        raise ConfigError(f"{text}, and there are {gib(available)}: {advice}.")
    return f"{text}: {advice}."


def gib(size: float) -> str:
    """Return a number of bytes as text, such as 9.3 GiB."""
    return f"{size / 2**30:,.1f} GiB"


def machine_memory() -> float:
    """Return the bytes of memory of this machine, or of the container; else inf."""
    found = [math.inf]
    with suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for file in LIMITS:
        with suppress(OSError, ValueError):  # "max": no limit
            found.append(int(file.read_text()))
    return min(size for size in found if size > 0)
