"""Sprites: small anti-aliased shapes that are drawn from known factors.

Because the true factors are known, they can be compared with what a VAE learns.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SHAPES = ("square", "ellipse", "heart")
FACTORS = ("shape", "scale", "rotation", "x", "y", "hue")  # hue only for RGB images
CHUNK_PIXELS = 2**18  # pixels that are drawn at a time: they fit into a cache
SEED = 20131220  # the data set is the same for everyone


def draw_sprites(n: int, channels: int = 1, size: int = 28) -> tuple[Tensor, Tensor]:
    """Return `n` sprites, uint8 (n, C, size, size), and their factors, (n, 5 or 6).

    The factors are independent and uniform: shape in {0, 1, 2}, scale in [0.6, 1],
    rotation in [0, 2 pi), x and y in [0, 1] (from left to right, from top to bottom)
    and, if `channels` is 3, hue in [0, 1).
    """
    rng = torch.Generator().manual_seed(SEED)
    u = torch.rand(n, len(FACTORS), generator=rng, dtype=torch.float32, device="cpu")

    shape = u[:, 0].mul(3).floor()
    scale = 0.6 + 0.4 * u[:, 1]
    rotation = 2 * math.pi * u[:, 2]
    factors = torch.stack((shape, scale, rotation, *u[:, 3:].T), dim=1)
    if channels != 3:
        factors = factors[:, :5]  # no hue

    # In chunks, to limit the memory that the intermediate tensors take.
    shape = n, 3 if channels == 3 else 1, size, size
    images = torch.empty(shape, dtype=torch.uint8, device="cpu")
    few = min(2000, max(1, CHUNK_PIXELS // size**2))
    for part, chunk in zip(images.split(few), factors.split(few), strict=True):
        part.copy_(render(chunk, size))
    return images, factors


def render(factors: Tensor, size: int = 28) -> Tensor:
    """Return the images, uint8 (n, C, size, size), of the factors (n, 5 or 6)."""
    shape, scale, rotation, x, y = factors[:, :5].T[..., None, None]  # each (n, 1, 1)
    axis = torch.arange(size, dtype=factors.dtype, device=factors.device)
    axis = (axis + 0.5) / size

    # The largest sprite stays inside the image for every x and y.
    radius = 0.22 * scale
    right = (axis[None, None, :] - (0.27 + 0.46 * x)) / radius
    down = (axis[None, :, None] - (0.27 + 0.46 * y)) / radius

    # Coordinates of each pixel in the frame of the rotated sprite.
    u = right * rotation.cos() + down * rotation.sin()
    v = down * rotation.cos() - right * rotation.sin()
    round_shape = torch.where(shape == 1, ellipse(u, v), heart(u, v))
    distance = torch.where(shape == 0, square(u, v), round_shape)
    coverage = (0.5 - distance * radius * size).clamp(0, 1)  # an edge of one pixel

    if factors.shape[1] == 5:
        return coverage.mul(255).round().to(torch.uint8)[:, None]
    colour = rgb(factors[:, 5:])[..., None, None] * coverage[:, None]
    return colour.mul(255).round().to(torch.uint8)


def rgb(hue: Tensor) -> Tensor:
    """Return the saturated colours, (n, 3) in [0, 1], of hues (n, 1) in [0, 1)."""
    thirds = hue.new_tensor([0.0, 1 / 3, 2 / 3])  # the hues of red, green and blue
    distance = ((hue - thirds + 0.5) % 1 - 0.5).abs()
    return (2 - 6 * distance).clamp(0, 1)


# Signed distances to an outline: negative inside, in units of the sprite's radius.


def square(u: Tensor, v: Tensor, half: float = 0.7) -> Tensor:
    """Return the signed distance to a square of side 2 * `half`."""
    return torch.maximum(u.abs(), v.abs()) - half


def ellipse(u: Tensor, v: Tensor, a: float = 1.0, b: float = 0.55) -> Tensor:
    """Return the signed distance to an ellipse with half axes `a` and `b`.

    The distance is a first-order approximation, exact at the outline.
    """
    level = torch.hypot(u / a, v / b)
    return level * (level - 1) / torch.hypot(u / a**2, v / b**2).clamp_min(1e-6)


def heart(u: Tensor, v: Tensor, r: float = 0.45) -> Tensor:
    """Return the signed distance to a heart.

    It is a square on its corner, with a disc on the middle of each upper side.
    """
    diamond = ((u.abs() + (v - 0.1).abs()) - 2 * r) / math.sqrt(2)
    discs = torch.hypot(u.abs() - r, v - 0.1 + r) - math.sqrt(2) * r
    return torch.minimum(diamond, discs)
