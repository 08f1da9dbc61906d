"""Signatures that book/api/widgets.md states, because Sphinx cannot see them."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from vaelib.widgets import LatentExplorer, Playground

PAGE = Path(__file__).parents[2] / "book" / "api" / "widgets.md"


@pytest.mark.parametrize("widget", [LatentExplorer, Playground])
def test_a_stated_signature_is_the_real_one(widget: type):
    text = PAGE.read_text("utf-8")
    stated = re.search(rf"autoclass:: \S+\.{widget.__name__}\((.*)\)", text)
    assert stated
    names = [re.split("=", parameter)[0] for parameter in stated[1].split(", ")]
    defaults = [parameter for parameter in stated[1].split(", ") if "=" in parameter]
    real = inspect.signature(widget).parameters.values()
    assert names == [str(p.replace(annotation=p.empty, default=p.empty)) for p in real]
    assert len(defaults) == sum(p.default is not p.empty for p in real)
