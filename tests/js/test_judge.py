"""What is said of a predicted answer: the right sentence for each error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from vaelib.widgets import Predict

Engine = Callable[..., Any]
JUDGE = "return given.answers.map((answer) => engine.judged(given.asked, answer));"
X = np.linspace(0, 4, 101)


def verdicts(engine: Engine, widget: Predict, *answers: Any) -> list[tuple[bool, str]]:
    """Return of each answer whether it is right, and the sentence for its error."""
    found = engine(JUDGE, "judge", asked=widget.asked, answers=answers)
    return [(each["isRight"], each["sentence"]) for each in found]


def test_each_wrong_choice_has_its_sentence(engine: Engine):
    says = {"falls": "F.", "stays": "S."}
    choices = ["rises", "falls", "stays"]
    widget = Predict("What?", choices[0], says, choices=choices)
    expected = [(True, ""), (False, "F."), (False, "S.")]
    assert verdicts(engine, widget, *choices) == expected


def test_a_number_is_right_within_its_share_and_else_the_nearest_error(engine: Engine):
    says = {-10: "Sign.", 20: "Twice.", 21.5: "More.", "low": "L.", "high": "H."}
    widget = Predict("How many?", 10.0, says, within=0.1)
    answers = {
        9.0: (True, ""),
        11.0: (True, ""),
        8.99: (False, "L."),
        11.01: (False, "H."),
        -10.5: (False, "Sign."),
        20.4: (False, "Twice."),  # which both could be
        21.0: (False, "More."),
        30.0: (False, "H."),
        -30.0: (False, "L."),
    }
    assert verdicts(engine, widget, *answers) == list(answers.values())


def test_an_integer_must_be_met(engine: Engine):
    widget = Predict("How many?", 8, {0: "None?", "high": "H."})
    expected = [(True, ""), (False, ""), (False, "H."), (False, "None?")]
    assert verdicts(engine, widget, 8, 7.9, 8.1, 0) == expected


def test_a_number_that_is_zero_can_be_met(engine: Engine):
    widget = Predict("How many?", 0, {1: "One?", "high": "H."})
    assert verdicts(engine, widget, 0, 1, 2) == [
        (True, ""),
        (False, "One?"),
        (False, "H."),
    ]


@pytest.mark.parametrize("points", [3, 8, 9, 41, 101])
def test_a_curve_is_right_if_it_is_near_and_else_the_nearest_error(
    engine: Engine, points: int
):
    x = np.linspace(0, 4, points)
    truth, rising, flat = (x - 2) ** 2, x, 0 * x + 4
    pairs = [(rising, "Rising."), (flat, "Flat.")]
    widget = Predict("Draw it.", truth, pairs, x=x, within=0.15)
    count = len(widget.asked["x"])
    at = engine("return engine.handleIndices(given.count);", "judge", count=count)
    assert (at[0], at[-1]) == (0, count - 1)
    assert len(at) == min(points, 9)
    places = np.array(widget.asked["x"])[at]
    curves = [(places - 2) ** 2 + 0.5, places + 0.1, 0 * places + 3.9]
    expected = [(True, ""), (False, "Rising."), (False, "Flat.")]
    answers = [curve.tolist() for curve in curves]
    assert verdicts(engine, widget, *answers) == expected
    far = ((places - 2) ** 2 - 1.5).tolist()
    assert verdicts(engine, widget, far) == [(False, "")], "no error is nearer"
    [found] = engine(JUDGE, "judge", asked=widget.asked, answers=answers[:1])
    assert found["distance"] == pytest.approx(0.5, abs=1e-3)


def test_what_a_browser_has_kept_is_taken_only_if_it_can_be_an_answer(engine: Engine):
    code = "return given.kept.map((kept) => engine.canBeAnswer(given.asked, kept));"
    choice = Predict("What?", ["a", "b"][0], {"b": "No."}, choices=["a", "b"])
    number = Predict("How many?", 2.5, {})
    curve = Predict("Draw it.", X**2, [], x=X)
    for widget, good, bad in (
        (choice, "b", ["c", 0, None, [], {}]),
        (number, -1.5, ["1.5", None, [], {}]),
        (curve, [0.0] * 9, [[0.0] * 8, [None] * 9, "a", 1, None, {}]),
    ):
        found = engine(code, "judge", asked=widget.asked, kept=[good, *bad])
        assert found == [True] + [False] * len(bad)
