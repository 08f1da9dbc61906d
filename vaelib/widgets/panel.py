"""The part of a Playground that the user sees: controls, curves and images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, get_args

import anywidget
from traitlets import Bytes, Dict, List

from vaelib.checks import ConfigError, invalid, range_advice, type_advice
from vaelib.config import TrainConfig, field_of, field_types, parse
from vaelib.losses import LOSSES
from vaelib.widgets import frontend

LATENT_DIMS = (2, 3, 5, 10, 20, 50)
DATASETS = {
    "mnist": dict(dataset="mnist", channels=1, image_size=28),
    "fashion_mnist": dict(dataset="fashion_mnist", channels=1, image_size=28),
    "sprites": dict(dataset="sprites", channels=1),
    "sprites, RGB": dict(dataset="sprites", channels=3),
}
OWN_DATA = "your data"
TRAIN_IMAGES = (1000, 10_000, 20_000, 0)  # 0: all
# and dataset
CONTROLS = ("beta", "beta_schedule", "loss", "latent_dim", "train_images", "seed")
CONTROLS += ("free_bits", "capacity", "gamma", "encoder_updates")


class Panel(anywidget.AnyWidget):
    """Widget with the controls, curves and images of a training.

    The Playground writes all of its state; what the user does arrives as messages.
    """

    _esm = frontend.module("playground")
    _css = frontend.style()
    choices = Dict().tag(sync=True)  # values of each menu
    given = Dict().tag(sync=True)  # all settings at the start: a published page trains
    settings = Dict().tag(sync=True)  # of each control, and beta over the whole run
    frame = Dict().tag(sync=True)  # step, images per second, KL per latent, ...
    curve = Bytes().tag(sync=True)  # rows of step, reconstruction, KL, beta
    fixed = Bytes().tag(sync=True)  # test images
    pictures = Bytes().tag(sync=True)  # their reconstructions, samples, traversals
    ghosts = List().tag(sync=True)  # curves of earlier models
    kept = List().tag(sync=True)  # runs that were written, and their terms

    def __repr__(self) -> str:
        return "Panel()"


def check_playable(config: TrainConfig) -> None:
    """Raise ConfigError if the Playground does not have a setting that was given.

    It draws the terms of the bound with one draw of z, and the page trains dense layers
    only.
    """
    if config.model != "mlp":
        raise invalid("model", config.model, "the Playground trains mlp only")
    for name in ("objective", "samples", "estimator"):
        if (value := getattr(config, name)) != field_of(name).default:
            advice = "the Playground trains by the bound with one draw, leave it out"
            raise invalid(name, value, advice)


def datasets_for(config: TrainConfig) -> tuple[dict[str, dict[str, Any]], str]:
    """Return the data sets of the menu with their settings, and the name of one."""
    fields = ("dataset", "channels", "image_size")
    own = {field: getattr(config, field) for field in fields}
    for name, entry in DATASETS.items():
        if entry.items() <= own.items():
            return DATASETS, name
    return DATASETS | {OWN_DATA: own}, OWN_DATA


def choices(datasets: Iterable[str], config: TrainConfig) -> dict[str, list[Any]]:
    """Return the values of each menu."""
    return dict(
        dataset=list(datasets),
        loss=list(LOSSES),
        latent_dim=sorted({*LATENT_DIMS, config.latent_dim}),
        train_images=list(dict.fromkeys([*TRAIN_IMAGES, config.train_images])),
        beta_schedule=["none", "linear", "cyclic"],
    )


def parsed(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings whose text, from a menu or a box, has become values.

    Raises ConfigError if one has no control, cannot be read or is not allowed.
    """
    if unknown := set(settings) - set(CONTROLS):
        raise ConfigError(
            f"{unknown.pop()} has no control: give dataset, {', '.join(CONTROLS)}."
        )
    return {
        name: parse(name, value) if isinstance(value, str) else value
        for name, value in settings.items()
    }


def values(config: TrainConfig) -> dict[str, Any]:
    """Return the value of each control. The seed is text: a page would round it."""
    chosen = {name: getattr(config, name) for name in CONTROLS}
    return chosen | dict(seed=str(config.seed))


def as_json(config: TrainConfig) -> dict[str, Any]:
    """Return all settings. The seed is text: a page would round it."""
    return asdict(config) | dict(seed=str(config.seed))


def limit(name: str) -> dict[str, Any]:
    """Return what js/engine/limits.js checks a control by, with numbers as text."""
    hint, limits = field_types()[name], field_of(name).metadata
    kind = hint.__name__ if hint in (int, float) else "choice"
    text = (lambda n: str(int(n))) if hint is int else str  # not 1000000.0
    numbers = {key: limits[key] for key in ("least", "above", "most")}
    return dict(
        kind=kind,
        values=list(get_args(hint)),
        expected=type_advice(hint),
        range=range_advice(limits),
        **{key: None if n is None else text(n) for key, n in numbers.items()},
    )


def rules(config: TrainConfig) -> dict[str, Any]:
    """Return what js/engine/job.js, which trains in the page, has to know of vaelib.

    `config` gives the first settings. The values are those of JSON.
    """
    datasets, name = datasets_for(config)
    return dict(
        settings=as_json(config),
        defaults=as_json(TrainConfig()),
        dataset=name,
        datasets=datasets,
        choices=choices(datasets, config),
        limits={name: limit(name) for name in CONTROLS},
    )
