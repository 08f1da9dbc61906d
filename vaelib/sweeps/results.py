"""The finished runs of a group, sorted into kinds that can be compared.

Reconstruction terms of different kinds have different units: a cross-entropy on grey
pixels, a negative log-likelihood of binary pixels and a density must never be ranked
against each other, nor must runs on different data sets. The tables and figures have a
separate block for each kind.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from vaelib import runs
from vaelib.checkpoints import load_checkpoint, require_same_data
from vaelib.checks import one_line, path_of
from vaelib.config import TrainConfig
from vaelib.data import ImageData
from vaelib.errors import error_message, is_user_error
from vaelib.evaluation import active_units
from vaelib.losses import title
from vaelib.model import VAE
from vaelib.runfiles import RunError
from vaelib.sweeps.grids import varying

FIGURES = ("recon", "kl", "total", "neg_elbo", "active_units", "seconds")


@dataclass(frozen=True)
class Result:
    """One run: settings, log, model after the last epoch, and test images.

    `name`: name of its folder. `test`: uint8 images (N, C, H, W). `active`: number of
    active units on them.
    """

    name: str
    config: TrainConfig
    rows: list[dict[str, float]]
    model: VAE
    test: Tensor
    active: int

    @property
    def kind(self) -> str:
        """Data set and reconstruction term, such as "mnist grey, cross-entropy".

        Only runs of the same kind can be compared.
        """
        config = self.config
        binary = config.binarize != "none"
        words = [config.dataset]
        if config.dataset not in ("mnist", "fashion_mnist"):
            words.append("x".join(map(str, self.test.shape[1:])))
        grey = "grey" if self.test.shape[1] == 1 else "colour"
        words.append("black and white" if binary else grey)

        term = title(config.loss, binary)
        term = "density" if "Gaussian" in term else term
        return one_line(f"{' '.join(words)}, {term}")

    @property
    def figures(self) -> dict[str, float]:
        """Figures of `FIGURES` after the last epoch.

        Test means of the terms in nats per image, the number of active units, and the
        seconds of all epochs.
        """
        last = self.rows[-1]
        seconds = sum(row["seconds"] for row in self.rows)
        terms = {name: last[name] for name in FIGURES[:4]}
        return terms | dict(active_units=self.active, seconds=seconds)


def results(group: str | Path, data: ImageData | None = None) -> list[Result]:
    """Return the runs of a group that have finished an epoch.

    They are sorted by kind, and within a kind by `neg_elbo`, lowest first. `data`: your
    own images, if the runs were trained on them. A run that cannot be read, or whose
    data are gone or have changed, is left out with a warning. Raises RunError if no
    run is left.

    Example:

    >>> from vaelib.sweeps import compare, grid
    >>> from vaelib.train import train
    >>> common = dict(dataset="sprites", image_size=8, hidden_dim=(8,), epochs=1)
    >>> for config in grid(**common, loss=["bce", "mse"]):
    ...     run = train(config, quiet=True)
    >>> for result in compare.results("reports/sprites-grid"):
    ...     print(f"{result.name}: {result.kind}")
    loss=bce: sprites 1x8x8 grey, cross-entropy
    loss=mse: sprites 1x8x8 grey, density
    """
    found, left_out = read_group(path_of(group), data)
    for name, why in left_out.items():
        warnings.warn(f"{name} is left out: {why}", stacklevel=2)
    return found


def read_group(
    group: Path, data: ImageData | None = None, dataset: str = "", data_dir: str = ""
) -> tuple[list[Result], dict[str, str]]:
    """Return the runs of a group as `results` does, and why others are left out.

    `dataset` and `data_dir` say where the data are now, if they have moved.
    """
    found, left_out = [], {}
    loaded: dict[Any, tuple[str, Tensor]] = {}  # data sets: name and test images
    for meta in sorted(group.glob("*/run_meta.json")):
        folder = meta.parent
        if folder.is_symlink() or folder.name == "latest":  # perhaps copied as a folder
            continue
        try:
            run = runs.open_run(folder)
            if not run.load_state() or not run.rows:
                continue
            model, _ = load_checkpoint(run.checkpoint(int(run.rows[-1]["epoch"])))
            config = runs.moved(run.config, dataset, data_dir)
            pictures = run.facts.get("checksum") or config.data_source
            if data:
                require_same_data(run.facts, data)
            if pictures not in loaded:
                test = (data or runs.load_data(config, run.facts)).test
                loaded[pictures] = config.dataset, test
        except (ValueError, OSError) as error:
            if not is_user_error(error):
                raise
            left_out[folder.name] = error_message(error)
        else:
            first, test = loaded[pictures]
            config = replace(config, dataset=first)
            active = active_units(model, test)
            name = one_line(folder.name)
            found.append(Result(name, config, run.rows, model, test, active))
    if not found:
        for name, why in left_out.items():
            raise RunError(f"no run of {group} can be read; {name}: {why}")
        raise RunError(
            f"{group} contains no run that has finished an epoch: "
            "give a group's folder, such as reports/mnist-grid."
        )
    return sorted(found, key=lambda r: (r.kind, r.figures["neg_elbo"])), left_out


def kinds(found: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the runs of each kind, in the order of `found`."""
    blocks: dict[str, list[Result]] = {}
    for result in found:
        blocks.setdefault(result.kind, []).append(result)
    return blocks


def varying_fields(found: Sequence[Result]) -> list[str]:
    """Return the settings in which the runs differ."""
    return varying([result.config for result in found])
