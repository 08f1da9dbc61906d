"""`make zoo`: the models of the book, a sweep over a TOML file, as files of state for a page without a kernel.

python book/zoo.py book/zoo.toml OUT writes OUT/zoo/index.js and a file for each model. What is trained and packed stays.
"""

from __future__ import annotations

import argparse
import hashlib
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
    """The sweep in a file. Its group is marked by what all its runs have in common: where that changes, it is another one.

    Raises: ConfigError.
    """
    grid = grids.from_flags({}, file=str(file))
    varying = grids.varying(grid)
    common = {
        k: v
        for k, v in asdict(grid[0]).items()
        if k not in varying and configs.section(k) != "run"
    }
    mark = hashlib.sha256(repr(common).encode()).hexdigest()[:8]
    return [replace(run, group=f"{run.group}-{mark}") for run in grid]


@torch.no_grad()
def error(model: VAE, images: Tensor) -> tuple[float, float]:
    """What 8 bits do to reconstructions of uint8 `images`, encoder and decoder rounded: a pixel's mean and largest error."""
    coarse, x = weights.rounded(model), pixels(images)
    off = (coarse.images(coarse.encode(x)[0]) - model.images(model.encode(x)[0])).abs()
    return off.mean().item(), off.max().item()


def packed(run: Run, data: ImageData) -> dict[str, Any]:
    """What the page shows of a run: weights, codes of test images, its log, what its terms are, what rounding does."""
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
    """The text of what packs a model: where it changes, so does what is packed."""
    return b"".join(
        Path(str(module.__file__)).read_bytes()
        for module in (sys.modules[__name__], weights, explorer, frontend)
    )


def pack(run: Run, data: ImageData, out: Path) -> dict[str, Any]:
    """Writes a run's file, unless it is there and made from the same; returns its entry in the index. Raises: RunError."""
    run.load_state()
    config, name = run.config, f"zoo/{run.config.name}"
    checkpoint = run.checkpoint(int(run.rows[-1]["epoch"])).read_bytes()
    made = dict(made_from=hashlib.sha256(checkpoint + code()).hexdigest()[:16])
    file, head = (
        out / f"{name}.js",
        frontend.state(name, made).encode().removesuffix(b"});\n"),
    )
    if not file.exists() or not file.read_bytes().startswith(head):
        files.write(file, frontend.state(name, made | packed(run, data)).encode())
    return dict(
        beta=config.beta, loss=config.loss, latents=config.latent_dim, file=name
    )


def write(grid: Sequence[TrainConfig], out: Path) -> None:
    """Packs all runs of a sweep; the index comes last, and files of other sweeps go."""
    (out / "zoo").mkdir(parents=True, exist_ok=True)
    c = grid[0]
    data = load_dataset(c.dataset, c.binarize, c.channels, c.image_size, c.data_dir)
    models = [
        pack(runs.open_run(runs.group_folder(run) / run.name), data, out)
        for run in grid
    ]
    noise = torch.randn(
        SAMPLES,
        max(run.latent_dim for run in grid),
        generator=torch.Generator().manual_seed(c.seed),
    )
    first = min(
        models, key=lambda m: (m["beta"] != 1, m["loss"] != "bce_logits", -m["latents"])
    )  # the plain VAE
    index = dict(
        models=models,
        first=models.index(first),
        test=explorer.pack_test_images(data),
        noise=noise.numpy().tobytes(),
    )
    files.write(out / "zoo" / "index.js", frontend.state("zoo/index", index).encode())
    kept = {out / f"{model['file']}.js" for model in models} | {
        out / "zoo" / "index.js"
    }
    for old in set((out / "zoo").glob("*.js")) - kept:
        old.unlink()


def main(argv: Sequence[str] | None = None) -> int:
    """Trains what is not trained, packs what is not packed."""
    parser = argparse.ArgumentParser(prog="zoo.py", description=main.__doc__)
    parser.add_argument(
        "file", type=Path, help="a sweep, as vaelib sweep --file reads it"
    )
    parser.add_argument("out", type=Path, help="the folder that gets zoo/index.js")
    args = parser.parse_args(argv)

    def work() -> int:
        grid = read(args.file)
        failed = sweep(grid)
        for name, why in failed.items():
            print(f"{name}: {why}", file=sys.stderr)
        if not failed:
            write(grid, args.out)
        return 1 if failed else 0

    return exit_status(parser.prog, work)


if __name__ == "__main__":
    sys.exit(main())
