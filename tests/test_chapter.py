"""Tools of the notebooks: listings, checked numbers, figures with sliders."""

from __future__ import annotations

import ast
import base64
import inspect
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cells
import numpy as np
import pytest
from ipywidgets import FloatSlider, Image
from matplotlib.figure import Figure
from PIL import Image as Picture

from vaelib import TrainConfig, chapter, load_dataset, losses, plotting, training
from vaelib.chapter import subplots
from vaelib.model import VAE
from vaelib.stills import png


def test_unused_objects_are_not_looked_for_among_those_of_libraries():
    code = "import gc, vaelib.chapter as _; print(len(gc.get_objects()))"
    left = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert int(left) < 20_000  # instead of some 200,000


def test_source_is_that_of_the_library_with_short_docstrings():
    shown = chapter.source(losses.kl_per_latent, VAE.reparameterize).data or ""
    heading, code = "`vaelib.model.VAE.reparameterize`\n", "```python\n@staticmethod\n"
    assert f"{heading}{code}def reparameterize(" in shown
    assert shown.count("```") == 4


@pytest.mark.parametrize("thing", [training.updates, VAE, losses.kl_per_latent])
def test_source_has_the_code_and_first_lines_of_docstrings(thing: Any):
    """What the parser reads is the same, but for the docstrings."""
    whole = ast.parse(inspect.getsource(thing))
    shown = chapter.source(thing).data or ""
    listing = shown.partition("```python\n")[2].removesuffix("\n```")
    short = ast.parse(listing)
    for node in ast.walk(whole):
        documented = isinstance(node, ast.FunctionDef | ast.ClassDef)
        if documented and (text := ast.get_docstring(node, clean=False)):
            node.body[0] = ast.Expr(ast.Constant(text.splitlines()[0]))
    assert ast.dump(whole) == ast.dump(short)
    comments = [line for line in listing.splitlines() if line.strip().startswith("#")]
    assert set(comments) <= set(inspect.getsource(thing).splitlines())


def test_a_figure_is_described_by_its_titles_and_labels():
    figure, (left, right) = chapter.subplots(1, 2)
    left.set(title="Rate", xlabel="step", ylabel="nats")
    right.set_title("Pictures", loc="left")
    assert chapter.describe(figure) == "Figure: Rate [nats against step]; Pictures"


def test_near_marks_a_number_that_it_has_checked():
    assert chapter.near(105.44, 104, 107) == "~105.4"
    assert chapter.near(-0.126, -1, 0, digits=2) == "~-0.13"
    with pytest.raises(AssertionError, match=r"107\.3 is not between 104 and 107"):
        chapter.near(107.3, 104, 107)
    with pytest.raises(AssertionError):
        chapter.near(float("nan"), 104, 107)


def line(height: float = 2.0, name: str = "a") -> Figure:
    """Return a figure that shows its arguments."""
    figure, axes = chapter.subplots(size=(2, 2))
    axes.plot([0, height])
    axes.set_title(name)
    return figure


def test_explore_starts_at_the_defaults_and_follows_its_controls(tmp_path: Path):
    panel = chapter.explore(line, height=(0.0, 5.0, 0.5), name=["a", "b"])
    slider, menu, _, image = panel.children
    assert isinstance(slider, FloatSlider)
    assert isinstance(image, Image)
    assert (slider.value, menu.value) == (2.0, "a")
    assert image.value == png(first := line())
    slider.value, menu.value = 4.5, "b"
    assert image.value == png(line(4.5, "b"), first) != png(first)
    assert Picture.open(io.BytesIO(image.value)).size > (100, 100)
    assert panel.figure.axes[0].get_title(loc="left") == "b"
    panel.save(tmp_path / "figure.png")
    assert Picture.open(tmp_path / "figure.png").size > (100, 100)
    assert repr(panel) == "Explorer(line, height, name)"


def test_a_small_picture_stands_beside_a_widget_that_may_not_run():
    rng = np.random.default_rng(0)

    def noise(side: int = 300) -> Figure:
        figure, axes = chapter.subplots(size=(5, 5))
        axes.imshow(rng.random((side, side, 3)))
        return figure

    for panel in (chapter.explore(line, height=[2.0]), chapter.explore(noise)):
        data = panel._repr_mimebundle_()
        assert data == panel._repr_mimebundle_()  # notebooks store it
        assert "application/vnd.jupyter.widget-view+json" in data
        raw = base64.b64decode(data["image/png"])
        picture = Picture.open(io.BytesIO(raw)).convert("L")
        assert len(raw) < 40_000
        assert picture.width >= 300
        note = picture.crop((10, picture.height - 25, 320, picture.height))
        assert np.asarray(note).min() < 120


def test_the_book_shows_a_widget_without_its_picture():
    panel = chapter.explore(line, height=[2.0])
    bundles = [panel._repr_mimebundle_(), {"image/png": "", "text/plain": "Figure: a"}]
    cell = dict(cell_type="code", source=[], metadata={})
    cell["outputs"] = [dict(data=bundle) for bundle in bundles]
    source = [json.dumps(dict(cells=[cell]))]
    cells.prepare(None, "notebooks/02_name", source)  # type: ignore
    [shown] = json.loads(source[0])["cells"]
    widget, figure = [set(output["data"]) for output in shown["outputs"]]
    assert widget == {"text/plain", "application/vnd.jupyter.widget-view+json"}
    assert "image/png" in figure
    caption = shown["metadata"]["mystnb"]["figure"]["caption"]
    assert caption == "**Figure 2.1** a"


def test_an_error_while_drawing_is_raised_and_shown_above_the_last_figure():
    def below_one(height: float = 0.5) -> Figure:
        if height > 1:
            raise ValueError("no such\nheight: $2")
        return line(height)

    panel = chapter.explore(below_one, height=(0.0, 5.0, 0.1))
    assert (panel.note.value, panel.note.layout.display) == ("", "none")
    panel.controls["height"].value = 0.1 + 0.2
    picture = panel.image.value
    with pytest.raises(ValueError, match="no such"):
        panel.controls["height"].value = 2.0
    assert panel.note.value == "ValueError: no such height: $2 (below: height = 0.3)"
    assert panel.note.layout.display is None
    assert panel.image.value == picture
    panel.controls["height"].value = 1.0
    assert (panel.note.value, panel.note.layout.display) == ("", "none")
    assert panel.image.value != picture
    with pytest.raises(ValueError, match="no such"):
        chapter.explore(below_one, height=[2.0])


def test_fit_trains_and_writes_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(dataset="sprites", hidden_dim=(8,), latent_dim=2, epochs=2)
    model, rows = chapter.fit(config, load_dataset("sprites"))
    assert [row["epoch"] for row in rows] == [0, 1]
    assert rows[1]["total"] < rows[0]["total"]
    assert model.latent_dim == 2
    assert not list(tmp_path.iterdir())


def test_chapters_draw_in_the_style_of_the_library():
    import matplotlib.pyplot as plt

    with plt.rc_context(fname=plotting.STYLE):
        expected: dict[Any, Any] = dict(plt.rcParams)
    found: dict[Any, Any] = dict(plt.rcParams)
    keys = [key for key in found if "backend" not in key]
    assert [key for key in keys if found[key] != expected[key]] == []


def bars(value: float = 1.0, longest: str = "a") -> Figure:
    """Draw two panels whose places depend on their labels."""
    figure, panels = subplots(1, 2, size=(6, 2))
    for axes in panels:
        axes.barh([longest, "b"], [value, 2.0])
        axes.set(title=f"{value:.1f}", xlim=(0, 3))
    return figure


@pytest.mark.parametrize("longest", ["a", "much longer"])
def test_a_redrawn_figure_has_the_layout_of_a_new_one(longest: str):
    first = bars()
    png(first)
    assert png(bars(2.5, longest), first) == png(bars(2.5, longest))


def test_axes_stay_where_they_were_if_the_layout_is_the_same():
    first, second = bars(), bars(2.5)
    png(first)
    first.axes[0].set_position((0.2, 0.3, 0.2, 0.5))  # not by the layout
    for _ in range(2):
        png(second, first)
    for axes, other in zip(second.axes, first.axes, strict=True):
        assert axes.get_position().bounds == other.get_position().bounds
