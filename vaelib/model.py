"""The variational auto-encoder of section 3: a Gaussian encoder and a Bernoulli or Gaussian decoder, both MLPs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def mlp(sizes: Sequence[int], activation: str) -> nn.Sequential:
    """Linear layers of the given sizes, each followed by the activation. One size: nothing at all."""
    pairs = itertools.pairwise(sizes)
    return nn.Sequential(
        *(m for i, o in pairs for m in (nn.Linear(i, o), ACTIVATIONS[activation]()))
    )


class VAE(nn.Module):
    r"""Encoder $q_\phi(z|x) = \mathcal{N}(\mu, \mathrm{diag}\,\sigma^2)$ (9), decoder $p_\theta(x|z)$ (11) or (12).

    By default 784-400-20-400-784 with ReLU, as in pytorch/examples/vae. D = C*H*W pixels, J latents.

    - `output`: what the decoder's last layer gives: "sigmoid" (a number in (0, 1) for each pixel), "identity" (any number:
      logits), "gaussian" (mean in (0, 1) and log variance, whose standard deviation never falls below `min_sigma`).
    - `hidden_dims`: the encoder's hidden layers, mirrored in the decoder; () makes both linear.
    """

    def __init__(
        self,
        shape: Sequence[int] = (1, 28, 28),
        hidden_dims: Sequence[int] = (400,),
        latent_dim: int = 20,
        activation: str = "relu",
        output: str = "sigmoid",
        min_sigma: float = 0.05,
    ) -> None:
        super().__init__()
        self.shape, self.latent_dim, self.output, self.min_sigma = (
            tuple(shape),
            latent_dim,
            output,
            min_sigma,
        )
        sizes = [math.prod(shape), *hidden_dims]
        self.encoder = mlp(sizes, activation)
        self.fc_mu = nn.Linear(sizes[-1], latent_dim)
        self.fc_logvar = nn.Linear(sizes[-1], latent_dim)
        self.decoder = mlp([latent_dim, *sizes[:0:-1]], activation)
        self.fc_out = nn.Linear(
            sizes[1] if hidden_dims else latent_dim,
            sizes[0] * (2 if output == "gaussian" else 1),
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r"""Mean and log variance of $q_\phi(z|x)$, each (B, J), for images (B, D): equation (9), App. C.2."""
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h)

    @staticmethod
    def reparameterize(mu: Tensor, logvar: Tensor, eps: Tensor) -> Tensor:
        r"""$z = \mu + \sigma \odot \epsilon$ with $\epsilon \sim \mathcal{N}(0, I)$ passed in: equation (4), sec. 3."""
        return mu + torch.exp(0.5 * logvar) * eps

    def decode(self, z: Tensor) -> Tensor:
        r"""The parameters `x_hat` of $p_\theta(x|z)$, App. C: (..., D); gaussian: mean and log variance, (2, ..., D)."""
        h = self.fc_out(self.decoder(z))
        if self.output == "identity":
            return h
        if self.output == "sigmoid":
            return torch.sigmoid(h)
        mean, logvar = h.chunk(2, dim=-1)
        floor = torch.full_like(logvar, 2 * math.log(self.min_sigma))
        return torch.stack((torch.sigmoid(mean), torch.logaddexp(logvar, floor)))

    def forward(self, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`x_hat`, `mu`, `logvar` for images (B, D) and noise (B, J)."""
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar, eps)), mu, logvar

    def images(self, z: Tensor) -> Tensor:
        """The mean picture (B, C, H, W), in [0, 1], that each z (B, J) decodes to."""
        x_hat = self.decode(z)
        mean = {
            "identity": torch.sigmoid,
            "sigmoid": lambda x: x,
            "gaussian": lambda x: x[0],
        }[self.output](x_hat)
        return mean.unflatten(-1, self.shape)


def initialise(model: nn.Module, rng: torch.Generator) -> None:
    """PyTorch's default initialisation of every linear layer, in order, drawn from `rng` alone."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=rng)
            nn.init.uniform_(
                layer.bias, -(bound := layer.in_features**-0.5), bound, generator=rng
            )
