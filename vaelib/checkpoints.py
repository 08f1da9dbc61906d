"""Read what a run has saved: checkpoints, the state to resume, facts about its data.

Files may be damaged, or come from strangers: all that is read is checked before it is
used, and no code in a file is run.
"""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any

import torch

from vaelib import config as configs
from vaelib import files
from vaelib.checks import UserError
from vaelib.data import ImageData
from vaelib.model import VAE
from vaelib.state import Adagrad, Adam, State, build

# What an optimizer keeps of each weight.
MOMENTS = {Adam: ("exp_avg", "exp_avg_sq"), Adagrad: ("sum",)}


class RunError(UserError):
    """A run cannot be created, resumed or read; the message is one sentence."""


def facts_of(data: ImageData) -> dict[str, Any]:
    """Return what a run records about its data set, in plain values."""
    return dict(
        name=data.name,
        shape=list(data.shape),
        train=len(data.train),
        test=len(data.test),
        checksum=data.checksum,
        classes=list(data.classes),
        source=data.source,
        licence=data.licence,
        binarize=data.binarize,
    )


def require_same_data(facts: dict[str, Any], data: ImageData) -> None:
    """Raise RunError if `data` are not those that a run with these `facts` was made of.

    Facts that the run does not have, since an older version wrote it, are not compared.
    """
    now = facts_of(data)
    names = ("shape", "train", "test", "binarize", "checksum")
    if all(facts.get(name, now[name]) == now[name] for name in names):
        return
    then, found = (f"{f.get('train')} + {f.get('test')}" for f in (facts, now))
    change = f"{then} (training + test) then, {found} now"
    if then == found:
        change = f"{then} (training + test), but not the same as then"
    raise RunError(
        f"the pictures of {data.name} have changed since this run was trained: "
        f"{change}; give those it was trained on, or start a new run."
    )


def require_dicts(*parts: Any) -> None:
    """Raise TypeError unless all parts are dictionaries: a tensor warns of a name."""
    if not all(isinstance(part, dict) for part in parts):
        raise TypeError("a part is no dictionary")


def require_complete(rows: list[dict[str, float]], epochs: int) -> None:
    """Raise ValueError if a log does not have a row of numbers for each epoch."""
    if [row["epoch"] for row in rows] != list(range(epochs)):
        raise ValueError("rows are missing")
    if any(type(value) not in (int, float) for row in rows for value in row.values()):
        raise ValueError("a figure is not a number")


def load_checkpoint(file: Path) -> tuple[VAE, dict[str, Any]]:
    """Return the model and the whole content of one `vae_epoch_XXXX.pt`.

    That of a `.safetensors`, which a page has written, is settings, shape and weights.
    Raises `RunError` if the file is damaged or was not written by vaelib.
    """
    try:
        is_page = file.suffix == ".safetensors"
        saved = (files.read_safetensors if is_page else files.read_tensors)(file)
        # Meta tensors take no memory, however large the sizes in an untrusted file.
        with torch.device("meta"):
            model = build(config_of(saved), shape_of(saved))
        weights = {
            name: weights_of(saved["weights"][name]) for name in saved["weights"]
        }
        model.load_state_dict(weights, assign=True)
        return model, saved
    except Exception as error:
        raise unreadable(file, error) from None


def config_of(saved: dict[str, Any]) -> configs.TrainConfig:
    """Return the settings in a checkpoint or in run_meta.json.

    Runs of version 0.1.0 have no `matmul_precision`, and go on as they began. Raises
    ConfigError if a setting is unknown or out of range.
    """
    return configs.from_dict({"matmul_precision": "highest"} | saved["config"])


def shape_of(saved: dict[str, Any]) -> tuple[int, ...]:
    """Return the shape (C, H, W) in a checkpoint; raise ValueError if it is none."""
    shape = saved["shape"]
    if len(shape) != 3 or any(type(n) is not int or n < 1 for n in shape):
        raise ValueError("the shape is not (C, H, W)")
    facts = saved.get("dataset", {})  # version 0.1.0 saved none
    if type(facts) is not dict or facts.get("shape", shape) != shape:
        raise ValueError("the shape is not that of the data set")
    return tuple(shape)


def weights_of(saved: torch.Tensor) -> torch.Tensor:
    """Return the weights in a checkpoint, which may be of half precision, as float32.

    Raises ValueError if they are not finite real numbers.
    """
    is_plain = saved.layout == torch.strided and not saved.is_quantized
    if not (is_plain and saved.is_floating_point() and saved.isfinite().all()):
        raise ValueError("the weights are not finite real numbers")
    return saved.float()


def unreadable(file: Path, error: Exception) -> Exception:
    """Return the exception to raise for a file that could not be read."""
    if isinstance(error, OSError):
        return error
    why = type(error).__name__
    if isinstance(error, configs.ConfigError):
        why = str(error).splitlines()[0]
    return RunError(
        f"{file} is damaged, or was not written by this version of vaelib ({why}); "
        "nothing was changed."
    )


def require_fit(state: State, saved: dict[str, Any]) -> None:
    """Raise ValueError if a saved state does not fit the model and the data set."""
    counts = [saved[name] for name in ("order_seed", "epoch", "step")]
    if any(type(count) is not int or not 0 <= count < 2**63 for count in counts):
        raise ValueError("a count is not a whole number")
    steps = len(state.losses)
    if not 0 <= saved["step"] - saved["epoch"] * steps <= steps:
        raise ValueError("the step is not in the epoch")

    weights = list(state.model.parameters())
    require_dicts(saved["model"], saved["optimizer"])
    moments = saved["optimizer"]["state"]
    require_dicts(moments, *moments.values())
    first = state.optimizer.state_dict()["state"]  # Adagrad has one from the start
    if set(moments) != (set(range(len(weights))) if saved["step"] else set(first)):
        raise ValueError("the optimizer is incomplete")
    pairs = [(saved["model"][name], w) for name, w in state.model.state_dict().items()]
    pairs += [(saved["rng"], state.rng.get_state()), (saved["losses"], state.losses)]
    if len(state.chains):
        pairs.append((saved["chains"], state.chains))
        if type(saved["step_size"]) is not float or not 0 < saved["step_size"] < inf:
            raise ValueError("the step size is not a positive number")
    for i, moment in moments.items():
        weight = weights[i]
        pairs += [(moment[name], weight) for name in MOMENTS[type(state.optimizer)]]
        pairs.append((moment["step"], torch.zeros(())))
    for found, own in pairs:
        if (found.shape, found.dtype) != (own.shape, own.dtype):
            raise ValueError(f"{tuple(found.shape)} is not {tuple(own.shape)}")
