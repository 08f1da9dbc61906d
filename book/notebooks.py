"""`make notebooks ARGS="NAME ..."`: runs notebooks from top to bottom and writes both halves of each pair.

What differs between two runs on one machine is taken out: random ids and times. The text of a pair is taken from the
half that was saved last, so that either may be edited.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from jupytext.config import load_jupytext_config
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
CONFIG = load_jupytext_config(str(FOLDER))


def names() -> list[str]:
    """Every notebook by its path below the folder, without suffix: chapters, then translations (ja/...), then pages."""
    found = [
        path
        for pattern in ("*", "[a-z][a-z]/*")
        for half in (".ipynb", ".md")
        for path in FOLDER.glob(pattern + half)
    ]
    return sorted(
        {path.relative_to(FOLDER).with_suffix("").as_posix() for path in found}
    )


def text_of(notebook: Any) -> str:
    """The MyST half of a pair."""
    return jupytext.writes(notebook, fmt="md:myst", config=CONFIG)


def read(chapter: str) -> Any:
    """A pair as a notebook, from the half that was saved last."""
    ipynb, md = FOLDER / f"{chapter}.ipynb", FOLDER / f"{chapter}.md"
    newer = (
        ipynb
        if ipynb.exists()
        and (not md.exists() or ipynb.stat().st_mtime >= md.stat().st_mtime)
        else md
    )
    return jupytext.read(newer, config=CONFIG)


def steady(notebook: Any) -> Any:
    """The notebook with ids numbered by their place and without versions of the machine that ran it."""
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:03}"
    notebook.metadata = {
        key: notebook.metadata[key]
        for key in ("kernelspec", "widgets")
        if key in notebook.metadata
    }
    notebook.metadata |= {
        "jupytext": {"formats": "ipynb,md:myst"},
        "language_info": {"name": "python", "pygments_lexer": "ipython3"},
    }
    keep_shown_widgets(notebook)
    text = nbformat.writes(notebook)
    widgets = (
        notebook.metadata.get("widgets", {})
        .get("application/vnd.jupyter.widget-state+json", {})
        .get("state", {})
    )
    for number, found in enumerate(widgets):  # in the order of their creation
        text = text.replace(found, f"{number:032x}")
    return nbformat.reads(text, as_version=4)


def keep_shown_widgets(notebook: Any) -> None:
    """Takes out the stored state of widgets that no cell shows (closed, or made on the way), and orders the rest."""
    stored = notebook.metadata.get("widgets", {}).get(
        "application/vnd.jupyter.widget-state+json", {}
    )
    views = [
        out.get("data", {}).get("application/vnd.jupyter.widget-view+json")
        for c in notebook.cells
        for out in c.get("outputs", [])
    ]
    shown, waiting = set(), [view["model_id"] for view in views if view]
    while waiting:
        name = waiting.pop()
        if name not in shown and name in stored.get("state", {}):
            shown.add(name)
            waiting += re.findall(
                r"IPY_MODEL_(\w+)", json.dumps(stored["state"][name]["state"])
            )
    if stored:
        stored["state"] = {
            name: model for name, model in stored["state"].items() if name in shown
        }
    for model in stored.get("state", {}).values():
        model.get("buffers", []).sort(
            key=lambda buffer: buffer["path"]
        )  # they come in any order


def run(chapter: str) -> None:
    """Executes a notebook with a fresh kernel and writes both halves. Raises: CellExecutionError."""
    notebook = read(chapter)
    for cell in notebook.cells:
        cell.source = LISTED.sub(
            lambda found: found[1] + questions() + found[2], cell.source
        )
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute(cwd=str(FOLDER))
    notebook = steady(notebook)
    nbformat.write(notebook, FOLDER / f"{chapter}.ipynb")
    (FOLDER / f"{chapter}.md").write_text(text_of(notebook), encoding="utf-8")


def citations() -> dict[str, str]:
    """A line of Markdown for each entry of references.bib, by its key."""
    found = {}
    for key, body in re.findall(
        r"@\w+\{(\w+),\n(.*?)\n\}",
        (Path(__file__).with_name("references.bib")).read_text("utf-8"),
        re.S,
    ):
        field = dict(re.findall(r"(\w+) = \{(.*)\}", body))
        authors = (
            field["author"].replace(" and others", " et al.").replace(" and ", ", ")
        )
        venue = field.get("journal") or field["booktitle"]
        link = field.get("url", "")
        name = link.replace("https://arxiv.org/abs/", "arXiv:").replace(
            "https://doi.org/", "doi:"
        )
        found[key] = (
            f"- {authors.rstrip('.')}. *{field['title']}*. {venue}, {field['year']}."
            + (f" [{name}]({link})" if link else "")
        )
    return found


def inventory() -> dict[str, list[dict[str, Any]]]:
    """Every item of the paper, and every question that readers ask: where it stands, its code, its check."""
    return tomllib.loads(Path(__file__).with_name("inventory.toml").read_text("utf-8"))


HEAD = """# Paper to code

Every equation, algorithm, figure and appendix of [arXiv:1312.6114](https://arxiv.org/abs/1312.6114), the section of this
book that it stands in, the functions of `vaelib` that implement it, and the cell that checks them (by its tag). Items named
0.a, 6.a, ... are not the paper's. [pytorch/examples/vae, statement by statement](pytorch-examples.md) does the same for that
program. Written by `make notebooks` from `book/inventory.toml`.

| paper | what it says | section | code | check |
|---|---|---|---|---|
"""


def section(chapter: str, mark: str) -> str:
    """The heading below which a target or a tag stands."""
    before = (FOLDER / f"{chapter}.md").read_text("utf-8").partition(mark)[0]
    return re.findall(r"^#+ (.*)$", before, re.M)[-1]


def paper_to_code() -> str:
    """The page of that name: a line for each item of the inventory, with its section, its functions and its check."""
    lines = []
    for item in inventory()["item"]:
        place = check = "planned"
        if chapter := item.get("chapter"):
            heading = section(chapter, f"({item['target']})=")
            place = f"[{heading}](../notebooks/{chapter}.ipynb)"
            check = f"`{item['check']}`" if "check" in item else "text only"
        code = ", ".join(f"`{name}`" for name in item.get("code", []))
        lines.append(
            f"| {item['name']} | {item['says']} | {place} | {code} | {check} |"
        )
    return HEAD + "\n".join(lines) + "\n"


LISTED = re.compile(r"(<!-- questions -->\n).*?(<!-- /questions -->)", re.S)


def questions() -> str:
    """The questions of the inventory by what they are about, each with the place of its answer, for notebooks/questions.md."""
    groups: dict[str, list[str]] = {}
    for question in inventory()["question"]:
        page, asks = question["chapter"], question["asks"]
        heading = section(page, f"[{question['answer']}]")
        line = f"[{asks}]({page}.ipynb) (Section {heading.partition(' ')[0]})"
        if (
            page == "questions"
        ):  # JupyterLab does not find a target that stands further down
            line = f"{asks} (below, under *{heading}*)"
        groups.setdefault(question["about"], []).append(f"- {line}")
    return (
        "".join(
            f"\n**{about}**\n\n" + "\n".join(lines) + "\n"
            for about, lines in groups.items()
        )
        + "\n"
    )


def main() -> None:
    """Runs the notebooks named, or all; `--cite KEY ...` prints lines for a chapter's references."""
    if sys.argv[1:2] == ["--cite"]:
        print(*(citations()[key] for key in sys.argv[2:]), sep="\n")
        return
    os.environ.setdefault(
        "OMP_NUM_THREADS", "1"
    )  # the same sums in the same order, whatever the number of cores
    for chapter in sys.argv[1:] or names():
        print(chapter, flush=True)
        run(chapter)
    Path(__file__).with_name("paper-to-code.md").write_text(
        paper_to_code(), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
