"""Figures with sliders on the published page, which has no Python.

When a notebook is run, its kernel draws a frame of each figure that `explore` shows for
each position of the controls. All frames of a figure are one file in book/figures,
which `vaelib/widgets/js/live_figure.js` shows.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from frames import BLACK, COLOUR, drawn, figure_at, layout, on_dark
from matplotlib.figure import Figure

from vaelib import files
from vaelib.chapter import Explorer

FOLDER = Path(__file__).parent / "figures"
MOST = 1000  # frames of a figure
Values = dict[str, list[Any]]  # of each control


def file_of(chapter: str, draw: str) -> Path:
    """Return the file of what the function `draw` of a chapter draws."""
    return FOLDER / f"{chapter}-{draw}.json.gz"


def read(file: Path) -> dict[str, Any]:
    """Return a stored figure."""
    return json.loads(gzip.decompress(file.read_bytes()))


def write(explorer: Explorer, chapter: str, code: str) -> None:
    """Draw all frames of a figure and store them; `code` is the hash of its code."""
    figure = packed(explorer) | dict(code=code)
    text = json.dumps(figure, ensure_ascii=False, separators=(",", ":"))
    file = file_of(chapter, explorer.draw.__name__)
    files.write(file, gzip.compress(text.encode(), 9, mtime=0))


def values_of(explorer: Explorer) -> Values:
    """Return the values that each control of a figure has on the page.

    Raises ValueError if there are too many, or if the first one shown is missing.
    """
    found: Values = {}
    for name, control in explorer.controls.items():
        chosen = explorer.on_page.get(name)
        if isinstance(chosen, list) or hasattr(control, "options"):
            found[name] = chosen or list(control.options)
        else:
            step = chosen or control.step
            count = math.floor((control.max - control.min) / step + 1e-6)
            steps = (control.min + i * step for i in range(count + 1))
            found[name] = [round(value, 10) for value in steps]
        if control.value not in found[name]:
            raise ValueError(
                f"{explorer!r} begins with {name} = {control.value}, which is none of "
                f"its values on the page, {found[name]}: change on_page."
            )
    frames = math.prod(map(len, found.values()))
    if frames > MOST:
        raise ValueError(
            f"{explorer!r} has {frames} frames, and a page shows at most {MOST}: name "
            "steps or lists of values in on_page."
        )
    return found


def states(values: Values) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each frame; the last control changes first."""
    for state in product(*values.values()):
        yield dict(zip(values, state, strict=True))


class Versions:
    """The different texts of one part in all frames, and which one each frame has."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {"": 0}
        self.of_frame: list[int] = []

    def add(self, frame: int, text: str) -> None:
        """Add the text of a frame; the frames before may have none."""
        self.of_frame += [0] * (frame - len(self.of_frame))
        self.of_frame.append(self.numbers.setdefault(text, len(self.numbers)))

    def stored(self, frames: int) -> list[Any]:
        """Return the texts, and the number of each frame's, or one for all frames."""
        numbers = self.of_frame + [0] * (frames - len(self.of_frame))
        if len(set(numbers)) == 1:
            return [list(self.numbers)[numbers[0] :][:1], 0]
        return [list(self.numbers), numbers]


def packed(explorer: Explorer) -> dict[str, Any]:
    """Return all frames of a figure, and what a page needs to move them."""
    values = values_of(explorer)
    first = {name: control.value for name, control in explorer.controls.items()}
    ends = {name: [given[0], given[-1]] for name, given in values.items()}
    form = layout([figure_at(explorer.draw, at) for at in (first, *states(ends))])

    said, parts = Versions(), defaultdict[tuple[int, int], Versions](Versions)
    shared: dict[str, str] = {}
    count = math.prod(map(len, values.values()))
    for frame, state in enumerate(states(values)):
        figure = figure_at(explorer.draw, state)
        said.add(frame, words(figure))
        axes, needed = drawn(figure, form)
        shared |= needed
        for i, group in enumerate(axes):
            for k, text in enumerate(group):
                parts[i, k].add(frame, text)

    texts = [text for part in parts.values() for text in part.numbers]
    used = {BLACK, *COLOUR.findall("".join([*shared.values(), *texts]))}
    return dict(
        layout=asdict(form),
        controls=[
            told(name, control, values[name])
            for name, control in explorer.controls.items()
        ],
        colours={name: on_dark(name) for name in sorted(used)},
        shared="".join(shared.values()),
        parts=[
            [form.panel_of[i], *parts[i, k].stored(count)] for i, k in sorted(parts)
        ],
        says=said.stored(count),
    )


def told(name: str, control: Any, values: list[Any]) -> dict[str, Any]:
    """Return what a page has to know of a control."""
    is_menu = hasattr(control, "options")
    return dict(
        name=name,
        label=label_of(name),
        values=values,
        texts=[str(value) for value in values] if is_menu else texts_of(values),
        first=values.index(control.value),
        isMenu=is_menu,
    )


def label_of(name: str) -> str:
    """Return the symbol of a control: μ for mu, z₁ for z1."""
    letters = name.rstrip("0123456789")
    digits = name.removeprefix(letters)
    with suppress(KeyError):
        letters = unicodedata.lookup(f"greek small letter {letters}")
    return letters + "".join(chr(0x2080 + int(digit)) for digit in digits)


def texts_of(values: list[Any]) -> list[str]:
    """Return the values of a slider as texts, with equally many decimals."""
    digits = max(len(f"{value:g}".partition(".")[2]) for value in values)
    return [f"{value:.{digits}f}".replace("-", "−") for value in values]


def words(figure: Figure) -> str:
    """Return the titles of a figure as plain text, which says what it shows now."""
    titles = (axes.get_title() or axes.get_title(loc="left") for axes in figure.axes)
    return " ".join(re.sub(r"[$\\{}]", "", "; ".join(filter(None, titles))).split())
