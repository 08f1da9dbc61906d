"""engine/schedules.js gives beta and the learning rate of vaelib, to the last bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from vaelib.config import TrainConfig
from vaelib.images import ImageData
from vaelib.schedules import learning_rate
from vaelib.training import schedule

RUNS = 200
CODE = """
    return given.runs.map(({ settings, steps, pixels, at }) => at.map((step) => [
        engine.betaAt(settings, step, steps, pixels),
        engine.learningRate(settings, step, steps),
    ]));
"""


def random_config(rng: np.random.Generator) -> TrainConfig:
    """Return settings of schedules, with up to four changes of beta in any order."""
    changes = [
        f"{rng.integers(60)}:{rng.choice(['0', '4', '1e-3', '.5', '2.'])}"
        for _ in range(rng.integers(5))
    ]
    given: dict[str, Any] = dict(
        beta=rng.uniform(0, 8),
        beta_changes=",".join(changes),
        beta_schedule=str(rng.choice(["none", "linear", "cyclic"])),
        beta_warmup=rng.uniform(0.1, 5),
        beta_cycles=int(rng.integers(1, 7)),
        beta_ratio=rng.uniform(0.05, 1),
        reduction=str(rng.choice(["sum", "mean"])),
        epochs=int(rng.integers(1, 9)),
        batch_size=int(rng.integers(1, 20)),
        lr=rng.uniform(1e-4, 1e-1),
        lr_schedule=str(rng.choice(["none", "linear"])),
        lr_warmup=float(rng.choice([0.01, 0.2, 0.5, 1])),
    )
    return TrainConfig(**given)


def test_beta_and_the_learning_rate_are_those_of_vaelib(engine: Callable[..., Any]):
    rng = np.random.default_rng(0)
    image = torch.zeros(1, 3, 5, 7, dtype=torch.uint8)
    runs, expected = [], []
    for _ in range(RUNS):
        config = random_config(rng)
        n = int(rng.integers(1, 200))
        data = ImageData(image.expand(n, -1, -1, -1), image)
        steps = math.ceil(n / config.batch_size)
        total = config.epochs * steps
        at = range(min(total, 100))
        beta, shape = schedule(config, data), (config.lr_schedule, config.lr_warmup)
        expected.append(
            [[beta(i), config.lr * learning_rate(i, total, *shape)] for i in at]
        )
        settings = asdict(config)
        runs.append(dict(settings=settings, steps=steps, pixels=105, at=list(at)))
    assert engine(CODE, "schedules", runs=runs) == expected
