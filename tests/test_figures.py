"""Frames of the figures with sliders, which the published page shows."""

from __future__ import annotations

import base64
import io
import math
import re
from typing import Any

import figures
import numpy as np
import pytest
from figures import packed, states, values_of
from frames import Layout, drawn, figure_at
from matplotlib.figure import Figure
from PIL import Image
from test_chapters import NOTEBOOKS, cells

import notebooks
from vaelib.chapter import explore, subplots

# Chapter, index of the cell, and function of each figure that has sliders in the book
LIVE = [
    (name, index, called[1])
    for name in NOTEBOOKS
    if "/" not in name
    for index, cell in enumerate(cells(name))
    if (called := notebooks.EXPLORED.search(cell.source))
]
HEAVIEST = 400_000  # bytes of a figure, compressed


def two_panels(slope: float = 1.0, name: str = "a") -> Figure:
    """Draw a line beside a picture."""
    figure, (left, right) = subplots(1, 2, size=(6, 3))
    left.plot([0, slope])
    left.set(title=f"slope ${slope:g}$", xlabel="x", ylim=(0, 5))
    right.imshow(np.arange(12).reshape(3, 4) * slope, vmin=0, vmax=22)
    right.set(title=name, xticks=[], yticks=[])
    return figure


def frame_of(figure: dict[str, Any], number: int) -> list[list[str]]:
    """Return the parts of one frame, by panel, without those that are empty."""
    found: list[list[str]] = [[] for _ in figure["layout"]["panels"]]
    for panel, texts, numbers in figure["parts"]:
        if text := texts[numbers[number] if numbers else 0]:
            found[panel].append(text)
    return found


def fresh(figure: Figure, layout: dict[str, Any]) -> list[list[str]]:
    """Return the parts of a figure that is drawn now, by panel."""
    form = Layout(**layout)
    found: list[list[str]] = [[] for _ in form.panels]
    for panel, parts in zip(form.panel_of, drawn(figure, form)[0], strict=True):
        found[panel] += filter(None, parts)
    return found


def test_each_frame_is_the_figure_that_the_function_draws():
    slopes = [0.5, 1.0, 2.0, 5.0]
    explorer = explore(
        two_panels, on_page=dict(slope=slopes), slope=(0.0, 5.0, 0.5), name=["a", "b"]
    )
    figure = packed(explorer)
    for number, state in enumerate(states(values_of(explorer))):
        expected = fresh(figure_at(two_panels, state), figure["layout"])
        assert frame_of(figure, number) == expected, state
        texts, numbers = figure["says"]
        assert texts[numbers[number]] == f"slope {state['slope']:g}; {state['name']}"
    slope, name = figure["controls"]
    assert (slope["values"], slope["first"], slope["isMenu"]) == (slopes, 1, False)
    assert (slope["texts"], name["texts"]) == (["0.5", "1.0", "2.0", "5.0"], ["a", "b"])
    assert name["isMenu"]
    assert figure["colours"].keys() >= {"000000", "0072b2", "ffffff"}
    (left, width), (right, rest) = figure["layout"]["panels"]
    assert (left, width) == (0, right)
    assert math.isclose(right + rest, 6 * 72)


def test_what_is_the_same_in_all_frames_is_stored_once():
    figure = packed(explore(two_panels, slope=(0.0, 5.0, 0.5)))
    same = [texts for _, texts, numbers in figure["parts"] if not numbers]
    assert all(len(texts) == 1 for texts in same)
    assert len(same) > len(figure["parts"]) / 2


def test_a_picture_keeps_its_pixels_and_a_pale_one_is_turned_on_dark_pages():
    figure = packed(explore(two_panels, slope=(1.0, 2.0, 1.0)))
    pattern = r'base64,([^"]*)"[^>]*class="([^"]*)'
    [(light, first), (dark, second), *_] = re.findall(pattern, str(figure["parts"]))
    assert (first, second) == ("on-light", "on-dark")
    ours, turned = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"))
        for data in (light, dark)
    )
    expected = np.arange(12).reshape(3, 4) * 255 / 22
    assert np.abs(ours - expected).max() < 2
    assert (np.diff(turned.flatten().astype(int)) < 0).all()

    def digit(grey: int = 255) -> Figure:
        drawn, axes = subplots(size=(2, 2))
        axes.imshow(np.pad(np.full((8, 8), grey), 10), cmap="gray", vmin=0, vmax=255)
        return drawn

    parts = str(packed(explore(digit, grey=(155, 255, 100)))["parts"])
    assert parts.count("<image") == 2
    assert "on-dark" not in parts


@pytest.mark.parametrize(
    ("on_page", "message"),
    [
        ({}, "Explorer.* has 5001 frames, and a page shows at most 1000: name steps"),
        ({"slope": 3.0}, "begins with slope = 1.0, which is none .* change on_page"),
    ],
)
def test_values_that_a_page_cannot_have_are_refused(on_page: Any, message: str):
    with pytest.raises(ValueError, match=message):
        values_of(explore(two_panels, on_page=on_page, slope=(0.0, 5.0, 0.001)))


def test_steps_end_where_the_slider_does():
    found = values_of(explore(two_panels, slope=(0.0, 5.0, 0.1)))["slope"]
    assert found == [round(i / 10, 10) for i in range(51)]
    few = explore(two_panels, on_page=dict(slope=0.4), slope=(0.2, 5.0, 0.1))
    assert values_of(few)["slope"][-1] == 5.0


@pytest.mark.parametrize(
    ("name", "label"),
    [("mu", "μ"), ("z1", "z₁"), ("beta2", "β₂"), ("x12", "x₁₂"), ("image", "image")],
)
def test_a_control_is_labelled_as_in_formulas(name: str, label: str):
    assert figures.label_of(name) == label


def test_every_figure_with_sliders_is_in_the_book():
    files = {figures.file_of(name, draw) for name, _, draw in LIVE}
    assert len(files) == len(LIVE)
    assert set(figures.FOLDER.iterdir()) == files


@pytest.mark.parametrize(("name", "index", "draw"), LIVE)
def test_frames_were_drawn_by_the_code_of_the_chapter(name: str, index: int, draw: str):
    """After a change of a chapter, `make notebooks` draws them anew."""
    file = figures.file_of(name, draw)
    assert file.stat().st_size <= HEAVIEST
    assert figures.read(file)["code"] == notebooks.code_hash(cells(name), index)


def test_another_code_has_another_hash():
    name, index, _ = LIVE[0]
    changed = cells(name)
    before = notebooks.code_hash(changed, index)
    changed[-1].source += "\n# after the figure"
    assert notebooks.code_hash(changed, index) == before
    code = next(cell for cell in changed if cell.cell_type == "code")
    code.source += "\nmodel = None"
    assert notebooks.code_hash(changed, index) != before
