"""The JavaScript modules of the widgets, joined into one text, and the style sheet."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
IMPORT = re.compile(r'^import [^;]*? from "(\.[\w./-]+\.js)";\n', re.M)
EXPORT = re.compile(r"^export (?!default)", re.M)
COMMENT = re.compile(r"^ */\*\*(?:(?!\*/).)*\*/\n", re.M | re.S)  # whole lines
DEFAULT = re.compile(r"^export default .*\n", re.M)  # anywidget's entry point


def module(*names: str) -> str:
    """Return js/NAME.js and all modules that it imports, as one ES module.

    anywidget sends one module for each widget, and a page that is opened from a disk
    cannot import modules. Names at the top level must be unique in all modules.
    """
    texts: dict[Path, str] = {}  # each file after the files that it imports

    def visit(file: Path) -> None:
        text = file.read_text("utf-8")
        for path in IMPORT.findall(text):
            needed = (file.parent / path).resolve()
            if needed not in texts:
                visit(needed)
                texts[needed] = DEFAULT.sub("", texts[needed])
        texts[file] = EXPORT.sub("", IMPORT.sub("", text))

    for name in names:
        visit(FOLDER / "js" / f"{name}.js")
    return "\n".join(texts.values())


def short_module(*names: str) -> str:
    """Return what `module` does without the comments, a third of its bytes."""
    return COMMENT.sub("", module(*names))


def script(name: str = "page") -> str:
    """Return the module as a classic script, which a page on a disk can load too."""
    return f'"use strict";\n(() => {{\n{module(name)}}})();\n'


def engine() -> str:
    """Return a script that passes the engine to js/state.js: a function.

    A page calls it, or makes a worker of its text.
    """
    text = short_module("engine/worker", "engine/slow_update")
    body = f"{text}return {{ serve, SlowUpdate }};\n"
    return f'vaelibState("engine", function () {{\n"use strict";\n{body}}});\n'


def state(name: str, values: dict[str, Any]) -> str:
    """Return a script that passes `values` to js/state.js, with bytes as base64."""

    def encode(raw: bytes) -> dict[str, str]:
        return dict(base64=base64.b64encode(raw).decode())

    text = json.dumps(values, default=encode, separators=(",", ":"))
    return f"vaelibState({json.dumps(name)}, {text});\n"


def picture() -> str:
    """Return the picture of the model, an SVG."""
    return (FOLDER / "model.svg").read_text("utf-8")


def picture_style() -> str:
    """Return the style sheet of that picture."""
    return (FOLDER / "model.css").read_text("utf-8")


def predict_style() -> str:
    """Return the style sheet of Predict: what all widgets share, and its own rules."""
    shared = style().partition("\n/* LatentExplorer")[0]
    return f"{shared}\n{own_predict_style()}"


def own_predict_style() -> str:
    """Return the rules for Predict alone, which a page adds to those of all widgets."""
    return (FOLDER / "predict.css").read_text("utf-8")


def style() -> str:
    """Return the style sheet of all widgets."""
    return (FOLDER / "widgets.css").read_text("utf-8")
