"""Figures of a model: reconstructions, samples, traversals, manifold and curves."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import rc_params_from_file
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vaelib.evaluation import at_once
from vaelib.model import VAE, single

# A figure leaves objects that only Python's search for unused objects can free. It took
# 0.2 s among hundreds of thousands of torch and matplotlib, which are used to the end.
gc.freeze()

GAP = 2  # white pixels between the images of a mosaic
# matplotlib takes about 120 bytes for each dot while it draws: at most 300 MB.
MOST_DOTS = 2_500_000
MOST_TRAVERSED = 20  # latents that a figure traverses: those with the largest KL
STYLE = Path(__file__).with_name("vaelib.mplstyle")
CYCLE = rc_params_from_file(STYLE, use_default_template=False)["axes.prop_cycle"]
COLOURS: list[str] = CYCLE.by_key()["color"]


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorate a function to draw in vaelib's style; the user's settings are kept."""

    @wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Figure:
        with matplotlib.rc_context(fname=STYLE):
            return draw(*args, **kwargs)

    return drawn


def mosaic(images: Tensor, columns: int) -> np.ndarray:
    """Return images (N, C, H, W) in [0, 1] as one uint8 array (height, width, 3).

    They are placed row by row, with a gap of white pixels between them.
    """
    n, _, height, width = images.shape
    rows = math.ceil(n / columns)

    shape = (rows * columns, 3, height + GAP, width + GAP)
    tiles = torch.full(shape, 255, dtype=torch.uint8, device="cpu")
    tiles[:n, :, :height, :width] = to_bytes(images)

    grid = tiles.unflatten(0, (rows, columns)).permute(0, 3, 1, 4, 2)
    return grid.flatten(0, 1).flatten(1, 2)[:-GAP, :-GAP].numpy()


def to_bytes(images: Tensor) -> Tensor:
    """Return images in [0, 1] as uint8, on the CPU; uint8 images stay as they are."""
    if images.dtype == torch.uint8:
        return images.cpu()
    unit = images.detach().float().nan_to_num(0).clamp(0, 1)
    return unit.mul(255).round().to("cpu", torch.uint8)


@torch.no_grad()
def decoded(model: VAE, z: Tensor) -> Tensor:
    """Return the mean images of z (N, J) as uint8 (N, C, H, W), few at a time."""
    model = single(model)
    parts = z.split(at_once(model, len(z)))
    return torch.cat([to_bytes(model.images(part)) for part in parts])


def fitted(images: Tensor, columns: int, scale: int, margin: int) -> tuple[Tensor, int]:
    """Return images and scale with which a sheet has no more than MOST_DOTS dots.

    `margin`: dots beside the mosaic. The scale becomes 1 first; then the images become
    smaller by a whole factor, each pixel being the mean of a square.
    """
    n, _, height, width = images.shape
    rows = math.ceil(n / columns)

    def dots(scale: int, shrink: int) -> int:
        wide = columns * (math.ceil(width / shrink) + GAP) * scale + margin
        return wide * rows * (math.ceil(height / shrink) + GAP) * scale

    if dots(scale, 1) <= MOST_DOTS:
        return images, scale
    sizes = range(1, max(height, width))
    shrink = next((k for k in sizes if dots(1, k) <= MOST_DOTS), len(sizes) + 1)
    if shrink == 1:
        return images, 1
    parts = [part.float() for part in to_bytes(images).split(16)]
    means = [F.avg_pool2d(part, shrink, ceil_mode=True) for part in parts]
    return torch.cat([mean.round().to(torch.uint8) for mean in means]), 1


def sheet(
    images: Tensor,
    columns: int,
    title: str,
    rows: Sequence[str] = (),
    columns_at: dict[int, str] | None = None,
    scale: int = 2,
) -> tuple[Figure, Axes]:
    """Return a figure of a mosaic, with pixels `scale` dots wide, and its axes.

    Large images, or very many, are drawn smaller: a figure takes at most 300 MB.

    `rows` are labels to the left of the rows, and `columns_at` labels below some of the
    columns, by column. The margins are computed from the lengths of the labels: a
    layout engine would take as long as the rest of the figure.
    """
    columns_at = columns_at or {}

    # All sizes in dots.
    left, right = 20 + 9 * max(map(len, rows), default=0), 20
    bottom, top = 60 if columns_at else 20, 45
    images, scale = fitted(images, columns, scale, left + right)
    picture = mosaic(images, columns)
    tall, wide = picture.shape[0] * scale, picture.shape[1] * scale
    width = left + max(wide, 9 * len(title)) + right
    height = bottom + tall + top
    dpi = 100
    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi)
    box = (left / width, bottom / height, wide / width, tall / height)
    axes = figure.add_axes(box)

    axes.imshow(picture, aspect="auto")
    axes.set_title(title)
    image_height, image_width = images.shape[2:]
    row_centres = [
        (image_height + GAP) * i + image_height / 2 for i in range(len(rows))
    ]
    column_centres = [(image_width + GAP) * i + image_width / 2 for i in columns_at]
    axes.set_yticks(row_centres, rows)
    axes.set_xticks(column_centres, list(columns_at.values()))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.grid(False)
    return figure, axes


def name_of(j: int) -> str:
    """Return the name of latent `j` for readers, who count from 1: z₁, z₂, ..."""
    return "z" + "".join(chr(0x2080 + int(digit)) for digit in str(j + 1))


@styled
def reconstructions(
    x: Tensor, x_hat: Tensor, title: str = "Test images above their reconstructions"
) -> Figure:
    """Return a figure of images (N, C, H, W) above their reconstructions."""
    columns = min(8, len(x))
    rows: list[Tensor] = []
    for pair in zip(x.split(columns), x_hat.split(columns), strict=True):
        rows.extend(pair)
    labels = ["x", "x̂"] * (len(rows) // 2)
    return sheet(torch.cat(rows), columns, title, labels)[0]


@styled
def samples(
    images: Tensor, title: str = "Samples: z from the prior, decoded"
) -> Figure:
    """Return a figure of decoded draws from the prior (N, C, H, W), 8 in a row."""
    return sheet(images, min(8, len(images)), title)[0]


def manifold_grid(n: int = 20) -> Tensor:
    """Return an n x n grid of z, (n * n, 2), evenly spaced in probability, App. A.

    The first latent increases to the right and the second upwards, row by row.
    """
    ranks = torch.arange(n, dtype=torch.float32, device="cpu")
    quantiles = torch.special.ndtri((ranks + 0.5) / n)
    return torch.cartesian_prod(quantiles.flip(0), quantiles).flip(1)


@styled
@torch.no_grad()
def manifold(
    model: VAE, n: int = 20, title: str = "Manifold: z evenly spaced in probability"
) -> Figure:
    """Return a figure of what a model of two latents decodes on a grid, Fig 4."""
    z = manifold_grid(n)
    rows = [""] * (n - 1) + ["     "]  # leaves room for the label of the axis
    ends = {0: f"{z[:, 0].min():.2f}", n - 1: f"{z[:, 0].max():.2f}"}
    figure, axes = sheet(decoded(model, z), n, title, rows, ends, scale=1)
    axes.set(xlabel=name_of(0), ylabel=name_of(1))
    return figure


def traversal(
    mu: Tensor, reach: float = 3.0, steps: int = 11, latents: Tensor | None = None
) -> Tensor:
    """Return z (J, steps, J): row j moves latent j, the others stay at `mu` (J,).

    The latent moves from -reach to +reach about its posterior mean. `latents` (K,) are
    the latents to move, if not all: z is (K, steps, J) then.
    """
    latents = torch.arange(len(mu), device=mu.device) if latents is None else latents
    offsets = torch.linspace(-reach, reach, steps, dtype=mu.dtype, device=mu.device)
    return mu + offsets[:, None] * F.one_hot(latents, len(mu))[:, None]


@styled
@torch.no_grad()
def traversals(
    model: VAE, mu: Tensor, kl: Tensor, reach: float = 3.0, steps: int = 11
) -> Figure:
    """Return a figure of the traversals about `mu` (J,), one latent in each row.

    The rows are sorted by `kl` (J,), in nats per image, the largest first. If there are
    more than 20 latents, the first 20 are drawn.
    """
    order = kl.argsort(descending=True)[:MOST_TRAVERSED].to(mu.device)
    z = traversal(mu, reach, steps, order)
    rows = [f"{name_of(j)}  {kl[j]:.2f} nats" for j in order.tolist()]
    ends = {0: f"{-reach:+g}", steps // 2: "μ", steps - 1: f"{reach:+g}"}

    title = "Traversals about a posterior mean"
    if len(order) < len(kl):
        title = f"Traversals: the {len(order)} of {len(kl)} latents with the largest KL"
    figure, axes = sheet(decoded(model, z.flatten(0, 1)), steps, title, rows, ends)
    axes.set_xlabel("distance from the posterior mean")
    return figure


def thinned(rows: Sequence[Any], most: int = 1000) -> Sequence[Any]:
    """Return about `most` of the rows, at equal distances, and the last one."""
    step = math.ceil(len(rows) / most)
    return rows if step < 2 else [*rows[:-1:step], rows[-1]]


@styled
def curves(rows: Sequence[dict[str, float]], recon: str = "reconstruction") -> Figure:
    """Return a figure of the terms of every epoch, in nats per image, and of beta.

    Test terms are solid, training terms dashed; `recon` names the reconstruction term.
    Of more than 1000 epochs, every second, third, ... is drawn, and the last.
    """
    rows = thinned(rows)
    figure = Figure(figsize=(7, 6), dpi=100)
    above, below = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    figure.subplots_adjust(0.11, 0.09, 0.97, 0.94, hspace=0.45)

    def plot(axes: Axes, key: str, colour: str, **style: Any) -> None:
        epochs, values = [row["epoch"] for row in rows], [row[key] for row in rows]
        axes.plot(epochs, values, colour, **style)

    test, training = dict(marker="o", ms=4), dict(ls="--", lw=1.2)
    names = {"total": "total", "recon": recon, "kl": "KL"}
    for i, (key, name) in enumerate(names.items()):
        plot(above, key, f"C{i}", label=f"{name}, test", **test)
        plot(above, f"train_{key}", f"C{i}", label=f"{name}, training", **training)
    above.set(ylabel="nats per image", title="Reconstruction and KL")
    above.legend(ncols=3, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.03))

    plot(below, "beta", "C3", **test)
    below.set(xlabel="epoch", ylabel="β", ylim=(0, None))
    below.xaxis.get_major_locator().set_params(integer=True)
    return figure
