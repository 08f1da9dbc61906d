"""One environment everywhere: the lock, conda's way to it, the wheel, the verbs and what CI calls."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from sphinxcontrib import katex

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


def lock() -> dict[str, str]:
    """requirements.lock: name -> what stands after it."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [
        re.fullmatch(r"([\w.-]+)(.*)", line)
        for line in lines
        if not line.startswith("#")
    ]
    return {canonicalize_name(pin[1]): pin[2] for pin in pins if pin}


def tracked() -> list[Path]:
    """The repository's files, and those that are new and not ignored."""
    command = [
        "git",
        "-C",
        str(ROOT),
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        pytest.skip(
            "This is no clone: git does not know which files belong to the project."
        )
    return [
        ROOT / name
        for name in found.stdout.split("\0")
        if name and (ROOT / name).is_file()
    ]


# The lock


def test_every_line_of_the_lock_is_a_pin() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) > 50
    assert len(pins) == len(lock()), "a name stands twice"
    for line in pins:
        assert re.fullmatch(r"[\w.-]+==\d[\w.]*", line), (
            line
        )  # no +cpu, no marker, no URL
    assert lock()["torch"] == "==2.13.0"


def test_the_lock_asks_for_no_gpu() -> None:
    assert not [name for name in lock() if re.search("nvidia|cuda|triton|rocm", name)]


def test_the_lock_satisfies_pyproject() -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = [
        Requirement(text)
        for texts in (PROJECT["dependencies"], *extras.values())
        for text in texts
    ]
    assert len(wanted) > 15
    for requirement in wanted:
        if requirement.name != "vaelib":
            pinned = lock()[canonicalize_name(requirement.name)].removeprefix("==")
            assert requirement.specifier.contains(pinned), str(requirement)
        assert requirement.extras <= set(extras), str(requirement)


def closure(root: str) -> set[str]:
    """All that is installed because of `root`, by the metadata of what is installed."""
    found: set[str] = set()
    waiting = [Requirement(root)]
    while waiting:
        requirement = waiting.pop()
        try:
            requires = distribution(requirement.name).requires or []
        except PackageNotFoundError:
            continue
        for key in (
            requirement.name,
            *(f"{requirement.name}[{extra}]" for extra in requirement.extras),
        ):
            if key in found:
                continue
            found.add(key)
            for needed in map(Requirement, requires):
                for extra in requirement.extras or {""}:
                    if not needed.marker or needed.marker.evaluate({"extra": extra}):
                        waiting.append(needed)
    return {canonicalize_name(key) for key in found if "[" not in key}


def test_what_is_installed_is_what_is_locked() -> None:
    installed = closure("vaelib[dev]") - {"vaelib", "pip"}
    assert {"torch", "jupyterlab", "pytest", "ruff", "sympy"} <= installed
    # torch's CUDA builds pin these themselves; the lock leaves them out, so that it serves every build
    installed = {
        name for name in installed if not re.match("nvidia-|cuda-|triton$", name)
    }
    public = {name: f"=={Version(version(name)).public}" for name in installed}
    assert {name: pin for name, pin in public.items() if lock().get(name) != pin} == {}


# Conda and Binder


def test_conda_makes_the_same_environment() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert set(environment) == {"name", "channels", "dependencies"}
    python, pip, by_pip = environment["dependencies"]
    assert pip == "pip"
    assert by_pip == {"pip": ["-c requirements.lock", "-e .[lab]"]}
    chosen = re.fullmatch(r"python=(\d+\.\d+)", python)
    assert chosen
    assert SpecifierSet(PROJECT["requires-python"]).contains(chosen[1])


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the project's files, so that nothing is left in the working tree."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for file in tracked():
        target = source / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(out),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (built,) = out.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    here = {
        str(file.relative_to(ROOT).as_posix())
        for file in tracked()
        if ROOT / "vaelib" in file.parents
    }
    assert here <= names
    assert {
        "vaelib/mnist/README.md",
        "vaelib/vaelib.mplstyle",
        "vaelib/mnist/train-images-idx3-ubyte.0.xz",
    } <= here
    assert not [
        name for name in names - here if not re.match(r"vaelib-[^/]+\.dist-info/", name)
    ]


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_environment(
    wheel: Path, pictures: Path, tmp_path: Path
) -> None:
    """Torch and the like come from this environment; vaelib and its data can come from the wheel alone."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")],
        check=True,
        timeout=60,
    )
    bin, suffix = (
        (tmp_path / "venv/Scripts", ".exe")
        if os.name == "nt"
        else (tmp_path / "venv/bin", "")
    )
    python, vaelib = bin / f"python{suffix}", bin / f"vaelib{suffix}"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True, timeout=120)
    (packages,) = (
        path.parent
        for path in (tmp_path / "venv").rglob("vaelib")
        if (path / "__init__.py").is_file()
    )
    (packages / "heavy.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")

    clean: dict[str, Any] = dict(os.environ)
    for name in (
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "COVERAGE_PROCESS_START",
        "COVERAGE_PROCESS_CONFIG",
    ):
        clean.pop(name, None)
    (tmp_path / "cwd").mkdir()
    here: dict[str, Any] = dict(
        cwd=tmp_path / "cwd",
        env=clean,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    look = "import vaelib; print(vaelib.__file__); d = vaelib.load_dataset('mnist'); print(len(d.train), len(d.test))"
    file, sizes = subprocess.run([str(python), "-c", look], **here).stdout.splitlines()
    assert Path(file).parent == packages / "vaelib"
    assert sizes == "60000 10000"

    flags = [
        "--epochs",
        "1",
        "--image-size",
        "8",
        "--hidden-dim",
        "8",
        "--device",
        "cpu",
        "--dataset",
        f"folder:{pictures}",
    ]
    subprocess.run([str(vaelib), "train", *flags], **here)
    assert (tmp_path / "cwd/reports/folder/latest/traversals/epoch_0000.png").is_file()


# The verbs

make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed.")


def test_make_has_its_verbs() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    assert {"train", "test", "test-fast", "lab", "clean"} <= verbs
    phony = re.search(r"^\.PHONY: (.*)", text, re.MULTILINE)
    assert phony
    assert {"train", "test", "test-fast", "lab", "clean"} <= set(phony[1].split())


@make
@pytest.mark.parametrize("verb", ["train", "test", "test-fast", "lab"])
def test_make_installs_once(verb: str, tmp_path: Path) -> None:
    for name in (
        "Makefile",
        "pyproject.toml",
        "requirements.lock",
        "package.json",
        "package-lock.json",
    ):
        shutil.copy(ROOT / name, tmp_path)

    def plan() -> str:
        command = ["make", "--no-print-directory", "-n", verb]
        found = subprocess.run(
            command,
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return found.stdout

    first = plan()
    assert "-m venv" in first
    assert "-c requirements.lock -e ." in first

    (tmp_path / ".venv").mkdir()
    os.utime(tmp_path / "pyproject.toml", (1, 1))
    os.utime(tmp_path / "requirements.lock", (1, 1))
    for time, stamp in enumerate(("base", "train", "lab", "book", "dev"), start=2):
        (tmp_path / f".venv/{stamp}.stamp").touch()
        os.utime(tmp_path / f".venv/{stamp}.stamp", (time, time))
    assert not re.search(r"-m venv|-m pip", plan())

    os.utime(tmp_path / "requirements.lock")  # another lock: it installs again
    assert "-c requirements.lock -e ." in plan()


# CI


def test_ci_runs_the_test_command_of_the_readme() -> None:
    last = (ROOT / ".ci" / "run").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert last == "make test"
    assert re.search(r"\bmake test\b", (ROOT / "README.md").read_text(encoding="utf-8"))
    if os.name != "nt":
        assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_ci_covers_three_systems_and_three_pythons() -> None:
    job = yaml.safe_load(
        (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    )["jobs"]["test"]
    matrix = job["strategy"]["matrix"]
    assert {system.split("-")[0] for system in matrix["os"]} == {
        "ubuntu",
        "macos",
        "windows",
    }
    assert set(matrix["python"]) == {"3.11", "3.12", "3.13"}
    assert job["runs-on"] == "${{ matrix.os }}"
    assert all(
        SpecifierSet(PROJECT["requires-python"]).contains(python)
        for python in matrix["python"]
    )
    setup = [
        step["with"]
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/setup-python")
    ]
    assert setup[0]["python-version"] == "${{ matrix.python }}"
    assert [step["run"] for step in job["steps"] if "run" in step] == [
        "PYTHON=python .ci/run"
    ]


def test_the_book_that_is_published_is_the_one_that_was_checked() -> None:
    jobs = yaml.safe_load(
        (ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8")
    )["jobs"]
    assert [step["run"] for step in jobs["build"]["steps"] if "run" in step] == [
        "PYTHON=python .ci/run",
        "make book",
    ]
    last = jobs["build"]["steps"][-1]
    assert last["uses"].startswith("actions/upload-pages-artifact@")
    assert last["with"] == {"path": "book/_build/html"}
    assert jobs["deploy"]["needs"] == "build"
    assert jobs["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}


def test_the_style_of_the_mathematics_is_that_of_what_sets_it() -> None:
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))[
        "devDependencies"
    ]["katex"]
    assert wanted == katex.katex_version


# No file knows the machine on which it was written

MACHINE = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|Users)/|\b[A-Z]:\\Users")


def test_no_tracked_file_holds_a_path_of_a_machine() -> None:
    found, texts = [], 0
    for file in tracked():
        content = file.read_bytes()
        if b"\0" in content:
            continue
        texts += 1
        for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
            if MACHINE.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert texts > 20
    assert not found, "\n".join(found)
