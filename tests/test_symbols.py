"""Symbols of the notation tables: in formulas, and in the code beside them."""

from __future__ import annotations

import inspect
import re
from pkgutil import resolve_name
from typing import Any

import pytest
import symbols

import notebooks

ITEMS = [
    item
    for item in notebooks.inventory()["item"]
    if item.get("code") and item.get("target", "").startswith(("eq-", "app-"))
]
EQUATION = r"\({}\)=\n(\\begin{{equation\*}}.*?\\end{{equation\*}})"
DOCSTRING = re.compile(r'r?""".*?"""', re.S)


def key(formula: str) -> str:
    """Return the key of a symbol."""
    return symbols.symbol_of(formula).key


def keys(latex: str) -> set[str]:
    """Return the keys of the symbols in a formula."""
    seen: set[str] = set()
    symbols.marked(latex, seen)
    return seen


def test_each_row_has_its_columns_and_its_own_key() -> None:
    rows = symbols.symbols()
    assert len(rows) > 30
    assert len({row.key for row in rows}) == len(rows)
    assert {len(row.row[:4]) for row in rows} == {4}
    assert all(row.names for row in rows)


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\mu_j^{(i)}", [r"\mu"]),
        (r"\sigma^2", [r"\log\sigma^2"]),
        (r"D_{KL}", ["D_{KL}"]),
        (r"\sum_{i=1}^D x_i", ["D", "x"]),
        (r"\mathcal N(0, I)", []),
        (r"\text{MNIST}", []),
        (r"\hat x", [r"\hat x"]),
        (r"\mathcal L_K", [r"\mathcal L_K"]),
        (r"\mathcal{L}(\theta; x)", [r"\mathcal L", r"\theta", "x"]),
        (r"p(z)", ["p(z)", "z"]),
        (r"p_\theta(z)", ["p(z)", r"\theta", "z"]),
        (r"p_\theta(x^{(i)}|z^{(i,l)})", [r"p_\theta(x\vert z)", r"\theta", "x", "z"]),
        (r"p_\theta(z \mid x)", [r"p_\theta(z\vert x)", r"\theta", "x", "z"]),
        (r"\frac NM", ["N", "M"]),
        (r"\tfrac1L", ["L"]),
        (r"\mathbb E_{q_\phi(z|x)}", [r"q_\phi(z\vert x)", r"\phi", "x", "z"]),
    ],
)
def test_symbols_are_found(latex: str, expected: list[str]) -> None:
    assert keys(latex) == {key(formula) for formula in expected}


def test_a_formula_keeps_what_it_says() -> None:
    """Without the classes it is the same, but for braces."""
    for name in notebooks.names():
        text = (notebooks.FOLDER / f"{name}.md").read_text("utf-8")
        for latex in re.findall(r"(?<!`)\$([^$`]+)\$", text):
            plain = re.sub(r"\\htmlClass\{s-\d+\}", "", symbols.marked(latex))
            assert re.sub(r"[{}\s]", "", plain) == re.sub(r"[{}\s]", "", latex)


@pytest.mark.parametrize("name", [name for name in notebooks.names() if "/" in name])
def test_a_page_in_japanese_explains_its_symbols_in_japanese(name: str) -> None:
    text = (notebooks.FOLDER / f"{name}.md").read_text("utf-8")
    formulas = re.findall(r"\\begin\{equation\*\}.*?\\end\{equation\*\}", text, re.S)
    formulas += re.findall(r"(?<!`)\$([^$`]+)\$", text)
    found = set[str]().union(*map(keys, formulas))
    rows = {row.key: row.row[0] for row in symbols.symbols()}
    assert [rows[name] for name in found - set(symbols.in_japanese())] == []
    for meaning, shape in symbols.in_japanese().values():
        assert re.search("[\u3040-\u30ff\u4e00-\u9fff]", meaning)
        assert not re.search("number|nats|weights", shape)


def test_names_in_a_listing_are_marked() -> None:
    html = '<span class="k">return</span> <span class="nb">len</span>'
    html += '<span class="p">(</span><span class="n">eps</span><span class="p">)</span>'
    names = [("s-1", "len(eps)"), ("s-2", "eps"), ("s-3", "ep")]
    marked = symbols.marked_listing(html, names)
    assert '<span class="nb s-1">len</span>' in marked
    assert '<span class="n s-1 s-2">eps</span>' in marked
    assert marked.count("s-") == 3


def test_a_class_is_on_what_it_encloses() -> None:
    inner = '<span class="mord"><span class="mord mathnormal">p</span></span>'
    html = f'<span class="enclosing s-7">{inner}</span><span>x</span>'
    joined = symbols.joined(html)
    assert joined == f"{inner.replace('mord', 's-7 mord', 1)}<span>x</span>"
    both = f'<span class="enclosing s-7">{inner}<span>y</span></span>'
    assert symbols.joined(both) == both


def unanswered(item: dict[str, Any]) -> set[str]:
    """Return the symbols of an equation that have no name in the code beside it."""
    text = (notebooks.FOLDER / f"{item['chapter']}.md").read_text("utf-8")
    equation = re.search(EQUATION.format(re.escape(item["target"])), text, re.S)
    if not equation:  # an algorithm, or a list
        return set()
    things = [resolve_name(f"vaelib.{name}") for name in item["code"]]
    code = "\n".join(inspect.getsource(getattr(t, "fget", t)) for t in things)
    names = [(row.key, name) for row in symbols.symbols() for name in row.names]
    names += symbols.names_of(item)
    answered = {key for key, *_ in symbols.places(DOCSTRING.sub("", code), names)}
    return keys(equation[1]) - answered


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["target"])
def test_each_symbol_of_an_equation_has_a_name_in_its_code(
    item: dict[str, Any],
) -> None:
    """Or the inventory says why not. No reason is left over."""
    common = notebooks.inventory()["unseen"]
    reasons = {key(formula) for formula in item.get("unseen", {})}
    found = unanswered(item)
    missing = found - reasons - {key(formula) for formula in common}
    rows = {row.key: row.row[0] for row in symbols.symbols()}
    assert not missing, f"no name and no reason: {[rows[name] for name in missing]}"
    assert reasons <= found, f"a reason too many: {[rows[k] for k in reasons - found]}"
