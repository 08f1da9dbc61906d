"""The files of one run: checkpoints, pictures, log, settings, and the state to resume.

A run is a folder with these files:

- `run_meta.json`: all settings, facts about the data set, versions.
- `state.pt`: everything that the next update needs. It is written last, so an epoch
  counts as finished only if `state.pt` contains it.
- `vae_epoch_0000.pt`: one checkpoint per epoch, weights and settings.
- `curves/train_log.csv`, `curves/losses.png`: one row per epoch, and their plot.
- `reconstructions/`, `samples/`, `traversals/`: one picture per epoch.
"""

from __future__ import annotations

import csv
import io
import json
import platform
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

import vaelib
from vaelib import files
from vaelib.checkpoints import (
    RunError,
    facts_of,
    load_checkpoint,
    require_complete,
    require_dicts,
    require_fit,
    unreadable,
)
from vaelib.config import TrainConfig
from vaelib.data import ImageData, pixels
from vaelib.losses import title
from vaelib.model import VAE
from vaelib.training import EpochEnd, State, require_finite, steps_per_epoch

COLUMNS = (
    "epoch",
    "beta",
    "recon",
    "kl",
    "total",
    "neg_elbo",
    "train_recon",
    "train_kl",
    "train_total",
    "seconds",
)


class RunLocked(RunError):
    """Another process is training the run."""


@dataclass
class Run:
    """Folder, settings and log of one run, and facts about its data set."""

    path: Path
    config: TrainConfig
    rows: list[dict[str, float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the log: objective iwae adds minus its bound at beta = 1."""
        return (*COLUMNS, "neg_iwae") if self.config.objective == "iwae" else COLUMNS

    @contextmanager
    def lock(self):
        """Lock the folder while the `with` block runs.

        Raises `RunLocked` if another process has locked it.
        """
        try:
            with FileLock(self.path / ".lock", timeout=0):
                yield
        except Timeout:
            raise RunLocked(
                f"{self.path} is being trained by another process: "
                "wait for it, or stop it."
            ) from None

    def checkpoint(self, epoch: int) -> Path:
        """Return the path of the checkpoint of an epoch, counted from 0."""
        return self.path / f"vae_epoch_{epoch:04d}.pt"

    def pictures(self, epoch: int) -> dict[str, Path]:
        """Return the paths of an epoch's pictures by kind."""
        kinds = ("reconstructions", "samples", "traversals")
        return {kind: self.path / kind / f"epoch_{epoch:04d}.png" for kind in kinds}

    def record(self, end: EpochEnd, state: State, data: ImageData) -> None:
        """Add a finished epoch to the log and write its files."""
        self.rows.append(end.row)
        self.write(end, state, data)

    def write(self, end: EpochEnd, state: State, data: ImageData) -> None:
        """Write checkpoint, pictures and log of an epoch, and `state.pt` last."""
        weights = state.model.state_dict()
        saved = dict(
            config=asdict(self.config),
            dataset=facts_of(data),
            shape=list(data.shape),
            epoch=end.epoch,
            weights={name: tensor.cpu() for name, tensor in weights.items()},
            noise=end.noise,
            kl_per_latent=end.kl_per_latent,
        )
        files.write_tensors(self.checkpoint(end.epoch), saved)
        self.write_pictures(end.epoch, state.model, saved, data)
        self.write_log(data)
        self.save_state(state, data)

    def save_state(self, state: State, data: ImageData) -> None:
        """Write `state.pt`, from which training resumes with the same numbers.

        Raises `Diverged` if the loss of an update in this epoch is not finite.
        """
        require_finite(state, steps_per_epoch(self.config, data))
        saved = dict(state=state.content(), rows=self.rows)
        files.write_tensors(self.path / "state.pt", saved)

    def load_state(self, state: State | None = None) -> bool:
        """Read the log, and `state` if it is given, from `state.pt`.

        Returns False if there is no such file: the run was stopped before the end of
        its first epoch and starts again. Raises `RunError` if the file is damaged.
        """
        file = self.path / "state.pt"
        if not file.exists():
            return False
        try:
            saved = files.read_tensors(file)
            require_dicts(saved["state"], *saved["rows"])
            rows = [{key: row[key] for key in self.columns} for row in saved["rows"]]
            require_complete(rows, saved["state"]["epoch"])
            if state:
                require_fit(state, saved["state"])
                state.load_state_dict(saved["state"])
            self.rows = rows
        except Exception as error:
            raise unreadable(file, error) from None
        return True

    def restore(self, state: State, data: ImageData) -> None:
        """Read `state` and the log from `state.pt`, and repair the other files.

        A process that was killed may have left partial files, an old log, or an epoch
        without pictures.
        """
        if not self.load_state(state):
            self.remove_partial_files()
            return
        incomplete = [
            epoch
            for epoch in range(len(self.rows))
            if self.checkpoint(epoch).exists()
            and not all(picture.exists() for picture in self.pictures(epoch).values())
        ]
        for epoch in incomplete:  # before anything is written
            load_checkpoint(self.checkpoint(epoch))

        self.remove_partial_files()
        self.write_log(data)
        for epoch in incomplete:
            self.write_pictures(epoch, *load_checkpoint(self.checkpoint(epoch)), data)

    def remove_partial_files(self) -> None:
        """Remove the temporary files that a killed process left."""
        for part in self.path.rglob(".*.part"):
            part.unlink(missing_ok=True)

    @torch.no_grad()
    def write_pictures(
        self, epoch: int, model: VAE, saved: dict[str, Any], data: ImageData
    ) -> None:
        """Write the pictures of an epoch.

        `saved`: content of its checkpoint, with `noise` (64, J) for the samples and
        `kl_per_latent` (J,) for the order of the traversals.
        """
        from vaelib import plotting  # with matplotlib, after the first epoch

        device = next(model.parameters()).device
        images = data.test[:16].to(device)
        x = pixels(images)
        mu, _ = model.encode(x)
        paths = self.pictures(epoch)

        note = f"epoch {epoch}: images above their reconstructions"
        figure = plotting.reconstructions(
            x.unflatten(1, data.shape), model.images(mu), note
        )
        files.write_figure(paths["reconstructions"], figure)

        note = f"epoch {epoch}: samples from the prior"
        figure = plotting.samples(model.images(saved["noise"].to(device)), note)
        files.write_figure(paths["samples"], figure)

        if model.latent_dim == 2:
            figure = plotting.manifold(model)
        else:
            figure = plotting.traversals(model, mu[0], saved["kl_per_latent"])
        files.write_figure(paths["traversals"], figure)

    def write_log(self, data: ImageData) -> None:
        """Write `curves/train_log.csv` and, if there are rows, `curves/losses.png`."""
        text = io.StringIO(newline="")
        log = csv.writer(text, lineterminator="\n")
        log.writerow(self.columns)
        for row in self.rows:
            log.writerow([round(row[column], 6) for column in self.columns])

        folder = self.path / "curves"
        files.write(folder / "train_log.csv", text.getvalue().encode())
        if self.rows:
            from vaelib import plotting

            figure = plotting.curves(self.rows, title(self.config.loss, data.binary))
            files.write_figure(folder / "losses.png", figure)

    def write_meta(self, data: ImageData) -> None:
        """Write `run_meta.json`: settings, data set, versions and the time."""
        self.facts = facts_of(data)
        versions = dict(
            vaelib=vaelib.__version__,
            torch=torch.__version__,
            python=platform.python_version(),
        )
        meta = dict(
            config=asdict(self.config),
            dataset=self.facts,
            versions=versions,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        text = json.dumps(meta, indent=2, ensure_ascii=False) + "\n"
        # A path may have bytes that are no text; JSON has escapes for them as well.
        content = text.encode(errors="backslashreplace")
        files.write(self.path / "run_meta.json", content)
