"""A run that is stopped at any moment and resumed ends with the same bits."""

from __future__ import annotations

import csv
import json
import math
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from vaelib import files
from vaelib.config import TrainConfig
from vaelib.data import load_dataset
from vaelib.runs import RunError, load
from vaelib.train import main, train

if TYPE_CHECKING:
    from conftest import Cli, Launch, Tree

SPRITES = ["--dataset", "sprites", "--image-size", "8", "--hidden-dim", "32"]
SPRITES += ["--device", "cpu"]


def rows_of(run: Path) -> list[dict[str, str]]:
    """Return the log without the column of seconds, which differs between runs."""
    with open(run / "curves" / "train_log.csv", newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        del row["seconds"]
    return rows


def weights_of(file: Path) -> dict[str, torch.Tensor]:
    return torch.load(file, weights_only=True)["weights"]


def pictures_of(run: Path) -> list[str]:
    return sorted(str(file.relative_to(run)) for file in run.rglob("*.png"))


def assert_same_run(run: Path, reference: Path) -> None:
    """Check that weights of every epoch, log and pictures are bit for bit the same."""
    assert rows_of(run) == rows_of(reference)
    checkpoints = sorted(file.name for file in reference.glob("*.pt"))
    assert sorted(file.name for file in run.glob("*.pt")) == checkpoints
    for name in checkpoints:
        if name != "state.pt":
            ours, theirs = weights_of(run / name), weights_of(reference / name)
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(ours[key], theirs[key]) for key in theirs), name
    pictures = pictures_of(reference)
    assert pictures_of(run) == pictures
    for name in pictures:
        assert (run / name).read_bytes() == (reference / name).read_bytes(), name
    assert not list(run.rglob(".*.part"))


# Killed


def parts(run: Path) -> Iterator[Path]:
    """Yield the partial files: those that are being written, or that a kill left."""
    yield from run.glob(".*.part")
    yield from run.glob("*/.*.part")


@pytest.mark.slow
def test_killed_twenty_times_it_ends_at_the_same_bits(
    launch: Launch,
    damage: Callable[[Path], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sizes = "--latent-dim 3 --hidden-dim 256 --batch-size 500 --epochs 16"
    argv = [*SPRITES, *sizes.split()]
    reference, run, log = tmp_path / "reference", tmp_path / "run", tmp_path / "log"
    process = launch([*argv, "--save-dir", reference], log)
    process.join()
    assert process.exitcode == 0, log.read_text()
    epochs = sorted(file.stat().st_mtime for file in reference.glob("vae_epoch_*.pt"))
    epoch = (epochs[-1] - epochs[0]) / (len(epochs) - 1)

    rng, kills, torn = random.Random(13126114), 0, 0
    while kills < 20 or torn < 5:
        left = set(parts(run))
        resume = ["--resume", run] if run.exists() else [*argv, "--save-dir", run]
        process = launch(resume, log)
        # Of three kills, two come while a file is written, the n-th from the start. The
        # third comes at a random time of an epoch.
        seen, last = set(), rng.randint(1, 8) if kills % 3 else 1
        while len(seen) < last or not (run / "run_meta.json").exists():
            assert process.exitcode is None, log.read_text()
            seen |= set(parts(run)) - left
        if not kills % 3:
            time.sleep(rng.uniform(0, 0.8 * epoch))
        process.kill()
        process.join()
        assert process.exitcode != 0, f"the run ended after {kills} kills"
        kills += 1
        torn += bool(set(parts(run)) - left)

        final = [file for file in run.rglob("[!.]*") if file.is_file()]
        assert not [what for what in map(damage, final) if what]
        if any(run.glob("vae_epoch_*.pt")):
            load(run)
        else:
            with pytest.raises(RunError, match="no checkpoint yet"):
                load(run)
    with capsys.disabled():
        print(f" [{kills} kills, {torn} of them while a file was written] ", end="")

    process = launch(["--resume", run], log)
    process.join()
    assert process.exitcode == 0, log.read_text()
    assert_same_run(run, reference)


LONG_EPOCHS = [*SPRITES, "--latent-dim", "2", "--batch-size", "16", "--epochs", "2"]
STEPS = 1250  # per epoch


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert main([*LONG_EPOCHS, "--save-dir", str(run)]) == 0
    return run


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT for one process")
@pytest.mark.parametrize(
    ("moment", "name"),
    [
        ("within an epoch", "SIGINT"),
        ("while pictures are drawn", "SIGTERM"),
        ("within an epoch", "SIGHUP"),  # the terminal was closed
    ],
)
def test_a_signal_saves_within_two_seconds_and_says_how_to_go_on(
    moment: str,
    name: str,
    uninterrupted: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "reports" / "sprites" / "run-001"
    command = [sys.executable, "-m", "vaelib.train", *LONG_EPOCHS]
    pipes: dict[str, Any] = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def listen() -> None:  # whatever the shell of the tests ignores, as with nohup
        signal.signal(getattr(signal, name), signal.SIG_DFL)

    process = subprocess.Popen(
        command, cwd=tmp_path, text=True, preexec_fn=listen, **pipes
    )
    assert process.stdout
    if moment == "within an epoch":
        assert process.stdout.readline().startswith("epoch 0")
        time.sleep(0.3)
    else:  # the first picture is there, and the others are not
        while not (run / "reconstructions").exists():
            time.sleep(0.001)
    pressed = time.time()
    process.send_signal(getattr(signal, name))
    _, message = process.communicate(timeout=60)
    saved = (run / "state.pt").stat().st_mtime - pressed
    with capsys.disabled():
        print(f" [{moment}: saved {saved:.2f} s after {name}] ", end="")
    assert process.returncode == 130
    assert 0 <= saved < 2

    step = re.search(r"step (\d+)", message)
    assert step, message
    assert (int(step[1]) == STEPS) == (moment != "within an epoch")
    assert files.read_tensors(run / "state.pt")["state"]["step"] == int(step[1])
    assert "Traceback" not in message
    assert len(message.strip().splitlines()) == 1

    proposed = re.search(r"vaelib train --resume \S+", message)
    assert proposed, message
    words = shlex.split(proposed[0])
    words[0] = shutil.which("vaelib", path=str(Path(sys.executable).parent)) or words[0]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    assert_same_run(run, uninterrupted)


# The flags of --resume


@pytest.mark.parametrize(
    "differs",
    [
        "--lr 0.5",
        "--seed 7",
        "--latent-dim 5",
        "--hidden-dim 9",
        "--loss mse",
        "--epochs 1",
        "--preset pytorch-examples",
    ],
)
def test_a_flag_that_differs_is_refused(
    differs: str, run: Path, cli: Cli, tree: Tree
) -> None:
    before = tree(run)
    message = cli("train", "--resume", run, *differs.split()).refusal
    flag, value = differs.split()
    if flag != "--preset":
        assert flag.strip("-").replace("-", "_") in message
        assert value in message
    assert tree(run) == before


def test_resuming_a_finished_run_changes_nothing(
    run: Path, cli: Cli, tree: Tree, tiny: list[str]
) -> None:
    before = tree(run)
    for again in (
        ["--resume", run],
        ["--resume", run, *tiny],
        ["--save-dir", run, "--resume"],
    ):
        answer = cli("train", *again)
        assert answer.code == 0
        assert str(run) in answer.out
        assert tree(run) == before


def test_a_run_resumed_with_more_epochs_is_the_same_as_a_longer_run(
    run: Path, cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    longer = tmp_path / "longer"
    assert cli("train", *tiny, "--epochs", "3", "--save-dir", longer).code == 0
    assert cli("train", "--resume", run, "--epochs", "3").code == 0
    assert_same_run(run, longer)
    assert load(run)[1].epochs == 3
    assert json.loads((run / "run_meta.json").read_text())["config"]["epochs"] == 3
    assert cli("train", "--resume", run).code == 0
    assert_same_run(run, longer)


@pytest.mark.parametrize("schedule", ["--beta-schedule cyclic", "--lr-schedule linear"])
def test_more_epochs_are_refused_if_a_schedule_depends_on_their_number(
    schedule: str, cli: Cli, tiny: list[str], tree: Tree, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    flags = [*tiny, "--epochs", "1", *schedule.split(), "--save-dir", run]
    assert cli("train", *flags).code == 0
    before = tree(run)
    assert "schedule" in cli("train", "--resume", run, "--epochs", "3").refusal
    assert tree(run) == before
    assert cli("train", "--resume", run, "--epochs", "1").code == 0


def test_resume_finds_the_latest_run_and_a_named_one(
    cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    where = ["--project-dir", str(tmp_path), "--group", "g"]
    for name in ("first", "second"):
        assert cli("train", *tiny, *where, "--epochs", "1", "--name", name).code == 0
    for argv, name in (
        (["--resume", *where], "second"),
        (["--resume", *where, "--name", "first"], "first"),
        (["--resume", tmp_path / "g" / "latest"], "second"),
    ):
        answer = cli("train", *argv)
        assert answer.code == 0
        assert re.search(rf"[/\\]({name}|latest)\b", answer.out)
        (tmp_path / "g" / name / "curves" / "losses.png").unlink()
        cli("train", *argv)
        assert (tmp_path / "g" / name / "curves" / "losses.png").exists()


def test_own_tensors_train_as_the_same_images_in_a_folder(
    trained: Path, pictures: Path, tmp_path: Path
) -> None:
    data = load_dataset(f"folder:{pictures}", image_size=8)
    config = TrainConfig(
        dataset="tensors",
        hidden_dim=(8,),
        latent_dim=2,
        batch_size=10,
        lr_schedule="none",
        device="cpu",
        epochs=2,
        save_dir=str(tmp_path / "run"),
    )
    run = train(config, data, quiet=True)
    for epoch in (0, 1):
        name = f"vae_epoch_{epoch:04d}.pt"
        ours, theirs = weights_of(run.path / name), weights_of(trained / name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


# Missing files are written again


def test_a_run_without_state_begins_again(run: Path, trained: Path, cli: Cli) -> None:
    """As after a kill in the first epoch, between the checkpoint and state.pt."""
    (run / "state.pt").unlink()
    (run / "vae_epoch_0001.pt").unlink()
    shutil.rmtree(run / "traversals")
    (run / ".state.pt.99.part").write_bytes(b"half")
    assert cli("train", "--resume", run).code == 0
    assert_same_run(run, trained)


def test_log_and_pictures_are_written_again(run: Path, trained: Path, cli: Cli) -> None:
    for folder in ("curves", "samples", "traversals"):
        shutil.rmtree(run / folder)
    (run / "reconstructions" / "epoch_0000.png").unlink()
    assert cli("train", "--resume", run).code == 0
    assert_same_run(run, trained)


def test_partial_files_are_removed(run: Path, trained: Path, cli: Cli) -> None:
    (run / ".vae_epoch_0002.pt.77.part").write_bytes(b"half")
    (run / "samples" / ".epoch_0002.png.77.part").write_bytes(b"half")
    assert cli("train", "--resume", run).code == 0
    assert_same_run(run, trained)


# A loss that is not finite


@pytest.mark.parametrize("loss", ["bce", "bce_logits", "mse", "gaussian", "logistic"])
def test_a_diverging_loss_is_one_sentence(
    loss: str, cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    flags = [*tiny, "--loss", loss, "--lr", "1e6", "--save-dir", tmp_path / "run"]
    answer = cli("train", *flags)
    assert answer.code == 1
    assert re.search(r"not finite at step \d+", answer.sentence)


def test_a_diverging_loss_keeps_the_last_good_state(run: Path, cli: Cli) -> None:
    meta = json.loads((run / "run_meta.json").read_text())
    meta["config"]["lr"] = 1e6
    (run / "run_meta.json").write_text(json.dumps(meta))
    good = (run / "state.pt").read_bytes()
    answer = cli("train", "--resume", run, "--epochs", "4")
    assert answer.code == 1
    step = re.search(r"step (\d+)", answer.sentence)
    assert step
    assert 8 < int(step[1]) <= 16
    assert (run / "state.pt").read_bytes() == good
    model, _ = load(run)
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())
    for row in rows_of(run):
        assert all(math.isfinite(float(text)) for text in row.values())
