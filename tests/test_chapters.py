"""Form of the notebooks: both halves of a pair agree, and every equation has a check.

A check must pass for the library as it is, and fail for a library with an error in it.
"""

from __future__ import annotations
import __future__

import ast
import configparser
import inspect
import io
import json
import os
import pkgutil
import re
import shutil
import subprocess
import symtable
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from textwrap import dedent
from typing import Any

import language
import nbformat
import pytest
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class

import notebooks
from vaelib.chapter import source
from vaelib.widgets import Predict, SlowMotion, frontend

ROOT = Path(__file__).parents[1]
NOTEBOOKS = notebooks.names()
# The other notebooks are translations (ja/...) and pages such as questions.
CHAPTERS = [name for name in NOTEBOOKS if name[0].isdigit()]
TRANSLATED = [name for name in NOTEBOOKS if "/" in name]
INVENTORY = notebooks.inventory()
ITEMS = INVENTORY["item"]
CHECKED = [item for item in ITEMS if "check" in item]

# The items of the paper.
PAPER = {"Fig 1", "Fig 2", "Fig 3", "Fig 5", "Alg 1", "Alg 2", "App B", "App A, Fig 4"}
PAPER |= {"sec. 2.2", "sec. 2.4", "(11), App C.1", "(12), App C.2", "App D", "App E"}
PAPER |= {f"({number})" for number in range(1, 25) if number not in (11, 12)}

SANITIZE = configparser.RawConfigParser()
SANITIZE.read(ROOT / "tests" / "sanitize.cfg")
MASKED = re.compile(SANITIZE["near"]["regex"])  # numbers that nbval does not compare


def file_of(name: str, suffix: str) -> Path:
    """Return the path of one half of a notebook."""
    return notebooks.FOLDER / f"{name}{suffix}"


def stored(name: str) -> Any:
    """Return a notebook with its stored outputs."""
    return nbformat.read(file_of(name, ".ipynb"), as_version=4)


def markdown(name: str) -> str:
    """Return the text of a notebook, as people review it."""
    return file_of(name, ".md").read_text(encoding="utf-8")


def cells(name: str) -> list[Any]:
    """Return the cells of a notebook with their stored outputs."""
    return stored(name).cells


def code_cells(name: str) -> list[Any]:
    """Return the code cells of a notebook with their stored outputs."""
    return [cell for cell in cells(name) if cell.cell_type == "code"]


def tags_of(cell: Any) -> list[str]:
    """Return the tags of a cell."""
    return cell.metadata.get("tags", [])


def index_of(name: str, tag: str) -> int:
    """Return the index of the one cell with a tag."""
    [index] = [i for i, cell in enumerate(cells(name)) if tag in tags_of(cell)]
    return index


def text_of(output: Any) -> str:
    """Return an output as text."""
    return output.get("text", "") or output.get("data", {}).get("text/plain", "")


def object_at(path: str) -> Any:
    """Return an object of the library by its path, such as `model.VAE.encode`."""
    return pkgutil.resolve_name(f"vaelib.{path}")


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_both_halves_have_the_same_text(chapter: str):
    assert notebooks.text_of(stored(chapter)) == markdown(chapter)


def test_every_notebook_has_both_halves():
    halves = [file_of(name, half) for name in NOTEBOOKS for half in (".ipynb", ".md")]
    assert [path for path in halves if not path.is_file()] == []
    japanese = {f"ja/{name}" for name in language.CHAPTERS}
    assert {"questions", *japanese} == set(NOTEBOOKS) - set(CHAPTERS)
    numbers = [int(chapter[:2]) for chapter in CHAPTERS]
    assert numbers == sorted(set(numbers))


def test_jupyterlab_opens_a_pair_whose_outputs_are_newer(tmp_path: Path):
    """After `git clone` they may be newer; by default Jupytext refuses such a pair."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for half, age in ((".md", 100_000), (".ipynb", 0)):
        file = Path(shutil.copy(file_of("questions", half), tmp_path))
        os.utime(file, (0, file.stat().st_mtime - age))
    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)
    opened = manager(root_dir=str(tmp_path)).get("questions.ipynb")["content"].cells
    expected = [cell.source for cell in cells("questions")]
    assert [cell.source for cell in opened] == expected
    assert any(cell.get("outputs") for cell in opened)


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_was_run_from_top_to_bottom(chapter: str):
    code = code_cells(chapter)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    kinds = {output.get("name", output.output_type) for output in outputs}
    assert kinds <= {"stdout", "display_data", "execute_result"}


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_stored_file_does_not_depend_on_time_and_machine(chapter: str):
    text = file_of(chapter, ".ipynb").read_text(encoding="utf-8")
    notebook = stored(chapter)
    assert not any("execution" in cell.metadata for cell in notebook.cells)
    assert nbformat.writes(notebooks.steady(notebook)) + "\n" == text
    assert str(ROOT) not in text


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_stored_widgets_are_those_of_the_library(chapter: str):
    models = notebooks.stored_widgets(stored(chapter)).values()
    scripts = {model["state"]["_esm"] for model in models if "_esm" in model["state"]}
    styles = {model["state"]["_css"] for model in models if "_css" in model["state"]}
    ours = ("explorer", "playground", "slow_motion_here")
    expected = {frontend.module(name) for name in ours} | {Predict._esm}
    assert scripts <= expected
    assert styles <= {frontend.style(), SlowMotion._css, Predict._css}


# The last lines of a notebook. The published page has links of its own for this.
WAY_ON = "\n:::{div} in-jupyter\n"
# The notebooks in the order of the book, without translations.
TOC = (ROOT / "book/_toc.yml").read_text("utf-8")
ORDER = re.findall(r"^ *- file: notebooks/(\w+)$", TOC, re.M)


def title(name: str) -> str:
    """Return the title of a notebook."""
    return re.findall(r"^# (.*)$", markdown(name), re.M)[0]


@pytest.mark.parametrize("name", ORDER)
def test_the_last_lines_link_to_the_next_chapter_and_to_all(name: str):
    first, following = ORDER[0], ORDER[ORDER.index(name) + 1 :]
    links = [f"Next: [{title(n)}]({n}.ipynb)." for n in following[:1]]
    contents = "All chapters" if name == first else f"[All chapters]({first}.ipynb)"
    links.append(f"{contents}: Section 0.5.")
    last = cells(name)[-1].source.rpartition(WAY_ON)[2].removesuffix("\n:::")
    assert last.split() == " ".join(links).split()


@pytest.mark.parametrize("name", TRANSLATED)
def test_the_last_lines_of_a_translation_link_to_the_next_chapter(name: str):
    original = name.partition("/")[2]
    following = ORDER[ORDER.index(original) + 1]
    links = [f"../{following}.ipynb", f"{ORDER[0]}.ipynb"]
    last = cells(name)[-1].source.rpartition(WAY_ON)[2]
    found = re.findall(r"\]\(([^)]*)\)", last)
    assert found == links[: 1 if original == ORDER[0] else 2]


@pytest.mark.parametrize("name", [ORDER[0], f"ja/{ORDER[0]}"])
def test_the_first_chapter_lists_all_notebooks_in_their_order(name: str):
    assert set(ORDER) | set(TRANSLATED) == set(NOTEBOOKS)
    row = re.compile(r"^\| \[[^]]*\]\((?:\.\./)?(\w+)\.ipynb\) \|", re.M)
    listed = row.findall(markdown(name))
    assert [n for n in listed if n != ORDER[0]] == ORDER[1:]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_has_the_form_of_a_chapter(chapter: str):
    text = markdown(chapter)
    assert re.search(rf"^# {int(chapter[:2])} \w", text, re.M)
    assert "**After this chapter you can**" in text
    assert "$$" not in text, "jupyterlab-myst numbers these by itself"
    exercises = text.partition("\n## Exercises\n")[2]
    number = int(chapter[:2])
    numbers = re.findall(rf"^### Exercise {number}\.(\d)$", exercises, re.M)
    assert numbers == ["1", "2", "3", "4"][: max(3, len(numbers))]
    assert exercises.count("\n#### Solution\n") == len(numbers)
    references = text.partition("\n## References\n")[2].partition(WAY_ON)[0]
    references = references.strip().split("\n- ")
    references = ["- " + reference.removeprefix("- ") for reference in references]
    assert references
    assert set(references) <= set(notebooks.citations().values())
    body = text.partition("\n## References\n")[0]
    first_authors = (re.split(r",|\. \*| et al", line)[0] for line in references)
    surnames = {author.split()[-1] for author in first_authors} - {"Kingma"}
    assert [name for name in surnames if name not in body] == []


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_code_and_words_of_solutions_are_folded(chapter: str):
    """Each exercise is a question, a cell for the answer, then a folded heading.

    All else is below that.
    """
    found, folded = [], False
    exercise, solution = "### Exercise", "#### Solution"
    if chapter in TRANSLATED:
        exercise, solution = "### 演習", "#### 解答"
    for cell in cells(chapter):
        is_heading = cell.source == solution
        assert cell.metadata.get("jp-MarkdownHeadingCollapsed", False) == is_heading
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            folded = is_heading
        found += re.findall(f"^{exercise}|^{solution}", cell.source, re.M)
        found += ["answer"] * ("exercise" in tags_of(cell))
        assert ("solution" in tags_of(cell)) == (cell.cell_type == "code" and folded)
    assert found == [exercise, "answer", solution] * (len(found) // 3)


EXCUSES = {"nbval-ignore-output", "nbval-skip", "raises-exception"}


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_outputs_that_are_not_compared_come_from_near(chapter: str):
    """A cell that is excused from the comparison says why in its first line."""
    for cell in code_cells(chapter):
        masked = any(MASKED.search(text_of(output)) for output in cell.outputs)
        if masked:
            assert re.search(r"near[()]", cell.source), cell.source
        if EXCUSES & set(tags_of(cell)):
            assert cell.source.startswith("# not compared: "), cell.source


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_figure_with_a_slider_is_shown_as_a_plain_figure_before(chapter: str):
    seen = ""
    for cell in code_cells(chapter):
        for drawn in notebooks.EXPLORED.findall(cell.source):
            assert "live" in tags_of(cell)
            assert re.search(rf"^{drawn}\(", seen, re.M), f"{drawn} is not shown before"
        seen += cell.source + "\n"


def test_targets_are_unique_in_the_book():
    text = "\n".join(markdown(name) for name in NOTEBOOKS)
    targets = re.findall(r"^\(([\w-]+)\)=$", text, re.M)
    assert len(targets) == len(set(targets))
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= set(targets)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_links_lead_to_files_that_exist(name: str):
    texts = [cell.source for cell in cells(name) if cell.cell_type == "markdown"]
    folder = file_of(name, ".md").parent
    for link in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", "\n".join(texts)):
        assert (folder / link.partition("#")[0]).is_file(), link


def imports_of(name: str) -> set[str]:
    """Return what the first code cell of a notebook imports."""
    lines = ast.parse(code_cells(name)[0].source).body
    assert all(isinstance(line, ast.Import | ast.ImportFrom) for line in lines)
    return {
        f"{getattr(line, 'module', '')} {alias.name} {alias.asname}"
        for line in lines
        for alias in line.names  # type: ignore[attr-defined]
    }


OMITTED = re.compile("exercise|solution|answer-")  # tags


def code_of(name: str, left_out: bool = False) -> list[tuple[list[str], str]]:
    """Return tags and code, without comments, of all cells after the imports.

    Exercises and questions may be left out. Of a prediction, what it says to the reader
    is left out.
    """
    found = []
    for cell in code_cells(name)[1:]:
        if left_out and OMITTED.search(" ".join(tags_of(cell))):
            continue
        tree = ast.parse(cell.source)
        for node in ast.walk(tree) if "predict" in tags_of(cell) else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                node.value = node.value if node.value in ("low", "high") else ""
        found.append((tags_of(cell), ast.unparse(tree)))
    return found


def predictions(name: str) -> list[tuple[int, Any, dict[str, Any]]]:
    """Return index, call and stored question of each prediction of a notebook."""
    models = notebooks.stored_widgets(stored(name))
    found = []
    for index, cell in enumerate(cells(name)):
        if "predict" in tags_of(cell):
            call = ast.parse(cell.source).body[-1].value  # type: ignore[attr-defined]
            [output] = cell.outputs
            view = output.data["application/vnd.jupyter.widget-view+json"]
            asked = models[view["model_id"]]["state"]["asked"]
            found.append((index, call, asked))
    return found


PREDICTED = [name for name in NOTEBOOKS if re.match(r"(ja/)?[01]\d_", name)]


@pytest.mark.parametrize("name", PREDICTED)
def test_readers_predict_at_two_places_at_least(name: str):
    """Code is folded, and a result that is computed follows, which it hides."""
    found = predictions(name)
    assert len(found) >= 2
    for index, call, asked in found:
        cell, chapter = cells(name)[index], cells(name)
        assert call.func.id == "Predict"
        assert cell.metadata["jupyter"] == {"source_hidden": True}
        held = chapter[index + 1 : index + 1 + asked["cells"]]
        assert all(each.cell_type == "code" and each.outputs for each in held)
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        truth = given.get("truth") or call.args[1]
        assert any(isinstance(node, ast.Name) for node in ast.walk(truth)), asked
        wrong = [text for _, text in asked["says"]]
        assert wrong
        texts = [asked["question"], asked["because"], *wrong]
        assert all(text.strip()[-1] in ".?。か" for text in texts)
        assert not re.search(r"[$\\]", " ".join(texts)), "no formulas of LaTeX"
        assert len(json.dumps(asked)) < 10_000


def test_predictions_are_of_all_kinds_and_are_asked_once():
    asked = [each for name in CHAPTERS for *_, each in predictions(name)]
    kinds = [each["kind"] for each in asked]
    assert kinds.count("curve") >= 3
    assert kinds.count("number") >= 5
    assert kinds.count("choice") >= 5
    questions = [each["question"] for each in asked]
    assert len(set(questions)) == len(questions), "answers are kept by the question"


@pytest.mark.parametrize("name", TRANSLATED)
def test_translation_has_the_code_of_its_chapter(name: str):
    """Comments differ; all exercises, questions and their imports may be missing."""
    original = name.partition("/")[2]
    left_out = code_of(name) == code_of(name, left_out=True)
    assert imports_of(name) <= imports_of(original)
    assert left_out or imports_of(name) == imports_of(original)
    assert code_of(name) == code_of(original, left_out)


def shape_of(name: str) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Return levels and numbers of headings, boxes, equations without words."""
    text = re.sub(r"^```.*?^```$", "", markdown(name), flags=re.M | re.S)
    equations = [re.sub(r"\\text\{[^}]*\}", "", e) for e in EQUATION.findall(text)]
    headings = re.findall(r"^(#+) (?:[^\d\n]*(\d[\d.]*))?", text, re.M)
    return headings, re.findall(r"^:::\{(\w+)\}", text, re.M), equations


@pytest.mark.parametrize("name", [n for n in TRANSLATED if n[3:] != ORDER[0]])
def test_translation_has_the_sections_and_equations_of_its_chapter(name: str):
    original = name.partition("/")[2]
    assert shape_of(name) == shape_of(original)
    kinds = [cell.cell_type for cell in cells(name)]
    assert kinds == [cell.cell_type for cell in cells(original)]


def test_inventory_names_every_item_of_the_paper():
    names = [item["name"] for item in ITEMS if item.get("kind") != "ours"]
    assert len(names) == len(set(names))
    assert set(names) == PAPER
    assert {item["name"] for item in ITEMS if "check" not in item} == {"Fig 1", "(15)"}


EQUATION = re.compile(r"\\begin\{equation\*\}\n(.*?)\\end\{equation\*\}", re.S)
TAG = re.compile(r"\\tag\{(.*?)\}")
NUMBER = re.compile(r"\((\d+)\)")  # at the start of the name of an item


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["name"])
def test_item_has_its_target_and_number(item: dict[str, Any]):
    before, target, after = markdown(item["chapter"]).partition(
        f"({item['target']})=\n"
    )
    assert target
    assert target not in before + after
    if number := NUMBER.match(item["name"]):
        equation = EQUATION.match(after)
        assert equation
        assert TAG.findall(equation[1]) == [number[1]]


def test_every_numbered_equation_is_in_the_inventory():
    numbers = [(item["chapter"], NUMBER.match(item["name"])) for item in ITEMS]
    expected = {(chapter, number[1]) for chapter, number in numbers if number}
    assert expected == {
        (chapter, number)
        for chapter in NOTEBOOKS
        if chapter not in TRANSLATED
        for number in TAG.findall(markdown(chapter))
    }


@pytest.mark.parametrize("item", CHECKED, ids=lambda item: item["name"])
def test_item_shows_the_library_as_it_is(item: dict[str, Any]):
    """The listing is in the cell after the equation's text, and before the check."""
    chapter, name = cells(item["chapter"]), item["check"].removeprefix("check-")
    shown = index_of(item["chapter"], f"source-{name}")
    assert "code-side" in tags_of(chapter[shown])
    if item.get("kind") != "ours":
        assert f"({item['target']})=" in chapter[shown - 1].source
    [output] = chapter[shown].outputs
    expected = source(*(object_at(path) for path in item["code"]))
    assert output.data["text/markdown"] == expected.data
    assert index_of(item["chapter"], item["check"]) > shown


def symbols_of(node: ast.AST) -> list[list[symtable.Symbol]]:
    """Return the symbols of some code, then those of each function in it."""
    tables = [symtable.symtable(ast.unparse(node), "", "exec")]
    for table in tables:
        tables += table.get_children()
    return [table.get_symbols() for table in tables]


def names_in(code: list[ast.stmt], made: set[str]) -> set[str]:
    """Return the names that statements need; add those that they define to `made`."""
    needed = set[str]()
    for node in code:
        first, block = node, list[ast.stmt]()
        if isinstance(node, ast.For):
            first = ast.Assign([node.target], node.iter, lineno=0)
            block = node.body + node.orelse
        elif isinstance(node, ast.With):
            first, block = ast.With(node.items, [ast.Pass()], lineno=0), node.body
        elif isinstance(node, ast.If | ast.While):
            first, block = ast.Expr(node.test), node.body + node.orelse
        if isinstance(node, ast.AugAssign):  # reads what it changes
            needed |= names_in([ast.Expr(node.target)], made)
        outer, *inner = symbols_of(first)
        read = [s for s in sum(inner, outer) if s.is_referenced() and s.is_global()]
        needed |= {symbol.get_name() for symbol in read} - made
        bound = [s for s in outer if s.is_assigned() or s.is_imported()]
        made |= {symbol.get_name() for symbol in bound}
        needed |= names_in(block, made)
    return needed


def namespace_before(chapter: str, index: int) -> dict[str, Any]:
    """Run the earlier cells that a cell needs, directly or not; return their names."""
    before = cells(chapter)[: index + 1]
    earlier = [cell.source for cell in before if cell.cell_type == "code"]
    wanted, chosen = names_in(ast.parse(earlier.pop()).body, set()), []
    for text in reversed(earlier):
        needed = names_in(ast.parse(text).body, made := set())
        if made & wanted or "rng" in needed & wanted:  # what follows draws after it
            chosen.append(text)
            wanted = wanted - made | needed
    space: dict[str, Any] = {"__name__": "__main__", "display": print}
    with redirect_stdout(io.StringIO()):
        for text in reversed(chosen):
            exec(text, space)
    return space


def function_of(found: Any) -> Any:
    """Return the function inside a property, a static method or a wrapper."""
    if isinstance(found, property):
        return found.fget
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    return inspect.unwrap(found)


@contextmanager
def mutated(path: str, old: str, new: str) -> Iterator[None]:
    """Replace a piece of the source of a function, wherever it has been imported."""
    function = function_of(object_at(path))
    text = dedent(inspect.getsource(function))
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {path}"
    flags = __future__.annotations.compiler_flag
    code = compile(text.replace(old, new), path, "exec", flags=flags)
    space = dict(function.__globals__)
    exec(code, space)

    original = function.__code__
    function.__code__ = function_of(space[function.__name__]).__code__
    try:
        yield
    finally:
        function.__code__ = original


@pytest.mark.parametrize("item", CHECKED, ids=lambda item: item["name"])
def test_check_passes_and_fails_for_a_wrong_library(item: dict[str, Any]):
    """Each mutation that the inventory lists must make the check cell fail."""
    index = index_of(item["chapter"], item["check"])
    cell = cells(item["chapter"])[index]
    [output] = cell.outputs
    assert output.text.count("\n") == 1, "a check prints one line"

    space = namespace_before(item["chapter"], index)
    with redirect_stdout(io.StringIO()) as printed:
        exec(cell.source, dict(space))
    assert MASKED.sub("~N", printed.getvalue()) == MASKED.sub("~N", output.text)

    assert len(item["mutants"]) >= 2
    for path, old, new in item["mutants"]:
        with mutated(path, old, new), redirect_stdout(io.StringIO()):
            try:
                exec(cell.source, dict(space))
            except AssertionError:
                continue
        pytest.fail(f"{item['check']} does not notice {path}: {old!r} -> {new!r}")


@pytest.mark.parametrize("question", INVENTORY["question"], ids=lambda q: q["answer"])
def test_question_is_answered_by_a_cell(question: dict[str, Any]):
    chapter = question["chapter"]
    asked = r"^:::\{admonition\} Question: .*\?$"
    index = index_of(chapter, question["answer"])
    assert re.search(asked, markdown(chapter), re.M)
    assert ":::{admonition} Question: " in cells(chapter)[index - 1].source
    assert cells(chapter)[index].outputs


def test_questions_are_listed_from_the_inventory():
    numbers = [question["number"] for question in INVENTORY["question"]]
    assert sorted(numbers) == list(range(1, 22))
    text = markdown("questions")
    assert notebooks.with_questions(text) == text
    assert text.count("<!-- questions -->") == 1


def test_paper_to_code_is_written_from_the_inventory():
    text = (ROOT / "book" / "paper-to-code.md").read_text(encoding="utf-8")
    assert text == notebooks.paper_to_code()


def test_nbval_finds_these_notebooks_and_no_others():
    command = [sys.executable, "-m", "pytest", "--nbval", "--collect-only"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", "--ignore-glob=*.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = set(re.findall(r"^(\S+\.ipynb)::", done.stdout, re.M))
    assert found == {f"notebooks/{name}.ipynb" for name in NOTEBOOKS}
