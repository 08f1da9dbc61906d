"""Deprecated name of `vaelib.sweeps.compare`, for code written for version 0.1."""

import sys
import warnings

from vaelib.sweeps import compare

warnings.warn(
    "vaelib.compare is now vaelib.sweeps.compare", DeprecationWarning, stacklevel=2
)
sys.modules[__name__] = compare
