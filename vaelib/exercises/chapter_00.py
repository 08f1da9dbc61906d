"""What the exercises of Chapter 0 ask for."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vaelib.exercises.parts import Part, between, noise
from vaelib.losses import bce_logits, kl_divergence


def exercise_1() -> list[Part]:
    """Return the eight images with the largest total, on images made up for it."""
    arguments = (
        2 * noise(1, 40, 30),
        (noise(2, 40, 30) > 0).double(),
        noise(3, 40, 12) * (1 + noise(4, 40, 1).abs()),
        noise(5, 40, 12),
    )

    def ranked(total, largest: bool = True):
        return lambda *given: total(*given).argsort(descending=largest)[:8]

    def sum_of(x_hat: Tensor, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        return bce_logits(x_hat, x) + kl_divergence(mu, logvar)

    errors = {
        "these are the eight easiest images.": ranked(sum_of, False),
        "these are ranked by the reconstruction alone: the total has two terms.":
            ranked(lambda x_hat, x, mu, logvar: bce_logits(x_hat, x)),
        "these are ranked by the KL divergence alone: the total has two terms.":
            ranked(lambda x_hat, x, mu, logvar: kl_divergence(mu, logvar)),
        "the KL divergence is subtracted: in the total it is a cost.":
            ranked(lambda a, x, mu, v: bce_logits(a, x) - kl_divergence(mu, v)),
        "these are the totals: give the indices of their images.":
            lambda *given: sum_of(*given).sort(descending=True).values[:8],
    }  # fmt: skip
    right = ranked(sum_of)
    return [Part("hardest", right, [arguments], errors=errors)]


def exercise_2() -> list[Part]:
    """Return the gain of 18 more latents, which depends on training."""
    errors = {
        "this is a total; subtract that of the model with 20 latents.": 161.0,
        "this is in bits: multiply it by log 2.": 55 / math.log(2),
        "this is per pixel: totals are summed over the pixels of an image.": 55 / 784,
    }
    return [between("gain", 40, 68, errors=errors)]


def exercise_3() -> list[Part]:
    """Return the share of images whose nearest neighbour has their label."""
    centres = 2 * noise(6, 10, 5)
    labels = torch.arange(300) % 10
    codes = centres[labels] + 1.8 * noise(7, 300, 5)

    def by(choose, first: int = 0):
        def accuracy(codes: Tensor, labels: Tensor, n: int) -> Tensor:
            pairs = codes[:n], codes[n if not first else 0 :]
            own = labels[n if not first else 0 :][choose(*pairs)]
            return (own == labels[:n]).double().mean()

        return accuracy

    def nearest(a: Tensor, b: Tensor) -> Tensor:
        return torch.cdist(a, b).argmin(1)

    errors = {
        "each image is compared with itself: leave the first n out of the others.":
            by(nearest, 1),
        "this takes the farthest image, not the nearest.":
            by(lambda a, b: torch.cdist(a, b).argmax(1)),
        "the largest inner product is not the smallest distance.":
            by(lambda a, b: (a @ b.T).argmax(1)),
    }  # fmt: skip
    at = [(codes, labels, 100), (codes.flip(0), labels.flip(0), 60)]
    right = by(nearest)
    return [Part("accuracy", right, at, tol=1e-6, share=True, errors=errors)]
