"""Two thousand random cases of bad input, and rules that must notice each fault."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

if sys.platform == "win32":
    pytest.skip("a time limit needs signals", allow_module_level=True)

from fuzz import TARGETS, attempt, count
from fuzzing import lines, world
from fuzzing.world import Case, World, judge

SEED, CASES, PART = 0, 2000, 40
PARTS = [
    (target, range(first, min(first + PART, count(target, CASES))))
    for target in TARGETS
    for first in range(0, count(target, CASES), PART)
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "numbers"), PARTS, ids=[f"{name}-{part.start}" for name, part in PARTS]
)
def test_bad_input_ends_in_one_sentence(target: str, numbers: range) -> None:
    faults = [fault for number in numbers if (fault := attempt(target, number, SEED))]
    assert not faults, "\n".join(faults)


def test_the_cases_are_those_that_were_asked_for() -> None:
    assert sum(count(target, CASES) for target in TARGETS) == CASES
    assert sum(len(part) for _, part in PARTS) == CASES


def test_a_case_can_be_repeated(tmp_path: Path) -> None:
    for target in ("config", "toml", "picture", "tree", "checkpoint", "other"):
        shown = []
        for folder in (tmp_path / target / "1", tmp_path / target / "2"):
            place = World(folder)
            with place.entered():
                shown.append(TARGETS[target][0](Random(f"0 {target} 3"), place).shown)
        assert shown[0] == shown[1]


# Each rule, and a call that breaks it.


def refuse(message: str) -> None:
    raise OSError(message)


def say(text: str, status: int = 2) -> int:
    print(text, file=sys.stderr)
    return status


def take_memory() -> None:
    held = b"x" * (world.MEMORY + (64 << 20))
    del held


def write(path: str) -> Callable[[], Any]:
    return lambda: Path(path).write_text("new")


def write_and_refuse() -> None:
    Path("half").mkdir()
    refuse("a is 1: give 2.")


BAD: dict[str, Case] = {
    "KeyError at test_fuzz.py": Case(lambda: {}["a"], ""),
    "cannot be printed": Case(lambda: refuse("a is \u202ea: give b."), ""),
    r"cannot be printed: 'a\nb'": Case(lambda: refuse("a\nb"), ""),
    "has 700 characters": Case(lambda: refuse("x" * 700), ""),
    "the message is empty": Case(lambda: refuse(""), ""),
    "printed 'hello": Case(lambda: print("hello"), ""),
    "had to work": Case(lambda: refuse("a is 1: give 2."), "", "work"),
    "had to fail": Case(lambda: None, "", "fail"),
    "wrong result: assert value == 3": Case(lambda: 2, "", check=lambda v: is_three(v)),
    "warned: UserWarning: hear": Case(lambda: warnings.warn("hear", stacklevel=1), ""),
    "memory grew": Case(take_memory, ""),
    "['neighbour/precious.txt']": Case(write("../../neighbour/precious.txt"), ""),
    "['home/x']": Case(write("../../home/x"), "", writes=("out",)),
    "['work/cwd/half']": Case(write_and_refuse, "", writes=("half",)),
    "traceback: ZeroDivisionError": Case(lambda: 1 // 0, "", is_command=True),
    "is not one sentence": Case(lambda: say("vaelib: a\nb"), "", is_command=True),
    "not one sentence: ''": Case(lambda: 2, "", is_command=True),
    "status 3": Case(lambda: say("vaelib: no", 3), "", is_command=True),
    "\\x1b[31m": Case(lambda: say("\x1b[31mred", 0), "", is_command=True),
}


def is_three(value: int) -> None:
    assert value == 3


@pytest.mark.parametrize("fault", BAD)
def test_each_rule_notices_a_fault(fault: str, tmp_path: Path) -> None:
    found, _ = judge(World(tmp_path / "world"), lambda _: BAD[fault])
    assert fault in found


@pytest.mark.slow
def test_a_case_without_end_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    found, _ = judge(World(tmp_path), lambda _: Case(lambda: time.sleep(60), ""))
    assert "took 15." in found
    assert time.monotonic() - began < 25


def test_what_is_right_breaks_no_rule(tmp_path: Path) -> None:
    good = (
        Case(lambda: 3, "", "work", check=is_three),
        Case(lambda: refuse("a is '\\u202e': give b."), "", "fail"),
        Case(write("out/new"), "", writes=("out",)),
        lines.command(["--version"], "work"),
        lines.command(["train", "--epochs", "0"], "fail"),
        lines.command(["evaluate", "nothing"], "fail"),
    )
    for number, case in enumerate(good):
        place = World(tmp_path / str(number))
        (place.cwd / "out").mkdir()
        found, _ = judge(place, lambda _, case=case: case)
        assert found == ""
