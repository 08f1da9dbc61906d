"""One flat dataclass, `TrainConfig`: the command line, run_meta.json and the widgets are all read off it."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

DATASETS = ("mnist", "fashion_mnist", "sprites")


class ConfigError(ValueError):
    """A setting that cannot be used; the message is one sentence that says what to give instead."""


def option(
    default: Any,
    help: str,
    section: str,
    least: float | None = None,
    above: float | None = None,
    most: float = 1e6,
) -> Any:
    """A field of the config: its default, its line in `--help`, its group there, and its range."""
    return dataclasses.field(
        default=default,
        metadata=dict(help=help, section=section, least=least, above=above, most=most),
    )


@dataclass(frozen=True)
class TrainConfig:
    """Everything that a run depends on, checked when it is made.

    Raises: ConfigError, one sentence, where a value has the wrong type or lies outside its range.
    """

    dataset: str = option(
        "mnist",
        "mnist, fashion_mnist, sprites or folder:PATH (your own images)",
        "data",
    )
    binarize: Literal["none", "fixed", "dynamic"] = option(
        "none",
        "pixels: grey (none), black or white drawn once (fixed) or for each minibatch (dynamic)",
        "data",
    )
    channels: int = option(
        1, "1 grey, 3 RGB; for sprites and folder:PATH", "data", least=1, most=3
    )
    image_size: int = option(
        28, "side in pixels; for sprites and folder:PATH", "data", least=4, most=256
    )
    data_dir: str = option(
        "",
        "where downloads are kept (default: $VAELIB_DATA, else ~/.cache/vaelib)",
        "data",
    )
    num_workers: int = option(
        0,
        "accepted for old scripts; the data are in memory, so it has no effect",
        "data",
        least=0,
    )

    latent_dim: int = option(20, "number of latents J", "model", least=1, most=10_000)
    hidden_dim: tuple[int, ...] = option(
        (400,),
        "sizes of the encoder's hidden layers, comma-separated, mirrored in the decoder; 0: none (linear)",
        "model",
    )
    activation: Literal["relu", "tanh"] = option(
        "relu", "hidden units: relu, or tanh as in the paper", "model"
    )

    loss: Literal["bce", "bce_logits", "mse", "gaussian"] = option(
        "bce_logits", "reconstruction term, -log p(x|z)", "objective"
    )
    sigma: float = option(
        math.sqrt(0.5), "standard deviation of a pixel under mse", "objective", above=0
    )
    min_sigma: float = option(
        0.05,
        "floor of the learned standard deviation under gaussian",
        "objective",
        above=0,
    )
    reduction: Literal["sum", "mean"] = option(
        "sum",
        "mean divides the reconstruction by the number of pixels, as some code does",
        "objective",
    )
    beta: float = option(1.0, "weight of the KL term", "objective", least=0)
    beta_changes: str = option(
        "",
        "another beta from a step on, STEP:VALUE,..., as the Playground records it",
        "objective",
    )
    beta_schedule: Literal["none", "linear", "cyclic"] = option(
        "none", "how beta is reached", "objective"
    )
    beta_warmup: float = option(
        1.0, "linear: epochs from 0 to beta", "objective", above=0
    )
    beta_cycles: int = option(4, "cyclic: number of cycles M", "objective", least=1)
    beta_ratio: float = option(
        0.5,
        "cyclic: share R of a cycle in which beta rises",
        "objective",
        above=0,
        most=1,
    )

    epochs: int = option(4, "passes over the training images", "training", least=1)
    batch_size: int = option(256, "images for each update, M", "training", least=1)
    lr: float = option(1.2e-2, "Adam's step size at its peak", "training", above=0)
    lr_schedule: Literal["none", "linear"] = option(
        "linear", "none: constant; linear: up to lr, then down to 0", "training"
    )
    lr_warmup: float = option(
        0.2, "linear: share of all steps in which lr rises", "training", above=0, most=1
    )
    adam_beta2: float = option(
        0.98, "Adam's memory of squared gradients", "training", least=0, most=0.99999
    )
    fused: bool = option(True, "Adam in one kernel (last bits differ)", "training")
    gradient: Literal["mean", "sum"] = option(
        "mean", "of a minibatch, which is followed; terms are always means", "training"
    )
    output_bias: Literal["random", "data"] = option(
        "data", "the last bias begins at random or at the mean image", "training"
    )
    compile: bool = option(
        False,
        "use torch.compile: costs four seconds and more at the first step",
        "training",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = option(
        "auto", "where to compute", "training"
    )
    seed: int = option(
        42, "of initialisation, order and noise", "training", least=0, most=2**63 - 1
    )

    project_dir: str = option(
        "reports", "runs are written to PROJECT_DIR/GROUP/NAME", "run"
    )
    group: str = option("", "(default: the data set's name)", "run")
    name: str = option("", "(default: run-001, run-002, ...)", "run")
    save_dir: str = option("", "write straight to this folder instead", "run")

    def __post_init__(self) -> None:
        for name, hint in field_types().items():
            value = check(name, hint, getattr(self, name))
            object.__setattr__(self, name, value)
        if self.dataset not in DATASETS and not re.fullmatch(
            r"folder:.+|tensors", self.dataset, re.DOTALL
        ):
            raise invalid(
                "dataset",
                self.dataset,
                f"give one of {', '.join(DATASETS)}, or folder:PATH",
            )
        if self.channels == 2:
            raise invalid("channels", 2, "give 1 (grey) or 3 (RGB)")
        own_shape = self.dataset == "sprites" or self.dataset.startswith("folder:")
        if not own_shape and (self.channels, self.image_size) != (1, 28):
            raise ConfigError(
                f"channels and image_size are for sprites and folder:PATH; {self.dataset} has its own shape."
            )
        for name in ("group", "name"):
            check_name(name, getattr(self, name))
        self.beta_by_step()

    def beta_by_step(self) -> dict[int, float]:
        """`beta` from step 0 on, and the values that `beta_changes` puts in its place. Raises: ConfigError."""
        if not re.fullmatch(r"(\d+:[\d.e+-]+(,\d+:[\d.e+-]+)*)?", self.beta_changes):
            raise invalid(
                "beta_changes",
                self.beta_changes,
                "give STEP:VALUE, with commas between, such as 300:4,600:1",
            )
        found = {0: self.beta}
        for change in filter(None, self.beta_changes.split(",")):
            step, _, value = change.partition(":")
            found[int(step)] = parse("beta", value)
        return found

    @property
    def needs_total(self) -> bool:
        """Whether a schedule depends on the total number of epochs (such a run cannot be made longer)."""
        return self.beta_schedule == "cyclic" or self.lr_schedule == "linear"


PRESETS: dict[str, dict[str, Any]] = {
    # https://github.com/pytorch/examples/tree/main/vae, number for number
    "pytorch-examples": dict(
        loss="bce", epochs=10, batch_size=128, lr=1e-3, lr_schedule="none", adam_beta2=0.999, fused=False, gradient="sum",
        output_bias="random", seed=1,
    ),
}  # fmt: skip


@cache
def field_types() -> dict[str, Any]:
    """Each field's type, in the order of the command line."""
    return get_type_hints(TrainConfig)


def section(name: str) -> str:
    """The part of the house that a field belongs to; those in "run" say where results go and change none."""
    return field_of(name).metadata["section"]


def field_of(name: str) -> dataclasses.Field:
    """A field with its default, help and range."""
    return TrainConfig.__dataclass_fields__[name]


def from_dict(values: dict[str, Any]) -> TrainConfig:
    """A config from a dict such as run_meta.json holds. Raises: ConfigError for a name that is not a field."""
    unknown = sorted(set(values) - set(field_types()))
    if unknown:
        raise ConfigError(
            f"{unknown[0]} is not a setting; this may come from another version of vaelib."
        )
    return TrainConfig(**values)


def parse(name: str, text: str) -> Any:
    """The value of a field from the command line. Raises: ConfigError."""
    hint = field_types()[name]
    try:
        if hint in (int, float):
            return check(name, hint, hint(text))
        if get_origin(hint) is tuple:
            sizes = tuple(int(size) for size in text.split(","))
            return check(name, hint, () if sizes == (0,) else sizes)
        if hint is bool and text.lower() in ("true", "false"):
            return text.lower() == "true"
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        kind = {int: "a whole number", float: "a number"}.get(
            hint, "whole numbers with commas, such as 400,200"
        )
        raise invalid(name, text, f"give {kind}") from None
    return check(name, hint, text)


def check(name: str, hint: Any, value: Any) -> Any:
    """`value` as its field holds it. Raises: ConfigError where its type or range is wrong."""
    if choices := get_args(hint) if get_origin(hint) is Literal else ():
        if value not in choices:
            raise invalid(name, value, f"give one of {', '.join(choices)}")
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, (tuple, list)) or any(
            type(size) is not int or not 1 <= size <= 10_000 for size in value
        ):
            raise invalid(name, value, "give whole numbers from 1 to 10000")
        return tuple(value)
    if type(value) is not hint and not (type(value) is int and hint is float):
        kind = {
            int: "a whole number",
            float: "a number",
            str: "text",
            bool: "True or False",
        }[hint]
        raise invalid(name, value, f"give {kind}")
    if hint in (int, float):
        meta = field_of(name).metadata
        least, above, most = meta["least"], meta["above"], meta["most"]
        if (
            value > most
            or (least is not None and value < least)
            or (above is not None and value <= above)
        ):
            low = f"above {above}" if above is not None else f"of at least {least}"
            raise invalid(name, value, f"give a number {low} and at most {most:g}")
        if value != value:
            raise invalid(name, value, "give a finite number")
        return hint(value)
    return value


def check_name(what: str, name: str) -> None:
    """Raises: ConfigError where a run's or a group's name could leave its folder or hide `latest`."""
    if name and (
        not re.fullmatch(r"[\w+=-][\w.+=-]{0,99}", name)
        or name.lower() in ("latest", "latest.txt")
    ):
        raise invalid(
            what,
            name,
            "give letters, digits and . _ - + =, no dot first, at most 100, and not 'latest'",
        )


def invalid(name: str, value: Any, advice: str) -> ConfigError:
    """The one form of a refusal: the setting, its value, what to do."""
    return ConfigError(f"{name} is {value!r}: {advice}.")
