"""What the exercises of Chapter 11 ask for."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Dirichlet, Normal

from vaelib.exercises.parts import Part, between, noise
from vaelib.paper.weights import SharedMean

MODEL = SharedMean(w=1.0, sigma=0.5)


def images() -> Tensor:
    """Return the five images of the chapter."""
    z, eps = noise(16, 2, 200)
    return (0.5 + MODEL.w * z + MODEL.sigma * eps)[:5]


def exercise_1() -> list[Part]:
    """Return both parts of a variance, of values by image, eps and zeta."""

    def split(f: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        chance = weights / len(f)
        given = torch.einsum("iez,e->z", f, chance)
        within = weights @ torch.einsum("iez,e->z", (f - given).square(), chance)
        return weights @ (given - weights @ given).square(), within

    def only_eps(f: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        each = torch.einsum("iez,e->iz", f, weights)
        inside = torch.einsum("iez,e->iz", (f - each[:, None]).square(), weights)
        return split(f, weights)[0], weights @ inside.mean(0)

    errors = {
        "eps and zeta are exchanged: zeta is the last axis.":
            lambda f, weights: split(f.transpose(1, 2), weights),
        "the images differ, too: within a decoder their spread counts.": only_eps,
        "the weights of the points are not used.":
            lambda f, weights: split(f, 0 * weights + 1 / len(weights)),
        "this is the mean square, not yet the variance between decoders.":
            lambda f, weights: (
                weights @ torch.einsum("iez,e->z", f, weights / len(f)).square(),
                split(f, weights)[1]),
        "these are sums over the images: average over them.":
            lambda f, weights: split(len(f) * f, weights),
    }  # fmt: skip
    torch_weights = Dirichlet(torch.ones(4).double() * 3).mean * torch.tensor(
        [0.4, 1.6, 1.2, 0.8]
    )
    f = 3 + noise(1, 5, 4, 4) + 2 * noise(2, 1, 1, 4)
    at = [(f, torch_weights), (noise(3, 3, 4, 4), torch_weights)]
    return [Part("split", split, at, rel=1e-5, tol=1e-7, errors=errors)]


def exercise_2() -> list[Part]:
    """Return the q(theta) of a program whose divergence is not divided by N."""
    X = images()
    right, best = (MODEL.optimum(x).theta for x in (X.mean()[None], X))
    mean, variance = right.mu.item(), right.logvar.exp().item()
    of_mean = {
        "this is the mean for the right bound: here the prior counts N times.":
            best.mu.item(),
        "this is the mean of X: the prior pulls it towards 0.": X.mean().item(),
        "this is for the sum of X: the program averages.":
            MODEL.optimum(X.sum()[None]).theta.mu.item(),
    }  # fmt: skip
    of_variance = {
        "this is the variance for the right bound: here the prior counts N times.":
            best.logvar.exp().item(),
        "this is the standard deviation.": math.sqrt(variance),
        "this is the exact posterior for one image: q(z|x) makes q(theta) narrower.":
            MODEL.posterior_theta(X.mean()[None])[1],
    }  # fmt: skip
    return [
        Part("program_mean", mean, tol=1e-3, errors=of_mean),
        Part("program_variance", variance, tol=1e-3, errors=of_variance),
    ]


def exercise_3() -> list[Part]:
    """Return an estimate of log p(X) that has no noise."""

    def estimate(
        model: SharedMean, X: Tensor, eps: Tensor, zeta: Tensor,
        exact: bool = True, prior: bool = True, follows: bool = True, n: int = 1,
    ) -> Tensor:  # fmt: skip
        mean, variance = model.posterior_theta(X)
        if not exact:
            best = model.optimum(X).theta
            mean, variance = best.mu, best.logvar.exp()
        deviation = torch.as_tensor(variance).double().sqrt()
        theta = (mean + deviation * zeta).reshape(())
        centre = theta if follows else torch.as_tensor(mean)
        q = Normal(model.w * (X - centre) / model.spread,
                   model.sigma / math.sqrt(model.spread))  # fmt: skip
        z = q.mean + q.stddev * eps[:, 0]
        terms = Normal(theta + model.w * z, model.sigma).log_prob(X)
        terms = terms + Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)
        log_prior = Normal(0.0, 1.0).log_prob(theta) if prior else 0.0
        log_q = Normal(mean, deviation).log_prob(theta).reshape(())
        return n * terms.sum() + log_prior - log_q

    errors = {
        "q(theta) is not the exact posterior.":
            lambda *given: estimate(*given, exact=False),
        "log p(theta) is missing.": lambda *given: estimate(*given, prior=False),
        "q(z|x) is to follow the theta that was drawn.":
            lambda *given: estimate(*given, follows=False),
        "all N images are drawn: their sum is not multiplied by N.":
            lambda *given: estimate(*given, n=5),
    }  # fmt: skip
    X = images()
    at = [(MODEL, X, noise(k, 5, 1), noise(k + 1, 1, 1)) for k in (1, 3, 5)]
    return [Part("estimate", lambda model, X, eps, zeta: model.log_evidence(X), at,
                 rel=1e-6, errors=errors)]  # fmt: skip


def exercise_4() -> list[Part]:
    """Return outputs of a layer, drawn directly, and what that gains."""

    def local(a: Tensor, mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        return a @ mu + (a.square() @ logvar.exp()).sqrt() * noise

    errors = {
        "the noise is multiplied by the variance: take its root.":
            lambda a, mu, v, noise: a @ mu + (a.square() @ v.exp()) * noise,
        "deviations do not add, variances do: square a and sigma first.":
            lambda a, mu, v, noise: a @ mu + (a @ (v / 2).exp()) * noise,
        "the inputs are squared in the variance.":
            lambda a, mu, v, noise: a @ mu + (a.abs() @ v.exp()).sqrt() * noise,
        "logvar is a log variance: its root is exp(logvar / 2).":
            lambda a, mu, v, noise: local(a, mu, 2 * v, noise),
        "the mean a @ mu is missing.":
            lambda a, mu, v, noise: (a.square() @ v.exp()).sqrt() * noise,
    }  # fmt: skip
    of_gain = {
        "turn the ratio round: the variance of the shared theta is larger.": 1 / 21,
        "this is the ratio of standard deviations: give that of variances.": 4.6,
        "this is the number of images: the gain is measured, and smaller.": 50.0,
    }
    at = [(noise(1, 4, 3), noise(2, 3, 2), noise(3, 3, 2), noise(4, 4, 2))]
    return [
        Part("local", local, at, rel=1e-6, tol=1e-6, errors=errors),
        between("gain", 15, 30, errors=of_gain),
    ]
