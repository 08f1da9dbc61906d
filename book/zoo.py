"""Train the models of the book and pack them into files that its pages load.

`make zoo` calls `python book/zoo.py book/zoo.toml book/zoo-conv.toml OUT`, which trains
the sweeps in the TOML files and writes OUT/zoo/index.js and a file for each model.
Trained models and files that are up to date stay as they are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vaelib import config as configs
from vaelib import files, runs
from vaelib.config import TrainConfig
from vaelib.data import ImageData, load_dataset, pixels
from vaelib.errors import exit_status
from vaelib.losses import title
from vaelib.model import VAE
from vaelib.runs import Run
from vaelib.sweeps import grids, sweep
from vaelib.widgets import explorer, frontend, weights
from vaelib.widgets.session import SAMPLES

COLUMNS = ("epoch", "beta", "recon", "kl", "train_recon", "train_kl")


def read(file: Path) -> list[TrainConfig]:
    """Return the runs of the sweep in a file.

    The name of their group ends in a hash of the settings that all runs have in common,
    so that a change of these makes a new group. Raises ConfigError.
    """
    grid = grids.from_flags({}, file=str(file))
    varying = grids.varying(grid)
    common = {
        name: value
        for name, value in asdict(grid[0]).items()
        if name not in varying and configs.affects_result(name)
    }
    digest = hashlib.sha256(repr(common).encode()).hexdigest()[:8]
    return [replace(run, group=f"{run.group}-{digest}") for run in grid]


@torch.no_grad()
def error(model: VAE, images: Tensor) -> tuple[float, float]:
    """Return the mean and the largest error of a pixel that 8-bit weights cause.

    Reconstructions of uint8 `images`, at the posterior mean, are compared. Encoder and
    decoder are rounded; pixels are in [0, 1].
    """
    coarse, x = weights.rounded(model), pixels(images)
    exact = model.images(model.encode(x)[0])
    errors = (coarse.images(coarse.encode(x)[0]) - exact).abs()
    return errors.mean().item(), errors.max().item()


def packed(run: Run, data: ImageData) -> dict[str, Any]:
    """Return what the page shows of a run.

    These are the weights, the codes of test images, the training log, the name of the
    reconstruction term, and the errors of rounding.
    """
    model, config = runs.load(run.path)
    mean, largest = error(model, data.test[: explorer.POINTS])
    return dict(
        network=weights.pack(model),
        codes=explorer.pack_codes(model, data.test),
        log={name: [round(row[name], 4) for row in run.rows] for name in COLUMNS},
        term=title(config.loss, data.binary),
        rounding=dict(bits=8, mean=mean, largest=largest),
    )


@cache
def code() -> bytes:
    """Return the source of the modules that pack a model.

    If it changes, models are packed again.
    """
    modules = sys.modules[__name__], weights, explorer, frontend
    return b"".join(Path(str(module.__file__)).read_bytes() for module in modules)


def pack(run: Run, data: ImageData, out: Path) -> dict[str, Any]:
    """Write the file of a run and return the run's entry in the index.

    A file that was made from the same checkpoint by the same code is left alone. Raises
    RunError.
    """
    run.load_state()
    config, name = run.config, name_of(run.config)
    checkpoint = run.checkpoint(int(run.rows[-1]["epoch"])).read_bytes()
    digest = hashlib.sha256(checkpoint + code()).hexdigest()[:16]
    made = dict(made_from=digest)
    head = frontend.state(name, made).encode().removesuffix(b"});\n")

    file = out / f"{name}.js"
    if not file.exists() or not file.read_bytes().startswith(head):
        files.write(file, frontend.state(name, made | packed(run, data)).encode())
    shown = dict(beta=config.beta, loss=config.loss, latents=config.latent_dim)
    return shown | dict(model=config.model, file=name)


def name_of(config: TrainConfig) -> str:
    """Return the name of the file of a run. Two sweeps may have runs of one name."""
    return f"zoo/{config.model}-{config.name}"


def read_state(out: Path, name: str) -> dict[str, Any]:
    """Return what `pack` has written into a file, with bytes still as base64."""
    text = (out / f"{name}.js").read_text("utf-8")
    return json.loads(text.partition(", ")[2].removesuffix(");\n"))


def axes(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the axes that show these packed models, in nats.

    `nats` is the range of the terms and their sum, from 0 if none is negative; `kl` is
    the largest of a latent.
    """
    shown = [0.0]
    for log in (state["log"] for state in states):
        recon, kl = log["train_recon"], log["train_kl"]
        total = [r + b * k for r, b, k in zip(recon, log["beta"], kl, strict=True)]
        shown += total + recon + kl + log["recon"] + log["kl"]
    low, high = min(shown), max(shown)
    largest = max(nats for state in states for nats in state["codes"]["kl"])
    return dict(nats=[low, high + 0.04 * (high - low)], kl=largest)


def write(grid: Sequence[TrainConfig], out: Path) -> None:
    """Pack all runs of the sweeps, write the index, and delete the files of others."""
    folder = out / "zoo"
    folder.mkdir(parents=True, exist_ok=True)
    c = grid[0]
    data = load_dataset(*c.data_source)
    trained = [runs.open_run(runs.group_folder(run) / run.name) for run in grid]
    models = [pack(run, data, out) for run in trained]

    latents = max(run.latent_dim for run in grid)
    rng = torch.Generator().manual_seed(c.seed)
    index = dict(
        models=models,
        axes={
            loss: axes(
                [read_state(out, m["file"]) for m in models if m["loss"] == loss]
            )
            for loss in sorted({run.loss for run in grid})
        },
        first=models.index(min(models, key=far_from_plain)),
        test=explorer.pack_test_images(data),
        noise=torch.randn(SAMPLES, latents, generator=rng).numpy().tobytes(),
    )
    files.write(folder / "index.js", frontend.state("zoo/index", index).encode())
    kept = {out / f"{model['file']}.js" for model in models} | {folder / "index.js"}
    for old in set(folder.glob("*.js")) - kept:
        old.unlink()


def far_from_plain(model: dict[str, Any]) -> tuple[bool, bool, bool, int]:
    """Return a sort key of models, least for the plain VAE with most latents.

    The page opens with that model.
    """
    plain = dict(beta=1, loss="bce_logits", model="mlp")
    differs = [model[name] != value for name, value in plain.items()]
    return *differs, -model["latents"]


def main(argv: Sequence[str] | None = None) -> int:
    """Train the models that are not trained, and pack those that are not packed."""
    parser = argparse.ArgumentParser(prog="zoo.py", description=main.__doc__)
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        help="sweeps, in the format of vaelib sweep --file",
    )
    parser.add_argument("out", type=Path, help="the folder for zoo/index.js")
    args = parser.parse_args(argv)

    def work() -> int:
        sweeps = [read(file) for file in args.files]
        failed: dict[str, str] = {}
        for grid in sweeps:
            failed |= sweep(grid)
        for name, why in failed.items():
            print(f"{name}: {why}", file=sys.stderr)
        if not failed:
            write([run for grid in sweeps for run in grid], args.out)
        return 1 if failed else 0

    return exit_status(parser.prog, work)


if __name__ == "__main__":
    sys.exit(main())
