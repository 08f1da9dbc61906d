"""Benchmarks of what a user waits for: start, sweeps, and the build of the book."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jupytext
from distributed import Client
from measure import DATA, ROOT, Row, busy_processes, child, in_turn, timed
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from vaelib import ImageData, TrainConfig, start, updates
from vaelib.sweeps import cluster, grids


def bench_start(folder: Path) -> list[Row]:
    """Measure the import and the shortest command against an empty program."""
    commands = {
        "import vaelib": ["-c", "import vaelib"],
        "vaelib --help": ["-m", "vaelib.cli", "--help"],
    }
    rows = []
    for what, command in commands.items():

        def ours(command: list[str] = command) -> float:
            return child(sys.executable, *command)[0]

        def empty() -> float:
            return child(sys.executable, "-c", "pass")[0]

        o, t, _ = in_turn(ours, empty, 9)
        figures = f"{1000 * o:.0f} ms", f"{1000 * t:.0f} ms", f"{t / o:.2f}"
        rows.append(Row(f"{what} (against python -c pass)", *figures))
    return rows


# Programs that end at their first update.
COMMAND = """
import os, sys
from vaelib import train
train.Bar.show = lambda *_: os._exit(0)
train.main(["--project-dir", sys.argv[1]])
"""
KERNEL = "import ipykernel.zmqshell"  # what is there before the first cell
NOTEBOOK = f"""
import os
{KERNEL}
from vaelib import TrainConfig, load_dataset, training
whole = training.updates
def updates(*given):
    next(whole(*given))
    os._exit(0)
training.updates = updates
from vaelib.chapter import fit
fit(TrainConfig(), load_dataset())
"""


def bench_first(folder: Path) -> list[Row]:
    """Measure the time to the first update, without that of importing torch."""

    rows = []
    cases = ("vaelib train", COMMAND, "pass"), ("a notebook", NOTEBOOK, KERNEL)
    for where, code, before in cases:

        def ours(code: str = code) -> float:
            return child(sys.executable, "-c", code, str(folder))[0]

        def bare(before: str = before) -> float:
            code = f"{before}\nimport os, torch\nos._exit(0)"
            return child(sys.executable, "-c", code)[0]

        o, t, _ = in_turn(ours, bare, 5)
        what = f"to the first update, beside torch's import, {where}"
        rows.append(Row(what, f"{o - t:.2f} s", goal="at most 0.4 s"))

    def first_update(config: TrainConfig, data: ImageData) -> float:
        began = time.perf_counter()  # a worker has no module of ours but vaelib
        next(updates(start(config, data), data, config))
        return time.perf_counter() - began

    with cluster.local_cluster(1) as one, Client(one) as client:
        client.wait_for_workers(1)
        found: Any = client.run(first_update, TrainConfig(), DATA)
    (seconds,) = found.values()
    what = "from a task to its first update, a sweep's worker"
    return [*rows, Row(what, f"{seconds:.2f} s", goal="at most 0.4 s")]


MEMORY = """
import psutil
print(psutil.Process().memory_info().rss)
"""


def bench_memory(folder: Path) -> list[Row]:
    """Measure the memory of a kernel at the end of a chapter."""
    rows = []
    for chapter, goal in (("00_quick_start", 700), ("15_playground", 800)):
        notebook = jupytext.read(ROOT / "notebooks" / f"{chapter}.md")
        notebook.cells.append(last := new_code_cell(MEMORY))
        NotebookClient(notebook, timeout=600).execute(cwd=str(ROOT / "notebooks"))
        used = f"{int(last.outputs[0].text) / 2**20:.0f} MiB"
        what = f"memory of the kernel at the end of {chapter}"
        rows.append(Row(what, used, goal=f"at most {goal} MiB"))
    return rows


def bench_load(folder: Path) -> list[Row]:
    """Measure whole chapters beside four processes that never rest, against alone."""
    rows = []
    for chapter in ("00_quick_start", "05_the_variational_auto_encoder"):
        notebook = jupytext.read(ROOT / "notebooks" / f"{chapter}.md")
        client = NotebookClient(notebook, timeout=600)

        def alone(client: NotebookClient = client) -> float:
            return timed(lambda: client.execute(cwd=str(ROOT / "notebooks")))

        def beside_others(alone: Callable[[], float] = alone) -> float:
            with busy_processes(4):
                return alone()

        busy, quiet, ratio = in_turn(beside_others, alone, 3)
        figures = f"{busy:.1f} s", f"{quiet:.1f} s", f"{ratio:.2f}"
        what = f"{chapter} beside four busy processes, against alone"
        rows.append(Row(what, *figures, "at least 0.33"))
    return rows


def bench_sweep(folder: Path) -> list[Row]:
    """Measure the reference grid at 2 epochs: `vaelib sweep` against a shell's loop.

    The second row says what a worker of two threads is worth against two workers.
    """
    where = ["--epochs", "2", "--project-dir", str(folder / "reports")]
    vaelib, grid = [sys.executable, "-m", "vaelib.cli"], grids.from_flags({})

    def quiet(*command: str) -> None:
        subprocess.run([*vaelib, *command], check=True, stdout=subprocess.DEVNULL)

    def loop(runs: list[TrainConfig]) -> None:
        for run in runs:
            flags = ["--latent-dim", str(run.latent_dim), "--loss", run.loss]
            flags += ["--beta-schedule", run.beta_schedule]
            quiet("train", *where, *flags, "--group", "loop")

    def sweep(group: str, *flags: str) -> float:
        return timed(lambda: quiet("sweep", *where, "--group", group, *flags))

    half = timed(lambda: loop(grid[::2]))
    ours = sweep("grid")
    theirs = half + timed(lambda: loop(grid[1::2]))
    few = ["--latent-dim", "8", "--loss", "bce_logits", "--beta-schedule", "none"]
    few += ["--seed", "1", "2", "3", "4"]
    many, one = sweep("many", *few), sweep("one", *few, "--workers", "1")

    what = "27 runs of 2 epochs, a sweep against a loop of commands"
    threads = "4 runs: two processes of one training thread, against one of two"
    speedup = f"{ours:.0f} s", f"{theirs:.0f} s", f"{theirs / ours:.2f}"
    return [
        Row(what, *speedup, "at least 1.4"),
        Row(threads, f"{many:.0f} s", f"{one:.0f} s", f"{one / many:.2f}"),
    ]


def bench_book(folder: Path) -> list[Row]:
    """Measure the build of the book, and of one changed page; its models are small."""
    zoo = "ZOO=tests/zoo.toml"
    book = ["make", "book", f"OUT={folder / 'book'}", zoo]

    def make(command: list[str]) -> None:
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    make(["make", "zoo", zoo])
    whole = timed(lambda: make(book))
    (ROOT / "notebooks/07_beta_and_its_schedules.ipynb").touch()
    again = timed(lambda: make(book))
    return [
        Row("the book from stored outputs", f"{whole:.0f} s", goal="at most 60 s"),
        Row("the book, one chapter changed", f"{again:.0f} s", goal="at most 25 s"),
    ]
