"""What tests/fuzz.py found: a test for each root cause, with its smallest example."""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from fuzzing.pictures import claimed_png, encoded
from fuzzing.world import limited

from vaelib import TrainConfig, load, runs
from vaelib.config import ConfigError, from_dict
from vaelib.data import DataError, load_dataset
from vaelib.files import read_tensors, write_tensors
from vaelib.runfiles import RunError
from vaelib.sweeps.grids import from_flags, grid
from vaelib.training import EpochEnd, start, updates

if TYPE_CHECKING:
    from conftest import Cli, Tree

NASTY = "a\n\x1b[31m\u202eb\u2067\u200f\u2028\x85"
LONG = 600  # characters of a message


def assert_readable(message: str) -> None:
    """Check that a message is one short line without characters that cannot be seen."""
    assert message.isprintable(), message
    assert 20 < len(message) < LONG


@contextmanager
def silent() -> Iterator[None]:
    """Check that no warning is shown in the `with` block.

    Warnings are recorded: as errors they could be taken for those of a damaged file.
    """
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        yield
    assert [str(warning.message) for warning in shown] == []


def changed(file: Path, change: Callable[[Any], Any]) -> None:
    """Change the content of a file of tensors."""
    saved = read_tensors(file)
    result = change(saved)
    write_tensors(file, saved if result is None else result)


# What is echoed


@pytest.mark.parametrize(
    "argv",
    [
        ["train", NASTY],
        ["train", "--resume", NASTY],
        ["train", "--epochs", NASTY],
        ["train", "--dataset", f"folder:{NASTY}"],
        ["sweep", "--file", NASTY],
        ["compare", NASTY],
        ["evaluate", NASTY],
        ["traverse", NASTY],
        [NASTY],
    ],
    ids=lambda argv: " ".join(argv[:-1]) or "command",
)
def test_what_a_command_echoes_is_escaped(
    argv: list[str], cli: Cli, tree: Tree, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    found = cli(*argv)
    assert_readable(found.refusal)
    assert r"\u202e" in found.err
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("word", ["x" * 5000, "9" * 5000, "n/" * 900])
@pytest.mark.parametrize(
    "argv",
    [["train"], ["train", "--epochs"], ["train", "--name"], ["compare"], ["evaluate"]],
    ids=" ".join,
)
def test_what_a_command_echoes_is_short(argv: list[str], word: str, cli: Cli) -> None:
    assert_readable(cli(*argv, word).refusal)


def test_a_path_that_was_written_is_escaped(
    cli: Cli, run: Path, tmp_path: Path
) -> None:
    output = tmp_path / "a\n\u202eb.png"
    found = cli("traverse", run, "--output", output)
    assert (found.code, output.is_file()) == (0, True)
    assert found.out.count("\n") == 1
    assert found.out.strip().isprintable()


@pytest.mark.parametrize("name", [NASTY, "x" * 3000, "\ud800"])
def test_unknown_settings_are_escaped(name: str, run: Path, tmp_path: Path) -> None:
    messages = []
    with pytest.raises(ConfigError) as error:
        from_dict({name: 1})
    messages.append(error.value)
    with pytest.raises(ConfigError) as error:
        grid(**{name: 1})
    messages.append(error.value)
    meta = json.loads((run / "run_meta.json").read_text())
    meta["config"][name] = 1
    (run / "run_meta.json").write_text(json.dumps(meta))
    with pytest.raises(RunError) as other:
        runs.open_run(run)
    messages.append(other.value)
    if name != "\ud800":
        file = tmp_path / "a\u202eb.toml"
        file.write_text(f"{json.dumps(name)} = 1\n", encoding="utf-8")
        with pytest.raises(ConfigError) as error:
            from_flags({}, file=str(file))
        messages.append(error.value)
    for message in messages:
        assert_readable(str(message))


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": [1] * 2000},
        {"name": "x" * 3000},
        {"hidden_dim": [0] * 3000},
        {"dataset": "y" * 3000},
        {"seed": 10**5000},
        {"seed": -(10**5000)},
        {"loss": [10**5000]},
        {"beta": 10**400},
        {"loss": np.array([1, 2])},
        {"loss": np.zeros((2, 2))},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_values_of_any_size_are_refused_in_short(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as error:
        TrainConfig(**settings)
    assert_readable(str(error.value))
    assert str(error.value).startswith(next(iter(settings)))


# Grids and TOML files


@pytest.mark.parametrize(
    "value",
    ["9" * 5000, "0x" + "f" * 5000, "[" * 3000 + "]" * 3000, "[" * 3000, "{a = 1}"],
    ids=["digits", "hexadecimal", "deep", "open", "table"],
)
@pytest.mark.parametrize("name", ["seed", "zip", "hidden_dim"])
def test_a_value_that_toml_cannot_mean(name: str, value: str, tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    file.write_text(f"{name} = {value}\n")
    with pytest.raises(ConfigError) as error:
        from_flags({}, file=str(file))
    assert_readable(str(error.value))


@pytest.mark.parametrize(
    "lists",
    [
        {"seed": range(10**9)},
        {"seed": range(2**80)},
        {"group": range(2**80)},
        {"seed": range(400), "latent_dim": range(1, 401), "epochs": range(1, 401)},
    ],
    ids=["range", "more than memory", "group", "product"],
)
def test_a_grid_of_millions_is_refused_at_once(lists: dict[str, Any]) -> None:
    with limited(256 << 20), pytest.raises(ConfigError) as error:
        grid(**lists)
    assert_readable(str(error.value))


def test_a_grid_of_millions_in_a_file_is_refused_at_once(tmp_path: Path) -> None:
    many = ",".join(map(str, range(1, 3001)))
    file = tmp_path / "grid.toml"
    file.write_text(f"seed = [{many}]\nlatent_dim = [{many}]\nepochs = [{many}]\n")
    with limited(256 << 20), pytest.raises(ConfigError, match="27000000000"):
        from_flags({}, file=str(file))


@pytest.mark.parametrize("zipped", [np.array([1, 2]), "no"])
def test_zipped_is_true_or_false(zipped: Any) -> None:
    with pytest.raises(ConfigError, match="zip"):
        grid(zipped=zipped, seed=[1, 2])


# Paths


@pytest.mark.parametrize("command", ["compare", "traverse"])
def test_a_nul_in_a_path_is_bad_input(command: str, cli: Cli, run: Path) -> None:
    path = run.parent if command == "compare" else run
    assert r"\x00" in cli(command, path, "--output", "a\0b").refusal


@pytest.mark.parametrize("flag", ["--save-dir", "--project-dir", "--resume"])
def test_a_nul_in_the_path_of_a_run(
    flag: str, cli: Cli, tiny: list[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert r"\x00" in cli("train", *tiny, flag, "a\0b").refusal
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("path", [".", "", "/", ".."])
def test_a_path_without_a_name_is_no_run(
    path: str, cli: Cli, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "run_meta.json" in cli("evaluate", path).refusal


@pytest.mark.parametrize(
    "content",
    ["", "../group/run-002", "/etc", "a/b", "one\ntwo", "\0", "..", ".", "x" * 5000],
)
def test_a_pointer_that_names_no_run(
    content: str, cli: Cli, tree: Tree, tmp_path: Path
) -> None:
    (tmp_path / "latest.txt").write_text(content)
    before = tree(tmp_path)
    assert_readable(cli("evaluate", tmp_path / "latest").refusal)
    assert tree(tmp_path) == before


# Checkpoints


class Code:
    """An object whose pickle would write a file when it is read."""

    def __reduce__(self) -> Any:
        return Path.write_text, (Path("PWNED"), "")


def foreign(kind: str) -> bytes:
    """Return a file that is not a checkpoint."""
    out = io.BytesIO()
    if kind == "code":
        return pickle.dumps(Code())
    if kind == "legacy":
        torch.save({"a": torch.ones(1)}, out, _use_new_zipfile_serialization=False)
    elif kind == "list":
        torch.save([1, 2], out)
    elif kind == "number":
        torch.save(torch.ones(1), out)
    else:
        torch.save({"config": Code()}, out, pickle_protocol=4)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["code", "legacy", "list", "number", "code in zip"])
def test_a_foreign_file_is_refused_without_a_warning(
    kind: str, run: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(run)
    file = run / "vae_epoch_0001.pt"
    file.write_bytes(foreign(kind))
    with silent(), pytest.raises(RunError) as error:
        load(file)
    assert_readable(str(error.value))
    assert not (run / "PWNED").exists()


def test_an_archive_that_would_grow_is_refused(run: Path) -> None:
    """A file of 64 kB that claims 64 MB: torch.save never compresses."""
    import tracemalloc

    file = run / "vae_epoch_0001.pt"
    with zipfile.ZipFile(file) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            new.writestr(name, bytes(64 << 20) if name.endswith("/0") else content)
    tracemalloc.start()
    try:
        with pytest.raises(RunError):
            load(file)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        assert_no_archive_is_unpacked(file)
    finally:
        tracemalloc.stop()


def assert_no_archive_is_unpacked(file: Path) -> None:
    """Check that torch, whose memory Python does not see, was not asked at all."""
    with pytest.raises(zipfile.BadZipFile):
        read_tensors(file)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda w: w.to(torch.complex64),
        lambda w: w.to_sparse(),
        lambda w: w.int(),
        lambda w: w.flatten()[:-1],
        lambda w: w * float("nan"),
        lambda w: w.new_zeros(()),
        lambda w: w.tolist(),
        lambda w: None,
    ],
    ids=["complex", "sparse", "int", "flat", "nan", "scalar", "list", "none"],
)
@pytest.mark.parametrize("name", ["fc_mu.weight", "fc_out.bias"])
def test_weights_of_another_kind_are_refused(
    name: str, wrong: Callable[[Any], Any], cli: Cli, run: Path, tree: Tree
) -> None:
    file = run / "vae_epoch_0001.pt"

    def change(saved: Any) -> None:
        saved["weights"][name] = wrong(saved["weights"][name])

    changed(file, change)
    before = tree(run)
    for command in ("evaluate", "traverse"):
        assert "vae_epoch_0001.pt is damaged" in cli(command, run).refusal
    assert tree(run) == before


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_weights_of_another_precision_are_converted(
    dtype: torch.dtype, run: Path
) -> None:
    model, _ = load(run)
    changed(
        run / "vae_epoch_0001.pt",
        lambda saved: saved["weights"].update(
            {name: w.to(dtype) for name, w in saved["weights"].items()}
        ),
    )
    again, _ = load(run)
    for name, weight in again.state_dict().items():
        assert weight.dtype == torch.float32
        close = model.state_dict()[name].to(dtype).float()
        assert torch.equal(weight, close)


@pytest.mark.parametrize(
    "shape",
    [[1, 0, 8], [1, 8], [8, 8, 1], [1, 4, 16], [1, 8.0, 8], ["1", 8, 8], [True, 8, 8]],
)
def test_a_shape_that_is_not_that_of_the_images(shape: list[Any], run: Path) -> None:
    changed(run / "vae_epoch_0001.pt", lambda saved: saved.update(shape=shape))
    with silent(), pytest.raises(RunError):
        load(run)


# state.pt


def resumed(path: Path) -> list[float]:
    """Return the epochs that a run trains when it is resumed for one epoch more."""
    run = runs.open_run(path)
    config = replace(run.config, epochs=3)
    data = load_dataset(*config.data_source)
    state = start(config, data)
    with run.lock():
        run.restore(state, data)
        ends = [e for e in updates(state, data, config) if isinstance(e, EpochEnd)]
    return [end.epoch for end in ends]


def test_a_run_that_is_not_damaged_goes_on(run: Path) -> None:
    assert resumed(run) == [2]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("step", value) for value in (1.5, float("nan"), {}, -1, 0, -(2**70), True)),
        *(("step", value) for value in (7, 13, 10**6, "8", torch.tensor(8), None)),
        *(("epoch", value) for value in (1, 3, -1, [], 10**30, 2.0, torch.tensor(2))),
        *(("order_seed", value) for value in ("x", None, 1.5, 2**70)),
        *(("losses", value) for value in (torch.zeros(2), torch.zeros(1, 2), 1.0)),
        ("losses", torch.zeros(4, 2, dtype=torch.complex64)),
        ("rng", torch.zeros(3)),
        ("model", {}),
        ("optimizer", {}),
    ],
    ids=lambda value: repr(value).replace("\n", "")[:20],
)
def test_a_state_that_cannot_be_is_refused(
    key: str, value: Any, run: Path, tree: Tree
) -> None:
    changed(run / "state.pt", lambda saved: saved["state"].update({key: value}))
    before = tree(run)
    with silent(), pytest.raises(RunError, match=r"state\.pt is damaged"):
        resumed(run)
    assert tree(run) == before


@pytest.mark.parametrize(
    "path",
    [
        ["state"],
        ["rows"],
        ["rows", 0],
        ["state", "model"],
        ["state", "optimizer"],
        ["state", "optimizer", "state"],
        ["state", "optimizer", "state", 0],
    ],
    ids=str,
)
@pytest.mark.parametrize("values", [1.0, [0.0, 0.0]], ids=["number", "vector"])
def test_a_tensor_instead_of_a_dictionary_is_refused(
    path: list[Any], values: Any, run: Path, tree: Tree
) -> None:
    """Asked for a name, a tensor warns before it raises."""

    def replace(saved: Any) -> None:
        *above, last = path
        for key in above:
            saved = saved[key]
        saved[last] = torch.tensor(values)

    changed(run / "state.pt", replace)
    before = tree(run)
    with silent(), pytest.raises(RunError, match=r"state\.pt is damaged"):
        resumed(run)
    assert tree(run) == before


@pytest.mark.parametrize(
    "wrong",
    [
        lambda of: of.pop("exp_avg"),
        lambda of: of.update(exp_avg="x"),
        lambda of: of.update(exp_avg=of["exp_avg"].to(torch.complex64)),
        lambda of: of.update(exp_avg=of["exp_avg"].flatten()[:1]),
        lambda of: of.update(step=torch.tensor([1.0, 2.0])),
        lambda of: of.clear(),
    ],
    ids=["missing", "text", "complex", "shape", "step", "empty"],
)
def test_an_optimizer_that_does_not_fit_is_refused(
    wrong: Callable[[Any], Any], run: Path, tree: Tree
) -> None:
    def change(saved: Any) -> None:
        wrong(saved["state"]["optimizer"]["state"][3])

    changed(run / "state.pt", change)
    before = tree(run)
    with pytest.raises(RunError, match=r"state\.pt is damaged"):
        resumed(run)
    assert tree(run) == before


@pytest.mark.parametrize("name", ["betas", "eps", "fused", "amsgrad"])
def test_settings_of_an_optimizer_are_those_of_the_run(
    name: str, run: Path, tree: Tree
) -> None:
    """They are refused in state.pt, or they do not matter: the config has them too."""

    def change(saved: Any) -> None:
        saved["state"]["optimizer"]["param_groups"][0][name] = "x"

    changed(run / "state.pt", change)
    before = tree(run)
    try:
        ended = resumed(run)
    except RunError:
        assert tree(run) == before
    else:
        assert ended == [2]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda rows: rows[0].update(recon={}),
        lambda rows: rows[0].update(kl="1"),
        lambda rows: rows[0].update(kl=torch.tensor(1)),
        lambda rows: rows[1].update(epoch=7),
        lambda rows: rows[1].update(epoch=0),
        lambda rows: rows.clear(),
        lambda rows: rows.pop(),
        lambda rows: rows.append(rows[0]),
    ],
    ids=["dict", "text", "tensor", "7", "twice", "none", "one less", "one more"],
)
def test_rows_that_do_not_fit_the_epochs_are_refused(
    wrong: Callable[[Any], Any], run: Path, tree: Tree
) -> None:
    def change(saved: Any) -> None:
        wrong(saved["rows"])

    changed(run / "state.pt", change)
    before = tree(run)
    with pytest.raises(RunError, match=r"state\.pt is damaged"):
        resumed(run)
    assert tree(run) == before


def test_a_refused_resume_has_changed_nothing(run: Path, tree: Tree) -> None:
    (run / "samples" / "epoch_0000.png").unlink()
    (run / "vae_epoch_0000.pt").write_bytes(b"damaged")
    changed(run / "state.pt", lambda saved: saved["rows"][0].update(kl=1.0))
    before = tree(run)
    with pytest.raises(RunError, match=r"vae_epoch_0000\.pt is damaged"):
        resumed(run)
    assert tree(run) == before


# Pictures


def test_what_pillow_warns_of_does_not_reach_the_user(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(encoded("png", "L"))
    data = {"bomb.png": claimed_png(10_000, 10_000)}
    tif = encoded("tif", "RGB")
    samples = tif.index(b"\x15\x01\x03\x00") + 8  # the tag SamplesPerPixel
    data["samples.tif"] = tif[:samples] + b"\x03\x80" + tif[samples + 2 :]
    data["cut.tif"] = tif[: len(tif) // 2]
    for name, content in data.items():
        file = tmp_path / name
        file.write_bytes(content)
        with silent(), pytest.raises(DataError) as error:
            load_dataset(f"folder:{tmp_path}", "none", 1, 8)
        assert_readable(str(error.value))
        assert name in str(error.value)
        file.unlink()
    assert capfd.readouterr().err == ""
