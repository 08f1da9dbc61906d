"""Every page of the book that `make book` builds, in Chromium, served and from disk."""

from __future__ import annotations

import gzip
import importlib
import inspect
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

import nbformat
import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Response,
    ViewportSize,
    expect,
)
from real import TOO_WIDE, UNFOLD

import vaelib.config
from notebooks import names

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = pytest.mark.slow

TEXTS = ["notebooks/**/*.ipynb", "book/*.md", "book/api/*.md", "book/ja/*.md"]
PAGES = sorted(
    path.relative_to(ROOT).with_suffix(".html").as_posix()
    for pattern in TEXTS
    for path in ROOT.glob(pattern)
    if ".ipynb_checkpoints" not in path.parts
)
# Those with functions: no packages, no old names of modules, no tables of settings.
MODULES = [
    path
    for path in (ROOT / "vaelib").rglob("*.py")
    if re.search("^(def|class) ", path.read_text("utf-8"), re.M)
    and path.stem != "__init__"
]
GENERATED = [
    "search.html",
    "genindex.html",
    "py-modindex.html",
    "_modules/index.html",
    *sorted(
        f"_modules/{path.relative_to(ROOT).with_suffix('.html').as_posix()}"
        for path in MODULES
    ),
]
# One listing stands for all: Sphinx makes them from one template.
OPENED = [*PAGES, *(page for page in GENERATED if not page.startswith("_modules/"))]
OPENED += ["_modules/index.html", "_modules/vaelib/sweeps/runner.html"]
# that pages link to
HOSTS = {"arxiv.org", "doi.org", "github.com", "huggingface.co", "pytorch.org"}
PLAIN, LIVE = 700_000, 2_400_000  # most compressed bytes, without and with a widget
FRAMES = 400_000  # for each figure with sliders


class Reader(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the id and the links of an element."""
        found = dict(attrs)
        self.anchors.add(found.get("id") or "")
        for name in ("href", "src"):
            if link := found.get(name):
                self.links.append(link)


@cache
def read(path: Path) -> Reader:
    """Return the links and anchors of a page."""
    return Reader(path.read_text("utf-8"))


def test_book_contains_these_pages_and_no_others(book: Path):
    built = {path.relative_to(book).as_posix() for path in book.rglob("*.html")}
    built = {path for path in built if not path.startswith("_static/")}
    assert built == {*PAGES, *GENERATED, "index.html", "404.html"}


def test_no_link_is_broken(book: Path):
    broken, outside = [], set()
    for page in book.rglob("*.html"):
        if "_static" in page.parts:
            continue
        for link in read(page).links:
            if page.name == "404.html":  # shown at any address: links begin at the root
                link = link.removeprefix("/")
            url = urlsplit(urljoin(page.as_uri(), link))
            if url.scheme != "file":
                outside |= {link} if url.scheme != "data" else set()
                continue
            target, anchor = Path(unquote(url.path)), unquote(url.fragment)
            exists = target.is_file()
            if exists and target.suffix == ".html":
                exists = anchor in read(target).anchors
            if not exists:
                broken.append((page.relative_to(book).as_posix(), link))
    assert broken == []
    address = re.compile(r"https://[\w.-]+(/[^\s<>\"]*)?")
    assert [link for link in outside if not address.fullmatch(link)] == []
    assert {urlsplit(link).netloc for link in outside} == HOSTS
    print("outside:", *sorted(outside), sep="\n  ")


def content_of(text: str, name: str) -> str:
    """Return what a page says of itself: og:title, description and others."""
    found = re.search(rf'<meta (?:name|property)="{name}" content="([^"]*)"', text)
    return unescape(found[1]) if found else ""


def test_each_page_has_a_title_and_a_description_of_its_own(book: Path):
    titles, descriptions = [], []
    for page in PAGES:
        text = (book / page).read_text("utf-8")
        found = re.search("<title>(.*)</title>", text)
        assert found
        titles.append(unescape(found[1]))
        assert content_of(text, "og:title") == titles[-1]
        description = content_of(text, "description")
        assert content_of(text, "og:description") == description
        assert 60 < len(description) <= 200, page
        assert not re.search(r"[\\$]|,,|\(\?", description), description
        descriptions.append(description)
    name = "vaelib: the VAE, equation by equation"
    assert titles[PAGES.index("book/intro.html")] == name
    others = [title for title in titles if title != name]
    assert all(title.endswith(f" — {name}") for title in others)
    assert len(set(titles)) == len(set(descriptions)) == len(PAGES)


def test_book_without_an_address_brings_the_code_along(book: Path):
    with zipfile.ZipFile(book / "_static/vaelib.zip") as archive:
        assert "vaelib/Makefile" in archive.namelist()
    assert "../_static/vaelib.zip" in read(book / "book/run-it.html").links
    text = (book / "book/intro.html").read_text("utf-8")
    assert content_of(text, "og:url") == content_of(text, "og:image") == ""


def test_publishing_without_an_address_is_refused(tmp_path: Path):
    command = ["make", "book", "PUBLISH=1", f"OUT={tmp_path}", "ZOO=tests/zoo.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "A published book needs the address of its repository: put it into "
        "book/_config.yml, as url below repository."
    )
    assert list(tmp_path.iterdir()) == []


def test_no_file_names_the_machine_that_built_it(book: Path):
    places = [str(ROOT), str(book), str(Path.home()), "site-packages"]
    suffixes = {".html", ".js", ".css", ".txt", ".ipynb", ".md"}
    texts = [path for path in book.rglob("*") if path.suffix in suffixes]
    found = [
        (path.name, place)
        for path in texts
        if path.is_file()
        for place in places
        if place in path.read_text("utf-8")
    ]
    assert found == []


MARKUP = re.compile(r"<(script|style|pre|annotation)\b.*?</\1>|<[^>]+>", re.S)
UNRENDERED = r"\\(begin|frac|mathcal|log)\b|\{(eq|ref|doc|numref)\}`|:math:"


@pytest.mark.parametrize("page", PAGES)
def test_formulas_and_references_are_rendered(book: Path, page: str):
    text = (book / page).read_text("utf-8")
    assert "katex-error" not in text
    assert "(???)" not in text
    assert not re.search(UNRENDERED, MARKUP.sub("", text))


@pytest.mark.parametrize("number", range(1, 13))
def test_equation_has_the_number_of_the_paper_and_is_cited(book: Path, number: int):
    pages = sorted((book / "notebooks").glob("*.html"))
    text = "".join(path.read_text("utf-8") for path in pages)
    block = rf'<div class="amsmath math" id="eq-kw-{number}">(.*?)</div>'
    [equation] = re.findall(block, text, re.S)
    assert re.search(rf'class="tag">.*>{number}</span>', equation)
    assert re.search(rf'href="[^"]*#eq-kw-{number}"[^>]*>\({number}\)</a>', text)


# The API pages

API = [
    "vaelib.load",
    "vaelib.load_dataset",
    "vaelib.start",
    "vaelib.updates",
    "vaelib.VAE",
    "vaelib.widgets.Playground",
    "vaelib.widgets.LatentExplorer",
    "vaelib.sweeps.sweep",
    "vaelib.sweeps.grid",
    "vaelib.sweeps.compare.results",
    "vaelib.chapter.explore",
]


def text_in(html: str) -> str:
    """Return the text of a piece of a page."""
    return unescape(re.sub(r"<[^>]+>", "", html))


@pytest.mark.parametrize("name", API)
def test_api_page_shows_signature_and_example(book: Path, name: str):
    """The parameters are those of the function; the example is highlighted."""
    module, _, attribute = name.rpartition(".")
    thing = getattr(importlib.import_module(module), attribute)
    called = thing.__init__ if inspect.isclass(thing) else thing
    parameters = [p for p in inspect.signature(called).parameters if p != "self"]

    # A module that hands on a name of another one may document it as its own.
    names = f"{thing.__module__}.{thing.__qualname__}", name
    pages = [path.read_text("utf-8") for path in (book / "book/api").glob("*.html")]
    entries = [text.partition(f'id="{n}"')[2] for n in names for text in pages]
    signature, _, rest = next(filter(None, entries)).partition("</dt>")
    shown = re.findall(r'<em class="sig-param">(.*?)</em>', signature, re.S)
    found = [re.match(r"\s*\**(\w+)", text_in(parameter)) for parameter in shown]
    assert [name[1] for name in found if name] == parameters

    # A class is followed by its members, which have examples of their own.
    description = rest.partition('<dt class="sig')[0]
    example = re.search(r'<div class="doctest highlight.*?</pre>', description, re.S)
    assert example
    assert '<span class="gp">' in example[0]  # the prompt
    assert re.search(r'<span class="(n|kn|nn|o|mi|s2)">', example[0])
    assert attribute in text_in(example[0])


class Visit:
    """Page in a tab, with its requests and its error messages."""

    def __init__(self, tab: Page, site: str) -> None:
        self.tab, self.site = tab, site
        self.requests: set[str] = set()
        self.errors: list[str] = []
        tab.on("request", lambda request: self.requests.add(request.url))
        tab.on("requestfailed", lambda request: self.errors.append(request.url))
        tab.on("response", self.on_response)
        tab.on("console", self.on_message)
        tab.on("pageerror", lambda error: self.errors.append(str(error)))

    def on_response(self, response: Response) -> None:
        """Record a response that is an error."""
        if response.status >= 400:
            self.errors.append(f"{response.status}: {response.url}")

    def on_message(self, message: ConsoleMessage) -> None:
        """Record a message on the console that is an error or a warning."""
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def foreign(self, *schemes: str) -> set[str]:
        """Return the requests to other hosts than that of the book."""
        own = (self.site, "data:", *schemes)
        return {url for url in self.requests if not url.startswith(own)}

    def open(self, page: str) -> None:
        """Open a page and scroll to every widget, so that all of it is loaded."""
        self.tab.goto(f"{self.site}/{page}")
        self.tab.evaluate(UNFOLD)
        for place in self.tab.locator(".live").all():
            place.scroll_into_view_if_needed()
            expect(place).to_have_attribute("data-ready", "", timeout=20_000)
        self.tab.evaluate("scrollTo(0, document.body.scrollHeight)")
        self.tab.wait_for_load_state("networkidle")
        self.tab.evaluate("scrollTo(0, 0)")
        self.tab.evaluate(
            "document.fonts.ready.then(() => new Promise(requestAnimationFrame))"
        )

    def weight(self, book: Path) -> int:
        """Return the bytes of all requests, compressed as a server sends them."""
        return sum(
            compressed_size(book / unquote(urlsplit(url).path).lstrip("/"))
            for url in self.requests
            if url.startswith(self.site)
        )


def compressed_size(file: Path) -> int:
    """Return the bytes of a file, compressed if its format is not."""
    content = file.read_bytes()
    if file.suffix in (".webp", ".png", ".woff2"):
        return len(content)
    return len(gzip.compress(content, 6))


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Visit]:
    """Open a tab for the served book."""
    size: ViewportSize = {"width": 1300, "height": 1000}
    context = browser.new_context(viewport=size, color_scheme="light")
    yield Visit(context.new_page(), site)
    context.close()


# Formulas that a line break can part from the comma or full stop behind them
TORN = """[...document.querySelectorAll("span.math")].filter((formula) =>
    /^[,.;:)、。]/.test(formula.nextSibling?.data ?? "")
).map((formula) => formula.textContent)"""


def violations(tab: Page, **options: object) -> list[tuple[str, list[str]]]:
    """Return serious accessibility errors that axe finds, each with three elements."""
    options["resultTypes"] = ["violations"]
    found = tab.evaluate("options => axe.run(document, options)", options)
    return [
        (rule["id"], [node["html"][:160] for node in rule["nodes"]][:3])
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
    ]


def too_wide(tab: Page, boxes: str) -> list[str]:
    """Return the text of each box whose content is wider than it."""
    return tab.locator(boxes).evaluate_all(TOO_WIDE)


@pytest.mark.parametrize("page", OPENED)
def test_page_loads_without_errors_and_is_accessible(
    visit: Visit, book: Path, page: str
):
    visit.open(page)
    tab = visit.tab
    assert visit.errors == []
    assert visit.foreign() == set()
    figures = tab.locator('.live[data-widget="figure"]').count()
    predictions = tab.locator('.live[data-widget="predict"]').count()
    live = tab.locator(".live").count() > figures + predictions
    weight = visit.weight(book)
    print(f"{page}: {weight / 1000:.0f} kB")
    assert weight <= (LIVE if live else PLAIN) + figures * FRAMES
    assert tab.title()
    language = "ja" if "/ja/" in page else "en"
    assert tab.locator("html").get_attribute("lang") == language
    assert tab.locator("h1:visible").count() == 1
    assert tab.evaluate(TORN) == []

    tab.add_script_tag(path=AXE)
    # Colours in transition have too little contrast.
    tab.add_style_tag(content="* { transition: none !important; }")
    assert violations(tab) == []
    tab.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert violations(tab, runOnly=["color-contrast"]) == [], "dark"
    for width in (360, 768, 1280, 1440, 1920):
        tab.set_viewport_size({"width": width, "height": 1000})
        tab.wait_for_timeout(100)
        fits = tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert fits, f"the page scrolls sideways at a width of {width} px"
        assert too_wide(tab, "div.math") == [], f"formulas at {width} px"
        if width == 1280:
            assert too_wide(tab, ".cell pre") == [], "code at 1280 px"


def test_equation_and_code_are_side_by_side_on_a_wide_screen(visit: Visit):
    visit.open("notebooks/02_the_lower_bound.html")
    equation = visit.tab.locator(".eq-side").first
    code = visit.tab.locator(".tag_code-side").first
    for width, wide in ((1920, True), (1440, False), (800, False), (360, False)):
        visit.tab.set_viewport_size({"width": width, "height": 900})
        a, b = equation.bounding_box(), code.bounding_box()
        assert a
        assert b
        beside = b["x"] >= a["x"] + a["width"] and abs(a["y"] - b["y"]) < 60
        below = b["y"] >= a["y"] + a["height"]
        assert (beside, below) == (wide, not wide), width


def test_solution_folds_code_and_words(visit: Visit):
    """Between two exercises nothing is shown but how to see the solution."""
    visit.open("notebooks/03_differentiating_through_a_sample.html")
    exercises = visit.tab.locator("section#exercises")
    solutions = exercises.locator("details.solution")
    expect(solutions).to_have_count(3)
    words = "The best baseline is"
    for text in (words, "def square"):
        expect(exercises.get_by_text(text).first).not_to_be_visible()
    expect(exercises.get_by_text("Which constant, subtracted")).to_be_visible()
    summary = solutions.first.locator("summary").first
    assert summary.inner_text() == "Show the solution"
    summary.click()
    assert summary.inner_text() == "Hide the solution"
    for text in (words, "def square"):
        expect(exercises.get_by_text(text).first).to_be_visible()
    expect(exercises.get_by_text("the pathwise variance goes")).not_to_be_visible()


def test_answer_to_an_exercise_has_a_place(visit: Visit):
    """A quiet block under each exercise, in view while its solution is not."""
    visit.open("notebooks/03_differentiating_through_a_sample.html")
    answers = visit.tab.locator("section#exercises .tag_exercise")
    expect(answers).to_have_count(3)
    expect(answers.first).to_contain_text("Your answer (runs in JupyterLab)")
    expect(answers.first).to_contain_text("3.1: replace the dots by your answer")
    expect(answers.first.get_by_text("3.1: replace the dots")).to_be_visible()


def test_imports_and_code_of_figures_are_folded(visit: Visit):
    visit.open("notebooks/02_the_lower_bound.html")
    expect(visit.tab.get_by_text("Show the imports")).to_have_count(1)
    expect(visit.tab.get_by_text("import numpy as np")).not_to_be_visible()
    folded = visit.tab.get_by_text("Show the code of this figure")
    expect(folded).to_have_count(2)
    code = visit.tab.get_by_text("def two_parts")
    expect(code).not_to_be_visible()
    folded.first.click()
    expect(code).to_be_visible()
    expect(visit.tab.locator(".tag_check-2 .cell_input")).to_be_visible()


FIGURE = re.compile(r'<figure class="[^"]*" id="([\w-]+)">(.*?)</figure>', re.S)


@pytest.mark.parametrize("page", [p for p in PAGES if p.startswith("notebooks/")])
def test_figures_are_numbered_and_described(book: Path, page: str):
    text = (book / page).read_text("utf-8")
    figures = [
        (re.search(r'alt="([^"]*)"', body), text_in(body).strip())
        for _, body in FIGURE.findall(text)
    ]
    assert text.count("jupyter_execute") == 0 or figures
    assert len(figures) == len(re.findall(r"<img[^>]*\.light\.webp", text))
    descriptions = [alt[1] for alt, _ in figures if alt]
    assert len(set(descriptions)) == len(figures)
    assert "caption-number" not in text, "Sphinx numbers figures, too"
    words = "図" if "/ja/" in page else "Figure"
    for number, (_, caption) in enumerate(figures, start=1):
        assert re.match(rf"{words} (\d+\.)?{number} \S", caption), caption
        assert not re.search(r"\[[^]]* against ", caption), "labels of axes"
        assert not re.search(r";\W*$", caption), "a panel without a title"


def test_place_in_a_text_leads_to_it(book: Path):
    """Numbers of equations and sections, names of functions and checks in tables."""

    def page(name: str) -> str:
        return (book / name).read_text("utf-8")

    chapter = page("notebooks/06_what_the_reconstruction_loss_means.html")
    section = r'href="#black-and-white[\w-]*"[^>]*>(<[^>]*>)?Section\s6\.4<'
    assert re.search(section, chapter)
    listed = page("book/paper-to-code.html")
    link = r'href="\.\./notebooks/02_the_lower_bound\.html#check-2"'
    assert re.search(link, listed)
    assert 'id="check-2"' in page("notebooks/02_the_lower_bound.html")
    table = page("notebooks/05_the_variational_auto_encoder.html")
    encode = r'href="\.\./book/api/\w+\.html#vaelib\.model\.VAE\.encode"'
    assert re.search(encode, table)


def test_value_of_a_setting_is_no_equation(book: Path):
    settings = "|".join(vaelib.config.field_types())
    number = rf"\b({settings}|epochs?|seeds?|size)\s*<a [^>]*>\(\d+\)</a>"
    for page in PAGES:
        text = (book / page).read_text("utf-8")
        assert not re.search(number, text), page


def test_name_above_a_listing_links_to_the_source(visit: Visit):
    visit.open("notebooks/05_the_variational_auto_encoder.html")
    listing, name = visit.tab.locator(".tag_code-side"), "vaelib.losses.kl_divergence"
    listing.get_by_role("link", name=name).first.click()
    visit.tab.wait_for_url("**/_modules/vaelib/losses.html#kl_divergence")
    code = "def kl_divergence(mu: Tensor, logvar: Tensor)"
    expect(visit.tab.locator("#kl_divergence")).to_contain_text(code)


def test_entry_of_the_api_leads_to_the_chapters_that_use_it(visit: Visit):
    visit.open("book/api/model.html")
    entry = visit.tab.locator(
        "dl", has=visit.tab.locator("#vaelib\\.model\\.VAE\\.encode")
    )
    line = entry.last.locator(".used-in")
    expect(line).to_contain_text("5 The variational auto-encoder")
    line.get_by_role("link", name="5 The variational auto-encoder").click()
    visit.tab.wait_for_url("**/notebooks/05_the_variational_auto_encoder.html")


QUERIES = {
    "reparameterisation": "3 Differentiating through a sample",
    "reparameterization": "3 Differentiating through a sample",
    "autoencoder": "5 The variational auto-encoder",
    "(10)": "5 The variational auto-encoder",
    "equation (3)": "2 The lower bound",
    "潜在変数": "変分オートエンコーダ: すべての式を、そのコードの隣に",
}


@pytest.mark.parametrize(("query", "title"), QUERIES.items())
def test_search_knows_spellings_equations_and_japanese(
    visit: Visit, query: str, title: str
):
    visit.tab.goto(f"{visit.site}/search.html?q={quote(query)}")
    results = visit.tab.locator("#search-results li")
    expect(results.filter(has_text=title).first).to_be_visible(timeout=10_000)
    expect(visit.tab.locator("#search-results .context").first).to_be_visible()
    quoted = " ".join(visit.tab.locator(".context").all_inner_texts())
    assert not re.search(r"\\[a-z]+|\.ipynb|目次", quoted)
    if query.startswith("("):
        expect(results).to_have_count(1)
        link = results.locator("a").first
        assert (link.get_attribute("href") or "").endswith("#eq-kw-10")
    icon = visit.tab.locator(".bd-search-container i").bounding_box()
    field = visit.tab.locator(".bd-search-container input")
    assert icon
    padding = field.evaluate(
        "f => f.getBoundingClientRect().x + parseFloat(getComputedStyle(f).paddingLeft)"
    )
    assert padding > icon["x"] + icon["width"]
    assert visit.errors == []


def test_search_works_from_a_disk(visit: Visit, book: Path):
    visit.tab.goto(f"{book.as_uri()}/search.html?q=reparameterize")
    expect(visit.tab.locator("#search-results li").first).to_be_visible(timeout=10_000)
    visit.tab.wait_for_timeout(300)
    assert visit.errors == []


def test_labels_have_the_language_of_their_page(visit: Visit):
    visit.open("book/ja/index.html")
    expect(visit.tab.locator("html")).to_have_attribute("lang", "ja")
    expect(visit.tab.locator(".bd-sidebar-secondary")).to_contain_text("目次")
    expect(visit.tab.locator(".prev-next-area a")).to_have_count(1)
    expect(visit.tab.locator(".prev-next-area")).to_contain_text("次")
    explorer = visit.tab.locator(".vaelib.explorer")
    expect(explorer.get_by_role("button", name="白紙に描く")).to_be_visible()
    expect(explorer).to_contain_text("テスト画像 0: 7。上に描けます")
    assert not re.search("[a-z]{4}", explorer.inner_text())
    visit.tab.get_by_role("link", name="English", exact=True).click()
    visit.tab.wait_for_url("**/book/intro.html")
    visit.tab.get_by_role("link", name="日本語", exact=True).click()
    visit.tab.wait_for_url("**/book/ja/index.html")
    visit.open("book/bibliography.html")
    expect(visit.tab.locator(".prev-next-area a.right-next")).to_have_count(0)


ENGLISH = re.compile(r"[a-z]{4,}")
# What a Japanese page calls as the code does: data, settings, classes
NAMES = {"mnist", "fashion", "sprites", "logits", "gaussian", "logistic", "none"}
NAMES |= {"linear", "cyclic", "square", "ellipse", "heart"}


@pytest.mark.parametrize("tour", ["プレイグラウンド", "エクスプローラ"])
def test_playground_and_tours_have_the_language_of_their_page(visit: Visit, tour: str):
    visit.open("notebooks/ja/15_playground.html")
    widget = visit.tab.locator(".playground, .explorer")
    starter = visit.tab.get_by_title(f"8 つの課題でたどる{tour}").first
    starter.click()
    panel = visit.tab.get_by_role("region", name=f"{tour}のツアー")
    on = re.compile("^(飛ばす|次へ|終わる)$")  # some steps are done already
    steps = []
    for number in range(1, 9):
        expect(panel).to_contain_text(f"課題 {number} / 8")
        steps.append(panel.locator("output").inner_text())
        panel.get_by_role("button", name=on).click()
    assert len({*steps}) == 8
    for text in [*steps, *widget.all_inner_texts()]:
        assert set(ENGLISH.findall(text)) <= NAMES


def test_slow_motion_has_the_language_of_its_page(visit: Visit):
    visit.open("notebooks/ja/05_the_variational_auto_encoder.html")
    slow = visit.tab.locator(".vaelib.slow")
    slow.scroll_into_view_if_needed()
    for number in range(1, 12):
        expect(slow).to_contain_text(f"段階 {number} / 11")
        told = slow.locator("text, .title, .formula .caption, p, figcaption, td, th")
        text = " ".join(told.all_text_contents())
        assert ENGLISH.findall(text) == []
        slow.get_by_role("button", name="次", exact=False).click()
    expect(slow).to_contain_text("更新 2、段階 1 / 11")
    picture = slow.locator("figure canvas").bounding_box()
    assert picture
    assert picture["width"] < 300, "it has its style sheet"


def test_a_japanese_chapter_leads_to_its_own_equations(book: Path):
    name = "05_the_variational_auto_encoder"
    text = (book / f"notebooks/ja/{name}.html").read_text("utf-8")
    assert re.search(r'href="#eq-ja-9"[^>]*>(<[^>]*>)?\(9\)<', text)
    assert re.search(
        r'href="[^"]*04_estimators[^"]*#eq-kw-7"[^>]*>(<[^>]*>)?\(7\)<', text
    )
    assert text.count(">解答を表示</span>") == 3
    assert text.count("あなたの解答") == 3


def test_wide_table_is_a_list_of_cards_on_a_phone(visit: Visit):
    cards = visit.tab.locator("table.cards")
    visit.tab.set_viewport_size({"width": 390, "height": 900})
    visit.open("book/paper-to-code.html")
    second = cards.first.locator("td").nth(1)
    expect(second).to_have_attribute("data-column", "what it says")
    assert too_wide(visit.tab, ".bd-article table") == []
    visit.tab.set_viewport_size({"width": 1280, "height": 900})
    expect(cards).to_have_count(0)
    expect(visit.tab.locator("thead").first).to_be_visible()


def test_theme_is_switched_and_kept(visit: Visit):
    visit.open("book/notation.html")
    html = visit.tab.locator("html")
    expect(html).to_have_attribute("data-theme", "light")
    button = visit.tab.get_by_role("button", name="Color mode").first
    for _ in range(3):
        button.click()
        if html.get_attribute("data-theme") == "dark":
            break
    expect(html).to_have_attribute("data-theme", "dark")
    visit.tab.goto(f"{visit.site}/book/commands.html")
    expect(html).to_have_attribute("data-theme", "dark")


def test_printed_page_contains_the_text_alone(visit: Visit):
    """It is light and unfolded, and no line of code is cut; then all is as before."""
    visit.open("notebooks/02_the_lower_bound.html")
    html, code = visit.tab.locator("html"), visit.tab.get_by_text("def two_parts")
    visit.tab.evaluate("document.documentElement.dataset.theme = 'dark'")
    visit.tab.emulate_media(media="print")
    expect(html).to_have_attribute("data-theme", "light")
    expect(code).to_be_visible()
    visit.tab.set_viewport_size({"width": 500, "height": 1000})
    assert too_wide(visit.tab, ".cell pre") == []
    sidebars = [".bd-sidebar-primary", ".bd-sidebar-secondary"]
    for part in (*sidebars, ".bd-header-article", ".prev-next-footer"):
        for found in visit.tab.locator(part).all():
            expect(found).not_to_be_visible()
    expect(visit.tab.locator("h1:visible")).to_have_text(["2 The lower bound"])
    visit.tab.emulate_media(media="screen")
    expect(html).to_have_attribute("data-theme", "dark")


def painted(canvas: Locator) -> str:
    """Return the picture on a canvas."""
    return canvas.evaluate("canvas => canvas.toDataURL()")


WITH_WIDGETS = [
    "notebooks/00_quick_start.html",
    "notebooks/07_beta_and_its_schedules.html",
    "notebooks/08_the_latent_space.html",
    "notebooks/14_colour_and_convolutions.html",
    "notebooks/15_playground.html",
    "notebooks/ja/00_quick_start.html",
    "notebooks/ja/15_playground.html",
    "book/intro.html",
    "book/ja/index.html",
    "book/models.html",
]


@pytest.mark.parametrize("page", WITH_WIDGETS)
@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from a disk"])
def test_widgets_react_to_mouse_and_keyboard_without_a_kernel(
    visit: Visit, book: Path, page: str, from_disk: bool
):
    if from_disk:
        visit.site = book.as_uri()
    visit.open(page)
    explorers = visit.tab.locator(".vaelib.explorer")
    expect(explorers).not_to_have_count(0)
    for explorer in explorers.all():
        out = explorer.locator("canvas.out")
        slider = explorer.locator(".latent input").first
        seen = [painted(out)]
        slider.press("PageUp")
        seen.append(painted(out))
        slider.click(position={"x": 4, "y": 8})
        seen.append(painted(out))
        explorer.get_by_role("spinbutton").press("ArrowUp")  # the test image
        seen.append(painted(out))
        assert len(set(seen)) == 4
    for zoo in visit.tab.locator(".vaelib.zoo").all():
        figures = zoo.locator(".figures")
        losses = zoo.get_by_role("radiogroup", name="Loss")
        expect(figures).to_contain_text("cross-entropy")
        losses.get_by_text("mse").click()
        expect(figures).to_contain_text("Gaussian, fixed sigma")
        losses.get_by_role("radio", checked=True).press("ArrowRight")
        expect(figures).to_contain_text("Gaussian, learned sigma")
    is_japanese = "/ja/" in page
    train, press = (
        ("学習", "「学習」を押す") if is_japanese else ("Train", "Press Train")
    )
    for playground in visit.tab.locator(".playground").all():
        button = playground.get_by_role("button", name=train, exact=True)
        expect(button).to_be_enabled()
        expect(playground.locator(".alone")).to_contain_text(press)
        assert playground.locator("path.line").count() >= 3, "its saved curves"
    assert visit.errors == []
    assert visit.foreign("blob:") == set()


@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from a disk"])
def test_index_page_leads_to_the_first_page(visit: Visit, book: Path, from_disk: bool):
    visit.tab.goto(f"{book.as_uri() if from_disk else visit.site}/index.html")
    visit.tab.wait_for_url("**/book/intro.html")
    assert visit.errors == []


def test_first_screen_shows_a_slider_and_a_digit(visit: Visit):
    visit.open("book/intro.html")
    for part in (".latent input", "canvas.out"):
        box = visit.tab.locator(part).first.bounding_box()
        assert box
        assert box["y"] + box["height"] < 900


def test_no_other_page_has_a_widget(book: Path):
    widget = 'class="live[^"]*" data-widget="(?!figure|predict)'
    live = {
        path.relative_to(book).as_posix()
        for path in book.rglob("*.html")
        if re.search(widget, path.read_text("utf-8"))
    }
    slow = "05_the_variational_auto_encoder.html"
    assert live == {*WITH_WIDGETS, f"notebooks/{slow}", f"notebooks/ja/{slow}"}


@pytest.mark.parametrize("page", [p for p in PAGES if p.startswith("notebooks/")])
def test_notebook_can_be_downloaded(book: Path, page: str):
    notebook = Path(page).with_suffix(".ipynb")
    download = book / "_sources" / notebook
    assert download.read_bytes() == (ROOT / notebook).read_bytes()
    address = (book / page).as_uri()
    urls = [urlsplit(urljoin(address, link)) for link in read(book / page).links]
    assert download in {Path(unquote(url.path)) for url in urls}


def test_without_an_address_there_are_no_buttons_that_need_one(book: Path):
    text = "".join((book / page).read_text("utf-8") for page in PAGES)
    assert not re.search(
        r"mybinder\.org|colab\.research|btn-source-repository|issues/new", text
    )


def test_with_an_address_each_notebook_opens_in_binder_and_colab(tmp_path: Path):
    """A book of two pages whose _config.yml contains an address."""
    config = (ROOT / "book" / "_config.yml").read_text("utf-8")
    config = config.replace('url: ""', "url: https://github.com/example/vae")
    config = config.replace("published: .", f"published: {ROOT / 'book'}")
    (tmp_path / "_config.yml").write_text(config)
    toc = "format: jb-book\nroot: book/bibliography\nchapters:\n"
    toc += "  - file: notebooks/16_your_own_study\n"
    (tmp_path / "_toc.yml").write_text(toc)

    jupyter_book = str(Path(sys.executable).with_name("jupyter-book"))
    command = [jupyter_book, "build", ".", "--config", str(tmp_path / "_config.yml")]
    command += ["--toc", str(tmp_path / "_toc.yml"), "--path-output", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    name, built = "notebooks/16_your_own_study", tmp_path / "_build"
    links = read(built / f"html/{name}.html").links
    binder = "https://mybinder.org/v2/gh/example/vae/main?urlpath=lab/tree"
    colab = "https://colab.research.google.com/github/example/vae/blob/colab"
    assert {f"{binder}/{name}.ipynb", f"{colab}/{name}.ipynb"} <= set(links)

    copied = (built / "colab/notebooks").rglob("*.ipynb")
    assert {file.stem for file in copied} == {Path(each).stem for each in names()}
    own = json.loads((ROOT / f"{name}.ipynb").read_text("utf-8"))
    for_colab = json.loads((built / f"colab/{name}.ipynb").read_text("utf-8"))
    install, *cells = for_colab["cells"]
    assert '"vaelib @ git+https://github.com/example/vae"' in install["source"]
    assert cells == own["cells"]
    nbformat.validate(for_colab)

    site = "https://example.github.io/vae/"
    text = (built / f"html/{name}.html").read_text("utf-8")
    assert f'<link rel="canonical" href="{site}{name}.html" />' in text
    assert content_of(text, "og:url") == f"{site}{name}.html"
    assert content_of(text, "og:image") == f"{site}_static/card.png"
    assert (built / "html/_static/card.png").exists()
    assert not (built / "html/_static/vaelib.zip").exists()
    missing = read(built / "html/404.html").links
    assert f"/vae/{name}.html" in missing
    assert [link for link in missing if not link.startswith(("/vae/", "#", site))] == []


def test_second_make_does_nothing(book: Path):
    command = ["make", "book", f"OUT={book.parents[1]}", "ZOO=tests/zoo.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "Nothing to be done" in done.stdout


def test_only_a_page_that_has_changed_is_made_again(book: Path, tmp_path: Path):
    folder = tmp_path / "book"
    shutil.copytree(book.parents[1], folder)
    # As if its text were newer; the text itself stays, since others make books, too.
    (folder / "_build" / ".doctrees" / "book" / "publish.doctree").unlink()
    (folder / "_build" / "html" / "index.html").unlink()
    command = ["make", "book", f"OUT={folder}", "ZOO=tests/zoo.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.search(r"0 added, \d changed, 0 removed", done.stdout)

    def text(file: Path) -> str:
        """Return a page without the versions of its files, or the search index."""
        return re.sub(r"\?v=\w+", "", file.read_text("utf-8"))

    pages = [page.relative_to(book) for page in book.rglob("*.html")]
    again = folder / "_build" / "html"
    for name in [*pages, Path("searchindex.js")]:
        assert text(again / name) == text(book / name), name
