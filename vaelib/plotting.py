"""Pictures of a model, as matplotlib figures: reconstructions, samples, traversals, the 2-D manifold, training curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vaelib.model import VAE

GAP = 2
STYLE = Path(__file__).with_name("vaelib.mplstyle")


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draws in the one style of the house, and leaves the reader's own settings as they were."""

    @wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Figure:
        with matplotlib.rc_context(fname=STYLE):
            return draw(*args, **kwargs)

    return drawn


def mosaic(images: Tensor, columns: int) -> np.ndarray:
    """Pictures (N, C, H, W) in [0, 1] as one uint8 array (height, width, 3), row by row, `GAP` white pixels between."""
    n, _, height, width = images.shape
    rows = math.ceil(n / columns)
    sheet = torch.full(
        (rows * columns, 3, height + GAP, width + GAP), 255, dtype=torch.uint8
    )
    sheet[:n, :, :height, :width] = (
        images.detach().clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    )
    return (
        sheet.unflatten(0, (rows, columns))
        .permute(0, 3, 1, 4, 2)
        .flatten(0, 1)
        .flatten(1, 2)[:-GAP, :-GAP]
        .numpy()
    )


def sheet(
    images: Tensor,
    columns: int,
    title: str,
    rows: Sequence[str] = (),
    columns_at: dict[int, str] | None = None,
    scale: int = 2,
) -> tuple[Figure, Axes]:
    """A figure of a mosaic, each pixel `scale` dots wide, with labels left of its rows and below some of its columns.

    Margins are set, not found: that halves the time a figure takes.
    """
    picture, (height, width) = (
        mosaic(images, columns),
        (images.shape[2] + GAP, images.shape[3] + GAP),
    )
    dpi, tall, wide = 100, picture.shape[0] * scale, picture.shape[1] * scale
    left = 20 + 9 * max(map(len, rows), default=0)
    bottom, right, top = 60 if columns_at else 20, 20, 45
    size = left + max(wide, 9 * len(title)) + right, bottom + tall + top
    figure = Figure(figsize=(size[0] / dpi, size[1] / dpi), dpi=dpi)
    axes = figure.add_axes(
        (left / size[0], bottom / size[1], wide / size[0], tall / size[1])
    )
    axes.imshow(picture, aspect="auto")
    axes.set_title(title)
    axes.set_yticks([height * i + images.shape[2] / 2 for i in range(len(rows))], rows)
    axes.set_xticks(
        [width * i + images.shape[3] / 2 for i in columns_at or {}],
        list((columns_at or {}).values()),
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.grid(False)
    return figure, axes


def name_of(j: int) -> str:
    """Latent `j`, counted from 0, as the reader counts: z₁, z₂, ..."""
    return "z" + "".join(chr(0x2080 + int(digit)) for digit in str(j + 1))


@styled
def reconstructions(
    x: Tensor, x_hat: Tensor, title: str = "Test images above their reconstructions"
) -> Figure:
    """Images (N, C, H, W) in pairs of rows, eight to a row: above the original, below the decoder's mean."""
    columns = min(8, len(x))
    pairs = [
        half
        for pair in zip(x.split(columns), x_hat.split(columns), strict=True)
        for half in pair
    ]
    return sheet(torch.cat(pairs), columns, title, ["x", "x̂"] * (len(pairs) // 2))[0]


@styled
def samples(
    images: Tensor, title: str = "Samples: z from the prior, decoded"
) -> Figure:
    """Decoded draws from the prior (N, C, H, W), eight to a row."""
    return sheet(images, min(8, len(images)), title)[0]


def manifold_grid(n: int = 20) -> Tensor:
    """n x n points z (n * n, 2) whose coordinates are equally spaced quantiles of N(0, 1), App. A, Fig 4."""
    quantiles = torch.special.ndtri((torch.arange(n) + 0.5) / n)
    return torch.cartesian_prod(quantiles.flip(0), quantiles).flip(
        1
    )  # first latent to the right, second upwards


@styled
@torch.no_grad()
def manifold(
    model: VAE, n: int = 20, title: str = "Manifold: z at equal quantiles of the prior"
) -> Figure:
    """What a two-latent model draws on an inverse-CDF grid: Fig 4."""
    z = manifold_grid(n).to(next(model.parameters()).device)
    ends = [f"{z[:, 0].min():.2f}", f"{z[:, 0].max():.2f}"]
    figure, axes = sheet(
        model.images(z),
        n,
        title,
        [""] * (n - 1) + ["     "],
        {0: ends[0], n - 1: ends[1]},
        scale=1,
    )
    axes.set(xlabel=name_of(0), ylabel=name_of(1))
    return figure


def traversal(mu: Tensor, reach: float = 3.0, steps: int = 11) -> Tensor:
    """z (J, steps, J): each latent in turn moved by -reach ... +reach about the posterior mean `mu` (J,)."""
    offsets = torch.linspace(-reach, reach, steps, device=mu.device)
    return mu + offsets[None, :, None] * torch.eye(len(mu), device=mu.device)[:, None]


@styled
@torch.no_grad()
def traversals(
    model: VAE, mu: Tensor, kl: Tensor, reach: float = 3.0, steps: int = 11
) -> Figure:
    """A row for each latent, most informative first: `mu` (J,) with that latent moved; `kl` (J,) in nats per image."""
    order = kl.argsort(descending=True).to(mu.device)
    z = traversal(mu, reach, steps)[order]
    rows = [f"{name_of(j)}  {kl[j]:.2f} nats" for j in order.tolist()]
    ends = {0: f"{-reach:+g}", steps // 2: "μ", steps - 1: f"{reach:+g}"}
    figure, axes = sheet(
        model.images(z.flatten(0, 1)),
        steps,
        "Traversals about a posterior mean",
        rows,
        ends,
    )
    axes.set_xlabel("distance from the posterior mean")
    return figure


@styled
def curves(rows: Sequence[dict[str, float]], recon: str = "reconstruction") -> Figure:
    """Test figures epoch by epoch, nats per image, and beta below them; training dashed."""
    figure = Figure(figsize=(7, 6), dpi=100)
    above, below = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    figure.subplots_adjust(0.11, 0.09, 0.97, 0.94, hspace=0.45)
    epochs = [row["epoch"] for row in rows]
    for colour, (key, name) in enumerate(
        (("total", "total"), ("recon", recon), ("kl", "KL"))
    ):
        above.plot(
            epochs,
            [row[key] for row in rows],
            f"C{colour}",
            marker="o",
            ms=4,
            label=f"{name}, test",
        )
        above.plot(
            epochs,
            [row[f"train_{key}"] for row in rows],
            f"C{colour}",
            ls="--",
            lw=1.2,
            label=f"{name}, training",
        )
    above.set(ylabel="nats per image", title="The terms of the bound")
    above.legend(ncols=3, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.03))
    below.plot(epochs, [row["beta"] for row in rows], "C3", marker="o", ms=4)
    below.set(xlabel="epoch", ylabel="β", ylim=(0, None))
    below.xaxis.get_major_locator().set_params(integer=True)
    return figure
