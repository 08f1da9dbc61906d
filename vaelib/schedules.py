"""Schedules of beta and of the learning rate, as pure functions of the step.

Steps count from 0. Each schedule gives a factor in [0, 1].
"""

from __future__ import annotations

import math


def linear(step: int, warmup: float) -> float:
    """Return the factor of a linear warm-up: 0 at step 0, 1 from step `warmup` on.

    Source: Sønderby et al. 2016 (arXiv:1602.02282).
    """
    return min(1.0, step / warmup)


def cyclic(step: int, total: int, cycles: int = 4, ratio: float = 0.5) -> float:
    """Return the factor of cyclic annealing, at `step` of `total` steps.

    In each of M = `cycles` cycles the factor rises linearly from 0 to 1 during the
    share R = `ratio` of the cycle, and is 1 for the rest of it.

    Source: Fu et al. 2019 (arXiv:1903.10145), (6) and (7), where t = step + 1.
    """
    tau = (step % math.ceil(total / cycles)) / (total / cycles)
    return min(1.0, tau / ratio)


def beta_at(
    step: int,
    schedule: str,
    beta: float,
    total: int,
    warmup: float,
    cycles: int,
    ratio: float,
) -> float:
    """Return the weight of the KL term: `beta` times the factor of the schedule."""
    match schedule:
        case "linear":
            return beta * linear(step, warmup)
        case "cyclic":
            return beta * cyclic(step, total, cycles, ratio)
    return beta


def learning_rate(step: int, total: int, schedule: str, warmup: float) -> float:
    """Return the learning rate at `step` of `total`, as a share of its peak.

    "none": 1 at every step. "linear": a rise during the first share `warmup` of all
    steps, then a fall to 0; the share is taken at the middle of the step.
    """
    if schedule == "none":
        return 1.0
    t = (step + 0.5) / total
    return t / warmup if t < warmup else (1 - t) / (1 - warmup)
