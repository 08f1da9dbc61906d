"""What the exercises of Chapter 3 ask for."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.distributions import Gamma, Normal

from vaelib.exact import grid
from vaelib.exercises.parts import Part
from vaelib.gradients import pathwise_gradients, score_gradients

Way = Callable[..., tuple[Tensor, Tensor]]


def variance(way: Way, mu: float, baseline: float = 0.0) -> tuple[float, float]:
    """Return variance and second moment of one draw's gradient of E z^2 in mu."""
    eps = grid(10.0, 4001)
    place = torch.tensor([mu]).double(), torch.zeros(1).double()
    gradients = way(lambda z: z.square().sum(-1) - baseline, *place, eps[:, None])
    density = Normal(0.0, 1.0).log_prob(eps).exp()
    mean, square = (
        torch.trapezoid(density * g, eps).item()
        for g in (gradients[0][:, 0], gradients[0][:, 0].square())
    )
    return square - mean**2, square


def exercise_1() -> list[Part]:
    """Return the variances of both gradients, and the best baseline at mu = 2."""
    of_score = {
        "this is the second moment: subtract the square of the mean.":
            lambda mu: variance(score_gradients, mu)[1],
        "this is the variance of f(z), not of f(z) times the score.":
            lambda mu: 4 * mu**2 + 2,
        "subtract the square of the mean gradient, 2 mu, once.":
            lambda mu: variance(score_gradients, mu)[1] - 2 * mu,
    }  # fmt: skip
    of_path = {
        "this is the mean square at mu = 2: subtract the square of the mean.":
            variance(pathwise_gradients, 2.0)[1],
        "this is the standard deviation.": 2.0,
        "this is the variance of eps: the slope of z^2 multiplies it.": 1.0,
    }  # fmt: skip
    costs = [variance(score_gradients, 2.0, b)[0] for b in (0.0, 1.0, 2.0)]
    bend = costs[2] - 2 * costs[1] + costs[0]  # the variance is quadratic in b
    least = (costs[0] - costs[1]) / bend + 0.5
    of_base = {
        "this is the mean of f, which is often used and not the best.": 5.0,
        "this is the least variance, not where it is.":
            variance(score_gradients, 2.0, least)[0],
        "this is f(mu): weigh f by the square of the score, and average.": 4.0,
    }  # fmt: skip
    return [
        Part("variance_score", lambda mu: variance(score_gradients, mu)[0],
             [(0.0,), (0.5,), (-1.0,), (2.0,)], rel=1e-4, errors=of_score),
        Part("variance_pathwise", variance(pathwise_gradients, 2.0)[0], rel=1e-4,
             errors=of_path),
        Part("best_baseline", least, tol=0.06, errors=of_base),
    ]  # fmt: skip


def exercise_2() -> list[Part]:
    """Return powers of sigma, to which the variances are proportional in the end."""
    of_path = {
        "this is the power of the standard deviation: the variance is its square.": 1,
        "it falls with sigma: only the change of the slope is noise.": 0,
    }
    of_score = {
        "this is the power of the standard deviation: the variance is its square.": -1,
        "it does not stay the same: divide a value by the one before.": 0,
    }
    of_base = {
        "the baseline removes the term that grows: what is left?": -2,
        "it does not fall with sigma: f'(mu) eps^2 has none in it.": 2,
    }
    return [
        Part("power_pathwise", 2, tol=0.1, errors=of_path),
        Part("power_score", -2, tol=0.1, errors=of_score),
        Part("power_baseline", 0, tol=0.1, errors=of_base),
    ]


def exercise_3() -> list[Part]:
    """Return a gradient through a step, draws of a gamma density, and its slope."""
    density = Normal(1.0, 1.0).log_prob(torch.tensor(0.0)).exp().item()
    of_step = {
        "this is what the pathwise gradient says, which never sees the jump.": 0.0,
        "this is E[f], the probability that z > 0: how does it change with mu?":
            Normal(0.0, 1.0).cdf(torch.tensor(1.0)).item(),
        "this is the density at the mean: the jump is elsewhere.":
            1 / math.sqrt(2 * math.pi),
    }  # fmt: skip
    points = (torch.arange(6).double() + 0.5) / 6
    uniform = torch.cartesian_prod(points, points, points)

    def sums(u: Tensor, rate: float) -> Tensor:
        return -torch.log(u).sum(-1) / rate

    of_draw = {
        "the rate is to divide: large rates give small z.":
            lambda u, rate: sums(u, 1.0) * rate,
        "this is the mean of three exponentials: take their sum.":
            lambda u, rate: sums(u, rate) / 3,
        "this is a single exponential: add three.":
            lambda u, rate: -torch.log(u[:, 0]) / rate,
        "this sums over draws: sum over the last axis.":
            lambda u, rate: -torch.log(u).sum(0) / rate,
    }  # fmt: skip
    # -log u and -log(1 - u) are both right, and have the same values in another order.
    draws = Part("gamma_draws", sums, [(uniform, 2.0), (uniform, 0.5)], rel=1e-6,
                 errors=of_draw, ask=lambda f, u, r: f(u, r).sort().values)  # fmt: skip

    def slope(rate: float) -> Tensor:
        """Differentiate E log z = digamma(3) - log(rate), by torch."""
        leaf = torch.tensor(rate).double().requires_grad_()
        mean = torch.digamma(Gamma(3.0, leaf).concentration) - leaf.log()
        return torch.autograd.grad(mean, leaf)[0]

    of_slope = {
        "this is the slope of log z with respect to z.": lambda rate: rate / 3,
        "each of the three exponentials scales, and so does their sum: only once.":
            lambda rate: -3 / rate,
        "this is the slope of E[z], not of E[log z].": lambda rate: -3 / rate**2,
    }  # fmt: skip
    at = [(2.0,), (0.5,), (3.0,)]
    return [
        Part("gradient_step", density, tol=0.01, errors=of_step),
        draws,
        Part("slope_of_log", slope, at, rel=1e-4, errors=of_slope),
    ]
