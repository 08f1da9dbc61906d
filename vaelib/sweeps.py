"""Sweeps: many runs on Dask, on this machine or a cluster, that may be stopped at any moment and started again.

A task is one epoch of one run: a function of settings, data and state.pt that returns the files which the epoch writes. So
Dask may run it anywhere, and again where a worker was killed; only the client writes, and workers need no common folders.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dask
import torch
from dask.system import CPU_COUNT
from distributed import Client, Future, Nanny, Scheduler, SpecCluster, get_worker, wait
from distributed.system import MEMORY_LIMIT
from tqdm import tqdm

from vaelib import config as configs
from vaelib import files, runs
from vaelib.config import ConfigError, TrainConfig
from vaelib.data import ImageData, load_dataset
from vaelib.runs import Held, Run, RunError
from vaelib.train import Interrupted, same_settings, until_stopped
from vaelib.training import EpochEnd, start, updates

LOOPBACK = "127.0.0.1"

# On a worker

STOPPED: set[str] = set()  # the sweeps that were told to stop
DRAWING = threading.Lock()  # matplotlib's settings belong to the whole process


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
            now = start(replace(config, output_bias="random"), data)  # the mean image would take time, and is in the state
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
        written.sort(key=lambda path: (path.name == "state.pt", path.name != "run_meta.json", path))
        return {path.relative_to(run.path).as_posix(): path.read_bytes() for path in written}, run.rows


# At the client


def local_cluster(workers: int) -> SpecCluster:
    """`workers` processes on this machine that share its cores, reached from this machine only; each has a GPU of its own,
    where there are any.
    """
    threads = str(max(1, CPU_COUNT // workers))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",") if visible else [str(i) for i in range(torch.cuda.device_count())]
    common = dict(host=LOOPBACK, nthreads=1, dashboard=False, preload=["vaelib.sweeps"], silence_logs=50)
    spec = {}
    for i in range(workers):
        env = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        if gpus:
            env["CUDA_VISIBLE_DEVICES"] = gpus[i % len(gpus)]
        spec[i] = dict(cls=Nanny, options=common | dict(env=env))
    head = dict(cls=Scheduler, options=dict(host=LOOPBACK, port=0, dashboard=True, dashboard_address=f"{LOOPBACK}:0"))
    return SpecCluster(spec, head, silence_logs=50)


def workers_for(runs: int) -> int:
    """As many processes as there are GPUs, or cores, each with a gigabyte of memory; no more than runs."""
    return max(1, min(torch.cuda.device_count() or CPU_COUNT, MEMORY_LIMIT // 2**30, runs))


def connect(address: str) -> Client:
    """A client of the scheduler at `address`. Raises: ConfigError where none answers, or it has no workers."""
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        reason = f"no Dask scheduler answers there ({error}): start one with `dask scheduler`"
        raise ConfigError(f"scheduler is {address!r}, but {reason}.") from None
    try:
        client.wait_for_workers(1, timeout=10)
    except TimeoutError:
        client.close()
        raise ConfigError(f"the scheduler at {address} has no workers: start some with `dask worker {address}`.") from None
    return client


@dataclass
class Job:
    """A run of a sweep, and how far it is."""

    run: Run
    ended: int = 0  # epochs
    new: bool = True  # run_meta.json is to be written
    state: bytes | None = None
    lock: ExitStack = field(default_factory=ExitStack)

    @property
    def name(self) -> str:
        """Its run's."""
        return self.run.config.name

    @property
    def finished(self) -> bool:
        """Whether all epochs are ended."""
        return self.ended >= self.run.config.epochs

    def look(self) -> None:
        """Reads how far its run is. Raises: RunError, ConfigError where the folder is another's or has other settings."""
        path, config = self.run.path, self.run.config
        if (path / "run_meta.json").exists():
            begun = runs.open_run(path)
            given = {name: value for name, value in asdict(config).items() if configs.room(name) != "run"}
            try:
                self.new = same_settings(begun.config, given) != begun.config
            except ConfigError as error:
                wanted = str(error).partition(":")[0]
                raise ConfigError(f"in {path} {wanted}: give another --group, or the settings of that run.") from None
            begun.recall()
            self.ended = len(begun.rows)
        elif path.exists() and (not path.is_dir() or runs.visible(path)):
            raise RunError(f"{path} is not an empty folder, and no run: give another --group.")

    def take(self) -> None:
        """Takes its run's folder, and reads where to go on. Raises: Held, RunError, OSError."""
        self.run.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.enter_context(self.run.lock())
            self.run.sweep_up()
            self.look()  # another sweep may have had it
            file = self.run.path / "state.pt"
            self.state = file.read_bytes() if file.exists() else None
            self.lock = stack.pop_all()

    def write(self, written: dict[str, bytes], rows: list[dict[str, float]]) -> None:
        """Writes what came back from a worker, state.pt last."""
        for place, content in written.items():
            files.write(self.run.path / place, content)
        self.run.rows, self.ended, self.state, self.new = rows, len(rows), written["state.pt"], False


def plan(grid: Sequence[TrainConfig]) -> list[Job]:
    """How far each run is; nothing is written. Raises: RunError, ConfigError where a folder is in use for something else."""
    jobs = [Job(Run(runs.group_folder(config) / config.name, config)) for config in grid]
    for job in jobs:
        job.look()
    return jobs


class Sweep:
    """One walk through a grid: what is to do, what the workers have in hand, what failed and why."""

    def __init__(self, jobs: list[Job], client: Client, data: ImageData | None, quiet: bool = False) -> None:
        self.client, self.quiet, self.token = client, quiet, uuid.uuid4().hex
        self.todo = deque(job for job in jobs if not job.finished)
        self.running: dict[Future, Job] = {}
        self.failed: dict[str, str] = {}
        self.done, self.total = len(jobs) - len(self.todo), len(jobs)
        self.data = {source: self.load(source, data) for source in dict.fromkeys(source_of(job) for job in self.todo)}
        epochs = sum(job.run.config.epochs for job in jobs)
        ended = sum(min(job.ended, job.run.config.epochs) for job in jobs)
        disable = True if quiet else None  # None: where there is no terminal
        self.bar = tqdm(total=epochs, initial=ended, unit=" epochs", dynamic_ncols=True, disable=disable)

    def load(self, source: tuple[Any, ...], data: ImageData | None) -> Future:
        """The data set, held by the workers. Raises: what they raise where it cannot be had."""
        if data:
            return self.client.scatter(data, broadcast=True)
        future = self.client.submit(load_dataset, *source)  # a task: loaded again where its worker is killed
        if error := future.exception():
            if told(error):
                raise error
            raise RunError(f"no worker can load {source[0]} ({reason(error)}): all need the client's version of vaelib.")
        return future

    def run(self) -> dict[str, str]:
        """Goes on until nothing is left. Returns the failures. Raises: Interrupted, once all is saved."""
        with until_stopped() as stopped, self.bar:
            try:
                while (self.todo or self.running) and not stopped.is_set():
                    self.hand_out()
                    self.collect()
                if stopped.is_set():
                    self.client.run(STOPPED.add, self.token)
                    while self.running:
                        self.collect(go_on=False)
                    raise Interrupted("stopped, nothing is lost: give the same command to go on.")
            finally:
                for job in self.running.values():
                    job.lock.close()
        return self.failed

    def hand_out(self) -> None:
        """Begins runs, two for each worker: one that it trains, one that waits while the other's files come in."""
        slots = 2 * max(1, sum(self.client.nthreads().values()))
        for _ in range(len(self.todo)):
            if len(self.running) >= slots:
                break
            job = self.todo.popleft()
            try:
                job.take()
            except Held:  # by another sweep: later
                self.todo.append(job)
            except RunError as error:
                self.failed[job.name] = str(error)
            else:
                if job.finished:  # by another sweep
                    self.finish(job)
                else:
                    runs.point_latest(job.run.path)
                    self.submit(job)

    def submit(self, job: Job) -> None:
        """Gives a run's next epoch to a worker."""
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GB"}):  # the state may be some megabytes
            future = self.client.submit(
                one_epoch, job.run.config, self.data[source_of(job)], job.state, self.token, job.new,
                key=f"{job.name}-epoch-{job.ended}-{uuid.uuid4().hex}", priority=-self.total + job.ended,
            )  # fmt: skip
        self.running[future] = job

    def collect(self, go_on: bool = True) -> None:
        """Writes what came back, and hands out the next epochs."""
        if not self.running:  # all are held by another sweep
            time.sleep(0.2)
            return
        with suppress(TimeoutError):
            wait(list(self.running), timeout=0.2, return_when="FIRST_COMPLETED")
        for future in [future for future in self.running if future.done()]:
            job = self.running.pop(future)
            if future.status != "finished":
                self.failed[job.name] = reason(future.exception())
                job.lock.close()
                continue
            before = job.ended
            job.write(*future.result())
            self.bar.update(job.ended - before)
            if job.finished:
                self.finish(job)
            elif go_on:
                self.submit(job)
            else:
                job.lock.close()

    def finish(self, job: Job) -> None:
        """Says how a run ended."""
        job.lock.close()
        self.done += 1
        if not self.quiet:
            row, seconds = job.run.rows[-1], sum(row["seconds"] for row in job.run.rows)
            self.bar.write(
                f"{job.name}: test recon {row['recon']:.2f}, KL {row['kl']:.2f}, total {row['total']:.2f} nats per image "
                f"({seconds:.1f} s)  [{self.done} of {self.total}]"
            )
            sys.stdout.flush()


def source_of(job: Job) -> tuple[Any, ...]:
    """The arguments of `load_dataset`."""
    config = job.run.config
    return config.dataset, config.binarize, config.channels, config.image_size, config.data_dir


def told(error: BaseException) -> bool:
    """Whether an exception's message is a sentence for the user."""
    return type(error).__module__.startswith("vaelib") or isinstance(error, OSError)


def reason(error: BaseException) -> str:
    """Why a task failed, in one line."""
    first = (str(error).splitlines() or [""])[0]
    return first if told(error) else f"{type(error).__name__}: {first}"


def sweep(
    grid: Sequence[TrainConfig], client: Client | None = None, data: ImageData | None = None, quiet: bool = False
) -> dict[str, str]:
    """Trains every run of a grid that is not finished, on `client`'s cluster or, without one, on this machine's cores.

    `data` may be your own tensors. Returns the runs that failed, and why; all others are finished then. Raises: ConfigError,
    DataError, RunError, OSError before anything is begun; Interrupted on Ctrl-C, once all is saved.
    """
    jobs = plan(grid)
    if all(job.finished for job in jobs):
        return {}
    with ExitStack() as stack:
        if client is None:
            cluster = stack.enter_context(local_cluster(workers_for(sum(not job.finished for job in jobs))))
            client = stack.enter_context(Client(cluster))
        return Sweep(jobs, client, data, quiet).run()
