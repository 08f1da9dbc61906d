"""SlowMotion: one update of Algorithm 1, stage by stage, with its numbers."""

from __future__ import annotations

import gzip
from typing import Any

import anywidget
import torch
from matplotlib.figure import Figure
from traitlets import Dict, Unicode

from vaelib.config import TrainConfig
from vaelib.data import ImageData, pixels
from vaelib.plotting import sheet, styled, to_bytes
from vaelib.state import start
from vaelib.stills import Still
from vaelib.widgets import frontend
from vaelib.widgets.panel import as_json

IMAGES = 200  # training images, at most
CONFIG = TrainConfig(
    batch_size=1,
    latent_dim=2,
    hidden_dim=(64,),
    loss="bce",
    lr=1e-3,
    lr_schedule="none",
    matmul_precision="highest",
    fused=False,
    device="cpu",
)


class SlowMotion(Still, anywidget.AnyWidget):
    """Widget that makes one update at a time, in stages that wait for the reader.

    An image goes through the encoder, the draw, the decoder and both terms of (10);
    then come the derivatives, from the picture back to the weights, and the step of
    Adam. The model begins with random weights and is trained in the browser, on some
    training images of `data`: no kernel is needed.

    Example:

    >>> from vaelib import load_dataset
    >>> from vaelib.widgets import SlowMotion
    >>> SlowMotion(load_dataset("sprites"))
    SlowMotion(200 images)
    """

    _esm = frontend.module("slow_motion_here")
    _css = frontend.style() + frontend.picture_style()
    svg = Unicode(frontend.picture()).tag(sync=True)
    images = Dict().tag(sync=True)
    settings = Dict().tag(sync=True)

    def __init__(self, data: ImageData, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data = data
        self.count = min(IMAGES, len(data.train))
        labels = data.labels[0][: self.count].tolist() if data.labels else []
        raw = data.train[: self.count].cpu().numpy().tobytes()
        self.settings = as_json(CONFIG)
        self.images = dict(
            shape=list(data.shape),
            labels=labels,
            classes=list(data.classes),
            train=gzip.compress(raw, mtime=0),
        )

    @property
    @styled
    @torch.no_grad()
    def figure(self) -> Figure:
        """Figure of an image, what the untrained model makes of it, and the slope."""
        model = start(CONFIG, self.data).model
        x = pixels(self.data.train[:1].cpu())
        decoded = model.decode(model.encode(x)[0])
        slope = (1 + decoded - x) / 2  # of (10) by the decoder's output; 0 is grey
        rows = torch.stack([x, decoded, slope]).unflatten(-1, self.data.shape)
        title = "One update: image, decoded picture, and the slope that goes back"
        return sheet(to_bytes(rows.flatten(0, 1)), 3, title)[0]

    def __repr__(self) -> str:
        return f"SlowMotion({self.count} images)"
