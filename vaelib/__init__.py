"""The variational auto-encoder of Kingma & Welling (arXiv:1312.6114).

The equations of the paper are implemented one by one, to be read beside it:

- `model`: encoder and decoder, sections 2.3 and 3, Appendix C.
- `losses`: the terms of the bound, equations (10) to (12), Appendix B.
- `bounds`: estimators of the bound, equations (2) and (6) to (8).
- `exact`: models whose evidence is known, equations (1) to (3).
- `gradients`: two estimators of a gradient, sections 2.2 to 2.4, (4) and (5).
- `training`: Algorithm 1; `evaluation`: test terms and the likelihood.

`vaelib.paper` contains the other experiments of the paper, Fig 2, Fig 3 and Appendices
D to F. The other modules load data, draw figures, and write runs. `vaelib.sweeps`
trains many runs at once, and `vaelib.widgets` contains the widgets for notebooks.
"""

from __future__ import annotations

import ctypes
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaelib.config import TrainConfig as TrainConfig
    from vaelib.data import load_dataset as load_dataset
    from vaelib.images import ImageData as ImageData
    from vaelib.model import VAE as VAE
    from vaelib.model import ConvVAE as ConvVAE
    from vaelib.runs import load as load
    from vaelib.state import EpochEnd as EpochEnd
    from vaelib.state import State as State
    from vaelib.state import Update as Update
    from vaelib.state import start as start
    from vaelib.training import updates as updates

__version__ = "0.2.0.dev0"

# torch's threads wait for each other by spinning. Beside other work that takes the
# processor from the thread they wait for, so they spin for less than a millisecond.
# Read when torch is loaded, here and in all processes that this one starts.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Linux's C library, glibc, keeps blocks of up to 32 MiB when they are freed, such as
# the test images as floats. Now those of 4 MiB and more go back to the system at once.
libc = ctypes.CDLL(None) if sys.platform == "linux" else None
if hasattr(libc, "mallopt"):
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
    libc.mallopt(M_MMAP_THRESHOLD, 4 * 2**20)
    libc.mallopt(M_TRIM_THRESHOLD, 8 * 2**20)  # or small blocks come and go

# The public names and their modules. A module is imported when a name of it is first
# used, so that `vaelib --help` does not wait for torch.
HOMES = {
    "TrainConfig": "config",
    "ImageData": "images",
    "load_dataset": "data",
    "VAE": "model",
    "ConvVAE": "model",
    "load": "runs",
    "State": "state",
    "start": "state",
    "Update": "state",
    "EpochEnd": "state",
    "updates": "training",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'vaelib' has no attribute {name!r}")
    return getattr(import_module(f"vaelib.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES])
