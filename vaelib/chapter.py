"""What the notebooks show: the library's own source, numbers that depend on training, and sliders beside a figure."""

from __future__ import annotations

import inspect
import io
import textwrap
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
from IPython.core.getipython import get_ipython
from IPython.display import Markdown
from ipywidgets import Image, VBox, interactive
from matplotlib.figure import Figure

from vaelib.config import TrainConfig
from vaelib.data import ImageData
from vaelib.model import VAE
from vaelib.plotting import STYLE
from vaelib.training import EpochEnd, start, updates

plt.style.use(STYLE)  # a chapter's own figures look like the library's
if shell := get_ipython():
    shell.run_line_magic(
        "matplotlib", "inline"
    )  # figures made without pyplot are shown too


def subplots(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (7, 3.5), **kwargs: Any
) -> tuple[Figure, Any]:
    """A figure of `size` inches and its axes, as `plt.subplots` makes them; it is shown only where a cell ends with it."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, **kwargs)


def source(*things: Any) -> Markdown:
    """The source of functions or classes of this library, as it is at this moment, each under its full name."""
    listings = []
    for thing in things:
        text = textwrap.dedent(inspect.getsource(thing)).rstrip()
        listings.append(
            f"`{thing.__module__}.{thing.__qualname__}`\n```python\n{text}\n```"
        )
    return Markdown("\n\n".join(listings))


def near(value: float, low: float, high: float, digits: int = 1) -> str:
    """A number that depends on training, as ~105.4: its last digits differ between machines, its interval does not.

    Raises: AssertionError where it is not between `low` and `high`.
    """
    assert low <= value <= high, f"{value:.{digits}f} is not between {low} and {high}"
    return f"~{value:.{digits}f}"


def fit(config: TrainConfig, data: ImageData) -> tuple[VAE, list[dict[str, float]]]:
    """Trains as `config` says and writes nothing: the model, on the CPU, and the log, a line an epoch, in nats per image."""
    state = start(config, data)
    rows = [
        event.row
        for event in updates(state, data, config)
        if isinstance(event, EpochEnd)
    ]
    return state.model.cpu(), rows


class Explorer(VBox):
    """Controls above one figure, which is drawn anew whenever one of them moves."""

    def __init__(self, draw: Callable[..., Figure], **controls: Any) -> None:
        self.draw = draw
        self.image = Image(
            format="png", layout=dict(align_self="flex-start", max_width="100%")
        )  # as wide as it is drawn
        start = {
            name: parameter.default
            for name, parameter in inspect.signature(draw).parameters.items()
        }
        self.controls: dict[str, Any] = {
            name: interactive.widget_from_abbrev(given, start[name])
            for name, given in controls.items()
        }
        for name, control in self.controls.items():
            control.description = name
            control.observe(self.redraw, "value")
        self.redraw()
        super().__init__([*self.controls.values(), self.image])

    def redraw(self, change: Any = None) -> None:
        """Draws what the controls say."""
        self.image.value = png(
            self.draw(
                **{name: control.value for name, control in self.controls.items()}
            )
        )

    def __repr__(self) -> str:
        return f"Explorer({self.draw.__name__}, {', '.join(self.controls)})"


def explore(draw: Callable[..., Figure], **controls: Any) -> Explorer:
    """`draw` with a control for each argument: (low, high, step) is a slider, a list a menu, or any ipywidget."""
    return Explorer(draw, **controls)


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG, without ever being kept by pyplot."""
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return file.getvalue()
