"""The notebooks in a real JupyterLab and a real Chromium."""

from __future__ import annotations

import re

import nbformat
import pytest
from playwright.sync_api import Page, expect

import notebooks
from vaelib.chapter import explore, subplots

pytestmark = pytest.mark.slow
ITEMS = notebooks.inventory()["item"]
expect.set_options(timeout=30_000)


def visit(page: Page, lab, chapter: str) -> None:
    """Open a notebook and wait until its last section is drawn."""
    page.goto(f"{lab.url}/lab/tree/notebooks/{chapter}.ipynb?reset&token={lab.token}")
    text = (notebooks.FOLDER / f"{chapter}.md").read_text(encoding="utf-8")
    last = re.findall(r"^## (.*)$", text, re.M)[-1]
    page.get_by_role("heading", name=last).wait_for(timeout=90_000)


def without_brackets(tag: str) -> str:
    """Return the number of an equation tag such as "(7)"."""
    return tag.strip("()\u200b ")


def test_the_quick_start_opens_first(lab):
    assert lab.opened == "/lab/tree/notebooks/00_quick_start.ipynb"


@pytest.mark.parametrize("chapter", notebooks.names())
def test_notebook_is_rendered(page: Page, lab, complaints: list[str], chapter: str):
    visit(page, lab, chapter)
    expect(page.locator(".jp-Toolbar-kernelName")).to_have_text("Python 3 (ipykernel)")

    numbered = {
        item["target"]: found[1]
        for item in ITEMS
        if item.get("chapter") == chapter
        and (found := re.match(r"\((\d+)\)", item["name"]))
    }
    tags = page.locator(".katex-html .tag").all_inner_texts()
    assert sorted(map(without_brackets, tags)) == sorted(numbered.values())
    for target, number in numbered.items():
        tag = page.locator(f"[id='{target}']").locator(".katex-html .tag")
        assert without_brackets(tag.inner_text()) == number
        for link in page.locator(f"a[href$='#{target}']").all():
            assert link.inner_text() == f"({number})"

    missing = "pictures => pictures.filter(p => !p.naturalWidth).length"
    assert page.locator(".katex-error").count() == 0
    assert page.locator("img").evaluate_all(missing) == 0
    assert complaints == []


def test_moving_a_slider_changes_the_figure(page: Page, lab, complaints: list[str]):
    visit(page, lab, "02_the_lower_bound")
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
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
    assert complaints == []


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
