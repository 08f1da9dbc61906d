"""What the exercises of Chapter 2 ask for."""

from __future__ import annotations

import math
from itertools import product

import torch

from vaelib.exact import Scalar, grid
from vaelib.exercises.parts import Part

X = 2.0


def best(model: Scalar, mus: list[float], sigmas: list[float]) -> tuple[float, ...]:
    """Return the least divergence at x = 2, and the mu and sigma where it is."""
    return min(
        (model.divergence(X, mu, 2 * math.log(sigma)), mu, sigma)
        for mu, sigma in product(mus, sigmas)
    )


def steps(low: float, high: float, n: int) -> list[float]:
    """Return n equally spaced numbers."""
    return torch.linspace(low, high, n).tolist()


def exercise_1() -> list[Part]:
    """Return mean and standard deviation of the posterior of f(z) = 3 z."""
    model = Scalar(lambda z: 3 * z, 1.0)
    density = model.log_posterior(X).exp()
    mu = torch.trapezoid(density * model.z, model.z).item()
    variance = torch.trapezoid(density * (model.z - mu) ** 2, model.z).item()
    sigma = math.sqrt(variance)
    of_mu = {
        "this inverts f and forgets the prior, which pulls z to 0.": X / 3,
        "this is the mean for x = 1.": mu / X,
    }
    of_sigma = {
        "this is the variance.": variance,
        "this is the precision, 1 / sigma^2.": 1 / variance,
        "this is the width of the likelihood alone: the prior adds its precision.":
            1 / 3,
        "this is log sigma^2.": math.log(variance),
    }  # fmt: skip
    return [
        Part("best_mu", mu, tol=1e-3, errors=of_mu),
        Part("best_sigma", sigma, tol=1e-3, errors=of_sigma),
    ]


def exercise_2() -> list[Part]:
    """Return the gap of a Gaussian on one of two peaks, and that across both."""
    model = Scalar(torch.square, 0.5, grid(8.0, 801))
    one, mu, sigma = best(model, steps(1.3, 1.5, 9), steps(0.14, 0.3, 17))
    both, _, width = best(model, [0.0], steps(0.5, 2.5, 41))
    bound = model.bound(X, mu, 2 * math.log(sigma))
    broad = model.bound(X, 0.0, 2 * math.log(width))
    of_one = {
        "this is the bound: the gap is the log evidence minus it.": bound,
        "this is the log evidence.": model.log_evidence(X),
        "the gap of a Gaussian this wide can be smaller: search sigma too.":
            model.divergence(X, mu, 2 * math.log(0.5)),
    }  # fmt: skip
    of_both = {
        "this is the bound: the gap is the log evidence minus it.": broad,
        "with sigma = 1 it is not yet least: search over sigma.":
            model.divergence(X, 0.0, 0.0),
    }  # fmt: skip
    return [
        Part("gap_one", one, tol=0.02, errors=of_one),
        Part("gap_both", both, tol=0.02, errors=of_both),
    ]


def exercise_3() -> list[Part]:
    """Return how far evidence and bound fall when s goes from 0.5 to 0.2."""
    wide, sharp = (Scalar(torch.exp, s) for s in (0.5, 0.2))
    _, mu, sigma = best(wide, steps(0.5, 0.7, 11), steps(0.22, 0.36, 15))
    at = X, mu, 2 * math.log(sigma)
    evidence = wide.log_evidence(X) - sharp.log_evidence(X)
    bound = wide.bound(*at) - sharp.bound(*at)
    of_evidence = {
        "this is the change of the gap.": sharp.divergence(*at) - wide.divergence(*at),
        "this is a log evidence: subtract the other one.": sharp.log_evidence(X),
    }
    again = best(sharp, steps(0.6, 0.75, 16), steps(0.06, 0.2, 15))
    of_bound = {
        "q was fitted again: leave it where it was best for s = 0.5.":
            wide.bound(*at) - sharp.bound(X, again[1], 2 * math.log(again[2])),
        "this is a bound: subtract it from that of s = 0.5.": sharp.bound(*at),
    }  # fmt: skip
    return [
        Part("evidence_falls", evidence, tol=0.01, errors=of_evidence),
        Part("bound_falls", bound, tol=0.1, errors=of_bound),
    ]
