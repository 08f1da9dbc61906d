"""What the exercises of Chapter 12 ask for."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vaelib.exact import Scalar, grid
from vaelib.exercises.parts import Part, noise

X = 2.0


def truth() -> Scalar:
    """Return the model of the chapter."""
    return Scalar(torch.sinh, 0.5, grid(9.0, 1801))


def exercise_1() -> list[Part]:
    """Return the limit of K gaps for many draws, at one q."""
    model = truth()
    density = model.log_posterior(X).exp()
    best = torch.trapezoid(density * model.z, model.z).item()
    spread = torch.trapezoid(density * (model.z - best) ** 2, model.z).sqrt().item()
    at = best, 2 * math.log(1.5 * spread)
    ratio = (model.log_posterior(X) - model.log_q(*at)).exp()
    variance = model.expectation(ratio**2, *at) - 1
    errors = {
        "this is the variance of w / p(x): the logarithm bends by 1/2.": variance,
        "this is half the second moment: subtract 1, the square of the mean.": (
            variance + 1
        )
        / 2,
        "this is the standard deviation of w / p(x).": math.sqrt(variance),
    }
    return [Part("limit", variance / 2, rel=0.02, errors=errors)]


def exercise_2() -> list[Part]:
    """Return by how much two averages of five are off, from the exact bounds."""
    model, at = truth(), (1.1, -1.5)
    evidence = model.log_evidence(X)
    elbo = model.bound(X, *at) - evidence
    iwae = model.importance_weighted_bound(X, *at, 5) - evidence
    log_w = model.log_posterior(X) - model.log_q(*at)
    squares = model.expectation((log_w - elbo).square(), *at)
    of_elbo = {
        "averaging five draws lowers the noise, not how far the mean is off.": elbo / 5,
        "this is the standard deviation of the average.": math.sqrt(squares / 5),
        "this is the bound: subtract the log evidence.": elbo + evidence,
    }
    of_iwae = {
        "this is what two draws leave: take five.":
            model.importance_weighted_bound(X, *at, 2) - evidence,
        "this is a bound: subtract the log evidence.": iwae + evidence,
        "its mean is below log p(x), though the mean of the weights is not off.": 0.0,
    }  # fmt: skip
    return [
        Part("off_elbo", elbo, tol=0.03, errors=of_elbo),
        Part("off_iwae", iwae, tol=0.02, errors=of_iwae),
    ]


def exercise_3() -> list[Part]:
    """Return what the estimator stl leaves out, draw by draw."""

    def left_out(log_w: Tensor, slope: Tensor) -> Tensor:
        w = log_w.softmax(0)
        return (w * (1 - w) * slope).sum(0)

    errors = {
        "this is the estimate of stl itself: what does dreg have in its place?":
            lambda log_w, slope: (log_w.softmax(0) * slope).sum(0),
        "this is the estimate of dreg, with the square of the weight.":
            lambda log_w, slope: (log_w.softmax(0).square() * slope).sum(0),
        "this is the mean over the draws: the weights add up to 1, so sum.":
            lambda log_w, slope: left_out(log_w, slope) / len(log_w),
        "the weights are to add up to 1 over the draws, axis 0.":
            lambda log_w, slope: left_out(log_w.T, slope.T).sum() + 0 * slope[0],
        "the sign is that of stl minus dreg.":
            lambda log_w, slope: -left_out(log_w, slope),
        "these weights are not normalised.":
            lambda log_w, slope: (log_w.exp() * (1 - log_w.exp()) * slope).sum(0),
    }  # fmt: skip
    at = [(noise(1, 2, 5), noise(2, 2, 5)), (noise(3, 4, 3), noise(4, 4, 3))]
    return [Part("left_out", left_out, at, rel=1e-6, tol=1e-6, errors=errors)]
