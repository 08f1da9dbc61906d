"""The structure of the package: which module may import which, what an import costs,
how long a file may be, and that every public name has a docstring.
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

# Each module may import those before it.
ROOMS = (
    # settings
    *("checks", "streams", "presets", "combinations", "config", "errors", "flags"),
    *("schedules", "memory", "devices"),
    # data
    *("sprites", "images", "pictures", "picture_files", "splits"),
    *("image_folder", "packed", "downloads", "cifar", "data"),
    # the paper, and its training loop
    *("model", "losses", "bounds", "exact", "gradients"),
    *("evaluation", "state", "collapse"),
    *("paper.hmc", "paper.marginal", "paper.weights"),
    *("paper.wake_sleep", "paper.em", "paper.experiments", "paper", "training"),
    # figures and files
    *(
        "plotting",
        "paper.figures",
        "stills",
        "chapter",
        "files",
        "checkpoints",
        "runfiles",
        "runs",
    ),
    # widgets
    *("widgets.frontend", "widgets.weights", "widgets.explorer", "widgets.panel"),
    *("widgets.session", "widgets.worker", "widgets.playground"),
    *("widgets.slow_motion", "widgets.predict", "widgets"),
    # many runs
    *("train", "sweeps.grids", "sweeps.workers", "sweeps.cluster", "sweeps.jobs"),
    *("sweeps.runner", "sweeps.results", "sweeps.tables", "sweeps.figures"),
    *("sweeps.compare", "sweeps"),
    # what the exercises of the chapters ask for
    *("exercises.diagnosis", "exercises.parts"),
    *(f"exercises.chapter_{n:02}" for n in range(17)),
    *("exercises.checker", "exercises"),
    # JupyterLab and the command line
    *("lab.contents", "lab.course", "lab.export", "lab", "commands", "cli"),
)
# The old names of modules, kept for code that was written for 0.1.
OLD_NAMES = ("grids", "cluster", "compare")
WINGS = ("exercises", "lab", "paper", "sweeps", "widgets")
# Each folder of JavaScript may import from itself and from those before it.
SCRIPT_FOLDERS = ("engine", "parts", "")

HOUSE = Path(vaelib.__file__).parent
PACKAGES = ("vaelib", "vaelib.exercises", "vaelib.paper", "vaelib.sweeps")
PACKAGES += ("vaelib.widgets",)
JS = HOUSE / "widgets" / "js"
SCRIPTS = sorted(JS.rglob("*.js"))
ENGINE = sorted((JS / "engine").glob("*.js"))
HEAVY = {"torch", "torchvision", "matplotlib", "numpy", "dask", "distributed"}
LIGHT = ("vaelib", "vaelib.config", "vaelib.schedules", "vaelib.train")


def text(room: str) -> str:
    """Return the source of a module; of a package, its __init__."""
    path = HOUSE / room.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text(encoding="utf-8")


def tree(room: str) -> ast.Module:
    """Return the parsed source of a module."""
    return ast.parse(text(room))


def imports(room: str) -> set[str]:
    """Return the full names of all modules that a module imports.

    Imports inside functions and those for type checkers count too.
    """
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
    """Return the modules of vaelib that a module imports."""
    found = {name for name in imports(room) if name.startswith("vaelib.")}
    return {name.removeprefix("vaelib.") for name in found} - {"__version__"}


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a new interpreter has loaded after a statement."""
    code = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def folder_of(script: Path) -> str:
    """Return the folder of a script below js/: "engine", "parts" or ""."""
    return script.parent.relative_to(JS).as_posix().removeprefix(".")


# Which module may import which


def test_every_file_is_a_room():
    files = {path.relative_to(HOUSE).with_suffix("") for path in HOUSE.rglob("*.py")}
    names = {".".join(file.parts).removesuffix(".__init__") for file in files}
    assert names == {*ROOMS, *OLD_NAMES, "__init__"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_before_it(room: str):
    assert rooms_of(room) <= set(ROOMS[: ROOMS.index(room)])


@pytest.mark.parametrize("room", ROOMS)
def test_only_the_command_line_and_the_wing_itself_use_a_wing(room: str):
    """But training is also by the other methods of the paper, and so are exercises."""
    used = {name.partition(".")[0] for name in rooms_of(room)} & set(WINGS)
    wing = room.partition(".")[0]
    users = dict(commands=WINGS, cli=WINGS, training=("paper",))
    users |= dict(exercises=("exercises", "paper"))
    assert used <= set(users.get(wing, (wing,)))


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_uses_the_names_that_the_package_hands_on(room: str):
    """`vaelib.load` and the like would bypass the order of the modules."""
    found = {
        node.attr
        for node in ast.walk(tree(room))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "vaelib"
    }
    assert found <= {"__version__"}


@pytest.mark.parametrize(
    "room",
    ["data", "images", "image_folder", "losses", "model", "schedules"],
)
def test_plain_rooms_know_no_config(room: str):
    assert "config" not in rooms_of(room)
    assert "TrainConfig" not in text(room)


@pytest.mark.parametrize("name", OLD_NAMES)
def test_an_old_name_is_the_new_module_with_a_warning(name: str):
    code = f"import vaelib.{name}; from vaelib.sweeps import {name} as new"
    check = f"from vaelib import {name} as old; assert old is new is vaelib.{name}"
    command = [sys.executable, "-W", "always", "-c", f"{code}\n{check}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"vaelib.{name} is now vaelib.sweeps.{name}" in done.stderr


# JavaScript


def test_every_script_is_in_a_known_folder():
    assert {folder_of(script) for script in SCRIPTS} == set(SCRIPT_FOLDERS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_imports_only_from_its_folder_and_those_before_it(script: Path):
    found = re.findall(r'(?:from |import\()"([^"]+)"', script.read_text("utf-8"))
    assert all(path.startswith(".") for path in found)
    folders = {folder_of((script.parent / path).resolve()) for path in found}
    last = SCRIPT_FOLDERS.index(folder_of(script))
    assert folders <= set(SCRIPT_FOLDERS[: last + 1])


def test_the_imports_of_scripts_are_found():
    text = (JS / "explorer.js").read_text("utf-8")
    assert 'from "./engine/network.js"' in text
    assert 'from "./parts/controls.js"' in text


@pytest.mark.parametrize("script", ENGINE, ids=lambda script: script.name)
def test_the_engine_knows_no_document(script: Path):
    """So that node can run it."""
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", script.read_text("utf-8"), flags=re.S)
    assert not re.search(r"\b(document|window|HTML\w*|canvas)\b", code)


# What an import costs


def test_config_and_schedules_need_no_torch():
    names = imports("config") | imports("schedules")
    assert "torch" not in {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("module", [*LIGHT, "vaelib.sweeps.grids", "vaelib.cli"])
def test_import_is_light(module: str):
    assert not loaded_by(f"import {module}") & HEAVY


@pytest.mark.parametrize(
    "arguments",
    ["--help", "train --help", "sweep --help", "sweep --beta x", "train --bta 4"],
)
def test_help_and_a_mistyped_flag_are_light(arguments: str):
    statement = (
        "import contextlib, io\n"
        "from vaelib.cli import main\n"
        "out = io.StringIO()\n"
        "with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):\n"
        f"    with contextlib.suppress(SystemExit): main({arguments.split()})"
    )
    assert not loaded_by(statement) & HEAVY


def test_training_does_not_wait_for_the_compiler():
    """torch's optimizers and meta tensors can import it: a second at each start."""
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
    statement = (
        "import contextlib, io, tempfile\n"
        "from vaelib.train import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    main([*{flags}, '--project-dir', tempfile.mkdtemp()])"
    )
    loaded = loaded_by(statement)
    assert "torch.optim" in loaded
    assert not loaded & {"torch._dynamo", "sympy"}


# Public names


def test_no_public_name_is_called_train():
    """`vaelib.train` is the module that `python -m vaelib.train` runs."""
    assert "train" not in vaelib.HOMES
    code = "import vaelib; print(hasattr(vaelib, 'train'), 'train' in dir(vaelib))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("package", ["vaelib", "vaelib.sweeps"])
def test_public_names_are_those_of_their_rooms(package: str):
    module = importlib.import_module(package)
    for name, room in module.HOMES.items():
        home = importlib.import_module(f"{package}.{room}")
        assert getattr(module, name) is getattr(home, name)
        assert name in dir(module)
        assert name not in ROOMS


@pytest.mark.parametrize("package", ["vaelib", "vaelib.sweeps"])
def test_unknown_name_is_an_attribute_error(package: str):
    with pytest.raises(AttributeError, match="no_such_name"):
        importlib.import_module(package).no_such_name  # noqa: B018


@pytest.mark.parametrize("room", ["__init__", *ROOMS])
def test_public_things_have_a_docstring(room: str):
    source = tree(room)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nodes = [node for node in source.body if isinstance(node, kinds)]
    public = [node for node in nodes if not node.name.startswith("_")]
    assert ast.get_docstring(source), "the module itself"
    assert [node.name for node in public if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_public_methods_have_a_docstring_or_inherit_one(room: str):
    module = importlib.import_module(f"vaelib.{room}")
    classes = [c for _, c in inspect.getmembers(module, inspect.isclass)]
    missing = [
        f"{c.__name__}.{name}"
        for c in classes
        if c.__module__ == module.__name__
        for name, method in vars(c).items()
        if inspect.isfunction(method) and not name.startswith("_")
        if not inspect.getdoc(getattr(c, name))
    ]
    assert missing == []


def test_every_room_is_on_one_page_of_the_book():
    pages = (HOUSE.parent / "book" / "api").glob("*.md")
    shown = [
        name
        for page in pages
        for name in re.findall(r"automodule:: vaelib\.(\S+)", page.read_text("utf-8"))
    ]
    assert sorted(set(shown)) == sorted(shown)
    assert set(shown) | set(WINGS) == set(ROOMS)


@pytest.mark.parametrize("room", ["__init__", *ROOMS])
def test_a_room_is_read_in_one_sitting(room: str):
    assert len(text(room).splitlines()) <= 300


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_read_in_one_sitting(script: Path):
    assert len(script.read_text("utf-8").splitlines()) <= 300
