"""The notebooks in a real JupyterLab and a real Chromium."""

from __future__ import annotations

import re

import pytest
import real
from playwright.sync_api import Page, expect

import notebooks

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
    figure = page.locator(".widget-image")
    figure.wait_for(timeout=60_000)
    real.command(page, "docmanager:save")
    real.command(page, "kernelmenu:shutdown")
    page.goto(f"{lab.url}/lab/tree/notebooks/mine.ipynb?reset&token={lab.token}")
    explorer = page.locator(".vaelib.explorer")
    explorer.wait_for(timeout=60_000)
    figure.wait_for(timeout=60_000)
    expect(page.get_by_text("model not found")).to_have_count(0)
    out = explorer.locator("canvas.out")
    before = out.evaluate("canvas => canvas.toDataURL()")
    explorer.locator(".latent input").first.press("PageUp")
    assert out.evaluate("canvas => canvas.toDataURL()") != before
    assert complaints == []


def test_the_course_brings_its_settings(page: Page, lab):
    """No question about news comes, and each chapter is one entry of the list."""
    visit(page, lab, "02_the_lower_bound")
    page.wait_for_timeout(1000)
    names = page.locator(".jp-DirListing-itemText").all_inner_texts()
    assert "02_the_lower_bound.ipynb" in names
    assert [name for name in names if name.endswith(".md")] == []
    expect(page.locator(".jp-toastContainer, .Toastify__toast")).to_have_count(0)
