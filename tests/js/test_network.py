"""engine/network.js, run by node, gives the same numbers as torch."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from vaelib.model import VAE, ConvVAE
from vaelib.widgets import frontend
from vaelib.widgets.weights import layers, pack

NETWORK = Path(frontend.__file__).parent / "js/engine/network.js"
SCRIPT = f"""
    import {{ Network }} from {json.dumps(NETWORK.as_uri())};
    import {{ readFileSync }} from "node:fs";
    const {{ packed, x, z }} = JSON.parse(readFileSync(0, "utf8"));
    const bytes = Buffer.from(packed.weights, "base64");
    const weights = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const network = new Network({{ ...packed, weights }});
    const {{ mu, sigma }} = network.encode(Float32Array.from(x));
    const y = network.decode(Float32Array.from(z));
    console.log(JSON.stringify({{ mu: [...mu], sigma: [...sigma], y: [...y] }}));
"""


@torch.no_grad()
def random_model(
    shape: Sequence[int],
    hidden: Sequence[int],
    latents: int,
    activation: str,
    output: str,
    rng: torch.Generator,
    channels: Sequence[int] = (),
) -> VAE:
    """Return a model whose weights give activations of about unit size."""
    rest = hidden, latents, activation, output
    model = ConvVAE(shape, channels, *rest) if channels else VAE(shape, *rest)
    for parameter in model.parameters():
        scale = parameter[0].numel() ** -0.5
        parameter.copy_(torch.randn(parameter.shape, generator=rng) * scale)
    return model


@pytest.mark.parametrize("bits", [8, 32])
@pytest.mark.parametrize(
    ("hidden", "activation", "output", "shape", "latents"),
    [
        ((400,), "relu", "sigmoid", (1, 28, 28), 20),
        ((400,), "relu", "identity", (1, 28, 28), 2),
        ((300, 100), "tanh", "gaussian", (1, 28, 28), 10),
        ((), "relu", "sigmoid", (1, 9, 7), 3),
        ((6,), "relu", "logistic", (3, 9, 7), 3),
        ((5, 6, 7), "relu", "gaussian", (3, 8, 8), 1),
        ((33,), "tanh", "identity", (3, 28, 28), 50),
    ],
)
@torch.no_grad()
def test_javascript_agrees_with_torch(
    node: Callable[..., str], hidden, activation, output, shape, latents, bits
):
    rng = torch.Generator().manual_seed(latents + bits)
    model = random_model(shape, hidden, latents, activation, output, rng)
    assert_agreement(node, model, bits, rng)


@pytest.mark.parametrize("bits", [8, 32])
@pytest.mark.parametrize(
    ("channels", "hidden", "activation", "output", "shape"),
    [
        ((32, 64), (100,), "relu", "gaussian", (3, 32, 32)),
        ((4, 5, 6), (), "tanh", "identity", (1, 28, 28)),
        ((4, 5), (7,), "relu", "logistic", (3, 28, 28)),
        ((7, 3), (9, 8), "relu", "sigmoid", (3, 64, 64)),
        ((3, 4), (5,), "relu", "gaussian", (3, 7, 9)),
        ((2,), (), "tanh", "sigmoid", (1, 28, 20)),
    ],
)
@torch.no_grad()
def test_convolutions_agree_with_torch(
    node: Callable[..., str], channels, hidden, activation, output, shape, bits
):
    rng = torch.Generator().manual_seed(bits)
    model = random_model(shape, hidden, 5, activation, output, rng, channels)
    assert_agreement(node, model, bits, rng)


@torch.no_grad()
def assert_agreement(
    node: Callable[..., str], model: VAE, bits: int, rng: torch.Generator
) -> None:
    """Assert that JavaScript encodes and decodes as torch does, to 1e-5."""
    shape, latents = model.shape, model.latent_dim
    x = torch.rand(math.prod(shape), generator=rng)
    x[::2] = 0  # inputs that are 0 are skipped in JavaScript
    z = torch.randn(latents, generator=rng)

    packed = pack(model, bits)
    packed["weights"] = base64.b64encode(packed["weights"]).decode()
    text = json.dumps(dict(packed=packed, x=x.tolist(), z=z.tolist()))
    found = json.loads(node("--input-type=module", "--eval", SCRIPT, text=text))

    if bits == 8:  # the same weights, rounded without the function under test
        for weight, _ in layers(model):
            axes = tuple(range(1, weight.ndim))
            scale = weight.abs().amax(axes, keepdim=True) / 127
            weight.copy_((weight / scale).round() * scale)
    mu, logvar = model.encode(x[None])
    sigma, y = (0.5 * logvar[0]).exp(), model.images(z[None]).flatten()
    for name, expected in dict(mu=mu[0], sigma=sigma, y=y).items():
        values = torch.tensor(found[name])
        torch.testing.assert_close(values, expected, atol=1e-5, rtol=1e-5)
