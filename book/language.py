"""The Japanese pages: labels of the theme in Japanese, links between the languages."""

from __future__ import annotations

import gettext
from pathlib import Path
from typing import Any

import pydata_sphinx_theme
import sphinx
import sphinx_book_theme
from sphinx.application import Sphinx

CHAPTERS = ("00_quick_start", "05_the_variational_auto_encoder", "15_playground")
JAPANESE = {
    "book/intro": "book/ja/index",
    "book/teaching": "book/ja/teaching",
} | {f"notebooks/{name}": f"notebooks/ja/{name}" for name in CHAPTERS}
ENGLISH = {japanese: english for english, japanese in JAPANESE.items()}


def labels(*catalogues: tuple[Any, str, str]) -> gettext.NullTranslations:
    """Return the Japanese labels of packages; those of the first one win."""
    found = gettext.NullTranslations()
    for package, folder, name in catalogues:
        path = Path(package.__file__).parent / folder
        found.add_fallback(gettext.translation(name, path, ["ja"]))
    return found


THEME = labels(
    (pydata_sphinx_theme, "locale", "sphinx"),
    (sphinx, "locale", "sphinx"),
)
BOOK_THEME = labels(
    (sphinx_book_theme, "theme/sphinx_book_theme/static/locales", "booktheme"),
)


def is_japanese(name: str) -> bool:
    """Return whether a page is in Japanese."""
    return "/ja/" in name


def label(
    app: Sphinx, name: str, template: str, context: dict[str, Any], tree: Any
) -> None:
    """Set the language of a page, and with it the labels of the theme."""
    if is_japanese(name):
        context["language"] = "ja"
        context["_"], context["translate"] = THEME.gettext, BOOK_THEME.gettext


def link(
    app: Sphinx, name: str, template: str, context: dict[str, Any], tree: Any
) -> None:
    """Link a page to the one in the other language.

    The buttons "previous" and "next" do not lead from one language to the other.
    """
    if other := JAPANESE.get(name) or ENGLISH.get(name):
        uri = app.builder.get_relative_uri(name, other)
        context["other_language"] = uri, "ja" if is_japanese(other) else "en"
    neighbours = app.builder.relations.get(name, (None, None, None))  # type: ignore
    for way, page in zip(("prev", "next"), neighbours[1:], strict=True):
        if page and is_japanese(page) != is_japanese(name):
            context[way] = None


def setup(app: Sphinx) -> None:
    """Connect: the link before the theme looks for it, its labels after its own."""
    app.connect("html-page-context", link, priority=400)
    app.connect("html-page-context", label, priority=900)
