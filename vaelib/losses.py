"""The two terms of equation (10), in nats per image: reconstruction (11)-(12), and the KL divergence of Appendix B."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


def bce(x_hat: Tensor, x: Tensor) -> Tensor:
    r"""Bernoulli pixels: $-\log p(x|z) = -\sum_i x_i \log y_i + (1 - x_i) \log(1 - y_i)$, equation (11).

    `x_hat`: probabilities y, (..., D); `x`: (..., D) in [0, 1]. Returns nats per image, (...). On grey pixels this is a
    cross-entropy, not a likelihood. Logarithms are cut at -100, as in PyTorch.
    """
    nan = x_hat.isnan()  # PyTorch would stop the program there; whoever trains is to see it and name the step
    nats = F.binary_cross_entropy(
        x_hat.masked_fill(nan, 0.5), x.expand_as(x_hat), reduction="none"
    )
    return nats.masked_fill(nan, torch.nan).sum(-1)


def bce_logits(x_hat: Tensor, x: Tensor) -> Tensor:
    """Equation (11) from logits (..., D): the same nats as `bce` of their sigmoid, exact where that one rounds."""
    return F.binary_cross_entropy_with_logits(
        x_hat, x.expand_as(x_hat), reduction="none"
    ).sum(-1)


def mse(x_hat: Tensor, x: Tensor, sigma: float = math.sqrt(0.5)) -> Tensor:
    r"""Gaussian pixels of one fixed sigma: $\sum_i (x_i - \hat x_i)^2 / 2\sigma^2 + \log \sigma\sqrt{2\pi}$, (12).

    `x_hat`: means (..., D). Returns nats per image, (...). At the default sigma, 1/sqrt(2), it is the squared error plus
    the constant D/2 log pi: 448.73 nats for 784 pixels.
    """
    squared = (x - x_hat).square().sum(-1)
    return squared / (2 * sigma**2) + x.shape[-1] * (math.log(sigma) + 0.5 * LOG_2PI)


def gaussian(x_hat: Tensor, x: Tensor) -> Tensor:
    r"""Gaussian pixels with a variance each: $\sum_i (x_i - \mu_i)^2 / 2\sigma_i^2 + \log \sigma_i \sqrt{2\pi}$, (12).

    `x_hat`: means and log variances, (2, ..., D). Returns nats per image, (...); negative where the density exceeds 1.
    """
    mean, logvar = x_hat
    return 0.5 * ((x - mean).square() * torch.exp(-logvar) + logvar + LOG_2PI).sum(-1)


def expected_log_prior(mu: Tensor, logvar: Tensor) -> Tensor:
    r"""$\mathbb{E}_q[\log p(z)] = -\frac J2 \log 2\pi - \frac12 \sum_j (\mu_j^2 + \sigma_j^2)$, Appendix B; nats, (...)."""
    return -0.5 * (LOG_2PI + mu.pow(2) + logvar.exp()).sum(-1)


def expected_log_q(mu: Tensor, logvar: Tensor) -> Tensor:
    r"""$\mathbb{E}_q[\log q(z|x)] = -\frac J2 \log 2\pi - \frac12 \sum_j (1 + \log\sigma_j^2)$, Appendix B; nats, (...)."""
    return -0.5 * (LOG_2PI + 1 + logvar).sum(-1)


def kl_per_latent(mu: Tensor, logvar: Tensor) -> Tensor:
    r"""$D_{KL}(q_\phi(z_j|x) \| p(z_j)) = -\frac12 (1 + \log\sigma_j^2 - \mu_j^2 - \sigma_j^2)$, Appendix B; (..., J), nats.

    The paper prints $-D_{KL}$, which it maximises; we minimise, hence the sign.
    """
    return -0.5 * (1 + logvar - mu.pow(2) - logvar.exp())


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    r"""$D_{KL}(q_\phi(z|x) \| p(z))$, Appendix B: the sum over latents, nats per image, (...)."""
    return kl_per_latent(mu, logvar).sum(-1)


class Loss(NamedTuple):
    """A reconstruction term, the decoder output it reads, and what it is called on an axis."""

    nats: Callable[..., Tensor]
    output: str
    title: str


LOSSES = {
    "bce": Loss(bce, "sigmoid", "cross-entropy"),
    "bce_logits": Loss(bce_logits, "identity", "cross-entropy"),
    "mse": Loss(mse, "sigmoid", "Gaussian, fixed sigma"),
    "gaussian": Loss(gaussian, "gaussian", "Gaussian, learned sigma"),
}


def reconstruction(
    loss: str, sigma: float = math.sqrt(0.5)
) -> Callable[[Tensor, Tensor], Tensor]:
    """The term called `loss` as a function of `x_hat` and `x`; `sigma` is for mse alone."""
    return partial(mse, sigma=sigma) if loss == "mse" else LOSSES[loss].nats


def title(loss: str, binary: bool) -> str:
    """What the reconstruction term is: a cross-entropy on grey pixels, a likelihood on binary ones, or a density."""
    name = LOSSES[loss].title
    return "negative log-likelihood" if binary and name == "cross-entropy" else name
