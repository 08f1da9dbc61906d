"""`make slides ARGS=02_the_lower_bound`: slides of a chapter, as one HTML file.

Everything is in the file: it needs no network and no other file. `slides.js` in it
makes the slides from the chapter's page; without scripts the file is that page.
"""

from __future__ import annotations

import base64
import re
import sys
from html import escape
from pathlib import Path

import handout
import printed

PARTS = Path(__file__).parent / "_slides"
URL = re.compile(r"url\(([^)]+\.woff2)\)")
OTHER_FONTS = re.compile(r",?url\([^)]+\.(?:woff|ttf)\) format\([^)]*\)")
IMAGE = re.compile(r'src="file://([^"]+\.(webp|png|svg))"')
PAGE = """<!doctype html>
<html lang="en" data-theme="light">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{styles}
</style>
<main>{article}</main>
<script>
{script}
</script>
"""


def slides(site: Path, chapter: str) -> str:
    """Return the slides of a chapter as HTML, from its page of a built book.

    Solutions, the code of figures and references are left out.
    """
    page = f"notebooks/{chapter}"
    article = printed.article(site, page, [page])
    for unneeded in (printed.SOLUTION, printed.FOLDED):
        article = unneeded.sub("", article)
    return PAGE.format(
        title=escape(printed.title_of(article)),
        styles=styles(site),
        article=IMAGE.sub(lambda found: f'src="{as_data(Path(found[1]))}"', article),
        script=(PARTS / "slides.js").read_text("utf-8"),
    )


def styles(site: Path) -> str:
    """Return the styles of formulas, with their fonts, of code and of slides."""
    katex = site / "_static" / "katex"
    formulas = OTHER_FONTS.sub("", (katex / "katex.min.css").read_text("utf-8"))
    formulas = URL.sub(lambda found: f"url({as_data(katex / found[1])})", formulas)
    code = (site / "_static" / "pygments.css").read_text("utf-8")
    return "\n".join((formulas, code, (PARTS / "slides.css").read_text("utf-8")))


def as_data(file: Path) -> str:
    """Return the content of a file as an address."""
    kind = {".woff2": "font/woff2", ".svg": "image/svg+xml"}
    kind = kind.get(file.suffix, f"image/{file.suffix[1:]}")
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def main(pages: str, out: str, *names: str) -> None:
    """Write the slides of the chapters, or of those that are named, into a folder."""
    asked = handout.known(names) or handout.chapters()
    folder = Path(out).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for name in asked:
        file = folder / f"{name}.html"
        file.write_text(slides(Path(pages).resolve(), name), "utf-8")
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
