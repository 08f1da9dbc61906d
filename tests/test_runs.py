"""The folder of a run: its layout, complete files, no overwriting, damaged files."""

from __future__ import annotations

import csv
import errno
import json
import os
import pickle
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image

from vaelib import evaluation, files, losses, plotting, runs
from vaelib.config import TrainConfig, from_dict
from vaelib.data import ImageData, sprites
from vaelib.runs import RunError, find, find_checkpoint, load
from vaelib.train import train
from vaelib.training import start

if TYPE_CHECKING:
    from conftest import Cli, Launch, Tree

PICTURES = ("reconstructions", "samples", "traversals")
CONFIG = TrainConfig(
    dataset="tensors",
    hidden_dim=(16,),
    latent_dim=3,
    epochs=2,
    batch_size=50,
    device="cpu",
)


@pytest.fixture(scope="module")
def data() -> ImageData:
    return sprites(n_train=300, n_test=64, size=12)


@pytest.fixture(scope="module")
def project(data: ImageData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a project with one run of two epochs; tests must not change it."""
    folder = tmp_path_factory.mktemp("project")
    train(replace(CONFIG, project_dir=str(folder)), data, quiet=True)
    return folder


@pytest.fixture(scope="module")
def done(project: Path) -> Path:
    return project / "tensors" / "run-001"


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    """A copy of that run, which a test may change."""
    shutil.copytree(project, tmp_path / "project", symlinks=True)
    return tmp_path / "project" / "tensors" / "run-001"


def log_of(run: Path) -> list[dict[str, str]]:
    with open(run / "curves" / "train_log.csv", newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


# The layout


def test_the_layout(done: Path) -> None:
    found = {str(path.relative_to(done)) for path in done.rglob("*") if path.is_file()}
    pictures = {f"{kind}/epoch_000{epoch}.png" for kind in PICTURES for epoch in (0, 1)}
    checkpoints = {"vae_epoch_0000.pt", "vae_epoch_0001.pt", "state.pt"}
    others = {"run_meta.json", "curves/train_log.csv", "curves/losses.png"}
    assert found - {".lock"} == pictures | checkpoints | others


def test_latest_is_a_relative_link(done: Path) -> None:
    assert done.with_name("latest").readlink() == Path("run-001")
    assert sorted(path.name for path in done.parent.iterdir()) == ["latest", "run-001"]


def test_run_meta_contains_every_setting(project: Path, done: Path) -> None:
    meta = json.loads((done / "run_meta.json").read_text(encoding="utf-8"))
    assert set(meta["config"]) == {field.name for field in fields(TrainConfig)}
    assert from_dict(meta["config"]) == replace(CONFIG, project_dir=str(project))
    assert meta["dataset"]["shape"] == [1, 12, 12]
    assert (meta["dataset"]["train"], meta["dataset"]["test"]) == (300, 64)
    assert meta["versions"]["torch"] == torch.__version__


def test_the_log_has_its_columns_and_adds_up(done: Path) -> None:
    rows = log_of(done)
    columns = list(rows[0])
    assert columns[:5] == ["epoch", "beta", "recon", "kl", "total"]
    assert columns[5] == "neg_elbo"
    assert {"train_recon", "train_kl", "train_total"} <= set(columns)
    assert [row["epoch"] for row in rows] == ["0", "1"]
    for row in rows:
        v = {name: float(text) for name, text in row.items()}
        total = v["recon"] + v["beta"] * v["kl"]
        train_total = v["train_recon"] + v["beta"] * v["train_kl"]
        assert v["total"] == pytest.approx(total, abs=1e-5)
        assert v["neg_elbo"] == pytest.approx(v["recon"] + v["kl"], abs=1e-5)
        assert v["train_total"] == pytest.approx(train_total, abs=1e-5)
    assert float(rows[1]["total"]) < float(rows[0]["total"])


def test_the_kl_in_the_log_is_that_of_the_checkpoint(
    done: Path, data: ImageData
) -> None:
    """The KL needs no noise: it can be computed again from each checkpoint."""
    for epoch, row in enumerate(log_of(done)):
        model, _ = load(done / f"vae_epoch_{epoch:04d}.pt")
        rng = torch.Generator()
        _, kl = evaluation.average_terms(model, losses.bce_logits, data.test, rng)
        assert float(row["kl"]) == pytest.approx(float(kl.sum()), rel=1e-4)


def test_no_picture_is_tiny_or_of_one_colour(done: Path) -> None:
    pictures = sorted(done.rglob("*.png"))
    assert len(pictures) == 7
    for file in pictures:
        with Image.open(file) as picture:
            assert min(picture.size) > 50, file
            extremes = picture.convert("L").getextrema()
            assert extremes[1] - extremes[0] > 100, file  # pyright: ignore


def test_the_traversal_of_two_latents_is_the_manifold(
    data: ImageData, tmp_path: Path
) -> None:
    config = replace(CONFIG, latent_dim=2, epochs=1, save_dir=str(tmp_path / "run"))
    run = train(config, data, quiet=True)
    model, _ = load(run.path)
    files.write_figure(tmp_path / "manifold.png", plotting.manifold(model))
    manifold = (tmp_path / "manifold.png").read_bytes()
    assert run.pictures(0)["traversals"].read_bytes() == manifold


def test_three_latents_have_no_manifold(done: Path) -> None:
    model, _ = load(done)
    with pytest.raises(RuntimeError):
        plotting.manifold(model)


def refuse_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the making of links fail, as it does for most users of Windows."""

    def refuse(*_: Any) -> None:
        raise OSError("a privilege is not held")

    monkeypatch.setattr(Path, "symlink_to", refuse)


def test_latest_is_a_file_if_links_fail(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_links(monkeypatch)
    group = tmp_path / "tensors"
    config = replace(CONFIG, epochs=1, project_dir=str(tmp_path))
    for number in (1, 2):
        run = train(config, data, quiet=True)
        assert run.path.name == f"run-00{number}"
        assert (group / "latest.txt").read_text() == f"run-00{number}\n"
        assert find(group / "latest") == run.path
    names = sorted(path.name for path in group.iterdir())
    assert names == ["latest.txt", "run-001", "run-002"]
    assert load(group / "latest")[1].project_dir == str(tmp_path)


def new_run(project: Path, data: ImageData) -> Path:
    """Train a new run in a project and return its folder."""
    config = replace(CONFIG, epochs=1, project_dir=str(project))
    return train(config, data, quiet=True).path


SHAPES = ["link", "note", "text", "folder"]


@pytest.mark.parametrize("shape", SHAPES)
def test_latest_is_the_newest_run_in_every_shape(
    shape: str, copy: Path, data: ImageData
) -> None:
    """Programs that copy a project make other things of a link."""
    latest, note = copy.with_name("latest"), copy.with_name("latest.txt")
    if shape != "link":
        latest.unlink()
    if shape == "note":  # as Windows writes it
        note.write_text("run-001\n")
    elif shape == "text":  # as git checks a link out on Windows
        latest.write_text("run-001")
    elif shape == "folder":  # as zip, artifacts and network drives copy it
        shutil.copytree(copy, latest)
    assert find(latest).resolve() == copy
    assert load(latest)[1].epochs == 2

    second = new_run(copy.parents[1], data)
    assert second.name == "run-002"
    assert find(latest).resolve() == second
    assert load(latest)[1].epochs == load(str(latest))[1].epochs == 1
    assert load(latest / "vae_epoch_0000.pt")[1].epochs == 1
    third = new_run(copy.parents[1], data)
    assert find(latest).resolve() == third


def test_an_old_link_is_removed_where_links_have_become_impossible(
    copy: Path, data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_links(monkeypatch)
    second = new_run(copy.parents[1], data)
    assert find(copy.with_name("latest")) == second
    monkeypatch.undo()
    third = new_run(copy.parents[1], data)
    assert find(copy.with_name("latest")).resolve() == third
    assert not copy.with_name("latest.txt").exists()


@pytest.mark.parametrize("name", ["", "..", "../../x", "run-009", "/", "a\0b"])
def test_a_note_that_names_no_run_is_refused(name: str, copy: Path) -> None:
    copy.with_name("latest").unlink()
    copy.with_name("latest.txt").write_text(name)
    with pytest.raises(RunError):
        find(copy.with_name("latest"))


def test_epochs_are_in_the_order_of_their_numbers(copy: Path) -> None:
    """As text, 9999 comes after 10000."""
    shutil.copy(copy / "vae_epoch_0000.pt", copy / "vae_epoch_9999.pt")
    shutil.copy(copy / "vae_epoch_0001.pt", copy / "vae_epoch_10000.pt")
    shutil.copy(copy / "vae_epoch_0000.pt", copy / "vae_epoch_20000 (copy).pt")
    assert find_checkpoint(copy).name == "vae_epoch_10000.pt"


def test_weights_of_half_precision_are_converted(copy: Path) -> None:
    file = copy / "vae_epoch_0001.pt"
    saved = torch.load(file, weights_only=True)
    saved["weights"] = {name: w.half() for name, w in saved["weights"].items()}
    torch.save(saved, file)
    model, _ = load(file)
    for name, value in model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, saved["weights"][name].float())


def test_a_drive_that_cannot_tell_what_it_stored_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, "fsync failed")

    monkeypatch.setattr(os, "fsync", fail)
    number = errno.EINVAL
    files.write(tmp_path / "a", b"content")
    assert (tmp_path / "a").read_bytes() == b"content"
    number = errno.EIO  # a disk that is broken
    with pytest.raises(OSError, match="fsync failed"):
        files.write(tmp_path / "b", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_save_dir_is_the_folder_of_the_run(data: ImageData, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        config = replace(CONFIG, epochs=1, save_dir=str(tmp_path / name))
        run = train(config, data, quiet=True)
        assert run.path == tmp_path / name
        assert (tmp_path / name / "vae_epoch_0000.pt").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "new"]


# Nothing is overwritten


def test_unnamed_runs_are_numbered(done: Path, copy: Path, data: ImageData) -> None:
    assert done.name == "run-001"
    config = replace(CONFIG, project_dir=str(copy.parents[1]), epochs=1)
    names = [train(config, data, quiet=True).path.name for _ in range(2)]
    assert names == ["run-002", "run-003"]
    assert copy.with_name("latest").readlink() == Path("run-003")


def test_an_existing_run_is_never_overwritten(
    copy: Path, data: ImageData, tree: Tree
) -> None:
    project = copy.parents[1]
    config = replace(CONFIG, project_dir=str(project))
    before, before_run = tree(project), tree(copy)
    for again in (replace(config, name="run-001"), replace(config, save_dir=str(copy))):
        with pytest.raises(RunError, match="--resume") as error:
            train(again, data, quiet=True)
        assert "\n" not in str(error.value)
        assert tree(project) == before
    train(replace(config, name="other", epochs=1), data, quiet=True)
    assert tree(copy) == before_run


def test_files_in_save_dir_are_never_overwritten(
    data: ImageData, tmp_path: Path, tree: Tree
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    before = tree(tmp_path)
    for taken in ("thesis", "thesis/chapter.tex"):
        with pytest.raises(RunError):
            train(replace(CONFIG, save_dir=str(tmp_path / taken)), data, quiet=True)
    assert tree(tmp_path) == before


def test_a_folder_with_only_partial_files_can_be_used(
    data: ImageData, tmp_path: Path
) -> None:
    """If a process is killed while it writes run_meta.json, the same command works."""
    left = tmp_path / "tensors" / "mine"
    left.mkdir(parents=True)
    (left / ".run_meta.json.123.part").write_text('{"config": {"data')
    config = replace(CONFIG, epochs=1, project_dir=str(tmp_path), name="mine")
    run = train(config, data, quiet=True)
    assert run.path == left
    load(left)


# Reading it again


def test_load_from_folder_latest_and_checkpoint(project: Path, done: Path) -> None:
    first, last = (
        torch.load(done / f"vae_epoch_000{i}.pt", weights_only=True)["weights"]
        for i in (0, 1)
    )
    for path, weights in (
        (done, last),
        (str(done), last),
        (done.with_name("latest"), last),
        (done / "vae_epoch_0001.pt", last),
        (done / "vae_epoch_0000.pt", first),
    ):
        model, config = load(path)
        assert config == replace(CONFIG, project_dir=str(project))
        loaded = model.state_dict()
        assert set(loaded) == set(weights)
        assert all(torch.equal(value, weights[name]) for name, value in loaded.items())
        assert all(value.device.type == "cpu" for value in loaded.values())
    assert not torch.equal(first["fc_mu.weight"], last["fc_mu.weight"])
    assert model.images(torch.zeros(5, 3)).shape == (5, 1, 12, 12)


def test_load_without_a_run_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "missing", tmp_path / "empty", tmp_path / "latest"):
        with pytest.raises(RunError, match=r"run_meta\.json") as error:
            load(path)
        assert "\n" not in str(error.value)


def test_load_before_the_first_epoch_is_one_sentence(copy: Path) -> None:
    for file in copy.glob("*.pt"):
        file.unlink()
    with pytest.raises(RunError, match="no checkpoint yet"):
        load(copy)


# Files are complete or absent

# A training process that logs every file that it opens for writing.
LOGGED = """
import os, sys
log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT)

def note(event, args):
    if event != "open" or not isinstance(args[0], str):
        return
    if args[2] & (os.O_WRONLY | os.O_RDWR):
        os.write(log, f"{args[0]}\\n".encode())

from vaelib.train import main
sys.addaudithook(note)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_no_partial_file_ever_has_a_final_name(
    tiny: list[str], damage: Callable[[Path], str], tmp_path: Path
) -> None:
    run, log = tmp_path / "run", tmp_path / "log"
    large = ["--epochs", "3", "--hidden-dim", "2000"]  # files of some megabytes
    argv = [str(log), *tiny, *large, "--save-dir", str(run)]
    command = [sys.executable, "-c", LOGGED, *argv]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    seen: dict[tuple[Path, int, int], str] = {}
    while process.poll() is None:
        for file in [*run.glob("[!.]*"), *run.glob("*/[!.]*")]:
            if file.is_file():
                stat = file.stat()
                key = (file, stat.st_ino, stat.st_mtime_ns)
                if key not in seen:
                    seen[key] = damage(file)
    assert process.returncode == 0
    assert not [what for what in seen.values() if what]
    # 3 epochs with checkpoint and pictures, log and settings
    assert len({file for file, _, _ in seen}) >= 12

    opened = [Path(line) for line in log.read_text().splitlines()]
    written = [file for file in opened if run in file.parents]
    assert len(written) >= 21
    names = [file.name for file in written]
    assert not [n for n in names if not re.fullmatch(r"\..*\.part|\.lock", n)]
    assert not list(run.rglob("*.part"))


# Damaged files, files of other programs, malicious files


class Evil:
    """Object that creates a folder if it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def test_the_evil_pickle_does_harm(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil(tmp_path / "harm")))
    assert (tmp_path / "harm").exists()


Spoil = Callable[[Path, Path], object]


def cut(share: float) -> Spoil:
    """Keep only the first part of a file."""

    def spoil(file: Path, _: Path) -> None:
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * share)])

    return spoil


def edit_tensors(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Change the content of a file that torch can still read."""

    def spoil(file: Path, _: Path) -> None:
        saved = torch.load(file, weights_only=True)
        change(saved)
        torch.save(saved, file)

    return spoil


def evil(target: Path) -> dict[str, Any]:
    """Return the content of a checkpoint or a state that does harm."""
    return dict(config=Evil(target), state=Evil(target))


def wider(saved: dict[str, Any]) -> None:
    """Give a weight another shape than the settings say."""
    weights = saved["weights"] if "weights" in saved else saved["state"]["model"]
    weights["fc_mu.weight"] = torch.zeros(7, 7)


def put(key: str, value: Any) -> Spoil:
    """Replace one value in a file that torch can still read."""
    return edit_tensors(lambda saved: saved.__setitem__(key, value))


ANY_FILE: dict[str, Spoil] = {
    "empty": lambda file, _: file.write_bytes(b""),
    "half": cut(0.5),
    "nearly whole": cut(0.99),
    "text": lambda file, _: file.write_text("not what you think\n"),
    "noise": lambda file, _: file.write_bytes(random.Random(1).randbytes(5000)),
    "pickle": lambda file, target: file.write_bytes(pickle.dumps(Evil(target))),
}
TENSOR_FILE: dict[str, Spoil] = {
    "plain state_dict": lambda file, _: torch.save(
        torch.nn.Linear(3, 3).state_dict(), file
    ),
    "a tensor": lambda file, _: torch.save(torch.zeros(3), file),
    "wrong shapes": edit_tensors(wider),
    "malicious": lambda file, target: torch.save(evil(target), file),
    "malicious, old format": lambda file, target: torch.save(
        evil(target), file, _use_new_zipfile_serialization=False
    ),
}
CHECKPOINT: dict[str, Spoil] = {
    "no settings": put("config", {}),
    "unknown setting": put("config", dict(asdict(CONFIG), colour="red")),
    "setting out of range": put("config", dict(asdict(CONFIG), latent_dim=-3)),
    "other shape": put("shape", [1, 99, 99]),
    "no shape": put("shape", None),
    "huge": put("config", dict(asdict(CONFIG), hidden_dim=(10**9,))),
}


def settings(**changed: Any) -> str:
    """Return a run_meta.json with some settings changed."""
    return json.dumps(dict(config=asdict(CONFIG) | changed))


META_TEXTS = {
    "no settings": "{}",
    "a list": "[1, 2]",
    "null": "null",
    "deep": "[" * 100_000,
    "unknown setting": settings(colour="red"),
    "setting of another type": settings(epochs="many"),
    "setting out of range": settings(lr=-1),
    "nan": settings(lr=float("nan")),
}
META: dict[str, Spoil] = {
    name: lambda file, _, text=text: file.write_text(text, encoding="utf-8")
    for name, text in META_TEXTS.items()
}


def cases(*tables: dict[str, Spoil]) -> Any:
    """Parametrize a test with the ways to spoil a file."""
    both = {name: spoil for table in tables for name, spoil in table.items()}
    return pytest.mark.parametrize("spoil", both.values(), ids=both)


def refuses(call: Callable[[], Any], run: Path, target: Path, tree: Tree) -> None:
    """Check for an error of one sentence; no code is run and no file is changed."""
    before = tree(run.parent)
    with pytest.raises(RunError) as error:
        call()
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")
    assert not target.exists()
    assert tree(run.parent) == before


@cases(ANY_FILE, TENSOR_FILE, CHECKPOINT)
def test_a_spoilt_checkpoint_is_refused(
    spoil: Spoil, copy: Path, tmp_path: Path, tree: Tree
) -> None:
    spoil(copy / "vae_epoch_0001.pt", tmp_path / "harm")
    refuses(lambda: load(copy), copy, tmp_path / "harm", tree)
    refuses(lambda: load(copy / "vae_epoch_0001.pt"), copy, tmp_path / "harm", tree)
    load(copy / "vae_epoch_0000.pt")


@cases(ANY_FILE, TENSOR_FILE)
def test_a_spoilt_state_is_refused(
    spoil: Spoil, copy: Path, data: ImageData, tmp_path: Path, tree: Tree
) -> None:
    spoil(copy / "state.pt", tmp_path / "harm")
    run = runs.open_run(copy)

    def resume() -> None:
        train(run.config, data, resumed=run, quiet=True)

    refuses(resume, copy, tmp_path / "harm", tree)


@cases(ANY_FILE, META)
def test_spoilt_settings_are_refused(
    spoil: Spoil, copy: Path, tmp_path: Path, tree: Tree
) -> None:
    spoil(copy / "run_meta.json", tmp_path / "harm")
    refuses(lambda: runs.open_run(copy), copy, tmp_path / "harm", tree)


@pytest.mark.parametrize("name", ["vae_epoch_0001.pt", "state.pt", "run_meta.json"])
def test_the_command_line_names_the_spoilt_file(
    name: str, run: Path, cli: Cli, tree: Tree, tmp_path: Path
) -> None:
    ANY_FILE["pickle"](run / name, tmp_path / "harm")
    before = tree(tmp_path)
    argv = ("evaluate", run) if name.startswith("vae") else ("train", "--resume", run)
    answer = cli(*argv)
    assert name in answer.refusal
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["vae_epoch_0001.pt", "state.pt"])
def test_random_bytes_are_refused_or_have_no_effect(
    name: str, copy: Path, data: ImageData
) -> None:
    """Some bytes of a file, such as padding, carry no meaning."""

    def read() -> dict[str, torch.Tensor]:
        if name != "state.pt":
            return load(copy / name)[0].state_dict()
        run = runs.open_run(copy)
        state = start(run.config, data)
        run.restore(state, data)
        others = dict(rng=state.rng.get_state(), losses=state.losses)
        for i, moments in state.optimizer.state_dict()["state"].items():
            others |= {f"{i}.{key}": value for key, value in moments.items()}
        return state.model.state_dict() | others

    file, rng, believed, refused = copy / name, random.Random(7), [], 0
    content, truth = file.read_bytes(), read()
    for i in range(10 if name == "state.pt" else 24):
        offset = rng.randrange(len(content) - 8) if i else 0
        file.write_bytes(content[:offset] + rng.randbytes(8) + content[offset + 8 :])
        try:
            got = read()
        except RunError:
            refused += 1
            continue
        if not all(torch.equal(got[key], value) for key, value in truth.items()):
            believed.append(offset)
    assert not believed, f"damage at {believed} of {len(content)} bytes was not noticed"
    assert refused


# Two processes at once


@pytest.mark.skipif(
    not hasattr(signal, "SIGSTOP"), reason="Processes cannot be paused here."
)
def test_a_second_process_on_the_same_run_is_refused(
    run: Path, launch: Launch, cli: Cli, tree: Tree, tmp_path: Path
) -> None:
    first = launch(["--resume", run, "--epochs", "1000"], tmp_path / "log")
    deadline = time.monotonic() + 60
    while not (run / "vae_epoch_0002.pt").exists():
        assert time.monotonic() < deadline
        assert first.exitcode is None, (tmp_path / "log").read_text()
        time.sleep(0.01)
    assert first.pid
    # The first process is paused: any change is made by the second one.
    os.kill(first.pid, signal.SIGSTOP)
    try:
        before = tree(run)
        second = launch(["--resume", run], tmp_path / "second")
        second.join(60)
        assert second.exitcode == 2
        message = (tmp_path / "second").read_text()
        assert re.fullmatch(r"vaelib train: .* another process.*\n", message)
        assert tree(run) == before
    finally:
        first.kill()
        first.join()
    assert cli("evaluate", run).code == 0
