"""Two models whose evidence, posterior and bound are known exactly.

The estimators of `bounds` are compared with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from vaelib.bounds import log_normal
from vaelib.losses import LOG_2PI, kl_divergence


def grid(reach: float = 12.0, points: int = 8001) -> Tensor:
    """Return equally spaced z from -reach to reach, (points,), in double precision."""
    return torch.linspace(-reach, reach, points, dtype=torch.float64, device="cpu")


@dataclass(frozen=True)
class Scalar:
    r"""Model of one latent and one observed number; its integrals are by quadrature.

    $z \sim \mathcal{N}(0, 1)$ and $x \sim \mathcal{N}(f(z), s^2)$. `mean` is f, any
    function of a tensor; `sigma` is s. x, mu and logvar are numbers, and all results
    are in nats. N is the number of points of the grid `z`.
    """

    mean: Callable[[Tensor], Tensor]
    sigma: float
    z: Tensor = field(default_factory=grid, repr=False)

    def log_likelihood(self, x: float, z: Tensor) -> Tensor:
        """Return log p(x|z) at each z (N,)."""
        return log_normal((x - self.mean(z))[:, None], 0.0, 2 * math.log(self.sigma))

    def log_joint(self, x: float, z: Tensor) -> Tensor:
        """Return log p(x, z) = log p(z) + log p(x|z) at each z (N,)."""
        return log_normal(z[:, None]) + self.log_likelihood(x, z)

    def log_evidence(self, x: float) -> float:
        """Return log p(x), the log of the integral of p(x, z) over z, sec. 2.1."""
        return math.log(torch.trapezoid(self.log_joint(x, self.z).exp(), self.z))

    def log_posterior(self, x: float) -> Tensor:
        """Return log p(z|x) = log p(x, z) - log p(x) on the grid, (N,)."""
        return self.log_joint(x, self.z) - self.log_evidence(x)

    def log_q(self, mu: float, logvar: float) -> Tensor:
        """Return log q(z|x), a Gaussian, on the grid, (N,)."""
        return log_normal(self.z[:, None], mu, logvar)

    def expectation(self, f: Tensor, mu: float, logvar: float) -> float:
        """Return the expectation under q(z|x) of f, given by its values (N,)."""
        return torch.trapezoid(self.log_q(mu, logvar).exp() * f, self.z).item()

    def bound(self, x: float, mu: float, logvar: float) -> float:
        """Return the bound, equation (2): the mean of log p(x, z) - log q(z|x)."""
        difference = self.log_joint(x, self.z) - self.log_q(mu, logvar)
        return self.expectation(difference, mu, logvar)

    def importance_weighted_bound(
        self, x: float, mu: float, logvar: float, draws: int
    ) -> float:
        r"""Return the importance-weighted bound with K = `draws`, without any draw.

        Let S be the sum of K weights w = p(z|x) / q(z|x). Since
        $\log S = \int_0^\infty (e^{-t} - e^{-tS})\, dt / t$, its mean follows from that
        of $e^{-tw}$ at one draw, to the power of K. The integral is over u = log t.
        """
        log_w = self.log_posterior(x) - self.log_q(mu, logvar)
        v = grid(12.0, 601)
        u = v.sinh()  # also far away, since some weights are very small
        terms = (-(u[:, None] + log_w).exp()).exp()
        mean = torch.trapezoid(self.log_q(mu, logvar).exp() * terms, self.z)
        difference = (-u.exp()).exp() - mean**draws
        log_sum = torch.trapezoid(difference * v.cosh(), v).item()
        return self.log_evidence(x) + log_sum - math.log(draws)

    def bound_from_prior(self, x: float, mu: float, logvar: float) -> float:
        """Return the bound, equation (3): the mean of log p(x|z), minus the KL."""
        kl = kl_divergence(*self.z.new_tensor([[mu], [logvar]])).item()
        return self.expectation(self.log_likelihood(x, self.z), mu, logvar) - kl

    def divergence(self, x: float, mu: float, logvar: float) -> float:
        """Return the KL divergence of q(z|x) from p(z|x), equation (1)."""
        difference = self.log_q(mu, logvar) - self.log_posterior(x)
        return self.expectation(difference, mu, logvar)


@dataclass(frozen=True)
class LinearGaussian:
    r"""Model with a linear decoder, for which everything has a closed form.

    $z \sim \mathcal{N}(0, I)$ and $x \sim \mathcal{N}(Wz + b, s^2 I)$. `weight` is W
    (D, J), `bias` b (D,), `sigma` s. x is (D,), and q has `mu` and `logvar`, (J,). All
    results are in nats.

    Source: Tipping & Bishop 1999, probabilistic principal component analysis.
    """

    weight: Tensor
    bias: Tensor
    sigma: float

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return z (n, J) from the prior and x (n, D) from the likelihood, Fig 1."""
        w = self.weight
        shapes = (n, w.shape[1]), (n, w.shape[0])
        z, noise = (w.new_empty(shape).normal_(generator=rng) for shape in shapes)
        return z, z @ w.T + self.bias + self.sigma * noise

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x, z) = log p(z) + log p(x|z), for x (..., D) and z (..., J)."""
        error = x - z @ self.weight.T - self.bias
        return log_normal(z) + log_normal(error, 0.0, 2 * math.log(self.sigma))

    def log_evidence(self, x: Tensor) -> Tensor:
        """Return log p(x): x is Gaussian with mean b and covariance W W^T + s^2 I."""
        w = self.weight
        noise = torch.full_like(self.bias, self.sigma**2).diag()
        return MultivariateNormal(self.bias, w @ w.T + noise).log_prob(x)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean (..., J) and covariance (J, J) of p(z|x), for x (..., D).

        They are M^-1 W^T (x - b) and s^2 M^-1, where M = W^T W + s^2 I.
        """
        w = self.weight
        m = w.T @ w + self.sigma**2 * torch.ones_like(w[0]).diag()
        inverse = torch.linalg.inv(m)
        return (x - self.bias) @ w @ inverse, self.sigma**2 * inverse

    def bound(self, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        """Return the bound, equation (3), whose expectation has a closed form here.

        The expected squared error is that of the mean, plus the variance of z seen
        through W.
        """
        error = x - self.weight @ mu - self.bias
        squared = error.square().sum() + (self.weight.square() @ logvar.exp()).sum()
        constant = len(x) * (2 * math.log(self.sigma) + LOG_2PI)
        log_p_x_given_z = -0.5 * (squared / self.sigma**2 + constant)
        return log_p_x_given_z - kl_divergence(mu, logvar)

    def divergence(self, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        """Return the KL divergence of q(z|x) from p(z|x), equation (1).

        Both are Gaussian; q has a diagonal covariance, the posterior a full one.
        """
        mean, covariance = self.posterior(x)
        precision = torch.linalg.inv(covariance)
        trace = (precision.diag() * logvar.exp()).sum()
        distance = (mu - mean) @ precision @ (mu - mean)
        log_ratio = covariance.logdet() - logvar.sum()
        return 0.5 * (trace + distance - len(mu) + log_ratio)


def water_filling(
    variances: Tensor, beta: float, sigma: float
) -> tuple[Tensor, Tensor]:
    """Return rate and distortion of the best linear beta-VAE on each principal axis.

    `variances`: eigenvalues of the covariance of the data, (D,). Returns two tensors
    (D,), in nats per image. The VAE has a latent for each axis above the level, and its
    decoder's bias is the mean of the data. If a variance is below the level
    beta sigma^2, the rate is 0: its latent has collapsed. The distortion is without the
    constant of (12).

    Source: Lucas et al. 2019 (arXiv:1911.02469), whose noise variance is beta sigma^2.
    """
    level = beta * sigma**2
    rate = 0.5 * torch.log(variances.clamp(min=level) / level)
    distortion = variances.clamp(max=level) / (2 * sigma**2)
    return rate, distortion
