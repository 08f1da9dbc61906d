"""Tables of the runs of a group, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from vaelib.checks import one_line
from vaelib.sweeps.grids import format_value
from vaelib.sweeps.results import FIGURES, Result, kinds, varying_fields


def table_csv(found: Sequence[Result]) -> str:
    """Return a CSV table with a line for each run.

    Its columns: kind, name, the settings that vary, finished epochs, and figures.
    """
    text, fields = io.StringIO(newline=""), varying_fields(found)
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["kind", "run", *fields, "epochs_ended", *FIGURES])
    for r in found:
        settings = [format_value(getattr(r.config, name)) for name in fields]
        figures = [round(value, 6) for value in r.figures.values()]
        lines.writerow([r.kind, r.name, *settings, len(r.rows), *figures])
    return text.getvalue()


def table(found: Sequence[Result]) -> str:
    """Return Markdown tables of the runs of each kind, in the order of `found`.

    If some runs differ in their seed only, a second table has means over seeds.
    """
    blocks = []
    for kind, members in kinds(found).items():
        unit = "nats per image"
        if members[0].config.loss == "logistic":
            per_bit = math.prod(members[0].model.shape) * math.log(2)
            unit += f"; divided by {per_bit:.2f} they are bits per dimension"
        blocks += [f"**{kind}**, test figures in {unit}", run_table(members)]
        groups = by_seed(members)
        if any(len(group) > 1 for group in groups.values()):
            blocks += ["Mean and standard deviation over seeds", seed_table(groups)]
    return "\n\n".join(blocks) + "\n"


def run_table(found: Sequence[Result]) -> str:
    """Return a Markdown table with a line for each run."""
    lines = []
    for r in found:
        figures = [format_figure(name, r.figures[name]) for name in FIGURES]
        lines.append([r.name, len(r.rows), *figures])
    return markdown(["run", "epochs", *FIGURES], lines)


def seed_table(groups: dict[str, list[Result]]) -> str:
    """Return a Markdown table with a line for each group of runs."""
    lines = []
    for settings, group in groups.items():
        values = {name: [r.figures[name] for r in group] for name in FIGURES}
        figures = [mean_and_spread(name, values[name]) for name in FIGURES]
        lines.append([settings, len(group), *figures])
    return markdown(["settings", "seeds", *FIGURES], lines)


def by_seed(found: Sequence[Result]) -> dict[str, list[Result]]:
    """Return groups of runs that differ in their seed only, by their settings."""
    fields = [name for name in varying_fields(found) if name != "seed"]
    groups: dict[str, list[Result]] = {}
    for r in found:
        settings = [
            f"{name}={format_value(getattr(r.config, name))}" for name in fields
        ]
        groups.setdefault(", ".join(settings) or "all", []).append(r)
    return groups


def markdown(head: list[str], lines: list[list[Any]]) -> str:
    """Return a Markdown table; all columns but the first are aligned right."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    rows = [" | ".join(map(cell, line)) for line in (head, rule, *lines)]
    return "\n".join(f"| {row} |" for row in rows)


def cell(value: Any) -> str:
    """Return the text of a value in a Markdown table, on one line."""
    return one_line(str(value)).replace("|", r"\|")


def format_figure(name: str, value: float) -> str:
    """Return a figure with as many digits as are meaningful."""
    digits = dict(active_units=0, seconds=1).get(name, 2)
    return f"{value:.{digits}f}"


def mean_and_spread(name: str, values: list[float]) -> str:
    """Return the mean of a figure and, of several values, the standard deviation.

    The standard deviation divides by n - 1.
    """
    if name == "active_units":
        name = "seconds"  # a mean of whole numbers: one digit
    text = format_figure(name, mean(values))
    return f"{text} ± {format_figure(name, stdev(values))}" if len(values) > 1 else text
