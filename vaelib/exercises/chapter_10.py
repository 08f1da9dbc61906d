"""What the exercises of Chapter 10 ask for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from vaelib.exact import LinearGaussian
from vaelib.exercises.parts import Part, noise, tensor


def exercise_1() -> list[Part]:
    """Return a kernel estimate of a density, and the largest h that it may have."""

    def kernel(scale: Callable[[float], float]):
        def log_kernel(z: Tensor, fitted: Tensor, C: Tensor, h: float) -> Tensor:
            parts = MultivariateNormal(fitted, scale(h) * C)
            share = Categorical(logits=torch.zeros(len(fitted)).to(fitted))
            return MixtureSameFamily(share, parts).log_prob(z)

        return log_kernel

    def mean_of_logs(z: Tensor, fitted: Tensor, C: Tensor, h: float) -> Tensor:
        return MultivariateNormal(fitted, h**2 * C).log_prob(z[:, None]).mean(1)

    right = kernel(lambda h: h**2)
    errors = {
        "this is the sum of the Gaussians: their mean is asked for.":
            lambda z, fitted, C, h: right(z, fitted, C, h) + math.log(len(fitted)),
        "this is a mean of logarithms: take the logarithm of the mean.": mean_of_logs,
        "the covariance is multiplied by h^2.": kernel(lambda h: h),
        "the kernels have the whole covariance: h is not used.": kernel(lambda h: 1.0),
        "this is the density, not its logarithm.":
            lambda *given: right(*given).exp(),
    }  # fmt: skip
    of_h = {
        "this is h^2: the covariance is multiplied by it.": 2.0,
        "h = 1 is allowed, and a little more, too.": 1.0,
        "this is the least h^2 where q is sampled; here the posterior is.": 0.5,
    }
    root = noise(1, 2, 2)
    at = [(noise(2, 4, 2), noise(3, 6, 2), root @ root.T + torch.eye(2), 0.5)]
    return [
        Part("log_kernel", right, at, rel=1e-6, tol=1e-6, errors=errors),
        Part("largest_h", math.sqrt(2), tol=0.01, errors=of_h),
    ]


def exercise_2() -> list[Part]:
    """Return which property a map without half steps loses, and what it samples."""
    rng = torch.Generator().manual_seed(5)

    def noise(n: int = 100_000) -> Tensor:
        return torch.randn(n, generator=rng, dtype=torch.float64)

    z = noise()
    for _ in range(20):
        p = start = noise()
        end = z
        for _ in range(3):
            p = p - 0.8 * end
            end = end + 0.8 * p
        chance = (0.5 * (z**2 + start**2 - end**2 - p**2)).exp()
        z = torch.where(torch.rand(len(z), generator=rng) < chance, end, z)
    volume = "look at the determinant: each of the two half maps is a shear."
    back = "turn the momentum at the end, go back, and compare with the beginning."
    errors = {
        "this is what a correct chain samples: measure it.": 1.0,
        "this is the standard deviation.": z.std().item(),
        "this is the variance without any rejection.": unrejected(),
    }
    return [
        Part("keeps_volume", True, errors={volume: False}),
        Part("is_reversible", False, errors={back: True}),
        Part("variance_after", z.var().item(), rel=0.03, errors=errors),
    ]


def unrejected(step: float = 0.8, n: int = 3) -> float:
    """Return the variance after 20 transitions of which all are accepted."""
    one = torch.tensor([[1 - step**2, step], [-step, 1.0]]).double()
    a, b = torch.linalg.matrix_power(one, n)[0].tolist()
    variance = 1.0
    for _ in range(20):
        variance = a**2 * variance + b**2
    return variance


def exercise_3() -> list[Part]:
    """Return a test of the distances below the summit."""

    def judge(answer: Any) -> str:
        gaps = tensor(answer)
        if gaps.shape != (3,):
            return f"give three numbers, not the shape {tuple(gaps.shape)}."
        if (gaps < 0).any():
            return "nothing is above the summit: subtract from its log evidence."
        if (gaps > 0.5).any():
            return "this is far off: average over the observations, do not sum."
        if not gaps.sort().values.equal(gaps):
            return "a larger step should stay further below: is the order 0.003 first?"
        return "" if gaps[0] < gaps[2] else "all are the same: does the step change?"

    example = [0.0003, 0.0033, 0.0065]
    words = "rising, and below 0.5 nats"
    return [Part("distances", example, judge=judge, measured=words)]


def integrals(
    nodes: Callable[[int], Any], over: Callable[[int], float], weigh: bool = True,
    turn: bool = True, centre: bool = True,
) -> Callable[..., Tensor]:  # fmt: skip
    """Return a function for the log of an integral over z, by a rule for one axis."""

    def by_quadrature(log_joint: Any, mean: Tensor, scale_tril: Tensor) -> Tensor:
        points, shares = map(torch.tensor, nodes(16))
        J = mean.shape[1]
        eps = torch.cartesian_prod(*[points] * J).to(mean)
        logs = itertools.repeat(shares.log(), J)
        log_share = torch.cartesian_prod(*logs).sum(1) - over(J)
        moved = torch.einsum("bij,lj->lbi", scale_tril, eps) if turn else eps[:, None]
        z = (mean if centre else 0 * mean) + moved
        log_q = MultivariateNormal(mean, scale_tril=scale_tril).log_prob(z)
        values = torch.stack([log_joint(each) for each in z]) - weigh * log_q
        return torch.logsumexp(log_share[:, None] + values, 0)

    return by_quadrature


def exercise_4() -> list[Part]:
    """Return log p(x) by quadrature, in a model whose evidence is known."""
    model = LinearGaussian(noise(1, 4, 3), noise(2, 4), 0.8)
    x = noise(3, 2, 4)
    mean, covariance = model.posterior(x)
    wide = torch.linalg.cholesky(1.3 * covariance + 0.02 * torch.eye(3))
    tril = wide.expand(2, 3, 3)

    def log_joint(z: Tensor) -> Tensor:
        return model.log_joint(x, z)

    def half(J: int) -> float:
        return J * math.log(2 * math.pi) / 2

    rule = np.polynomial.hermite_e.hermegauss
    errors = {
        "the Gaussian that places the points is to be divided by.":
            integrals(rule, half, weigh=False),
        "these weights add up to sqrt(2 pi) on each axis: divide them by it.":
            integrals(rule, lambda J: 0.0),
        "these are the points for exp(-x^2), not for exp(-x^2 / 2).":
            integrals(np.polynomial.hermite.hermgauss,
                      lambda J: J * math.log(math.pi) / 2),
        "turn the points by scale_tril.": integrals(rule, half, turn=False),
    }  # fmt: skip
    at = [(log_joint, mean + 0.1, tril)]
    return [Part("by_quadrature", lambda *_: model.log_evidence(x), at, tol=1e-3,
                 errors=errors)]  # fmt: skip
