"""Error messages for the user, and the exit status of a command."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vaelib.checks import one_line


class Interrupted(Exception):
    """Training was stopped by a signal, such as Ctrl-C, after its state was saved."""


def is_user_error(error: BaseException) -> bool:
    """Return whether the message of an exception is written for the user."""
    return type(error).__module__.startswith("vaelib") or isinstance(error, OSError)


def error_message(error: BaseException) -> str:
    """Return why something failed, in one line.

    An exception whose message is not written for the user is named by its type.
    """
    lines = str(error).strip().splitlines()
    first = one_line(lines[0] if lines else "no details")
    return first if is_user_error(error) else f"{type(error).__name__}: {first}"


@contextmanager
def hold_interrupts() -> Iterator[None]:
    """Hold back Ctrl-C until the `with` block has been executed as a whole.

    A second Ctrl-C is not held back. In another thread than the main one this does
    nothing: Python sends signals to the main thread only.
    """
    handler = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not (is_main and callable(handler)):  # it may be ignored
        yield
        return
    held: list[Any] = []

    def hold(*signalled: Any) -> None:
        held.append(signalled)
        if len(held) > 1:
            handler(*signalled)

    signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if len(held) == 1:
            handler(*held[0])


def exit_status(prog: str, command: Callable[[], int]) -> int:
    """Run a command and return its exit status.

    An expected error becomes one sentence on standard error, and the status 2 for bad
    input, 1 for a loss that is not finite, or 130 if the user stopped the command.
    All other exceptions are raised.
    """
    try:
        return command()
    except (ValueError, OSError, ArithmeticError) as error:
        if not is_user_error(error):
            raise
        message = str(error)
        if isinstance(error, OSError) and error.strerror:
            where = f"{error.filename}: " if error.filename else ""
            message = f"{where}{error.strerror}; nothing was overwritten."
        print(one_line(f"{prog}: {message}"), file=sys.stderr)
        return 1 if isinstance(error, ArithmeticError) else 2
    except Interrupted as error:
        print(f"\n{prog}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"\n{prog}: stopped.", file=sys.stderr)
    return 130
