"""Sweeps: many runs at once, on this machine's cores or a cluster, stopped at any moment and started again.

Workers train (`cluster.one_epoch`); only this process writes, and holds the lock of each run that is in hand.
"""

from __future__ import annotations

import math
import sys
import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from dask import config as dask_config
from distributed import Client, Future, wait
from tqdm import tqdm

from vaelib import config as configs
from vaelib import files, runs
from vaelib.config import ConfigError, TrainConfig
from vaelib.data import ImageData, load_dataset
from vaelib.runs import Held, Run, RunError
from vaelib.sweeps import cluster
from vaelib.train import Interrupted, same_settings, until_stopped

LOST = RunError(
    "Dask lost it, perhaps with its scheduler: give the same command to go on."
)


@dataclass
class Job:
    """A run of a sweep, and how far it is."""

    run: Run
    new: bool = True  # run_meta.json is to be written
    state: bytes | None = None
    lock: ExitStack = field(default_factory=ExitStack)

    @property
    def name(self) -> str:
        """Its run's."""
        return self.run.config.name

    @property
    def ended(self) -> int:
        """Epochs that its log knows."""
        return len(self.run.rows)

    @property
    def finished(self) -> bool:
        """Whether all epochs are ended."""
        return self.ended >= self.run.config.epochs

    def look(self) -> None:
        """Reads how far its run is. Raises: RunError, ConfigError where the folder is another's or has other settings."""
        path, config = self.run.path, self.run.config
        if (path / "run_meta.json").exists():
            begun = runs.open_run(path)
            given = {
                name: value
                for name, value in asdict(config).items()
                if configs.section(name) != "run"
            }
            try:
                self.new = same_settings(begun.config, given) != begun.config
            except ConfigError as error:
                wanted = str(error).partition(":")[0]
                raise ConfigError(
                    f"in {path} {wanted}: give another --group, or the settings of that run."
                ) from None
            begun.recall()
            self.run.rows = begun.rows
        elif path.exists() and (not path.is_dir() or runs.visible(path)):
            raise RunError(
                f"{path} is not an empty folder, and no run: give another --group."
            )

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
        self.run.rows, self.state, self.new = rows, written["state.pt"], False


def plan(grid: Sequence[TrainConfig]) -> list[Job]:
    """How far each run is; nothing is written. Raises: ConfigError where a folder holds a run with other settings."""
    jobs = [
        Job(Run(runs.group_folder(config) / config.name, config)) for config in grid
    ]
    for job in jobs:
        with suppress(
            RunError
        ):  # that run will fail, when its turn comes, and no other
            job.look()
    return jobs


class Sweep:
    """One walk through a grid: what is to do, what the workers have in hand, what failed and why."""

    def __init__(
        self, jobs: list[Job], client: Any, data: ImageData | None, quiet: bool = False
    ) -> None:
        self.client, self.quiet, self.token = client, quiet, uuid.uuid4().hex
        self.todo = deque(job for job in jobs if not job.finished)
        self.running: dict[Future, Job] = {}
        self.failed: dict[str, str] = {}
        self.done, self.total = len(jobs) - len(self.todo), len(jobs)
        self.data = {
            source: self.load(source, data)
            for source in dict.fromkeys(source_of(job) for job in self.todo)
        }
        epochs = sum(job.run.config.epochs for job in jobs)
        ended = sum(min(job.ended, job.run.config.epochs) for job in jobs)
        disable = True if quiet else None  # None: where there is no terminal
        self.bar = tqdm(
            total=epochs,
            initial=ended,
            unit=" epochs",
            dynamic_ncols=True,
            disable=disable,
        )

    def load(self, source: tuple[Any, ...], data: ImageData | None) -> Any:
        """The data set, held by the workers. Raises: what they raise where it cannot be had."""
        if data:
            return self.client.scatter(data, broadcast=True)
        future = self.client.submit(
            load_dataset, *source
        )  # a task: loaded again where its worker is killed
        if error := future.exception():
            if told(error):
                raise error
            raise RunError(
                f"no worker can load {source[0]} ({reason(error)}): all need the client's version of vaelib."
            )
        return future

    def run(self) -> dict[str, str]:
        """Goes on until nothing is left. Returns the failures. Raises: Interrupted, once all is saved."""
        with until_stopped() as stopped, self.bar:
            try:
                while (self.todo or self.running) and not stopped.is_set():
                    self.hand_out()
                    self.collect()
                if stopped.is_set():
                    self.client.run(cluster.stop, self.token, on_error="ignore")
                    while self.running:
                        self.collect(go_on=False)
                    raise Interrupted(
                        "stopped, nothing is lost: give the same command to go on."
                    )
            finally:
                for job in self.running.values():
                    job.lock.close()
        return self.failed

    def hand_out(self) -> None:
        """Begins runs, two for each worker: one that it trains, one that waits while the other's files come in."""
        for _ in range(len(self.todo)):
            if len(self.running) >= 2 * cluster.slots(self.client):
                break
            job = self.todo.popleft()
            before = job.ended
            try:
                job.take()
            except Held:  # by another sweep: later
                self.todo.append(job)
            except RunError as error:
                self.failed[job.name] = str(error)
            else:
                self.bar.update(job.ended - before)  # by another sweep
                if job.finished:
                    self.finish(job, "finished by another sweep")
                else:
                    runs.point_latest(job.run.path)
                    self.submit(job)

    def submit(self, job: Job) -> None:
        """Gives a run's next epoch to a worker."""
        with dask_config.set(
            {"distributed.admin.large-graph-warning-threshold": "1 GB"}
        ):  # the state may be some megabytes
            future = self.client.submit(
                cluster.one_epoch, job.run.config, self.data[source_of(job)], job.state, self.token, job.new,
                key=f"{job.name}-epoch-{job.ended}-{uuid.uuid4().hex}", priority=job.ended,
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
                error: Any = future.exception() if future.status == "error" else LOST
                self.failed[job.name] = reason(error)
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

    def finish(self, job: Job, how: str = "") -> None:
        """Says how a run ended."""
        job.lock.close()
        self.done += 1
        if not self.quiet:
            row, seconds = job.run.rows[-1], sum(row["seconds"] for row in job.run.rows)
            figures = f"test recon {row['recon']:.2f}, KL {row['kl']:.2f}, total {row['total']:.2f} nats per image"
            self.bar.write(
                f"{job.name}: {how or f'{figures} ({seconds:.1f} s)'}  [{self.done} of {self.total}]"
            )
            sys.stdout.flush()


def source_of(job: Job) -> tuple[Any, ...]:
    """The arguments of `load_dataset`."""
    config = job.run.config
    return (
        config.dataset,
        config.binarize,
        config.channels,
        config.image_size,
        config.data_dir,
    )


def told(error: BaseException) -> bool:
    """Whether an exception's message is a sentence for the user."""
    return type(error).__module__.startswith("vaelib") or isinstance(error, OSError)


def reason(error: BaseException) -> str:
    """Why a task failed, in one line."""
    first = (str(error).splitlines() or [""])[0]
    return first if told(error) else f"{type(error).__name__}: {first}"


def sweep(
    grid: Sequence[TrainConfig],
    client: Client | None = None,
    data: ImageData | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> dict[str, str]:
    """Trains what is not finished of a grid, on `client`'s cluster or on `workers` processes of this machine.

    `data` may be your own tensors. Returns the runs that failed, and why; all others are finished then. Raises: ConfigError,
    DataError, RunError, OSError before anything is begun; Interrupted on Ctrl-C, once all is saved.
    """
    jobs = plan(grid)
    left = sum(not job.finished for job in jobs)
    if not quiet:
        print(f"{summary(jobs)} in {jobs[0].run.path.parent}")
    if not left:
        return {}
    with ExitStack() as stack:
        if client is None:
            workers = workers or cluster.workers_for(left)
            client = stack.enter_context(
                Client(stack.enter_context(cluster.local_cluster(workers)))
            )
        if not quiet:
            print(f"dashboard: {client.dashboard_link}", flush=True)
        return Sweep(jobs, client, data, quiet).run()


def summary(jobs: list[Job]) -> str:
    """How many runs there are, and how many of them are finished or begun."""
    finished = sum(job.finished for job in jobs)
    begun = sum(not job.new and not job.finished for job in jobs)
    return f"{len(jobs)} runs, {finished} finished, {begun} begun,"


def preview(grid: Sequence[TrainConfig], workers: int, probes: int = 4) -> str:
    """The table of runs, and how long they will take by a short measurement of some. Writes nothing. Raises: as `sweep`."""
    jobs = plan(grid)
    wide = max(len(job.name) for job in jobs)
    lines = [f"{'run':{wide}}  epochs  ended"]
    lines += [
        f"{job.name:{wide}}  {job.run.config.epochs:6}  {job.ended:5}" for job in jobs
    ]
    left = [job for job in jobs if not job.finished]
    chosen = left[:: math.ceil(len(left) / probes)] if left else []
    data = {
        source: load_dataset(*source)
        for source in dict.fromkeys(map(source_of, chosen))
    }
    epochs = sum(job.run.config.epochs - job.ended for job in left)
    each = [cluster.seconds_of(job.run.config, data[source_of(job)]) for job in chosen]
    about = epochs * sum(each) / max(1, len(each)) / min(workers, max(1, len(left)))
    time = f"about {about / 60:.0f} min" if about > 90 else f"about {about:.0f} s"
    lines.append(
        f"{summary(jobs)} {epochs} epochs to go: {time} on {workers} worker{'s' if workers > 1 else ''}"
    )
    return "\n".join(lines)
