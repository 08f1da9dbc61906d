"""Many runs at once: make a grid of settings, train it, compare the results."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaelib.sweeps.grids import grid as grid
    from vaelib.sweeps.runner import sweep as sweep

# Imported on first use: a grid needs neither torch nor Dask.
HOMES = {"grid": "grids", "sweep": "runner"}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'vaelib.sweeps' has no attribute {name!r}")
    return getattr(import_module(f"vaelib.sweeps.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES])
