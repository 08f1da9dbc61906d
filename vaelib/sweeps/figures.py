"""Figures of the runs of a group: curves, rate and distortion, a sheet of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vaelib.config import TrainConfig, field_types
from vaelib.evaluation import posteriors
from vaelib.model import standard_normal
from vaelib.plotting import COLOURS, decoded, sheet, styled, thinned
from vaelib.sweeps.grids import format_value
from vaelib.sweeps.results import Result, kinds, varying_fields

MOST_RUNS = 100  # rows of a contact sheet
# Line style and the filling of the markers belong together: they show one setting.
LINES = (("-", "full"), ("--", "none"), (":", "left"), ("-.", "bottom"))
# How the first, the second and the third setting that varies are shown.
STYLES: tuple[list[dict[str, Any]], ...] = (
    [dict(color=colour) for colour in COLOURS],
    [dict(linestyle=line, fillstyle=fill) for line, fill in LINES],
    [dict(marker=marker) for marker in "os^DvPX"],
)


class RunStyles:
    """Colour, line style and marker of each run, from the settings that vary.

    Up to three settings are shown. Runs that differ in their seed only look the same.
    """

    def __init__(self, found: Sequence[Result]) -> None:
        fields = [name for name in varying_fields(found) if name != "seed"]
        self.styles: dict[str, dict[Any, dict[str, Any]]] = {}
        for name, styles in zip(fields, STYLES, strict=False):
            values = sorted_values(name, {getattr(r.config, name) for r in found})
            self.styles[name] = {
                value: styles[i % len(styles)] for i, value in enumerate(values)
            }

    def of(self, config: TrainConfig, **common: Any) -> dict[str, Any]:
        """Return the arguments of `plot` for a run."""
        style: dict[str, Any] = dict(color=COLOURS[0], marker="o")
        for name, styles in self.styles.items():
            style |= styles[getattr(config, name)]
        return style | common

    def legend(self, figure: Figure, *more: Line2D, **common: Any) -> None:
        """Add a legend of all styles to the right of the panels."""
        entries = []
        for name, styles in self.styles.items():
            entries.append(legend_entry(name, linestyle="", marker=""))
            for value, style in styles.items():
                entries.append(legend_entry(format_value(value), **style | common))
        entries += more
        if entries:
            figure.legend(handles=entries, loc="outside right upper", handlelength=2.5)


def sorted_values(name: str, values: set[Any]) -> list[Any]:
    """Return the values of a setting by size, or in the order of its choices."""
    hint = field_types()[name]
    if get_origin(hint) is Literal:
        return sorted(values, key=get_args(hint).index)
    return sorted(values)


def legend_entry(label: str, **style: Any) -> Line2D:
    """Return a line for the legend, grey with round markers by default."""
    default: dict[str, Any] = dict(color="0.3", marker="o")
    return Line2D([], [], label=label, **default | style)


@styled
def curves(found: Sequence[Result]) -> Figure:
    """Draw the test figures of all runs, epoch by epoch, in nats per image.

    A row of panels for each kind: the sum, the reconstruction term, the KL term.
    """
    blocks, styles = kinds(found), RunStyles(found)
    size = (12, 0.4 + 3.2 * len(blocks))
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    panels = figure.subplots(len(blocks), 3, squeeze=False)
    titles = dict(neg_elbo="reconstruction + KL", recon="reconstruction", kl="KL")
    for row, (kind, members) in zip(panels, blocks.items(), strict=True):
        for axes, (name, title) in zip(row, titles.items(), strict=True):
            for r in members:
                rows = thinned(r.rows)
                epochs = [line["epoch"] for line in rows]
                values = [line[name] for line in rows]
                axes.plot(epochs, values, **styles.of(r.config, ms=5, lw=1.4))
            axes.set(title=title, xlabel="epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
        row[0].set(ylabel=f"{kind}, nats per image".replace(", ", "\n"))
    styles.legend(figure, lw=1.4)
    return figure


@styled
def rate_distortion(found: Sequence[Result]) -> Figure:
    """Draw each run as a point, its rate against its distortion, in nats per image.

    The rate is the KL term, the distortion is the reconstruction term. There is a panel
    for each kind; along a dotted line the sum of both terms is constant.
    """
    blocks, styles = kinds(found), RunStyles(found)
    figure = Figure(figsize=(1.5 + 5 * len(blocks), 4.6), dpi=100, layout="constrained")
    panels = figure.subplots(1, len(blocks), squeeze=False)[0]
    for axes, (kind, members) in zip(panels, blocks.items(), strict=True):
        for r in members:
            style = styles.of(r.config, ms=8, linestyle="")
            axes.plot(r.figures["kl"], r.figures["recon"], **style)
        draw_equal_sums(axes)
        axes.set(
            title=kind.replace(", ", "\n"),
            xlabel="rate: KL, nats per image",
            ylabel="distortion: reconstruction, nats per image",
        )
    equal = legend_entry("equal sum", marker="", linestyle=":", color="0.6")
    styles.legend(figure, equal, linestyle="")
    return figure


def draw_equal_sums(axes: Axes) -> None:
    """Draw nine dotted lines of constant x + y, without changing the limits."""
    low, high = axes.get_xlim(), axes.get_ylim()
    style: dict[str, Any] = dict(color="0.6", linestyle=":", lw=1, zorder=0)
    for total in np.linspace(low[0] + high[0], low[1] + high[1], 9):
        axes.axline((low[0], total - low[0]), slope=-1, **style)
    axes.set(xlim=low, ylim=high)


@styled
@torch.no_grad()
def contact_sheet(found: Sequence[Result], n: int = 8) -> Figure:
    """Draw pictures of runs of one kind: `n` reconstructions and `n` samples each.

    The first row shows the test images, each further row one run: its reconstructions
    of these images, then samples from the prior, with the same z for all runs of the
    same latent size. There are rows for the first 100 runs only.
    """
    test, fields = found[0].test[:n], varying_fields(found)
    gap = torch.full_like(test[:1], 255)
    pictures, labels = [test, gap.expand(n + 1, *gap.shape[1:])], ["test images"]
    for r in found[:MOST_RUNS]:
        rng = torch.Generator().manual_seed(0)
        z = standard_normal(n, r.model.latent_dim, rng=rng)
        mu = torch.cat([mu for mu, _ in posteriors(r.model, test)])
        pictures += [decoded(r.model, mu), gap, decoded(r.model, z)]
        settings = [format_value(getattr(r.config, name)) for name in fields]
        labels.append(", ".join(settings) or r.name)

    below = {
        len(test) // 2: "reconstructions",
        len(test) + 1 + n // 2: "samples from the prior",
    }
    title = f"{found[0].kind}; rows: {', '.join(fields) or 'run'}"
    if len(found) > MOST_RUNS:
        title += f" (the first {MOST_RUNS} of {len(found)})"
    columns = len(test) + 1 + n
    return sheet(torch.cat(pictures), columns, title, labels, below)[0]
