"""The widgets in a real JupyterLab: each control by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from real import add_axe, check_layout, command, open_notebook, run_new

pytestmark = pytest.mark.slow
Run = Callable[..., Page]

EXPLORER = """
from vaelib import TrainConfig, load_dataset
from vaelib.chapter import fit
from vaelib.widgets import LatentExplorer
data = load_dataset("sprites")
config = TrainConfig(
    dataset="sprites", latent_dim=4, hidden_dim=(64,), epochs=1, lr=5e-3
)
model, _ = fit(config, data)
explorer = LatentExplorer(model, data)
explorer
"""
PLAYGROUND = """
import threading
from vaelib.widgets import Playground
playground = Playground()
playground
"""
COUNT_THREADS = "[t.name for t in threading.enumerate()].count('Playground')"


@pytest.fixture
def run(page: Page, lab, request: pytest.FixtureRequest) -> Iterator[Run]:
    """Return a function that runs cells in a new notebook."""

    def run_cells(*cells: str) -> Page:
        run_new(page, lab, re.sub(r"\W", "_", request.node.name), *cells)
        return page

    yield run_cells
    command(page, "notebook:shutdown-kernel")


def pixels(canvas: Locator) -> str:
    """Return the image on a canvas as text."""
    return canvas.evaluate("canvas => canvas.toDataURL()")


def changes(page: Page, canvas: Locator, action: Callable[[], object]) -> None:
    """Do something, and wait until the image on a canvas has changed."""
    before = pixels(canvas)
    action()
    page.wait_for_function(
        "([canvas, old]) => canvas.toDataURL() !== old",
        arg=[canvas.element_handle(), before],
        timeout=8_000,
    )


def press(target: Locator, key: str) -> Callable[[], None]:
    """Return a function that gives the focus to a control and presses a key."""

    def action() -> None:
        target.focus()
        target.press(key)

    return action


def drag(page: Page, target: Locator, *places: tuple[int, int]) -> None:
    """Press the mouse button at a place of an element, and move to other places."""
    box = target.bounding_box()
    assert box
    (x, y), *others = places
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.down()
    for x, y in others:
        page.mouse.move(box["x"] + x, box["y"] + y, steps=8)
    page.mouse.up()


def run_cell(page: Page, index: int) -> None:
    """Run one cell of the notebook."""
    page.evaluate(f"jupyterapp.shell.currentWidget.content.activeCellIndex = {index}")
    command(page, "notebook:run-cell")


def last_output(page: Page) -> Locator:
    """Return the last text output of the notebook."""
    return page.locator(".jp-OutputArea-output pre").last


# LatentExplorer


def test_each_control_of_the_explorer_has_an_effect(run: Run, complaints: list[str]):
    page = run(EXPLORER, "print(explorer.z)", "explorer.z = [1.5] * 4")
    expect(page.locator(".latent input")).to_have_count(4)
    check_sliders(page)
    check_plane(page)
    check_image(page)
    check_start_and_anchors(page)
    check_choices(page)
    check_z_in_python(page)
    check_image_in_sight(page)
    check_presented(page)
    assert complaints == []


def check_image_in_sight(page: Page) -> None:
    """Scroll to the strips in a small window: a decoded image stays beside them."""
    page.set_viewport_size({"width": 1200, "height": 500})
    strip = page.locator(".strips section").last
    strip.evaluate("e => e.scrollIntoView({ block: 'end' })")
    expect(page.locator("canvas.out")).not_to_be_in_viewport(ratio=1)
    expect(page.locator(".copy canvas")).to_be_in_viewport(ratio=1)


def check_presented(page: Page) -> None:
    """Fill the screen with the explorer; its keys are no commands of JupyterLab."""
    present = page.get_by_role("button", name="Present")
    press(present, "Enter")()
    presented = page.locator(".explorer.presented")
    expect(presented).to_be_visible()
    page.wait_for_function("document.fullscreenElement")
    window = {"x": 0, "y": 0, "width": 1200, "height": 500}
    assert presented.bounding_box() == window
    changes(page, decoded(page), press(page.get_by_role("slider").first, "PageDown"))
    page.keyboard.press("Escape")
    expect(presented).to_have_count(0)
    expect(page.locator(".explorer")).to_be_visible()


def decoded(page: Page) -> Locator:
    """Return the canvas of the decoded image."""
    return page.get_by_role("img", name="Image decoded from z")


def check_sliders(page: Page) -> None:
    """Move the slider of each latent by keyboard and mouse."""
    traversal = page.locator("canvas.strip").first
    for slider in page.locator(".latent input:visible").all():
        changes(page, decoded(page), press(slider, "PageUp"))
        changes(page, traversal, lambda s=slider: s.click(position={"x": 5, "y": 5}))
    value = page.locator(".latent output:visible").first
    expect(value).to_have_text(re.compile(r"^−3\.\d\d$|^−4\.00$"))


def check_plane(page: Page) -> None:
    """Move the point of the plane by click, keyboard and drag."""
    plane, point = page.locator(".plane svg"), page.locator(".plane .point")
    for action in (
        lambda: plane.click(position={"x": 60, "y": 80}),
        press(plane, "ArrowRight"),
        press(plane, "ArrowUp"),
    ):
        before = point.get_attribute("transform") or ""
        changes(page, decoded(page), action)
        expect(point).not_to_have_attribute("transform", before)
    changes(page, decoded(page), lambda: drag(page, plane, (100, 100), (300, 250)))


def check_image(page: Page) -> None:
    """Change the image: another test image, a drawing by mouse and by keyboard."""
    out, image = decoded(page), page.locator("canvas.draw")
    number = page.get_by_label("Test image", exact=True)
    changes(page, image, press(number, "ArrowUp"))
    expect(page.locator(".caption").first).to_contain_text("test image 1")
    reconstruction = pixels(out)
    changes(
        page, out, press(page.get_by_role("button", name="Sample z from q"), "Enter")
    )
    changes(page, out, page.get_by_role("button", name="z = μ").click)
    assert pixels(out) == reconstruction

    changes(page, image, page.get_by_role("button", name="Blank to draw on").click)
    mean = page.locator(".latent .mu").first
    before = mean.get_attribute("x1") or ""
    changes(page, out, lambda: drag(page, image, (40, 30), (90, 100)))
    expect(mean).not_to_have_attribute("x1", before)
    image.focus()
    image.press("Space")
    changes(page, out, lambda: [image.press("ArrowLeft") for _ in range(4)])


def check_start_and_anchors(page: Page) -> None:
    """Start from the prior, set both anchors, and move z between them."""
    out, path = decoded(page), page.locator("canvas.strip").last
    for name in ("z = 0", "Random sample"):
        changes(page, out, press(page.get_by_role("button", name=name), "Enter"))
    changes(page, path, page.get_by_role("button", name="Set A to this z").click)
    place = page.get_by_label("Place between A and B")
    changes(page, out, press(place, "End"))
    changes(page, out, press(place, "Home"))
    page.get_by_role("button", name="Random sample").click()
    changes(page, path, page.get_by_role("button", name="Set B to this z").click)


def check_choices(page: Page) -> None:
    """Choose the traversed latent, the axes, and what the plane shows."""
    names = page.locator(".latent button:visible")
    changes(page, page.locator("canvas.strip").first, names.last.click)
    expect(names.last).to_have_attribute("aria-pressed", "true")
    manifold, points = page.locator(".plane > canvas").all()
    changes(page, manifold, page.get_by_label("Decoded pictures").check)
    changes(page, points, lambda: page.get_by_label("Right").select_option(index=2))
    changes(page, points, press(page.get_by_label("Test images"), "Space"))


def check_z_in_python(page: Page) -> None:
    """Read and set z in Python."""
    page.locator(".latent input:visible").first.press("Home")
    page.wait_for_timeout(400)  # Python receives z when it has come to rest
    run_cell(page, 1)
    expect(last_output(page)).to_have_text(re.compile(r"-4\.0"))
    run_cell(page, 2)
    expect(page.locator(".latent output:visible").first).to_have_text("1.50")


# Playground


def menu(page: Page, label: str) -> Locator:
    """Return a menu of the Playground."""
    text = page.get_by_text(label, exact=True)
    return page.locator(".playground .field").filter(has=text).locator("select")


def curve(page: Page, name: str) -> list[tuple[float, float]]:
    """Return the points of a curve, in pixels."""
    path = page.locator(f".chart path.line[data-name='{name}']")
    d = path.get_attribute("d") or ""
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", d)]


def wait_for_update(page: Page, update: int) -> None:
    """Wait until the present model has made so many updates."""
    count = "document.querySelector('.count').textContent.match(/update (\\d+)/)[1]"
    page.wait_for_function(f"n => Number({count}) >= n", arg=update, timeout=60_000)


def update_count(page: Page) -> int:
    """Return the number of updates that the page shows."""
    found = re.search(r"update (\d+) of", page.locator(".count").inner_text())
    assert found
    return int(found[1])


def largest_kl(page: Page) -> float:
    """Return the largest KL in nats, from the height of its bar and the ticks."""
    script = """chart => {
        const values = (selector, name) =>
            [...chart.querySelectorAll(selector)].map((e) => +e.getAttribute(name));
        const [low, high] = values(".grid", "y1");
        const nats = Number(chart.querySelectorAll("text")[1].textContent);
        return (Math.max(...values(".bar-kl", "height")) / (low - high)) * nats;
    }"""
    return page.locator(".chart:has(.bar-kl)").evaluate(script)


# JavaScript: whether the schedule has not yet reached the beta of the box.
IS_RISING = """() => {
    const now = document.querySelector(".present").textContent.match(/[\\d.]+/);
    return now && now[0] < Number(document.querySelector(".beta [type=number]").value);
}"""


def test_training_is_controlled_by_mouse(run: Run, complaints: list[str]):
    page = run(
        PLAYGROUND, "print('free', 6 * 7, playground)", f"print({COUNT_THREADS})"
    )
    status = page.locator(".status")
    expect(page.get_by_role("button", name="Train")).to_be_enabled()
    expect(status).to_have_text("Ready")
    assert curve(page, "KL") == []
    check_train_button(page)

    run_cell(page, 1)  # the kernel is free while the model is trained
    output = page.locator(".jp-OutputArea-output pre")
    expect(output.filter(has_text="free 42")).to_be_visible()
    expect(status).to_have_text("Training")

    check_beta(page)
    check_free_bits(page)
    check_menus(page)
    check_buttons(page)
    run_cell(page, 2)
    expect(last_output(page)).to_have_text("0\n")
    assert complaints == []


def check_train_button(page: Page) -> None:
    """Start training: images, curve and bars must change, and a tour sees it."""
    page.get_by_role("button", name="Tour").first.click()
    tour = page.get_by_role("region", name="Tour of the Playground")
    expect(tour.locator(".status")).to_have_text("Press Train.")
    sheets = page.locator("canvas.sheet").all()
    before = [pixels(sheet) for sheet in sheets]
    page.get_by_role("button", name="Train").click()
    wait_for_update(page, 20)
    assert all(pixels(s) != old for s, old in zip(sheets, before, strict=True))
    assert len(curve(page, "KL")) > 1
    expect(page.locator(".count")).to_contain_text("images a second")
    expect(page.locator(".bar-kl")).to_have_count(20)
    expect(tour).to_be_in_viewport()
    expect(tour.locator(".status")).to_contain_text("✓ Each update")
    tour.get_by_role("button", name="Leave").click()
    expect(tour).to_have_count(0)


def check_beta(page: Page) -> None:
    """Increase beta during training: the KL must fall, and no new model is started."""
    box = page.get_by_label("Beta", exact=True).bounding_box()
    assert box
    wait_for_update(page, 80)
    assert largest_kl(page) > 0.6
    page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] / 2)
    expect(page.get_by_label("β =")).not_to_have_value("1")
    reached = update_count(page)
    wait_for_update(page, reached + 60)
    assert largest_kl(page) < 0.3
    shares = page.locator(".latent .kl").evaluate_all(
        "kls => kls.map((kl) => Number(kl.style.getPropertyValue('--share')))"
    )
    assert max(shares) < 0.6  # of a whole bar
    # The total of the first updates at this beta does not rule the range.
    spike = page.locator(".chart").first.locator(".edge", has_text="↑")
    expect(spike).to_have_count(1)
    assert update_count(page) > reached
    assert page.locator("path.ghost").count() == 0


def check_free_bits(page: Page) -> None:
    """Give each latent a floor: at the same beta, a new model does not fall silent."""
    page.locator(".controls summary").click()
    box = page.get_by_label("Free bits", exact=True)
    box.fill("0.5")
    box.press("Enter")
    expect(page.locator(".count")).to_have_text(re.compile(r"^update \d?\d of"))
    wait_for_update(page, 80)
    assert largest_kl(page) > 0.3
    box.fill("0")
    box.press("Enter")
    expect(page.locator(".charts .caption")).to_contain_text("free bits 0.5")


def check_menus(page: Page) -> None:
    """Choose from each menu: a new model is trained, and the old curve turns pale."""
    choices = {
        "Latents": "2",
        "Loss": "mse",
        "Schedule": "cyclic",
        "Data": "sprites, RGB",
    }
    for label, choice in choices.items():
        ghosts = page.locator("path.ghost").count()
        wait_for_update(page, 10)
        menu(page, label).select_option(choice)
        page.wait_for_function(
            "n => document.querySelectorAll('path.ghost').length !== n",
            arg=ghosts,
            timeout=30_000,
        )
        expect(page.locator(".status")).to_have_text("Training")
        numbers = page.locator(".chart").first.locator(
            ".edge", has_text=re.compile(r"^\d$")
        )
        caption = page.locator(".charts .caption")
        expect(numbers.last).to_be_visible()
        expect(caption).to_contain_text(f"{numbers.last.text_content()} mnist, ")
        if label == "Schedule":
            page.wait_for_function(IS_RISING, timeout=30_000)
        if label == "Latents":
            expect(page.locator(".bar-kl")).to_have_count(2)
            expect(page.locator(".latent input")).to_have_count(2)
            expect(page.locator(".plane")).to_be_visible()
    expect(page.locator(".legend").first).to_contain_text("Gaussian, fixed sigma")

    is_coloured = """canvas => {
        const context = canvas.getContext("2d");
        const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
        return [...data].some((v, i, d) => i % 4 === 0 && v !== d[i + 1]);
    }"""
    sheet = page.locator("canvas.sheet").first.element_handle()
    page.wait_for_function(is_coloured, arg=sheet, timeout=30_000)


def check_values(page: Page) -> None:
    """Read values off the curves by mouse and by keyboard, and off a bar."""
    chart, legend = page.locator(".chart").first, page.locator(".legend").first
    last = legend.inner_text()
    chart.hover(position={"x": 53, "y": 60})
    expect(legend).to_contain_text(re.compile(r"^update 5, epoch 0\.0.*KL [\d.]+"))
    press(chart, "ArrowRight")()
    expect(legend).to_contain_text("update 10,")
    page.locator(".chart:has(.bar-kl)").hover(position={"x": 40, "y": 60})
    expect(page.locator("h4 output")).to_have_text(re.compile(r"^z₁ \d\.\d\d$"))
    assert legend.inner_text() == last


def check_buttons(page: Page) -> None:
    """Pause, make one update, keep the model as a run, and reset."""
    status, count = page.locator(".status"), page.locator(".count")
    wait_for_update(page, 15)
    page.get_by_role("button", name="Pause").click()
    expect(status).to_have_text("Paused")
    check_values(page)
    reached = update_count(page)
    page.get_by_role("button", name="Step").click()
    expect(count).to_contain_text(f"update {reached + 1} of")
    page.get_by_role("button", name="Keep").click()
    run = page.locator(".kept td").first
    expect(run).to_have_text("reports/playground/run-001", timeout=60_000)
    command = page.locator(".kept code").first
    expect(command).to_contain_text("--resume /")
    expect(page.locator(".kept summary")).to_be_hidden()  # of a published page
    page.get_by_role("button", name="Reset").click()
    expect(count).to_contain_text("update 0 of")
    expect(status).to_have_text("Ready")
    page.get_by_role("button", name="Undo").click()
    expect(count).to_contain_text(f"update {reached + 1} of")
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def test_training_is_controlled_by_keyboard_alone(run: Run, complaints: list[str]):
    page = run(PLAYGROUND, "playground.steer(beta=-1.0)")
    status, count = page.locator(".status"), page.locator(".count")
    train = page.locator("button.main")
    expect(train).to_be_enabled()
    press(train, "Enter")()
    wait_for_update(page, 5)
    press(page.get_by_label("Beta", exact=True), "ArrowRight")()
    expect(page.get_by_label("β =")).to_have_value("1.12")
    press(train, "Space")()
    expect(status).to_have_text("Paused")

    for label in ("Latents", "Loss", "Schedule", "Data"):
        before = menu(page, label).input_value()
        press(menu(page, label), "ArrowUp" if label == "Latents" else "ArrowDown")()
        expect(menu(page, label)).not_to_have_value(before)
        expect(count).to_contain_text("update 0 of")
        expect(status).to_have_text("Ready")
    seed = page.get_by_label("Seed")
    press(seed, "ArrowUp")()
    expect(seed).to_have_value("43")
    press(page.get_by_role("button", name="Step"), "Enter")()
    # The other data set is loaded first.
    expect(count).to_contain_text("update 1 of", timeout=30_000)

    assert names_in_tab_order(page) >= {
        *("Train", "Step", "Reset", "Keep"),
        *("Data", "Loss", "Latents", "Schedule", "Seed", "Beta", "β ="),
    }
    for name, text, message in (
        ("Seed", "3.5", "seed is '3.5': give a whole number."),
        ("β =", "", "beta is '': give a number."),
    ):
        box = page.get_by_label(name)
        before = box.input_value()
        box.fill(text)
        box.blur()
        expect(status).to_have_text(message)
        expect(box).to_have_value(before)
    page.get_by_label("β =").fill("0")
    page.get_by_label("β =").blur()
    slider = page.get_by_label("Beta", exact=True)
    expect(slider).to_have_attribute("aria-valuetext", "0")
    press(page.get_by_role("button", name="Step"), "Enter")()
    expect(count).to_contain_text("update 2 of")
    run_cell(page, 1)
    message = "beta is -1.0: give a number of at least 0 and at most 1e+06."
    expect(status).to_have_text(message)
    check_controls_stay(page)
    assert complaints == []


def check_controls_stay(page: Page) -> None:
    """Go through the explorer in a small window: the controls stay above it."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("button", name="Set B to this z").focus()
    focused, controls = page.locator(":focus"), page.locator(".controls")
    names = []
    while "Test image" not in names:
        page.keyboard.press("Shift+Tab")
        names.append(focused.evaluate(CONTROL_NAME))
        expect(controls).to_be_in_viewport(ratio=1)
        boxes = controls.bounding_box(), focused.bounding_box()
        assert boxes[0]
        assert boxes[1]
        assert boxes[0]["y"] + boxes[0]["height"] < boxes[1]["y"], names
    assert len(names) > 10


CONTROL_NAME = """e => {
    const label = e.closest("label")?.querySelector("span")?.textContent;
    return e.ariaLabel || label || e.textContent;
}"""


def names_in_tab_order(page: Page) -> set[str]:
    """Return the names of the controls that the tab key reaches."""
    names = set()
    page.locator("button.main").focus()
    for _ in range(13):
        names.add(page.locator(":focus").evaluate(CONTROL_NAME))
        page.keyboard.press("Tab")
    return names


PRINT_Z = """
for j, z in enumerate(playground.explorer.z):
    print(f"z{j + 1} {z:z.2f}")
"""


def shown_z(page: Page) -> set[str]:
    """Return the name and z of each latent that is not folded, such as "z3 -0.25"."""
    script = """rows => rows.map((row) =>
        ["button", "output"].map((part) => row.querySelector(part).textContent)
            .join(" ").normalize("NFKC").replace("−", "-"))"""
    return set(page.locator(".explorer .middle .rows > .latent").evaluate_all(script))


def expect_one_z(page: Page, second: Page) -> None:
    """Wait until z is the same in two tabs and, as cell 1 prints it, in Python."""
    printed = page.locator(".jp-RenderedText pre").first
    z, in_python = set(), ""
    for _ in range(20):
        page.wait_for_timeout(500)  # Python receives z when it has come to rest
        run_cell(page, 1)
        z, in_python = shown_z(page) | shown_z(second), printed.inner_text()
        if z and z <= set(in_python.splitlines()):
            return
    raise AssertionError(f"{sorted(z)}, in Python:\n{in_python}")


def test_no_thread_is_left_behind_by_cells_and_kernels(
    run: Run, lab, browser: Browser, complaints: list[str]
):
    page = run(PLAYGROUND, PRINT_Z, f"print({COUNT_THREADS}, 'threads')")
    train, status = page.get_by_role("button", name="Train"), page.locator(".status")
    page.get_by_label("Test image", exact=True).fill("1")
    train.click()
    wait_for_update(page, 5)

    # The same notebook in a second tab: z follows the same image
    second = browser.new_page(viewport={"width": 1300, "height": 2200})
    second.on("pageerror", lambda error: complaints.append(str(error)))
    command(page, "docmanager:save")
    second.goto(f"{page.url}?token={lab.token}")
    expect(second.locator(".status")).to_have_text("Training", timeout=30_000)
    expect(second.locator("figure.x .caption")).to_contain_text("test image 1")
    wait_for_update(second, update_count(second) + 60)
    expect(status).to_have_text("Training")
    second.get_by_role("button", name="Pause").click()
    expect(status).to_have_text("Paused", timeout=20_000)
    expect(second.locator(".status")).to_have_text("Paused", timeout=20_000)
    expect_one_z(page, second)

    # A drawing is followed in the second tab, too, also by other weights
    image, same_image = (tab.locator("canvas.draw") for tab in (page, second))
    drag(page, image, (60, 40), (60, 90))
    expect(second.locator("figure.x .caption")).to_have_text("your drawing")
    second.get_by_role("button", name="Step").click()
    wait_for_update(page, update_count(second))
    expect_one_z(page, second)
    assert pixels(image) == pixels(same_image)
    second.close()
    train.click()
    expect(status).to_have_text("Training")

    # The cell is run again while the model is trained
    run_cell(page, 0)
    expect(status).to_have_text("Ready", timeout=30_000)
    run_cell(page, 2)
    expect(last_output(page)).to_have_text("0 threads\n")

    # The kernel is restarted while the model is trained
    train.click()
    wait_for_update(page, 5)
    kernel = "jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    page.evaluate(f"{kernel}.restart()")
    expect(status).to_have_text(re.compile(r"Stopped at update \d+"), timeout=15_000)
    expect(page.locator(".count")).not_to_contain_text("second")
    expect(train).to_be_disabled()
    expect(page.locator(".alone")).to_be_visible()
    run_cell(page, 0)
    expect(status).to_have_text("Ready", timeout=60_000)
    expect(train).to_be_enabled()
    assert complaints == []


def test_a_saved_playground_shows_its_state_without_a_kernel(
    page: Page, lab, complaints: list[str]
):
    open_notebook(page, lab, "15_playground")
    page.get_by_role("heading", name="References").wait_for(timeout=60_000)
    command(page, "notebook:trust")  # needed for a notebook that another user has run
    page.locator(".jp-Dialog").get_by_role("button", name="Trust").click()
    page.locator(".playground").wait_for(timeout=30_000)

    notice = page.locator(".alone")
    expect(notice).to_contain_text("Run this cell to go on", timeout=8_000)
    expect(page.get_by_role("button", name="Train")).to_be_disabled()
    expect(page.locator(".count")).to_have_text("update 300 of 4700")
    assert len(curve(page, "KL")) == 60

    # The explorer needs no kernel.
    slider = page.locator(".latent input").first
    changes(page, decoded(page).first, press(slider, "PageUp"))
    assert complaints == []


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_layout_and_contrast_are_correct_at_each_width(run: Run, theme: str):
    page = run(PLAYGROUND, "playground.train(30)\nplayground.wait()")
    command(page, "apputils:change-theme", theme=theme)
    command(page, "application:toggle-left-area")
    expect(page.locator(".count")).to_contain_text("update 30 of")
    add_axe(page)
    for width in (1600, 768, 360):
        check_layout(page, width, ignored=("minor", "moderate"))
    command(page, "application:toggle-left-area")
    command(page, "apputils:change-theme", theme="JupyterLab Light")
