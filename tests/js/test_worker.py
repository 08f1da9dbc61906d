"""engine/worker.js: the images of the page are those that vaelib trains on."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from page_data import random_images
from torch import Tensor

from vaelib import TrainConfig
from vaelib.chapter import fit
from vaelib.images import binarized
from vaelib.losses import title
from vaelib.widgets.panel import rules

Engine = Callable[..., Any]
SIZES = dict(hidden_dim=(5,), latent_dim=2, batch_size=10, train_images=30, epochs=2)
CONFIG = TrainConfig("mnist", device="cpu", **SIZES)  # pyright: ignore
# JavaScript: what a training to its end has shown. The page sends more images than it
# uses.
SERVE = """
    const view = (text) =>
        new DataView(Uint8Array.from(Buffer.from(text, "base64")).buffer);
    const { about, train, test } = given;
    const images = { ...about, train: train.map(view), test: test.map(view) };
    const traits = {};
    await new Promise((resolve, reject) => {
        const port = {
            postMessage({ load, error, ...changes }) {
                if (error) reject(new Error(error));
                if (load) port.onmessage({ data: { images } });
                Object.assign(traits, changes);
                if (traits.frame?.over) resolve();
            },
        };
        engine.serve(port);
        port.onmessage({ data: { rules: given.rules } });
        port.onmessage({ data: { do: "train" } });
    });
    return traits;
"""


def zipped(images: Tensor) -> str:
    """Return images as a page loads them."""
    return base64.b64encode(gzip.compress(images.numpy().tobytes())).decode()


@pytest.mark.parametrize("how", ["none", "fixed", "dynamic"])
def test_pixels_are_drawn_as_by_the_library(engine: Engine, how: Any):
    data = random_images((1, 28, 28), 44, 23)
    expected = binarized(data, how).first(train=30)
    given = dict(
        about=dict(shape=[1, 28, 28], labels=[], classes=[]),
        train=[zipped(data.train[:20]), zipped(data.train[20:])],
        test=[zipped(data.test)],
        rules=json.loads(json.dumps(rules(replace(CONFIG, binarize=how)))),
    )
    found = engine(f"return (async () => {{ {SERVE} }})();", "worker", **given)
    assert base64.b64decode(found["fixed"]) == expected.test[:10].numpy().tobytes()
    assert found["frame"]["term"] == title("bce_logits", expected.binary)
    _, log = fit(CONFIG, expected)
    for (_, *mine), its in zip(found["frame"]["tests"], log, strict=True):
        assert mine == pytest.approx([its["recon"], its["kl"]], rel=1e-4)
