"""The JavaScript of the widgets: small modules that import each other, handed to anywidget as one."""

from __future__ import annotations

import re
from pathlib import Path

IMPORT = re.compile(r'^import [^;]*? from "\./([\w-]+)\.js";\n', re.M)


def module(name: str) -> str:
    """`name`.js after the modules that it imports, in one text: a front end takes one module for each widget."""
    seen: dict[str, str] = {}

    def visit(name: str) -> None:
        text = Path(__file__).with_name(f"{name}.js").read_text("utf-8")
        for needed in IMPORT.findall(text):
            if needed not in seen:
                visit(needed)
        seen[name] = re.sub(r"^export (?!default)", "", IMPORT.sub("", text), flags=re.M)

    visit(name)
    return "\n".join(seen.values())


def style() -> str:
    """The style sheet of all widgets."""
    return Path(__file__).with_name("widgets.css").read_text("utf-8")
