"""The exact models, compared with torch.distributions and with each other."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from vaelib.exact import LinearGaussian, Scalar, water_filling

CURVED = Scalar(mean=torch.exp, sigma=0.5)
# x ~ N(0, 10), z | x ~ N(0.3 x, 0.1)
STRAIGHT = Scalar(mean=lambda z: 3 * z, sigma=1.0)
PLACES = [(2.0, 0.7, -2.0), (0.5, -1.0, 0.3), (3.0, 0.0, -4.0)]  # x, mu, logvar


def linear(seed: int = 0) -> tuple[LinearGaussian, torch.Tensor]:
    """Return a model of 3 latent and 5 observed numbers, and one x."""
    rng = torch.Generator().manual_seed(seed)
    weight = torch.randn(5, 3, generator=rng).double()
    bias = torch.randn(5, generator=rng).double()
    model = LinearGaussian(weight, bias, 0.7)
    return model, model.sample(1, rng)[1][0]


@pytest.mark.parametrize("x", [-2.0, 0.0, 5.0])
def test_evidence_and_posterior_of_a_straight_line(x: float):
    evidence = Normal(0.0, math.sqrt(10)).log_prob(torch.tensor(x)).item()
    assert STRAIGHT.log_evidence(x) == pytest.approx(evidence, abs=1e-6)
    expected = Normal(0.3 * x, math.sqrt(0.1)).log_prob(STRAIGHT.z)
    inside = expected > -30
    found = STRAIGHT.log_posterior(x)[inside]
    torch.testing.assert_close(found, expected[inside], atol=1e-5, rtol=0)


@pytest.mark.parametrize("model", [CURVED, STRAIGHT])
@pytest.mark.parametrize(("x", "mu", "logvar"), PLACES)
def test_bound_and_divergence_add_up_to_the_evidence(
    model: Scalar, x: float, mu: float, logvar: float
):
    bound, divergence = model.bound(x, mu, logvar), model.divergence(x, mu, logvar)
    assert divergence >= 0
    assert bound + divergence == pytest.approx(model.log_evidence(x), abs=1e-6)
    assert model.bound_from_prior(x, mu, logvar) == pytest.approx(bound, abs=1e-8)


def test_bound_is_tight_at_the_posterior():
    bound = STRAIGHT.bound(2.0, 0.6, -math.log(10))
    assert bound == pytest.approx(STRAIGHT.log_evidence(2.0), abs=1e-6)


def test_expectation_has_the_moments_of_q():
    mean = CURVED.expectation(CURVED.z, 0.3, -1.0)
    variance = CURVED.expectation((CURVED.z - 0.3) ** 2, 0.3, -1.0)
    assert mean == pytest.approx(0.3, abs=1e-6)
    assert variance == pytest.approx(math.exp(-1), abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_linear_gaussian(seed: int):
    model, x = linear(seed)
    rng = torch.Generator().manual_seed(seed)
    mu, logvar = torch.randn(2, 3, generator=rng).double()
    q = MultivariateNormal(mu, torch.diag(logvar.exp()))
    posterior = MultivariateNormal(*model.posterior(x))
    evidence = model.log_evidence(x)
    bound, divergence = model.bound(x, mu, logvar), model.divergence(x, mu, logvar)
    torch.testing.assert_close(divergence, kl_divergence(q, posterior))
    torch.testing.assert_close(bound + divergence, evidence)

    # Bayes' rule gives the same evidence at every z.
    z = posterior.sample((5,))
    likelihood = Normal(z @ model.weight.T + model.bias, model.sigma)
    joint = Normal(0.0, 1.0).log_prob(z).sum(-1) + likelihood.log_prob(x).sum(-1)
    torch.testing.assert_close(joint - posterior.log_prob(z), evidence.expand(5))
    torch.testing.assert_close(model.log_joint(x, z), joint)


def test_samples_have_the_moments_of_the_model():
    model, _ = linear()
    z, x = model.sample(200_000, torch.Generator().manual_seed(1))
    torch.testing.assert_close(z.T.cov(), torch.eye(3).double(), atol=0.02, rtol=0)
    torch.testing.assert_close(x.mean(0), model.bias, atol=0.03, rtol=0)
    expected = model.weight @ model.weight.T + model.sigma**2 * torch.eye(5)
    torch.testing.assert_close(x.T.cov(), expected, atol=0.1, rtol=0)


@pytest.mark.parametrize("beta", [0.2, 1.0, 3.0, 20.0])
def test_water_filling_is_the_bound_of_the_best_linear_model(beta: float):
    """The best model is probabilistic PCA with the noise variance beta sigma^2.

    Everything is diagonal, so that the posterior mean is a gain times x.
    """
    variances = torch.tensor([4.0, 2.0, 1.0, 0.3], dtype=torch.float64)
    level = beta * 0.7**2
    w = (variances - level).clamp(min=0).sqrt()
    zeros, ones = torch.zeros_like(w), torch.ones_like(w)
    model = LinearGaussian(w.diag(), zeros, math.sqrt(level))
    gain, covariance = model.posterior(ones)
    means, spread = gain.square() * variances, covariance.diagonal()

    rate, distortion = water_filling(variances, beta, 0.7)
    torch.testing.assert_close(rate, 0.5 * (means + spread - spread.log() - 1))
    squared = (1 - w * gain).square() * variances + w.square() * spread
    torch.testing.assert_close(distortion, squared / (2 * 0.7**2))


def test_water_filling_collapses_at_the_level():
    rate, distortion = water_filling(torch.tensor([2.0, 1.0, 0.5]), 4.0, 0.5)
    assert rate.tolist() == pytest.approx([0.5 * math.log(2), 0, 0])
    assert distortion.tolist() == pytest.approx([2.0, 2.0, 1.0])
