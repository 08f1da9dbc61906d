"""LatentExplorer: encode an image, move its latents and decode them, in the browser."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import anywidget
import torch
from matplotlib.figure import Figure
from traitlets import Dict, Float, List

from vaelib import runs
from vaelib.config import ConfigError
from vaelib.data import ImageData, pixels
from vaelib.evaluation import ACTIVE, posteriors
from vaelib.losses import kl_per_latent
from vaelib.model import VAE, single
from vaelib.plotting import decoded, name_of, sheet, styled, to_bytes, traversal
from vaelib.stills import Still
from vaelib.widgets import frontend
from vaelib.widgets.weights import pack

IMAGES, POINTS = 100, 1000  # test images to start from, and in the plane, at most
MOST_BYTES = 2**22  # of these images, and of the means of these points
FIXED_POINT = 1024  # means are sent as 16-bit integers, in units of 1/1024
COLUMNS, MOVED = 9, 3  # of the figure: images in a row, and latents that are moved


class LatentExplorer(Still, anywidget.AnyWidget):
    r"""Widget that shows an image, its $q_\phi(z|x)$, a point z and the decoded image.

    Equations (9) and (11)-(12), computed in the browser: no kernel is needed.

    `model` is a VAE or the folder of a run. `data` provides the test images to start
    from, the points in the plane, and the KL by which latents are sorted; the data of
    a run are loaded if `data` is None. `bits` is the precision of the weights: 8, or
    32 for exact weights. The attribute `z` (J,) is the current point; it can be read
    and set.

    Raises ConfigError if `bits` or the shape of `data` does not fit, RunError if the
    folder contains no run, and DataError if its data cannot be loaded.

    Example:

    >>> from vaelib import VAE
    >>> from vaelib.widgets import LatentExplorer
    >>> explorer = LatentExplorer(VAE((1, 8, 8), hidden_dims=(16,), latent_dim=2))
    >>> explorer
    LatentExplorer(2 latents)
    >>> explorer.z = [1.0, -0.5]
    >>> explorer.z
    [1.0, -0.5]
    """

    _esm = frontend.module("explorer")
    _css = frontend.style()
    network = Dict().tag(sync=True)
    test = Dict().tag(sync=True)
    codes = Dict().tag(sync=True)
    z = List(Float()).tag(sync=True)
    # The test image or drawing that z follows as the weights change, and its mean. A z
    # from elsewhere is another point: then no image is followed.
    followed = Dict().tag(sync=True)

    def __init__(
        self,
        model: VAE | str | Path,
        data: ImageData | None = None,
        bits: int = 8,
        **kwargs: Any,
    ) -> None:
        if not isinstance(model, VAE):
            if data is None:
                model, _, data = runs.load_with_data(model)
            else:
                model, _ = runs.load(model)
        self.bits = bits
        super().__init__(**kwargs)
        self.show(model, data)

    def show(self, model: VAE, data: ImageData | None = None) -> None:
        """Replace the weights, and the data if given, without a restart of the widget.

        Raises ConfigError if the data have another shape than the model.
        """
        if data is not None and data.shape != model.shape:
            raise ConfigError(
                f"data of shape {data.shape} do not fit a model of {model.shape}: "
                "give the data it is made for."
            )
        network = pack(model, self.bits)
        self.model = model
        with self.hold_sync():
            self.network = network
            if data is not None:
                self.test = pack_test_images(data)
                self.images = data.test
            if self.test:
                self.codes = pack_codes(model, self.images)

    @property
    @styled
    @torch.no_grad()
    def figure(self) -> Figure:
        """Figure of test images, what the model makes of them, and moves from z.

        The latents with the largest KL are moved. If no z is set yet, it is the mean of
        the first image, or 0.
        """
        model = single(self.model)
        kl = torch.tensor(self.codes.get("kl", [0.0] * model.latent_dim))
        z, images, rows = torch.zeros(model.latent_dim), [], []
        if self.test:
            x = self.images[torch.arange(COLUMNS) % len(self.images)]
            mu, _ = model.encode(pixels(x.to(model.fc_mu.weight.device)))
            images, rows = [to_bytes(x), decoded(model, mu)], ["x", "x̂"]
            z = mu[0].cpu()
        if len(self.z) == len(z):
            z = torch.tensor(self.z)
        latents = kl.argsort(descending=True, stable=True)[:MOVED]
        moved = traversal(z, steps=COLUMNS, latents=latents).flatten(0, 1)
        images.append(decoded(model, moved.to(model.fc_mu.weight.device)))
        rows += [name_of(j) for j in latents.tolist()]
        ends = {0: "−3", COLUMNS // 2: "z", COLUMNS - 1: "+3"}
        title = "Test images, reconstructions, and steps from z"
        title = title if self.test else "Steps from z"
        return sheet(torch.cat(images), COLUMNS, title, rows, ends)[0]

    def __repr__(self) -> str:
        return f"LatentExplorer({self.network['decoder'][0]} latents)"


def pack_test_images(data: ImageData) -> dict[str, Any]:
    """Return the first test images as bytes, and the labels of the points."""
    images = min(IMAGES, max(1, MOST_BYTES // math.prod(data.shape)))
    return dict(
        images=data.test[:images].cpu().numpy().tobytes(),
        labels=data.labels[1][:POINTS].tolist() if data.labels else [],
        classes=list(data.classes),
    )


@torch.no_grad()
def pack_codes(model: VAE, images: torch.Tensor) -> dict[str, Any]:
    """Return posterior means as bytes, and the mean KL and activity of each latent.

    The means are those of the first images; the KL, in nats, is over all images.
    """
    means, sums = [], []
    for mu, logvar in posteriors(model, images):
        means.append(mu)
        sums.append(kl_per_latent(mu, logvar).sum(0))
    mu, kl = torch.cat(means), torch.stack(sums).cpu().double().sum(0) / len(images)
    points = min(POINTS, max(2, MOST_BYTES // (2 * model.latent_dim)))
    fixed = (mu[:points] * FIXED_POINT).round().clamp(-(2**15), 2**15 - 1)
    return dict(
        mu=fixed.to("cpu", torch.int16).numpy().tobytes(),
        kl=kl.float().tolist(),
        active=(mu.var(0) > ACTIVE).tolist(),
    )
