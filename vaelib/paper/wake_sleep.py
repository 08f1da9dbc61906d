"""The wake-sleep algorithm, with which the paper compares its own in Figs 2 and 3.

It trains the same model. In neither of its two steps does a gradient pass a sample.

- wake: z is drawn from q(z|x) at an image x of the data; theta follows the gradient of
  log p(x, z).
- sleep: z is drawn from p(z), and an image from p(x|z), a dream; phi follows the
  gradient of log q(z|x) at the dream.

Source: Hinton, Dayan, Frey & Neal 1995, Science 268.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vaelib.bounds import Nats, log_normal
from vaelib.config import TrainConfig
from vaelib.images import ImageData
from vaelib.losses import kl_divergence, reconstruction
from vaelib.model import VAE, standard_normal
from vaelib.state import State


def wake(model: VAE, nats: Nats, x: Tensor, z: Tensor) -> Tensor:
    """Return -log p(x|z), (B,), in nats, for images x (B, D) and z (B, J) from q(z|x).

    Up to log p(z), which theta does not change, it is -log p(x, z).
    """
    return nats(model.decode(z), x)


def sleep(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """Return -log q(z|x), (B,), in nats, for dreams x (B, D) of z (B, J)."""
    return -log_normal(z, *model.encode(x))


@torch.no_grad()
def dreams(
    model: VAE, config: TrainConfig, n: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return `n` images (n, D) from p(x|z) and their z (n, J) from p(z), Fig 1.

    Pixels are drawn too: at their means they would be images that the data never show.
    """
    weight = model.fc_mu.weight
    z = standard_normal(n, model.latent_dim, rng=rng).to(weight.device)
    x_hat = model.decode(z)
    if config.loss in ("bce", "bce_logits"):
        p = x_hat if config.loss == "bce" else torch.sigmoid(x_hat)
        coins = torch.rand(p.shape, generator=rng, dtype=p.dtype, device="cpu")
        return (coins.to(p.device) < p).to(p.dtype), z
    if config.loss == "logistic":
        return levels(x_hat[0], x_hat[1], rng), z
    mean, sigma = x_hat, torch.tensor(config.sigma)
    if config.loss == "gaussian":
        mean, sigma = x_hat[0], torch.exp(0.5 * x_hat[1])
    noise = standard_normal(*mean.shape, rng=rng).to(mean.device)
    return mean + sigma.to(mean.device) * noise, z


def levels(mean: Tensor, logvar: Tensor, rng: torch.Generator) -> Tensor:
    """Return draws of pixels with 256 levels, of the likelihood `losses.logistic`."""
    u = torch.rand(mean.shape, generator=rng, dtype=torch.float64, device="cpu")
    noise = torch.logit(u, eps=1e-12).to(mean.device, mean.dtype)
    x = mean + noise * torch.exp(0.5 * logvar) * math.sqrt(3) / math.pi
    return x.mul(255).round().clamp(0, 255).div(255)


def update_function(
    state: State, config: TrainConfig, data: ImageData
) -> Callable[..., Tensor]:
    """Return one wake step and one sleep step as a function of x (M, D), eps (M, J).

    The function returns reconstruction and KL, (2,), summed over the mini-batch: the
    terms of the bound (10), as in Algorithm 1, with the z of the wake step.
    """
    model = state.model
    nats = reconstruction(config.loss, config.sigma)

    def update(x: Tensor, eps: Tensor, *_: object) -> Tensor:
        with torch.no_grad():
            mu, logvar = model.encode(x)
            z = model.reparameterize(mu, logvar, eps)
        recon = wake(model, nats, x, z).sum()
        dream = sleep(model, *dreams(model, config, len(x), state.rng)).sum()

        # Only theta is in the first term, and only phi in the second.
        state.optimizer.zero_grad()
        factor = 1 if config.gradient == "sum" else 1 / len(x)
        ((recon + dream) * factor).backward()
        state.optimizer.step()
        return torch.stack((recon, kl_divergence(mu, logvar).sum())).detach()

    return update
