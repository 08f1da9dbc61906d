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
from vaelib.exact import Scalar
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


# The importance-weighted bound as an objective, on a scalar model with a wrong q

X, MU, LOGVAR = 2.0, 1.1, -1.5
KS = [1, 2, 5, 50]


def scalar(slope: float = 1.0) -> Scalar:
    """Return the model x = slope * sinh(z) + noise."""
    return Scalar(lambda z: slope * torch.sinh(z), 0.5)


def by_difference(f, at: float, step: float = 1e-4) -> float:
    """Return the derivative of f by a central difference."""
    return (f(at + step) - f(at - step)) / (2 * step)


def exact_gradient(k: int) -> list[float]:
    """Return the derivatives of the bound with respect to mu, logvar and the slope."""

    def bound(mu: float, logvar: float, slope: float) -> float:
        return scalar(slope).importance_weighted_bound(X, mu, logvar, k)

    return [
        by_difference(lambda v: bound(v, LOGVAR, 1.0), MU),
        by_difference(lambda v: bound(MU, v, 1.0), LOGVAR),
        by_difference(lambda v: bound(MU, LOGVAR, v), 1.0),
    ]


def drawn(
    k: int, n: int, estimator: str = "standard", beta: float = 1.0, seed: int = 3
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return log weights (k, n), bounds (n,), and the gradient of each bound, (n,)."""
    given = (MU, LOGVAR, 1.0)
    leaves = [torch.full((n, 1), v, dtype=torch.float64) for v in given]
    mu, logvar, slope = (v.requires_grad_() for v in leaves)
    z = VAE.reparameterize(mu, logvar, noise(k, n, 1, seed=seed))
    recon = -bounds.log_normal(X - slope * torch.sinh(z), 0.0, 2 * math.log(0.5))
    log_w = bounds.log_weights_at(z, mu, logvar, recon, beta, estimator)
    bound = bounds.importance_weighted_bound(log_w)
    found = torch.autograd.grad(bound.sum(), leaves)
    return log_w.detach(), bound.detach(), [g[:, 0] for g in found]


def is_mean(values: Tensor, exact: float) -> bool:
    """Return whether a number is the mean of values, within 4.5 standard errors."""
    return abs(values.mean() - exact) < 4.5 * values.std() / len(values) ** 0.5


def test_one_draw_gives_the_bound():
    expected = scalar().bound(X, MU, LOGVAR)
    found = scalar().importance_weighted_bound(X, MU, LOGVAR, 1)
    assert found == pytest.approx(expected, abs=1e-6)


def test_two_draws_by_quadrature_over_both():
    model = Scalar(torch.sinh, 0.5, torch.linspace(-9, 9, 1501, dtype=torch.float64))
    log_w = model.log_joint(X, model.z) - model.log_q(MU, LOGVAR)
    both = torch.logaddexp(log_w[:, None], log_w) - math.log(2)
    weight = model.log_q(MU, LOGVAR).exp()
    inner = torch.trapezoid(weight * both, model.z)
    expected = torch.trapezoid(weight * inner, model.z).item()
    found = scalar().importance_weighted_bound(X, MU, LOGVAR, 2)
    assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("k", KS)
def test_the_bound_with_k_draws_has_the_mean_of_quadrature(k: int):
    _, bound, _ = drawn(k, 100_000)
    assert is_mean(bound, scalar().importance_weighted_bound(X, MU, LOGVAR, k))
    assert bound.std() / len(bound) ** 0.5 < 0.02


def test_the_exact_bound_rises_to_the_evidence():
    values = [scalar().importance_weighted_bound(X, MU, LOGVAR, k) for k in KS]
    assert values == sorted(values)
    assert values[-1] < scalar().log_evidence(X) < values[-1] + 0.02


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("estimator", ["standard", "dreg"])
def test_both_gradients_have_the_mean_of_quadrature(estimator: str, k: int):
    _, _, gradients = drawn(k, 100_000, estimator)
    for found, exact in zip(gradients, exact_gradient(k), strict=True):
        assert is_mean(found, exact)


def test_sticking_the_landing_is_biased_unless_there_is_one_draw():
    for k in (1, 5):
        _, _, gradients = drawn(k, 100_000, "stl")
        right = [
            is_mean(found, exact)
            for found, exact in zip(gradients, exact_gradient(k), strict=True)
        ]
        assert right == ([True] * 3 if k == 1 else [False, False, True])


@pytest.mark.parametrize("beta", [0.3, 2.5])
def test_dreg_has_the_mean_of_the_standard_gradient_at_any_beta(beta: float):
    one, other = (drawn(5, 200_000, e, beta)[2] for e in ("standard", "dreg"))
    for a, b in zip(one[:2], other[:2], strict=True):
        assert is_mean(a - b, 0.0)
        assert (a - b).std() > 0.1


def test_the_gradient_of_the_decoder_is_the_same_draw_by_draw():
    slopes = [drawn(5, 100, e)[2][2] for e in ("standard", "dreg", "stl")]
    for other in slopes[1:]:
        torch.testing.assert_close(other, slopes[0])


def signal_to_noise(k: int, estimator: str, index: int) -> float:
    """Return the exact mean of a gradient over its measured standard deviation."""
    _, _, gradients = drawn(k, 300_000 // (k + 20), estimator)
    return abs(exact_gradient(k)[index] / gradients[index].std()).item()


@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize("estimator", ["standard", "dreg"])
def test_more_draws_drown_the_signal_of_the_encoder_but_not_with_dreg(
    estimator: str, index: int
):
    """From 16 to 256 draws the ratio falls by 4 = sqrt(16), or rises by 4."""
    before, after = (signal_to_noise(k, estimator, index) for k in (16, 256))
    is_drowned = (estimator, index) == ("standard", 1)
    assert after / before == pytest.approx(1 / 4 if is_drowned else 4, rel=0.2)


@pytest.mark.parametrize("k", [1, 5])
def test_at_the_posterior_every_k_gives_the_evidence_without_variance(
    model: VAE, x: Tensor, k: int
):
    model = with_exact_posterior(model)
    evidence = log_evidence(model, x)
    for seed in range(3):
        log_w = bounds.log_weights(model, NATS, x, noise(k, 3, J, seed=seed))
        bound = bounds.importance_weighted_bound(log_w)
        torch.testing.assert_close(bound, evidence)


def test_at_the_posterior_only_the_standard_gradient_has_noise(model: VAE, x: Tensor):
    model = with_exact_posterior(model)
    spread = {}
    for estimator in ("standard", "dreg", "stl"):
        mu, logvar = (v.requires_grad_() for v in model.encode(x))
        z = model.reparameterize(mu, logvar, noise(5, 3, J))
        log_w = bounds.log_weights_at(
            z, mu, logvar, NATS(model.decode(z), x), estimator=estimator
        )
        bound = bounds.importance_weighted_bound(log_w).sum()
        spread[estimator] = torch.autograd.grad(bound, mu)[0].abs().max()
    assert spread["standard"] > 0.1
    assert max(spread["dreg"], spread["stl"]) < 1e-9


def test_normalised_weights_sum_to_one_and_are_numbers():
    log_w = noise(7, 4).requires_grad_()
    weights = bounds.normalised_weights(log_w)
    assert not weights.requires_grad
    torch.testing.assert_close(weights.sum(0), torch.ones(4).double())
    torch.testing.assert_close(weights, log_w.detach().exp() / log_w.exp().sum(0))
