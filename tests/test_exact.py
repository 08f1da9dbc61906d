"""The models that are solved exactly, held against torch.distributions, other quadrature and each other."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from vaelib.exact import LinearGaussian, Scalar, water_filling

CURVED = Scalar(mean=torch.exp, sigma=0.5)
STRAIGHT = Scalar(
    mean=lambda z: 3 * z, sigma=1.0
)  # x ~ N(0, 10), z | x ~ N(0.3 x, 0.1)
PLACES = [(2.0, 0.7, -2.0), (0.5, -1.0, 0.3), (3.0, 0.0, -4.0)]  # x, mu, logvar


def linear(seed: int = 0) -> tuple[LinearGaussian, torch.Tensor]:
    """A model from 3 hidden to 5 seen numbers, and one x."""
    rng = torch.Generator().manual_seed(seed)
    weight, bias = (
        torch.randn(5, 3, generator=rng).double(),
        torch.randn(5, generator=rng).double(),
    )
    model = LinearGaussian(weight, bias, 0.7)
    return model, model.sample(1, rng)[1][0]


@pytest.mark.parametrize("x", [-2.0, 0.0, 5.0])
def test_evidence_of_a_straight_line(x: float):
    assert STRAIGHT.log_evidence(x) == pytest.approx(
        Normal(0.0, math.sqrt(10)).log_prob(torch.tensor(x)).item(), abs=1e-6
    )
    posterior = Normal(0.3 * x, math.sqrt(0.1)).log_prob(STRAIGHT.z)
    inside = posterior > -30
    torch.testing.assert_close(
        STRAIGHT.log_posterior(x)[inside], posterior[inside], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("model", [CURVED, STRAIGHT])
@pytest.mark.parametrize(("x", "mu", "logvar"), PLACES)
def test_bound_and_divergence_make_up_the_evidence(
    model: Scalar, x: float, mu: float, logvar: float
):
    assert model.divergence(x, mu, logvar) >= 0
    assert model.bound(x, mu, logvar) + model.divergence(
        x, mu, logvar
    ) == pytest.approx(model.log_evidence(x), abs=1e-6)
    assert model.bound(x, mu, logvar) == pytest.approx(
        model.bound_from_prior(x, mu, logvar), abs=1e-8
    )


def test_bound_is_tight_at_the_posterior():
    assert STRAIGHT.bound(2.0, 0.6, -math.log(10)) == pytest.approx(
        STRAIGHT.log_evidence(2.0), abs=1e-6
    )


def test_expectation_has_the_moments_of_q():
    assert CURVED.expectation(CURVED.z, 0.3, -1.0) == pytest.approx(0.3, abs=1e-6)
    assert CURVED.expectation((CURVED.z - 0.3) ** 2, 0.3, -1.0) == pytest.approx(
        math.exp(-1), abs=1e-6
    )


@pytest.mark.parametrize("seed", range(4))
def test_linear_gaussian(seed: int):
    model, x = linear(seed)
    mu, logvar = torch.randn(
        2, 3, generator=torch.Generator().manual_seed(seed)
    ).double()
    mean, covariance = model.posterior(x)
    q, posterior = (
        MultivariateNormal(mu, torch.diag(logvar.exp())),
        MultivariateNormal(mean, covariance),
    )
    torch.testing.assert_close(
        model.divergence(x, mu, logvar), kl_divergence(q, posterior)
    )
    torch.testing.assert_close(
        model.bound(x, mu, logvar) + model.divergence(x, mu, logvar),
        model.log_evidence(x),
    )
    z = posterior.sample((5,))  # Bayes' rule, wherever it is asked
    joint = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(
        z @ model.weight.T + model.bias, model.sigma
    ).log_prob(x).sum(-1)
    torch.testing.assert_close(
        joint - posterior.log_prob(z), model.log_evidence(x).expand(5)
    )


def test_samples_have_the_moments_of_the_model():
    model, _ = linear()
    z, x = model.sample(200_000, torch.Generator().manual_seed(1))
    torch.testing.assert_close(z.T.cov(), torch.eye(3).double(), atol=0.02, rtol=0)
    torch.testing.assert_close(x.mean(0), model.bias, atol=0.03, rtol=0)
    expected = model.weight @ model.weight.T + model.sigma**2 * torch.eye(5)
    torch.testing.assert_close(x.T.cov(), expected, atol=0.1, rtol=0)


@pytest.mark.parametrize("beta", [0.2, 1.0, 3.0, 20.0])
def test_water_filling_is_the_bound_of_the_best_linear_model(beta: float):
    """At beta = 1 and the noise of the level, probabilistic PCA: its evidence is the bound, its posterior the code."""
    variances, level = (
        torch.tensor([4.0, 2.0, 1.0, 0.3], dtype=torch.float64),
        beta * 0.7**2,
    )
    weight = (variances - level).clamp(min=0).sqrt().diag()
    model = LinearGaussian(
        weight, torch.zeros(4, dtype=torch.float64), math.sqrt(level)
    )
    rate, distortion = water_filling(variances, beta, 0.7)
    gain, covariance = model.posterior(
        torch.ones(4, dtype=torch.float64)
    )  # diagonal: the mean is gain * x
    means, spread = gain.square() * variances, covariance.diagonal()
    torch.testing.assert_close(rate, 0.5 * (means + spread - spread.log() - 1))
    missed = (
        1 - weight.diagonal() * gain
    ).square() * variances + weight.diagonal().square() * spread
    torch.testing.assert_close(distortion, missed / (2 * 0.7**2))


def test_water_filling_collapses_at_the_level():
    rate, distortion = water_filling(torch.tensor([2.0, 1.0, 0.5]), 4.0, 0.5)
    assert rate.tolist() == pytest.approx([0.5 * math.log(2), 0, 0])
    assert distortion.tolist() == pytest.approx([2.0, 2.0, 1.0])
