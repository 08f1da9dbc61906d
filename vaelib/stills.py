"""Pictures of widgets: they can be saved, and stand where a widget cannot run."""

from __future__ import annotations

import io
from abc import abstractmethod
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
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


def png(figure: Figure, like: Figure | None = None) -> bytes:
    """Return a figure as the bytes of a PNG file, without pyplot.

    To find the places of its axes takes as long as to draw it. A figure takes them from
    `like`, an earlier one of the same form, if the labels of both take the same room.
    """
    file = io.BytesIO()
    engine = figure.get_layout_engine()
    if not isinstance(engine, ConstrainedLayoutEngine):
        figure.savefig(file, format="png", bbox_inches="tight")
        return file.getvalue()
    canvas = FigureCanvasAgg(figure)
    if like and not is_same_grid(figure, like):
        like = None
    if like:
        figure.set_layout_engine("none")
        for axes, other in zip(figure.axes, like.axes, strict=True):
            axes.set_position(other.get_position(original=True))
            axes.set_in_layout(True)  # when it is laid out the next time
        canvas.draw()
        figure.set_layout_engine(engine)
    if not like or room(figure) != room(like):
        canvas.draw()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).save(file, "png")
    return file.getvalue()


def is_same_grid(figure: Figure, other: Figure) -> bool:
    """Return whether two figures have the same size and as many axes."""
    size, other_size = figure.get_size_inches(), other.get_size_inches()
    return len(figure.axes) == len(other.axes) and (size == other_size).all()


def room(figure: Figure) -> list[tuple[int, ...]]:
    """Return the lines of the title and the letters of tick labels, for each axes."""
    rooms = []
    for axes in figure.axes:
        ticks = axes.get_xticklabels(), axes.get_yticklabels()
        longest = [max((len(t.get_text()) for t in some), default=0) for some in ticks]
        titles = axes.get_title(), axes.get_title(loc="left")
        rooms.append((*(title.count("\n") for title in titles), *longest))
    return rooms


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
