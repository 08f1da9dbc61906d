"""Measures of a model on a test split, in nats per image.

They are the terms of the bound, the KL divergence of each latent, the number of active
units, and the log-likelihood by importance sampling.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vaelib.bounds import Nats, importance_weighted_bound, log_weights_at
from vaelib.images import pixels
from vaelib.losses import kl_per_latent
from vaelib.model import VAE, Convolutions, single, standard_normal

# A unit is active if the variance over x of its posterior mean exceeds this value.
# Source: Burda et al. 2016.
ACTIVE = 0.01
LAYER_BYTES = 2**26  # memory that the values of one layer may take: 64 MiB


def at_once(model: VAE, most: int) -> int:
    """Return how many images to compute at a time: `most`, or fewer if layers are wide.

    The values of no layer then take more than 64 MiB.
    """
    sizes: list[int] = []
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            sizes += layer.weight.shape
        if isinstance(layer, Convolutions):
            sizes += map(math.prod, layer.shapes)
    return max(1, min(most, LAYER_BYTES // (4 * max(sizes))))


@torch.no_grad()
def average_terms(
    model: VAE, nats: Nats, images: Tensor, rng: torch.Generator, batch_size: int = 500
) -> tuple[Tensor, Tensor]:
    """Return the means over images of the reconstruction, (), and KL per latent, (J,).

    `images`: uint8 (N, C, H, W). One z is drawn for each, with noise from the CPU
    generator `rng`.
    """
    model = single(model)
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
    """Yield mini-batches: images (B, D) in [0, 1] and noise (B, J), on the device.

    The noise is drawn for `size` images; if these are large, they come in parts.
    """
    device, few = next(model.parameters()).device, at_once(model, size)
    for chunk in images.split(size):
        eps = standard_normal(len(chunk), model.latent_dim, rng=rng)
        for part, noise in zip(chunk.split(few), eps.split(few), strict=True):
            yield pixels(part.to(device)), noise.to(device)


@torch.no_grad()
def posteriors(model: VAE, images: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield mean and log variance (B, J) of q(z|x), for some images at a time."""
    model = single(model)
    device = next(model.parameters()).device
    for chunk in images.split(at_once(model, 1000)):
        yield model.encode(pixels(chunk.to(device)))


@torch.no_grad()
def active_units(model: VAE, images: Tensor) -> int:
    """Return the number of active units: latents whose posterior mean varies with x.

    The variance of the mean must exceed 0.01. Source: Burda et al. 2016.
    """
    mu = torch.cat([mu for mu, _ in posteriors(model, images)])
    return int((mu.var(0) > ACTIVE).sum())


@torch.no_grad()
def importance_nll(
    model: VAE,
    nats: Nats,
    images: Tensor,
    rng: torch.Generator,
    samples: int,
    most: int = 2000,
    beta: float = 1.0,
) -> Iterator[Tensor]:
    """Yield, batch by batch, an upper bound of -log p(x) for each image, (B,), in nats.

    It is minus the importance-weighted bound with K = `samples`, and tight for large K.
    `beta` weighs log p(z) - log q(z|x) in each log weight; only 1 gives such a bound.
    No more than `most` decoded images are in memory at a time, and fewer large ones.
    """
    model = single(model)
    device, most = next(model.parameters()).device, at_once(model, most)
    size = max(1, most // samples)
    for chunk in images.split(size):
        x = pixels(chunk.to(device))
        log_sum, done = x.new_full((len(x),), -torch.inf), 0

        while done < samples:
            k = min(samples - done, most // size)
            eps = standard_normal(k, len(x), model.latent_dim, rng=rng).to(device)
            mu, logvar = model.encode(x)
            z = model.reparameterize(mu, logvar, eps)
            recon = nats(model.decode(z), x)
            log_w = log_weights_at(z, mu, logvar, recon, beta)
            bound = importance_weighted_bound(log_w)
            log_sum = torch.logaddexp(log_sum, bound + math.log(k))
            done += k

        yield math.log(samples) - log_sum


def mean_nll(
    model: VAE,
    nats: Nats,
    images: Tensor,
    rng: torch.Generator,
    samples: int,
    beta: float = 1.0,
) -> float:
    """Return the mean over images of what `importance_nll` yields, in nats."""
    parts = importance_nll(model, nats, images, rng, samples, beta=beta)
    return torch.cat([part.cpu().double() for part in parts]).mean().item()
