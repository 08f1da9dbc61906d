"""The memory that a run will take, and what is said before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vaelib import ImageData, TrainConfig, memory, start
from vaelib.config import ConfigError
from vaelib.memory import check_memory, count_weights, estimate
from vaelib.state import build
from vaelib.train import train

GIB = 2**30


@pytest.mark.parametrize("loss", ["bce_logits", "gaussian", "logistic"])
@pytest.mark.parametrize("hidden", [(), (7,), (7, 5)])
def test_weights_are_those_of_the_model(loss: str, hidden: tuple[int, ...]):
    config = TrainConfig(hidden_dim=hidden, latent_dim=3, loss=loss)  # pyright: ignore
    model = build(config, (3, 8, 8))
    expected = sum(weight.numel() for weight in model.parameters())
    assert count_weights(config, (3, 8, 8)) == expected


def test_the_parts_of_a_large_run():
    config = TrainConfig(
        "sprites", channels=3, image_size=256, batch_size=1000, hidden_dim=(400,)
    )
    parts = estimate(config, (3, 256, 256), 22_000)
    d = 3 * 256**2
    assert parts["the images"] == 22_000 * d
    assert parts["the model"] == pytest.approx(16 * 2 * 400 * d, rel=0.01)
    assert parts["a mini-batch"] == pytest.approx(1000 * 4.4 * d * 4, rel=0.01)
    assert len(parts) == 4


def test_more_draws_take_more_of_a_mini_batch():
    """All but the encoder is computed for each draw."""
    shape, name = (1, 28, 28), "a mini-batch"
    one, two, ten = (
        estimate(TrainConfig(batch_size=60_000, samples=k), shape, 70_000)[name]
        for k in (1, 2, 10)
    )
    assert ten - two == pytest.approx(8 * (two - one), rel=1e-6)
    assert 1.8 * one < two < 2 * one


def test_an_ordinary_run_needs_no_note():
    assert check_memory(TrainConfig()) == ""
    assert sum(estimate(TrainConfig(), (1, 28, 28), 70_000).values()) < GIB


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        (dict(hidden_dim=(10_000, 10_000)), "the model: a smaller hidden_dim"),
        (dict(image_size=256, batch_size=10_000), "a mini-batch: a smaller batch_size"),
        (dict(image_size=256, channels=3, hidden_dim=(2,)), "the images: a smaller im"),
    ],
)
def test_a_large_run_is_announced(
    settings: dict, advice: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(memory, "machine_memory", lambda: 10_000 * GIB)
    if "image_size" in settings:
        settings = settings | dict(dataset="sprites")
    note = check_memory(TrainConfig(**settings))
    assert note.startswith("this run will take about ")
    assert f"GiB, most of it for {advice}" in note
    assert note.endswith("takes less.")


def test_a_run_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 3 * GIB)
    config = TrainConfig(hidden_dim=(10_000, 10_000))
    with pytest.raises(ConfigError, match=r"there are 3\.0 GiB: a smaller hidden_dim"):
        check_memory(config)
    config = TrainConfig("sprites", image_size=128, batch_size=40_000)
    with pytest.raises(ConfigError, match=r"for a mini-batch, and there are 3\.0 GiB"):
        check_memory(config)
    assert check_memory(config, on_gpu=True) == ""  # its memory is another


def test_no_weights_are_made_for_a_run_that_does_not_fit():
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    config = TrainConfig("tensors", hidden_dim=(10_000,) * 100)
    with pytest.raises(ConfigError, match=r"about 590\.\d GiB"):
        start(config, ImageData(images, images))


def test_no_images_are_loaded_for_a_run_that_does_not_fit(tmp_path: Path):
    """Otherwise the message would be that there is no folder for downloads."""
    (tmp_path / "file").touch()
    place = str(tmp_path / "file")
    config = TrainConfig("fashion_mnist", hidden_dim=(10_000,) * 100, data_dir=place)
    with pytest.raises(ConfigError, match="a smaller hidden_dim"):
        train(config)


def test_the_limit_of_a_container_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    limit, none = tmp_path / "memory.max", tmp_path / "missing"
    limit.write_text("1073741824\n")
    monkeypatch.setattr(memory, "LIMITS", (none, limit))
    assert memory.machine_memory() == GIB
    limit.write_text("max\n")
    assert GIB < memory.machine_memory() < 2**60
