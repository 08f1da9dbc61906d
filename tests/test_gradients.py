"""Gradients of an expectation and three families of g, compared with exact values."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Exponential, LogNormal, Normal

from vaelib import gradients

MU, LOGVAR = torch.tensor([0.4, -0.8]).double(), torch.tensor([-0.5, 0.2]).double()
L = 200_000


def noise(seed: int = 0) -> Tensor:
    """Return standard normal noise, (L, 2), in double precision."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(L, 2, generator=rng, dtype=torch.float64)


def square(z: Tensor) -> Tensor:
    """Return f(z) = sum of z^2, where E f = sum of mu^2 + sigma^2.

    Its gradient is 2 mu with respect to mu, and sigma^2 with respect to logvar.
    """
    return z.square().sum(-1)


@pytest.mark.parametrize(
    "gradient", [gradients.pathwise_gradients, gradients.score_gradients]
)
def test_gradient_is_unbiased(gradient):
    gradients_found = gradient(square, MU, LOGVAR, noise())
    for found, exact in zip(gradients_found, (2 * MU, LOGVAR.exp()), strict=True):
        assert found.shape == (L, 2)
        error = (found.mean(0) - exact) / (found.std(0) / L**0.5)
        assert error.abs().max() < 4.5


def test_score_gradient_needs_no_gradient_of_f():
    def step(z: Tensor) -> Tensor:
        return (z[:, 0] > 0).double()

    grad_mu, _ = gradients.score_gradients(step, MU, LOGVAR, noise())
    found = grad_mu[:, 0]
    q = Normal(MU[0], (0.5 * LOGVAR[0]).exp())
    density_at_zero = q.log_prob(torch.zeros(()).double()).exp()
    assert abs(found.mean() - density_at_zero) < 4.5 * found.std() / L**0.5


def test_arguments_get_no_gradient():
    mu = MU.clone().requires_grad_()
    gradients.pathwise_gradients(square, mu, LOGVAR, noise()[:5])
    gradients.score_gradients(square, mu, LOGVAR, noise()[:5])
    assert mu.grad is None


def test_families_follow_their_densities():
    u = torch.rand(L, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    mu, sigma, rate = torch.tensor([0.3, 0.6, 2.0]).double()
    eps = noise()[:, 0]
    draws = [
        (gradients.inverse_cdf(u, rate), Exponential(rate)),
        (gradients.location_scale(eps, mu, sigma), Normal(mu, sigma)),
        (gradients.composition(eps, mu, sigma), LogNormal(mu, sigma)),
    ]
    for z, density in draws:  # the Kolmogorov-Smirnov test
        steps = torch.arange(1, L + 1) / L
        assert (density.cdf(z.sort().values) - steps).abs().max() < 1.95 / L**0.5


def test_monte_carlo_is_the_mean():
    z = noise()
    assert abs(gradients.monte_carlo(square, z) - 2) < 4.5 * square(z).std() / L**0.5
