r"""Symbols of the notation tables: found in formulas and in code, on every page.

A formula gets KaTeX's \htmlClass around each symbol, so that the same class stands on
the symbol and on its names in listings and texts. _static/symbols.js does the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from html import escape, unescape
from pathlib import Path
from typing import Any, NamedTuple

from sphinx.application import Sphinx
from sphinxcontrib import katex

import notebooks

BOOK = Path(__file__).parent
TABLES = (notebooks.FOLDER / "00_quick_start.md", BOOK / "notation.md")
HEAD = "| Symbol | In code | Meaning |"
IN_JAPANESE = (notebooks.FOLDER / "ja/00_quick_start.md", BOOK / "ja/reference.md")
JAPANESE_HEAD = "| 記号 | コード | 意味 |"


class Head(NamedTuple):
    """What a formula begins with: a letter, its scripts, and perhaps (arguments)."""

    letter: str
    scripts: tuple[str, ...]
    given: str  # "" if no parentheses follow


class Symbol(NamedTuple):
    """A row of a notation table."""

    key: str  # a class of CSS; short, since a page has it a thousand times
    heads: tuple[Head, ...]
    names: tuple[str, ...]  # in code
    row: tuple[str, ...]  # Markdown: symbol, names, meaning, shape or unit


# Reading formulas

TOKEN = re.compile(r"\\[a-zA-Z]+\*?|\\.|\s+|.", re.S)
LETTER = re.compile(
    r"[A-Za-z]|\\(alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|lambda|mu"
    r"|nu|xi|pi|rho|sigma|tau|phi|chi|psi|omega|Theta|Sigma|Phi|Psi|Omega|ell)"
)
STYLES = {r"\mathcal", r"\mathbb", r"\mathbf", r"\hat", r"\tilde", r"\bar"}
STYLES |= {r"\overline"}
ARGUMENTS = {r"\frac": 2, r"\tfrac": 2, r"\dfrac": 2, r"\sqrt": 1}
OPAQUE = {r"\text", r"\mathrm", r"\operatorname", r"\operatorname*", r"\begin"}
OPAQUE |= {r"\end", r"\tag", r"\textbf", r"\textit", r"\texttt", r"\mathsf"}


def argument(text: str, start: int) -> tuple[str, int]:
    """Return the argument of a command without its braces, and where it ends."""
    start += len(text[start:]) - len(text[start:].lstrip())
    if text[start : start + 1] != "{":
        token = TOKEN.match(text, start)
        return (token[0], token.end()) if token else ("", start)
    depth, end = 0, start
    for end in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0) * (text[end - 1] != "\\")
        if depth == 0:
            break
    return text[start + 1 : end], end + 1


def scripts(text: str, start: int) -> tuple[list[tuple[str, str]], int]:
    """Return the signs and arguments of what is set low or high, and where they end."""
    found = []
    while sign := re.compile(r"\s*([_^'])").match(text, start):
        inner, start = ("", sign.end())
        if sign[1] != "'":
            inner, start = argument(text, sign.end())
        found.append((sign[1], inner))
    return found, start


def plain(formula: str) -> str:
    """Return a formula without spaces, indices of images and draws, and braces."""
    formula = re.sub(r"\\(vert|mid)\b ?", "|", formula)
    formula = re.sub(r"\^\{\([^)]*\)\}|[_^](\{[^{}]*\}|\\?\w+)", "", formula)
    return re.sub(r"[\s{}]|\\[,;!]", "", formula)


def head(text: str, start: int = 0) -> tuple[Head, int, int] | None:
    """Return the head at a place, the end of its letter and of its scripts, or None."""
    token = TOKEN.match(text, start)
    if not token:
        return None
    letter, end = token[0], token.end()
    if letter in STYLES:
        inner, end = argument(text, end)
        letter = f"{letter} {inner}"
    elif not LETTER.fullmatch(letter):
        return None
    low_and_high, after = scripts(text, end)
    written = tuple(sign + plain(inner) for sign, inner in low_and_high)
    given = re.compile(r"\(([^()]*(?:\([^()]*\)[^()]*)*)\)").match(text, after)
    return Head(letter, written, plain(given[1]) if given else ""), end, after


def lines(tables: tuple[Path, ...], head: str) -> Iterator[str]:
    """Yield the rows of the tables with this head, one in each text."""
    for table in tables:
        text = table.read_text("utf-8")
        for line in text[text.index(head) :].splitlines()[2:]:
            if not line.startswith("|"):
                break
            yield line


@cache
def symbols() -> tuple[Symbol, ...]:
    """Return the rows of the notation tables."""
    found = enumerate(lines(TABLES, HEAD))
    return tuple(symbol(line, f"s-{number}") for number, line in found)


@cache
def in_japanese() -> dict[str, tuple[str, ...]]:
    """Return meaning and shape in Japanese, by the key of the symbol."""
    rows = [symbol(line, "").row for line in lines(IN_JAPANESE, JAPANESE_HEAD)]
    return {
        symbol_of(formula.split("$")[1]).key: tuple(says) for formula, _, *says in rows
    }


def symbol_of(formula: str) -> Symbol:
    """Return the symbol whose row begins with a formula."""
    (found,) = (s for s in symbols() if s.row[0].startswith(f"${formula}$"))
    return found


def symbol(line: str, key: str) -> Symbol:
    """Return the symbol of a line of a table."""
    cells = re.split(r"(?<!\\)\|", line)[1:-1]
    formula, code, *rest = (cell.strip() for cell in cells)
    names = tuple(re.findall(r"`-?([^`]+)`", code))
    found = [head(latex) for latex in re.findall(r"\$([^$]+)\$", formula)]
    heads = tuple(h[0] for h in found if h)
    return Symbol(key, heads, names, (formula, code, *rest))


def key_of(found: Head) -> tuple[str, bool]:
    """Return the key of the symbol that a head is, and whether scripts are part of it.

    A row with arguments fits whatever the parameters are: p(z) and p_theta(z). Of the
    others the one with the most scripts fits.
    """
    fitting = [
        (bool(known.given), len(known.scripts), symbol.key)
        for symbol in symbols()
        for known in symbol.heads
        if known.letter == found.letter
        and (
            known.given == found.given
            if known.given
            else {*known.scripts} <= {*found.scripts}
        )
    ]
    has_arguments, n, key = max(fitting, default=(False, 0, ""))
    return key, n > 0 and not has_arguments


def marked(text: str, seen: set[str] | None = None) -> str:
    """Return a formula with a class around each symbol, whose keys are put into `seen`.

    An argument without braces gets some: a command cannot stand there.
    """
    out, i = [], 0
    seen = set() if seen is None else seen
    while i < len(text):
        token = TOKEN.match(text, i)
        assert token
        command, i = token[0], token.end()
        if command in OPAQUE:
            _, end = argument(text, i)
            out.append(command + text[i:end])
            i = end
        elif command in ARGUMENTS:
            out.append(command)
            for _ in range(ARGUMENTS[command]):
                inner, i = argument(text, i)
                out.append(f"{{{marked(inner, seen)}}}")
        elif command in "_^":
            inner, i = argument(text, i)
            out.append(f"{command}{{{marked(inner, seen)}}}")
        elif found := head(text, token.start()):
            what, end, i = found
            key, own = key_of(what)
            if own:  # its scripts are part of its name, as in D_{KL}
                whole = text[token.start() : i]
            else:
                low_and_high = "".join(
                    sign + (f"{{{marked(inner, seen)}}}" if sign in "_^" else "")
                    for sign, inner in scripts(text, end)[0]
                )
                whole = text[token.start() : end] + low_and_high
            seen |= {key} - {""}
            out.append(rf"\htmlClass{{{key}}}{{{whole}}}" if key else whole)
        else:
            out.append(command)
    return "".join(out)


# Finding names in code

BLOCK = re.compile(r'(?<=<div class="highlight"><pre>).*?(?=</pre>)', re.S)
PART = re.compile(r'<span class="(n\w*|fm|bp)">([^<]*)</span>|<[^>]*>|[^<]+')
INLINE = re.compile(r'<code class="([^"]*)"><span class="pre">([^<]+)</span></code>')
Names = list[tuple[str, str]]  # key and name


def names_in(html: str, items: list[dict[str, Any]]) -> Names:
    """Return the keys of all symbols with their names in a section of a page.

    Some are called otherwise in the code beside one of the equations, `items`.
    """
    names = [(symbol.key, name) for symbol in symbols() for name in symbol.names]
    for item in items:
        target = item.get("target", "")
        # As a chapter in Japanese calls it
        translated = re.sub("^([a-z]+)-(kw|ours)-", r"\1-ja-", target)
        if f'id="{target}"' in html or f'id="{translated}"' in html:
            names += names_of(item)
    return names


def names_of(item: dict[str, Any]) -> Names:
    """Return keys and names of the symbols that are called otherwise in a listing."""
    return [
        (symbol_of(formula).key, name)
        for formula, names in item.get("names", {}).items()
        for name in names
    ]


def places(text: str, names: Names) -> Iterator[tuple[str, int, int]]:
    """Yield the key, the start and the end of each name in a text of code."""
    for key, name in names:
        for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text):
            yield key, found.start(), found.end()


def marked_listing(html: str, names: Names) -> str:
    """Return the lines of a listing with a class on each name of a symbol."""
    parts = list(PART.finditer(html))
    written = [
        "" if p[0][0] == "<" and not p[1] else unescape(p[2] or p[0]) for p in parts
    ]
    starts = [0]
    for text in written:
        starts.append(starts[-1] + len(text))
    keys: list[set[str]] = [set() for _ in parts]
    for key, start, end in places("".join(written), names):
        for i, part in enumerate(parts):
            if part[1] and start <= starts[i] and starts[i + 1] <= end:
                keys[i].add(key)
    return "".join(
        f'<span class="{" ".join([part[1], *sorted(k)])}">{part[2]}</span>'
        if k
        else part[0]
        for part, k in zip(parts, keys, strict=True)
    )


def marked_section(html: str, names: Names) -> str:
    """Return a section with a class on each name of a symbol in listings and texts."""

    def inline(found: re.Match[str]) -> str:
        keys = {key for key, name in names if name == unescape(found[2])}
        return found[0].replace(found[1], " ".join([found[1], *sorted(keys)]), 1)

    html = BLOCK.sub(lambda found: marked_listing(found[0], names), html)
    return INLINE.sub(inline, html)


# Writing pages

ENCLOSED = re.compile(r'<span class="enclosing (s-[\w-]+)( mtight)?"><span class="')
SPAN = re.compile(r"<span\b|</span>")
SOURCE = re.compile(r"(?<=x-tex\">).*?(?=</annotation>)", re.S)
plain_render = katex.render_latex


def render(latex: str, options: dict[str, Any] | None = None) -> str:
    """Return a formula as HTML, with a class on each symbol."""
    html = plain_render(marked(latex), options)
    return joined(SOURCE.sub(lambda _: escape(latex, quote=False), html))


def joined(html: str) -> str:
    """Return a formula with each class on what it encloses, if this is one element."""
    start = 0
    while found := ENCLOSED.search(html, start):
        start, depth = found.end(), 0
        inner = found[0].rindex("<span") + found.start()
        ends = []  # of the element within, and of the one around it
        for tag in SPAN.finditer(html, inner):
            depth += 1 if tag[0] != "</span>" else -1
            if depth <= 0:
                ends.append(tag.end())
            if depth < 0:
                break
        if len(ends) == 2 and ends[1] == ends[0] + len("</span>"):
            opened = f'<span class="{found[1]} '
            body = html[found.end() : ends[0]]
            html = html[: found.start()] + opened + body + html[ends[1] :]
            start = found.start() + len(opened)
    return html


def in_html(markdown: str) -> str:
    """Return a cell of a table, text with formulas and code, as HTML."""
    markdown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown)
    pieces = re.split(r"\$([^$]+)\$|`-?([^`]+)`", markdown)
    html = ""
    for text, formula, code in zip(
        pieces[::3], [*pieces[1::3], None], [*pieces[2::3], None], strict=True
    ):
        html += escape(text)
        html += plain_render(formula) if formula else ""
        html += f"<code>{escape(code)}</code>" if code else ""
    return html


def write_rows(app: Sphinx) -> None:
    """Write what the page says of each symbol: names, meaning, shape.

    Meaning and shape in Japanese follow, if a table has them.
    """
    rows = {
        s.key: [in_html(cell) for cell in (*s.row[:4], *in_japanese().get(s.key, ()))]
        for s in symbols()
    }
    file = Path(app.outdir) / "_static" / "symbols-rows.js"
    file.write_text(f"symbolRows = {json.dumps(rows, ensure_ascii=False)};\n", "utf-8")


def mark_page(
    app: Sphinx, name: str, template: str, context: dict[str, Any], *_: Any
) -> None:
    """Mark the symbols of a page that has formulas, and load their script."""
    body = context.get("body", "")
    if 'class="katex"' not in body:
        return
    items = [i for i in notebooks.inventory()["item"] if name.endswith(i["chapter"])]
    sections = re.split(r"(?=<section )", body)
    context["body"] = "".join(
        marked_section(part, names_in(part, items)) for part in sections
    )
    app.add_js_file("symbols.js", loading_method="defer")


def setup(app: Sphinx) -> None:
    """Let KaTeX take classes, and register event handlers with Sphinx."""
    katex.KATEX_DEFAULT_OPTIONS.update(trust=True, strict=False)
    katex.render_latex = render
    app.connect("html-page-context", mark_page)
    app.connect("builder-inited", write_rows, priority=900)  # _static is there
