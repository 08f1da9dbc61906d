"""Models of the book: which are trained, what is packed, and how exact 8 bits are."""

from __future__ import annotations

import csv
import json
import re
import shutil
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zoo

from vaelib import VAE, load_dataset, runs
from vaelib.config import ConfigError
from vaelib.data import pixels
from vaelib.losses import title
from vaelib.widgets import weights

ROOT = Path(__file__).parents[1]
TINY = """
beta = [1, 9]
epochs = 1
hidden_dim = [8]
latent_dim = 2
dataset = "sprites"
group = "tiny"
"""


def read(file: Path) -> dict[str, Any]:
    """Return the content of a state file, with base64 decoded to bytes."""
    text = file.read_text("utf-8")
    call = re.fullmatch(r"vaelibState\((\"[^\"]+\"), (.*)\);\n", text, re.S)
    assert call
    assert json.loads(call[1]) == f"zoo/{file.stem}"

    def decode(found: dict[str, Any]) -> Any:
        return b64decode(found["base64"]) if set(found) == {"base64"} else found

    return json.loads(call[2], object_hook=decode)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a sweep of two models of sprites, its runs and its files."""
    folder = tmp_path_factory.mktemp("zoo")
    project_dir = json.dumps(str(folder / "runs"))
    (folder / "sweep.toml").write_text(f"project_dir = {project_dir}{TINY}", "utf-8")
    assert zoo.main([str(folder / "sweep.toml"), str(folder / "out")]) == 0
    return folder


@pytest.mark.parametrize(
    ("file", "sizes"), [("book/zoo.toml", (4, 3, 3)), ("tests/zoo.toml", (2, 3, 2))]
)
def test_sweep_contains_every_combination(file: str, sizes: tuple[int, int, int]):
    grid = zoo.read(ROOT / file)
    found = {(run.beta, run.loss, run.latent_dim) for run in grid}
    betas, losses, latents = (sorted(set(part)) for part in zip(*found, strict=True))
    assert (len(betas), len(losses), len(latents)) == sizes
    assert len(found) == len(grid) == len(betas) * len(losses) * len(latents)
    assert losses == ["bce_logits", "gaussian", "mse"]
    assert {1.0} < set(betas)
    assert min(latents) == 2
    assert {run.project_dir for run in grid} == {"build"}
    other = zoo.read((ROOT / file).with_name("zoo-conv.toml"))
    assert {run.model for run in other} == {"conv"}
    assert {(run.beta, run.loss, run.latent_dim) for run in other} < found


def test_index_names_each_model_and_the_first_one(tiny: Path):
    index = read(tiny / "out/zoo/index.js")
    models = [(m["beta"], m["loss"], m["latents"]) for m in index["models"]]
    assert models == [(1.0, "bce_logits", 2), (9.0, "bce_logits", 2)]
    assert index["first"] == 0
    named = {"zoo/index.js", *(f"{model['file']}.js" for model in index["models"])}
    files = (tiny / "out").rglob("*.js")
    assert named == {file.relative_to(tiny / "out").as_posix() for file in files}
    images = load_dataset("sprites").test[:100].numpy().tobytes()
    assert index["test"]["images"] == images
    assert len(index["noise"]) == 30 * 2 * 4


def test_model_is_packed_with_its_log_and_the_name_of_its_loss(tiny: Path):
    file = read(tiny / "out/zoo/index.js")["models"][1]["file"]
    [run] = (tiny / "runs").glob(f"tiny-*/{file.removeprefix('zoo/mlp-')}")
    state = read(tiny / "out" / f"{file}.js")
    model, _ = runs.load(run)
    assert state["network"] == weights.pack(model)
    with (run / "curves/train_log.csv").open() as file:
        [log] = csv.DictReader(file)
    names = ("epoch", "beta", "recon", "kl", "train_recon", "train_kl")
    expected = {name: pytest.approx([float(log[name])], abs=1e-4) for name in names}
    assert state["log"] == expected
    assert state["term"] == "cross-entropy"
    mean, largest = zoo.error(model, load_dataset("sprites").test[:1000])
    assert state["rounding"] == dict(bits=8, mean=mean, largest=largest)


def test_axes_of_a_loss_show_all_its_models(tiny: Path):
    index = read(tiny / "out/zoo/index.js")
    states = [read(tiny / "out" / f"{model['file']}.js") for model in index["models"]]
    axes = index["axes"]["bce_logits"]
    assert axes["kl"] == max(max(state["codes"]["kl"]) for state in states)
    logs = [state["log"] for state in states]
    shown = [log["recon"][0] for log in logs]
    for log, beta in zip(logs, (1, 9), strict=True):
        shown.append(log["train_recon"][0] + beta * log["train_kl"][0])
    assert axes["nats"] == [0, pytest.approx(1.04 * max(shown))]


def test_axes_reach_below_zero_for_a_density():
    log = dict(beta=[6.0], recon=[-9.0], kl=[1.0], train_recon=[-6.0], train_kl=[1.5])
    state = dict(log=log, codes=dict(kl=[0.5, 0.25]))
    assert zoo.axes([state]) == dict(nats=[-9.0, 3 + 0.04 * 12], kl=0.5)


def test_second_call_writes_nothing(tiny: Path, capsys: pytest.CaptureFixture[str]):
    def times() -> dict[Path, int]:
        runs, packed = "runs/tiny-*/beta*/*", "out/zoo/mlp*"
        files = [*tiny.glob(runs), *tiny.glob(packed)]
        return {path: path.stat().st_mtime_ns for path in files}

    before = times()
    assert len(before) > 10
    assert zoo.main([str(tiny / "sweep.toml"), str(tiny / "out")]) == 0
    assert "2 runs, 2 finished" in capsys.readouterr().out
    assert times() == before


def test_outdated_files_are_written_again_or_deleted(tiny: Path, tmp_path: Path):
    out = tmp_path / "out"
    shutil.copytree(tiny / "out", out)
    first, second = sorted((out / "zoo").glob("mlp*"))
    whole = first.read_text("utf-8")
    first.write_text(re.sub('("made_from":")[0-9a-f]', r"\1x", whole), "utf-8")
    (out / "zoo/mlp-beta=3.0.js").write_text("")
    zoo.write(zoo.read(tiny / "sweep.toml"), out)
    assert first.read_text("utf-8") == whole
    assert second.exists()
    assert not (out / "zoo/mlp-beta=3.0.js").exists()


def test_common_settings_determine_the_group_and_lists_do_not(tmp_path: Path):
    def group(text: str) -> str:
        (tmp_path / "sweep.toml").write_text(text, "utf-8")
        [found] = {run.group for run in zoo.read(tmp_path / "sweep.toml")}
        return found

    plain = group(TINY)
    assert re.fullmatch(r"tiny-[0-9a-f]{8}", plain)
    assert group(TINY.replace("[1, 9]", "[1, 9, 20]")) == plain
    assert group(TINY.replace("epochs = 1", "epochs = 2")) != plain
    assert group(f'project_dir = "elsewhere"\n{TINY}') == plain


def test_a_mistake_in_the_file_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "sweep.toml").write_text("betta = [1, 2]\n")
    assert zoo.main([str(tmp_path / "sweep.toml"), str(tmp_path / "out")]) == 2
    sentence = r"zoo\.py: betta in .* is not a setting: .*\n"
    assert re.fullmatch(sentence, capsys.readouterr().err)
    with pytest.raises(ConfigError):
        zoo.read(tmp_path / "sweep.toml")


def computed(network: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """Return reconstructions of images (N, D), by numpy from the packed bytes."""
    offset = 0

    def take(n: int, kind: Any) -> np.ndarray:
        nonlocal offset
        found = np.frombuffer(network["weights"], kind, n, offset)
        offset += -(-found.nbytes // 4) * 4  # every array begins at a multiple of 4
        return found

    def layer(x: np.ndarray, outputs: int) -> np.ndarray:
        bias, scale = take(outputs, np.float32), take(outputs, np.float32)
        rounded = take(x.shape[1] * outputs, np.int8).reshape(-1, outputs)
        return x @ (rounded * scale) + bias

    for size in network["encoder"][1:]:
        x = layer(x, size).clip(0)
    mu, _ = (layer(x, network["decoder"][0]) for _ in range(2))
    for size in network["decoder"][1:-1]:
        mu = layer(mu, size).clip(0)
    return 1 / (1 + np.exp(-layer(mu, network["decoder"][-1])))


@pytest.mark.slow
def test_eight_bits_change_a_pixel_by_less_than_half_a_grey_level(small_zoo: Path):
    """On average; the largest of 784,000 errors is below 0.1. The file says so, too."""
    x, grid = pixels(load_dataset().test[:1000]), zoo.read(ROOT / "tests/zoo.toml")
    for run in grid:
        state = read(small_zoo / f"{zoo.name_of(run)}.js")
        model, _ = runs.load(runs.group_folder(run) / run.name)
        with torch.no_grad():
            exact = model.images(model.encode(x)[0]).flatten(1).numpy()
        off = np.abs(computed(state["network"], x.numpy()) - exact)
        assert 0 < off.mean() < 0.002  # half a grey level
        assert off.max() < 0.1
        assert state["rounding"]["mean"] == pytest.approx(off.mean(), rel=1e-3)
        assert state["rounding"]["largest"] == pytest.approx(off.max(), rel=1e-2)
        assert state["term"] == title(run.loss, binary=False)


def test_rounding_is_measured_against_the_weights_that_are_packed():
    model = VAE((1, 6, 6), (12,), 4)
    rng = torch.Generator().manual_seed(0)
    shape = 20, 1, 6, 6
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng)
    coarse = weights.rounded(model)
    assert weights.pack(coarse, 32)["weights"] != weights.pack(model, 32)["weights"]
    # Rounded weights stay as they are when they are rounded again.
    assert zoo.error(coarse, images) == pytest.approx((0, 0), abs=1e-6)
    mean, largest = zoo.error(model, images)
    assert 0 < mean < largest < 0.02
