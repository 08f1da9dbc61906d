"""A test that hangs fails, and shows where each thread stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HANGS = """
import itertools, threading

def sleep_in_a_thread():
    threading.Event().wait()

def test_in_python():
    threading.Thread(target=sleep_in_a_thread, daemon=True).start()
    threading.Event().wait()

def test_in_c():
    threading.Thread(target=sleep_in_a_thread, daemon=True).start()
    all(itertools.repeat(True))
"""


@pytest.mark.parametrize(("where", "sign"), [("python", "1 failed"), ("c", "Thread")])
def test_a_hang_is_a_failure_with_a_stack(where: str, sign: str, tmp_path: Path):
    """In C no handler of signals is called: the process ends instead."""
    file = tmp_path / "test_hangs.py"
    file.write_text(HANGS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    command += ["-p", "no:nbval", "-o", "addopts="]  # it starts faster
    command += ["-o", "timeout=1", "-o", "faulthandler_timeout=3"]
    command.append(f"{file}::test_in_{where}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    shown = done.stdout + done.stderr
    assert sign in shown
    assert "in sleep_in_a_thread" in shown
    assert f"test_in_{where}" in shown


def test_every_test_has_a_limit(pytestconfig: pytest.Config):
    assert float(pytestconfig.getini("timeout")) == 600
    assert float(pytestconfig.getini("faulthandler_timeout")) == 660
    assert pytestconfig.getini("faulthandler_exit_on_timeout")
