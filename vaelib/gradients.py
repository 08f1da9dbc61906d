"""Two estimators of the gradient of an expectation, and three families of g.

Sections 2.2 to 2.4: the score-function gradient, the pathwise gradient, and
z = g(eps, x) for densities of three kinds.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vaelib.bounds import log_normal

Function = Callable[[Tensor], Tensor]  # f: z (L, J) -> (L,)


def location_scale(eps: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """Return z of a location-scale family, such as the Gaussian, sec. 2.4 (2).

    `eps` is a draw from the standard member of the family.
    """
    return mu + sigma * eps


def inverse_cdf(u: Tensor, rate: Tensor) -> Tensor:
    """Return z of an exponential distribution by its inverse CDF, sec. 2.4 (1).

    `u` is uniform on [0, 1).
    """
    return -torch.log1p(-u) / rate


def composition(eps: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """Return z of a log-normal distribution, a composition of maps, sec. 2.4 (3).

    `eps` is standard normal.
    """
    return torch.exp(location_scale(eps, mu, sigma))


def monte_carlo(f: Function, z: Tensor) -> Tensor:
    """Return the Monte Carlo estimate of E[f(z)], equation (5), from draws z (L, J)."""
    return f(z).mean(0)


@torch.enable_grad()  # also where the caller has switched gradients off
def pathwise_gradients(
    f: Function, mu: Tensor, logvar: Tensor, eps: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the gradients of f(z) with respect to mu and logvar, sec. 2.3.

    `mu`, `logvar`: (J,); `eps`: noise (L, J). Returns two tensors (L, J), one row per
    draw. Their means estimate the gradients of E[f(z)]; f must be differentiable.
    """
    mu, logvar = (v.expand_as(eps).clone().requires_grad_() for v in (mu, logvar))
    z = location_scale(eps, mu, torch.exp(0.5 * logvar))
    grad_mu, grad_logvar = torch.autograd.grad(f(z).sum(), (mu, logvar))
    return grad_mu, grad_logvar


@torch.enable_grad()
def score_gradients(
    f: Function, mu: Tensor, logvar: Tensor, eps: Tensor
) -> tuple[Tensor, Tensor]:
    """Return f(z) times the gradients of log q(z), the score function, sec. 2.2.

    The gradients are with respect to `mu` and `logvar`, (J,), at L draws with noise
    `eps` (L, J). Returns two tensors (L, J), one row per draw. Their means are those of
    `pathwise_gradients`; f need not be differentiable, but the variance is larger.
    """
    z = location_scale(eps, mu, torch.exp(0.5 * logvar))  # a constant for autograd
    mu, logvar = (v.expand_as(eps).clone().requires_grad_() for v in (mu, logvar))
    surrogate = (f(z) * log_normal(z, mu, logvar)).sum()
    grad_mu, grad_logvar = torch.autograd.grad(surrogate, (mu, logvar))
    return grad_mu, grad_logvar
