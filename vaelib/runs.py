"""Folders of runs: create a run, find it again, open it and load its model.

A run lies in PROJECT_DIR/GROUP/NAME; PROJECT_DIR/GROUP/latest points to the newest one.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from vaelib import config as configs
from vaelib import files
from vaelib.config import TrainConfig
from vaelib.data import ImageData
from vaelib.model import VAE
from vaelib.runfiles import Run, RunError, load_checkpoint, unreadable


def create(config: TrainConfig, data: ImageData) -> Run:
    """Create the folder of a new run, with run_meta.json in it.

    Without a name, the run gets the next free one: run-001, run-002, ... `latest` of
    the group then points to it. Raises `RunError` if there is a run already, and
    `OSError` if the folder cannot be written; nothing is left behind then.
    """
    number = 1
    while True:
        if config.save_dir:
            path = Path(config.save_dir)
        else:
            path = group_folder(config) / (config.name or f"run-{number:03d}")
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        try:
            run = claim(Run(path, config), data)
        except RunError:
            if config.name or config.save_dir:
                raise
            number += 1
        except OSError:
            with suppress(OSError):
                (path / ".lock").unlink()
            for folder in missing:
                with suppress(OSError):
                    folder.rmdir()
            raise
        else:
            if not config.save_dir:
                point_latest(path)
            return run


def claim(run: Run, data: ImageData) -> Run:
    """Write the first files of a run into its folder, which must be empty.

    Hidden files do not count: a killed process may have left them. The folder is
    locked meanwhile, so that no other process can claim it.
    """
    taken = RunError(
        f"{run.path} is not an empty folder: "
        f"give another name, or resume it: --resume {run.path}."
    )
    if run.path.exists() and (not run.path.is_dir() or visible(run.path)):
        raise taken
    run.path.mkdir(parents=True, exist_ok=True)
    with run.lock():
        if visible(run.path):  # another process was faster
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
    """Return the files and folders in a folder that are not hidden."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def group_folder(config: TrainConfig) -> Path:
    """Return PROJECT_DIR/GROUP; the default group is the name of the data set."""
    return Path(config.project_dir) / (config.group or config.dataset.partition(":")[0])


def point_latest(path: Path) -> None:
    """Make `latest` of the group point to a run.

    It is a relative symbolic link, or the file latest.txt if links are not allowed.
    """
    link = path.with_name("latest")
    part = path.with_name(f".latest.{os.getpid()}.part")
    try:
        part.symlink_to(path.name)
        part.replace(link)
    except OSError:
        part.unlink(missing_ok=True)
        files.write(link.with_suffix(".txt"), f"{path.name}\n".encode())


def find(path: str | Path) -> Path:
    """Return the folder of a run; `.../latest` may also be the file latest.txt.

    Raises `RunError` if the folder is not that of a run.
    """
    path = Path(path)
    note = path.with_suffix(".txt")
    if path.name == "latest" and not path.exists() and note.exists():
        path = path.with_name(note.read_text(errors="replace").strip())
    if not (path / "run_meta.json").is_file():
        raise RunError(
            f"{path} contains no run_meta.json: "
            "give a run's folder, such as reports/mnist/latest."
        )
    return path


def open_run(path: str | Path) -> Run:
    """Return the run in a folder, with its settings but without its log.

    `Run.load_state` and `Run.restore` read the log. Raises `RunError` if the folder is
    not that of a run or if its settings are damaged.
    """
    path = find(path)
    try:
        meta = json.loads((path / "run_meta.json").read_text(encoding="utf-8"))
        return Run(path, configs.from_dict(meta["config"]))
    except Exception as error:
        raise unreadable(path / "run_meta.json", error) from None


def load(run: str | Path) -> tuple[VAE, TrainConfig]:
    """Return the model of a run, on the CPU, and its settings.

    `run`: the folder of a run, for the model after the last epoch, or one checkpoint.
    No code in the file is run. Raises `RunError` if there is no checkpoint, or if it
    is damaged or was not written by vaelib.

    Example:

    >>> from vaelib import TrainConfig, load
    >>> from vaelib.train import train
    >>> config = TrainConfig(
    ...     dataset="sprites", image_size=8, hidden_dim=(8,), latent_dim=2, epochs=1
    ... )
    >>> run = train(config, quiet=True)
    >>> model, settings = load(run.path)
    >>> model.latent_dim, settings.epochs
    (2, 1)
    """
    file = Path(run)
    if not file.is_file():
        folder = find(file)
        checkpoints = sorted(folder.glob("vae_epoch_*.pt"))
        if not checkpoints:
            raise RunError(
                f"{folder} has no checkpoint yet: "
                f"train it for an epoch with --resume {folder}."
            )
        file = checkpoints[-1]
    model, saved = load_checkpoint(file)
    return model, configs.from_dict(saved["config"])
