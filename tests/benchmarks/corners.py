"""Walk the corners of TrainConfig, and print the seconds and the memory of each.

`python tests/benchmarks/corners.py [--only NAME ...]`. A corner is the smallest or the
largest value of a setting, the others at their defaults. Each is run in a process of
its own: what `vaelib train` does up to the end of the first epoch, but with a few
updates instead of all. What was said before it began is in the last column. A run that
would take more than half of the memory that is free is not begun.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from vaelib.checks import ConfigError
from vaelib.config import TrainConfig, field_of, field_types
from vaelib.errors import exit_status
from vaelib.memory import check_memory, estimate, gib

UPDATES = 5
MIB = 2**20
TINY = 1e-30  # stands for the smallest number above 0
# Corners that are no single number.
OTHERS: dict[str, dict[str, Any]] = {
    "hidden_dim=0": dict(hidden_dim=()),
    "hidden_dim=1": dict(hidden_dim=(1,)),
    "hidden_dim=10000": dict(hidden_dim=(10_000,)),
    "hidden_dim=10000,10000": dict(hidden_dim=(10_000, 10_000)),
    "hidden_dim=10000 x 50": dict(hidden_dim=(10_000,) * 50),
    "hidden_dim=1 x 1000": dict(hidden_dim=(1,) * 1000),
    "image_size=256 channels=3": dict(image_size=256, channels=3),
    "image_size=256 batch_size=1000000": dict(image_size=256, batch_size=1_000_000),
    "image_size=256 loss=gaussian": dict(image_size=256, loss="gaussian"),
    "image_size=256 latent_dim=10000": dict(image_size=256, latent_dim=10_000),
    "latent_dim=10000 batch_size=1000000": dict(
        latent_dim=10_000, batch_size=1_000_000
    ),
}


def corners() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the settings of each corner."""
    yield "defaults", {}
    for name, hint in field_types().items():
        limits = field_of(name).metadata
        ends: tuple[Any, ...] = ()
        if hint in (int, float):
            least = TINY if limits["above"] is not None else limits["least"]
            ends = hint(least), hint(limits["most"])
        elif get_origin(hint) is Literal and name != "device":
            ends = get_args(hint)
        elif hint is bool:
            ends = False, True
        for end in ends:
            yield f"{name}={end}", {name: end}
    yield from OTHERS.items()


def config_of(settings: dict[str, Any]) -> TrainConfig:
    """Return a config with these settings, of sprites if another shape needs them."""
    if settings.keys() & {"image_size", "channels"}:
        settings = dict(dataset="sprites") | settings
    return replace(TrainConfig(device="cpu"), **settings)


def run(settings: dict[str, Any]) -> int:
    """Do what `vaelib train` does, with few updates; return 0."""
    from vaelib import runs
    from vaelib.data import load_dataset
    from vaelib.training import EpochEnd, measure, start, updates

    config = config_of(settings)
    data = load_dataset(*config.data_source)
    with tempfile.TemporaryDirectory() as folder:
        config = replace(config, save_dir=str(Path(folder) / "run"))
        state = start(config, data)
        written = runs.create(config, data)
        for event in updates(state, data, config):
            if isinstance(event, EpochEnd):
                written.record(event, state, data)
                break
            if event.step == UPDATES:
                end = measure(state, data, config, event.beta, state.rng, 0.0)
                written.record(end, state, data)
                break
    return 0


BETWEEN = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=-3, stderr=-1, text=True)
print(done.stderr.strip().rpartition("\\n")[2] if done.returncode else "")
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def measured(name: str, settings: dict[str, Any]) -> str:
    """Return the row of a corner: its seconds, its peak memory, and what was said."""
    try:
        said = check_memory(config_of(settings))
    except ConfigError as error:
        return f"| {name} | | | | {error} |"
    taken = expected(config_of(settings))
    if taken > free_memory() / 2:
        return f"| {name} | not run | | {taken / MIB:.0f} | {said} |"
    began = time.perf_counter()
    # A small process in between, so that the memory of this one is not counted.
    child = [sys.executable, "-c", BETWEEN, sys.executable, __file__, "--run", name]
    done = subprocess.run(child, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    failure, peak = done.stdout.splitlines()[-2:]
    unit = 1 if sys.platform == "darwin" else 2**10
    row = f"{seconds:.1f} | {int(peak) * unit / MIB:.0f} | {taken / MIB:.0f}"
    return f"| {name} | {row} | {said or failure} |"


def expected(config: TrainConfig) -> int:
    """Return the bytes that `vaelib.memory` expects a run to take."""
    images = 22_000 if config.dataset == "sprites" else 70_000
    shape = config.channels, config.image_size, config.image_size
    return sum(estimate(config, shape, images).values())


def free_memory() -> int:
    """Return the bytes of memory that other processes leave free."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("MemAvailable")]
    return int(line.split()[1]) * 1024


def main() -> None:
    """Print the table."""
    found = dict(corners())
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="a corner or a field")
    parser.add_argument("--run", choices=found, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        sys.exit(exit_status("corners", lambda: run(found[args.run])))
    print("| corner | seconds | peak MiB | expected MiB | said before |")
    print("|---|---|---|---|---|")
    for name, settings in found.items():
        if not args.only or any(name.startswith(wanted) for wanted in args.only):
            print(measured(name, settings), flush=True)
    print(f"\nA run that takes more than {gib(2**32)} must say so before it begins.")


if __name__ == "__main__":
    main()
