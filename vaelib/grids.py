"""Deprecated name of `vaelib.sweeps.grids`, for code written for version 0.1."""

import sys
import warnings

from vaelib.sweeps import grids

warnings.warn(
    "vaelib.grids is now vaelib.sweeps.grids", DeprecationWarning, stacklevel=2
)
sys.modules[__name__] = grids
