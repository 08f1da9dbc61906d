"""Worker processes: those of this machine, and a watch over those of any cluster.

Every wait of a sweep for its workers has an end, and a sentence that says so.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, Any

from dask import config as dask_config
from distributed import Future, KilledWorker, Scheduler, SpecCluster, Worker, wait
from distributed.client import ClosedClientError
from tqdm import tqdm

from vaelib.runfiles import RunError

LOOPBACK = "127.0.0.1"
# Seconds: for a scheduler to answer, for a new process to connect to its scheduler, and
# for a cluster without workers to get one.
ANSWER, CONNECT, WAIT = 60.0, 120.0, 300.0
NOTE = 30.0  # seconds without a worker, after which the user is told
STARTS = 4  # how often a process that never connects is started
# Dask's messages about workers that were killed would only confuse the user.
LOG_LEVEL: Any = logging.CRITICAL
# The state of a run may have some megabytes, about which Dask would warn.
NO_SIZE_WARNING = {"distributed.admin.large-graph-warning-threshold": "1 GB"}

# The program of a worker process. Ctrl-C is for the client, which stops the tasks.
PROGRAM = """\
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
address, name, *sys.path = sys.argv[1:]
from vaelib.sweeps import cluster, workers
workers.work(address, name)
"""


def work(address: str, name: str) -> None:
    """Be a worker of `LocalCluster` until its scheduler is closed or gone."""

    async def serve() -> None:
        # Without a memory limit: at 80 % Dask would pause the worker, maybe for ever.
        options: dict[str, Any] = dict(host=LOOPBACK, nthreads=1, memory_limit=0)
        options |= dict(name=name, death_timeout=CONNECT, silence_logs=LOG_LEVEL)
        async with Worker(address, **options) as worker:
            await worker.finished()

    asyncio.run(serve())


class WorkerProcess:
    """Process of one worker. It does not import the user's script."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name, self.environment = name, environment
        self.process: subprocess.Popen[bytes] | None = None
        self.log: IO[bytes] = TemporaryFile()  # noqa: SIM115
        self.starts = 0  # since a worker was connected
        self.time = 0.0  # when the process was started or was last seen connected

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self.process is not None and self.process.poll() is None

    @property
    def failed(self) -> bool:
        """Whether the process is not started any more, since it never connects."""
        return self.starts >= STARTS and not self.runs

    def look_after(self, address: str, connected: bool) -> None:
        """Start the process if there is none; kill it if it does not connect."""
        now = time.monotonic()
        if connected:
            self.starts, self.time = 0, now
        elif self.process is not None and self.runs:
            if now > self.time + CONNECT:
                self.process.kill()
        # The pauses get longer: what stopped the process may pass.
        elif self.starts < STARTS and now > self.time + 2**self.starts - 1:
            self.starts, self.time = self.starts + 1, now
            self.start(address)

    def start(self, address: str) -> None:
        """Start the process; what it prints goes to a temporary file."""
        self.log.seek(0)
        self.log.truncate()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, address, self.name, *sys.path],
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
            )
        except OSError as error:
            self.log.write(str(error).encode())

    def reason(self) -> str:
        """Return why the process ended: its last line, or its exit status."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").split("\n")
        lines = [line.strip() for line in lines if line.strip()]
        status = self.process and self.process.returncode
        return lines[-1] if lines else f"exit status {status}"

    def end(self, deadline: float) -> None:
        """Wait for the process to end, and kill it at the deadline."""
        if self.process:
            try:
                self.process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


class LocalCluster(SpecCluster):
    """A scheduler in this process, and worker processes that a thread watches.

    A process that has ended, or that does not connect, is started again. `error` is
    None, or says why no process can be started any more.
    """

    def __init__(self, environments: list[dict[str, str]]) -> None:
        """Start one process for each of the given additions to the environment."""
        self.processes = [
            WorkerProcess(str(i), added) for i, added in enumerate(environments)
        ]
        self.error: RunError | None = None
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        where: dict[str, Any] = dict(host=LOOPBACK, port=0)
        where |= dict(dashboard=True, dashboard_address=f"{LOOPBACK}:0")
        # If several workers are killed at once, Dask blames each task several times.
        where |= dict(allowed_failures=10)
        scheduler = dict(cls=Scheduler, options=where)
        super().__init__(scheduler=scheduler, silence_logs=LOG_LEVEL)
        self.watcher.start()

    def watch(self) -> None:
        """Look after the processes until the cluster is closed or all have failed."""
        while not self.over.wait(0.1):
            workers = list(self.scheduler_info["workers"].values())
            names = {worker["name"] for worker in workers}
            for process in self.processes:
                process.look_after(self.scheduler_address, process.name in names)
            if all(process.failed for process in self.processes):
                self.error = RunError(
                    f"no worker process can be started ({self.processes[0].reason()}), "
                    "all finished epochs are kept: repeat the command to continue."
                )
                return

    def close(self, timeout: float | None = None) -> Any:
        """Close the scheduler, which ends the workers; kill those that do not end."""
        self.over.set()
        if self.watcher.is_alive():
            self.watcher.join()
        closing = super().close(timeout)
        deadline = time.monotonic() + 5
        for process in self.processes:
            process.end(deadline)
        return closing


def lost() -> RunError:
    """Return the error to raise if the scheduler does not answer any more."""
    return RunError(
        "the Dask scheduler is gone, all finished epochs are kept: "
        "repeat the command to continue."
    )


class Workers:
    """The workers of a client; no call to them waits without an end."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.threads, self.asked = 0, 0.0
        self.seen, self.told = time.monotonic(), False

    def look(self) -> int:
        """Return how many tasks can run at the same time; 0 if no worker is there.

        It asks once a second. Raises RunError if the scheduler is gone, or if there is
        no worker and none can be expected.
        """
        now = time.monotonic()
        if self.threads and now < self.asked + 1:
            return self.threads
        cluster = self.client.cluster
        if isinstance(cluster, LocalCluster) and cluster.error:
            raise cluster.error
        self.threads, self.asked = count_threads(self.client), now
        if self.threads:
            self.seen, self.told = now, False
        elif now > self.seen + WAIT:
            raise RunError(
                f"no worker has been there for {WAIT:.0f} s, all finished epochs are "
                "kept: repeat the command when there are workers."
            )
        elif now > self.seen + NOTE and not self.told:
            self.told = True
            say(f"no worker is there: waiting for one, at most {WAIT:.0f} s.")
        return self.threads

    def submit(self, *task: Any, **options: Any) -> Future:
        """Return the future of a function and its arguments; raises `lost()`."""
        try:
            with dask_config.set(NO_SIZE_WARNING):
                return self.client.submit(*task, **options)
        except (OSError, ClosedClientError):
            raise lost() from None

    def wait(self, futures: list[Future]) -> None:
        """Wait until one of the futures is done, at most 0.2 seconds."""
        with suppress(TimeoutError, CancelledError):
            wait(futures, timeout=0.2, return_when="FIRST_COMPLETED")

    def error_of(self, future: Future) -> BaseException | None:
        """Return the error of a future that is done, or None.

        Raises `lost()` if the connection to the scheduler was lost.
        """
        if future.status == "cancelled":
            raise lost()
        if future.status != "error":
            return None
        error: Any = future.exception()
        if isinstance(error, KilledWorker):
            return RunError(
                f"workers were killed by it, {error.allowed_failures + 1} in a row, "
                "perhaps for lack of memory: give fewer --workers, or repeat the "
                "command to continue."
            )
        return error

    def result_of(self, future: Future) -> Any:
        """Return the result of a future, or None if its worker is gone meanwhile.

        Dask computes it again then.
        """
        with suppress(OSError, CancelledError):
            return future.result(timeout=ANSWER)

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in all worker processes that answer within 5 seconds."""
        options: dict[str, Any] = dict(on_error="ignore", callback_timeout=5)
        with suppress(OSError):
            self.client.run(function, *arguments, **options)


def count_threads(client: Any) -> int:
    """Return how many tasks a cluster can run at the same time; 0 without workers.

    A worker that is paused for lack of memory counts only while it still works.
    Raises `lost()` if the scheduler does not answer.
    """
    try:
        if client.status != "running":
            raise lost()
        about = client.sync(client.scheduler.identity, callback_timeout=ANSWER)
    except OSError:  # TimeoutError is one
        raise lost() from None
    return sum(
        worker["nthreads"]
        for worker in about["workers"].values()
        if worker["status"] == "running"
        or worker["metrics"].get("task_counts", {}).get("executing")
    )


def say(note: str) -> None:
    """Print a note on standard error, above progress bars."""
    tqdm.write(f"vaelib sweep: {note}", file=sys.stderr)
