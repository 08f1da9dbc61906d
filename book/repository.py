"""Where the repository is: its address in _config.yml, the one place that has it.

A book that is built without an address brings the repository along, as vaelib.zip.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import notebooks

ROOT = Path(__file__).parents[1]
GITHUB = re.compile(r"https://github\.com/([^/]+)/([^/]+)")
BRANCH = "colab"  # the workflow puts the notebooks for Colab there
INSTALL = """\
# Colab has only this notebook: install the library behind it, and keep Colab's PyTorch.
%pip install --quiet --no-deps "vaelib @ git+{address}"
%pip install --quiet anywidget distributed"""


def address_of(app: Sphinx) -> str:
    """Return the address of the repository, or an empty text."""
    return app.config.html_theme_options.get("repository_url") or ""


def use_address(app: Sphinx, config: Any) -> None:
    """Set what follows from the address: the buttons for Binder and Colab, the site.

    A repository on GitHub publishes its book at GitHub Pages.
    """
    if not (address := address_of(app)):
        config.html_theme_options.pop("launch_buttons", None)
    elif github := GITHUB.fullmatch(address):
        config.html_baseurl = "https://{}.github.io/{}/".format(*github.groups())
    config.notfound_urls_prefix = urlparse(config.html_baseurl).path or "/"


class GetTheCode(SphinxDirective):
    """Directive `{get-the-code}`: how a reader gets a copy of the repository."""

    def run(self) -> list[nodes.Node]:
        """Return a paragraph, and a command if there is an address."""
        app = self.env.app
        if address := address_of(app):
            folder = address.rpartition("/")[2].removesuffix(".git")
            command = f"git clone {address}\ncd {folder}"
            link = nodes.reference("", address, refuri=address)
            text = nodes.paragraph("", "", nodes.Text("The repository is "), link)
            text += nodes.Text(". With git:")
            return [text, nodes.literal_block(command, command, language="bash")]
        if not (ROOT / ".git").exists():
            words = "This book was built from a copy of the repository without its "
            words += "history: whoever gave you the book has that folder."
            return [nodes.paragraph("", words)]
        here = app.builder.get_relative_uri(self.env.docname, "index")
        archive = here.replace("index.html", "_static/vaelib.zip")
        link = nodes.reference("", "vaelib.zip", refuri=archive)
        text = nodes.paragraph("", "", link)
        text += nodes.Text(
            " is the whole repository, 20 MB: it came with this book, and needs no "
            "network. Unpack it, and open a terminal in its folder."
        )
        return [text]


def pack(app: Sphinx, error: Exception | None) -> None:
    """Write vaelib.zip if there is no address, or the notebooks for Colab if there is.

    They are the notebooks of the chapters, with a first cell that installs vaelib.
    """
    if error:
        return
    if address := address_of(app):
        for name in notebooks.names():
            source = notebooks.FOLDER / f"{name}.ipynb"
            notebook = json.loads(source.read_text("utf-8"))
            notebook["cells"].insert(0, first_cell(address))
            target = Path(app.outdir).parent / BRANCH / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(notebook, ensure_ascii=False), "utf-8")
    elif (ROOT / ".git").exists():
        target = Path(app.outdir) / "_static" / "vaelib.zip"
        command = ["git", "archive", "--prefix=vaelib/", f"--output={target}", "HEAD"]
        subprocess.run(command, cwd=ROOT, check=True)


def first_cell(address: str) -> dict[str, Any]:
    """Return the cell that installs vaelib on Colab."""
    source = INSTALL.format(address=address)
    common: dict[str, Any] = dict(metadata={}, outputs=[], execution_count=None)
    return dict(cell_type="code", id="install", source=source, **common)


def lead_to_branch(
    app: Sphinx, name: str, template: str, context: dict[str, Any], tree: Any
) -> None:
    """Let the button for Colab open the notebook that installs vaelib by itself."""
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("text") == "Colab":
                parts = button["url"].split("/blob/main/")
                button["url"] = f"/blob/{BRANCH}/".join(parts)


def setup(app: Sphinx) -> None:
    """Register the directive, and what is written when the book is built."""
    app.add_directive("get-the-code", GetTheCode)
    app.connect("config-inited", use_address, priority=400)
    app.connect("html-page-context", lead_to_branch, priority=900)
    app.connect("build-finished", pack)
