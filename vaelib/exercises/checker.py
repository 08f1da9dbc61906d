"""Check what a reader answers to an exercise, and find the exercise by its number.

The exercise 3.1 is the function `exercise_1` of `vaelib.exercises.chapter_03`, which
returns what is asked for. Expected values are computed when the exercise is checked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from vaelib.checks import UserError
from vaelib.exercises.parts import Part, is_missing

PREFIX = "exercise_"


class ExerciseError(UserError):
    """A wrong call of `check`; the message is one sentence that says what is right."""


def check(exercise: str, *answers: Any) -> None:
    """Print whether the answers to an exercise are right, or what is wrong.

    The answers are numbers, tensors or functions, in the order of the exercise. Three
    dots stand for an answer that is still missing. Raises `ExerciseError` if there is
    no such exercise, or if it asks for another number of answers.

    Example:

    >>> from vaelib.exercises import check
    >>> check("5.1", ..., ...)
    5.1: replace the dots by your answer, then run this cell again.
    """
    print(verdict(exercise, *answers))


def verdict(exercise: str, *answers: Any) -> str:
    """Return what `check` prints: one sentence about the first answer to change."""
    parts = parts_of(exercise)
    names = [part.name for part in parts]
    if len(answers) != len(parts):
        asked = f'check("{exercise}", {", ".join(names)})'
        raise ExerciseError(f"{exercise} asks for {len(parts)}, not {len(answers)}, "
                            f"answers: {asked}.")  # fmt: skip
    pairs = list(zip(parts, answers, strict=True))
    given = [(part, answer) for part, answer in pairs if not is_missing(part, answer)]
    if not given:
        return f"{exercise}: replace the dots by your answer, then run this cell again."
    for part, answer in given:
        if wrong := part.wrong(answer):
            wrong = exchanged(part, answer, given) or wrong
            return f"{exercise}: {part.name}{wrong}"
    missing = [part.name for part, answer in pairs if is_missing(part, answer)]
    if missing:
        right = ", ".join(part.name for part, _ in given)
        return f"{exercise}: right so far ({right}); missing: {', '.join(missing)}."
    return f"{exercise}: right ({tolerances(parts)})."


def exchanged(part: Part, answer: Any, given: Sequence[tuple[Part, Any]]) -> str:
    """Return a sentence if two answers are right, each under the other's name."""
    for other, its in given:
        plain = other is not part and not (part.at or other.at)
        if plain and not other.wrong(answer) and not part.wrong(its):
            return f" has the value of {other.name}: the two are exchanged."
    return ""


def tolerances(parts: Sequence[Part]) -> str:
    """Return the tolerances of all parts, each different one with its names."""
    found: dict[str, list[str]] = {}
    for part in parts:
        found.setdefault(part.tolerance, []).append(part.name)
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{', '.join(names)} {how}" for how, names in found.items())


def parts_of(exercise: str) -> list[Part]:
    """Return what an exercise asks for.

    Raises `ExerciseError` if there is no such exercise.
    """
    found = known()
    if exercise not in found:
        raise ExerciseError(
            f"there is no exercise {exercise!r} with a check; "
            f"there are {', '.join(found)}."
        )
    return found[exercise]()


def known() -> dict[str, Callable[[], list[Part]]]:
    """Return the exercises that have a check, by their numbers, in order."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("chapter_*.py")):
        room = import_module(f"vaelib.exercises.{file.stem}")
        for name, function in inspect.getmembers(room, inspect.isfunction):
            if name.startswith(PREFIX):
                number = name.removeprefix(PREFIX)
                found[f"{int(file.stem[-2:])}.{number}"] = function
    return found
