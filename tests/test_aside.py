"""Pictures are drawn in a copy of the process; nothing is lost and no error is."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Copies are for Linux.")

# Other tests leave threads behind, beside which there are no copies.
BEGIN = """
import os, signal, threading, time
from pathlib import Path
from vaelib.aside import Aside

def pid_to(name):
    Path(name).write_text(str(os.getpid()))
"""


def executed(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Execute code in a new process, in the folder."""
    command = [sys.executable, "-c", BEGIN + code]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120
    )


def pid(file: Path) -> int:
    """Return the number of a process that a file contains."""
    return int(file.read_text())


def is_running(number: int) -> bool:
    """Return whether a process has not ended."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_work_is_done_in_a_copy_and_not_waited_for(tmp_path: Path):
    code = """
def slowly():
    while not Path("go").exists():
        time.sleep(0.01)
    pid_to("one")

pid_to("here")
with Aside() as aside:
    aside(slowly)
    assert not Path("one").exists()
    Path("go").touch()
    aside(lambda: pid_to("two"))
    assert Path("one").exists()  # one after the other
"""
    done = executed(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len({pid(tmp_path / name) for name in ("here", "one", "two")}) == 3


def test_what_a_copy_cannot_do_is_done_here_and_its_error_raised(tmp_path: Path):
    code = """
here = os.getpid()

def only_here():
    assert os.getpid() == here
    pid_to("done")

with Aside() as aside:
    aside(only_here)
pid_to("here")
with Aside() as aside:
    aside(lambda: pid_to("no/folder"))
"""
    done = executed(code, tmp_path)
    assert pid(tmp_path / "done") == pid(tmp_path / "here")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("FileNotFoundError")


def test_beside_other_threads_it_is_done_at_once(tmp_path: Path):
    code = """
end = threading.Event()
threading.Thread(target=end.wait).start()
with Aside() as aside:
    aside(lambda: pid_to("done"))
    pid_to("here")
    assert Path("done").exists()
end.set()
"""
    assert executed(code, tmp_path).returncode == 0
    assert pid(tmp_path / "done") == pid(tmp_path / "here")


def test_a_copy_ends_with_the_process_that_it_was_made_of(tmp_path: Path):
    code = """
aside = Aside()
aside(lambda: (pid_to("copy"), time.sleep(600)))
while not Path("copy").exists():
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""
    executed(code, tmp_path)
    until = time.monotonic() + 60
    while is_running(pid(tmp_path / "copy")):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_run_of_the_command_line_is_drawn_by_copies(tmp_path: Path):
    code = """
from vaelib.runfiles import Run
from vaelib.train import main
draw = Run.draw

def noted(run, epoch, data):
    draw(run, epoch, data)
    pid_to(f"by_{epoch}")

Run.draw = noted
pid_to("here")
main("--dataset sprites --image-size 8 --hidden-dim 8 --epochs 2".split())
assert len(list(Path("reports/sprites/run-001").rglob("*.png"))) == 2 * 3 + 1
"""
    done = executed(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len({pid(tmp_path / name) for name in ("here", "by_0", "by_1")}) == 3
