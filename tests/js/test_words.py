"""Labels of the widgets in Japanese: each is in the table, and no other is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from vaelib.widgets import frontend

JS = Path(frontend.__file__).parent / "js"


def label(template: str) -> str:
    """Return the key of a template: {} for each value, a blank for a line break."""
    return re.sub(r"\s+", " ", re.sub(r"\$\{[^}]*\}", "{}", template))


def test_each_label_has_a_translation_with_the_same_values(node: Callable[..., str]):
    used = {
        label(template)
        for file in JS.rglob("*.js")
        for template in re.findall(r"\bwords`([^`]*)`", file.read_text("utf-8"))
    }
    table = (JS / "parts/japanese.js").read_text("utf-8")
    found = re.search(r"const JAPANESE = (\{.*?\n\});", table, re.S)
    assert found
    japanese = json.loads(node("-p", f"JSON.stringify({found[1]})"))
    assert set(japanese) == used
    for english, text in japanese.items():
        assert english.count("{}") == text.count("{}"), english
        assert re.search("[\u3040-\u30ff\u4e00-\u9fff]|KL", text), english


SHOWN = """
globalThis.document = { documentElement: { lang: "ja" } };
const { messageWords, settingsWords, termWords } = await import(process.argv[1]);
const shown = [
  messageWords("beta is -1: give a number of at least 0 and at most 1e+06."),
  messageWords("beta is 'a': give a number."),
  messageWords("seed is '': give a whole number."),
  messageWords("the loss is not finite at step 3: give a smaller lr."),
  messageWords("anything else"),
  messageWords("beta is 4.0: capacity has no such setting, leave it out."),
  settingsWords("mnist, 1,000 images, bce, 20 latents, β 1, seed 42, 300 updates"),
  settingsWords("2 latents, free bits 0.5, 5 encoder updates, 9 updates"),
  settingsWords("2 latents, capacity 15, γ 2, β 1, seed 0"),
  termWords("cross-entropy"),
];
console.log(JSON.stringify(shown));
"""


def test_what_the_engine_says_is_translated(node: Callable[..., str]):
    words = (JS / "parts/words.js").as_uri()
    shown = node("--input-type=module", "-e", SHOWN, words)
    assert json.loads(shown) == [
        "beta が -1 になっています。0 以上 1e+06 以下の数にしてください。",
        "beta が 'a' になっています。数にしてください。",
        "seed が '' になっています。整数にしてください。",
        "更新 3 で損失が有限でなくなりました。lr を小さくしてください。",
        "anything else",
        "beta が 4.0 になっています。容量とは一緒に使えません。",
        "mnist, 画像 1,000 枚, bce, 潜在変数 20 個, β 1, シード 42, 更新 300 回",
        "潜在変数 2 個, フリービット 0.5, エンコーダの更新 5 回, 更新 9 回",
        "潜在変数 2 個, 容量 15, γ 2, β 1, シード 0",
        "交差エントロピー",
    ]
