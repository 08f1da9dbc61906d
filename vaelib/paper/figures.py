"""Figs 2 and 3, drawn from rows of our runs, `paper.experiments.results`.

A line is the mean over seeds, in a band from the lowest to the highest. A grey area is
what the axes of the paper's figure show. Tables may lack runs: what is there is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vaelib.paper.em import LEAPFROG_STEPS, WEIGHT_UPDATES
from vaelib.paper.experiments import over_seeds, select
from vaelib.plotting import COLOURS, styled

Rows = Sequence[dict[str, Any]]
METHODS = dict(
    aevb="AEVB (Algorithm 1)", wake_sleep="wake-sleep", mcem="Monte Carlo EM"
)
COLOUR = dict(zip(METHODS, COLOURS, strict=False))
SPLITS: dict[str, dict[str, Any]] = {"test": dict(ls="-"), "train": dict(ls="--")}
# Passes through a network, forward and back, that a method makes for each image of a
# mini-batch. HMC makes one more than it has leapfrog steps.
PASSES = dict(aevb=1, wake_sleep=2, mcem=LEAPFROG_STEPS + 1 + WEIGHT_UPDATES)
# The axes of the paper: numbers of training images, and nats per image.
IMAGES_2, IMAGES_3 = (1e5, 1e8), (0, 6e7)
NATS_2 = {"fig2": (-150, -100), "fig2_frey": (0, 1600)}
NATS_3 = {1000: (-160, -100), 50_000: (-160, -125)}
GREY = "0.93"


@styled
def figure_2(rows: Rows, own: Rows = (), name: str = "fig2") -> Figure:
    """Return Fig 2: the bound against the number of training images, by latent size.

    `own` are rows of the reader's own runs, drawn as dots; `name` is that of the table.
    """
    sizes = sorted({row["latent_dim"] for row in rows})
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    panels = figure.subplots(1, len(sizes), sharex=True, sharey=True, squeeze=False)[0]
    for axes, latents in zip(panels, sizes, strict=True):
        shade(axes, IMAGES_2, NATS_2[name])
        draw(axes, select(rows, latent_dim=latents), select(own, latent_dim=latents))
        axes.set(title=f"{latents} latents", xlabel="training images")
    figure.suptitle("Fig 2, from our own runs")
    panels[0].set_ylabel("bound, nats per image")
    frame(panels[0], [NATS_2[name]])
    legend(figure, rows, own)
    return figure


@styled
def figure_3(rows: Rows, own: Rows = ()) -> Figure:
    """Return Fig 3: log p(x) against training, on few and on many training images.

    Above against the number of images that were visited, as in the paper, and below
    against passes through a network. `own` are rows of the reader's own runs, as dots.
    """
    sizes = sorted({row["train_images"] for row in rows})
    figure = Figure(figsize=(10, 6.6), layout="constrained")
    panels = figure.subplots(2, len(sizes), sharex="row", sharey=True, squeeze=False)
    for (above, below), n in zip(panels.T, sizes, strict=True):
        some, dots = select(rows, train_images=n), select(own, train_images=n)
        shade(above, IMAGES_3, NATS_3[n])
        draw(above, some, dots)
        draw(below, some, dots, PASSES)
        above.set(title=f"{n:,} training images", xlabel="images visited")
        below.set(title="The same, by cost", xlabel="passes through a network")
    figure.suptitle("Fig 3, from our own runs")
    for row in panels:
        row[0].set_ylabel("log p(x), nats per image")
    frame(panels[0, 0], [NATS_3[n] for n in sizes])
    legend(figure, rows, own)
    return figure


def shade(axes: Axes, images: tuple[float, float], nats: tuple[float, float]) -> None:
    """Shade what the axes of the paper show."""
    axes.fill_between(images, *nats, color=GREY, lw=0, zorder=0)


def frame(axes: Axes, nats: Sequence[tuple[float, float]]) -> None:
    """Show what the paper's axes of nats show, and as much again below."""
    low, high = min(low for low, _ in nats), max(high for _, high in nats)
    axes.set_ylim(2 * low - high, high + 0.05 * (high - low))


def draw(
    axes: Axes, rows: Rows, own: Rows, passes: dict[str, int] | None = None
) -> None:
    """Draw a line for each method and split among the rows of one panel."""
    axes.set_xscale("log")
    axes.minorticks_off()
    for method, color in COLOUR.items():
        scale = passes[method] if passes else 1
        for split, style in SPLITS.items():
            points = over_seeds(select(rows, method=method), split)
            x = [scale * point.images for point in points]
            low, high = [p.low for p in points], [p.high for p in points]
            axes.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
            axes.plot(x, [p.mean for p in points], color=color, lw=1.5, **style)
        dots = select(own, method=method)
        x = [scale * row["images"] for row in dots]
        axes.plot(x, [row["test"] for row in dots], "o", color=color)


def legend(figure: Figure, rows: Rows, own: Rows) -> None:
    """Add a legend below the panels."""
    methods = {row["method"] for row in rows}
    styles: list[dict[str, Any]] = [
        dict(color=COLOUR[m], label=METHODS[m]) for m in METHODS if m in methods
    ]
    styles += [dict(color="0.3", label=split, **s) for split, s in SPLITS.items()]
    if own:
        styles.append(dict(color="0.3", ls="", marker="o", label="this notebook, test"))
    styles.append(dict(color=GREY, lw=10, label="axes of the paper"))
    lines = [Line2D([], [], **style) for style in styles]
    place: dict[str, Any] = dict(loc="outside lower center", ncols=len(lines))
    figure.legend(handles=lines, fontsize=9, **place)
