"""Run the experiments of Figs 2 and 3, and of Chapters 12 and 13, into book/results.

`make paper` calls `python book/experiments.py book/experiments.toml WORK OUT`, which
trains one run on each core. It may be stopped at any time: each run goes on from its
last point, and one that the tables in OUT have to its end is not trained again. Points
are 1, 2 and 5 times 10,000 images, 100,000 images and so on.

Of the step sizes 0.01, 0.02 and 0.1 a run takes the one with the best training bound
after 100,000 images: "based on performance on the training set in the first few
iterations", sec. 5. The runs of Chapters 12 and 13 have a learning rate of their own.
"""

from __future__ import annotations

import argparse
import csv
import io
import multiprocessing
import os
import platform
import sys
import threading
import time
import tomllib
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from math import ceil
from pathlib import Path
from statistics import mean

import torch

from vaelib import EpochEnd, TrainConfig, Update, __version__, files, start, updates
from vaelib.data import DataError, ImageData
from vaelib.errors import error_message, exit_status
from vaelib.paper.experiments import (
    columns,
    dataset,
    is_iwae,
    is_whole,
    measure,
    number,
)
from vaelib.presets import PRESETS
from vaelib.sweeps import grid

STEP_SIZES = (0.01, 0.02, 0.1)
FIRST = 100_000  # images after which the step size is chosen
SAVE_EVERY = 10  # seconds of training: an epoch of 1,000 images takes less
POINTS = [n * 10**k for k in range(4, 8) for n in (1, 2, 5)]  # images, 10^4 to 5 x 10^7
FACTS = dict(
    vaelib=__version__,
    torch=str(torch.__version__),
    machine=f"{platform.machine()} (1 of {os.cpu_count()} cores)",
)
SWITCHED = "iwae_switched"
MNIST_IMAGES = 60_000


def read(file: Path) -> dict[str, list[tuple[TrainConfig, int]]]:
    """Return for each figure its runs, each with the number of images to train on."""
    tables = tomllib.loads(file.read_text("utf-8"))
    found = {}
    for figure, table in tables.items():
        if figure == "collapse":
            cures = table.pop("cures")
            runs = [run for cure in cures for run in grid(**(table | cure))]
            found[figure] = [(run, run.epochs * run.train_images) for run in runs]
            continue
        if is_iwae(figure):
            runs = grid(**(PRESETS["iwae"] | table), zipped=True)
            n = {run: run.train_images or MNIST_IMAGES for run in runs}
            found[figure] = [(run, run.epochs * n[run]) for run in runs]
            continue
        images = table.pop("images")
        runs = grid(**(PRESETS["paper"] | table))
        found[figure] = [(run, images[run.method]) for run in runs]
    return found


def first_stage(
    config: TrainConfig, figures: dict[str, list[tuple[TrainConfig, int]]]
) -> tuple[TrainConfig, int]:
    """Return the run of table iwae from which a run of iwae_switched goes on.

    It has the objective of the other run of its table.
    """
    switched, runs = figures[SWITCHED], figures["iwae"]
    other = next(run for run, _ in switched if run.objective != config.objective)
    wanted = other.objective, other.samples
    return next(each for each in runs if (each[0].objective, each[0].samples) == wanted)


def train(
    figure: str,
    config: TrainConfig,
    images: float,
    file: Path,
    first: tuple[TrainConfig, int, Path] | None = None,
) -> Path:
    """Train until `images`, measure at each point, and keep all of it in `file`.

    `first`: a run of table iwae, its number of images and its file. It is trained, if
    it is not yet, and this run goes on from its weights.
    """
    torch.set_num_threads(1)
    data = dataset(config, figure)
    rows, seconds, seen, lr = [], 0.0, 0, config.lr
    saved = files.read_tensors(file) if file.exists() else None
    if saved:
        rows, seconds, seen, lr = (saved[n] for n in ("rows", "seconds", "seen", "lr"))
    elif not is_whole(figure):
        trials = {lr: replace(config, lr=lr) for lr in STEP_SIZES}
        few = min(FIRST, int(images))
        lr = max(trials, key=lambda lr: first_bound(trials[lr], data, few))
    # The end of a run is the same for all, unless its schedule depends on it.
    epochs = config.epochs if is_whole(figure) else ceil(POINTS[-1] / len(data.train))
    config = replace(config, lr=lr, epochs=epochs)
    state = start(config, data)
    if saved:
        state.load_state_dict(saved["state"])
    elif first:
        weights = files.read_tensors(train("iwae", *first))["state"]["model"]
        state.model.load_state_dict(weights)

    end = epochs * len(data.train)
    todo = [point for point in sorted({*POINTS, end}) if seen < point <= images]
    events, began = updates(state, data, config), time.perf_counter()
    while todo:
        event = next(events)
        seen += 0 if isinstance(event, EpochEnd) else event.images
        is_point, now = seen >= todo[0], time.perf_counter()
        if not is_point and now - began < SAVE_EVERY:
            continue
        seconds += now - began
        if is_point:
            found = measure(figure, state.model, config, data, seen == end)
            row = {name: asdict(config)[name] for name in columns(figure)[0]} | FACTS
            rows.append(row | dict(images=seen, seconds=seconds) | found)
            todo.pop(0)
        progress = dict(rows=rows, seconds=seconds, seen=seen, lr=lr)
        files.write_tensors(file, dict(state=state.state_dict()) | progress)
        began = time.perf_counter()
    return file


def first_bound(config: TrainConfig, data: ImageData, images: int) -> float:
    """Return the mean training bound in the last tenth of the first `images`."""
    steps = images // config.batch_size
    config = replace(config, epochs=ceil(images / len(data.train)))
    events = updates(start(config, data), data, config)
    bounds = [-(e.recon + e.kl) for e in events if isinstance(e, Update)][:steps]
    return mean(bounds[-steps // 10 :])


def table(folder: Path, figure: str, file: Path) -> bytes:
    """Return the rows of all runs of a figure as CSV.

    A run that `file`, the table so far, has further than `folder` keeps its rows.
    """
    runs, (settings, found) = rows_of(figure, file), columns(figure)
    measured = (*found, "seconds")
    for saved in folder.glob(f"{figure}-*.pt"):
        rows = files.read_tensors(saved)["rows"]
        if not rows:
            continue
        if rows[-1]["images"] >= images_of(runs, key := key_of(figure, rows[-1])):
            runs[key] = [
                row | {name: round(row[name], 3) for name in measured} for row in rows
            ]
    text = io.StringIO()
    names = [*settings, "images", *measured, *FACTS]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for key in sorted(runs):
        writer.writerows(runs[key])
    return text.getvalue().encode()


def rows_of(figure: str, file: Path) -> dict[tuple, list[dict]]:
    """Return the rows of a table for each of its runs; none where there is no file."""
    runs: dict[tuple, list[dict]] = {}
    if file.exists():
        for row in csv.DictReader(io.StringIO(file.read_text("utf-8"))):
            runs.setdefault(key_of(figure, row), []).append(row)
    return runs


def key_of(figure: str, row: dict) -> tuple:
    """Return what tells a run from the others of its figure."""
    return tuple(number(str(row[name])) for name in columns(figure)[0][:-1])


def images_of(runs: dict[tuple, list[dict]], key: tuple) -> int:
    """Return the number of images that a run of a table was trained on."""
    return int(runs[key][-1]["images"]) if key in runs else 0


def follow_parent() -> None:
    """Let a worker end when the main process does, however that ended."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def file_of(folder: Path, figure: str, config: TrainConfig) -> Path:
    """Return the file of a run."""
    values = [f"{name}={getattr(config, name)}" for name in columns(figure)[0][:-1]]
    return folder / f"{figure}-{'-'.join(values)}.pt"


def command(args: argparse.Namespace) -> int:
    """Train what is left, and write the tables."""
    figures = read(args.file)
    args.work.mkdir(parents=True, exist_ok=True)
    context, failed = multiprocessing.get_context("spawn"), list[BaseException]()
    with ProcessPoolExecutor(args.workers, context, follow_parent) as pool:
        for figure, runs in figures.items():
            if args.only and figure not in args.only:
                continue
            try:
                dataset(runs[0][0], figure)
            except DataError as error:  # of the Frey faces, which are not ours to give
                print(f"{figure} is left out: {error}", flush=True)
                continue
            out = args.out / f"{figure}.csv"
            known, futures = rows_of(figure, out), []
            for config, images in runs:
                end, first = min(images, args.images), None
                if images_of(known, key_of(figure, asdict(config))) >= end:
                    continue
                if figure == SWITCHED:
                    before, needed = first_stage(config, figures)
                    first = before, needed, file_of(args.work, "iwae", before)
                file = file_of(args.work, figure, config)
                futures.append(pool.submit(train, figure, config, end, file, first))
            for future in as_completed(futures):
                if error := future.exception():  # the other runs go on
                    print(
                        f"a run of {figure} failed: {error_message(error)}", flush=True
                    )
                    failed.append(error)
                    continue
                print(f"{future.result().stem} is done", flush=True)
                files.write(out, table(args.work, figure, out))
    if failed:
        raise failed[0]
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="make paper", description=__doc__)
    parser.add_argument("file", type=Path, help="the runs, a TOML file")
    parser.add_argument("work", type=Path, help="a folder for what is trained")
    parser.add_argument("out", type=Path, help="the folder for the tables")
    parser.add_argument(
        "--only", nargs="+", metavar="FIGURE", help="fig2, collapse, ..."
    )
    parser.add_argument(
        "--images", type=float, default=1e9, help="stop each run here (default: never)"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    args = parser.parse_args(argv)
    return exit_status(parser.prog, lambda: command(args))


if __name__ == "__main__":
    sys.exit(main())
