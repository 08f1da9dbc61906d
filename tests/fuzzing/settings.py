"""Settings: config dicts, grids, TOML files and run_meta.json."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from fuzzing import values
from fuzzing.world import Case, World

GOOD: dict[str, tuple[Any, ...]] = {
    "latent_dim": (1, 2, 10_000),
    "hidden_dim": ((), (4,), [8, 4], (10_000,)),
    "conv_channels": ((4,), [8, 4]),
    "loss": ("bce", "bce_logits", "mse", "gaussian", "logistic"),
    "sigma": (1, 0.5, 1e-6, 1e6),
    "beta": (0, 4, 1e6, 0.25),
    "beta_changes": ("", "1:2", "0:1,10:2.5e-1"),
    "epochs": (1, 1_000_000),
    "fused": (True, False),
    "seed": (0, 2**63 - 1),
    "name": ("", "a", "é+1", "x" * 100),
    "group": ("", "g.1"),
    "project_dir": ("runs", "a b/c"),
    "dataset": ("mnist", "fashion_mnist", "folder:a b", "folder:é"),
}


def good(rng: Random) -> dict[str, Any]:
    """Return valid settings."""
    names = rng.sample(sorted(GOOD), rng.randint(0, 5))
    return {name: rng.choice(GOOD[name]) for name in names}


def spoiled(
    rng: Random, settings: dict[str, Any], plain: bool = False
) -> dict[str, Any]:
    """Return settings with one or two values or names that may be wrong."""
    from vaelib.config import field_types

    settings = dict(settings)
    for _ in range(rng.randint(1, 2)):
        name = rng.choice(list(field_types()))
        if rng.random() < 0.1:
            name = values.text(rng)
        new = values.text(rng) if plain or rng.random() < 0.4 else values.value(rng)
        settings[name] = new
    return settings


def config(rng: Random, world: World) -> Case:
    """Return a call of TrainConfig or from_dict; a third is valid."""
    from vaelib import TrainConfig
    from vaelib.config import field_types, from_dict

    make = rng.choice((from_dict, lambda given: TrainConfig(**given)))
    settings = good(rng)
    if rng.random() < 1 / 3:

        def check(made: TrainConfig) -> None:
            saved = dataclasses.asdict(made)
            for name, value in settings.items():
                value = tuple(value) if isinstance(value, list) else value
                assert saved[name] == value, name
            assert from_dict(json.loads(json.dumps(saved))) == made

        return Case(lambda: make(settings), shown(settings), "work", check=check)

    settings = spoiled(rng, settings)
    if not set(settings) <= set(field_types()):
        make = from_dict  # other names cannot be keywords

    def is_sound(made: TrainConfig) -> None:
        saved = dataclasses.asdict(made)
        assert from_dict(json.loads(json.dumps(saved))) == made
        plain = (str, int, float, bool, tuple)
        assert all(type(value) in plain for value in saved.values())
        hash(made)

    return Case(lambda: make(settings), shown(settings), check=is_sound)


def shown(settings: Any) -> str:
    """Return settings as text, though some cannot be shown."""
    try:
        return repr(settings)[:1000]
    except ValueError:  # a number of too many digits
        return "{" + ", ".join(f"{n!r}: {type(v)}" for n, v in settings.items()) + "}"


def grid(rng: Random, world: World) -> Case:
    """Return a call of `grid`; a third is valid."""
    from vaelib.sweeps.grids import grid as make

    settings: dict[str, Any] = {**good(rng)}
    settings.pop("name", None)
    for name in ("hidden_dim", "conv_channels"):
        settings.pop(name, None)
    if rng.random() < 1 / 3:
        settings["seed"] = rng.choice(([1, 2], range(3), [0]))
        settings["beta"] = rng.choice(([1, 2.5], [4], 1))
        product = [len(v) for v in settings.values() if isinstance(v, (list, range))]

        def check(made: list[Any]) -> None:
            count = 1
            for length in product:
                count *= length
            assert len(made) == len({run.name for run in made}) == count
            assert len({run.group for run in made}) == 1

        return Case(lambda: make(**settings), shown(settings), "work", check=check)
    name = rng.choice(sorted(GOOD))
    some = [values.value(rng, 1) for _ in range(rng.randint(0, 3))]
    wide = (some, some, range(10**9), [1] * 3000, range(2**80), iter(some))
    settings[name] = rng.choice(wide)
    if rng.random() < 0.3:
        huge = list(range(1, 401))
        settings.update(latent_dim=huge, seed=huge, batch_size=huge)
    zipped = rng.choice((False, False, True, values.value(rng)))
    return Case(
        lambda: make(zipped=zipped, **settings),
        f"zipped={type(zipped)}, {shown(settings)}",
    )


def toml_value(rng: Random) -> str:
    """Return the text of a value in TOML, which may be wrong."""
    plain = (
        *("1", "[1, 2]", "'mse'", "true", "1979-05-27", "07:32:00", "{a = 1}", "[[1]]"),
        *("0x" + "f" * 5000, "9" * 5000, "nan", "-inf", "1e400", "[]", "[[], [1]]"),
        *('"\\u202Ea"', '"a\\nb"', '"\\u0000"', "'''a\nb'''", '"' + "x" * 3000 + '"'),
        *("[" * 3000 + "]" * 3000, "[" * 20000, "[1, 'a', true]", "-0", "0b11", "1_0"),
        *("{a.b.c = [{d = 1}]}", "[" + "1," * 3000 + "]", "[-1]", "['']", "1.5"),
    )
    if rng.random() < 0.5:
        return rng.choice(plain)
    return json.dumps(values.text(rng).replace("\udcff", "?"))


def toml(rng: Random, world: World) -> Case:
    """Return the reading of a TOML file; a third is valid."""
    from vaelib.sweeps.grids import from_flags

    file = world.cwd / "grid.toml"
    lines = [
        "latent_dim = [2, 8]",
        "loss = 'mse'",
        "zip = false",
        "hidden-dim = [[8, 4]]",
    ]
    if rng.random() < 1 / 3:
        file.write_text(
            "\n".join(rng.sample(lines, rng.randint(1, 4))) + "\nbeta = [1, 2]\n"
        )

        def check(made: list[Any]) -> None:
            assert [run.beta for run in made][-1] == 2.0

        call: Callable[[], Any] = lambda: from_flags({}, file="grid.toml")  # noqa: E731
        return Case(call, file.read_text(), "work", check=check)
    names = ("latent_dim", "beta", "hidden_dim", "zip", "seed", "name", "group", "x")
    keys = (
        *names,
        '"\\u202Ea"',
        '"a\\nb"',
        "a.b",
        '""',
        "[table]",
        "é",
        "'" + "k" * 2000 + "'",
    )
    for _ in range(rng.randint(1, 2)):
        lines.append(f"{rng.choice(keys)} = {toml_value(rng)}")
    rng.shuffle(lines)
    content = "\n".join(lines).encode("utf-8", "surrogateescape")
    if rng.random() < 0.4:
        content = values.damaged_bytes(rng, content)
    if rng.random() < 0.05:
        content = content.decode("latin-1").encode(rng.choice(("utf-16", "utf-8-sig")))
    name = rng.choice(("grid.toml", "grid.toml", "a\nb\u202e.toml"))
    file = world.cwd / name
    file.write_bytes(content)
    return Case(lambda: from_flags({}, file=name), repr(content[:1000]))


def meta(rng: Random, world: World) -> Case:
    """Return the reading of a run_meta.json; a third is valid."""
    from vaelib import load
    from vaelib.runs import open_run

    world.bring("reports")
    path = Path("reports/group/one")
    file = world.cwd / path / "run_meta.json"
    saved = json.loads(file.read_text(encoding="utf-8"))
    call = rng.choice((lambda: open_run(path), lambda: load(path)))
    if rng.random() < 1 / 3:
        new = good(rng)
        new.pop("dataset", None)  # MNIST has its own shape
        saved["config"].update(new)
        saved["more"] = values.text(rng).replace("\udcff", "?")
        file.write_text(json.dumps(saved), encoding="utf-8")

        def check(opened: Any) -> None:
            settings = saved["config"]
            for name in ("hidden_dim", "conv_channels"):
                settings[name] = tuple(settings[name])
            if not isinstance(opened, tuple):
                assert dataclasses.asdict(opened.config) == settings

        return Case(call, repr(saved["config"]), "work", check=check)
    content = json.dumps(saved, indent=2)
    kind, key = rng.randrange(6), rng.choice(list(saved["config"]))
    if kind == 0:
        content = values.damaged_text(rng, content)
    elif kind == 1:
        saved["config"] = rng.choice(([], {}, "", None, 1, [saved["config"]], {"": 1}))
        content = json.dumps(saved)
    elif kind == 2:
        deep = rng.choice(("[" * 100_000, '{"a":' * 50_000, "9" * 6000, "NaN", "1e999"))
        content = content.replace(f'"{key}": ', f'"{key}": {deep}, "x": ', 1)
    elif kind == 3:
        content = content.replace(f'"{key}": ', f'"{key}": 1, "{key}": ', 1)
    elif kind == 4:
        names = ("\u202ea", "a\nb\0", "x" * 3000, "\ud800", "", values.text(rng))
        saved["config"][rng.choice(names)] = 1
        content = json.dumps(saved)
    else:
        saved["config"][key] = values.text(rng)
        content = json.dumps(saved)
    raw = content.encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        raw = values.damaged_bytes(rng, raw)
    file.write_bytes(raw)
    return Case(call, f"kind {kind}, {key}: {raw[:300]!r}")
