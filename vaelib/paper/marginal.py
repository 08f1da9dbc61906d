"""log p(x) from draws of the posterior, App. D, and its twin, importance sampling.

The identity: for every normalised density q(z), E[q(z) / p(x, z)] = 1 / p(x) under the
posterior, and E[p(x, z) / q(z)] = p(x) under q. Known as reciprocal importance
sampling: Gelfand & Dey 1994; with q = p(z), the harmonic mean of Newton & Raftery 1994.

L is the number of draws, B of images, J of latents. A Gaussian needs more draws than
latents, and App. D warns of more than 5 latents.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from vaelib.bounds import importance_weighted_bound
from vaelib.paper.hmc import LogJoint, effective_draws, sample, warm_up_each


def fit_gaussian(z: Tensor) -> MultivariateNormal:
    """Return the Gaussian with mean and covariance of z (L, B, J), one for each image.

    It is the density q(z) of stage 2 of App. D, which leaves its kind open. The
    covariance is a full one; L must be greater than J.
    """
    centred = z - z.mean(0)
    covariance = torch.einsum("lbi,lbj->bij", centred, centred) / (len(z) - 1)
    return MultivariateNormal(z.mean(0), covariance)


def log_ratios(q: MultivariateNormal, log_joint: LogJoint, z: Tensor) -> Tensor:
    """Return log q(z) - log p(x, z) at draws z (L, B, J), in nats, (L, B)."""
    with torch.no_grad():
        return q.log_prob(z) - torch.stack([log_joint(each) for each in z])


def log_marginal(log_r: Tensor) -> Tensor:
    """Return the estimate of log p(x) of stage 3 of App. D, in nats, (B,).

    `log_r`: `log_ratios` (L, B) at draws from the posterior which q was not fitted to.
    1 / p(x) is estimated without bias, so the result is too high on average.
    """
    return math.log(len(log_r)) - torch.logsumexp(log_r, 0)


def log_marginal_from_q(log_r: Tensor) -> Tensor:
    """Return the estimate of log p(x) by importance sampling, in nats, (B,).

    `log_r`: `log_ratios` (L, B) at draws from q. p(x) is estimated without bias, so the
    result is too low on average.
    """
    return importance_weighted_bound(-log_r)


def standard_error(log_r: Tensor) -> Tensor:
    """Return the standard error of `log_marginal`, in nats, (B,).

    It is sd(r) / mean(r) / sqrt(L), by the delta method, where L counts what
    `log_ratios` (L, B) of a correlated chain are worth.
    """
    r = (log_r - log_r.amax(0)).exp()
    return r.std(0) / r.mean(0) / effective_draws(r).sqrt()


def relative_variance(c: float, dims: int) -> float:
    """Return the relative variance of one ratio q(z) / p(x, z), for Gaussians.

    The posterior is N(m, S) in `dims` dimensions, and q = N(m, c S). It is finite only
    for c < 2: q must not have heavier tails than the posterior.
    """
    return (c * (2 - c)) ** (-dims / 2) - 1 if c < 2 else math.inf


def relative_variance_from_q(c: float, dims: int) -> float:
    """Return the relative variance of one weight p(x, z) / q(z), for Gaussians.

    q is that of `relative_variance`. It is finite only for c > 1/2: here q must not
    have lighter tails than the posterior.
    """
    return (c**2 / (2 * c - 1)) ** (dims / 2) - 1 if c > 0.5 else math.inf


def estimate(
    log_joint: LogJoint,
    z: Tensor,
    rng: torch.Generator,
    draws: int = 50,
    n: int = 4,
    warmup: int = 100,
    thin: int = 5,
) -> tuple[Tensor, Tensor]:
    """Return log p(x) of each image, (B,), and its standard error, by App. D.

    (1) From z (B, J), such as draws of the encoder, chains of `n` leapfrog steps make
    `draws` draws, after `warmup` transitions that tune the step size of each chain. (2)
    A Gaussian is fitted to them. (3) As many new draws give the ratios. The defaults of
    `draws` and `n` are those of Fig 3. The error does not tell of a mode that a chain
    never visits.
    """
    z, step = warm_up_each(log_joint, z, rng, warmup, n)
    fitted, _ = sample(log_joint, z, rng, draws, step, n, thin=thin)
    new, _ = sample(log_joint, fitted[-1], rng, draws, step, n, thin=thin)
    log_r = log_ratios(fit_gaussian(fitted), log_joint, new)
    return log_marginal(log_r), standard_error(log_r)
