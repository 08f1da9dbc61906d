"""Sprites: small anti-aliased shapes drawn from known causes, so that what a VAE finds can be held against the truth."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SHAPES = ("square", "ellipse", "heart")
FACTORS = (
    "shape",
    "scale",
    "rotation",
    "x",
    "y",
    "hue",
)  # hue only where there are colours
SEED = 20131220  # one data set for everyone


def draw_sprites(n: int, channels: int = 1, size: int = 28) -> tuple[Tensor, Tensor]:
    """`n` sprites as uint8 (n, C, size, size) and their causes (n, 5), or (n, 6) in colour.

    shape in 0, 1, 2; scale in [0.6, 1]; rotation in [0, 2 pi); x, y in [0, 1] (left to right, top to bottom); hue in [0, 1).
    """
    rng = torch.Generator().manual_seed(SEED)
    u = torch.rand(n, len(FACTORS), generator=rng)
    factors = torch.stack(
        (
            u[:, 0].mul(3).floor(),
            0.6 + 0.4 * u[:, 1],
            2 * math.pi * u[:, 2],
            *u[:, 3:].T,
        ),
        dim=1,
    )
    factors = factors[:, : 5 + (channels == 3)]
    return torch.cat([render(chunk, size) for chunk in factors.split(2000)]), factors


def render(factors: Tensor, size: int = 28) -> Tensor:
    """The pictures (n, C, size, size), uint8, of the causes `factors` (n, 5 or 6)."""
    shape, scale, rotation, x, y = factors[:, :5].T[..., None, None]  # each (n, 1, 1)
    axis = (torch.arange(size) + 0.5) / size
    radius = (
        0.22 * scale
    )  # the largest sprite stays inside the frame wherever its centre lies
    right = (axis[None, None, :] - (0.27 + 0.46 * x)) / radius
    down = (axis[None, :, None] - (0.27 + 0.46 * y)) / radius
    u = right * rotation.cos() + down * rotation.sin()
    v = down * rotation.cos() - right * rotation.sin()
    outside = torch.where(
        shape == 0, square(u, v), torch.where(shape == 1, ellipse(u, v), heart(u, v))
    )
    coverage = (0.5 - outside * radius * size).clamp(0, 1)  # one pixel wide edge
    if factors.shape[1] == 5:
        return coverage.mul(255).round().to(torch.uint8)[:, None]
    thirds = torch.tensor([0.0, 1 / 3, 2 / 3])
    colour = (2 - 6 * ((factors[:, 5:] - thirds + 0.5) % 1 - 0.5).abs()).clamp(
        0, 1
    )  # (n, 3): red, green, blue
    return (
        (colour[..., None, None] * coverage[:, None]).mul(255).round().to(torch.uint8)
    )


# Signed distances to the outline, negative inside, in units of the sprite's radius.


def square(u: Tensor, v: Tensor, half: float = 0.7) -> Tensor:
    """A square of side 2 * `half`."""
    return torch.maximum(u.abs(), v.abs()) - half


def ellipse(u: Tensor, v: Tensor, a: float = 1.0, b: float = 0.55) -> Tensor:
    """An ellipse with half axes `a` and `b`; the distance is first order, exact at the outline."""
    level = torch.hypot(u / a, v / b)
    return level * (level - 1) / torch.hypot(u / a**2, v / b**2).clamp_min(1e-6)


def heart(u: Tensor, v: Tensor, r: float = 0.45) -> Tensor:
    """A square on its corner, and a disc on the middle of each upper side."""
    diamond = ((u.abs() + (v - 0.1).abs()) - 2 * r) / math.sqrt(2)
    discs = torch.hypot(u.abs() - r, v - 0.1 + r) - math.sqrt(2) * r
    return torch.minimum(diamond, discs)
