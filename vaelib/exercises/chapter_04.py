"""What the exercises of Chapter 4 ask for."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Chi2

from vaelib.bounds import estimator_a, estimator_b, log_normal, log_weights_at
from vaelib.exercises.parts import Part, noise
from vaelib.losses import mse
from vaelib.model import VAE

BATCH = 8  # images in a mini-batch of the chapter's tiny data


def exercise_1() -> list[Part]:
    """Return the variance of estimator A for a narrow q, as a function of J and L."""
    each = Chi2(torch.tensor(1.0)).variance.item() / 4  # eps^2 / 2 is what varies
    errors = {
        "more draws make it smaller: L belongs below the line.":
            lambda J, L: each * J * L,
        "the variance of a mean falls as 1 / L, not as 1 / L^2.":
            lambda J, L: each * J / L**2,
        "every latent adds to it: where is J?": lambda J, L: each / L,
        "this is the standard deviation.": lambda J, L: math.sqrt(each * J / L),
        "-log q contains eps^2 / 2, not eps^2.": lambda J, L: 4 * each * J / L,
    }  # fmt: skip
    at = [(2, 1), (2, 10), (5, 3)]

    def right(J: int, L: int) -> float:
        return each * J / L

    return [Part("variance_of_a", right, at, rel=1e-6, errors=errors)]


def exercise_2() -> list[Part]:
    """Return which optimizer notices a sum in the place of a mean, and how much."""
    of_times = {
        "this is the length for the mean, compared with the sum.": 1 / BATCH,
        "this is the number of images: the sum is over a mini-batch.": 40,
        "this is the number of updates: look at the first one.": 5,
        "that of Adam stays the same; that of SGD does not.": 1,
    }
    adam = "Adam divides by the size of recent gradients: what does a factor do?"
    sgd = "a step of SGD is the gradient times the learning rate."
    return [
        Part("same_adam", True, errors={adam: False}),
        Part("same_sgd", False, errors={sgd: True}),
        Part("times", BATCH, rel=0.01, errors=of_times),
    ]


def value_and_gradients(
    estimator: Callable[..., Any], mu: Tensor, logvar: Tensor, x: Tensor, eps: Tensor
) -> Tensor:
    """Return an estimate for each image, and its gradients in mu and logvar."""
    leaves = mu.requires_grad_(), logvar.requires_grad_()
    weight = noise(5, 2, x.shape[1])
    model = SimpleNamespace(
        encode=lambda _: leaves,
        reparameterize=VAE.reparameterize,
        decode=lambda z: z @ weight,
    )
    values = estimator(model, lambda a, b: mse(a, b, 0.5), x, eps)
    if values is ...:
        return values
    if values.shape != x.shape[:1]:
        shape = tuple(values.shape)
        raise ValueError(f"one number for each image is asked for, not {shape}")
    return torch.cat([v.flatten() for v in (
        values, *torch.autograd.grad(values.sum(), leaves))])  # fmt: skip


def exercise_3() -> list[Part]:
    """Return estimator A without the score, whose gradient is compared too."""

    def through_z(estimator: str, detached: bool = False):
        def landing(model: Any, nats: Any, x: Tensor, eps: Tensor) -> Tensor:
            mu, logvar = model.encode(x)
            z = model.reparameterize(mu, logvar, eps)
            recon = nats(model.decode(z), x)
            if detached:
                log_q = log_normal(z.detach(), mu, logvar)
                return (log_normal(z) - recon - log_q).mean(0)
            return log_weights_at(z, mu, logvar, recon, estimator=estimator).mean(0)

        return landing

    errors = {
        "log q still depends on mu and logvar by itself: detach them there.":
            estimator_a,
        "this is estimator B: here every term is sampled.": estimator_b,
        "in log q detach mu and logvar, not z.": through_z("", detached=True),
        "log p(z) and log q are to be in it with opposite signs: is one missing?":
            lambda model, nats, x, eps: -nats(
                model.decode(model.reparameterize(*model.encode(x), eps)), x).mean(0),
    }  # fmt: skip
    at = [(noise(1, 3, 2), noise(2, 3, 2) - 1, noise(3, 3, 4), noise(4, 5, 3, 2))]
    return [Part("landing", through_z("stl"), at, rel=1e-6, tol=1e-6, errors=errors,
                 ask=value_and_gradients)]  # fmt: skip
