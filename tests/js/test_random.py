"""engine/random.js draws the numbers that torch draws with the same seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

Engine = Callable[..., Any]
SEEDS = (0, 1, 42, 2**31, 2**40 + 5, 2**63 - 1)
LENGTHS = (1, 2, 3, 15, 16, 17, 31, 32, 33, 100, 783, 784, 2560, 5001, 9999, 10_000)
# Without AVX2, torch itself makes numbers that differ from those with it.
AVX = "AVX" in torch.backends.cpu.get_cpu_capability()
TOLERANCES = dict(bounded=0 if AVX else 1e-7)
TOLERANCES |= dict.fromkeys(("normal", "small"), 1e-6 if AVX else 4e-6)

# One stream from each seed, and what each operation [kind, length] draws from it.
DRAW = """
    const draw = {
        normal: (rng, n) => rng.normal(new Float32Array(n)),
        small: (rng, n) => rng.normal(new Float32Array(n), 0.1),
        uniform: (rng, n) => rng.uniform(new Float32Array(n)),
        bounded: (rng, n) => rng.uniform(new Float32Array(n), -0.05, 0.3),
        bytes: (rng, n) => rng.bytes(new Uint8Array(n)),
        int64: (rng) => rng.int64(),
        permutation: (rng, n) => rng.permutation(n),
    };
    return given.seeds.map((seed) => {
        const rng = new engine.Generator(seed);
        return given.operations.map(([kind, n]) => draw[kind](rng, n));
    });
"""


def drawn(kind: str, n: int, rng: torch.Generator) -> torch.Tensor:
    """Return what torch draws."""
    match kind:
        case "normal":
            return torch.randn(n, generator=rng)
        case "small":
            return torch.empty(n).normal_(std=0.1, generator=rng)
        case "uniform":
            return torch.rand(n, generator=rng)
        case "bounded":
            return torch.empty(n).uniform_(-0.05, 0.3, generator=rng)
        case "bytes":
            return torch.empty(n, dtype=torch.uint8).random_(0, 255, generator=rng)
        case "int64":
            return torch.empty((), dtype=torch.int64).random_(generator=rng)
    return torch.randperm(n, generator=rng)


def compare(engine: Engine, seeds: tuple[int, ...], operations: list) -> None:
    """Assert that both draw the same: normal numbers to 1e-6, all others exactly."""
    given = dict(seeds=[str(seed) for seed in seeds], operations=operations)
    for seed, streams in zip(seeds, engine(DRAW, "random", **given), strict=True):
        rng = torch.Generator().manual_seed(seed)
        for (kind, n), found in zip(operations, streams, strict=True):
            expected = drawn(kind, n, rng)
            value = int(found) if kind == "int64" else found
            tolerance = TOLERANCES.get(kind, 0)
            torch.testing.assert_close(
                torch.tensor(value, dtype=expected.dtype),
                expected,
                rtol=tolerance,
                atol=tolerance,
                msg=lambda text, at=(seed, kind, n): f"{at}: {text}",
            )


@pytest.mark.parametrize("kind", ["normal", "uniform", "bytes"])
def test_draws_of_many_lengths(engine: Engine, kind: str):
    compare(engine, SEEDS, [(kind, n) for n in LENGTHS])


def test_draws_of_all_kinds_one_after_another(engine: Engine):
    """A second number that is kept outlasts draws of all other kinds."""
    rng = np.random.default_rng(0)
    kinds = ["normal", "small", "uniform", "bounded", "bytes", "int64", "permutation"]
    lengths = [*range(41), 100, 1000]
    some = zip(rng.choice(kinds, 300), rng.choice(lengths, 300), strict=True)
    compare(engine, SEEDS, [(str(kind), int(n)) for kind, n in some])


def test_permutations_of_any_length(engine: Engine):
    lengths = (1, 2, 10, 10_000, 60_000)
    compare(engine, (1, 2**63 - 1), [("permutation", n) for n in lengths])


def test_a_seed_is_a_number_a_bigint_or_text(engine: Engine):
    code = "return [2 ** 40 + 5, 2n ** 40n + 5n, '1099511627781', 5].map((seed) =>"
    found = engine(f"{code} new engine.Generator(seed).int64())", "random")
    expected = torch.Generator().manual_seed(2**40 + 5)
    assert found == [str(drawn("int64", 0, expected).item())] * 4
