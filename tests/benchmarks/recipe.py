"""Choose learning rate and size of the mini-batches on held-out training images.

`python tests/benchmarks/recipe.py` trains the default recipe with each of them, on the
first 50,000 training images of MNIST, and writes the table recipe.md: the nats of the
other 10,000. The test split is not used. On two cores this takes half an hour.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from textwrap import fill

import torch
from measure import DATA, epochs_of

from vaelib import ImageData, TrainConfig
from vaelib.devices import has_bfloat16

LATENTS = 2, 5, 10, 20, 50
BATCHES = 192, 256, 320
RATES = 0.008, 0.01, 0.012, 0.014, 0.016
SEEDS = 1, 2, 3
HELD_OUT = ImageData(DATA.train[:50_000], DATA.train[50_000:])


def nats(case: tuple[int, float, int, int]) -> float:
    """Return the nats of the held-out images after the last epoch."""
    batch, rate, latents, seed = case
    config = TrainConfig(batch_size=batch, lr=rate, latent_dim=latents, seed=seed)
    *_, (last, _) = epochs_of(config, HELD_OUT)
    return last


def main() -> None:
    """Train all combinations, one in each core, and write the table."""
    cases = list(product(BATCHES, RATES, LATENTS, SEEDS))
    spawn = get_context("spawn")
    with ProcessPoolExecutor(
        os.cpu_count(), spawn, torch.set_num_threads, (1,)
    ) as pool:
        found = dict(zip(cases, pool.map(nats, cases), strict=True))

    lines = ["| batch_size | lr |" + "".join(f" {n} latents |" for n in LATENTS)]
    lines += ["|---" * (2 + len(LATENTS)) + "|"]
    for batch, rate in product(BATCHES, RATES):
        cells = [
            [found[batch, rate, latents, seed] for seed in SEEDS] for latents in LATENTS
        ]
        nats_of = (f" {mean(cell):.2f} ({max(cell):.2f}) |" for cell in cells)
        lines += [f"| {batch} | {rate} |" + "".join(nats_of)]
    kind = "bfloat16" if has_bfloat16(torch.device("cpu")) else "float32"
    what = (
        f"Nats of 10,000 held-out training images after {TrainConfig().epochs} epochs "
        f"on the other 50,000: the mean of {len(SEEDS)} seeds and, in brackets, the "
        f"worst. Products in {kind}. Written by `python tests/benchmarks/recipe.py`."
    )
    text = "\n".join([*lines, "", fill(what, 88), ""])
    Path(__file__).with_suffix(".md").write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
