"""Estimators of the lower bound: A (6), B (7), on a minibatch (8), and importance-weighted towards log p(x)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vaelib.losses import LOG_2PI, kl_divergence
from vaelib.model import VAE

Nats = Callable[[Tensor, Tensor], Tensor]  # (x_hat, x) -> -log p(x|z)


def log_normal(
    z: Tensor, mu: Tensor | float = 0.0, logvar: Tensor | float = 0.0
) -> Tensor:
    r"""$\log \mathcal{N}(z; \mu, \mathrm{diag}\,\sigma^2)$, nats, summed over the last axis: equation (9)."""
    logvar = torch.as_tensor(logvar, dtype=z.dtype, device=z.device)
    return -0.5 * ((z - mu).square() * torch.exp(-logvar) + logvar + LOG_2PI).sum(-1)


def log_weights(model: VAE, nats: Nats, x: Tensor, eps: Tensor) -> Tensor:
    r"""$\log p_\theta(x|z) + \log p(z) - \log q_\phi(z|x)$ at $z = \mu + \sigma \odot \epsilon$, nats.

    `x`: (B, D); `eps`: (L, B, J), L draws for each image. Returns (L, B).
    """
    mu, logvar = model.encode(x)
    z = model.reparameterize(mu, logvar, eps)
    log_p_x_given_z = -nats(model.decode(z), x)
    return log_p_x_given_z + log_normal(z) - log_normal(z, mu, logvar)


def estimator_a(model: VAE, nats: Nats, x: Tensor, eps: Tensor) -> Tensor:
    r"""$\tilde{\mathcal L}^A$, equation (6): joint minus log q, all of it sampled. `eps` (L, B, J); returns (B,), nats."""
    return log_weights(model, nats, x, eps).mean(0)


def estimator_b(model: VAE, nats: Nats, x: Tensor, eps: Tensor) -> Tensor:
    r"""$\tilde{\mathcal L}^B$, equation (7): exact KL, sampled likelihood. `eps` (L, B, J); returns (B,), nats."""
    mu, logvar = model.encode(x)
    log_p_x_given_z = -nats(model.decode(model.reparameterize(mu, logvar, eps)), x)
    return log_p_x_given_z.mean(0) - kl_divergence(mu, logvar)


def minibatch_bound(bounds: Tensor, n: int) -> Tensor:
    r"""$\frac{N}{M} \sum_{i=1}^M \tilde{\mathcal L}(x^{(i)})$, equation (8): the bound of all `n` images from M (M,)."""
    return n / len(bounds) * bounds.sum()


def importance_weighted_bound(log_w: Tensor) -> Tensor:
    r"""$\log \frac1K \sum_k w_k$ for log weights (K, B): a lower bound of log p(x) that grows with K; (B,), nats.

    Source: Burda et al. 2015 (arXiv:1509.00519), equation (8).
    """
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))
