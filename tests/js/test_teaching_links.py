"""Links of the page for those who teach: what they name is what the page shows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import zoo
from live import page_rules

from vaelib.widgets.panel import as_json
from vaelib.widgets.playground import DEFAULT

Engine = Callable[..., Any]
BOOK = Path(__file__).parents[2] / "book"
ZOO = "zoo.toml", "zoo-conv.toml"
LINKS = {
    unescape(link)
    for page in ("teaching.md", "ja/teaching.md")
    for link in re.findall(r'href="([^"]+\?[^"]+)"', (BOOK / page).read_text("utf-8"))
}
RULES = json.loads(json.dumps(page_rules(as_json(DEFAULT))))


def queries(page: str) -> list[str]:
    """Return the queries of the links to a page."""
    return sorted(urlsplit(link).query for link in LINKS if page in link)


@pytest.mark.parametrize("query", queries("models.html"))
def test_a_link_names_models_that_the_book_has(engine: Engine, query: str):
    names = ("beta", "loss", "latents")
    runs = [run for name in ZOO for run in zoo.read(BOOK / name)]
    settings = dict(beta="beta", loss="loss", latents="latent_dim", model="model")
    entries = [
        {name: getattr(run, field) for name, field in settings.items()} for run in runs
    ]
    code = "return engine.readQuery(given.query, given.entries, given.entries[0]);"
    found = engine(code, "../catalogue", query=query, entries=entries)
    assert found["note"] == ""
    given = dict(parse_qsl(query))
    for name in names:
        if name in given:
            assert str(found["entry"][name]) == given[name]
    if "beside" in given:
        shown = [str(found["beside"][name]) for name in names]
        assert shown == given["beside"].split(",")
    assert len(found["z"]) == len(given["z"].split(",")) if "z" in given else True


@pytest.mark.parametrize("query", queries("15_playground.html"))
def test_a_link_names_settings_that_the_playground_takes(engine: Engine, query: str):
    code = "return engine.linkedRules(given.rules, given.query).settings;"
    settings = engine(code, "../address", rules=RULES, query=query)
    for name, value in parse_qsl(query):
        if name != "only":
            assert str(settings[name]) == value
            assert settings[name] != RULES["settings"][name]


def test_a_point_in_an_address_must_fit(engine: Engine):
    code = """
        const { readPoint, withPoint } = engine;
        const address = withPoint("file:///a.html?only=explorer", [0.5, -1]);
        const queries = [new URL(address).search, "?z=1", "?z=1,x", "?z=1,1e9", ""];
        return [address, queries.map((query) => readPoint(query, 2))];
    """
    address, points = engine(code, "../catalogue")
    assert address == "file:///a.html?only=explorer&z=0.5,-1"
    assert points == [[0.5, -1], [], [], [], []]
