"""The terms of the objective, compared with torch.distributions and Monte Carlo."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence

from vaelib import config, losses

SHAPES = [(5, 7), (3, 5, 7)]  # (B, D) and, with a sample axis, (L, B, D)
numbers = st.floats(-4, 4)
latents = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=6)
probabilities = st.floats(0.001, 0.999)


def generator(seed: int = 0) -> torch.Generator:
    """Return a new generator, so that no test depends on another."""
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normal numbers in double precision."""
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def bits(*shape: int) -> Tensor:
    """Return black and white pixels."""
    return torch.randint(2, shape, generator=generator(1)).double()


def posterior(drawn: list[tuple[float, float]]) -> tuple[Tensor, Tensor]:
    """Return `mu` and `logvar`, (J,), from the pairs that hypothesis drew."""
    mu, logvar = torch.tensor(drawn, dtype=torch.float64).T
    return mu, logvar


@pytest.mark.parametrize("shape", SHAPES)
def test_bce_is_bernoulli_likelihood(shape: tuple[int, ...]):
    probs, x = torch.sigmoid(normal(*shape)), bits(5, 7)
    nats = losses.bce(probs, x)
    assert nats.shape == shape[:-1]
    torch.testing.assert_close(nats, -Bernoulli(probs=probs).log_prob(x).sum(-1))


@pytest.mark.parametrize("shape", SHAPES)
def test_bce_logits_is_bernoulli_likelihood(shape: tuple[int, ...]):
    logits, x = normal(*shape), bits(5, 7)
    nats = losses.bce_logits(logits, x)
    assert nats.shape == shape[:-1]
    torch.testing.assert_close(nats, -Bernoulli(logits=logits).log_prob(x).sum(-1))


@pytest.mark.parametrize("sigma", [0.1, 0.5**0.5, 3.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_mse_is_gaussian_likelihood(shape: tuple[int, ...], sigma: float):
    mean, x = normal(*shape), normal(5, 7, seed=1)
    nats = losses.mse(mean, x, sigma)
    assert nats.shape == shape[:-1]
    torch.testing.assert_close(nats, -Normal(mean, sigma).log_prob(x).sum(-1))


@pytest.mark.parametrize("shape", SHAPES)
def test_gaussian_is_gaussian_likelihood(shape: tuple[int, ...]):
    mean, logvar, x = normal(*shape), normal(*shape, seed=1), normal(5, 7, seed=2)
    nats = losses.gaussian(torch.stack((mean, logvar)), x)
    assert nats.shape == shape[:-1]
    p = Normal(mean, (0.5 * logvar).exp())
    torch.testing.assert_close(nats, -p.log_prob(x).sum(-1))


def test_gaussian_is_negative_where_density_exceeds_one():
    x = torch.zeros(2, 3)
    logvar = torch.full_like(x, 2 * math.log(0.01))
    nats = losses.gaussian(torch.stack((x, logvar)), x)
    expected = 3 * (math.log(0.01) + 0.5 * math.log(2 * math.pi))
    torch.testing.assert_close(nats, torch.full((2,), expected))
    assert (nats < 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bce_and_bce_logits_give_the_same_nats(dtype: torch.dtype):
    logits = normal(6, 9).to(dtype)
    grey = torch.rand(6, 9, generator=generator(), dtype=dtype)
    nats = losses.bce(logits.sigmoid(), grey)
    torch.testing.assert_close(losses.bce_logits(logits, grey), nats)


def test_bce_logits_is_exact_where_a_probability_rounds():
    logits, black = torch.full((1, 3), 200.0), torch.zeros(1, 3)
    assert losses.bce_logits(logits, black).item() == 600
    # The logarithm of each pixel is cut at -100.
    assert losses.bce(torch.sigmoid(logits), black).item() == 300


def test_mse_by_default_is_squared_error_and_a_constant():
    x_hat = normal(4, 784).sigmoid()
    x = torch.rand(4, 784, generator=generator(1), dtype=torch.float64)
    constant = losses.mse(x_hat, x) - ((x_hat - x) ** 2).sum(1)
    assert constant.tolist() == pytest.approx([392 * math.log(math.pi)] * 4)
    assert losses.mse(x, x).tolist() == pytest.approx([448.73] * 4, abs=0.005)


@pytest.mark.parametrize("shape", SHAPES)
def test_kl_is_that_of_torch_distributions(shape: tuple[int, ...]):
    mu, logvar = normal(*shape), normal(*shape, seed=1)
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(losses.kl_per_latent(mu, logvar), expected)
    torch.testing.assert_close(losses.kl_divergence(mu, logvar), expected.sum(-1))


def test_kl_is_the_mean_of_log_q_minus_log_p():
    mu, logvar = normal(6), normal(6, seed=1)
    q = Normal(mu, (logvar / 2).exp())
    z = mu + q.scale * normal(100_000, 6, seed=2)
    draws = q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)
    error = draws.std(0) / len(draws) ** 0.5
    kl = losses.kl_per_latent(mu, logvar)
    assert ((kl - draws.mean(0)).abs() < 4.5 * error).all()


@settings(deadline=None, derandomize=True)
@given(latents)
def test_kl_is_positive_except_at_the_prior(drawn: list[tuple[float, float]]):
    mu, logvar = posterior(drawn)
    kl = losses.kl_per_latent(mu, logvar)
    assert (kl >= -1e-15).all()  # two roundings of numbers near 1
    assert (kl[(mu.abs() > 1e-3) | (logvar.abs() > 1e-3)] > 0).all()


def test_kl_is_zero_at_the_prior():
    zeros = torch.zeros(3, 4)
    assert losses.kl_divergence(zeros, zeros).tolist() == [0, 0, 0]


@settings(deadline=None, derandomize=True)
@given(latents, latents)
def test_kl_is_additive_over_latents(
    first: list[tuple[float, float]], second: list[tuple[float, float]]
):
    whole = losses.kl_divergence(*posterior(first + second))
    parts = [losses.kl_divergence(*posterior(part)).item() for part in (first, second)]
    assert whole.item() == pytest.approx(sum(parts), rel=1e-12, abs=1e-12)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(probabilities, probabilities), min_size=1, max_size=6))
def test_bce_on_grey_pixels_is_least_at_the_image_itself(
    drawn: list[tuple[float, float]],
):
    x, x_hat = torch.tensor(drawn, dtype=torch.float64).T
    entropy = -(x * x.log() + (1 - x) * (1 - x).log()).sum()
    torch.testing.assert_close(losses.bce(x, x), entropy)
    assert losses.bce(x_hat, x) >= entropy - 1e-12


def log_mass(mean: Tensor, logvar: Tensor, x: Tensor) -> Tensor:
    """Return the log probabilities of levels, by SciPy's logistic distribution."""
    scale = np.exp(logvar.numpy() / 2) * math.sqrt(3) / math.pi
    p = stats.logistic(mean.numpy(), scale)
    k = x.numpy()
    upper = np.where(k > 0.999, 1, p.cdf(k + 0.5 / 255))
    lower = np.where(k < 0.001, 0, p.cdf(k - 0.5 / 255))
    return torch.from_numpy(np.log(upper - lower))


LEVELS = torch.arange(256).double() / 255
MEANS = torch.tensor([0.0, 0.0005, 0.3, 0.5, 1 - 1 / 255, 1.0]).double()
SIGMAS = torch.tensor([losses.LEAST_SIGMA, 0.004, 0.05, 0.7, 40.0]).double()


def level_nats(mean: Tensor, logvar: Tensor, x: Tensor = LEVELS) -> Tensor:
    """Return -log P of each level for each mean and log variance: (..., levels)."""
    x_hat = torch.stack((mean, logvar))[..., None, None]
    return losses.logistic(x_hat, x[:, None])


def test_the_levels_of_a_logistic_pixel_have_probabilities_that_sum_to_one():
    mean, sigma = torch.meshgrid(MEANS, SIGMAS, indexing="ij")
    p = torch.exp(-level_nats(mean, 2 * sigma.log()))
    torch.testing.assert_close(p.sum(-1), torch.ones_like(mean))
    # Also in the 32 bits of a training.
    p = torch.exp(-level_nats(mean.float(), 2 * sigma.log().float(), LEVELS.float()))
    torch.testing.assert_close(p.sum(-1), torch.ones_like(mean).float())


def test_the_first_and_the_last_level_are_open():
    """Of a distribution far outside, or very broad, they have all."""
    far = 2 * torch.tensor(0.01).double().log()
    for mean, level in ((-3.0, 0), (4.0, 255)):
        nats = level_nats(torch.tensor(mean).double(), far)
        assert nats[level] < 1e-12
    broad = level_nats(torch.tensor(0.5).double(), torch.tensor(20.0).double())
    assert broad[[0, 255]].tolist() == pytest.approx([math.log(2)] * 2, rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_logistic_pixel_is_finite_in_its_tails(dtype: torch.dtype):
    """A probability that rounds to 0 has a logarithm, and a gradient towards the level.

    Their nats are those of the tail: the distance in units of the scale.
    """
    sigma = torch.tensor([losses.LEAST_SIGMA, 0.02, 0.3], dtype=dtype)
    mean, logvar, x = (
        each.flatten().requires_grad_()
        for each in torch.meshgrid(
            torch.tensor([0.0, 0.5, 1.0], dtype=dtype),
            2 * sigma.log(),
            LEVELS[[0, 1, 127, 254, 255]].to(dtype),
            indexing="ij",
        )
    )
    nats = losses.logistic(torch.stack((mean, logvar))[..., None], x[:, None])
    slopes = torch.autograd.grad(nats.sum(), (mean, logvar))
    assert nats.isfinite().all()
    assert (nats >= 0).all()
    assert all(slope.isfinite().all() for slope in slopes)
    is_far = (x - mean).abs() > 0.3
    assert (slopes[0][is_far] * (mean - x)[is_far] > 0).all()
    is_sharp = is_far & (logvar < 2 * math.log(0.001))
    scale = losses.LEAST_SIGMA * math.sqrt(3) / math.pi
    in_scales = ((x - mean).abs() - losses.HALF_LEVEL) / scale
    torch.testing.assert_close(nats[is_sharp], in_scales[is_sharp], rtol=1e-3, atol=0.1)


@pytest.mark.parametrize("logvar", [60.0, 200.0, 1e4])
def test_a_logistic_pixel_of_any_variance_is_finite(logvar: float):
    x_hat = torch.tensor([[0.5, 0.5, 0.5], [logvar] * 3], requires_grad=True)
    nats = losses.logistic(x_hat, torch.tensor([0.0, 128 / 255, 1.0]))
    (slope,) = torch.autograd.grad(nats, x_hat)
    assert nats.isfinite()
    assert slope.isfinite().all()


def test_bits_per_dimension():
    """A pixel of 256 levels, all equally likely, has 8 bits."""
    assert losses.bits_per_dim(3072 * math.log(256), 3072) == pytest.approx(8)
    nats = torch.tensor([math.log(2), 6 * math.log(2)])
    torch.testing.assert_close(losses.bits_per_dim(nats, 3), torch.tensor([1 / 3, 2]))


def test_losses_are_the_choices_of_the_config():
    assert set(losses.LOSSES) == set(get_args(config.field_types()["loss"]))


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_reconstruction_is_the_term_by_name(loss: str):
    x_hat, x, sigma = normal(2, 4, 3).sigmoid(), bits(4, 3), 0.3
    expected = {
        "bce": lambda: Bernoulli(x_hat[0]).log_prob(x),
        "bce_logits": lambda: Bernoulli(logits=x_hat[0]).log_prob(x),
        "mse": lambda: Normal(x_hat[0], sigma).log_prob(x),
        "gaussian": lambda: Normal(x_hat[0], (x_hat[1] / 2).exp()).log_prob(x),
        "logistic": lambda: log_mass(x_hat[0], x_hat[1], x),
    }[loss]()
    nats = losses.reconstruction(loss, sigma)
    has_variance = loss in ("gaussian", "logistic")
    found = nats(x_hat if has_variance else x_hat[0], x)
    torch.testing.assert_close(found, -expected.sum(-1))


@pytest.mark.parametrize("loss", ["bce", "bce_logits"])
def test_title_distinguishes_cross_entropy_and_likelihood(loss: str):
    assert "cross-entropy" in losses.title(loss, binary=False)
    assert "likelihood" not in losses.title(loss, binary=False)
    assert "likelihood" in losses.title(loss, binary=True)
    assert "cross-entropy" not in losses.title(loss, binary=True)


@pytest.mark.parametrize("loss", ["mse", "gaussian"])
@pytest.mark.parametrize("binary", [False, True])
def test_title_of_a_density_says_gaussian(loss: str, binary: bool):
    assert "Gaussian" in losses.title(loss, binary)


@settings(deadline=None, derandomize=True)
@given(latents)
def test_parts_of_appendix_b(drawn: list[tuple[float, float]]):
    mu, logvar = posterior(drawn)
    q, prior = Normal(mu, (0.5 * logvar).exp()), Normal(torch.zeros_like(mu), 1.0)
    torch.testing.assert_close(losses.expected_log_q(mu, logvar), -q.entropy().sum())
    expected = -(q.entropy().sum() + kl_divergence(q, prior).sum())
    torch.testing.assert_close(losses.expected_log_prior(mu, logvar), expected)
