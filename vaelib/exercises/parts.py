"""One name that an exercise asks for: its right value and its typical errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from vaelib.checks import one_line
from vaelib.exercises.diagnosis import Close, diagnose, shown


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns for copies of the arguments."""
    return function(*(a.clone() if isinstance(a, Tensor) else a for a in arguments))


@dataclass(frozen=True)
class Part:
    """One name that an exercise asks for.

    `right` is a number, a tensor, True or False, or a function if `at` contains the
    arguments for which its results are compared. They may differ by `rel` times the
    right value plus `tol`. `errors` maps a sentence to the wrong value, or function,
    that it explains. `ask` calls a function whose result alone is not enough, with the
    same arguments. `share`: the value is a probability; `rough`: it depends on
    training, so that no factor can be found in it. `judge` replaces all this: it
    returns what is wrong with an answer, or "", and `measured` says how.
    """

    name: str
    right: Any
    at: Sequence[tuple[Any, ...]] = ()
    rel: float = 0.0
    tol: float = 0.0
    errors: Mapping[str, Any] = field(default_factory=dict)
    ask: Callable[..., Any] = call
    share: bool = False
    rough: bool = False
    judge: Callable[[Any], str] | None = None
    measured: str = ""

    @property
    def tolerance(self) -> str:
        """How exact an answer must be, in words."""
        bounds = [f"{100 * self.rel:g} %"] * (self.rel > 0)
        bounds += [f"{self.tol:g}"] * (self.tol > 0)
        return self.measured or (f"within {' + '.join(bounds)}" if bounds else "exact")

    def wrong(self, answer: Any) -> str:
        """Return what is wrong with an answer, to be read after its name, or ""."""
        if self.judge:
            try:
                return after_name(self.judge(answer))
            except Exception as error:
                return f" cannot be checked: {told(error)}"
        if callable(answer) != bool(self.at):
            kind = "a function" if self.at else "a value"
            return f" should be {kind}, but is a {type(answer).__name__}."
        got = []
        for arguments in self.at or [()]:
            value, problem = self.value(answer, arguments)
            if problem:
                return problem
            got.append(value)
        right = self.results(self.right)
        # A tensor with one entry stands for a number.
        got = [
            mine.reshape(()) if mine.numel() == 1 and not expected.ndim else mine
            for mine, expected in zip(got, right, strict=True)
        ]
        close = Close(right, self.rel, self.tol, self.rough)
        if close(got):
            return ""
        for sentence, error in self.errors.items():
            if close.to(self.results(error))(got):
                return f": {sentence}"
        for arguments, mine, expected in zip(self.at or [()], got, right, strict=True):
            if mine.shape != expected.shape:
                return self.wrong_shape(arguments, mine, expected)
        if isinstance(self.right, bool):
            return " is not right: think again."
        if general := diagnose(got, close, self.share):
            return general
        return self.first_difference(got, close)

    def results(self, answer: Any) -> list[Tensor]:
        """Return the value, or the results of the function at all points."""
        if not self.at:
            return [tensor(answer)]
        return [tensor(self.ask(answer, *arguments)) for arguments in self.at]

    def value(self, answer: Any, arguments: tuple[Any, ...]) -> tuple[Tensor, str]:
        """Return the value of an answer at one point, or what is wrong with it."""
        where = self.where(arguments)
        nothing = torch.tensor([])
        try:
            found = self.ask(answer, *arguments) if self.at else answer
        except Exception as error:
            return nothing, f"{where} raises an error: {told(error)}"
        if found is None:
            return nothing, f"{where} returns nothing: does it end with return?"
        if isinstance(self.right, bool) and not isinstance(found, bool):
            return nothing, " should be True or False."
        try:
            value = tensor(found)
        except (TypeError, ValueError, RuntimeError):
            kind = type(found).__name__
            return nothing, f"{where} is a {kind}, not a number or a tensor."
        if not torch.isfinite(value).all():
            return nothing, f"{where} contains nan or an infinite value."
        return value, ""

    def where(self, arguments: tuple[Any, ...]) -> str:
        """Return the arguments as they stand in a call, to be read after the name."""
        return f"({', '.join(map(shown, arguments))})" if self.at else ""

    def wrong_shape(self, arguments: Any, mine: Tensor, right: Tensor) -> str:
        """Return what is wrong with the shape of a value."""
        where, shape = self.where(arguments), tuple(mine.shape)
        asked = f"the shape {tuple(right.shape)}" if right.ndim else "a single number"
        said = f"{where} has the shape {shape}, but {asked} is asked for"
        if not mine.ndim:
            said = f"{where} is a single number, but {asked} is asked for"
            if torch.isclose(mine, right.sum()) or torch.isclose(mine, right.mean()):
                said += ": do not sum or average over this axis"
        elif mine.ndim == 2 and mine.T.shape == right.shape:
            said += ": it is transposed"
        elif mine.ndim > right.ndim:
            said += ": is a sum or a mean over an axis missing?"
        return said if said.endswith("?") else f"{said}."

    def first_difference(self, got: list[Tensor], close: Close) -> str:
        """Return where the answer differs first, with its own value."""
        points = self.at or [()]
        for arguments, mine, right in zip(points, got, close.right, strict=True):
            bad = ~close.entries(mine, right)
            if not bad.any():
                continue
            place = tuple(bad.nonzero()[0].tolist())
            entry = f"[{', '.join(map(str, place))}]" if place else ""
            value, expected = mine[place].item(), right[place].item()
            size = "large" if value > expected else "small"
            where = f"{self.where(arguments)}{entry}"
            return f"{where} is {value:.6g}, which is too {size} ({self.tolerance})."
        return " is not right."


def after_name(sentence: str) -> str:
    """Return the sentence of a judge as it follows a name."""
    return f": {sentence}" if sentence else ""


def told(error: Exception) -> str:
    """Return an exception as one line."""
    return one_line(f"{type(error).__name__}: {error}", 160)


def tensor(value: Any) -> Tensor:
    """Return numbers as a tensor in double precision, apart from its graph."""
    if isinstance(value, (tuple, list)):
        value = torch.stack([tensor(v) for v in value])
    return torch.as_tensor(value, dtype=torch.float64).detach().cpu()


def is_missing(part: Part, answer: Any) -> bool:
    """Return whether three dots stand for an answer, or are all that it returns."""
    if answer is ... or not (callable(answer) and part.at):
        return answer is ...
    try:
        return part.ask(lambda *given: reveal(answer(*given)), *part.at[0]) is ...
    except Dots:
        return True
    except Exception:
        return False


class Dots(Exception):
    """A function returned three dots."""


def reveal(value: Any) -> Any:
    """Return a value. Raises `Dots` if it is three dots."""
    if value is ...:
        raise Dots
    return value


def noise(seed: int, *shape: int) -> Tensor:
    """Return the same draws from N(0, 1) at every call, in double precision."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def between(name: str, low: float, high: float, **more: Any) -> Part:
    """Return the part of a value that depends on training: an interval for it."""
    middle, half = (low + high) / 2, (high - low) / 2
    return Part(name, middle, tol=half, rough=True, **more)
