"""How good a model is on a test split: bound, KL per latent, active units, and the likelihood by importance sampling."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from vaelib.bounds import Nats, importance_weighted_bound, log_weights
from vaelib.data import pixels
from vaelib.losses import kl_per_latent
from vaelib.model import VAE

ACTIVE = 0.01  # a unit is active where the variance over x of its posterior mean exceeds this (Burda et al. 2015)


@torch.no_grad()
def average_terms(
    model: VAE, nats: Nats, images: Tensor, rng: torch.Generator, batch_size: int = 500
) -> tuple[Tensor, Tensor]:
    """Means over uint8 `images` (N, C, H, W) of the reconstruction term, (), and of the KL per latent, (J,), in nats.

    z is sampled, with noise from the CPU generator `rng`, batch by batch.
    """
    recon, kl = [], []
    for x, eps in batches(model, images, rng, batch_size):
        x_hat, mu, logvar = model(x, eps)
        recon.append(nats(x_hat, x).sum())
        kl.append(kl_per_latent(mu, logvar).sum(0))
    return torch.stack(recon).cpu().double().sum(0) / len(images), torch.stack(
        kl
    ).cpu().double().sum(0) / len(images)


def batches(
    model: VAE, images: Tensor, rng: torch.Generator, size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (B, D) in [0, 1] and noise (B, J), in order, on the model's device."""
    device = next(model.parameters()).device
    for chunk in images.split(size):
        yield (
            pixels(chunk.to(device)),
            torch.randn(len(chunk), model.latent_dim, generator=rng).to(device),
        )


@torch.no_grad()
def active_units(model: VAE, images: Tensor) -> int:
    r"""The number of latents with $\mathrm{Var}_x\,\mathbb{E}_{q(z|x)}[z_j] > 0.01$. Source: Burda et al. 2015."""
    device = next(model.parameters()).device
    mu = torch.cat(
        [model.encode(pixels(chunk.to(device)))[0] for chunk in images.split(1000)]
    )
    return int((mu.var(0) > ACTIVE).sum())


@torch.no_grad()
def importance_nll(
    model: VAE,
    nats: Nats,
    images: Tensor,
    rng: torch.Generator,
    samples: int,
    most: int = 2000,
) -> Iterator[Tensor]:
    r"""$-\log \frac1K \sum_k w_k$, nats, for each image: an upper bound of -log p(x), tight as K = `samples` grows.

    Yields batch after batch; no more than `most` decoded pictures are held at a time, whatever `samples` is.
    """
    device = next(model.parameters()).device
    size = max(1, most // samples)
    for chunk in images.split(size):
        x = pixels(chunk.to(device))
        bounds, done = torch.full((len(x),), -torch.inf, device=device), 0
        while done < samples:
            k = min(samples - done, most // size)
            eps = torch.randn(k, len(x), model.latent_dim, generator=rng).to(device)
            bound = importance_weighted_bound(log_weights(model, nats, x, eps))
            bounds, done = torch.logaddexp(bounds, bound + math.log(k)), done + k
        yield math.log(samples) - bounds
