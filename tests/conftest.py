"""What several test files share: tiny pictures, a tiny run, the command line, whole trees, real processes."""

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

# Workers share the cores: threads of torch that wait for each other would make tiny models a hundred times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

Tree = Callable[[Path], dict[str, str]]
Cli = Callable[..., "Answer"]
Launch = Callable[..., BaseProcess]


class Answer(NamedTuple):
    """What a command returned and said."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line on standard error."""
        assert self.err.count("\n") == 1, self.err
        assert self.err.endswith("\n"), self.err
        assert len(self.err) > 20, self.err
        return self.err.strip()

    @property
    def refusal(self) -> str:
        """The one line with which bad input is answered."""
        assert self.code == 2, self
        return self.sentence


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """`vaelib ...`, called in this process."""

    def call(*argv: object) -> Answer:
        from vaelib.cli import main

        capsys.readouterr()
        try:
            code = main([str(arg) for arg in argv])
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


@pytest.fixture(scope="session")
def tree() -> Tree:
    """Everything below a folder: name -> digest of its content; two equal answers mean that nothing was changed."""

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
    """The state files of tests/zoo.toml, in a folder zoo. Its runs lie in build: they are trained once."""
    import zoo

    out = tmp_path_factory.mktemp("live")
    assert zoo.main(["tests/zoo.toml", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def damage() -> Callable[[Path], str]:
    """What is wrong with a run's file, by reading it whole; "" if nothing."""

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
    """A folder of 40 grey pictures, 8 x 8."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(40):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(
            folder / f"{i:02}.png"
        )
    return folder


@pytest.fixture(scope="session")
def tiny(pictures: Path) -> list[str]:
    """Flags of a run that takes no time, 4 updates an epoch, and can be made longer."""
    flags = "--image-size 8 --hidden-dim 8 --latent-dim 2 --batch-size 10 --epochs 2 --lr-schedule none --device cpu"
    return [*flags.split(), "--dataset", f"folder:{pictures}"]


@pytest.fixture(scope="session")
def trained(tiny: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two epochs with these flags; not to be changed."""
    from vaelib.train import main

    folder = tmp_path_factory.mktemp("trained") / "run"
    assert main([*tiny, "--save-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of `trained`, to be changed."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


# `python -m vaelib.train ARGV > LOG 2>&1`. As text: a forked process could not tell this conftest from another one.
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
    """Starts real training processes, forked (where there is fork) from one that has imported torch already."""
    context: Any = multiprocessing.get_context(
        "forkserver" if hasattr(os, "fork") else "spawn"
    )
    if hasattr(os, "fork"):
        # torch's optimizers import torch._dynamo, which takes longer than all the rest
        context.set_forkserver_preload(
            [
                "vaelib.runs",
                "vaelib.train",
                "tqdm",
                "matplotlib.backends.backend_agg",
                "torch._dynamo",
            ]
        )
    started: list[BaseProcess] = []

    def start(argv: list[str], log: Path) -> BaseProcess:
        process = context.Process(
            target=exec,
            args=(TRAIN, dict(argv=[str(arg) for arg in argv], log=str(log))),
        )
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        if process.is_alive():
            process.kill()
        process.join()
