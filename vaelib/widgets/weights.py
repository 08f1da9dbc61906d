"""The weights of a model as bytes, in the form that js/engine/network.js reads."""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from vaelib.checks import ConfigError, invalid
from vaelib.model import VAE, ConvVAE, single

MOST_BYTES = 2**28  # of packed weights: a page takes several times as much


def layers(model: VAE) -> list[tuple[Tensor, Tensor]]:
    """Return the weight and bias (out,) of each layer, in packing order.

    The weight is (out, in), and that of a convolution (out, in, 4, 4). The output layer
    of "gaussian" is cut to the means: the browser draws no variances.
    """
    found: list[tuple[Tensor, Tensor]] = []
    for layer in model.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            weight, bias = layer.parameters()
            is_transposed = isinstance(layer, nn.ConvTranspose2d)  # (in, out, 4, 4)
            found.append((weight.transpose(0, 1) if is_transposed else weight, bias))
    weight, bias = found[-1]
    means = len(bias) // (2 if model.output == "gaussian" else 1)
    found[-1] = weight[:means], bias[:means]
    return found


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights (out, in) as integers in [-127, 127], and a scale (out,) per unit.

    A weight is approximately its integer times the scale of its unit. Those of a
    convolution, (out, in, 4, 4), become (out, in * 16).
    """
    weight = weight.flatten(1)
    scale = weight.abs().amax(1) / 127
    return (weight / scale.clamp_min(1e-30)[:, None]).round().to(torch.int8), scale


@torch.no_grad()
def rounded(model: VAE) -> VAE:
    """Return a copy of `model` whose weights are rounded to 8 bits."""
    copy = deepcopy(model)
    for weight, _ in layers(copy):
        integers, scale = quantise(weight)
        weight.copy_((integers * scale[:, None]).view_as(weight))
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
        parts.append(weight.flatten(1).T)

    is_tanh = any(isinstance(m, nn.Tanh) for m in model.encoder.modules())
    shapes = model.shapes if isinstance(model, ConvVAE) else [model.shape]
    decoder = inputs([*model.decoder, model.fc_out])
    packed: dict[str, Any] = dict(
        shape=list(model.shape),
        activation="tanh" if is_tanh else "relu",
        encoder=[*inputs(model.encoder), model.fc_mu.in_features],
        decoder=[*decoder, math.prod(shapes[-1])],
        bits=bits,
        weights=b"".join(map(padded, parts)),
    )
    if len(shapes) > 1:
        packed["convolutions"] = shapes
    if model.output == "logistic":
        packed |= dict(output=model.output, min_sigma=model.min_sigma)
    return packed


def inputs(part: Iterable[nn.Module]) -> list[int]:
    """Return the number of inputs of each linear layer."""
    return [m.in_features for m in part if isinstance(m, nn.Linear)]


def padded(part: Tensor) -> bytes:
    """Return the values of a tensor as bytes, padded to a multiple of 4 bytes."""
    raw = part.cpu().contiguous().numpy().tobytes()
    return raw + bytes(-len(raw) % 4)
