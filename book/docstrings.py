"""API pages of the book: docstrings and signatures as autodoc needs them; `{usage}`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from typing import Any

from docutils import nodes
from docutils.nodes import literal
from language import is_japanese
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import inspect
from sphinx.util.docutils import SphinxDirective
from traitlets import HasTraits


def skip_foreign(
    app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out members that a class inherits from another library."""
    module = getattr(thing, "__module__", None) or "vaelib"
    return None if module.startswith("vaelib") else True


def markdown(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Turn `names` and $formulas$ of a docstring into reST, but not in its examples."""
    blocks = "\n".join(lines).split("\n\n")
    lines[:] = "\n\n".join(
        block if block.lstrip().startswith(">>> ") else rest_of(block)
        for block in blocks
    ).splitlines()


def rest_of(text: str) -> str:
    """Return a paragraph of a docstring as reST."""
    text = text.replace("`", "``")
    return re.sub(r"\$([^$]+)\$", lambda formula: f":math:`{formula[1]}`\\ ", text)


LONG = re.compile(
    r"\b(?:torch|collections|pathlib|typing|matplotlib|dataclasses|argparse"
    r"|distributed)\.(?:\w+\.)*"
)


def signature_of(
    app: Sphinx,
    what: str,
    name: str,
    thing: Any,
    options: Any,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Show the parameters of a widget's __init__, and torch.Tensor as Tensor.

    Without this, autodoc shows `(*args, **kwargs)`: widgets inherit a `__new__`.
    """
    if what == "class" and issubclass(thing, HasTraits):
        signature = ""
        if "__init__" in vars(thing):
            # As for a function, show defaults as in the source.
            app.emit("autodoc-before-process-signature", thing.__init__, True)
            own = inspect.signature(thing.__init__, bound_method=True)
            signature = inspect.stringify_signature(own, show_return_annotation=False)
    return signature and LONG.sub("", signature), returned and LONG.sub("", returned)


@cache
def uses(app: Sphinx) -> dict[str, list[str]]:
    """Return the chapters that name each function or class of the library."""
    found: dict[str, list[str]] = {}
    for page in sorted(app.env.found_docs):
        if not page.startswith("notebooks/") or is_japanese(page):
            continue
        texts = {text.astext() for text in app.env.get_doctree(page).findall(literal)}
        for text in texts:
            name = "vaelib." + text.removesuffix("()").removeprefix("vaelib.")
            found.setdefault(name, []).append(page)
    return found


def list_uses(app: Sphinx, tree: nodes.document, page: str) -> None:
    """Lead from each entry of an API page to the chapters that name it."""
    if not page.startswith("book/api/"):
        return
    for entry in tree.findall(addnodes.desc):
        sign, content = entry[0], entry[-1]
        assert isinstance(sign, nodes.Element)
        assert isinstance(content, nodes.Element)
        chapters = uses(app).get(f"{sign.get('module')}.{sign.get('fullname')}")
        if chapters:
            line = nodes.paragraph("", "Used in ", classes=["used-in"])
            for chapter in chapters:
                line += nodes.Text(", " if len(line) > 1 else "")
                uri = app.builder.get_relative_uri(page, chapter)
                title = app.env.titles[chapter].astext()
                line += nodes.reference("", title, refuri=uri, internal=True)
            content += line


class Usage(SphinxDirective):
    """Directive `{usage} train`: the output of `vaelib train --help`."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the listing."""
        done = subprocess.run(
            [sys.executable, "-m", "vaelib.cli", *self.arguments, "--help"],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"COLUMNS": "86"},
        )
        return [nodes.literal_block("", done.stdout, language="text")]


def setup(app: Sphinx) -> None:
    """Register the directive and the event handlers of autodoc."""
    app.add_directive("usage", Usage)
    app.connect("doctree-resolved", list_uses)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-docstring", markdown)
    app.connect("autodoc-process-signature", signature_of)
