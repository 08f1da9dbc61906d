"""What the exercises of Chapter 15 ask for."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from vaelib.exercises.parts import Part, between, tensor


def exercise_1() -> list[Part]:
    """Return a test of the numbers of latents that speak as beta rises."""

    def judge(answer: Any) -> str:
        counts = tensor(answer)
        if counts.shape != (4,):
            return f"give four counts, not the shape {tuple(counts.shape)}."
        if not counts.equal(counts.round()):
            return "these are not counts: how many latents are above 0.05 nats?"
        if counts.min() < 0 or counts.max() > 20:
            return "the model has 20 latents: a count is between 0 and 20."
        if counts[-1] > counts[0]:
            return "they rise: are these the silent ones, or is beta 64 first?"
        return "" if counts[-1] <= 1 else "at beta 64 some still speak: train longer."

    example = [20, 18, 5, 0]
    words = "falling, to at most 1"
    return [Part("speaking_at", example, judge=judge, measured=words)]


def exercise_2() -> list[Part]:
    """Return the KL of two ways to beta = 16, which depends on training."""
    errors = {
        "this is the KL of a small beta: is it 16 at the end?": 25.0,
        "this is the mean over the latents: sum them.": 0.04,
        "this is the whole loss: give its KL term, without beta.": 200.0,
    }
    return [
        between("kl_constant", 0.2, 4, errors=errors),
        between("kl_linear", 0.2, 4, errors=errors),
    ]


def exercise_3() -> list[Part]:
    """Return sixteen points of a circle of radius 1.5."""

    def circle(radius: float, angles: Tensor) -> Tensor:
        return radius * torch.stack((angles.cos(), angles.sin()), 1)

    angles = torch.arange(16).double() * 2 * math.pi / 16
    closed = torch.linspace(0, 2 * math.pi, 16).double()
    errors = {
        "the last point is the first one again: leave it out.": circle(1.5, closed),
        "the radius is 1.": circle(1.0, angles),
        "this walks clockwise.": circle(1.5, -angles),
        "the first point should be (1.5, 0): sine and cosine are exchanged.":
            circle(1.5, angles).flip(1),
        "angles are in radians, not in degrees.": circle(1.5, angles.rad2deg()),
    }  # fmt: skip
    return [Part("circle", circle(1.5, angles), tol=1e-3, errors=errors)]
