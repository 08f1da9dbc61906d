"""Measures of a test split, compared with plain loops and with the exact evidence."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from vaelib import evaluation, losses
from vaelib.model import VAE, initialise

SIGMA = 0.6
NATS = partial(losses.mse, sigma=SIGMA)


def generator(seed: int = 0) -> torch.Generator:
    """Return a generator of random numbers."""
    return torch.Generator().manual_seed(seed)


def pictures(n: int, seed: int = 1, levels: int = 256) -> Tensor:
    """Return uint8 images (n, 1, 2, 3), uniform on `levels` equally spaced greys."""
    greys = torch.randint(levels, (n, 1, 2, 3), generator=generator(seed))
    return (greys * (255 // (levels - 1))).to(torch.uint8)


def binary_model() -> VAE:
    """Return a small model of black and white pixels."""
    model = VAE((1, 2, 3), (5,), 3)
    initialise(model, generator(2))
    return model


def linear_model() -> VAE:
    """Return a model x = W z + b + sigma eps, whose encoder is not the exact posterior.

    The columns of W are orthogonal; q is close to the posterior, but wider.
    """
    model = VAE((1, 2, 3), (), 2, output="identity").requires_grad_(False)
    directions = torch.linalg.qr(torch.randn(6, 2, generator=generator(3))).Q
    w = directions * torch.tensor([1.0, 0.5])
    variance = SIGMA**2 / ((w * w).sum(0) + SIGMA**2)
    model.fc_out.weight.copy_(w)
    model.fc_out.bias.fill_(0.5)
    model.fc_mu.weight.copy_(variance[:, None] / SIGMA**2 * w.T)
    model.fc_mu.bias.copy_(0.5 - model.fc_mu.weight.sum(1) * 0.5)
    model.fc_logvar.weight.zero_()
    model.fc_logvar.bias.copy_(variance.log() + 1.0)
    return model


def log_evidence(images: Tensor) -> Tensor:
    """Return the exact log p(x) of `linear_model`."""
    w = linear_model().fc_out.weight.double()
    covariance = w @ w.T + SIGMA**2 * torch.eye(6).double()
    p = MultivariateNormal(torch.full((6,), 0.5).double(), covariance)
    return p.log_prob(images.flatten(1).double() / 255)


def nll(images: Tensor, samples: int, most: int = 2000, seed: int = 0) -> Tensor:
    """Return the library's bound for each image under `linear_model`."""
    model, rng = linear_model(), generator(seed)
    batches = evaluation.importance_nll(model, NATS, images, rng, samples, most)
    return torch.cat(list(batches))


@pytest.mark.parametrize("size", [1, 7, 20, 500])
def test_average_terms_are_those_of_a_plain_loop(size: int):
    model, images, rng = binary_model(), pictures(20, levels=2), generator()
    recon, kl = 0.0, torch.zeros(3)
    for batch in images.split(size):
        noise = torch.randn(len(batch), 3, generator=rng)
        for image, eps in zip(batch, noise, strict=True):
            x = image.flatten().float() / 255
            mu, logvar = model.encode(x)
            q = Normal(mu, (logvar / 2).exp())
            p = Bernoulli(model.decode(mu + q.scale * eps))
            recon -= p.log_prob(x).sum().item()
            kl += kl_divergence(q, Normal(0.0, 1.0)).detach()
    got_recon, got_kl = evaluation.average_terms(
        model, losses.bce, images, generator(), size
    )
    assert got_recon.item() == pytest.approx(recon / 20, rel=1e-5)
    torch.testing.assert_close(got_kl.float(), kl / 20)


def test_average_terms_sample_z():
    """Other noise gives another reconstruction term and the same KL."""
    model, images = binary_model(), pictures(20)
    (one, kl), (other, same) = (
        evaluation.average_terms(model, losses.bce, images, generator(seed))
        for seed in (0, 1)
    )
    assert one != other
    assert torch.equal(kl, same)


def test_kl_per_latent_sums_to_kl():
    model, images = binary_model(), pictures(30)
    mu, logvar = model.encode(images.flatten(1).float() / 255)
    q = Normal(mu, (logvar / 2).exp())
    whole = kl_divergence(q, Normal(0.0, 1.0)).sum(1).mean()
    _, kl = evaluation.average_terms(model, losses.bce, images, generator(), 7)
    assert kl.shape == (3,)
    assert kl.sum().item() == pytest.approx(whole.item(), rel=1e-5)


def means_of_pixels(scales: list[float]) -> VAE:
    """Return a model whose posterior mean of latent j is pixel j * scales[j] + 7."""
    model = VAE((1, 2, 3), (), len(scales)).requires_grad_(False)
    model.fc_mu.weight.copy_(torch.eye(len(scales), 6) * torch.tensor(scales)[:, None])
    model.fc_mu.bias.fill_(7.0)
    return model


def test_active_units_have_means_that_vary_by_more_than_a_hundredth():
    """A pixel is black or white, a variance of 1/4: latent j has scale^2 / 4."""
    greys = torch.tensor([0, 255], dtype=torch.uint8).repeat(1500)
    images = greys[:, None, None, None].expand(-1, 1, 2, 3)
    scales = [2 * math.sqrt(v) for v in (0.0101, 0.0099, 0.04, 0.0, 1.0)]
    assert evaluation.active_units(means_of_pixels(scales), images) == 3
    assert evaluation.active_units(means_of_pixels(scales[1:2]), images) == 0


def test_active_units_vary_over_the_whole_split():
    """The images are sorted, so within one batch of them nothing varies."""
    greys = torch.tensor([0, 255], dtype=torch.uint8).repeat_interleave(1500)
    images = greys[:, None, None, None].expand(-1, 1, 2, 3)
    assert evaluation.active_units(means_of_pixels([1.0, 0.0]), images) == 1


def test_nll_is_the_exact_evidence_given_samples_enough():
    images = pictures(8)
    exact = -log_evidence(images)
    found = nll(images, 20_000).double()
    torch.testing.assert_close(found, exact, atol=0.03, rtol=0)
    assert found.mean().item() == pytest.approx(exact.mean().item(), abs=0.01)


@pytest.mark.parametrize("most", [1, 7, 64, 2000])
def test_nll_does_not_depend_on_the_size_of_a_batch(most: int):
    """The mean over 1,500 copies of one image agrees with 400,000 draws made here."""
    model, image, samples = linear_model(), pictures(1), 5
    x = image.flatten(1).float() / 255
    mu, logvar = model.encode(x)
    q = Normal(mu, (logvar / 2).exp())
    z = mu + q.scale * torch.randn(400_000, 2, generator=generator(9))
    log_ratio = Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)
    log_w = Normal(model.decode(z), SIGMA).log_prob(x).sum(1) + log_ratio.sum(1)
    truth = -log_w.exp().view(-1, samples).mean(1).log()
    got = nll(image.expand(1500, -1, -1, -1), samples, most)
    error = (got.var() / len(got) + truth.var() / len(truth)).sqrt()
    assert abs(got.mean() - truth.mean()) < 4.5 * error
    # The bias of five samples is large enough that a wrong number of them is detected.
    assert truth.mean() > -log_evidence(image) + 7 * error


def test_nll_decreases_with_samples_towards_the_evidence():
    images = pictures(1).expand(2000, -1, -1, -1)
    exact = -log_evidence(images[:1]).item()
    means, errors = [], []
    for samples in (1, 4, 32, 256):
        drawn = nll(images, samples)
        means.append(drawn.mean().item())
        errors.append(drawn.std().item() / len(drawn) ** 0.5)
    for before, after, error in zip(means, means[1:], errors, strict=False):
        assert after < before + 3 * error
    assert means[0] > means[-1] + 10 * errors[0]
    assert means[-1] > exact - 4.5 * errors[-1]


@pytest.mark.parametrize(
    ("samples", "most"),
    [(1, 1), (3, 10), (10, 10), (25, 10), (23, 7), (1000, 64), (2, 2000)],
)
def test_nll_never_decodes_more_images_at_once_than_allowed(samples: int, most: int):
    model, decoded = linear_model(), []

    def count(_: nn.Module, __: tuple[Tensor, ...], out: Tensor) -> None:
        decoded.append(out.numel() // 6)

    model.fc_out.register_forward_hook(count)
    images, rng = pictures(11), generator()
    batches = evaluation.importance_nll(model, NATS, images, rng, samples, most)
    assert torch.cat(list(batches)).shape == (11,)
    assert max(decoded) <= most
    assert sum(decoded) == 11 * samples


def test_nll_is_in_the_order_of_the_images():
    images = pictures(40, levels=2)
    got = nll(images, 3000, most=5000).double()
    torch.testing.assert_close(got, -log_evidence(images), atol=0.1, rtol=0)
    assert log_evidence(images).std() > 0.2, "the images are too similar"


@pytest.mark.parametrize("few", [1, 3])
def test_wide_layers_are_computed_for_few_images_at_a_time(
    few: int, monkeypatch: pytest.MonkeyPatch
):
    """The noise is the same, and so are the results but for the order of the sums."""
    model, images, decoded = binary_model(), pictures(10), []
    mu, _ = model.encode(images.flatten(1).float() / 255)

    def measured() -> list[Tensor]:
        terms = evaluation.average_terms(model, losses.bce, images, generator(), 4)
        means = torch.cat([mu for mu, _ in evaluation.posteriors(model, images)])
        return [*terms, means]

    before = measured()
    model.fc_out.register_forward_hook(lambda _, __, out: decoded.append(len(out)))
    monkeypatch.setattr(evaluation, "LAYER_BYTES", few * 4 * 6 + 3)
    after = measured()
    assert max(decoded) == few
    torch.testing.assert_close(after, before)
    torch.testing.assert_close(after[2], mu)
    assert evaluation.at_once(model, 2) == min(few, 2)
    list(evaluation.importance_nll(model, losses.bce, images, generator(), 50))
    assert max(decoded) == few


def test_ordinary_images_are_computed_as_many_at_a_time_as_asked():
    assert evaluation.at_once(VAE(), 2000) == 2000
    assert evaluation.at_once(VAE((3, 64, 64)), 1000) == 1000
    assert evaluation.at_once(VAE((3, 256, 256), (2,), 2), 2000) == 85
