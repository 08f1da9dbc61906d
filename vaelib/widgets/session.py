"""One model in training with a beta that may change: its curves, images and record."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaelib.config import TrainConfig
from vaelib.data import ImageData, pixels
from vaelib.errors import error_message
from vaelib.losses import kl_per_latent, title
from vaelib.model import standard_normal
from vaelib.plotting import decoded, thinned, traversal
from vaelib.runs import create
from vaelib.training import (
    Diverged,
    EpochEnd,
    Update,
    measure,
    schedule,
    start,
    steps_per_epoch,
    updates,
)
from vaelib.widgets.panel import as_json, check_playable

# A point of a curve is the mean of so many updates: it must not depend on the moments
# at which the curve is drawn.
UPDATES_PER_POINT = 5
MOST_POINTS = 4000  # of a curve that is sent to the page
IMAGES = 10  # test images that are reconstructed
SAMPLES = 30
TRAVERSED, TRAVERSAL_IMAGES = 5, 11  # latents, and images of each
KL_IMAGES = 250  # test images for the bars
SCHEDULE_POINTS = 101  # values of beta in the plot of its schedule


class Session:
    """Model in training, with its curves, its settings and all changes of beta.

    The settings contain the changes of beta, so training can be repeated exactly.
    """

    def __init__(self, config: TrainConfig, data: ImageData, name: str) -> None:
        check_playable(config)
        self.config, self.data, self.name = config, data, name
        self.steps = steps_per_epoch(config, data)
        self.state = start(config, data)
        self.update_schedule()
        self.events = updates(self.state, data, config, lambda step: self.beta(step))
        self.finished = False  # True if no update can follow
        self.failure = ""  # why, if the last epoch is not over

        # Rows of step, reconstruction, KL and beta: since the last point, and points.
        self.recent: list[tuple[float, ...]] = []
        self.points: list[tuple[float, ...]] = []
        self.ends: list[EpochEnd] = []

        # Not the generator of the training: what is shown must not change a result.
        rng = torch.Generator().manual_seed(config.seed)
        self.noise = standard_normal(SAMPLES, config.latent_dim, rng=rng)

    @property
    def label(self) -> str:
        """Short description of the settings."""
        c = self.config
        betas = " → ".join(f"{beta:g}" for beta in c.beta_by_step().values())
        plan = "" if c.beta_schedule == "none" else f" {c.beta_schedule}"
        images = f", {c.train_images:,} images" if c.train_images else ""
        model = f"{self.name}{images}, {c.loss}, {c.latent_dim} latents"
        if c.free_bits:
            model += f", free bits {c.free_bits:g}"
        if c.capacity:
            model += f", capacity {c.capacity:g}, γ {c.gamma:g}"
        if c.encoder_updates:
            model += f", {c.encoder_updates} encoder updates"
        return f"{model}, β {betas}{plan}, seed {c.seed}"

    @property
    def summary(self) -> str:
        """Short description of the settings, with the number of updates."""
        return f"{self.label}, {self.state.step} updates"

    @property
    def unit(self) -> str:
        """Unit of the losses: only losses with the same unit can be compared.

        These are cross-entropies of one data set, or densities of one data set.
        """
        kind = title(self.config.loss, self.data.binary)
        return f"{self.name}: {'density' if 'Gaussian' in kind else kind}"

    def settings(self) -> dict[str, Any]:
        """Return all settings, with the binarization that the data have."""
        return as_json(replace(self.config, binarize=self.data.binarize))

    def ghost(self) -> dict[str, Any]:
        """Return the curve, to be shown beside that of another model."""
        return dict(label=self.label, unit=self.unit, curve=self.curve())

    def update_schedule(self) -> None:
        """Compute the schedule of beta from the settings."""
        self.beta = schedule(self.config, self.data)
        last = self.config.epochs * self.steps - 1
        steps = [
            round(i * last / (SCHEDULE_POINTS - 1)) for i in range(SCHEDULE_POINTS)
        ]
        self.plan = [self.beta(step) for step in steps]

    def change_beta(self, beta: float) -> None:
        """Use another beta from the next update on, and record the change."""
        first, *later = (self.config.beta_by_step() | {self.state.step: beta}).items()
        changes = ",".join(f"{step}:{value!r}" for step, value in later)
        self.config = replace(self.config, beta=first[1], beta_changes=changes)
        self.update_schedule()

    def advance(self) -> None:
        """Make one update, and the evaluation if it is the last one of its epoch.

        Raises Diverged if the loss is not finite; then no update can follow.
        """
        self.finished = True  # unless this update succeeds
        update = self.next_event()
        assert isinstance(update, Update)
        self.recent.append((update.step, update.recon, update.kl, update.beta))
        if len(self.recent) == UPDATES_PER_POINT:
            self.points.append((update.step, *np.mean(self.recent, 0)[1:]))
            self.recent.clear()

        if update.step % self.steps == 0:
            end = self.next_event()
            assert isinstance(end, EpochEnd)
            self.ends.append(end)
        self.finished = self.state.epoch == self.config.epochs

    def next_event(self) -> Update | EpochEnd:
        """Return the next event of the training, or record why there is none."""
        try:
            return next(self.events)
        except Diverged as error:
            self.failure = error_message(error)
            raise

    def keep(self) -> dict[str, Any]:
        """Write the model as a run, from which training can be resumed.

        Return its folder, the command that resumes it from any folder, and the present
        terms on the test images. Within an epoch, the checkpoint has the number of that
        epoch, and the log ends with the one before. Raises RunError or OSError if the
        run cannot be written.
        """
        if self.ends and self.ends[-1].step == self.state.step:
            end = self.ends[-1]
        else:
            end = self.evaluate()
        run = create(self.config, self.data)
        run.rows = [past.row for past in self.ends]
        with run.lock():
            run.write(end, self.state, self.data)
        folder = run.path.resolve().as_posix()
        resume = [sys.executable, "-m", "vaelib.cli", "train", "--resume", folder]
        about = dict(path=run.path.as_posix(), label=self.label, step=end.step)
        about["command"] = shlex.join(resume)
        return about | dict(recon=end.recon, kl=end.kl, neg_elbo=end.recon + end.kl)

    def evaluate(self) -> EpochEnd:
        """Return the terms on the test images, without a change of the training."""
        rng = torch.Generator().manual_seed(self.config.seed)
        beta = self.beta(self.state.step)
        started = time.perf_counter()
        return measure(self.state, self.data, self.config, beta, rng, started)

    # What is shown

    def with_test_images(self, n: int) -> ImageData:
        """Return the data with only the first `n` test images."""
        return self.data.first(test=n)

    def test_images(self) -> bytes:
        """Return the test images whose reconstructions are shown."""
        return self.data.test[:IMAGES].numpy().tobytes()

    def curve(self) -> bytes:
        """Return the points (step, reconstruction, KL, beta) as 32-bit floats.

        Of very many points, every second, third, ... is returned.
        """
        return np.array(thinned(self.points, MOST_POINTS), np.float32).tobytes()

    def status(self) -> dict[str, Any]:
        """Return the progress, the terms after each epoch, and sizes of the images."""
        step, c = self.state.step, self.config
        return dict(
            step=step,
            steps=self.steps,
            epochs=c.epochs,
            over=self.finished,
            beta=self.beta(step),
            tests=[[end.step, end.recon, end.kl] for end in thinned(self.ends)],
            term=title(c.loss, self.data.binary),
            unit=self.unit,
            label=self.label,
            shape=list(self.data.shape),
            sheet=[IMAGES, SAMPLES, min(TRAVERSED, c.latent_dim), TRAVERSAL_IMAGES],
        )

    @torch.no_grad()
    def mean_kl(self) -> Tensor:
        """Return the mean KL (J,) of each latent over some test images, in nats.

        A value that is not finite becomes 0.
        """
        return kl_per_latent(*self.encode(KL_IMAGES)).mean(0).cpu().nan_to_num(0, 0, 0)

    @torch.no_grad()
    def pictures(self, kl: Tensor) -> bytes:
        """Return reconstructions, samples and traversals as bytes.

        Samples come from the same noise each time. The latents with the most KL are
        traversed, about the mean of the first image.
        """
        mu, _ = self.encode(IMAGES)
        strongest = kl.argsort(descending=True)[:TRAVERSED].to(mu.device)
        moved = traversal(mu[0], steps=TRAVERSAL_IMAGES, latents=strongest)
        z = torch.cat((mu, self.noise.to(mu.device), moved.flatten(0, 1)))
        return decoded(self.state.model, z).numpy().tobytes()

    def encode(self, n: int) -> tuple[Tensor, Tensor]:
        """Return the mean and log variance (n, J) of the first `n` test images."""
        images = self.data.test[:n].to(self.state.losses.device)
        return self.state.model.encode(pixels(images))
