"""The notebooks in a real JupyterLab and a real Chromium."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
import real
from playwright.sync_api import FloatRect, Page, expect

import notebooks
from vaelib.chapter import explore, subplots

pytestmark = pytest.mark.slow
ITEMS = notebooks.inventory()["item"]
expect.set_options(timeout=30_000)


# JavaScript: the numbers of equations that touch their formula.
TOUCHED = """(tags) => tags.filter((tag) => {
    const number = tag.getBoundingClientRect();
    return [...tag.parentElement.querySelectorAll(":scope > .base")].some((part) => {
        const box = part.getBoundingClientRect();
        const isBeside = box.top < number.bottom - 1 && box.bottom > number.top + 1;
        return isBeside && box.right > number.left;
    });
}).map((tag) => tag.textContent)"""


# JavaScript: whether the notebook has unsaved changes.
UNSAVED = "jupyterapp.shell.currentWidget.context.model.dirty"
# JavaScript: whether all cells are drawn. JupyterLab does so in its idle time.
DRAWN = """() => jupyterapp.shell.currentWidget.content.widgets.every(
    (cell) => !cell.placeholder && !cell.node.querySelector(".jp-MarkdownOutput:empty")
)"""
TWO_FRAMES = """() => new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame(() => done())))"""


def visit(page: Page, lab, chapter: str) -> None:
    """Open a notebook and wait until all of it is drawn."""
    page.goto(f"{lab.url}/lab/tree/notebooks/{chapter}.ipynb?reset&token={lab.token}")
    text = (notebooks.FOLDER / f"{chapter}.md").read_text(encoding="utf-8")
    last = re.findall(r"^## (.*)$", text, re.M)[-1]
    page.locator(".jp-Notebook h2", has_text=last).wait_for(timeout=90_000)
    page.wait_for_function(DRAWN, timeout=90_000)


def without_brackets(tag: str) -> str:
    """Return the number of an equation tag such as "(7)"."""
    return tag.strip("()\u200b ")


def test_the_quick_start_opens_first(lab):
    assert lab.opened == "/lab/tree/notebooks/00_quick_start.ipynb"


@pytest.mark.parametrize("chapter", notebooks.names())
def test_notebook_is_rendered(page: Page, lab, complaints: list[str], chapter: str):
    visit(page, lab, chapter)
    page.set_viewport_size({"width": 1300, "height": 24000})  # all is visible
    page.evaluate(TWO_FRAMES)
    expect(page.locator(".jp-Toolbar-kernelName")).to_have_text("Python 3 (ipykernel)")

    english = chapter.removeprefix("ja/")
    ids = "-kw-" if chapter == english else "-ja-"
    numbered = {
        item["target"].replace("-kw-", ids): found[1]
        for item in ITEMS
        if item.get("chapter") == english
        and (found := re.match(r"\((\d+)\)", item["name"]))
    }
    tags = page.locator(".katex-html .tag").all_inner_texts()
    assert sorted(map(without_brackets, tags)) == sorted(numbered.values())
    for target, number in numbered.items():
        tag = page.locator(f"[id='{target}']").locator(".katex-html .tag")
        assert without_brackets(tag.inner_text()) == number
        for link in page.locator(f"a[href$='#{target}']").all():
            assert link.inner_text() == f"({number})"

    for width in (1440, 800) if chapter.startswith("04") else ():  # the widest
        page.set_viewport_size({"width": width, "height": 24000})
        page.wait_for_timeout(200)
        assert page.locator(".katex-html .tag").evaluate_all(TOUCHED) == [], width

    missing = "pictures => pictures.filter(p => !p.naturalWidth).length"
    assert page.locator(".katex-error").count() == 0
    assert page.locator("img").evaluate_all(missing) == 0
    assert complaints == []


def skip_predictions(page: Page) -> None:
    """Skip each question that still waits."""
    skips = page.get_by_role("button", name="Skip")
    while skips.count():
        skips.first.click()


def test_moving_a_slider_changes_the_figure(page: Page, lab, complaints: list[str]):
    visit(page, lab, "02_the_lower_bound")
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    page.locator(".predict").first.wait_for(timeout=60_000)
    skip_predictions(page)
    output = ".jp-OutputArea"
    figure = page.locator(
        f"{output} img.widget-image, {output} .widget-image img"
    ).first
    figure.wait_for(timeout=60_000)
    before = figure.get_attribute("src")
    slider = page.locator(".widget-slider .noUi-handle").first
    for _ in range(5):
        slider.press("ArrowRight")
    page.wait_for_function(
        "([image, old]) => image.src !== old",
        arg=[figure.element_handle(), before],
        timeout=20_000,
    )
    expect(page.locator(".widget-readout").first).to_have_text("0.25")
    above = page.locator(".jp-CodeCell", has_text="def two_parts")
    expect(above.locator(".jp-RenderedImage")).to_be_hidden()

    # To run a chapter is no change that JupyterLab saves by itself, or asks about.
    idle = page.locator(".jp-Notebook-ExecutionIndicator")
    expect(idle).to_have_attribute("data-status", "idle", timeout=60_000)
    assert not page.evaluate(UNSAVED)

    # All cells are run, and solutions are shown only when the reader asks.
    references = page.locator(".jp-MarkdownCell", has_text="References")
    references.last.scroll_into_view_if_needed()
    solution = page.locator(".jp-CodeCell", has_text="linear = Scalar(")
    expect(solution).to_be_hidden()
    page.locator(".jp-showHiddenCellsButton").first.click()
    expect(solution).to_be_visible()
    assert complaints == []


def save(page: Page) -> None:
    """Save the notebook, and wait for the end."""
    real.command(page, "docmanager:save")
    page.wait_for_function(f"!{UNSAVED}", timeout=30_000)


CELLS = [
    """import torch

from vaelib import VAE, plotting
from vaelib.chapter import explore
from vaelib.widgets import LatentExplorer

model = VAE(shape=(1, 8, 8), latent_dim=2, hidden_dims=(8,))
LatentExplorer(model)""",
    """def samples(n):
    return plotting.samples(model.images(torch.randn(n, 2)))

explore(samples, n=(4, 16, 4))""",
]


def test_widgets_survive_saving_and_reopening(page: Page, lab, complaints: list[str]):
    """A reader saves a notebook, shuts its kernel down, and opens it the next day."""
    real.run_new(page, lab, "mine", *CELLS)
    figure, explorer = page.locator("img.widget-image"), page.locator(".explorer")
    figure.wait_for(timeout=60_000)
    save(page)
    real.command(page, "kernelmenu:shutdown")
    file = lab.root / "notebooks/mine.ipynb"
    saved = file.read_text("utf-8")
    page.goto(f"{lab.url}/lab/tree/notebooks/mine.ipynb?reset&token={lab.token}")
    explorer.wait_for(timeout=60_000)
    figure.wait_for(timeout=60_000)
    expect(page.get_by_text("model not found")).to_have_count(0)
    assert not page.evaluate(UNSAVED)  # although widgets were made
    out = explorer.locator("canvas.out")
    before = out.evaluate("canvas => canvas.toDataURL()")
    explorer.locator(".latent input").first.press("PageUp")
    assert out.evaluate("canvas => canvas.toDataURL()") != before
    save(page)  # JupyterLab saves by itself, too
    assert json.loads(file.read_text("utf-8")) == json.loads(saved)
    cell = "jupyterapp.shell.currentWidget.content.model.cells.get(0).sharedModel"
    page.evaluate(f"{cell}.setSource('another')")
    assert page.evaluate(UNSAVED)
    assert complaints == []


def test_a_widget_that_is_gone_is_a_picture(page: Page, tmp_path: Path):
    """JupyterLab alone saves no widget, but the extension shows what it looked like."""
    with real.jupyterlab(tmp_path, is_plain=True) as lab:
        real.run_new(page, lab, "mine", *CELLS)
        page.locator("img.widget-image").wait_for(timeout=60_000)
        save(page)
        real.command(page, "kernelmenu:shutdown")
        page.goto(f"{lab.url}/lab/tree/notebooks/mine.ipynb?reset&token={lab.token}")
        pictures = page.locator(".jp-OutputArea-output.jupyter-widgets img")
        expect(pictures).to_have_count(len(CELLS), timeout=60_000)
        assert pictures.first.evaluate("image => image.naturalWidth") >= 340
        expect(page.get_by_text("model not found")).to_have_count(0)


def test_reading_leaves_no_trace(page: Page, lab):
    """No question about news comes, chapters are one entry each, none is changed."""
    name = "03_differentiating_through_a_sample"
    halves = [lab.root / f"notebooks/{name}.{end}" for end in ("ipynb", "md")]
    before = [half.read_bytes() for half in halves]
    visit(page, lab, name)
    expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
        "data-status", "idle"
    )
    names = page.locator(".jp-DirListing-itemText").all_inner_texts()
    assert f"{name}.ipynb" in names
    assert f"{name}.md" not in names
    expect(page.locator(".jp-toastContainer, .Toastify__toast")).to_have_count(0)
    save(page)
    assert [half.read_bytes() for half in halves] == before


def test_a_chapter_can_be_saved_as_html(page: Page, lab):
    """What File > Save and Export Notebook As > HTML asks the server for."""
    address = f"{lab.url}/nbconvert/html/notebooks/02_the_lower_bound.ipynb"
    answer = page.request.get(f"{address}?token={lab.token}").text()
    shown = answer[answer.index("<main") :]
    assert "The lower bound" in shown
    assert 'id="eq-kw-2"' in shown
    assert ":::" not in shown
    assert "data:image/png" in shown
    assert "widget-view" not in shown


def test_an_untrusted_widget_is_a_picture(page: Page, lab, complaints: list[str]):
    def line(slope: float = 1.0):
        figure, axes = subplots(size=(3, 2))
        axes.plot([0, slope])
        return figure

    data = explore(line, slope=[1.0])._repr_mimebundle_()
    cell = nbformat.v4.new_code_cell("shown")
    cell.outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1)]
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbformat.write(notebook, lab.root / "notebooks" / "untrusted.ipynb")
    page.goto(f"{lab.url}/lab/tree/notebooks/untrusted.ipynb?reset&token={lab.token}")
    picture = page.locator(".jp-OutputArea-output img")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") >= 340
    assert complaints == []


def box(page: Page, place: str) -> FloatRect:
    """Return the place of the first such element in the page."""
    found = page.locator(place).first.bounding_box()
    assert found, place
    return found


def use_theme(page: Page, name: str) -> None:
    """Change the colours of JupyterLab."""
    real.command(page, "apputils:change-theme", theme=f"JupyterLab {name}")
    is_light = str(name == "Light").lower()
    page.locator(f"body[data-jp-theme-light={is_light}]").wait_for(state="attached")


IS_BESIDE = """
([listing, wanted]) => {
    const cell = document.querySelector(`.jp-CodeCell:has(${listing})`);
    const equation = document.querySelector("#eq-kw-2");
    const {left} = cell.getBoundingClientRect();
    return left + 1 > equation.getBoundingClientRect().right === wanted;
}
"""


def test_an_equation_stands_beside_its_code(page: Page, lab):
    """The code has the colours of cells."""
    visit(page, lab, "02_the_lower_bound")
    title, words = box(page, ".myst h1"), box(page, ".myst h1 ~ *, .myst p")
    assert words["y"] > title["y"] + title["height"] + 5

    listing = ".jp-RenderedMySTMarkdown .myst-code"
    for width, is_beside in ((1440, True), (800, False)):
        page.set_viewport_size({"width": width, "height": 24000})
        page.wait_for_function(IS_BESIDE, arg=[listing, is_beside])
        equation = box(page, "#eq-kw-2")
        cell = box(page, f".jp-CodeCell:has({listing})")
        after = box(page, f".jp-CodeCell:has({listing}) + .jp-Cell")
        assert (cell["x"] + 1 > equation["x"] + equation["width"]) == is_beside
        assert (cell["y"] + 1 > equation["y"] + equation["height"]) != is_beside
        assert after["y"] + 1 > cell["y"] + cell["height"]
        assert after["x"] < equation["x"]

    color = "element => getComputedStyle(element).color"
    other = page.locator(".cm-line span", has_text=re.compile("^import$")).first
    word = page.locator(f"{listing} .hljs-keyword").first
    colors = set()
    for name in ("Dark", "Light"):  # in the end as it was
        use_theme(page, name)
        colors.add(word.evaluate(color))
        assert word.evaluate(color) == other.evaluate(color), name
        text = page.locator(f"{listing} code").first.evaluate(color)
        assert text != word.evaluate(color)
    assert len(colors) == 2
