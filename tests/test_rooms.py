"""The structure of the package: which module may import which, what an import costs,
and that every public name has a docstring.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vaelib

ROOMS = (
    "checks",
    "config",
    "errors",
    "flags",
    "schedules",
    "sprites",
    "images",
    "datasets",
    "image_folder",
    "data",
    "model",
    "losses",
    "bounds",
    "exact",
    "gradients",
    "evaluation",
    "state",
    "events",
    "training",
    "plotting",
    "chapter",
    "files",
    "runfiles",
    "runs",
    "widgets.frontend",
    "widgets.weights",
    "widgets.explorer",
    "widgets.panel",
    "widgets.session",
    "widgets.worker",
    "widgets.playground",
    "widgets",
    "train",
    "sweeps.grids",
    "sweeps.cluster",
    "sweeps.jobs",
    "sweeps.runner",
    "sweeps.results",
    "sweeps.tables",
    "sweeps.figures",
    "sweeps.compare",
    "sweeps",
    "commands",
    "cli",
    "grids",
    "cluster",
    "compare",
)
# Each folder of JavaScript may import from itself and from those above it.
SCRIPTS = ("engine", "parts", "")
HOUSE = Path(vaelib.__file__).parent
PACKAGES = ("vaelib", "vaelib.sweeps", "vaelib.widgets")
JS = HOUSE / "widgets" / "js"


def text(room: str) -> str:
    """The source of a room; a folder's is its __init__."""
    path = HOUSE / room.replace(".", "/")
    return (
        path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    ).read_text(encoding="utf-8")


def tree(room: str) -> ast.Module:
    """The source of a room, parsed."""
    return ast.parse(text(room))


def imports(room: str) -> set[str]:
    """Every module that a room imports, by its full name; also inside functions and for type checkers only."""
    found = set()
    for node in ast.walk(tree(room)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{room}: relative import in line {node.lineno}"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner if node.module in PACKAGES else {node.module or ""}
    return found


def rooms_of(room: str) -> set[str]:
    """The rooms that a room imports; the package itself only for its version."""
    inside = {
        name.removeprefix("vaelib.")
        for name in imports(room)
        if name.startswith("vaelib.")
    }
    return inside - {"__version__"}


def scripts() -> list[Path]:
    """Every JavaScript module."""
    return sorted(JS.rglob("*.js"))


def folder_of(script: Path) -> str:
    """The folder of a script below js/: "engine", "parts" or ""."""
    return script.parent.relative_to(JS).as_posix().removeprefix(".")


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_every_file_is_a_room():
    files = {
        path.relative_to(HOUSE).with_suffix("").as_posix()
        for path in HOUSE.rglob("*.py")
    }
    rooms = {name.removesuffix("/__init__").replace("/", ".") for name in files}
    assert rooms == {*ROOMS, "__init__"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_above_it(room: str):
    assert rooms_of(room) <= set(ROOMS[: ROOMS.index(room)])


def test_every_script_stands_in_a_known_folder():
    assert {folder_of(script) for script in scripts()} == set(SCRIPTS)


@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.name)
def test_a_script_imports_only_from_its_folder_and_those_above_it(script: Path):
    paths = re.findall(r'(?:from |import\()"([^"]+)"', script.read_text("utf-8"))
    assert paths or script.name in ("controls.js", "events.js", "numbers.js")
    assert all(path.startswith(".") for path in paths)
    above = SCRIPTS[: SCRIPTS.index(folder_of(script)) + 1]
    assert {folder_of((script.parent / path).resolve()) for path in paths} <= set(above)


@pytest.mark.parametrize(
    "script",
    [s for s in scripts() if folder_of(s) == "engine"],
    ids=lambda script: script.name,
)
def test_the_engine_knows_no_document(script: Path):
    """So that node can run it."""
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", script.read_text("utf-8"), flags=re.S)
    assert not re.search(r"\b(document|window|HTML\w*|canvas)\b", code)


@pytest.mark.parametrize("room", ROOMS)
def test_the_package_is_asked_for_its_version_only(room: str):
    """`vaelib.load` and the like would go round the order of the rooms."""
    nodes = [node for node in ast.walk(tree(room)) if isinstance(node, ast.Attribute)]
    assert {
        n.attr
        for n in nodes
        if isinstance(n.value, ast.Name) and n.value.id == "vaelib"
    } <= {"__version__"}


@pytest.mark.parametrize(
    "room",
    ["data", "datasets", "images", "losses", "model", "image_folder", "schedules"],
)
def test_plain_rooms_know_no_config(room: str):
    assert "config" not in rooms_of(room)
    assert "TrainConfig" not in text(room)


def test_config_and_schedules_need_no_torch():
    assert not any(
        name.split(".")[0] == "torch"
        for room in ("config", "schedules")
        for name in imports(room)
    )


@pytest.mark.parametrize(
    "module",
    [
        "vaelib",
        "vaelib.config",
        "vaelib.schedules",
        "vaelib.train",
        "vaelib.sweeps.grids",
        "vaelib.cli",
    ],
)
def test_import_is_light(module: str):
    assert not loaded_by(f"import {module}") & {
        "torch",
        "torchvision",
        "matplotlib",
        "numpy",
        "dask",
        "distributed",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["train", "--help"],
        ["sweep", "--help"],
        ["sweep", "--beta", "x"],
        ["train", "--bta", "4"],
        ["--version"],
    ],
)
def test_help_and_a_mistyped_flag_are_light(arguments: list[str]):
    statement = (
        f"from vaelib.cli import main\nimport contextlib, io\nwith contextlib.suppress(SystemExit), "
        f"contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()): main({arguments})"
    )
    assert not loaded_by(statement) & {
        "torch",
        "torchvision",
        "matplotlib",
        "numpy",
        "dask",
        "distributed",
    }


def test_training_does_not_wait_for_the_compiler():
    """torch's optimizers import it where they can, and so do meta tensors: over a second, on every start."""
    flags = [
        "--dataset",
        "sprites",
        "--epochs",
        "1",
        "--hidden-dim",
        "8",
        "--latent-dim",
        "2",
    ]
    statement = f"import tempfile\nfrom vaelib.train import main\nmain([*{flags}, '--project-dir', tempfile.mkdtemp()])"
    code = f"import contextlib, os\nwith contextlib.redirect_stdout(open(os.devnull, 'w')): exec({statement!r})"
    assert not loaded_by(code) & {"torch._dynamo", "sympy"}


def test_no_public_name_is_called_train():
    """`vaelib.train` is the module that `python -m vaelib.train` runs."""
    assert "train" not in vaelib.HOMES
    code = "import vaelib; print(hasattr(vaelib, 'train'), 'train' in dir(vaelib))"
    assert subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    ).stdout.split() == ["False", "False"]


@pytest.mark.parametrize("name", vaelib.HOMES)
def test_public_name_is_the_one_of_its_room(name: str):
    assert getattr(vaelib, name) is getattr(
        importlib.import_module(f"vaelib.{vaelib.HOMES[name]}"), name
    )
    assert name in dir(vaelib)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        vaelib.no_such_name  # noqa: B018  # pyright: ignore


@pytest.mark.parametrize("room", ["__init__", *ROOMS])
def test_public_things_have_a_docstring(room: str):
    source = tree(room)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = [
        node
        for node in source.body
        if isinstance(node, kinds) and not node.name.startswith("_")
    ]
    assert ast.get_docstring(source), "the room itself"
    assert [node.name for node in public if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_public_methods_have_a_docstring_or_inherit_one(room: str):
    module = importlib.import_module(f"vaelib.{room}")
    classes = [
        c
        for _, c in inspect.getmembers(module, inspect.isclass)
        if c.__module__ == module.__name__
    ]
    methods = [
        (c, name)
        for c in classes
        for name, f in vars(c).items()
        if inspect.isfunction(f) and not name.startswith("_")
    ]
    assert [
        f"{c.__name__}.{name}"
        for c, name in methods
        if not inspect.getdoc(getattr(c, name))
    ] == []


@pytest.mark.parametrize("room", ["__init__", *ROOMS])
def test_a_room_is_read_in_one_sitting(room: str):
    assert len(text(room).splitlines()) <= 300
