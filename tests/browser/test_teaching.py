"""Parts of a page alone, as in an <iframe>; slides; and what is printed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import handout
import nbformat
import offline
import printed
import pytest
import real
import slides
from playwright.sync_api import Browser, Locator, Page, expect

import notebooks
from vaelib.exercises.checker import known

ROOT = real.ROOT
pytestmark = pytest.mark.slow
# Addresses of one part each, and what is then seen in it
PARTS = {
    "book/intro.html?only=explorer&z=" + ",".join(["0.5"] * 20): ".vaelib.explorer",
    "book/models.html?only=zoo&beta=8&latents=2": ".vaelib.zoo",
    "notebooks/15_playground.html?only=playground&beta=4": ".playground",
    "notebooks/05_the_variational_auto_encoder.html?only=slow_motion": ".vaelib",
    "notebooks/02_the_lower_bound.html?only=figure-2-1": "figure .frames svg",
    "notebooks/02_the_lower_bound.html?only=check-2": ".cell_output",
}
Opened = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, complaints: list[str]) -> Iterator[Opened]:
    """Function that opens an address in a tab; afterwards nothing has failed."""
    context = browser.new_context(viewport={"width": 800, "height": 900})
    tab = context.new_page()
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("requestfailed", lambda request: complaints.append(request.url))
    tab.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type in ("error", "warning")
            else None
        ),
    )

    def open_it(address: str) -> Page:
        tab.goto(address)
        for place in tab.locator(".only .live").all():
            place.scroll_into_view_if_needed()
            expect(place).to_have_attribute("data-ready", "", timeout=20_000)
        return tab

    yield open_it
    context.close()
    assert complaints == []


def visible(page: Page) -> int:
    """Return how many parts of the body are visible."""
    return page.locator("body > *:visible").count()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from a disk"])
def test_one_part_of_a_page_stands_alone(
    opened: Opened, book: Path, site: str, part: str, from_disk: bool
):
    page = opened(f"{book.as_uri() if from_disk else site}/{part}")
    expect(page.locator(".only").locator(PARTS[part]).first).to_be_visible()
    assert visible(page) == 1
    whole = page.locator(".only .from a")
    address = whole.get_attribute("href") or ""
    [only] = re.findall(r"only=[\w-]+&?", part)
    assert address.startswith(f"{page.url.partition('?')[0]}")
    assert address.endswith(part.replace(only, "").rstrip("?"))
    page.add_script_tag(path=real.AXE)
    page.add_style_tag(content="* { transition: none !important; }")
    # Not the style sheets anew, which a page from a disk may not fetch.
    options = "{resultTypes: ['violations'], preload: false}"
    found = page.evaluate(f"axe.run(document, {options})")
    assert [
        (rule["id"], rule["nodes"][0]["html"][:200])
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
    ] == []
    for width in (390, 800):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_rest_of_the_address_is_the_state_of_the_part(opened: Opened, site: str):
    z = ["0.5", "-1.5", *["0"] * 18]
    page = opened(f"{site}/book/intro.html?only=explorer&z={','.join(z)}")
    expect(page.locator("canvas.out").first).to_be_visible()
    first = page.locator(".latent input").first
    assert float(first.input_value()) in map(float, z)
    before = page.url
    page.wait_for_timeout(400)
    assert page.url == before, "nothing was moved"
    first.press("PageUp")
    expect(page).not_to_have_url(before)
    assert page.url.startswith(f"{site}/book/intro.html?only=explorer&z=")
    value = first.input_value()
    page = opened(page.url)
    assert page.locator(".latent input").first.input_value() == value

    page = opened(f"{site}/notebooks/15_playground.html?only=playground&beta=4")
    beta = page.locator('.only input[type="number"][step="any"]')
    expect(beta).to_have_value("4")


def test_a_part_that_is_not_there_is_said(opened: Opened, site: str):
    page = opened(f"{site}/book/notation.html?only=<b>zoo")
    expect(page.locator("main.only")).to_contain_text(
        "This page has no part of the name <b>zoo."
    )
    link = page.locator(".only .from a")
    expect(link).to_have_attribute("href", f"{site}/book/notation.html")


def test_a_page_of_somebody_else_contains_a_widget(
    opened: Opened, book: Path, tmp_path: Path
):
    address = f"{book.as_uri()}/book/models.html?only=zoo&beta=8&loss=mse&latents=2"
    text = f'<!doctype html><title>x</title><iframe src="{address}"></iframe>'
    (tmp_path / "mine.html").write_text(text, "utf-8")
    page = opened((tmp_path / "mine.html").as_uri())
    figures = page.frame_locator("iframe").locator(".zoo .figures").first
    expect(figures).to_contain_text("Gaussian, fixed sigma", timeout=20_000)


# Slides

CHAPTER = "02_the_lower_bound"


@pytest.fixture(scope="module")
def deck(book: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slides of a chapter, in a folder of their own."""
    folder = tmp_path_factory.mktemp("slides")
    slides.main(str(book), str(folder), CHAPTER)
    return folder / f"{CHAPTER}.html"


def shown(page: Page) -> Locator:
    """Return the slide that is shown."""
    return page.locator(".slide.shown")


def test_slides_move_by_keys_and_need_nothing_else(opened: Opened, deck: Path):
    page = opened(deck.as_uri())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.locator("html[data-ready]")).to_be_attached()
    assert {url for url in asked if not url.startswith("data:")} == {deck.as_uri()}
    expect(shown(page).locator("h1")).to_have_text("2 The lower bound")
    page.keyboard.press("ArrowRight")
    expect(shown(page).locator("h2")).to_contain_text("2.1 A model small enough")
    expect(page).to_have_url(f"{deck.as_uri()}#2")
    page.keyboard.press("End")
    count = page.locator(".slide").count()
    assert 10 < count < 40
    expect(page.locator("nav output")).to_have_text(f"{count} / {count}")
    page.get_by_role("button", name="Previous slide").click()
    expect(page.locator("nav output")).to_have_text(f"{count - 1} / {count}")
    page.keyboard.press("Home")
    expect(shown(page).locator("h1")).to_be_visible()


def test_all_slides_fit_are_legible_and_have_formulas(opened: Opened, deck: Path):
    page = opened(f"{deck.as_uri()}#1")
    page.set_viewport_size({"width": 1600, "height": 900})
    expect(page.locator("html[data-ready]")).to_be_attached()
    assert page.locator(".katex-display").count() > 3
    assert page.locator(".slide img").count() >= 2
    for i, slide in enumerate(page.locator(".slide").all()):
        fits = slide.evaluate(
            "s => s.scrollHeight <= s.clientHeight && s.scrollWidth <= s.clientWidth"
        )
        assert fits, f"slide {i + 1}"
    sizes = page.locator(".slide p").evaluate_all(
        "all => all.map(p => p.getBoundingClientRect().height"
        " && parseFloat(getComputedStyle(p).fontSize)).filter(Boolean)"
    )
    assert min(sizes) >= 20
    text = page.locator("main").text_content() or ""
    assert "Exercise 2.1" in text
    assert "Prior precision 1 plus" not in text, "the solution"
    assert "References" not in text


def test_slides_of_no_chapter_are_refused(book: Path, tmp_path: Path):
    said = "There is no chapter 99_none: give names as in ARGS=02_the_lower_bound; the"
    with pytest.raises(SystemExit, match=said):
        slides.main(str(book), str(tmp_path / "out"), CHAPTER, "99_none")
    assert not (tmp_path / "out").exists()


# What is printed


def check_document(text: str) -> None:
    """Check that a printed document has unique ids, and files and places to link to."""
    ids = re.findall(r' id="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    for link in re.findall(r' (?:href|src)="([^"]*)"', text):
        if link.startswith("#"):
            assert link[1:] in ids, link
        elif not link.startswith("data:"):
            url = urlsplit(link)
            assert url.scheme in ("https", "file"), link
            if url.scheme == "file":
                assert Path(unquote(url.path)).is_file(), link
    assert 'class="live' not in text
    assert "on-dark" not in text


@pytest.fixture(scope="module")
def texts(book: Path) -> dict[str, str]:
    """Both editions of the handout as HTML."""
    return {
        edition: handout.html(book, edition, handout.chapters())
        for edition in handout.EDITIONS
    }


def test_printed_editions_are_whole(texts: dict[str, str]):
    for text in texts.values():
        check_document(text)
        assert text.count("<article ") == len(handout.chapters()) == 17
        assert text.count('alt="The widget"') >= 6
        assert "katex-error" not in text


def test_only_the_teachers_edition_has_solutions(texts: dict[str, str]):
    student, teacher = texts["student"], texts["teacher"]
    exercises = re.findall(r"Exercise \d+\.\d", student)
    assert len(set(exercises)) >= 51
    assert student.count("Solution</") == 0
    assert teacher.count("<h4>Solution</h4>") == len(known())
    texts_of = {
        edition: unescape(re.sub(r"<[^>]+>", "", text))
        for edition, text in texts.items()
    }
    for name in handout.chapters():
        cells = nbformat.read(notebooks.FOLDER / f"{name}.ipynb", 4).cells
        of = handout.solved_in(cells)
        comments = {
            line.strip("# ")
            for cell, number in zip(cells, of, strict=True)
            if number and cell.cell_type == "code"
            for line in cell.source.splitlines()
            if line.startswith("# ") and len(line) > 20
        }
        for comment in comments:
            assert comment not in texts_of["student"], comment
            assert comment in texts_of["teacher"], comment


def test_make_handout_writes_both_editions(book: Path, tmp_path: Path):
    """Of two chapters. With the pages of the book that is there, nothing is built."""
    names = [CHAPTER, "16_your_own_study"]
    command = ["make", "handout", f"OUT={book.parents[1]}", "ZOO=tests/zoo.toml"]
    command += [f"HANDOUT={tmp_path}", f"ARGS={' '.join(names)}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "jupyter-book" not in done.stdout
    counts = []
    for edition in handout.EDITIONS:
        written = sorted(file.stem for file in (tmp_path / edition).iterdir())
        assert written == names
        pdf = (tmp_path / f"vae-{edition}.pdf").read_bytes()
        assert pdf.startswith(b"%PDF-")
        assert b"/Title (2.2 From evidence to bound)" in pdf
        assert not printed.TWICE.search(pdf)
        counts.append(pages_of(pdf))
    assert 10 < counts[0] < counts[1] < 50, counts


def pages_of(pdf: bytes) -> int:
    """Return the number of pages of a PDF by Chromium."""
    return len(re.findall(rb"/Type /Page\b", pdf))


def test_the_whole_book_is_one_document(book: Path):
    names = printed.contents()
    articles = {page: printed.article(book, page, names) for page in names}
    check_document(printed.document(book, "A title", "", articles))
    assert names[0] == "book/intro"
    assert len(names) == len(set(names)) > 35
    assert not any("/ja/" in page for page in names)
    first = (book / "book/intro.html").read_text("utf-8")
    assert offline.PLACE.search(first)
