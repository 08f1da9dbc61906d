r"""Two ways to differentiate an expectation (sec. 2.2), and $z = g_\phi(\epsilon, x)$ in its three families (sec. 2.4)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vaelib.bounds import log_normal

Function = Callable[[Tensor], Tensor]  # f: z (L, J) -> (L,)


def location_scale(eps: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    r"""$g(\epsilon) = \mu + \sigma\epsilon$: from a standard member of the family to any other, sec. 2.4 (2)."""
    return mu + sigma * eps


def inverse_cdf(u: Tensor, rate: Tensor) -> Tensor:
    r"""$g(u) = F^{-1}(u) = -\log(1 - u)/\lambda$: uniform u to an exponential of `rate` lambda, sec. 2.4 (1)."""
    return -torch.log1p(-u) / rate


def composition(eps: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    r"""$g(\epsilon) = \exp(\mu + \sigma\epsilon)$: a log-normal, one transformation after another, sec. 2.4 (3)."""
    return torch.exp(location_scale(eps, mu, sigma))


def monte_carlo(f: Function, z: Tensor) -> Tensor:
    r"""$\mathbb{E}[f(z)] \simeq \frac1L \sum_l f(z^{(l)})$ for L draws z (L, J), equation (5)."""
    return f(z).mean(0)


def pathwise_gradients(
    f: Function, mu: Tensor, logvar: Tensor, eps: Tensor
) -> tuple[Tensor, Tensor]:
    r"""$\nabla_\phi f(\mu + \sigma \odot \epsilon)$ draw by draw, sec. 2.3: mu and logvar (J,), `eps` (L, J); two (L, J).

    Their means estimate the gradient of $\mathbb{E}_q[f(z)]$ without bias; f must be differentiable.
    """
    mu, logvar = (v.expand_as(eps).clone().requires_grad_() for v in (mu, logvar))
    to_mu, to_logvar = torch.autograd.grad(
        f(location_scale(eps, mu, torch.exp(0.5 * logvar))).sum(), (mu, logvar)
    )
    return to_mu, to_logvar


def score_gradients(
    f: Function, mu: Tensor, logvar: Tensor, eps: Tensor
) -> tuple[Tensor, Tensor]:
    r"""$f(z) \nabla_\phi \log q_\phi(z)$ draw by draw, sec. 2.2: mu and logvar (J,), `eps` (L, J); two (L, J).

    The same means as `pathwise_gradients`, from values of f alone; the price is their variance.
    """
    z = location_scale(
        eps, mu, torch.exp(0.5 * logvar)
    )  # a number by now: no gradient goes through it
    mu, logvar = (v.expand_as(eps).clone().requires_grad_() for v in (mu, logvar))
    to_mu, to_logvar = torch.autograd.grad(
        (f(z) * log_normal(z, mu, logvar)).sum(), (mu, logvar)
    )
    return to_mu, to_logvar
