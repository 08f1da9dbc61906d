"""`python -m vaelib.train` and `vaelib train`: the flags of the reference implementation, and what they start.

torch is imported where it is first needed, so that `--help` and a mistyped flag are answered at once.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args, get_origin

from vaelib import config as configs
from vaelib.config import ConfigError, TrainConfig

if TYPE_CHECKING:
    from vaelib.data import ImageData
    from vaelib.runs import Run


class Interrupted(Exception):
    """Training was stopped by Ctrl-C (or SIGTERM), and saved."""


class Parser(argparse.ArgumentParser):
    """A parser that refuses in one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_arguments(parser: argparse.ArgumentParser, many: bool = False) -> None:
    """A flag for every field of the config; only those that are given end up in the parsed arguments.

    `many`: each takes a list, and those of the room "run", which say where one run goes, are left out.
    """
    rooms = dict.fromkeys(configs.section(name) for name in configs.field_types())
    groups = {
        room: parser.add_argument_group(room)
        for room in rooms
        if not (many and room == "run")
    }
    for name, hint in configs.field_types().items():
        if configs.section(name) not in groups:
            continue
        flag, group = "--" + name.replace("_", "-"), groups[configs.section(name)]
        if hint is bool and not many:
            group.add_argument(
                flag,
                dest=name,
                default=argparse.SUPPRESS,
                action=argparse.BooleanOptionalAction,
                help=help_of(name),
            )
            continue
        choices = (
            ("true", "false")
            if hint is bool
            else get_args(hint)
            if get_origin(hint) is Literal
            else ()
        )
        shown = (
            "{" + ",".join(choices) + "}" if choices else name.split("_")[-1].upper()
        )
        lists: dict[str, Any] = dict(nargs="+") if many else {}
        group.add_argument(
            flag,
            dest=name,
            default=argparse.SUPPRESS,
            type=reader(name),
            metavar=shown,
            help=help_of(name),
            **lists,
        )
    parser.add_argument(
        "--preset",
        choices=configs.PRESETS,
        help="the settings of another program; flags given beside it win",
    )
    if not many:
        groups["run"].add_argument(
            "--resume",
            nargs="?",
            const="",
            metavar="RUN",
            help="go on with a run: its folder, or the one the flags above name",
        )


def reader(name: str) -> Callable[[str], Any]:
    """argparse's `type` for a field, with the config's own sentence when it refuses."""

    def read(text: str) -> Any:
        try:
            return configs.parse(name, text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None

    return read


def help_of(name: str) -> str:
    """A field's help with its default."""
    meta, default = configs.field_of(name).metadata, configs.field_of(name).default
    if default == "" or default is None:
        return meta["help"]
    shown = (
        ",".join(map(str, default))
        if isinstance(default, tuple)
        else f"{default:g}"
        if type(default) is float
        else default
    )
    return f"{meta['help']} (default: {shown})"


def train(
    config: TrainConfig,
    data: ImageData | None = None,
    resumed: Run | None = None,
    quiet: bool = False,
) -> Run:
    """Trains as `config` says and writes the run; `data` may be your own tensors.

    Raises: ConfigError, DataError, RunError, OSError, Diverged: one sentence each; Interrupted, once all is saved.
    """
    from vaelib.data import load_dataset

    with ThreadPoolExecutor(
        1
    ) as pool:  # unpacking leaves Python free to import matplotlib
        source = (
            config.dataset,
            config.binarize,
            config.channels,
            config.image_size,
            config.data_dir,
        )
        loading = pool.submit(lambda given: given or load_dataset(*source), data)
        from vaelib import runs
        from vaelib.training import EpochEnd, start, updates

        data = loading.result()
    state = start(config, data)
    run = resumed or runs.create(config, data)
    with run.lock(), until_stopped() as stopped:
        if resumed:
            run.restore(state, data)
            if config != runs.open_run(run.path).config:  # more epochs
                run.write_meta(data)
        bar = Bar(data, quiet)
        for event in updates(state, data, config):
            bar.show(event)
            if isinstance(event, EpochEnd):
                run.record(event, state, data)
            if stopped.is_set():
                run.save(state, data)
                raise Interrupted(
                    f"stopped after step {state.step}, nothing is lost; go on: vaelib train --resume {run.path}"
                )
    return run


@contextmanager
def until_stopped():
    """An event that Ctrl-C or SIGTERM sets, so that the current step is finished; a second Ctrl-C breaks off."""
    stopped = threading.Event()
    if (
        threading.current_thread() is not threading.main_thread()
    ):  # only the main thread may listen to signals
        yield stopped
        return

    def stop(number: int, _: Any) -> None:
        stopped.set()
        signal.signal(number, previous[number])

    previous: dict[int, Any] = {
        number: signal.signal(number, stop)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class Bar:
    """A progress bar for each epoch (on a terminal), and a line when it ends."""

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
            disable=True if quiet else None,  # None: where there is no terminal
        )

    def show(self, event: Any) -> None:
        """Takes what `updates` yields."""
        if hasattr(event, "images"):
            self.bar = (
                self.bar
                if self.bar is not None
                else self.new(desc=f"epoch {event.epoch}")
            )
            self.bar.update(event.images)
            if (
                not self.bar.disable and time.monotonic() - self.shown > 0.1
            ):  # reading a tensor may wait for the GPU
                self.shown = time.monotonic()
                self.bar.set_postfix_str(
                    f"recon {event.recon:.1f} KL {event.kl:.2f} beta {event.beta:.3g}",
                    refresh=False,
                )
            return
        if self.bar is not None:
            self.bar.close()
        self.bar = None
        if not self.quiet:
            row = event.row
            print(
                f"epoch {event.epoch}: test recon {row['recon']:.2f}, KL {row['kl']:.2f}, beta {event.beta:.3g}, "
                f"total {row['total']:.2f} nats per image ({event.seconds:.1f} s)",
                flush=True,
            )


def command(args: argparse.Namespace) -> int:
    """`vaelib train`: the settings that were given, a new run or one that goes on."""
    given = {
        name: value
        for name, value in vars(args).items()
        if name in configs.field_types()
    }
    given = configs.PRESETS.get(args.preset, {}) | given
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
        print(
            "note: --num-workers has no effect, the data are in memory.",
            file=sys.stderr,
        )
    if config.reduction == "mean":
        print(effective(config), file=sys.stderr)
    run = train(config, resumed=resumed)
    print(
        f"written to {run.path}; look at {run.pictures(config.epochs - 1)['reconstructions']} and beside it."
    )
    return 0


def effective(config: TrainConfig) -> str:
    """What a pixel-mean reconstruction does to beta."""
    d = config.channels * config.image_size**2
    return (
        f"note: --reduction mean divides the reconstruction by its {d} pixels: beta {config.beta:g} "
        f"acts as beta {config.beta * d:g} in nats per image."
    )


def find_run(path: str, config: TrainConfig) -> Run:
    """The run that --resume means: its folder, else what --save-dir, --group and --name say, else the group's latest."""
    from vaelib import runs

    return runs.open_run(
        path or config.save_dir or runs.group_folder(config) / (config.name or "latest")
    )


def same_settings(saved: TrainConfig, given: dict[str, Any]) -> TrainConfig:
    """The saved settings; of the flags given, only a larger --epochs may differ. Raises: ConfigError."""
    for name, value in given.items():
        old = asdict(saved)[name]
        if value == old or configs.section(name) == "run" or name == "num_workers":
            continue
        if name == "epochs" and value > saved.epochs and not saved.needs_total:
            saved = replace(saved, epochs=value)
            continue
        why = (
            " (its schedule depends on the total)"
            if name == "epochs" and saved.needs_total
            else ""
        )
        raise ConfigError(
            f"{name} is {value!r}, but this run was begun with {old!r}{why}: leave the flag out, or start anew."
        )
    return saved


def guarded(prog: str, run: Callable[[], int]) -> int:
    """The exit status of `run`; what goes wrong is told in one sentence on standard error."""
    try:
        return run()
    except (ValueError, OSError, ArithmeticError) as error:
        told = type(error).__module__.startswith("vaelib") or isinstance(error, OSError)
        if not told:
            raise
        if isinstance(error, OSError) and error.strerror:
            where = f"{error.filename}: " if error.filename else ""
            message = f"{where}{error.strerror}; nothing was overwritten."
        else:
            message = str(error)
        print(f"{prog}: {message}", file=sys.stderr)
        return 1 if isinstance(error, ArithmeticError) else 2
    except Interrupted as error:
        print(f"\n{prog}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"\n{prog}: stopped.", file=sys.stderr)
    return 130


def main(argv: list[str] | None = None) -> int:
    """`python -m vaelib.train`"""
    parser = Parser(
        prog="vaelib train",
        description="Train a variational auto-encoder.",
        allow_abbrev=False,
    )
    add_arguments(parser)
    args = parser.parse_args(argv)
    return guarded(parser.prog, lambda: command(args))


if __name__ == "__main__":
    sys.exit(main())
