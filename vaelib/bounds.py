"""Estimators of the lower bound: A (6), B (7), mini-batch (8), importance-weighted."""

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
    """Return the log density of a diagonal Gaussian at z (..., J), equation (9).

    `mu` and `logvar` broadcast with z. Returns nats, summed over J, (...).
    """
    logvar = torch.as_tensor(logvar, dtype=z.dtype, device=z.device)
    return -0.5 * ((z - mu).square() * torch.exp(-logvar) + logvar + LOG_2PI).sum(-1)


def log_weights(model: VAE, nats: Nats, x: Tensor, eps: Tensor) -> Tensor:
    """Return log p(x|z) + log p(z) - log q(z|x) at L draws z for each image, in nats.

    `x`: images (B, D); `eps`: noise (L, B, J). Returns (L, B).
    """
    mu, logvar = model.encode(x)
    z = model.reparameterize(mu, logvar, eps)
    log_p_x_given_z = -nats(model.decode(z), x)
    return log_p_x_given_z + log_normal(z) - log_normal(z, mu, logvar)


def log_weights_at(
    z: Tensor,
    mu: Tensor,
    logvar: Tensor,
    recon: Tensor,
    beta: Tensor | float = 1.0,
    estimator: str = "standard",
) -> Tensor:
    """Return log p(x|z) + beta [log p(z) - log q(z|x)] at draws z (K, B, J), in nats.

    `recon` is -log p(x|z), (K, B), as is the result. `estimator` says which gradient
    the encoder gets from it. "standard": all of it. "stl": through z only. "dreg":
    through z only, times a factor, for which the gradient of the importance-weighted
    bound keeps its mean.

    Sources: Roeder et al. 2017 (arXiv:1703.09194); Tucker et al. 2019
    (arXiv:1810.04152).
    """
    if estimator != "standard":
        mu, logvar = mu.detach(), logvar.detach()
    log_w = -recon + beta * log_normal(z) - beta * log_normal(z, mu, logvar)
    if estimator == "dreg":
        factor = 1 - beta + beta * normalised_weights(log_w)
        z.register_hook(lambda gradient: gradient * factor[..., None])
    return log_w


def normalised_weights(log_w: Tensor) -> Tensor:
    """Return weights (K, B) that sum to 1 over the draws, without a gradient."""
    return torch.softmax(log_w.detach(), dim=0)


def estimator_a(model: VAE, nats: Nats, x: Tensor, eps: Tensor) -> Tensor:
    """Return estimator A of the bound, equation (6): every term is sampled.

    `x`: images (B, D); `eps`: noise (L, B, J). Returns nats per image, (B,).
    """
    return log_weights(model, nats, x, eps).mean(0)


def estimator_b(model: VAE, nats: Nats, x: Tensor, eps: Tensor) -> Tensor:
    """Return estimator B of the bound, equation (7): the KL divergence is exact.

    `x`: images (B, D); `eps`: noise (L, B, J). Returns nats per image, (B,).
    """
    mu, logvar = model.encode(x)
    z = model.reparameterize(mu, logvar, eps)
    log_p_x_given_z = -nats(model.decode(z), x)
    return log_p_x_given_z.mean(0) - kl_divergence(mu, logvar)


def minibatch_bound(bounds: Tensor, n: int) -> Tensor:
    """Return the bound of all `n` images, estimated from a mini-batch, equation (8).

    `bounds`: the bound of each of its M images, (M,). Returns nats, a scalar.
    """
    return n / len(bounds) * bounds.sum()


def importance_weighted_bound(log_w: Tensor) -> Tensor:
    """Return a lower bound of log p(x): the log of the mean weight of K draws.

    `log_w`: log weights (K, B). Returns nats per image, (B,); the bound rises with K.
    Source: Burda et al. 2016 (arXiv:1509.00519), equation (8).
    """
    return torch.logsumexp(log_w, dim=0) - math.log(len(log_w))
