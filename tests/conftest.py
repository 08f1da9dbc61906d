"""Fixtures that several test files use: tiny images and runs, the command line."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

# pytest's workers share the cores. With more torch threads than cores, the threads wait
# for each other, and tiny models are a hundred times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

Tree = Callable[[Path], dict[str, str]]
Cli = Callable[..., "Answer"]
Launch = Callable[..., BaseProcess]


class Answer(NamedTuple):
    """Exit status, standard output and standard error of a command."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The only line on standard error."""
        assert self.err.count("\n") == 1, self.err
        assert self.err.endswith("\n"), self.err
        assert len(self.err) > 20, self.err
        return self.err.strip()

    @property
    def refusal(self) -> str:
        """The only line on standard error, if the exit status is that of bad input."""
        assert self.code == 2, self
        return self.sentence


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return a function that runs `vaelib ...` in this process."""

    def call(*argv: object) -> Answer:
        from vaelib.cli import main

        capsys.readouterr()
        try:
            code = main([str(arg) for arg in argv])
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def tree() -> Tree:
    """Return a function that maps each path below a folder to a digest of its content.

    If two results are equal, nothing in the folder was changed.
    """

    def digest(path: Path) -> str:
        if path.is_symlink():
            return f"-> {path.readlink()}"
        return "folder" if path.is_dir() else hashlib.md5(path.read_bytes()).hexdigest()

    return lambda folder: {
        str(path.relative_to(folder)): digest(path)
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="session")
def small_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the state files of tests/zoo.toml, in zoo/.

    The runs are in build/, so that they are trained only once.
    """
    import zoo

    out = tmp_path_factory.mktemp("live")
    assert zoo.main(["tests/zoo.toml", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def damage() -> Callable[[Path], str]:
    """Return a function that reads a file of a run and returns what is wrong with it.

    It returns "" if the file is complete.
    """

    def of(file: Path) -> str:
        from vaelib.files import read_tensors

        try:
            match file.suffix:
                case ".png":
                    Image.open(file).load()
                case ".pt":
                    read_tensors(file)
                case ".json":
                    json.loads(file.read_text(encoding="utf-8"))
                case ".csv":
                    text = file.read_text(encoding="utf-8")
                    assert text.endswith("\n")
                    assert len({line.count(",") for line in text.splitlines()}) == 1
        except Exception as error:
            return f"{file.name}: {error!r}"
        return ""

    return of


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 40 grey pictures, 8 x 8."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(40):
        pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture(scope="session")
def tiny(pictures: Path) -> list[str]:
    """Flags of a run of two epochs with 4 updates each, which can be made longer."""
    sizes = "--image-size 8 --hidden-dim 8 --latent-dim 2 --batch-size 10"
    others = "--epochs 2 --lr-schedule none --device cpu"
    return [*sizes.split(), *others.split(), "--dataset", f"folder:{pictures}"]


@pytest.fixture(scope="session")
def trained(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished run of two epochs with the flags `tiny`; tests must not change it."""
    from vaelib.train import main

    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main([*tiny, "--save-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """Copy of `trained`, which a test may change."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


# `python -m vaelib.train ARGV > LOG 2>&1`. It is text, because a forked process could
# not import this conftest: there are several files of this name.
TRAIN = """
import os, sys
out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
os.dup2(out, 1)
os.dup2(out, 2)
from vaelib.train import main
sys.exit(main(argv))
"""


@pytest.fixture(scope="session")
def launch() -> Iterator[Launch]:
    """Return a function that starts a training process, as from a terminal.

    Where fork exists, the process is forked from one that has already imported torch.
    """
    fork = hasattr(os, "fork")
    context: Any = multiprocessing.get_context("forkserver" if fork else "spawn")
    if fork:
        # torch._dynamo, which torch's optimizers import, takes longer than all others.
        heavy = ["tqdm", "matplotlib.backends.backend_agg", "torch._dynamo"]
        context.set_forkserver_preload(["vaelib.runs", "vaelib.train", *heavy])
    started: list[BaseProcess] = []

    def start(argv: list[str], log: Path) -> BaseProcess:
        names = dict(argv=[str(arg) for arg in argv], log=str(log))
        process = context.Process(target=exec, args=(TRAIN, names))
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()
