"""Weights as hidden causes: the full variational Bayes of Appendix F.

The bound of all N images, now over the weights theta too, as functions of any model,
and one model of which everything is known in closed form. L is the number of draws, J
of latents, K of weights.

In (22) the bound (18) stands for log p(x) of (14). So (22) is an estimate of L', which
is (14) minus the mean divergence of q(z|x) from p(z|x), though both have one name:

log p(X) = KL(q(theta), p(theta|X)) + sum of KL(q(z|x), p(z|x)) + L'
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from vaelib.bounds import log_normal
from vaelib.losses import LOG_2PI, kl_divergence
from vaelib.model import VAE

# (x (L, ...), z (L, J), theta (L, K)) -> log p(x|z) of each draw, (L,)
LogLikelihood = Callable[[Tensor, Tensor, Tensor], Tensor]


class Gaussian(NamedTuple):
    """Diagonal Gaussian with mean and log variance (..., J), equation (23)."""

    mu: Tensor
    logvar: Tensor

    def at(self, eps: Tensor) -> Tensor:
        """Return the draw that the noise `eps` (..., J) gives, (16) and (19)."""
        return VAE.reparameterize(self.mu, self.logvar, eps)

    def log_density(self, z: Tensor) -> Tensor:
        """Return the log density at z (..., J), equation (23): nats, (...)."""
        return log_normal(z, self.mu, self.logvar)


def image_terms(
    log_likelihood: LogLikelihood, x: Tensor, z: Tensor, theta: Tensor, q_z: Gaussian
) -> Tensor:
    """Return what the bound of one image averages, (16) and (18): nats, (L,).

    It is log p(x|z) + log p(z) - log q(z|x), for z (L, J) and theta (L, K).
    """
    return log_likelihood(x, z, theta) + log_normal(z) - q_z.log_density(z)


def shorthand(
    log_likelihood: LogLikelihood,
    n: int,
    x: Tensor,
    z: Tensor,
    theta: Tensor,
    q_z: Gaussian,
    q_theta: Gaussian,
) -> Tensor:
    """Return f(x, z, theta) of equation (21) for L draws, (L,), in nats.

    `n` is the number N of all images: it multiplies the terms of the image alone, not
    those of the weights.
    """
    of_image = image_terms(log_likelihood, x, z, theta, q_z)
    return n * of_image + log_normal(theta) - q_theta.log_density(theta)


def sampled_bound(
    log_likelihood: LogLikelihood,
    n: int,
    x: Tensor,
    q_z: Gaussian,
    q_theta: Gaussian,
    eps: Tensor,
    zeta: Tensor,
) -> Tensor:
    """Return L estimates of the bound L', equation (22): every term is sampled.

    Row l has an image x, noise `eps` (L, J) for its z and `zeta` (L, K) for a theta of
    its own. q(z|x) is (L, J), q(theta) (K,). Returns nats of all images, (L,).
    """
    z, theta = q_z.at(eps), q_theta.at(zeta)
    return shorthand(log_likelihood, n, x, z, theta, q_z, q_theta)


def analytic_bound(
    log_likelihood: LogLikelihood,
    n: int,
    x: Tensor,
    q_z: Gaussian,
    q_theta: Gaussian,
    eps: Tensor,
    zeta: Tensor,
) -> Tensor:
    """Return L estimates of the bound L', equation (24): both divergences are exact.

    Arguments and result are those of `sampled_bound`. The variance of the value can be
    larger than there, though the paper says lower; measure the gradient's as well.
    """
    log_p_x_given_z = log_likelihood(x, q_z.at(eps), q_theta.at(zeta))
    return n * (log_p_x_given_z - kl_divergence(*q_z)) - kl_divergence(*q_theta)


class Posterior(NamedTuple):
    """q(theta), two tensors (1,), and q(z|x) of each image, two tensors (N, 1)."""

    theta: Gaussian
    z: Gaussian


@dataclass(frozen=True)
class SharedMean:
    r"""Model of numbers x (N,) with one weight theta, and everything in closed form.

    $\theta, z_i \sim \mathcal{N}(0, 1)$ and $x_i \sim \mathcal{N}(\theta + w z_i,
    s^2)$. `w` and `sigma` are fixed. All results are in nats.
    """

    w: float
    sigma: float

    @property
    def spread(self) -> float:
        """Variance of x for a given theta, w^2 + s^2."""
        return self.w**2 + self.sigma**2

    def log_likelihood(self, x: Tensor, z: Tensor, theta: Tensor) -> Tensor:
        """Return log p(x|z) for x (L,), z (L, 1) and theta (L, 1): (L,)."""
        mean = theta + self.w * z
        return log_normal(x[..., None] - mean, 0.0, 2 * math.log(self.sigma))

    def log_marginal(self, x: Tensor, theta: Tensor) -> Tensor:
        """Return log p(X) for each given theta (L, 1), a sum over the images: (L,)."""
        return log_normal(x - theta, 0.0, math.log(self.spread))

    def log_evidence(self, x: Tensor) -> Tensor:
        """Return log p(X) of equation (13): X is Gaussian, with equal covariances."""
        covariance = self.spread * torch.eye(len(x)).to(x) + 1
        return MultivariateNormal(torch.zeros_like(x), covariance).log_prob(x)

    def posterior_theta(self, x: Tensor) -> tuple[Tensor, float]:
        """Return mean and variance of p(theta|X)."""
        variance = 1 / (1 + len(x) / self.spread)
        return variance * x.sum() / self.spread, variance

    def kl_theta(self, x: Tensor, q: Posterior) -> Tensor:
        """Return the KL divergence of q(theta) from p(theta|X), equation (13)."""
        mean, variance = self.posterior_theta(x)
        mu, logvar = (part.squeeze(-1) for part in q.theta)
        squared = (logvar.exp() + (mu - mean).square()) / variance
        return 0.5 * (squared - 1 - logvar + math.log(variance))

    def kl_z(self, x: Tensor, q: Posterior) -> Tensor:
        """Return the mean under q(theta) of the KL divergence of q(z|x) from p(z|x).

        It is summed over all images. p(z|x) depends on theta; q(z|x) cannot.
        """
        variance = self.sigma**2 / self.spread
        mean = self.w * (x - q.theta.mu) / self.spread
        mu, logvar = (part.squeeze(-1) for part in q.z)
        moved = (self.w / self.spread) ** 2 * q.theta.logvar.exp()
        squared = (logvar.exp() + (mu - mean).square() + moved) / variance
        return 0.5 * (squared - 1 - logvar + math.log(variance)).sum()

    def bound_theta(self, x: Tensor, q: Posterior) -> Tensor:
        """Return the bound of equation (14), with the exact log p(x) of each image."""
        squared = (x - q.theta.mu).square() + q.theta.logvar.exp()
        log_p_x = -0.5 * (squared / self.spread + math.log(self.spread) + LOG_2PI)
        return log_p_x.sum() - kl_divergence(*q.theta)

    def bound(self, x: Tensor, q: Posterior) -> Tensor:
        """Return the bound L', of which (22) and (24) are estimates."""
        mu, logvar = (part.squeeze(-1) for part in q.z)
        squared = (x - q.theta.mu - self.w * mu).square() + q.theta.logvar.exp()
        error = (squared + self.w**2 * logvar.exp()) / self.sigma**2
        log_p_x_given_z = -0.5 * (error + 2 * math.log(self.sigma) + LOG_2PI)
        return (log_p_x_given_z - kl_divergence(*q.z)).sum() - kl_divergence(*q.theta)

    def optimum(self, x: Tensor) -> Posterior:
        """Return the q at which L' is largest.

        The mean of theta is right; its variance is too small, by a factor that tends to
        s^2 / (w^2 + s^2) for many images.
        """
        n, ones = len(x), torch.ones_like(x)[:, None]
        variance = self.sigma**2 / self.spread
        mu_theta = self.posterior_theta(x)[0]
        mu = self.w * (x - mu_theta) / self.spread
        of_z = Gaussian(mu[:, None], math.log(variance) * ones)
        of_theta = -math.log(1 + n / self.sigma**2) * ones[0]
        return Posterior(Gaussian(mu_theta[None], of_theta), of_z)


def algorithm_2(
    model: SharedMean,
    x: Tensor,
    q: Posterior,
    draws: int,
    rng: torch.Generator,
    estimator: Callable[..., Tensor] = sampled_bound,
) -> Posterior:
    """Return the gradient of the bound L' with respect to q, by Algorithm 2.

    Each of L = `draws` draws is an image of x (N,), an eps and a zeta. `estimator` is
    `sampled_bound`, (22), or `analytic_bound`, (24). `rng` is on the CPU.
    """
    leaves = [part.detach().requires_grad_() for part in (*q.theta, *q.z)]
    theta, z = Gaussian(*leaves[:2]), Gaussian(*leaves[2:])
    noise = torch.randn(2, draws, 1, generator=rng, dtype=x.dtype, device="cpu")
    i = torch.randint(len(x), (draws,), generator=rng, device="cpu").to(x.device)
    one = Gaussian(z.mu[i], z.logvar[i])
    eps, zeta = noise.to(x.device)
    each = estimator(model.log_likelihood, len(x), x[i], one, theta, eps, zeta)
    grads = torch.autograd.grad(each.mean(), leaves)
    return Posterior(Gaussian(*grads[:2]), Gaussian(*grads[2:]))
