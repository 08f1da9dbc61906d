"""Fixtures of the widget tests: small images, a small configuration, a Playground."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vaelib import ImageData, TrainConfig
from vaelib.widgets import Playground


@pytest.fixture(scope="session")
def data() -> ImageData:
    """Random images of 6 x 6 pixels with labels: 96 to train, 40 to test."""
    rng = torch.Generator().manual_seed(0)
    train, test = (
        torch.randint(0, 256, (size, 1, 6, 6), dtype=torch.uint8, generator=rng)
        for size in (96, 40)
    )
    labels = torch.arange(96) % 3, torch.arange(40) % 3
    return ImageData(train, test, labels=labels, classes=("a", "b", "c"))


@pytest.fixture(scope="session")
def config() -> TrainConfig:
    """Settings of a small model: three epochs of twelve updates."""
    return TrainConfig(
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
def playground(
    config: TrainConfig, data: ImageData, tmp_path: Path
) -> Iterator[Playground]:
    """A Playground that keeps its runs in `tmp_path`."""
    here = replace(config, project_dir=str(tmp_path), group="kept")
    widget = Playground(here, data)
    yield widget
    widget.close()
