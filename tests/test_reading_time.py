"""Minutes of sections: the rule, and the paths of the page for those who teach."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import reading_time

import notebooks
from vaelib.lab.contents import VIEW

PAGE = (Path(__file__).parents[1] / "book" / "teaching.md").read_text("utf-8")
TABLES = re.findall(r"(?:^\|.*\n)+", PAGE, re.M)
PLACES = re.compile(r"\{minutes\}`([^`]+)`")


@pytest.fixture
def chapter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Name of a chapter of known words, lines and figures."""
    code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    figure = nbformat.v4.new_output("display_data", data={"image/png": "x"})
    widget = nbformat.v4.new_output("display_data", data={"image/png": "x", VIEW: {}})
    listing = {"text/markdown": "**name**\n\n```python\na\nb\nc\n```\n"}
    listing = nbformat.v4.new_output("display_data", data=listing)
    equation = "\\begin{equation*}\nx \\tag{1}\n\\end{equation*}"
    cells = [
        text("# 0 A title\n\nthree short words"),
        code("import these\nare\nnot\ncounted"),
        text(f"## 0.1 Two\n\nWith $a + b$ and `c`: {'word ' * 124}\n\n{equation}"),
        code("one\ntwo"),
        code("six\nlines\nof\na\nfigure\n", outputs=[figure]),
        text("## 0.2 Three"),
        code("explore()", outputs=[widget]),
        code("source()", outputs=[listing], metadata={"tags": ["code-side"]}),
        text("## Exercises"),
        text("### Exercise 0.1\n\nask"),
        code("check()"),
        text("#### Solution"),
        code("long\n" * 50),
        text("### Exercise 0.2\n\nask"),
        text("## References\n\n- many words"),
    ]
    file = tmp_path / "00_chapter.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), file)
    caches = reading_time.sections, reading_time.chapters
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setattr(notebooks, "FOLDER", tmp_path)
    yield file.stem
    for cached in caches:
        cached.cache_clear()


def test_the_rule_counts_what_a_page_shows(chapter: str):
    head, first, second, exercises = reading_time.sections(chapter)
    assert (head.number, head.words, head.lines) == ("0.0", 6, 0)
    # with its title, and with a formula and a name as a word each
    assert (first.number, first.words, first.equations) == ("0.1", 130, 1)
    assert (first.lines, first.figures, first.widgets) == (2, 1, 0)
    assert first.minutes == pytest.approx(1 + (20 + 20 + 2 * 3) / 60)
    assert (second.lines, second.figures, second.widgets) == (3, 0, 1)
    assert (exercises.number, exercises.exercises) == ("E0", [1, 2])
    assert exercises.lines == 1, "no solution"
    assert "many" not in str(reading_time.sections(chapter))
    both = head.minutes + first.minutes + second.minutes
    assert reading_time.minutes("0") == pytest.approx(both)
    assert reading_time.minutes("0.1 E0.2") == pytest.approx(first.minutes + 15)
    assert reading_time.minutes("E0") == 25


@pytest.mark.parametrize("place", ["2.9", "17", "E2.4", "two", "", "2.4.1"])
def test_no_such_place_is_an_error(place: str):
    with pytest.raises(ValueError, match=r"^'.*' is no "):
        reading_time.minutes(place)


def table(number: int) -> list[tuple[str, int]]:
    """Return for each row of a table of the page its text and its minutes."""
    rows = TABLES[number].splitlines()[2:]
    found = [(row, PLACES.findall(row)) for row in rows]
    assert all(places for _, places in found)
    return [
        (row, sum(reading_time.rounded(reading_time.minutes(p)) for p in places))
        for row, places in found
        if places != ["sum"]
    ]


@pytest.mark.parametrize(("number", "low", "high"), [(0, 30, 40), (1, 75, 90)])
def test_a_path_fits_into_its_time(number: int, low: int, high: int):
    """A lecture leaves some minutes for the answers."""
    rows = table(number)
    assert low <= sum(minutes for _, minutes in rows) <= high
    assert TABLES[number].splitlines()[-1].startswith("| together | {minutes}`sum` |")
    for row, _ in rows:
        section, exercise = (
            re.search(rf"^\| {word} ([\d.]+)[ ,]", row)
            for word in ("Section", "Exercise")
        )
        [place] = PLACES.findall(row)
        found = section[1] if section else f"E{exercise[1]}" if exercise else ""
        assert place == found


def test_a_week_of_the_course_takes_three_hours_at_most():
    weeks = table(2)
    assert len(weeks) == 6
    for row, minutes in weeks:
        assert 90 <= minutes <= 180, row
        read, solve = PLACES.findall(row)
        cells = row.split(" | ")
        assert re.findall(r"\d+", cells[1]) == read.split()
        named = re.findall(r"\d+\.\d", cells[3])
        asked = solve.replace("E", "").split()
        assert {n.partition(".")[0] for n in named} <= {
            n.partition(".")[0] for n in asked
        }


def test_every_question_is_asked_and_has_an_answer():
    asked = set(re.findall(r"\]\(#ask-(\d+)\)", PAGE))
    answered = re.findall(
        r"^\(ask-(\d+)\)=\n\*\*\1\.\*\*(?:.*\n)*?:::\{adm", PAGE, re.M
    )
    assert asked == set(answered)
    assert answered == [str(n + 1) for n in range(len(answered))]
