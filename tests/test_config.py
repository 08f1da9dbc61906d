"""Settings: their checks, their error messages, JSON and the command line."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from vaelib import checks
from vaelib import config as configs
from vaelib.config import ConfigError, TrainConfig, field_types, from_dict, parse
from vaelib.presets import PRESETS

TINY, MOST, MORE = 5e-324, 1e6, math.nextafter(1e6, 2e6)

# For each field with a range: what lies just outside it, and what lies on its edges.
RANGES = {
    "channels": ([0, 2, 4, -1], [1, 3]),
    "image_size": ([3, 257, 0, -28], [4, 256]),
    "num_workers": ([-1, 10**6 + 1], [0, 10**6]),
    "train_images": ([-1, 10**6 + 1], [0, 10**6]),
    "latent_dim": ([0, -1, 10_001], [1, 10_000]),
    "samples": ([0, -1, 10_001], [1, 10_000]),
    "sigma": ([0.0, -TINY, -1.0, MORE], [TINY, MOST]),
    "min_sigma": ([0.0, -TINY, -1.0, MORE], [TINY, MOST]),
    "beta": ([-TINY, -1.0, MORE], [0.0, TINY, MOST]),
    "free_bits": ([-TINY, -1.0, MORE], [0.0, TINY, MOST]),
    "capacity": ([-TINY, -1.0, MORE], [0.0, TINY, MOST]),
    "gamma": ([0.0, -TINY, -1.0, MORE], [TINY, MOST]),
    "encoder_updates": ([-1, 10**6 + 1], [0, 10**6]),
    "beta_warmup": ([0.0, -1.0, MORE], [TINY, MOST]),
    "beta_cycles": ([0, -1, 10**6 + 1], [1, 10**6]),
    "beta_ratio": ([0.0, math.nextafter(1, 2), -0.5], [TINY, 1.0]),
    "epochs": ([0, -1, 10**6 + 1], [1, 10**6]),
    "batch_size": ([0, -1, 10**6 + 1], [1, 10**6]),
    "lr": ([0.0, -1e-3, MORE], [TINY, MOST]),
    "lr_warmup": ([0.0, math.nextafter(1, 2)], [TINY, 1.0]),
    "adam_beta2": ([-TINY, 0.9999901, 1.0], [0.0, 0.99999]),
    "seed": ([-1, 2**63], [0, 2**63 - 1]),
}
LITERALS = [name for name, hint in field_types().items() if get_origin(hint) is Literal]
INTEGERS = [name for name, hint in field_types().items() if hint is int]
FLOATS = [name for name, hint in field_types().items() if hint is float]
TEXTS = [name for name, hint in field_types().items() if hint is str]
SWITCHES = [name for name, hint in field_types().items() if hint is bool]
SIZES = [name for name, hint in field_types().items() if get_origin(hint) is tuple]


def made(name: str, value: Any) -> TrainConfig:
    """Return a config of sprites, whose shape is free, with one field given.

    An estimator comes with the objective that has all of them.
    """
    given: dict[str, Any] = {"dataset": "sprites", name: value}
    if name == "estimator":
        given["objective"] = "iwae"
    return TrainConfig(**given)


def refusal(name: str, value: Any) -> str:
    """Return the error message for a value, which names the field and the value."""
    with pytest.raises(ConfigError) as error:
        made(name, value)
    return sentence(error.value, name, repr(value))


def sentence(error: ConfigError, *named: str) -> str:
    """Return the message, after checks: one sentence, which contains all of `named`."""
    message = str(error)
    assert message.endswith(".")
    assert "\n" not in message
    assert not re.search(r"[.!?] +[A-Z]", message), "more than one sentence"
    for part in named:
        assert part in message
    return message


def test_every_field_is_covered_here():
    """A new field needs a line in RANGES; one of a new type, a test."""
    by_type = {*LITERALS, *INTEGERS, *FLOATS, *TEXTS, *SIZES, *SWITCHES}
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    assert by_type == fields == set(field_types())
    assert set(RANGES) == {*INTEGERS, *FLOATS}


@pytest.mark.parametrize("name", field_types())
def test_every_field_has_a_default_a_help_and_a_section(name: str):
    field = configs.field_of(name)
    assert field.default is not dataclasses.MISSING
    assert field.metadata["help"]
    what, where = ("data", "model", "objective", "training"), ("machine", "run")
    assert configs.section(name) in (what if configs.affects_result(name) else where)
    assert getattr(TrainConfig(), name) == field.default


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *((name, [None, True, 1.0, "1", [1], math.nan]) for name in INTEGERS),
        *((name, [None, True, "1", [1.0], 1j]) for name in FLOATS),
        *((name, [None, 1, True, ["a"], b"a"]) for name in TEXTS),
        *((name, [None, 1, True, "", "NONE", "none ", [1]]) for name in LITERALS),
        *((name, [None, 0, 1, "True", "", [True]]) for name in SWITCHES),
        *((name, [None, 400.0, "400", "", {4: 4}, {}]) for name in SIZES),
        *((name, [[0], (4, -1), (10_001,), [1.0], [True], ["4"]]) for name in SIZES),
    ],
)
def test_wrong_types_are_refused(name: str, values: list[Any]):
    for value in values:
        refusal(name, value)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_must_be_finite(name: str, value: float):
    refusal(name, value)


@pytest.mark.parametrize("name", ["epochs", "beta"])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_whole_number_beyond_every_float_is_an_error(name: str, sign: int):
    """It raises ConfigError, not Python's OverflowError."""
    refusal(name, sign * 10**400)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, (bad, _) in RANGES.items() for value in bad],
)
def test_a_value_outside_the_range_is_refused(name: str, value: float):
    assert "give" in refusal(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, (_, good) in RANGES.items() for value in good],
)
def test_the_edges_of_the_range_are_allowed(name: str, value: float):
    assert getattr(made(name, value), name) == value


@pytest.mark.parametrize("name", LITERALS)
def test_the_error_for_a_choice_names_them_all(name: str):
    choices = get_args(field_types()[name])
    message = refusal(name, "nonsense")
    assert all(choice in message for choice in choices)
    assert [getattr(made(name, choice), name) for choice in choices] == list(choices)


@pytest.mark.parametrize("name", FLOATS)
def test_a_whole_number_is_a_number(name: str):
    whole = 0 if name == "adam_beta2" else 1  # within the range of each field
    value = getattr(made(name, whole), name)
    assert type(value) is float
    assert value == whole


@pytest.mark.parametrize(
    "dataset",
    ["mnist", "fashion_mnist", "sprites", "folder:/my pictures", "folder:ü", "tensors"],
)
def test_datasets(dataset: str):
    assert TrainConfig(dataset=dataset).dataset == dataset


UNKNOWN = ["", "MNIST", "mnist ", "mnist\n", "cifar"]
INCOMPLETE = ["folder:", "folder", "tensors2", "tensors\n"]


@pytest.mark.parametrize("dataset", UNKNOWN + INCOMPLETE)
def test_other_datasets_are_refused(dataset: str):
    assert "mnist, fashion_mnist, sprites" in refusal("dataset", dataset)


@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist", "cifar10"])
@pytest.mark.parametrize(
    "given", [dict(channels=3), dict(image_size=32), dict(channels=3, image_size=64)]
)
def test_a_data_set_keeps_its_own_shape(dataset: str, given: dict[str, int]):
    with pytest.raises(ConfigError) as error:
        from_dict({"dataset": dataset, **given})
    sentence(error.value, "channels", "image_size", dataset)


USUAL = ["", "run-1", "a.b", "β=4", "実験", "beta=4+tanh"]
UNUSUAL = ["latest2", "a" * 100, "_", "v1..2"]


@pytest.mark.parametrize("what", ["name", "group"])
@pytest.mark.parametrize("name", USUAL + UNUSUAL)
def test_names(what: str, name: str):
    assert getattr(from_dict({what: name}), what) == name


SEPARATORS = ["/", "a/b", "a\\b", "/etc", "C:x"]
HIDDEN = [".", "..", "...", ".git", "../x", "..\\x"]
TAKEN = ["latest", "LATEST", "Latest", "latest.txt"]
ODD = [" ", "a b", "a\n", "\n", "a\0", "a\t", "*", "a" * 101, "\u202e", "a\u2215b"]


@pytest.mark.parametrize("what", ["name", "group"])
@pytest.mark.parametrize("name", SEPARATORS + HIDDEN + TAKEN + ODD)
def test_names_that_leave_their_folder_are_refused(what: str, name: str):
    refusal(what, name)


@hypothesis_settings(deadline=None, derandomize=True)
@given(st.text(max_size=20))
def test_an_allowed_name_is_the_name_of_one_folder(name: str):
    try:
        TrainConfig(name=name)
    except ConfigError as error:
        sentence(error, "name")
        return
    assert not set(name) & set('/\\:*?"<>| \0\n\r\t')
    assert not name.startswith(".")
    assert name.lower() not in ("latest", "latest.txt")


def test_a_config_is_frozen():
    config = TrainConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.beta = 2.0  # pyright: ignore
    assert hash(config) == hash(TrainConfig())


def test_hidden_dim_is_kept_as_a_tuple():
    sizes: Any = [400, 200]
    assert TrainConfig(hidden_dim=sizes).hidden_dim == (400, 200)
    assert TrainConfig(hidden_dim=()).hidden_dim == ()


NUMBERS = [
    ("beta", np.float64(4), 4.0),
    ("beta", np.float32(0.5), 0.5),
    ("beta", np.int64(4), 4.0),
    ("beta", torch.tensor(2.5), 2.5),
    ("epochs", np.int32(3), 3),
    ("epochs", np.array(3), 3),
    ("compile", np.True_, True),
    ("hidden_dim", np.array([400, 200]), (400, 200)),
    ("hidden_dim", [np.int64(400), 200], (400, 200)),
    ("hidden_dim", 400, (400,)),
    ("hidden_dim", 0, ()),
    ("save_dir", Path("a") / "b", str(Path("a") / "b")),
    ("loss", np.str_("mse"), "mse"),
]


@pytest.mark.parametrize(("name", "given", "value"), NUMBERS)
def test_numbers_of_other_libraries_and_paths_are_taken(
    name: str, given: Any, value: Any
):
    found = getattr(TrainConfig(**{name: given}), name)
    assert (found, type(found)) == (value, type(value))
    assert json.loads(json.dumps(found)) == (list(value) if name in SIZES else value)


@pytest.mark.parametrize("value", [np.float64(0.5), np.array([1, 2]), np.nan, [4]])
def test_numbers_that_are_not_whole_are_still_refused(value: Any):
    with pytest.raises(ConfigError) as error:
        TrainConfig(epochs=value)
    sentence(error.value, "epochs")


def test_the_home_folder_may_be_written_as_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for variable in ("HOME", "USERPROFILE"):  # Windows has the second one
        monkeypatch.setenv(variable, str(tmp_path))
    config = TrainConfig(project_dir="~/runs", data_dir="~", save_dir="a~b")
    assert Path(config.project_dir) == tmp_path / "runs"
    assert Path(config.data_dir) == tmp_path
    assert config.save_dir == "a~b"


@pytest.mark.parametrize(
    "name", ["con", "NUL.txt", "Com1", "lpt9.a.b", "a.", "a..", "."]
)
def test_names_that_windows_cannot_keep_are_refused(name: str):
    with pytest.raises(ConfigError) as error:
        TrainConfig(name=name)
    sentence(error.value, "name", "Windows")


def test_names_like_those_of_devices_are_allowed():
    for name in ("console", "com", "nul-1", "a.con"):
        assert TrainConfig(name=name).name == name


def test_what_is_echoed_is_on_one_line_and_visible():
    with pytest.raises(ConfigError) as error:
        TrainConfig(dataset="a\nb\x1b[31m\u202egpj\udcff" + 900 * "x")
    assert str(error.value).isprintable()
    assert len(str(error.value)) <= 500
    assert "\\u202e" in str(error.value)
    assert str(error.value).endswith("or folder:PATH.")


@pytest.mark.parametrize(
    "given",
    [
        dict(objective="iwae", reduction="mean"),
        dict(estimator="dreg"),
        dict(estimator="dreg", samples=5),
        dict(method="wake_sleep", objective="iwae"),
        dict(method="mcem", samples=5),
        dict(method="wake_sleep", free_bits=0.1),
        dict(method="mcem", capacity=5),
        dict(method="wake_sleep", encoder_updates=2),
        dict(free_bits=0.1, objective="iwae"),
        dict(free_bits=0.1, samples=2, estimator="stl"),
        dict(capacity=5, objective="iwae"),
        dict(encoder_updates=5, objective="iwae"),
        dict(capacity=5, free_bits=0.1),
        dict(capacity=5, beta=2),
        dict(capacity=5, beta_schedule="linear"),
        dict(capacity=5, beta_changes="3:2"),
        dict(capacity=5, reduction="mean"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given: dict[str, Any]):
    with pytest.raises(ConfigError) as error:
        TrainConfig(**given)
    is_dreg = given.get("estimator") == "dreg"
    sentence(error.value, "give standard" if is_dreg else "leave it out")


@pytest.mark.parametrize(
    "given",
    [
        dict(objective="iwae"),
        dict(samples=5, reduction="mean", gradient="sum"),
        dict(objective="iwae", samples=5, estimator="dreg", beta_schedule="cyclic"),
        dict(objective="iwae", samples=5, estimator="stl", beta=0.5, compile=True),
        dict(estimator="stl", samples=5, loss="gaussian", reduction="mean"),
        dict(free_bits=0.1, beta_schedule="cyclic", beta=2, reduction="mean"),
        dict(free_bits=0.1, samples=5, encoder_updates=5, compile=True),
        dict(capacity=5, gamma=10, beta_warmup=3, samples=5, encoder_updates=5),
    ],
)
def test_settings_that_go_together(given: dict[str, Any]):
    config = TrainConfig(**given)
    assert config.uses_weights == bool({"objective", "estimator"} & set(given))


def test_needs_total():
    """Only if a schedule depends on the number of epochs."""
    assert not TrainConfig(lr_schedule="none").needs_total
    assert not TrainConfig(lr_schedule="none", beta_schedule="linear").needs_total
    assert TrainConfig(lr_schedule="none", beta_schedule="cyclic").needs_total
    assert TrainConfig(lr_schedule="linear").needs_total


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_configs(preset: str):
    given = PRESETS[preset]
    config = from_dict(given)
    assert {name: getattr(config, name) for name in given} == given


@pytest.mark.parametrize("name", SWITCHES)
def test_switches(name: str):
    assert getattr(made(name, True), name) is True
    assert getattr(made(name, False), name) is False


def values_of(name: str) -> st.SearchStrategy:
    """Return a strategy for the allowed values of a field, from RANGES above."""
    hint = field_types()[name]
    if name in LITERALS:
        return st.sampled_from(get_args(hint))
    if name in SWITCHES:
        return st.booleans()
    if name in SIZES:
        return st.lists(st.integers(1, 5000), max_size=4).map(tuple)
    if name in RANGES:
        low, high = RANGES[name][1][0], RANGES[name][1][-1]
        if name == "channels":
            return st.sampled_from([1, 3])
        return st.integers(int(low), int(high)) if hint is int else st.floats(low, high)
    if name in ("name", "group"):
        names = st.from_regex(r"[A-Za-z0-9_][\w.+=-]{0,20}", fullmatch=True)
        taken = rf"latest.*|.*\.|{checks.DEVICES}"
        return names.filter(lambda n: not re.fullmatch(taken, n, re.I))
    if name == "beta_changes":
        changes = st.dictionaries(st.integers(0, 10_000), st.floats(0, 100), max_size=4)
        return changes.map(lambda c: ",".join(f"{i}:{beta!r}" for i, beta in c.items()))
    if name == "dataset":
        names = ["mnist", "fashion_mnist", "sprites", "folder:here", "tensors"]
        return st.sampled_from(names)
    letters = st.characters(exclude_characters="\0")
    return st.text(letters, max_size=20).filter(lambda text: text[:1] != "~")


def as_typed(value: Any) -> str:
    """Return a value in the form of the command line."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "0"
    return str(value)


# A switch is a flag without text.
@pytest.mark.parametrize("name", [n for n in field_types() if n not in SWITCHES])
def test_parse_reads_what_str_writes(name: str):
    @hypothesis_settings(deadline=None, derandomize=True, max_examples=40)
    @given(values_of(name))
    def round_trip(value: Any) -> None:
        read = parse(name, as_typed(value))
        assert read == value
        assert type(read) is type(value)

    round_trip()


BAD_FORMS = ["x", "3", "3:", ":4", "3:4,", "3:4;5:6", "3:4 5:6"]
BAD_NUMBERS = ["-1:4", "3:-4", "3:nan", "1.5:4", "3:1e999"]


@pytest.mark.parametrize("changes", BAD_FORMS + BAD_NUMBERS)
def test_changes_of_beta_that_cannot_be_read_are_refused(changes: str):
    with pytest.raises(ConfigError) as error:
        TrainConfig(beta_changes=changes)
    sentence(error.value, "beta")


def test_changes_of_beta_by_step():
    assert TrainConfig(beta=2).beta_by_step() == {0: 2.0}
    config = TrainConfig(beta=2, beta_changes="300:4,600:0.5")
    assert config.beta_by_step() == {0: 2.0, 300: 4.0, 600: 0.5}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("hidden_dim", "0", ()),
        ("hidden_dim", "500", (500,)),
        ("hidden_dim", "400,200", (400, 200)),
        ("beta", "4", 4.0),
        ("lr", "1e-3", 0.001),
        ("epochs", "20", 20),
        ("loss", "mse", "mse"),
        ("name", "12", "12"),
        ("seed", "9223372036854775807", 2**63 - 1),
    ],
)
def test_parse(name: str, text: str, value: Any):
    read = parse(name, text)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        *((name, ["", "x", "1.5", "1e3", "nan", "1,2", "0x10"]) for name in INTEGERS),
        *((name, ["", "x", "nan", "inf", "-inf", "1e999", "1/2"]) for name in FLOATS),
        *((name, ["1,5"]) for name in FLOATS),
        *((name, ["", "nonsense"]) for name in LITERALS),
        *((name, ["", "x", "0,0", "400,", "400,0", "-1", "4.5"]) for name in SIZES),
        *((name, ["400;200"]) for name in SIZES),
    ],
)
def test_parse_refuses_in_one_sentence(name: str, texts: list[str]):
    for text in texts:
        with pytest.raises(ConfigError) as error:
            parse(name, text)
        sentence(error.value, name)


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, (bad, _) in RANGES.items() for value in bad if value != 2],
)
def test_parse_refuses_a_value_outside_the_range(name: str, value: float):
    with pytest.raises(ConfigError) as error:
        parse(name, str(value))
    sentence(error.value, name, repr(value))


@pytest.mark.parametrize("name", ["epochs", "beta"])
def test_parse_of_a_very_long_number_is_an_error(name: str):
    for text in ("1" + 400 * "0", "-1" + 400 * "0", 5000 * "9"):
        with pytest.raises(ConfigError) as error:
            parse(name, text)
        sentence(error.value, name)


ANY_FIELDS = {name: values_of(name) for name in field_types()}


@hypothesis_settings(deadline=None, derandomize=True)
@given(st.fixed_dictionaries({}, optional=ANY_FIELDS))
def test_json_keeps_a_config(drawn: dict[str, Any]):
    if drawn.get("dataset", "mnist") not in ("sprites", "folder:here"):
        drawn.pop("channels", None)
        drawn.pop("image_size", None)
    others = {"beta", "beta_changes", "beta_schedule", "reduction"}
    cures = {"free_bits", "capacity", "encoder_updates"}
    more = {"objective", "samples", "estimator", "compile"}
    if (others | cures | more) & set(drawn):
        drawn.pop("method", None)
    for cure in sorted(cures & set(drawn)):
        for name in ("objective", "estimator"):
            drawn.pop(name, None)
        if cure == "capacity":
            for name in others | {"free_bits"}:
                drawn.pop(name, None)
    if drawn.get("objective") == "iwae":
        drawn.pop("reduction", None)
    elif drawn.get("estimator") == "dreg":
        drawn.pop("estimator")
    config = TrainConfig(**drawn)
    again = from_dict(json.loads(json.dumps(dataclasses.asdict(config))))
    assert again == config
    assert hash(again) == hash(config)
    assert all(getattr(config, name) == value for name, value in drawn.items())


@pytest.mark.parametrize("unknown", ["bta", "", "Beta", "__class__", "needs_total"])
def test_an_unknown_setting_is_refused_by_name(unknown: str):
    with pytest.raises(ConfigError) as error:
        from_dict({"beta": 1.0, unknown: 1})
    sentence(error.value, unknown)


def test_from_dict_checks_as_the_config_does():
    with pytest.raises(ConfigError) as error:
        from_dict({"beta": "much"})
    sentence(error.value, "beta", "'much'")
    assert from_dict({}) == TrainConfig()
    assert from_dict({"hidden_dim": [7, 5]}).hidden_dim == (7, 5)
