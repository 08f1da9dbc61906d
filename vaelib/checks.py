"""Checks of the values of settings: their types, their ranges, and names of folders."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

# What to give for a field, by its type.
EXPECTED = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "True or False",
    tuple[int, ...]: "whole numbers with commas, such as 400,200",
}


class ConfigError(ValueError):
    """A setting that is not allowed; the message is one sentence that says what is."""


def invalid(name: str, value: Any, advice: str) -> ConfigError:
    """Return the error for a setting: its name, its value, and what to give instead."""
    return ConfigError(f"{name} is {value!r}: {advice}.")


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


def check(name: str, hint: Any, value: Any, limits: Mapping[str, Any]) -> Any:
    """Return `value` with the type `hint` of its field: a list as a tuple, 1 as 1.0.

    Raises ConfigError if its type is wrong, or if a number exceeds `limits`: "least",
    "above" and "most".
    """
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise invalid(name, value, f"give one of {', '.join(get_args(hint))}")
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, (tuple, list)) or not all(map(is_size, value)):
            raise invalid(name, value, "give whole numbers from 1 to 10000")
        return tuple(value)
    if type(value) is not hint and not (type(value) is int and hint is float):
        raise invalid(name, value, f"give {EXPECTED[hint]}")
    if hint in (int, float):
        check_range(name, value, limits)
    return hint(value)


def is_size(value: Any) -> bool:
    """Return whether `value` can be the size of a hidden layer."""
    return type(value) is int and 1 <= value <= 10_000


def check_range(name: str, value: float, limits: Mapping[str, Any]) -> None:
    """Raise ConfigError if a number is out of range or is nan."""
    least, above, most = limits["least"], limits["above"], limits["most"]
    too_small = value < least if above is None else value <= above
    if too_small or value > most:
        low = f"of at least {least}" if above is None else f"above {above}"
        raise invalid(name, value, f"give a number {low} and at most {most:g}")
    if math.isnan(value):
        raise invalid(name, value, "give a finite number")


def check_name(what: str, name: str) -> None:
    """Raise ConfigError if the name of a run or group is not safe as a folder name.

    It must not lead out of its parent folder, nor be that of the pointer `latest`.
    """
    is_safe = re.fullmatch(r"[\w+=-][\w.+=-]{0,99}", name)
    if name and (not is_safe or name.lower() in ("latest", "latest.txt")):
        raise invalid(
            what,
            name,
            "give letters, digits and . _ - + =, no dot first, at most 100, "
            "and not 'latest'",
        )
