"""A run is pinned to the pictures it was made of; where it runs may change."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

import vaelib
from vaelib import runs
from vaelib.images import ImageData
from vaelib.runfiles import RunError
from vaelib.sweeps import compare
from vaelib.train import main, train
from vaelib.widgets import LatentExplorer

if TYPE_CHECKING:
    from conftest import Cli, Tree

SIZES = "--image-size 8 --hidden-dim 8 --latent-dim 2 --batch-size 10"
OTHERS = "--epochs 2 --lr-schedule none --device cpu"


@pytest.fixture
def home(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with 40 pictures in pics/ and a run on them in reports/."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(pictures, "pics")
    assert main([*SIZES.split(), *OTHERS.split(), "--dataset", "folder:pics"]) == 0
    return tmp_path


def add_picture(folder: Path) -> None:
    """Write one more picture."""
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "zz.png")


def figures(text: str) -> list[str]:
    """Return the lines of `vaelib evaluate` that hold a figure."""
    return [line for line in text.splitlines() if "  " in line]


COMMANDS = [
    ("train", "--resume", "RUN", "--epochs", "3"),
    ("evaluate", "RUN"),
    ("traverse", "RUN"),
    ("compare", "GROUP"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("change", ["more", "fewer", "another"])
def test_pictures_that_have_changed_are_refused(
    command: tuple[str, ...], change: str, home: Path, cli: Cli, tree: Tree
):
    if change != "more":
        (home / "pics" / "05.png").unlink()
    if change != "fewer":
        add_picture(home / "pics")
    before = tree(home)
    names = dict(RUN="reports/folder/latest", GROUP="reports/folder")
    message = cli(*(names.get(word, word) for word in command)).refusal
    assert "the pictures of folder have changed" in message
    counts = dict(more="36 + 4 (training + test) then, 36 + 5 now")
    counts |= dict(fewer="36 + 4 (training + test) then, 35 + 4 now")
    assert counts.get(change, "36 + 4 (training + test), but not the same") in message
    assert tree(home) == before


def test_images_passed_in_python_are_compared_too(tmp_path: Path):
    images = torch.arange(64 * 30, dtype=torch.uint8).reshape(30, 1, 8, 8)
    data = ImageData(images[:20], images[20:])
    common: Any = dict(hidden_dim=(4,), lr_schedule="none", save_dir=tmp_path / "r")
    config = vaelib.TrainConfig("tensors", epochs=1, **common)
    run = train(config, data, quiet=True)
    longer = runs.open_run(run.path)
    longer.config = replace(config, epochs=2)
    other = ImageData(images[:20].flip(0), images[20:])
    with pytest.raises(RunError, match=r"20 \+ 10 .* but not the same as then"):
        train(longer.config, other, longer, quiet=True)
    assert len(train(longer.config, data, longer, quiet=True).rows) == 2


def test_a_run_on_other_images_is_not_evaluated_on_mnist(tmp_path: Path, cli: Cli):
    """The setting `dataset` is mnist by default, whatever is passed in Python."""
    images = torch.zeros(20, 1, 28, 28, dtype=torch.uint8)
    data = ImageData(images, images)
    place = str(tmp_path / "run")
    config = vaelib.TrainConfig(hidden_dim=(4,), epochs=1, save_dir=place)
    train(config, data, quiet=True)
    assert vaelib.load(place)[0].shape == (1, 28, 28)
    assert "20 + 20" in cli("evaluate", tmp_path / "run").refusal


def test_images_of_another_shape_than_the_setting_says(tmp_path: Path):
    images = torch.zeros(20, 3, 8, 5, dtype=torch.uint8)
    place = str(tmp_path / "run")
    config = vaelib.TrainConfig(hidden_dim=(4,), epochs=1, save_dir=place)
    train(config, ImageData(images, images), quiet=True)
    assert vaelib.load(place)[0].shape == (3, 8, 5)


def test_the_run_records_what_it_was_made_of(home: Path):
    facts = json.loads(Path("reports/folder/latest/run_meta.json").read_text())[
        "dataset"
    ]
    data = vaelib.load_dataset("folder:pics", image_size=8)
    assert (facts["train"], facts["test"]) == (36, 4)
    assert facts["checksum"] == data.checksum
    assert Path(facts["source"]) == home / "pics"
    _, saved = runs.load_checkpoint(runs.find_checkpoint("reports/folder/latest"))
    assert saved["dataset"] == facts


def test_a_checkpoint_alone_still_knows_its_pictures(home: Path, cli: Cli):
    shutil.copy("reports/folder/latest/vae_epoch_0001.pt", "alone.pt")
    assert cli("evaluate", "alone.pt").code == 0
    add_picture(home / "pics")
    assert "36 + 5 now" in cli("evaluate", "alone.pt").refusal


def test_another_working_folder_changes_nothing(
    home: Path, cli: Cli, tmp_path_factory: pytest.TempPathFactory
):
    here = figures(cli("evaluate", "reports/folder/latest").out)
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    run = home / "reports" / "folder" / "run-001"
    assert figures(cli("evaluate", run).out) == here
    assert cli("compare", home / "reports" / "folder").code == 0
    assert cli("traverse", run).code == 0
    assert cli("train", "--resume", run, "--epochs", 3).code == 0


def test_pictures_that_moved_are_named_again(home: Path, cli: Cli):
    here = figures(cli("evaluate", "reports/folder/latest").out)
    Path("pics").rename("moved")
    gone = cli("evaluate", "reports/folder/latest").refusal
    assert "pics" in gone
    moved = ["--dataset", "folder:moved"]
    assert figures(cli("evaluate", "reports/folder/latest", *moved).out) == here
    assert cli("traverse", "reports/folder/latest", *moved).code == 0
    assert cli("compare", "reports/folder", *moved).code == 0
    longer = ["--resume", "reports/folder/latest", "--epochs", 3]
    assert cli("train", *longer, "--dataset", f"folder:{home / 'moved'}").code == 0
    assert runs.open_run("reports/folder/latest").config.dataset.endswith("moved")
    assert cli("evaluate", "reports/folder/latest").code == 0


def test_another_folder_in_place_of_the_pictures_is_refused(home: Path, cli: Cli):
    shutil.copytree("pics", "other")
    add_picture(home / "other")
    flags = ["reports/folder/latest", "--dataset", "folder:other"]
    assert "36 + 5 now" in cli("evaluate", *flags).refusal
    assert "36 + 5 now" in cli("train", "--resume", *flags).refusal


MACHINE = [
    ("device", "cuda", ["--device", "cpu"]),
    ("data_dir", "/gone", ["--data-dir", "here"]),
    ("num_workers", 4, ["--num-workers", "0"]),
    ("compile", True, ["--no-compile"]),
]


@pytest.mark.parametrize(("name", "value", "flags"), MACHINE)
def test_facts_of_the_machine_may_change(
    name: str, value: Any, flags: list[str], run: Path, cli: Cli
):
    """A run that was begun on another machine is resumed with the flags of this one."""
    meta = run / "run_meta.json"
    saved = json.loads(meta.read_text())
    saved["config"][name] = value
    meta.write_text(json.dumps(saved))
    answer = cli("train", "--resume", run, "--epochs", 3, *flags)
    assert answer.code == 0, answer
    assert getattr(runs.open_run(run).config, name) != value


def test_they_do_not_count_as_settings_that_vary(run: Path, cli: Cli, tmp_path: Path):
    other = shutil.copytree(run, tmp_path / "other")
    meta = other / "run_meta.json"
    saved = json.loads(meta.read_text())
    saved["config"] |= dict(device="cuda", compile=True, data_dir="/gone")
    meta.write_text(json.dumps(saved))
    assert cli("compare", tmp_path).code == 0
    head = (tmp_path / "comparison" / "table.csv").read_text().splitlines()[0]
    assert head.startswith("kind,run,epochs_ended,")


def test_a_setting_of_the_model_may_not_change(run: Path, cli: Cli):
    assert "latent_dim" in cli("train", "--resume", run, "--latent-dim", 3).refusal
    assert "dataset" in cli("train", "--resume", run, "--dataset", "mnist").refusal


def test_the_explorer_of_a_run_shows_its_own_pictures_only(home: Path):
    shown = LatentExplorer("reports/folder/latest")
    data = vaelib.load_dataset("folder:pics", image_size=8)
    assert shown.test["images"] == data.test.numpy().tobytes()
    add_picture(home / "pics")
    with pytest.raises(RunError, match=r"36 \+ 5 now"):
        LatentExplorer("reports/folder/latest")


def test_runs_on_the_same_pictures_are_compared_wherever_these_were(
    home: Path, cli: Cli
):
    shutil.copytree("pics", "same")
    flags = [*SIZES.split(), *OTHERS.split(), "--seed", "2"]
    assert cli("train", *flags, "--dataset", "folder:same").code == 0
    found = compare.results("reports/folder")
    kinds = [result.kind for result in found]
    assert kinds == 2 * ["folder:pics 1x8x8 grey, cross-entropy"]
