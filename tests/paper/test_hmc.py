"""Hamiltonian Monte Carlo, compared with closed forms and with exact draws."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal

from vaelib import losses
from vaelib.bounds import log_normal
from vaelib.exact import Scalar
from vaelib.model import VAE
from vaelib.paper import hmc

CURVED, X = Scalar(mean=torch.exp, sigma=0.5), 2.0
N = 20_000
KS = 1.95  # sqrt(n) times the largest distance exceeds this once in a thousand


def rng(seed: int = 0) -> torch.Generator:
    """Return a generator of random numbers."""
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normal numbers in double precision."""
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def curved(z: Tensor) -> Tensor:
    """Return log p(x, z) of the scalar model at z (B, 1)."""
    return CURVED.log_joint(X, z[:, 0])


def twisted(z: Tensor) -> Tensor:
    """Return a log joint of three latents that is not Gaussian, at z (B, 3)."""
    return log_normal(z) - 2 * (z[:, 0] - z[:, 1].square()).square() - z.sin().prod(1)


def posterior_cdf() -> Tensor:
    """Return P(z <= each point of the grid) under the posterior."""
    density = CURVED.log_posterior(X).exp()
    below = torch.cumulative_trapezoid(density, CURVED.z)
    return torch.cat((below.new_zeros(1), below))


def interpolated(at: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the values at `at` of the function through the points x, y."""
    return torch.from_numpy(np.interp(at.numpy(), x.numpy(), y.numpy()))


def posterior_draws(n: int) -> Tensor:
    """Return exact draws from the posterior, (n, 1), by the inverse of the CDF."""
    u = torch.rand(n, generator=rng(), dtype=torch.float64)
    return interpolated(u, posterior_cdf(), CURVED.z)[:, None]


def distance(z: Tensor) -> float:
    """Return the Kolmogorov-Smirnov statistic of z (n, 1): sqrt(n) times the distance.

    It compares the draws with the posterior of the scalar model.
    """
    expected = interpolated(z[:, 0].sort().values, CURVED.z, posterior_cdf())
    shares = torch.arange(1, len(z) + 1) / len(z)
    return (shares - expected).abs().max().item() * math.sqrt(len(z))


def test_gradient_is_that_of_each_row():
    z = noise(5, 3)
    rows = [hmc.gradient(twisted, row[None])[0] for row in z]
    torch.testing.assert_close(hmc.gradient(twisted, z), torch.stack(rows))
    with torch.no_grad():
        torch.testing.assert_close(hmc.gradient(log_normal, z), -z)


@pytest.mark.parametrize("n", [1, 2, 10])
def test_leapfrog_is_reversible(n: int):
    z, momentum = noise(8, 3), noise(8, 3, seed=1)
    end, p = hmc.leapfrog(twisted, z, momentum, 0.1, n)
    assert (end - z).abs().max() > 0.01
    back, p = hmc.leapfrog(twisted, end, -p, 0.1, n)
    torch.testing.assert_close(back, z, atol=1e-10, rtol=0)
    torch.testing.assert_close(-p, momentum, atol=1e-10, rtol=0)


def test_leapfrog_keeps_volume():
    """The determinant of its Jacobian, by central differences, is 1."""
    start, change = noise(1, 6), 1e-5 * torch.eye(6, dtype=torch.float64)
    points = torch.cat((start + change, start - change))
    ends = torch.cat(hmc.leapfrog(twisted, points[:, :3], points[:, 3:], 0.2, 5), 1)
    jacobian = (ends[:6] - ends[6:]) / 2e-5
    assert not torch.allclose(jacobian, torch.eye(6).double(), atol=0.1)
    assert jacobian.det().item() == pytest.approx(1, abs=1e-7)


def test_leapfrog_is_of_second_order():
    """With steps half as long, the error of the energy is a quarter."""
    z, momentum = noise(50, 3), noise(50, 3, seed=1)
    before, errors = hmc.energy(twisted, z, momentum), []
    for n in (50, 100):
        after = hmc.energy(twisted, *hmc.leapfrog(twisted, z, momentum, 0.5 / n, n))
        errors.append((after - before).abs().mean().item())
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.02)


@pytest.mark.parametrize(
    ("step", "n", "expected"),
    [(0.8, 10, 0.948), (1.0, 10, 0.921), (1.6, 10, 0.899), (1.7, 10, 0.62)],
)
def test_acceptance_is_the_closed_form(step: float, n: int, expected: float):
    exact = hmc.exact_acceptance(step, n)
    assert exact == pytest.approx(expected, abs=0.005)
    z = noise(100_000, 1)
    after, accept = hmc.transition(log_normal, z, step, n, rng(1))
    assert accept.mean().item() == pytest.approx(exact, abs=0.004)
    moved = (after != z).double().mean().item()
    assert moved == pytest.approx(exact, abs=0.004)


@pytest.mark.parametrize(("share", "sign"), [(1, -1), (2, 1)])
def test_a_step_can_be_accepted_always_and_go_nowhere(share: int, sign: int):
    """On N(0, 1) the steps are a rotation, which 10 of them can close."""
    step = 2 * math.sin(share * math.pi / 20)
    z = noise(100, 1)
    after, accept = hmc.transition(log_normal, z, step, 10, rng())
    torch.testing.assert_close(after, sign * z)
    torch.testing.assert_close(accept, torch.ones(100).double())
    assert hmc.exact_acceptance(step, 10) == pytest.approx(1)


def test_posterior_stays_as_it_is():
    z, randoms = posterior_draws(N), rng(1)
    assert distance(z) < KS
    accepts = []
    for _ in range(20):
        z, accept = hmc.transition(curved, z, 0.35, 3, randoms)
        accepts.append(accept.mean().item())
    assert 0.6 < min(accepts) <= max(accepts) < 0.9, "so that the rule matters"
    assert distance(z) < KS


def test_chains_find_the_posterior_from_the_prior():
    z, step = hmc.warm_up(curved, noise(N, 1), rng(1), transitions=40, n=6)
    z, _ = hmc.sample(curved, z, rng(2), draws=1, step=step, n=6, thin=10)
    assert distance(z[0]) < KS


def test_warm_up_tunes_the_step_size():
    z, step = hmc.warm_up(curved, noise(500, 1), rng(1), transitions=200, n=4)
    _, accept = hmc.sample(curved, z, rng(2), draws=40, step=step, n=4)
    assert accept.mean().item() == pytest.approx(hmc.TARGET, abs=0.02)


def test_a_step_that_is_far_too_large_is_refused():
    z = noise(20, 1)
    after, accept = hmc.transition(lambda z: -(z[:, 0] ** 4), z, 1e6, 10, rng())
    assert torch.equal(after, z)
    assert torch.equal(accept, torch.zeros(20).double())


def test_rows_are_chains_of_their_own():
    """Each row has its own target, step size, and decision."""
    mean = torch.tensor([[-3.0], [0.0], [40.0]]).double()
    step = torch.tensor([[0.3], [0.3], [1e-12]]).double()
    draws, accept = hmc.sample(
        lambda z: log_normal(z, mean), mean.clone(), rng(), 200, step
    )
    assert draws.shape == (200, 3, 1)
    torch.testing.assert_close(draws.mean(0)[:2], mean[:2], atol=0.3, rtol=0)
    torch.testing.assert_close(draws[-1, 2], mean[2])
    assert accept.shape == (3,)
    assert accept.min() > 0.95


def test_thinned_draws_are_a_part_of_all():
    each, _ = hmc.sample(curved, noise(4, 1), rng(), 6, 0.3)
    third, _ = hmc.sample(curved, noise(4, 1), rng(), 2, 0.3, thin=3)
    assert torch.equal(third, each[2::3])


def test_tuned_step_rises_where_all_is_accepted():
    assert hmc.tuned(0.1, 1.0, 1) == pytest.approx(0.1 * math.exp(0.1))
    assert hmc.tuned(0.1, 0.4, 32) == pytest.approx(0.1 * math.exp(-0.5 / 8))


def test_jitter_stays_within_its_share():
    steps = hmc.jittered(0.5, 0.2, noise(1000, 3), rng())
    assert steps.shape == (1000, 1)
    assert 0.4 <= steps.min() < 0.405
    assert 0.595 < steps.max() <= 0.6


def test_log_joint_of_a_model_is_that_of_torch_distributions():
    model = VAE((1, 1, 6), (4,), 2, output="identity").double().requires_grad_(False)
    x, z = (noise(3, 6) > 0).double(), noise(3, 2)
    found = hmc.log_joint_of(model, losses.bce_logits, x)(z)
    pixels = Bernoulli(logits=model.decode(z)).log_prob(x).sum(1)
    torch.testing.assert_close(found, pixels + Normal(0, 1).log_prob(z).sum(1))


def test_single_precision_and_a_network():
    model = VAE((1, 1, 6), (4,), 2).requires_grad_(False)
    nats = partial(losses.mse, sigma=0.5)
    log_joint = hmc.log_joint_of(model, nats, torch.rand(3, 6))
    z, step = hmc.warm_up(log_joint, torch.zeros(3, 2), rng(), 20)
    assert z.dtype == torch.float32
    assert step > 0.1
    assert not z.requires_grad


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_autocorrelation_and_effective_draws_of_a_known_chain(rho: float):
    """Of z' = rho z + noise they are rho^lag, and L (1 - rho) / (1 + rho)."""
    chain, z = [], noise(50, seed=1)
    for each in noise(1000, 50):
        z = rho * z + math.sqrt(1 - rho**2) * each
        chain.append(z)
    draws = torch.stack(chain)
    found = hmc.autocorrelation(draws, 3).mean(1)
    expected = [1, rho, rho**2, rho**3]
    assert found.tolist() == pytest.approx(expected, abs=0.02)
    effective = hmc.effective_draws(draws).mean().item()
    assert effective == pytest.approx(1000 * (1 - rho) / (1 + rho), rel=0.1)
