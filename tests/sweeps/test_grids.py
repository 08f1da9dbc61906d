"""Grids: lists for any field, combined or paired, from flags, a file or Python."""

from __future__ import annotations

import itertools
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaelib import config as configs
from vaelib.checks import check_name
from vaelib.config import ConfigError, TrainConfig
from vaelib.flags import Parser, add_arguments
from vaelib.sweeps import grid, grids

if TYPE_CHECKING:
    from conftest import Cli, Tree

# Two values for every field that can vary.
PAIRS: dict[str, tuple[Any, Any]] = dict(
    dataset=("mnist", "fashion_mnist"),
    binarize=("none", "fixed"),
    data_dir=("a", "b/c"),
    num_workers=(0, 2),
    train_images=(0, 1000),
    latent_dim=(2, 8),
    model=("mlp", "conv"),
    hidden_dim=((400,), (400, 200)),
    conv_channels=((32, 64), (8,)),
    activation=("relu", "tanh"),
    objective=("elbo", "iwae"),
    samples=(1, 5),
    estimator=("standard", "stl"),
    free_bits=(0.0, 0.5),
    capacity=(0.0, 10.0),
    gamma=(100.0, 1000.0),
    encoder_updates=(0, 5),
    loss=("bce", "mse"),
    sigma=(0.5, 1.0),
    min_sigma=(0.05, 0.1),
    reduction=("sum", "mean"),
    beta_changes=("3:4.0", "3:4.0,5:0.5"),
    beta=(1.0, 4.0),
    beta_schedule=("none", "cyclic"),
    beta_warmup=(1.0, 2.0),
    beta_cycles=(4, 2),
    beta_ratio=(0.5, 0.25),
    method=("aevb", "mcem"),
    epochs=(1, 2),
    batch_size=(128, 256),
    lr=(1e-3, 1e-05),
    lr_schedule=("none", "linear"),
    lr_warmup=(0.1, 0.2),
    optimizer=("adam", "adagrad"),
    adam_beta2=(0.98, 0.999),
    fused=(True, False),
    matmul_precision=("medium", "highest"),
    gradient=("mean", "sum"),
    output_bias=("random", "data"),
    init=("uniform", "normal"),
    weight_prior=("none", "normal"),
    compile=(False, True),
    device=("auto", "cpu"),
    seed=(1, 2),
)
SPRITES_ONLY = dict(channels=(1, 3), image_size=(8, 28))
RUN = ("project_dir", "group", "name", "save_dir")


def test_there_is_a_pair_for_every_field():
    names = {field.name for field in fields(TrainConfig)}
    assert {*PAIRS, *SPRITES_ONLY, *RUN} == names


@pytest.mark.parametrize("name", [*PAIRS, *SPRITES_ONLY])
def test_every_field_can_be_a_list_in_python_on_the_command_line_and_in_a_file(
    name: str, tmp_path: Path
):
    pair = (PAIRS | SPRITES_ONLY)[name]
    fixed = dict(dataset="sprites") if name in SPRITES_ONLY else {}
    python = grid(**fixed, **{name: list(pair)})
    assert [getattr(run, name) for run in python] == list(pair)
    assert len({run.name for run in python}) == 2
    assert len({run.group for run in python}) == 1

    texts = [
        ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for value in pair
    ]
    parser = Parser(allow_abbrev=False)
    add_arguments(parser, many=True)
    flags = [part for key, value in fixed.items() for part in (f"--{key}", value)]
    given = vars(parser.parse_args([*flags, f"--{name.replace('_', '-')}", *texts]))
    preset = given.pop("preset")
    assert grids.from_flags(given, preset) == python

    file = tmp_path / "sweep.toml"
    lines = [f"{key} = {value!r}" for key, value in fixed.items()]
    lines.append(f"{name} = [{', '.join(map(toml, pair))}]")
    file.write_text("\n".join(lines))
    assert grids.from_flags({}, file=str(file)) == python


def toml(value: Any) -> str:
    """Return a value as it is written in TOML."""
    if isinstance(value, tuple):
        return str(list(value))
    return repr(value).lower() if type(value) is bool else repr(value)


def test_all_combinations_in_the_order_of_the_config():
    runs = grid(seed=range(2), latent_dim=[2, 8], epochs=3)
    found = [(run.latent_dim, run.seed, run.epochs) for run in runs]
    assert found == [(2, 0, 3), (2, 1, 3), (8, 0, 3), (8, 1, 3)]
    assert runs[0].name == "latent_dim=2-seed=0"
    assert {run.group for run in runs} == {"mnist-grid"}


def test_zip_pairs_the_lists_and_repeats_single_values():
    runs = grid(zipped=True, latent_dim=[2, 8], lr=[1e-3, 1e-4], seed=[3])
    found = [(run.latent_dim, run.lr, run.seed) for run in runs]
    assert found == [(2, 1e-3, 3), (8, 1e-4, 3)]


def test_the_reference_grid_is_the_default():
    runs = grids.from_flags({"epochs": [2]})
    found = [(run.latent_dim, run.loss, run.beta_schedule) for run in runs]
    losses, schedules = ("bce", "bce_logits", "mse"), ("none", "linear", "cyclic")
    assert found == list(itertools.product((2, 8, 20), losses, schedules))
    common = {(run.epochs, run.seed, run.group) for run in runs}
    assert common == {(2, 42, "mnist-grid")}
    assert len(grids.from_flags({"latent_dim": [2]})) == 9


def test_a_list_replaces_the_reference_grid():
    seeds = {"seed": [1, 2]}
    assert [run.name for run in grids.from_flags(seeds)] == ["seed=1", "seed=2"]
    runs = grids.from_flags(seeds, preset="pytorch-examples")
    assert {run.loss for run in runs} == {"bce"}


def test_flags_override_the_file_and_the_file_overrides_a_preset(tmp_path: Path):
    file = tmp_path / "sweep.toml"
    lines = ["zip = true", "latent-dim = [2, 8]", "seed = [1, 2]"]
    lines += ['loss = "mse"', 'hidden_dim = "400,200"']
    file.write_text("\n".join(lines))
    runs = grids.from_flags({"seed": [5, 6]}, "pytorch-examples", str(file))
    found = [(run.latent_dim, run.seed, run.loss, run.batch_size) for run in runs]
    assert found == [(2, 5, "mse", 128), (8, 6, "mse", 128)]
    assert runs[0].hidden_dim == (400, 200)


LETTERS = st.characters(exclude_characters="\0")
FOLDERS = st.text(LETTERS, min_size=1).map("folder:{}".format)


@given(st.lists(FOLDERS, min_size=2, max_size=5, unique=True), st.booleans())
def test_different_settings_have_different_valid_names(datasets: list[str], more: bool):
    runs = grid(dataset=datasets, **({"lr": [1e-3, 1.0000000001e-3]} if more else {}))
    assert len({run.name for run in runs}) == len(runs)
    for run in runs:
        check_name("name", run.name)
        assert run.name


def test_long_names_are_shortened_and_still_different():
    names = ["activation", "beta", "beta_cycles", "beta_ratio"]
    names += ["output_bias", "gradient", "adam_beta2"]
    runs = grid(**{name: list(PAIRS[name]) for name in names})
    assert len({run.name for run in runs}) == len(runs) == 128
    assert max(len(run.name) for run in runs) == 100


def test_varying_fields_are_those_that_differ():
    runs = grid(latent_dim=[2, 8], seed=[1], loss=["bce", "mse"])
    assert grids.varying(runs) == ["latent_dim", "loss"]
    assert grids.format_value((400, 200)) == "400x200"
    assert grids.format_value(()) == "0"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (dict(latent_dim=[2, 0]), "latent_dim is 0"),
        (dict(latent_dims=[2]), "latent_dims is not a setting"),
        (dict(latent_dim=[]), "latent_dim is []"),
        (dict(latent_dim=[2, 2]), "latent_dim=2 is in the grid twice"),
        (dict(beta=[1, 1.0]), "is in the grid twice"),
        (
            dict(zipped=True, latent_dim=[2, 8], seed=[1, 2, 3]),
            "latent_dim has 2, seed has 3",
        ),
        (dict(name="x"), "a sweep names its runs itself"),
        (dict(save_dir="x"), "a sweep names its runs itself"),
        (dict(group=["a", "b"]), "give one value"),
        (dict(group="a/b"), "group is 'a/b'"),
    ],
    ids=str,
)
def test_bad_grid(settings: dict[str, Any], words: str):
    with pytest.raises(ConfigError) as refused:
        grid(**settings)
    assert words in str(refused.value)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--latent-dim", "2", "x"], "latent_dim is 'x': give a whole number"),
        (["--fused", "maybe", "true"], "fused is 'maybe': give True or False"),
        (["--latent-dim"], "expected at least one argument"),
        (["--lantent-dim", "2"], "unrecognized arguments: --lantent-dim 2"),
        (
            ["--zip", "--latent-dim", "2", "8", "--seed", "1", "2", "3"],
            "zip needs lists of the same length",
        ),
        (["--group", "a/b"], "group is 'a/b'"),
        (["--name", "x"], "unrecognized arguments: --name x"),
        (["--workers", "0"], "'0' is not a whole number of at least 1"),
        (
            ["--workers", "2", "--scheduler", "tcp://127.0.0.1:1"],
            "leave out --workers or --scheduler",
        ),
        (["--file", "nowhere.toml"], "nowhere.toml: No such file"),
    ],
    ids=str,
)
def test_bad_flags_get_one_sentence_and_write_nothing(
    argv: list[str],
    words: str,
    cli: Cli,
    tree: Tree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    assert words in cli("sweep", *argv).refusal
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("latent_dim = [2, ", "is not a TOML file"),
        ("latent_dims = 2", "latent_dims in "),
        ("latent_dim = [2, 2.5]", "latent_dim is '2.5': give a whole number"),
        ("loss = ['bce', 'bca']", "loss is 'bca': give one of"),
        ("zip = 1", "zip is 1: give true or false"),
        ("[latent_dim]\na = 1", "latent_dim is"),
        ("seed = [[1, 2]]", "seed is '1,2'"),
    ],
)
def test_a_bad_file_gets_one_sentence(
    text: str, words: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("sweep.toml").write_text(text)
    assert words in cli("sweep", "--file", "sweep.toml").refusal
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.toml"]


def test_a_config_of_a_grid_can_be_saved_and_read():
    [run, _] = grid(seed=[1, 2], group="g", project_dir="p")
    assert configs.from_dict(asdict(run)) == run
    assert (run.project_dir, run.group, run.name) == ("p", "g", "seed=1")
