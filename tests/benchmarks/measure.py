"""Tools of all benchmarks: rows of the table, a stopwatch, the loop of training."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from vaelib import EpochEnd, ImageData, TrainConfig, load_dataset, start, updates

ROOT = Path(__file__).parents[2]
TARGET = 105.55  # test nats that the reference reaches in 10 epochs
DATA = load_dataset()


class Row(NamedTuple):
    """A row of the table: what is measured, both figures, and what is demanded."""

    what: str
    ours: str
    plain: str = ""
    ratio: str = ""
    goal: str = ""


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turn(
    ours: Callable[[], float], theirs: Callable[[], float], n: int
) -> tuple[float, float, float]:
    """Measure both `n` times in turn.

    Return the median of each, and the median of the ratios theirs / ours.
    """
    both = [(ours(), theirs()) for _ in range(n)]
    return (
        median(o for o, _ in both),
        median(t for _, t in both),
        median(t / o for o, t in both),
    )


@contextmanager
def busy_processes(n: int) -> Iterator[None]:
    """Start `n` processes that never rest, and end them after the block."""
    endless = sys.executable, "-c", "while True: pass"
    others = [subprocess.Popen(endless) for _ in range(n)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def epochs_of(
    config: TrainConfig, data: ImageData = DATA
) -> Iterator[tuple[float, float]]:
    """Yield each epoch's test nats and its seconds of training, without the test."""
    state, last, began = start(config, data), 0.0, time.perf_counter()
    for event in updates(state, data, config):
        if isinstance(event, EpochEnd):
            yield event.row["neg_elbo"], last - began
            began = time.perf_counter()
        else:
            last = time.perf_counter()


CHILD = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=-3, stderr=-3)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def child(*command: str) -> tuple[float, float]:
    """Return the seconds and the peak memory (MiB) of a process.

    A small process in between starts it, so that the memory of this one is not counted.
    """
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *command],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - began
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return seconds, int(done.stdout) / unit
