"""Playground: training, its controls and its thread, without a page."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vaelib import ImageData, State, TrainConfig, runs, start, training, updates
from vaelib.config import ConfigError
from vaelib.data import DataError
from vaelib.widgets import Playground
from vaelib.widgets.session import UPDATES_PER_POINT
from vaelib.widgets.weights import pack


def are_equal(a: State, b: State) -> bool:
    """Return whether all parameters of two models are equal, bit for bit."""
    pairs = zip(a.model.parameters(), b.model.parameters(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def train(playground: Playground, steps: int | None = None) -> None:
    """Train and wait for the end."""
    playground.train(steps)
    playground.wait()


def thread_count() -> int:
    """Return the number of threads of all Playgrounds."""
    return sum(thread.name == "Playground" for thread in threading.enumerate())


# Training


def test_results_do_not_depend_on_how_often_they_are_shown(
    playground: Playground, data: ImageData
):
    playground.panel.observe(
        lambda change: playground.session.pictures(playground.session.mean_kl()),
        "frame",
    )
    for _ in range(20):  # shown after each update
        playground.step()
        playground.wait()
    other = Playground(playground.config, data)
    train(other, 20)
    assert are_equal(playground.session.state, other.session.state)
    assert playground.session.curve() == other.session.curve()
    assert playground.panel.pictures == other.panel.pictures
    assert len(playground.session.points) == 20 // UPDATES_PER_POINT
    other.close()


def test_training_gives_the_numbers_of_the_command_line(
    playground: Playground, config: TrainConfig, data: ImageData
):
    train(playground)
    state = start(config, data)
    *_, end = updates(state, data, config)
    assert isinstance(end, training.EpochEnd)
    last = playground.session.ends[-1]
    assert are_equal(playground.session.state, state)
    assert playground.session.finished
    assert (last.recon, last.kl) == (end.recon, end.kl)


def test_state_of_a_paused_training_does_not_depend_on_time(playground: Playground):
    train(playground, 15)
    frame = playground.panel.frame
    assert (frame["running"], frame["rate"], frame["step"]) == (False, 0, 15)
    assert playground.explorer.network == pack(playground.session.state.model)
    settings = "your data, bce_logits, 4 latents, beta 1, 15 updates"
    assert repr(playground) == f"Playground({settings})"


# Controls


def test_changes_of_beta_are_recorded_and_can_be_repeated(
    playground: Playground, data: ImageData
):
    for beta, steps in ((1.0, 5), (8.0, 13), (0.25, 7)):
        playground.steer(beta=beta)
        train(playground, steps)
    config = playground.session.config
    assert (config.beta, config.beta_changes) == (1.0, "5:8.0,18:0.25")

    state = start(config, data)
    betas = []
    for update in updates(state, data, config):
        if isinstance(update, training.Update):
            betas.append(update.beta)
            if update.step == 25:
                break
    assert are_equal(playground.session.state, state)
    assert betas == 5 * [1.0] + 13 * [8.0] + 7 * [0.25]


def test_numbers_may_be_text_as_a_page_sends_them(playground: Playground):
    playground.step()
    playground.steer(beta="0")
    playground.wait()
    assert playground.session.config.beta_changes == "1:0.0"
    playground.steer(seed=str(2**63 - 1))
    playground.wait()
    assert playground.session.config.seed == 2**63 - 1
    assert playground.panel.settings["seed"] == str(2**63 - 1)


def test_the_number_of_training_images_is_a_control_and_is_named(
    playground: Playground, data: ImageData
):
    assert playground.panel.choices["train_images"] == [1000, 10_000, 20_000, 0]
    assert "images" not in playground.session.label
    playground.steer(train_images="40")
    train(playground)
    session = playground.session
    assert (session.config.train_images, session.steps) == (40, 5)
    assert torch.equal(session.data.train, data.train[:40])
    assert torch.equal(session.data.test, data.test)
    assert session.label.startswith("your data, 40 images, bce_logits, 4 latents")
    assert playground.panel.settings["train_images"] == 40
    state = start(session.config, data.first(train=40))
    for _ in updates(state, data.first(train=40), session.config):
        pass
    assert are_equal(session.state, state)

    playground.steer(train_images=97)
    with pytest.raises(DataError, match=r"^train_images is 97, but tensors has 96"):
        playground.wait()
    playground.steer(train_images=0)
    playground.wait()
    assert len(playground.session.data.train) == 96


def test_many_training_images_are_named_with_commas(config: TrainConfig):
    images = torch.zeros(10_000, 1, 2, 2, dtype=torch.uint8)
    big = Playground(replace(config, train_images=10_000), ImageData(images, images))
    assert big.session.label.startswith("your data, 10,000 images, ")
    big.close()


def test_beta_before_the_first_update_is_not_a_change(playground: Playground):
    playground.steer(beta=3.0)
    playground.wait()
    config = playground.session.config
    assert (config.beta, config.beta_changes) == (3.0, "")


@pytest.mark.parametrize(
    "settings",
    [
        dict(loss="gaussian"),
        dict(latent_dim=2),
        dict(beta_schedule="cyclic"),
        dict(seed=7),
        dict(train_images=40),
        dict(dataset="sprites, RGB"),
    ],
)
def test_other_settings_start_a_new_model_and_keep_the_curve(
    playground: Playground, settings: dict[str, Any]
):
    train(playground, 10)
    old = playground.session
    playground.steer(**settings)
    playground.wait()
    new, network = playground.session, playground.explorer.network
    assert new is not old
    assert new.state.step == 0
    [ghost] = playground.panel.ghosts
    assert (ghost["curve"], ghost["label"]) == (old.curve(), old.label)
    is_comparable = "loss" not in settings and "dataset" not in settings
    assert (ghost["unit"] == new.unit) == is_comparable
    assert network["decoder"][0] == settings.get("latent_dim", 4)
    assert network["shape"] == list(new.data.shape)


def test_a_replaced_model_comes_back_as_it_was(playground: Playground):
    train(playground, 10)
    playground.steer(beta=2.0)
    train(playground, 5)
    old, settings = playground.session, playground.panel.settings
    images = playground.panel.pictures
    assert playground.panel.frame["former"] == ""
    playground.steer(latent_dim=2)
    playground.steer(dataset="sprites, RGB", seed=7)  # the one between is not trained
    train(playground)
    assert playground.panel.frame["former"] == f"{old.label}, 15 updates"
    new = playground.session
    for _ in range(2):  # there, and back, and there
        playground.undo()
        playground.wait()
        assert playground.session is old
        assert playground.panel.settings == settings
        assert playground.panel.pictures == images
        assert playground.explorer.network == pack(old.state.model)
        assert [ghost["label"] for ghost in playground.panel.ghosts] == [new.label]
        playground.undo()
        playground.wait()
        assert playground.session is new
    playground.undo()
    train(playground, 3)
    assert old.state.step == 18
    assert old.config.beta_changes == "10:2.0"


def test_training_can_be_resumed_from_a_kept_run(
    playground: Playground, data: ImageData, tmp_path: Path
):
    train(playground, 17)
    playground.steer(beta=2.0)
    playground.keep()
    playground.wait()
    [kept] = playground.panel.kept
    run = runs.open_run(kept["path"])
    resume = f"vaelib.cli train --resume {run.path.resolve().as_posix()}"
    assert kept["command"].endswith(resume)
    model, config = runs.load(run.path)
    assert Path(kept["path"]) == tmp_path / "kept" / "run-001"
    assert config == run.config == playground.session.config
    assert (config.beta_changes, kept["step"]) == ("17:2.0", 17)
    log = (run.path / "curves/train_log.csv").read_text().splitlines()
    assert len(log) == 1 + 1  # the header and the one epoch that is finished
    assert all(picture.is_file() for picture in run.pictures(1).values())
    present = playground.session.state.model.parameters()
    for ours, theirs in zip(model.parameters(), present, strict=True):
        assert torch.equal(ours, theirs)

    state = start(config, data)
    run.restore(state, data)
    for _ in updates(state, data, config):
        pass
    train(playground)
    assert are_equal(state, playground.session.state)


def test_messages_of_the_page_do_what_the_methods_do(playground: Playground):
    answers = []
    playground.panel.send = lambda content, buffers=None: answers.append(content)
    playground.on_message(playground.panel, {"do": "hello"}, [])
    assert answers == [{"here": True}]
    playground.on_message(playground.panel, {"set": {"beta": 4}}, [])
    playground.on_message(playground.panel, {"do": "step"}, [])
    playground.on_message(playground.panel, {"do": "close"}, [])  # not a button
    playground.wait()
    assert playground.session.state.step == 1
    assert playground.panel.settings["beta"] == 4.0
    assert not playground.worker.closed


# Threads


def test_no_thread_is_left_behind(config: TrainConfig, data: ImageData):
    long = replace(config, epochs=100_000)
    first = Playground(long, data)
    assert thread_count() == 0
    first.train()
    assert thread_count() == 1
    second = Playground(long, data)  # as if the cell was run again
    first.wait()
    assert thread_count() == 0
    assert first.session.state.step < 12 * 100_000

    second.train()
    first.train()
    second.wait()
    assert thread_count() == 1
    first.pause()
    first.wait()

    first.train()
    first.close()
    second.close()
    assert thread_count() == 0
    first.train()  # without effect, because it is closed
    assert thread_count() == 0


# Errors


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            dict(dataset="cifar"),
            "dataset is 'cifar': give one of mnist, fashion_mnist, sprites, "
            "sprites, RGB, your data.",
        ),
        (
            dict(beta=-1.0),
            "beta is -1.0: give a number of at least 0 and at most 1e+06.",
        ),
        (
            dict(beta="-1"),
            "beta is -1.0: give a number of at least 0 and at most 1e+06.",
        ),
        (dict(beta=""), "beta is '': give a number."),
        (dict(seed=""), "seed is '': give a whole number."),
        (dict(seed="3.5"), "seed is '3.5': give a whole number."),
        (
            dict(seed="-1"),
            "seed is -1: give a number of at least 0 and at most 9.22337e+18.",
        ),
        (
            dict(seed=str(2**63)),
            f"seed is {2**63}: give a number of at least 0 and at most 9.22337e+18.",
        ),
        (
            dict(epochs=3),
            "epochs has no control: give dataset, beta, beta_schedule, loss, "
            "latent_dim, train_images, seed, free_bits, capacity, gamma, "
            "encoder_updates.",
        ),
    ],
)
def test_an_error_is_shown_in_one_sentence_and_raised_by_wait(
    playground: Playground, settings: dict[str, Any], message: str
):
    playground.steer(latent_dim=2)
    playground.wait()
    before = playground.session
    playground.train(3)
    playground.steer(**settings)
    with pytest.raises(ConfigError, match=re.escape(message)):
        playground.wait()
    assert playground.panel.frame["message"] == message
    assert playground.session is before
    assert before.state.step == 3  # training went on
    playground.step()
    playground.wait()
    assert playground.panel.frame["message"] == ""


@pytest.mark.parametrize(
    "given",
    [
        dict(objective="iwae"),
        dict(samples=5),
    ],
)
def test_objectives_that_it_does_not_draw_are_refused(given: Any, data: ImageData):
    with pytest.raises(ConfigError, match=r"the Playground trains by .* leave it out"):
        Playground(TrainConfig(**given), data)


def test_data_have_a_name_or_are_refused_in_one_sentence(data: ImageData):
    assert "your data" in repr(Playground(data=data))
    with pytest.raises(DataError, match=r"^data is of type Tensor: give ImageData\("):
        Playground(data=data.train)  # pyright: ignore


def test_a_loss_that_is_not_finite_is_shown_until_a_reset(
    config: TrainConfig, data: ImageData
):
    diverging = Playground(replace(config, lr=1e6, epochs=1000), data)
    diverging.train()
    with pytest.raises(training.Diverged):
        diverging.wait()
    message = diverging.panel.frame["message"]
    assert "the loss is not finite at step" in message
    train(diverging)  # without effect
    assert diverging.panel.frame["message"] == message
    diverging.steer(beta=0)
    diverging.wait()
    assert diverging.panel.frame["message"] == message
    diverging.reset()
    diverging.step()
    diverging.wait()
    assert diverging.panel.frame["message"] == ""
    diverging.undo()
    diverging.wait()
    assert diverging.panel.frame["message"] == message
    diverging.close()


def test_a_very_long_curve_is_thinned(playground: Playground):
    session = playground.session
    session.points = [(float(step), 1.0, 2.0, 3.0) for step in range(100_000)]
    curve = torch.frombuffer(bytearray(session.curve()), dtype=torch.float32)
    steps = curve.reshape(-1, 4)[:, 0]
    assert len(steps) == 4001
    assert steps[[0, 1, -1]].tolist() == [0, 25, 99_999]


def test_a_large_model_is_shown_less_often(
    playground: Playground, monkeypatch: pytest.MonkeyPatch
):
    """So that most of the time is for training."""
    session = playground.session
    pictures = session.pictures
    monkeypatch.setattr(session, "pictures", lambda kl: time.sleep(0.3) or pictures(kl))
    began = time.monotonic()
    playground.refresh()
    assert playground.refresh_due - time.monotonic() > 0.5
    assert playground.weights_due - began > 0.5
