"""What is wrong with a number, whatever the exercise: sign, factor, unit, axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Close:
    """Compare results with the right ones: within `rel` times each, plus `tol`.

    `rough`: the right ones depend on training, and `tol` is an interval for them.
    """

    right: Sequence[Tensor]
    rel: float
    tol: float
    rough: bool = False

    def entries(self, mine: Tensor, right: Tensor) -> Tensor:
        """Return for each entry whether it is close enough."""
        return (mine - right).abs() <= self.rel * right.abs() + self.tol + 1e-12

    def __call__(self, got: Sequence[Tensor]) -> bool:
        return all(
            mine.shape == right.shape and bool(self.entries(mine, right).all())
            for mine, right in zip(got, self.right, strict=True)
        )

    def to(self, wrong: Sequence[Tensor]) -> Close:
        """Return the same comparison with results of an error, to its own scale."""
        old, new = (max(r.abs().max().item() for r in v) for v in (self.right, wrong))
        scale = new / old if old else 1.0
        scale = scale if self.rough else min(scale, 1.0)
        return replace(self, right=wrong, tol=self.tol * scale)


# What turns a typical error into the right value, and what is said of it.
Repair = Callable[[Tensor], Tensor]
REPAIRS: Sequence[tuple[Repair, str]] = (
    (lambda v: -v, " has the wrong sign."),
    (lambda v: v / 2, " is twice as large as it should be."),
    (lambda v: v * 2, " is half as large as it should be: a factor of 2 is lost."),
    (lambda v: v / -2, " is twice as large as it should be, with the wrong sign."),
    (lambda v: v * -2, " is half as large as it should be, with the wrong sign."),
    (lambda v: v * math.log(2), " is off by log 2: it is in bits, not in nats."),
    (lambda v: v / math.log(2), " is off by log 2: it is in nats, not in bits."),
    (lambda v: v * math.log(10), " is a logarithm to base 10, not a natural one."),
    (lambda v: v / 100, " is in percent: give a share of 1."),
    (lambda v: 1 / v, " is the reciprocal of what is asked for."),
    (
        lambda v: v.sqrt(),
        " is the square of what is asked for, as a variance is of a deviation.",
    ),
    (
        lambda v: v.square(),
        " is the square root of what is asked for, as a deviation is of a variance.",
    ),
    (lambda v: v.exp(), " is the logarithm of what is asked for."),
    (lambda v: v.log(), " is not a logarithm yet: take the log of it."),
)


def diagnose(got: Sequence[Tensor], close: Close, share: bool) -> str:
    """Return a general error, to be read after the name of the answer, or "".

    `share`: the right values are probabilities.
    """
    flat, right = (torch.cat([v.flatten() for v in vs]) for vs in (got, close.right))
    if close([torch.zeros_like(v) for v in close.right]):
        return ""  # any factor would do
    for repair, sentence in REPAIRS[: 1 if close.rough else None]:
        repaired = [repair(v) for v in got]
        if all(torch.isfinite(v).all() for v in repaired) and close(repaired):
            return sentence
    if share:
        if close([1 - v for v in got]):
            return " is the share of the other case: subtract it from 1."
        if flat.min() < 0 or flat.max() > 1:
            return " is not a probability: it must be between 0 and 1."
    if close([v.flip(0) if v.ndim else v for v in got]):
        return " has the right values in the reverse order."
    return of_many(flat, right, close) if len(right) > 1 else ""


def of_many(got: Tensor, right: Tensor, close: Close) -> str:
    """Return an error that only several values show, or ""."""
    alike = Close([right], close.rel, close.tol)
    if alike([got - (got - right).mean()]):
        return " is off by the same constant everywhere."
    factor = (got @ right / (got @ got)).item() if got.any() else 0.0
    if alike([factor * got]):
        return " is off by the same factor everywhere."
    if Close([right.sort().values], close.rel, close.tol)([got.sort().values]):
        return " has the right values in another order: look at the axes."
    return ""


def shown(argument: Any) -> str:
    """Return an argument of a function as it stands in a sentence."""
    if isinstance(argument, Tensor):
        if not argument.ndim:
            return f"{argument.item():g}"
        return f"a tensor {tuple(argument.shape)}"
    return f"{argument:g}" if isinstance(argument, (int, float)) else "..."
