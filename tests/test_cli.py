"""The command line: the flags of the reference implementation, quick help, one sentence for bad input."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image

from vaelib import __version__
from vaelib.config import TrainConfig
from vaelib.files import read_tensors
from vaelib.runs import load
from vaelib.train import main as train_main

if TYPE_CHECKING:
    from conftest import Cli, Tree

COMMANDS = ("train", "sweep", "compare", "evaluate", "traverse", "lab")
# The flags of the reference implementation, each with a value it takes.
REFERENCE = {
    "--epochs": "3",
    "--batch-size": "64",
    "--latent-dim": "2",
    "--hidden-dim": "400",
    "--loss": "mse",
    "--beta": "4",
    "--beta-schedule": "linear",
    "--reduction": "mean",
    "--lr": "1e-4",
    "--device": "cpu",
    "--seed": "1",
    "--num-workers": "2",
    "--project-dir": "runs",
    "--group": "g",
    "--name": "n",
    "--save-dir": "here",
}


def python(*argv: str) -> str:
    """What a real Python prints."""
    return subprocess.run(
        [sys.executable, *argv], check=True, capture_output=True, text=True, timeout=60
    ).stdout


# Help

HELP = """
import sys
try:
    from vaelib.cli import main
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code
heavy = {"torch", "numpy", "matplotlib", "PIL"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    "argv",
    [["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)],
    ids=" ".join,
)
def test_help_is_quick_and_needs_no_torch(argv: list[str]) -> None:
    taken, told = [], ""
    for _ in range(3):  # the best of three: another process may have the core
        began = time.perf_counter()
        told = python("-c", HELP, *argv)
        taken.append(time.perf_counter() - began)
        if taken[-1] < 1:
            break
    assert min(taken) < 1
    assert (__version__ if "--version" in argv else "usage: vaelib") in told


def test_every_setting_is_a_flag_with_its_default(cli: Cli) -> None:
    told = cli("train", "--help").out
    for field in fields(TrainConfig):
        flag = "--" + field.name.replace("_", "-")
        assert re.search(rf"^  {flag}[ ,]", told, re.MULTILINE), flag
    assert re.search(r"^  --resume \[RUN\]", told, re.MULTILINE)
    for name in ("epochs", "latent_dim", "lr", "loss", "beta_schedule"):
        part = told[told.index(f"  --{name.replace('_', '-')} ") :]
        assert f"(default: {getattr(TrainConfig(), name)})" in " ".join(
            part.split("\n  --")[0].split()
        )


def test_both_spellings_take_the_same_flags() -> None:
    calls = (["-m", "vaelib.train"], ["-m", "vaelib.cli", "train"])
    module, command = (
        told[told.index("\noptions:") :]
        for told in (python(*call, "--help") for call in calls)
    )
    assert module == command
    for flag in REFERENCE:
        assert re.search(rf"^  {flag} ", module, re.MULTILINE), flag


@pytest.mark.parametrize("flag", REFERENCE)
def test_the_flags_of_the_reference_reach_the_settings(flag: str) -> None:
    import argparse

    from vaelib.flags import Parser, add_arguments

    parser = Parser(allow_abbrev=False)
    add_arguments(parser)
    assert isinstance(parser, argparse.ArgumentParser)
    name = flag.strip("-").replace("-", "_")
    given = vars(parser.parse_args([flag, REFERENCE[flag]]))
    assert set(given) - {"resume", "preset"} == {name}
    value = getattr(TrainConfig(**{name: given[name]}), name)
    assert value != getattr(TrainConfig(), name) or flag == "--hidden-dim"
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    assert text == REFERENCE[flag] or float(text) == float(REFERENCE[flag])


def test_a_preset_gives_settings_and_flags_beside_it_win(
    cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    answer = cli(
        "train",
        "--preset",
        "pytorch-examples",
        *tiny,
        "--epochs",
        "1",
        "--save-dir",
        tmp_path / "run",
    )
    assert answer.code == 0
    config = load(tmp_path / "run")[1]
    assert (config.lr, config.loss, config.seed, config.gradient) == (
        1e-3,
        "bce",
        1,
        "sum",
    )
    assert (config.batch_size, config.epochs) == (10, 1)


@pytest.mark.slow
def test_both_spellings_train(tiny: list[str], tmp_path: Path) -> None:
    vaelib = shutil.which("vaelib", path=str(Path(sys.executable).parent))
    assert vaelib
    for name, command in (
        ("module", [sys.executable, "-m", "vaelib.train"]),
        ("command", [vaelib, "train"]),
    ):
        subprocess.run(
            [*command, *tiny, "--save-dir", name],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            timeout=100,
        )
    ours, theirs = (
        torch.load(tmp_path / name / "vae_epoch_0001.pt", weights_only=True)
        for name in ("module", "command")
    )
    assert all(
        torch.equal(ours["weights"][key], theirs["weights"][key])
        for key in theirs["weights"]
    )


# Bad input

HUGE = "1" + "0" * 400
OUT_OF_RANGE = [
    *(
        f"--{name} {value}"
        for name in ("epochs", "batch-size", "latent-dim", "beta-cycles")
        for value in ("0", "-1")
    ),
    *(
        f"--{name} {value}"
        for name in ("epochs", "batch-size", "latent-dim", "seed")
        for value in ("1.5", "ten", "nan", HUGE)
    ),
    *(
        f"--{name} {value}"
        for name in ("lr", "beta", "sigma", "min-sigma")
        for value in ("nan", "inf", "-inf", "-1", "1e999")
    ),
    *(
        f"--{name} 0"
        for name in (
            "lr",
            "sigma",
            "min-sigma",
            "beta-warmup",
            "beta-ratio",
            "channels",
        )
    ),
    "--beta-ratio 1.1",
    "--seed -1",
    f"--seed {2**63}",
    "--num-workers -1",
    "--channels 2",
    "--channels 4",
    "--image-size 3",
    "--image-size 257",
    f"--image-size {HUGE}",
    "--hidden-dim 0,5",
    "--hidden-dim -4",
    "--hidden-dim 400,",
    "--hidden-dim 4.5",
    "--hidden-dim ''",
    "--lr ''",
]
TOO_LARGE = [  # numbers of the right kind that no machine can follow
    f"--latent-dim {10**15}",
    f"--latent-dim {10**25}",
    f"--hidden-dim {10**15}",
    f"--hidden-dim {10**25}",
    f"--hidden-dim {HUGE}",
    f"--batch-size {10**25}",
]
OVERFLOWING = [
    "--reduction mean --beta 1e308",
    "--beta 1e300",
    "--lr 1e300",
    "--loss mse --sigma 1e200",
    "--loss mse --sigma 1e-200",
]
UNKNOWN = [
    "--colour red",
    "--epoch 3",  # no abbreviations
    "--loss l1",
    "--activation gelu",
    "--binarize yes",
    "--reduction median",
    "--beta-schedule cosine",
    "--device tpu",
    "--device gpu",
    "--preset mine",
    "--fused yes",
    "--dataset cifar",
    "--dataset folder:",
    "--dataset folder:missing",
    "--dataset tensors",
    "--channels 3 --dataset mnist",
    "--epochs",
    "stray",
]
NAMES = [
    f"--{flag} {name}"
    for flag in ("name", "group")
    for name in (
        "a/b",
        "../up",
        "/abs",
        "a\\b",
        ".hidden",
        "..",
        ".",
        "latest",
        "LATEST",
        "'a b'",
        "'a\nb'",
        "x" * 101,
        "a:b",
    )
]
PLACES = [
    "--resume missing",
    "--resume file",
    "--resume",
    "--save-dir file",
    "--save-dir file/below",
    "--save-dir full",
    "--project-dir file",
    "--project-dir file/below/further",
    f"--save-dir {'x' * 300}",
    f"--project-dir {'x' * 300}",
]


def words(text: str) -> list[str]:
    """Like a shell's, with quotes but without escapes."""
    return [word.strip("'") for word in re.findall(r"'[^']*'|\S+", text)]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, which holds a file and a folder that is not empty."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("years of work")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def short(text: str) -> str:
    return text if len(text) < 60 else text[:30] + "..." + str(len(text))


@pytest.mark.parametrize(
    "flags", [*OUT_OF_RANGE, *TOO_LARGE, *UNKNOWN, *NAMES, *PLACES], ids=short
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    flags: str, desk: Path, cli: Cli, tree: Tree, tiny: list[str]
) -> None:
    base = [] if "--resume" in flags or "--dataset" in flags else tiny
    before = tree(desk)
    told = cli("train", *base, *words(flags)).refusal
    assert told.startswith("vaelib")
    assert tree(desk) == before


@pytest.mark.parametrize("flags", OVERFLOWING)
def test_a_number_that_overflows_later_is_one_sentence(
    flags: str, desk: Path, cli: Cli, tiny: list[str]
) -> None:
    """Finite in itself, infinite in what follows from it: bad input or a loss that diverged, but never a traceback."""
    answer = cli("train", *tiny, *flags.split())
    assert answer.code in (1, 2)
    *notes, told = answer.err.splitlines()
    assert told.startswith("vaelib train: ")
    assert all(note.startswith("note: ") for note in notes)


@pytest.mark.parametrize(
    "argv",
    [
        "",
        "fly",
        "--colour",
        "evaluate",
        "evaluate missing",
        "evaluate file",
        "evaluate full",
        "evaluate RUN --samples 0",
        "evaluate RUN --samples -3",
        "evaluate RUN --samples 1e3",
        "evaluate RUN --seed x",
        "evaluate RUN --seed 99999999999999999999999",
        "evaluate RUN RUN",
        "traverse",
        "traverse missing",
        "traverse RUN --image 4",
        "traverse RUN --image -1",
        "traverse RUN --image one",
        f"traverse RUN --image {HUGE}",
        "traverse RUN --output file",
        "traverse RUN --output full",
        "traverse RUN --output file/below.png",
        "traverse RUN --output no/such/folder.png",
        "lab --port 80",
    ],
    ids=short,
)
def test_bad_input_of_the_other_commands(
    argv: str, desk: Path, cli: Cli, tree: Tree, trained: Path
) -> None:
    before, told = (
        tree(desk),
        cli(
            *(str(trained) if word == "RUN" else word for word in argv.split())
        ).refusal,
    )
    assert told.startswith("vaelib")
    assert tree(desk) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="This machine has CUDA.")
def test_cuda_where_there_is_none(
    desk: Path, cli: Cli, tree: Tree, tiny: list[str]
) -> None:
    before = tree(desk)
    assert "cuda" in cli("train", *tiny, "--device", "cuda").refusal
    assert tree(desk) == before


def test_a_run_whose_pictures_are_gone(run: Path, cli: Cli, tree: Tree) -> None:
    """evaluate needs the data again: a folder that was moved is told by name."""
    meta = run / "run_meta.json"
    meta.write_text(re.sub(r"folder:[^\"]*", "folder:moved", meta.read_text()))
    (run / "vae_epoch_0001.pt").unlink()
    before = tree(run)
    assert "moved" in cli("train", "--resume", run).refusal
    assert tree(run) == before


@pytest.mark.skipif(
    not Path("/proc/self").exists(),
    reason="There is no /proc, which nobody can write to.",
)
@pytest.mark.parametrize(
    "flags",
    ["--save-dir /proc/run", "--project-dir /proc", "--project-dir /proc/reports"],
)
def test_a_place_that_cannot_be_written(
    flags: str, desk: Path, cli: Cli, tree: Tree, tiny: list[str]
) -> None:
    before = tree(desk)
    assert "/proc" in cli("train", *tiny, *flags.split()).refusal
    assert tree(desk) == before


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="Permission bits do not bind the superuser.",
)
def test_a_folder_that_is_read_only(
    desk: Path, cli: Cli, tree: Tree, tiny: list[str]
) -> None:
    (desk / "full").chmod(0o500)
    before = tree(desk)
    for flags in (
        ["--save-dir", "full/run"],
        ["--project-dir", "full"],
        ["--project-dir", "full/reports"],
    ):
        cli("train", *tiny, *flags).refusal  # noqa: B018
    (desk / "full").chmod(0o700)
    assert tree(desk) == before


# A full disk


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A real disk of so many KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = [
        "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size={request.param}k",
        "tmpfs",
        str(place),
    ]
    if (
        not sys.platform.startswith("linux")
        or subprocess.run(mount, capture_output=True).returncode
    ):
        pytest.skip("A small disk can be mounted on Linux by the superuser only.")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path) -> None:
    """Not a byte is left."""
    with suppress(OSError), open(disk / "filler", "wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
    assert shutil.disk_usage(disk).free == 0


@pytest.mark.parametrize("disk", [64], indirect=True)
@pytest.mark.parametrize(
    "flags",
    [
        "--project-dir {}",
        "--project-dir {}/reports",
        "--save-dir {}/run",
        "--save-dir {}/empty",
    ],
)
def test_a_full_disk_is_told_and_nothing_stays(
    flags: str, disk: Path, cli: Cli, tree: Tree, tiny: list[str]
) -> None:
    (disk / "empty").mkdir()
    fill(disk)
    before = tree(disk)
    answer = cli("train", *tiny, *flags.format(disk).split())
    assert "space" in answer.refusal
    assert tree(disk) == before


@pytest.mark.slow
@pytest.mark.parametrize("disk", [3 * 1024], indirect=True)
def test_a_disk_that_fills_up_keeps_the_last_good_state(
    disk: Path, cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    flags = [
        *tiny,
        "--hidden-dim",
        "1000",
        "--epochs",
        "6",
    ]  # 0.5 MB an epoch, and 1.6 MB for state.pt
    answer = cli("train", *flags, "--save-dir", disk / "run")
    assert answer.code == 2
    assert "space" in answer.sentence
    assert not list(disk.rglob(".*.part"))
    epochs = read_tensors(disk / "run" / "state.pt")["state"]["epoch"]
    assert 1 <= epochs < 6
    assert cli("evaluate", disk / "run").code == 0

    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    assert cli("train", "--resume", disk / "run").code == 0
    assert cli("train", *flags, "--save-dir", tmp_path / "reference").code == 0
    for epoch in range(6):
        ours, theirs = (
            read_tensors(run / f"vae_epoch_{epoch:04d}.pt")
            for run in (disk / "run", tmp_path / "reference")
        )
        assert all(
            torch.equal(ours["weights"][key], theirs["weights"][key])
            for key in theirs["weights"]
        )


# What is said of settings that do something unexpected


def test_num_workers_is_accepted_with_a_note(
    cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    answer = cli(
        "train",
        *tiny,
        "--epochs",
        "1",
        "--num-workers",
        "4",
        "--save-dir",
        tmp_path / "run",
    )
    assert answer.code == 0
    assert "--num-workers" in answer.sentence


def test_reduction_mean_tells_its_effective_beta(
    cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    flags = ["--epochs", "1", "--image-size", "28", "--reduction", "mean"]
    answer = cli("train", *tiny, *flags, "--save-dir", tmp_path / "run")
    assert answer.code == 0
    assert re.search(r"\b784 pixels\b.*\b1 acts as beta 784\b", answer.sentence)
    assert "beta 784" in answer.out
    answer = cli(
        "train", *tiny, *flags, "--beta", "0.5", "--save-dir", tmp_path / "half"
    )
    assert "acts as beta 392 " in answer.sentence


# evaluate, traverse


def figure(told: str, name: str) -> float:
    """The number after `name` in what evaluate prints."""
    found = re.search(rf"^  {name} +(-?[\d.]+)", told, re.MULTILINE)
    assert found, told
    return float(found[1])


def test_evaluate_grey_pixels(trained: Path, cli: Cli) -> None:
    answer = cli("evaluate", trained)
    assert answer.code == 0
    told = answer.out
    assert figure(told, "negative ELBO") == pytest.approx(
        figure(told, "reconstruction") + figure(told, "KL"), abs=0.011
    )
    assert 0 <= figure(told, "active units") <= 2
    assert not re.search(r"^  NLL", told, re.MULTILINE)
    assert re.search(r"no likelihood: .*--binarize", told)
    assert cli("evaluate", trained).out == told
    assert cli("evaluate", trained, "--seed", "1").out != told


def test_evaluate_agrees_with_the_log(trained: Path, cli: Cli) -> None:
    """The KL needs no noise, so that it is the same number."""
    last = (
        (trained / "curves" / "train_log.csv").read_text().splitlines()[-1].split(",")
    )
    assert figure(cli("evaluate", trained).out, "KL") == pytest.approx(
        float(last[3]), abs=0.006
    )


@pytest.mark.parametrize("how", ["fixed", "dynamic"])
def test_evaluate_binary_pixels_has_a_likelihood(
    how: str, cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    assert (
        cli("train", *tiny, "--binarize", how, "--save-dir", tmp_path / "run").code == 0
    )
    one = cli("evaluate", tmp_path / "run", "--samples", "1").out
    many = cli("evaluate", tmp_path / "run", "--samples", "500").out
    assert "500 importance samples" in many
    assert figure(many, "NLL") < figure(many, "negative ELBO")
    assert figure(many, "NLL") < figure(one, "NLL") + 0.5
    assert "negative log-likelihood" in many


def test_evaluate_takes_a_checkpoint(trained: Path, cli: Cli) -> None:
    first, last = (
        cli("evaluate", trained / f"vae_epoch_000{i}.pt").out for i in (0, 1)
    )
    assert last == cli("evaluate", trained).out
    assert first != last


def test_traverse_writes_a_picture_and_never_overwrites(
    trained: Path, cli: Cli, desk: Path
) -> None:
    assert cli("traverse", trained).code == 0
    with Image.open(desk / "traversals.png") as picture:
        assert min(picture.size) > 50
    assert cli("traverse", trained, "--image", "2", "--output", "second.png").code == 0
    written = {
        file: (desk / file).read_bytes() for file in ("traversals.png", "second.png")
    }
    assert written["traversals.png"] != written["second.png"]
    for name in written:
        assert (
            name in cli("traverse", trained, "--image", "1", "--output", name).refusal
        )
        assert (desk / name).read_bytes() == written[name]


def test_train_says_where_to_look(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    answer = cli("train", *tiny, "--save-dir", tmp_path / "run")
    assert answer.err == ""
    lines = answer.out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["epoch 0", "epoch 1"]
    shown = re.search(r"look at (\S+\.png)", lines[2])
    assert shown
    assert Path(shown[1]).is_file()
    assert train_main([*tiny, "--save-dir", str(tmp_path / "run")]) == 2
