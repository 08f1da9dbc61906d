"""Figures with sliders on the published page, against the functions of the chapters."""

from __future__ import annotations

import io
import random
import re
from pathlib import Path
from typing import Any

import figures
import language
import numpy as np
import pytest
import real
from figures import states
from frames import figure_at
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from test_book import Visit, visit  # noqa: F401
from test_chapters import namespace_before
from test_figures import LIVE, frame_of, fresh

pytestmark = pytest.mark.slow

NAMES = sorted({name for name, _, _ in LIVE})
PAGES = [f"notebooks/{name}.html" for name in NAMES]
TRANSLATED = [
    f"notebooks/ja/{name}.html" for name in language.CHAPTERS if name in NAMES
]
# Their models are trained, which another machine does with other rounding errors.
TRAINED = {"move", "trade", "look", "turned"}


def places(tab: Page) -> Locator:
    """Return the places of the figures with sliders."""
    return tab.locator('.live[data-widget="figure"]')


def started(tab: Page, number: int) -> Locator:
    """Scroll to a figure, and return its place when it has started."""
    tab.evaluate(real.UNFOLD)
    place = places(tab).nth(number)
    place.scroll_into_view_if_needed()
    expect(place).to_have_attribute("data-ready", "", timeout=20_000)
    return place


def shown(place: Locator) -> str:
    """Return what a figure shows, as SVG."""
    return place.locator(".panels").inner_html()


def height(place: Locator) -> float:
    """Return the height of a figure with its controls."""
    box = place.bounding_box()
    assert box
    return box["height"]


def test_every_figure_has_a_place(book: Path):
    for name in NAMES:
        text = (book / "notebooks" / f"{name}.html").read_text("utf-8")
        draws = [draw for chapter, _, draw in LIVE if chapter == name]
        assert text.count('data-widget="figure"') == len(draws)
        assert "With sliders in JupyterLab" not in text
        assert "explore(" not in re.sub("<[^>]+>", "", text), "the call is folded away"


@pytest.mark.parametrize("page", [*PAGES, *TRANSLATED])
@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from a disk"])
def test_each_control_moves_its_figure_by_mouse_and_keyboard(
    visit: Visit,  # noqa: F811
    book: Path,
    page: str,
    from_disk: bool,
):
    """Nothing jumps, the values are told, and the picture below is not seen."""
    tab = visit.tab
    if from_disk:
        visit.site = book.as_uri()
    tab.goto(f"{visit.site}/{page}")
    if from_disk:
        tab.evaluate("document.documentElement.dataset.theme = 'dark'")
    for number in range(places(tab).count()):
        place = started(tab, number)
        before = height(place)
        for picture in place.locator("xpath=../img").all():
            expect(picture).not_to_be_visible()
        for slider in place.locator("input").all():
            seen = [shown(place)]
            first = slider.get_attribute("aria-valuetext")
            is_last = slider.evaluate("slider => slider.value === slider.max")
            slider.press("ArrowLeft" if is_last else "ArrowRight")
            seen.append(shown(place))
            assert slider.get_attribute("aria-valuetext") != first
            box = slider.bounding_box()
            assert box
            assert box["height"] >= 24
            for share in (0.02, 0.98):  # the ends differ in each figure
                slider.click(position={"x": share * box["width"], "y": 12})
                seen.append(shown(place))
            assert len(set(seen)) >= 3
        for menu in place.locator("select").all():
            seen = [shown(place)]
            menu.press("ArrowDown")
            seen.append(shown(place))
            menu.press("End")
            seen.append(shown(place))
            assert len(set(seen)) == 3
        assert height(place) == before
        spoken = place.locator(".spoken")
        label = place.locator(".panels").get_attribute("aria-label")
        expect(spoken).to_have_text(label or "-")
    assert visit.errors == []
    assert visit.foreign() == set()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("page", ["02_the_lower_bound", "07_beta_and_its_schedules"])
def test_what_a_figure_shows_can_be_saved(
    visit: Visit,  # noqa: F811
    page: str,
    theme: str,
):
    tab = visit.tab
    tab.goto(f"{visit.site}/notebooks/{page}.html")
    tab.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    place = started(tab, 0)
    place.locator("input, select").first.press("ArrowDown")
    with tab.expect_download() as download:
        place.get_by_role("button", name="Save picture").press("Enter")
    assert download.value.suggested_filename == "figure.png"
    saved = Image.open(download.value.path()).convert("RGB")
    whole = place.bounding_box()
    assert whole
    for panel in place.locator(".panels svg").all():
        box = panel.bounding_box()
        assert box
        seen = Image.open(io.BytesIO(panel.screenshot())).convert("RGB")
        left, top = (2 * (box[axis] - whole[axis]) for axis in ("x", "y"))
        # The picture begins 4 pixels above the first panel.
        right, bottom = left + 2 * box["width"], top + 8 + 2 * box["height"]
        part = saved.crop((left, top + 8, right, bottom))
        small = seen.width // 4, seen.height // 4  # half a pixel makes no difference
        pair = [np.asarray(image.resize(small), float) for image in (part, seen)]
        assert np.corrcoef([image.ravel() for image in pair])[0, 1] > 0.95
        assert np.asarray(seen).std() > 10, "the panel is not blank"


NUMBER = re.compile(r"-?\d*\.?\d+")


def joined(part: str) -> str:
    """Return a part whose lines go on where another one begins.

    On another machine, rounding errors choose another first point of a closed contour.
    """

    def join(found: re.Match[str]) -> str:
        lines = [line.split(" L ") for line in found[1].split(" M ")]
        for line in [*lines]:
            after = [o for o in lines if o is not line and o[0] == line[-1]]
            if after and line in lines:
                lines.remove(after[0])
                line += after[0][1:]
        return f'd="M {" M ".join(map(" L ".join, lines))}"'

    return re.sub(r'd="M ([^"]*)"', join, part)


def is_same(one: list[str], other: list[str]) -> bool:
    """Return whether parts differ at most in the last digit of a length."""
    if len(one) != len(other):
        return False
    for a, b in zip(map(joined, one), map(joined, other), strict=True):
        if NUMBER.split(a) != NUMBER.split(b):
            return False
        pairs = zip(NUMBER.findall(a), NUMBER.findall(b), strict=True)
        if any(abs(float(x) - float(y)) > 0.02 for x, y in pairs):
            return False
    return True


# JavaScript: move the controls, and return the parts of each panel. Parts of Python
# become elements first, which a browser writes in its own way.
PARTS = """(place, [positions, expected]) => {
  const controls = place.querySelectorAll("input, select");
  for (const [i, control] of controls.entries()) {
    if (control.type === "range") control.value = positions[i];
    else control.selectedIndex = positions[i];
    control.dispatchEvent(new Event("input"));
  }
  const written = (text) => {
    const group = document.createElementNS("http://www.w3.org/2000/svg", "g");
    group.innerHTML = text;
    return group.innerHTML;
  };
  const panels = [...place.querySelectorAll(".panels > svg")];
  const partsOf = (panel) => [...panel.querySelectorAll(":scope > g")];
  const found = panels.map((panel) => partsOf(panel).map((part) => part.innerHTML));
  return [found.map((texts) => texts.filter(Boolean)),
          expected.map((texts) => texts.map(written))];
}"""


@pytest.mark.parametrize(("name", "index", "draw"), LIVE)
def test_page_draws_what_python_draws(
    visit: Visit,  # noqa: F811
    name: str,
    index: int,
    draw: str,
):
    """At random positions; the figure of another position is found to be another.

    If a model is trained, the page is compared with the frames that are stored.
    """
    figure = figures.read(figures.file_of(name, draw))
    function = None if draw in TRAINED else namespace_before(name, index)[draw]
    visit.tab.goto(f"{visit.site}/notebooks/{name}.html")
    draws = [each for chapter, _, each in LIVE if chapter == name]
    place = started(visit.tab, draws.index(draw))
    rng = random.Random(draw)

    values = {control["name"]: control["values"] for control in figure["controls"]}
    every = list(states(values))

    wrong = None
    for number in rng.sample(range(len(every)), 3):
        state = every[number]
        positions = [values[name].index(state[name]) for name in values]
        if function:
            expected = fresh(figure_at(function, state), figure["layout"])
        else:
            expected = frame_of(figure, number)
        found, expected = place.evaluate(PARTS, [positions, expected])
        for one, other in zip(found, expected, strict=True):
            assert is_same(one, other), state
        if wrong:
            assert not all(map(is_same, found, wrong)), "a stale frame is not seen"
        wrong = [[*panel] for panel in found]


@pytest.fixture
def phone(browser: Browser) -> Any:
    """Open a tab with a touch screen of 390 x 844 pixels."""
    size: Any = {"width": 390, "height": 844}
    context = browser.new_context(viewport=size, has_touch=True, is_mobile=True)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("page", ["02_the_lower_bound", "08_the_latent_space"])
def test_on_a_phone_a_figure_fits_one_screen_and_is_moved_by_a_finger(
    phone: Page, site: str, page: str
):
    """Plane, picture and controls are in sight together."""
    phone.goto(f"{site}/notebooks/{page}.html")
    place = started(phone, 0)
    panels = place.locator(".panels > svg")
    tops = [panel.bounding_box() for panel in panels.all()]
    assert tops[0]["y"] + tops[0]["height"] <= tops[1]["y"] + 1  # type: ignore
    assert height(place) <= 844 - 60, "the header of the page takes 60"
    before = shown(place)
    place.locator("input").first.tap(position={"x": 10, "y": 12})
    assert shown(place) != before
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_paper_and_pages_without_scripts_have_the_picture(
    visit: Visit,  # noqa: F811
    browser: Browser,
):
    address = f"{visit.site}/notebooks/02_the_lower_bound.html"
    visit.tab.goto(address)
    place = started(visit.tab, 0)
    visit.tab.emulate_media(media="print")
    picture = "xpath=../img[contains(@class, 'on-light')]"
    expect(place.locator(picture)).to_be_visible()
    expect(place).not_to_be_visible()

    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(address)
    tab.get_by_text("The computed result").first.click()
    expect(places(tab).locator(picture)).to_be_visible()
    expect(places(tab)).not_to_be_visible()
    context.close()
