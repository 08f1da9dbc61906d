"""The preset pytorch-examples is the example, number for number; the reference is a plain loop of our own beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from vaelib import EpochEnd, TrainConfig, load_dataset, start, updates
from vaelib.config import PRESETS, from_dict

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import reference

PUBLISHED = (
    128.43,
    116.31,
    112.18,
)  # the real example, seed 1, on a CPU: epochs 1 to 3


def preset(seed: int, epochs: int) -> TrainConfig:
    """The preset with another seed or length."""
    return from_dict(PRESETS["pytorch-examples"] | dict(seed=seed, epochs=epochs))


def ours(config: TrainConfig) -> list[float]:
    """Test losses of the one loop."""
    data = load_dataset()
    return [
        e.row["total"]
        for e in updates(start(config, data), data, config)
        if isinstance(e, EpochEnd)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "epochs"), [(1, 3), (2, 2), (1312, 2)])
def test_preset_is_the_reference_to_four_decimals(
    seed: int, epochs: int, tmp_path: Path
) -> None:
    theirs = [
        loss for loss, _ in reference.train(reference.prepare(tmp_path), epochs, seed)
    ]
    found = ours(preset(seed, epochs))
    assert found == pytest.approx(theirs, abs=5e-5)
    if seed == 1:
        assert found == pytest.approx(
            PUBLISHED, abs=0.3
        )  # processors differ in the last bits, and these grow


def test_samples_are_the_references_samples(tmp_path: Path) -> None:
    """After an epoch both streams stand at the same place: the noise for the sheet of samples is equal bit for bit."""
    data = load_dataset()
    small = type(data)(data.train[:256], data.test[:128])
    config = preset(3, 1)
    (end,) = (
        e
        for e in updates(start(config, small), small, config)
        if isinstance(e, EpochEnd)
    )
    torch.manual_seed(3)
    reference.PlainVAE()
    torch.empty((), dtype=torch.int64).random_()
    torch.empty((), dtype=torch.int64).random_()
    for n in (128, 128):
        torch.randn(n, 20)
    torch.empty((), dtype=torch.int64).random_()
    torch.randn(128, 20)
    assert torch.equal(end.noise, torch.randn(64, 20))
