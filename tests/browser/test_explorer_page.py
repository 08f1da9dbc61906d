"""LatentExplorer on a page of its own: thousands of latents, and labels of any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect

from vaelib import VAE, ImageData
from vaelib.model import initialise
from vaelib.widgets import LatentExplorer, frontend

pytestmark = pytest.mark.slow
Visit = Callable[[VAE, ImageData], Page]
PAGE = """<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<script defer src="page.js"></script>
<div class="live" data-widget="explorer" data-state="state"></div>
"""


@pytest.fixture
def visit(page: Page, tmp_path: Path, complaints: list[str]) -> Visit:
    """Return a function that opens a page with the explorer of a model."""

    def opened(model: VAE, data: ImageData) -> Page:
        explorer = LatentExplorer(model, data)
        names = ("network", "test", "codes", "z")
        state = {name: getattr(explorer, name) for name in names}
        (tmp_path / "state.js").write_text(frontend.state("state", state), "utf-8")
        (tmp_path / "page.js").write_text(frontend.script(), "utf-8")
        (tmp_path / "index.html").write_text(PAGE, "utf-8")
        page.goto((tmp_path / "index.html").as_uri())
        expect(page.locator(".live[data-ready]")).to_be_attached(timeout=30_000)
        assert complaints == []
        return page

    return opened


def images(n: int, labels: list[int], classes: tuple[str, ...] = ()) -> ImageData:
    """Return `n` random test images with labels."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (n, 1, 6, 6), dtype=torch.uint8, generator=rng)
    pair = torch.tensor(labels), torch.tensor(labels)
    return ImageData(x, x, labels=pair, classes=classes)


def test_of_ten_thousand_latents_a_hundred_rows_are_made_and_all_can_be_reached(
    visit: Visit,
):
    model = VAE((1, 6, 6), (5,), 10_000)
    initialise(model, torch.Generator().manual_seed(0))
    with torch.no_grad():  # the KL falls with the number of the latent; all are active
        model.fc_mu.weight.add_(torch.linspace(30, 3, 10_000)[:, None])
    page = visit(model, images(20, [0] * 20))
    rows = page.locator(".latents .latent")
    assert rows.count() == 100
    more = page.get_by_role("button", name="100 more of 9900 latents")
    more.click()
    assert rows.count() == 200
    # A row that was made late works like the others.
    late = rows.nth(150)
    slider = late.get_by_role("slider")
    slider.fill("1.5")
    expect(late.locator("output")).to_have_text("1.50")
    late.get_by_role("button").click()
    expect(late.get_by_role("button")).to_have_attribute("aria-pressed", "true")
    assert float(late.locator(".kl").inner_text()) > 0


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (tuple(f"class {i}" for i in range(300)), ["class 299", "", "class 43"]),
        ((), ["299", "", "43"]),
    ],
)
def test_an_image_is_shown_with_its_class(
    visit: Visit, classes: tuple[str, ...], expected: list[str]
):
    page = visit(VAE((1, 6, 6), (5,), 2), images(3, [299, -1, 43], classes))
    for i, name in enumerate(expected):
        page.get_by_label("Test image").first.fill(str(i))
        text = f"test image {i}: {name}" if name else f"test image {i}"
        caption = page.locator("figure output.caption")
        expect(caption).to_have_text(f"{text}; draw on it")
    if len(classes) > 30:
        expect(page.locator(".legend")).to_contain_text("and 270 more")
