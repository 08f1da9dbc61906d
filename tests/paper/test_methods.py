"""Wake-sleep and Monte Carlo EM: their gradients, fixed points, and their training."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from vaelib import EpochEnd, TrainConfig, checkpoints, memory, start, updates
from vaelib.bounds import log_normal
from vaelib.data import sprites
from vaelib.exact import LinearGaussian
from vaelib.images import ImageData, binarized
from vaelib.losses import kl_divergence, logistic, reconstruction
from vaelib.paper import em, hmc, wake_sleep
from vaelib.training import METHODS

LOSSES = ("bce", "bce_logits", "mse", "gaussian", "logistic")
M, J = 32, 3


def config(**given: Any) -> TrainConfig:
    """Return settings of a small model."""
    small: dict[str, Any] = dict(
        dataset="sprites",
        image_size=8,
        hidden_dim=(16,),
        latent_dim=J,
        activation="tanh",
        batch_size=M,
        epochs=2,
        lr_schedule="none",
        optimizer="adagrad",
        lr=0.02,
        device="cpu",
    )
    return TrainConfig(**(small | given))


def data(n: int = 128) -> ImageData:
    """Return a few sprites, black and white."""
    return binarized(sprites(n_train=n, n_test=64, size=8), "dynamic")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def of_encoder(name: str) -> bool:
    return name.startswith(("encoder", "fc_mu", "fc_logvar"))


def gradients(config: TrainConfig, x: Tensor, eps: Tensor) -> dict[str, Tensor]:
    """Return the gradient of each weight in the first update, made by plain SGD."""
    images = data()
    state = start(config, images)
    state.optimizer = torch.optim.SGD(state.model.parameters(), lr=1.0)
    before = {k: v.clone() for k, v in state.model.state_dict().items()}
    METHODS[config.method](state, config, images)(x, eps, 1.0, torch.arange(M))
    return {k: before[k] - v for k, v in state.model.state_dict().items()}


# Wake-sleep


@pytest.mark.parametrize("loss", LOSSES)
def test_the_wake_step_is_the_step_of_algorithm_1_for_theta(loss: str):
    x, eps = data().batch(torch.arange(M), rng()), torch.randn(M, J, generator=rng(1))
    ours = gradients(config(loss=loss, method="wake_sleep"), x, eps)
    theirs = gradients(config(loss=loss), x, eps)
    for name, gradient in ours.items():
        if not of_encoder(name):
            torch.testing.assert_close(gradient, theirs[name], rtol=1e-4, atol=1e-6)
        else:
            assert not torch.allclose(gradient, theirs[name])


def test_the_sleep_step_follows_log_q_at_dreams_of_the_current_theta():
    """The dreams are drawn from the state's own random numbers."""
    setting = config(method="wake_sleep", gradient="sum")
    x, eps = data().batch(torch.arange(M), rng()), torch.randn(M, J, generator=rng(1))
    found = gradients(setting, x, eps)
    state = start(setting, data())
    dream, z = wake_sleep.dreams(state.model, setting, M, state.rng)
    wake_sleep.sleep(state.model, dream, z).sum().backward()
    for name, weight in state.model.named_parameters():
        if of_encoder(name):
            torch.testing.assert_close(found[name], weight.grad, rtol=1e-4, atol=1e-5)
        else:
            assert weight.grad is None


@pytest.mark.parametrize("loss", LOSSES)
def test_dreams_are_draws_of_the_model(loss: str):
    """Given z, pixels have the mean and variance of p(x|z)."""
    setting, n = config(loss=loss, sigma=0.3, output_bias="random"), 10_000
    model = start(setting, data()).model
    with torch.no_grad():
        model.fc_out.weight.zero_()  # one p(x|z) for all z
        x_hat = model.decode(torch.zeros(1, J))
        mean = model.images(torch.zeros(1, J)).flatten(1)
    variance = mean * (1 - mean)
    if loss == "mse":
        variance = torch.full_like(mean, 0.3**2)
    if loss == "gaussian":
        variance = x_hat[1].exp()
    if loss == "logistic":
        levels = torch.arange(256.0)[:, None, None] / 255
        p = torch.exp(-logistic(x_hat[..., None], levels[..., None]))
        mean = (p * levels).sum(0)  # not that of the distribution before the cut
        variance = (p * (levels - mean) ** 2).sum(0)
    x, z = wake_sleep.dreams(model, setting, n, rng())
    assert (set(x.unique().tolist()) == {0, 1}) == (loss in ("bce", "bce_logits"))
    assert ((x.mean(0) - mean).abs() < 5 * (variance / n).sqrt()).all()
    torch.testing.assert_close(x.var(0)[None], variance, rtol=0.1, atol=0)
    assert z.mean().abs() < 0.03
    assert abs(z.std() - 1) < 0.03


class Linear(torch.nn.Module):
    """Encoder q(z|x) = N(Ax, diag v), in double precision."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.a = torch.nn.Parameter(torch.zeros(J, d, dtype=torch.float64))
        self.logvar = torch.nn.Parameter(torch.zeros(J, dtype=torch.float64))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x @ self.a.T, self.logvar


def test_sleep_finds_the_mean_and_the_variances_of_the_posterior():
    """The bound finds the same mean, and the smaller variances 1 / precision."""
    weight = torch.randn(4, J, generator=rng(), dtype=torch.float64)
    model = LinearGaussian(weight, weight.new_zeros(4), 0.5)
    z, x = model.sample(200_000, rng(1))
    encoder: Any = Linear(4)
    optimizer = torch.optim.LBFGS(encoder.parameters(), max_iter=100)

    def loss() -> Tensor:
        optimizer.zero_grad()
        nats = wake_sleep.sleep(encoder, x, z).mean()
        nats.backward()
        return nats

    optimizer.step(loss)
    mean, covariance = model.posterior(x[0])
    near: dict[str, Any] = dict(rtol=0.02, atol=0.02)
    torch.testing.assert_close(encoder.encode(x[0])[0].detach(), mean, **near)
    found = encoder.logvar.detach().exp()
    torch.testing.assert_close(found, covariance.diag(), **near)
    assert (covariance.diag() > 1.3 / torch.linalg.inv(covariance).diag()).any()


# Monte Carlo EM


def test_the_m_step_follows_log_joint_at_the_draws_of_the_chains():
    setting = config(method="mcem", gradient="sum")
    x, images = data().batch(torch.arange(M), rng()), data()
    state = start(setting, images)
    em.update_function(state, setting, images)(
        x, state.chains[:M], 1.0, torch.arange(M)
    )
    again = start(setting, images)
    nats = reconstruction(setting.loss)
    for _ in range(em.WEIGHT_UPDATES):
        again.optimizer.zero_grad()
        z = state.chains[:M]
        loss = nats(again.model.decode(z), x) - log_normal(z, *again.model.encode(x))
        loss.sum().backward()
        again.optimizer.step()
    for name, weight in again.model.state_dict().items():
        torch.testing.assert_close(state.model.state_dict()[name], weight)


def test_the_encoder_has_no_part_in_monte_carlo_em():
    ends = []
    for scale in (1.0, 3.0):
        state = start(config(method="mcem"), data())
        with torch.no_grad():
            state.model.fc_mu.weight.mul_(scale)
        list(updates(state, data(), config(method="mcem")))
        ends.append(state.model.state_dict())
    for name, weight in ends[0].items():
        assert torch.equal(weight, ends[1][name]) != of_encoder(name), name


def test_only_the_chains_of_the_mini_batch_move():
    setting, images = config(method="mcem"), data()
    state = start(setting, images)
    before, rows = state.chains.clone(), torch.tensor([5, 99, 7])
    x = images.batch(rows, rng())
    em.update_function(state, setting, images)(x, before[:3], 1.0, rows)
    moved = (state.chains != before).any(1).nonzero()[:, 0].tolist()
    assert moved
    assert set(moved) <= {5, 7, 99}
    assert state.step_size != 0.1


def linear_data(n: int = 1000) -> tuple[ImageData, Tensor]:
    """Return images of six pixels with two strong directions, and x (N, D)."""
    z = torch.randn(2, n, 2, generator=rng(3))
    w = torch.linalg.qr(torch.randn(6, 2, generator=rng(4))).Q
    noise = 0.06 * torch.randn(2, n, 6, generator=rng(5))
    x = 0.5 + z @ (w * torch.tensor([0.15, 0.1])).T + noise
    images = (255 * x).clamp(0, 255).to(torch.uint8).view(2, n, 1, 2, 3)
    return ImageData(images[0], images[1]), images[0].flatten(1).double() / 255


def test_exact_em_rises_to_the_best_evidence():
    _, x = linear_data()
    weight = torch.randn(6, 2, generator=rng(), dtype=torch.float64)
    model = LinearGaussian(weight, x.new_zeros(6), 0.06)
    values = [model.log_evidence(x).mean().item()]
    for _ in range(200):
        model = em.exact_step(model, x)
        values.append(model.log_evidence(x).mean().item())
    assert all(b >= a - 1e-9 for a, b in pairwise(values))
    assert values[-1] == pytest.approx(em.best_evidence(x, 2, 0.06), abs=1e-6)


def test_the_best_evidence_with_a_learned_sigma_is_that_at_its_sigma():
    _, x = linear_data()
    rest = torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[:-2].mean()
    learned, at = em.best_evidence(x, 2), em.best_evidence(x, 2, rest.item() ** 0.5)
    assert learned == pytest.approx(at, abs=1e-12)
    assert learned > em.best_evidence(x, 2, 1.1 * rest.item() ** 0.5)


def test_monte_carlo_em_reaches_the_best_evidence():
    images, x = linear_data(200)
    setting = TrainConfig(
        dataset="tensors",
        loss="mse",
        sigma=0.06,
        hidden_dim=(),
        latent_dim=2,
        method="mcem",
        batch_size=200,
        epochs=300,
        lr=0.03,
        output_bias="random",
        device="cpu",
    )
    state = start(setting, images)
    state.model.output = "identity"  # means are linear, so that the optimum is known

    def evidence() -> float:
        weight, bias = state.model.fc_out.weight.double(), state.model.fc_out.bias
        model = LinearGaussian(weight.detach(), bias.detach().double(), 0.06)
        return model.log_evidence(x).mean().item()

    best, first = em.best_evidence(x, 2, 0.06), evidence()
    list(updates(state, images, setting))
    assert first < best - 10
    assert best - 0.1 < evidence() <= best


def test_fishers_identity():
    """The gradient of log p(x) is the mean of that of log p(x, z) over the posterior.

    Both are polynomials of z up to degree two, so that quadrature is exact.
    """
    weight = torch.randn(4, 2, generator=rng(), dtype=torch.float64)
    x = torch.randn(4, generator=rng(1), dtype=torch.float64)
    bias = x.new_zeros(4)
    weight.requires_grad_()
    model = LinearGaussian(weight, bias, 0.7)
    (exact,) = torch.autograd.grad(model.log_evidence(x), weight)

    mean, covariance = model.posterior(x)
    nodes = torch.tensor([-(3**0.5), 0.0, 3**0.5], dtype=torch.float64)
    shares = torch.tensor([1 / 6, 2 / 3, 1 / 6], dtype=torch.float64)
    eps, share = (
        torch.cartesian_prod(nodes, nodes),
        torch.outer(shares, shares).view(-1),
    )
    z = (mean + eps @ torch.linalg.cholesky(covariance).T).detach()
    (found,) = torch.autograd.grad(share @ model.log_joint(x, z), weight)
    torch.testing.assert_close(found, exact, rtol=1e-9, atol=1e-9)


# Training with both


@pytest.mark.parametrize("method", ["wake_sleep", "mcem"])
def test_the_bound_rises_in_training(method: str):
    """Also that of Monte Carlo EM, whose encoder only describes the draws."""
    setting, images = config(method=method, epochs=20, lr=0.05), data(512)
    events = updates(start(setting, images), images, setting)
    ends = [event.row for event in events if isinstance(event, EpochEnd)]
    assert ends[-1]["neg_elbo"] < ends[0]["neg_elbo"] - 1
    assert ends[-1]["train_total"] < ends[0]["train_total"] - 1


@pytest.mark.parametrize("method", ["wake_sleep", "mcem"])
def test_training_goes_on_from_any_update_bit_for_bit(method: str):
    setting, images = config(method=method), data()
    state = start(setting, images)
    events = updates(state, images, setting)
    for _ in range(3):
        next(events)
    saved = state.state_dict()
    list(events)
    again = start(setting, images)
    again.load_state_dict(saved)
    list(updates(again, images, setting))
    for name, weight in state.model.state_dict().items():
        assert torch.equal(weight, again.model.state_dict()[name])
    assert torch.equal(state.chains, again.chains)
    assert state.step_size == again.step_size


@pytest.mark.parametrize("name", ["chains", "step_size"])
def test_a_damaged_state_of_the_chains_is_refused(name: str):
    state = start(config(method="mcem"), data())
    saved = state.state_dict()
    checkpoints.require_fit(state, saved)
    wrong: dict[str, Any] = dict(chains=saved["chains"][1:], step_size=0.0)
    with pytest.raises(ValueError, match=r"is not|step size"):
        checkpoints.require_fit(state, saved | {name: wrong[name]})


def test_chains_are_counted_in_the_memory_of_a_run():
    shape, images = (1, 8, 8), 1_000_000
    plain, mcem = (
        memory.estimate(config(method=method), shape, images)["the model"]
        for method in ("aevb", "mcem")
    )
    assert mcem - plain == 4 * images * J


def test_the_terms_are_those_of_the_bound_at_the_z_of_the_wake_step():
    setting, images = config(method="wake_sleep"), data()
    state = start(setting, images)
    x, eps = images.batch(torch.arange(M), rng()), torch.randn(M, J, generator=rng(1))
    with torch.no_grad():
        x_hat, mu, logvar = state.model(x, eps)
    terms = (
        reconstruction(setting.loss)(x_hat, x).sum(),
        kl_divergence(mu, logvar).sum(),
    )
    sums = wake_sleep.update_function(state, setting, images)(x, eps)
    torch.testing.assert_close(sums, torch.stack(terms))


def test_chains_are_random_and_of_monte_carlo_em_alone():
    assert start(config(), data()).chains.shape == (0, J)
    chains = start(config(method="mcem"), data(2000)).chains
    assert chains.shape == (2000, J)
    assert abs(chains.std() - 1) < 0.05


REFUSED: dict[str, Any] = dict(
    beta=2.0,
    beta_schedule="linear",
    beta_changes="3:2",
    reduction="mean",
    compile=True,
    objective="iwae",
    samples=5,
    estimator="stl",
    free_bits=0.1,
    capacity=5.0,
    encoder_updates=2,
)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("method", ["wake_sleep", "mcem"])
def test_settings_that_a_method_does_not_have_are_refused(method: str, name: str):
    with pytest.raises(ValueError, match=rf"^{name} is .*method {method} has no such"):
        config(method=method, **{name: REFUSED[name]})


# Options of the paper


def test_the_prior_of_the_weights_adds_its_share_of_half_their_squares():
    """As in the sum over all images: the minibatch takes M/N of it, the mean 1/N."""
    x, eps = data().batch(torch.arange(M), rng()), torch.randn(M, J, generator=rng(1))
    for how, share in (("mean", 1 / 128), ("sum", M / 128)):
        state = start(config(gradient=how), data())
        got = []
        for prior in ("none", "normal"):
            state = start(config(gradient=how, weight_prior=prior), data())
            decay = state.optimizer.param_groups[0]["weight_decay"]
            state.optimizer = torch.optim.SGD(
                state.model.parameters(), lr=1.0, weight_decay=decay
            )
            start_at = state.model.fc_out.weight.clone().detach()
            METHODS["aevb"](state, config(gradient=how), data())(x, eps, 1.0)
            got.append(state.model.fc_out.weight.detach())
        torch.testing.assert_close(
            got[0] - got[1], share * start_at, rtol=1e-3, atol=1e-6
        )


def test_normal_weights_have_variance_0_01():
    model = start(
        config(init="normal", output_bias="random", hidden_dim=(300,)), data()
    ).model
    layers = (model.fc_out, model.encoder[0])
    for weight in (w for layer in layers for w in layer.parameters()):
        assert weight.std().item() == pytest.approx(0.1, rel=0.1)
        assert abs(weight.mean()) < 0.02


def test_adagrad_is_that_of_torch():
    x, eps = data().batch(torch.arange(M), rng()), torch.randn(M, J, generator=rng(1))
    ends = []
    for own in (True, False):
        state = start(config(), data())
        if not own:
            state.optimizer = torch.optim.Adagrad(state.model.parameters(), lr=0.02)
        for _ in range(3):
            METHODS["aevb"](state, config(), data())(x, eps, 1.0)
        ends.append(state.model.fc_out.weight.detach())
    torch.testing.assert_close(*ends)
    first = start(config(), data())
    METHODS["aevb"](first, config(), data())(x, eps, 1.0)
    moved = first.model.fc_out.bias - start(config(), data()).model.fc_out.bias
    torch.testing.assert_close(moved.abs(), torch.full_like(moved, 0.02))


def test_hmc_alone_is_what_moves_a_chain():
    """The chain of em is one transition of hmc, with its step size tuned."""
    setting, images = config(method="mcem"), data()
    state, again = start(setting, images), start(setting, images)
    rows = torch.arange(M)
    x = images.batch(rows, rng())
    log_joint = hmc.log_joint_of(again.model, reconstruction(setting.loss), x)
    z = again.chains[rows]
    step = hmc.jittered(0.1, em.JITTER, z, again.rng)
    z, accept = hmc.transition(log_joint, z, step, em.LEAPFROG_STEPS, again.rng)
    em.update_function(state, setting, images)(x, z, 1.0, rows)
    torch.testing.assert_close(state.chains[rows], z)
    assert state.step_size == hmc.tuned(0.1, accept.mean().item(), 1)
