"""Try random bad input: `python tests/fuzz.py --cases 20000 --seed 0`.

A case is made from the seed, its target and its number alone, so that a case that
failed can be repeated: `python tests/fuzz.py --seed 0 --only meta:17`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

os.environ.setdefault("OMP_NUM_THREADS", "1")

from fuzzing import lines, pictures, settings, tensors
from fuzzing.world import Case, World, judge

# What is imported first within a case must not write matplotlib's cache into it.
import vaelib.plotting  # noqa: F401

# The targets, and how many of a hundred cases each has.
TARGETS: dict[str, tuple[Callable[[Random, World], Case], int]] = {
    "train": (lines.train, 5),
    "sweep": (lines.sweep, 6),
    "compare": (lines.compare, 3),
    "evaluate": (lines.evaluate, 6),
    "traverse": (lines.traverse, 4),
    "pointer": (lines.pointer, 3),
    "other": (lines.other, 5),
    "config": (settings.config, 14),
    "grid": (settings.grid, 6),
    "toml": (settings.toml, 8),
    "meta": (settings.meta, 8),
    "checkpoint": (tensors.checkpoint, 9),
    "state": (tensors.state, 6),
    "picture": (pictures.picture, 9),
    "tree": (pictures.tree, 8),
}


def count(target: str, cases: int) -> int:
    """Return how many of `cases` cases a target has."""
    return max(1, cases * TARGETS[target][1] // 100)


def attempt(target: str, number: int, seed: int) -> str:
    """Try one case; return "" or what is wrong, with how to repeat it."""
    rng = Random(f"{seed} {target} {number}")
    with tempfile.TemporaryDirectory(prefix="vaelib-case-") as folder:
        world = World(Path(folder).resolve())
        fault, case = judge(world, lambda world: TARGETS[target][0](rng, world))
    if not fault:
        return ""
    again = f"python tests/fuzz.py --seed {seed} --only {target}:{number}"
    text = f"{again}\n  {case.shown!r:.400}\n  " + fault.replace("\n", "\n  ")
    return text.encode("ascii", "backslashreplace").decode()


def main(argv: list[str] | None = None) -> int:
    """Try cases, print those that fail, and return 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", choices=TARGETS, nargs="+", default=list(TARGETS))
    parser.add_argument("--only", metavar="TARGET:NUMBER")
    args = parser.parse_args(argv)
    if args.only:
        target, _, number = args.only.partition(":")
        fault = attempt(target, int(number), args.seed)
        print(fault or "nothing is wrong")
        return int(bool(fault))

    failed = 0
    for target in args.target:
        began, total = time.process_time(), count(target, args.cases)
        faults = [
            fault for i in range(total) if (fault := attempt(target, i, args.seed))
        ]
        for fault in faults:
            print(fault)
        seconds = time.process_time() - began
        print(
            f"{target}: {total} cases, {len(faults)} failed, {seconds:.1f} s",
            flush=True,
        )
        failed += len(faults)
    print(f"seed {args.seed}: {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
