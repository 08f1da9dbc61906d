"""The command `vaelib`: train, sweep, compare, evaluate, traverse, lab."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from vaelib import __version__, commands, train
from vaelib.errors import exit_status
from vaelib.flags import Parser, add_arguments, argument_type
from vaelib.streams import with_safe_streams

SWEEP = """Train a grid of runs, one for each combination of the values given, on all
cores of this machine or on a Dask cluster. Each flag takes one or more values. If no
flag has several, the grid is the one of the reference implementation: --latent-dim 2 8
20 --loss bce bce_logits mse --beta-schedule none linear cyclic. Finished runs are
skipped, unfinished runs are continued."""
LAB = """Start JupyterLab in this folder, at the first notebook. Where the library came
in a wheel, its chapters are first written to the folder notebooks, once. All flags go
on to JupyterLab, such as --no-browser --port 8899; jupyter-lab --help lists them. As
root, --allow-root is added."""
RUN = "the folder of a run, such as reports/mnist/latest, or a checkpoint"


@with_safe_streams
def main(argv: list[str] | None = None) -> int:
    """Run `vaelib` and return its exit status.

    It is 0 for success, 2 for bad input, 1 for a loss that is not finite or a run of
    a sweep that failed, and 130 if the user stopped the command.
    """
    parser = Parser(
        prog="vaelib",
        description="Variational auto-encoders, to be read beside the paper.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parts = parser.add_subparsers(required=True, metavar="command", parser_class=Parser)
    add_train(parts)
    add_sweep(parts)
    add_compare(parts)
    add_evaluate(parts)
    add_traverse(parts)
    about = "open the notebooks in JupyterLab"
    lab = add_command(parts, "lab", commands.lab, about, LAB)
    lab.usage = "%(prog)s [-h] [flags of JupyterLab]"

    args, unknown = parser.parse_known_args(argv)
    if args.run is commands.lab:
        args.flags = unknown
    elif unknown:
        args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return exit_status(args.parser.prog, lambda: args.run(args))


def add_command(
    parts: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    help: str,
    description: str | None = None,
) -> Parser:
    """Add a command that calls `run`, and return its parser."""
    texts = dict(help=help, description=description)
    part = parts.add_parser(name, **texts, allow_abbrev=False)
    part.set_defaults(run=run, parser=part)
    return part


def add_train(parts: Any) -> None:
    """Add `vaelib train`."""
    about = "train a model and write a run"
    add_arguments(add_command(parts, "train", train.command, about))


def add_sweep(parts: Any) -> None:
    """Add `vaelib sweep`."""
    about = "train a grid of runs on all cores or a cluster; repeat it to continue"
    part = add_command(parts, "sweep", commands.sweep, about, SWEEP)
    add_arguments(part, many=True)
    part.add_argument(
        "--zip",
        action="store_true",
        help="pair the lists element by element instead of all combinations",
    )
    part.add_argument(
        "--file",
        metavar="TOML",
        help="read settings from a file, such as latent_dim = [2, 8]; "
        "flags on the command line override it",
    )
    part.add_argument(
        "--dry-run",
        action="store_true",
        help="only list the runs and estimate how long they will take",
    )
    part.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes on this machine (default: one for each core)",
    )
    part.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="train on a running Dask cluster, such as tcp://10.0.0.1:8786",
    )
    part.add_argument(
        "--project-dir",
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="(default: reports)",
    )
    part.add_argument(
        "--group",
        default=argparse.SUPPRESS,
        help="(default: the name of the data set and -grid)",
    )


def add_compare(parts: Any) -> None:
    """Add `vaelib compare`."""
    about = "write tables and figures of all runs of a group"
    part = add_command(parts, "compare", commands.compare, about)
    part.add_argument(
        "group",
        metavar="GROUP",
        help="the folder of a group, such as reports/mnist-grid, or its name",
    )
    part.add_argument(
        "--project-dir",
        default="reports",
        metavar="DIR",
        help="the folder of the groups (default: reports)",
    )
    part.add_argument(
        "--output",
        metavar="DIR",
        help="a new folder for the files (default: GROUP/comparison, overwritten)",
    )
    add_places(part)


def add_evaluate(parts: Any) -> None:
    """Add `vaelib evaluate`."""
    about = "evaluate a run on the test images"
    part = add_command(parts, "evaluate", commands.evaluate, about)
    part.add_argument("path", metavar="RUN", help=RUN)
    part.add_argument(
        "--samples",
        type=positive,
        default=100,
        help="importance samples per image, K (default: 100)",
    )
    part.add_argument(
        "--seed",
        type=argument_type("seed"),
        default=0,
        help="seed of the noise (default: 0)",
    )
    add_places(part)


def add_traverse(parts: Any) -> None:
    """Add `vaelib traverse`."""
    about = "vary one latent at a time around a test image"
    part = add_command(parts, "traverse", commands.traverse, about)
    part.add_argument("path", metavar="RUN", help=RUN)
    part.add_argument(
        "--image", type=int, default=0, help="index of the test image (default: 0)"
    )
    part.add_argument(
        "--output",
        metavar="FILE",
        default="traversals.png",
        help="file to write, .png, .pdf or .svg (default: traversals.png)",
    )
    add_places(part)


def add_places(part: Parser) -> None:
    """Add the flags that say where the data of a run are, if they have moved."""
    part.add_argument(
        "--dataset",
        type=argument_type("dataset"),
        default="",
        metavar="folder:PATH",
        help="where the pictures are now (default: where they were)",
    )
    part.add_argument(
        "--data-dir",
        default="",
        metavar="DIR",
        help="folder for downloads (default: that of the run)",
    )


def positive(text: str) -> int:
    """Return a positive whole number from the command line."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        message = f"{text!r} is not a whole number of at least 1"
        raise argparse.ArgumentTypeError(message)
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
