"""The two terms of equation (10), in nats per image.

They are the reconstruction term, equations (11) and (12), and the KL divergence of
Appendix B.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)
HALF_LEVEL = 1 / 510  # half the distance between two of the 256 levels of a pixel
LEAST_SIGMA = 1 / 1020  # of a logistic pixel: a quarter of that distance
FLAT = 1e-30  # least 1 / sigma of a logistic pixel, so that no logarithm is infinite


def bce(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return -log p(x|z) of Bernoulli pixels, equation (11), from probabilities.

    `x_hat`: probabilities (..., D); `x`: pixels (..., D) in [0, 1]. Returns nats per
    image, (...). On grey pixels it is a cross-entropy, not a likelihood. As in PyTorch,
    a logarithm is never below -100.
    """
    # PyTorch's function stops the program at nan. The training loop reports it instead.
    nan = x_hat.isnan()
    y = x_hat.masked_fill(nan, 0.5)
    nats = F.binary_cross_entropy(y, x.expand_as(x_hat), reduction="none")
    return nats.masked_fill(nan, torch.nan).sum(-1)


def bce_logits(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return -log p(x|z) of Bernoulli pixels, equation (11), from logits (..., D).

    The nats, (...), are those of `bce` at sigmoid(x_hat), without its rounding errors.
    """
    x = x.expand_as(x_hat)
    nats = F.binary_cross_entropy_with_logits(x_hat, x, reduction="none")
    return nats.sum(-1)


def mse(x_hat: Tensor, x: Tensor, sigma: float = math.sqrt(0.5)) -> Tensor:
    """Return -log p(x|z) of Gaussian pixels with one fixed sigma, equation (12).

    `x_hat`: means (..., D). Returns nats per image, (...). With the default sigma this
    is the squared error plus a constant, D/2 log pi: 448.73 nats for 784 pixels.
    """
    squared = (x - x_hat).square().sum(-1)
    return squared / (2 * sigma**2) + x.shape[-1] * (math.log(sigma) + 0.5 * LOG_2PI)


def gaussian(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return -log p(x|z) of Gaussian pixels, each with its own variance, equation (12).

    `x_hat`: means and log variances (2, ..., D). Returns nats per image, (...), which
    are negative if the density exceeds 1.
    """
    mean, logvar = x_hat
    return 0.5 * ((x - mean).square() * torch.exp(-logvar) + logvar + LOG_2PI).sum(-1)


def logistic(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return -log P(x|z) of pixels with 256 levels: a discretised logistic likelihood.

    `x_hat`: means and log variances (2, ..., D); `x`: pixels (..., D), multiples of
    1/255. Returns nats per image, (...). The probability of a level is what a logistic
    distribution has within half a level of it; the first and the last level have all
    that is beyond them, too.

    Source: Kingma et al. 2016 (arXiv:1606.04934).
    """
    mean, logvar = x_hat
    per_scale = math.pi / math.sqrt(3) * torch.exp(-0.5 * logvar).clamp_min(FLAT)
    upper = (x + HALF_LEVEL - mean) * per_scale
    lower = (x - HALF_LEVEL - mean) * per_scale
    # F(upper) - F(lower) is F(upper) F(-lower) (1 - exp(lower - upper)): this has no
    # difference of two numbers near 1, of which rounding would leave nothing.
    inside = -torch.log(-torch.expm1(-2 * HALF_LEVEL * per_scale))
    is_first, is_last = x < HALF_LEVEL, x > 1 - HALF_LEVEL
    nats = F.softplus(-upper).masked_fill(is_last, 0)
    nats = nats + F.softplus(lower).masked_fill(is_first, 0)
    return (nats + inside.masked_fill(is_first | is_last, 0)).sum(-1)


def bits_per_dim(nats: Tensor | float, n_pixels: int) -> Tensor | float:
    """Return -log P(x) in bits for each of the D = C*H*W numbers of an image."""
    return nats / (n_pixels * math.log(2))


def expected_log_prior(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return the expectation of log p(z) under q(z|x), Appendix B: nats, (...)."""
    return -0.5 * (LOG_2PI + mu.pow(2) + logvar.exp()).sum(-1)


def expected_log_q(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return the expectation of log q(z|x) under q(z|x), Appendix B: nats, (...)."""
    return -0.5 * (LOG_2PI + 1 + logvar).sum(-1)


def kl_per_latent(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return the KL divergence of q(z|x) from p(z) in each latent, (..., J), in nats.

    Appendix B gives -KL, which the paper maximises. We minimise, hence the sign.
    """
    return -0.5 * (1 + logvar - mu.pow(2) - logvar.exp())


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """Return the KL divergence of q(z|x) from p(z), Appendix B: nats, (...)."""
    return kl_per_latent(mu, logvar).sum(-1)


def free_bits(kl: Tensor, least: float) -> Tensor:
    """Return the sum over latents of max(least, mean KL of the mini-batch): nats, ().

    `kl`: the KL of each latent, (M, J). Below `least` a latent has no gradient.
    Source: Kingma et al. 2016 (arXiv:1606.04934), equation (15).
    """
    return kl.mean(0).clamp(min=least).sum()


def capacity(kl: Tensor, nats: Tensor | float) -> Tensor:
    """Return the distance of the mean KL of a mini-batch from C, in nats, ().

    `kl`: the KL of each latent, (M, J); `nats`: C.
    Source: Burgess et al. 2018 (arXiv:1804.03599), who write it for one image.
    """
    return (kl.sum(-1).mean() - nats).abs()


class Loss(NamedTuple):
    """Reconstruction term, the decoder output that it needs, and its name in a plot."""

    nats: Callable[..., Tensor]
    output: str
    title: str


LOSSES = {
    "bce": Loss(bce, "sigmoid", "cross-entropy"),
    "bce_logits": Loss(bce_logits, "identity", "cross-entropy"),
    "mse": Loss(mse, "sigmoid", "Gaussian, fixed sigma"),
    "gaussian": Loss(gaussian, "gaussian", "Gaussian, learned sigma"),
    "logistic": Loss(logistic, "logistic", "negative log-likelihood of 256 levels"),
}


def reconstruction(
    loss: str, sigma: float = math.sqrt(0.5)
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the term `loss`, a function of `x_hat` and `x`; only mse uses `sigma`."""
    return partial(mse, sigma=sigma) if loss == "mse" else LOSSES[loss].nats


def title(loss: str, binary: bool) -> str:
    """Return the name of a reconstruction term: a cross-entropy, likelihood or density.

    On binary pixels the cross-entropy is a negative log-likelihood.
    """
    name = LOSSES[loss].title
    return "negative log-likelihood" if binary and name == "cross-entropy" else name
