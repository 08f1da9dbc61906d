"""engine/start.js and draws.js: a run in the page starts and draws as vaelib's does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from vaelib import evaluation, training
from vaelib.config import TrainConfig
from vaelib.images import ImageData, binarized
from vaelib.state import start

Engine = Callable[..., Any]
# Without AVX2, torch itself makes numbers that differ from those with it.
AVX = "AVX" in torch.backends.cpu.get_cpu_capability()
CLOSE = 1e-6 if AVX else 4e-6
SETTINGS = [
    dict(),
    dict(hidden_dim=(), latent_dim=3, loss="gaussian"),
    dict(hidden_dim=(30, 20, 10), latent_dim=7, activation="tanh", seed=2**63 - 1),
    dict(hidden_dim=(5,), latent_dim=2, loss="mse", output_bias="random", seed=0),
    dict(hidden_dim=(13, 40), latent_dim=1, init="normal", loss="bce"),
    dict(hidden_dim=(7,), init="normal", output_bias="random", loss="gaussian"),
    dict(hidden_dim=(7,), latent_dim=2, loss="logistic"),
]
START = """
    const { settings, images, pixels } = given;
    const rng = new engine.Generator(settings.seed);
    const parameters = engine.newParameters(settings, pixels);
    const mean = engine.meanImage(Uint8Array.from(images), pixels);
    engine.initialise(parameters, rng, settings, mean);
"""
TWO_EPOCHS = """
    const { standardNormal, testDraws, epochDraws } = engine;
    const drawn = [];
    for (let epoch = 0; epoch < 2; epoch++) {
        for (const { rows, threshold, eps } of epochDraws(rng, settings, 33, pixels))
            drawn.push(rows, threshold, eps);
        rng.int64();
        drawn.push(...testDraws(rng, settings, 21));
        drawn.push(standardNormal(rng, 64, settings.latent_dim));
    }
    return drawn;
"""


def random_images(n_train: int, n_test: int, shape: tuple[int, ...]) -> ImageData:
    """Return images whose first pixel is always black and whose last always white."""
    rng = torch.Generator().manual_seed(0)
    size = (n_train + n_test, *shape)
    images = torch.randint(0, 256, size, dtype=torch.uint8, generator=rng)
    images[..., 0, 0], images[..., -1, -1] = 0, 255
    return ImageData(images[:n_train], images[n_train:])


def of_run(config: TrainConfig, data: ImageData) -> dict[str, Any]:
    """Return what the page is given of a run."""
    settings = asdict(config) | dict(seed=str(config.seed))
    images = data.train.flatten().tolist()
    return dict(settings=settings, images=images, pixels=data.train[0].numel())


@pytest.mark.parametrize("given", SETTINGS, ids=str)
def test_initial_weights(engine: Engine, given: dict[str, Any]):
    config = TrainConfig(device="cpu", **given)
    data = random_images(50, 1, (1, 28, 28) if not given else (3, 4, 5))
    code = f"{START} return Object.entries(parameters);"
    found = engine(code, "random", "start", **of_run(config, data))

    expected = start(config, data).model.state_dict()
    assert [name for name, _ in found] == list(expected)
    for name, parameter in found:
        assert parameter["shape"] == list(expected[name].shape), name
        weights = torch.tensor(parameter["data"]).view(expected[name].shape)
        is_mean = name == "fc_out.bias" and config.output_bias == "data"
        exact = config.init == "uniform" and not is_mean and AVX
        close = 0 if exact else CLOSE
        assert_close(weights, expected[name], atol=close, rtol=close)


@pytest.mark.parametrize("latents", [3, 20])
@pytest.mark.parametrize("binarize", ["none", "dynamic"])
def test_draws_of_two_epochs(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, binarize: str, latents: int
):
    """The last mini-batches have 3 of 33 training images, and 1 of 21 test images."""
    given: dict[str, Any] = dict(binarize=binarize, latent_dim=latents, seed=2**40 + 5)
    given |= dict(hidden_dim=(6,), batch_size=10, epochs=2)
    config = TrainConfig(device="cpu", **given)
    data = binarized(random_images(33, 21, (1, 4, 4)), binarize)
    expected: list[Tensor] = []
    batch, standard_normal = ImageData.batch, training.standard_normal

    def note_batch(self: ImageData, rows: Tensor, rng: torch.Generator) -> Tensor:
        x = batch(self, rows, rng)
        expected.extend((rows, x))
        return x

    def note_noise(*shape: int, rng: torch.Generator) -> Tensor:
        expected.append(standard_normal(*shape, rng=rng))
        return expected[-1]

    state = start(config, data)
    monkeypatch.setattr(ImageData, "batch", note_batch)
    monkeypatch.setattr(training, "standard_normal", note_noise)
    monkeypatch.setattr(evaluation, "standard_normal", note_noise)
    list(training.updates(state, data, config))

    modules = "random", "start", "draws"
    found = engine(f"{START} {TWO_EPOCHS}", *modules, **of_run(config, data))
    assert len(found) == len(expected) == 2 * (3 * 4 + 3 + 1)
    images = data.train.flatten(1)
    rows = torch.zeros(0)
    for drawn, value in zip(map(torch.tensor, found), expected, strict=True):
        if not value.is_floating_point():
            rows = value
            assert torch.equal(drawn, rows)
        elif value.shape == (len(rows), 16):
            assert len(drawn) == (value.numel() if binarize == "dynamic" else 0)
            white = images[rows] > drawn.view(value.shape) if len(drawn) else value
            assert torch.equal(white.float(), value)
        else:
            assert_close(drawn, value.flatten(), atol=CLOSE, rtol=CLOSE)


@pytest.mark.parametrize("how", ["none", "fixed", "dynamic"])
def test_binarized_images(engine: Engine, how: str):
    data = random_images(20, 30, (1, 4, 4))
    given = dict(how=how, train=data.train.tolist(), test=data.test.tolist())
    code = """
        const [train, test] = [given.train, given.test].map((images) =>
            Uint8Array.from(images.flat(3)));
        return engine.binarized(train, test, given.how);
    """
    expected = binarized(data, how)
    assert engine(code, "draws", **given) == dict(
        train=expected.train.flatten().tolist(), test=expected.test.flatten().tolist()
    )
