"""The likelihood from posterior draws, App. D, on models whose evidence is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal

from vaelib.exact import LinearGaussian, Scalar
from vaelib.paper import hmc, marginal


def rng(seed: int = 0) -> torch.Generator:
    """Return a generator of random numbers."""
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return standard normal numbers in double precision."""
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64)


def linear(j: int = 2, images: int = 3) -> tuple[LinearGaussian, Tensor]:
    """Return a model of `j` latents and 5 pixels, and images (B, 5)."""
    model = LinearGaussian(noise(5, j, seed=1), noise(5, seed=2), 0.7)
    return model, model.sample(images, rng(3))[1]


def posterior(model: LinearGaussian, x: Tensor, c: float = 1.0) -> MultivariateNormal:
    """Return p(z|x) of each image, with its covariance times c."""
    both = [model.posterior(one) for one in x]
    means, covariances = (torch.stack(list(part)) for part in zip(*both, strict=True))
    return MultivariateNormal(means, c * covariances)


def repeated(q: MultivariateNormal, n: int) -> MultivariateNormal:
    """Return a Gaussian of one image for n equal images."""
    j = q.mean.shape[-1]
    return MultivariateNormal(
        q.mean.expand(n, j), scale_tril=q.scale_tril.expand(n, j, j)
    )


def draws(q: MultivariateNormal, n: int, seed: int = 4) -> Tensor:
    """Return draws (n, B, J) from q."""
    eps = noise(n, *q.mean.shape, seed=seed)
    return q.mean + torch.einsum("bij,lbj->lbi", q.scale_tril, eps)


def joint(model: LinearGaussian, x: Tensor) -> hmc.LogJoint:
    """Return log p(x, z) as a function of z."""
    return lambda z: model.log_joint(x, z)


def test_fit_has_the_moments_of_the_draws():
    z = noise(40, 3, 2)
    q = marginal.fit_gaussian(z)
    for b in range(3):
        torch.testing.assert_close(q.mean[b], z[:, b].mean(0))
        torch.testing.assert_close(q.covariance_matrix[b], z[:, b].T.cov())


def test_the_posterior_itself_gives_the_evidence():
    """Every ratio is 1 / p(x), wherever z is."""
    model, x = linear()
    z, exact = noise(7, 3, 2), model.log_evidence(x)
    log_r = marginal.log_ratios(posterior(model, x), joint(model, x), z)
    torch.testing.assert_close(log_r, -exact.expand(7, 3), atol=1e-9, rtol=0)
    for found in (marginal.log_marginal(log_r), marginal.log_marginal_from_q(log_r)):
        torch.testing.assert_close(found, exact, atol=1e-9, rtol=0)
    torch.testing.assert_close(
        marginal.standard_error(log_r + 1e-9 * noise(7, 3)),
        torch.zeros(3).double(),
        atol=1e-8,
        rtol=0,
    )


@pytest.mark.parametrize("c", [0.6, 0.8, 1.2, 1.69])
@pytest.mark.parametrize("dims", [1, 3])
def test_relative_variances_are_those_of_quadrature(c: float, dims: int):
    z = torch.linspace(-40, 40, 80_001, dtype=torch.float64)
    log_p, log_q = (Normal(0.0, z.new_tensor(v).sqrt()).log_prob(z) for v in (1, c))
    ratio = torch.trapezoid((2 * log_q - log_p).exp(), z).item()
    weight = torch.trapezoid((2 * log_p - log_q).exp(), z).item()
    found = marginal.relative_variance(c, dims)
    assert found == pytest.approx(ratio**dims - 1, rel=1e-6)
    found = marginal.relative_variance_from_q(c, dims)
    assert found == pytest.approx(weight**dims - 1, rel=1e-6)


def test_relative_variances_are_infinite_for_the_wrong_tails():
    assert marginal.relative_variance(2.0, 1) == math.inf
    assert marginal.relative_variance(0.1, 1) < math.inf
    assert marginal.relative_variance_from_q(0.5, 1) == math.inf
    assert marginal.relative_variance_from_q(9.0, 1) < math.inf
    same = marginal.relative_variance(0.8, 3)
    assert same == pytest.approx(marginal.relative_variance(1.2, 3))


def test_the_two_estimates_are_a_sandwich():
    """The biases are about half the relative variance by L: +0.005 and -0.002."""
    model, x = linear(images=1)
    c, n, repeats = 1.4, 20, 40_000
    q = posterior(model, x, c)
    for source, estimate, variance, sign in (
        (posterior(model, x), marginal.log_marginal, marginal.relative_variance, 1),
        (q, marginal.log_marginal_from_q, marginal.relative_variance_from_q, -1),
    ):
        z = draws(source, n * repeats)
        log_r = marginal.log_ratios(q, lambda z: model.log_joint(x, z), z[None, :, 0])
        errors = estimate(log_r.view(n, repeats)) - model.log_evidence(x)
        error = errors.std().item() / math.sqrt(repeats)
        bias = sign * variance(c, 2) / (2 * n)
        assert errors.mean().item() == pytest.approx(bias, abs=4.5 * error)
        assert abs(errors.mean().item()) > 4.5 * error, "too few repeats for a sign"


def test_standard_error_is_the_spread_of_the_estimate():
    model, x = linear(images=1)
    x = x.expand(2000, -1)
    q = repeated(posterior(model, x[:1], 0.8), 2000)
    z = draws(repeated(posterior(model, x[:1]), 2000), 400)
    log_r = marginal.log_ratios(q, joint(model, x), z)
    spread = marginal.log_marginal(log_r).std().item()
    found = marginal.standard_error(log_r)
    assert found.mean().item() == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize(("j", "low", "high"), [(3, -0.05, 0.05), (12, -2.5, -1.5)])
def test_fitted_draws_must_not_be_used_again(j: int, low: float, high: float):
    """On new draws the error is 0.0 +- 0.1 at J = 3; on the fitted ones it is worse."""
    model = LinearGaussian(noise(14, j, seed=1), noise(14, seed=2), 0.7)
    x = model.sample(1, rng(3))[1].expand(400, -1)
    p = repeated(posterior(model, x[:1]), 400)
    fitted, new = draws(p, 50, seed=5), draws(p, 50, seed=6)
    q = marginal.fit_gaussian(fitted)
    errors = [
        marginal.log_marginal(marginal.log_ratios(q, joint(model, x), z)).mean()
        - model.log_evidence(x[0])
        for z in (new, fitted)
    ]
    assert errors[0].abs() < 0.1
    assert errors[1] < errors[0] - 0.15
    worst = errors[1] if j == 12 else errors[0]
    assert low < worst < high


def test_the_harmonic_mean_is_a_trap():
    """With q = p(z), fifty exact draws give an estimate that is far too high."""
    model, x = linear(j=5, images=200)
    prior = MultivariateNormal(torch.zeros(5).double(), torch.eye(5).double())
    z = draws(posterior(model, x), 50)
    found = marginal.log_marginal(marginal.log_ratios(prior, joint(model, x), z))
    assert (found - model.log_evidence(x)).mean() > 0.5
    good = posterior(model, x, 0.8)
    found = marginal.log_marginal(marginal.log_ratios(good, joint(model, x), z))
    assert (found - model.log_evidence(x)).abs().mean() < 0.1


def test_hmc_finds_the_evidence_of_a_linear_model():
    model, x = linear(images=100)
    found, error = marginal.estimate(joint(model, x), noise(100, 2), rng())
    distance = (found - model.log_evidence(x)) / error
    assert distance.abs().max() < 6, "a heavy tail: 50 draws are few"
    assert (distance.abs() < 2).double().mean() > 0.85
    assert error.max() < 0.2


def test_a_chain_in_one_of_two_modes_finds_half_of_the_evidence():
    scalar, x = Scalar(torch.square, 0.3), 2.0
    start = torch.full((60, 1), math.sqrt(x), dtype=torch.float64)
    found, error = marginal.estimate(
        lambda z: scalar.log_joint(x, z[:, 0]), start, rng(), draws=60
    )
    expected = scalar.log_evidence(x) - math.log(2)
    assert error.max() < 0.2
    assert found.mean().item() == pytest.approx(expected, abs=0.02)


def test_a_posterior_much_narrower_than_others_is_estimated_too():
    """With one step size for all, its chain stayed, and no Gaussian could be fitted."""
    widths = torch.ones(200, 1, dtype=torch.float64)
    widths[7] = 1e-3

    def log_joint(z: Tensor) -> Tensor:
        return Normal(0.0, widths).log_prob(z).sum(1)

    found, error = marginal.estimate(log_joint, widths * noise(200, 3), rng())
    assert found.abs().max() < 1
    assert (found / error).abs()[7] < 4.5
