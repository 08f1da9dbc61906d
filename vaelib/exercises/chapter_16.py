"""What the exercises of Chapter 16 ask for."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Normal

from vaelib.exercises.parts import Part, between, noise


def exercise_1() -> list[Part]:
    """Return how many seeds it takes to know, and to show, a difference of one unit."""
    normal = Normal(torch.tensor(0.0).double(), 1.0)
    both = (normal.icdf(torch.tensor([0.975, 0.8]))).sum().item()
    of_know = {
        "the interval shrinks with the root of n: square.": lambda spread: 2 * spread,
        "t counts too: the half width is t times the standard error.":
            lambda spread: spread**2,
        "the whole interval is two half widths: ask for a half width of 1.":
            lambda spread: 4 * (2 * spread) ** 2,
    }  # fmt: skip
    of_show = {
        "this shows it in half of the studies only: 80 of 100 take more.":
            lambda spread: (2 * spread) ** 2,
        "the interval shrinks with the root of n: square.":
            lambda spread: both * spread,
        "this has the 80 of 100 alone: the interval must also exclude 0.":
            lambda spread: (0.84 * spread) ** 2,
    }  # fmt: skip
    at = [(1.7,), (3.0,), (10.0,)]
    return [
        Part("to_know", lambda spread: (2 * spread) ** 2, at, rel=0.05, errors=of_know),
        Part("to_show", lambda spread: (both * spread) ** 2, at, rel=0.05,
             errors=of_show),
    ]  # fmt: skip


def exercise_2() -> list[Part]:
    """Return the number of active units at a threshold."""

    def count(mu: Tensor, threshold: float) -> int:
        return int((mu.var(0) > threshold).sum())

    errors = {
        "these are the silent units.":
            lambda mu, threshold: int((mu.var(0) <= threshold).sum()),
        "the variance is over the images, axis 0.":
            lambda mu, threshold: int((mu.var(1) > threshold).sum()),
        "the threshold is for a variance, not for a standard deviation.":
            lambda mu, threshold: int((mu.std(0) > threshold).sum()),
        "this is a share: give the number of units.":
            lambda mu, threshold: count(mu, threshold) / mu.shape[1],
        "this looks at the mean of mu: it is its variance that counts.":
            lambda mu, threshold: int((mu.mean(0) > threshold).sum()),
    }  # fmt: skip
    mu = noise(1, 60, 12) * torch.logspace(-2.5, 0.3, 12).double() + 0.5
    at = [(mu, threshold) for threshold in (0.001, 0.01, 0.1)]
    return [Part("active_units", count, at, errors=errors)]


def exercise_3() -> list[Part]:
    """Return which measure tells schedules apart at beta = 1, and by how much."""
    units = "all of them are active in every run: what could they tell apart?"
    rate = "compare the mean rates of both schedules."
    errors = {
        "this is a rate: subtract that of the constant beta.": 22.0,
        "subtract the rate of the constant beta from that of the cyclic one.": -2.2,
        "this is a difference of active units: give that of the rates.": 0.0,
    }
    return [
        Part("units_tell", False, errors={units: True}),
        Part("rate_tells", True, errors={rate: False}),
        between("rate_gain", 0.3, 6, errors=errors),
    ]
