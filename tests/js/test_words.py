"""Labels of the widgets in Japanese: each is in the table, and no other is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from vaelib.widgets import frontend

JS = Path(frontend.__file__).parent / "js"


def test_each_label_has_a_translation_with_the_same_values(node: Callable[..., str]):
    used = {
        re.sub(r"\$\{[^}]*\}", "{}", label)
        for file in JS.rglob("*.js")
        for label in re.findall(r"\bwords`([^`]*)`", file.read_text("utf-8"))
    }
    table = (JS / "parts/words.js").read_text("utf-8")
    found = re.search(r"const JAPANESE = (\{.*?\n\});", table, re.S)
    assert found
    japanese = json.loads(node("-p", f"JSON.stringify({found[1]})"))
    assert set(japanese) == used
    for english, text in japanese.items():
        assert english.count("{}") == text.count("{}"), english
        assert re.search("[\u3040-\u30ff\u4e00-\u9fff]|KL", text), english
