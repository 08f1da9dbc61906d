"""Node, which runs the JavaScript modules."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# `make` installs node beside Python.
NODE = next(iter(Path(sys.executable).parent.glob("node*")), "node")
Node = Callable[..., str]


@pytest.fixture(scope="session")
def node() -> Node:
    """Return a function that runs node and returns its standard output."""

    def run(*arguments: object, text: str = "") -> str:
        done = subprocess.run(
            [str(NODE), *map(str, arguments)],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
