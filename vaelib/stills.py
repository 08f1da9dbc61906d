"""Pictures of widgets: they can be saved, and stand where a widget cannot run."""

from __future__ import annotations

import io
from abc import abstractmethod
from base64 import b64encode
from pathlib import Path
from typing import Any

from matplotlib import font_manager
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont, ImageOps

NOTE = "Run this cell (Shift + Enter) to move it."
MOST_BYTES = 40_000  # of a picture: every notebook stores one for each widget


class Still:
    """Base of a widget with a figure, which is put beside the widget in an output."""

    @property
    @abstractmethod
    def figure(self) -> Figure:
        """Figure of what the widget shows."""

    def picture(self) -> bytes:
        """Return the figure as the bytes of a PNG file."""
        return png(self.figure)

    def save(self, path: str | Path) -> None:
        """Write the figure as a picture, in the format that its suffix names."""
        self.figure.savefig(path, bbox_inches="tight")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the view of the widget, and a picture for where it cannot be shown."""
        bundle = super()._repr_mimebundle_(**kwargs)  # type: ignore
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["image/png"] = b64encode(small(self.picture())).decode()
        return bundle


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file, without pyplot."""
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return file.getvalue()


def small(picture: bytes) -> bytes:
    """Return a picture above the line `NOTE`, as a PNG file of few colours and bytes.

    It becomes smaller until it has less than `MOST_BYTES`.
    """
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.thumbnail((1100, 1100))
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 15)
    while True:
        wider = max(0, 340 - image.width)  # room for the line
        whole = ImageOps.expand(image, (0, 0, wider, 30), "white")
        place = 10, image.height + 5
        ImageDraw.Draw(whole).text(place, NOTE, "#555555", font)
        file = io.BytesIO()
        whole.quantize(64).save(file, "png")
        if file.tell() < MOST_BYTES:
            return file.getvalue()
        image = image.resize((image.width * 2 // 3, image.height * 2 // 3))
