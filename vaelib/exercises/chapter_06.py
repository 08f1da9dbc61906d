"""What the exercises of Chapter 6 ask for."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import ContinuousBernoulli, Normal

from vaelib.config import TrainConfig
from vaelib.exercises.parts import Part, noise
from vaelib.losses import mse
from vaelib.training import effective_beta

SHAPE = (1, 28, 28)
D = math.prod(SHAPE)


def exercise_1() -> list[Part]:
    """Return beta in nats per image, and the sigma for which it is 1."""
    beta = effective_beta(TrainConfig(loss="mse", reduction="mean", beta=0.001), SHAPE)
    sigma = math.sqrt(beta / 2)
    of_beta = {
        "this is the factor as it is written: the squared error is a mean.": 0.001,
        "at sigma^2 = 1/2 the squared error counts once, not twice.": beta / 2,
        "this is the number of pixels: where is the factor 0.001?": D,
        "a sum over pixels is D times their mean, not 1/D times.": 0.001 / D,
    }
    of_sigma = {
        "this is sigma^2.": beta / 2,
        "the Gaussian has the squared error over 2 sigma^2, not over sigma^2.":
            math.sqrt(beta),
        "this is the sigma for which mse is the squared error itself, whatever beta.":
            math.sqrt(0.5),
    }  # fmt: skip
    return [
        Part("beta_in_nats", beta, rel=0.01, errors=of_beta),
        Part("plain_sigma", sigma, rel=0.01, errors=of_sigma),
    ]


def exercise_2() -> list[Part]:
    """Return the best sigma of a decoder, and its loss there."""

    def best(x_hat: Tensor, x: Tensor) -> Tensor:
        return (x - x_hat).square().mean().sqrt()

    def least(x_hat: Tensor, x: Tensor) -> Tensor:
        return mse(x_hat, x, best(x_hat, x).item()).mean()

    of_sigma = {
        "this is the variance.": lambda a, x: (x - a).square().mean(),
        "this is the mean absolute error: square before the mean.":
            lambda a, x: (x - a).abs().mean(),
        "sum over the pixels only what is divided by their number.":
            lambda a, x: (x - a).square().sum(1).mean().sqrt(),
        "one sigma is shared by all images: average over them too.":
            lambda a, x: (x - a).square().mean(1).sqrt(),
        "the error is x minus x_hat: do not subtract its mean.":
            lambda a, x: (x - a).std(),
    }  # fmt: skip
    of_loss = {
        "this is for one pixel: an image has D of them.":
            lambda a, x: least(a, x) / x.shape[1],
        "this is for all images: average over them.":
            lambda a, x: least(a, x) * len(x),
        "at the best sigma the squared error adds D/2: it is missing.":
            lambda a, x: least(a, x) - x.shape[1] / 2,
        "log 2 pi is missing.":
            lambda a, x: least(a, x) - x.shape[1] / 2 * math.log(2 * math.pi),
    }  # fmt: skip
    at = [(noise(1, 6, 5), noise(2, 6, 5)), (noise(3, 4, 9), noise(4, 4, 9) + 0.3)]
    return [
        Part("best_sigma", best, at, rel=1e-4, errors=of_sigma),
        Part("least_loss", least, at, rel=1e-4, errors=of_loss),
    ]


def exercise_3() -> list[Part]:
    """Return the integral of y^x (1 - y)^(1 - x), and what it does to a grey image."""

    def integral(y: float) -> Tensor:
        x = torch.linspace(0, 1, 4001, dtype=torch.float64)
        return torch.trapezoid(y**x * (1 - y) ** (1 - x), x)

    log_integral = integral(0.1).log().item()
    mean = ContinuousBernoulli(torch.tensor(0.1)).mean.item()
    of_integral = {
        "a positive function has a positive integral: turn the ratio round.":
            lambda y: -integral(y),
        "this is the sum of the values at x = 0 and 1, not the integral.":
            lambda y: 1.0,
        "this is the middle of both ends: the function is not a line.":
            lambda y: 0.5,
    }  # fmt: skip
    of_extra = {
        "this is for one pixel: an image has D of them.": log_integral,
        "this is the correction of the log density: -log p changes the other way.":
            -D * log_integral,
        "take the logarithm of the integral.": D * math.exp(log_integral),
    }  # fmt: skip
    of_mean = {
        "this is y: divided by the integral, the mean has moved.": 0.1,
        "this is the mean at y = 0.9.": 1 - mean,
    }
    density = "its integral over x is 1, and no single x has a probability."
    at = [(0.1,), (0.3,), (0.9,)]
    return [
        Part("integral", integral, at, rel=1e-4, errors=of_integral),
        Part("correction", D * log_integral, rel=1e-4, errors=of_extra),
        Part("is_density", True, errors={density: False}),
        Part("mean_of_x", mean, tol=0.01, share=True, errors=of_mean),
    ]


def exercise_4() -> list[Part]:
    """Return -log P of levels under a discretised Gaussian, and bits per dimension."""

    def nats(half: float, open_ends: bool = True):
        def level_nats(x_hat: Tensor, x: Tensor, sigma: float) -> Tensor:
            upper, lower = x + half, x - half
            if open_ends:
                upper = torch.where(x < 1, upper, torch.inf)
                lower = torch.where(x > 0, lower, -torch.inf)
            normal = Normal(x_hat, sigma)
            return -(normal.cdf(upper) - normal.cdf(lower)).log().sum(-1)

        return level_nats

    of_nats = {
        "the intervals of 0 and 1 have no end on their outer side.":
            nats(1 / 510, open_ends=False),
        "an interval reaches half a level to each side, 1 / 510.": nats(1 / 255),
        "this is the density without the width of an interval.": mse,
        "this is the density times the width: use the probability of the interval.":
            lambda a, x, sigma: mse(a, x, sigma) + x.shape[-1] * math.log(255),
        "this is log P: its sign is wrong.": lambda *given: -nats(1 / 510)(*given),
    }  # fmt: skip
    of_bits = {
        "these are nats per dimension: divide by log 2.": lambda n, D: n / D,
        "these are bits of the image: divide by the number of pixels.":
            lambda n, D: n / math.log(2),
        "to go from nats to bits, divide by log 2.":
            lambda n, D: n * math.log(2) / D,
    }  # fmt: skip
    levels = torch.arange(0, 256, 15).double()[:, None] / 255
    images = (noise(2, 3, 4).sigmoid() * 255).round() / 255
    images[:, 0], images[:, 1] = 0.0, 1.0
    centre = torch.tensor([0.3]).double()
    at = [(centre, levels, 0.5), (0.9 * images + 0.05, images, 0.1)]
    of_n = [(1400.0, 784), (90.0, 12)]
    right = Part("level_nats", nats(1 / 510), at, rel=1e-6, errors=of_nats)
    bits = Part("bits", lambda n, D: n / D / math.log(2), of_n, rel=1e-6,
                errors=of_bits)  # fmt: skip
    return [right, bits]
