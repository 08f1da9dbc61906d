"""Checks of the values of settings: their types, their ranges, and names of folders."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

# What to give for a field, by its type.
EXPECTED = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "True or False",
    tuple[int, ...]: "whole numbers with commas, such as 400,200",
}


MOST_LAYERS = 100
# Windows opens a device for each of these names, whatever their ending.
DEVICES = r"(?i:con|prn|aux|nul|(com|lpt)\d)(\..*)?"


class UserError(ValueError):
    """A mistake of the user; its message is one sentence, on one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ConfigError(UserError):
    """A setting that is not allowed; the message is one sentence that says what is."""


def one_line(text: str, most: int = 500) -> str:
    r"""Return `text` on one line of at most `most` characters, all of them visible.

    Line breaks, control characters and marks that reverse the direction of writing are
    shown as escapes, such as `\n`.
    """
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in text
    )
    half = most // 2 - 3
    return shown if len(shown) <= most else f"{shown[:half]} ... {shown[-half:]}"


def invalid(name: str, value: Any, advice: str) -> ConfigError:
    """Return the error for a setting: its name, its value, and what to give instead."""
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # Python prints no number of 4300 digits
        shown = "too long to be shown"
    return ConfigError(f"{name} is {shown}: {advice}.")


def path_of(text: str | os.PathLike[str]) -> Path:
    """Return `text` as a path, where "~" is the home folder of the user.

    Raises ConfigError if it cannot be a path.
    """
    path = os.fspath(text)
    if "\0" in path:
        raise invalid("path", path, "give a path without the character NUL")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        advice = "the home folder is not known, so give the whole path, or set HOME"
        raise invalid("path", path, advice) from None


def option(
    default: Any,
    help: str,
    section: str,
    least: float = -math.inf,
    above: float | None = None,
    most: float = 1e6,
) -> Any:
    """Return a field of the config with its default, its `--help` line and its section.

    A number must be at least `least`, greater than `above`, and at most `most`.
    """
    limits = dict(least=least, above=above, most=most)
    metadata = dict(help=help, section=section, **limits)
    return dataclasses.field(default=default, metadata=metadata)


def plain(value: Any) -> Any:
    """Return a number of NumPy or torch as a Python number, a path as text.

    Arrays and tensors of one axis become lists. All other values are returned as given.
    """
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if getattr(value, "ndim", None) in (0, 1) and hasattr(value, "tolist"):
        return value.tolist()
    return value


def convert(hint: Any, text: str) -> Any:
    """Return `text` as a value of type `hint`, or raise ValueError."""
    if hint in (int, float):
        return hint(text)
    if get_origin(hint) is tuple:
        sizes = tuple(int(size) for size in text.split(","))
        return () if sizes == (0,) else sizes
    if hint is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return text


def read(name: str, hint: Any, text: str, limits: Mapping[str, Any]) -> Any:
    """Return the value of a field from its text on the command line.

    Raises ConfigError if the text cannot be read or the value is not allowed.
    """
    try:
        value = convert(hint, text)
    except ValueError:
        raise invalid(name, text, type_advice(hint)) from None
    return check(name, hint, value, limits)


def value_by_step(name: str, text: str) -> dict[int, str]:
    """Return the value at each step of STEP:VALUE,..., or raise ConfigError."""
    if not re.fullmatch(r"(\d+:[\d.e+-]+(,\d+:[\d.e+-]+)*)?", text):
        advice = "give STEP:VALUE, with commas between, such as 300:4,600:1"
        raise invalid(name, text, advice)
    pairs = (change.split(":") for change in text.split(",") if change)
    return {int(step): value for step, value in pairs}


def check(name: str, hint: Any, value: Any, limits: Mapping[str, Any]) -> Any:
    """Return `value` with the type `hint` of its field: a list as a tuple, 1 as 1.0.

    Numbers may be those of NumPy and torch, and text may be a path. Raises ConfigError
    if its type is wrong, or if a number exceeds `limits`: "least", "above" and "most".
    """
    value = plain(value)
    if get_origin(hint) is Literal:
        if not isinstance(value, str) or value not in get_args(hint):
            raise invalid(name, value, type_advice(hint))
        return value
    if get_origin(hint) is tuple:
        sizes = value
        if type(value) is int:  # one layer or, as on the command line, 0: none
            sizes = [value] if value else []
        is_list = isinstance(sizes, (tuple, list)) and len(sizes) <= MOST_LAYERS
        if not is_list or not all(map(is_size, sizes)):
            advice = f"give whole numbers from 1 to 10000, at most {MOST_LAYERS}"
            raise invalid(name, value, advice)
        return tuple(plain(size) for size in sizes)
    if type(value) is not hint and not (type(value) is int and hint is float):
        raise invalid(name, value, type_advice(hint))
    if hint in (int, float):
        check_range(name, value, limits)
    if isinstance(value, str) and "\0" in value:
        raise invalid(name, value, "give text without the character NUL")
    return hint(value)


def is_size(value: Any) -> bool:
    """Return whether `value` can be the size of a hidden layer."""
    return type(plain(value)) is int and 1 <= value <= 10_000


def check_range(name: str, value: float, limits: Mapping[str, Any]) -> None:
    """Raise ConfigError if a number is out of range or is nan."""
    least, above, most = limits["least"], limits["above"], limits["most"]
    too_small = value < least if above is None else value <= above
    if too_small or value > most:
        raise invalid(name, value, range_advice(limits))
    if math.isnan(value):
        raise invalid(name, value, "give a finite number")


def type_advice(hint: Any) -> str:
    """Return what to give for a value that is not of the type `hint` of its field."""
    if get_origin(hint) is Literal:
        return f"give one of {', '.join(get_args(hint))}"
    return f"give {EXPECTED[hint]}"


def range_advice(limits: Mapping[str, Any]) -> str:
    """Return what to give for a number that is out of range."""
    least, above, most = limits["least"], limits["above"], limits["most"]
    low = f"of at least {least}" if above is None else f"above {above}"
    return f"give a number {low} and at most {most:g}"


def check_name(what: str, name: str) -> None:
    """Raise ConfigError if the name of a run or group is not safe as a folder name.

    It must not lead out of its parent folder, nor be that of the pointer `latest`.
    """
    is_safe = re.fullmatch(r"[\w+=-]([\w.+=-]{0,98}[\w+=-])?", name)
    is_taken = name.lower() in ("latest", "latest.txt") or re.fullmatch(DEVICES, name)
    if name and (not is_safe or is_taken):
        raise invalid(
            what,
            name,
            "give letters, digits and . _ - + =, no dot first or last, at most 100, "
            "and neither 'latest' nor a name that Windows keeps for a device",
        )
