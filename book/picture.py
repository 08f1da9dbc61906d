"""`make picture`: the explorer for the README, and the card of the book.

Trains a model of the quick start's settings, puts the explorer on a page as the book
does, and photographs it in a browser. The card, 1200 x 630, is what other sites show
beside a link to the book: the manifold of two latents.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from PIL import Image

from vaelib import TrainConfig, load_dataset, plotting
from vaelib.chapter import fit
from vaelib.widgets import LatentExplorer, frontend

ROOT = Path(__file__).parents[1]
OUT = ROOT / "book/_static/explorer.png"
CARD = ROOT / "book/_static/card.png"
IMAGE = "0"  # test image that is encoded
PAGE = """<!doctype html>
<meta charset="utf-8">
<style>
  body {{ margin: 16px; background: #fff; font-family: sans-serif }}
  {style}
</style>
<script defer src="page.js"></script>
<div class="live" data-widget="explorer" data-state="explorer"></div>
"""


def write_page(folder: Path) -> Path:
    """Write a page with one explorer of a trained model; return its HTML file."""
    data = load_dataset()
    model, _ = fit(TrainConfig(latent_dim=10), data)
    explorer = LatentExplorer(model, data)
    state = {k: v for k, v in explorer.get_state().items() if not k.startswith("_")}
    state["layout"] = None

    (folder / "page.js").write_text(frontend.script(), "utf-8")
    (folder / "explorer.js").write_text(frontend.state("explorer", state), "utf-8")
    page = folder / "index.html"
    page.write_text(PAGE.format(style=frontend.style()), "utf-8")
    return page


def write_card() -> None:
    """Write the card: the title of the book beside a plane of decoded digits."""
    model, _ = fit(TrainConfig(latent_dim=2, beta=0.5), load_dataset())
    digits = plotting.mosaic(plotting.decoded(model, plotting.manifold_grid()), 20)
    figure = plt.figure(figsize=(12, 6.3), dpi=100, facecolor="white")
    axes = figure.add_axes((0.475, 0, 0.525, 1))
    axes.imshow(digits, cmap="gray", aspect="auto")
    axes.axis("off")
    text = {"color": "#1c2b36", "transform": figure.transFigure, "va": "center"}
    title = "The variational\nauto-encoder,\nequation\nby equation"
    figure.text(0.04, 0.58, title, fontsize=38, linespacing=1.3, **text)
    figure.text(0.04, 0.14, "vaelib, an interactive course", fontsize=21, **text)
    picture = io.BytesIO()
    figure.savefig(picture)
    plt.close(figure)
    write(picture, CARD)


def write(taken: io.BytesIO, out: Path) -> None:
    """Write a picture in few colours: a small file."""
    picture = Image.open(taken).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(out, optimize=True)
    print(f"written to {out.relative_to(ROOT)}, {out.stat().st_size // 1000} kB")


def main() -> None:
    """Write the card, and the upper half of the explorer, light."""
    sys.path.insert(0, str(ROOT / "tests/browser"))
    import real  # pyright: ignore[reportMissingImports]

    with TemporaryDirectory() as folder, real.chromium() as browser:
        if browser is None:
            sys.exit("No Chromium was found: install it, or run playwright install.")
        size = {"width": 1132, "height": 1000}
        page = browser.new_page(viewport=size, color_scheme="light")  # pyright: ignore
        page.goto(write_page(Path(folder)).as_uri())
        page.locator(".live[data-ready]").wait_for()
        number = page.get_by_role("spinbutton", name="Test image")
        number.fill(IMAGE)
        number.blur()
        below = page.get_by_role("heading", name="Plane of two latents").bounding_box()
        height = int(below["y"]) - 8  # pyright: ignore
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height}
        write(io.BytesIO(page.screenshot(clip=clip)), OUT)  # pyright: ignore
    write_card()


if __name__ == "__main__":
    main()
