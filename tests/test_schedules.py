"""Beta and the learning rate at each step, compared with the published formulas."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaelib import schedules

totals, counts = st.integers(1, 400), st.integers(1, 9)
ratios = st.fractions(Fraction(1, 20), 1, max_denominator=40)


def fu(t: int, total: int, cycles: int, ratio: Fraction) -> Fraction:
    """Return beta by Fu et al. 2019, (6) and (7), with f(tau) = tau / R, t from 1."""
    length = Fraction(total, cycles)
    tau = Fraction((t - 1) % math.ceil(length)) / length
    return tau / ratio if tau <= ratio else Fraction(1)


def betas(schedule: str, steps: int, **settings: Any) -> list[float]:
    """Return beta at each of the first `steps` steps."""
    given: dict[str, Any] = dict(beta=2.5, total=100, warmup=30.0, cycles=4, ratio=0.5)
    given |= settings
    return [schedules.beta_at(step, schedule, **given) for step in range(steps)]


def test_none_is_constant():
    assert betas("none", 100) == [2.5] * 100


def test_linear_reaches_beta_at_warmup_and_stays():
    expected = [2.5 * t / 30 for t in range(30)] + [2.5] * 70
    assert betas("linear", 100) == pytest.approx(expected, rel=1e-12)


def test_linear_warmup_may_end_between_steps():
    slow = betas("linear", 5, beta=1.0, warmup=2.5)
    fast = betas("linear", 3, beta=1.0, warmup=0.5)
    assert slow == pytest.approx([0, 0.4, 0.8, 1, 1])
    assert fast == pytest.approx([0, 1, 1])


@settings(deadline=None, derandomize=True)
@given(warmup=st.floats(0.1, 500), beta=st.floats(0, 50))
def test_linear_is_monotone_within_its_bounds(warmup: float, beta: float):
    values = betas("linear", 200, beta=beta, warmup=warmup)
    assert values == sorted(values)
    assert values[0] == 0
    assert all(value == beta for value in values[math.ceil(warmup) :])
    assert max(values) <= beta


def test_cyclic_as_published():
    """With M = 4, R = 0.5, T = 40: four times, five steps up and five at beta."""
    expected = pytest.approx(4 * [0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1], rel=1e-12)
    assert betas("cyclic", 40, beta=1.0, total=40) == expected
    assert [schedules.cyclic(step, 40) for step in range(40)] == expected


@settings(deadline=None, derandomize=True)
@given(total=totals, cycles=counts, ratio=ratios, beta=st.floats(0, 50))
def test_cyclic_is_the_formula_of_fu(
    total: int, cycles: int, ratio: Fraction, beta: float
):
    expected = [beta * float(fu(t, total, cycles, ratio)) for t in range(1, total + 1)]
    given = dict(beta=beta, total=total, cycles=cycles, ratio=float(ratio))
    found = betas("cyclic", total, **given)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-300)


@settings(deadline=None, derandomize=True)
@given(total=totals, cycles=counts, ratio=ratios, beta=st.floats(0, 50))
def test_cyclic_rises_within_a_cycle_and_restarts_at_zero(
    total: int, cycles: int, ratio: Fraction, beta: float
):
    given = dict(beta=beta, total=total, cycles=cycles, ratio=float(ratio))
    values = betas("cyclic", total, **given)
    length = -(-total // cycles)
    for start in range(0, total, length):
        cycle = values[start : start + length]
        assert cycle[0] == 0
        assert cycle == sorted(cycle)
    assert all(0 <= value <= beta for value in values)


@settings(deadline=None, derandomize=True)
@given(length=st.integers(2, 60), cycles=counts, ratio=ratios)
def test_cyclic_stays_at_beta_for_the_rest_of_each_cycle(
    length: int, cycles: int, ratio: Fraction
):
    total = length * cycles
    given = dict(beta=1.0, total=total, cycles=cycles, ratio=float(ratio))
    values = betas("cyclic", total, **given)
    full = sum(value >= 1 - 1e-9 for value in values)
    assert full == cycles * sum(Fraction(i, length) >= ratio for i in range(length))


def test_learning_rate_may_be_constant():
    rates = [schedules.learning_rate(step, 7, "none", 0.3) for step in range(7)]
    assert rates == [1] * 7


def test_learning_rate_rises_then_falls():
    """Ten steps, the first four up; the middle of step i is at (2 i + 1) / 20."""
    up, down = [i / 8 for i in (1, 3, 5, 7)], [i / 12 for i in (11, 9, 7, 5, 3, 1)]
    rates = [schedules.learning_rate(step, 10, "linear", 0.4) for step in range(10)]
    assert rates == pytest.approx(up + down)


@settings(deadline=None, derandomize=True)
@given(total=totals, warmup=ratios)
def test_learning_rate_is_a_triangle_of_mean_one_half(total: int, warmup: Fraction):
    share = float(warmup)
    rates = [schedules.learning_rate(i, total, "linear", share) for i in range(total)]
    top = rates.index(max(rates))
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    # The midpoint rule is exact, except in the step that contains the peak.
    assert sum(rates) / total == pytest.approx(0.5, abs=1 / total)
