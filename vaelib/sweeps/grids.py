"""Grids of settings: a list for any field, their product or their pairs; from flags, a TOML file or Python. No torch."""

from __future__ import annotations

import hashlib
import itertools
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from vaelib import config as configs
from vaelib.config import PRESETS, ConfigError, TrainConfig

# The grid of the reference implementation: three latent sizes, three losses, three schedules.
REFERENCE: dict[str, Any] = dict(
    latent_dim=[2, 8, 20],
    loss=["bce", "bce_logits", "mse"],
    beta_schedule=["none", "linear", "cyclic"],
)
SINGLE = ("project_dir", "group")  # where the whole sweep goes


def grid(*, zipped: Any = False, **settings: Any) -> list[TrainConfig]:
    """A config for each run: fields that are lists or ranges vary, as their product or, `zipped`, side by side.

    Each run is named after its settings that vary; all are in one group. Raises: ConfigError.
    """
    for name, value in settings.items():
        if name not in configs.field_types():
            raise ConfigError(
                f"{name} is not a setting: `vaelib sweep --help` lists them."
            )
        if name in ("name", "save_dir"):
            raise configs.invalid(
                name, value, "a sweep names its runs itself, leave it out"
            )
        if isinstance(value, list | range) and (name in SINGLE or not value):
            raise configs.invalid(
                name,
                list(value),
                "give one value" if value else "give at least one value",
            )
    lists = {
        name: settings[name] for name in configs.field_types() if name in settings
    }  # in the order of the config
    lists = {
        name: list(value) if isinstance(value, list | range) else [value]
        for name, value in lists.items()
    }
    varied = [name for name, values in lists.items() if len(values) > 1]
    if zipped and len(sizes := {len(lists[name]) for name in varied}) > 1:
        found = ", ".join(f"{name} has {len(lists[name])}" for name in varied)
        raise ConfigError(
            f"zip wants lists of one length, but {found} values: make them {max(sizes)} each."
        )

    if zipped and varied:
        rows = zip(
            *(
                lists[name] * (1 if name in varied else len(lists[varied[0]]))
                for name in lists
            ),
            strict=True,
        )
    else:
        rows = itertools.product(*lists.values())
    runs = [configs.from_dict(dict(zip(lists, row, strict=True))) for row in rows]
    group = (
        runs[0].group
        or "-".join(dict.fromkeys(run.dataset.partition(":")[0] for run in runs))
        + "-grid"
    )
    fields = varied or [name for name in lists if name not in SINGLE]
    runs = [replace(run, group=group, name=name_of(run, fields)) for run in runs]
    for before, run in (
        itertools.combinations(runs, 2)
        if len({run.name for run in runs}) < len(runs)
        else ()
    ):
        if before.name == run.name:
            raise ConfigError(
                f"{run.name} stands in the grid twice: give each value once."
            )
    return runs


def name_of(config: TrainConfig, fields: list[str]) -> str:
    """A run's name: its settings of these fields, as latent_dim=2-loss=bce; different settings have different names."""
    text = (
        "-".join(f"{name}={shown(getattr(config, name))}" for name in fields)
        or "default"
    )
    clean = re.sub(r"[^\w.+=-]", "_", text)
    if clean == text and len(text) <= 100:
        return text
    return f"{clean[:91]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def shown(value: Any) -> str:
    """A setting's value in a name or a table: hidden layers as 400x200."""
    return "x".join(map(str, value)) or "0" if isinstance(value, tuple) else str(value)


def varying(runs: list[TrainConfig]) -> list[str]:
    """The fields in which runs differ, but for where they are written."""
    names = [name for name in configs.field_types() if configs.section(name) != "run"]
    return [name for name in names if len({getattr(run, name) for run in runs}) > 1]


def from_flags(
    given: dict[str, Any],
    preset: str | None = None,
    file: str | None = None,
    zipped: bool = False,
) -> list[TrainConfig]:
    """The grid that the command line asks for; where no field has several values, the reference's. Raises: ConfigError."""
    found = read(Path(file)) if file else {}
    zipped = found.pop("zip", False) or zipped
    settings = PRESETS.get(preset or "", {}) | found | given
    if not any(
        isinstance(value, list) and len(value) > 1 for value in settings.values()
    ):
        settings = REFERENCE | settings
    return grid(zipped=zipped, **settings)


def read(file: Path) -> dict[str, Any]:
    """Settings of a TOML file, a value or a list for each, spelled as on the command line; zip = true. Raises: ConfigError."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file} is not a TOML file ({error}): give lines such as latent_dim = [2, 8]."
        ) from None
    settings: dict[str, Any] = {}
    for name, value in found.items():
        name = name.replace("-", "_")
        if name == "zip":
            if type(value) is not bool:
                raise configs.invalid(name, value, "give true or false")
            settings[name] = value
        elif name not in configs.field_types():
            raise ConfigError(
                f"{name} in {file} is not a setting: `vaelib sweep --help` lists them."
            )
        else:
            settings[name] = (
                [parsed(name, one) for one in value]
                if isinstance(value, list)
                else parsed(name, value)
            )
    return settings


def parsed(name: str, value: Any) -> Any:
    """One value of a TOML file, as its flag reads it; hidden layers may be a list too."""
    return configs.parse(
        name, ",".join(map(str, value)) if isinstance(value, list) else str(value)
    )
