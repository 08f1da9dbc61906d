"""Arrays of 32-bit floats to and from node: as base64, not as decimal numbers."""

from __future__ import annotations

import base64
import json

import numpy as np
import torch
from torch import Tensor

from vaelib.widgets.frontend import FOLDER

# JavaScript: `input` from Python, functions that read and write arrays.
PRELUDE = """
    import { readFileSync } from "node:fs";
    const input = JSON.parse(readFileSync(0, "utf8"));
    const floats = (text) =>
        new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);
    const text = ({ buffer, byteOffset, byteLength }) =>
        Buffer.from(buffer, byteOffset, byteLength).toString("base64");
"""


def importing(names: str, module: str) -> str:
    """Return a line of JavaScript that imports names from a module of the engine."""
    uri = (FOLDER / "js/engine" / f"{module}.js").as_uri()
    return f"import {{ {names} }} from {json.dumps(uri)};\n"


def encode(tensor: Tensor) -> str:
    """Return the floats of a tensor as base64."""
    return base64.b64encode(tensor.detach().float().numpy().tobytes()).decode()


def decode(text: str) -> Tensor:
    """Return floats (n,) from base64."""
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), np.float32).copy())


def distance(found: Tensor, expected: Tensor) -> float:
    """Return the norm of the difference, relative to the norm of what is expected.

    If this is 0, any difference is too large.
    """
    expected = expected.detach().double().flatten()
    return float((found.double() - expected).norm() / expected.norm().clamp(min=1e-30))
