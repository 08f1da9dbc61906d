"""Chapters saved from JupyterLab as HTML or slides, where nothing reads MyST."""

from __future__ import annotations

import re
from typing import Any

from nbconvert.preprocessors import Preprocessor

WIDGET = "application/vnd.jupyter.widget-view+json"


class WithoutMyst(Preprocessor):
    """Preprocessor of nbconvert for what only JupyterLab and the book understand.

    Boxes become paragraphs with a title, labels places to link to, and widgets their
    pictures, or a question its text.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Return the notebook, which is changed in place, and the resources."""
        nb.metadata.pop("widgets", None)
        return super().preprocess(nb, resources)

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> tuple[Any, Any]:
        """Return the cell, which is changed in place, and the resources."""
        if cell.cell_type == "markdown":
            cell.source = plain(cell.source)
        for output in cell.get("outputs", []):
            if {"image/png", "text/markdown"} & set(output.get("data", {})):
                output.data.pop(WIDGET, None)
        return cell, resources


def plain(text: str) -> str:
    """Return Markdown without directives of MyST; what they hold stays."""
    text = re.sub(
        r"^:::+\{admonition\} (.*)\n(?::\w.*\n)*", r"**\1**\n\n", text, flags=re.M
    )
    text = re.sub(r"^:::.*\n?", "", text, flags=re.M)
    return re.sub(r"^\(([\w-]+)\)=\n", r'<a id="\1"></a>\n\n', text, flags=re.M)
