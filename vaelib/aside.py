"""Work that the loop does not wait for, such as drawing: a copy of the process does it.

On Linux, where a process can be copied at once, with all that it has in memory.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable

import torch

Caller = Callable[[Callable[[], None]], None]
PR_SET_PDEATHSIG = 1  # linux/prctl.h: the signal that a copy gets if we are killed


def at_once(work: Callable[[], None]) -> None:
    """Do the work here and now."""
    work()


class Aside:
    """Calls a function in a copy of this process; one copy at a time.

    The end of the `with` block waits for the last one. What a copy could not do is done
    here, so that its error is raised here. Where a copy is not safe, because of another
    system or of other threads, everything is done at once.
    """

    def __init__(self) -> None:
        self.copy = 0
        self.work: Callable[[], None] = lambda: None

    def __call__(self, work: Callable[[], None]) -> None:
        """Do the work in a copy, after the work before it has ended."""
        self.wait()
        if sys.platform != "linux" or threading.active_count() > 1:
            work()
            return
        with warnings.catch_warnings():
            # Python 3.12 warns of torch's threads, which the copy does not need.
            warnings.simplefilter("ignore", DeprecationWarning)
            copy = os.fork()
        if copy == 0:
            work_and_exit(work)
        self.copy, self.work = copy, work

    def wait(self) -> None:
        """Wait for the copy to end."""
        if self.copy:
            _, status = os.waitpid(self.copy, 0)
            self.copy = 0
            if status:
                self.work()

    def __enter__(self) -> Aside:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()


def work_and_exit(work: Callable[[], None]) -> None:
    """Do the work with what the loop leaves of the processor; end the process."""
    code = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.nice(10)
        torch.set_num_threads(1)
        work()
        code = 0
    finally:
        os._exit(code)
