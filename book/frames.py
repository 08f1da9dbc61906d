"""The frames of a figure with sliders: SVG, taken apart so that each part is kept once.

Lengths are points. Colours are variables, which a page sets for light and for dark.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
from dark import darkened, turned
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "vaelib",  # the same names of markers in every run
    "svg.fonttype": "path",  # letters look the same everywhere
    "image.interpolation": "none",  # a picture keeps its own pixels
}
SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
NUMBER = re.compile(r"-?\d+\.\d{3,}")
BLACK = "000000"  # of what names no colour
HEX = re.compile(r"#([0-9a-f]{6})\b")
COLOUR = re.compile(r"var\(--x([0-9a-f]{6})\)")  # as a frame names it


@dataclass
class Layout:
    """Places of the axes, the same in all frames, and the panels of a figure.

    A panel is a range of x, with the axes in it. On a narrow screen panels stand below
    one another.
    """

    size: tuple[float, float]
    places: list[list[float]]  # left, bottom, width and height, as shares
    panels: list[list[float]]  # left and width
    panel_of: list[int]  # of each axes


def layout(figures: list[Figure]) -> Layout:
    """Return a layout with room for the labels of all these figures."""
    places = [Bbox.unit() for _ in figures[0].axes]
    spans = []
    for figure in figures:
        figure.draw_without_rendering()
        own = [axes.get_position(original=True) for axes in figure.axes]
        pairs = zip(places, own, strict=True)
        places = [Bbox.intersection(*pair) or pair[0] for pair in pairs]
        boxes = [axes.get_tightbbox() or axes.bbox for axes in figure.axes]
        points = 72 / figure.dpi
        spans.append([(box.x0 * points, box.x1 * points) for box in boxes])
    lefts, rights = np.min(spans, 0)[:, 0], np.max(spans, 0)[:, 1]

    cuts, panel_of, right = [0.0], [0] * len(places), rights[lefts.argmin()]
    for axes in np.argsort(lefts).tolist():
        if lefts[axes] >= right:  # to the right of all before it
            cuts.append(float(lefts[axes] + right) / 2)
        panel_of[axes] = len(cuts) - 1
        right = max(right, rights[axes])
    sides = figures[0].get_size_inches()
    width, height = (round(72 * float(side), 1) for side in sides)
    cuts = [round(cut, 1) for cut in [*cuts, width]]
    panels = [[a, round(b - a, 1)] for a, b in pairwise(cuts)]
    bounds = [[float(side) for side in place.bounds] for place in places]
    return Layout((width, height), bounds, panels, panel_of)


def figure_at(draw: Callable[..., Figure], state: dict[str, Any]) -> Figure:
    """Return the figure that a function draws for a state of its controls."""
    with matplotlib.rc_context(SETTINGS):
        return draw(**state)


def drawn(figure: Figure, layout: Layout) -> tuple[list[list[str]], dict[str, str]]:
    """Return the parts of each axes of a figure, and what they refer to, by its id."""
    figure.set_layout_engine("none")
    for axes, place in zip(figure.axes, layout.places, strict=True):
        axes.set_position(Bbox.from_bounds(*place))
    file = io.StringIO()
    with matplotlib.rc_context(SETTINGS):
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())

    shared = {}
    for definitions in list(root.iter(f"{SVG}defs")):
        for element in definitions:
            shared.setdefault(element.get("id"), markup(element, keep_id=True))
    _background, *groups = root.findall(f"{SVG}g/{SVG}g")
    assert len(groups) == len(figure.axes), "a figure has axes alone"
    return [[markup(part) for part in group] for group in groups], shared


def markup(element: ElementTree.Element, keep_id: bool = False) -> str:
    """Return an element of an SVG file in few characters."""
    name = element.tag.removeprefix(SVG)
    if name in ("defs", "style"):
        return ""
    inside = "".join(markup(child) for child in element)
    given = dict(element.attrib)
    if not keep_id:
        given.pop("id", None)
    if name == "g" and (not given or not inside):
        return inside
    if LINK in given:
        given["href"] = given.pop(LINK)
    if name == "image":
        return picture(given)
    text = written(given)
    return f"<{name}{text}>{inside}</{name}>" if inside else f"<{name}{text}/>"


def written(attributes: dict[str, str]) -> str:
    """Return attributes that are not empty as text."""
    given = ((key, short(value)) for key, value in attributes.items() if value)
    return "".join(f' {key}="{value}"' for key, value in given)


def picture(given: dict[str, str]) -> str:
    """Return an element of SVG for an image; if dark pages turn its colours, two."""
    _, _, data = given["href"].partition(",")
    light = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
    dark = darkened(light)
    same = dark.tobytes() == light.tobytes()
    shown = {"": light} if same else {"on-light": light, "on-dark": dark}
    given = given | dict(preserveAspectRatio="none")
    return "".join(
        f"<image{written(given | {'href': smallest(image), 'class': name})}/>"
        for name, image in shown.items()
    )


def short(value: str) -> str:
    """Return an attribute with lengths of two decimals and without needless blanks."""
    if value.startswith("data:"):
        return value
    value = NUMBER.sub(rounded, " ".join(value.split()))
    value = value.replace(": ", ":").replace("; ", ";")
    return HEX.sub(r"var(--x\1)", value)


def rounded(number: re.Match[str]) -> str:
    """Return a number with two decimals; a scale, which is small, with more."""
    value = float(number[0])
    text = f"{value:.2f}" if abs(value) > 0.5 else f"{value:.4f}"
    return text.rstrip("0").rstrip(".")


def smallest(image: Image.Image) -> str:
    """Return the data URL of an image, as lossless WebP or PNG."""
    grey = image.convert("L")
    least = grey if grey.convert("RGB").tobytes() == image.tobytes() else image
    files = {
        "png": saved(least, "png", optimize=True),
        "webp": saved(image, "webp", lossless=True, method=6),
    }
    kind = min(files, key=lambda kind: len(files[kind]))
    return f"data:image/{kind};base64,{base64.b64encode(files[kind]).decode()}"


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def on_dark(colour: str) -> str:
    """Return the colour, as six hexadecimal digits, that a dark page shows for it."""
    rgb = np.array([[list(bytes.fromhex(colour))]], np.int32)
    return bytes(turned(rgb).ravel().tolist()).hex()
