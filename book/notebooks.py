"""Run notebooks from top to bottom and write both halves of each pair.

`make notebooks ARGS="NAME ..."` calls this program. A notebook is a pair: NAME.ipynb,
with outputs, and NAME.md, which people review. Its text is read from the half that was
saved last, so that either may be edited. What differs between two runs on one machine,
such as random ids and times, is removed.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import textwrap
import tomllib
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from jupytext.config import load_jupytext_config
from nbclient import NotebookClient

from vaelib.lab.contents import STORED, shown_widgets, stored_widgets

BOOK = Path(__file__).parent
FOLDER = BOOK.parent / "notebooks"
CONFIG = load_jupytext_config(str(FOLDER))


def names() -> list[str]:
    """Return the path of every notebook in the folder, without suffix, sorted.

    Chapters come first, then translations (ja/...), then other pages.
    """
    patterns = [
        folder + half for folder in ("*", "[a-z][a-z]/*") for half in (".ipynb", ".md")
    ]
    found = [path for pattern in patterns for path in FOLDER.glob(pattern)]
    return sorted(
        {path.relative_to(FOLDER).with_suffix("").as_posix() for path in found}
    )


def text_of(notebook: Any) -> str:
    """Return a notebook as MyST Markdown, without outputs."""
    return jupytext.writes(notebook, fmt="md:myst", config=CONFIG)


def read(chapter: str) -> Any:
    """Read a notebook from the half of its pair that was saved last."""
    halves = [FOLDER / f"{chapter}{suffix}" for suffix in (".ipynb", ".md")]
    existing = [half for half in halves if half.exists()]
    newest = max(existing, key=lambda half: half.stat().st_mtime)
    return jupytext.read(newest, config=CONFIG)


def steady(notebook: Any) -> Any:
    """Return the notebook with numbered ids and without versions of the machine."""
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:03}"
    notebook.metadata = {
        key: notebook.metadata[key]
        for key in ("kernelspec", "widgets")
        if key in notebook.metadata
    }
    notebook.metadata |= {
        "jupytext": {"formats": "ipynb,md:myst"},
        "language_info": STORED,
    }
    keep_shown_widgets(notebook)

    text = nbformat.writes(notebook)
    for number, widget in enumerate(stored_widgets(notebook)):  # in order of creation
        text = text.replace(widget, f"{number:032x}")
    return nbformat.reads(text, as_version=4)


def keep_shown_widgets(notebook: Any) -> None:
    """Remove the stored state of widgets that no cell shows, and sort the buffers."""
    models = stored_widgets(notebook)
    for name in set(models) - shown_widgets(notebook.cells, models):
        del models[name]
    for model in models.values():
        # ipywidgets stores the buffers of a model in any order.
        model.get("buffers", []).sort(key=lambda buffer: buffer["path"])


# A cell that shows a figure with controls
EXPLORED = re.compile(r"^explore\(\s*(\w+)", re.M)


def code_hash(cells: list[Any], index: int) -> str:
    """Return the hash of the code that makes a figure: that of all cells up to it."""
    code = [cell for cell in cells[: index + 1] if cell["cell_type"] == "code"]
    text = "\n\n".join("".join(cell["source"]) for cell in code)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Client(NotebookClient):
    """Client that stores each widget as its own cell left it, whatever follows."""

    def __init__(self, chapter: str, notebook: Any, **settings: Any) -> None:
        super().__init__(notebook, **settings)
        self.chapter = chapter
        self.kept: dict[str, tuple[Any, Any]] = {}

    async def async_execute_cell(
        self, cell: Any, cell_index: int, *args: Any, **kwargs: Any
    ) -> Any:
        """Execute a cell, and copy the state of the widgets that it shows.

        If it explores a figure, the kernel draws its frames for the book.
        """
        done = await super().async_execute_cell(cell, cell_index, *args, **kwargs)
        if EXPLORED.search(cell.source) and "/" not in self.chapter:
            given = self.chapter, code_hash(self.nb.cells, cell_index)
            code = f"__import__('figures').write(Out[max(Out)], *{given})"
            kernel: Any = self.kc
            reply = await kernel.execute_interactive(code, silent=True, timeout=1800)
            assert reply["content"]["status"] == "ok", reply["content"]
        models = {name: dict(state=s) for name, s in self.widget_state.items()}
        for name in shown_widgets([cell], models):
            both = self.widget_state[name], self.widget_buffers.get(name)
            self.kept.setdefault(name, deepcopy(both))
        return done

    def set_widgets_metadata(self) -> None:
        """Write the copies into the notebook."""
        for name, (state, buffers) in self.kept.items():
            self.widget_state[name] = state
            if buffers is not None:
                self.widget_buffers[name] = buffers
        super().set_widgets_metadata()


def run(chapter: str) -> None:
    """Execute a notebook in a new kernel and write both halves of its pair.

    Raises CellExecutionError if a cell fails.
    """
    notebook = read(chapter)
    for cell in notebook.cells:
        cell.source = with_questions(cell.source)
    client = Client(
        chapter,
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
    )
    path = os.pathsep.join(filter(None, (str(BOOK), os.environ.get("PYTHONPATH"))))
    client.execute(cwd=str(FOLDER), env=os.environ | dict(PYTHONPATH=path))
    notebook = steady(notebook)
    nbformat.write(notebook, FOLDER / f"{chapter}.ipynb")
    (FOLDER / f"{chapter}.md").write_text(text_of(notebook), encoding="utf-8")


def citations() -> dict[str, str]:
    """Return a list item of Markdown for each entry of references.bib, by its key."""
    text = (BOOK / "references.bib").read_text("utf-8")
    entries = re.findall(r"@\w+\{(\w+),\n(.*?)\n\}", text, re.S)
    return {
        key: citation(dict(re.findall(r"(\w+) = \{(.*)\}", body)))
        for key, body in entries
    }


VENUES = ("journal", "booktitle", "publisher")


def citation(field: dict[str, str]) -> str:
    """Return a reference as a list item, from the fields of its BibTeX entry."""
    authors = field["author"].replace(" and others", " et al.").replace(" and ", ", ")
    venue = next(field[name] for name in VENUES if name in field)
    title = field["title"].strip("{}")  # braces keep its capitals
    line = f"{authors.rstrip('.')}. *{title}*. {venue}, {field['year']}."
    if link := field.get("url"):
        name = link.replace("https://arxiv.org/abs/", "arXiv:")
        line += f" [{name.replace('https://doi.org/', 'doi:')}]({link})"
    return item(line)


def item(text: str) -> str:
    """Return a list item of Markdown, in lines of at most 88 characters."""
    return textwrap.fill(
        f"- {text}",
        width=88,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


@cache
def inventory() -> dict[str, Any]:
    """Return inventory.toml: the items of the paper, and the questions of readers.

    An entry names the section that it is in, the code, and the cell that checks it.
    """
    return tomllib.loads((BOOK / "inventory.toml").read_text("utf-8"))


HEAD = """\
# Paper to code

Every equation, algorithm, figure and appendix of
[arXiv:1312.6114](https://arxiv.org/abs/1312.6114): the section of this book about it,
the functions of `vaelib` that implement it, and the tag of the cell that checks them.
Items named 0.a, 6.a, ... are not in the paper. For the program pytorch/examples/vae,
see [statement by statement](pytorch-examples.md). `make notebooks` writes this page
from `book/inventory.toml`.

| paper | what it says | section | code | check |
|---|---|---|---|---|
"""


def section(chapter: str, mark: str) -> str:
    """Return the last heading before `mark`, a target or a tag, in a chapter."""
    before = (FOLDER / f"{chapter}.md").read_text("utf-8").partition(mark)[0]
    return re.findall(r"^##+ (.*)$", before, re.M)[-1]  # "# ..." may be a comment


def paper_to_code() -> str:
    """Return the page paper-to-code.md: a table with a row for each item."""
    return HEAD + "".join(row(item) for item in inventory()["item"])


def row(item: dict[str, Any]) -> str:
    """Return the table row of an item: its section, its functions and its check."""
    chapter = item["chapter"]
    heading = section(chapter, f"({item['target']})=")
    place = f"[{heading}](../notebooks/{chapter}.ipynb)"
    check = f"`{item['check']}`" if "check" in item else "text only"
    code = ", ".join(f"`{name}`" for name in item.get("code", []))
    return f"| {item['name']} | {item['says']} | {place} | {code} | {check} |\n"


LISTED = re.compile(r"(<!-- questions -->\n).*?(<!-- /questions -->)", re.S)


def with_questions(text: str) -> str:
    """Return a text whose list of questions, between its marks, is written anew."""
    return LISTED.sub(lambda marks: marks[1] + questions() + marks[2], text)


def questions() -> str:
    """Return the questions of the inventory as lists, one for each subject.

    Each question links to its answer; notebooks/questions.md shows the lists.
    """
    groups: dict[str, list[str]] = {}
    for question in inventory()["question"]:
        page, asks = question["chapter"], question["asks"]
        heading = section(page, f"[{question['answer']}]")
        line = f"[{asks}]({page}.ipynb) (Section {heading.partition(' ')[0]})"
        if page == "questions":  # JupyterLab finds no target further down the same page
            line = f"{asks} (below, under *{heading}*)"
        groups.setdefault(question["about"], []).append(item(line) + "\n")
    lists = [f"\n**{about}**\n\n" + "".join(lines) for about, lines in groups.items()]
    return "".join(lists) + "\n"


def main() -> None:
    """Run the named notebooks, or all of them, and write paper-to-code.md.

    `--cite KEY ...` prints lines for the references of a chapter instead.
    """
    if sys.argv[1:2] == ["--cite"]:
        print(*(citations()[key] for key in sys.argv[2:]), sep="\n")
        return
    # With one thread, sums are added in the same order on any number of cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for chapter in sys.argv[1:] or names():
        print(chapter, flush=True)
        run(chapter)
    (BOOK / "paper-to-code.md").write_text(paper_to_code(), encoding="utf-8")


if __name__ == "__main__":
    main()
