"""One model in training under a hand that may change beta: what it has gone through, what of it is shown, how it is kept."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.config import TrainConfig
from vaelib.data import ImageData, pixels
from vaelib.losses import kl_per_latent, title
from vaelib.plotting import traversal
from vaelib.runs import Run, create
from vaelib.training import (
    EpochEnd,
    Update,
    measure,
    schedule,
    start,
    steps_per_epoch,
    updates,
)

EVERY = 5  # updates to a point of a curve, their mean: a curve depends on the steps, not on when it was drawn
SHOWN, SAMPLES, ROWS, STEPS = (
    10,
    30,
    5,
    11,
)  # test images, samples, latents traversed and the pictures of each
KL_IMAGES = 250  # test images for the bars
PLAN = 101  # values of beta that draw its schedule


class Session:
    """A model, its curves, and its settings with a record of every change of beta, so that it can be replayed."""

    def __init__(self, config: TrainConfig, data: ImageData, name: str) -> None:
        self.config, self.data, self.name = config, data, name
        self.steps = steps_per_epoch(config, data)
        self.state = start(config, data)
        self.take_beta()
        self.events = updates(self.state, data, config, lambda step: self.beta(step))
        self.over = False  # no update can follow
        self.recent: list[tuple[float, ...]] = []  # step, reconstruction, KL, beta
        self.points: list[tuple[float, ...]] = []
        self.ends: list[EpochEnd] = []
        rng = torch.Generator().manual_seed(
            config.seed
        )  # training draws from another one
        self.noise = torch.randn(SAMPLES, config.latent_dim, generator=rng)

    @property
    def label(self) -> str:
        """The settings in a few words."""
        c = self.config
        beta = "".join(
            f" → {beta:g}" for beta in c.beta_by_step().values()
        ).removeprefix(" → ")
        plan = "" if c.beta_schedule == "none" else f" {c.beta_schedule}"
        return f"{self.name}, {c.loss}, {c.latent_dim} latents, β {beta}{plan}, seed {c.seed}"

    @property
    def unit(self) -> str:
        """What may be compared: cross-entropies of one data set with each other, or densities."""
        kind = title(self.config.loss, self.data.binary)
        return f"{self.name}: {'density' if 'Gaussian' in kind else kind}"

    def take_beta(self) -> None:
        """Beta as the settings have it now."""
        self.beta = schedule(self.config, self.data)
        self.plan = [
            self.beta(round(i * (self.config.epochs * self.steps - 1) / (PLAN - 1)))
            for i in range(PLAN)
        ]

    def change_beta(self, beta: float) -> None:
        """Another beta from the next update on."""
        first, *later = (self.config.beta_by_step() | {self.state.step: beta}).items()
        changes = ",".join(f"{step}:{value!r}" for step, value in later)
        self.config = replace(self.config, beta=first[1], beta_changes=changes)
        self.take_beta()

    def advance(self) -> None:
        """One more update, and the test if an epoch ends with it. Raises: Diverged; no update can follow."""
        self.over = True
        update = next(self.events)
        assert isinstance(update, Update)
        self.recent.append((update.step, update.recon, update.kl, update.beta))
        if len(self.recent) == EVERY:
            self.points.append((update.step, *np.mean(self.recent, 0)[1:]))
            self.recent.clear()
        if update.step % self.steps == 0:
            end = next(self.events)
            assert isinstance(end, EpochEnd)
            self.ends.append(end)
        self.over = self.state.epoch == self.config.epochs

    def keep(self) -> tuple[Run, EpochEnd]:
        """Writes the model as a run, as it is now, from where training can go on; and its test figures of this moment.

        Within an epoch the checkpoint is that epoch's, and the log holds those before it. Raises: RunError, OSError.
        """
        if self.ends and self.ends[-1].step == self.state.step:
            end = self.ends[-1]
        else:  # with noise of its own: keeping a model changes no result
            rng = torch.Generator().manual_seed(self.config.seed)
            end = measure(
                self.state,
                self.data,
                self.config,
                self.beta(self.state.step),
                rng,
                time.perf_counter(),
            )
        run = create(self.config, self.data)
        run.rows = [past.row for past in self.ends]
        with run.lock():
            run.write(end, self.state, self.data)
        return run, end

    # What is shown

    def few(self, n: int) -> ImageData:
        """The data with only the first `n` test images."""
        return replace(self.data, test=self.data.test[:n])

    def fixed(self) -> bytes:
        """The test images whose reconstructions are shown."""
        return self.data.test[:SHOWN].numpy().tobytes()

    def curve(self) -> bytes:
        """Rows of step, reconstruction, KL and beta, as floats."""
        return np.array(self.points, np.float32).tobytes()

    def facts(self) -> dict[str, Any]:
        """Where training is, test figures of the epochs that are over, and what the pictures are."""
        step, c = self.state.step, self.config
        return dict(
            step=step,
            steps=self.steps,
            epochs=c.epochs,
            over=self.over,
            beta=self.beta(step),
            tests=[[end.step, end.recon, end.kl] for end in self.ends],
            term=title(c.loss, self.data.binary),
            unit=self.unit,
            label=self.label,
            shape=list(self.data.shape),
            sheet=[SHOWN, SAMPLES, min(ROWS, c.latent_dim), STEPS],
        )

    @torch.no_grad()
    def kl(self) -> Tensor:
        """Mean KL of each latent over a few test images, nats; 0 where the model is broken."""
        return kl_per_latent(*self.encode(KL_IMAGES)).mean(0).cpu().nan_to_num(0, 0, 0)

    @torch.no_grad()
    def pictures(self, kl: Tensor) -> bytes:
        """Reconstructions, samples from fixed noise, and traversals about the first image of the latents with the most KL."""
        mu, _ = self.encode(SHOWN)
        walks = traversal(mu[0], steps=STEPS)[
            kl.argsort(descending=True)[:ROWS].to(mu.device)
        ]
        images = self.state.model.images(
            torch.cat((mu, self.noise.to(mu.device), walks.flatten(0, 1)))
        )
        return (
            images.nan_to_num(0)
            .mul(255)
            .round()
            .to("cpu", torch.uint8)
            .numpy()
            .tobytes()
        )

    def encode(self, n: int) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q for the first `n` test images."""
        return self.state.model.encode(
            pixels(self.data.test[:n].to(self.state.losses.device))
        )
