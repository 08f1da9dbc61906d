"""The JavaScript of the widgets, small modules that import each other: as one module for anywidget, as a script for a page."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

IMPORT = re.compile(r'^import [^;]*? from "\./([\w-]+)\.js";\n', re.M)
DEFAULT = re.compile(r"^export default .*\n", re.M)  # what anywidget asks of the one module that it gets


def module(name: str) -> str:
    """`name`.js after the modules that it imports, in one text: a front end takes one module for each widget."""
    seen: dict[str, str] = {}

    def visit(name: str) -> None:
        text = Path(__file__).with_name(f"{name}.js").read_text("utf-8")
        for needed in IMPORT.findall(text):
            if needed not in seen:
                visit(needed)
                seen[needed] = DEFAULT.sub("", seen[needed])
        seen[name] = re.sub(r"^export (?!default)", "", IMPORT.sub("", text), flags=re.M)

    visit(name)
    return "\n".join(seen.values())


def script(name: str = "page") -> str:
    """The module as a classic script: a page that is opened from a disk may load no other."""
    return f'"use strict";\n(() => {{\n{module(name)}}})();\n'


def state(name: str, values: dict[str, Any]) -> str:
    """A state file of a published page, for state.js to load; bytes in base64."""
    text = json.dumps(values, default=lambda raw: dict(base64=base64.b64encode(raw).decode()), separators=(",", ":"))
    return f"vaelibState({json.dumps(name)}, {text});\n"


def style() -> str:
    """The style sheet of all widgets."""
    return Path(__file__).with_name("widgets.css").read_text("utf-8")
