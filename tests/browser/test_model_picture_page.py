"""The picture of the model and one update in slow motion, on the page and in a lab."""

from __future__ import annotations

import re
from typing import Literal

import pytest
import real
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = pytest.mark.slow

PICTURE = "figure.model-picture"
SHOWN = f"{PICTURE} li.chosen"
SLOW = "notebooks/05_the_variational_auto_encoder.html#one-update-in-slow-motion"
STAGES = 11
LOOKS: list[tuple[Literal["light", "dark"], int]] = [
    *(("light", 1440), ("dark", 1366), ("light", 1024), ("dark", 390))
]


def part(page: Page, name: str) -> Locator:
    """Return a part of the picture of the model."""
    return page.locator(f"{PICTURE} a[data-part='{name}']")


def test_a_chapter_begins_with_its_part_lit(
    page: Page, site: str, complaints: list[str]
):
    page.goto(f"{site}/notebooks/03_differentiating_through_a_sample.html")
    lit = page.locator(f"{PICTURE} .lit")
    names = lit.evaluate_all("parts => parts.map((part) => part.dataset.part)")
    assert names == ["noise", "z"]
    expect(page.locator(SHOWN)).to_contain_text("Standard normal noise")
    real.add_axe(page)
    for theme, width in LOOKS:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 768})
        found = page.evaluate(f"axe.run('{PICTURE}', {{resultTypes: ['violations']}})")
        assert [violation["id"] for violation in found["violations"]] == []
    assert complaints == []


def test_each_part_says_what_it_is_by_pointer_keyboard_and_finger(
    page: Page, browser: Browser, site: str
):
    address = f"{site}/notebooks/03_differentiating_through_a_sample.html"
    page.goto(address)
    below = page.locator(f"{PICTURE} + *").bounding_box()
    part(page, "kl").hover()
    expect(page.locator(SHOWN)).to_contain_text("divergence")
    assert page.locator(f"{PICTURE} + *").bounding_box() == below  # nothing moves
    links = page.locator(f"{SHOWN} a")
    ends = [link.get_attribute("href") or "" for link in links.all()]
    assert [end.split("#")[1] for end in ends] == [
        *("app-kw-b", "vaelib.losses.kl_divergence", "check-app-b")
    ]
    for end in ends:
        page.goto(f"{site}/notebooks/{end}")
        expect(page.locator(f"[id='{end.split('#')[1]}']").first).to_be_attached()

    page.goto(address)
    part(page, "noise").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(SHOWN)).to_contain_text("A draw from")
    page.keyboard.press("Tab")
    expect(page.locator(f"{SHOWN} a").first).to_be_focused()

    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True
    )
    touched = context.new_page()
    touched.goto(address)
    part(touched, "decoder").tap()
    expect(touched.locator(SHOWN)).to_contain_text("decoder")
    assert touched.url == address
    context.close()


def test_the_picture_shows_the_numbers_of_the_explorer(page: Page, site: str):
    page.goto(f"{site}/book/intro.html")
    page.locator(".vaelib.explorer").first.wait_for()

    def value(name: str) -> Locator:
        return page.locator(f"{PICTURE} [data-value={name}]")

    def text(name: str) -> str:
        return value(name).text_content() or ""

    expect(value("kl")).to_have_text(re.compile(r"^\d+\.\d\d$"))
    terms = [float(text(name)) for name in ("recon", "kl", "total")]
    assert terms[0] + terms[1] == pytest.approx(terms[2], abs=0.011)
    assert text("eps").startswith("0.00, 0.00")  # z is the mean
    first = page.locator(".latent input").first
    before = text("z")
    first.press("PageUp")
    expect(value("z")).not_to_have_text(before)
    shown = float(first.input_value())
    assert float(text("z").split(",")[0].replace("−", "-")) == shown
    page.get_by_role("button", name="Random sample").first.click()
    expect(value("mu")).to_be_empty()
    expect(value("total")).to_be_empty()


def go_through(page: Page, slow: Locator) -> list[float]:
    """Go through an update by keyboard; return the objective before it and after."""
    titles = []
    slow.get_by_role("button", name="Next").focus()
    for stage in range(1, STAGES + 1):
        expect(slow.locator(".bar output")).to_contain_text(
            f"stage {stage} of {STAGES}"
        )
        titles.append(slow.locator(".title").inner_text())
        assert slow.locator(".equation").inner_text()
        assert slow.locator("svg .lit").count() >= 1
        if stage < STAGES:
            page.keyboard.press("Enter")
    assert len(set(titles)) == STAGES
    said = slow.locator("p").inner_text()
    return [float(number) for number in re.findall(r"\d+\.\d\d", said)]


@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from a disk"])
def test_one_update_in_slow_motion(
    page: Page, site: str, book, complaints: list[str], from_disk: bool
):
    page.goto(f"{book.as_uri() if from_disk else site}/{SLOW}")
    slow = page.locator(".vaelib.slow")
    slow.wait_for()
    height = slow.evaluate("slow => slow.clientHeight")
    before, after = go_through(page, slow)
    assert before - 30 < after < before
    assert slow.evaluate("slow => slow.clientHeight") == height, "nothing below moves"
    slow.get_by_role("button", name="Back").click()
    expect(slow.locator(".bar output")).to_contain_text("Update 1, stage 10")
    slow.get_by_role("button", name="Next").click()
    slow.get_by_role("button", name="Next update").click()
    expect(slow.locator(".bar output")).to_contain_text("Update 2, stage 1")
    for _ in range(20):
        slow.get_by_role("button", name="100 updates").click()
    expect(slow.locator(".bar output")).to_contain_text("Update 2002, stage 1")
    learned, _ = go_through(page, slow)
    assert learned < 0.8 * before
    assert complaints == []


def test_slow_motion_fits_and_axe_finds_nothing(page: Page, site: str):
    page.goto(f"{site}/{SLOW}")
    slow = page.locator(".vaelib.slow")
    slow.wait_for()
    real.add_axe(page)
    for theme, width in LOOKS:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        for _ in range(STAGES):
            slow.get_by_role("button", name="Next").click()
            assert slow.evaluate("w => w.scrollWidth <= w.clientWidth + 1")
        found = page.evaluate("axe.run('.slow', {resultTypes: ['violations']})")
        assert [violation["id"] for violation in found["violations"]] == []


def test_slow_motion_in_jupyterlab(page: Page, lab: real.Lab, complaints: list[str]):
    cell = """from vaelib import load_dataset
from vaelib.widgets import SlowMotion

SlowMotion(load_dataset("sprites"))"""
    real.run_new(page, lab, "slow", cell)
    before, after = go_through(page, page.locator(".vaelib.slow"))
    assert after != before
    assert complaints == []
