"""`make picture`: photograph the LatentExplorer in a browser, for the README.

Trains a model of the quick start's settings, puts the explorer on a page as the book
does, and writes book/_static/explorer.png.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from vaelib import TrainConfig, load_dataset
from vaelib.chapter import fit
from vaelib.widgets import LatentExplorer, frontend

ROOT = Path(__file__).parents[1]
OUT = ROOT / "book/_static/explorer.png"
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


def main() -> None:
    """Write the upper half of the explorer, light, in few colours: a small file."""
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
        taken = page.screenshot(clip=clip)  # pyright: ignore

    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    picture = picture.quantize(128, dither=Image.Dither.NONE)
    picture.save(OUT, optimize=True)
    print(f"written to {OUT.relative_to(ROOT)}, {OUT.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
