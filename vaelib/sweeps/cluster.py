"""What a sweep needs of Dask: the task that its workers do, one epoch of one run, and the workers that do it.

The task is a function of settings, data and state.pt, and returns the files that the epoch writes. So Dask may do it anywhere,
and again where a worker was killed; workers and client need no folder in common.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from dask import config as dask_config
from dask.system import CPU_COUNT
from distributed import Client, Nanny, Scheduler, SpecCluster, get_worker
from distributed.system import MEMORY_LIMIT

from vaelib.config import ConfigError, TrainConfig
from vaelib.data import ImageData
from vaelib.runs import Run
from vaelib.training import EpochEnd, start, steps_per_epoch, updates

LOOPBACK = "127.0.0.1"
PATIENCE = 10.0  # seconds, with a scheduler that does not answer or has no workers
SILENT: Any = (
    logging.CRITICAL
)  # what Dask has to say of a killed worker is not for the user

# On a worker

STOPPED: set[str] = set()  # the sweeps that were told to stop
DRAWING = threading.Lock()  # matplotlib's settings belong to the whole process


def stop(sweep: str) -> None:
    """Has this process give back what is done of a sweep."""
    STOPPED.add(sweep)


def dask_setup(worker: Any) -> None:
    """Dask calls this in each worker process of `local_cluster`: Ctrl-C is for the client, which asks for what is done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def one_epoch(
    config: TrainConfig, data: ImageData, state: bytes | None, sweep: str, new: bool
) -> tuple[dict[str, bytes], list[dict[str, float]]]:
    """Goes on with a run to the end of an epoch: the files that it writes, by their place in its folder, and its log.

    `state`: the content of its state.pt, or None at its start. `new`: run_meta.json is to be written. A sweep that is
    stopped gets back what is done. Raises: Diverged.
    """
    with TemporaryDirectory(dir=get_worker().local_directory) as scratch:
        run = Run(Path(scratch), config)
        if state is None:
            now = start(config, data)
        else:
            now = start(
                replace(config, output_bias="random"), data
            )  # the mean image would take time, and is in the state
            (run.path / "state.pt").write_bytes(state)
            run.recall(now)
        if new:
            run.write_meta(data)
        for event in updates(now, data, config):
            if isinstance(event, EpochEnd):
                with DRAWING:
                    run.record(event, now, data)
                break
            if sweep in STOPPED:
                run.save(now, data)
                break
        written = [path for path in run.path.rglob("*") if path.is_file()]
        written.sort(
            key=lambda path: (
                path.name == "state.pt",
                path.name != "run_meta.json",
                path,
            )
        )
        return {
            path.relative_to(run.path).as_posix(): path.read_bytes() for path in written
        }, run.rows


# Where workers come from


def local_cluster(workers: int) -> SpecCluster:
    """`workers` processes on this machine that share its cores, reached from this machine only, each with a GPU of its own."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = (
        visible.split(",")
        if visible
        else [str(i) for i in range(torch.cuda.device_count())]
    )
    spec = {}
    for i in range(workers):
        env = {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} if gpus else {}
        options = dict(
            host=LOOPBACK,
            nthreads=1,
            dashboard=False,
            preload=["vaelib.sweeps.cluster"],
            env=env,
            silence_logs=SILENT,
        )
        spec[i] = dict(cls=Nanny, options=options)
    head = dict(
        cls=Scheduler,
        options=dict(
            host=LOOPBACK, port=0, dashboard=True, dashboard_address=f"{LOOPBACK}:0"
        ),
    )
    # instead of Dask's own, which has malloc hand back all memory at once: an epoch takes 1.3 times as long
    environ = {"OMP_NUM_THREADS": max(1, CPU_COUNT // workers)}
    with dask_config.set({"distributed.nanny.pre-spawn-environ": environ}):
        return SpecCluster(spec, head, silence_logs=SILENT)


def workers_for(runs: int) -> int:
    """As many processes as there are GPUs, or cores, each with a gigabyte of memory; no more than runs."""
    return max(
        1, min(torch.cuda.device_count() or CPU_COUNT, MEMORY_LIMIT // 2**30, runs)
    )


def connect(address: str) -> Client:
    """A client of the scheduler at `address`. Raises: ConfigError where none answers, or it has no workers."""
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        reason = f"no Dask scheduler answers there ({error}): start one with `dask scheduler`"
        raise ConfigError(f"scheduler is {address!r}, but {reason}.") from None
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        client.close()
        raise ConfigError(
            f"the scheduler at {address} has no workers: start some with `dask worker {address}`."
        ) from None
    return client


def slots(client: Any) -> int:
    """How many tasks a cluster has in hand at once."""
    return max(1, sum(client.nthreads().values()))


def seconds_of(config: TrainConfig, data: ImageData, steps: int = 20) -> float:
    """What an epoch takes on one thread, by the clock: some updates, then all that ends an epoch, the test and its pictures."""
    few = replace(data, train=data.train[: steps * config.batch_size])
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
    first, last = ticks[0], ticks[-2]  # the first update warms up
    each = (last - first) / max(1, len(ticks) - 2)
    return each * steps_per_epoch(config, data) + ended - last
