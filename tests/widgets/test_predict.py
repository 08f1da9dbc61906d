"""Predict: what a page gets to know of a question, and questions that are refused."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch

from vaelib.widgets import Predict

FATES = ["it rises", "it falls", "it stays"]
SAYS = {"it falls": "No.", "it stays": "Not quite."}
X = np.linspace(0, 1, 101)


def test_a_choice_is_stored_with_a_sentence_for_each_wrong_one():
    asked = Predict("What?", FATES[0], SAYS, choices=FATES, because="So it is.").asked
    assert (asked["kind"], asked["truth"]) == ("choice", "it rises")
    assert asked["choices"] == FATES
    assert asked["says"] == [["it falls", "No."], ["it stays", "Not quite."]]
    assert (asked["because"], asked["cells"]) == ("So it is.", 1)


def test_a_sentence_for_the_choice_that_turns_out_right_is_left_out():
    asked = Predict("What?", FATES[1], SAYS | {"it rises": "No."}, choices=FATES).asked
    assert [key for key, _ in asked["says"]] == ["it stays", "it rises"]


@pytest.mark.parametrize(
    ("truth", "stored", "within"),
    [
        (8, 8, 0),
        (np.int64(8), 8, 0),
        (torch.tensor(104.5), 104.5, 0.1),
        (1 / 3, 0.333333, 0.1),
    ],
)
def test_a_number_has_six_digits_and_an_integer_must_be_met(
    truth: Any, stored: float, within: float
):
    asked = Predict("How many?", truth, {2: "No.", "high": "Less."}, unit="nats").asked
    assert asked["kind"] == "number"
    assert math.isclose(asked["truth"], stored)
    assert (asked["within"], asked["unit"]) == (within, "nats")
    assert asked["says"] == [[2.0, "No."], ["high", "Less."]]


def test_a_curve_is_thinned_out_with_its_wrong_ones():
    pairs = [(1 - X, "It rises."), (torch.tensor(0 * X), "It is not flat.")]
    asked = Predict("Draw it.", X**2, pairs, x=X, axes=("x", "y")).asked
    assert asked["kind"] == "curve"
    assert len(asked["x"]) == len(asked["truth"]) == 41
    assert (asked["x"][0], asked["x"][-1]) == (0, 1)
    np.testing.assert_allclose(asked["truth"], np.square(asked["x"]), atol=1e-4)
    assert [text for _, text in asked["says"]] == ["It rises.", "It is not flat."]
    low, high = asked["limits"]
    assert low < 0 < 1 < high


def test_the_state_is_plain_and_small():
    asked = Predict("Draw it.", X**2, [(X, "No.")], x=X).asked
    assert len(json.dumps(asked)) < 1500
    widget = Predict("What?", FATES[0], SAYS, choices=FATES)
    own = {"asked"} | {name for name in widget.keys if name.startswith("_")}
    assert set(widget.keys) - own <= {"layout", "tabbable", "tooltip"}


def test_where_a_widget_cannot_be_shown_the_question_stands():
    widget = Predict("What?", FATES[0], SAYS, choices=FATES, because="So it is.")
    bundle: Any = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    expected = "**What?**\n\n- it rises\n- it falls\n- it stays"
    assert data["text/markdown"] == expected
    assert repr(widget) == "Predict('What?')"


NAN = math.nan


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(truth="up", says=SAYS, choices=FATES), "truth = 'up' is none of the ch"),
        (dict(truth=0, says=SAYS, choices=FATES), "truth = 0 is none of the choices"),
        (
            dict(truth=FATES[0], says={FATES[1]: "No."}, choices=FATES),
            "it stays",
        ),
        (
            dict(truth=FATES[0], says=SAYS | {"up": "No."}, choices=FATES),
            "explains 'up', none of the choices",
        ),
        (dict(truth=NAN, says={}), "truth is nan, and must be a finite number"),
        (dict(truth="8", says={"x": ""}), "answer of says is 'x', and must be a fin"),
        (dict(truth=None, says={}), "truth is None, and must be a finite number"),
        (dict(truth=8, says={8: "No."}), "explains 8, which counts as right: remove"),
        (dict(truth=8.0, says={8.5: "No."}), "explains 8.5, which counts as right"),
        (dict(truth=0.0, says={}), "truth is 0, of which no share can be allowed"),
        (dict(truth=X, says=[]), "truth is an array, and x is missing"),
        (dict(truth=X[1:], says=[], x=X), r"truth has the shape \(100,\) and x \(101,"),
        (dict(truth=X, says=[(1.0, "")], x=X), r"a curve of says has the shape \(\)"),
        (dict(truth=X * NAN, says=[], x=X), "truth has a value that is not finite"),
        (dict(truth=X, says=[], x=X[::-1]), "must have 3 or more rising numbers"),
        (dict(truth=X[:2], says=[], x=X[:2]), r"x = \[0.0, 0.01\] must have 3 or more"),
        (dict(truth=X, says=[(X + 0.1, "No.")], x=X), "counts as right: 'No.'"),
    ],
)
def test_a_question_that_cannot_be_judged_is_refused(
    given: dict[str, Any], message: str
):
    with pytest.raises(ValueError, match=message) as refused:
        Predict("What?", **given)
    text = str(refused.value)
    assert text.endswith(".")
    assert "\n" not in text
