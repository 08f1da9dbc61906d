"""Search of the book: both spellings of English, Japanese, and numbers of equations.

What the index does with a word, in Python, the page does with a query, in JavaScript.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.search import js_index
from sphinx.search.en import SearchEnglish

# British to American spelling, and words that are written with and without a hyphen.
SPELLINGS = [
    (
        r"(\w\w(?:al|ar|at|er|et|ic|id|im|in|ndom|or|ort|tr))is(e[drs]?|ing)\b",
        r"\1iz\2",
    ),
    (r"isation", r"ization"),
    (r"(anal|paral)ys(e[drs]?|ing)\b", r"\1yz\2"),
    (r"(behavi|col|fav|neighb)our", r"\1or"),
    (r"(cancel|label|model|signal|travel)l(ed|ing)\b", r"\1\2"),
    (r"\b(cent|met)re(s?)\b", r"\1er\2"),
    (r"\bgrey", r"gray"),
    (r"\b(auto|mini|pre|re)-(?=\w)", r"\1"),
]
# Japanese has no spaces: each two neighbouring characters count as a word.
JAPANESE = "\u3040-\u30ff\u3400-\u9fff"
WORD = f"[{JAPANESE}]+|[^\\W{JAPANESE}]+"

SPLITTER = """
function splitQuery(query) {
  const spellings = %s;
  for (const [from, to] of spellings) query = query.replace(new RegExp(from, "gi"), to);
  const words = query.match(/[%s]+|(?:(?![%s])[\\p{L}\\p{N}_])+/gu) ?? [];
  return words.flatMap((word) =>
    /[%s]./u.test(word) ? [...word].slice(1).map((last, i) => word[i] + last) : word,
  );
}
"""


def split(text: str) -> list[str]:
    """Return the words of a text in American spelling, Japanese ones in pairs."""
    for british, american in SPELLINGS:
        text = re.sub(british, american, text, flags=re.IGNORECASE)
    words: list[str] = []
    for word in re.findall(WORD, text):
        if len(word) > 1 and re.match(f"[{JAPANESE}]", word):
            words += [word[i : i + 2] for i in range(len(word) - 1)]
        else:
            words.append(word)
    return words


def splitter_code() -> str:
    """Return the same function in JavaScript, by the name that Sphinx wants."""
    spellings = [[old, re.sub(r"\\(\d)", r"$\1", new)] for old, new in SPELLINGS]
    return SPLITTER % (json.dumps(spellings), JAPANESE, JAPANESE, JAPANESE)


class Search(SearchEnglish):
    """English, as Sphinx has it, with our splitter."""

    js_splitter_code = splitter_code()
    split: Callable[[str], list[str]] = staticmethod(split)  # type: ignore[assignment]

    def word_filter(self, word: str) -> bool:
        """Return whether a word is put into the index: all but the most common."""
        return word not in self.stopwords


def index_places(
    tree: nodes.document, places: dict[str, tuple[str, str]], page: str
) -> None:
    """Let the search find the equations and sections of a page by their numbers.

    "(10)" and "equation (10)" both lead to the equation.
    """
    for name, (where, anchor) in places.items():
        if where == page:
            names = [name, f"equation {name}"] if name.startswith("(") else [name]
            entries = [("single", each.lower(), anchor, "main", None) for each in names]
            tree += addnodes.index(entries=entries)


def keep_entries(app: Sphinx) -> list[Any]:
    """Keep the entries of pages that are not written again; Sphinx would lose them.

    Returns that no pages are to be added.
    """
    file = Path(app.outdir) / "searchindex.js"
    entries = app.builder.indexer._index_entries  # type: ignore[attr-defined]
    if file.exists():
        old, found = js_index.loads(file.read_text("utf-8")), {}
        for entry, places in old["indexentries"].items():
            for i, anchor, is_main in places:
                main = "main" if is_main else ""
                found.setdefault(old["docnames"][i], []).append((entry, anchor, main))
        for page in app.env.all_docs:
            entries.setdefault(page, found.get(page, []))
    return []


def setup(app: Sphinx) -> None:
    """Replace the English search of Sphinx."""
    app.add_search_language(Search)
    app.connect("html-collect-pages", keep_entries)
