"""What the exercises of Chapter 13 ask for."""

from __future__ import annotations

import math

import torch

from vaelib.exercises.parts import Part
from vaelib.losses import free_bits


def exercise_1() -> list[Part]:
    """Return what free bits cost a model without a speaking latent, at most."""
    most = free_bits(torch.zeros(1, 8), 0.25).item()
    errors = {
        "this is for one latent: each of the eight has a floor.": 0.25,
        "this is the mean of half the floors: how low can a KL be?": most / 2,
        "it is tight only where the KL of each latent is above the floor.": 0.0,
    }
    return [Part("most", most, tol=1e-6, errors=errors)]


def exercise_2() -> list[Part]:
    """Return the mean that meets a capacity of 15 nats with 20 latents."""
    m = math.sqrt(2 * 15 / 20)
    errors = {
        "this is its square: the KL of a latent is m^2 / 2.": m**2,
        "the KL of a latent has a factor 1/2 before m^2.": math.sqrt(15 / 20),
        "this is for a single latent: twenty share the capacity.": math.sqrt(2 * 15),
    }
    return [Part("each_mean", m, rel=1e-3, errors=errors)]


def exercise_3() -> list[Part]:
    """Return the two rates at which w leaves zero."""
    slopes = torch.tensor([[-1.0, 1.0], [1.0, -0.2]]) / 0.2
    slow, together = torch.linalg.eigvals(slopes).real.sort().values.tolist()
    of_together = {
        "this direction dies out: take the other eigenvalue.": slow,
        "divide by the variance of the likelihood, 0.2, too.": together * 0.2,
        "this is the trace, the sum of both eigenvalues.": slow + together,
    }
    of_caught_up = {
        "divide by the variance of the likelihood, 0.2, too.": 4.0,
        "the term of w itself is missing: its slope is -w / 0.2.": 25.0,
        "this is the slope of the posterior's mean: put it into that of w.": 5.0,
    }
    return [
        Part("rate_together", together, rel=0.01, errors=of_together),
        Part("rate_caught_up", (1 / 0.2 - 1) / 0.2, rel=0.01, errors=of_caught_up),
    ]
