"""The widgets in a real JupyterLab: every control by mouse and by keyboard, and what is seen of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from real import command, run_new

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = pytest.mark.slow
Open = Callable[..., Page]

EXPLORER = """
from vaelib import TrainConfig, load_dataset
from vaelib.chapter import fit
from vaelib.widgets import LatentExplorer
data = load_dataset("sprites")
model, _ = fit(TrainConfig(dataset="sprites", latent_dim=4, hidden_dim=(64,), epochs=1, lr=5e-3), data)
explorer = LatentExplorer(model, data)
explorer
"""
PLAYGROUND = """
import threading
from vaelib.widgets import Playground
playground = Playground()
playground
"""


@pytest.fixture
def run(page: Page, lab, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens a new notebook of some cells, and runs it."""

    def opened(*cells: str) -> Page:
        run_new(page, lab, re.sub(r"\W", "_", request.node.name), *cells)
        return page

    yield opened
    command(page, "notebook:shutdown-kernel")


def pixels(canvas: Locator) -> str:
    """What is painted on a canvas."""
    return canvas.evaluate("canvas => canvas.toDataURL()")


def changes(page: Page, canvas: Locator, act: Callable[[], object]) -> None:
    """`act` must change what is painted."""
    before = pixels(canvas)
    act()
    page.wait_for_function(
        "([c, old]) => c.toDataURL() !== old",
        arg=[canvas.element_handle(), before],
        timeout=8_000,
    )


def press(target: Locator, key: str) -> Callable[[], None]:
    """Reaches a control by focus, and presses a key."""

    def act() -> None:
        target.focus()
        target.press(key)

    return act


def test_every_control_of_the_explorer_moves_what_is_seen(
    run: Open, complaints: list[str]
):
    page = run(EXPLORER, "print(explorer.z)", "explorer.z = [1.5] * 4")
    out = page.get_by_role("img", name="Image decoded from z")
    image, plane, number = (
        page.locator("canvas.draw"),
        page.locator(".plane svg"),
        page.get_by_label("Test image", exact=True),
    )
    walk, path = page.locator("canvas.strip").all()
    expect(page.locator(".latent input")).to_have_count(4)

    for slider in page.locator(".latent input:visible").all():  # each latent
        changes(page, out, press(slider, "PageUp"))
        changes(page, walk, lambda s=slider: s.click(position={"x": 5, "y": 5}))
    expect(page.locator(".latent output:visible").first).to_have_text(
        re.compile(r"^-3\.\d\d$|^-4\.00$")
    )

    point = page.locator(".plane .point")
    for act in (
        lambda: plane.click(position={"x": 60, "y": 80}),
        press(plane, "ArrowRight"),
        press(plane, "ArrowUp"),
    ):
        where = point.get_attribute("transform")
        changes(page, out, act)
        expect(point).not_to_have_attribute("transform", where or "")
    box = plane.bounding_box()
    assert box
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    changes(page, out, lambda: page.mouse.move(box["x"] + 300, box["y"] + 250, steps=5))
    page.mouse.up()

    changes(page, image, press(number, "ArrowUp"))
    expect(page.locator(".caption").first).to_contain_text("test image 1")
    reconstruction = pixels(out)
    changes(page, out, press(page.get_by_role("button", name="z from q"), "Enter"))
    changes(page, out, page.get_by_role("button", name="z = μ").click)
    assert pixels(out) == reconstruction

    changes(page, image, page.get_by_role("button", name="Blank to draw on").click)
    drawn = image.bounding_box()
    assert drawn
    mean = page.locator(".latent .mu").first
    before = mean.get_attribute("x1")
    page.mouse.move(drawn["x"] + 40, drawn["y"] + 30)
    page.mouse.down()
    changes(
        page, out, lambda: page.mouse.move(drawn["x"] + 90, drawn["y"] + 100, steps=8)
    )
    page.mouse.up()
    expect(mean).not_to_have_attribute("x1", before or "")
    image.focus()
    image.press("Space")
    changes(page, out, lambda: [image.press("ArrowLeft") for _ in range(4)])

    for name in ("Prior mean", "Random sample"):
        changes(page, out, press(page.get_by_role("button", name=name), "Enter"))
    changes(page, path, page.get_by_role("button", name="A is here").click)
    changes(page, out, press(page.get_by_label("Place between A and B"), "End"))
    changes(page, out, press(page.get_by_label("Place between A and B"), "Home"))
    page.get_by_role("button", name="Random sample").click()
    changes(page, path, page.get_by_role("button", name="B is here").click)

    names = page.locator(".latent button:visible")
    changes(page, walk, names.last.click)
    expect(names.last).to_have_attribute("aria-pressed", "true")
    manifold, points = page.locator(".plane canvas").all()
    changes(page, manifold, page.get_by_label("Decoded pictures").check)
    changes(page, points, lambda: page.get_by_label("Right").select_option(index=2))
    changes(page, points, press(page.get_by_label("Test images"), "Space"))

    first = page.locator(".latent input:visible").first
    first.press("Home")
    page.wait_for_timeout(400)  # Python is told where z is when it rests
    cell(page, 1)
    expect(page.locator(".jp-OutputArea-output pre").last).to_have_text(
        re.compile(r"-4\.0")
    )
    cell(page, 2)
    expect(page.locator(".latent output:visible").first).to_have_text("1.50")
    assert complaints == []


def menu(page: Page, label: str) -> Locator:
    """A menu of the playground."""
    return (
        page.locator(".playground .field")
        .filter(has=page.get_by_text(label, exact=True))
        .locator("select")
    )


def cell(page: Page, index: int) -> None:
    """Runs one cell."""
    page.evaluate(f"jupyterapp.shell.currentWidget.content.activeCellIndex = {index}")
    command(page, "notebook:run-cell")


def curve(page: Page, name: str) -> list[tuple[float, float]]:
    """The points of a curve, as they are drawn."""
    d = page.locator(f".chart path.line[data-name='{name}']").get_attribute("d") or ""
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", d)]


def until(page: Page, updates: int) -> None:
    """Waits for so many updates of the model at hand."""
    page.wait_for_function(
        "n => Number(document.querySelector('.count').textContent.match(/update (\\d+)/)[1]) >= n",
        arg=updates,
        timeout=60_000,
    )


def count(page: Page) -> int:
    """Updates made, as the page says."""
    found = re.search(r"update (\d+) of", page.locator(".count").inner_text())
    assert found
    return int(found[1])


def largest_kl(page: Page) -> float:
    """Nats of the tallest bar, read off its height against the ticks."""
    script = """chart => {
        const [low, high] = [...chart.querySelectorAll(".grid")].slice(0, 2).map((line) => Number(line.getAttribute("y1")));
        const step = Number(chart.querySelectorAll("text")[1].textContent);
        const tall = Math.max(...[...chart.querySelectorAll(".bar-kl")].map((bar) => Number(bar.getAttribute("height"))));
        return (tall / (low - high)) * step;
    }"""
    return page.locator(".chart:has(.bar-kl)").evaluate(script)


def test_a_training_is_steered_by_mouse(run: Open, complaints: list[str]):
    page = run(
        PLAYGROUND,
        "print('free', 6 * 7, playground)",
        "print([t.name for t in threading.enumerate()].count('Playground'))",
    )
    status, sheets = page.locator(".status"), page.locator("canvas.sheet")
    expect(page.get_by_role("button", name="Train")).to_be_enabled()
    expect(status).to_have_text("Ready")
    assert curve(page, "KL") == []
    pictures = [pixels(sheet) for sheet in sheets.all()]
    page.get_by_role("button", name="Train").click()
    until(page, 20)
    assert all(
        pixels(sheet) != old for sheet, old in zip(sheets.all(), pictures, strict=True)
    )
    assert len(curve(page, "KL")) > 1
    expect(page.locator(".count")).to_contain_text("images a second")
    expect(page.locator(".bar-kl")).to_have_count(20)

    cell(page, 1)  # the kernel is free
    expect(
        page.locator(".jp-OutputArea-output pre").filter(has_text="free 42")
    ).to_be_visible()
    expect(status).to_have_text("Training")

    slider = page.locator(".beta input")
    box = slider.bounding_box()
    assert box
    until(page, 80)
    assert largest_kl(page) > 0.6
    page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] / 2)
    expect(page.locator(".beta output")).not_to_have_text("β = 1")
    reached = count(page)
    until(page, reached + 60)
    assert largest_kl(page) < 0.3, "latents fall silent"
    assert count(page) > reached, "beta begins no new model"
    assert page.locator("path.ghost").count() == 0

    for label, choice in (
        ("Latents", "2"),
        ("Loss", "mse"),
        ("Schedule", "cyclic"),
        ("Data", "sprites, RGB"),
    ):
        ghosts = page.locator("path.ghost").count()
        until(page, 10)
        menu(page, label).select_option(choice)
        page.wait_for_function(
            "n => document.querySelectorAll('path.ghost').length !== n",
            arg=ghosts,
            timeout=30_000,
        )
        expect(status).to_have_text("Training")
        if label == "Latents":
            expect(page.locator(".bar-kl")).to_have_count(2)
            expect(page.locator(".latent input")).to_have_count(2)
            expect(page.locator(".plane")).to_be_visible()
    expect(page.locator(".legend").first).to_contain_text("Gaussian, fixed sigma")
    colours = """c => [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data]
        .some((v, i, d) => i % 4 === 0 && v !== d[i + 1])"""
    page.wait_for_function(colours, arg=sheets.first.element_handle(), timeout=30_000)
    until(page, 5)
    page.get_by_role("button", name="Pause").click()
    expect(status).to_have_text("Paused")
    still = count(page)
    page.get_by_role("button", name="Step").click()
    expect(page.locator(".count")).to_contain_text(f"update {still + 1} of")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator(".kept td").first).to_have_text(
        "reports/playground/run-001", timeout=60_000
    )
    page.get_by_role("button", name="Reset").click()
    expect(page.locator(".count")).to_contain_text("update 0 of")
    expect(status).to_have_text("Ready")
    cell(page, 2)
    expect(page.locator(".jp-OutputArea-output pre").last).to_have_text("0\n")
    assert complaints == []


def test_a_training_is_steered_by_keyboard_alone(run: Open, complaints: list[str]):
    page = run(PLAYGROUND, "playground.steer(beta=-1.0)")
    status = page.locator(".status")
    train = page.locator("button.main")
    expect(train).to_be_enabled()
    press(train, "Enter")()
    until(page, 5)
    press(page.locator(".beta input"), "ArrowRight")()
    expect(page.locator(".beta output")).to_have_text("β = 1.12")
    press(train, "Space")()
    expect(status).to_have_text("Paused")
    for label, key in (
        ("Latents", "ArrowUp"),
        ("Loss", "ArrowDown"),
        ("Schedule", "ArrowDown"),
        ("Data", "ArrowDown"),
    ):
        before = menu(page, label).input_value()
        press(menu(page, label), key)()
        expect(menu(page, label)).not_to_have_value(before)
        expect(page.locator(".count")).to_contain_text("update 0 of")
        expect(status).to_have_text("Ready")
    seed = page.get_by_label("Seed")
    press(seed, "ArrowUp")()
    expect(seed).to_have_value("43")
    press(page.get_by_role("button", name="Step"), "Enter")()
    expect(page.locator(".count")).to_contain_text("update 1 of")
    reached = set()
    name = "e => (e.ariaLabel || e.closest('label')?.textContent || e.textContent).slice(0, 5)"
    page.locator("button.main").focus()
    for _ in range(12):  # all of them in the order of the tab key
        reached.add(page.locator(":focus").evaluate(name))
        page.keyboard.press("Tab")
    assert {
        "Train",
        "Step",
        "Reset",
        "Keep",
        "Datam",
        "Lossb",
        "Laten",
        "Sched",
        "Seed",
        "Beta",
    } <= reached
    cell(page, 1)
    expect(status).to_have_text(
        "beta is -1.0: give a number of at least 0 and at most 1e+06."
    )
    assert complaints == []


def test_no_training_is_left_behind(
    run: Open, lab, browser: Browser, complaints: list[str]
):
    page = run(
        PLAYGROUND,
        "print([t.name for t in threading.enumerate()].count('Playground'), 'threads')",
    )
    page.get_by_role("button", name="Train").click()
    until(page, 5)
    second = browser.new_page(
        viewport={"width": 1300, "height": 2200}
    )  # the same notebook once more
    second.on("pageerror", lambda error: complaints.append(str(error)))
    command(page, "docmanager:save")
    second.goto(f"{page.url}?token={lab.token}")
    expect(second.locator(".status")).to_have_text("Training", timeout=30_000)
    second.close()
    expect(page.locator(".status")).to_have_text("Training")
    cell(page, 0)  # run again while it trains
    expect(page.locator(".status")).to_have_text("Ready", timeout=30_000)
    cell(page, 1)
    expect(page.locator(".jp-OutputArea-output pre").last).to_have_text("0 threads\n")
    page.get_by_role("button", name="Train").click()
    until(page, 5)
    page.evaluate(
        "jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    page.wait_for_timeout(2000)
    cell(page, 0)
    expect(page.locator(".status")).to_have_text("Ready", timeout=60_000)
    expect(page.get_by_role("button", name="Train")).to_be_enabled()
    assert complaints == []


def test_a_saved_playground_without_a_kernel_shows_its_state(
    page: Page, lab, complaints: list[str]
):
    page.goto(
        f"{lab.url}/lab/tree/notebooks/15_playground.ipynb?reset&token={lab.token}"
    )
    page.get_by_role("heading", name="References").wait_for(timeout=60_000)
    command(page, "notebook:trust")  # as a reader must, of what others ran
    page.locator(".jp-Dialog").get_by_role("button", name="Trust").click()
    page.locator(".vaelib.playground").wait_for(timeout=30_000)
    expect(page.locator(".alone")).to_contain_text(
        "run this cell in JupyterLab", timeout=8_000
    )
    expect(page.get_by_role("button", name="Train")).to_be_disabled()
    expect(page.locator(".count")).to_have_text("update 500 of 4700")
    assert len(curve(page, "KL")) == 100
    out = page.get_by_role("img", name="Image decoded from z").first
    changes(
        page, out, press(page.locator(".latent input").first, "PageUp")
    )  # this one needs none
    assert complaints == []


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_looks_are_sound_in_every_width(run: Open, theme: str):
    page = run(PLAYGROUND, "playground.train(30)\nplayground.wait()")
    command(page, "apputils:change-theme", theme=theme)
    command(page, "application:toggle-left-area")
    expect(page.locator(".count")).to_contain_text("update 30 of")
    page.add_script_tag(path=AXE)
    for width in (1600, 768, 360):
        page.set_viewport_size({"width": width, "height": 2600})
        page.wait_for_timeout(400)
        for widget in page.locator(".vaelib").all():
            assert widget.evaluate("w => w.scrollWidth <= w.clientWidth + 1"), width
        found = page.evaluate("axe.run('.vaelib', {resultTypes: ['violations']})")
        bad = [
            (v["id"], [n["html"][:200] for n in v["nodes"]])
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert bad == []
    command(page, "application:toggle-left-area")
    command(page, "apputils:change-theme", theme="JupyterLab Light")
