"""The run layout PROJECT_DIR/GROUP/NAME: checkpoints, log, pictures; files that are whole or not there; resume; load."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import platform
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

import vaelib
from vaelib import config as configs
from vaelib import files, plotting
from vaelib.config import TrainConfig
from vaelib.data import ImageData, pixels
from vaelib.losses import title
from vaelib.model import VAE
from vaelib.training import EpochEnd, State, build, require_finite, steps_per_epoch

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


class RunError(ValueError):
    """A run that cannot be made, continued or read; the message is one sentence."""


class Held(RunError):
    """A run that another process is training."""


@dataclass
class Run:
    """One run's folder, its settings and its log."""

    path: Path
    config: TrainConfig
    rows: list[dict[str, float]] = field(default_factory=list)

    @contextmanager
    def lock(self):
        """Holds the folder against a second process. Raises: Held where another one has it."""
        try:
            with FileLock(self.path / ".lock", timeout=0):
                yield
        except Timeout:
            raise Held(
                f"{self.path} is being trained by another process: wait for it, or stop it."
            ) from None

    def record(self, end: EpochEnd, state: State, data: ImageData) -> None:
        """Writes an epoch that has ended, and its line in the log."""
        self.rows.append(end.row)
        self.write(end, state, data)

    def write(self, end: EpochEnd, state: State, data: ImageData) -> None:
        """Writes checkpoint, pictures, log, and last of all state.pt, which makes it count."""
        weights = {
            name: tensor.cpu() for name, tensor in state.model.state_dict().items()
        }
        saved = dict(
            config=dataclasses.asdict(self.config),
            shape=list(data.shape),
            epoch=end.epoch,
            weights=weights,
            noise=end.noise,
            kl_per_latent=end.kl_per_latent,
        )
        files.write_tensors(self.checkpoint(end.epoch), saved)
        self.draw(end.epoch, state.model, saved, data)
        self.write_log(data)
        self.save(state, data)

    def save(self, state: State, data: ImageData) -> None:
        """Writes state.pt, from which training goes on as if nothing had happened. Raises: Diverged for a broken state."""
        require_finite(state, steps_per_epoch(self.config, data))
        files.write_tensors(
            self.path / "state.pt", dict(state=state.state_dict(), rows=self.rows)
        )

    def recall(self, state: State | None = None) -> bool:
        """Brings the rows, and `state`, to where state.pt was written; False where there is none. Raises: RunError."""
        file = self.path / "state.pt"
        if not file.exists():  # stopped before its first epoch ended: it begins again
            return False
        try:
            saved = files.read_tensors(file)
            if state:
                state.load_state_dict(saved["state"])
            self.rows = [{key: row[key] for key in COLUMNS} for row in saved["rows"]]
        except Exception as error:
            raise unreadable(file, error) from None
        return True

    def sweep_up(self) -> None:
        """Removes the halves of files that a kill left."""
        for part in self.path.rglob(".*.part"):
            part.unlink(missing_ok=True)

    def restore(self, state: State, data: ImageData) -> None:
        """Brings `state` and the log to where state.pt was written, and makes good what a kill left undone."""
        self.sweep_up()
        if not self.recall(state):
            return
        self.write_log(data)
        for row in self.rows:
            epoch = int(row["epoch"])
            if self.checkpoint(epoch).exists() and not all(
                p.exists() for p in self.pictures(epoch).values()
            ):
                self.draw(epoch, *load_checkpoint(self.checkpoint(epoch)), data)

    def checkpoint(self, epoch: int) -> Path:
        """The weights and settings after an epoch; epochs count from 0."""
        return self.path / f"vae_epoch_{epoch:04d}.pt"

    def pictures(self, epoch: int) -> dict[str, Path]:
        """An epoch's pictures by kind."""
        return {
            kind: self.path / kind / f"epoch_{epoch:04d}.png"
            for kind in ("reconstructions", "samples", "traversals")
        }

    @torch.no_grad()
    def draw(
        self, epoch: int, model: VAE, saved: dict[str, Any], data: ImageData
    ) -> None:
        """Draws an epoch's pictures of `model`, with the noise and the KL per latent `saved` in its checkpoint."""
        device = next(model.parameters()).device
        images = data.test[:16].to(device)
        mu, _ = model.encode(pixels(images))
        paths = self.pictures(epoch)
        note = f"epoch {epoch}: images above their reconstructions"
        files.write_figure(
            paths["reconstructions"],
            plotting.reconstructions(images / 255, model.images(mu), note),
        )
        samples = plotting.samples(
            model.images(saved["noise"].to(device)),
            f"epoch {epoch}: samples from the prior",
        )
        files.write_figure(paths["samples"], samples)
        if model.latent_dim == 2:
            files.write_figure(paths["traversals"], plotting.manifold(model))
        else:
            files.write_figure(
                paths["traversals"],
                plotting.traversals(model, mu[0], saved["kl_per_latent"]),
            )

    def write_log(self, data: ImageData) -> None:
        """Writes curves/train_log.csv and curves/losses.png from the rows."""
        text = io.StringIO(newline="")
        log = csv.writer(text, lineterminator="\n")
        log.writerow(COLUMNS)
        log.writerows(
            [round(row[column], 6) for column in COLUMNS] for row in self.rows
        )
        files.write(self.path / "curves" / "train_log.csv", text.getvalue().encode())
        if self.rows:
            files.write_figure(
                self.path / "curves" / "losses.png",
                plotting.curves(self.rows, title(self.config.loss, data.binary)),
            )

    def write_meta(self, data: ImageData) -> None:
        """Writes run_meta.json: all settings, the data set's facts, versions, the time."""
        facts = dict(
            name=data.name,
            shape=data.shape,
            train=len(data.train),
            test=len(data.test),
            classes=data.classes,
            source=data.source,
            licence=data.licence,
            binarize=data.binarize,
        )
        versions = dict(
            vaelib=vaelib.__version__,
            torch=torch.__version__,
            python=platform.python_version(),
        )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        meta = dict(
            config=dataclasses.asdict(self.config),
            dataset=facts,
            versions=versions,
            created=now,
        )
        files.write(
            self.path / "run_meta.json",
            (json.dumps(meta, indent=2, ensure_ascii=False) + "\n").encode(),
        )


def create(config: TrainConfig, data: ImageData) -> Run:
    """A new run's folder with run_meta.json in it, and `latest` pointing at it; without a name, the next free number.

    Raises: RunError where there is a run already; OSError, nothing left behind, where the folder cannot be written.
    """
    number = 1
    while True:
        path = (
            Path(config.save_dir)
            if config.save_dir
            else group_folder(config) / (config.name or f"run-{number:03d}")
        )
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        try:
            run = begin(Run(path, config), data)
        except RunError:
            if config.name or config.save_dir:
                raise
            number += 1
        except OSError:
            for undo in (
                (path / ".lock").unlink,
                *(folder.rmdir for folder in missing),
            ):
                with suppress(OSError):
                    undo()
            raise
        else:
            if not config.save_dir:
                point_latest(path)
            return run


def begin(run: Run, data: ImageData) -> Run:
    """Takes a folder that is empty, but for hidden files that a kill may have left, while no other process can."""
    taken = RunError(
        f"{run.path} is not an empty folder: give another name, or go on with it: --resume {run.path}."
    )
    if run.path.exists() and (not run.path.is_dir() or visible(run.path)):
        raise taken
    run.path.mkdir(parents=True, exist_ok=True)
    with run.lock():
        if visible(run.path):  # another process was quicker
            raise taken
        try:
            run.write_meta(data)
            run.write_log(data)
        except OSError:
            for left in visible(run.path):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            raise
    return run


def visible(folder: Path) -> list[Path]:
    """What a folder holds, but for hidden files."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def group_folder(config: TrainConfig) -> Path:
    """PROJECT_DIR/GROUP; the group is by default the data set's name."""
    return Path(config.project_dir) / (config.group or config.dataset.partition(":")[0])


def point_latest(path: Path) -> None:
    """<group>/latest -> the run, as a relative symlink, or latest.txt where symlinks fail."""
    link = path.with_name("latest")
    part = path.with_name(f".latest.{os.getpid()}.part")
    try:
        part.symlink_to(path.name)
        part.replace(link)
    except OSError:
        part.unlink(missing_ok=True)
        files.write(link.with_suffix(".txt"), f"{path.name}\n".encode())


def find(path: str | Path) -> Path:
    """A run's folder; `.../latest` is followed also where it is latest.txt. Raises: RunError."""
    path = Path(path)
    if (
        path.name == "latest"
        and not path.exists()
        and (note := path.with_suffix(".txt")).exists()
    ):
        path = path.with_name(note.read_text(errors="replace").strip())
    if not (path / "run_meta.json").is_file():
        raise RunError(
            f"{path} holds no run_meta.json: give a run's folder, such as reports/mnist/latest."
        )
    return path


def open_run(path: str | Path) -> Run:
    """The run in a folder, with its settings but not yet its log (`restore` reads that). Raises: RunError."""
    path = find(path)
    try:
        meta = json.loads((path / "run_meta.json").read_text(encoding="utf-8"))
        return Run(path, configs.from_dict(meta["config"]))
    except Exception as error:
        raise unreadable(path / "run_meta.json", error) from None


def load(run: str | Path) -> tuple[VAE, TrainConfig]:
    """Model (on the CPU) and settings of a run's folder, at its last epoch, or of one checkpoint file.

    Raises: RunError, one sentence, where there is none or where it is damaged or foreign. No code in it is ever run.
    """
    file = Path(run)
    if not file.is_file():
        folder = find(file)
        checkpoints = sorted(folder.glob("vae_epoch_*.pt"))
        if not checkpoints:
            raise RunError(
                f"{folder} has no checkpoint yet: train it for an epoch with --resume {folder}."
            )
        file = checkpoints[-1]
    model, saved = load_checkpoint(file)
    return model, configs.from_dict(saved["config"])


def load_checkpoint(file: Path) -> tuple[VAE, dict[str, Any]]:
    """The model and all else in one vae_epoch_XXXX.pt. Raises: RunError."""
    try:
        saved = files.read_tensors(file)
        with torch.device("meta"):  # no memory is taken on the word of a foreign file
            model = build(configs.from_dict(saved["config"]), tuple(saved["shape"]))
        model.load_state_dict(saved["weights"], assign=True)
        return model, saved
    except Exception as error:
        raise unreadable(file, error) from None


def unreadable(file: Path, error: Exception) -> Exception:
    """What is said of a file that cannot be used."""
    if isinstance(error, OSError):
        return error
    why = (
        str(error).splitlines()[0]
        if isinstance(error, configs.ConfigError)
        else type(error).__name__
    )
    return RunError(
        f"{file} is damaged, or was not written by this version of vaelib ({why}); nothing was changed."
    )
