"""Symbols that answer, on the published page: by pointer, finger and keyboard."""

from __future__ import annotations

import re
from typing import Literal

import pytest
import symbols
from playwright.sync_api import Browser, Page, expect
from real import AXE

pytestmark = pytest.mark.slow

CHAPTER = "notebooks/05_the_variational_auto_encoder.html"
SECTION = "section#the-objective"
MU = symbols.symbol_of(r"\mu").key
CARD, LIT = ".symbol-card", ".symbol-lit"
# JavaScript: the symbols in formulas whose letter cannot be pointed at.
UNREACHABLE = """() => [...document.querySelectorAll(
    '.katex-html [class^="s-"], .katex-html [class*=" s-"]'
)].filter((mark) => {
    mark.scrollIntoView({ block: "center", behavior: "instant" });
    const letter = mark.querySelector(".mathnormal, .mathcal") ?? mark;
    const { left, top, width, height } = letter.getBoundingClientRect();
    const found = document.elementFromPoint(left + width / 2, top + height / 2);
    return found?.closest('[class^="s-"], [class*=" s-"]') !== mark;
}).map((mark) => mark.textContent)"""


def tex_of(page: Page) -> str:
    """Return the symbols that the card shows, as LaTeX."""
    return page.locator(f"{CARD} > div > span annotation").first.text_content() or ""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_symbol_lights_up_in_formula_listing_and_text(
    page: Page, site: str, complaints: list[str], theme: Literal["light", "dark"]
):
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": 1366, "height": 768})
    page.goto(f"{site}/{CHAPTER}")
    section = page.locator(SECTION)
    marks = section.locator(f".katex-html .{MU}")
    heights = section.evaluate("section => section.scrollHeight")
    marks.first.hover()
    expect(page.locator(CARD)).to_contain_text("means of")
    expect(page.locator(CARD)).to_contain_text("(B, J)")
    assert tex_of(page) == r"\mu"
    lit = page.locator(LIT)
    assert lit.count() == page.locator(f"{SECTION} .{MU}").count()
    texts = lit.all_inner_texts()
    assert "mu" in texts  # in a listing
    assert "mean" not in texts  # as mu is called beside another equation only
    assert section.evaluate("section => section.scrollHeight") == heights
    card, box = page.locator(CARD).bounding_box(), marks.first.bounding_box()
    assert card
    assert box
    assert card["y"] >= 0
    assert card["y"] + card["height"] <= 768
    assert not card["y"] < box["y"] + 5 < card["y"] + card["height"]

    # From the code to the formula, too.
    section.locator(f".highlight .{MU}").first.hover()
    expect(section.locator(f".katex-html .{MU}{LIT}").first).to_be_visible()
    page.mouse.move(5, 5)
    expect(lit).to_have_count(0)
    assert complaints == []


def test_a_finger_and_the_keyboard_get_the_same(browser: Browser, site: str):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True
    )
    page = context.new_page()
    page.goto(f"{site}/{CHAPTER}")
    page.locator(f"{SECTION} .katex-html .{MU}").first.tap()
    expect(page.locator(CARD)).to_contain_text("means of")
    box = page.locator(CARD).bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run('main', {resultTypes: ['violations']})")
    assert [v["id"] for v in found["violations"]] == []
    page.keyboard.press("Escape")
    expect(page.locator(LIT)).to_have_count(0)

    formula = page.locator(f"{SECTION} .katex-display").first
    formula.focus()
    seen = []
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        expect(page.locator(f"{CARD} > div")).not_to_have_count(0)
        seen.append(tex_of(page))
    assert seen == [r"\mathcal L", r"\theta", r"\phi", "x"]
    page.keyboard.press("ArrowLeft")
    expect(page.locator(f"{CARD} > div > span annotation").first).to_have_text(r"\phi")
    page.keyboard.press("Tab")
    expect(page.locator(CARD)).to_be_empty()
    context.close()


def test_every_symbol_can_be_pointed_at(page: Page, site: str):
    page.goto(f"{site}/notebooks/11_weights_are_hidden_causes_too.html")
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.set_viewport_size({"width": 1440, "height": 900})
    assert page.evaluate(UNREACHABLE) == []


def test_symbols_cost_a_page_little(page: Page, site: str):
    """Chapter 11 has most of them."""
    answer = page.request.get(f"{site}/notebooks/11_weights_are_hidden_causes_too.html")
    marks = re.findall(r'<span class="enclosing s-\d+[^>]*>|\bs-\d+ ?', answer.text())
    assert len(marks) > 1000
    assert sum(map(len, marks)) < 15_000


def test_on_a_japanese_page_the_card_is_in_japanese(page: Page, site: str):
    page.goto(f"{site}/{CHAPTER.replace('/', '/ja/')}")
    page.locator(f".katex-html .{MU}").first.hover()
    expect(page.locator(CARD)).to_contain_text("の平均")
    assert "means of" not in page.locator(CARD).inner_text()
    formula = page.locator(".bd-article .katex-display").first
    expect(formula).to_have_attribute("aria-label", "数式。矢印キーで記号をたどれます")
