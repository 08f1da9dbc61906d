"""The weights of a model as bytes, in the form that js/engine/network.js reads."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from vaelib.checks import ConfigError, invalid
from vaelib.model import VAE, single

MOST_BYTES = 2**28  # of packed weights: a page takes several times as much


def layers(model: VAE) -> list[tuple[Tensor, Tensor]]:
    """Return the weight (out, in) and bias (out,) of each layer, in packing order.

    The output layer is cut to the means: the browser draws no variances.
    """

    def linear(part: nn.Sequential) -> list[tuple[Tensor, Tensor]]:
        return [(m.weight, m.bias) for m in part if isinstance(m, nn.Linear)]

    pixels = math.prod(model.shape)
    return [
        *linear(model.encoder),
        (model.fc_mu.weight, model.fc_mu.bias),
        (model.fc_logvar.weight, model.fc_logvar.bias),
        *linear(model.decoder),
        (model.fc_out.weight[:pixels], model.fc_out.bias[:pixels]),
    ]


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights (out, in) as integers in [-127, 127], and a scale (out,) per unit.

    A weight is approximately its integer times the scale of its unit.
    """
    scale = weight.abs().amax(1) / 127
    return (weight / scale.clamp_min(1e-30)[:, None]).round().to(torch.int8), scale


@torch.no_grad()
def rounded(model: VAE) -> VAE:
    """Return a copy of `model` whose weights are rounded to 8 bits."""
    copy = deepcopy(model)
    for weight, _ in layers(copy):
        integers, scale = quantise(weight)
        weight.copy_(integers * scale[:, None])
    return copy


@torch.no_grad()
def pack(model: VAE, bits: int = 8) -> dict[str, Any]:
    """Return the sizes and weights of `model` for js/engine/network.js.

    `bits` is 8 (a quarter of the size) or 32 (exact). Each layer is stored as its bias,
    with 8 bits the scale of each unit, and the weights (in, out); each of these is
    padded to a multiple of 4 bytes. Weights of another type than 32-bit floats are
    converted. Raises ConfigError for other `bits`, or if the model is too large.
    """
    if bits not in (8, 32):
        raise invalid("bits", bits, "give 8 or 32")
    size = sum(weight.numel() for weight, _ in layers(model)) * bits // 8
    if size > MOST_BYTES:
        raise ConfigError(
            f"the weights of this model take {size >> 20} MiB, and a widget takes at "
            f"most {MOST_BYTES >> 20}: give a smaller model, smaller images or 8 bits."
        )

    parts: list[Tensor] = []
    for weight, bias in layers(single(model)):
        parts.append(bias)
        if bits == 8:
            weight, scale = quantise(weight)
            parts.append(scale)
        parts.append(weight.T)

    is_tanh = any(isinstance(m, nn.Tanh) for m in model.encoder)
    return dict(
        shape=list(model.shape),
        activation="tanh" if is_tanh else "relu",
        encoder=[*inputs(model.encoder), model.fc_mu.in_features],
        decoder=[
            *inputs(model.decoder),
            model.fc_out.in_features,
            math.prod(model.shape),
        ],
        bits=bits,
        weights=b"".join(map(padded, parts)),
    )


def inputs(part: nn.Sequential) -> list[int]:
    """Return the number of inputs of each linear layer."""
    return [m.in_features for m in part if isinstance(m, nn.Linear)]


def padded(part: Tensor) -> bytes:
    """Return the values of a tensor as bytes, padded to a multiple of 4 bytes."""
    raw = part.cpu().contiguous().numpy().tobytes()
    return raw + bytes(-len(raw) % 4)
