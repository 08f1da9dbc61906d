"""The command `vaelib`: train, sweep, compare, evaluate, traverse, lab."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from vaelib import __version__
from vaelib.config import ConfigError, field_types, invalid
from vaelib.sweeps import grids
from vaelib.train import Parser, add_arguments, command, guarded, reader


def main(argv: list[str] | None = None) -> int:
    """Returns 0 if all went well, 2 for bad input, 1 for a loss that diverged, 130 when stopped."""
    parser = Parser(
        prog="vaelib",
        description="Variational auto-encoders, to be read beside the paper.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(
        required=True, metavar="command", parser_class=Parser
    )

    part = commands.add_parser(
        "train", help="train a model and write a run", allow_abbrev=False
    )
    add_arguments(part)
    part.set_defaults(run=command, parser=part)

    about = "train a grid of runs on all cores or a cluster; started again, it goes on"
    part = commands.add_parser(
        "sweep", help=about, description=SWEEP, allow_abbrev=False
    )
    add_arguments(part, many=True)
    part.add_argument(
        "--zip",
        action="store_true",
        help="pair the lists side by side instead of all combinations",
    )
    part.add_argument(
        "--file",
        metavar="TOML",
        help="settings from a file: latent_dim = [2, 8]; flags given beside it win",
    )
    part.add_argument(
        "--dry-run",
        action="store_true",
        help="only list the runs, and measure how long they will take",
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
        help="(default: the data set's name and -grid)",
    )
    part.set_defaults(run=sweep, parser=part)

    part = commands.add_parser(
        "compare", help="tables and figures of all runs of a group", allow_abbrev=False
    )
    part.add_argument(
        "group",
        metavar="GROUP",
        help="a group's folder, such as reports/mnist-grid, or its name",
    )
    part.add_argument(
        "--project-dir",
        default="reports",
        metavar="DIR",
        help="where groups lie (default: reports)",
    )
    part.add_argument(
        "--output",
        metavar="DIR",
        help="a new folder for the files (default: GROUP/comparison, written anew)",
    )
    part.set_defaults(run=compare, parser=part)

    part = commands.add_parser(
        "evaluate", help="figures of a run on the test split", allow_abbrev=False
    )
    part.add_argument(
        "path",
        metavar="RUN",
        help="a run's folder, such as reports/mnist/latest, or a checkpoint",
    )
    part.add_argument(
        "--samples",
        type=positive,
        default=100,
        help="importance samples an image, K (default: 100)",
    )
    part.add_argument(
        "--seed", type=reader("seed"), default=0, help="of the noise (default: 0)"
    )
    part.set_defaults(run=evaluate, parser=part)

    part = commands.add_parser(
        "traverse",
        help="move one latent at a time about a test image",
        allow_abbrev=False,
    )
    part.add_argument(
        "path",
        metavar="RUN",
        help="a run's folder, such as reports/mnist/latest, or a checkpoint",
    )
    part.add_argument(
        "--image", type=int, default=0, help="number of the test image (default: 0)"
    )
    part.add_argument(
        "--output",
        metavar="FILE",
        default="traversals.png",
        help="PNG to write (default: traversals.png)",
    )
    part.set_defaults(run=traverse, parser=part)

    part = commands.add_parser(
        "lab", help="open the notebooks in JupyterLab", allow_abbrev=False
    )
    part.set_defaults(run=lab, parser=part)

    args, unknown = parser.parse_known_args(argv)
    if unknown:
        args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return guarded(args.parser.prog, lambda: args.run(args))


SWEEP = """Train a grid of runs, every combination of the values given, on all cores of this machine or on a Dask cluster. Each
flag takes one or more values; where none takes several, the grid is the reference's: --latent-dim 2 8 20 --loss bce bce_logits
mse --beta-schedule none linear cyclic. Runs that are finished are skipped, those that were begun go on."""


def positive(text: str) -> int:
    """argparse's `type` for a count."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a whole number of at least 1"
        )
    return int(text)


def sweep(args: argparse.Namespace) -> int:
    """`vaelib sweep`"""
    given = {name: value for name, value in vars(args).items() if name in field_types()}
    grid = grids.from_flags(given, args.preset, args.file, args.zip)
    if args.workers and args.scheduler:
        raise invalid(
            "workers",
            args.workers,
            "a cluster has its own, leave out --workers or --scheduler",
        )
    try:
        from vaelib.sweeps import cluster, runner
    except ModuleNotFoundError as error:
        if error.name not in ("dask", "distributed"):
            raise
        raise ConfigError(
            "Dask is not installed: run pip install 'vaelib[sweep]'."
        ) from None
    client = cluster.connect(args.scheduler) if args.scheduler else None
    if args.dry_run:
        print(
            runner.preview(
                grid,
                args.workers
                or (
                    cluster.slots(client) if client else cluster.workers_for(len(grid))
                ),
            )
        )
        return 0
    failed = runner.sweep(grid, client, workers=args.workers)
    if failed:
        print(
            f"{len(failed)} of {len(grid)} runs failed:",
            *(f"{n}: {why}" for n, why in failed.items()),
            sep="\n  ",
            file=sys.stderr,
        )
    return 1 if failed else 0


def compare(args: argparse.Namespace) -> int:
    """`vaelib compare GROUP`"""
    from vaelib import runs
    from vaelib.sweeps import compare

    group = (
        Path(args.group)
        if Path(args.group).is_dir()
        else Path(args.project_dir) / args.group
    )
    output = Path(args.output) if args.output else group / "comparison"
    if (output.exists() and args.output) or (output / "run_meta.json").exists():
        raise runs.RunError(f"{output} exists already: give another --output.")
    found = compare.results(group)
    written = compare.write(found, output)
    print(compare.table(found))
    print(f"written to {output}: {', '.join(file.name for file in written)}")
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """`vaelib evaluate RUN`"""
    import torch
    from tqdm import tqdm

    from vaelib import evaluation, losses, runs
    from vaelib.data import load_dataset

    model, config = runs.load(args.path)
    data = load_dataset(
        config.dataset,
        config.binarize,
        config.channels,
        config.image_size,
        config.data_dir,
    )
    nats = losses.reconstruction(config.loss, config.sigma)
    rng = torch.Generator().manual_seed(args.seed)
    recon, kl = evaluation.average_terms(model, nats, data.test, rng)
    active = evaluation.active_units(model, data.test)
    print(f"{len(data.test)} test images, nats per image, z sampled")
    print(f"  reconstruction  {recon:9.2f}   {losses.title(config.loss, data.binary)}")
    print(f"  KL              {kl.sum():9.2f}")
    print(f"  negative ELBO   {recon + kl.sum():9.2f}   their sum")
    print(
        f"  active units    {active:6d}      of {config.latent_dim}: the posterior mean varies by more than {evaluation.ACTIVE}"
    )
    print(
        "  KL per latent   "
        + ", ".join(
            f"z{j + 1} {kl[j]:.2f}" for j in kl.argsort(descending=True).tolist()
        )
    )
    if losses.LOSSES[config.loss].title == "cross-entropy" and not data.binary:
        print(
            "  no likelihood: pixels are grey; train with --binarize fixed or dynamic for one"
        )
        return 0
    with tqdm(total=len(data.test), unit=" images", leave=False, disable=None) as bar:
        nll = []
        for batch in evaluation.importance_nll(
            model, nats, data.test, rng, args.samples
        ):
            nll.append(batch.double())
            bar.update(len(batch))
    print(
        f"  NLL             {torch.cat(nll).mean():9.2f}   {args.samples} importance samples"
    )
    return 0


def traverse(args: argparse.Namespace) -> int:
    """`vaelib traverse RUN`"""
    import torch

    from vaelib import evaluation, files, losses, plotting, runs
    from vaelib.data import load_dataset, pixels

    output = Path(args.output)
    if output.exists():
        raise runs.RunError(f"{output} exists already: give another --output.")
    model, config = runs.load(args.path)
    data = load_dataset(
        config.dataset,
        config.binarize,
        config.channels,
        config.image_size,
        config.data_dir,
    )
    if not 0 <= args.image < len(data.test):
        raise ConfigError(
            f"image is {args.image}: give a number from 0 to {len(data.test) - 1}."
        )
    with torch.no_grad():
        mu, _ = model.encode(pixels(data.test[args.image, None]))
    nats = losses.reconstruction(config.loss, config.sigma)
    _, kl = evaluation.average_terms(model, nats, data.test, torch.Generator())
    files.write_figure(output, plotting.traversals(model, mu[0], kl))
    print(f"written to {output}")
    return 0


def lab(args: argparse.Namespace) -> int:
    """`vaelib lab`"""
    jupyter = shutil.which(
        "jupyter-lab", path=str(Path(sys.executable).parent)
    ) or shutil.which("jupyter-lab")
    if jupyter is None:
        raise ConfigError("JupyterLab is not installed: run pip install 'vaelib[lab]'.")
    first = Path("notebooks/00_quick_start.ipynb")
    command = [
        jupyter,
        *(
            [f"--LabApp.default_url=/lab/tree/{first.as_posix()}"]
            if first.is_file()
            else []
        ),
    ]
    if os.name == "posix":
        os.execv(
            jupyter, command
        )  # Ctrl-C is JupyterLab's own: it asks, and ends its kernels
    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main())
