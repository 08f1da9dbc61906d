"""Compare the runs of a group: tables and figures, one block for each kind of run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vaelib import files
from vaelib.sweeps.figures import contact_sheet, curves, rate_distortion
from vaelib.sweeps.results import Result, kinds, results
from vaelib.sweeps.tables import table, table_csv

__all__ = [
    "Result",
    "contact_sheet",
    "curves",
    "kinds",
    "rate_distortion",
    "results",
    "table",
    "table_csv",
    "write",
]


def write(found: Sequence[Result], folder: Path) -> list[Path]:
    """Write all tables and figures into a folder and return the paths of the files.

    table.csv, table.md, curves.png, rate_distortion.png, and contact_sheet_N.png for
    each kind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"table.csv": table_csv(found), "table.md": table(found)}
    figures = {
        "curves.png": curves(found),
        "rate_distortion.png": rate_distortion(found),
    }
    for number, members in enumerate(kinds(found).values(), start=1):
        figures[f"contact_sheet_{number}.png"] = contact_sheet(members)
    for name, text in texts.items():
        files.write(folder / name, text.encode(errors="backslashreplace"))
    for name, figure in figures.items():
        files.write_figure(folder / name, figure)
    return [folder / name for name in (*texts, *figures)]
