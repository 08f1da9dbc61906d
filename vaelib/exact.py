"""Two models whose evidence, posterior and bound are known exactly: the truth against which the estimators are held."""

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
    """Equally spaced z, in double precision, over more than any posterior in this book holds."""
    return torch.linspace(-reach, reach, points, dtype=torch.float64)


@dataclass(frozen=True)
class Scalar:
    r"""One hidden number, one seen: $z \sim \mathcal{N}(0, 1)$, $x \sim \mathcal{N}(f(z), s^2)$; integrals by quadrature.

    `mean` is f, any function of a tensor; `sigma` is s. x, mu and logvar are numbers; all results are nats.
    """

    mean: Callable[[Tensor], Tensor]
    sigma: float
    z: Tensor = field(default_factory=grid, repr=False)

    def log_likelihood(self, x: float, z: Tensor) -> Tensor:
        r"""$\log p_\theta(x|z)$ at each z (N,)."""
        return log_normal((x - self.mean(z))[:, None], 0.0, 2 * math.log(self.sigma))

    def log_joint(self, x: float, z: Tensor) -> Tensor:
        r"""$\log p_\theta(x, z) = \log p(z) + \log p_\theta(x|z)$ at each z (N,)."""
        return log_normal(z[:, None]) + self.log_likelihood(x, z)

    def log_evidence(self, x: float) -> float:
        r"""$\log p_\theta(x) = \log \int p_\theta(x, z)\,dz$, sec. 2.1."""
        return math.log(torch.trapezoid(self.log_joint(x, self.z).exp(), self.z))

    def log_posterior(self, x: float) -> Tensor:
        r"""$\log p_\theta(z|x) = \log p_\theta(x, z) - \log p_\theta(x)$ on the grid, (N,)."""
        return self.log_joint(x, self.z) - self.log_evidence(x)

    def log_q(self, mu: float, logvar: float) -> Tensor:
        r"""$\log q(z|x) = \log \mathcal{N}(z; \mu, \sigma^2)$ on the grid, (N,)."""
        return log_normal(self.z[:, None], mu, logvar)

    def expectation(self, f: Tensor, mu: float, logvar: float) -> float:
        r"""$\mathbb{E}_{q(z|x)}[f(z)] = \int q(z|x) f(z)\,dz$ for the values f (N,) on the grid."""
        return torch.trapezoid(self.log_q(mu, logvar).exp() * f, self.z).item()

    def bound(self, x: float, mu: float, logvar: float) -> float:
        r"""$\mathcal L = \mathbb{E}_{q(z|x)}[-\log q(z|x) + \log p_\theta(x, z)]$, equation (2)."""
        return self.expectation(
            self.log_joint(x, self.z) - self.log_q(mu, logvar), mu, logvar
        )

    def bound_from_prior(self, x: float, mu: float, logvar: float) -> float:
        r"""$\mathcal L = -D_{KL}(q(z|x) \| p(z)) + \mathbb{E}_{q(z|x)}[\log p_\theta(x|z)]$, equation (3)."""
        kl = kl_divergence(*torch.tensor([[mu], [logvar]], dtype=torch.float64)).item()
        return self.expectation(self.log_likelihood(x, self.z), mu, logvar) - kl

    def divergence(self, x: float, mu: float, logvar: float) -> float:
        r"""$D_{KL}(q(z|x) \| p_\theta(z|x))$: what the bound (1) lacks to the log evidence."""
        return self.expectation(
            self.log_q(mu, logvar) - self.log_posterior(x), mu, logvar
        )


@dataclass(frozen=True)
class LinearGaussian:
    r"""$z \sim \mathcal{N}(0, I)$, $x \sim \mathcal{N}(Wz + b, s^2 I)$: a VAE with a linear decoder, all in closed form.

    `weight` W (D, J), `bias` b (D,), `sigma` s. x (D,); q has `mu` and `logvar` (J,); all results are nats.
    Source: Tipping & Bishop 1999, probabilistic principal component analysis.
    """

    weight: Tensor
    bias: Tensor
    sigma: float

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """z (n, J) from the prior and x (n, D) from the likelihood: ancestral sampling, Fig 1."""
        z = torch.randn(n, self.weight.shape[1], generator=rng, dtype=self.weight.dtype)
        noise = torch.randn(
            n, self.weight.shape[0], generator=rng, dtype=self.weight.dtype
        )
        return z, z @ self.weight.T + self.bias + self.sigma * noise

    def log_evidence(self, x: Tensor) -> Tensor:
        r"""$\log p_\theta(x) = \log \mathcal{N}(x; b, WW^\top + s^2 I)$."""
        noise = self.sigma**2 * torch.eye(len(self.bias), dtype=x.dtype)
        return MultivariateNormal(
            self.bias, self.weight @ self.weight.T + noise
        ).log_prob(x)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r"""Mean $M^{-1} W^\top (x - b)$, (J,), and covariance $s^2 M^{-1}$, (J, J), with $M = W^\top W + s^2 I$."""
        m = self.weight.T @ self.weight + self.sigma**2 * torch.eye(
            self.weight.shape[1], dtype=x.dtype
        )
        return torch.linalg.solve(
            m, self.weight.T @ (x - self.bias)
        ), self.sigma**2 * torch.linalg.inv(m)

    def bound(self, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        r"""$\mathcal L$, equation (3), its expectation done by hand: $\mathbb{E}\|x - Wz - b\|^2$ has two parts."""
        squared = (x - self.weight @ mu - self.bias).square().sum() + (
            self.weight.square() @ logvar.exp()
        ).sum()
        log_p_x_given_z = -0.5 * (
            squared / self.sigma**2 + len(x) * (2 * math.log(self.sigma) + LOG_2PI)
        )
        return log_p_x_given_z - kl_divergence(mu, logvar)

    def divergence(self, x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
        r"""$D_{KL}(q(z|x) \| p_\theta(z|x))$ between two Gaussians, the second with a full covariance."""
        mean, covariance = self.posterior(x)
        precision = torch.linalg.inv(covariance)
        distance = (mu - mean) @ precision @ (mu - mean)
        return 0.5 * (
            (precision.diag() * logvar.exp()).sum()
            + distance
            - len(mu)
            + covariance.logdet()
            - logvar.sum()
        )


def water_filling(
    variances: Tensor, beta: float, sigma: float
) -> tuple[Tensor, Tensor]:
    r"""Rate and distortion on each principal axis of the best linear beta-VAE, in nats per image, (D,) each.

    $R_j = \frac12 \log(\lambda_j/\theta)$ and $\theta/2\sigma^2$ where $\lambda_j$ exceeds the level $\theta = \beta\sigma^2$;
    elsewhere the latent has collapsed: 0 and $\lambda_j/2\sigma^2$.
    `variances` lambda (D,): eigenvalues of the data's covariance; the constant of (12) is left out of the distortion.
    Source: Lucas et al. 2019 (arXiv:1911.02469), whose noise variance is beta sigma^2 here.
    """
    level = beta * sigma**2
    return 0.5 * torch.log(variances.clamp(min=level) / level), variances.clamp(
        max=level
    ) / (2 * sigma**2)
