"""The JavaScript modules joined into one: node can parse what a page receives."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from vaelib.widgets import frontend

JS = Path(frontend.__file__).parent / "js"


@pytest.mark.parametrize("name", ["explorer", "playground", "predict"])
def test_a_widget_is_one_module_without_imports(
    node: Callable[..., str], name: str, tmp_path: Path
):
    text = frontend.module(name)
    assert not re.search(r"^import ", text, re.M)
    entry = f"export default {{ render: {name} }};"
    assert text.count(entry) == text.count("export ") == 1
    for written in (text, frontend.short_module(name)):
        (tmp_path / "one.mjs").write_text(written, encoding="utf-8")
        node("--check", tmp_path / "one.mjs")


def test_a_short_module_lacks_nothing_but_comments():
    """Not the code between two comments that share a line with code."""
    comment = re.compile(r"\s*(/\*\*|\*)")
    lines, short = (
        [line for line in text.splitlines() if not comment.match(line)]
        for text in (frontend.module("explorer"), frontend.short_module("explorer"))
    )
    assert lines == short


def test_what_is_imported_keeps_its_name():
    """In one module there are no imports that could give it another."""
    imports = re.findall(
        r"^import [^;]*;", "".join(f.read_text("utf-8") for f in JS.rglob("*.js")), re.M
    )
    assert len(imports) > 50
    assert [each for each in imports if " as " in each] == []


def test_a_published_page_is_one_classic_script(
    node: Callable[..., str], tmp_path: Path
):
    text = frontend.script()
    assert not re.search(r"^(import|export) ", text, re.M)
    (tmp_path / "page.cjs").write_text(text, encoding="utf-8")
    node("--check", tmp_path / "page.cjs")


def test_the_engine_is_a_function_that_a_worker_can_be_made_of(
    node: Callable[..., str], tmp_path: Path
):
    """It needs no page, and its text is all that a worker needs."""
    text = frontend.engine()
    assert not re.search(r"^(import|export) |\b(document|window)\b", text, re.M)
    assert "\n/**" not in text
    state = "let made; globalThis.vaelibState = (name, of) => { made = of; };"
    again = "console.log(Object.keys(eval(`(${made})()`)), eval(`(${made})`).name);"
    file = tmp_path / "engine.cjs"
    file.write_text(f"{state}\n{text}{again}", "utf-8")
    assert node(file).strip() == "[ 'serve', 'SlowUpdate' ]"


def test_names_at_the_top_level_are_unique():
    declaration = re.compile(
        r"^(?:export )?(?:async )?(?:function\*?|class) (\w+)", re.M
    )
    constants = re.compile(r"^(?:export )?(?:const|let) (\w+|[\[{][^=]*?[\]}]) =", re.M)
    names = []
    for file in JS.rglob("*.js"):
        text = file.read_text("utf-8")
        names += declaration.findall(text)
        names += [n for c in constants.findall(text) for n in re.findall(r"\w+", c)]
    assert len(names) > 100
    assert {name for name in names if names.count(name) > 1} == set()
