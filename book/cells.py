"""Cells of a notebook on a page: folded code, captions, the anchors of checks."""

from __future__ import annotations

import ast
import json
import re
from itertools import count, pairwise
from typing import Any

from docutils import nodes
from figures import file_of
from language import is_japanese
from sphinx.application import Sphinx

from notebooks import EXPLORED
from vaelib.lab.contents import VIEW

SHORT = 4  # lines of code that are not folded above a figure
CHAPTER = re.compile(r"notebooks/(ja/)?0?(\d+)_")
# Labels of axes, in brackets after a title
AXES = re.compile(r" ?\[(?:[^][]|\[[^][]*\])*\](?=; |$)")
# Labels of folded code in English and in Japanese
IMPORTS = (
    ("Show the imports", "Hide the imports"),
    ("インポートを表示", "インポートを隠す"),
)
FIGURE = (
    ("Show the code of this figure", "Hide the code of this figure"),
    ("この図のコードを表示", "この図のコードを隠す"),
)
PREDICTED = (
    ("Show how the answer is computed", "Hide how the answer is computed"),
    ("答えの計算を表示", "答えの計算を隠す"),
)
SHOWN = nodes.image | nodes.raw | nodes.Text  # the call of `explore` leaves nothing
RESULT = "The computed result", "計算した結果"
SOLUTIONS = {
    "Solution": ("Show the solution", "Hide the solution"),
    "解答": ("解答を表示", "解答を隠す"),
}
ANSWER = (
    ("Your answer", " (runs in JupyterLab)"),
    ("あなたの解答", " (JupyterLab で実行できます)"),
)


def prepare(app: Sphinx, docname: str, source: list[str]) -> None:
    """Fold imports and the code of figures; number and describe the figures.

    The notebook's own file stays as it is.
    """
    if not docname.startswith("notebooks/"):
        return
    notebook, numbers = json.loads(source[0]), count(1)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    says = put_controls(code, docname)
    for cell in code:
        tags = cell["metadata"].setdefault("tags", [])
        for data in shown_by(cell):
            if VIEW in data:  # the page shows the widget, not the picture of it
                data.pop("image/png", None)
                data.pop("text/markdown", None)
        figures = [data for data in shown_by(cell) if "image/png" in data]
        is_long = "".join(cell["source"]).count("\n") >= SHORT
        if cell is code[0]:
            hide(cell, *IMPORTS[is_japanese(docname)])
        elif "predict" in tags:
            hide(cell, *PREDICTED[is_japanese(docname)])
        elif figures and is_long and "solution" not in tags:
            hide(cell, *FIGURE[is_japanese(docname)])
        for data in figures:
            text = says.get(id(cell), "".join(data["text/plain"]))
            caption(cell, text, docname, next(numbers))
    source[0] = json.dumps(notebook)


def put_controls(code: list[dict[str, Any]], docname: str) -> dict[int, str]:
    """Put the name of its file into each view of a figure with controls.

    The call of `explore` is left out. Returns the captions of the figures that get the
    controls, by the id of the cell before the call.
    """
    chapter = docname.removeprefix("notebooks/").removeprefix("ja/")
    says = {}
    for before, cell in pairwise(code):
        called = EXPLORED.search("".join(cell["source"]))
        if called:
            for data in shown_by(cell):
                data[VIEW]["figure"] = file_of(chapter, called[1]).name
            cell["metadata"]["tags"].append("remove-input")
            functions = ast.walk(ast.parse("".join(before["source"])))
            says |= {
                id(before): first_line(function)
                for function in functions
                if isinstance(function, ast.FunctionDef) and function.name == called[1]
            }
    return says


def first_line(function: ast.FunctionDef) -> str:
    """Return what a function draws, as a caption: its docstring without "Draw"."""
    text = (ast.get_docstring(function) or "").partition("\n")[0].removesuffix(".")
    return re.sub(r"^Draw (a|\w\w|)", lambda found: found[1].capitalize(), text)


def shown_by(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the outputs of a cell, each in its formats."""
    return [output["data"] for output in cell["outputs"] if "data" in output]


def settings(cell: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of MyST-NB for a cell."""
    return cell["metadata"].setdefault("mystnb", {})


def hide(cell: dict[str, Any], show: str, hide: str) -> None:
    """Fold the code of a cell under one of two labels."""
    cell["metadata"]["tags"].append("hide-input")
    settings(cell)["code_prompt_show"] = show
    settings(cell)["code_prompt_hide"] = hide


def caption(cell: dict[str, Any], text: str, docname: str, number: int) -> None:
    """Give the figure of a cell its number, its caption and its alt text.

    `text` is the description that vaelib.chapter stores beside the picture.
    """
    place = CHAPTER.match(docname)
    japanese, chapter = place.groups() if place else ("", "")
    name = ".".join(filter(None, (chapter, str(number))))
    word, anchor = ("図", "figure-ja") if japanese else ("Figure", "figure")
    text = text.removeprefix("Figure: ")
    titles = "; ".join(filter(None, re.split("; ?", AXES.sub("", text))))
    plain = " ".join(re.sub(r"[$\\{}]", " ", text).split())
    settings(cell)["image"] = {"alt": f"{word} {name}: {plain}"}
    settings(cell)["figure"] = {
        "caption": f"**{word} {name}** {titles}",
        "name": f"{anchor}-{name.replace('.', '-')}",
    }


def fold_solutions(app: Sphinx, tree: nodes.document) -> None:
    """Turn each section "Solution" into a part of the page that the reader unfolds."""
    for section in list(tree.findall(nodes.section)):
        title, *parts = section
        if title.astext() in SOLUTIONS:
            labels = zip(("closed", "open"), SOLUTIONS[title.astext()], strict=True)
            summary = "".join(
                f'<span class="when-{state}">{text}</span>' for state, text in labels
            )
            opening = f'<details class="solution"><summary>{summary}</summary>'
            start, end = (
                nodes.raw("", tag, format="html") for tag in (opening, "</details>")
            )
            section.replace_self([start, *parts, end])


def hold_results(
    app: Sphinx, tree: nodes.document, asking: nodes.Node, many: int, name: str
) -> None:
    """Fold the outputs of `many` cells after the widget of a prediction.

    They get the class `name`. The widget unfolds them when the reader has answered;
    without JavaScript the reader can do it.
    """
    label = RESULT[is_japanese(app.env.docname)]
    opening = f'<details class="held {name}"><summary>{label}</summary>'
    boxes = [c for c in tree.findall(nodes.container) if "cell" in c["classes"]]
    first = 1 + next(i for i, c in enumerate(boxes) if asking in c.findall())
    for box in boxes[first : first + many]:
        parts = (part for part in box if isinstance(part, nodes.Element))
        output = next((p for p in parts if "cell_output" in p["classes"]), None)
        if output and any(isinstance(node, SHOWN) for node in output.findall()):
            box.insert(box.index(output), nodes.raw("", opening, format="html"))
            box += nodes.raw("", "</details>", format="html")


def label_answers(app: Sphinx, tree: nodes.document) -> None:
    """Put a line above each cell that is for the reader's answer to an exercise."""
    what, where = ANSWER[is_japanese(app.env.docname)]
    for cell in tree.findall(nodes.container):
        if "tag_exercise" in cell.get("classes", []):
            label = nodes.paragraph(classes=["your-answer"])
            label += nodes.strong(text=what)
            label += nodes.Text(where)
            cell.insert(0, label)


def name_checks(app: Sphinx, tree: nodes.document) -> None:
    """Give each cell that checks an equation its tag as an anchor."""
    for cell in tree.findall(nodes.container):
        for name in cell.get("classes", []):
            if name.startswith("tag_check-"):
                cell["ids"].append(name.removeprefix("tag_"))
