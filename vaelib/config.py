"""`TrainConfig`: all settings of a training run, in one flat dataclass.

The flags of the command line, run_meta.json and the controls of the widgets follow from
its fields.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_type_hints

from vaelib.checks import ConfigError, check, option, path_of, read, value_by_step
from vaelib.combinations import check_together

# "PRESETS as PRESETS" keeps the name importable from this module.
from vaelib.presets import PRESETS as PRESETS

PATHS = ("data_dir", "project_dir", "save_dir")
DATASETS = ("mnist", "fashion_mnist", "sprites", "cifar10", "frey_face")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one training run. Every value is checked when the object is made.

    Raises ConfigError if a value has the wrong type or is out of range.

    Example:

    >>> from vaelib import TrainConfig
    >>> config = TrainConfig(dataset="sprites", latent_dim=2, beta=4)
    >>> config.latent_dim, config.beta, config.batch_size
    (2, 4.0, 256)
    >>> TrainConfig(activation="gelu")
    Traceback (most recent call last):
    vaelib.checks.ConfigError: activation is 'gelu': give one of relu, tanh.
    """

    dataset: str = option(
        "mnist",
        "mnist, fashion_mnist, sprites, cifar10, frey_face or folder:PATH (images)",
        "data",
    )
    binarize: Literal["none", "fixed", "dynamic"] = option(
        "none",
        "pixels: grey (none), or black and white, drawn once (fixed) or for each "
        "mini-batch (dynamic)",
        "data",
    )
    channels: int = option(
        1, "1 grey, 3 RGB; for sprites and folder:PATH", "data", least=1, most=3
    )
    image_size: int = option(
        28, "side in pixels; for sprites and folder:PATH", "data", least=4, most=256
    )
    train_images: int = option(
        0, "train on the first images only, this many; 0: on all", "data", least=0
    )

    model: Literal["mlp", "conv"] = option(
        "mlp", "networks of dense layers (mlp), or also convolutions (conv)", "model"
    )
    latent_dim: int = option(20, "number of latents J", "model", least=1, most=10_000)
    hidden_dim: tuple[int, ...] = option(
        (400,),
        "sizes of the hidden layers of the encoder, comma-separated; the decoder has "
        "the same in reverse; 0: none (linear)",
        "model",
    )
    conv_channels: tuple[int, ...] = option(
        (32, 64),
        "conv: channels after each convolution of the encoder, which halves the sides; "
        "hidden_dim follows",
        "model",
    )
    activation: Literal["relu", "tanh"] = option(
        "relu", "activation of hidden units: relu, or tanh as in the paper", "model"
    )

    objective: Literal["elbo", "iwae"] = option(
        "elbo", "the bound (10), or the importance-weighted bound (iwae)", "objective"
    )
    samples: int = option(
        1,
        "draws K for each image in training: elbo averages over them, iwae weighs them",
        "objective",
        least=1,
        most=10_000,
    )
    estimator: Literal["standard", "dreg", "stl"] = option(
        "standard",
        "gradient of the encoder: by autograd, doubly reparameterised (dreg; for iwae) "
        "or through the sample only (stl; for iwae biased)",
        "objective",
    )
    loss: Literal["bce", "bce_logits", "mse", "gaussian", "logistic"] = option(
        "bce_logits", "reconstruction term, -log p(x|z)", "objective"
    )
    sigma: float = option(
        math.sqrt(0.5), "mse: standard deviation of a pixel", "objective", above=0
    )
    min_sigma: float = option(
        0.05, "gaussian: smallest standard deviation of a pixel", "objective", above=0
    )
    reduction: Literal["sum", "mean"] = option(
        "sum",
        "mean: the reconstruction is divided by the number of pixels, as in some code",
        "objective",
    )
    beta: float = option(1.0, "weight of the KL term", "objective", least=0)
    beta_changes: str = option(
        "",
        "changes of beta at given steps, STEP:VALUE,..., as the Playground records",
        "objective",
    )
    beta_schedule: Literal["none", "linear", "cyclic"] = option(
        "none", "schedule of beta", "objective"
    )
    beta_warmup: float = option(
        1.0, "linear, capacity: epochs from 0 to beta or C", "objective", above=0
    )
    beta_cycles: int = option(4, "cyclic: number of cycles M", "objective", least=1)
    beta_ratio: float = option(
        0.5, "cyclic: share R of a cycle with rising beta", "objective", above=0, most=1
    )

    free_bits: float = option(
        0.0, "nats that each latent has free of the KL term", "objective", least=0
    )
    capacity: float = option(
        0.0, "C, in nats: gamma |KL - C| replaces beta KL; 0: off", "objective", least=0
    )
    gamma: float = option(100.0, "capacity: weight of |KL - C|", "objective", above=0)

    method: Literal["aevb", "wake_sleep", "mcem"] = option(
        "aevb",
        "aevb: Algorithm 1; wake_sleep, or mcem (Monte Carlo EM): what the paper "
        "compares it with",
        "training",
    )
    epochs: int = option(4, "number of passes over the data", "training", least=1)
    batch_size: int = option(256, "images in a mini-batch, M", "training", least=1)
    lr: float = option(1.2e-2, "peak learning rate", "training", above=0)
    lr_schedule: Literal["none", "linear"] = option(
        "linear", "none: constant; linear: up to lr, then down to 0", "training"
    )
    lr_warmup: float = option(
        0.2, "linear: share of all steps in which lr rises", "training", above=0, most=1
    )
    encoder_updates: int = option(
        0, "most updates of the encoder alone before each update", "training", least=0
    )
    optimizer: Literal["adam", "adagrad"] = option(
        "adam", "adam, or adagrad as in the paper", "training"
    )
    adam_beta2: float = option(
        0.98, "beta2 of Adam, for squared gradients", "training", least=0, most=0.99999
    )
    fused: bool = option(
        True, "use the fused kernel of the optimizer (last digits differ)", "training"
    )
    matmul_precision: Literal["highest", "medium"] = option(
        "medium",
        "medium: train with products in bfloat16 where that is fast; highest: never",
        "training",
    )
    gradient: Literal["mean", "sum"] = option(
        "mean", "gradient of the mean or of the sum over a mini-batch", "training"
    )
    output_bias: Literal["random", "data"] = option(
        "data", "start of the last bias: at random or at the mean image", "training"
    )
    init: Literal["uniform", "normal"] = option(
        "uniform",
        "start of the weights: PyTorch's default, or N(0, 0.01) as in the paper",
        "training",
    )
    weight_prior: Literal["none", "normal"] = option(
        "none", "normal: MAP with weights from N(0, I), as in the paper", "training"
    )
    seed: int = option(
        42, "seed of all random numbers", "training", least=0, most=2**63 - 1
    )

    # What a run may be resumed with on another machine.
    device: Literal["auto", "cpu", "cuda", "mps"] = option(
        "auto", "where to compute", "machine"
    )
    compile: bool = option(
        False, "use torch.compile: the first step takes seconds longer", "machine"
    )
    data_dir: str = option(
        "",
        "folder for downloads (default: $VAELIB_DATA, or ~/.cache/vaelib)",
        "machine",
    )
    num_workers: int = option(
        0, "no effect, as the data are in memory; for old scripts", "machine", least=0
    )

    project_dir: str = option(
        "reports", "runs are written to PROJECT_DIR/GROUP/NAME", "run"
    )
    group: str = option("", "group of runs (default: the data set's name)", "run")
    name: str = option("", "name of the run (default: run-001, run-002, ...)", "run")
    save_dir: str = option("", "write to this folder instead", "run")

    def __post_init__(self) -> None:
        for name, hint in field_types().items():
            value = check(name, hint, getattr(self, name), field_of(name).metadata)
            if name in PATHS and value.startswith("~"):
                value = str(path_of(value))
            object.__setattr__(self, name, value)  # the dataclass is frozen
        check_together(self, DATASETS)
        self.beta_by_step()

    def beta_by_step(self) -> dict[int, float]:
        """Return `beta` at step 0 and each later value with its first step.

        Raises ConfigError if `beta_changes` cannot be read.
        """
        changes = value_by_step("beta_changes", self.beta_changes)
        return {0: self.beta} | {k: parse("beta", v) for k, v in changes.items()}

    @property
    def is_folder(self) -> bool:
        """Whether the data set is a folder of pictures, folder:PATH."""
        return self.dataset.startswith("folder:") and self.dataset != "folder:"

    @property
    def data_source(self) -> tuple[str, str, int, int, str, int]:
        """Arguments of `load_dataset` for the data set of this run."""
        shape = self.channels, self.image_size
        return self.dataset, self.binarize, *shape, self.data_dir, self.train_images

    @property
    def uses_weights(self) -> bool:
        """Whether the gradient is that of log weights, not of the two terms of (10)."""
        return (self.objective, self.estimator) != ("elbo", "standard")

    @property
    def has_penalty(self) -> bool:
        """Whether another term than beta * KL is added to the reconstruction."""
        return self.free_bits > 0 or self.capacity > 0

    @property
    def has_own_total(self) -> bool:
        """Whether what is minimised is not the sum of the two terms of (10)."""
        return self.uses_weights or self.has_penalty

    @property
    def needs_total(self) -> bool:
        """Whether a schedule depends on `epochs`, so that a run cannot be extended."""
        return self.beta_schedule == "cyclic" or self.lr_schedule == "linear"


@cache
def field_types() -> dict[str, Any]:
    """Return the type of each field, in the order of the command line."""
    return get_type_hints(TrainConfig)


def field_of(name: str) -> dataclasses.Field:
    """Return a field with its default, help and limits."""
    return TrainConfig.__dataclass_fields__[name]


def section(name: str) -> str:
    """Return the section of a field; see also `affects_result`."""
    return field_of(name).metadata["section"]


def affects_result(name: str) -> bool:
    """Return whether a field says what is trained, rather than where."""
    return section(name) not in ("machine", "run")


def from_dict(values: dict[str, Any]) -> TrainConfig:
    """Return the config with the given values, such as those in run_meta.json.

    Raises ConfigError if a name is not a field or a value is not allowed.
    """
    unknown = sorted(set(values) - set(field_types()))
    if unknown:
        raise ConfigError(
            f"{unknown[0]} is not a setting; "
            "this may come from another version of vaelib."
        )
    return TrainConfig(**values)


def parse(name: str, text: str) -> Any:
    """Return the value of a field from its text on the command line.

    Raises ConfigError if the text cannot be read or the value is not allowed.
    """
    return read(name, field_types()[name], text, field_of(name).metadata)
