"""Folders of runs: create a run, find it again, open it and load its model.

A run lies in PROJECT_DIR/GROUP/NAME; PROJECT_DIR/GROUP/latest points to the newest one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from vaelib import files
from vaelib.checkpoints import (
    config_of,
    load_checkpoint,
    require_same_data,
    unreadable,
)
from vaelib.checks import path_of
from vaelib.config import TrainConfig
from vaelib.data import ImageData, load_dataset
from vaelib.model import VAE
from vaelib.runfiles import Run, RunError


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
    link, note = path.with_name("latest"), path.with_name("latest.txt")
    part = path.with_name(f".latest.{os.getpid()}.part")
    try:
        part.symlink_to(path.name)
        part.replace(link)
        note.unlink(missing_ok=True)
    except OSError:  # no links here, or `latest` is a folder
        part.unlink(missing_ok=True)
        files.write(note, f"{path.name}\n".encode())
        if link.is_symlink() or link.is_file():
            link.unlink()


def newest(latest: Path) -> Path:
    """Return the folder of the run to which `latest` of a group points.

    `latest` may be a link, the file latest.txt, a file with the name of the run, which
    git makes of a link on Windows, or a copy of the run, where a program that copied
    the group followed the link.
    """
    if latest.is_symlink():
        return latest
    note = latest.with_name("latest.txt")
    note = note if note.is_file() else latest
    if note.is_file():
        return latest.parent / Path(note.read_text(errors="replace").strip()).name

    meta = latest / "run_meta.json"
    for other in sorted(latest.parent.glob("*/run_meta.json")):
        is_copy = meta.is_file() and other.read_bytes() == meta.read_bytes()
        if is_copy and other != meta:
            return other.parent
    return latest


def find(path: str | Path) -> Path:
    """Return the folder of a run, to which `latest` of a group may point.

    Raises `RunError` if the folder is not that of a run.
    """
    path = path_of(path)
    if path.name == "latest":
        path = newest(path)
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
        facts = meta.get("dataset", {})
        return Run(path, config_of(meta), facts=dict(facts))
    except Exception as error:
        raise unreadable(path / "run_meta.json", error) from None


def load(run: str | Path) -> tuple[VAE, TrainConfig]:
    """Return the model of a run, on the CPU, and its settings.

    `run`: the folder of a run, for the model after the last epoch, or one checkpoint,
    also the `.safetensors` of a training in a page. No code in the file is run. Raises
    `RunError` if there is no checkpoint, or if it is damaged or was not written by
    vaelib.

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
    model, saved = load_checkpoint(find_checkpoint(run))
    return model, config_of(saved)


def find_checkpoint(run: str | Path) -> Path:
    """Return the file of a checkpoint: `run` itself, or the last one in its folder.

    Raises `RunError` if there is none.
    """
    file = path_of(run)
    if file.parent.name == "latest":
        file = newest(file.parent) / file.name
    if file.is_file() and file.name != "latest":
        return file
    folder = find(file)
    epochs = {
        int(found[1]): path
        for path in folder.iterdir()
        if (found := re.fullmatch(r"vae_epoch_(\d+)\.pt", path.name))
    }
    if not epochs:
        raise RunError(
            f"{folder} has no checkpoint yet: "
            f"train it for an epoch with --resume {folder}."
        )
    return epochs[max(epochs)]


def load_with_data(
    run: str | Path, dataset: str = "", data_dir: str = ""
) -> tuple[VAE, TrainConfig, ImageData]:
    """Return the model of a run, its settings, and the data set it was trained on.

    `dataset` and `data_dir` say where the data are now, if they have moved. Raises as
    `load` and `load_data` do.
    """
    file = find_checkpoint(run)
    model, saved = load_checkpoint(file)
    config = moved(config_of(saved), dataset, data_dir)
    facts = saved.get("dataset")
    if facts is None and (file.parent / "run_meta.json").is_file():  # version 0.1.0
        facts = open_run(file.parent).facts
    return model, config, load_data(config, facts or {})


def moved(config: TrainConfig, dataset: str = "", data_dir: str = "") -> TrainConfig:
    """Return settings with another place of the data; an empty text changes nothing."""
    places = dict(dataset=dataset, data_dir=data_dir)
    return replace(config, **{name: place for name, place in places.items() if place})


def load_data(config: TrainConfig, facts: dict[str, Any]) -> ImageData:
    """Return the data set that a run with these settings and facts was trained on.

    A folder of pictures is also looked for where it was when the run was trained.
    Raises DataError if the data cannot be loaded, and RunError if they have changed.
    """
    was = facts.get("source")
    is_gone = not path_of(config.dataset.partition(":")[2]).is_dir()
    if config.is_folder and is_gone and isinstance(was, str) and Path(was).is_dir():
        config = replace(config, dataset=f"folder:{was}")
    data = load_dataset(*config.data_source)
    require_same_data(facts, data)
    return data
