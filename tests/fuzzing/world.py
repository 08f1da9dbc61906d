"""The folder of one case, how a case is called, and the rules that each must obey."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import stat
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None

import numpy as np
from PIL import Image

SECONDS = (
    15  # the most that one case may take: 10 are for a scheduler that is not there
)
MEMORY = 200 << 20  # bytes by which memory may grow in one case
LENGTH = 600  # characters of a message
DATA = ["--dataset", "folder:pics", "--image-size", "8", "--device", "cpu"]
MODEL = ["--hidden-dim", "4", "--latent-dim", "2", "--lr-schedule", "none"]
FLAGS = [*DATA, *MODEL, "--epochs", "1", "--batch-size", "8"]


class TooSlow(BaseException):
    """A case took longer than `SECONDS`; no `except Exception` can hide it."""


@dataclass
class Case:
    """One case: what is called, and what must come of it.

    - `call`: it returns an exit status if `is_command`, or any value.
    - `shown`: what is called, for whoever has to repeat it.
    - `must`: "work", "fail", or "" if either is right.
    - `writes`: paths below the working directory in which files may change if the call
      works. If it fails, no file may change.
    - `check`: raises AssertionError if the value that the call returned is wrong.
    """

    call: Callable[[], Any]
    shown: str
    must: str = ""
    writes: tuple[str, ...] = ()
    check: Callable[[Any], None] | None = None
    is_command: bool = False


class World:
    """The folder of one case: working directory, home, temporary files, a neighbour."""

    def __init__(self, root: Path) -> None:
        self.root, self.cwd = root, root / "work" / "cwd"
        for folder in (self.cwd, root / "home", root / "tmp", root / "neighbour"):
            folder.mkdir(parents=True)
        (root / "neighbour" / "precious.txt").write_text("precious")

    def bring(self, *names: str) -> None:
        """Copy pictures ("pics") or a group of runs ("reports") to the folder."""
        for name in names:
            shutil.copytree(seeds() / name, self.cwd / name, symlinks=True)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Work in this folder, and let it be the home of the user, in a `with`."""
        before, names = Path.cwd(), {"HOME": "home", "TMPDIR": "tmp"}
        saved = {name: os.environ.get(name) for name in names}
        os.chdir(self.cwd)
        os.environ.update({n: str(self.root / sub) for n, sub in names.items()})
        tempfile.tempdir = None
        try:
            yield
        finally:
            os.chdir(before)
            for name, value in saved.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value
            tempfile.tempdir = None

    def files(self) -> dict[str, str]:
        """Return each path of the folder with a digest of what it is."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            for name in folders + files:
                path = os.path.join(folder, name)  # noqa: PTH118
                found[os.path.relpath(path, self.root)] = digest(path)
        return found


def digest(path: str) -> str:
    """Return what kind of file `path` is, and a checksum of its content."""
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return "-> " + os.readlink(path)  # noqa: PTH115
    if stat.S_ISREG(mode):
        with open(path, "rb") as file:
            return hashlib.md5(file.read()).hexdigest()
    return "folder" if stat.S_ISDIR(mode) else "special"


@cache
def seeds() -> Path:
    """Return a folder with pictures and a group of two finished runs, made once."""
    import atexit

    from vaelib.cli import main

    root = Path(tempfile.mkdtemp(prefix="vaelib-fuzz-", dir=OUTSIDE))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    (root / "pics").mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "pics" / f"{i:02}.png")
    before = Path.cwd()
    os.chdir(root)
    try:
        for name in ("one", "two"):
            argv = ["train", *FLAGS, "--group", "group", "--name", name]
            status, said = captured(lambda argv=argv: main(argv))[0:2]
            assert status == 0, said
    finally:
        os.chdir(before)
    return root


def text_stream(fd: int, errors: str) -> io.TextIOWrapper:
    """Return a stream of text to an open file."""
    raw = io.FileIO(fd, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors=errors)


def captured(call: Callable[[], Any]) -> tuple[Any, str, BaseException | None]:
    """Call a function; return its value, what it printed, and what it raised.

    What libraries in C print is caught too. The streams are those of a terminal:
    standard output refuses what UTF-8 cannot encode.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    outer, kept = (sys.stdout, sys.stderr), (os.dup(1), os.dup(2))
    value, error = None, None
    with tempfile.TemporaryFile(dir=OUTSIDE) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout, sys.stderr = (
            text_stream(1, "strict"),
            text_stream(2, "backslashreplace"),
        )
        try:
            value = call()
        except SystemExit as end:
            value = end.code or 0
        except BaseException as raised:
            error = raised
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            sys.stdout, sys.stderr = outer
            for fd, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, fd)
                os.close(copy)
        file.seek(0)
        return value, file.read().decode("utf-8", "backslashreplace"), error


OUTSIDE = tempfile.gettempdir()  # not that of a case


def peak() -> int:
    """Return the most memory that this process had since `forget_peak`, in bytes."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    lines = status.read_text().splitlines()
    return next(int(x.split()[1]) << 10 for x in lines if x.startswith("VmHWM"))


@contextmanager
def limited(room: int) -> Iterator[None]:
    """Let the process take at most `room` more bytes of address space, in a `with`."""
    if resource is None or not Path("/proc/self/statm").exists():
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    old = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + room
    resource.setrlimit(resource.RLIMIT_AS, (most, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)


def forget_peak() -> None:
    """Start to measure `peak` again."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def judge(world: World, make: Callable[[World], Case]) -> tuple[str, Case]:
    """Make and call a case; return what is wrong ("" if nothing is) and the case."""

    def too_slow(*_: Any) -> None:
        raise TooSlow

    with world.entered(), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for hidden in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning):
            warnings.simplefilter("ignore", hidden)  # as Python does by default
        case = make(world)
        warned.clear()
        before = world.files()
        forget_peak()
        low, began = peak(), time.perf_counter()
        signal.signal(signal.SIGALRM, too_slow)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            with limited(8 * MEMORY):
                value, said, error = captured(case.call)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        seconds, grown = time.perf_counter() - began, peak() - low
        after = world.files()

        faults = []
        if isinstance(error, TooSlow) or seconds > SECONDS:
            faults.append(f"took {seconds:.1f} s")
        if grown > MEMORY:
            faults.append(f"memory grew by {grown >> 20} MiB")
        faults += [f"warned: {w.category.__name__}: {w.message}" for w in warned]
        fault = wrong_end if case.is_command else wrong_error
        faults += fault(value, said, error)
        failed = bool(value) if case.is_command else error is not None
        if case.must and failed != (case.must == "fail"):
            faults.append(f"had to {case.must}; it said {said[-300:]!r} {error!r:.300}")
        faults += wrong_files(world, case, before, after, failed and value != 1)
        if not faults and not failed and case.check:
            try:
                case.check(value)
            except AssertionError as wrong:
                where = traceback.extract_tb(wrong.__traceback__)[-1]
                faults.append(f"wrong result: {where.line}: {wrong!s:.300}")
    return "\n".join(faults), case


def wrong_text(text: str) -> list[str]:
    """Return what is wrong with one line that a user reads."""
    faults = []
    if not text.isprintable():
        faults.append(f"cannot be printed: {text[:LENGTH]!r}")
    if len(text) > LENGTH:
        faults.append(f"has {len(text)} characters: {text[:300]!r}")
    return faults


def raised(error: BaseException) -> str:
    """Return type and message of an exception, and where in vaelib it was raised."""
    steps = traceback.extract_tb(error.__traceback__)
    house = [step for step in steps if "/vaelib/" in step.filename] or steps
    place = f"{Path(house[-1].filename).name}:{house[-1].lineno}"
    return f"{type(error).__name__} at {place}: {error!s:.200}"


def wrong_end(value: Any, said: str, error: BaseException | None) -> list[str]:
    """Return what is wrong with how a command ended and what it printed."""
    if error is not None:
        return [f"traceback: {raised(error)}"]
    faults = [] if value in (0, 1, 2) else [f"status {value!r}"]
    lines = said.split("\n")
    for line in lines:
        faults += wrong_text(line)
    if "Traceback" in said:
        faults.append(f"traceback: {said[-300:]}")
    if value:
        words = [line for line in lines[:-1] if not line.startswith("note: ")]
        if len(words) != 1 or lines[-1] or not words[0].startswith("vaelib"):
            faults.append(f"is not one sentence: {said[:LENGTH]!r}")
    return faults


def wrong_error(value: Any, said: str, error: BaseException | None) -> list[str]:
    """Return what is wrong with the exception that a function raised."""
    from vaelib.checks import ConfigError
    from vaelib.images import DataError
    from vaelib.runfiles import RunError
    from vaelib.training import Diverged

    faults = [f"printed {said[:300]!r}"] if said else []
    if error is None:
        return faults
    if not isinstance(error, (ConfigError, DataError, RunError, Diverged, OSError)):
        return [*faults, f"raised {raised(error)}"]
    text = str(error)
    if not text:
        faults.append("the message is empty")
    return faults + wrong_text(text)


def wrong_files(
    world: World, case: Case, before: dict[str, str], after: dict[str, str], bad: bool
) -> list[str]:
    """Return which files were changed that may not change."""
    changed = [n for n in {**before, **after} if before.get(n) != after.get(n)]
    allowed: list[str] = []
    for given in () if bad else case.writes:
        for path in {given, os.path.expanduser(given)}:  # noqa: PTH111
            full = os.path.normpath(world.cwd / path)
            allowed.append(os.path.relpath(full, world.root))
    stray = [
        name
        for name in changed
        if not any(
            name == top or name.startswith(top + "/") or top.startswith(name + "/")
            for top in allowed
        )
    ]
    return [f"changed {sorted(stray)[:6]!r:.400}"] if stray else []
