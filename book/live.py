"""Live widgets in the book: their stored state becomes files that page.js starts.

Neither a kernel nor a server is needed. `page.js` is `vaelib/widgets/js/page.js`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import cells
import figures
from docutils import nodes
from docutils.parsers.rst import directives
from language import is_japanese
from page_images import PIECE, PIECES
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from vaelib.config import from_dict
from vaelib.lab.contents import stored_widgets
from vaelib.widgets import frontend
from vaelib.widgets.panel import DATASETS, datasets_for, rules

ROOT = Path(__file__).parents[1]
# class: script
WIDGETS = {
    "LatentExplorer": "explorer",
    "Panel": "playground",
    "Predict": "predict",
    "SlowMotion": "slow_motion",
}
VIEW = re.compile(r'widget-view\+json">(.*?)</script>', re.S)


NO_SCRIPT = "This widget needs JavaScript."
NO_SCRIPT_JA = "このウィジェットには JavaScript が必要です。"


def placeholder(
    widget: str,
    state: str,
    text: str,
    loading: str,
    is_compact: bool = False,
    follows: str = "",
) -> nodes.raw:
    """Return the element in which page.js starts a widget from the state file `state`.

    Until the widget is there, readers see the line `loading` and a sketch. Readers
    without JavaScript see `text` instead, which may be HTML. `follows`: the state of
    the panel that trains what the widget shows.
    """
    more = f' data-follows="{follows}"' if follows else ""
    kind = "live compact" if is_compact else "live"
    without = text if text.startswith("<") else f"<noscript><p>{text}</p></noscript>"
    place = (
        f'<div class="{kind}" data-widget="{widget}" data-state="{state}"{more}>'
        f'{without}<div class="loading"><p>{loading}</p></div></div>'
    )
    return nodes.raw("", place, format="html", live=state)


def write_state(
    app: Sphinx,
    model: dict[str, Any],
    text: str = "",
    is_compact: bool = False,
    follows: str = "",
) -> nodes.raw:
    """Write the state of a stored widget; return the element that will show it."""
    state = {
        name: value
        for name, value in model["state"].items()
        if not name.startswith("_")
    }
    for buffer in model.get("buffers", []):
        *path, last = buffer["path"]
        parent = state
        for key in path:
            parent = parent[key]
        parent[last] = {"base64": buffer["data"]}

    widget = kind_of(model)
    if widget == "Panel":
        state["rules"] = page_rules(state.pop("given"))
        if is_compact:
            state["pictures"] = without_traversals(**state)
    name, length = write_script(app, state)
    size = f"{length / 1e6:.1f} MB"
    loading = translated(
        app, f"Loading the model, {size} …", f"モデルを読み込んでいます（{size}）…"
    )
    text = text or translated(app, NO_SCRIPT, NO_SCRIPT_JA)
    if widget == "Predict":
        text = without_script(app, state["asked"])
        loading = html.escape(state["asked"]["question"])
    return placeholder(WIDGETS[widget], name, text, loading, is_compact, follows)


def without_script(app: Sphinx, asked: dict[str, Any]) -> str:
    """Return a question as HTML, with the computed answer folded below it."""
    answer = translated(app, "The computed answer", "計算した答え")
    items = "".join(f"<li>{html.escape(c)}</li>" for c in asked.get("choices", []))
    choices = f"<ul>{items}</ul>" if items else ""
    truth = asked["truth"]
    found = f"{truth:.4g} {asked['unit']}" if asked["kind"] == "number" else truth
    said = "" if asked["kind"] == "curve" else f"{found}. "
    return (
        f'<div class="unscripted"><p>{html.escape(asked["question"])}</p>{choices}'
        f"<details><summary>{answer}</summary>"
        f"<p>{html.escape(said + asked['because'])}</p></details></div>"
    )


def write_script(app: Sphinx, state: dict[str, Any]) -> tuple[str, int]:
    """Write the state of a widget into _static/live; return its name and its length.

    The file is a script, because a page opened from a disk can load no other data. Its
    name is a hash of its content.
    """
    name = hashlib.sha256(frontend.state("", state).encode()).hexdigest()[:16]
    file = Path(app.outdir) / "_static" / "live" / f"{name}.js"
    file.parent.mkdir(parents=True, exist_ok=True)
    return name, file.write_text(frontend.state(name, state), "utf-8")


def page_rules(given: dict[str, Any]) -> dict[str, Any]:
    """Return what a page has to know to train by itself.

    It begins with the settings that a Playground was given, but with one piece of the
    images at most, and with MNIST if the page has not got the data. Its products are of
    32-bit numbers.
    """
    page = dict(
        seed=int(given["seed"]),
        train_images=min(given["train_images"] or PIECE, PIECE),
        matmul_precision="highest",
    )
    config = from_dict(given | page)
    if datasets_for(config)[1] not in PIECES:
        config = replace(config, **DATASETS["mnist"])
    found = rules(config)
    found["datasets"] = {name: DATASETS[name] for name in PIECES}
    found["choices"] |= dict(dataset=list(PIECES))
    return found | dict(pieces=PIECES, piece=PIECE)


def without_traversals(
    pictures: dict[str, str], frame: dict[str, Any], **others: Any
) -> dict[str, str]:
    """Return the pictures that a compact Playground shows: most bytes are others."""
    reconstructed, samples, *_ = frame["sheet"]
    shown = (reconstructed + samples) * math.prod(frame["shape"])
    images = base64.b64decode(pictures["base64"])[:shown]
    return dict(base64=base64.b64encode(images).decode())


def translated(app: Sphinx, english: str, japanese: str) -> str:
    """Return the text in the language of the page that is built."""
    return japanese if is_japanese(app.env.docname) else english


def leaves(models: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Yield the widgets inside the widget `name`, without the boxes around them."""
    children = models[name]["state"].get("children")
    if children is None:
        yield models[name]
    for child in children or []:
        yield from leaves(models, child.removeprefix("IPY_MODEL_"))


def put_widgets(app: Sphinx, tree: nodes.document) -> None:
    """Replace each stored widget view by our placeholder.

    The state of all widgets, which MyST-NB would put into the page, is removed.
    """
    metadata = getattr(app.env, "nb_metadata", {}).get(app.env.docname, {})
    scripts = metadata.get("js_files", {})
    _, stored = scripts.pop("ipywidgets_state", (None, {"body": "{}"}))
    models = json.loads(stored["body"]).get("state", {})

    figure, asking = None, list[tuple[nodes.Node, int]]()
    for script in list(tree.findall()):
        if isinstance(script, nodes.figure):
            figure = script
        view = isinstance(script, nodes.raw) and VIEW.search(script.astext())
        if not view:
            continue
        found = json.loads(view[1])
        if "figure" in found:
            assert figure, "a figure with controls is shown without them before"
            figure.insert(-1, write_frames(app, figures.FOLDER / found["figure"]))
            script.parent.remove(script)
            continue
        shown = list(leaves(models, found["model_id"]))
        ours: list[nodes.raw] = []
        panel = ""
        for model in filter(is_ours, shown):
            if is_predict := kind_of(model) == "Predict":
                model["state"]["holds"] = f"held-{len(asking)}"
            is_panel = kind_of(model) == "Panel"
            ours.append(write_state(app, model, follows="" if is_panel else panel))
            panel = ours[-1]["live"] if is_panel else panel
            if is_predict:
                asking.append((ours[-1], model["state"]["asked"]["cells"]))
        script.parent.replace(script, ours)
    for number, (widget, many) in enumerate(asking):
        cells.hold_results(app, tree, widget, many, f"held-{number}")


def write_frames(app: Sphinx, file: Path) -> nodes.raw:
    """Write the frames of a figure into _static/live, and return their place.

    It is put between picture and caption, and has room for the controls.
    """
    rows = len(figures.read(file)["controls"])
    name, _ = write_script(app, dict(frames=file.read_bytes()))
    place = (
        f'<div class="live" data-widget="figure" data-state="{name}" '
        f'style="--rows: {rows}"></div>'
    )
    return nodes.raw("", place, format="html", live=name)


def is_ours(model: dict[str, Any]) -> bool:
    """Return whether a stored widget is one of vaelib, which page.js can start."""
    return "_anywidget_id" in model["state"]


def kind_of(model: dict[str, Any]) -> str:
    """Return the class of one of our stored widgets."""
    return model["state"]["_anywidget_id"].rpartition(".")[2]


class Live(SphinxDirective):
    """Directive `{live} zoo`, or `{live} CHAPTER`: the chapter's first stored explorer.

    The content of the directive is shown to readers without JavaScript. The option
    `training` takes the chapter's Playground. The option `compact` folds the plane and
    the strips of an explorer, and leaves out most of a Playground.
    """

    has_content = True
    option_spec: ClassVar = {"compact": directives.flag, "training": directives.flag}
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the placeholder of the widget."""
        text = " ".join(self.content)
        if self.arguments[0] == "zoo":
            return [placeholder("zoo", "zoo/index", text, "Loading the models …")]

        notebook = ROOT / "notebooks" / f"{self.arguments[0]}.ipynb"
        self.env.note_dependency(str(notebook))
        models = stored_widgets(json.loads(notebook.read_text("utf-8")))
        wanted = "Panel" if "training" in self.options else "LatentExplorer"
        widget = next(
            model
            for model in models.values()
            if is_ours(model) and kind_of(model) == wanted
        )
        is_compact = "compact" in self.options
        return [write_state(self.env.app, widget, text, is_compact)]
