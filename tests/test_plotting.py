"""Figures: which pixels they show, and that none is larger than it should be."""

from __future__ import annotations

import pytest
import torch
from matplotlib.figure import Figure

from vaelib import VAE, plotting
from vaelib.plotting import GAP, MOST_DOTS


def dots(figure: Figure) -> float:
    """Return the number of dots of a figure."""
    width, height = figure.get_size_inches() * figure.dpi
    return width * height


def picture(figure: Figure) -> torch.Tensor:
    """Return the mosaic of a figure, (height, width, 3)."""
    [image] = figure.axes[0].images
    return torch.tensor(image.get_array())


def labels(figure: Figure) -> list[str]:
    """Return the labels of the rows."""
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_traversals_of_many_latents_are_those_with_the_largest_kl():
    model, kl = VAE((1, 4, 4), (3,), 10_000), torch.zeros(10_000)
    chosen = torch.arange(7_000, 7_020)
    kl[chosen] = torch.arange(20, 0, -1.0)
    mu = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    figure = plotting.traversals(model, mu, kl, reach=30.0)
    title = "Traversals: the 20 of 10000 latents with the largest KL"
    assert figure.axes[0].get_title(loc="left") == title
    assert labels(figure)[0] == f"{plotting.name_of(7_000)}  20.00 nats"
    assert labels(figure)[-1] == f"{plotting.name_of(7_019)}  1.00 nats"

    z = mu.clone()
    z[7_003] += 30.0  # the last picture of the fourth row
    with torch.no_grad():
        expected = model.images(z[None])[0, 0].mul(255).round()
    row, column = 3 * (4 + GAP), 10 * (4 + GAP)
    assert torch.equal(
        picture(figure)[row : row + 4, column : column + 4, 0].float(), expected
    )


def test_traversals_of_twenty_latents_show_them_all():
    figure = plotting.traversals(VAE((1, 4, 4)), torch.zeros(20), torch.ones(20))
    assert len(labels(figure)) == 20
    assert figure.axes[0].get_title(loc="left") == "Traversals about a posterior mean"


def test_a_traversal_of_some_latents_is_these_rows_of_the_traversal_of_all():
    mu = torch.randn(6, generator=torch.Generator().manual_seed(0))
    every, some = plotting.traversal(mu), torch.tensor([4, 1])
    assert every.shape == (6, 11, 6)
    assert torch.equal(plotting.traversal(mu, latents=some), every[some])
    assert every[4, 10].tolist() == [*mu[:4].tolist(), (mu[4] + 3).item(), mu[5].item()]


@pytest.mark.parametrize("size", [4, 64, 256])
@pytest.mark.parametrize("kind", ["traversals", "manifold", "samples", "pairs"])
def test_no_picture_takes_more_than_its_share(size: int, kind: str):
    model = VAE((3, size, size), (2,), 2 if kind == "manifold" else 25)
    if kind == "traversals":
        figure = plotting.traversals(model, torch.zeros(25), torch.ones(25))
    elif kind == "manifold":
        figure = plotting.manifold(model)
    else:
        x = torch.rand(64, 3, size, size)
        figure = plotting.samples(x) if kind == "samples" else None
        figure = figure or plotting.reconstructions(x, x)
    assert dots(figure) < 1.3 * MOST_DOTS  # with titles and labels


def test_large_images_are_drawn_smaller_as_means_of_squares():
    images = torch.zeros(400, 1, 300, 300)
    images[0, 0, :4, :4] = 1.0
    images[1, 0, ::2] = 1.0  # stripes become grey
    shown = picture(plotting.sheet(images, 20, "", scale=1)[0])
    side = (shown.shape[1] + GAP) // 20 - GAP
    shrink = 300 / side
    assert (side, shrink) == (75, 4)
    assert shown[0, 0].tolist() == [255, 255, 255]
    assert shown[0, 1].tolist() == shown[1, 0].tolist() == [0, 0, 0]
    assert shown[:75, 77:152].unique().tolist() == [128]  # 127.5, rounded to even


def test_ordinary_pictures_are_not_changed():
    images = torch.rand(220, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    shown, scale = plotting.fitted(images, 11, 2, 200)
    assert shown is images
    assert scale == 2


def test_rows_of_very_many_epochs_are_thinned():
    rows = [dict(epoch=float(i)) for i in range(12_345)]
    thin = plotting.thinned(rows)
    assert len(thin) <= 1001
    assert [row["epoch"] for row in thin[:3]] == [0, 13, 26]
    assert thin[-1] == rows[-1]
    assert plotting.thinned(rows[:1000]) == rows[:1000]


def test_curves_draw_no_more_points_than_can_be_seen():
    names = ("beta", "total", "recon", "kl", "train_total", "train_recon", "train_kl")
    rows = [dict(epoch=float(i)) | dict.fromkeys(names, 1.0) for i in range(5000)]
    [above, below] = plotting.curves(rows).axes
    for line in (*above.get_lines(), *below.get_lines()):
        x = line.get_xdata()
        assert (len(x), x[0], x[-1]) == (1001, 0, 4999)  # pyright: ignore
