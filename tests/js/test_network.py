"""engine/network.js, run by node, computes what torch computes."""

from __future__ import annotations

import base64
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from vaelib.model import VAE
from vaelib.widgets import frontend
from vaelib.widgets.weights import layers, pack

NETWORK = Path(frontend.__file__).parent / "js/engine/network.js"
NODE = next(iter(Path(sys.executable).parent.glob("node*")), "node")


def by_node(
    packed: dict[str, Any], x: torch.Tensor, z: torch.Tensor
) -> dict[str, list[float]]:
    """mu and sigma of x, and the picture of z, from network.js."""
    given = packed | dict(weights=base64.b64encode(packed["weights"]).decode())
    script = f"""
        import {{ Network }} from {json.dumps(NETWORK.as_uri())};
        import {{ readFileSync }} from "node:fs";
        const {{ packed, x, z }} = JSON.parse(readFileSync(0, "utf8"));
        const bytes = Buffer.from(packed.weights, "base64");
        const network = new Network({{ ...packed, weights: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) }});
        const {{ mu, sigma }} = network.encode(Float32Array.from(x));
        const y = network.decode(Float32Array.from(z));
        console.log(JSON.stringify({{ mu: [...mu], sigma: [...sigma], y: [...y] }}));
    """
    command = [str(NODE), "--input-type=module", "--eval", script]
    text = json.dumps(dict(packed=given, x=x.tolist(), z=z.tolist()))
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("bits", [8, 32])
@pytest.mark.parametrize(
    ("hidden", "activation", "output", "shape", "latents"),
    [
        ((400,), "relu", "sigmoid", (1, 28, 28), 20),
        ((400,), "relu", "identity", (1, 28, 28), 2),
        ((300, 100), "tanh", "gaussian", (1, 28, 28), 10),
        ((), "relu", "sigmoid", (1, 9, 7), 3),
        ((5, 6, 7), "relu", "gaussian", (3, 8, 8), 1),
        ((33,), "tanh", "identity", (3, 28, 28), 50),
    ],
)
def test_javascript_agrees_with_torch(hidden, activation, output, shape, latents, bits):
    rng = torch.Generator().manual_seed(latents + bits)
    model = VAE(shape, hidden, latents, activation, output)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(
                torch.randn(parameter.shape, generator=rng)
                * parameter.shape[-1] ** -0.5
            )
        packed = pack(model, bits)
        if bits == 8:  # the same weights, rounded here
            for weight, _ in layers(model):
                scale = weight.abs().amax(1, keepdim=True) / 127
                weight.copy_((weight / scale).round() * scale)
        x, z = (
            torch.rand(math.prod(shape), generator=rng),
            torch.randn(latents, generator=rng),
        )
        x[::2] = 0
        mu, logvar = model.encode(x[None])
        expected = dict(
            mu=mu[0], sigma=(0.5 * logvar[0]).exp(), y=model.images(z[None]).flatten()
        )
    for name, found in by_node(packed, x, z).items():
        torch.testing.assert_close(
            torch.tensor(found), expected[name], atol=1e-5, rtol=1e-5
        )
