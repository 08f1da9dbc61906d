"""The notebooks as a reader meets them: in a real JupyterLab, in a real Chromium."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

import notebooks

pytestmark = pytest.mark.slow
ITEMS = notebooks.inventory()["item"]
expect.set_options(timeout=30_000)


def visit(page: Page, lab, chapter: str) -> None:
    """Opens a notebook and waits until its last section is drawn."""
    page.goto(f"{lab.url}/lab/tree/notebooks/{chapter}.ipynb?reset&token={lab.token}")
    last = re.findall(
        r"^## (.*)$",
        (notebooks.FOLDER / f"{chapter}.md").read_text(encoding="utf-8"),
        re.M,
    )[-1]
    page.get_by_role("heading", name=last).wait_for(timeout=90_000)


def test_first_thing_that_opens_is_the_quick_start(lab):
    assert lab.opened == "/lab/tree/notebooks/00_quick_start.ipynb"


@pytest.mark.parametrize("chapter", notebooks.names())
def test_notebook_is_rendered(page: Page, lab, complaints: list[str], chapter: str):
    visit(page, lab, chapter)
    expect(page.locator(".jp-Toolbar-kernelName")).to_have_text("Python 3 (ipykernel)")
    numbered = {
        i["target"]: found[1]
        for i in ITEMS
        if i.get("chapter") == chapter and (found := re.match(r"\((\d+)\)", i["name"]))
    }
    shown = [
        text.strip("()\u200b ")
        for text in page.locator(".katex-html .tag").all_inner_texts()
    ]
    assert sorted(shown) == sorted(numbered.values())
    for target, number in numbered.items():
        place = page.locator(f"[id='{target}']")
        assert (
            place.locator(".katex-html .tag").inner_text().strip("()\u200b ") == number
        )
        for link in page.locator(f"a[href$='#{target}']").all():
            assert link.inner_text() == f"({number})"
    assert page.locator(".katex-error").count() == 0
    assert (
        page.locator("img").evaluate_all(
            "pictures => pictures.filter(p => !p.naturalWidth).length"
        )
        == 0
    )
    assert complaints == []


def test_moving_a_slider_changes_the_picture(page: Page, lab, complaints: list[str]):
    visit(page, lab, "02_the_lower_bound")
    page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    picture = page.locator(
        ".jp-OutputArea img.widget-image, .jp-OutputArea .widget-image img"
    ).first
    picture.wait_for(timeout=60_000)
    before = picture.get_attribute("src")
    slider = page.locator(".widget-slider .noUi-handle").first
    for _ in range(5):
        slider.press("ArrowRight")
    page.wait_for_function(
        "([e, old]) => e.src !== old",
        arg=[picture.element_handle(), before],
        timeout=20_000,
    )
    expect(page.locator(".widget-readout").first).to_have_text("0.25")
    assert complaints == []
