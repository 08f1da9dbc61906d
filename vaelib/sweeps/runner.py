"""Sweeps: train a grid of runs on the cores of this machine or on a Dask cluster.

Workers train, one epoch in each task (`cluster.one_epoch`). Only this process writes to
the folders of the runs, and it locks those that are in training. A sweep can be stopped
at any time; the same command continues it.
"""

from __future__ import annotations

import math
import sys
import time
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

from dask import config as dask_config
from distributed import Client, Future, wait
from tqdm import tqdm

from vaelib import runs
from vaelib.config import TrainConfig
from vaelib.data import ImageData, load_dataset
from vaelib.errors import Interrupted, error_message, is_user_error
from vaelib.runfiles import RunError, RunLocked
from vaelib.sweeps import cluster
from vaelib.sweeps.jobs import Job, plan, summary
from vaelib.train import catch_signals

# The state of a run may have some megabytes, about which Dask would warn.
NO_SIZE_WARNING = {"distributed.admin.large-graph-warning-threshold": "1 GB"}
LOST = RunError(
    "Dask lost the task, perhaps with its scheduler: repeat the command to continue."
)


class Sweep:
    """Training of a grid: waiting runs, runs in training, and failed runs."""

    def __init__(
        self, jobs: list[Job], client: Any, data: ImageData | None, quiet: bool = False
    ) -> None:
        self.client, self.quiet, self.token = client, quiet, uuid.uuid4().hex
        self.waiting = deque(job for job in jobs if not job.finished)
        self.running: dict[Future, Job] = {}
        self.failed: dict[str, str] = {}
        self.done, self.total = len(jobs) - len(self.waiting), len(jobs)

        sources = dict.fromkeys(job.run.config.data_source for job in self.waiting)
        self.data = {source: self.load(source, data) for source in sources}
        self.bar = tqdm(
            total=sum(job.run.config.epochs for job in jobs),
            initial=sum(min(job.ended, job.run.config.epochs) for job in jobs),
            unit=" epochs",
            dynamic_ncols=True,
            disable=True if quiet else None,  # None: unless there is a terminal
        )

    def load(self, source: tuple[Any, ...], data: ImageData | None) -> Any:
        """Return a future of a data set, which stays in the memory of the workers.

        Raises the error of a worker that cannot load it.
        """
        if data:
            return self.client.scatter(data, broadcast=True)
        # A task, so that Dask loads it again if its worker is killed.
        future = self.client.submit(load_dataset, *source)
        error = future.exception()
        if not error:
            return future
        if is_user_error(error):
            raise error
        raise RunError(
            f"no worker can load {source[0]} ({error_message(error)}): "
            "all need the client's version of vaelib."
        )

    def run(self) -> dict[str, str]:
        """Train until no run is left; return the failed runs with their errors.

        Raises Interrupted if the user stops it, after the state of all runs is saved.
        """
        with catch_signals() as stopped, self.bar:
            try:
                while (self.waiting or self.running) and not stopped.is_set():
                    self.start_waiting()
                    self.collect()
                if stopped.is_set():
                    self.client.run(cluster.stop, self.token, on_error="ignore")
                    while self.running:
                        self.collect(go_on=False)
                    raise Interrupted(
                        "stopped, nothing is lost: repeat the command to continue."
                    )
            finally:
                for job in self.running.values():
                    job.lock.close()
        return self.failed

    def start_waiting(self) -> None:
        """Start waiting runs, until there are two for each worker thread.

        A worker trains one while the files of the other are written.
        """
        for _ in range(len(self.waiting)):
            if len(self.running) >= 2 * cluster.count_threads(self.client):
                break
            job = self.waiting.popleft()
            before = job.ended
            try:
                job.acquire()
            except RunLocked:  # another sweep trains it: try again later
                self.waiting.append(job)
            except RunError as error:
                self.failed[job.name] = str(error)
            else:
                self.bar.update(job.ended - before)  # epochs of another sweep
                if job.finished:
                    self.finish(job, "finished by another sweep")
                else:
                    runs.point_latest(job.run.path)
                    self.submit(job)

    def submit(self, job: Job) -> None:
        """Submit the next epoch of a run to the cluster."""
        config = job.run.config
        data = self.data[config.data_source]
        arguments = (config, data, job.state, self.token, job.new)
        with dask_config.set(NO_SIZE_WARNING):
            future = self.client.submit(
                cluster.one_epoch,
                *arguments,
                key=f"{job.name}-epoch-{job.ended}-{uuid.uuid4().hex}",
                priority=job.ended,
            )
        self.running[future] = job

    def collect(self, go_on: bool = True) -> None:
        """Write the files of finished tasks and, if `go_on`, submit the next epochs."""
        if not self.running:  # other sweeps train all the runs that are left
            time.sleep(0.2)
            return
        with suppress(TimeoutError):
            wait(list(self.running), timeout=0.2, return_when="FIRST_COMPLETED")
        for future in [future for future in self.running if future.done()]:
            job = self.running.pop(future)
            if future.status != "finished":
                error: Any = future.exception() if future.status == "error" else LOST
                self.failed[job.name] = error_message(error)
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

    def finish(self, job: Job, note: str = "") -> None:
        """Release a finished run and print `note` or its last test figures."""
        job.lock.close()
        self.done += 1
        if self.quiet:
            return
        row, seconds = job.run.rows[-1], sum(row["seconds"] for row in job.run.rows)
        figures = (
            f"test recon {row['recon']:.2f}, KL {row['kl']:.2f}, "
            f"total {row['total']:.2f} nats per image ({seconds:.1f} s)"
        )
        count = f"[{self.done} of {self.total}]"
        self.bar.write(f"{job.name}: {note or figures}  {count}")
        sys.stdout.flush()


def sweep(
    grid: Sequence[TrainConfig],
    client: Client | None = None,
    data: ImageData | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> dict[str, str]:
    """Train all runs of a grid that are not finished; return the failed runs.

    The result maps the name of a failed run to its error message. `client`: a client of
    a running Dask cluster. Without one, `workers` processes are started on this machine
    (default: one for each core): a script needs `if __name__ == "__main__":` around the
    call, because each process imports the script. `data`: your own images.

    Raises ConfigError, DataError, RunError or OSError before anything is written, and
    Interrupted if the user stops it, after the state of all runs is saved.

    Example:

    >>> from vaelib.sweeps import grid, sweep
    >>> common = dict(dataset="sprites", image_size=8, hidden_dim=(8,), epochs=1)
    >>> sweep(grid(**common, latent_dim=[2, 3]), workers=1, quiet=True)
    {}
    """
    jobs = plan(grid)
    left = sum(not job.finished for job in jobs)
    if not quiet:
        print(f"{summary(jobs)} in {jobs[0].run.path.parent}")
    if not left:
        return {}
    with ExitStack() as stack:
        if client is None:
            count = workers or cluster.default_workers(left)
            local = stack.enter_context(cluster.local_cluster(count))
            client = stack.enter_context(Client(local))
        if not quiet:
            print(f"dashboard: {client.dashboard_link}", flush=True)
        return Sweep(jobs, client, data, quiet).run()


def preview(grid: Sequence[TrainConfig], workers: int, probes: int = 4) -> str:
    """Return a table of the runs and an estimate of their time; write nothing.

    The estimate measures an epoch of at most `probes` runs. Raises as `sweep` does.
    """
    jobs = plan(grid)
    width = max(len(job.name) for job in jobs)
    lines = [f"{'run':{width}}  epochs  ended"]
    for job in jobs:
        lines.append(f"{job.name:{width}}  {job.run.config.epochs:6}  {job.ended:5}")

    left = [job for job in jobs if not job.finished]
    chosen = [job.run.config for job in left[:: math.ceil(len(left) / probes) or 1]]
    sources = dict.fromkeys(config.data_source for config in chosen)
    data = {source: load_dataset(*source) for source in sources}
    seconds = [cluster.measure_epoch(c, data[c.data_source]) for c in chosen]

    epochs = sum(job.run.config.epochs - job.ended for job in left)
    mean = sum(seconds) / max(1, len(seconds))
    total = epochs * mean / min(workers, max(1, len(left)))
    time = f"about {total / 60:.0f} min" if total > 90 else f"about {total:.0f} s"
    plural = "s" if workers > 1 else ""
    lines.append(
        f"{summary(jobs)} {epochs} epochs to go: {time} on {workers} worker{plural}"
    )
    return "\n".join(lines)
