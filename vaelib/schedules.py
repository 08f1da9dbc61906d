"""Beta and the learning rate as pure functions of the step. Steps count from 0; each gives a factor in [0, 1]."""

from __future__ import annotations

import math


def linear(step: int, warmup: float) -> float:
    """Rises from 0 at step 0 to 1 at step `warmup`, then stays. Source: Bowman et al. 2016 (arXiv:1511.06349)."""
    return min(1.0, step / warmup)


def cyclic(step: int, total: int, cycles: int = 4, ratio: float = 0.5) -> float:
    r"""M times: a linear rise over the share R of a cycle, then 1.

    $\tau = \mathrm{mod}(t-1, \lceil T/M \rceil) / (T/M)$ with $t$ = step + 1; $\tau/R$ while $\tau \le R$, else 1.
    Source: Fu et al. 2019 (arXiv:1903.10145), equations (6) and (7).
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
    """The weight of the KL term at `step` of `total`: `beta` times the schedule's factor."""
    match schedule:
        case "linear":
            return beta * linear(step, warmup)
        case "cyclic":
            return beta * cyclic(step, total, cycles, ratio)
    return beta


def learning_rate(step: int, total: int, schedule: str, warmup: float) -> float:
    """The share of the peak learning rate at `step` of `total`, taken at the middle of the step.

    "linear": rises over the first share `warmup` of all steps, then falls to 0; "none": 1 throughout.
    """
    if schedule == "none":
        return 1.0
    t = (step + 0.5) / total
    return t / warmup if t < warmup else (1 - t) / (1 - warmup)
