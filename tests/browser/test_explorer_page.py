"""LatentExplorer on a page of its own: what each part shows, and how it is operated."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import live
import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect
from real import served

from vaelib import VAE, ConvVAE, ImageData
from vaelib.model import initialise
from vaelib.widgets import LatentExplorer, frontend

pytestmark = pytest.mark.slow
Visit = Callable[..., Page]
PAGE = """<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="widgets.css">
<script defer src="page.js"></script>
{place}
<p>Text below</p>
<div style="height: 3000px"></div>
"""


@pytest.fixture
def visit(page: Page, tmp_path: Path, complaints: list[str]) -> Visit:
    """Return a function that opens a page with the explorer of a model."""

    def opened(model: VAE, data: ImageData, is_compact: bool = False) -> Page:
        explorer = LatentExplorer(model, data)
        names = ("network", "test", "codes", "z")
        state = {name: getattr(explorer, name) for name in names}
        (tmp_path / "state.js").write_text(frontend.state("state", state), "utf-8")
        (tmp_path / "page.js").write_text(frontend.script(), "utf-8")
        (tmp_path / "widgets.css").write_text(frontend.style(), "utf-8")
        text = "Loading the model, 1.0 MB …"
        place = live.placeholder("explorer", "state", "No script", text, is_compact)
        html = PAGE.format(place=place.astext())
        (tmp_path / "index.html").write_text(html, "utf-8")
        page.goto((tmp_path / "index.html").as_uri())
        expect(page.locator(".live[data-ready]")).to_be_attached(timeout=30_000)
        assert complaints == []
        return page

    return opened


def images(n: int, labels: list[int], classes: tuple[str, ...] = ()) -> ImageData:
    """Return `n` random test images with labels."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (n, 1, 6, 6), dtype=torch.uint8, generator=rng)
    pair = torch.tensor(labels), torch.tensor(labels)
    return ImageData(x, x, labels=pair, classes=classes)


def ordered(latents: int, data: ImageData) -> VAE:
    """Return a model whose latents are all active; the first has the largest KL."""
    model = VAE((1, 6, 6), (5,), latents)
    initialise(model, torch.Generator().manual_seed(0))
    with torch.no_grad():  # the mean of each latent is a multiple of the same number
        h = model.encoder(data.test.flatten(1) / 255).sum(1)
        scale = torch.linspace(1.5, 0.5, latents) / h.std()
        model.fc_mu.weight.copy_(scale[:, None].expand(-1, 5))
        model.fc_mu.bias.copy_(-scale * h.mean())
    return model


def many(latents: int) -> tuple[VAE, ImageData]:
    """Return a model of so many latents, and its data."""
    data = images(20, [0] * 20)
    return ordered(latents, data), data


def shown_z(page: Page) -> list[float]:
    """Return z as the rows show it; their minus sign is U+2212."""
    texts = page.locator(".latent output:visible").all_inner_texts()
    assert not any("-" in text for text in texts)
    return [float(text.replace("−", "-")) for text in texts]


def test_six_latents_are_shown_and_the_others_unfold(visit: Visit):
    page = visit(*many(20))
    page.set_viewport_size({"width": 1300, "height": 900})
    names = page.locator(".latent button")
    assert names.all_inner_texts() == ["z₁", "z₂", "z₃", "z₄", "z₅", "z₆"]
    page.locator(".latents").hover()
    page.mouse.wheel(0, 200)
    page.wait_for_function("scrollY > 0")  # the list does not catch the wheel
    page.get_by_text("14 more latents").click()
    expect(names).to_have_count(20)
    expect(names.last).to_be_visible()
    assert page.locator(".latents").evaluate("e => e.scrollHeight === e.clientHeight")


def test_of_ten_thousand_latents_a_hundred_rows_are_made_and_all_can_be_reached(
    visit: Visit,
):
    page = visit(*many(10_000))
    rows = page.locator(".latents .latent")
    assert rows.count() == 6
    page.get_by_text("9994 more latents").click()
    expect(rows).to_have_count(106)
    page.get_by_role("button", name="100 more of 9894 latents").click()
    assert rows.count() == 206
    # A row that was made late works like the others.
    late = rows.nth(150)
    slider = late.get_by_role("slider")
    slider.fill("1.5")
    expect(late.locator("output")).to_have_text("1.50")
    late.get_by_role("button").click()
    expect(late.get_by_role("button")).to_have_attribute("aria-pressed", "true")
    assert float(late.locator(".kl").inner_text()) > 0


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (tuple(f"class {i}" for i in range(300)), ["class 299", "", "class 43"]),
        ((), ["299", "", "43"]),
    ],
)
def test_an_image_is_shown_with_its_class(
    visit: Visit, classes: tuple[str, ...], expected: list[str]
):
    page = visit(VAE((1, 6, 6), (5,), 2), images(3, [299, -1, 43], classes))
    for i, name in enumerate(expected):
        page.get_by_label("Test image").first.fill(str(i))
        text = f"test image {i}: {name}" if name else f"test image {i}"
        caption = page.locator("figure output.caption")
        expect(caption).to_have_text(f"{text}; draw on it")
    legend = page.locator(".legend button")
    assert legend.all_inner_texts() == [expected[2], expected[0]]


def test_the_list_of_latents_is_one_stop_of_the_tab_key(visit: Visit):
    page = visit(*many(20))
    page.get_by_text("14 more latents").click()
    rows = page.locator(".latents .latent")
    expect(rows).to_have_count(20)
    assert page.locator(".latents [tabindex='0']").count() == 2  # a name, a slider
    page.get_by_role("button", name="Tour", exact=True).focus()
    page.keyboard.press("Tab")  # to the image
    page.keyboard.press("Tab")
    expect(rows.first.get_by_role("button")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    slider = rows.nth(1).get_by_role("slider")
    expect(slider).to_be_focused()
    before = shown_z(page)
    page.keyboard.press("ArrowRight")
    changed = [a != b for a, b in zip(before, shown_z(page), strict=True)]
    assert changed == [i == 1 for i in range(20)]
    for _ in range(30):  # no further than the last
        page.keyboard.press("ArrowDown")
    expect(rows.last.get_by_role("slider")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(rows.last.get_by_role("button")).to_be_focused()
    page.get_by_text("14 more latents").click()  # its rows are gone
    assert page.locator(".latents [tabindex='0']").count() == 2


def coloured(element: Locator) -> tuple[float, float]:
    """Return where blue begins and ends in an element, as shares of its width."""
    picture = Image.open(io.BytesIO(element.screenshot())).convert("RGB")
    pixels = np.asarray(picture).astype(int)
    [columns] = np.nonzero((pixels[:, :, 2] - pixels[:, :, 0] > 80).any(0))
    return columns[0] / picture.width, columns[-1] / picture.width


def test_a_slider_is_filled_from_zero(visit: Visit):
    page = visit(*many(2))
    slider, value = page.get_by_role("slider").first, page.locator("output").nth(1)
    for z, text, begin, end in (
        ("2", "2.00", 0.5, 0.75),
        ("-2", "−2.00", 0.25, 0.5),
        ("0", "0.00", 0.5, 0.5),
    ):
        slider.fill(z)
        expect(value).to_have_text(text)
        assert coloured(slider) == pytest.approx((begin, end), abs=0.08)


def test_a_click_on_an_image_of_a_strip_moves_z_there(visit: Visit):
    page = visit(*many(3))
    page.get_by_role("button", name="z = 0", exact=True).click()
    assert shown_z(page) == [0, 0, 0]
    page.get_by_role("button", name="Go to z + 1.2").click()
    assert shown_z(page) == [1.2, 0, 0]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert shown_z(page) == [1.8, 0, 0]
    for strip in page.locator(".tiles").all():
        assert strip.locator("[tabindex='0']").count() == 1

    expect(page.get_by_role("button", name="z = μ")).to_be_disabled()  # no image
    page.get_by_label("Test image", exact=True).fill("0")
    first = shown_z(page)  # the default of A
    expect(page.get_by_text("A and B are the means of test images")).to_be_visible()
    page.get_by_role("button", name="Go to B").click()
    expect(page.get_by_label("Place between A and B")).to_have_value("1")
    second = shown_z(page)
    page.get_by_label("Test image", exact=True).fill("1")
    assert shown_z(page) == pytest.approx(second, abs=0.03)
    page.get_by_role("button", name="Go to A").click()
    assert shown_z(page) == pytest.approx(first, abs=0.03)
    assert first != second
    page.get_by_role("button", name="z = 0", exact=True).click()
    page.get_by_role("button", name="Set B to this z").click()
    page.get_by_role("button", name="Go to 50 % from A to B").click()
    half = shown_z(page)
    page.get_by_role("button", name="Go to A").click()
    assert half == pytest.approx([value / 2 for value in shown_z(page)], abs=0.011)


@pytest.mark.parametrize("width", [390, 720, 1000, 1390])
def test_headings_stand_over_their_images(visit: Visit, width: int):
    page = visit(*many(20))
    page.set_viewport_size({"width": width, "height": 1000})
    page.add_style_tag(content=".live { max-width: 820px }")
    for figure in page.locator("figure").all():
        title, canvas = figure.locator("figcaption"), figure.locator("canvas")
        centres = """element => {
            const range = document.createRange();
            range.selectNodeContents(element);
            const box = (element.childNodes.length ? range : element)
                .getBoundingClientRect();
            return box.left + box.width / 2;
        }"""
        assert title.evaluate(centres) == pytest.approx(canvas.evaluate(centres), abs=2)
    for cone in page.locator(".cone").all():
        assert cone.is_visible()


@pytest.mark.parametrize(
    ("width", "height"), [(1366, 420), (1040, 420), (768, 420), (390, 640)]
)
def test_a_compact_explorer_shows_image_latents_and_decoded_image(
    visit: Visit, width: int, height: int
):
    page = visit(*many(20), is_compact=True)
    page.set_viewport_size({"width": width, "height": 1000})
    names = page.locator(".latent button")
    assert names.all_inner_texts() == ["z₁", "z₂", "z₃", "z₄", "z₅"]
    box = page.locator(".live").bounding_box()
    assert box
    assert box["height"] <= height
    out, image = page.locator("canvas.out"), page.locator("canvas.draw")
    sizes = [canvas.bounding_box() for canvas in (out, image)]
    assert sizes[0]
    assert sizes[1]
    assert sizes[0]["width"] >= (1.4 if width > 600 else 1) * sizes[1]["width"]
    plane = page.locator(".plane")
    expect(plane).not_to_be_visible()
    page.get_by_text("More: plane and traversals").click()
    expect(plane).to_be_visible()
    expect(page.locator("canvas.strip").last).to_be_visible()


@pytest.mark.parametrize("is_compact", [False, True])
@pytest.mark.parametrize("width", [390, 1000, 1440])
def test_until_a_widget_is_there_its_place_says_so_and_is_as_high(
    visit: Visit, page: Page, tmp_path: Path, width: int, is_compact: bool
):
    visit(*many(20), is_compact)
    page.set_viewport_size({"width": width, "height": 900})
    waiting: list[Route] = []
    with served(tmp_path) as address:
        page.route("**/state.js", lambda route: waiting.append(route))
        page.goto(f"{address}/index.html", wait_until="commit")
        expect(page.get_by_text("Loading the model, 1.0 MB …")).to_be_visible()
        expect(page.get_by_text("No script")).not_to_be_visible()
        below = page.get_by_text("Text below")
        page.wait_for_timeout(200)
        before = below.bounding_box()
        waiting[0].continue_()
        page.locator(".live[data-ready]").wait_for()
        expect(page.get_by_text("Loading the model")).to_have_count(0)
        after = below.bounding_box()
        page.unroute_all()
    assert before
    assert after
    assert before["y"] == pytest.approx(after["y"], abs=100)


def plane_colours(page: Page) -> set[str]:
    """Return the colours of the points, without those of their soft edges."""
    script = """canvas => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, 720, 720);
        const found = new Set();
        for (let i = 0; i < data.length; i += 4)
            if (data[i + 3] === 255) found.add(data.slice(i, i + 3).join());
        return [...found];
    }"""
    return set(page.locator(".plane canvas").nth(1).evaluate(script))


def place_of_mean(page: Page, i: int) -> tuple[float, float]:
    """Return where the mean of a test image is in the window; move z to it."""
    page.get_by_label("Test image", exact=True).fill(str(i))
    page.wait_for_timeout(100)
    box = page.locator(".plane .posterior").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_legend_shows_one_class_alone(visit: Visit):
    data = images(40, list(range(40)))
    page = visit(ordered(2, data), data)
    legend = page.get_by_role("group", name="Classes")
    expect(legend).to_contain_text("and 10 more")
    assert legend.locator("[tabindex='0']").count() == 1
    all_classes = plane_colours(page)
    assert len(all_classes) > 20
    button = legend.get_by_role("button", name="3", exact=True)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert len(plane_colours(page)) == 1
    legend.get_by_role("button", name="4", exact=True).click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert len(plane_colours(page)) == 1
    page.keyboard.press("Enter")
    assert plane_colours(page) == all_classes
    page.get_by_label("Decoded pictures").check()
    opacity = "canvas => getComputedStyle(canvas).opacity"
    assert float(page.locator(".plane canvas").nth(1).evaluate(opacity)) < 0.5


def tip_pixels(page: Page) -> list[int]:
    """Return the grey values of the picture beside a point."""
    script = """canvas => [...canvas.getContext("2d").getImageData(0, 0, 6, 6).data]"""
    return page.locator(".tip canvas").evaluate(script)[::4]


def test_a_point_of_the_plane_shows_its_image(visit: Visit):
    data = images(20, [0] * 20)
    page = visit(ordered(2, data), data)
    x, y = place_of_mean(page, 7)
    tip = page.locator(".tip")
    expect(tip).not_to_be_visible()
    page.mouse.move(x, y)
    expect(tip).to_have_text("test image 7: 0")
    assert tip_pixels(page) == data.test[7].flatten().tolist()
    page.mouse.down()  # while z is dragged, nothing hides the plane
    page.mouse.move(x + 1, y)
    expect(tip).not_to_be_visible()
    page.mouse.up()
    page.mouse.move(x + 2, y)
    expect(tip).to_be_visible()
    page.mouse.move(x - 500, y)
    expect(tip).not_to_be_visible()

    place_of_mean(page, 7)
    page.locator(".plane svg").focus()
    page.keyboard.press("ArrowRight")
    expect(tip).to_be_visible()
    page.keyboard.press("Tab")
    expect(tip).not_to_be_visible()


def test_a_click_on_a_point_goes_to_its_image(visit: Visit):
    data = images(20, [0] * 20)
    page = visit(ordered(5, data), data)
    x, y = place_of_mean(page, 7)
    mean, caption = shown_z(page), page.locator("output.caption")
    page.get_by_role("button", name="z = 0", exact=True).click()
    page.mouse.click(x + 1, y)
    expect(caption).to_have_text("test image 7: 0; draw on it")
    assert shown_z(page) == mean  # also the latents that the plane does not show

    page.get_by_role("button", name="z = 0", exact=True).click()
    page.mouse.move(x + 80, y)
    page.mouse.down()
    page.mouse.move(x + 1, y, steps=4)
    page.mouse.up()  # z was dragged there, and no point was clicked
    expect(caption).to_contain_text("z is the mean of the prior")
    assert shown_z(page)[:2] == pytest.approx(mean[:2], abs=0.05)
    page.locator(".plane svg").focus()
    page.keyboard.press("Enter")
    expect(caption).to_have_text("test image 7: 0; draw on it")
    page.mouse.click(x + 150, y)  # no point is there
    assert shown_z(page)[0] > mean[0] + 1
    expect(caption).to_have_text("test image 7: 0; draw on it")


def test_a_click_on_the_mean_of_a_latent_goes_there(visit: Visit):
    page = visit(*many(5))
    mean = shown_z(page)
    row = page.locator(".latent").nth(3)
    slider = row.get_by_role("slider")
    for go in (row.locator(".q").click, lambda: slider.press("Enter")):
        slider.fill("3")
        assert shown_z(page)[2] == 3
        go()
        assert shown_z(page) == mean


SEEN = """canvases => canvases.some((canvas) => {
    const { x, y, width, height } = canvas.getBoundingClientRect();
    const isInside = y >= 0 && y + height <= innerHeight && width > 80;
    const isTop = (dx, dy) => document.elementFromPoint(x + dx, y + dy) === canvas;
    return isInside && isTop(3, 3) && isTop(width - 3, height - 3);
}) && new Set(canvases.map((canvas) => canvas.toDataURL())).size === 1"""


@pytest.mark.parametrize(
    ("width", "height", "column", "is_compact"),
    [
        (1440, 900, 1100, False),
        (1366, 768, 757, False),
        (1366, 768, 757, True),
        (1024, 768, 755, False),
        (390, 800, 358, False),
    ],
)
def test_the_decoded_image_is_in_sight_of_what_is_moved(
    visit: Visit, width: int, height: int, column: int, is_compact: bool
):
    """`column` is the width that a page leaves for the explorer."""
    page = visit(*many(40), is_compact=is_compact)
    page.set_viewport_size({"width": width, "height": height})
    page.add_style_tag(content=f".live {{ max-width: {column}px }}")
    for fold in page.locator("details:not([hidden]) > summary").all():
        fold.click()
    page.locator(".latent").nth(40).wait_for()
    images = page.locator(":is(.xhat, .copy) canvas")
    moved = ".latents input, .plane svg, .tiles button, .strips input"
    controls = page.locator(moved).all()
    assert len(controls) == 40 + 1 + 22 + 1
    for control in [*controls[:-24:8], *controls[-24::5], controls[-1]]:
        control.evaluate("e => e.scrollIntoView({ block: 'center' })")
        page.evaluate("() => new Promise(requestAnimationFrame)")
        assert images.evaluate_all(SEEN), control
    page.locator(".latents input").last.focus()
    page.keyboard.press("PageUp")
    assert images.evaluate_all(SEEN)


PRESENTED = ".explorer.presented"
IS_FULL_SCREEN = "Boolean(document.fullscreenElement)"


@pytest.mark.parametrize("is_allowed", [True, False], ids=["screen", "window"])
def test_an_explorer_alone_fills_the_screen(visit: Visit, page: Page, is_allowed: bool):
    if not is_allowed:
        refusal = "Element.prototype.requestFullscreen = () => Promise.reject()"
        page.add_init_script(refusal)
    visit(*many(20))
    page.set_viewport_size({"width": 1366, "height": 768})
    page.evaluate(
        "for (const place of ['beforebegin', 'afterend']) "
        "document.querySelector('.live').insertAdjacentHTML(place, '<button>Other')"
    )
    present = page.get_by_role("button", name="Present")
    presented = page.locator(PRESENTED)
    before = page.locator(".explorer").bounding_box()
    for leave in (lambda: page.keyboard.press("Escape"), present.click):
        present.focus()
        page.keyboard.press("Enter")
        expect(presented).to_be_visible()
        page.wait_for_function(f"{IS_FULL_SCREEN} === {str(is_allowed).lower()}")
        expect(present).to_have_attribute("aria-pressed", "true")
        box = presented.bounding_box()
        assert box == {"x": 0, "y": 0, "width": 1366, "height": 768}
        for place in ("3, 3", "1340, 700"):
            found = f"document.elementFromPoint({place}).closest('{PRESENTED}')"
            assert page.evaluate(f"{found} !== null")
        page.get_by_label("Test images").uncheck()
        box = page.locator(".plane svg").bounding_box()
        assert box
        page.mouse.click(
            box["x"] + 0.75 * box["width"], box["y"] + 0.25 * box["height"]
        )
        assert shown_z(page)[:2] == pytest.approx([2, 2], abs=0.05)
        for _ in range(60):  # the keyboard stays inside
            page.keyboard.press("Tab")
            script = f"e => e === document.body || Boolean(e.closest('{PRESENTED}'))"
            assert page.evaluate(f"({script})(document.activeElement)")
        page.get_by_label("Test images").check()
        leave()
        expect(presented).to_have_count(0)
        page.wait_for_function(f"!{IS_FULL_SCREEN}")
        expect(present).to_have_attribute("aria-pressed", "false")
        assert page.locator(".explorer").bounding_box() == before
        assert page.locator("[inert]").count() == 0


def test_an_image_that_the_page_does_not_contain_is_decoded(visit: Visit):
    data = images(120, [int(i == 110) for i in range(120)])  # the page has 100
    model = ordered(2, data)
    page = visit(model, data)
    page.get_by_role("group", name="Classes").get_by_text("1").click()
    mu = model.encode(data.test[[110]].flatten(1) / 255)[0]
    right, up = mu[0].tolist()
    box = page.locator(".plane svg").bounding_box()
    assert box
    unit = box["width"] / 8
    page.mouse.move(box["x"] + (4 + right) * unit, box["y"] + (4 - up) * unit)
    expect(page.locator(".tip")).to_have_text("test image 110: 1, decoded")
    expected = (255 * model.images(mu)).flatten().tolist()
    assert tip_pixels(page) == pytest.approx(expected, abs=3)
    page.mouse.down()
    page.mouse.up()
    caption = page.locator("output.caption")
    expect(caption).to_have_text("none: z is the mean of test image 110")
    assert sorted(shown_z(page)) == pytest.approx(sorted([right, up]), abs=0.01)


@pytest.fixture
def phone(visit: Visit, page: Page) -> Page:
    """An explorer in a window that is touched with one finger."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    page.set_viewport_size({"width": 390, "height": 800})
    visit(*many(20))
    return page


def swipe(page: Page, start: tuple[float, float], dx: float, dy: float) -> None:
    """Move a finger from a place of the window in many small steps, and lift it."""
    session = page.context.new_cdp_session(page)

    def send(kind: str, *places: dict[str, float]) -> None:
        session.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [*places]}
        )

    x, y = start
    send("touchStart", {"x": x, "y": y})
    for share in np.linspace(0.1, 1, 10):
        send("touchMove", {"x": x + dx * float(share), "y": y + dy * float(share)})
    send("touchEnd")
    page.wait_for_timeout(300)


def place_in(page: Page, selector: str, x: float, y: float) -> tuple[float, float]:
    """Scroll to an element; return the place at these shares of its size."""
    element = page.locator(selector)
    element.evaluate("e => e.scrollIntoView({ block: 'center' })")
    page.wait_for_timeout(100)
    box = element.bounding_box()
    assert box
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def test_a_finger_scrolls_over_the_plane_and_moves_z_sideways(phone: Page):
    before = shown_z(phone)
    top = "scrollY"
    start = place_in(phone, ".plane", 0.8, 0.8)
    scrolled = phone.evaluate(top)
    swipe(phone, start, 4, -150)
    assert phone.evaluate(top) > scrolled + 80
    assert shown_z(phone) == before

    start = place_in(phone, ".plane", 0.8, 0.8)
    scrolled = phone.evaluate(top)
    swipe(phone, start, -100, 30)
    assert phone.evaluate(top) == scrolled
    moved = shown_z(phone)
    assert moved[:2] != before[:2]

    start = place_in(phone, ".handle", 0.5, 0.5)
    scrolled = phone.evaluate(top)
    swipe(phone, start, 3, -60)
    assert phone.evaluate(top) == scrolled
    assert shown_z(phone)[1] > moved[1] + 0.5

    x, y = place_in(phone, ".plane svg", 0.5, 0.5)
    phone.get_by_label("Test image", exact=True).fill("3")
    mean = shown_z(phone)
    unit = (phone.locator(".plane").bounding_box() or {})["width"] / 8
    phone.get_by_label("Test image", exact=True).fill("4")
    x, y = place_in(phone, ".plane svg", 0.5, 0.5)
    swipe(phone, (x + mean[0] * unit + 5, y - mean[1] * unit), 0, 0)  # a tap
    expect(phone.locator("output.caption")).to_contain_text("test image 3")

    swipe(phone, place_in(phone, ".plane", 0.25, 0.25), 0, 0)  # where no point is
    assert shown_z(phone)[:2] == pytest.approx([-2, 2], abs=0.1)


def test_rows_are_high_enough_for_a_finger_and_the_drawing_has_margins(phone: Page):
    assert phone.evaluate("matchMedia('(pointer: coarse)').matches")
    for control in phone.locator(".latent :is(button, input):visible").all():
        box = control.bounding_box()
        assert box
        assert box["height"] >= 40
    drawing = phone.locator("canvas.draw").bounding_box()
    figure = phone.locator("figure.x").bounding_box()
    assert drawing
    assert figure
    assert drawing["x"] >= figure["x"] + 10
    scrolled = phone.evaluate("scrollY")
    swipe(phone, (figure["x"] + 1, drawing["y"] + 60), 0, -150)
    assert phone.evaluate("scrollY") > scrolled


def test_a_picture_is_the_same_wherever_the_page_is_scrolled(phone: Page):
    saved = []
    for y in (0, 250):  # where the two images lie above the latents
        phone.evaluate(f"scrollTo(0, {y})")
        with phone.expect_download() as download:
            phone.evaluate("document.querySelector('.middle .bar').lastChild.click()")
        saved.append(np.asarray(Image.open(download.value.path()).convert("L"), float))
    assert np.abs(saved[0] - saved[1]).mean() < 1


def test_convolutions_encode_and_draw_colours_as_torch_does(visit: Visit):
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8, generator=rng)
    model = ConvVAE((3, 8, 8), (4, 6), (5,), 3)
    initialise(model, rng, sd=0.3)
    page = visit(model, ImageData(x, x))
    with torch.no_grad():
        mu, _ = model.encode(x[:1].flatten(1) / 255)
        expected = (255 * model.images(mu)[0]).round().permute(1, 2, 0)
    order = [int(name[1:].translate(SUBSCRIPTS)) - 1 for name in latent_names(page)]
    assert shown_z(page) == pytest.approx(mu[0, order].tolist(), abs=0.02)
    drawn = page.locator("canvas.out").first.evaluate(PIXELS, 8)
    pixels = np.array(drawn).reshape(8, 8, 4)[..., :3]
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10
    assert np.abs(pixels - expected.numpy()).max() <= 2  # of rounded weights


SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
PIXELS = """(canvas, side) =>
    [...canvas.getContext("2d").getImageData(0, 0, side, side).data]"""


def latent_names(page: Page) -> list[str]:
    """Return the names of the latents in the order of their rows."""
    return page.locator(".latents .latent button").all_inner_texts()


def drag(page: Page, place: Locator, start: float, end: float) -> None:
    """Press at a share of an element's width, in its middle, and move to another."""
    box = place.bounding_box()
    assert box
    x, width, y = box["x"], box["width"], box["y"] + box["height"] / 2
    page.mouse.move(x + start * width, y)
    page.mouse.down()
    page.mouse.move(x + end * width, y, steps=5)
    page.mouse.up()


def test_a_tour_waits_for_each_step_and_goes_on_after_a_reload(visit: Visit):
    page = visit(*many(3))
    tour = page.get_by_role("region", name="Tour of the explorer")
    said, lit = tour.locator(".status"), page.locator(".toured")

    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).click()

    def step(number: int, part: str) -> None:
        """Check that the tour asks for something, and lights up a part in sight."""
        expect(tour).to_contain_text(f"Step {number} of 8")
        expect(said).not_to_contain_text("✓")
        expect(page.locator(part).first).to_have_class(re.compile(r"\btoured\b"))
        expect(lit).to_have_count(1)
        expect(lit).to_be_in_viewport()
        page.wait_for_timeout(500)  # it looks each 200 ms
        expect(tour.get_by_role("button", name="Next")).to_be_hidden()

    press("Tour")
    step(1, ".bar .field")
    page.get_by_label("Test image").first.fill("3")
    expect(said).to_contain_text("✓ The encoder has computed q(z|x)")
    press("Next")
    step(2, ".latents .latent")
    slider = page.get_by_role("slider").first
    slider.fill("-3" if shown_z(page)[0] > 0 else "3")
    expect(said).to_contain_text("✓ Only the decoder ran")
    tour.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    step(3, ".middle .bar button")
    expect(tour.get_by_role("button", name="Skip")).to_be_focused()
    press("Leave")
    expect(lit).to_have_count(0)
    expect(tour).to_have_count(0)
    page.reload()
    press("Go on with the tour")
    expect(tour).to_contain_text("Step 3 of 8")
    slider.fill("1.17")
    press("Back")
    press("Skip")
    step(3, ".middle .bar button")
    press("z = μ")
    expect(said).to_contain_text("✓ z is the mean")
    press("Next")
    press("Sample z from q(z|x)")
    expect(said).to_contain_text("✓ Where σ is small")
    press("Next")
    step(5, ".draw")
    drag(page, page.locator(".draw"), 0.2, 0.8)
    expect(said).to_contain_text("✓ No such image")
    press("Next")
    step(6, ".plane")
    drag(page, page.locator(".plane svg"), 0.3, 0.7)
    expect(said).to_contain_text("✓ Each point is another picture")
    press("Next")
    step(7, ".bar > button:nth-of-type(3)")
    press("Random sample")
    expect(said).to_contain_text("✓ No image went in")
    press("Next")
    step(8, ".strips input")
    page.get_by_label("Place between A and B").fill("0.4")
    expect(said).to_contain_text("✓ On the way")
    press("End")
    expect(tour).to_have_count(0)
    expect(page.get_by_role("button", name="Tour", exact=True)).to_be_focused()
    expect(page.get_by_role("button", name="Tour", exact=True)).to_be_visible()


def test_a_compact_explorer_has_no_tour(visit: Visit):
    page = visit(*many(3), is_compact=True)
    assert page.get_by_role("button", name="Tour").count() == 0
