"""Measure vaelib and a plain program side by side, and publish the table.

`make bench` runs `python tests/benchmarks/bench.py [--only NAME ...] [--publish]`. The
table goes to results.md and to book/speed.md, and its headlines to the READMEs.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import bench_commands
import bench_training
import bench_widgets
import reference
import torch
from measure import ROOT

RESULTS = Path(__file__).with_name("results.md")
BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->"
HEADER = ["| what | vaelib | plain | ratio | goal |", "|---|---|---|---|---|"]
HEADLINES = (  # rows that the READMEs show
    "training to 105.55 test nats, median of 5 seeds",
    "whole process with its pictures, to the same point",
    "one epoch",
    "training in a page to 105.55 test nats, with 20,000 images",
    "27 runs of 2 epochs, a sweep against a loop of commands",
)
BENCHES = {
    name.removeprefix("bench_"): function
    for module in (bench_training, bench_commands, bench_widgets)
    for name, function in vars(module).items()
    if name.startswith("bench_")
}


def headlines(table: str) -> str:
    """Return the header of a table and the rows that HEADLINES names."""
    rows = {
        line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines()
    }
    return "\n".join([*HEADER, *(rows[what] for what in HEADLINES)]) + "\n"


def publish(table: str) -> None:
    """Write the table into book/speed.md and its headlines into the READMEs."""
    texts = {
        "book/speed.md": table,
        "README.md": headlines(table),
        "README.ja.md": headlines(table),
    }
    for name, text in texts.items():
        page = ROOT / name
        before, begin, rest = page.read_text("utf-8").partition(BEGIN)
        _, end, after = rest.partition(END)
        page.write_text(before + begin + text + end + after, "utf-8")


def conditions() -> str:
    """Return the sentences below the table: machine, versions and date."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    date = datetime.now(UTC).date()
    return textwrap.fill(
        f"Measured by `make bench` on {machine}, torch {torch.__version__}, {date}. "
        "Plain: the example as its users run it.",
        width=88,
    )


def main() -> None:
    """Run the benchmarks, print the table and publish it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=BENCHES, help="run some, and write nothing"
    )
    parser.add_argument(
        "--publish", action="store_true", help="measure nothing: publish results.md"
    )
    args = parser.parse_args()
    if args.publish:
        publish(RESULTS.read_text("utf-8"))
        return

    lines = [*HEADER]
    with tempfile.TemporaryDirectory() as folder:
        root = reference.prepare(Path(folder))
        for name in args.only or BENCHES:
            rows = [f"| {' | '.join(row)} |" for row in BENCHES[name](root)]
            print(*rows, sep="\n", flush=True)
            lines += rows
    if not args.only:
        RESULTS.write_text("\n".join([*lines, "", conditions(), ""]), "utf-8")
        publish(RESULTS.read_text("utf-8"))


if __name__ == "__main__":
    main()
