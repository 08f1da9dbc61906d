"""The training loop: seeds, exact resume, the terms it reports and their gradients."""

from __future__ import annotations

import copy
import io
import itertools
import math
import pydoc
import random
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence

from vaelib.config import ConfigError, TrainConfig
from vaelib.data import ImageData, binarized, pixels, sprites
from vaelib.errors import hold_interrupts
from vaelib.evaluation import mean_nll
from vaelib.losses import LEAST_SIGMA, reconstruction
from vaelib.model import VAE
from vaelib.state import MEAN_BYTES
from vaelib.training import (
    Diverged,
    EpochEnd,
    State,
    Update,
    build,
    effective_beta,
    pick_device,
    start,
    updates,
)

N, PIXELS = 300, 144
SIZES = [64, 64, 64, 64, 44]  # of the mini-batches of an epoch
STEPS = len(SIZES)
LOSSES = pytest.mark.parametrize(
    "loss", ["bce", "bce_logits", "mse", "gaussian", "logistic"]
)


@cache
def data(binarize: str = "none") -> ImageData:
    """Return a data set of a few small sprites."""
    return binarized(sprites(n_train=N, n_test=100, size=12), binarize)


def settings(**given: Any) -> TrainConfig:
    """Return a config that trains quickly; its learning rate is constant by default."""
    small: dict[str, Any] = dict(
        dataset="sprites",
        image_size=12,
        hidden_dim=(16,),
        latent_dim=3,
        batch_size=64,
        epochs=2,
    )
    small |= dict(device="cpu", lr=1e-3, lr_schedule="none")
    return TrainConfig(**(small | given))


def trained(
    config: TrainConfig, beta: Callable[[int], float] | None = None
) -> tuple[State, list[Update | EpochEnd]]:
    """Return a new state, trained to its end, and all events."""
    state = start(config, data(config.binarize))
    return state, list(updates(state, data(config.binarize), config, beta))


def weights(state: State) -> list[Tensor]:
    """Return a copy of every parameter."""
    return [p.detach().clone() for p in state.model.parameters()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    """Return whether two lists of tensors are equal bit for bit."""
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def steps_of(events: Iterable[Update | EpochEnd]) -> list[Update]:
    """Return the events of updates."""
    return [event for event in events if isinstance(event, Update)]


def ends_of(events: Iterable[Update | EpochEnd]) -> list[EpochEnd]:
    """Return the events of finished epochs."""
    return [event for event in events if isinstance(event, EpochEnd)]


def rows(events: Iterable[Update | EpochEnd]) -> list[dict[str, float]]:
    """Return the rows of the log, without durations."""
    found = [end.row for end in ends_of(events)]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in found]


def inputs(state: State) -> list[tuple[Tensor, Tensor]]:
    """Return a list to which every training step adds its x and noise."""
    seen = []

    def record(_: torch.nn.Module, given: tuple[Tensor, Tensor]) -> None:
        if torch.is_grad_enabled():  # not for the test split
            seen.append(given)

    state.model.register_forward_pre_hook(record)
    return seen


def test_same_seed_same_weights():
    (one, first), (other, second) = trained(settings()), trained(settings())
    assert same(weights(one), weights(other))
    assert rows(first) == rows(second)


def test_other_seed_other_weights():
    (one, _), (other, _) = trained(settings()), trained(settings(seed=43))
    for a, b in zip(weights(one), weights(other), strict=True):
        assert not torch.equal(a, b)


def test_the_consumer_of_events_cannot_change_a_result():
    """Here it draws from every global generator and seeds it."""
    quiet, _ = trained(settings(binarize="dynamic"))
    config = settings(binarize="dynamic")
    state = start(config, data("dynamic"))
    for i, _ in enumerate(updates(state, data("dynamic"), config)):
        torch.randn(3)
        torch.manual_seed(i)
        np.random.seed(i)  # noqa: NPY002
        random.seed(i)
    assert same(weights(quiet), weights(state))


def numpy_state() -> str:
    """Return the state of NumPy's global generator, as text."""
    return repr(np.random.get_state(legacy=False)["state"])  # noqa: NPY002


def test_updates_do_not_use_the_global_generators():
    state = start(settings(), data())
    torch_before = torch.get_rng_state()
    others_before = numpy_state(), random.getstate()
    list(updates(state, data(), settings()))
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert (numpy_state(), random.getstate()) == others_before


@LOSSES
def test_losses_fall(loss: str):
    _, events = trained(settings(loss=loss, epochs=12, lr=0.01, sigma=0.2))
    first, *_, last = rows(events)
    for key in ("train_total", "total"):
        assert last[key] < first[key] - 5  # nats


@pytest.mark.parametrize("stop", [1, 2, STEPS, STEPS + 1, STEPS + 3, 2 * STEPS + 1])
@pytest.mark.parametrize("binarize", ["none", "dynamic"])
def test_resume_is_exact(stop: int, binarize: str):
    """After `stop` events: within an epoch, just before a test, at the end of an epoch.

    The checkpoint passes through a file, and is loaded into a state of another seed.
    """
    config = settings(binarize=binarize, beta_schedule="cyclic", beta_cycles=2)
    whole, events = trained(config)
    begun = start(config, data(binarize))
    before = list(itertools.islice(updates(begun, data(binarize), config), stop))
    file = io.BytesIO()
    torch.save(begun.state_dict(), file)
    file.seek(0)
    resumed = start(replace(config, seed=7), data(binarize))
    resumed.load_state_dict(torch.load(file, weights_only=True))
    after = list(updates(resumed, data(binarize), config))
    assert len(before) + len(after) == len(events) == 2 * (STEPS + 1)
    assert same(weights(resumed), weights(whole))
    assert rows(before) + rows(after) == rows(events)
    noises = [[e.noise for e in ends_of(run)] for run in (before + after, events)]
    assert same(*noises)


def test_a_new_generator_continues_from_the_same_state():
    """A paused loop can be dropped after any event."""
    config = settings()
    whole, _ = trained(config)
    state = start(config, data())
    while state.epoch < config.epochs:
        next(updates(state, data(), config))
    assert same(weights(state), weights(whole))


def test_resume_in_the_middle_of_a_falling_learning_rate():
    config = settings(lr_schedule="linear", lr_warmup=0.3, lr=8e-3)
    whole, _ = trained(config)
    state = start(config, data())
    list(itertools.islice(updates(state, data(), config), STEPS + 2))
    resumed = start(replace(config, seed=9), data())
    resumed.load_state_dict(copy.deepcopy(state.state_dict()))
    list(updates(resumed, data(), config))
    assert same(weights(resumed), weights(whole))


def test_training_can_be_extended_by_more_epochs():
    whole, _ = trained(settings(epochs=3))
    state, _ = trained(settings(epochs=1))
    list(updates(state, data(), settings(epochs=3)))
    assert same(weights(state), weights(whole))


def test_every_event_counts_steps_and_epochs():
    config = settings()
    state, step, epoch = start(config, data()), 0, 0
    for event in updates(state, data(), config):
        assert event.epoch == epoch
        if isinstance(event, Update):
            step += 1
        else:
            epoch += 1
            assert step == epoch * STEPS
        assert (state.step, state.epoch, event.step) == (step, epoch, step)
    assert (step, epoch) == (2 * STEPS, 2)


def test_every_image_is_used_once_an_epoch_in_a_new_order():
    config = settings()
    state = start(config, data())
    seen = inputs(state)
    images = [update.images for update in steps_of(updates(state, data(), config))]
    assert images == SIZES * 2
    assert [len(x) for x, _ in seen] == images
    first = torch.cat([x for x, _ in seen[:STEPS]])
    second = torch.cat([x for x, _ in seen[STEPS:]])
    whole = data().train.flatten(1).float() / 255
    assert not torch.equal(first, second)
    assert not torch.equal(first, whole)
    assert sorted(first.tolist()) == sorted(second.tolist()) == sorted(whole.tolist())


def test_noise_is_standard_normal_and_never_the_same():
    config = settings(epochs=8)
    state = start(config, data())
    seen = inputs(state)
    list(updates(state, data(), config))
    eps = torch.cat([noise for _, noise in seen])
    assert eps.shape == (8 * N, config.latent_dim)
    assert len(eps.unique()) > 0.99 * eps.numel()
    assert eps.mean().abs() < 4.5 / eps.numel() ** 0.5
    assert (eps.var() - 1).abs() < 4.5 * (2 / eps.numel()) ** 0.5


def objective(
    model: VAE, x: Tensor, eps: Tensor, config: TrainConfig, beta: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return reconstruction, KL and objective by torch.distributions.

    They are means over the mini-batch.
    """
    mu, logvar = model.encode(x)
    q = Normal(mu, (logvar / 2).exp())
    x_hat = model.decode(mu + q.scale * eps)

    def cross_entropy(y: Tensor) -> Tensor:
        return -(x * y.log() + (1 - x) * (1 - y).log())

    def minus_log_mass(mean: Tensor, logvar: Tensor) -> Tensor:
        scale = (logvar / 2).exp() * 3**0.5 / math.pi
        upper = torch.sigmoid((x + 1 / 510 - mean) / scale).masked_fill(x == 1, 1)
        lower = torch.sigmoid((x - 1 / 510 - mean) / scale).masked_fill(x == 0, 0)
        return -(upper - lower).log()

    pixels = {
        "bce": lambda: cross_entropy(x_hat),
        "bce_logits": lambda: cross_entropy(x_hat.sigmoid()),
        "mse": lambda: -Normal(x_hat, config.sigma).log_prob(x),
        "gaussian": lambda: -Normal(x_hat[0], (x_hat[1] / 2).exp()).log_prob(x),
        "logistic": lambda: minus_log_mass(*x_hat),
    }[config.loss]()
    kl = kl_divergence(q, Normal(0.0, 1.0)).sum(1).mean()
    recon = pixels.sum(1).mean()
    minimised = pixels.mean() if config.reduction == "mean" else recon
    return recon, kl, minimised + beta * kl


def assert_gradient(model: VAE, before: VAE, scale: float = 1.0) -> None:
    """Assert that the gradient of `model` is `scale` times that of `before`."""
    for p, expected in zip(model.parameters(), before.parameters(), strict=True):
        assert p.grad is not None
        assert expected.grad is not None
        torch.testing.assert_close(p.grad / scale, expected.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gradient", ["mean", "sum"])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@LOSSES
def test_gradient_is_that_of_the_objective(loss: str, reduction: str, gradient: str):
    """At every step of an epoch, including the last, whose mini-batch is smaller."""
    config = settings(
        loss=loss, reduction=reduction, gradient=gradient, beta=2.5, epochs=1, sigma=0.5
    )
    state = start(config, data())
    seen, before = inputs(state), copy.deepcopy(state.model)
    for event in itertools.islice(updates(state, data(), config), STEPS):
        assert isinstance(event, Update)
        before.zero_grad()
        recon, kl, minimised = objective(before, *seen[-1], config, beta=2.5)
        minimised.backward()
        assert float(event.recon) == pytest.approx(recon.item(), rel=1e-5)
        assert float(event.kl) == pytest.approx(kl.item(), rel=1e-4)
        assert_gradient(state.model, before, event.images if gradient == "sum" else 1.0)
        before = copy.deepcopy(state.model)
    assert len(seen) == STEPS


def test_first_step_is_adams():
    """It moves every weight by lr against the sign of its gradient.

    The epsilon of Adam, 1e-8, makes the step a little smaller.
    """
    config = settings(lr=0.01)
    state = start(config, data())
    before = weights(state)
    next(updates(state, data(), config))
    for p, old in zip(state.model.parameters(), before, strict=True):
        assert p.grad is not None
        expected = old - 0.01 * p.grad / (p.grad.abs() + 1e-8)
        torch.testing.assert_close(p.detach(), expected, rtol=0, atol=1e-6)


def test_learning_rate_rises_and_falls():
    """Adam's first step moves every weight by the learning rate.

    It rises for five of ten steps; in the middle of the first it is a tenth of lr.
    """
    config = settings(lr=0.01, lr_schedule="linear", lr_warmup=0.5)
    state = start(config, data())
    before, loop = weights(state), updates(state, data(), config)
    next(loop)
    pairs = zip(weights(state), before, strict=True)
    moved = max((new - old).abs().max().item() for new, old in pairs)
    assert moved == pytest.approx(0.001, rel=1e-3)
    list(loop)
    rates = [group["lr"] for group in state.optimizer.param_groups]
    assert rates == pytest.approx([0.001])


@LOSSES
def test_output_bias_may_start_at_the_mean_image(loss: str):
    def bias(kind: str) -> Tensor:
        state = start(settings(loss=loss, output_bias=kind), data())
        return state.model.fc_out.bias.detach()

    grey = data().train.flatten(1).double().mean(0) / 255
    found = 1 / (1 + (-bias("data")[:PIXELS].double()).exp())
    torch.testing.assert_close(found, grey.clamp(1e-3, 1 - 1e-3), rtol=1e-4, atol=0)
    assert bias("random").abs().max() <= 16**-0.5


def test_the_mean_image_is_taken_a_few_columns_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
):
    """In one piece for MNIST, so that its numbers stay; in pieces they are close."""
    assert MEAN_BYTES // (4 * 60_000) >= 784
    config = settings(output_bias="data")
    whole = start(config, data()).model.fc_out.bias
    monkeypatch.setattr("vaelib.state.MEAN_BYTES", 7 * 4 * N)
    torch.testing.assert_close(start(config, data()).model.fc_out.bias, whole)


def test_reduction_mean_multiplies_beta_by_the_number_of_pixels():
    """Beta is reported so, and the weights are equal, up to the epsilon of Adam.

    The gradients of pixels that are always black are near that epsilon, so only layers
    that do not see pixels are compared.
    """
    config, shape = settings(reduction="mean", beta=0.5), data().shape
    mean, mean_events = trained(config)
    summed, sum_events = trained(settings(beta=0.5 * PIXELS))
    assert effective_beta(config, shape) == 0.5 * PIXELS
    assert effective_beta(settings(beta=0.5), shape) == 0.5
    assert {event.beta for event in mean_events + sum_events} == {0.5 * PIXELS}
    for name in ("fc_mu", "fc_logvar"):
        found, expected = (getattr(s.model, name).weight for s in (mean, summed))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_effective_beta_counts_colours():
    assert effective_beta(settings(reduction="mean", beta=2.0), (3, 5, 7)) == 2.0 * 105


def break_after(state: State, config: TrainConfig, good: int) -> None:
    """Train, and set weights to nan after `good` updates."""
    for event in updates(state, data(), config):
        if isinstance(event, Update) and event.step == good:
            state.model.fc_out.weight.data.fill_(math.nan)


@LOSSES
@pytest.mark.parametrize("good", [1, 3, STEPS + 2])
def test_diverged_names_the_step(loss: str, good: int):
    """The update after the weights broke is the first whose loss is not finite."""
    config = settings(loss=loss)
    with pytest.raises(Diverged, match=rf"step {good + 1}\b"):
        break_after(start(config, data()), config, good)


@LOSSES
def test_diverged_for_a_huge_learning_rate(loss: str):
    config, done = settings(loss=loss, lr=1e6), []
    loop = updates(start(config, data()), data(), config)
    with pytest.raises(Diverged) as error:
        done.extend(loop)
    assert f"step {len(done) + 1}:" in str(error.value)
    assert isinstance(error.value, ArithmeticError)


@LOSSES
@pytest.mark.parametrize("epochs", [1, 2])
def test_diverged_if_the_last_update_of_an_epoch_broke_the_weights(
    loss: str, epochs: int
):
    """Its own loss is finite, but the test terms of the epoch are not."""
    config = settings(loss=loss, epochs=epochs)
    state = start(config, data())
    with pytest.raises(Diverged):
        break_after(state, config, STEPS * epochs)
    assert state.epoch == epochs - 1


def test_live_beta_is_used_at_each_step():
    """A slider moves between updates; each gradient is that of the current beta."""
    config, slider = settings(epochs=1), {"beta": 0.0}
    state = start(config, data())
    seen, before = inputs(state), copy.deepcopy(state.model)
    asked, shown = [0.0, 5.0, 0.5, 20.0, 1.0], []
    loop = updates(state, data(), config, lambda _: slider["beta"])
    for beta in asked:
        slider["beta"] = beta
        event = next(loop)
        shown.append(event.beta)
        before.zero_grad()
        objective(before, *seen[-1], config, beta)[2].backward()
        assert_gradient(state.model, before)
        before = copy.deepcopy(state.model)
    assert shown == asked


def test_live_beta_is_called_with_each_step_from_zero():
    steps = []

    def beta(step: int) -> float:
        steps.append(step)
        return 0.1 * step

    _, events = trained(settings(), beta)
    assert list(dict.fromkeys(steps)) == list(range(2 * STEPS))
    expected = [0.1 * step for step in range(2 * STEPS)]
    assert [event.beta for event in steps_of(events)] == pytest.approx(expected)


def test_schedule_of_the_config_counts_in_epochs():
    """A linear warm-up of 1.5 epochs takes 7.5 steps."""
    _, events = trained(settings(beta=3.0, beta_schedule="linear", beta_warmup=1.5))
    expected = [3 * min(1.0, step / 7.5) for step in range(2 * STEPS)]
    assert [event.beta for event in steps_of(events)] == pytest.approx(expected)
    ends = [event.beta for event in ends_of(events)]
    assert ends == pytest.approx([expected[STEPS - 1], expected[-1]])


def test_live_beta_and_schedule_give_the_same_weights():
    planned, _ = trained(settings(beta_schedule="linear", beta_warmup=2.0))
    by_hand, _ = trained(settings(), lambda step: min(1.0, step / (2 * STEPS)))
    assert same(weights(planned), weights(by_hand))


def test_dynamic_pixels_are_drawn_anew_with_the_grey_value_as_probability():
    grey, index = data("dynamic"), torch.arange(50)
    rng = torch.Generator().manual_seed(1)
    draws = torch.stack([grey.batch(index, rng) for _ in range(600)])
    p = grey.train[index].flatten(1).float() / 255
    assert set(draws.unique().tolist()) == {0, 1}
    assert not torch.equal(draws[0], draws[1])
    assert torch.equal(draws[:, p == 0].unique(), torch.zeros(1))
    assert torch.equal(draws[:, p == 1].unique(), torch.ones(1))
    error = (p * (1 - p) / len(draws)).sqrt()
    assert ((draws.mean(0) - p).abs() <= 5 * error).all()


def test_fixed_pixels_are_drawn_once():
    fixed, index = data("fixed"), torch.arange(50)
    rng = torch.Generator().manual_seed(1)
    assert torch.equal(fixed.batch(index, rng), fixed.batch(index, rng))
    assert set(fixed.train.unique().tolist()) == {0, 255}


@pytest.mark.parametrize(
    ("binarize", "differs", "values"),
    [("none", False, 200), ("fixed", False, 2), ("dynamic", True, 2)],
)
def test_minibatches_have_the_pixels_of_the_config(
    binarize: str, differs: bool, values: int
):
    config = settings(binarize=binarize)
    state = start(config, data(binarize))
    seen = inputs(state)
    list(updates(state, data(binarize), config))
    first = torch.cat([x for x, _ in seen[:STEPS]])
    second = torch.cat([x for x, _ in seen[STEPS:]])
    assert (sorted(first.tolist()) != sorted(second.tolist())) == differs
    assert (len(first.unique()) == 2) == (values == 2)
    assert 0 <= first.min() < first.max() <= 1


PRESETS = [
    dict(),
    dict(loss="bce", gradient="sum"),
    dict(beta=4.0),
    dict(reduction="mean"),
    dict(beta_schedule="cyclic", beta_cycles=2),
    dict(beta_schedule="linear", beta_warmup=3.0, loss="mse", sigma=0.2),
    dict(loss="gaussian", binarize="none", activation="tanh", hidden_dim=(8, 6)),
    dict(loss="bce_logits", binarize="dynamic", hidden_dim=()),
]


@pytest.mark.parametrize("preset", PRESETS, ids=str)
def test_terms_of_an_epoch_add_up(preset: dict):
    _, events = trained(settings(**preset))
    parts = events[:STEPS], events[STEPS + 1 : -1]
    for number, (end, part) in enumerate(zip(ends_of(events), parts, strict=True)):
        row, steps = end.row, steps_of(part)
        assert row["epoch"] == number
        assert row["beta"] == steps[-1].beta
        assert row["total"] == pytest.approx(row["recon"] + row["beta"] * row["kl"])
        assert row["neg_elbo"] == pytest.approx(row["recon"] + row["kl"])
        total = row["train_recon"] + row["beta"] * row["train_kl"]
        assert row["train_total"] == pytest.approx(total)
        recon = sum(step.recon * step.images for step in steps) / N
        assert row["train_recon"] == pytest.approx(recon, rel=1e-5)
        kl = sum(step.kl * step.images for step in steps) / N
        assert row["train_kl"] == pytest.approx(kl, rel=1e-5)
        assert row["kl"] == pytest.approx(end.kl_per_latent.sum().item())
        assert end.noise.shape == (64, 3)


@torch.no_grad()
def posterior(state: State, x: Tensor) -> Normal:
    """Return q(z|x) of the trained model."""
    mu, logvar = state.model.encode(x)
    return Normal(mu, (logvar / 2).exp())


@torch.no_grad()
def decoded(state: State, q: Normal) -> Tensor:
    """Return `x_hat` of 300 draws from `q`."""
    rng = torch.Generator().manual_seed(1)
    eps = torch.randn(300, *q.mean.shape, generator=rng)
    return state.model.decode(q.mean + q.stddev * eps)


def test_test_terms_are_those_of_the_whole_test_split():
    """The KL has no noise; the reconstruction is compared with 300 draws."""
    config = settings(epochs=1, loss="bce")
    state, events = trained(config)
    x = data().test.flatten(1).float() / 255
    q = posterior(state, x)
    kl = kl_divergence(q, Normal(0.0, 1.0)).mean(0)
    end = ends_of(events)[-1]
    torch.testing.assert_close(end.kl_per_latent.float(), kl, rtol=1e-4, atol=1e-6)
    x_hat = decoded(state, q)
    draws = -(x * x_hat.log() + (1 - x) * (1 - x_hat).log()).sum(-1).mean(1)
    assert abs(end.row["recon"] - draws.mean()) < 4.5 * draws.std()


def test_test_terms_on_binary_pixels_are_a_likelihood():
    state, events = trained(settings(epochs=1, binarize="fixed", loss="bce"))
    x = data("fixed").test.flatten(1).float() / 255
    p = Bernoulli(decoded(state, posterior(state, x)))
    draws = -p.log_prob(x).sum(-1).mean(1)
    assert abs(ends_of(events)[-1].row["recon"] - draws.mean()) < 4.5 * draws.std()


@LOSSES
def test_build_follows_the_config(loss: str):
    given = dict(hidden_dim=(9, 7), activation="tanh", latent_dim=5, min_sigma=0.2)
    model = build(settings(loss=loss, **given), (1, 12, 12))
    assert model.shape == (1, 12, 12)
    assert model.latent_dim == 5
    assert [p.shape[0] for p in model.encoder.parameters()] == [9, 9, 7, 7]
    has_variance = loss in ("gaussian", "logistic")
    assert model.min_sigma == (LEAST_SIGMA if loss == "logistic" else 0.2)
    assert model.fc_out.out_features == PIXELS * (2 if has_variance else 1)


def test_a_missing_device_is_refused_in_one_sentence():
    assert pick_device("cpu").type == "cpu"
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    for name in available:
        if not available[name]:
            with pytest.raises(ConfigError, match=f"device is '{name}'"):
                pick_device(name)


# Interrupts


def final_numbers(state: State, events: Iterable[Update | EpochEnd]) -> list[Any]:
    """Return the rows of all epochs, without seconds, and the sum of the weights."""
    rows = [event.row for event in events if isinstance(event, EpochEnd)]
    weights = torch.cat([p.flatten() for p in state.model.parameters()])
    return [[{**row, "seconds": 0} for row in rows], weights.tolist()]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Handle Ctrl-C as Python does, also in a process that was told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


POINTS = [
    "vaelib.training.epoch_order",
    "vaelib.images.ImageData.batch",
    "vaelib.training.set_learning_rate",
    "vaelib.state.Adam.step",
    "vaelib.training.measure",
    "vaelib.training.average_terms",
]


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("call", [0, 1])
def test_an_interrupt_of_a_cell_changes_no_number(
    point: str, call: int, monkeypatch: pytest.MonkeyPatch, ctrl_c: None
):
    """The kernel's interrupt arrives in the middle of an update or of a test.

    The cell is then run on with the same state.
    """
    config = settings()
    untouched = start(config, data())
    expected = final_numbers(untouched, list(updates(untouched, data(), config)))

    target, _, name = point.rpartition(".")
    function, calls = pydoc.locate(point), itertools.count()
    assert callable(function)

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return function(*args, **kwargs)

    monkeypatch.setattr(pydoc.locate(target), name, interrupted)
    state, events = start(config, data()), []
    with pytest.raises(KeyboardInterrupt):
        events.extend(updates(state, data(), config))
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    events += updates(state, data(), config)
    assert final_numbers(state, events) == expected
    assert torch.equal(state.rng.get_state(), untouched.rng.get_state())


def test_a_second_interrupt_is_not_held_back(ctrl_c: None):
    def press_twice() -> None:
        with hold_interrupts():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the second interrupt was held back")

    with pytest.raises(KeyboardInterrupt):
        press_twice()


def test_a_saved_state_is_a_copy():
    config = settings(epochs=1)
    state = start(config, data())
    events = updates(state, data(), config)
    next(events)
    saved = state.state_dict()
    weights = copy.deepcopy(saved["model"])
    list(events)
    assert all(torch.equal(saved["model"][name], weights[name]) for name in weights)
    assert saved["optimizer"]["state"][0]["step"] == 1
    assert saved["step"] == 1


def test_a_missing_compiler_is_said_before_anything_begins(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    torch._dynamo.reset()
    with pytest.raises(
        ConfigError, match=r"compile is True: .* C\+\+ compiler"
    ) as error:
        start(settings(compile=True), data())
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500


# More draws of z, and the importance-weighted bound


def iwae(**given: Any) -> TrainConfig:
    """Return a config of the importance-weighted bound with five draws."""
    return settings(**(dict(objective="iwae", samples=5, epochs=1) | given))


def noise_of(config: TrainConfig, state: State) -> tuple[Tensor, Tensor]:
    """Return x and the noise of the first update, of a state that has made none."""
    rng = torch.Generator()
    rng.set_state(state.rng.get_state())
    seeds = [int(torch.empty((), dtype=torch.int64).random_(generator=rng))]
    seeds += [int(torch.empty((), dtype=torch.int64).random_(generator=rng))]
    order = torch.randperm(N, generator=torch.Generator().manual_seed(seeds[1]))
    x = data().batch(order[: config.batch_size], rng)
    shape = len(x), config.latent_dim
    if config.samples > 1 or config.uses_weights:
        shape = config.samples, *shape
    return x, torch.randn(shape, generator=rng)


def with_draws(
    model: VAE, x: Tensor, eps: Tensor, config: TrainConfig, beta: float
) -> tuple[Tensor, Tensor]:
    """Return log weights (K, M) and means of the terms, by torch.distributions."""
    mu, logvar = model.encode(x)
    q, prior = Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)
    z = mu + q.scale * eps
    log_p = Bernoulli(logits=model.decode(z), validate_args=False).log_prob(x).sum(-1)
    ratio = (prior.log_prob(z) - q.log_prob(z)).sum(-1)
    terms = torch.stack((-log_p.mean(), kl_divergence(q, prior).sum(1).mean()))
    return log_p + beta * ratio, terms


def test_one_draw_takes_the_same_path_as_ever():
    """Noise has no axis of draws, and the sums are those of the two terms."""
    config = settings(epochs=1)
    state = start(config, data())
    before, (x, eps) = copy.deepcopy(state.model), noise_of(config, state)
    assert eps.shape == (64, 3)
    event = next(updates(state, data(), config))
    assert isinstance(event, Update)
    with torch.no_grad():
        x_hat, mu, logvar = before(x, eps)
        recon = torch.nn.functional.binary_cross_entropy_with_logits(
            x_hat, x, reduction="none"
        )
        kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp())
    expected = torch.stack((recon.sum(-1).sum(), kl.sum(-1).sum()))
    torch.testing.assert_close(event.sums, expected, rtol=1e-6, atol=0)
    assert state.losses.shape == (STEPS, 2)


def test_the_elbo_is_averaged_over_draws():
    config = settings(epochs=1, samples=5, beta=2.5)
    state = start(config, data())
    before, (x, eps) = copy.deepcopy(state.model), noise_of(config, state)
    event = next(updates(state, data(), config))
    assert isinstance(event, Update)
    _, (recon, kl) = with_draws(before, x, eps, config, 1.0)
    (recon + 2.5 * kl).backward()
    assert event.recon == pytest.approx(recon.item(), rel=1e-5)
    assert event.kl == pytest.approx(kl.item(), rel=1e-4)
    assert_gradient(state.model, before)


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_the_weighted_bound_is_minimised_and_the_terms_are_those_of_the_elbo(
    beta: float,
):
    config = iwae(beta=beta)
    state = start(config, data())
    before, (x, eps) = copy.deepcopy(state.model), noise_of(config, state)
    event = next(updates(state, data(), config))
    assert isinstance(event, Update)
    log_w, (recon, kl) = with_draws(before, x, eps, config, beta)
    minimised = -log_w.exp().mean(0).log().mean()
    minimised.backward()
    assert event.recon == pytest.approx(recon.item(), rel=1e-5)
    assert event.kl == pytest.approx(kl.item(), rel=1e-4)
    assert event.sums[2].item() / 64 == pytest.approx(minimised.item(), rel=1e-5)
    assert_gradient(state.model, before)


@pytest.mark.parametrize("estimator", ["dreg", "stl"])
def test_the_other_estimators_change_the_gradient_of_the_encoder_only(estimator: Any):
    grads = []
    for config in (iwae(), iwae(estimator=estimator)):
        state = start(config, data())
        event = next(updates(state, data(), config))
        assert isinstance(event, Update)
        gradients = {n: p.grad for n, p in state.model.named_parameters()}
        grads.append((event.sums, gradients))
    (one, standard), (two, other) = grads
    assert torch.equal(one, two)
    for name, gradient in other.items():
        same_as = torch.equal(gradient, standard[name])
        assert same_as == name.startswith(("decoder", "fc_out")), name


def test_sticking_the_landing_with_the_elbo():
    """Its gradient goes through z only, and it minimises estimator A."""
    config = settings(epochs=1, samples=3, estimator="stl")
    state = start(config, data())
    before, (x, eps) = copy.deepcopy(state.model), noise_of(config, state)
    event = next(updates(state, data(), config))
    assert isinstance(event, Update)
    mu, logvar = before.encode(x)
    z = mu + (logvar / 2).exp() * eps
    fixed = Normal(mu.detach(), (logvar.detach() / 2).exp())
    log_p = Bernoulli(logits=before.decode(z), validate_args=False).log_prob(x).sum(-1)
    log_w = log_p + (Normal(0.0, 1.0).log_prob(z) - fixed.log_prob(z)).sum(-1)
    (-log_w.mean()).backward()
    assert event.sums[2].item() / 64 == pytest.approx(-log_w.mean().item(), rel=1e-5)
    assert_gradient(state.model, before)


def test_the_row_of_an_epoch_has_the_bound():
    state, events = trained(iwae(beta=0.5, samples=20))
    row, steps = ends_of(events)[-1].row, steps_of(events)
    assert row["neg_iwae"] < row["neg_elbo"] == row["recon"] + row["kl"]
    sums = torch.stack([event.sums for event in steps]).double().sum(0) / N
    expected = [row[name] for name in ("train_recon", "train_kl", "train_total")]
    assert sums.tolist() == pytest.approx(expected)
    x = pixels(data().test)
    for name, beta in (("neg_iwae", 1.0), ("total", 0.5)):
        with torch.no_grad():
            eps = torch.randn(20 * 50, len(x), 3)
            log_w, _ = with_draws(state.model, x, eps, iwae(), beta)
            bound = log_w.view(50, 20, -1).exp().mean(1).log().mean(1)
        assert abs(-row[name] - bound.mean()) < 4.5 * bound.std()
    plain = ends_of(trained(settings(epochs=1))[1])[-1].row
    assert set(plain) == {*row} - {"neg_iwae"}


@pytest.mark.parametrize("given", [dict(samples=3), dict(objective="iwae", samples=3)])
def test_with_draws_training_goes_on_from_any_update_bit_for_bit(given: Any):
    config = settings(**given)
    state = start(config, data())
    events = updates(state, data(), config)
    for _ in range(3):
        next(events)
    saved = state.state_dict()
    first = rows(events)
    again = start(config, data())
    again.load_state_dict(saved)
    assert rows(updates(again, data(), config)) == first
    assert same(weights(state), weights(again))


def test_with_a_wide_enough_bound_training_ends_better():
    """Twenty weighted draws reach a lower -log p(x) than one draw does."""
    found = []
    for given in (dict(), dict(objective="iwae", samples=20, estimator="dreg")):
        config = settings(epochs=15, lr=1e-2, **given)
        state, _ = trained(config)
        rng = torch.Generator().manual_seed(0)
        nats = reconstruction(config.loss)
        found.append(mean_nll(state.model, nats, data().test, rng, 500))
    assert found[1] < found[0]
