"""engine/adam.js: the same steps as torch's Adam."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
from arrays import PRELUDE, decode, distance, encode, importing

from vaelib.state import Adam

STEPS = (
    importing("Adam", "adam")
    + importing("buildInArena", "products")
    + PRELUDE
    + """
    const names = ["data", "gradient", "mean", "square"];
    const { arena, tensors } = buildInArena((arena) => {
        const tensorOf = (shape) => {
            const length = shape.reduce((a, b) => a * b);
            const arrays = names.map((name) => [name, arena.allocate(length)]);
            return { shape, ...Object.fromEntries(arrays) };
        };
        return { arena, tensors: input.shapes.map(tensorOf) };
    }, input.wasm);
    tensors.forEach(({ data }, i) => data.set(floats(input.start[i])));
    const adam = new Adam(arena, tensors, input.beta2);
    input.gradients.forEach((gradients, step) => {
        tensors.forEach(({ gradient }, i) => gradient.set(floats(gradients[i])));
        adam.step(input.rates[step]);
    });
    console.log(JSON.stringify(tensors.map(({ data }) => text(data))));
"""
)


@pytest.mark.parametrize("wasm", [True, False])
@pytest.mark.parametrize("beta2", [0.98, 0.999])
def test_twenty_steps_are_those_of_torch(
    node: Callable[..., str], beta2: float, wasm: bool
):
    rng = torch.Generator().manual_seed(0)
    shapes = [(7, 5), (7,), (1, 1), (40, 33)]
    weights = [torch.randn(shape, generator=rng).requires_grad_() for shape in shapes]
    scales = [10.0 ** (i % 9 - 7) for i in range(20)]  # eps matters for the small ones
    gradients = [
        [torch.randn(shape, generator=rng) * scale for shape in shapes]
        for scale in scales
    ]
    rates = [0.01 * (1 + i) / 20 for i in range(20)]
    values = dict(
        shapes=shapes,
        start=[encode(weight) for weight in weights],
        gradients=[[encode(each) for each in step] for step in gradients],
        rates=rates,
        beta2=beta2,
        wasm=wasm,
    )

    start = [weight.detach().clone() for weight in weights]
    adam = Adam(weights, lr=0.0, betas=(0.9, beta2), fused=False)
    for step, rate in zip(gradients, rates, strict=True):
        for weight, gradient in zip(weights, step, strict=True):
            weight.grad = gradient
        adam.param_groups[0]["lr"] = rate
        adam.step()

    output = node("--input-type=module", "--eval", STEPS, text=json.dumps(values))
    for raw, weight, old in zip(json.loads(output), weights, start, strict=True):
        assert distance(decode(raw), weight) < 1e-6
        # The change, too, up to the rounding of weights near 1 in each step.
        assert distance(decode(raw) - old.flatten(), weight - old) < 1e-5
