"""The variational auto-encoder of Kingma & Welling (arXiv:1312.6114), to be read beside the paper."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaelib.config import TrainConfig as TrainConfig
    from vaelib.data import ImageData as ImageData
    from vaelib.data import load_dataset as load_dataset
    from vaelib.model import VAE as VAE
    from vaelib.runs import load as load
    from vaelib.training import EpochEnd as EpochEnd
    from vaelib.training import State as State
    from vaelib.training import Update as Update
    from vaelib.training import start as start
    from vaelib.training import updates as updates

__version__ = "0.2.0.dev0"

# What a reader needs, imported from its room only when it is asked for: `vaelib --help` does not wait for torch.
HOMES = {
    "TrainConfig": "config",
    "ImageData": "data",
    "load_dataset": "data",
    "VAE": "model",
    "load": "runs",
    "State": "training",
    "Update": "training",
    "EpochEnd": "training",
    "start": "training",
    "updates": "training",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'vaelib' has no attribute {name!r}")
    return getattr(import_module(f"vaelib.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES])
