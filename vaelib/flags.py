"""The flags of the command line: one for each field of `TrainConfig`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Literal, NoReturn, get_args, get_origin

from vaelib import config as configs
from vaelib.checks import one_line
from vaelib.config import ConfigError
from vaelib.presets import PRESETS


class Parser(argparse.ArgumentParser):
    """Argument parser whose error message is one sentence."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with status 2."""
        self.exit(
            2, one_line(f"{self.prog}: {message} (see {self.prog} --help)") + "\n"
        )


def add_arguments(parser: argparse.ArgumentParser, many: bool = False) -> None:
    """Add a flag for each setting; only flags that are given are in the result.

    `many`: each flag takes one or more values, as in a sweep. The settings of the
    section "run", which say where a single run is written, are left out.
    """
    names = list(configs.field_types())
    if many:
        names = [name for name in names if configs.section(name) != "run"]
    sections = dict.fromkeys(configs.section(name) for name in names)
    groups = {section: parser.add_argument_group(section) for section in sections}
    for name in names:
        add_flag(groups[configs.section(name)], name, many)

    parser.add_argument(
        "--preset",
        choices=PRESETS,
        help="the settings of the paper, or of another program; flags on the "
        "command line override it",
    )
    if not many:
        groups["run"].add_argument(
            "--resume",
            nargs="?",
            const="",
            metavar="RUN",
            help="continue a run: its folder, or the run that the flags above name",
        )


def add_flag(group: Any, name: str, many: bool) -> None:
    """Add the flag of one setting to a group of a parser."""
    hint = configs.field_types()[name]
    common: dict[str, Any] = dict(
        dest=name, default=argparse.SUPPRESS, help=help_text(name)
    )
    flag = "--" + name.replace("_", "-")
    if hint is bool and not many:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, **common)
        return

    metavar = name.split("_")[-1].upper()
    if hint is bool:
        metavar = "{true,false}"
    if get_origin(hint) is Literal:
        metavar = "{" + ",".join(get_args(hint)) + "}"
    if many:
        common["nargs"] = "+"
    group.add_argument(flag, type=argument_type(name), metavar=metavar, **common)


def argument_type(name: str) -> Callable[[str], Any]:
    """Return the function that reads a setting from the command line.

    It raises the error that argparse expects, with the message of `TrainConfig`.
    """

    def read(text: str) -> Any:
        try:
            return configs.parse(name, text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None

    return read


def help_text(name: str) -> str:
    """Return the help of a setting, with its default value."""
    field = configs.field_of(name)
    text, default = field.metadata["help"], field.default
    if default == "" or default is None:
        return text
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    if type(default) is float:
        default = f"{default:g}"
    return f"{text} (default: {default})"
