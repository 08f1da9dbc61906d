"""The chapters that come with the library: `vaelib lab` writes them once."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

import notebooks
from vaelib import commands
from vaelib.checks import ConfigError
from vaelib.lab import course, export
from vaelib.lab.contents import is_python

if TYPE_CHECKING:
    from conftest import Cli, Tree

TEXTS = notebooks.FOLDER
FIRST = "--LabApp.default_url=/lab/tree/{}/00_quick_start.ipynb"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to an empty folder, as an ordinary user with a library from a wheel."""
    monkeypatch.setattr("os.geteuid", lambda: 1000, raising=False)
    chapters = tmp_path / "chapters"
    for name in ("00_quick_start", "questions", "ja/00_quick_start"):
        (chapters / name).parent.mkdir(exist_ok=True)
        shutil.copy(TEXTS / f"{name}.md", chapters / f"{name}.md")
    monkeypatch.setattr(course, "TEXTS", chapters)
    monkeypatch.setattr(course, "__version__", "0.2.0")
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    return empty


def files(folder: Path) -> set[str]:
    """Return the paths of all files in a folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found}


def test_all_chapters_become_notebooks_without_outputs(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "TEXTS", TEXTS)
    assert course.write_once() == Path("notebooks")
    written = {f"{name}.ipynb" for name in notebooks.names()}
    assert files(here / "notebooks") == written | {course.RECORD}
    for name in notebooks.names():
        new = nbformat.read(here / f"notebooks/{name}.ipynb", as_version=4)
        stored = nbformat.read(TEXTS / f"{name}.ipynb", as_version=4)
        nbformat.validate(new)
        assert is_python(dict(type="notebook", content=new))
        assert "jupytext" not in new.metadata  # not paired with a text
        assert len(new.cells) == len(stored.cells)
        for cell, before in zip(new.cells, stored.cells, strict=True):
            assert cell.source == course.without_book(before.source)
            tags = before.metadata.get("tags", [])
            assert cell.metadata.get("tags", []) == tags
            assert cell.get("outputs", []) == []
            assert cell.metadata.get("jupyter") == before.metadata.get("jupyter")


def test_links_of_written_chapters_lead_to_what_was_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "TEXTS", TEXTS)
    course.write_once()
    for file in (here / "notebooks").rglob("*.ipynb"):
        cells = nbformat.read(file, as_version=4).cells
        texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
        for link in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", "\n".join(texts)):
            assert (file.parent / link.partition("#")[0]).is_file(), link


def test_the_same_version_writes_nothing_again(here: Path, tree: Tree) -> None:
    assert course.write_once() == Path("notebooks")
    (here / "notebooks/00_quick_start.ipynb").write_text("what a reader wrote")
    (here / "notebooks/questions.ipynb").unlink()
    before = tree(here)
    assert course.write_once() is None
    assert tree(here) == before
    assert commands.lab_flags([]) == [FIRST.format("notebooks")]


def test_a_newer_version_writes_beside(
    here: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    course.write_once()
    before = tree(here / "notebooks")
    newer = Path("notebooks-0.3.0")
    monkeypatch.setattr(course, "__version__", "0.3.0")
    assert course.write_once() == newer
    assert files(here / newer) == files(here / "notebooks")
    assert tree(here / "notebooks") == before
    assert course.write_once() is None
    assert commands.lab_flags([]) == [FIRST.format(newer)]
    monkeypatch.setattr(course, "__version__", "0.2.0")  # the older one again
    assert course.write_once() is None


def test_notebooks_of_the_reader_are_not_touched(here: Path, tree: Tree) -> None:
    (here / "notebooks").mkdir()
    (here / "notebooks/mine.ipynb").touch()
    before = tree(here / "notebooks")
    assert course.write_once() == Path("notebooks-0.2.0")
    assert tree(here / "notebooks") == before


def test_nothing_is_written_in_a_copy_of_the_repository(here: Path, tree: Tree) -> None:
    (here / "notebooks").mkdir()
    (here / "notebooks/00_quick_start.ipynb").touch()
    before = tree(here)
    assert course.write_once() is None
    assert tree(here) == before


def test_nothing_is_written_where_the_library_brings_no_chapters(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "TEXTS", here / "missing")
    assert course.write_once() is None
    assert files(here) == set()


def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that gets the command that `vaelib lab` would become."""
    ran: list[Any] = []
    monkeypatch.setattr("subprocess.call", ran.append)
    if os.name == "posix":  # where execv would end these tests, call follows it here
        monkeypatch.setattr("os.execv", lambda *_: None)
    for name in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH"):
        monkeypatch.setenv(name, "")  # set by the command; restored after the test
    return ran


def test_the_command_says_once_what_it_wrote(
    here: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(monkeypatch)
    said = cli("lab", "--no-browser").err
    assert said.count("\n") == 1
    assert "are now in notebooks;" in said
    assert cli("lab", "--no-browser").err == ""
    assert [command[1:] for command in run] == [
        [FIRST.format("notebooks"), "--no-browser"]
    ] * 2


@pytest.mark.parametrize("given", [".", "a.ipynb", "--notebook-dir=.", "--version"])
def test_the_command_writes_nothing_for_a_place_or_a_question(
    given: str, here: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(monkeypatch)
    assert cli("lab", given).err == ""
    assert files(here) == set()
    assert run[0][1:] == [given]


def test_a_folder_that_cannot_be_written_is_refused_in_one_sentence(
    here: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    run = started(monkeypatch)
    monkeypatch.setattr("pathlib.Path.mkdir", refuse)  # root may write anywhere
    answer = cli("lab")
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert f"cannot be written to {Path.cwd()} (Permission denied)" in answer.err
    assert run == []


def test_a_full_disk_leaves_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.rename", full)
    with pytest.raises(ConfigError, match="No space left"):
        course.write_once()
    assert list(here.iterdir()) == []


def test_a_chapter_is_exported_without_directives():
    text = (
        ":::{admonition} Which way round?\n:class: tip\n\nAs it is.\n:::\n\n"
        ":::{div} eq-side\n(eq-kw-1)=\n$$x$$\n:::\n\n```\n:: not one\n```\n"
    )
    assert export.plain(text) == (
        '**Which way round?**\n\n\nAs it is.\n\n<a id="eq-kw-1"></a>\n\n$$x$$\n\n'
        "```\n:: not one\n```\n"
    )


def test_an_exported_widget_is_its_picture():
    data = {export.WIDGET: {}, "image/png": "AA==", "text/plain": "Explorer(line)"}
    shown = nbformat.v4.new_output("display_data", data)
    only = nbformat.v4.new_output("display_data", {export.WIDGET: {}})
    question = {export.WIDGET: {}, "text/markdown": "**How many?**"}
    asked = nbformat.v4.new_output("display_data", question)
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("line", outputs=[shown, only, asked])],
        metadata=dict(widgets={"a": "state"}),
    )
    exported, _ = export.WithoutMyst().preprocess(notebook, {})
    first, second, third = exported.cells[0].outputs
    assert list(first.data) == ["image/png", "text/plain"]
    assert export.WIDGET in second.data
    assert list(third.data) == ["text/markdown"]
    assert "widgets" not in exported.metadata
