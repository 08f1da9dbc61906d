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
from typing import Any, NoReturn

from distributed import Client, Future
from tqdm import tqdm

from vaelib import runs
from vaelib.config import TrainConfig
from vaelib.data import ImageData, load_dataset
from vaelib.errors import Interrupted, error_message, is_user_error
from vaelib.runfiles import RunError, RunLocked
from vaelib.sweeps import cluster
from vaelib.sweeps.jobs import Job, plan, summary
from vaelib.sweeps.workers import Workers, say
from vaelib.train import catch_signals

STOP = 60.0  # seconds to save the runs in training when the user stops


class Sweep:
    """Training of a grid: waiting runs, runs in training, and failed runs."""

    def __init__(
        self, jobs: list[Job], client: Any, data: ImageData | None, quiet: bool = False
    ) -> None:
        self.workers, self.quiet, self.token = Workers(client), quiet, uuid.uuid4().hex
        self.jobs = jobs
        self.waiting = deque(job for job in jobs if not job.finished)
        self.running: dict[Future, Job] = {}
        self.failed: dict[str, str] = {}
        self.done, self.total = len(jobs) - len(self.waiting), len(jobs)
        self.told = False  # that other processes train all the runs that are left

        sources = dict.fromkeys(job.run.config.data_source for job in self.waiting)
        self.data = {source: self.load(source, data) for source in sources}
        self.bar = tqdm(
            total=sum(job.run.config.epochs for job in jobs),
            initial=sum(min(job.ended, job.run.config.epochs) for job in jobs),
            unit=" epochs",
            dynamic_ncols=True,
            disable=True if quiet else None,  # None: unless there is a terminal
        )

    def load(self, source: tuple[Any, ...], data: ImageData | None) -> Future:
        """Return a future of a data set, which stays in the memory of the workers.

        Raises the error of a worker that cannot load it, or RunError without workers.
        """
        # A task, so that Dask loads it again if its worker is killed. It is not pure:
        # for the same folder, Dask would return the pictures of an earlier sweep.
        task = (cluster.keep, data) if data else (load_dataset, *source)
        future = self.workers.submit(*task, pure=False)
        while not future.done():
            self.workers.look()
            self.workers.wait([future])
        error = self.workers.error_of(future)
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

        Raises Interrupted if the user stops it, after the state of all runs is saved,
        and RunError if there is no scheduler or, for some time, no worker.
        """
        with catch_signals() as stopped, self.bar:
            try:
                while (self.waiting or self.running) and not stopped.is_set():
                    self.start_waiting()
                    self.collect()
                if stopped.is_set():
                    self.stop()
            finally:
                for job in self.jobs:
                    job.lock.close()
        names = [job.name for job in self.jobs]  # for the order
        return {name: self.failed[name] for name in names if name in self.failed}

    def stop(self) -> NoReturn:
        """Save the runs in training and raise Interrupted.

        It gives up when no worker is there, or after a minute.
        """
        end = time.monotonic() + STOP
        with suppress(RunError):
            while self.running and self.workers.look() and time.monotonic() < end:
                self.workers.call(cluster.stop, self.token)  # again: some may be new
                self.collect(go_on=False)
        lost = "nothing is lost"
        if self.running:
            lost = "but no worker saved the epochs that were not finished"
        raise Interrupted(f"stopped, {lost}: repeat the command to continue.")

    def start_waiting(self) -> None:
        """Start waiting runs, until there are two for each worker thread.

        A worker trains one while the files of the other are written.
        """
        # Without workers too: a cluster may start some when there are tasks.
        room = 2 * max(1, self.workers.look())
        for _ in range(len(self.waiting)):
            if len(self.running) >= room:
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
        arguments = (config, data, job.state, self.token, job.new, job.run.facts)
        future = self.workers.submit(
            cluster.one_epoch,
            *arguments,
            key=f"{job.name}-epoch-{job.ended}-{uuid.uuid4().hex}",
            priority=job.ended,
        )
        self.running[future] = job

    def collect(self, go_on: bool = True) -> None:
        """Write the files of finished tasks and, if `go_on`, submit the next epochs."""
        if not self.running:
            self.wait_for_others()
            return
        self.workers.wait(list(self.running))
        for future in [future for future in self.running if future.done()]:
            if error := self.workers.error_of(future):
                job = self.running.pop(future)
                self.failed[job.name] = error_message(error)
                job.lock.close()
                continue
            if not (result := self.workers.result_of(future)):
                continue
            job = self.running.pop(future)
            before = job.ended
            job.write(*result)
            self.bar.update(job.ended - before)
            if job.finished:
                self.finish(job)
            elif go_on:
                self.submit(job)
            else:
                job.lock.close()

    def wait_for_others(self) -> None:
        """Wait for other processes, which train all the runs that are left."""
        if self.waiting and not self.told and not self.quiet:
            self.told = True
            name, more = self.waiting[0].name, len(self.waiting) - 1
            say(
                f"waiting for another process, which trains {name}"
                f"{f' and {more} more' if more else ''}; Ctrl-C ends this."
            )
        time.sleep(0.2)

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
    (default: one for each core); they do not import your script. `data`: your own
    images.

    A worker that is killed is replaced. If there is none, the sweep waits for one, on
    your own cluster at most five minutes, and says so. Raises ConfigError, DataError,
    RunError or OSError before anything is written, RunError if no worker comes or the
    scheduler is gone, all finished epochs being kept, and Interrupted if the user stops
    it, after the state of all runs is saved.

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
