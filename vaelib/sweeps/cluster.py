"""Dask for sweeps: the task of a worker, one epoch of one run, and clusters of workers.

A task is a function of settings, data and the content of state.pt, and returns the
files that the epoch writes. So Dask may run it on any worker, and again if a worker was
killed; workers and client need no common folder.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from dask.system import CPU_COUNT
from distributed import Client, get_worker
from distributed.system import MEMORY_LIMIT

from vaelib.checkpoints import require_same_data
from vaelib.config import ConfigError, TrainConfig
from vaelib.data import ImageData
from vaelib.errors import error_message
from vaelib.runfiles import Run, RunError
from vaelib.sweeps.workers import LOG_LEVEL, LocalCluster, count_threads
from vaelib.training import EpochEnd, start, steps_per_epoch, updates

TIMEOUT = 10.0  # seconds, for a scheduler to answer and for its first worker

# In a worker process

STOPPED: set[str] = set()  # sweeps that were stopped
DRAWING = threading.Lock()  # matplotlib's settings are global


def stop(sweep: str) -> None:
    """Make the tasks of a sweep in this process return after their current update."""
    STOPPED.add(sweep)


def keep(data: ImageData) -> ImageData:
    """Return the data: a task, whose result Dask has again if its worker is killed."""
    return data


def one_epoch(
    config: TrainConfig,
    data: ImageData,
    state: bytes | None,
    sweep: str,
    new: bool,
    facts: dict[str, Any],
) -> tuple[dict[str, bytes], list[dict[str, float]]]:
    """Train a run to the end of its next epoch; return its new files and its log.

    `state`: content of state.pt, or None for a new run. `new`: also write
    run_meta.json. If the sweep is stopped, the task returns after the current update.
    Raises Diverged if the loss is not finite, and RunError if the data are not those
    of `facts`, which the run recorded when it was begun.
    """
    require_same_data(facts, data)
    with TemporaryDirectory(dir=get_worker().local_directory) as folder:
        run = Run(Path(folder), config)
        if state is None:
            current = start(config, data)
        else:
            # The saved weights follow: computing the mean image would be wasted time.
            current = start(replace(config, output_bias="random"), data)
            (run.path / "state.pt").write_bytes(state)
            run.load_state(current)
        if new:
            run.write_meta(data)

        for event in updates(current, data, config):
            if isinstance(event, EpochEnd):
                with DRAWING:
                    run.record(event, current, data)
                break
            if sweep in STOPPED:
                run.save_state(current, data)
                break
        return read_files(run.path), run.rows


def read_files(folder: Path) -> dict[str, bytes]:
    """Return all files of a run by their paths in its folder, in writing order.

    run_meta.json comes first and state.pt last, because state.pt makes an epoch count.
    """

    def order(path: Path) -> tuple[bool, bool, Path]:
        return path.name == "state.pt", path.name != "run_meta.json", path

    found = sorted(filter(Path.is_file, folder.rglob("*")), key=order)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


# Clusters


def local_cluster(workers: int) -> LocalCluster:
    """Return a Dask cluster of worker processes on this machine.

    They share its cores and accept connections from this machine only. If there are
    GPUs, each worker uses one. A worker that is killed is replaced. Raises RunError if
    Dask cannot start.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = [str(i) for i in range(torch.cuda.device_count())]
    if visible:
        gpus = visible.split(",")
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, CPU_COUNT // workers)))
    environments = []
    for i in range(workers):
        gpu = {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {}
        environments.append({"OMP_NUM_THREADS": threads, **gpu})
    try:
        return LocalCluster(environments)
    except RuntimeError as error:
        raise RunError(
            f"Dask cannot start on this machine ({error_message(error)}): "
            "close other programs and repeat the command."
        ) from None


def default_workers(runs: int) -> int:
    """Return how many worker processes to start on this machine for so many runs.

    One for each GPU or, without GPUs, each core, but at least a gigabyte of memory for
    each, and no more than there are runs.
    """
    devices = torch.cuda.device_count() or CPU_COUNT
    return max(1, min(devices, MEMORY_LIMIT // 2**30, runs))


def connect(address: str) -> Client:
    """Return a client of the scheduler at `address`.

    Raises ConfigError if no scheduler answers or if it has no workers.
    """
    # If the scheduler is gone, the sweep says so, and Dask need not print a traceback.
    logging.getLogger("distributed.client").setLevel(LOG_LEVEL)
    try:
        client = Client(address, timeout=TIMEOUT)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"scheduler is {address!r}, but no Dask scheduler answers there ({error}): "
            "start one with `dask scheduler`."
        ) from None
    end = time.monotonic() + TIMEOUT
    while not count_threads(client):
        if time.monotonic() > end:
            client.close()
            raise ConfigError(
                f"the scheduler at {address} has no workers: "
                f"start some with `dask worker {address}`."
            )
        time.sleep(0.1)
    return client


def measure_epoch(config: TrainConfig, data: ImageData, steps: int = 20) -> float:
    """Return an estimate of the seconds that an epoch takes on one thread.

    It times some updates, and the end of an epoch with its test and its pictures.
    """
    few = data.first(train=steps * config.batch_size)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with TemporaryDirectory() as folder:
            state, ticks = start(config, few), []
            for event in updates(state, few, config):
                ticks.append(time.perf_counter())
                if isinstance(event, EpochEnd):
                    Run(Path(folder), config).record(event, state, few)
                    break
            ended = time.perf_counter()
    finally:
        torch.set_num_threads(threads)
    first, last = ticks[0], ticks[-2]  # the first update is slower, as a warm-up
    per_update = (last - first) / max(1, len(ticks) - 2)
    return per_update * steps_per_epoch(config, data) + ended - last
