"""The picture of the model: a map on the landing page, small above each chapter.

Each part leads to its section, its function and its check. The numbers of an image come
from an explorer on the page, by vaelib/widgets/js/parts/model_picture.js.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from language import is_japanese
from sphinx.application import Sphinx
from symbols import in_html

import notebooks
from vaelib.widgets import frontend

PLACE = '<div class="model-picture"></div>'  # of the map, in the text of a page
SLOW = 'data-widget="slow_motion"'
PART = re.compile(r'<g data-part="(\w+)">(.*?)</g>', re.S)
CHAPTER = re.compile(r"notebooks/(\d\d)_")


def picture(app: Sphinx, page: str, chapter: int | None) -> str:
    """Return the picture, with the parts lit that a chapter is about, and its rows."""
    inventory = notebooks.inventory()
    items = {item["name"]: item for item in inventory["item"]}
    known = app.env.get_domain("py").objects  # type: ignore[attr-defined]

    def uri(docname: str, anchor: str) -> str:
        return f"{app.builder.get_relative_uri(page, docname)}#{anchor}"

    def links(part: dict[str, Any]) -> dict[str, str]:
        item = items[part["item"]]
        docname = f"notebooks/{item['chapter']}"
        found = {f"Chapter {int(item['chapter'][:2])}": uri(docname, item["target"])}
        if code := known.get(f"vaelib.{part['code']}"):  # not in a book of some pages
            found[f"<code>{part['code']}</code>"] = uri(code.docname, code.node_id)
        return found | {"its check": uri(docname, item["check"])}

    def linked(found: re.Match[str]) -> str:
        name, shapes = found.groups()
        part = inventory["part"][name]
        lit = ' class="lit"' if chapter in part["chapters"] else ""
        first = next(iter(links(part).values()))
        return f'<a data-part="{name}" href="{escape(first)}"{lit}>{shapes}</a>'

    rows = [
        f'<li data-part="{name}">{in_html(part["says"])}: '
        + " · ".join(f'<a href="{to}">{text}</a>' for text, to in links(part).items())
        for name, part in inventory["part"].items()
    ]
    drawn = PART.sub(linked, frontend.picture())
    return f'<figure class="model-picture">{drawn}<ul>{"".join(rows)}</ul></figure>'


def put(
    app: Sphinx, page: str, template: str, context: dict[str, Any], *_: Any
) -> None:
    """Put the picture where a page has a place for it, and below a chapter's title."""
    body = context.get("body", "")
    found = CHAPTER.match(page)
    if found and not is_japanese(page):
        title = "</h1>"
        drawn = picture(app, page, int(found[1]))
        context["body"] = body.replace(title, f"{title}\n{drawn}", 1)
    elif PLACE in body:
        context["body"] = body.replace(PLACE, picture(app, page, None))
    elif SLOW in body:  # in a chapter in Japanese: the widget has a picture of its own
        app.add_css_file("live/model.css")
        return
    else:
        return
    app.add_css_file("live/model.css")
    app.add_js_file("model.js", loading_method="defer")


def setup(app: Sphinx) -> None:
    """Register the event handler with Sphinx."""
    app.connect("html-page-context", put)
