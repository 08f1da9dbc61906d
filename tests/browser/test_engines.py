"""The book in Firefox and in WebKit: its pages served, its widgets from a disk."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import engines
import pytest
from engines import Engine
from real import TOO_WIDE, served
from test_book import GENERATED, PAGES, WITH_WIDGETS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has WebKitGTK"),
]

# Start the widgets.
STARTED = """
    const end = Date.now() + 20_000;
    for (const place of document.querySelectorAll(".live")) {
        place.scrollIntoView();
        while (place.dataset.ready === undefined && Date.now() < end)
            await new Promise(requestAnimationFrame);
    }
"""
# Unfold everything, too, and show the bottom: some pictures load late.
SHOW_ALL = f"""
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    {STARTED}
    scrollTo(0, document.body.scrollHeight);
    await document.fonts.ready;
"""
FRAMES = "for (const _ of [1, 2, 3]) await new Promise(requestAnimationFrame);"
# The page changes its width step by step when the window does: a CSS transition.
STILL = """
    const isMoving = (animation) => animation instanceof CSSTransition;
    while (document.getAnimations().some(isMoving))
        await new Promise(requestAnimationFrame);
"""
# The elements of MathML that have a fixed number of children.
CHILDREN = dict(
    mfrac=2, mroot=2, msub=2, msup=2, munder=2, mover=2, msubsup=3, munderover=3
)
# What is wrong at a width. A canvas of one colour is blank. WebKit stretches the round
# ends of a line without length as it stretches its drawing.
FAULTS = f"""
    {FRAMES}
    {STILL}
    const all = (selector) => [...document.querySelectorAll(selector)];
    const {{ scrollWidth, clientWidth }} = document.documentElement;
    const tooWide = {TOO_WIDE};
    const colours = (canvas) => {{
        const context = canvas.getContext("2d");
        const {{ data }} = context.getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size;
    }};
    const shown = all(".live canvas").filter((canvas) => canvas.clientWidth > 0);
    const isPoint = (line) => line.checkVisibility() && line.getTotalLength() === 0;
    const named = (part) => part.getAttribute("class") ?? part.ariaLabel;
    const isWrong = ([tag, n]) => all(tag).some((part) => part.children.length !== n);
    return {{
        markup: Object.entries({CHILDREN}).filter(isWrong),
        scrolls: scrollWidth > clientWidth,
        formulas: tooWide(all("div.math")),
        code: innerWidth < 1280 ? [] : tooWide(all(".cell pre")),
        absent: all(".live:not([data-ready])").map((place) => place.innerText),
        stretched: all(".live line").filter(isPoint).map(named),
        blank: shown.filter((canvas) => colours(canvas) < 2).map(named),
    }};
"""


@pytest.fixture(scope="module", params=["firefox", "webkit"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A browser. If it is not installed, the tests are skipped, except in CI."""
    start = getattr(engines, request.param)
    with start(tmp_path_factory.mktemp("profile")) as found:
        if found is None and "CI" not in os.environ:
            pytest.skip(f"no {request.param}: .ci/run installs it")
        assert found, f"CI must have {request.param}"
        yield found


def test_pages_have_no_error_and_nothing_is_cut_or_blank(engine: Engine, book: Path):
    """Of the listings of modules, which differ in their text alone, one is opened."""
    found: dict[str, object] = {}
    widths = [1280, 390]
    with served(book, engines.Recording) as site:
        for page in PAGES + GENERATED[:5]:
            engine.open(f"{site}/{page}")
            engine.run(SHOW_ALL)
            for width in widths:
                engine.resize(width, 800)
                faults = engine.run(until(f"innerWidth === {width}") + FAULTS)
                if any(faults.values()):
                    seen = {name: what for name, what in faults.items() if what}
                    found[f"{page} at {width} px"] = seen
            widths.reverse()  # the next page begins with the width that there is
            if errors := engine.errors():
                found[page] = errors
    assert found == {}


def test_widgets_react_to_the_mouse(engine: Engine, book: Path):
    engine.resize(1280, 800)
    for page in WITH_WIDGETS:
        engine.open((book / page).as_uri())
        engine.run(SHOW_ALL)
        explorers = engine.run("return document.querySelectorAll('.explorer').length")
        assert explorers, page
        for i in range(explorers):
            explorer = f"document.querySelectorAll('.explorer')[{i}]"
            out = f"{FRAMES} return {explorer}.querySelector('.out').toDataURL();"
            x, y, width = place(engine, f"{explorer}.querySelector('.latent input')")
            seen = {engine.run(out)}
            for start, end in ((0.2, 0.5), (0.5, 0.9)):  # beside the thumb, and on it
                engine.drag((x + start * width, y), (x + end * width, y))
                seen.add(engine.run(out))
            assert len(seen) == 3, page


def test_figures_follow_their_sliders(engine: Engine, book: Path):
    """From a disk: the frames are unpacked, and each drag shows another."""
    engine.resize(1280, 800)
    for page in ("02_the_lower_bound", "08_the_latent_space"):
        engine.open((book / f"notebooks/{page}.html").as_uri())
        engine.run(SHOW_ALL)
        figure = "document.querySelector('[data-widget=figure]')"
        shown = f"{FRAMES} return {figure}.querySelector('.panels').innerHTML;"
        x, y, width = place(engine, f"{figure}.querySelector('input')")
        seen = {engine.run(shown)}
        for start, end in ((0.1, 0.2), (0.2, 0.8)):
            engine.drag((x + start * width, y), (x + end * width, y))
            seen.add(engine.run(shown))
        assert len(seen) == 3, page
        colour = engine.run(f"""
            document.documentElement.dataset.theme = "dark";
            {FRAMES}
            return getComputedStyle({figure}.querySelector("svg")).fill;
        """)
        assert colour == "rgb(226, 226, 226)", "letters on a dark page"


def test_symbols_and_parts_of_the_model_answer(engine: Engine, book: Path):
    engine.resize(1280, 800)
    engine.open((book / "notebooks/05_the_variational_auto_encoder.html").as_uri())
    part = "document.querySelector('.model-picture [data-part=kl] .term')"
    x, y, width = place(engine, part)
    engine.drag((x + width / 2, y), (x + width / 2, y + 1))
    engine.run(until("document.URL.endsWith('#app-kw-b')"))  # where the part leads
    chosen = "document.querySelector('.model-picture li.chosen').textContent"
    assert "divergence" in engine.run(f"return {chosen};")
    formula = "#the-objective .katex-display"
    mark = f"document.querySelector('{formula} [class*=\" s-\"] .mathnormal')"
    x, y, width = place(engine, mark)
    engine.drag((x + width / 2, y))
    engine.run(until("document.querySelector('.symbol-card').children.length"))
    assert engine.run("return document.querySelectorAll('.symbol-lit').length") > 1


def test_one_update_in_slow_motion(engine: Engine, book: Path):
    """From a disk: the page gets the engine, and computes a whole update."""
    engine.resize(1280, 800)
    engine.open((book / "notebooks/05_the_variational_auto_encoder.html").as_uri())
    engine.run(SHOW_ALL)
    button = "document.querySelector('.slow button.main')"
    for _ in range(10):
        x, y, width = place(engine, button)
        engine.drag((x + width / 2, y))
    said = engine.run("return document.querySelector('.slow p').textContent")
    before, after = map(float, re.findall(r"\d+\.\d\d", said))
    assert after < before


def test_another_model_can_be_chosen(engine: Engine, book: Path):
    engine.open((book / "book/models.html").as_uri())
    engine.run(SHOW_ALL)
    label = "document.querySelector('.zoo input[value=mse] + span')"
    x, y, width = place(engine, label)
    engine.drag((x + width / 2, y))
    terms = "document.querySelector('.zoo .figures').textContent"
    wanted = "Gaussian, fixed sigma"
    engine.run(until(f"{terms}.includes('{wanted}')"))


def test_two_models_fill_the_screen(engine: Engine, book: Path):
    engine.resize(1280, 800)
    engine.open((book / "book/models.html").as_uri())
    engine.run(SHOW_ALL)
    click(engine, "Compare")
    engine.run(until("document.querySelectorAll('.zoo .figures').length === 2"))
    click(engine, "Present")
    engine.run(until("document.querySelector('.zoo.presented')"))
    engine.run(until("document.elementFromPoint(3, 400).closest('.presented')"))
    # The content is larger here, and a click still goes where it should.
    where = "document.querySelector('.zoo .plane svg')"
    x, y, width = place(engine, where)
    engine.drag((x + 0.25 * width, y - 0.25 * width))
    point = "document.querySelector('.zoo .plane .point').getAttribute('transform')"
    moved = engine.run(f"{FRAMES} return {point};")
    shown = [float(number) for number in re.findall(r"-?[\d.]+", moved)]
    assert shown == pytest.approx([-2, -2], abs=0.25)
    click(engine, "Present")
    engine.run(until("!document.querySelector('.presented')"))


def test_questions_are_judged_and_a_tour_goes_on(engine: Engine, book: Path):
    """From a disk: a curve drawn by the mouse, a choice, and a step of the tour."""
    engine.resize(1280, 800)
    engine.open((book / "notebooks/02_the_lower_bound.html").as_uri())
    engine.run(STARTED)

    def named(part: str, name: str) -> str:
        found = f"({part})?.querySelectorAll('button')"
        return f"[...{found} ?? []].find((one) => one.textContent === '{name}')"

    def press(part: str, name: str) -> None:
        x, y, width = place(engine, named(part, name))
        engine.drag((x + width / 2, y))

    for number, part in enumerate(("svg", "input")):
        asked = f"document.querySelectorAll('.predict')[{number}]"
        held = f"return document.querySelector('details.held-{number}').open;"
        x, y, width = place(engine, f"{asked}?.querySelector('{part}')")
        assert not engine.run(held)
        engine.drag((x + 0.3 * width, y), (x + 0.6 * width, y))
        press(asked, "Compare")
        told = f"{asked}.querySelector('.outcome').textContent"
        engine.run(until(f"/on average|Computed|Right/.test({told})"))
        assert engine.run(held)

    engine.open((book / "notebooks/08_the_latent_space.html").as_uri())
    engine.run(STARTED)
    press("document.querySelector('.explorer')", "Tour")
    tour = "document.querySelector('.tour')"
    engine.run(until(f"{tour}?.textContent.includes('Step 1 of 8')"))
    assert engine.run("return document.querySelectorAll('.toured').length;") == 1
    press(tour, "Skip")
    engine.run(until(f"{tour}.textContent.includes('Step 2 of 8')"))
    press(tour, "Leave")
    engine.run(until(f"!{tour}"))


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_page_trains_and_offers_its_command(
    engine: Engine, book: Path, scheme: str
):
    """Also from a disk, where a page of WebKit can read no Blob."""
    engine.resize(1280, 800)
    with served(book, engines.Recording) as site:
        base = site if scheme == "http" else book.as_uri()
        engine.open(f"{base}/notebooks/15_playground.html?train_images=1000")
        playground = "document.querySelector('[data-widget=playground]')"
        place(engine, playground)
        engine.run(until(f"{playground}.dataset.ready !== undefined"))
        click(engine, "Train")
        count = "Number(/update (\\d+) of 80/.exec(document.body.innerText)?.[1])"
        engine.run(until(f"{count} >= 3"))
        click(engine, "Keep")
        command = "document.querySelector('.kept code').textContent"
        engine.run(until(command))
        errors = engine.errors() if scheme == "http" else []
    shown = engine.run(f"return {command};")
    assert re.match("vaelib train .*--train-images 1000", shown)
    assert errors == []


def click(engine: Engine, name: str) -> None:
    """Click on the button of a name."""
    buttons = "[...document.querySelectorAll(':is(.controls, .chooser) button')]"
    found = f"{buttons}.find((button) => button.textContent === '{name}')"
    x, y, width = place(engine, found)
    engine.drag((x + width / 2, y))


def until(condition: str) -> str:
    """Return a script that waits for a condition; after a minute its engine fails."""
    return f"while (!({condition})) await new Promise(requestAnimationFrame);"


def place(engine: Engine, element: str) -> tuple[float, float, float]:
    """Scroll to an element, and return its left, middle and width when it is still."""
    return engine.run(f"""
        {until(element)}
        const element = {element};
        let box = {{}};
        for (let still = 0; still < 5; still++) {{
            element.scrollIntoView({{ block: "center" }});
            await new Promise(requestAnimationFrame);
            const now = element.getBoundingClientRect();
            if (now.x !== box.x || now.y !== box.y) still = 0;
            box = now;
        }}
        return [box.x, box.y + box.height / 2, box.width];
    """)
