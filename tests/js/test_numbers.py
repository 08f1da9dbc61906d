"""The pure functions of engine/, run by node."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vaelib.widgets import frontend

ENGINE = Path(frontend.__file__).parent / "js/engine"


@pytest.fixture
def evaluate(node: Callable[..., str]) -> Callable[[str], Any]:
    """Return a function that evaluates an expression of the engine's functions."""
    modules = [(ENGINE / f"{name}.js").as_uri() for name in ("numbers", "bytes")]
    imports = ", ".join(f"...await import({json.dumps(uri)})" for uri in modules)

    def of(expression: str) -> Any:
        script = f"const e = {{{imports}}}; console.log(JSON.stringify({expression}));"
        return json.loads(node("--input-type=module", "--eval", script))

    return of


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[...e.interpolate(Float32Array.of(0, 4), [1, 0], 0.25)]", [0.25, 3]),
        ("e.descending([1, 3, 2, 3])", [1, 3, 2, 0]),
        ("e.objective([1, 2], [10, 20], [0.5, 1])", [6, 22]),
        ("e.ticks(0, 10, 5)", [0, 2, 4, 6, 8, 10]),
        ("e.ticks(-0.3, 0.3, 5)", [-0.2, 0, 0.2]),
        ("e.valueRange([[1, NaN], [3]])", [0, 3.12]),
        ("e.valueRange([[NaN]])", [0, 1]),
        ("e.recentRange([[900, 80, 90]])", [0, 936]),
        ("e.recentRange([[900, ...Array(20).fill(100), 50]])", [0, 156]),
        ("e.recentRange([[-900, ...Array(20).fill(0), 100]])", [-52, 140]),
        ("[-1, 1.4, 9].map((x) => e.nearest([0, 1, 2], x))", [0, 1, 2]),
        ("e.nearest([], 1)", -1),
        ("e.formatNumber(0.1 + 0.2)", "0.3"),
        ("e.formatNumber(-1234.56)", "−1235"),
        (
            "[-1.005, -0.004, 0.004, 2].map(e.twoDecimals)",
            ["−1.00", "0.00", "0.00", "2.00"],
        ),
        ("[0, 9, 122].map(e.latentName)", ["z₁", "z₁₀", "z₁₂₃"]),
        ("e.clamp(7, 0, 3)", 3),
        ("e.classOf({ labels: [1, 299], classes: ['a', 'b'] }, 0)", "b"),
        ("e.classOf({ labels: [1, 299], classes: ['a', 'b'] }, 1)", "299"),
        ("e.classOf({ labels: [-1], classes: ['a', 'b'] }, 0)", ""),
        ("e.classOf({ labels: [], classes: [] }, 0)", ""),
    ],
)
def test_a_function_returns_the_expected_value(
    evaluate: Callable[[str], Any], expression: str, expected: Any
):
    found = evaluate(expression)
    is_text = isinstance(np.ravel(expected)[0], str)
    assert found == (expected if is_text else pytest.approx(expected))


def test_the_shortest_decimal_is_read_as_the_same_float(
    evaluate: Callable[[str], Any],
):
    values = np.random.default_rng(0).standard_normal(50).astype(np.float32)
    texts = evaluate(f"{values.tolist()}.map(e.shortestDecimal)")
    assert [np.float32(text) for text in texts] == values.tolist()
    assert evaluate("e.shortestDecimal(Math.fround(0.1))") == "0.1"


def test_draws_of_the_prior_have_mean_0_and_variance_1(
    evaluate: Callable[[str], Any],
):
    draws = np.array(evaluate("[...e.priorSample(100_000)]"))
    assert abs(draws.mean()) < 0.02
    assert abs(draws.var() - 1) < 0.03


def test_a_curve_is_read_from_bytes_that_are_not_aligned(
    evaluate: Callable[[str], Any],
):
    rows = np.array([[4, 100, 10, 0.5], [8, 90, 20, 1]], np.float32)
    raw = [0, *rows.tobytes()]  # the view starts at byte 1
    view = f"new DataView(Uint8Array.from({raw}).buffer, 1)"
    total = evaluate(f"e.curveOf({view}, 4).total")
    x = evaluate(f"[...e.curveOf({view}, 4).x]")
    assert (total, x) == ([105, 110], [1, 2])
