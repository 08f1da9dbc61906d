"""One environment everywhere: lock file, conda, wheel, Makefile and CI agree."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
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

import notebooks

ROOT = Path(__file__).parents[1]


def text_of(name: str) -> str:
    """Return the text of a file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]
PYTHONS = SpecifierSet(PROJECT["requires-python"])


def pins() -> list[str]:
    """Return the lines of requirements.lock, without comments."""
    lines = text_of("requirements.lock").splitlines()
    return [line for line in lines if not line.startswith("#")]


def lock() -> dict[str, str]:
    """Return the version specifier of every package in requirements.lock."""
    found = [re.fullmatch(r"([\w.-]+)(.*)", line) for line in pins()]
    return {canonicalize_name(pin[1]): pin[2] for pin in found if pin}


def tracked() -> list[Path]:
    """Return the files of the repository, and new files that git does not ignore."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    command += ["--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("There is no git repository here, so project files are unknown.")
    paths = [ROOT / name for name in found.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


# The lock


def test_every_line_of_the_lock_is_a_pin() -> None:
    assert len(pins()) > 50
    assert len(pins()) == len(lock()), "a package is listed twice"
    for line in pins():  # without +cpu, markers and URLs
        assert re.fullmatch(r"[\w.-]+==\d[\w.]*", line), line
    assert lock()["torch"] == "==2.13.0"


def test_the_lock_contains_no_gpu_packages() -> None:
    assert not [name for name in lock() if re.search("nvidia|cuda|triton|rocm", name)]


def test_the_lock_satisfies_pyproject() -> None:
    extras = PROJECT["optional-dependencies"]
    lists = [PROJECT["dependencies"], *extras.values()]
    required = [Requirement(text) for texts in lists for text in texts]
    assert len(required) > 15
    for requirement in required:
        if requirement.name != "vaelib":
            pinned = lock()[canonicalize_name(requirement.name)].removeprefix("==")
            assert requirement.specifier.contains(pinned), str(requirement)
        assert requirement.extras <= set(extras), str(requirement)


def closure(root: str) -> set[str]:
    """Return `root` and all its dependencies, by the metadata of installed packages."""
    found: set[str] = set()
    waiting = [Requirement(root)]
    while waiting:
        requirement = waiting.pop()
        try:
            requires = distribution(requirement.name).requires or []
        except PackageNotFoundError:
            continue
        for extra in ["", *requirement.extras]:
            key = f"{requirement.name}[{extra}]" if extra else requirement.name
            if key in found:
                continue
            found.add(key)
            for needed in map(Requirement, requires):
                if not needed.marker or needed.marker.evaluate({"extra": extra}):
                    waiting.append(needed)
    return {canonicalize_name(key) for key in found if "[" not in key}


def test_installed_packages_are_the_locked_ones() -> None:
    installed = closure("vaelib[dev]") - {"vaelib", "pip"}
    assert {"torch", "jupyterlab", "pytest", "ruff", "sympy"} <= installed
    # The CUDA builds of torch pin these themselves. The lock, made for every build,
    # leaves them out.
    gpu = {name for name in installed if re.match("nvidia-|cuda-|triton$", name)}
    public = {name: f"=={Version(version(name)).public}" for name in installed - gpu}
    assert {name: pin for name, pin in public.items() if lock().get(name) != pin} == {}


# Conda and Binder


def test_conda_makes_the_same_environment() -> None:
    environment = yaml.safe_load(text_of("environment.yml"))
    assert set(environment) == {"name", "channels", "dependencies"}
    python, pip, by_pip = environment["dependencies"]
    assert pip == "pip"
    index = "https://download.pytorch.org/whl/cpu"
    assert f'INDEX = "{index}"' in text_of(".ci/torch_build.py")
    cpu = f"--extra-index-url {index}"
    assert by_pip == {"pip": [cpu, "-c requirements.lock", "-e .[lab]"]}
    chosen = re.fullmatch(r"python=(\d+\.\d+)", python)
    assert chosen
    assert PYTHONS.contains(chosen[1])


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel, built from a copy of the files to keep the working tree clean."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for file in tracked():
        target = source / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    build += ["--outdir", str(out), str(source)]
    subprocess.run(build, check=True, capture_output=True, timeout=120)
    (built,) = out.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_contains_the_package_and_its_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = [file for file in tracked() if ROOT / "vaelib" in file.parents]
    here = {str(file.relative_to(ROOT).as_posix()) for file in package}
    folder = ROOT / "notebooks"
    texts = [file for file in tracked() if folder in file.parents]
    texts = [file for file in texts if file.suffix == ".md"]
    chapters = [file.relative_to(folder).as_posix() for file in texts]
    assert {"00_quick_start.md", "questions.md", "ja/00_quick_start.md"} <= {*chapters}
    here |= {f"vaelib/lab/chapters/{name}" for name in chapters}
    tables = [file for file in tracked() if ROOT / "book/results" in file.parents]
    assert {"fig2.csv", "fig3.csv"} <= {file.name for file in tables}
    here |= {f"vaelib/paper/results/{file.name}" for file in tables}
    # JupyterLab finds the extension of the chapters where a wheel puts its data.
    extension = [name for name in here if "/labextensions/" in name]
    data = f"{wheel.name.removesuffix('-py3-none-any.whl')}.data/data/share/jupyter"
    here |= {name.replace("vaelib/lab", data, 1) for name in extension}
    assert len(extension) == 3
    assert here <= names
    data = ["mnist/README.md", "vaelib.mplstyle", "mnist/train-images-idx3-ubyte.0.xz"]
    assert {f"vaelib/{name}" for name in data} <= here
    assert all(re.match(r"vaelib-[^/]+\.dist-info/", name) for name in names - here)
    assert wheel.stat().st_size < 12e6  # MNIST, and texts without outputs


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_environment(
    wheel: Path, pictures: Path, tmp_path: Path
) -> None:
    """Torch and other packages come from this environment, vaelib from the wheel."""
    venv, outside = tmp_path / "venv", tmp_path / "cwd"
    outside.mkdir()
    create = [sys.executable, "-m", "venv", "--without-pip", str(venv)]
    subprocess.run(create, check=True, timeout=60)
    windows = os.name == "nt"
    bin, suffix = venv / ("Scripts" if windows else "bin"), ".exe" if windows else ""
    python, vaelib = bin / f"python{suffix}", bin / f"vaelib{suffix}"

    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    pip += ["--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True, timeout=120)
    [package] = (file.parent for file in venv.rglob("vaelib/__init__.py"))
    site = Path(pytest.__file__).parents[1]
    (package.parent / "other_packages.pth").write_text(f"{site}\n")

    environment: dict[str, Any] = dict(os.environ)
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        environment.pop(name, None)
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        environment.pop(name, None)
    quiet: dict[str, Any] = dict(check=True, capture_output=True, text=True)

    def run(*command: str) -> str:
        """Return what a command prints, run outside of the repository."""
        options = dict(cwd=outside, env=environment, timeout=120)
        return subprocess.run(command, **options, **quiet).stdout

    load = "d = vaelib.load_dataset('mnist'); print(len(d.train), len(d.test))"
    code = f"import vaelib; print(vaelib.__file__); {load}"
    file, sizes = run(str(python), "-c", code).splitlines()
    assert Path(file).parent == package
    assert sizes == "60000 10000"

    code = "from vaelib.paper.experiments import results"
    counts = run(str(python), "-c", f"{code}; print(len(results('fig2')))")
    assert int(counts) == text_of("book/results/fig2.csv").count("\n") - 1

    flags = ["--epochs", "1", "--image-size", "8", "--hidden-dim", "8"]
    flags += ["--device", "cpu", "--dataset", f"folder:{pictures}"]
    run(str(vaelib), "train", *flags)
    latest = outside / "reports/folder/latest"
    assert (latest / "traversals/epoch_0000.png").is_file()

    write = "from vaelib.lab import course; print(course.write_once())"
    printed = [run(str(python), "-c", write).strip() for _ in range(2)]
    assert printed == ["notebooks", "None"]
    names = {file.stem for file in (outside / "notebooks").rglob("*.ipynb")}
    assert names == {Path(name).stem for name in notebooks.names()}


# The Makefile

make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed.")


def test_make_has_its_targets() -> None:
    text = text_of("Makefile")
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    assert {"train", "test", "test-fast", "lab", "clean"} <= targets
    phony = re.search(r"^\.PHONY: (.*)", text, re.MULTILINE)
    assert phony
    assert {"train", "test", "test-fast", "lab", "clean"} <= set(phony[1].split())


@make
@pytest.mark.parametrize("target", ["train", "test", "test-fast", "lab"])
def test_make_installs_once(target: str, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    quiet: dict[str, Any] = dict(check=True, capture_output=True, text=True)

    def plan() -> str:
        """Return the commands that make would run."""
        command = ["make", "--no-print-directory", "-n", target]
        return subprocess.run(command, cwd=tmp_path, timeout=30, **quiet).stdout

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

    os.utime(tmp_path / "requirements.lock")  # after a change of the lock
    assert "-c requirements.lock -e ." in plan()


@make
def test_list_of_fonts_goes_with_the_environment() -> None:
    """Where a kernel outlived its copy, the home folder's list had no fonts for any."""
    rule = "--eval=folder: ; @echo $$MPLCONFIGDIR"
    command = ["make", "--no-print-directory", rule, "folder"]
    quiet: dict[str, Any] = dict(check=True, capture_output=True, text=True)
    said = subprocess.run(command, cwd=ROOT, timeout=30, **quiet).stdout
    assert Path(said.strip()) == ROOT / ".venv/matplotlib"


# CI


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert text_of(".ci/run").strip().splitlines()[-1] == "make test"
    assert re.search(r"\bmake test\b", text_of("README.md"))
    if os.name != "nt":
        assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_ci_covers_three_systems_and_three_pythons() -> None:
    job = yaml.safe_load(text_of(".github/workflows/test.yml"))["jobs"]["test"]
    matrix = job["strategy"]["matrix"]
    systems = {system.split("-")[0] for system in matrix["os"]}
    assert systems == {"ubuntu", "macos", "windows"}
    assert "never run" in job["name"]  # of macOS and Windows, as the README says
    assert set(matrix["python"]) == {"3.11", "3.12", "3.13"}
    assert job["runs-on"] == "${{ matrix.os }}"
    assert all(PYTHONS.contains(python) for python in matrix["python"])
    used = {step["uses"].split("@")[0]: step for step in job["steps"] if "uses" in step}
    setup = used["actions/setup-python"]["with"]
    assert setup["python-version"] == "${{ matrix.python }}"
    assert commands_of(job) == ["PYTHON=python .ci/run"]


def commands_of(job: dict[str, Any]) -> list[str]:
    """Return the commands of the steps of a workflow's job."""
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_book_is_published_after_it_is_checked() -> None:
    jobs = yaml.safe_load(text_of(".github/workflows/book.yml"))["jobs"]
    check, build, handout, push = commands_of(jobs["build"])
    assert (check, build) == ("PYTHON=python .ci/run", "make offline PUBLISH=1")
    assert handout == "make handout"
    assert push.endswith("colab\n")  # the branch from which Colab opens the notebooks
    last = jobs["build"]["steps"][-1]
    assert last["uses"].startswith("actions/upload-pages-artifact@")
    assert last["with"] == {"path": "book/_build/html"}
    assert jobs["deploy"]["needs"] == "build"
    assert jobs["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}


def test_the_style_and_the_script_of_katex_have_one_version() -> None:
    package = json.loads(text_of("package.json"))
    assert package["devDependencies"]["katex"] == katex.katex_version


# No file depends on the machine on which it was written

MACHINE = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|Users)/|\b[A-Z]:\\Users")


def test_no_tracked_file_contains_a_path_of_a_machine() -> None:
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


# Every line can be read without scrolling

WIDTH = 88
CHECKED = re.compile(r".*\.(py|js|css|html|toml|yml|md)|Makefile|\.ci/run")
EXEMPT = {"book/paper-to-code.md", "tests/benchmarks/results.md", "book/inventory.toml"}
# a URL, a long formula within a sentence, Japanese text
UNBREAKABLE = re.compile(r"\w://|\$[^$]{70,}\$|[\u3040-\u30ff\u4e00-\u9fff]")


def lines_of(name: str) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a file that can be broken.

    Those of Markdown that cannot are rows of tables, titles of boxes and alt texts.
    """
    whole = ("|", ":::{", "![") if name.endswith(".md") else ()
    for number, line in enumerate(text_of(name).splitlines(), start=1):
        if not line.startswith(whole):
            yield number, line


def test_no_line_is_longer_than_88_characters() -> None:
    names = {file.relative_to(ROOT).as_posix() for file in tracked()}
    names = {name for name in names if CHECKED.fullmatch(name)}
    assert len(names) > 80
    long = [
        f"{name}:{number}: {len(line)} characters: {line.strip()[:60]}"
        for name in sorted(names - EXEMPT)
        for number, line in lines_of(name)
        if len(line) > WIDTH and not UNBREAKABLE.search(line)
    ]
    assert not long, "\n".join(long)
