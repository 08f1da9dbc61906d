"""A thread that executes commands for a widget, so that the kernel stays free."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Protocol

import torch

Command = tuple[Callable[..., None], tuple[Any, ...]]


class Job(Protocol):
    """Object whose work a `Worker` does in its thread."""

    def turn(self) -> None:
        """Execute the waiting commands and do one piece of work."""

    def is_busy(self) -> bool:
        """Return whether there is work left after the last turn."""
        ...

    def fail(self, error: Exception) -> None:
        """Handle an error that a turn has raised."""


class Worker:
    """Queue of commands, with a thread that exists only while there is work to do.

    Everything that changes the job happens in this thread.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.commands: SimpleQueue[Command] = SimpleQueue()
        self.lock = Lock()
        self.thread: Thread | None = None
        self.closed = False

    def submit(self, function: Callable[..., None], *arguments: Any) -> None:
        """Add a command to the queue, and start the thread if it does not run."""
        self.commands.put((function, arguments))
        with self.lock:
            if self.thread is None and not self.closed:
                self.thread = Thread(target=self.run, name="Playground", daemon=True)
                self.thread.start()

    def pending(self) -> Iterator[Command]:
        """Yield the waiting commands, and take them out of the queue."""
        with suppress(Empty):
            while True:
                yield self.commands.get_nowait()

    def run(self) -> None:
        """Repeat turns of the job until nothing is left to do or it is closed."""
        torch.set_num_threads(1)  # of this thread: the page needs the other core
        while True:
            try:
                self.job.turn()
            except Exception as error:
                self.job.fail(error)
            with self.lock:
                is_idle = self.commands.empty() and not self.job.is_busy()
                if self.closed or is_idle:
                    self.thread = None
                    return

    def join(self) -> None:
        """Wait until the thread has ended and no other one has been started."""
        while thread := self.thread:
            thread.join()

    def close(self) -> None:
        """End the thread after its present turn; later commands are not executed."""
        self.closed = True
        if thread := self.thread:
            thread.join()
