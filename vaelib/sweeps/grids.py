"""Grids of settings: any field may be a list; combine the lists, or pair them.

A grid comes from Python, from the command line or from a TOML file. No torch is needed.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, get_origin

from vaelib import config as configs
from vaelib.checks import ConfigError, invalid, path_of, plain
from vaelib.config import TrainConfig
from vaelib.presets import PRESETS

# The grid of the reference implementation: three latent sizes, losses and schedules.
REFERENCE: dict[str, Any] = dict(
    latent_dim=[2, 8, 20],
    loss=["bce", "bce_logits", "mse"],
    beta_schedule=["none", "linear", "cyclic"],
)
MOST_RUNS = 10_000
SINGLE = ("project_dir", "group")  # all runs of a sweep go to one folder


def grid(*, zipped: Any = False, **settings: Any) -> list[TrainConfig]:
    """Return one `TrainConfig` for each run of a grid.

    Fields that are lists or ranges vary: all their combinations or, if `zipped`, their
    first values together, then their second values, and so on. Each run is named after
    its settings that vary, and all runs are in one group. Raises ConfigError if a
    setting is unknown or out of range.

    Example:

    >>> from vaelib.sweeps import grid
    >>> runs = grid(latent_dim=[2, 8], seed=range(2), epochs=1)
    >>> [run.name for run in runs]
    ['latent_dim=2-seed=0', 'latent_dim=2-seed=1',
     'latent_dim=8-seed=0', 'latent_dim=8-seed=1']
    >>> [run.name for run in grid(zipped=True, latent_dim=[2, 8], beta=[1.0, 4.0])]
    ['latent_dim=2-beta=1.0', 'latent_dim=8-beta=4.0']
    """
    for name, value in settings.items():
        check(name, value)
    zipped = configs.check("zip", bool, zipped, {})
    lists = {
        name: as_list(name, settings[name])
        for name in configs.field_types()
        if name in settings
    }
    count = math.prod(len(values) for values in lists.values())
    if count > MOST_RUNS and not zipped:
        raise ConfigError(f"the grid has {count} runs: give at most {MOST_RUNS}.")
    varied = [name for name, values in lists.items() if len(values) > 1]
    paired = zipped and varied
    rows = pairs(lists) if paired else itertools.product(*lists.values())
    runs = [configs.from_dict(dict(zip(lists, row, strict=True))) for row in rows]

    datasets = dict.fromkeys(run.dataset.partition(":")[0] for run in runs)
    group = runs[0].group or "-".join(datasets) + "-grid"
    fields = varied or [name for name in lists if name not in SINGLE]
    runs = [replace(run, group=group, name=run_name(run, fields)) for run in runs]
    names: set[str] = set()
    for run in runs:
        if run.name in names:
            raise ConfigError(f"{run.name} is in the grid twice: give each value once.")
        names.add(run.name)
    return runs


def check(name: str, value: Any) -> None:
    """Raise ConfigError if a grid cannot take this setting."""
    if name not in configs.field_types():
        raise ConfigError(f"{name} is not a setting: `vaelib sweep --help` lists them.")
    if name in ("name", "save_dir"):
        advice = "a sweep names its runs itself, leave it out"
        raise invalid(name, value, advice)
    values = as_list(name, value)
    if not values:
        raise invalid(name, [], "give at least one value")
    if name in SINGLE and len(values) > 1:
        raise invalid(name, values, "give one value")


def as_list(name: str, value: Any) -> list[Any]:
    """Return the values of a field: one, or those of a list, tuple, range or array.

    A tuple is one value for a field that is a tuple, such as `hidden_dim`. Raises
    ConfigError if there are too many.
    """
    value = plain(value)
    if isinstance(value, list | tuple | range) and value[MOST_RUNS:]:
        raise ConfigError(f"{name} has too many values: give at most {MOST_RUNS}.")
    if isinstance(value, tuple) and get_origin(configs.field_types()[name]) is tuple:
        return [value]
    return list(value) if isinstance(value, list | tuple | range) else [value]


def pairs(lists: dict[str, list[Any]]) -> list[tuple[Any, ...]]:
    """Return the values of each run if the lists are paired.

    Single values are repeated. Raises ConfigError if the lists differ in length.
    """
    lengths = {name: len(values) for name, values in lists.items() if len(values) > 1}
    longest = max(lengths.values())
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ConfigError(
            f"zip needs lists of the same length, but {found} values: "
            f"make them {longest} each."
        )
    columns = [
        values if name in lengths else values * longest
        for name, values in lists.items()
    ]
    return list(zip(*columns, strict=True))


def run_name(config: TrainConfig, fields: list[str]) -> str:
    """Return a name made of the settings of `fields`, such as latent_dim=2-loss=bce.

    Different settings have different names: a name that has to be shortened, or that
    has characters which are not allowed, ends with a hash of the settings.
    """
    parts = [f"{name}={format_value(getattr(config, name))}" for name in fields]
    text = "-".join(parts) or "default"
    clean = re.sub(r"[^\w.+=-]", "_", text)
    if clean == text and len(text) <= 100 and not text.endswith("."):
        return text
    digest = hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()
    return f"{clean[:91]}-{digest[:8]}"


def format_value(value: Any) -> str:
    """Return the text of a setting in names and tables; layers become 400x200."""
    return "x".join(map(str, value)) or "0" if isinstance(value, tuple) else str(value)


def varying(runs: list[TrainConfig]) -> list[str]:
    """Return the fields in which runs differ and that affect the result."""
    names = [name for name in configs.field_types() if configs.affects_result(name)]
    return [name for name in names if len({getattr(run, name) for run in runs}) > 1]


def from_flags(
    given: dict[str, Any],
    preset: str | None = None,
    file: str | None = None,
    zipped: bool = False,
) -> list[TrainConfig]:
    """Return the grid that the command line describes.

    Flags override the file, and the file overrides the preset. If no field has several
    values, the grid is `REFERENCE`. Raises ConfigError.
    """
    found = read_toml(path_of(file)) if file else {}
    zipped = found.pop("zip", False) or zipped
    settings = PRESETS.get(preset or "", {}) | found | given
    lists = [value for value in settings.values() if isinstance(value, list)]
    if not any(len(values) > 1 for values in lists):
        settings = REFERENCE | settings
    return grid(zipped=zipped, **settings)


def read_toml(file: Path) -> dict[str, Any]:
    """Return the settings in a TOML file, each with one value or a list of values.

    Names and values are spelled as on the command line; `zip = true` pairs the lists.
    Raises ConfigError if the file is not TOML or has an unknown setting.
    """
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{file} is not a TOML file ({error}): "
            "give lines such as latent_dim = [2, 8]."
        ) from None
    settings: dict[str, Any] = {}
    for name, value in found.items():
        name = name.replace("-", "_")
        if name == "zip":
            if type(value) is not bool:
                raise invalid(name, value, "give true or false")
            settings[name] = value
        elif name not in configs.field_types():
            raise ConfigError(
                f"{name} in {file} is not a setting: `vaelib sweep --help` lists them."
            )
        elif isinstance(value, list):
            settings[name] = [parse_value(name, one) for one in value]
        else:
            settings[name] = parse_value(name, value)
    return settings


def parse_value(name: str, value: Any) -> Any:
    """Return one value of a TOML file, read as a flag is; layers may be a list."""
    try:
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    except ValueError:  # a number of more than 4300 digits
        raise invalid(name, value, "give a shorter number") from None
    return configs.parse(name, text)
