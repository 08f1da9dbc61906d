"""The command line: flags, quick help, and one sentence for bad input."""

from __future__ import annotations

import math
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
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image

from vaelib import __version__
from vaelib.config import TrainConfig
from vaelib.files import read_tensors
from vaelib.flags import Parser, add_arguments
from vaelib.runs import load
from vaelib.train import main as train_main

if TYPE_CHECKING:
    from conftest import Cli, Tree

COMMANDS = ("train", "sweep", "compare", "evaluate", "traverse", "lab")
# The flags of the reference implementation, each with a valid value.
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
    """Return what a new Python process prints."""
    options: dict[str, Any] = dict(check=True, capture_output=True, text=True)
    return subprocess.run([sys.executable, *argv], timeout=60, **options).stdout


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
    seconds, text = [], ""
    for _ in range(3):  # the best of three: another process may use the core
        began = time.perf_counter()
        text = python("-c", HELP, *argv)
        seconds.append(time.perf_counter() - began)
        if seconds[-1] < 1:
            break
    assert min(seconds) < 1
    assert (__version__ if "--version" in argv else "usage: vaelib") in text


FIRST_UPDATE = """
import sys
from vaelib import packed, train

begin, before = packed.begin, []

def early():
    before.append("torch" in sys.modules)
    begin()

def show(bar, update):
    sys.exit(f"{update.step} {before} {packed.begun} {'matplotlib' in sys.modules}")

packed.begin, train.Bar.show = early, show
train.main(["--project-dir", sys.argv[1]])
"""


def test_the_first_update_waits_for_torch_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FIRST_UPDATE, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.stderr.strip() == "1 [False] {} False"


def test_every_setting_is_a_flag_with_its_default(cli: Cli) -> None:
    text = cli("train", "--help").out
    for field in fields(TrainConfig):
        flag = "--" + field.name.replace("_", "-")
        assert re.search(rf"^  {flag}[ ,]", text, re.MULTILINE), flag
    assert re.search(r"^  --resume \[RUN\]", text, re.MULTILINE)
    for name in ("epochs", "latent_dim", "lr", "loss", "beta_schedule"):
        start = text.index(f"  --{name.replace('_', '-')} ")
        part = text[start:].split("\n  --")[0]
        default = f"(default: {getattr(TrainConfig(), name)})"
        assert default in " ".join(part.split())


def test_the_module_and_the_command_take_the_same_flags() -> None:
    module = python("-m", "vaelib.train", "--help").partition("\noptions:")[2]
    command = python("-m", "vaelib.cli", "train", "--help").partition("\noptions:")[2]
    assert module
    assert module == command
    for flag in REFERENCE:
        assert re.search(rf"^  {flag} ", module, re.MULTILINE), flag


@pytest.mark.parametrize("flag", REFERENCE)
def test_the_flags_of_the_reference_reach_the_settings(flag: str) -> None:
    parser = Parser(allow_abbrev=False)
    add_arguments(parser)
    name = flag.strip("-").replace("-", "_")
    given = vars(parser.parse_args([flag, REFERENCE[flag]]))
    assert set(given) - {"resume", "preset"} == {name}
    value = getattr(TrainConfig(**{name: given[name]}), name)
    assert value != getattr(TrainConfig(), name) or flag == "--hidden-dim"
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    assert text == REFERENCE[flag] or float(text) == float(REFERENCE[flag])


def test_flags_override_a_preset(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    flags = ["--preset", "pytorch-examples", *tiny, "--epochs", "1"]
    assert cli("train", *flags, "--save-dir", tmp_path / "run").code == 0
    config = load(tmp_path / "run")[1]
    assert (config.lr, config.loss) == (1e-3, "bce")
    assert (config.seed, config.gradient) == (1, "sum")
    assert (config.batch_size, config.epochs) == (10, 1)


@pytest.mark.slow
def test_the_module_and_the_command_train(tiny: list[str], tmp_path: Path) -> None:
    vaelib = shutil.which("vaelib", path=str(Path(sys.executable).parent))
    assert vaelib
    commands = dict(
        module=[sys.executable, "-m", "vaelib.train"], command=[vaelib, "train"]
    )
    options: dict[str, Any] = dict(check=True, capture_output=True, timeout=100)
    for name, command in commands.items():
        subprocess.run([*command, *tiny, "--save-dir", name], cwd=tmp_path, **options)
    assert_same_weights(tmp_path / "module", tmp_path / "command", epochs=2)


def assert_same_weights(run: Path, other: Path, epochs: int) -> None:
    """Check that the checkpoints of two runs contain the same bits."""
    for epoch in range(epochs):
        name = f"vae_epoch_{epoch:04d}.pt"
        ours = read_tensors(run / name)["weights"]
        theirs = read_tensors(other / name)["weights"]
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs), name


# Bad input

HUGE = "1" + "0" * 400
COUNTS = ("epochs", "batch-size", "latent-dim", "beta-cycles")
WHOLE = ("epochs", "batch-size", "latent-dim", "seed")
REAL = ("lr", "beta", "sigma", "min-sigma")
POSITIVE = ("lr", "sigma", "min-sigma", "beta-warmup", "beta-ratio", "channels")
OUT_OF_RANGE = [
    *(f"--{name} {value}" for name in COUNTS for value in ("0", "-1")),
    *(f"--{name} {value}" for name in WHOLE for value in ("1.5", "ten", "nan", HUGE)),
    *(f"--{name} {value}" for name in REAL for value in ("nan", "inf", "-inf")),
    *(f"--{name} {value}" for name in REAL for value in ("-1", "1e999")),
    *(f"--{name} 0" for name in POSITIVE),
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
TOO_LARGE = [  # numbers of the right type that no machine can handle
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
BAD_NAMES = ["a/b", "../up", "/abs", "a\\b", ".hidden", "..", ".", "latest", "LATEST"]
BAD_NAMES += ["'a b'", "'a\nb'", "x" * 101, "a:b"]
NAMES = [f"--{flag} {name}" for flag in ("name", "group") for name in BAD_NAMES]
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
    """Split a command line as a shell does, with quotes but without escapes."""
    return [word.strip("'") for word in re.findall(r"'[^']*'|\S+", text)]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working directory that contains a file and a folder that is not empty."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("years of work")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def short(text: str) -> str:
    """Return a short name for a test case."""
    return text if len(text) < 60 else text[:30] + "..." + str(len(text))


@pytest.mark.parametrize(
    "flags", [*OUT_OF_RANGE, *TOO_LARGE, *UNKNOWN, *NAMES, *PLACES], ids=short
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    flags: str, desk: Path, cli: Cli, tree: Tree, tiny: list[str]
) -> None:
    base = [] if "--resume" in flags or "--dataset" in flags else tiny
    before = tree(desk)
    assert cli("train", *base, *words(flags)).refusal.startswith("vaelib")
    assert tree(desk) == before


@pytest.mark.parametrize("flags", OVERFLOWING)
def test_a_number_that_overflows_later_is_one_sentence(
    flags: str, desk: Path, cli: Cli, tiny: list[str]
) -> None:
    """The number itself is finite, a result of it is not; there is no traceback."""
    answer = cli("train", *tiny, *flags.split())
    assert answer.code in (1, 2)
    *notes, message = answer.err.splitlines()
    assert message.startswith("vaelib train: ")
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
    ],
    ids=short,
)
def test_bad_input_of_the_other_commands(
    argv: str, desk: Path, cli: Cli, tree: Tree, trained: Path
) -> None:
    before = tree(desk)
    arguments = [str(trained) if word == "RUN" else word for word in argv.split()]
    assert cli(*arguments).refusal.startswith("vaelib")
    assert tree(desk) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="This machine has CUDA.")
def test_cuda_on_a_machine_without_it(
    desk: Path, cli: Cli, tree: Tree, tiny: list[str]
) -> None:
    before = tree(desk)
    assert "cuda" in cli("train", *tiny, "--device", "cuda").refusal
    assert tree(desk) == before


def test_a_run_whose_images_were_moved(run: Path, cli: Cli, tree: Tree) -> None:
    """The message names the missing folder of images."""
    meta = run / "run_meta.json"
    text = re.sub(r"folder:[^\"]*", "folder:moved", meta.read_text())
    meta.write_text(re.sub(r'"source": "[^"]*"', '"source": "gone"', text))
    (run / "vae_epoch_0001.pt").unlink()
    before = tree(run)
    assert "moved" in cli("train", "--resume", run).refusal
    assert tree(run) == before


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="needs /proc, which nobody can write to"
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
    places = ("--save-dir full/run", "--project-dir full", "--project-dir full/reports")
    for place in places:
        assert cli("train", *tiny, *place.split()).refusal
    (desk / "full").chmod(0o700)
    assert tree(desk) == before


# A full disk


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A real file system of so many KiB, which is mounted for the test."""
    place = tmp_path / "disk"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={request.param}k", "tmpfs"]
    mount = ["mount", *options, str(place)]
    linux = sys.platform.startswith("linux")
    if not linux or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("Only the superuser of a Linux system can mount a small disk.")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path) -> None:
    """Write a file until no space is left."""
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
def test_a_full_disk_is_one_sentence_and_no_file_is_left(
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
    # 0.5 MB for each epoch, and 1.6 MB for state.pt
    flags = [*tiny, "--hidden-dim", "1000", "--epochs", "6"]
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
    assert_same_weights(disk / "run", tmp_path / "reference", epochs=6)


# Notes about settings with an unexpected effect


def test_num_workers_is_accepted_with_a_note(
    cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    flags = ["--epochs", "1", "--num-workers", "4", "--save-dir", tmp_path / "run"]
    answer = cli("train", *tiny, *flags)
    assert answer.code == 0
    assert "--num-workers" in answer.sentence


def test_reduction_mean_prints_its_effective_beta(
    cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    flags = ["--epochs", "1", "--image-size", "28", "--reduction", "mean"]
    answer = cli("train", *tiny, *flags, "--save-dir", tmp_path / "run")
    assert answer.code == 0
    assert re.search(r"\b784 pixels\b.*\b1 acts as beta 784\b", answer.sentence)
    assert "beta 784" in answer.out
    flags += ["--beta", "0.5"]
    answer = cli("train", *tiny, *flags, "--save-dir", tmp_path / "half")
    assert "acts as beta 392 " in answer.sentence


# evaluate, traverse


def figure(text: str, name: str) -> float:
    """Return the number after `name` in the output of evaluate."""
    found = re.search(rf"^  {name} +(-?[\d.]+)", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def test_evaluate_grey_pixels(trained: Path, cli: Cli) -> None:
    answer = cli("evaluate", trained)
    assert answer.code == 0
    text = answer.out
    total = figure(text, "reconstruction") + figure(text, "KL")
    assert figure(text, "negative ELBO") == pytest.approx(total, abs=0.011)
    assert 0 <= figure(text, "active units") <= 2
    assert not re.search(r"^  NLL", text, re.MULTILINE)
    assert re.search(r"no likelihood: .*--binarize", text)
    assert cli("evaluate", trained).out == text
    assert cli("evaluate", trained, "--seed", "1").out != text


def test_evaluate_agrees_with_the_log(trained: Path, cli: Cli) -> None:
    """The KL needs no noise, so it is the same number."""
    lines = (trained / "curves" / "train_log.csv").read_text().splitlines()
    kl = float(lines[-1].split(",")[3])
    text = cli("evaluate", trained).out
    assert figure(text, "KL") == pytest.approx(kl, abs=0.006)


@pytest.mark.parametrize("how", ["fixed", "dynamic"])
def test_evaluate_binary_pixels_has_a_likelihood(
    how: str, cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert cli("train", *tiny, "--binarize", how, "--save-dir", run).code == 0
    one = cli("evaluate", run, "--samples", "1").out
    many = cli("evaluate", run, "--samples", "500").out
    assert "500 importance samples" in many
    assert figure(many, "NLL") < figure(many, "negative ELBO")
    assert figure(many, "NLL") < figure(one, "NLL") + 0.5
    assert "negative log-likelihood" in many


def test_evaluate_has_bits_per_dimension_of_256_levels(
    cli: Cli, tiny: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert cli("train", *tiny, "--loss", "logistic", "--save-dir", run).code == 0
    text = cli("evaluate", run, "--samples", "20").out
    assert "negative log-likelihood of 256 levels" in text
    figures = r"([\d.]+)   (?:their sum|20 importance samples)\n"
    lines = re.findall(figures + r" +([\d.]+)   bits per dimension", text)
    assert len(lines) == 2  # of the bound, and of -log p(x)
    pixels = load(run)[0].fc_out.out_features // 2
    for nats, bits in lines:
        expected = float(nats) / (pixels * math.log(2))
        assert float(bits) == pytest.approx(expected, abs=2e-3)


def test_evaluate_takes_a_checkpoint(trained: Path, cli: Cli) -> None:
    checkpoints = [trained / f"vae_epoch_000{i}.pt" for i in (0, 1)]
    first, last = (cli("evaluate", checkpoint).out for checkpoint in checkpoints)
    assert last == cli("evaluate", trained).out
    assert first != last


def test_traverse_writes_a_picture_and_never_overwrites(
    trained: Path, cli: Cli, desk: Path
) -> None:
    assert cli("traverse", trained).code == 0
    with Image.open(desk / "traversals.png") as picture:
        assert min(picture.size) > 50
    assert cli("traverse", trained, "--image", "2", "--output", "second.png").code == 0
    files = [desk / "traversals.png", desk / "second.png"]
    first, second = (file.read_bytes() for file in files)
    assert first != second
    for file in files:
        flags = ["--image", "1", "--output", file.name]
        assert file.name in cli("traverse", trained, *flags).refusal
    assert [file.read_bytes() for file in files] == [first, second]


def test_a_figure_is_of_the_kind_that_its_name_says(
    trained: Path, cli: Cli, desk: Path
) -> None:
    begins = {"a.PNG": b"\x89PNG", "a.pdf": b"%PDF", "a.svg": b"<?xml"}
    for name, begin in begins.items():
        assert cli("traverse", trained, "--output", name).code == 0
        assert (desk / name).read_bytes().startswith(begin)
    with Image.open(desk / "a.PNG") as picture:
        assert picture.info["Software"].startswith("vaelib ")
    for name in ("x", "x.jpg", "png", ".png"):
        assert ".pdf" in cli("traverse", trained, "--output", name).refusal
        assert not (desk / name).exists()


def test_train_says_where_to_look(cli: Cli, tiny: list[str], tmp_path: Path) -> None:
    answer = cli("train", *tiny, "--save-dir", tmp_path / "run")
    assert answer.err == ""
    lines = answer.out.splitlines()
    assert lines[0].startswith("40 pictures were read from ")
    assert lines[1].startswith("36 are to train on, 4 to test on: ")
    assert [line.split(":")[0] for line in lines[2:4]] == ["epoch 0", "epoch 1"]
    shown = re.search(r"look at (\S+\.png)", lines[4])
    assert shown
    assert Path(shown[1]).is_file()
    assert train_main([*tiny, "--save-dir", str(tmp_path / "run")]) == 2
