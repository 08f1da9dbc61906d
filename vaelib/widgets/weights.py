"""A model's weights as bytes, for network.js to compute with."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from vaelib.config import invalid
from vaelib.model import VAE


def layers(model: VAE) -> list[tuple[Tensor, Tensor]]:
    """Weight (out, in) and bias (out,) of each layer, in the order in which they are packed; of the last, the means alone."""
    hidden = [
        [(m.weight, m.bias) for m in part if isinstance(m, nn.Linear)]
        for part in (model.encoder, model.decoder)
    ]
    heads = [(head.weight, head.bias) for head in (model.fc_mu, model.fc_logvar)]
    pixels = math.prod(model.shape)
    return [
        *hidden[0],
        *heads,
        *hidden[1],
        (model.fc_out.weight[:pixels], model.fc_out.bias[:pixels]),
    ]


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (out, in) as whole numbers in [-127, 127] and the scale (out,) of each unit: weight is near scale * number."""
    scale = weight.abs().amax(1) / 127
    return (weight / scale.clamp_min(1e-30)[:, None]).round().to(torch.int8), scale


@torch.no_grad()
def rounded(model: VAE) -> VAE:
    """A copy of `model` with the weights that 8 bits leave of it."""
    copy = deepcopy(model)
    for weight, _ in layers(copy):
        whole, scale = quantise(weight)
        weight.copy_(whole * scale[:, None])
    return copy


@torch.no_grad()
def pack(model: VAE, bits: int = 8) -> dict[str, Any]:
    """Sizes and weights of `model` as network.js reads them: `bits` 8 (a quarter of the size) or 32 (exact).

    Each layer: bias, with 8 bits the scale of each unit, then the weights (in, out), filled up to 4 bytes.
    Raises: ConfigError for other `bits`.
    """
    if bits not in (8, 32):
        raise invalid("bits", bits, "give 8 or 32")
    parts: list[Tensor] = []
    for weight, bias in layers(model):
        parts.append(bias)
        if bits == 8:
            weight, scale = quantise(weight)
            parts.append(scale)
        parts.append(weight.T)
    packed = b"".join(
        (raw := part.cpu().contiguous().numpy().tobytes()) + bytes(-len(raw) % 4)
        for part in parts
    )
    encoder, decoder = (
        [part[i].in_features for i in range(0, len(part), 2)]
        for part in (model.encoder, model.decoder)
    )
    return dict(
        shape=list(model.shape),
        activation="tanh"
        if any(isinstance(m, nn.Tanh) for m in model.encoder)
        else "relu",
        encoder=[*encoder, model.fc_mu.in_features],
        decoder=[*decoder, model.fc_out.in_features, math.prod(model.shape)],
        bits=bits,
        weights=packed,
    )
