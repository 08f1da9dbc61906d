"""Appendix F: closed forms, and both estimators by quadrature, without random noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from vaelib.paper import weights
from vaelib.paper.weights import Gaussian, Posterior, SharedMean

MODEL, N = SharedMean(w=1.0, sigma=0.5), 5
ESTIMATORS = pytest.mark.parametrize(
    "estimator", [weights.sampled_bound, weights.analytic_bound]
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normal numbers in double precision."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


X = 0.5 + math.sqrt(1.25) * noise(N)


def some_q() -> Posterior:
    """Return a q that is not the optimum."""
    theta = Gaussian(noise(1, seed=1), noise(1, seed=2))
    return Posterior(theta, Gaussian(noise(N, 1, seed=3), noise(N, 1, seed=4)))


def hermite(points: int = 12) -> tuple[Tensor, Tensor]:
    """Return points and weights of a quadrature of N(0, 1)."""
    at, weight = np.polynomial.hermite_e.hermegauss(points)
    weight = torch.from_numpy(weight)
    return torch.from_numpy(at), weight / weight.sum()


def all_draws(estimator, q: Posterior) -> tuple[Tensor, Tensor]:
    """Return the estimates for each image and each point of a grid of eps and zeta.

    The second result is the probability of each, so that expectations are exact.
    """
    at, weight = hermite()
    i, eps, zeta = torch.cartesian_prod(torch.arange(N).double(), at, at).T
    chance = torch.cartesian_prod(torch.ones(N).double() / N, weight, weight).prod(1)
    i = i.long()
    one = Gaussian(q.z.mu[i], q.z.logvar[i])
    noises = eps[:, None], zeta[:, None]
    each = estimator(MODEL.log_likelihood, N, X[i], one, q.theta, *noises)
    return each, chance


def leaves(q: Posterior) -> tuple[Posterior, list[Tensor]]:
    """Return a copy of q whose gradient can be computed, and its four tensors."""
    parts = [part.clone().requires_grad_() for part in (*q.theta, *q.z)]
    return Posterior(Gaussian(*parts[:2]), Gaussian(*parts[2:])), parts


def variance(values: Tensor, chance: Tensor) -> float:
    """Return the variance of values (L, ...) with the given probabilities, summed."""
    mean = torch.einsum("l,l...->...", chance, values)
    squared = torch.einsum("l,l...->...", chance, (values - mean).square())
    return squared.sum().item()


def test_evidence_is_three_terms():
    q = some_q()
    parts = MODEL.kl_theta(X, q) + MODEL.kl_z(X, q) + MODEL.bound(X, q)
    covariance = 1.25 * torch.eye(N).double() + torch.ones(N, N)
    exact = MultivariateNormal(torch.zeros(N).double(), covariance).log_prob(X)
    torch.testing.assert_close(parts, exact)
    torch.testing.assert_close(MODEL.log_evidence(X), exact)
    torch.testing.assert_close(MODEL.kl_theta(X, q) + MODEL.bound_theta(X, q), exact)


def test_bound_theta_is_that_of_quadrature():
    q, (at, weight) = some_q(), hermite()
    theta = q.theta.mu + (q.theta.logvar / 2).exp() * at
    q_theta = Normal(q.theta.mu, (q.theta.logvar / 2).exp())
    log_p = Normal(theta[:, None], math.sqrt(1.25)).log_prob(X).sum(1)
    f = log_p + Normal(0.0, 1.0).log_prob(theta) - q_theta.log_prob(theta)
    torch.testing.assert_close(MODEL.bound_theta(X, q), (weight * f).sum())


def test_log_marginal_is_the_integral_over_z():
    z, theta = torch.linspace(-12, 12, 4001).double(), noise(3, 1, seed=7)
    log_p = Normal(theta[..., None] + z, 0.5).log_prob(X[:, None])
    joint = (log_p + Normal(0.0, 1.0).log_prob(z)).exp()
    expected = torch.trapezoid(joint, z).log().sum(1)
    torch.testing.assert_close(MODEL.log_marginal(X, theta), expected)


def test_image_terms_average_to_the_bound_of_each_image():
    """With theta fixed, (18): log p(x) less the divergence from the posterior."""
    q, (at, weight) = some_q(), hermite()
    for x, mu, logvar in zip(X, *q.z, strict=True):
        q_z, theta = Gaussian(mu, logvar), torch.full((12, 1), 0.3).double()
        rows = x.expand(12), q_z.at(at[:, None]), theta
        each = weights.image_terms(MODEL.log_likelihood, *rows, q_z)
        posterior = Normal((x - 0.3) / 1.25, math.sqrt(0.2))
        gap = kl_divergence(Normal(mu[0], (logvar[0] / 2).exp()), posterior)
        log_p_x = Normal(0.3, math.sqrt(1.25)).log_prob(x)
        torch.testing.assert_close((weight * each).sum(), log_p_x - gap)


def test_shorthand_is_that_of_torch_distributions():
    q, x = some_q(), X
    z, theta = noise(N, 1, seed=5), noise(N, 1, seed=6)
    found = weights.shorthand(MODEL.log_likelihood, N, x, z, theta, q.z, q.theta)
    prior = Normal(0.0, 1.0)
    likelihood = Normal(theta + z, 0.5).log_prob(x[:, None])
    q_z, q_theta = (Normal(g.mu, (g.logvar / 2).exp()) for g in (q.z, q.theta))
    of_image = likelihood + prior.log_prob(z) - q_z.log_prob(z)
    expected = N * of_image + prior.log_prob(theta) - q_theta.log_prob(theta)
    torch.testing.assert_close(found, expected[:, 0])


@ESTIMATORS
def test_estimators_average_to_the_bound_and_to_its_gradient(estimator):
    """Exactly: all is quadratic in the noise, which 12 points integrate."""
    q, parts = leaves(some_q())
    each, chance = all_draws(estimator, q)
    exact = MODEL.bound(X, q)
    torch.testing.assert_close((chance * each).sum(), exact)
    found = torch.autograd.grad((chance * each).sum(), parts)
    for one, other in zip(found, torch.autograd.grad(exact, parts), strict=True):
        torch.testing.assert_close(one, other)


@ESTIMATORS
def test_algorithm_2_has_the_gradient_of_the_bound(estimator):
    q, parts = leaves(some_q())
    exact = torch.autograd.grad(MODEL.bound(X, q), parts)
    rng = torch.Generator().manual_seed(1)
    found = [
        torch.cat([g.flatten() for pair in grads for g in pair])
        for grads in (
            weights.algorithm_2(MODEL, X, some_q(), 2000, rng, estimator)
            for _ in range(50)
        )
    ]
    means = torch.stack(found)
    error = means.std(0) / math.sqrt(50)
    distance = (means.mean(0) - torch.cat([g.flatten() for g in exact])).abs() / error
    assert distance.max() < 4.5


def test_optimum_is_where_the_gradient_is_zero():
    q, parts = leaves(MODEL.optimum(X))
    for gradient in torch.autograd.grad(MODEL.bound(X, q), parts):
        torch.testing.assert_close(gradient, torch.zeros_like(gradient))
    assert MODEL.bound(X, q) > MODEL.bound(X, some_q())


def test_factorised_q_is_too_sure_of_the_weight():
    """Its mean is right; its variance is 0.048 instead of 0.200."""
    q = MODEL.optimum(X)
    mean, exact = MODEL.posterior_theta(X)
    assert q.theta.mu.item() == pytest.approx(mean.item())
    assert q.theta.logvar.exp().item() == pytest.approx(1 / 21)
    assert exact == pytest.approx(0.2)


def test_gap_at_the_exact_posterior_of_the_weight():
    """It is N w^2 var(theta) / (2 s^2 (w^2 + s^2)): 1.6 nats, if q(z|x) is the best."""
    mean, variance = MODEL.posterior_theta(X)
    theta = Gaussian(mean[None], torch.tensor([math.log(variance)]).double())
    q = Posterior(theta, MODEL.optimum(X).z)
    assert MODEL.kl_theta(X, q).item() == pytest.approx(0, abs=1e-12)
    assert MODEL.kl_z(X, q).item() == pytest.approx(1.6)


def test_the_value_of_24_is_noisier_near_the_posterior_and_quieter_for_a_narrow_q():
    best = MODEL.optimum(X)
    small = math.log(1e-4)
    theta = Gaussian(best.theta.mu, torch.full_like(best.theta.mu, small))
    z = Gaussian(best.z.mu, torch.full_like(best.z.mu, small))
    for q, order in ((best, 1), (Posterior(theta, z), -1)):
        (a, chance), (b, _) = (
            all_draws(estimator, q)
            for estimator in (weights.sampled_bound, weights.analytic_bound)
        )
        assert order * variance(a, chance) < order * variance(b, chance)


@pytest.mark.parametrize("at", ["optimum", "elsewhere"])
def test_the_gradient_of_24_is_quieter(at: str):
    spreads = []
    for estimator in (weights.sampled_bound, weights.analytic_bound):
        q, parts = leaves(MODEL.optimum(X) if at == "optimum" else some_q())
        each, chance = all_draws(estimator, q)
        rows = torch.eye(len(each), dtype=torch.float64)
        grads = torch.autograd.grad(each, parts, rows, is_grads_batched=True)
        spreads.append([variance(g, chance) for g in grads])
    for sampled, analytic in zip(*spreads, strict=True):
        assert analytic < sampled
