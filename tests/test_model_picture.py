"""The picture of the model, and the stages of one update that light its parts."""

from __future__ import annotations

import inspect
import re

import pytest

import notebooks
from vaelib import images, losses, model, training
from vaelib.widgets import frontend

INVENTORY = notebooks.inventory()
ITEMS = {item["name"]: item for item in INVENTORY["item"]}
PARTS = INVENTORY["part"]
STAGES = (frontend.FOLDER / "js/parts/slow_stages.js").read_text("utf-8")


def in_svg(kind: str) -> set[str]:
    """Return the names of the parts or wires of the picture."""
    return set(re.findall(rf'data-{kind}="([^"]+)"', frontend.picture()))


def test_each_part_of_the_picture_is_in_the_inventory():
    assert in_svg("part") == set(PARTS)
    assert all(set(wire.split()) <= set(PARTS) for wire in in_svg("wire"))


@pytest.mark.parametrize("name", PARTS)
def test_a_part_has_section_function_and_check(name: str):
    item = ITEMS[PARTS[name]["item"]]
    assert PARTS[name]["code"] in item["code"]
    assert item["target"]
    assert item["check"]


def test_each_chapter_is_about_a_part():
    chapters = {int(item["chapter"][:2]) for item in ITEMS.values()}
    assert chapters <= {n for part in PARTS.values() for n in part["chapters"]}


def test_stages_light_parts_of_the_picture():
    lit = re.findall(r"(parts|wires): \[(.*?)\]", STAGES, re.S)
    named = {
        kind: set(re.findall(r'"(.*?)"', " ".join(t for k, t in lit if k == kind)))
        for kind in ("parts", "wires")
    }
    assert named["parts"] == in_svg("part")
    assert named["wires"] == in_svg("wire")


def test_the_code_of_each_stage_is_in_the_library():
    source = "".join(map(inspect.getsource, (images, losses, model, training)))
    shown = re.findall(r"code: (['\"])(.*?)\1,\n", STAGES)
    assert len(shown) == STAGES.count("title: ")
    assert [code for _, code in shown if code not in source] == []
