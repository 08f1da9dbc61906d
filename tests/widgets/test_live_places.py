"""book/live.py: the places of widgets in the book, and what a page trains."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docutils import nodes
from docutils.utils import new_document
from live import page_rules, put_widgets
from page_images import PIECE, PIECES

from vaelib import ImageData, TrainConfig
from vaelib.images import binarized
from vaelib.widgets import Playground, Predict
from vaelib.widgets.panel import as_json
from vaelib.widgets.playground import DEFAULT

GIVEN = as_json(DEFAULT)


def stored(kind: str, number: int) -> dict[str, Any]:
    """Return the stored state of a widget."""
    name = f"vaelib.widgets.some.{kind}"
    given = dict(given=GIVEN) if kind == "Panel" else {}
    return dict(state=dict(_anywidget_id=name, number=number, **given))


def places(folder: Path, *kinds: str) -> Iterator[tuple[str, str, str]]:
    """Yield widget, name of the state and what is followed, for widgets of a box."""
    models = {str(i): stored(kind, i) for i, kind in enumerate(kinds)}
    children = [f"IPY_MODEL_{name}" for name in models]
    models["box"] = dict(state=dict(children=children))
    body = json.dumps(dict(state=models))
    metadata = dict(js_files=dict(ipywidgets_state=(None, dict(body=body))))
    env = SimpleNamespace(docname="page", nb_metadata=dict(page=metadata))
    tree = new_document("page")
    view = '<script type="x.widget-view+json">{"model_id": "box"}</script>'
    tree += nodes.paragraph("", "", nodes.raw("", view, format="html"))
    put_widgets(SimpleNamespace(outdir=folder, env=env), tree)  # pyright: ignore
    for raw in tree.findall(nodes.raw):
        found = dict(re.findall(r'data-(\w+)="(.*?)"', raw.astext()))
        yield found["widget"], found["state"], found.get("follows", "")


@pytest.mark.parametrize(
    ("kinds", "followed"),
    [
        (["Panel", "LatentExplorer"], [None, 0]),
        (["LatentExplorer", "LatentExplorer"], [None, None]),
        (["LatentExplorer", "Panel"], [None, None]),
        (["Panel", "Panel", "LatentExplorer"], [None, None, 1]),
        (["Panel", "LatentExplorer", "LatentExplorer"], [None, 0, 0]),
    ],
)
def test_an_explorer_follows_the_panel_before_it(
    tmp_path: Path, kinds: list[str], followed: list[int | None]
):
    found = list(places(tmp_path, *kinds))
    names = dict(Panel="playground", LatentExplorer="explorer")
    assert [widget for widget, _, _ in found] == [names[kind] for kind in kinds]
    states = [state for _, state, _ in found]
    expected = ["" if i is None else states[i] for i in followed]
    assert [follows for _, _, follows in found] == expected


def cell(*outputs: nodes.Node) -> nodes.container:
    """Return a code cell of a page with its outputs."""
    parts = [nodes.container(classes=["cell_input"])]
    if outputs:
        parts.append(nodes.container("", *outputs, classes=["cell_output"]))
    return nodes.container("", *parts, classes=["cell"])


@pytest.mark.parametrize(("many", "held"), [(1, [1]), (2, [1]), (3, [1, 3])])
def test_the_next_outputs_wait_for_a_prediction(
    tmp_path: Path, many: int, held: list[int]
):
    """Of three cells the second one leaves nothing on the page, as `explore` does."""
    asked = Predict("Is 1 < 2?", ["yes"][0], {"no": "It is."}, choices=["yes", "no"])
    state = dict(_anywidget_id="vaelib.widgets.predict.Predict")
    body = json.dumps(dict(state=dict(a=dict(state=state | dict(asked=asked.asked)))))
    body = body.replace('"cells": 1', f'"cells": {many}')
    metadata = dict(js_files=dict(ipywidgets_state=(None, dict(body=body))))
    env = SimpleNamespace(docname="page", nb_metadata=dict(page=metadata))
    tree = new_document("page")
    view = '<script type="x.widget-view+json">{"model_id": "a"}</script>'
    texts = [nodes.paragraph(text=f"result {i}") for i in (1, 3, 4)]
    boxes = [cell(nodes.raw("", view, format="html")), cell(texts[0])]
    boxes += [cell(nodes.container()), cell(texts[1]), cell(texts[2])]
    tree += boxes
    put_widgets(SimpleNamespace(outdir=tmp_path, env=env), tree)  # pyright: ignore
    folded = ["held-0" in box.astext() for box in boxes]
    assert [i for i, is_folded in enumerate(folded) if is_folded] == held
    place = boxes[0].astext()
    assert place.count("Is 1 &lt; 2?") == 2, "with scripts, and without"
    assert "1 < 2" not in place
    assert "yes. " in place
    [name] = re.findall(r'data-state="(\w+)"', place)
    written = (tmp_path / "_static/live" / f"{name}.js").read_text("utf-8")
    assert '"holds":"held-0"' in written


def test_a_page_begins_with_what_the_playground_was_given():
    config = TrainConfig(loss="mse", seed=2**63 - 1, hidden_dim=(9, 8))
    found = page_rules(json.loads(json.dumps(as_json(config))))
    given = as_json(config)
    given |= dict(train_images=PIECE, matmul_precision="highest")
    assert found["settings"] == given
    assert (found["dataset"], found["piece"], found["pieces"]) == (
        *("mnist", PIECE),
        PIECES,
    )
    few = page_rules(GIVEN | dict(train_images=1000))
    assert few["settings"]["train_images"] == 1000
    sprites = page_rules(GIVEN | dict(dataset="sprites", channels=3))
    assert sprites["dataset"] == "sprites, RGB"
    assert list(sprites["datasets"]) == sprites["choices"]["dataset"] == list(PIECES)


def test_data_that_a_page_has_not_got_become_mnist(data: ImageData):
    """With pixels that are binarized as those of the data are."""
    playground = Playground(data=binarized(data, "dynamic"))
    found = page_rules(playground.panel.given)
    playground.close()
    assert (found["dataset"], found["settings"]["dataset"]) == ("mnist", "mnist")
    assert found["settings"]["binarize"] == "dynamic"
    other = page_rules(GIVEN | dict(dataset="fashion_mnist"))
    assert other["settings"]["dataset"] == "mnist"
