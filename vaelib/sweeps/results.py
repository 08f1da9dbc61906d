"""The finished runs of a group, sorted into kinds that can be compared.

Reconstruction terms of different kinds have different units: a cross-entropy on grey
pixels, a negative log-likelihood of binary pixels and a density must never be ranked
against each other, nor must runs on different data sets. The tables and figures have a
separate block for each kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from vaelib import runs
from vaelib.config import TrainConfig
from vaelib.data import ImageData, load_dataset
from vaelib.evaluation import active_units
from vaelib.losses import LOSSES
from vaelib.model import VAE
from vaelib.runfiles import RunError, load_checkpoint
from vaelib.sweeps.grids import varying

FIGURES = ("recon", "kl", "total", "neg_elbo", "active_units", "seconds")


@dataclass(frozen=True)
class Result:
    """One run: settings, log, model after the last epoch, and test images.

    `test`: uint8 images (N, C, H, W). `active`: number of active units on them.
    """

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
        words.append("black and white" if binary else "grey")

        term = "density"
        if LOSSES[config.loss].title == "cross-entropy":
            term = "negative log-likelihood" if binary else "cross-entropy"
        return f"{' '.join(words)}, {term}"

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
    own images, if the runs were trained on them. Raises RunError if there is no such
    run or if one is damaged, and DataError if the data set cannot be loaded.

    Example:

    >>> from vaelib.sweeps import compare, grid
    >>> from vaelib.train import train
    >>> common = dict(dataset="sprites", image_size=8, hidden_dim=(8,), epochs=1)
    >>> for config in grid(**common, loss=["bce", "mse"]):
    ...     run = train(config, quiet=True)
    >>> for result in compare.results("reports/sprites-grid"):
    ...     print(f"{result.config.name}: {result.kind}")
    loss=bce: sprites 1x8x8 grey, cross-entropy
    loss=mse: sprites 1x8x8 grey, density
    """
    found, tests = [], {}
    for meta in sorted(Path(group).glob("*/run_meta.json")):
        folder = meta.parent
        run = runs.open_run(folder)
        if folder.is_symlink() or not run.load_state() or not run.rows:
            continue
        model, _ = load_checkpoint(run.checkpoint(int(run.rows[-1]["epoch"])))
        source = run.config.data_source
        if source not in tests:
            tests[source] = (data or load_dataset(*source)).test
        test = tests[source]
        config = replace(run.config, name=folder.name)  # it may have been renamed
        found.append(Result(config, run.rows, model, test, active_units(model, test)))
    if not found:
        raise RunError(
            f"{group} contains no run that has finished an epoch: "
            "give a group's folder, such as reports/mnist-grid."
        )
    return sorted(found, key=lambda result: (result.kind, result.figures["neg_elbo"]))


def kinds(found: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the runs of each kind, in the order of `found`."""
    blocks: dict[str, list[Result]] = {}
    for result in found:
        blocks.setdefault(result.kind, []).append(result)
    return blocks


def varying_fields(found: Sequence[Result]) -> list[str]:
    """Return the settings in which the runs differ."""
    return varying([result.config for result in found])
