"""The widgets of the book: what notebooks store of them becomes files that page.js starts, with no kernel and no server."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from vaelib.widgets import frontend

ROOT = Path(__file__).parents[1]
STATE = "application/vnd.jupyter.widget-state+json"


def live(widget: str, state: str, text: str) -> nodes.raw:
    """The place where page.js starts a widget from a state file; `text` is what stands there without scripts."""
    html = f'<div class="live" data-widget="{widget}" data-state="{state}"><p>{text}</p></div>'
    return nodes.raw("", html, format="html", live=state)


def written(
    app: Sphinx, model: dict[str, Any], text: str = "This widget needs JavaScript."
) -> nodes.raw:
    """The place of a stored widget. What it shows is a script (they load from file:// too), named after its content."""
    state = {
        name: value
        for name, value in model["state"].items()
        if not name.startswith("_")
    }
    for buffer in model.get("buffers", []):
        *path, last = buffer["path"]
        holder = state
        for step in path:
            holder = holder[step]
        holder[last] = {"base64": buffer["data"]}
    name = hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]
    file = Path(app.outdir) / "_static" / "live" / f"{name}.js"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(frontend.state(name, state), "utf-8")
    return live(model["state"]["_anywidget_id"].split(".")[-2], name, text)


def views(models: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """The widgets that a view shows, out of the boxes around them."""
    children = models[name]["state"].get("children")
    if children is None:
        yield models[name]
    for child in children or []:
        yield from views(models, child.removeprefix("IPY_MODEL_"))


def put_widgets(app: Sphinx, tree: nodes.document) -> None:
    """Exchanges views for the manager of ipywidgets by our own, and takes the state of all widgets out of the page."""
    scripts = (
        getattr(app.env, "nb_metadata", {}).get(app.env.docname, {}).get("js_files", {})
    )
    _, stored = scripts.pop("ipywidgets_state", (None, {"body": "{}"}))
    models = json.loads(stored["body"]).get("state", {})
    for script in list(tree.findall(nodes.raw)):
        if not (
            found := re.search(
                r'widget-view\+json">(.*?)</script>', script.astext(), re.S
            )
        ):
            continue
        shown = list(views(models, json.loads(found[1])["model_id"]))
        ours = [
            written(app, model) for model in shown if "_anywidget_id" in model["state"]
        ]
        names = [
            model["state"]["description"]
            for model in shown
            if model["state"].get("description")
        ]
        script.parent.replace(script, ours or [with_kernel(app, names)])


def with_kernel(app: Sphinx, names: list[str]) -> nodes.paragraph:
    """What stands for sliders that need Python."""
    name = app.env.docname
    text = (
        "JupyterLab ではスライダーで動きます"
        if "/ja/" in name
        else "With sliders in JupyterLab"
    )
    link = nodes.reference(
        "",
        text,
        refuri=app.builder.get_relative_uri(name, "book/run-it"),
        internal=True,
    )
    return nodes.paragraph(
        "", "", link, nodes.Text(f": {', '.join(names)}"), classes=["with-kernel"]
    )


class Live(SphinxDirective):
    """`{live} zoo`, or `{live} CHAPTER`, the first explorer that it stores; its content stands there without scripts."""

    has_content = True
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The place of the widget."""
        text = " ".join(self.content)
        if self.arguments[0] == "zoo":
            return [live("zoo", "zoo/index", text)]
        notebook = ROOT / "notebooks" / f"{self.arguments[0]}.ipynb"
        self.env.note_dependency(str(notebook))
        models = json.loads(notebook.read_text("utf-8"))["metadata"]["widgets"][STATE][
            "state"
        ].values()
        explorers = (
            model
            for model in models
            if "Explorer" in model["state"].get("_anywidget_id", "")
        )
        return [written(self.env.app, next(explorers), text)]
