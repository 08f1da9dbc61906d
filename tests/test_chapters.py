"""The notebooks: in pairs, run from top to bottom; in chapters, each equation with its code and a check that can fail."""

from __future__ import annotations
import __future__

import ast
import configparser
import importlib
import inspect
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from textwrap import dedent
from typing import Any

import nbformat
import pytest
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class

import notebooks
from vaelib.chapter import source
from vaelib.widgets import frontend

ROOT = Path(__file__).parents[1]
NOTEBOOKS = notebooks.names()
CHAPTERS = [
    name for name in NOTEBOOKS if name[0].isdigit()
]  # the others: translations (ja/...), and pages such as questions
TRANSLATED = [name for name in NOTEBOOKS if "/" in name]
INVENTORY = notebooks.inventory()
DONE = [item for item in INVENTORY["item"] if "chapter" in item]
CHECKED = [item for item in DONE if "check" in item]

# Every item of the paper that has its place, and those that may wait for a later chapter.
PAPER = {
    "Fig 1",
    "(1)",
    "(2)",
    "(3)",
    "sec. 2.2",
    "(4)",
    "(5)",
    "(6)",
    "Alg 1",
    "(7)",
    "(8)",
    "sec. 2.4",
    "(9)",
    "(10)",
    "App A, Fig 4",
    "Fig 5",
    "App B",
    "(11), App C.1",
    "(12), App C.2",
}
LATER = {
    "Fig 2",
    "Fig 3",
    "App D",
    "App E",
    "(13)-(14)",
    "(15)",
    "(16)-(18)",
    "(19)-(20)",
    "(21)-(22)",
    "(23)",
    "Alg 2",
    "(24)",
}

SANITIZE = configparser.RawConfigParser()
SANITIZE.read(ROOT / "tests" / "sanitize.cfg")
MASKED = re.compile(SANITIZE["near"]["regex"])  # what nbval does not compare


def cells(chapter: str) -> list[Any]:
    """The cells of a chapter, as they are stored."""
    return nbformat.read(notebooks.FOLDER / f"{chapter}.ipynb", as_version=4).cells


def tagged(chapter: str, tag: str) -> int:
    """The place of the one cell that carries a tag."""
    [place] = [
        i
        for i, cell in enumerate(cells(chapter))
        if tag in cell.metadata.get("tags", [])
    ]
    return place


def text_of(output: Any) -> str:
    """What an output says, as text."""
    return output.get("text", "") or output.get("data", {}).get("text/plain", "")


def thing(path: str) -> Any:
    """An object of the library by its place in it."""
    room, _, name = path.partition(".")
    found: Any = importlib.import_module(f"vaelib.{room}")
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_pair_is_in_sync(chapter: str):
    ipynb = nbformat.read(notebooks.FOLDER / f"{chapter}.ipynb", as_version=4)
    assert notebooks.text_of(ipynb) == (notebooks.FOLDER / f"{chapter}.md").read_text(
        encoding="utf-8"
    )


def test_no_half_is_alone():
    halves = [
        notebooks.FOLDER / f"{name}{half}"
        for name in NOTEBOOKS
        for half in (".ipynb", ".md")
    ]
    assert [path for path in halves if not path.is_file()] == []
    assert {"questions", "ja/00_quick_start"} == set(NOTEBOOKS) - set(CHAPTERS)
    assert [int(chapter[:2]) for chapter in CHAPTERS] == list(range(len(CHAPTERS)))


def test_jupyterlab_opens_a_pair_whose_outputs_are_newer(tmp_path: Path):
    """As they are where git has just brought them; by default Jupytext refuses."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for half, age in ((".md", 100_000), (".ipynb", 0)):
        file = Path(shutil.copy(notebooks.FOLDER / f"questions{half}", tmp_path))
        os.utime(file, (0, file.stat().st_mtime - age))
    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)(
        root_dir=str(tmp_path)
    )
    opened = manager.get("questions.ipynb")["content"].cells
    assert [cell.source for cell in opened] == [
        cell.source for cell in cells("questions")
    ]
    assert any(cell.get("outputs") for cell in opened)


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_was_run_from_top_to_bottom(chapter: str):
    code = [cell for cell in cells(chapter) if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {
        (output.output_type, output.get("name"))
        for cell in code
        for output in cell.outputs
    }
    assert kinds <= {
        ("stream", "stdout"),
        ("display_data", None),
        ("execute_result", None),
    }


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_leaves_no_trace_of_when_and_where_it_was_run(chapter: str):
    file = notebooks.FOLDER / f"{chapter}.ipynb"
    notebook = nbformat.read(file, as_version=4)
    assert nbformat.writes(notebooks.steady(notebook)) + "\n" == file.read_text(
        encoding="utf-8"
    )
    assert not any("execution" in cell.metadata for cell in notebook.cells)
    assert str(ROOT) not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_stored_widgets_are_those_of_the_library(chapter: str):
    stored = nbformat.read(
        notebooks.FOLDER / f"{chapter}.ipynb", as_version=4
    ).metadata.get("widgets", {})
    models = (
        stored.get("application/vnd.jupyter.widget-state+json", {})
        .get("state", {})
        .values()
    )
    found = {
        (model["state"]["_esm"], model["state"]["_css"])
        for model in models
        if "_esm" in model["state"]
    }
    assert found <= {
        (frontend.module(name), frontend.style()) for name in ("explorer", "playground")
    }


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_has_the_form_of_a_chapter(chapter: str):
    text = (notebooks.FOLDER / f"{chapter}.md").read_text(encoding="utf-8")
    assert re.search(rf"^# {int(chapter[:2])} \w", text, re.M)
    assert "**After this chapter you can**" in text
    assert "$$" not in text, "jupyterlab-myst numbers these by itself"
    exercises = text.partition("\n## Exercises\n")[2]
    assert re.findall(r"^\*\*(\d)\.\*\*", exercises, re.M) == ["1", "2", "3"]
    assert (
        sum("solution" in cell.metadata.get("tags", []) for cell in cells(chapter)) >= 3
    )
    references = text.partition("\n## References\n")[2].strip().splitlines()
    assert references
    assert set(references) <= set(notebooks.citations().values())


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_solutions_are_folded_in_both_front_ends(chapter: str):
    for cell in cells(chapter):
        tags = cell.metadata.get("tags", [])
        assert ("solution" in tags) == ("hide-cell" in tags)
        if "solution" in tags:
            assert cell.metadata.jupyter == {
                "source_hidden": True,
                "outputs_hidden": True,
            }


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_only_near_prints_what_is_not_compared(chapter: str):
    """And only displays of widgets are left out of the comparison, each with its reason in the first line."""
    for cell in cells(chapter):
        if cell.cell_type == "code":
            masked = any(MASKED.search(text_of(output)) for output in cell.outputs)
            assert not masked or "near(" in cell.source or "near)" in cell.source, (
                cell.source
            )
            if excused := {
                "nbval-ignore-output",
                "nbval-skip",
                "raises-exception",
            } & set(cell.metadata.get("tags", [])):
                assert cell.source.startswith("# not compared: "), (
                    excused,
                    cell.source,
                )


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_a_slider_moves_what_is_shown_as_a_figure_too(chapter: str):
    seen = ""
    for cell in cells(chapter):
        for drawn in (
            re.findall(r"^explore\((\w+)", cell.source, re.M)
            if cell.cell_type == "code"
            else []
        ):
            assert "live" in cell.metadata.get("tags", [])
            assert re.search(rf"^{drawn}\(", seen, re.M), (
                f"{drawn} is never shown by itself"
            )
        seen += cell.source + "\n"


def test_no_target_stands_twice():
    """They are global in the book."""
    text = "\n".join(
        (notebooks.FOLDER / f"{name}.md").read_text(encoding="utf-8")
        for name in NOTEBOOKS
    )
    targets = re.findall(r"^\(([\w-]+)\)=$", text, re.M)
    assert len(targets) == len(set(targets))
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= set(targets)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_links_lead_to_notebooks_that_are_there(name: str):
    text = "\n".join(
        cell.source for cell in cells(name) if cell.cell_type == "markdown"
    )
    for link in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", text):
        assert ((notebooks.FOLDER / name).parent / link.partition("#")[0]).is_file(), (
            link
        )


@pytest.mark.parametrize("name", TRANSLATED)
def test_translation_runs_the_code_of_its_chapter(name: str):
    """But for comments, for exercises and questions, which it may leave out, and for imports that only those need."""

    def code(name: str) -> tuple[set[str], list[tuple[list[str], str]]]:
        imports, *others = [cell for cell in cells(name) if cell.cell_type == "code"]
        imported = {
            f"{getattr(line, 'module', '')} {alias.name} {alias.asname}"
            for line in ast.parse(imports.source).body
            for alias in line.names  # type: ignore[attr-defined]: only imports stand here
        }
        return imported, [
            (tags, ast.unparse(ast.parse(cell.source)))
            for cell in others
            if not re.search(
                "solution|answer-", str(tags := cell.metadata.get("tags", []))
            )
        ]

    ours, theirs = code(name), code(name.partition("/")[2])
    assert ours[0] <= theirs[0]
    assert ours[1] == theirs[1]


def test_inventory_names_every_item_of_the_paper():
    names = [item["name"] for item in INVENTORY["item"] if item.get("kind") != "ours"]
    assert len(names) == len(set(names))
    assert set(names) == PAPER | LATER
    assert {
        item["name"] for item in INVENTORY["item"] if "chapter" not in item
    } == LATER
    assert {item["name"] for item in DONE if "check" not in item} == {"Fig 1"}


@pytest.mark.parametrize("item", DONE, ids=lambda item: item["name"])
def test_item_has_its_place_and_number(item: dict[str, Any]):
    text = (notebooks.FOLDER / f"{item['chapter']}.md").read_text(encoding="utf-8")
    target = f"({item['target']})=\n"
    assert text.count(target) == 1
    if number := re.match(r"\((\d+)\)", item["name"]):
        equation = re.match(
            r"\\begin\{equation\*\}\n(.*?)\\end\{equation\*\}",
            text.partition(target)[2],
            re.S,
        )
        assert equation
        assert re.findall(r"\\tag\{(.*?)\}", equation[1]) == [number[1]]


def test_no_equation_is_numbered_that_the_inventory_does_not_know():
    found = {
        (chapter, number)
        for chapter in NOTEBOOKS
        for number in re.findall(
            r"\\tag\{(.*?)\}",
            (notebooks.FOLDER / f"{chapter}.md").read_text(encoding="utf-8"),
        )
    }
    assert found == {
        (item["chapter"], n[1])
        for item in DONE
        if (n := re.match(r"\((\d+)\)", item["name"]))
    }


@pytest.mark.parametrize("item", CHECKED, ids=lambda item: item["name"])
def test_item_shows_the_library_as_it_is(item: dict[str, Any]):
    """Beside the equation, in the cell that follows its text, and before the check."""
    shown = tagged(item["chapter"], "source-" + item["check"].removeprefix("check-"))
    cell = cells(item["chapter"])[shown]
    assert "code-side" in cell.metadata.tags
    if item.get("kind") != "ours":
        assert f"({item['target']})=" in cells(item["chapter"])[shown - 1].source
    [output] = cell.outputs
    assert (
        output.data["text/markdown"]
        == source(*(thing(path) for path in item["code"])).data
    )
    assert tagged(item["chapter"], item["check"]) > shown


def names(tree: ast.AST) -> tuple[set[str], set[str]]:
    """The names that a cell makes, and those that it uses."""
    made, used = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).partition(".")[0])
    return made, used


def prepared(chapter: str, place: int) -> dict[str, Any]:
    """What the cell at `place` finds: all earlier cells are run that make a name which it needs, directly or not."""
    earlier = [
        cell.source for cell in cells(chapter)[: place + 1] if cell.cell_type == "code"
    ]
    wanted, chosen = names(ast.parse(earlier.pop()))[1], []
    for text in reversed(earlier):
        made, used = names(ast.parse(text))
        if made & wanted:
            chosen.append(text)
            wanted |= used
    space: dict[str, Any] = {"__name__": "__main__", "display": print}
    with redirect_stdout(io.StringIO()):
        for text in reversed(chosen):
            exec(text, space)
    return space


def plain(found: Any) -> Any:
    """The function below a property, a static method or a wrapper."""
    if isinstance(found, property):
        return found.fget
    return inspect.unwrap(
        found.__func__ if isinstance(found, staticmethod | classmethod) else found
    )


@contextmanager
def mutated(path: str, old: str, new: str) -> Iterator[None]:
    """A function of the library with a piece of its source exchanged, wherever it has been imported."""
    function = plain(thing(path))
    text = dedent(inspect.getsource(function))
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
    code = compile(
        text.replace(old, new), path, "exec", flags=__future__.annotations.compiler_flag
    )
    space = dict(function.__globals__)
    exec(code, space)
    true, function.__code__ = (
        function.__code__,
        plain(space[function.__name__]).__code__,
    )
    try:
        yield
    finally:
        function.__code__ = true


@pytest.mark.parametrize("item", CHECKED, ids=lambda item: item["name"])
def test_check_holds_and_fails_for_a_wrong_library(item: dict[str, Any]):
    """The check cell by itself: green as stored, red for every mutation that the inventory lists."""
    place = tagged(item["chapter"], item["check"])
    cell = cells(item["chapter"])[place]
    [output] = cell.outputs
    assert output.text.count("\n") == 1, "one line"
    space = prepared(item["chapter"], place)
    with redirect_stdout(io.StringIO()) as said:
        exec(cell.source, dict(space))
    assert MASKED.sub("~N", said.getvalue()) == MASKED.sub("~N", output.text)
    assert len(item["mutants"]) >= 2
    for path, old, new in item["mutants"]:
        with mutated(path, old, new), redirect_stdout(io.StringIO()):
            try:
                exec(cell.source, dict(space))
            except AssertionError:
                continue
        pytest.fail(f"{item['check']} does not notice {path}: {old!r} -> {new!r}")


@pytest.mark.parametrize(
    "question",
    INVENTORY.get("question", []),
    ids=lambda question: str(question["number"]),
)
def test_question_is_answered_by_a_cell(question: dict[str, Any]):
    text = (notebooks.FOLDER / f"{question['chapter']}.md").read_text(encoding="utf-8")
    assert re.search(r"^:::\{admonition\} Question: .*\?$", text, re.M)
    place = tagged(question["chapter"], question["answer"])
    assert ":::{admonition} Question: " in cells(question["chapter"])[place - 1].source
    assert cells(question["chapter"])[place].outputs


def test_questions_are_listed_from_the_inventory():
    numbers = [question["number"] for question in INVENTORY["question"]]
    assert sorted(numbers) == list(range(1, 17))
    text = (notebooks.FOLDER / "questions.md").read_text(encoding="utf-8")
    assert (
        notebooks.LISTED.sub(
            lambda found: found[1] + notebooks.questions() + found[2], text
        )
        == text
    )
    assert text.count("<!-- questions -->") == 1


def test_paper_to_code_is_written_from_the_inventory():
    assert (ROOT / "book" / "paper-to-code.md").read_text(
        encoding="utf-8"
    ) == notebooks.paper_to_code()


def test_nbval_finds_these_notebooks_and_no_others():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "--collect-only", "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    found = set(re.findall(r"^(\S+\.ipynb)::", done.stdout, re.M))
    assert found == {f"notebooks/{name}.ipynb" for name in NOTEBOOKS}
