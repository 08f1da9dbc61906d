"""The engine with random settings: it trains, or says that the loss is not finite."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
import torch
from page_data import IMAGES, for_page

from vaelib import ImageData, TrainConfig
from vaelib.config import from_dict
from vaelib.widgets.panel import rules

Engine = Callable[..., Any]
# RANDOM_SETTINGS=10000 tries as many, in a minute; the first ones are the same.
COUNT = int(os.environ.get("RANDOM_SETTINGS", "2000"))
PARTS = max(4, COUNT // 500)  # processes, one after the other
# (C, H, W), images for training and for tests; often fewer than a mini-batch
SIZES = [((1, 1, 1), 1, 1), ((1, 2, 3), 2, 1), ((1, 3, 3), 13, 4), ((3, 2, 2), 30, 9)]

# JavaScript: what is wrong with each case, by its number; and how many diverged.
RUN = f"""
    {IMAGES}
    const REFUSED = /^\\w+ is .*: capacity has no such setting, leave it out\\.$/;
    const DIVERGED = /^the loss is not finite at step (\\d+): give a smaller lr\\.$/;
    const images = given.images.map(imagesOf);
    const isFinite = (value) =>
        typeof value === "number" ? Number.isFinite(value)
        : value === null || typeof value !== "object" ? true
        : Object.values(value).every(isFinite);
    const floats = (view) =>
        [...new Float32Array(view.buffer, view.byteOffset, view.byteLength / 4)];

    async function faultOf({{ settings: chosen, set, messages, useWasm }}) {{
        const first = {{ ...given.rules.defaults, ...chosen }};
        const rules = {{ ...given.rules, settings: first }};
        const load = (_, {{ train_images }}) => {{
            const {{ train, pixels, ...others }} = images[set];
            const end = train_images * pixels || train.length;
            return {{ ...others, pixels, train: train.subarray(0, end) }};
        }};
        const traits = {{}};
        const emit = (changes) => Object.assign(traits, changes);
        const job = new engine.TrainingJob(
            rules, load("", first), load, emit, useWasm);
        const send = async (message) => {{
            job.receive(message);
            while (job.isBusy) await job.turn();
        }};
        let diverged = false;
        for (const message of messages) {{
            await send(message);
            const {{ frame, settings, curve, keep, explorer }} = traits;
            const shown = [frame, settings, floats(curve), {{ ...keep, files: 0 }}];
            if (!isFinite(shown)) return ["shown", message, frame.message];
            const step = frame.message && DIVERGED.exec(frame.message)?.[1];
            const isRefused = REFUSED.test(frame.message);
            if (frame.message && !isRefused && Number(step) !== frame.step)
                return frame.message;
            diverged ||= Boolean(step);
            if (step || isRefused || isFinite(explorer.codes.kl)) continue;
            await send({{ do: "step" }}); // the last update has led to such weights
            if (!DIVERGED.test(traits.frame.message)) return "not reported";
        }}
        return diverged && "diverged";
    }}
    return (async () => {{
        const found = [];
        for (const one of given.cases)
            found.push(await faultOf(one).catch(({{ stack }}) => stack));
        return found;
    }})();
"""


def images_of(kind: int, sizes: tuple[tuple[int, ...], int, int]) -> ImageData:
    """Return images of random greys, of few greys, all black, or all white."""
    shape, train, test = sizes
    rng = torch.Generator().manual_seed(kind)
    low, high = [(0, 256), (100, 104), (0, 1), (255, 256)][kind]
    images = torch.randint(low, high, (train + test, *shape), generator=rng)
    images = images.to(torch.uint8)
    return ImageData(images[:train], images[train:])


DATA = [images_of(kind, sizes) for sizes in SIZES for kind in range(4)]


def random_settings(draw: random.Random) -> dict[str, Any]:
    """Return settings that TrainConfig takes, far beyond those that work."""
    power = lambda low, high: 10.0 ** draw.uniform(low, high)  # noqa: E731
    changes = ((draw.randrange(9), power(-6, 6)) for _ in range(draw.randrange(3)))
    settings = dict(
        latent_dim=draw.choice([1, 1, 2, 3, 5, 17]),
        hidden_dim=[draw.choice([1, 2, 5, 9]) for _ in range(draw.randrange(4))],
        activation=draw.choice(["relu", "tanh"]),
        loss=draw.choice(["bce", "bce_logits", "mse", "gaussian", "logistic"]),
        sigma=power(-3, 3),
        min_sigma=power(-5, 1),
        reduction=draw.choice(["sum", "mean"]),
        gradient=draw.choice(["mean", "sum"]),
        beta=draw.choice([0.0, 1.0, power(-6, 6)]),
        beta_changes=",".join(f"{step}:{beta!r}" for step, beta in changes),
        beta_schedule=draw.choice(["none", "linear", "cyclic"]),
        beta_warmup=power(-3, 3),
        beta_cycles=draw.choice([1, 2, 4, 100]),
        beta_ratio=draw.choice([1e-6, 0.5, 1.0]),
        binarize=draw.choice(["none", "fixed", "dynamic"]),
        epochs=draw.choice([1, 1, 2, 3]),
        batch_size=draw.choice([1, 2, 7, 16, 256]),
        lr=draw.choice([power(-12, -1), power(-4, -1), power(-1, 6)]),
        lr_schedule=draw.choice(["none", "linear"]),
        lr_warmup=draw.choice([1e-6, 0.2, 1.0]),
        adam_beta2=draw.choice([0.0, 0.9, 0.98, 0.99999]),
        output_bias=draw.choice(["random", "data"]),
        init=draw.choice(["uniform", "normal"]),
        seed=draw.choice([0, draw.getrandbits(32), 2**63 - 1]),
        free_bits=draw.choice([0.0, 0.0, power(-6, 3)]),
        capacity=draw.choice([0.0, 0.0, power(-6, 3)]),
        gamma=power(-6, 6),
        encoder_updates=draw.choice([0, 0, 1, 3]),
    )
    if settings["capacity"]:
        settings |= dict(beta=1.0, beta_changes="", beta_schedule="none")
        settings |= dict(reduction="sum", free_bits=0.0)
    return settings


def random_message(draw: random.Random) -> dict[str, Any]:
    """Return a button, or a value of a control; most often a beta."""
    values: dict[str, list[Any]] = dict(
        beta=[0, 1e-300, 0.1, 1, "4", 1e3, "1e6"],
        loss=["bce", "bce_logits", "mse", "gaussian", "logistic"],
        beta_schedule=["none", "linear", "cyclic"],
        latent_dim=[1, 2, 8],
        free_bits=[0, "1e-3", 2],
        capacity=[0, 5],
        encoder_updates=[0, 2],
        train_images=[0, 1],
        seed=["0", str(2**63 - 1)],
    )
    if draw.random() < 0.5:
        buttons = ["step", "step", "train", "keep", "undo", "reset"]
        return dict(do=draw.choice(buttons))
    name = draw.choice(["beta", "beta", "beta", *values])
    return dict(set={name: draw.choice(values[name])})


def random_case(number: int) -> dict[str, Any]:
    """Return settings, images and messages; the first of them trains to the end."""
    draw = random.Random(number)
    settings = random_settings(draw)
    from_dict(settings)  # is valid
    more = [random_message(draw) for _ in range(4)]
    return dict(
        settings=settings | dict(seed=str(settings["seed"])),
        set=draw.randrange(len(DATA)),
        messages=[dict(do="step"), random_message(draw), dict(do="train"), *more],
        useWasm=number % 4 == 0,
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_random_settings_train_or_are_reported(engine: Engine, part: int):
    numbers = range(part, COUNT, PARTS)
    found = engine(
        RUN,
        "job",
        rules=json.loads(json.dumps(rules(TrainConfig("tensors")))),
        images=[for_page(data) for data in DATA],
        cases=[random_case(number) for number in numbers],
    )
    results = dict(zip(numbers, found, strict=True))
    wrong = {n: what for n, what in results.items() if what not in (False, "diverged")}
    assert wrong == {}
    diverged = found.count("diverged") / len(found)
    assert 0.1 < diverged < 0.9


def test_the_random_settings_are_those_that_the_engine_reads():
    others = "dataset channels image_size train_images model conv_channels"
    others += " method optimizer weight_prior objective samples estimator"
    machine = "fused matmul_precision device compile data_dir num_workers"
    run = "project_dir group name save_dir"
    unread = {*others.split(), *machine.split(), *run.split()}
    names = {field.name for field in fields(TrainConfig)}
    assert set(random_settings(random.Random(0))) == names - unread
