"""Tools of the notebooks: listings, checked numbers, and figures with sliders.

To import this module sets matplotlib's style and, in a notebook, its inline backend. It
is for the chapters of the book; no other module of vaelib changes your settings.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
from IPython.core.getipython import get_ipython
from IPython.display import Markdown
from ipywidgets import Image, Label, VBox, interactive
from matplotlib.figure import Figure

from vaelib.config import TrainConfig
from vaelib.images import ImageData
from vaelib.model import VAE
from vaelib.plotting import STYLE
from vaelib.state import EpochEnd, start
from vaelib.stills import Still, png
from vaelib.training import updates


def describe(figure: Figure) -> str:
    """Return the titles of a figure, each with the labels of its axes, as one line."""
    parts = []
    for axes in figure.axes:
        title = axes.get_title() or axes.get_title(loc="left")
        labels = filter(None, (axes.get_ylabel(), axes.get_xlabel()))
        axis = f" [{' against '.join(labels)}]" if axes.get_xlabel() else ""
        parts.append((title + axis).strip())
    suptitle = [figure.get_suptitle()]
    return "Figure: " + "; ".join(filter(None, [*suptitle, *parts])).replace("\n", " ")


plt.style.use(STYLE)  # figures of a chapter look like those of the library
if shell := get_ipython():
    # Also show figures that are made without pyplot.
    shell.run_line_magic("matplotlib", "inline")
    # Readers who do not see a figure, and captions in the book, have its description.
    texts = shell.display_formatter.formatters["text/plain"]  # type: ignore
    texts.for_type(Figure, lambda figure, printer, _: printer.text(describe(figure)))


def subplots(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (7, 3.5), **kwargs: Any
) -> tuple[Figure, Any]:
    """Return a figure of `size` inches and its axes, as `plt.subplots` does.

    pyplot does not know the figure: it is shown only if it is the last value of a cell.
    """
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, **kwargs)


def source(*things: Any) -> Markdown:
    """Return the source of functions or classes of vaelib, each under its name.

    Of a docstring it has the first line; the API pages show the rest.
    """
    listings = []
    for thing in things:
        text = textwrap.dedent(inspect.getsource(thing)).rstrip()
        text = with_short_docstrings(text)
        name = f"{thing.__module__}.{thing.__qualname__}"
        listings.append(f"`{name}`\n```python\n{text}\n```")
    return Markdown("\n\n".join(listings))


def with_short_docstrings(text: str) -> str:
    """Return source code with the first line of each docstring alone."""
    lines, dropped = text.split("\n"), set[int]()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            rest = range(node.body[0].lineno, node.body[0].end_lineno or 0)
            if rest:
                lines[rest.start - 1] += '"""'
                dropped.update(rest)
    return "\n".join(line for i, line in enumerate(lines) if i not in dropped)


def near(value: float, low: float, high: float, digits: int = 1) -> str:
    """Return a number that depends on training as text, such as ~105.4.

    Its last digits differ between machines, so the tests of the notebooks ignore them.
    Raises AssertionError if the number is not between `low` and `high`.
    """
    assert low <= value <= high, f"{value:.{digits}f} is not between {low} and {high}"
    return f"~{value:.{digits}f}"


def fit(config: TrainConfig, data: ImageData) -> tuple[VAE, list[dict[str, float]]]:
    """Return a model trained by `config`, on the CPU, and the row of each epoch.

    The terms in a row are in nats per image. No file is written.
    """
    state = start(config, data)
    events = updates(state, data, config)
    rows = [event.row for event in events if isinstance(event, EpochEnd)]
    return state.model.cpu(), rows


class Explorer(Still, VBox):
    """Widget of one figure below its controls; it is redrawn when a control changes."""

    def __init__(
        self,
        draw: Callable[..., Figure],
        on_page: dict[str, Any] | None = None,
        **controls: Any,
    ) -> None:
        self.draw, self.drawn, self.shown = draw, Figure(), ""
        self.on_page = on_page or {}
        layout = dict(align_self="flex-start", max_width="100%")  # not stretched
        self.image = Image(format="png", layout=layout)
        self.note = Label(style=dict(text_color="var(--jp-error-color1, #b00020)"))

        parameters = inspect.signature(draw).parameters
        self.controls: dict[str, Any] = {
            name: interactive.widget_from_abbrev(given, parameters[name].default)
            for name, given in controls.items()
        }
        for name, control in self.controls.items():
            control.description = name
            control.observe(self.redraw, "value")
        self.redraw()
        super().__init__([*self.controls.values(), self.note, self.image])

    def redraw(self, change: Any = None) -> None:
        """Draw the figure for the current values of the controls.

        If that fails, a line above the last figure says so, and the error is raised.
        """
        values = {name: control.value for name, control in self.controls.items()}
        try:
            figure = self.draw(**values)
            self.image.value = png(figure, self.drawn)
        except Exception as error:
            message = " ".join(f"{type(error).__name__}: {error}".split())
            self.note.value = f"{message} (below: {self.shown})"
            self.note.layout.display = None
            raise
        self.drawn = figure
        self.shown = ", ".join(f"{name} = {text(values[name])}" for name in values)
        self.note.value, self.note.layout.display = "", "none"

    @property
    def figure(self) -> Figure:
        """The last figure that was drawn."""
        return self.drawn

    def picture(self) -> bytes:
        """Return the last figure as the bytes of a PNG file."""
        return self.image.value

    def __repr__(self) -> str:
        return f"Explorer({self.draw.__name__}, {', '.join(self.controls)})"


def explore(
    draw: Callable[..., Figure], on_page: dict[str, Any] | None = None, **controls: Any
) -> Explorer:
    """Return the figure that `draw` makes, with a control for some of its arguments.

    A control is (low, high, step) for a slider, a list for a menu, or any ipywidget. It
    starts at the default of the argument.

    The published book has no Python: it shows a frame for each position of the
    controls. `on_page` names a larger step, or a list of values, for some of them.

    Example:

    >>> from vaelib.chapter import explore, subplots
    >>> def line(slope=1.0):
    ...     figure, axes = subplots(size=(3, 2))
    ...     axes.plot([0, slope])
    ...     return figure
    >>> explore(line, slope=(0.0, 5.0, 0.5))
    Explorer(line, slope)
    """
    return Explorer(draw, on_page, **controls)


def text(value: Any) -> str:
    """Return the value of a control as text, a float without rounding errors."""
    return f"{value:g}" if isinstance(value, float) else str(value)
