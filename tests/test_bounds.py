"""The estimators of the bound, on a linear-Gaussian model.

Of this model log p(x), the posterior and the bound are known exactly.
"""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from vaelib import bounds, losses
from vaelib.model import VAE

D, J, SIGMA = 5, 2, 0.6
NATS = partial(losses.mse, sigma=SIGMA)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normal numbers in double precision."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


@pytest.fixture
def x() -> Tensor:
    """Return three data points."""
    return noise(3, D, seed=1)


@pytest.fixture
def model() -> VAE:
    """Return a model x = W z + b + sigma eps, whose encoder is not the exact posterior.

    The columns of W are orthogonal; q is close to the posterior, but wider.
    """
    model = VAE((1, 1, D), (), J, output="identity").double().requires_grad_(False)
    directions = torch.linalg.qr(noise(D, J, seed=20)).Q
    model.fc_out.weight.copy_(directions * torch.tensor([1.5, 0.7]))
    model.fc_out.bias.copy_(0.3 * noise(D, seed=21))
    with_exact_posterior(model)
    model.fc_mu.weight.add_(0.1 * noise(J, D, seed=22))
    model.fc_mu.bias.add_(0.2)
    model.fc_logvar.weight.add_(0.1 * noise(J, D, seed=23))
    model.fc_logvar.bias.add_(0.8)
    return model


def with_exact_posterior(model: VAE) -> VAE:
    """Return the model, changed in place: q is p(z|x), diagonal because W^T W is."""
    w, b = model.fc_out.weight, model.fc_out.bias
    variance = SIGMA**2 / ((w * w).sum(0) + SIGMA**2)
    model.fc_mu.weight.copy_(variance[:, None] / SIGMA**2 * w.T)
    model.fc_mu.bias.copy_(-model.fc_mu.weight @ b)
    model.fc_logvar.weight.zero_()
    model.fc_logvar.bias.copy_(variance.log())
    return model


def log_evidence(model: VAE, x: Tensor) -> Tensor:
    """Return the exact log p(x): x is normal with covariance W W^T + sigma^2 I."""
    w = model.fc_out.weight
    covariance = w @ w.T + SIGMA**2 * torch.eye(D, dtype=w.dtype)
    return MultivariateNormal(model.fc_out.bias, covariance).log_prob(x)


def exact_elbo(model: VAE, x: Tensor) -> Tensor:
    """Return the bound in closed form.

    The expected squared error is that of the mean, plus the variance of W z.
    """
    w, b = model.fc_out.weight, model.fc_out.bias
    mu = x @ model.fc_mu.weight.T + model.fc_mu.bias
    variance = (x @ model.fc_logvar.weight.T + model.fc_logvar.bias).exp()
    squared = (x - mu @ w.T - b).pow(2).sum(1) + variance @ (w * w).sum(0)
    constant = D / 2 * math.log(2 * math.pi * SIGMA**2)
    log_likelihood = -squared / (2 * SIGMA**2) - constant
    kl = kl_divergence(Normal(mu, variance.sqrt()), Normal(0.0, 1.0)).sum(1)
    return log_likelihood - kl


def one_draw_each(estimator, model: VAE, x: Tensor, n: int) -> Tensor:
    """Return `n` independent estimates, each of one draw, for every x: (n, B)."""
    eps = noise(1, n * len(x), J, seed=2)
    return estimator(model, NATS, x.repeat(n, 1), eps).view(n, len(x))


ESTIMATORS = pytest.mark.parametrize(
    "estimator", [bounds.estimator_a, bounds.estimator_b]
)


@ESTIMATORS
def test_estimators_are_unbiased(estimator, model: VAE, x: Tensor):
    draws = one_draw_each(estimator, model, x, 50_000)
    error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - exact_elbo(model, x)).abs() < 4.5 * error).all()
    assert (error < 0.02).all(), "too few draws to detect an error"


@ESTIMATORS
def test_estimators_average_over_draws(estimator, model: VAE, x: Tensor):
    eps = noise(7, 3, J)
    each = torch.stack([estimator(model, NATS, x, draw[None]) for draw in eps])
    torch.testing.assert_close(estimator(model, NATS, x, eps), each.mean(0))


@ESTIMATORS
def test_exact_posterior_makes_the_bound_tight(estimator, model: VAE, x: Tensor):
    model = with_exact_posterior(model)
    torch.testing.assert_close(exact_elbo(model, x), log_evidence(model, x))
    draws = one_draw_each(estimator, model, x, 20_000)
    error = draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - log_evidence(model, x)).abs() < 4.5 * error + 1e-9).all()


def test_a_has_no_variance_at_the_exact_posterior_and_b_has(model: VAE, x: Tensor):
    model = with_exact_posterior(model)
    a = one_draw_each(bounds.estimator_a, model, x, 100)
    torch.testing.assert_close(a, log_evidence(model, x).expand(100, 3))
    assert (one_draw_each(bounds.estimator_b, model, x, 100).std(0) > 0.1).all()


def test_evidence_is_bound_plus_kl_from_the_true_posterior(model: VAE, x: Tensor):
    w, b = model.fc_out.weight, model.fc_out.bias
    precision = w.T @ w / SIGMA**2 + torch.eye(J, dtype=torch.float64)
    mean = (x - b) @ w @ torch.linalg.inv(precision) / SIGMA**2
    posterior = MultivariateNormal(mean, precision_matrix=precision)

    mu, logvar = model.encode(x)
    q = MultivariateNormal(mu, torch.diag_embed(logvar.exp()))
    gap = kl_divergence(q, posterior)
    torch.testing.assert_close(exact_elbo(model, x) + gap, log_evidence(model, x))


def test_log_weights_are_joint_minus_log_q(model: VAE, x: Tensor):
    eps = noise(4, 3, J)
    mu, logvar = model.encode(x)
    q = Normal(mu, logvar.exp().sqrt())
    z = mu + q.scale * eps
    mean = z @ model.fc_out.weight.T + model.fc_out.bias
    log_likelihood = Normal(mean, SIGMA).log_prob(x).sum(-1)
    joint = log_likelihood + Normal(0, 1).log_prob(z).sum(-1)
    log_w = bounds.log_weights(model, NATS, x, eps)
    assert log_w.shape == (4, 3)
    torch.testing.assert_close(log_w, joint - q.log_prob(z).sum(-1))


def test_one_importance_sample_is_estimator_a(model: VAE, x: Tensor):
    eps = noise(1, 3, J)
    one = bounds.importance_weighted_bound(bounds.log_weights(model, NATS, x, eps))
    torch.testing.assert_close(one, bounds.estimator_a(model, NATS, x, eps))


def test_importance_weighted_bound_is_log_mean_weight():
    log_w = noise(9, 4)
    bound, shifted = map(bounds.importance_weighted_bound, (log_w, log_w - 5000))
    expected = log_w.exp().mean(0).log()
    torch.testing.assert_close(bound, expected)
    torch.testing.assert_close(shifted, expected - 5000)


def test_importance_weighted_bound_grows_with_k(model: VAE, x: Tensor):
    log_w = one_draw_each(bounds.estimator_a, model, x, 2**15)
    evidence, means = log_evidence(model, x), []
    for k in (1, 4, 16, 64, 256):
        bound = bounds.importance_weighted_bound(log_w.view(k, -1))
        means.append(bound.view(-1, 3).mean(0))
    assert (torch.stack(means).diff(dim=0) > 0).all()
    assert (torch.stack(means) < evidence + 0.01).all()
    assert (means[0] < evidence - 0.1).all(), "no gap that could become smaller"


def test_importance_weighted_bound_converges_to_the_evidence(model: VAE, x: Tensor):
    log_w = bounds.log_weights(model, NATS, x, noise(200_000, 3, J))
    w = (log_w - log_evidence(model, x)).exp()
    # The standard error of the mean weight; it is 1, so also that of its logarithm.
    error = w.std(0) / len(w) ** 0.5
    assert (error < 0.03).all()
    gap = bounds.importance_weighted_bound(log_w) - log_evidence(model, x)
    assert (gap.abs() < 4.5 * error).all()


@settings(deadline=None, derandomize=True)
@given(m=st.integers(1, 8), batches=st.integers(1, 8), seed=st.integers(0, 99))
def test_minibatch_bounds_average_to_the_full_sum(m: int, batches: int, seed: int):
    n = m * batches
    each = noise(n, seed=seed)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    minibatches = each[order].split(m)
    estimates = torch.stack([bounds.minibatch_bound(part, n) for part in minibatches])
    torch.testing.assert_close(estimates.mean(), each.sum())


def test_log_normal_is_that_of_torch_distributions():
    mu, logvar, z = noise(3, 4), noise(3, 4, seed=1), noise(6, 3, 4, seed=2)
    prior, q = Normal(0.0, 1.0), Normal(mu, (logvar / 2).exp())
    log_p, log_q = bounds.log_normal(z), bounds.log_normal(z, mu, logvar)
    torch.testing.assert_close(log_p, prior.log_prob(z).sum(-1))
    torch.testing.assert_close(log_q, q.log_prob(z).sum(-1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_normal_keeps_precision(dtype: torch.dtype):
    z = noise(3, 4).to(dtype)
    log_p, log_q = bounds.log_normal(z), bounds.log_normal(z, 1.0, -2.0)
    assert log_p.dtype == log_q.dtype == dtype
    expected = Normal(1.0, math.exp(-1)).log_prob(z).sum(-1)
    torch.testing.assert_close(log_q, expected)
