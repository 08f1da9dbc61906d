"""LatentExplorer: encode, move latents, decode, all of it in the browser; Python only hands over weights and test images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import torch
from traitlets import Dict, Float, List

from vaelib import runs
from vaelib.config import ConfigError
from vaelib.data import ImageData, load_dataset, pixels
from vaelib.evaluation import ACTIVE
from vaelib.losses import kl_per_latent
from vaelib.model import VAE
from vaelib.widgets import frontend
from vaelib.widgets.weights import pack

IMAGES, POINTS = 100, 1000  # test images to start from, and in the plane
FIXED = 1024  # means travel as 16-bit numbers, in steps of 1/1024


class LatentExplorer(anywidget.AnyWidget):
    r"""From an image through $q_\phi(z|x)$, a point z and the decoder to an image: (9) and (11)-(12), live with no kernel.

    `model`: a VAE, or a run's folder. `data` gives the test images to start from, the points in the plane and the KL by
    which latents are sorted; a run brings its own. `bits`: 8, or 32 for weights as they are. `z` is the current point (J,),
    to be read or set. Raises: ConfigError, RunError, DataError, one sentence each.
    """

    _esm = frontend.module("explorer")
    _css = frontend.style()
    network = Dict().tag(sync=True)
    test = Dict().tag(sync=True)
    codes = Dict().tag(sync=True)
    z = List(Float()).tag(sync=True)

    def __init__(
        self,
        model: VAE | str | Path,
        data: ImageData | None = None,
        bits: int = 8,
        **kwargs: Any,
    ) -> None:
        if not isinstance(model, VAE):
            model, config = runs.load(model)
            if data is None:
                data = load_dataset(
                    config.dataset,
                    config.binarize,
                    config.channels,
                    config.image_size,
                    config.data_dir,
                )
        self.bits = bits
        super().__init__(**kwargs)
        self.show(model, data)

    def show(self, model: VAE, data: ImageData | None = None) -> None:
        """Shows other weights, and other data where they are given, without starting anew."""
        if data is not None and data.shape != model.shape:
            raise ConfigError(
                f"data of shape {data.shape} do not fit a model of {model.shape}: give the data it is made for."
            )
        network = pack(model, self.bits)
        with self.hold_sync():
            self.network = network
            if data is not None:
                self.test = test_of(data)
                self.images = data.test
            if self.test:
                self.codes = codes(model, self.images)

    def __repr__(self) -> str:
        return f"LatentExplorer({self.network['decoder'][0]} latents)"


def test_of(data: ImageData) -> dict[str, Any]:
    """The first test images as bytes, and the labels of those that are points in the plane."""
    labels = (
        data.labels[1][:POINTS].to(torch.uint8).numpy().tobytes()
        if data.labels
        else b""
    )
    return dict(
        images=data.test[:IMAGES].cpu().numpy().tobytes(),
        labels=labels,
        classes=list(data.classes),
    )


@torch.no_grad()
def codes(model: VAE, images: torch.Tensor) -> dict[str, Any]:
    """Posterior means of the first test images, the mean KL of each latent in nats, and whether it is active."""
    device = next(model.parameters()).device
    posteriors = [
        model.encode(pixels(chunk.to(device))) for chunk in images.split(1000)
    ]
    mu, logvar = (torch.cat(part) for part in zip(*posteriors, strict=True))
    fixed = (
        (mu[:POINTS] * FIXED).round().clamp(-(2**15), 2**15 - 1).to("cpu", torch.int16)
    )
    return dict(
        mu=fixed.numpy().tobytes(),
        kl=kl_per_latent(mu, logvar).mean(0).tolist(),
        active=(mu.var(0) > ACTIVE).tolist(),
    )
