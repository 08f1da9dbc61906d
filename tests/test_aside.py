"""Pictures are drawn in a copy of the process; nothing is lost and no error is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from vaelib.aside import Aside

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Copies are for Linux.")


def pid_to(file: Path) -> None:
    """Write the number of this process."""
    file.write_text(str(os.getpid()))


@LINUX
def test_the_work_is_done_in_a_copy_and_not_waited_for(tmp_path: Path):
    def slowly() -> None:
        while not (tmp_path / "go").exists():
            time.sleep(0.01)
        pid_to(tmp_path / "one")

    with Aside() as aside:
        aside(slowly)
        assert not (tmp_path / "one").exists()
        (tmp_path / "go").touch()
        aside(lambda: pid_to(tmp_path / "two"))
        assert (tmp_path / "one").exists()  # one after the other
    pids = {os.getpid(), *(int((tmp_path / n).read_text()) for n in ("one", "two"))}
    assert len(pids) == 3


@LINUX
def test_what_a_copy_cannot_do_is_done_here_and_its_error_raised(tmp_path: Path):
    here = os.getpid()

    def only_here() -> None:
        assert os.getpid() == here
        pid_to(tmp_path / "here")

    with Aside() as aside:
        aside(only_here)
    assert int((tmp_path / "here").read_text()) == here

    with pytest.raises(FileNotFoundError), Aside() as aside:
        aside(lambda: pid_to(tmp_path / "no" / "folder"))


def test_beside_other_threads_it_is_done_at_once(tmp_path: Path):
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with Aside() as aside:
            aside(lambda: pid_to(tmp_path / "one"))
            assert int((tmp_path / "one").read_text()) == os.getpid()
    finally:
        end.set()
        thread.join()


@LINUX
def test_a_copy_ends_with_the_process_that_it_was_made_of(tmp_path: Path):
    code = (
        "import os, sys, time, signal\n"
        "from vaelib.aside import Aside\n"
        "aside = Aside()\n"
        "aside(lambda: time.sleep(60))\n"
        "print(aside.copy, flush=True)\n"
        "time.sleep(0.5)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    until = time.monotonic() + 20
    while psutil.pid_exists(int(done.stdout)):
        if psutil.Process(int(done.stdout)).status() == psutil.STATUS_ZOMBIE:
            break
        assert time.monotonic() < until
        time.sleep(0.05)
