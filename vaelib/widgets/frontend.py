"""The JavaScript of the widgets: many small modules, joined into one text."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
IMPORT = re.compile(r'^import [^;]*? from "(\.[\w./-]+\.js)";\n', re.M)
DEFAULT = re.compile(r"^export default .*\n", re.M)  # anywidget's entry point


def module(name: str) -> str:
    """Return js/`name`.js and all modules that it imports, as one ES module.

    anywidget sends one module for each widget, and a page opened from a disk cannot
    import others.
    """
    texts: dict[Path, str] = {}  # dependencies first

    def visit(file: Path) -> None:
        text = file.read_text("utf-8")
        for path in IMPORT.findall(text):
            needed = (file.parent / path).resolve()
            if needed not in texts:
                visit(needed)
                texts[needed] = DEFAULT.sub("", texts[needed])
        texts[file] = re.sub(
            r"^export (?!default)", "", IMPORT.sub("", text), flags=re.M
        )

    visit(FOLDER / "js" / f"{name}.js")
    return "\n".join(texts.values())


def script(name: str = "page") -> str:
    """Return the module as a classic script, which also loads from `file://`."""
    return f'"use strict";\n(() => {{\n{module(name)}}})();\n'


def state(name: str, values: dict[str, Any]) -> str:
    """Return a script that hands `values` to js/state.js; bytes become base64."""

    def encode(raw: bytes) -> dict[str, str]:
        return dict(base64=base64.b64encode(raw).decode())

    text = json.dumps(values, default=encode, separators=(",", ":"))
    return f"vaelibState({json.dumps(name)}, {text});\n"


def style() -> str:
    """Return the style sheet of all widgets."""
    return (FOLDER / "widgets.css").read_text("utf-8")
