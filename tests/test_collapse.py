"""Free bits, capacity and aggressive training: objectives, gradients, exact resume."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Normal, kl_divergence

from vaelib import EpochEnd, ImageData, TrainConfig, Update, start, updates
from vaelib.collapse import capacity_at, catch_up
from vaelib.data import pixels, sprites
from vaelib.losses import capacity, free_bits
from vaelib.model import VAE
from vaelib.training import measure, update_function

CURES: list[dict[str, Any]] = [
    dict(free_bits=0.4, beta=2.5),
    dict(free_bits=0.4, beta_schedule="linear", samples=3),
    dict(capacity=6.0, gamma=5.0, beta_warmup=1.5),
    dict(encoder_updates=3),
    dict(encoder_updates=2, free_bits=0.4, loss="mse", gradient="sum"),
    dict(encoder_updates=2, capacity=6.0, optimizer="adagrad", weight_prior="normal"),
]


@cache
def data() -> ImageData:
    """Return a data set of a few small sprites."""
    return sprites(n_train=300, n_test=100, size=12)


def settings(**given: Any) -> TrainConfig:
    """Return a config that trains quickly."""
    small: dict[str, Any] = dict(dataset="sprites", image_size=12, hidden_dim=(16,))
    small |= dict(latent_dim=3, batch_size=64, epochs=2, lr=1e-2, lr_schedule="none")
    small |= dict(matmul_precision="highest", device="cpu")
    return TrainConfig(**(small | given))


def trained(config: TrainConfig) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Return the state after all epochs, and the rows of the log without seconds."""
    state = start(config, data())
    ends = [e for e in updates(state, data(), config) if isinstance(e, EpochEnd)]
    return state.state_dict(), [{**end.row, "seconds": 0} for end in ends]


def assert_same(one: Any, other: Any) -> None:
    """Assert that two states are equal bit for bit."""
    torch.testing.assert_close(one, other, rtol=0, atol=0)


def terms(model: VAE, x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
    """Return -log p(x|z), (M,), and KL, (M, J), by torch.distributions."""
    mu, logvar = model.encode(x)
    q = Normal(mu, (logvar / 2).exp())
    p = Bernoulli(logits=model.decode(mu + q.scale * eps), validate_args=False)
    return -p.log_prob(x).sum(-1), kl_divergence(q, Normal(0.0, 1.0))


# The two penalties

KL = torch.tensor([[0.1, 2.0, 0.0], [0.7, 0.2, 0.1]], dtype=torch.float64)


def test_the_maximum_comes_after_the_mean():
    """The means are 0.4, 1.1 and 0.05; image by image it would be 3.5 / 2 more."""
    assert free_bits(KL, 0.5).item() == pytest.approx(0.5 + 1.1 + 0.5)
    assert free_bits(KL, 0.0).item() == pytest.approx(KL.sum().item() / 2)


def test_a_latent_with_free_bits_has_no_gradient():
    kl = KL.clone().requires_grad_()
    free_bits(kl, 0.5).backward()
    assert kl.grad is not None
    assert kl.grad.tolist() == [[0.0, 0.5, 0.0]] * 2


@pytest.mark.parametrize(("nats", "sign"), [(1.5, 1), (1.6, -1)])
def test_capacity_pulls_the_mean_to_c(nats: float, sign: int):
    """The KL of the images is 2.1 and 1.0, and 1.55 on average."""
    kl = KL.clone().requires_grad_()
    found = capacity(kl, nats)
    assert found.item() == pytest.approx(0.05)
    found.backward()
    assert kl.grad is not None
    assert kl.grad.tolist() == [[sign / 2] * 3] * 2


def test_c_rises_along_a_line():
    config = settings(capacity=6.0, beta_warmup=1.5)
    found = [capacity_at(config, data(), step) for step in (0, 1, 6, 7, 8, 100)]
    assert found == pytest.approx([0.0, 0.8, 4.8, 5.6, 6.0, 6.0])


# One update


def first_update(
    config: TrainConfig, step: int = 0
) -> tuple[VAE, VAE, Tensor, Tensor, Tensor]:
    """Return the model before and after an update, its x and eps, and the sums."""
    state = start(config, data())
    state.step = step
    before = copy.deepcopy(state.model)
    x = pixels(data().train[:64])
    eps = torch.randn(64, 3, generator=torch.Generator().manual_seed(1))
    sums = update_function(state, config, data())(x, eps, config.beta)
    return before, state.model, x, eps, sums


@pytest.mark.parametrize("gradient", ["mean", "sum"])
@pytest.mark.parametrize("cure", ["free_bits", "capacity"])
def test_the_gradient_is_that_of_the_penalty(cure: str, gradient: str):
    given = dict(free_bits=dict(free_bits=0.02, beta=2.5))
    given["capacity"] = dict(capacity=0.5, gamma=5.0)  # C is 0.2 at step 2 of 5
    config = settings(**given[cure], gradient=gradient)
    before, model, x, eps, sums = first_update(config, step=2)
    recon, kl = terms(before, x, eps)
    if cure == "free_bits":
        means = kl.mean(0)
        assert (means < 0.02).any()
        assert (means > 0.02).any()
        penalty = 2.5 * torch.stack([m if m > 0.02 else m * 0 + 0.02 for m in means])
        total = recon.mean() + penalty.sum()
    else:
        below = 0.2 - kl.sum(1).mean()
        assert below > 0
        total = recon.mean() + 5.0 * below
    expected = torch.stack((recon.mean(), kl.sum(1).mean(), total))
    torch.testing.assert_close(sums / 64, expected, rtol=1e-5, atol=1e-5)
    total.backward()
    scale = 64 if gradient == "sum" else 1
    for p, own in zip(model.parameters(), before.parameters(), strict=True):
        assert p.grad is not None
        assert own.grad is not None
        torch.testing.assert_close(p.grad / scale, own.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "adagrad"])
def test_the_encoder_is_updated_alone(optimizer: str):
    config = settings(encoder_updates=4, optimizer=optimizer, weight_prior="normal")
    state = start(config, data())
    before = copy.deepcopy(state.model)
    losses: list[float] = []

    def loss(x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        recon, kl = terms(state.model, x, eps)
        return recon, (recon + kl.sum(1)).mean()

    x = pixels(data().train[:64])
    eps = torch.randn(64, 3, generator=torch.Generator().manual_seed(1))
    losses.append(loss(x, eps)[1].item())
    n = catch_up(state, config, data(), loss, x, eps)
    losses.append(loss(x, eps)[1].item())
    assert n == 4
    assert losses[1] < losses[0]
    for (name, p), own in zip(
        state.model.named_parameters(), before.parameters(), strict=True
    ):
        of_decoder = name.startswith(("decoder", "fc_out"))
        assert torch.equal(p, own) == of_decoder, name
        steps = state.optimizer.state[p].get("step", torch.tensor(0.0))
        assert (steps == 0) == of_decoder


def test_the_encoder_is_left_alone_when_it_no_longer_gains():
    """The loss at the step's own images falls twice, and then it does not."""
    config = settings(encoder_updates=100)
    state, seen = start(config, data()), []
    planned = iter([9.0, None, 8.0, None, 7.0, None, 7.0])

    def loss(x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        value = next(planned)
        recon, _ = terms(state.model, x, eps)
        seen.append(x)
        return recon, recon.mean() if value is None else torch.tensor(value)

    x, eps = pixels(data().train[:64]), torch.zeros(64, 3)
    assert catch_up(state, config, data(), loss, x, eps) == 3
    assert [torch.equal(each, x) for each in seen] == [True, False] * 3 + [True]
    assert not torch.equal(seen[1], seen[3])


def test_at_nan_the_encoder_is_left_alone():
    config = settings(encoder_updates=100)
    state = start(config, data())

    def loss(x: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
        total = state.model.encode(x)[0].mean() * torch.nan
        return total, total

    x, eps = pixels(data().train[:64]), torch.zeros(64, 3)
    assert catch_up(state, config, data(), loss, x, eps) == 1


# Whole runs


def test_what_is_off_changes_nothing_bit_for_bit():
    """Gamma alone is not used, and free bits of no size are the bound itself."""
    state, rows = trained(settings())
    again, other = trained(settings(gamma=3.0, free_bits=0.0, capacity=0.0))
    assert_same(again, state)
    assert other == rows
    assert state["losses"].shape == (5, 2)
    tiny, almost = trained(settings(free_bits=1e-30))
    assert tiny["losses"].shape == (5, 3)
    found = [[row[name] for row in almost] for name in ("recon", "kl", "total")]
    for values, name in zip(found, ("recon", "kl", "total"), strict=True):
        assert values == pytest.approx([row[name] for row in rows], rel=1e-4)


@pytest.mark.parametrize("given", CURES)
def test_training_goes_on_from_any_update_bit_for_bit(given: dict[str, Any]):
    config = settings(**given)
    state, rows = trained(config)
    for stop in (3, 6, 9):
        first = start(config, data())
        events = updates(first, data(), config)
        for _ in range(stop):
            next(events)
        again = start(config, data())
        again.load_state_dict(first.state_dict())
        ends = [e for e in updates(again, data(), config) if isinstance(e, EpochEnd)]
        assert_same(again.state_dict(), state)
        assert [{**end.row, "seconds": 0} for end in ends] == rows[-len(ends) :]


@pytest.mark.parametrize("given", CURES)
def test_the_row_has_the_same_columns_and_the_total_that_is_minimised(
    given: dict[str, Any],
):
    config = settings(**given)
    state = start(config, data())
    events = list(updates(state, data(), config))
    end = events[-1]
    steps = [e for e in events if isinstance(e, Update)][-5:]
    assert isinstance(end, EpochEnd)
    row = end.row
    assert set(row) == set(trained(settings(epochs=1))[1][0])
    assert row["kl"] == pytest.approx(end.kl_per_latent.sum().item())
    assert row["neg_elbo"] == row["recon"] + row["kl"]
    sums = torch.stack([e.sums for e in steps]).double().sum(0) / 300
    assert row["train_recon"] == pytest.approx(sums[0].item())
    assert row["train_kl"] == pytest.approx(sums[1].item())

    if config.free_bits:
        penalty = row["beta"] * end.kl_per_latent.clamp(min=0.4).sum().item()
    elif config.capacity:
        c = capacity_at(config, data(), state.step - 1)
        with torch.no_grad():
            _, kl = terms(state.model, pixels(data().test), torch.zeros(100, 3))
        penalty = config.gamma * abs(kl.sum(1).mean().item() - c)
    else:
        assert row["total"] == row["recon"] + row["beta"] * row["kl"]
        assert row["train_total"] == row["train_recon"] + row["beta"] * row["train_kl"]
        return
    assert row["total"] == pytest.approx(row["recon"] + penalty, rel=1e-5)
    assert row["train_total"] == pytest.approx(sums[2].item())


def test_free_bits_keep_latents_awake():
    """With a strong KL term latents fall asleep; the free ones use what is free."""
    _, [*_, asleep] = trained(settings(epochs=10, beta=50.0))
    _, [*_, awake] = trained(settings(epochs=10, beta=50.0, free_bits=0.5))
    assert asleep["kl"] < 0.5
    assert awake["kl"] == pytest.approx(1.5, abs=0.4)


def test_capacity_sets_the_rate():
    given = dict(gamma=100.0, beta_warmup=5.0, epochs=20)
    for nats in (2.0, 4.0):
        _, [*_, row] = trained(settings(capacity=nats, **given))
        assert row["kl"] == pytest.approx(nats, abs=0.3)


def test_a_model_before_its_first_update_has_a_total():
    config = settings(capacity=4.0)
    state = start(config, data())
    end = measure(state, data(), config, 1.0, torch.Generator(), 0.0)
    assert end.row["total"] > end.row["recon"]  # C is 0 there
