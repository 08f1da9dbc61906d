"""Benchmarks of training and evaluation against the reference and bare products."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import reference
import torch
from measure import DATA, TARGET, Row, busy_processes, child, epochs_of, in_turn, timed
from torch import nn

from vaelib import EpochEnd, ImageData, TrainConfig, losses, start, updates
from vaelib.config import from_dict
from vaelib.data import binarized
from vaelib.devices import has_bfloat16
from vaelib.evaluation import importance_nll
from vaelib.paper import hmc
from vaelib.presets import PRESETS
from vaelib.training import steps_per_epoch

SEEDS = range(1, 6)
THREADS = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def to_target(epochs: Iterator[tuple[float, float]]) -> tuple[float, float]:
    """Return the seconds of training until the test nats are at most TARGET.

    The second number is the test nats then. If they never are, the time is infinite.
    """
    seconds, nats = 0.0, float("inf")
    for nats, more in epochs:
        seconds += more
        if nats <= TARGET:
            return seconds, nats
    return float("inf"), nats


def bench_target(folder: Path) -> list[Row]:
    """Measure training alone: every seed of the default recipe against ten epochs."""
    ours = [to_target(epochs_of(TrainConfig(seed=seed))) for seed in SEEDS]
    theirs = sum(seconds for _, seconds in reference.train(folder, 10, seed=1))
    ours += [to_target(epochs_of(TrainConfig(seed=seed))) for seed in SEEDS]
    seconds = [s for s, _ in ours]
    nats = ", ".join(f"{nats:.2f}" for _, nats in ours[: len(SEEDS)])

    def row(what: str, s: float, goal: str = "") -> Row:
        return Row(what, f"{s:.1f} s", f"{theirs:.1f} s", f"{theirs / s:.1f}", goal)

    goal = f"at least 8; test nats {nats}"
    return [
        row("training to 105.55 test nats, median of 5 seeds", median(seconds)),
        row("the same, slowest seed and turn", max(seconds), goal),
    ]


def bench_latents(folder: Path) -> list[Row]:
    """Measure quality: the worst of five seeds against ten epochs of the preset."""
    rows = []
    for latents in (2, 5, 10, 20, 50):
        ours = [last_nats(TrainConfig(latent_dim=latents, seed=seed)) for seed in SEEDS]
        preset = PRESETS["pytorch-examples"] | dict(latent_dim=latents)
        theirs, worst = last_nats(from_dict(preset)), max(ours)
        what = f"test nats with {latents} latents, worst of 5 seeds"
        what += f" (best {min(ours):.2f})"
        ratio = f"{worst / theirs:.3f}"
        rows.append(Row(what, f"{worst:.2f}", f"{theirs:.2f}", ratio, "at most 1"))
    return rows


def last_nats(config: TrainConfig) -> float:
    """Return the test nats after the last epoch."""
    *_, (nats, _) = epochs_of(config)
    return nats


def bench_process(folder: Path) -> list[Row]:
    """Measure `vaelib train` and the reference, each with its pictures."""
    train = [sys.executable, "-m", "vaelib.train"]
    train += ["--project-dir", str(folder / "reports")]
    ours = [child(*train) for _ in range(3)]
    theirs, their_memory = child(sys.executable, reference.__file__, str(folder))
    ours += [child(*train) for _ in range(2)]

    s, m = median(s for s, _ in ours), median(m for _, m in ours)
    what = "whole process with its pictures, to the same point"
    time = f"{s:.1f} s", f"{theirs:.1f} s", f"{theirs / s:.1f}"
    memory = f"{m:.0f} MiB", f"{their_memory:.0f} MiB", f"{their_memory / m:.2f}"
    return [Row(what, *time, "at least 6"), Row("its peak memory", *memory)]


def bench_epoch(folder: Path) -> list[Row]:
    """Measure one epoch of training, plain and compiled, and one of the reference."""
    rows = []
    for what, compiled, bound in (("", False, 2.3), (", --compile", True, 3.3)):
        config = TrainConfig(epochs=9, compile=compiled)
        ours, theirs = epochs_of(config), reference.train(folder, 9, seed=1)
        if compiled:
            next(ours)
        o, t, ratio = in_turn(seconds_of(ours), seconds_of(theirs), 3)
        figures = f"{o:.2f} s", f"{t:.2f} s", f"{ratio:.1f}"
        rows.append(Row(f"one epoch{what}", *figures, f"at least {bound}"))
    return rows


def seconds_of(epochs: Iterator[tuple[float, float]]) -> Callable[[], float]:
    """Return a function that runs the next epoch and returns its seconds."""
    return lambda: next(epochs)[1]


def products(batch: int, steps: int) -> float:
    """Return the seconds of the bare matrix products of an epoch.

    These are the forward product of each layer and both gradients, but for the
    gradient with respect to the input.
    """
    layers = [(784, 400), (400, 20), (400, 20), (20, 400), (400, 784)]
    work = [
        (torch.rand(batch, i), torch.rand(o, i), torch.rand(batch, o), i != 784)
        for i, o in layers
    ]

    def epoch() -> None:
        for _ in range(steps):
            for x, w, g, inner in work:
                torch.mm(x, w.T)
                torch.mm(g.T, x)
                if inner:
                    torch.mm(g, w)

    return timed(epoch)


def linear_epoch(config: TrainConfig) -> float:
    """Return the seconds of an epoch without activations, noise and loss.

    What remains: mini-batches, linear layers in both directions, updates by Adam.
    """
    state, order = start(config, DATA), torch.randperm(len(DATA.train))
    model, ones = state.model, torch.ones(config.batch_size, 784)

    def epoch() -> None:
        for index in order.split(config.batch_size):
            state.optimizer.zero_grad()
            h = model.encoder[0](DATA.batch(index, state.rng))
            h = model.decoder[0](model.fc_mu(h) + model.fc_logvar(h))
            model.fc_out(h).backward(ones[: len(index)])
            state.optimizer.step()

    return timed(epoch)


def over_products(
    what: str, ours: Callable[[], float], bare: Callable[[], float], goal: str = ""
) -> Row:
    """Return a row that compares five measurements with the bare matrix products."""
    o, t, ratio = in_turn(ours, bare, 5)
    what = f"{what}, over its bare matrix products"
    return Row(what, f"{o:.2f} s", f"{t:.2f} s", f"{1 / ratio:.2f}", goal)


def bench_products(folder: Path) -> list[Row]:
    """Measure one epoch over bare products: what everything else costs."""
    config = TrainConfig(epochs=9)
    bare = partial(products, config.batch_size, steps_per_epoch(config, DATA))
    bare()
    linear = "an epoch of linear layers and Adam alone"
    rows = [over_products(linear, lambda: linear_epoch(config), bare)]
    for what, compiled, bound in (("", False, 1.6), (", --compile", True, 1.25)):
        ours = epochs_of(TrainConfig(epochs=9, compile=compiled))
        next(ours)
        goal = f"at most {bound}"
        rows.append(over_products(f"one epoch{what}", seconds_of(ours), bare, goal))
    return rows


def bench_evaluation(folder: Path) -> list[Row]:
    """Measure the likelihood of 40 images with 5,000 importance samples each."""
    data = binarized(DATA, "fixed")
    config = TrainConfig(binarize="fixed")
    model = start(config, data).model
    nats = losses.reconstruction(config.loss)
    n, k = 40, 5000
    z, h = torch.rand(1000, 20), torch.rand(1000, 400)
    w1, w2 = torch.rand(400, 20), torch.rand(784, 400)

    def ours() -> None:
        list(importance_nll(model, nats, data.test[:n], torch.Generator(), k))

    def bare() -> None:
        for _ in range(n * k // 1000):
            torch.mm(z, w1.T)
            torch.mm(h, w2.T)

    what = "evaluation, 5,000 importance samples"
    return [
        over_products(what, lambda: timed(ours), lambda: timed(bare), "at most 1.8")
    ]


def bench_methods(folder: Path) -> list[Row]:
    """Measure wake-sleep against Algorithm 1, and a leapfrog step of HMC."""
    data = binarized(DATA, "dynamic")

    def hundred(method: Any) -> Callable[[], float]:
        config = TrainConfig(**PRESETS["paper"], method=method)
        events = updates(start(config, data), data, config)
        return lambda: timed(lambda: [next(events) for _ in range(100)])

    o, t, ratio = in_turn(hundred("wake_sleep"), hundred("aevb"), 5)
    figures = f"{o:.2f} s", f"{t:.2f} s", f"{1 / ratio:.2f}", "at most 1.5"
    rows = [Row("100 updates by wake-sleep, against Algorithm 1", *figures)]

    model = start(TrainConfig(**PRESETS["paper"]), data).model
    x, z = data.batch(torch.arange(1000), torch.Generator()), torch.rand(1000, 20)
    log_joint = hmc.log_joint_of(model, losses.reconstruction("bce_logits"), x)
    layers = [(z, torch.rand(500, 20)), (torch.rand(1000, 500), torch.rand(784, 500))]
    slope = [torch.rand(1000, len(w)) for _, w in layers]

    def bare() -> None:
        for _ in range(50):  # forward, and the gradient with respect to z
            for (h, w), g in zip(layers, slope, strict=True):
                torch.mm(h, w.T)
                torch.mm(g, w)

    steps = partial(hmc.leapfrog, log_joint, z, torch.rand(1000, 20), 1e-3, 49)
    what = "49 leapfrog steps for 1,000 images"
    goal = "at most 2"
    ours = lambda: timed(steps)  # noqa: E731
    return [*rows, over_products(what, ours, lambda: timed(bare), goal)]


def bench_convolutions(folder: Path) -> list[Row]:
    """Measure a tenth of an epoch of CIFAR-10's size over its bare convolutions.

    The model is that of Section 14.5.
    """
    rng = torch.Generator().manual_seed(1)
    images = torch.randint(256, (5000, 3, 32, 32), dtype=torch.uint8, generator=rng)
    data = ImageData(images, images[:100])
    sizes = dict(conv_channels=(64, 128, 256), hidden_dim=(), latent_dim=128)
    more = dict(loss="logistic", epochs=9, batch_size=128, lr=1e-3)
    config = from_dict(dict(model="conv", **sizes, **more))
    state = start(config, data)
    events, steps = updates(state, data, config), steps_per_epoch(config, data)
    layers, h = [], torch.rand(config.batch_size, 3, 32, 32)
    for layer in state.model.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            sides = h.shape[2:]
            given = torch.rand(config.batch_size, layer.in_channels, *sides)
            layers.append((layer, given.contiguous(memory_format=torch.channels_last)))
            h = layer(given).detach()

    def bare() -> None:
        """Make each product and both of its gradients, but that of the images."""
        is_fast = has_bfloat16(torch.device("cpu"))
        for _ in range(steps):
            for i, (layer, given) in enumerate(layers):
                x = given.detach().requires_grad_(i > 0)
                with torch.autocast("cpu", torch.bfloat16, enabled=is_fast):
                    out = layer(x)
                out.backward(out.detach())

    def ours() -> float:
        return timed(lambda: next(e for e in events if isinstance(e, EpochEnd)))

    ours()
    o, t, ratio = in_turn(ours, lambda: timed(bare), 5)
    what = "5,000 colour images of 32 pixels by ConvVAE, over its bare convolutions"
    figures = f"{o:.2f} s", f"{t:.2f} s", f"{1 / ratio:.2f}"
    return [Row(what, *figures, "at most 1.5")]


FIT = """
import time
from vaelib import TrainConfig, load_dataset
from vaelib.chapter import fit
data = load_dataset()
began = time.perf_counter()
fit(TrainConfig(epochs=2), data)
print(time.perf_counter() - began)
"""


def bench_busy(folder: Path) -> list[Row]:
    """Measure training beside two processes that never rest, against alone."""

    def seconds() -> float:
        """Return the seconds of two epochs in a process with the threads it takes."""
        out = subprocess.check_output([sys.executable, "-c", FIT], env=free, text=True)
        return float(out)

    def beside_others() -> float:
        with busy_processes(2):
            return seconds()

    free = {name: value for name, value in os.environ.items() if name not in THREADS}
    busy, alone, ratio = in_turn(beside_others, seconds, 3)
    figures = f"{busy:.1f} s", f"{alone:.1f} s", f"{ratio:.2f}"
    what = "training beside two busy processes, against alone"
    return [Row(what, *figures, "at least 0.33")]
