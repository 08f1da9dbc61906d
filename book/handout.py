"""`make handout`: the chapters for a class, in two editions, as notebooks and as PDFs.

The students' edition contains exercises with their checks, and no solution. The
teachers' edition contains the solutions, what each check accepts, and the errors that
it tells apart.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
import printed
from markdown_it import MarkdownIt
from torch import Tensor

import notebooks
from vaelib import __version__
from vaelib.exercises.checker import parts_of
from vaelib.exercises.parts import Part, tensor
from vaelib.lab.contents import STORED
from vaelib.lab.course import without_book

EDITIONS = ("student", "teacher")
EXERCISE = re.compile(r"^### Exercise ([\d.]+)$", re.M)
FOLDED = "jp-MarkdownHeadingCollapsed"
ANY_EXERCISE = """\
**For teachers.** The solutions are open, and below each of them is what its check
accepts. Apart from the errors named there, every check tells these apart: a wrong sign,
a factor of 2, bits for nats, a logarithm to base 10, percent for a share, a reciprocal,
a square or a root too many, a logarithm too many or missing, a reverse order, a wrong
shape, and two answers that are exchanged."""


def chapters() -> list[str]:
    """Return the names of the numbered chapters, in their order."""
    return [name for name in notebooks.names() if name[0].isdigit()]


# Notebooks


def solved_in(cells: list[Any]) -> list[str]:
    """Return for each cell the exercise whose solution it belongs to, or ""."""
    found, exercise, is_solution = [], "", False
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            is_solution = cell.source == "#### Solution"
            exercise = (EXERCISE.findall(cell.source) or [exercise])[-1]
        found.append(exercise if is_solution else "")
    return found


def student(notebook: Any) -> Any:
    """Return a chapter without the solutions of its exercises."""
    notebook = alone(notebook)
    solved = solved_in(notebook.cells)
    notebook.cells = [
        cell for cell, of in zip(notebook.cells, solved, strict=True) if not of
    ]
    return notebook


def teacher(notebook: Any) -> Any:
    """Return a chapter with open solutions, and notes on the check below each."""
    notebook = alone(notebook)
    solved, cells = solved_in(notebook.cells), []
    for cell, of, then in zip(notebook.cells, solved, [*solved[1:], ""], strict=True):
        cell.metadata.pop(FOLDED, None)
        cells.append(cell)
        if cell.source.endswith("## Exercises"):
            cells.append(note("for-teachers", ANY_EXERCISE))
        if of and of != then:
            cells.append(note(f"notes-{of.replace('.', '-')}", notes(of)))
    notebook.cells = cells
    return notebook


def alone(notebook: Any) -> Any:
    """Return a copy of a chapter that is not paired with a text, without the book."""
    notebook = deepcopy(notebook)
    notebook.metadata.pop("jupytext", None)
    notebook.metadata["language_info"] = STORED
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = without_book(cell.source)
    return notebook


def note(name: str, text: str) -> Any:
    """Return a Markdown cell."""
    return nbformat.v4.new_markdown_cell(text, id=name)


def notes(exercise: str) -> str:
    """Return what the check of an exercise accepts, and its errors, as Markdown."""
    parts = parts_of(exercise)
    rows = [f"| `{p.name}` | {expected(p)} | {plain(p.tolerance)} |" for p in parts]
    table = "\n".join(["| answer | expected | accepted |", "|---|---|---|", *rows])
    errors = [
        f"- `{part.name}`: {plain(sentence)}"
        for part in parts
        for sentence in part.errors
    ]
    text = f"**What the check of {exercise} accepts**\n\n{table}"
    if errors:
        text += "\n\n**Errors that it names**\n\n" + "\n".join(errors)
    return text


def expected(part: Part) -> str:
    """Return the right answer in a few words: a number, a few, or what is compared."""
    if part.judge:
        return "any that meets the condition"
    if part.at:
        points = "point" if len(part.at) == 1 else "points"
        return f"a function, compared at {len(part.at)} {points}"
    if isinstance(part.right, bool):
        return str(part.right)
    value = tensor(part.right)
    if part.rough:
        low, high = (value + sign * part.tol for sign in (-1, 1))
        return f"{number(low)} to {number(high)}, by training"
    if value.ndim == 0:
        return number(value)
    shape = " × ".join(map(str, value.shape))
    return f"a tensor of {shape} numbers" if value.numel() > 8 else (
        ", ".join(map(number, value.flatten()))
    )  # fmt: skip


def number(value: Tensor) -> str:
    """Return a number with four digits."""
    return f"{value.item():.4g}"


def plain(text: str) -> str:
    """Return a text in which no letter means something to Markdown."""
    return re.sub(r"([\\*_|<$`\[\]^~#])", r"\\\1", text)


def write_notebooks(out: Path, names: Sequence[str]) -> None:
    """Write both editions of chapters and pages, in a folder for each edition."""
    editions: dict[str, Callable[[Any], Any]] = dict(student=student, teacher=teacher)
    for edition, make in editions.items():
        (out / edition).mkdir(parents=True, exist_ok=True)
        for name in names:
            stored = nbformat.read(notebooks.FOLDER / f"{name}.ipynb", as_version=4)
            nbformat.write(make(stored), out / edition / f"{name}.ipynb")


# PDFs

COVERS = dict(
    student="Exercises have checks, and no solutions. Imports and the code of figures "
    "are in the notebooks.",
    teacher="With solutions, what each check accepts, and the errors that it names. "
    "Imports and the code of figures are in the notebooks.",
)


def html(site: Path, edition: str, names: Sequence[str]) -> str:
    """Return chapters of an edition as one HTML document, from built pages."""
    pages = [f"notebooks/{name}" for name in names]
    articles = {page: article(site, page, pages, edition) for page in pages}
    title = f"The variational auto-encoder, equation by equation: {edition}s’ edition"
    cover = f"<p>vaelib {__version__}. {COVERS[edition]}</p>"
    return printed.document(site, title, cover, articles)


def article(site: Path, page: str, pages: list[str], edition: str) -> str:
    """Return a chapter of an edition, without the folded code of its figures."""
    chapter, numbers = int(re.findall(r"\d+", page)[0]), iter(range(1, 10))
    text = printed.FOLDED.sub("", printed.article(site, page, pages))
    rendered = MarkdownIt().enable("table").render

    def solution(found: re.Match[str]) -> str:
        if edition == "student":
            return ""
        about = rendered(notes(f"{chapter}.{next(numbers)}"))
        return f'<h4>Solution</h4>{found[1]}<div class="notes">{about}</div>'

    return printed.SOLUTION.sub(solution, text)


def known(names: Sequence[str]) -> list[str]:
    """Return the named chapters. Exits with a message if there is no such chapter."""
    if unknown := ", ".join(name for name in names if name not in chapters()):
        sys.exit(
            f"There is no chapter {unknown}: give names as in ARGS={chapters()[2]}; "
            f"there are {', '.join(chapters())}."
        )
    return list(names)


def main(pages: str, out: str, *asked: str) -> None:
    """Write both editions of the chapters, or of those asked for, into a folder."""
    names = known(asked) or chapters()
    site, folder = Path(pages).resolve(), Path(out).resolve()
    write_notebooks(folder, names if asked else [*names, "questions"])
    print(f"{folder}: {len(names)} notebooks of each edition", flush=True)
    files = {folder / f"vae-{name}.pdf": html(site, name, names) for name in EDITIONS}
    printed.write_pdfs(files)


if __name__ == "__main__":
    main(*sys.argv[1:])
