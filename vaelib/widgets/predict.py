"""Predict: a question whose computed answer is shown when the reader has answered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import anywidget
import numpy as np
from traitlets import Dict

from vaelib.widgets import frontend

MOST_POINTS = 41  # of a curve that is stored
NUMBER, CURVE = 0.1, 0.15  # what counts as right, if the chapter does not say it
SIDES = ("low", "high")  # an answer below the computed one, or above it


class Predict(anywidget.AnyWidget):
    """Widget that asks the reader for an answer, and then shows the computed one.

    `truth` says what the reader gives: one of the `choices`, a curve over `x` if it is
    an array, or else a number. `says` pairs likely wrong answers with a sentence each:
    a choice, a number ("low" and "high" are for all others), or a curve over `x`. It is
    a dictionary, or for curves a list of pairs. `because` is shown after any answer.

    A number counts as right up to a share `within` of the computed one: 0.1, or 0 for
    an integer. For a curve it is the mean distance as a share of the curve's range.
    `unit` is that of the number or of the curve, and `axes` are the labels of x and y.

    The outputs of the next `cells` cells are hidden until the reader has answered or
    skipped the question. The reader's answer stays in the browser; no kernel is needed.

    Raises ValueError if a reader could not give the right answer, or would be told that
    it is an error.

    Example:

    >>> from vaelib.widgets import Predict
    >>> coins = [0, 1, 1]
    >>> Predict("How many heads?", sum(coins), {3: "One of them is 0."})
    Predict('How many heads?')
    """

    _esm = frontend.short_module("predict")
    _css = frontend.predict_style()
    asked: Any = Dict().tag(sync=True)

    def __init__(
        self,
        question: str,
        truth: Any,
        says: dict[Any, str] | Iterable[tuple[Any, str]],
        *,
        choices: Sequence[str] = (),
        x: Any = None,
        because: str = "",
        unit: str = "",
        within: float | None = None,
        axes: tuple[str, str] = ("x", "y"),
        cells: int = 1,
    ) -> None:
        super().__init__()
        pairs = list(says.items() if isinstance(says, dict) else says)
        if choices:
            found = choice(truth, list(choices), pairs)
        elif x is not None or np.ndim(truth):
            found = curve(truth, x, pairs, CURVE if within is None else within)
        else:
            found = number(truth, pairs, within)
        about = dict(because=because, unit=unit, axes=list(axes), cells=cells)
        self.asked = dict(question=question) | about | found

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the view of the widget, and the question where it cannot be shown."""
        bundle: Any = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        choices = "".join(f"\n- {choice}" for choice in self.asked.get("choices", []))
        text = f"**{self.asked['question']}**\n{choices}".strip()
        data["text/markdown"] = text
        return bundle

    def __repr__(self) -> str:
        return f"Predict({self.asked['question']!r})"


def choice(truth: Any, choices: list[str], says: list[Any]) -> dict[str, Any]:
    """Return what the page has to know of a choice; each wrong one has its sentence."""
    if truth not in choices:
        raise ValueError(f"truth = {truth!r} is none of the choices {choices}.")
    wrong, given = [c for c in choices if c != truth], [key for key, _ in says]
    if missing := [c for c in wrong if c not in given]:
        raise ValueError(f"says has no sentence for the choice {missing[0]!r}: add it.")
    others = [key for key in given if key not in choices]
    if others:
        raise ValueError(f"says explains {others[0]!r}, none of the choices {choices}.")
    # A chapter may explain all choices, as it does not know which one will be right.
    kept = [[key, text] for key, text in says if key != truth]
    return dict(kind="choice", choices=choices, truth=truth, says=kept)


def number(truth: Any, says: list[Any], within: float | None) -> dict[str, Any]:
    """Return what the page has to know of a number."""
    if within is None:
        within = 0 if isinstance(truth, int | np.integer) else NUMBER
    value = finite(truth, "truth")
    if within and not value:
        raise ValueError("truth is 0, of which no share can be allowed: ask a choice.")
    kept = []
    for key, text in says:
        wrong = key if key in SIDES else finite(key, "a wrong answer of says")
        if wrong not in SIDES and abs(wrong - value) <= within * abs(value):
            raise ValueError(f"says explains {key}, which counts as right: remove it.")
        kept.append([wrong, text])
    return dict(kind="number", truth=value, says=kept, within=within)


def curve(truth: Any, x: Any, says: list[Any], within: float) -> dict[str, Any]:
    """Return what the page has to know of a curve, at `MOST_POINTS` points at most."""
    if x is None:
        raise ValueError("truth is an array, and x is missing: give its points as x.")
    places = np.asarray(x, float)
    named = [("truth", truth), *(("a curve of says", key) for key, _ in says)]
    curves = [np.asarray(values, float) for _, values in named]
    for (name, _), values in zip(named, curves, strict=True):
        if values.shape != places.shape or values.ndim != 1:
            raise ValueError(
                f"{name} has the shape {values.shape} and x {places.shape}: both need "
                "one value for each point."
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{name} has a value that is not finite: leave it out.")
    if len(places) < 3 or (np.diff(places) <= 0).any():
        raise ValueError(f"x = {places.tolist()} must have 3 or more rising numbers.")
    room = np.ptp(curves[0]) * within
    for other, (_, text) in zip(curves[1:], says, strict=True):
        if np.abs(other - curves[0]).mean() <= room:
            raise ValueError(f"says explains a curve that counts as right: {text!r}.")

    lowest, highest = np.min(curves), np.max(curves)
    margin = 0.08 * (highest - lowest) or 1.0
    kept = np.linspace(0, len(places) - 1, min(len(places), MOST_POINTS)).round()
    places, *curves = (short(values[kept.astype(int)]) for values in (places, *curves))
    return dict(
        kind="curve",
        truth=curves[0],
        says=[[c, text] for c, (_, text) in zip(curves[1:], says, strict=True)],
        within=within,
        x=places,
        limits=short(np.array([lowest - margin, highest + margin])),
    )


def finite(value: Any, name: str) -> float:
    """Return a number with 6 digits; raise ValueError if it is not finite."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{name} is {value!r}, and must be a finite number.")
    return float(f"{found:.6g}")


def short(values: np.ndarray) -> list[float]:
    """Return an array as numbers of 5 digits."""
    return [float(f"{value:.5g}") for value in values.tolist()]
