"""`make offline`: the whole book as one PDF, which the first page then links to."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import printed

from vaelib import __version__

NAME = "vae-book.pdf"
# Of the first page: where the link goes
PLACE = re.compile(r'(<span class="offline-copy">)(.*?)(</span>)', re.S)
COVER = """<p>vaelib {version}. Text and code: MIT licence. What moves on the pages are
pictures here, and what is folded there is open.</p>"""


def main(pages: str) -> None:
    """Write the PDF into the folder of the built pages, and the link to it."""
    site = Path(pages).resolve()
    names = printed.contents()
    articles = {page: printed.article(site, page, names) for page in names}
    title = "The variational auto-encoder, equation by equation"
    cover = COVER.format(version=__version__)
    pdf = site / "_static" / NAME
    printed.write_pdfs({pdf: printed.document(site, title, cover, articles)})
    first = site / "book" / "intro.html"
    text = first.read_text("utf-8")
    first.write_text(PLACE.sub(rf"\1{link(pdf)}\3", text), "utf-8")


def link(pdf: Path) -> str:
    """Return the sentence that leads to the PDF, with its size."""
    size = f"{pdf.stat().st_size / 1e6:.0f} MB"
    return f'To read offline: <a href="../_static/{NAME}">one PDF</a>, {size}.'


if __name__ == "__main__":
    main(*sys.argv[1:])
