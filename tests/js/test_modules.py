"""The JavaScript modules joined into one: node can parse what a page gets."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from vaelib.widgets import frontend

NODE = next(iter(Path(sys.executable).parent.glob("node*")), "node")


@pytest.mark.parametrize("name", ["explorer", "playground"])
def test_a_widget_is_one_module_that_imports_nothing(name: str, tmp_path: Path):
    text = frontend.module(name)
    assert not re.search(r"^import ", text, re.M)
    assert (
        text.count(f"export default {{ render: {name} }};")
        == text.count("export ")
        == 1
    )
    (tmp_path / "one.mjs").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [str(NODE), "--check", str(tmp_path / "one.mjs")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_published_page_is_one_classic_script(tmp_path: Path):
    text = frontend.script()
    assert not re.search(r"^(import|export) ", text, re.M)
    (tmp_path / "page.cjs").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [str(NODE), "--check", str(tmp_path / "page.cjs")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
