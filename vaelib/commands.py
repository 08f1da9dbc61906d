"""What the commands `vaelib sweep`, `compare`, `evaluate`, `traverse` and `lab` do.

Each function takes the parsed arguments and returns the exit status. torch and Dask
are imported on first use, so that `--help` is answered at once.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from vaelib import __version__
from vaelib.checks import ConfigError, invalid, one_line, path_of
from vaelib.config import field_types
from vaelib.lab import course
from vaelib.sweeps import grids

# Flags that JupyterLab answers without starting.
ANSWERED = re.compile("--(help|version|show-config|generate-config)")


def sweep(args: argparse.Namespace) -> int:
    """Run `vaelib sweep`."""
    given = {name: value for name, value in vars(args).items() if name in field_types()}
    grid = grids.from_flags(given, args.preset, args.file, args.zip)
    if args.workers and args.scheduler:
        advice = "a cluster has its own, leave out --workers or --scheduler"
        raise invalid("workers", args.workers, advice)
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
        if client:
            workers = cluster.count_threads(client)
        else:
            workers = args.workers or cluster.default_workers(len(grid))
        print(runner.preview(grid, workers))
        return 0
    failed = runner.sweep(grid, client, workers=args.workers)
    if not failed:
        return 0
    lines = [f"{len(failed)} of {len(grid)} runs failed:"]
    lines += [f"{name}: {why}" for name, why in failed.items()]
    print("\n  ".join(lines), file=sys.stderr)
    return 1


def compare(args: argparse.Namespace) -> int:
    """Run `vaelib compare GROUP`."""
    from vaelib import runs
    from vaelib.sweeps import compare, results

    group = path_of(args.group)
    if not group.is_dir():
        group = path_of(args.project_dir) / args.group
    output = path_of(args.output) if args.output else group / "comparison"
    if (output.exists() and args.output) or (output / "run_meta.json").exists():
        raise runs.RunError(f"{output} exists already: give another --output.")
    places = dict(dataset=args.dataset, data_dir=args.data_dir)
    found, left_out = results.read_group(group, **places)
    for name, why in left_out.items():
        print(one_line(f"note: {name} is left out: {why}"), file=sys.stderr)
    written = compare.write(found, output)
    print(compare.table(found))
    print(one_line(f"written to {output}: {', '.join(file.name for file in written)}"))
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """Run `vaelib evaluate RUN`."""
    import torch
    from tqdm import tqdm

    from vaelib import evaluation, losses, runs

    model, config, data = runs.load_with_data(args.path, args.dataset, args.data_dir)
    nats = losses.reconstruction(config.loss, config.sigma)
    rng = torch.Generator().manual_seed(args.seed)
    recon, kl = evaluation.average_terms(model, nats, data.test, rng)
    active = evaluation.active_units(model, data.test)
    criterion = f"the posterior mean varies by more than {evaluation.ACTIVE}"
    order = kl.argsort(descending=True).tolist()

    print(f"{len(data.test)} test images, nats per image, z sampled")
    print(f"  reconstruction  {recon:9.2f}   {losses.title(config.loss, data.binary)}")
    print(f"  KL              {kl.sum():9.2f}")
    print(f"  negative ELBO   {recon + kl.sum():9.2f}   their sum")
    if config.loss == "logistic":
        bits = losses.bits_per_dim(recon + kl.sum(), math.prod(data.shape))
        print(f"                  {bits:9.4f}   bits per dimension")
    print(f"  active units    {active:6d}      of {config.latent_dim}: {criterion}")
    print(f"  KL per latent   {', '.join(f'z{j + 1} {kl[j]:.2f}' for j in order)}")
    if losses.LOSSES[config.loss].title == "cross-entropy" and not data.binary:
        print(
            "  no likelihood: pixels are grey; "
            "train with --binarize fixed or dynamic for one"
        )
        return 0

    nll, k = [], args.samples
    with tqdm(total=len(data.test), unit=" images", leave=False, disable=None) as bar:
        for batch in evaluation.importance_nll(model, nats, data.test, rng, k):
            nll.append(batch.double())
            bar.update(len(batch))
    mean = torch.cat(nll).mean()
    print(f"  NLL             {mean:9.2f}   {k} importance samples")
    if config.loss == "logistic":
        bits = losses.bits_per_dim(mean, math.prod(data.shape))
        print(f"                  {bits:9.4f}   bits per dimension")
    return 0


def traverse(args: argparse.Namespace) -> int:
    """Run `vaelib traverse RUN`."""
    import torch

    from vaelib import evaluation, files, losses, plotting, runs
    from vaelib.data import pixels

    output = path_of(args.output)
    files.check_figure_name(output)
    if output.exists():
        raise runs.RunError(f"{output} exists already: give another --output.")
    model, config, data = runs.load_with_data(args.path, args.dataset, args.data_dir)
    if not 0 <= args.image < len(data.test):
        last = len(data.test) - 1
        raise ConfigError(f"image is {args.image}: give a number from 0 to {last}.")
    with torch.no_grad():
        mu, _ = model.encode(pixels(data.test[args.image, None]))
    nats = losses.reconstruction(config.loss, config.sigma)
    _, kl = evaluation.average_terms(model, nats, data.test, torch.Generator())
    files.write_figure(output, plotting.traversals(model, mu[0], kl))
    print(one_line(f"written to {output}"))
    return 0


def lab(args: argparse.Namespace) -> int:
    """Run `vaelib lab`: open JupyterLab, at the first notebook.

    If the chapters came with the library and are not here yet, it writes them first.
    """
    here = str(Path(sys.executable).parent)
    jupyter = shutil.which("jupyter-lab", path=here) or shutil.which("jupyter-lab")
    if jupyter is None or find_spec("jupytext") is None:
        raise ConfigError("JupyterLab is not installed: run pip install 'vaelib[lab]'.")
    write_chapters(args.flags)
    command = [jupyter, *lab_flags(args.flags)]
    # Defaults of the course, and its style; settings made in JupyterLab still win.
    settings = str(Path(__file__).parent / "lab")
    for name in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH"):
        others = filter(None, [os.environ.get(name)])
        os.environ[name] = os.pathsep.join([settings, *others])
    if os.name == "posix":
        # JupyterLab handles Ctrl-C itself: it asks, and then stops its kernels.
        os.execv(jupyter, command)
    return subprocess.call(command)


def write_chapters(given: list[str]) -> None:
    """Write the chapters that came with the library, and say so, unless they are here.

    Not if a flag names what is opened, or is answered without starting JupyterLab.
    """
    if any(is_place(flag) or ANSWERED.match(flag) for flag in given):
        return
    if written := course.write_once():
        chapters = f"the chapters of vaelib {__version__} are now in {written}"
        note = "they are yours to change, and are not written again"
        print(f"vaelib lab: {chapters}; {note}.", file=sys.stderr)


def lab_flags(given: list[str]) -> list[str]:
    """Return the flags of JupyterLab: those given, after what `vaelib lab` adds.

    It adds the first notebook, if that is here and the user names no other place, and
    the permission to run as root, which it says on standard error.
    """
    added = []
    first = course.folder() / course.FIRST
    if first.is_file() and not any(map(is_place, given)):
        added.append(f"--LabApp.default_url=/lab/tree/{first.as_posix()}")
    is_root = os.name == "posix" and os.geteuid() == 0
    if is_root and not re.search("allow.root", " ".join(given)):
        added.append("--allow-root")
        note = "you are root, so code in a notebook may change every file here"
        print(f"vaelib lab: {note} (--allow-root is added).", file=sys.stderr)
    return added + given


def is_place(flag: str) -> bool:
    """Return whether a flag of JupyterLab says what it opens, or in which folder."""
    value = flag.rpartition("=")[2]
    is_file = value.endswith((".ipynb", ".md"))
    is_folder = value != "" and Path(value).is_dir()
    is_named = re.search("default_url|root_dir|notebook-dir", flag) is not None
    return is_file or is_folder or is_named
