"""Error messages for the user, and the exit status of a command."""

from __future__ import annotations

import sys
from collections.abc import Callable


class Interrupted(Exception):
    """Training was stopped by Ctrl-C or SIGTERM, after its state was saved."""


def is_user_error(error: BaseException) -> bool:
    """Return whether the message of an exception is written for the user."""
    return type(error).__module__.startswith("vaelib") or isinstance(error, OSError)


def error_message(error: BaseException) -> str:
    """Return why something failed, in one line.

    An exception whose message is not written for the user is named by its type.
    """
    lines = str(error).strip().splitlines()
    first = lines[0] if lines else "no details"
    return first if is_user_error(error) else f"{type(error).__name__}: {first}"


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
        print(f"{prog}: {message}", file=sys.stderr)
        return 1 if isinstance(error, ArithmeticError) else 2
    except Interrupted as error:
        print(f"\n{prog}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"\n{prog}: stopped.", file=sys.stderr)
    return 130
