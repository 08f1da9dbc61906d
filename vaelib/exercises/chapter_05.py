"""What the exercises of Chapter 5 ask for."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from vaelib.exercises.parts import Part, between, noise


def exercise_1() -> list[Part]:
    """Return the cost of a precise latent, and the shift that costs the same."""

    def cost(sigma: float) -> float:
        q = Normal(torch.tensor(0.0).double(), sigma)
        return kl_divergence(q, Normal(torch.tensor(0.0).double(), 1.0)).item()

    nats = cost(0.1)
    of_cost = {
        "sigma = 0.1 was taken for the variance: log sigma^2 is log 0.01.":
            cost(math.sqrt(0.1)),
        "this is -log sigma alone: a narrow q also has a smaller E[z^2].": math.log(10),
        "the factor 1/2 is missing.": 2 * nats,
    }  # fmt: skip
    of_shift = {
        "at sigma = 1 the divergence is mu^2 / 2.": math.sqrt(nats),
        "this is mu^2: take its root.": 2 * nats,
        "at sigma = 1 the other terms are zero: only mu is left.":
            math.sqrt(2 * nats + 1),
    }  # fmt: skip
    return [
        Part("cost_of_narrow", nats, tol=1e-3, errors=of_cost),
        Part("same_shift", math.sqrt(2 * nats), tol=1e-3, errors=of_shift),
    ]


def exercise_2() -> list[Part]:
    """Return the divergence with a full covariance, and what correlations cost."""

    def divergence(mu: Tensor, sigma: Tensor) -> Tensor:
        prior = MultivariateNormal(0 * mu, torch.eye(len(mu)).to(mu))
        return kl_divergence(MultivariateNormal(mu, sigma), prior)

    def without(mu: Tensor, sigma: Tensor) -> Tensor:
        return divergence(mu, sigma.diag().diag())

    of_full = {
        "the number of latents is missing: at the prior it is not zero.":
            lambda mu, sigma: divergence(mu, sigma) + len(mu) / 2,
        "this has the variances alone: off the diagonal Sigma counts too.": without,
        "the log determinant has the wrong sign.":
            lambda mu, sigma: divergence(mu, sigma) + sigma.logdet(),
        "mu is missing.": lambda mu, sigma: divergence(0 * mu, sigma),
        "mu is squared, not multiplied by itself: mu' mu.":
            lambda mu, sigma: divergence(mu, sigma) + mu.sum() / 2 - mu @ mu / 2,
    }  # fmt: skip
    of_extra = {
        "this is the determinant: take its logarithm.": lambda R: -0.5 * R.det(),
        "this is what one correlation costs to second order: take all of it.":
            lambda R: 0.25 * (R.square().sum() - len(R)),
    }  # fmt: skip
    roots = noise(1, 2, 2), noise(2, 3, 3)
    sigmas = [r @ r.T + 0.3 * torch.eye(len(r)) for r in roots]
    scales = [s.diag().sqrt() for s in sigmas]
    at = [(noise(3, len(s)), s) for s in sigmas]
    of_R = [(s / a[:, None] / a,) for s, a in zip(sigmas, scales, strict=True)]
    zeros = [len(R[0]) * [0.0] for R in of_R]

    def extra(R: Tensor) -> Tensor:
        """At unit variances: the divergence is all due to the correlations."""
        return divergence(torch.tensor(zeros[len(R) - 2]).to(R), R)

    return [
        Part("full_kl", divergence, at, rel=1e-6, errors=of_full),
        Part("extra", extra, of_R, rel=1e-6, errors=of_extra),
    ]


def exercise_3() -> list[Part]:
    """Return the slack of the bound, which depends on training."""
    of_all = {
        "this is an NLL: subtract that by 100 draws from it.": 101.0,
        "subtract the NLL by 100 draws from that by one, which is larger.": -4.6,
        "this is per pixel: give nats per image.": 4.6 / 784,
    }
    of_ten = {
        "subtract the NLL by 10 draws from that by one, which is larger.": -3.3,
        "this is an NLL: subtract it from that by one draw.": 98.0,
    }
    return [
        between("given_away", 2.5, 8, errors=of_all),
        between("found_by_ten", 1.5, 7, errors=of_ten),
    ]
