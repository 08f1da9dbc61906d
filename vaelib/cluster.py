"""Deprecated name of `vaelib.sweeps.cluster`, for code written for version 0.1."""

import sys
import warnings

from vaelib.sweeps import cluster

warnings.warn(
    "vaelib.cluster is now vaelib.sweeps.cluster", DeprecationWarning, stacklevel=2
)
sys.modules[__name__] = cluster
