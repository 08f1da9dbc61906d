"""Gradients of an expectation both ways, and the three families, held against exact values and torch.distributions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.distributions import Exponential, LogNormal, Normal

from vaelib import gradients

MU, LOGVAR = torch.tensor([0.4, -0.8]).double(), torch.tensor([-0.5, 0.2]).double()
L = 200_000


def noise(seed: int = 0) -> Tensor:
    """eps (L, 2)."""
    return torch.randn(
        L, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def square(z: Tensor) -> Tensor:
    """E f = sum of mu^2 + sigma^2: its gradient is 2 mu, and sigma^2 for logvar."""
    return z.square().sum(-1)


@pytest.mark.parametrize(
    "gradient", [gradients.pathwise_gradients, gradients.score_gradients]
)
def test_gradient_is_unbiased(gradient):
    for found, exact in zip(
        gradient(square, MU, LOGVAR, noise()), (2 * MU, LOGVAR.exp()), strict=True
    ):
        assert found.shape == (L, 2)
        error = (found.mean(0) - exact) / (found.std(0) / L**0.5)
        assert error.abs().max() < 4.5


def test_score_gradient_needs_no_gradient_of_f():
    def step(z: Tensor) -> Tensor:
        return (z[:, 0] > 0).double()

    to_mu, _ = gradients.score_gradients(step, MU, LOGVAR, noise())
    exact = (
        Normal(MU[0], (0.5 * LOGVAR[0]).exp()).log_prob(torch.zeros(()).double()).exp()
    )
    assert abs(to_mu[:, 0].mean() - exact) < 4.5 * to_mu[:, 0].std() / L**0.5


def test_nothing_is_left_on_the_arguments():
    mu = MU.clone().requires_grad_()
    gradients.pathwise_gradients(square, mu, LOGVAR, noise()[:5])
    gradients.score_gradients(square, mu, LOGVAR, noise()[:5])
    assert mu.grad is None


def test_families_follow_their_densities():
    u = torch.rand(L, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    eps, mu, sigma = (
        noise()[:, 0],
        torch.tensor(0.3).double(),
        torch.tensor(0.6).double(),
    )
    draws = [
        (
            gradients.inverse_cdf(u, torch.tensor(2.0).double()),
            Exponential(torch.tensor(2.0).double()),
        ),
        (gradients.location_scale(eps, mu, sigma), Normal(mu, sigma)),
        (gradients.composition(eps, mu, sigma), LogNormal(mu, sigma)),
    ]
    for z, density in draws:  # Kolmogorov and Smirnov
        steps = torch.arange(1, L + 1) / L
        assert (density.cdf(z.sort().values) - steps).abs().max() < 1.95 / L**0.5


def test_monte_carlo_is_the_mean():
    z = noise()
    assert abs(gradients.monte_carlo(square, z) - 2) < 4.5 * square(z).std() / L**0.5
