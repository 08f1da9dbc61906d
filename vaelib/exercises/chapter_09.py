"""What the exercises of Chapter 9 ask for."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal

from vaelib.exact import LinearGaussian, Scalar
from vaelib.exercises.parts import Part


def exercise_1() -> list[Part]:
    """Return the width of q at x = 2, from dreams with pixel noise and without."""
    model = Scalar(torch.exp, 0.5)
    density = model.log_posterior(2.0).exp()
    mean = torch.trapezoid(density * model.z, model.z)
    variance = torch.trapezoid(density * (model.z - mean).square(), model.z).item()
    of_noisy = {
        "this is the variance of q, not its standard deviation.": variance,
        "this is the width of the prior: look at dreams near x = 2 alone.": 1.0,
        "this takes f for a line; the density near x = 2 is wider.":
            1 / math.sqrt(1 + (2 / 0.5) ** 2),
    }  # fmt: skip
    of_clean = {
        "this is the noise divided by the slope: without noise nothing of it is left.":
            0.25,
        "this is the width of the prior: look at dreams near x = 2 alone.": 1.0,
    }  # fmt: skip
    return [
        Part("width", math.sqrt(variance), tol=0.015, errors=of_noisy),
        Part("width_without", 0.0, tol=0.01, errors=of_clean),
    ]


def exercise_2() -> list[Part]:
    """Return where wake-sleep comes to rest if the encoder learns v too."""
    s, D = 0.5, 2.0
    t = math.sqrt(D - s**2)
    model = LinearGaussian(torch.tensor([[t]]), torch.zeros(1), s)
    v = model.posterior(torch.zeros(1))[1].item()
    of_t = {
        "this leaves no room for the noise s^2 in the variance of x.": math.sqrt(D),
        "this is t^2.": t**2,
        "this is where it began: repeat both steps until nothing moves.": 0.8,
    }
    of_v = {
        "this is the v of Section 9.4: now it is learned.": 0.3,
        "this is a standard deviation: v is a variance.": math.sqrt(v),
        "this is the variance of the pixel: v is that of z, given x.": s**2,
    }
    return [
        Part("rest_t", t, tol=1e-3, errors=of_t),
        Part("rest_v", v, tol=1e-3, errors=of_v),
    ]


def exercise_3() -> list[Part]:
    """Return the posterior of a coin, and the slope of its logit for one model."""

    def posterior(x: Tensor, t: float, s: float) -> Tensor:
        heads, tails = (Normal(sign * t, s).log_prob(x).exp() for sign in (1, -1))
        return heads / (heads + tails)

    def logistic(slope: Callable[[float, float], float]):
        return lambda x, t, s: torch.sigmoid(slope(t, s) * x)

    def logit(x: Tensor, t: float, s: float) -> Tensor:
        return 2 * t * x / s**2

    of_posterior = {
        "this is the logit, which is no probability: put it into a logistic function.":
            logit,
        "both densities have an x t / s^2, with opposite signs: a factor 2 is lost.":
            logistic(lambda t, s: t / s**2),
        "s is a standard deviation: divide by its square.":
            logistic(lambda t, s: 2 * t / s),
        "this is the density of x for z = 1: divide by that of both.":
            lambda x, t, s: Normal(t, s).log_prob(x).exp(),
    }  # fmt: skip
    of_slope = {
        "this is half of it: is a factor 2 lost, or the square of s?": 2 * 0.8 / 0.5,
        "this is 1 / s^2 alone: a larger t tells the two sides apart better.": 4.0,
        "this is the largest slope of the probability: give that of its logit.":
            2 * 0.8 / 0.5**2 / 4,
    }  # fmt: skip
    x = torch.linspace(-1.2, 1.5, 7).double()
    return [
        Part("chance_of_one", posterior, [(x, 0.8, 0.5), (x, 0.3, 1.2)], rel=1e-4,
             share=True, errors=of_posterior),
        Part("slope", 2 * 0.8 / 0.5**2, rel=0.02, errors=of_slope),
    ]  # fmt: skip


def exercise_4() -> list[Part]:
    """Return where a curve reaches a bound, on a logarithmic axis of images."""

    def along(axis: Callable[..., Tensor], back: Callable[..., Tensor]):
        def images_for(goal: float, images: Tensor, bounds: Tensor) -> Tensor:
            place = np.interp(goal, bounds.numpy(), axis(images).numpy())
            return back(torch.tensor(place))

        return images_for

    def next_point(goal: float, images: Tensor, bounds: Tensor) -> Tensor:
        return images[bounds >= goal][0]

    errors = {
        "the line is straight on the logarithmic axis, not on a plain one.":
            along(lambda v: v, lambda v: v),
        "this is the logarithm of the number of images.":
            along(torch.log, lambda v: v),
        "this is the next point of the curve: go along the line to it.": next_point,
        "this is the point before: go along the line from it.":
            lambda goal, images, bounds: images[bounds < goal][-1],
    }  # fmt: skip
    images = torch.tensor([1e4, 3e4, 1e5, 3e5, 1e6]).double()
    bounds = torch.tensor([-152.0, -131.0, -121.0, -113.0, -108.0]).double()
    at = [(goal, images, bounds) for goal in (-140.0, -122.0, -110.5)]
    right = along(torch.log, torch.exp)
    return [Part("images_for", right, at, rel=1e-4, errors=errors)]
