"""Predictions on the published page and in JupyterLab: results wait for answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import real
from playwright.sync_api import Browser, Locator, Page, expect
from test_chapters import predictions

pytestmark = pytest.mark.slow

CURVE = "02_the_lower_bound"  # a curve, then a choice
NUMBER = "00_quick_start"  # numbers, the second one before a text
LOOKS = [("light", 1440), ("light", 390), ("dark", 1440), ("dark", 390)]
WIDGETS = '.live[data-widget="predict"]'


def address(site: str, chapter: str) -> str:
    """Return the address of a chapter."""
    return f"{site}/notebooks/{chapter}.html"


def question(page: Page, number: int) -> Locator:
    """Scroll to a question, and return it when it has started."""
    place = page.locator(WIDGETS).nth(number)
    place.scroll_into_view_if_needed()
    expect(place).to_have_attribute("data-ready", "", timeout=20_000)
    return place.locator(".vaelib.predict")


def asked_in(chapter: str) -> list[dict[str, Any]]:
    """Return what the predictions of a chapter ask."""
    return [asked for *_, asked in predictions(chapter)]


def held(page: Page, number: int) -> Locator:
    """Return what a question holds back."""
    return page.locator(f"details.held-{number}").first


def press(asking: Locator, name: str, key: str = "") -> None:
    """Press a button of a question, by mouse or by a key."""
    button = asking.get_by_role("button", name=name, exact=True)
    if key:
        button.press(key)
    else:
        button.click()


def test_every_prediction_of_a_chapter_holds_a_result_back(book: Path):
    for file in sorted((book / "notebooks").rglob("*.html")):
        name = file.relative_to(book / "notebooks").with_suffix("").as_posix()
        text = file.read_text("utf-8")
        asked = asked_in(name)
        assert text.count('data-widget="predict"') == len(asked), name
        for number in range(len(asked)):
            assert f'<details class="held held-{number}">' in text
        assert text.count("Show how the answer is computed") == (
            len(asked) if "/" not in name else 0
        )


@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from a disk"])
def test_a_choice_by_mouse_is_judged_and_kept(
    page: Page, site: str, book: Path, complaints: list[str], from_disk: bool
):
    where = address(book.as_uri() if from_disk else site, CURVE)
    about = asked_in(CURVE)[1]
    [(wrong, sentence), *_] = about["says"]
    page.goto(where)
    asking = question(page, 1)
    expect(asking).to_contain_text(about["question"])
    expect(asking).not_to_contain_text(about["because"])
    expect(held(page, 1)).not_to_have_attribute("open", "")
    press(asking, "Compare")
    expect(asking.locator(".outcome")).to_contain_text("Choose an answer first")
    asking.get_by_text(wrong, exact=True).click()
    press(asking, "Compare")
    outcome = asking.locator(".outcome")
    told = f"Your answer: {wrong}. Computed: {about['truth']}. {sentence}"
    expect(outcome).to_contain_text(told)
    expect(outcome).to_contain_text(about["because"])
    expect(held(page, 1)).to_have_attribute("open", "")
    expect(held(page, 1).locator(".cell_output")).to_be_visible()
    expect(held(page, 0)).not_to_have_attribute("open", "")

    page.reload()
    asking = question(page, 1)
    expect(asking.locator(".outcome")).to_contain_text(told)
    expect(held(page, 1)).to_have_attribute("open", "")
    press(asking, "Try again")
    expect(asking.locator(".outcome")).to_be_empty()
    expect(held(page, 1)).not_to_have_attribute("open", "")
    assert asking.locator("input:checked").count() == 0
    asking.get_by_text(about["truth"], exact=True).click()
    press(asking, "Compare")
    expect(asking.locator(".outcome.right")).to_contain_text(f"Right: {about['truth']}")
    assert complaints == []


def test_a_number_by_keyboard(page: Page, site: str, complaints: list[str]):
    about = asked_in(NUMBER)[1]
    page.goto(address(site, NUMBER))
    asking = question(page, 1)
    field = asking.get_by_role("spinbutton", name=about["question"])
    field.press("Enter")
    expect(asking.locator(".outcome")).to_contain_text("Type a number first")
    field.press_sequentially("0")
    field.press("Enter")
    sentence = dict(map(tuple, about["says"]))[0]
    expect(asking.locator(".outcome")).to_contain_text("Your answer: 0 nats. Computed:")
    expect(asking.locator(".outcome")).to_contain_text(sentence)
    again = asking.get_by_role("button", name="Try again")
    expect(again).to_be_focused()
    again.press("Enter")
    expect(field).to_be_focused()
    field.press_sequentially(str(1.1 * about["truth"]))
    press(asking, "Compare", "Enter")
    expect(asking.locator(".outcome.right")).to_contain_text("That counts as right")
    expect(held(page, 1)).to_have_attribute("open", "")
    assert complaints == []


def heights(asking: Locator) -> list[float]:
    """Return the values of the points of a curve."""
    now = "all => all.map((one) => Number(one.getAttribute('aria-valuenow')))"
    return asking.get_by_role("slider").evaluate_all(now)


def test_a_curve_by_mouse_and_keyboard(page: Page, site: str, complaints: list[str]):
    about = asked_in(CURVE)[0]
    low, high = about["limits"]
    page.goto(address(site, CURVE))
    asking = question(page, 0)
    press(asking, "Compare")
    expect(asking.locator(".outcome")).to_contain_text("Draw your curve first")
    points = asking.get_by_role("slider")
    expect(points).to_have_count(9)
    points.nth(4).press("End")
    points.nth(5).press("ArrowUp")
    expected = [(low + high) / 2] * 9
    expected[4], expected[5] = high, (low + high) / 2 + (high - low) / 40
    assert heights(asking) == pytest.approx(expected)
    assert "nats" in (points.nth(4).get_attribute("aria-valuetext") or "")

    # Draw a rising line from corner to corner.
    first, last = (points.nth(i).bounding_box() for i in (0, 8))
    picture = asking.locator("fieldset svg").bounding_box()
    assert first
    assert last
    assert picture
    left, right = first["x"] + first["width"] / 2, last["x"] + last["width"] / 2
    scale = picture["width"] / 560
    bottom, top = picture["y"] + 250 * scale, picture["y"] + 12 * scale
    page.mouse.move(left, bottom)
    page.mouse.down()
    page.mouse.move(right, top, steps=7)
    page.mouse.up()
    drawn = [low + (high - low) * i / 8 for i in range(9)]
    assert heights(asking) == pytest.approx(drawn, abs=0.05 * (high - low))
    press(asking, "Compare")
    [(_, rising), *_] = about["says"]
    outcome = asking.locator(".outcome")
    expect(outcome).to_contain_text(rising)
    expect(outcome).to_contain_text(re.compile(r"on average [\d.]+ nats away, \d+ %"))
    expect(asking.locator(".spoken")).to_contain_text("Computed, at σ of q = 0.05: −")
    drawn_truth = asking.locator("polyline.computed").get_attribute("points") or ""
    assert len(drawn_truth.split()) == len(about["x"])
    live = held(page, 0).locator('.live[data-widget="figure"]')
    live.scroll_into_view_if_needed()
    expect(live).to_have_attribute("data-ready", "", timeout=20_000)

    page.reload()
    asking = question(page, 0)
    assert heights(asking) == pytest.approx(drawn, abs=0.05 * (high - low))
    press(asking, "Try again")
    truth = about["truth"]
    step = (len(truth) - 1) / 8
    place = asking.get_by_role("slider")
    for i in range(9):
        wanted = (truth[round(i * step)] - low) / (high - low)
        place.nth(i).press("Home")
        for _ in range(round(40 * wanted)):
            place.nth(i).press("ArrowRight")
    press(asking, "Compare")
    expect(asking.locator(".outcome.right")).to_contain_text("Right.")
    assert complaints == []


def test_on_a_phone_questions_are_answered_by_a_finger(browser: Browser, site: str):
    size: Any = {"width": 390, "height": 844}
    context = browser.new_context(viewport=size, has_touch=True, is_mobile=True)
    phone = context.new_page()
    phone.goto(address(site, CURVE))
    asking = question(phone, 0)
    asking.locator("fieldset svg").tap(position={"x": 150, "y": 40})
    assert len(set(heights(asking))) == 2
    asking.get_by_role("button", name="Compare").tap()
    expect(asking.locator(".outcome")).to_contain_text("Your dashed curve")
    asking = question(phone, 1)
    asking.get_by_role("radio").first.tap()
    asking.get_by_role("button", name="Compare").tap()
    expect(held(phone, 1)).to_have_attribute("open", "")
    for button in asking.get_by_role("button").all():
        box = button.bounding_box()
        assert box
        assert box["height"] >= 40
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def test_a_question_can_be_skipped_and_a_result_opened_by_itself(page: Page, site: str):
    about = asked_in(CURVE)
    page.goto(address(site, CURVE))
    asking = question(page, 1)
    press(asking, "Skip", "Space")
    expect(asking.locator(".outcome")).to_contain_text(
        f"Computed: {about[1]['truth']}."
    )
    expect(asking.locator(".outcome")).not_to_contain_text("Your answer")
    page.reload()
    expect(question(page, 1).locator(".outcome")).to_contain_text("Computed: ")
    held(page, 0).locator("summary").click()
    expect(question(page, 0).locator(".outcome")).to_contain_text("This is the comp")


def test_answers_stay_in_the_browser_and_are_not_needed(browser: Browser, site: str):
    """What is kept is the answer alone; nothing is sent; storage may be forbidden."""
    context = browser.new_context()
    page, sent = context.new_page(), []
    page.goto(address(site, CURVE))
    asking = question(page, 1)
    page.on("request", lambda request: sent.append(request.url))
    asking.get_by_role("radio").first.check()
    press(asking, "Compare")
    expect(asking.locator(".outcome")).not_to_be_empty()
    about = asked_in(CURVE)[1]
    kept = page.evaluate("Object.entries(localStorage)")
    [value] = [value for key, value in kept if about["question"] in key]
    assert json.loads(value) == {"answer": about["choices"][0]}
    assert all(url.startswith(site) for url in sent)
    for damaged in ("{", "null", '{"answer": 7}', '{"answer": {"a": 1}}'):
        key = f"vaelib predict: {about['question']}"
        page.evaluate(
            "([key, value]) => localStorage.setItem(key, value)", [key, damaged]
        )
        page.reload()
        expect(question(page, 1).get_by_role("button", name="Skip")).to_be_visible()

    forbid = (
        "Object.defineProperty(window, 'localStorage', { get() { throw Error(); } })"
    )
    page.add_init_script(forbid)
    page.reload()
    asking = question(page, 1)
    asking.get_by_role("radio").first.check()
    press(asking, "Compare")
    expect(held(page, 1)).to_have_attribute("open", "")
    context.close()


def test_questions_fit_and_axe_finds_nothing(page: Page, site: str):
    for chapter in (CURVE, NUMBER, f"ja/{NUMBER}"):
        page.goto(address(site, chapter))
        asking = [question(page, number) for number in range(2)]
        real.add_axe(page)
        page.add_style_tag(content="* { transition: none !important; }")
        for answered in (False, True):
            for each in asking if answered else ():
                each.locator(".bar button").nth(1).click()
            for theme, width in LOOKS:
                page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
                page.set_viewport_size({"width": width, "height": 900})
                for each in asking:
                    assert each.evaluate("w => w.scrollWidth <= w.clientWidth + 1")
                options = "{resultTypes: ['violations']}"
                found = page.evaluate(f"axe.run('.predict', {options})")
                assert [violation["id"] for violation in found["violations"]] == []


def test_labels_are_in_the_language_of_the_page(page: Page, site: str):
    page.goto(address(site, f"ja/{NUMBER}"))
    asking = question(page, 1)
    expect(asking).to_contain_text("まず予想しましょう。")
    asking.get_by_role("button", name="飛ばす").click()
    expect(asking.locator(".outcome")).to_contain_text("計算結果")
    assert not re.search("[a-z]{4}", asking.inner_text())
    expect(page.get_by_text("計算した結果").first).to_be_visible()


def test_without_scripts_questions_and_results_can_be_read(browser: Browser, site: str):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address(site, CURVE))
    about = asked_in(CURVE)[1]
    asking = page.locator(WIDGETS).nth(1)
    expect(asking.get_by_text(about["question"]).first).to_be_visible()
    truth = asking.get_by_text(f"{about['truth']}. {about['because']}")
    expect(truth).to_be_hidden()
    asking.get_by_text("The computed answer").click()
    expect(truth).to_be_visible()
    output = held(page, 1).locator(".cell_output")
    expect(output).to_be_hidden()
    held(page, 1).locator("summary").click()
    expect(output).to_be_visible()
    context.close()


IN_LAB = (
    "from vaelib.widgets import Predict",
    """heads = sum([0, 1, 1, 1])
Predict("How many heads are there?", heads, {4: "One is 0."}, cells=2)""",
    "print('there are', heads)",
    "print('and', 4 - heads, 'more')",
    "print('the end')",
)


def test_in_jupyterlab_results_wait_for_the_answer(
    page: Page, lab: real.Lab, complaints: list[str]
):
    real.run_new(page, lab, "predict", *IN_LAB)
    end = page.locator(".jp-OutputArea-output", has_text="the end")
    expect(end).to_be_visible(timeout=30_000)
    results = [
        page.locator(".jp-OutputArea-output", has_text=text)
        for text in ("there are 3", "and 1 more")
    ]
    for result in results:
        expect(result).to_be_hidden()
    expect(page.locator(".predict")).to_have_count(1)
    real.command(page, "notebook:shutdown-kernel")

    asking = page.locator(".predict")
    field = asking.get_by_role("spinbutton")
    field.click()
    field.press_sequentially("4")
    field.press("Enter")
    expect(asking.locator(".outcome")).to_contain_text("Computed: 3. One is 0.")
    for result in results:
        expect(result).to_be_visible()
    press(asking, "Try again")
    for result in results:
        expect(result).to_be_hidden()
    press(asking, "Skip")
    for result in results:
        expect(result).to_be_visible()
    real.add_axe(page)
    for width in (1300, 700):
        real.check_layout(page, width, ())
    assert complaints == []
