"""The runs of Figs 2 and 3: what is measured, on which images, and what was found.

Also those of Table 1 of Burda et al. 2016 (arXiv:1509.00519), and of cures of posterior
collapse. `make paper` trains them, for hours, and writes a table for each figure. A
chapter draws the table, and repeats the beginning of some runs with the functions of
this module.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import torch

from vaelib.checks import ConfigError
from vaelib.config import TrainConfig
from vaelib.data import load_dataset
from vaelib.evaluation import active_units, average_terms, mean_nll
from vaelib.images import ImageData, draw_binary, pixels
from vaelib.losses import reconstruction
from vaelib.model import VAE
from vaelib.paper import hmc, marginal

# Images of each split on which a point is measured; those of Fig 3 are as in App. D.
IMAGES = {"fig2": 10_000, "fig2_frey": 10_000, "fig3": 1_000}
# The settings that vary within a figure, the first columns of its table, and what is
# measured.
VARYING = ("method", "latent_dim", "train_images", "seed", "lr")
MEASURED = ("train", "test")
VARYING_IWAE = ("objective", "samples", "estimator", "epochs", "seed", "lr")
MEASURED_IWAE = ("nll", "draws", "tested", "active")
VARYING_COLLAPSE = ("hidden_dim", "beta_schedule", "free_bits", "capacity")
VARYING_COLLAPSE += ("encoder_updates", "seed", "lr")
MEASURED_COLLAPSE = ("recon", "kl", *MEASURED_IWAE, *(f"kl_{j}" for j in range(1, 21)))
# Draws for each x, and number of test images: at the end of a run, and on the way.
AS_IN_TABLE_1, ON_THE_WAY = (5000, 10_000), (200, 1000)
AT_THE_END_OF_COLLAPSE = (500, 2000)
# The tables, where a wheel installs them, and where a copy of the repository has them.
INSTALLED = Path(__file__).parent / "results"
REPOSITORY = Path(__file__).parents[2] / "book" / "results"


def results(figure: str) -> list[dict[str, Any]]:
    """Return the table of a figure: a row for each run and number of training images.

    For "fig2" and "fig3" a row has the settings that vary (`method`, `latent_dim`,
    `train_images`, where 0 is all, `seed`, `lr`), the number of `images` that the run
    was trained on so far, what was measured then on images of both splits
    (`train` and `test`, in nats per image: the bound for Fig 2, log p(x) for Fig 3),
    the `seconds` of training, and the versions and machine that did it.

    For "iwae", Table 1 of Burda et al., and "iwae_switched", where training goes on
    from a run of "iwae", the settings are `objective`, `samples`, `estimator`,
    `epochs` and `seed`. Measured are `nll`, -log p(x) by so many `draws`, on the first
    `tested` test images, and the number of `active` units.

    For "collapse", where cures of posterior collapse are compared, the settings are
    `hidden_dim` (as text), `beta_schedule`, `free_bits`, `capacity`, `encoder_updates`
    and `seed`. Measured are also `recon` and `kl`, and the KL of each of the 20
    latents, largest first: `kl_1`, `kl_2` and so on.

    Raises ConfigError if there is no such table.

    Example:

    >>> from vaelib.paper.experiments import results
    >>> row = results("fig2")[0]
    >>> row["method"], row["latent_dim"], row["seed"], row["images"]
    ('aevb', 3, 1, 10000)
    """
    folder = INSTALLED if INSTALLED.is_dir() else REPOSITORY
    file = folder / f"{figure}.csv"
    if not file.is_file():
        found = sorted(each.stem for each in folder.glob("*.csv"))
        raise ConfigError(
            f"there is no table {figure!r}, only {', '.join(found) or 'none'}: "
            "make paper writes them."
        )
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [{name: number(text) for name, text in row.items()} for row in rows]


def number(text: str) -> int | float | str:
    """Return the number that a text is, or the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def select(rows: Iterable[dict[str, Any]], **settings: Any) -> list[dict[str, Any]]:
    """Return the rows of a table with given settings, such as `method="aevb"`."""
    wanted = settings.items()
    return [row for row in rows if all(row[name] == value for name, value in wanted)]


class Point(NamedTuple):
    """Mean, lowest and highest result of some runs after a number of images."""

    images: int
    mean: float
    low: float
    high: float


def over_seeds(rows: Iterable[dict[str, Any]], split: str) -> list[Point]:
    """Return the points of runs that differ in their seed, by the number of images.

    `split` is "train" or "test". Only points that all of the runs have reached count,
    so that every mean is one of the same runs.
    """
    found: dict[int, dict[int, float]] = {}
    for row in rows:
        found.setdefault(row["images"], {})[row["seed"]] = row[split]
    most = max(map(len, found.values()), default=0)
    every = ((images, found[images].values()) for images in sorted(found))
    return [
        Point(images, mean(values), min(values), max(values))
        for images, values in every
        if len(values) == most
    ]


def dataset(config: TrainConfig, figure: str) -> ImageData:
    """Return the data of a run. Fig 3 tests on a part only, also after each epoch."""
    data = load_dataset(*config.data_source)
    return data.first(test=IMAGES["fig3"]) if figure == "fig3" else data


def samples(data: ImageData, n: int, rng: torch.Generator) -> list[torch.Tensor]:
    """Return the first `n` images of each split; training images are drawn once."""
    train, is_drawn = data.train[:n], data.binarize == "dynamic"
    return [draw_binary(train, rng) if is_drawn else train, data.test[:n]]


@torch.no_grad()
def bounds(
    model: VAE, config: TrainConfig, data: ImageData, n: int = IMAGES["fig2"]
) -> list[float]:
    """Return the mean bound on `n` images of the training and of the test split."""
    nats, rng = reconstruction(config.loss, config.sigma), torch.Generator()
    splits = samples(data, n, rng)
    terms = [average_terms(model, nats, images, rng) for images in splits]
    return [-(recon + kl.sum()).item() for recon, kl in terms]


def likelihoods(
    model: VAE,
    config: TrainConfig,
    data: ImageData,
    n: int = IMAGES["fig3"],
    **chains: Any,
) -> list[float]:
    """Return the mean log p(x) of `n` images of both splits, by App. D.

    The chains start at the means of the encoder. `chains` are settings of
    `marginal.estimate`, such as `warmup`, for other lengths than those of the table.
    """
    nats, rng = reconstruction(config.loss, config.sigma), torch.Generator()
    means = []
    for images in samples(data, n, rng):
        x = pixels(images)
        with torch.no_grad():
            mu, _ = model.encode(x)
        log_joint = hmc.log_joint_of(model, nats, x)
        log_p, _ = marginal.estimate(log_joint, mu, rng, **chains)
        means.append(log_p.mean().item())
    return means


def nll(
    model: VAE, config: TrainConfig, data: ImageData, draws: int, n: int
) -> list[float]:
    """Return the mean -log p(x) of the first `n` test images, by so many `draws`.

    Also `draws`, `n`, and the number of active units on all test images.
    """
    nats = reconstruction(config.loss, config.sigma)
    mean = mean_nll(model, nats, data.test[:n], torch.Generator(), draws)
    return [mean, draws, n, active_units(model, data.test)]


def latents(
    model: VAE, config: TrainConfig, data: ImageData, draws: int, n: int
) -> list[float]:
    """Return what `nll` does, after the terms of the test images and before their KLs.

    The KLs are those of the latents, the largest first.
    """
    nats = reconstruction(config.loss, config.sigma)
    recon, kl = average_terms(model, nats, data.test, torch.Generator())
    terms, each = [recon.item(), kl.sum().item()], kl.sort(descending=True).values
    return [*terms, *nll(model, config, data, draws, n), *each.tolist()]


MEASURES = {"fig2": bounds, "fig2_frey": bounds, "fig3": likelihoods}


def is_iwae(figure: str) -> bool:
    """Return whether a table repeats one of Burda et al. 2016."""
    return figure.startswith("iwae")


def is_whole(figure: str) -> bool:
    """Return whether the runs of a table have a learning rate and an end of their own.

    Those of Figs 2 and 3 do not.
    """
    return is_iwae(figure) or figure == "collapse"


def columns(figure: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the settings that vary within a table, and what is measured."""
    if is_iwae(figure):
        return VARYING_IWAE, MEASURED_IWAE
    if figure == "collapse":
        return VARYING_COLLAPSE, MEASURED_COLLAPSE
    return VARYING, MEASURED


def measure(
    figure: str, model: VAE, config: TrainConfig, data: ImageData, is_end: bool
) -> dict[str, float]:
    """Return the measured columns of a row; `is_end`: the run ends here."""
    if is_iwae(figure):
        values = nll(model, config, data, *(AS_IN_TABLE_1 if is_end else ON_THE_WAY))
    elif figure == "collapse":
        how = AT_THE_END_OF_COLLAPSE if is_end else ON_THE_WAY
        values = latents(model, config, data, *how)
    else:
        values = MEASURES[figure](model, config, data)
    return dict(zip(columns(figure)[1], values, strict=True))
