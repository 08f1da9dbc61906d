"""The examples in the docstrings of the public names, run as doctests."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

SLOW = pytest.mark.slow
NAMES = [
    "vaelib.TrainConfig",
    "vaelib.ImageData",
    "vaelib.load_dataset",
    "vaelib.VAE",
    "vaelib.memory.check_memory",
    "vaelib.start",
    "vaelib.updates",
    "vaelib.chapter.explore",
    "vaelib.runs.load",
    "vaelib.train.train",
    pytest.param("vaelib.sweeps.sweep", marks=SLOW),  # starts processes of Dask
    "vaelib.sweeps.grid",
    "vaelib.sweeps.compare.results",
    "vaelib.paper.experiments.results",
    "vaelib.widgets.LatentExplorer",
    "vaelib.widgets.Playground",
]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def find(name: str) -> Any:
    """Return the object with a full name such as vaelib.chapter.explore."""
    module, _, last = name.rpartition(".")
    return getattr(import_module(module), last)


@pytest.mark.parametrize("name", NAMES)
def test_example_gives_the_output_shown(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It imports all that it uses, so that a reader can copy it as it is."""
    monkeypatch.chdir(tmp_path)
    globs = {"__name__": "__main__"}
    found = doctest.DocTestFinder(recurse=False).find(find(name), name, globs=globs)
    examples = [test for test in found if test.examples]
    assert examples, f"the docstring of {name} has no example"

    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
    for test in examples:
        runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)
