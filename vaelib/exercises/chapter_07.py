"""What the exercises of Chapter 7 ask for."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vaelib.exact import water_filling
from vaelib.exercises.parts import Part, noise

VARIANCES = torch.tensor([5.0, 3.5, 3.0, 1.2, 0.8, 0.4, 0.1]).double()


def exercise_1() -> list[Part]:
    """Return the beta from which each of the first five latents is silent."""

    def silent(eigenvalues: Tensor, sigma: float) -> Tensor:
        """Halve an interval for each latent, by the rate of `water_filling`."""
        low, high = torch.zeros(5).double(), torch.full((5,), 1e6).double()
        for _ in range(60):
            beta = (low + high) / 2
            rates = [water_filling(eigenvalues, b.item(), sigma)[0] for b in beta]
            speaks = torch.stack([rates[j][j] > 0 for j in range(5)])
            low, high = torch.where(speaks, beta, low), torch.where(speaks, high, beta)
        return low

    errors = {
        "this divides by sigma, not by its square.":
            lambda e, sigma: e[:5] / sigma,
        "a larger sigma means a smaller beta: divide.":
            lambda e, sigma: e[:5] * sigma**2,
        "the level is beta sigma^2, without a 2.":
            lambda e, sigma: e[:5] / (2 * sigma**2),
        "these are the variances: the level is beta sigma^2.": lambda e, sigma: e[:5],
    }  # fmt: skip
    at = [(VARIANCES, 0.5), (2 * VARIANCES, 0.1)]
    return [Part("silent_from", silent, at, rel=1e-3, errors=errors)]


def exercise_2() -> list[Part]:
    """Return the slope of the exact curve, as a function of beta."""

    def slope(beta: float) -> Tensor:
        r1, d1 = (part.sum() for part in water_filling(VARIANCES, beta, 0.5))
        r2, d2 = (part.sum() for part in water_filling(VARIANCES, beta * 1.00001, 0.5))
        return (d2 - d1) / (r2 - r1)

    errors = {
        "more rate means less distortion: the sign is wrong.": lambda beta: beta,
        "this is the rate against the distortion: turn it round.":
            lambda beta: -1 / beta,
        "this is the slope of the distortion along beta: divide by that of the rate.":
            lambda beta: (water_filling(VARIANCES, beta * 1.00001, 0.5)[1].sum()
                          - water_filling(VARIANCES, beta, 0.5)[1].sum())
                         / (beta * 0.00001),
        "this is -theta: divide by sigma^2.": lambda beta: -beta * 0.25,
    }  # fmt: skip
    return [Part("slope", slope, [(0.5,), (2.0,), (5.0,)], rel=2e-3, errors=errors)]


def value_and_gradient(f: Callable[..., Tensor], kl: Tensor, least: float) -> Tensor:
    """Return a term and its gradient with respect to kl (M, J), in one row."""
    value = f(kl.requires_grad_(), least)
    if value is ...:
        return value
    if value.ndim:
        raise ValueError(f"a single number is asked for, not {tuple(value.shape)}")
    (gradient,) = torch.autograd.grad(value, kl)
    return torch.cat((value[None], gradient.flatten()))


def exercise_3() -> list[Part]:
    """Return the term of free bits, whose gradient is compared too."""
    errors = {
        "the maximum comes first here: it comes after the mean over the images.":
            lambda kl, least: kl.clamp(min=least).mean(0).sum(),
        "this averages over the latents: average over the images, axis 0.":
            lambda kl, least: kl.mean(1).clamp(min=least).sum(),
        "this averages over the latents, too: sum over them.":
            lambda kl, least: kl.mean(0).clamp(min=least).mean(),
        "this is for all latents together: the maximum is for each latent.":
            lambda kl, least: kl.mean(0).sum().clamp(min=least),
        "this is the minimum: a latent below it must get no gradient.":
            lambda kl, least: kl.mean(0).clamp(max=least).sum(),
        "this sums over the images: average over them.":
            lambda kl, least: kl.sum(0).clamp(min=least).sum(),
    }  # fmt: skip
    kl = torch.tensor([[0.1, 2.0, 0.3], [0.2, 3.0, 0.1], [0.9, 0.1, 0.2]]).double()
    at = [(kl, 0.5), (noise(1, 6, 4).square(), 0.8)]

    def free_bits(kl: Tensor, least: float) -> Tensor:
        return kl.mean(0).clamp(min=least).sum()

    return [Part("free_bits", free_bits, at, rel=1e-6, tol=1e-6, errors=errors,
                 ask=value_and_gradient)]  # fmt: skip
