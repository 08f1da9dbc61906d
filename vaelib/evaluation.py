"""Measures of a model on a test split, in nats per image.

They are the terms of the bound, the KL divergence of each latent, the number of active
units, and the log-likelihood by importance sampling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from vaelib.bounds import Nats, importance_weighted_bound, log_weights
from vaelib.images import pixels
from vaelib.losses import kl_per_latent
from vaelib.model import VAE

# A unit is active if the variance over x of its posterior mean exceeds this value.
# Source: Burda et al. 2015.
ACTIVE = 0.01


@torch.no_grad()
def average_terms(
    model: VAE, nats: Nats, images: Tensor, rng: torch.Generator, batch_size: int = 500
) -> tuple[Tensor, Tensor]:
    """Return the means over images of the reconstruction, (), and KL per latent, (J,).

    `images`: uint8 (N, C, H, W). One z is drawn for each, with noise from the CPU
    generator `rng`.
    """
    recon, kl = [], []
    for x, eps in batches(model, images, rng, batch_size):
        x_hat, mu, logvar = model(x, eps)
        recon.append(nats(x_hat, x).sum())
        kl.append(kl_per_latent(mu, logvar).sum(0))

    # Summed on the CPU, because Apple's GPU has no double precision.
    totals = [torch.stack(sums).cpu().double().sum(0) for sums in (recon, kl)]
    return totals[0] / len(images), totals[1] / len(images)


def batches(
    model: VAE, images: Tensor, rng: torch.Generator, size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield mini-batches: images (B, D) in [0, 1] and noise (B, J), on the device."""
    device = next(model.parameters()).device
    for chunk in images.split(size):
        eps = torch.randn(len(chunk), model.latent_dim, generator=rng)
        yield pixels(chunk.to(device)), eps.to(device)


@torch.no_grad()
def active_units(model: VAE, images: Tensor) -> int:
    """Return the number of active units: latents whose posterior mean varies with x.

    The variance of the mean must exceed 0.01. Source: Burda et al. 2015.
    """
    device = next(model.parameters()).device
    chunks = images.split(1000)
    mu = torch.cat([model.encode(pixels(chunk.to(device)))[0] for chunk in chunks])
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
    """Yield, batch by batch, an upper bound of -log p(x) for each image, (B,), in nats.

    It is minus the importance-weighted bound with K = `samples`, and tight for large K.
    No more than `most` decoded images are in memory at a time.
    """
    device = next(model.parameters()).device
    size = max(1, most // samples)
    for chunk in images.split(size):
        x = pixels(chunk.to(device))
        log_sum, done = torch.full((len(x),), -torch.inf, device=device), 0

        while done < samples:
            k = min(samples - done, most // size)
            eps = torch.randn(k, len(x), model.latent_dim, generator=rng).to(device)
            bound = importance_weighted_bound(log_weights(model, nats, x, eps))
            log_sum = torch.logaddexp(log_sum, bound + math.log(k))
            done += k

        yield math.log(samples) - log_sum
