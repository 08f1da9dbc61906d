"""The first minutes: what make installs, and JupyterLab as `vaelib lab` starts it."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from vaelib import commands

if TYPE_CHECKING:
    from conftest import Cli

ROOT = Path(__file__).parents[1]
FIRST = "--LabApp.default_url=/lab/tree/notebooks/00_quick_start.ipynb"
linux = pytest.mark.skipif(sys.platform != "linux", reason="CUDA is on PyPI for Linux.")
make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed.")


# vaelib lab


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with the first notebook and another one."""
    (tmp_path / "notebooks").mkdir()
    for name in ("00_quick_start", "mine"):
        (tmp_path / f"notebooks/{name}.ipynb").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be an ordinary user, also where root runs the tests."""
    monkeypatch.setattr("os.geteuid", lambda: 1000, raising=False)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "--no-browser --port 8899 --ip=0.0.0.0",
        "--IdentityProvider.token= --certfile=key.pem",
        "--LabApp.news_url=None",
    ],
)
def test_the_first_notebook_opens_whatever_the_flags(
    given: str, clone: Path, user: None
) -> None:
    flags = given.split()
    assert commands.lab_flags(flags) == [FIRST, *flags]


@pytest.mark.parametrize(
    "given",
    [
        "notebooks/mine.ipynb",
        "notebooks/missing.ipynb",  # JupyterLab says so
        "--no-browser notebooks",
        "--notebook-dir notebooks",
        "--notebook-dir=/elsewhere",
        "--ServerApp.root_dir=notebooks",
        "--LabApp.default_url=/lab/tree/notebooks/mine.ipynb",
        "--ServerApp.default_url=/tree",
    ],
)
def test_a_place_that_the_user_names_is_not_replaced(
    given: str, clone: Path, user: None
) -> None:
    assert commands.lab_flags(given.split()) == given.split()


def test_away_from_the_notebooks_nothing_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: None
) -> None:
    monkeypatch.chdir(tmp_path)
    assert commands.lab_flags(["--port", "8899"]) == ["--port", "8899"]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no root.")
def test_root_is_told_what_it_means(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert commands.lab_flags(["--no-browser"]) == [
        FIRST,
        "--allow-root",
        "--no-browser",
    ]
    note = capsys.readouterr().err
    assert note.count("\n") == 1
    assert "root" in note
    assert "--allow-root" in note
    for given in (["--allow-root"], ["--ServerApp.allow_root=False"]):
        assert commands.lab_flags(given) == [FIRST, *given]
    assert capsys.readouterr().err == ""


def test_flags_arrive_at_jupyterlab_in_their_order(clone: Path) -> None:
    """JupyterLab prints the settings that it would start with."""
    flags = ["--no-browser", "--port", "8899", "--ip=0.0.0.0", "--show-config-json"]
    command = [sys.executable, "-m", "vaelib.cli", "lab", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    server = json.loads(done.stdout)["ServerApp"]
    chosen = {name: server[name] for name in ("port", "ip", "open_browser")}
    assert chosen == dict(port=8899, ip="0.0.0.0", open_browser=False)
    assert server["default_url"] == FIRST.partition("=")[2]
    if os.name == "posix":
        assert server.get("allow_root", False) == (os.geteuid() == 0)


def test_help_says_that_flags_go_on(cli: Cli) -> None:
    answer = cli("lab", "--help")
    assert answer.code == 0
    assert "go on to JupyterLab" in " ".join(answer.out.split())
    assert "--no-browser" in answer.out


@pytest.mark.parametrize("command", ["train", "sweep", "compare x", "evaluate x"])
def test_other_commands_refuse_flags_of_jupyterlab(command: str, cli: Cli) -> None:
    assert "--no-browser" in cli(*command.split(), "--no-browser").refusal


# Which build of PyTorch is installed


class QuietHandler(SimpleHTTPRequestHandler):
    """Handler that writes no log."""

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """Address of package indexes: cpu/ and pypi/ have a torch, none/ has nothing."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    [version] = re.findall(r"^torch==(.*)", lock, re.MULTILINE)
    for name, build in dict(cpu="%2Bcpu", pypi="").items():
        wheel = f"torch-{version}{build}-py3-none-any.whl"
        page = tmp_path / name / "torch/index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"<!DOCTYPE html><a href='{wheel}'>{wheel}</a>")
    handler = partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def torch_build(
    *argv: str, own: str, path: Path | str = ""
) -> subprocess.CompletedProcess[str]:
    """Run .ci/torch_build.py where pip knows one index, and return what it prints."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("PIP_", "XDG_"))
    }
    environment |= dict(PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL=own, PATH=str(path))
    command = [sys.executable, str(ROOT / ".ci/torch_build.py"), *argv]
    options: dict[str, Any] = dict(capture_output=True, text=True, timeout=60)
    return subprocess.run(command, env=environment, **options)


no_driver = pytest.mark.skipif(
    Path("/proc/driver/nvidia/version").exists(), reason="This machine has a driver."
)


@linux
@no_driver
@pytest.mark.parametrize("build", ["auto", "cpu"])
def test_without_a_driver_torch_comes_from_the_index_for_cpus(
    build: str, index: str
) -> None:
    done = torch_build(build, f"{index}/cpu", own=f"{index}/pypi")
    assert done.stdout.split() == ["--extra-index-url", f"{index}/cpu"]
    assert "1.1 GB" in done.stderr
    assert done.returncode == 0


@linux
@no_driver
def test_an_index_of_the_user_comes_first(index: str) -> None:
    done = torch_build("auto", f"{index}/none", own=f"{index}/cpu")
    assert (done.stdout, done.returncode) == ("", 0)
    assert "1.1 GB" in done.stderr


@linux
@no_driver
def test_without_an_index_for_cpus_it_says_what_comes(index: str) -> None:
    done = torch_build("auto", f"{index}/none", own=f"{index}/pypi")
    assert (done.stdout, done.returncode) == ("", 0)
    for text in (f"{index}/none does not", "4.8 GB", "PIP_EXTRA_INDEX_URL"):
        assert text in done.stderr
    refused = torch_build("cpu", f"{index}/none", own=f"{index}/pypi")
    assert (refused.stdout, refused.returncode) == ("", 2)
    assert "PIP_EXTRA_INDEX_URL" in refused.stderr


@linux
@no_driver
@pytest.mark.slow
def test_an_index_that_never_answers_costs_a_few_seconds(index: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = torch_build("auto", address, own=f"{index}/pypi")
    assert (done.stdout, done.returncode) == ("", 0)
    assert "4.8 GB" in done.stderr
    assert time.monotonic() - start < 40  # 5 s, and pip twice


@linux
def test_with_a_driver_torch_comes_with_cuda(index: str, tmp_path: Path) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\n")
    driver.chmod(0o755)
    own = f"{index}/pypi"
    done = torch_build("auto", f"{index}/cpu", own=own, path=tmp_path)
    assert (done.stdout, done.returncode) == ("", 0)
    assert "4.8 GB" in done.stderr
    assert "TORCH=cpu" in done.stderr
    chosen = torch_build("cpu", f"{index}/cpu", own=own, path=tmp_path)
    assert chosen.stdout.split() == ["--extra-index-url", f"{index}/cpu"]
    assert torch_build("cuda", f"{index}/cpu", own=own).stdout == ""


def test_an_unknown_build_is_refused() -> None:
    done = torch_build("gpu", own="http://127.0.0.1:9")
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr == "TORCH is 'gpu': give auto, cpu or cuda.\n"


# make


def run_make(folder: Path, *argv: str) -> str:
    """Run make in a copy of what it needs, and return what it says as it fails."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", ".ci"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    command = ["make", "--no-print-directory", *argv]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert not list(folder.glob(".venv/*.stamp"))
    return done.stderr


@make
@pytest.mark.parametrize(
    ("lacks", "advice"),
    [
        ("version_info", "vaelib needs Python 3.11 or later, and {} is none: name one"),
        ("ensurepip", "{} cannot make virtual environments: on Debian and Ubuntu"),
    ],
)
def test_make_says_what_is_wrong_with_python(
    lacks: str, advice: str, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase "$2" in *{lacks}*) exit 1;; esac\n')
    python.chmod(0o755)
    said = run_make(tmp_path, "lab", f"PYTHON={python}")
    assert said.startswith(advice.format(python))
    assert not (tmp_path / ".venv").exists()


@make
def test_make_says_that_pip_failed_and_why(tmp_path: Path) -> None:
    create = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")]
    subprocess.run(create, check=True, timeout=60)
    said = run_make(tmp_path, "-o", ".venv/base.stamp", "lab")
    assert "No module named pip" in said
    assert "pip could not install the packages, and says above why" in said
    assert "book/run-it.md" in said
