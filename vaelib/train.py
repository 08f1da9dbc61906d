"""Train one model and write its run: `vaelib train` and `python -m vaelib.train`.

torch is imported on first use, so that `--help` and a wrong flag are answered at once.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from vaelib import config as configs
from vaelib import packed
from vaelib.checks import one_line
from vaelib.config import ConfigError, TrainConfig
from vaelib.errors import Interrupted, exit_status
from vaelib.flags import Parser, add_arguments
from vaelib.memory import check_memory
from vaelib.presets import PRESETS
from vaelib.streams import with_safe_streams

if TYPE_CHECKING:
    from vaelib.data import ImageData
    from vaelib.runfiles import Run


def train(
    config: TrainConfig,
    data: ImageData | None = None,
    resumed: Run | None = None,
    quiet: bool = False,
) -> Run:
    """Train a model with the given settings, write its run and return it.

    `data`: your own images instead of the data set of `config`. `resumed`: a run to
    continue, from `vaelib.runs.open_run`. Raises ConfigError, DataError, RunError,
    OSError or Diverged, each with a message of one sentence, and Interrupted if the
    user stopped the training; its state is saved then.

    Example:

    >>> from vaelib import TrainConfig
    >>> from vaelib.train import train
    >>> config = TrainConfig(
    ...     dataset="sprites", image_size=8, hidden_dim=(8,), latent_dim=2, epochs=2
    ... )
    >>> run = train(config, quiet=True)
    >>> print(run.path.as_posix(), len(run.rows))
    reports/sprites/run-001 2
    >>> run.rows[1]["total"] < run.rows[0]["total"]
    True
    """
    if not data:
        # Before the images are loaded or drawn, whatever the device is.
        check_memory(config, on_gpu=True)
    if not (data or resumed) and config.dataset == "mnist":
        packed.begin()
    from vaelib import runs
    from vaelib.checkpoints import require_same_data
    from vaelib.training import EpochEnd, start, updates

    facts = resumed.facts if resumed else {}
    data = data or runs.load_data(config, facts)
    require_same_data(facts, data)
    state = start(config, data)
    run = resumed or runs.create(config, data)
    with run.lock(), catch_signals() as stopped:
        if resumed:
            run.restore(state, data)
            if config != runs.open_run(run.path).config:
                run.write_meta(data)
        if not quiet:
            say_what_begins(config, data, on_gpu=state.losses.device.type != "cpu")
        bar = Bar(data, quiet)
        for event in updates(state, data, config):
            if isinstance(event, EpochEnd):
                run.record(event, state, data)
            bar.show(event)  # afterwards: what cannot be printed must not cost work
            if stopped.is_set():
                run.save_state(state, data)
                raise Interrupted(
                    f"stopped after step {state.step}, nothing is lost; "
                    f"continue: vaelib train --resume {run.path}"
                )
    return run


def say_what_begins(config: TrainConfig, data: ImageData, on_gpu: bool) -> None:
    """Print what was read from a folder, and what memory the run will take if much."""
    if data.note:
        print(data.note, flush=True)
    images = len(data.train) + len(data.test)
    if heavy := check_memory(config, data.shape, images, on_gpu):
        print(f"note: {heavy}", file=sys.stderr)


@contextmanager
def catch_signals():
    """Yield an event that is set by a signal to stop, so that a step can be finished.

    The signals are Ctrl-C, SIGTERM, and SIGHUP of a terminal that is closed. A second
    Ctrl-C raises KeyboardInterrupt, as usual. Python handles signals in the main thread
    only: in another thread the event is never set.
    """
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def stop(number: int, _: Any) -> None:
        stopped.set()
        signal.signal(number, previous[number])

    previous: dict[int, Any] = {}
    numbers = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup and signal.getsignal(hangup) != signal.SIG_IGN:  # nohup ignores it
        numbers.append(hangup)
    for number in numbers:
        previous[number] = signal.signal(number, stop)
    try:
        yield stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class Bar:
    """Progress bar of an epoch, in a terminal, and a printed line when it ends."""

    def __init__(self, data: ImageData, quiet: bool) -> None:
        from tqdm import tqdm

        self.quiet, self.shown, self.bar = quiet, 0.0, None
        self.new = partial(
            tqdm,
            total=len(data.train),
            unit=" images",
            unit_scale=True,
            leave=False,
            dynamic_ncols=True,
            disable=True if quiet else None,  # None: unless there is a terminal
        )

    def show(self, event: Any) -> None:
        """Show an event of `updates`: an Update in the bar, an EpochEnd as a line."""
        if hasattr(event, "images"):
            self.show_update(event)
            return
        if self.bar is not None:
            self.bar.close()
        self.bar = None
        if not self.quiet:
            row = event.row
            print(
                f"epoch {event.epoch}: test recon {row['recon']:.2f}, "
                f"KL {row['kl']:.2f}, beta {event.beta:.3g}, "
                f"total {row['total']:.2f} nats per image ({event.seconds:.1f} s)",
                flush=True,
            )

    def show_update(self, event: Any) -> None:
        """Move the bar by one mini-batch, and renew its numbers ten times a second."""
        if self.bar is None:
            self.bar = self.new(desc=f"epoch {event.epoch}")
        self.bar.update(event.images)
        # Not at each update: reading a tensor may have to wait for the GPU.
        if not self.bar.disable and time.monotonic() - self.shown > 0.1:
            self.shown = time.monotonic()
            numbers = f"recon {event.recon:.1f} KL {event.kl:.2f} beta {event.beta:.3g}"
            self.bar.set_postfix_str(numbers, refresh=False)


def command(args: argparse.Namespace) -> int:
    """Run `vaelib train`: start a new run, or continue one with --resume."""
    settings = configs.field_types()
    given = {name: value for name, value in vars(args).items() if name in settings}
    given = PRESETS.get(args.preset, {}) | given
    resumed = None
    if args.resume is None:
        config = TrainConfig(**given)
    else:
        where = {
            name: value
            for name, value in given.items()
            if configs.section(name) == "run" or name == "dataset"
        }
        resumed = find_run(args.resume, TrainConfig(**where))
        resumed.config = config = same_settings(resumed.config, given)

    if given.get("num_workers"):
        note = "note: --num-workers has no effect, the data are in memory."
        print(note, file=sys.stderr)
    if config.reduction == "mean":
        print(beta_note(config), file=sys.stderr)
    run = train(config, resumed=resumed)
    picture = run.pictures(config.epochs - 1)["reconstructions"]
    done = f"written to {run.path}; look at {picture} and the pictures next to it."
    print(one_line(done))
    return 0


def beta_note(config: TrainConfig) -> str:
    """Return a note on the beta that a reconstruction averaged over pixels implies."""
    d = config.channels * config.image_size**2
    return (
        f"note: --reduction mean divides the reconstruction by its {d} pixels: "
        f"beta {config.beta:g} acts as beta {config.beta * d:g} in nats per image."
    )


def find_run(path: str, config: TrainConfig) -> Run:
    """Return the run that --resume names.

    It is the folder that --resume or --save-dir gives, or the run with the given name
    in the group, or else the latest run of the group.
    """
    from vaelib import runs

    named = runs.group_folder(config) / (config.name or "latest")
    return runs.open_run(path or config.save_dir or named)


def same_settings(saved: TrainConfig, given: dict[str, Any]) -> TrainConfig:
    """Return the saved settings of a run, with those replaced that may change.

    They are the ones of the section "machine", the place of a folder of pictures, and
    a larger number of epochs. Raises ConfigError if another setting that was given
    differs from the saved one, or if a schedule depends on the number of epochs.
    """
    for name, value in given.items():
        old = getattr(saved, name)
        if value == old or configs.section(name) == "run":
            continue
        has_moved = (
            saved.is_folder and name == "dataset" and value.startswith("folder:")
        )
        if configs.section(name) == "machine" or has_moved:
            saved = replace(saved, **{name: value})
            continue
        why = ""
        if name == "epochs" and saved.needs_total:
            why = " (its schedule depends on the total)"
        elif name == "epochs" and value > saved.epochs:
            saved = replace(saved, epochs=value)
            continue
        raise ConfigError(
            f"{name} is {value!r}, but this run was started with {old!r}{why}: "
            "leave the flag out, or start a new run."
        )
    return saved


@with_safe_streams
def main(argv: list[str] | None = None) -> int:
    """Run `python -m vaelib.train` and return its exit status."""
    parser = Parser(
        prog="vaelib train",
        description="Train a variational auto-encoder.",
        allow_abbrev=False,
    )
    add_arguments(parser)
    args = parser.parse_args(argv)
    return exit_status(parser.prog, lambda: command(args))


if __name__ == "__main__":
    sys.exit(main())
