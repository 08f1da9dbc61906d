"""The Playground of the published book trains in the page, with no kernel."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, Route, expect
from test_book import compressed_size

import vaelib
from vaelib import TrainConfig, load_dataset
from vaelib.chapter import fit
from vaelib.config import field_types
from vaelib.flags import Parser, add_arguments
from vaelib.widgets import frontend

pytestmark = pytest.mark.slow
CHAPTER = "notebooks/15_playground.html"
MENUS = ("Data", "Training images", "Loss", "Latents", "Schedule")


@pytest.fixture(params=["http", "file"])
def playground(
    request: pytest.FixtureRequest, page: Page, book: Path, complaints: list[str]
) -> Iterator[Page]:
    """The chapter of the Playground, from a server and from a disk.

    At the end it must have asked for its own files only, and logged no error.
    """
    base = book.as_uri()
    if request.param == "http":
        base = request.getfixturevalue("site")
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    open_chapter(page, base)
    yield page
    assert [url for url in asked if not url.startswith((base, "data:", "blob:"))] == []
    assert complaints == []


def open_chapter(page: Page, base: str, chapter: str = CHAPTER) -> None:
    """Open the chapter and wait for its first Playground."""
    page.goto(f"{base}/{chapter}")
    wait_for_playground(page)


def wait_for_playground(page: Page) -> None:
    """Wait until the Playground, which starts when it comes near, can be used."""
    place = page.locator("[data-widget=playground]").first
    place.scroll_into_view_if_needed()
    place.and_(page.locator("[data-ready]")).wait_for()


def wait_for_update(page: Page, update: int) -> None:
    """Wait until the page trains and has made so many updates.

    Before it trains, it shows the updates of the model that was saved.
    """
    trains = "document.querySelector('.status').textContent === 'Training'"
    count = "Number(document.querySelector('.count').textContent.split(' ')[1])"
    page.wait_for_function(f"n => {trains} && {count} >= n", arg=update, timeout=60_000)


def update_count(page: Page) -> int:
    """Return the number of updates that the page shows."""
    return int(page.locator(".count").first.inner_text().split()[1])


def config_of(flags: list[str]) -> TrainConfig:
    """Return the settings of a command line."""
    parser = Parser(allow_abbrev=False)
    add_arguments(parser)
    given = vars(parser.parse_args(flags))
    return TrainConfig(**{n: v for n, v in given.items() if n in field_types()})


def menu(page: Page, label: str) -> Locator:
    """Return the menu with a label."""
    field = page.locator(".controls .field", has=page.get_by_text(label, exact=True))
    return field.locator("select")


def download(page: Page, ending: str, folder: Path) -> Path:
    """Save a file of the last kept run."""
    link = page.locator(f".kept tr:last-child a[download$='{ending}']")
    with page.expect_download() as waiting:
        link.click()
    file = folder / f"run{ending}"
    waiting.value.save_as(file)
    return file


def test_the_page_trains_and_its_command_repeats_it(
    playground: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    page, status = playground, playground.locator(".status").first
    notice = page.locator(".playground .alone")
    expect(notice).to_have_text(re.compile(r"^What you see was saved .* server\.\s*$"))
    page.get_by_role("button", name="Train").first.click()
    wait_for_update(page, 5)
    expect(status).to_have_text("Training")
    expect(notice).to_be_hidden()
    box = page.get_by_label("β =").first
    box.fill("2.5")
    box.press("Enter")
    expect(page.locator(".present").first).to_contain_text("2.5")

    wait_for_update(page, 40)  # an epoch of 10,000 images
    page.get_by_role("button", name="Pause").first.click()
    expect(status).to_have_text("Paused")
    page.get_by_role("button", name="Keep").first.click()
    shown = page.locator(".kept code").first
    expect(shown).to_contain_text("vaelib train", timeout=30_000)
    command = shown.inner_text()
    rows = csv.DictReader(download(page, ".csv", tmp_path).open())
    ours = next(iter(rows))

    _, _, *flags = shlex.split(command)
    config = config_of([*flags, "--epochs", "1"])
    assert (config.train_images, config.beta, config.seed) == (10_000, 1, 42)
    assert re.fullmatch(r"\d+:2\.5", config.beta_changes)
    _, (theirs,) = fit(config, load_dataset(train_images=10_000))
    for name in ("beta", "recon", "kl", "train_recon", "train_kl"):
        assert float(ours[name]) == pytest.approx(theirs[name], rel=0.01), name

    heads = page.locator(".kept th")
    expect(heads.first).to_be_visible()
    assert heads.all_inner_texts()[-3:] == ["recon", "KL", "recon + KL"]
    page.locator(".kept summary").click()
    monkeypatch.setattr("vaelib.train.train", lambda config: config)
    names: dict[str, TrainConfig] = {}
    exec(page.locator(".kept pre").inner_text(), names)
    assert names["run"] == config_of(flags)

    model, saved = vaelib.load(download(page, ".safetensors", tmp_path))
    assert (saved.beta_changes, saved.train_images) == (config.beta_changes, 10_000)
    assert model.images(torch.zeros(1, 20)).shape == (1, 1, 28, 28)


def test_the_pixels_are_drawn_as_those_of_the_chapter(
    page: Page, site: str, tmp_path: Path
):
    """Chapter 7 trains on black-and-white pixels, drawn anew for each update."""
    open_chapter(page, site, "notebooks/07_beta_and_its_schedules.html")
    page.get_by_role("button", name="Train").first.click()
    wait_for_update(page, 40)
    page.get_by_role("button", name="Pause").first.click()
    expect(page.locator(".legend").first).to_contain_text("negative log-likelihood")
    greys = page.locator(".sheets canvas").first.evaluate("""(canvas) => {
        const { width, height } = canvas; // test images, and below them the others
        const { data } = canvas.getContext("2d").getImageData(0, 0, width, height / 2);
        return [...new Set(data)].sort((a, b) => a - b);
    }""")
    assert greys == [0, 255]
    page.get_by_role("button", name="Keep").first.click()
    shown = page.locator(".kept code").first
    expect(shown).to_contain_text("--binarize dynamic", timeout=30_000)
    _, _, *flags = shlex.split(shown.inner_text())
    config = config_of([*flags, "--epochs", "1"])
    ours = next(csv.DictReader(download(page, ".csv", tmp_path).open()))
    _, (theirs,) = fit(config, load_dataset(*config.data_source))
    for name in ("recon", "kl", "train_recon", "train_kl"):
        assert float(ours[name]) == pytest.approx(theirs[name], rel=0.01), name


# JavaScript: the links of a table that shows so many runs, and which can be followed.
LINKS = """async (counts) => {
    const table = keptTable();
    const some = { label: "", step: 1, recon: 1, kl: 1, neg_elbo: 2 };
    const runs = [1, 2, 3].map((n) => ({
        ...some, path: `run-${n}`, files: { log: new DataView(new ArrayBuffer(n)) },
    }));
    const all = new Set();
    const found = [];
    for (const count of counts) {
        table.draw(runs.slice(0, count));
        const links = [...table.root.querySelectorAll("a")].map(({ href }) => href);
        links.forEach((link) => all.add(link));
        const tries = [...all].map((link) => fetch(link).then(() => link, () => ""));
        found.push([links, (await Promise.all(tries)).filter(Boolean)]);
    }
    return found;
}"""


def test_links_of_kept_runs_are_made_once_and_end_with_their_run(page: Page, site: str):
    page.goto(f"{site}/404.html")
    text = frontend.module("parts/kept_table")
    page.add_script_tag(content=f"{text}\nObject.assign(window, {{ keptTable }});")
    one, three, again, none, new = page.evaluate(LINKS, [1, 3, 1, 0, 1])
    assert all(sorted(links) == sorted(alive) for links, alive in (one, three))
    assert one[0] == again[0] == again[1] == three[0][:1]
    assert (len(three[0]), none) == (3, [[], []])
    assert new[0] == new[1] != one[0]


def test_controls_and_explorer_follow_the_training_of_the_page(playground: Page):
    page = playground
    explorer = page.locator("[data-follows]")
    explorer.scroll_into_view_if_needed()
    explorer.locator("canvas.out").wait_for()
    before = explorer.locator("canvas.out").evaluate("c => c.toDataURL()")
    menu(page, "Data").select_option("sprites, RGB")
    menu(page, "Training images").select_option("1,000")
    page.get_by_role("button", name="Train").first.click()
    wait_for_update(page, 8)
    expect(page.locator(".count").first).to_contain_text("of 80,")
    is_other = (
        "old => document.querySelector('[data-follows] .out').toDataURL() !== old"
    )
    page.wait_for_function(is_other, arg=before)
    seed = page.get_by_label("Seed").first
    seed.fill("-1")
    seed.press("Enter")
    sentence = "seed is -1: give a number of at least 0 and at most 9.22337e+18."
    expect(page.locator(".status").first).to_have_text(sentence)


def test_an_explorer_that_comes_late_shows_what_was_trained(page: Page, site: str):
    page.set_viewport_size({"width": 1300, "height": 300})
    open_chapter(page, site)
    page.get_by_role("button", name="Train").first.click()
    wait_for_update(page, 20)
    page.get_by_role("button", name="Pause").first.click()
    expect(page.locator(".status").first).to_have_text("Paused")
    explorer = page.locator("[data-follows]")
    expect(explorer).not_to_have_attribute("data-ready", "")
    expect(explorer.locator("canvas")).to_have_count(0)
    decoded = "document.querySelector('[data-follows] .out').toDataURL()"
    explorer.scroll_into_view_if_needed()
    explorer.and_(page.locator("[data-ready]")).wait_for()
    late = page.evaluate(decoded)
    page.get_by_role("button", name="Undo").first.scroll_into_view_if_needed()
    menu(page, "Latents").select_option("2")  # and back to the model before
    page.wait_for_function(f"old => {decoded} !== old", arg=late)
    page.get_by_role("button", name="Undo").first.click()
    page.wait_for_function(f"old => {decoded} === old", arg=late)


@pytest.mark.parametrize("width", [390, 1300])
def test_controls_stay_in_sight_below_the_header(page: Page, site: str, width: int):
    page.set_viewport_size({"width": width, "height": 700})
    open_chapter(page, site)
    page.locator(".sheets").first.evaluate("e => e.scrollIntoView({ block: 'end' })")
    header, controls = (
        page.locator(place).first.evaluate("e => e.getBoundingClientRect().toJSON()")
        for place in (".bd-header-article", ".controls")
    )
    assert 0 < header["bottom"] == controls["top"]


def test_controls_show_what_train_will_do(playground: Page):
    page = playground
    images = menu(page, "Training images")
    assert images.locator("option").all_inner_texts() == [
        *("1,000", "10,000", "20,000"),
        "all",
    ]
    values = [menu(page, label).input_value() for label in MENUS]
    boxes = [page.get_by_label(label).first for label in ("Seed", "β =")]
    values += [box.input_value() for box in boxes]
    assert values == ["mnist", "10000", "bce_logits", "20", "none", "42", "1"]
    options = menu(page, "Data").locator("option").all_inner_texts()
    assert options == ["mnist", "sprites", "sprites, RGB"]
    expect(page.locator(".present").first).to_be_hidden()
    page.get_by_role("button", name="Step").first.click()
    expect(page.locator(".count").first).to_have_text("update 1 of 800")
    assert [menu(page, label).input_value() for label in MENUS] == values[:-2]
    expect(page.locator(".present").first).to_have_text("β now 1")
    assert "?" not in page.url


def test_only_images_in_use_are_loaded(page: Page, site: str):
    """Until they are there, the controls show what was chosen."""
    asked: list[str] = []
    waiting: list[Route] = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.route("**/images/*", lambda route: waiting.append(route))
    open_chapter(page, site)
    assert not any("/images/" in url for url in asked)
    menu(page, "Training images").select_option("20,000")
    expect(page.locator(".status").first).to_have_text("Loading the images …")
    menu(page, "Latents").select_option("2")
    page.wait_for_timeout(700)  # a control shows its own value for 500 milliseconds
    chosen = ["mnist", "20000", "bce_logits", "2", "none"]
    assert [menu(page, label).input_value() for label in MENUS] == chosen
    for route in waiting:
        route.continue_()
    expect(page.locator(".count").first).to_have_text("update 0 of 1580")
    for label, value in zip(MENUS, chosen, strict=True):
        expect(menu(page, label)).to_have_value(value)
    files = sorted(url.rpartition("/")[2] for url in asked if "/live/images/" in url)
    assert files == ["mnist-0.js", "mnist-1.js", "mnist-test.js"]


def test_the_address_contains_the_settings(playground: Page):
    page = playground
    page.goto(f"{page.url}?beta=4&latent_dim=2&train_images=1000&loss=l1&seed=-1#x")
    wait_for_playground(page)
    box = page.get_by_label("β =").first
    values = [menu(page, label).input_value() for label in MENUS]
    assert values == ["mnist", "1000", "bce_logits", "2", "none"]
    assert box.input_value() == "4"
    page.evaluate("window.isSamePage = true")
    menu(page, "Schedule").select_option("linear")
    page.wait_for_function("location.search.includes('beta_schedule=linear')")
    expect(page.locator(".count").first).to_have_text("update 0 of 80")
    query = "beta=4&latent_dim=2&train_images=1000&beta_schedule=linear"
    assert page.url.partition("?")[2] == f"{query}#x"
    box.fill("0.5")
    box.press("Enter")
    menu(page, "Latents").select_option("20")
    page.wait_for_function("location.search.includes('beta=0.5')")
    page.wait_for_function("!location.search.includes('latent_dim')")
    box.fill("-1")  # is refused
    box.press("Enter")
    expect(page.locator(".status").first).to_contain_text("beta is -1")
    page.wait_for_timeout(400)
    assert "beta=0.5" in page.url
    assert page.evaluate("window.isSamePage")


def test_cures_of_silent_latents_are_set_in_a_fold(playground: Page):
    page = playground

    def give(label: str, text: str) -> None:
        box = page.get_by_label(label, exact=True)
        box.fill(text)
        box.press("Enter")

    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).click()

    page.locator(".controls summary").click()
    give("Free bits", "0.5")
    page.wait_for_function("location.search.includes('free_bits=0.5')")
    give("Capacity", "15")
    refused = "free_bits is 0.5: capacity has no such setting, leave it out."
    expect(page.locator(".status").first).to_have_text(refused)
    press("Step")
    press("Keep")
    expect(page.locator(".kept code").first).to_contain_text("--free-bits 0.5")
    give("Free bits", "0")
    give("Capacity", "15")
    page.wait_for_function("location.search.includes('capacity=15')")
    expect(page.locator(".controls .beta[inert]").first).to_be_visible()
    press("Step")
    expect(page.locator(".count").first).to_contain_text("update 1 of")


# JavaScript: what a browser does when the page is hidden, or shown again.
SET_HIDDEN = """(isHidden) => {
    Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.mark.parametrize("missing", ["", "delete window.Worker"])
def test_a_hidden_page_stands_still(page: Page, site: str, missing: str):
    page.add_init_script(missing)
    open_chapter(page, site)
    page.get_by_role("button", name="Train").first.click()
    wait_for_update(page, 3)
    page.evaluate(SET_HIDDEN, True)
    page.wait_for_timeout(500)  # until the last update is shown
    reached = update_count(page)
    page.wait_for_timeout(1000)
    assert update_count(page) == reached
    page.evaluate(SET_HIDDEN, False)
    wait_for_update(page, reached + 3)


def test_a_tour_of_the_playground_follows_the_training(page: Page, site: str):
    open_chapter(page, site)
    tour = page.get_by_role("region", name="Tour of the Playground")
    said = tour.locator(".status")

    def press(name: str) -> None:
        page.get_by_role("button", name=name, exact=True).first.click()

    def then(text: str) -> None:
        """Wait until the tour says so, and go on."""
        expect(said).to_contain_text(f"✓ {text}", timeout=60_000)
        tour.get_by_role("button", name=re.compile("Next|End")).click()

    page.get_by_role("button", name="Tour").first.click()
    expect(said).to_have_text("Press Train.")
    press("Train")
    then("Each update")
    then("recon falls")
    page.get_by_label("β =").first.fill("100")
    page.keyboard.press("Tab")
    then("β is the price of a nat")
    page.get_by_label("β =").first.fill("0.05")
    page.keyboard.press("Tab")
    then("Information is cheap")
    menu(page, "Latents").select_option("2")
    then("A new model has begun")
    menu(page, "Loss").select_option("mse")
    then("Losses have units")
    press("Keep")
    then("A table below")
    press("Pause")
    then("Now all controls are yours")
    expect(tour).to_have_count(0)


def test_a_page_without_webassembly_says_that_it_is_slow(page: Page, site: str):
    page.add_init_script("delete window.WebAssembly")
    open_chapter(page, site)
    sentence = "Your browser has no WebAssembly, without which training is much slower."
    expect(page.locator(".playground .alone")).to_contain_text(sentence)


@pytest.mark.parametrize(
    ("missing", "updates"),
    [
        ("delete window.Worker", 3),
        ("window.Worker = function () { throw new Error('refused'); }", 3),
        ("delete window.WebAssembly; delete window.Worker", 1),
    ],
)
def test_it_trains_in_slices_where_there_is_no_worker(
    page: Page, book: Path, complaints: list[str], missing: str, updates: int
):
    page.add_init_script(missing)
    open_chapter(page, book.as_uri())
    page.get_by_role("button", name="Train").first.click()
    wait_for_update(page, updates)
    page.get_by_role("button", name="Pause").first.click()
    expect(page.locator(".status").first).to_have_text("Paused", timeout=20_000)
    assert complaints == []


# JavaScript: how many workers were made, and how many of them were terminated.
COUNT_WORKERS = """
    window.workers = [0, 0];
    window.Worker = class extends Worker {
        constructor(...given) {
            super(...given);
            workers[0]++;
        }
        terminate() {
            super.terminate();
            workers[1]++;
        }
    };
"""


def test_a_worker_that_failed_is_ended(page: Page, site: str):
    page.add_init_script(COUNT_WORKERS)
    page.route("**/images/mnist-0.js", lambda route: route.abort())
    open_chapter(page, site)
    for tries in (1, 2):
        page.get_by_role("button", name="Train").first.click()
        page.wait_for_function(f"workers[1] === {tries}")
        assert page.evaluate("workers") == [tries, tries]
    expect(page.locator(".status").first).to_contain_text("could not be loaded")
    page.unroute("**/images/mnist-0.js")
    page.get_by_role("button", name="Train").first.click()
    wait_for_update(page, 2)
    assert page.evaluate("workers") == [3, 2]


def test_a_worker_that_cannot_run_is_ended(page: Page, site: str):
    """Then the page trains in slices."""
    page.add_init_script(COUNT_WORKERS)
    page.add_init_script("URL.createObjectURL = () => 'data:,throw new Error()';")
    open_chapter(page, site)
    page.get_by_role("button", name="Train").first.click()
    wait_for_update(page, 2)
    assert page.evaluate("workers") == [1, 1]


def test_what_was_chosen_is_trained_after_an_error(page: Page, site: str):
    page.route("**/images/*", lambda route: route.abort())
    open_chapter(page, site)
    menu(page, "Data").select_option("sprites")
    expect(page.locator(".status").first).to_contain_text("could not be loaded")
    assert menu(page, "Data").input_value() == "sprites"
    page.unroute("**/images/*")
    page.get_by_role("button", name="Step").first.click()
    expect(page.locator(".count").first).to_contain_text("update 1 of")
    page.wait_for_timeout(600)
    assert menu(page, "Data").input_value() == "sprites"


def test_the_landing_page_trains(
    page: Page, book: Path, site: str, complaints: list[str]
):
    """Until Train is pressed it is at most 30 kB heavier than without a Playground."""
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(sent.url))
    open_chapter(page, site, "book/intro.html")
    page.wait_for_load_state("networkidle")
    assert not any("engine.js" in url or "/images/" in url for url in asked)
    place = page.locator("[data-widget=playground]")
    state = place.get_attribute("data-state")
    assert compressed_size(book / f"_static/live/{state}.js") < 25_000
    sheets = place.locator(".sheets canvas")
    greys = "canvas => canvas.toDataURL()"
    before = [sheet.evaluate(greys) for sheet in sheets.all()]
    assert len(set(before)) == 2
    place.get_by_role("button", name="Train").click()
    wait_for_update(page, 20)
    place.get_by_role("button", name="Pause").click()
    expect(place.locator(".status")).to_have_text("Paused")
    after = [sheet.evaluate(greys) for sheet in sheets.all()]
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert complaints == []


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("**/images/mnist-0.js", "images/mnist-0.js could not be loaded."),
        ("**/engine.js", "engine.js could not be loaded."),
    ],
)
def test_a_missing_file_is_said(page: Page, site: str, missing: str, sentence: str):
    page.route(missing, lambda route: route.abort())
    open_chapter(page, site)
    page.get_by_role("button", name="Train").first.click()
    status = page.locator(".status").first
    expect(status).to_contain_text(sentence)
    expect(status).to_contain_text("To train it in JupyterLab instead")
    page.unroute(missing)
    page.get_by_role("button", name="Train").first.click()
    wait_for_update(page, 2)
    expect(page.locator(".count").first).to_contain_text("of 800")
