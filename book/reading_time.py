"""How long a reader needs for each section of a chapter, estimated by one rule.

The rule is on the page teaching.md, where the role `{minutes}` shows its results. Each
chapter says below its title how long it takes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from language import is_japanese
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import notebooks
from vaelib.lab.contents import VIEW

WORDS = 130  # a minute
EQUATION, FIGURE, LINE, WIDGET = 20, 20, 3, 60  # seconds for each; a line of code
EXERCISES = (10, 15, 20, 25)  # minutes: the first, the second, ... of a chapter
# Seconds that Run All took, the shorter of two runs, on two cores without other work
RUNS = (16, 9, 11, 7, 18, 32, 23, 33, 26, 24, 41, 10, 24, 13, 15, 55, 39)

DISPLAYED = re.compile(r"\\begin\{equation\*?\}.*?\\end\{equation\*?\}", re.S)
INLINE = re.compile(r"\$[^$]+\$|`[^`]+`")  # each is read as one word
SYNTAX = re.compile(r"^:::.*$|^\([\w-]+\)=$|\]\([^)]*\)|^\|[-|]+\|$|<[^>]+>", re.M)
LISTING = re.compile(r"```python\n(.*?)```", re.S)
TOKEN = re.compile(r"(E?)(\d+)(\.\d+)?")


@dataclass
class Section:
    """What a reader finds in a section; `number` is 2.0 for the head of Chapter 2."""

    number: str
    words: int = 0
    equations: int = 0
    figures: int = 0
    widgets: int = 0
    lines: int = 0
    exercises: list[int] = field(default_factory=list)

    @property
    def minutes(self) -> float:
        """Minutes to read the section, without its exercises."""
        seconds = EQUATION * self.equations + FIGURE * self.figures
        seconds += LINE * self.lines + WIDGET * self.widgets
        return self.words / WORDS + seconds / 60

    def add_text(self, text: str) -> None:
        """Count the words and the displayed equations of a text."""
        self.equations += len(DISPLAYED.findall(text))
        text = INLINE.sub(" x ", DISPLAYED.sub("", text))
        self.words += len(re.findall(r"\w[\w'’.-]*", SYNTAX.sub("", text)))

    def add_code(self, cell: dict[str, Any]) -> None:
        """Count what a page shows of a cell: code or a figure, and listings."""
        outputs = [output.get("data", {}) for output in cell["outputs"]]
        shown = [data for data in outputs if "image/png" in data]
        texts = ["".join(data.get("text/markdown", "")) for data in outputs]
        widgets = sum(VIEW in data for data in shown)
        self.widgets += widgets
        self.figures += len(shown) - widgets
        if "code-side" in cell["metadata"].get("tags", []):
            listings = LISTING.findall("".join(texts))
            self.lines += sum(listing.count("\n") for listing in listings)
        elif not shown:
            self.lines += len("".join(cell["source"]).splitlines())


@cache
def sections(chapter: str) -> list[Section]:
    """Return the sections of a chapter: its head, those with a number, the exercises.

    Imports, solutions and references are not counted.
    """
    file = notebooks.FOLDER / f"{chapter}.ipynb"
    cells = json.loads(file.read_text("utf-8"))["cells"]
    number = int(chapter[:2])
    found, is_read, imports = [Section(f"{number}.0")], True, True
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            if is_read and not imports:
                found[-1].add_code(cell)
            imports = False
            continue
        for part in re.split(r"^(?=##+ )", text, flags=re.M):
            if heading := re.match(r"## (\d+\.\d+)?", part):
                found.append(Section(heading[1] or f"E{number}"))
            if exercise := re.match(r"### Exercise \d+\.(\d)", part):
                found[-1].exercises.append(int(exercise[1]))
            if part.startswith("#"):
                is_read = not re.match("#+ (Solution|References)", part)
            if is_read:
                found[-1].add_text(part)
    return found[:-1]  # without the references


@cache
def chapters() -> list[str]:
    """Return the names of the numbered chapters, in their order."""
    return [name for name in notebooks.names() if name[0].isdigit()]


def minutes(places: str) -> float:
    """Return the minutes that places take: `2.1 2.4`, a chapter `2`, its exercises `E2`
    or one of them, `E2.1`.

    A chapter is without its exercises. Raises `ValueError` if there is no such place.
    """
    return sum(map(minutes_of, places.split() or [""]))


def minutes_of(place: str) -> float:
    """Return the minutes that one place takes."""
    found = TOKEN.fullmatch(place)
    if not found or int(found[2]) >= len(chapters()):
        raise ValueError(f"{place!r} is no section: give 2.1, 2, E2 or E2.1.")
    parts = sections(chapters()[int(found[2])])
    if found[1]:
        numbers = [n for part in parts for n in part.exercises]
        asked = [int(found[3][1:])] if found[3] else numbers
        if not set(asked) <= set(numbers):
            raise ValueError(f"{place!r} is no exercise of its chapter.")
        return sum(EXERCISES[n - 1] for n in asked)
    chosen = [p for p in parts if p.number == place or not found[3]]
    if not chosen:
        raise ValueError(f"{place!r} is no section of its chapter.")
    return sum(part.minutes for part in chosen if not part.exercises)


def rounded(value: float) -> int:
    """Return minutes as a whole number, at least 1."""
    return max(1, round(value))


def times(number: int) -> tuple[int, int]:
    """Return the minutes to read a chapter, and those for its exercises."""
    return rounded(minutes(f"{number}")), rounded(minutes(f"E{number}"))


def role(
    name: str, rawtext: str, text: str, lineno: int, inliner: Inliner, *_: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Return the minutes that the named places take; for `sum`, a place for a sum."""
    if text == "sum":
        return [nodes.inline("", "", minutes=None)], []
    try:
        value = rounded(minutes(text))
    except ValueError as error:
        message = inliner.reporter.error(str(error), line=lineno)
        return [inliner.problematic(rawtext, rawtext, message)], [message]
    return [nodes.inline("", str(value), minutes=value)], []


def add_sums(app: Sphinx, tree: nodes.document) -> None:
    """Put the sum of the minutes above it into each place for a sum."""
    for table in tree.findall(nodes.table):
        total = 0
        for shown in table.findall(nodes.inline):
            if "minutes" not in shown:
                continue
            if shown["minutes"] is None:
                shown += nodes.Text(str(total))
            total += shown["minutes"] or 0


def put_time(app: Sphinx, tree: nodes.document) -> None:
    """Say below the title of each chapter how long it takes."""
    page = app.env.docname
    found = re.match(r"notebooks/((\d\d)_.*)", page)
    if not found or is_japanese(page):
        return
    read, solve = times(int(found[2]))
    text = f"Reading {read} minutes, exercises {solve} minutes"
    title = next(iter(tree.findall(nodes.title)))
    line = nodes.paragraph("", text, classes=["reading-time"])
    title.parent.insert(title.parent.index(title) + 1, line)


class ReadingTimes(SphinxDirective):
    """Directive `{reading-times}`: a table of the times of all chapters."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        head = "| Chapter | reading, minutes | exercises, minutes | Run All, seconds |"
        rows = [head, "|---|---|---|---|"]
        for n, (chapter, run) in enumerate(zip(chapters(), RUNS, strict=True)):
            self.env.note_dependency(str(notebooks.FOLDER / f"{chapter}.ipynb"))
            rows.append("| Chapter {} | {} | {} | {} |".format(n, *times(n), run))
        return self.parse_text_to_nodes("\n".join(rows))


def setup(app: Sphinx) -> None:
    """Register the role and the event handlers with Sphinx."""
    app.add_role("minutes", role)
    app.add_directive("reading-times", ReadingTimes)
    app.connect("doctree-read", add_sums)
    app.connect("doctree-read", put_time)
