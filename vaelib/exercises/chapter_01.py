"""What the exercises of Chapter 1 ask for."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from vaelib.exact import LinearGaussian, Scalar
from vaelib.exercises.parts import Part, noise


def exercise_1() -> list[Part]:
    """Return a test of a model with a positive log evidence; an evidence in bits."""

    def judge(answer: Any) -> str:
        if not isinstance(answer, tuple) or len(answer) != 2:
            return "give a pair: a Scalar model, and an x."
        model, x = answer
        if not isinstance(model, Scalar):
            return "the first of the pair should be a Scalar model."
        found = model.log_evidence(float(x))
        if found > 0:
            return ""
        return (
            f"the log evidence is {found:.4f}: it is positive where the density of x "
            "is above 1, so make that narrower."
        )

    nats = Scalar(torch.exp, 0.5).log_evidence(2.0)
    errors = {
        "this is in nats: a bit is log 2 nats.": nats,
        "to go from nats to bits, divide by log 2.": nats * math.log(2),
        "this is the evidence, not its logarithm.": math.exp(nats),
        "this is a logarithm to base 10.": nats / math.log(10),
    }
    narrow = Scalar(lambda z: 0.1 * z, 0.1), 0.0
    example = Part("positive", narrow, judge=judge, measured="above 0")
    return [example, Part("bits", nats / math.log(2), tol=1e-3, errors=errors)]


def covariances() -> list[tuple[Tensor]]:
    """Return covariance matrices of two and of three causes."""
    roots = noise(1, 2, 2), noise(2, 3, 3)
    return [(root @ root.T + 0.3 * torch.eye(len(root)),) for root in roots]


def exercise_2() -> list[Part]:
    """Return the best variances, and what remains, as functions of the covariance."""

    def remains(c: Tensor) -> Tensor:
        precision = c.inverse()
        return 0.5 * (precision.diag().log().sum() - precision.logdet())

    of_variances = {
        "these are the posterior's own variances: q must be narrower.":
            lambda c: c.diag(),
        "these are standard deviations.": lambda c: c.inverse().diag().rsqrt(),
        "invert first, then take the diagonal and its reciprocals.":
            lambda c: c.inverse().diag(),
    }  # fmt: skip
    of_remains = {
        "this uses the variances of the posterior: its own are not the best.":
            lambda c: 0.5 * (c.diag().log().sum() - c.logdet()),
        "the log determinant is missing.":
            lambda c: 0.5 * c.inverse().diag().log().sum(),
    }  # fmt: skip
    at = covariances()
    best = Part("best_variances", lambda c: 1 / c.inverse().diag(), at, rel=1e-6,
                errors=of_variances)  # fmt: skip
    return [best, Part("remains", remains, at, rel=1e-6, errors=of_remains)]


def exercise_3() -> list[Part]:
    """Return the log of p(x, z) / r(z) at draws z."""

    def weights(sign: float = 1.0, prior: bool = True, likelihood: bool = True):
        def log_weights(x: Tensor, z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
            log_p_z, log_r = Normal(0.0, 1.0).log_prob(z), Normal(mean, std).log_prob(z)
            log_p_x_given_z = Normal(z, 0.5).log_prob(x)
            terms = prior * log_p_z + likelihood * log_p_x_given_z - sign * log_r
            return terms.sum(-1)

        return log_weights

    def variance_as_std(x: Tensor, z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        return weights()(x, z, mean, std.sqrt())

    errors = {
        "log r(z) is not subtracted.": weights(sign=0.0),
        "log r(z) is added: it belongs below the line.": weights(sign=-1.0),
        "log p(z) is missing.": weights(prior=False),
        "log p(x|z) is missing.": weights(likelihood=False),
        "std is a standard deviation already.": variance_as_std,
    }
    eye = torch.eye(4).double()
    model, x = LinearGaussian(eye, 0 * eye[0], 0.5), noise(3, 4)
    mean, covariance = model.posterior(x)
    std = (2 * covariance.diag()).sqrt()
    at = [(x, mean + std * noise(4, 6, 4), mean, std)]
    return [Part("log_weights", weights(), at, rel=1e-6, tol=1e-6, errors=errors)]
