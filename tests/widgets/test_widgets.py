"""The widgets without a page: what the browser will compute, what a training under a hand leaves, and no thread."""

from __future__ import annotations

import re
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vaelib import ImageData, State, TrainConfig, runs, start, training, updates
from vaelib.config import ConfigError
from vaelib.losses import kl_per_latent
from vaelib.model import VAE
from vaelib.widgets import LatentExplorer, Playground, frontend
from vaelib.widgets.explorer import FIXED
from vaelib.widgets.session import EVERY
from vaelib.widgets.weights import pack, quantise

WIDGETS = Path(frontend.__file__).parent
NODE = next(iter(Path(sys.executable).parent.glob("node*")), "node")


def digits(n: int = 96, shape: tuple[int, ...] = (1, 6, 6), seed: int = 0) -> ImageData:
    """A small data set of noise with labels."""
    rng = torch.Generator().manual_seed(seed)
    train, test = (
        torch.randint(0, 256, (size, *shape), dtype=torch.uint8, generator=rng)
        for size in (n, 40)
    )
    labels = torch.arange(n) % 3, torch.arange(40) % 3
    return ImageData(train, test, labels=labels, classes=("a", "b", "c"))


CONFIG = TrainConfig(
    dataset="tensors",
    epochs=3,
    batch_size=8,
    hidden_dim=(12,),
    latent_dim=4,
    lr=1e-3,
    lr_schedule="none",
    device="cpu",
)


@pytest.fixture
def playground(tmp_path: Path):
    """Twelve updates to an epoch, three epochs."""
    made = Playground(
        replace(CONFIG, project_dir=str(tmp_path), group="kept"), digits()
    )
    yield made
    made.close()


def weights(state: State) -> list[torch.Tensor]:
    """All parameters of a model in training."""
    return [parameter.detach() for parameter in state.model.parameters()]


def same(a: State, b: State) -> bool:
    """Whether two models are equal, bit for bit."""
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


# Weights


def test_eight_bits_are_off_by_half_a_step_at_most():
    weight = torch.randn(50, 30, generator=torch.Generator().manual_seed(0))
    whole, scale = quantise(weight)
    assert (
        (whole * scale[:, None] - weight).abs()
        <= 0.501 * weight.abs().amax(1, keepdim=True) / 127
    ).all()
    assert quantise(torch.zeros(2, 3))[0].tolist() == [[0, 0, 0], [0, 0, 0]]


def test_a_state_file_is_a_call_with_bytes_in_base64():
    text = frontend.state("a/b", dict(curve=b"\0\xff", ghosts=[dict(curve=b"")]))
    assert (
        text
        == 'vaelibState("a/b", {"curve":{"base64":"AP8="},"ghosts":[{"curve":{"base64":""}}]});\n'
    )


# LatentExplorer


def test_explorer_sends_what_the_page_needs():
    data, model = digits(), VAE((1, 6, 6), (12,), 4)
    explorer = LatentExplorer(model, data)
    mu, logvar = model.encode(data.test.flatten(1) / 255)
    assert explorer.codes["kl"] == pytest.approx(
        kl_per_latent(mu, logvar).mean(0).tolist(), rel=1e-5
    )
    sent = (
        torch.frombuffer(bytearray(explorer.codes["mu"]), dtype=torch.int16).reshape(
            40, 4
        )
        / FIXED
    )
    torch.testing.assert_close(sent, mu.detach(), atol=0.6 / FIXED, rtol=0)
    assert explorer.test["images"] == data.test.numpy().tobytes()
    assert list(explorer.test["labels"]) == (torch.arange(40) % 3).tolist()
    assert repr(explorer) == "LatentExplorer(4 latents)"


def test_explorer_takes_a_run(playground: Playground):
    playground.keep()
    playground.wait()
    [run] = playground.panel.kept
    explorer = LatentExplorer(run["path"], digits())
    assert explorer.network == pack(playground.session.state.model)


def test_explorer_without_data_shows_the_prior():
    explorer = LatentExplorer(VAE((1, 6, 6), (12,), 4))
    assert explorer.test == explorer.codes == {}


def test_explorer_refuses_in_one_sentence(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"\(1, 6, 6\).*\(1, 28, 28\): give"):
        LatentExplorer(VAE(), digits())
    with pytest.raises(ConfigError, match="bits is 4: give 8 or 32"):
        LatentExplorer(VAE(), bits=4)
    with pytest.raises(runs.RunError, match="contains no run_meta"):
        LatentExplorer(tmp_path)


# Playground


def test_same_controls_and_seed_give_the_same_numbers_however_often_they_are_drawn(
    playground: Playground,
):
    playground.panel.observe(
        lambda change: playground.session.pictures(playground.session.kl()), "frame"
    )
    for _ in range(20):
        playground.step()  # drawn after every one
        playground.wait()
    other = Playground(playground.config, digits())
    other.train(20)
    other.wait()
    assert same(playground.session.state, other.session.state)
    assert playground.session.curve() == other.session.curve()
    assert playground.panel.pictures == other.panel.pictures
    assert len(playground.session.points) == 20 // EVERY
    other.close()


def test_training_is_that_of_the_command_line(playground: Playground):
    playground.train()
    playground.wait()
    state = start(CONFIG, digits())
    *_, end = updates(state, digits(), CONFIG)
    assert same(playground.session.state, state)
    assert playground.session.over
    assert isinstance(end, training.EpochEnd)
    assert (playground.session.ends[-1].recon, playground.session.ends[-1].kl) == (
        end.recon,
        end.kl,
    )


def test_changes_of_beta_are_recorded_and_can_be_replayed(playground: Playground):
    for beta, steps in ((1.0, 5), (8.0, 13), (0.25, 7)):
        playground.steer(beta=beta)
        playground.train(steps)
        playground.wait()
    config = playground.session.config
    assert (config.beta, config.beta_changes) == (1.0, "5:8.0,18:0.25")
    state = start(config, digits())
    betas = []
    for update in updates(state, digits(), config):
        if isinstance(update, training.Update):
            betas.append(update.beta)
            if update.step == 25:
                break
    assert same(playground.session.state, state)
    assert betas == 5 * [1.0] + 13 * [8.0] + 7 * [0.25]


def test_beta_before_the_first_update_is_no_change(playground: Playground):
    playground.steer(beta=3.0)
    playground.wait()
    assert (playground.session.config.beta, playground.session.config.beta_changes) == (
        3.0,
        "",
    )


@pytest.mark.parametrize(
    "settings",
    [
        dict(loss="gaussian"),
        dict(latent_dim=2),
        dict(beta_schedule="cyclic"),
        dict(seed=7),
        dict(dataset="sprites, RGB"),
    ],
)
def test_other_controls_begin_a_new_model_and_keep_the_curve(
    playground: Playground, settings: dict[str, Any]
):
    playground.train(10)
    playground.wait()
    old = playground.session
    playground.steer(**settings)
    playground.wait()
    assert playground.session is not old
    assert playground.session.state.step == 0
    [ghost] = playground.panel.ghosts
    assert (ghost["curve"], ghost["label"]) == (old.curve(), old.label)
    assert (ghost["unit"] == playground.session.unit) == (
        "loss" not in settings and "dataset" not in settings
    )
    assert playground.explorer.network["decoder"][0] == settings.get("latent_dim", 4)
    assert playground.explorer.network["shape"] == list(playground.session.data.shape)


def test_a_kept_run_is_a_run_from_which_training_goes_on(
    playground: Playground, tmp_path: Path
):
    playground.train(17)
    playground.wait()
    playground.steer(beta=2.0)
    playground.keep()
    playground.wait()
    [kept] = playground.panel.kept
    run = runs.open_run(kept["path"])
    model, config = runs.load(run.path)
    assert Path(kept["path"]) == tmp_path / "kept" / "run-001"
    assert config == run.config == playground.session.config
    assert (config.beta_changes, kept["step"]) == ("17:2.0", 17)
    assert (
        len((run.path / "curves/train_log.csv").read_text().splitlines()) == 1 + 1
    )  # one epoch is over
    assert all(picture.is_file() for picture in run.pictures(1).values())
    for ours, theirs in zip(
        model.parameters(), playground.session.state.model.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
    state = start(config, digits())
    run.restore(state, digits())
    for _ in updates(state, digits(), config):
        pass
    playground.train()
    playground.wait()
    assert same(state, playground.session.state)


def threads() -> int:
    """Threads of playgrounds that are alive."""
    return sum(thread.name == "Playground" for thread in threading.enumerate())


def test_no_thread_is_left_behind(playground: Playground):
    long = replace(CONFIG, epochs=100_000)
    first = Playground(long, digits())
    assert threads() == 0
    first.train()
    assert threads() == 1
    again = Playground(long, digits())  # as when a cell is run again
    first.wait()
    assert threads() == 0
    assert first.session.state.step < 12 * 100_000
    again.train()
    first.train()
    again.wait()
    assert threads() == 1
    first.pause()
    first.wait()
    first.train()
    first.close()
    again.close()
    assert threads() == 0
    first.train()  # of one that is closed: nothing happens
    assert threads() == 0


def test_what_goes_wrong_is_one_sentence_on_the_panel_and_raised_by_wait(
    playground: Playground,
):
    playground.steer(latent_dim=2)
    playground.wait()
    before = playground.session
    for settings, told in (
        (
            dict(dataset="cifar"),
            "dataset is 'cifar': give one of mnist, fashion_mnist, sprites, sprites, RGB, your data.",
        ),
        (
            dict(beta=-1.0),
            "beta is -1.0: give a number of at least 0 and at most 1e+06.",
        ),
        (
            dict(epochs=3),
            "epochs has no control: give dataset, beta, beta_schedule, loss, latent_dim, seed.",
        ),
    ):
        playground.steer(**settings)
        with pytest.raises(ConfigError, match=re.escape(told)):
            playground.wait()
        assert playground.panel.frame["message"] == told
        assert playground.session is before
    playground.step()
    playground.wait()
    assert playground.panel.frame["message"] == ""


def test_a_loss_that_diverges_is_told(tmp_path: Path):
    broken = Playground(replace(CONFIG, lr=1e6, epochs=1000), digits())
    broken.train()
    with pytest.raises(training.Diverged):
        broken.wait()
    assert "the loss is not finite at step" in broken.panel.frame["message"]
    broken.train()
    broken.wait()
    assert "the loss is not finite at step" in broken.panel.frame["message"]
    broken.reset()
    broken.step()
    broken.wait()
    assert broken.panel.frame["message"] == ""
    broken.close()


def test_messages_of_the_page_do_what_methods_do(playground: Playground):
    answers = []
    playground.panel.send = lambda content, buffers=None: answers.append(content)
    playground.hear(playground.panel, {"do": "hello"}, [])
    assert answers == [{"here": True}]
    playground.hear(playground.panel, {"set": {"beta": 4}}, [])
    playground.hear(playground.panel, {"do": "step"}, [])
    playground.hear(playground.panel, {"do": "close"}, [])  # not a button
    playground.wait()
    assert playground.session.state.step == 1
    assert playground.panel.settings["beta"] == 4.0
    assert not playground.closed


def test_what_is_left_when_training_stands_still_does_not_depend_on_time(
    playground: Playground,
):
    playground.train(15)
    playground.wait()
    frame = playground.panel.frame
    assert (frame["running"], frame["rate"], frame["step"]) == (False, 0, 15)
    assert playground.explorer.network == pack(playground.session.state.model)
    assert (
        repr(playground)
        == "Playground(your data, bce_logits, 4 latents, beta 1, 15 updates)"
    )
