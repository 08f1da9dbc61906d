"""A trained linear VAE reaches the maximum likelihood of probabilistic PCA.

Tipping & Bishop (1999) give that maximum in closed form.
"""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from vaelib import bounds, losses
from vaelib.model import VAE, initialise

D, J, N = 8, 2, 2000
# A small mini-batch, which torch computes on one core: that is faster here.
STEPS, BATCH = 1500, 250


def data(rng: torch.Generator) -> Tensor:
    """Return x = W z + b + 0.5 eps, with a strong and a weak latent."""
    directions = torch.linalg.qr(torch.randn(D, J, generator=rng)).Q
    z, noise = torch.randn(N, J, generator=rng), torch.randn(N, D, generator=rng)
    w, b = directions * torch.tensor([3.0, 1.0]), torch.randn(D, generator=rng)
    return z @ w.T + b + 0.5 * noise


def maximum_likelihood(x: Tensor) -> tuple[float, Tensor, float]:
    """Return the best sigma^2, the principal axes (D, J) and the best log evidence.

    The evidence is a mean, in nats per point. Source: Tipping & Bishop 1999, equation
    (8), and (3) at the best C = W W^T + sigma^2 I.
    """
    centred = (x - x.mean(0)).double()
    values, axes = torch.linalg.eigh(centred.T @ centred / len(x))  # ascending
    variance = values[:-J].mean().item()
    log_det = values[-J:].log().sum().item() + (D - J) * math.log(variance)
    return variance, axes[:, -J:], -0.5 * (D * math.log(2 * math.pi) + log_det + D)


def fit(x: Tensor, nats, rng: torch.Generator) -> VAE:
    """Return a linear VAE trained by Adam, with a step size that decays to 0."""
    model = VAE((1, 1, D), (), J, output="identity")
    initialise(model, rng)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        batch = x[torch.randint(len(x), (BATCH,), generator=rng)]
        x_hat, mu, logvar = model(batch, torch.randn(BATCH, J, generator=rng))
        optimizer.zero_grad()
        (nats(x_hat, batch) + losses.kl_divergence(mu, logvar)).mean().backward()
        optimizer.step()
        decay.step()
    return model.requires_grad_(False)


@pytest.fixture(scope="module")
def x() -> Tensor:
    return data(torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def nats(x: Tensor):
    """Return the term of Gaussian pixels with the maximum-likelihood sigma."""
    return partial(losses.mse, sigma=maximum_likelihood(x)[0] ** 0.5)


@pytest.fixture(scope="module")
def model(x: Tensor, nats) -> VAE:
    return fit(x, nats, torch.Generator().manual_seed(2))


def log_evidence(model: VAE, x: Tensor) -> Tensor:
    """Return the exact log p(x) of each point: x is N(b, W W^T + sigma^2 I)."""
    w, variance = model.fc_out.weight.double(), maximum_likelihood(x)[0]
    covariance = w @ w.T + variance * torch.eye(D, dtype=torch.float64)
    p = MultivariateNormal(model.fc_out.bias.double(), covariance)
    return p.log_prob(x.double())


def test_closed_form_is_the_evidence_of_the_best_gaussian(x: Tensor):
    """It equals the mean log density of N(mean, W W^T + sigma^2 I) at their best W."""
    variance, axes, best = maximum_likelihood(x)
    points = x.double()
    along = ((points - points.mean(0)) @ axes).var(0, correction=0)
    noise = variance * torch.eye(D, dtype=torch.float64)
    covariance = axes @ torch.diag(along - variance) @ axes.T + noise
    p = MultivariateNormal(points.mean(0), covariance)
    assert p.log_prob(points).mean().item() == pytest.approx(best, rel=1e-9)


def test_learned_evidence_reaches_maximum_likelihood(x: Tensor, model: VAE):
    best = maximum_likelihood(x)[2]
    assert best * 1.005 < log_evidence(model, x).mean().item() <= best


@pytest.mark.parametrize("estimator", [bounds.estimator_a, bounds.estimator_b])
def test_elbo_reaches_maximum_likelihood(x: Tensor, model: VAE, nats, estimator):
    best = maximum_likelihood(x)[2]
    eps = torch.randn(100, N, J, generator=torch.Generator().manual_seed(3))
    elbo = estimator(model, nats, x, eps).mean().item()
    # Not above the best evidence, apart from the noise of the estimate.
    assert best * 1.005 < elbo < best * 0.998


def test_importance_sampling_converges_to_the_exact_evidence(
    x: Tensor, model: VAE, nats
):
    some, exact = x[:200], log_evidence(model, x)[:200]
    eps = torch.randn(2000, 200, J, generator=torch.Generator().manual_seed(4))
    log_w = bounds.log_weights(model, nats, some, eps)
    estimates = [bounds.importance_weighted_bound(log_w[:k]) for k in (1, 40, 2000)]
    gaps = [(exact - estimate).abs().mean().item() for estimate in estimates]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.002


def test_decoder_spans_the_principal_subspace_with_orthogonal_columns(
    x: Tensor, model: VAE
):
    """A diagonal q also fixes the rotation, which PPCA does not (Lucas et al. 2019)."""
    variance, axes, _ = maximum_likelihood(x)
    w = model.fc_out.weight.double()
    torch.testing.assert_close(axes @ (axes.T @ w), w, atol=0.05, rtol=0)
    lengths = w.square().sum(0)
    assert (w[:, 0] @ w[:, 1]).abs() < 0.05 * lengths.prod().sqrt()
    strengths = ((x.double() - x.double().mean(0)) @ axes).var(0) - variance
    found, expected = lengths.sort().values, strengths.sort().values
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0)


def test_encoder_is_the_exact_posterior(x: Tensor, model: VAE):
    w, variance = model.fc_out.weight, maximum_likelihood(x)[0]
    precision = w.T @ w / variance + torch.eye(J)
    covariance = torch.linalg.inv(precision)
    mean = (x - model.fc_out.bias) @ w / variance @ covariance
    mu, logvar = model.encode(x)
    torch.testing.assert_close(mu, mean, atol=0.05, rtol=0)
    found, expected = logvar.exp().mean(0), covariance.diagonal()
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0)
