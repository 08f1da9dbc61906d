"""One HTML file of many pages of the built book, and a PDF of it by Chromium."""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import notebooks
from vaelib.lab.contents import VIEW

ROOT = Path(__file__).parents[1]
TOC = ROOT / "book" / "_toc.yml"

ARTICLE = re.compile(r'<article class="bd-article"[^>]*>(.*)</article>', re.S)
STYLES = re.compile(r'<link[^>]*?href="\.\./(_static/[^"?]*\.css)[^>]*>', re.S)
SOLUTION = re.compile(
    r'<details class="solution">\s*<summary>.*?</summary>(.*?)</details>', re.S
)
FOLDED = re.compile(r'<details class="[^"]*\bhide\b[^>]*>.*?</details>', re.S)
ATTRIBUTE = re.compile(r' (id|href|src)="([^"]*)"')
# What only a screen has: pictures for dark pages, permanent links, figures that move.
UNPRINTED = re.compile(
    r'<img [^>]*class="[^"]*on-dark[^>]*>'
    r'|<a class="headerlink".*?</a>'
    r'|<div class="live[^"]*" data-widget="figure"[^>]*></div>',
    re.S,
)
# A PDF has an element of its structure for each piece of text: what screen readers are
# told of a formula is its TeX, and only keywords, texts and comments have a colour.
MATHML = re.compile(
    r'(<span class="katex-mathml">).*?<annotation encoding="application/x-tex">(.*?)'
    r"</annotation>.*?(</span>)",
    re.S,
)
PLAIN = "n|nn|nb|bp|fm|p|o|w|mi|mf|linenos"
TOKENS = re.compile(rf'<span class="(?:{PLAIN})">([^<]*)</span>')
WIDGETS = re.compile(
    r'(?:<div class="live[^"]*" data-widget=.*?<noscript><p>(.*?)</p></noscript>'
    r'<div class="loading">.*?</div></div>\s*)+',
    re.S,
)


QUESTION = re.compile(
    r'<div class="live" data-widget="predict"[^>]*><div class="unscripted">(.*?)</div>'
    r'<div class="loading">.*?</div></div>',
    re.S,
)


def contents() -> list[str]:
    """Return the English pages of the book in their order, without suffix."""
    text = TOC.read_text("utf-8")
    found = re.findall(r"(?:root|file): (\S+)", text)
    return [page for page in found if "/ja/" not in page]


def article(site: Path, page: str, pages: Sequence[str]) -> str:
    """Return the text of a built page, as a part of a document of `pages`.

    Its ids become unique. Links lead to the same document if it has their page; others
    are text. Widgets are pictures.
    """
    body = ARTICLE.findall((site / f"{page}.html").read_text("utf-8"))[0]
    body = QUESTION.sub(r'<div class="notes">\1</div>', UNPRINTED.sub("", body))
    body = with_stills(body, page)
    body = TOKENS.sub(r"\1", MATHML.sub(r"\1\2\3", body))
    body = body.replace(' loading="lazy"', "")
    folder = posixpath.dirname(page)

    def attribute(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name == "id":
            return f' id="{anchor_of(page, value)}"'
        path, _, anchor = value.partition("#")
        if re.match(r"\w+:", value):
            return found[0]
        target = posixpath.normpath(posixpath.join(folder, path)) if path else page
        target = target.removesuffix(".html")
        if name == "src":
            return f' src="{(site / target).as_uri()}"'
        return f' href="#{anchor_of(target, anchor)}"' if target in pages else ""

    body = ATTRIBUTE.sub(attribute, body)
    return f'<article class="bd-article" id="{anchor_of(page)}">{body}</article>'


def anchor_of(page: str, anchor: str = "") -> str:
    """Return the id that an anchor of a page has in a document of many pages."""
    place = page.removeprefix("notebooks/").replace("/", "-")
    return "--".join(filter(None, (place, anchor)))


def with_stills(body: str, page: str) -> str:
    """Return the text of a page with the stored picture of each widget in its place.

    Where there is none, the page's words for readers without scripts stay.
    """
    stills = iter(stored_stills(page))

    def still(found: re.Match[str]) -> str:
        if picture := next(stills, ""):
            return f'<img src="data:image/png;base64,{picture}" alt="The widget">'
        return f"<p>{found[1]}</p>"

    return WIDGETS.sub(still, body)


def stored_stills(page: str) -> list[str]:
    """Return the pictures that a notebook stores for its widgets, in base64."""
    file = ROOT / f"{page}.ipynb"
    if not file.exists():
        return []
    cells: list[Any] = json.loads(file.read_text("utf-8"))["cells"]
    return [
        output["data"]["image/png"].replace("\n", "")
        for cell in cells
        for output in cell.get("outputs", [])
        if {VIEW, "image/png"} <= {*output.get("data", {})}
        and not notebooks.EXPLORED.search("".join(cell["source"]))
    ]


PAGE = """<!doctype html>
<html lang="en" data-theme="light">
<meta charset="utf-8">
<title>{title}</title>
{styles}
<style>
  @page {{ size: A4; margin: 16mm 16mm 18mm }}
  html {{ font-size: 16px; scroll-padding: 0 }}
  body {{ background: #fff; overflow: visible }}
  .bd-article, .cover {{ container-type: normal; break-before: page; padding: 0 }}
  .bd-article h1 {{ margin-top: 0; font-size: 2.2rem }}
  .bd-article h2 {{ font-size: 1.5rem }}
  .bd-article h3 {{ font-size: 1.25rem }}
  h1, h2, h3, h4 {{ break-after: avoid; text-wrap: wrap }}
  .cover {{ break-before: auto }}
  .cover ul {{ columns: 2 }}
  .cover h1 {{ margin: 4rem 0 1rem; font-size: 2.8rem }}
  .cover li {{ margin: 0.15rem 0 }}
  pre {{ white-space: pre-wrap !important; overflow: visible !important }}
  figure, .admonition, tr, .cell_output img, .katex-display {{ break-inside: avoid }}
  details > summary {{ display: none !important }}
  .copybtn, .viewcode-link, .in-jupyter, .toggle-hint, .model-picture ul {{
    display: none }}
  .notes {{ border: 1px solid #888; border-radius: 6px; padding: 0.5rem 1rem;
    margin: 0.5rem 0 1.5rem; break-inside: avoid }}
  .notes td, .notes th {{ padding: 0.1rem 1.5rem 0.1rem 0 }}
</style>
<script defer src="{script}"></script>
<div class="cover"><h1>{title}</h1>{cover}<ul>{contents}</ul></div>
{articles}
"""


def document(site: Path, title: str, cover: str, articles: dict[str, str]) -> str:
    """Return one HTML document of pages of a built book, with a list of its contents.

    `cover` is HTML, and `articles` are those of `article`, by their pages. Everything
    in them is unfolded.
    """
    head = (site / "notebooks/02_the_lower_bound.html").read_text("utf-8")
    styles = "\n".join(
        f'<link rel="stylesheet" href="{(site / style).as_uri()}">'
        for style in STYLES.findall(head)
    )
    listed = "\n".join(
        f'<li><a href="#{anchor_of(page)}">{title_of(text)}</a>'
        for page, text in articles.items()
    )
    return PAGE.format(
        title=escape(title),
        styles=styles,
        script=(site / "_static/book.js").as_uri(),
        cover=cover,
        contents=listed,
        articles="\n".join(articles.values()).replace("<details", "<details open"),
    )


def title_of(text: str) -> str:
    """Return the title of an article, as text."""
    found = re.search(r"<h1>(.*?)</h1>", text, re.S)
    return re.sub(r"<[^>]+>", "", found[1]) if found else ""


SCALE = 0.75
WIDTH = round(178 / 25.4 * 96 / SCALE)  # pixels between the margins of A4
FOOTER = """<div style="width: 100%; font: 8px sans-serif; text-align: center">
<span class="title"></span> · <span class="pageNumber"></span> /
<span class="totalPages"></span></div>"""


# Of a heading that goes to the next page Chromium writes the bookmark twice, as one.
TWICE = re.compile(rb"(/Title \()(.+)\2(\)\n)")


def once(found: re.Match[bytes]) -> bytes:
    """Return a bookmark of the same length with its title once."""
    start, title, end = found.groups()
    return start + title + end[:1] + b" " * len(title) + end[1:]


def write_pdfs(files: dict[Path, str]) -> None:
    """Write PDFs, each from the text of an HTML document.

    Exits with a message if there is no Chromium.
    """
    sys.path.insert(0, str(ROOT / "tests/browser"))
    import real  # pyright: ignore[reportMissingImports]

    with real.chromium() as browser:
        if browser is None:
            sys.exit("No Chromium was found for the PDFs: install it, or run "
                     ".venv/bin/playwright install chromium.")  # fmt: skip
        for pdf, text in files.items():
            html = pdf.with_suffix(".print.html")
            html.write_text(text, "utf-8")
            tab = browser.new_page(viewport={"width": WIDTH, "height": 1200})
            tab.goto(html.as_uri(), timeout=120_000)
            tab.evaluate("document.fonts.ready.then(() => 0)")
            # Formulas that are too wide get smaller, in the frame after the next.
            tab.wait_for_timeout(500)
            printed = tab.pdf(
                scale=SCALE,
                prefer_css_page_size=True,
                print_background=True,
                display_header_footer=True,
                header_template="<span></span>",
                footer_template=FOOTER,
                outline=True,
                tagged=True,
            )
            pdf.write_bytes(TWICE.sub(once, printed))
            tab.close()
            html.unlink()
            print(f"{pdf}: {pdf.stat().st_size / 1e6:.1f} MB", flush=True)
