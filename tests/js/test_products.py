"""engine/products.js: matrix products in WebAssembly and in JavaScript."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
import torch
from arrays import PRELUDE, decode, distance, encode, importing

SHAPES = [  # rows, columns, depth: whole tiles, edges of every kind, several blocks
    *((1, 1, 1), (4, 8, 4), (3, 7, 2), (5, 9, 6), (8, 16, 256), (6, 12, 257)),
    *((2, 128, 400), (128, 20, 33), (63, 31, 600), (400, 128, 784)),
]
NAMES = "buildInArena, matrixOf, transposed"
PRODUCTS = (
    importing(NAMES, "products")
    + PRELUDE
    + """
    const results = input.cases.map(({ shape, gap, a, b, c }) => {
        const [rows, columns, depth] = shape;
        const arrays = [a, b, c].map(floats);
        const { arena, copies } = buildInArena((arena) => {
            const copies = arrays.map((array) => arena.allocate(array.length));
            return { arena, copies };
        }, input.wasm);
        if ((arena.kernels !== null) !== input.wasm) throw Error("wrong kernels");
        copies.forEach((copy, i) => copy.set(arrays[i]));
        const left = matrixOf(copies[0], input.transposed ? rows : depth);
        arena.addProduct(
            matrixOf(copies[2], columns + gap),
            input.transposed ? transposed(left) : left,
            matrixOf(copies[1], columns + gap),
            ...shape,
        );
        return text(copies[2]);
    });
    console.log(JSON.stringify(results));
"""
)


@pytest.mark.parametrize("wasm", [True, False])
@pytest.mark.parametrize("is_transposed", [True, False])
def test_a_product_is_added_and_nothing_else_is_changed(
    node: Callable[..., str], wasm: bool, is_transposed: bool
):
    rng = torch.Generator().manual_seed(0)
    cases, expected = [], []
    for rows, columns, depth in SHAPES:
        gap = 3 if rows % 2 else 0  # columns of B and C that are not used
        a = torch.randn(rows, depth, generator=rng)
        b = torch.randn(depth, columns + gap, generator=rng)
        c = torch.randn(rows, columns + gap, generator=rng)
        raw = dict(a=encode(a.T.contiguous() if is_transposed else a), b=encode(b))
        cases.append(dict(raw, c=encode(c), shape=(rows, columns, depth), gap=gap))
        total = c.double()
        total[:, :columns] += a.double() @ b[:, :columns].double()
        expected.append(total)

    values = json.dumps(dict(cases=cases, wasm=wasm, transposed=is_transposed))
    output = node("--input-type=module", "--eval", PRODUCTS, text=values)
    for shape, raw, c in zip(SHAPES, json.loads(output), expected, strict=True):
        assert distance(decode(raw), c) < 1e-6, shape  # norm of C's error, relative


@pytest.mark.parametrize(
    "forbid",
    ["WebAssembly.Module = function () { throw Error(); };", "WebAssembly = 0;"],
)
def test_javascript_computes_where_webassembly_may_not(
    node: Callable[..., str], forbid: str
):
    """A policy of the site may forbid to compile, a browser may have no SIMD."""
    script = forbid + importing("Arena, matrixOf", "products")
    script += """
        const arena = new Arena(2 ** 16);
        const [a, b, c] = [1, 2, 1].map((length) => arena.allocate(length));
        [a[0], b[0], b[1]] = [3, 5, 7];
        arena.addProduct(...[c, a, b].map((data) => matrixOf(data, 1)), 1, 1, 1);
        console.log(arena.kernels, c[0], b.byteOffset % 16);
    """
    assert node("--input-type=module", "--eval", script) == "null 15 0\n"


def test_memory_that_is_too_small_is_an_error(node: Callable[..., str]):
    script = importing("Arena", "products")
    script += """
        let message = "";
        try {
            new Arena(4).allocate(2 ** 20);
        } catch (error) {
            message = error.name;
        }
        console.log(message);
    """
    assert node("--input-type=module", "--eval", script) == "RangeError\n"


@pytest.mark.parametrize("wasm", [True, False])
def test_the_exponential_is_exact_to_the_last_bits(
    node: Callable[..., str], wasm: bool
):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(999, generator=rng) * 30
    x[:6] = torch.tensor([0.0, -0.0, math.nan, math.inf, 1e-30, -3e38])
    script = importing("buildInArena", "products") + PRELUDE
    script += """
        const x = floats(input.x);
        const build = (arena) => [arena, arena.allocate(999), arena.allocate(999)];
        const [arena, from, to] = buildInArena(build, input.wasm);
        from.set(x);
        arena.decay(to, from);
        console.log(text(to));
    """
    values = json.dumps(dict(x=encode(x), wasm=wasm))
    y = decode(node("--input-type=module", "--eval", script, text=values))
    expected = torch.exp(-x.double().abs()).float()
    torch.testing.assert_close(y, expected, rtol=3e-7, atol=3e-45, equal_nan=True)
