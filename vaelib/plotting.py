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

STYLE = Path(__file__).with_name("vaelib.mplstyle")


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draws in the one style of the house, and leaves the reader's own settings as they were."""

    @wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Figure:
        with matplotlib.rc_context(fname=STYLE):
            return draw(*args, **kwargs)

    return drawn


def mosaic(images: Tensor, columns: int, gap: int = 2) -> np.ndarray:
    """Pictures (N, C, H, W) in [0, 1] as one array (height, width[, 3]), row by row, `gap` white pixels between."""
    n, channels, height, width = images.shape
    rows = math.ceil(n / columns)
    sheet = torch.ones(rows * columns, channels, height + gap, width + gap)
    sheet[:n, :, :height, :width] = images.detach().cpu()
    sheet = sheet.unflatten(0, (rows, columns)).permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)
    return sheet[:-gap, :-gap].clamp(0, 1).squeeze(-1).numpy()


def sheet(images: Tensor, columns: int, title: str, inch: float = 0.55) -> tuple[Figure, Axes]:
    """A figure of a mosaic, `inch` inches a picture."""
    picture = mosaic(images, columns)
    rows = math.ceil(len(images) / columns)
    figure = Figure(figsize=(columns * inch + 0.2, rows * inch + 0.5))
    axes = figure.subplots()
    axes.imshow(picture, vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[], title=title)
    axes.spines[:].set_visible(False)
    axes.grid(False)
    return figure, axes


def label_rows(axes: Axes, labels: Sequence[str], height: int, gap: int = 2) -> None:
    """A label left of each row of a mosaic of pictures `height` pixels high."""
    axes.set_yticks([(height + gap) * i + height / 2 for i in range(len(labels))], labels)
    axes.tick_params(length=0)


@styled
def reconstructions(x: Tensor, x_hat: Tensor, title: str = "Test images above their reconstructions") -> Figure:
    """Images (N, C, H, W) in pairs of rows, eight to a row: above the original, below the decoder's mean."""
    columns = min(8, len(x))
    pairs = [half for pair in zip(x.split(columns), x_hat.split(columns), strict=True) for half in pair]
    figure, axes = sheet(torch.cat(pairs), columns, title)
    label_rows(axes, ["x", "x̂"] * (len(pairs) // 2), x.shape[2])
    return figure


@styled
def samples(images: Tensor, title: str = "Samples: z from the prior, decoded") -> Figure:
    """Decoded draws from the prior (N, C, H, W), eight to a row."""
    return sheet(images, min(8, len(images)), title)[0]


def manifold_grid(n: int = 20) -> Tensor:
    """n x n points z (n * n, 2) whose coordinates are equally spaced quantiles of N(0, 1), App. A, Fig 4."""
    quantiles = torch.special.ndtri((torch.arange(n) + 0.5) / n)
    return torch.cartesian_prod(quantiles.flip(0), quantiles).flip(1)  # first latent to the right, second upwards


@styled
@torch.no_grad()
def manifold(model: VAE, n: int = 20, title: str = "Manifold: z at equal quantiles of the prior") -> Figure:
    """What a two-latent model draws on an inverse-CDF grid: Fig 4."""
    z = manifold_grid(n).to(next(model.parameters()).device)
    figure, axes = sheet(model.images(z), n, title, inch=0.35)
    axes.set(xlabel="$z_1$", ylabel="$z_2$")
    return figure


def traversal(mu: Tensor, reach: float = 3.0, steps: int = 11) -> Tensor:
    """z (J, steps, J): each latent in turn moved by -reach ... +reach about the posterior mean `mu` (J,)."""
    offsets = torch.linspace(-reach, reach, steps, device=mu.device)
    return mu + offsets[None, :, None] * torch.eye(len(mu), device=mu.device)[:, None]


@styled
@torch.no_grad()
def traversals(model: VAE, mu: Tensor, kl: Tensor, reach: float = 3.0, steps: int = 11) -> Figure:
    """A row for each latent, most informative first: `mu` (J,) with that latent moved; `kl` (J,) in nats per image."""
    order = kl.argsort(descending=True).to(mu.device)
    z = traversal(mu, reach, steps)[order]
    figure, axes = sheet(model.images(z.flatten(0, 1)), steps, "Traversals about a posterior mean")
    label_rows(axes, [f"$z_{{{j + 1}}}$  {kl[j]:.2f} nats" for j in order.tolist()], model.shape[1])
    width = model.shape[2] + 2
    ticks = [0, steps // 2, steps - 1]
    axes.set_xticks([width * i + model.shape[2] / 2 for i in ticks], [f"{-reach:+g}", r"$\mu$", f"{reach:+g}"])
    axes.set_xlabel(r"$z_j - \mu_j$")
    return figure


@styled
def curves(rows: Sequence[dict[str, float]], recon: str = "reconstruction") -> Figure:
    """Test figures epoch by epoch, nats per image, and beta below them; training dashed."""
    figure = Figure(figsize=(7, 5.5))
    above, below = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    epochs = [row["epoch"] for row in rows]
    for colour, (key, name) in enumerate((("total", "total"), ("recon", recon), ("kl", "KL"))):
        above.plot(epochs, [row[key] for row in rows], f"C{colour}", marker="o", ms=4, label=f"{name}, test")
        above.plot(epochs, [row[f"train_{key}"] for row in rows], f"C{colour}", ls="--", lw=1.2, label=f"{name}, training")
    above.set(ylabel="nats per image", title="The terms of the bound")
    above.legend(ncols=3, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.02))
    below.plot(epochs, [row["beta"] for row in rows], "C3", marker="o", ms=4)
    below.set(xlabel="epoch", ylabel=r"$\beta$", ylim=(0, None))
    below.xaxis.get_major_locator().set_params(integer=True)
    return figure
