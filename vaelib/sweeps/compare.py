"""A group of runs at a glance: tables, curves, rate and distortion, a sheet of pictures.

What is measured in different units is kept apart: a cross-entropy, a likelihood and a density are never ranked against each
other, nor are two data sets. `kind` says which of them a run belongs to, and each kind has its own block and panel.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Literal, get_args, get_origin

import torch
from matplotlib import rc_params_from_file
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from vaelib import files, runs
from vaelib.config import TrainConfig, field_types
from vaelib.data import ImageData, load_dataset, pixels
from vaelib.evaluation import active_units
from vaelib.losses import LOSSES
from vaelib.model import VAE
from vaelib.plotting import STYLE, sheet, styled
from vaelib.runs import RunError
from vaelib.sweeps.grids import shown, varying

FIGURES = ("recon", "kl", "total", "neg_elbo", "active_units", "seconds")
COLOURS = rc_params_from_file(STYLE, use_default_template=False)[
    "axes.prop_cycle"
].by_key()["color"]
# How the first, second and third setting that varies is shown; a line and the filling of its marks go together.
LOOKS: tuple[list[dict[str, Any]], ...] = (
    [dict(color=colour) for colour in COLOURS],
    [
        dict(linestyle=line, fillstyle=fill)
        for line, fill in (
            ("-", "full"),
            ("--", "none"),
            (":", "left"),
            ("-.", "bottom"),
        )
    ],
    [dict(marker=mark) for mark in "os^DvPX"],
)


@dataclass(frozen=True)
class Result:
    """One run: its settings, its log, its model after the last epoch, and the test images it was measured on."""

    config: TrainConfig
    rows: list[dict[str, float]]
    model: VAE
    test: Tensor
    active: int

    @property
    def kind(self) -> str:
        """What its reconstruction term is, and of what: only runs of one kind can be compared."""
        config = self.config
        binary = config.binarize != "none"
        terms = {False: "cross-entropy", True: "negative log-likelihood"}
        term = (
            terms[binary] if LOSSES[config.loss].title == "cross-entropy" else "density"
        )
        size = (
            "x".join(map(str, self.test.shape[1:]))
            if config.dataset not in ("mnist", "fashion_mnist")
            else ""
        )
        return f"{' '.join(filter(None, (config.dataset, size, 'black and white' if binary else 'grey')))}, {term}"

    @property
    def figures(self) -> dict[str, float]:
        """Test figures after its last epoch, nats per image; active units; seconds of all epochs."""
        last = self.rows[-1]
        seconds = sum(row["seconds"] for row in self.rows)
        return {name: last[name] for name in FIGURES[:4]} | dict(
            active_units=self.active, seconds=seconds
        )


def results(group: str | Path, data: ImageData | None = None) -> list[Result]:
    """Every run of a group's folder that has ended an epoch, kind by kind, the lowest `neg_elbo` first.

    `data`: your own tensors, where the runs were trained on such. Raises: RunError, DataError.
    """
    found, sets = [], {}
    for meta in sorted(Path(group).glob("*/run_meta.json")):
        run = runs.open_run(meta.parent)
        if meta.parent.is_symlink() or not run.recall() or not run.rows:
            continue
        model, _ = runs.load_checkpoint(run.checkpoint(int(run.rows[-1]["epoch"])))
        c = run.config
        source = c.dataset, c.binarize, c.channels, c.image_size, c.data_dir
        if source not in sets:
            sets[source] = (data or load_dataset(*source)).test
        test = sets[source]
        config = replace(c, name=meta.parent.name)  # a folder may have been renamed
        found.append(Result(config, run.rows, model, test, active_units(model, test)))
    if not found:
        raise RunError(
            f"{group} holds no run that has ended an epoch: give a group's folder, such as reports/mnist-grid."
        )
    return sorted(found, key=lambda result: (result.kind, result.figures["neg_elbo"]))


def kinds(found: Sequence[Result]) -> dict[str, list[Result]]:
    """The runs of each kind."""
    return {
        kind: [r for r in found if r.kind == kind]
        for kind in dict.fromkeys(r.kind for r in found)
    }


def fields_of(found: Sequence[Result]) -> list[str]:
    """The settings in which the runs differ."""
    return varying([result.config for result in found])


def table_csv(found: Sequence[Result]) -> str:
    """A line for each run: kind, name, the settings that vary, epochs, and its figures, as CSV."""
    text, fields = io.StringIO(newline=""), fields_of(found)
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["kind", "run", *fields, "epochs_ended", *FIGURES])
    for r in found:
        settings = [shown(getattr(r.config, name)) for name in fields]
        figures = [round(value, 6) for value in r.figures.values()]
        lines.writerow([r.kind, r.config.name, *settings, len(r.rows), *figures])
    return text.getvalue()


def table(found: Sequence[Result]) -> str:
    """Markdown: for each kind its runs, best first, and means over seeds where runs differ in nothing else."""
    blocks = []
    for kind, members in kinds(found).items():
        lines = [
            [
                r.config.name,
                len(r.rows),
                *(number(name, r.figures[name]) for name in FIGURES),
            ]
            for r in members
        ]
        blocks += [
            f"**{kind}**, test figures in nats per image",
            markdown(["run", "epochs", *FIGURES], lines),
        ]
        same = over_seeds(members)
        if any(len(group) > 1 for group in same.values()):
            lines = []
            for settings, group in same.items():
                spread = [
                    plus_minus(name, [r.figures[name] for r in group])
                    for name in FIGURES
                ]
                lines.append([settings, len(group), *spread])
            blocks += [
                "Mean and standard deviation over seeds",
                markdown(["settings", "seeds", *FIGURES], lines),
            ]
    return "\n\n".join(blocks) + "\n"


def markdown(head: list[str], lines: list[list[Any]]) -> str:
    """A table in Markdown, numbers to the right."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(
        f"| {' | '.join(map(str, line))} |" for line in (head, rule, *lines)
    )


def number(name: str, value: float) -> str:
    """A figure with the digits that mean something."""
    return f"{value:.{dict(active_units=0, seconds=1).get(name, 2)}f}"


def plus_minus(name: str, values: list[float]) -> str:
    """Mean and standard deviation (n - 1) of a figure."""
    digits = "seconds" if name == "active_units" else name
    return number(digits, mean(values)) + (
        f" ± {number(digits, stdev(values))}" if len(values) > 1 else ""
    )


def over_seeds(found: Sequence[Result]) -> dict[str, list[Result]]:
    """Runs that differ in their seed alone, under the settings that tell them from the others."""
    fields = [name for name in fields_of(found) if name != "seed"]
    same: dict[str, list[Result]] = {}
    for r in found:
        settings = (
            ", ".join(f"{name}={shown(getattr(r.config, name))}" for name in fields)
            or "all"
        )
        same.setdefault(settings, []).append(r)
    return same


# Figures


class Looks:
    """Colour, line and mark of a run by its settings: up to three that vary; runs that differ in their seed look alike."""

    def __init__(self, found: Sequence[Result]) -> None:
        fields = [name for name in fields_of(found) if name != "seed"]
        self.looks: dict[str, dict[Any, dict[str, Any]]] = {}
        for name, ways in zip(fields, LOOKS, strict=False):
            hint = field_types()[name]
            key = (
                get_args(hint).index if get_origin(hint) is Literal else None
            )  # choices: as the command line has them
            values = sorted({getattr(r.config, name) for r in found}, key=key)
            self.looks[name] = {
                value: ways[i % len(ways)] for i, value in enumerate(values)
            }

    def of(self, config: TrainConfig, **common: Any) -> dict[str, Any]:
        """Arguments for `plot`."""
        look: dict[str, Any] = dict(color=COLOURS[0], marker="o")
        for name, ways in self.looks.items():
            look |= ways[getattr(config, name)]
        return look | common

    def legend(self, figure: Figure, *more: Line2D, **common: Any) -> None:
        """Says, right of the panels, what each look means."""
        handles = []
        for name, ways in self.looks.items():
            handles.append(handle(name, linestyle="", marker=""))
            handles += [
                handle(shown(value), **look | common) for value, look in ways.items()
            ]
        if handles or more:
            figure.legend(
                handles=[*handles, *more], loc="outside right upper", handlelength=2.5
            )


def handle(label: str, **look: Any) -> Line2D:
    """A line of a legend."""
    plain: dict[str, Any] = dict(color="0.3", marker="o")
    return Line2D([], [], label=label, **plain | look)


@styled
def curves(found: Sequence[Result]) -> Figure:
    """Test figures epoch by epoch, all runs in one panel for each kind and term, nats per image."""
    blocks, looks = kinds(found), Looks(found)
    figure = Figure(
        figsize=(12, 0.4 + 3.2 * len(blocks)), dpi=100, layout="constrained"
    )
    terms = dict(neg_elbo="reconstruction + KL", recon="reconstruction", kl="KL")
    for row, (kind, members) in zip(
        figure.subplots(len(blocks), 3, squeeze=False), blocks.items(), strict=True
    ):
        for axes, (name, title) in zip(row, terms.items(), strict=True):
            for r in members:
                epochs = [line["epoch"] for line in r.rows]
                axes.plot(
                    epochs,
                    [line[name] for line in r.rows],
                    **looks.of(r.config, ms=5, lw=1.4),
                )
            axes.set(title=title, xlabel="epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
        row[0].set(ylabel=f"{kind}, nats per image".replace(", ", "\n"))
    looks.legend(figure, lw=1.4)
    return figure


@styled
def rate_distortion(found: Sequence[Result]) -> Figure:
    """Each run as a point: KL, the rate, and reconstruction, the distortion, nats per image; a panel for each kind.

    Along a dotted line their sum is the same.
    """
    blocks, looks = kinds(found), Looks(found)
    figure = Figure(figsize=(1.5 + 5 * len(blocks), 4.6), dpi=100, layout="constrained")
    for axes, (kind, members) in zip(
        figure.subplots(1, len(blocks), squeeze=False)[0], blocks.items(), strict=True
    ):
        for r in members:
            axes.plot(
                r.figures["kl"],
                r.figures["recon"],
                **looks.of(r.config, ms=8, linestyle=""),
            )
        low, high = axes.get_xlim(), axes.get_ylim()
        for total in torch.linspace(low[0] + high[0], low[1] + high[1], 9).tolist():
            axes.axline(
                (low[0], total - low[0]),
                slope=-1,
                color="0.6",
                linestyle=":",
                lw=1,
                zorder=0,
            )
        axes.set(
            title=kind.replace(", ", "\n"),
            xlabel="rate: KL, nats per image",
            ylabel="distortion: reconstruction, nats per image",
        )
        axes.set(xlim=low, ylim=high)
    looks.legend(
        figure, handle("equal sum", marker="", linestyle=":", color="0.6"), linestyle=""
    )
    return figure


@styled
@torch.no_grad()
def contact_sheet(found: Sequence[Result], n: int = 8) -> Figure:
    """Runs of one kind, a row each: test images as they decode them, those of the first row, then samples from the prior."""
    test, fields = found[0].test[:n], fields_of(found)
    gap = torch.ones(1, *test.shape[1:])
    pictures, labels = [test / 255, gap.expand(n + 1, *gap.shape[1:])], ["test images"]
    for r in found:
        z = torch.randn(
            n, r.model.latent_dim, generator=torch.Generator().manual_seed(0)
        )
        pictures += [
            r.model.images(r.model.encode(pixels(test))[0]),
            gap,
            r.model.images(z),
        ]
        labels.append(
            ", ".join(shown(getattr(r.config, name)) for name in fields)
            or r.config.name
        )
    below = {
        len(test) // 2: "reconstructions",
        len(test) + 1 + n // 2: "samples from the prior",
    }
    title = f"{found[0].kind}; rows: {', '.join(fields) or 'run'}"
    return sheet(torch.cat(pictures), len(test) + 1 + n, title, labels, below)[0]


def write(found: Sequence[Result], folder: Path) -> list[Path]:
    """All of it as files: table.csv, table.md, curves.png, rate_distortion.png, and contact_sheet_N.png for each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"table.csv": table_csv(found), "table.md": table(found)}
    figures = {
        "curves.png": curves(found),
        "rate_distortion.png": rate_distortion(found),
    }
    for number, members in enumerate(kinds(found).values(), start=1):
        figures[f"contact_sheet_{number}.png"] = contact_sheet(members)
    for name, text in texts.items():
        files.write(folder / name, text.encode())
    for name, figure in figures.items():
        files.write_figure(folder / name, figure)
    return [folder / name for name in (*texts, *figures)]
