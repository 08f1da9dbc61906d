"""Handouts: students get no solution, and teachers all; the code in them runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import handout
import nbformat
import pytest
from nbclient import NotebookClient

import notebooks
from vaelib.exercises.checker import known, parts_of
from vaelib.lab.course import without_book

CHAPTERS = handout.chapters()


@pytest.fixture(scope="session")
def editions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the notebooks of both editions."""
    out = tmp_path_factory.mktemp("handout")
    handout.write_notebooks(out, [*CHAPTERS, "questions"])
    return out


def read(folder: Path, name: str) -> Any:
    """Return a notebook of a folder."""
    return nbformat.read(folder / f"{name}.ipynb", as_version=4)


def lines_of(cells: list[Any]) -> set[str]:
    """Return the lines of cells and of what they printed, but not the short ones."""
    texts = [cell.source for cell in cells]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    texts += [output.get("text", "") for output in outputs]
    lines = {line.strip() for text in texts for line in text.splitlines()}
    return {line for line in lines if len(line) > 12}


def solutions(name: str) -> dict[str, list[Any]]:
    """Return the cells of each solution of a chapter, by its exercise."""
    cells = read(notebooks.FOLDER, name).cells
    found: dict[str, list[Any]] = {}
    for cell, of in zip(cells, handout.solved_in(cells), strict=True):
        if of:
            found.setdefault(of, []).append(cell)
    return found


def test_every_exercise_has_a_solution_that_is_found():
    asked = [number for name in CHAPTERS for number in solutions(name)]
    assert asked == list(known())


@pytest.mark.parametrize("name", CHAPTERS)
def test_students_get_everything_but_the_solutions(editions: Path, name: str):
    chapter, student = read(notebooks.FOLDER, name), read(editions / "student", name)
    of_solutions = [cell for cells in solutions(name).values() for cell in cells]
    ids = {cell.id for cell in of_solutions}
    others = [cell for cell in chapter.cells if cell.id not in ids]
    secret = lines_of(of_solutions) - lines_of(others)
    assert len(secret) > 10
    assert not secret & lines_of(student.cells)
    assert [cell.id for cell in student.cells] == [cell.id for cell in others]
    assert not any("#### Solution" in cell.source for cell in student.cells)
    nbformat.validate(student)


@pytest.mark.parametrize("name", CHAPTERS)
def test_teachers_get_open_solutions_with_notes(editions: Path, name: str):
    chapter, teacher = read(notebooks.FOLDER, name), read(editions / "teacher", name)
    assert lines_of(handout.alone(chapter).cells) <= lines_of(teacher.cells)
    assert not any(handout.FOLDED in cell.metadata for cell in teacher.cells)
    texts = [cell.source for cell in teacher.cells]
    for number, cells in solutions(name).items():
        last = texts.index(without_book(cells[-1].source))
        assert texts[last + 1] == handout.notes(number)
    before = texts[texts.index(handout.ANY_EXERCISE) - 1]
    assert before.endswith("## Exercises")
    nbformat.validate(teacher)


@pytest.mark.parametrize("number", known())
def test_notes_say_what_is_right_and_every_error(number: str):
    text = re.sub(r"\\(.)", r"\1", handout.notes(number))
    for part in parts_of(number):
        row = re.search(rf"^\| `{part.name}` \| (.+) \| (.+) \|$", text, re.M)
        assert row
        assert row[2] == part.tolerance
        for sentence in part.errors:
            assert f"- `{part.name}`: {sentence}" in text
        if part.rough:
            low, high = map(float, re.findall(r"-?\d[\d.e+-]*", row[1])[:2])
            assert low < float(part.right) < high
        elif not (part.at or part.judge or isinstance(part.right, bool | tuple)):
            first = re.findall(r"-?\d[\d.e+-]*", row[1])[0]
            value = handout.tensor(part.right).flatten()
            assert float(first) == pytest.approx(value[0].item(), rel=1e-3) or (
                len(value) == float(first) or "tensor" in row[1]
            )


@pytest.mark.parametrize("edition", handout.EDITIONS)
def test_links_of_a_handout_lead_to_its_own_files(editions: Path, edition: str):
    for name in CHAPTERS:
        for cell in read(editions / edition, name).cells:
            if cell.cell_type != "markdown":
                continue
            for link in re.findall(r"\]\((?!https?:|#)([^)\s#]+)", cell.source):
                assert (editions / edition / link).is_file(), (name, link)


# The solutions run in the students' notebooks

CHEAP = ["01_a_model_with_hidden_causes", "02_the_lower_bound"]


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
def test_students_notebook_with_the_solutions_in_it_is_right(editions: Path, name: str):
    """The code of each solution stands in the cell for the answer, and checks it."""
    notebook, solved = read(editions / "student", name), solutions(name)
    answered = []
    for cell in notebook.cells:
        if "exercise" in cell.metadata.get("tags", []):
            [number] = re.findall(r'check\("([\d.]+)"', cell.source)
            code = [c.source for c in solved[number] if c.cell_type == "code"]
            cell.source = "\n".join(code)
            answered.append((number, cell))
    assert len(answered) >= 3
    client = NotebookClient(notebook, timeout=300, kernel_name="python3")
    client.execute(cwd=str(notebooks.FOLDER))
    for number, cell in answered:
        printed = "".join(output.get("text", "") for output in cell.outputs)
        assert f"{number}: right (" in printed, printed
