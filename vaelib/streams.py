"""Standard streams that never cost work: closed, full, or without a letter."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any


class SafeStream:
    """A text stream whose errors are noted instead of raised; `stream` gets the rest.

    After an error everything is written to the null device. `lost` is the error, unless
    the reader has only closed its pipe, as `head` does.
    """

    def __init__(self, stream: Any) -> None:
        self.stream, self.lost = stream, ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write `text`; letters that the stream cannot encode become escapes."""
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        shown = text.encode(encoding, "backslashreplace").decode(encoding)
        self.attempt(lambda: self.stream.write(shown))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        self.attempt(self.stream.flush)

    def attempt(self, action: Callable[[], Any]) -> None:
        """Call `action`; if the stream is broken, replace its file by the null one."""
        try:
            action()
        except OSError as error:
            if error.errno != errno.EPIPE:
                self.lost = error.strerror or "unknown error"
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.stream.fileno())
            os.close(null)


def open_closed_files() -> None:
    """Open the null device for each standard stream that is closed, as by `2>&-`.

    Otherwise the next file that is opened would get its number, and its text.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8"))


def with_safe_streams(main: Callable[..., int]) -> Callable[..., int]:
    """Decorate the function of a command so that no stream can stop it.

    If its output was lost, it says so on standard error, and its status is 1.
    """

    @wraps(main)
    def safe_main(*args: Any) -> int:
        open_closed_files()
        streams = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = output, errors = [SafeStream(s) for s in streams]
        try:
            status = main(*args)
            output.flush()
            if output.lost:
                print(f"the output could not be written: {output.lost}.", file=errors)
            return status or int(output.lost != "")
        finally:
            output.flush()
            errors.flush()
            sys.stdout, sys.stderr = streams

    return safe_main
