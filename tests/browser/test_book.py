"""The published book in a real Chromium: every page of it, as `make book` builds it, served and from a disk."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = pytest.mark.slow

PAGES = sorted(
    path.relative_to(ROOT).with_suffix(".html").as_posix()
    for pattern in (
        "notebooks/**/*.ipynb",
        "book/*.md",
        "book/api/*.md",
        "book/ja/*.md",
    )
    for path in ROOT.glob(pattern)
    if ".ipynb_checkpoints" not in path.parts
)
SOURCES = sorted(
    f"_modules/{path.relative_to(ROOT).with_suffix('.html').as_posix()}"
    for path in (ROOT / "vaelib").rglob("*.py")
    if path.stem != "__init__"
)
MADE = [
    "search.html",
    "genindex.html",
    "py-modindex.html",
    "_modules/index.html",
    *SOURCES,
]
HOSTS = {"arxiv.org", "doi.org", "github.com", "pytorch.org"}  # that pages link to
PLAIN, LIVE = (
    700_000,
    2_400_000,
)  # bytes a page may weigh, compressed: without and with a widget


class Reader(HTMLParser):
    """The links of a page, and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what an element brings."""
        found = dict(attrs)
        self.anchors.add(found.get("id") or "")
        for name in ("href", "src"):
            if link := found.get(name):
                self.links.append(link)


@cache
def read(path: Path) -> Reader:
    """A page's links and anchors."""
    return Reader(path.read_text("utf-8"))


def test_all_pages_are_there_and_no_others(book: Path):
    built = {path.relative_to(book).as_posix() for path in book.rglob("*.html")} - {
        *MADE,
        "index.html",
    }
    assert {path for path in built if not path.startswith("_static/")} == set(PAGES)


def test_links_lead_somewhere(book: Path):
    broken, outside = [], set()
    for page in book.rglob("*.html"):
        if "_static" in page.parts:
            continue
        for link in read(page).links:
            url = urlsplit(urljoin(page.as_uri(), link))
            if url.scheme != "file":
                outside |= {link} if url.scheme != "data" else set()
                continue
            target = Path(unquote(url.path))
            if not target.is_file() or (
                target.suffix == ".html"
                and unquote(url.fragment) not in read(target).anchors
            ):
                broken.append((page.relative_to(book).as_posix(), link))
    assert broken == []
    assert [
        link
        for link in outside
        if not re.fullmatch(r"https://[\w.-]+(/[^\s<>\"]*)?", link)
    ] == []
    assert {urlsplit(link).netloc for link in outside} == HOSTS
    print("outside:", *sorted(outside), sep="\n  ")


def test_no_page_tells_of_the_machine_that_built_it(book: Path):
    told = []
    for path in book.rglob("*"):
        if (
            path.suffix in (".html", ".js", ".css", ".txt", ".ipynb", ".md")
            and path.is_file()
        ):
            text = path.read_text("utf-8")
            told += [
                (path.name, place)
                for place in (str(ROOT), str(book), str(Path.home()), "site-packages")
                if place in text
            ]
    assert told == []


def test_text_is_whole(book: Path):
    for page in PAGES:
        text = (book / page).read_text("utf-8")
        assert "katex-error" not in text, page
        assert "(???)" not in text, page
        shown = re.sub(
            r"<(script|style|pre|annotation)\b.*?</\1>|<[^>]+>", "", text, flags=re.S
        )
        assert not re.search(
            r"\\(begin|frac|mathcal|log)\b|\{(eq|ref|doc|numref)\}`|:math:", shown
        ), page


def test_equations_are_where_the_paper_has_them(book: Path):
    chapters = "".join(
        path.read_text("utf-8") for path in sorted((book / "notebooks").glob("*.html"))
    )
    for number in range(1, 13):
        [equation] = re.findall(
            rf'<div class="amsmath math" id="eq-kw-{number}">(.*?)</div>',
            chapters,
            re.S,
        )
        assert re.search(rf'class="tag">.*>{number}</span>', equation)
        assert re.search(
            rf'href="[^"]*#eq-kw-{number}"[^>]*>\({number}\)</a>', chapters
        ), f"({number}) is nowhere cited"


class Visit:
    """A page in a tab: what it asked for, and what it complained of."""

    def __init__(self, tab: Page, site: str) -> None:
        self.tab, self.site = tab, site
        self.asked: set[str] = set()
        self.complaints: list[str] = []
        tab.on("request", lambda request: self.asked.add(request.url))
        tab.on(
            "requestfailed",
            lambda request: self.complaints.append(f"failed: {request.url}"),
        )
        tab.on(
            "response",
            lambda r: (
                self.complaints.append(f"{r.status}: {r.url}")
                if r.status >= 400
                else None
            ),
        )
        tab.on(
            "console",
            lambda m: (
                self.complaints.append(m.text)
                if m.type in ("error", "warning")
                else None
            ),
        )
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, page: str) -> None:
        """Opens a page, and walks it to its end, so that all of it is loaded."""
        self.tab.goto(f"{self.site}/{page}")
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
        """Bytes of all that was asked for, as a server sends them."""
        files = {
            book / unquote(urlsplit(url).path).lstrip("/")
            for url in self.asked
            if url.startswith(self.site)
        }
        packed = {".webp", ".png", ".woff2"}
        return sum(
            len(
                f.read_bytes()
                if f.suffix in packed
                else gzip.compress(f.read_bytes(), 6)
            )
            for f in files
        )


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Visit]:
    """A tab for the served book."""
    context = browser.new_context(
        viewport={"width": 1300, "height": 1000}, color_scheme="light"
    )
    yield Visit(context.new_page(), site)
    context.close()


@pytest.mark.parametrize("page", [*PAGES, *MADE])
def test_page_is_sound(visit: Visit, book: Path, page: str):
    visit.open(page)
    tab = visit.tab
    assert visit.complaints == []
    assert {
        url for url in visit.asked if not url.startswith((visit.site, "data:"))
    } == set()
    live = tab.locator(".live").count() > 0
    weight = visit.weight(book)
    print(f"{page}: {weight / 1000:.0f} kB")
    assert weight <= (LIVE if live else PLAIN), page
    assert tab.title()
    assert tab.locator("html").get_attribute("lang") == (
        "ja" if "/ja/" in page else "en"
    )
    assert tab.locator("h1:visible").count() == 1

    tab.add_script_tag(path=AXE)
    tab.add_style_tag(
        content="* { transition: none !important; }"
    )  # colours on their way have no contrast yet
    for theme in ("light", "dark"):
        tab.evaluate(
            "theme => { document.documentElement.dataset.theme = theme; }", theme
        )
        found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
        bad = [
            (v["id"], [node["html"][:160] for node in v["nodes"]][:3])
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert bad == [], theme
    for width in (360, 768, 1300, 1900):
        tab.set_viewport_size({"width": width, "height": 1000})
        tab.wait_for_timeout(100)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
            f"scrolls sideways at {width} px"
        )


def test_equation_and_code_stand_side_by_side_where_there_is_room(visit: Visit):
    visit.open("notebooks/02_the_lower_bound.html")
    equation, code = (
        visit.tab.locator(".eq-side").first,
        visit.tab.locator(".tag_code-side").first,
    )
    for width, beside in ((1500, True), (800, False), (360, False)):
        visit.tab.set_viewport_size({"width": width, "height": 900})
        a, b = equation.bounding_box(), code.bounding_box()
        assert a
        assert b
        assert (
            b["x"] >= a["x"] + a["width"] and abs(a["y"] - b["y"]) < 60
        ) == beside, width
        assert (b["y"] >= a["y"] + a["height"]) == (not beside), width


def test_code_beside_an_equation_links_to_its_place_in_the_source(visit: Visit):
    visit.open("notebooks/05_the_variational_auto_encoder.html")
    visit.tab.locator(".tag_code-side").get_by_role(
        "link", name="vaelib.losses.kl_divergence"
    ).first.click()
    visit.tab.wait_for_url("**/_modules/vaelib/losses.html#kl_divergence")
    expect(visit.tab.locator("#kl_divergence")).to_contain_text(
        "def kl_divergence(mu: Tensor, logvar: Tensor)"
    )


def test_search_finds(visit: Visit):
    visit.tab.goto(f"{visit.site}/search.html?q=reparameterize")
    expect(visit.tab.locator("#search-results li").first).to_be_visible(timeout=15_000)
    assert visit.complaints == []


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


def test_printed_it_is_the_text_alone(visit: Visit):
    visit.open("notebooks/02_the_lower_bound.html")
    visit.tab.emulate_media(media="print")
    for part in (
        ".bd-sidebar-primary",
        ".bd-sidebar-secondary",
        ".bd-header-article",
        ".prev-next-footer",
    ):
        for found in visit.tab.locator(part).all():
            expect(found).not_to_be_visible()
    expect(visit.tab.locator("h1:visible")).to_have_text(["2 The lower bound"])


def painted(canvas: Locator) -> str:
    """What is painted on a canvas."""
    return canvas.evaluate("canvas => canvas.toDataURL()")


WITH_WIDGETS = [
    f"notebooks/{name}.html"
    for name in ("00_quick_start", "07_beta_and_its_schedules", "08_the_latent_space")
]
WITH_WIDGETS += [
    "notebooks/15_playground.html",
    "notebooks/ja/00_quick_start.html",
    "book/intro.html",
    "book/ja/index.html",
]


@pytest.mark.parametrize("page", [*WITH_WIDGETS, "book/models.html"])
@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from a disk"])
def test_widgets_answer_to_mouse_and_keyboard_with_no_kernel(
    visit: Visit, book: Path, page: str, from_disk: bool
):
    if from_disk:
        visit.site = book.as_uri()
    visit.open(page)
    explorers = visit.tab.locator(".vaelib.explorer")
    expect(explorers).not_to_have_count(0)
    for explorer in explorers.all():
        out, slider = (
            explorer.locator("canvas.out"),
            explorer.locator(".latent input").first,
        )
        seen = [painted(out)]
        slider.press("PageUp")
        seen.append(painted(out))
        slider.click(position={"x": 4, "y": 8})
        seen.append(painted(out))
        explorer.get_by_label("Test image", exact=True).press("ArrowUp")
        seen.append(painted(out))
        assert len(set(seen)) == 4
    for zoo in visit.tab.locator(".vaelib.zoo").all():
        figures, losses = (
            zoo.locator(".figures"),
            zoo.get_by_role("radiogroup", name="Loss"),
        )
        expect(figures).to_contain_text("cross-entropy")
        losses.get_by_text("mse").click()
        expect(figures).to_contain_text("Gaussian, fixed sigma")
        losses.get_by_role("radio", checked=True).press("ArrowRight")
        expect(figures).to_contain_text("Gaussian, learned sigma")
    for playground in visit.tab.locator(".vaelib.playground").all():
        expect(playground.get_by_role("button", name="Train")).to_be_disabled()
        expect(playground.locator(".alone")).to_be_visible()
        assert playground.locator("path.line").count() >= 3, "its saved curves"
    assert visit.complaints == []
    outside = {
        url for url in visit.asked if not url.startswith((visit.site, "data:", "blob:"))
    }
    assert outside == set()


@pytest.mark.parametrize("from_disk", [False, True], ids=["served", "from a disk"])
def test_the_address_of_the_folder_leads_to_the_first_page(
    visit: Visit, book: Path, from_disk: bool
):
    visit.tab.goto(f"{book.as_uri() if from_disk else visit.site}/index.html")
    visit.tab.wait_for_url("**/book/intro.html")
    assert visit.complaints == []


def test_first_screen_has_a_slider_that_moves_a_digit(visit: Visit):
    visit.open("book/intro.html")
    for part in (".latent input", "canvas.out"):
        box = visit.tab.locator(part).first.bounding_box()
        assert box
        assert box["y"] + box["height"] < 900


def test_pages_with_widgets_are_those_that_are_tried(book: Path):
    live = {
        path.relative_to(book).as_posix()
        for path in book.rglob("*.html")
        if 'class="live"' in path.read_text("utf-8")
    }
    assert live == {*WITH_WIDGETS, "book/models.html"}


def test_notebooks_can_be_downloaded(book: Path):
    for page in PAGES:
        if page.startswith("notebooks/"):
            source = book / "_sources" / Path(page).with_suffix(".ipynb")
            assert (
                source.read_bytes() == (ROOT / page).with_suffix(".ipynb").read_bytes()
            )
            assert source in {
                Path(urlsplit(urljoin((book / page).as_uri(), link)).path)
                for link in read(book / page).links
            }


def test_without_an_address_there_are_no_buttons_that_need_one(book: Path):
    text = "".join((book / page).read_text("utf-8") for page in PAGES)
    assert not re.search(
        r"mybinder\.org|colab\.research|btn-source-repository|issues/new", text
    )


def test_with_an_address_each_notebook_opens_in_binder_and_colab(tmp_path: Path):
    """The one address in _config.yml, in a book of two pages."""
    config = (ROOT / "book" / "_config.yml").read_text("utf-8")
    config = config.replace('url: ""', "url: https://github.com/example/vae").replace(
        "published: .", f"published: {ROOT / 'book'}"
    )
    (tmp_path / "_config.yml").write_text(config)
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/bibliography\nchapters:\n  - file: notebooks/16_your_own_study\n"
    )
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        ".",
        "--config",
        str(tmp_path / "_config.yml"),
    ]
    command += ["--toc", str(tmp_path / "_toc.yml"), "--path-output", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    links = read(tmp_path / "_build/html/notebooks/16_your_own_study.html").links
    place = "notebooks/16_your_own_study.ipynb"
    assert (
        f"https://mybinder.org/v2/gh/example/vae/main?urlpath=lab/tree/{place}" in links
    )
    assert (
        f"https://colab.research.google.com/github/example/vae/blob/main/{place}"
        in links
    )


def test_making_it_twice_does_nothing_twice(book: Path):
    done = subprocess.run(
        ["make", "book", f"OUT={book.parents[1]}", "ZOO=tests/zoo.toml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "Nothing to be done" in done.stdout
