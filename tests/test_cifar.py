"""CIFAR-10: files of the same form as the official ones, made here."""

from __future__ import annotations

import hashlib
import io
import tarfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from vaelib import TrainConfig, cifar, load_dataset
from vaelib.images import DataError
from vaelib.memory import check_memory

if TYPE_CHECKING:
    from conftest import Cli

NAMES = (*cifar.TRAIN_FILES, *cifar.TEST_FILES)


def records(seed: int, n: int = 6) -> bytes:
    """Return `n` records of a class and 3072 pixels."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 3072), dtype=np.uint8)
    labels = rng.integers(0, 10, (n, 1), dtype=np.uint8)
    return np.concatenate((labels, pixels), axis=1).tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder with the six files."""
    folder = tmp_path / "data" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        (folder / name).write_bytes(records(seed))
    return folder


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an archive of the six files, which is downloaded now."""
    file = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(file, "w:gz") as packed:
        for seed, name in enumerate(("batches.meta.txt", *NAMES, "../../evil")):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            content = records(seed - 1) if seed else b"airplane\n"
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(cifar, "CIFAR_URL", file.as_uri())
    digest = hashlib.md5(file.read_bytes()).hexdigest()
    monkeypatch.setattr(cifar, "CIFAR_MD5", digest)
    return file


def refusal(data_dir: Path) -> str:
    """Return the error message, which is one sentence."""
    with pytest.raises(DataError) as error:
        load_dataset("cifar10", data_dir=str(data_dir))
    message = str(error.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_the_files_of_the_user_are_read(folder: Path):
    data = load_dataset("cifar10", data_dir=str(folder.parent))
    assert data.shape == (3, 32, 32)
    assert (len(data.train), len(data.test)) == (30, 6)
    assert data.labels is not None
    assert data.classes[8] == "ship"
    raw = np.frombuffer(records(1), np.uint8).reshape(6, 3073)
    assert data.labels[0][6:12].tolist() == raw[:, 0].tolist()
    red, green, blue = raw[2, 1:].reshape(3, 32, 32)  # row after row
    found = data.train[8].numpy()
    for plane, expected in zip(found, (red, green, blue), strict=True):
        assert np.array_equal(plane, expected)


def test_it_is_downloaded_once_and_nothing_else_is_unpacked(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    first = load_dataset("cifar10", data_dir=str(tmp_path / "there"))
    assert "downloading" in capsys.readouterr().err
    archive.unlink()
    again = load_dataset("cifar10", data_dir=str(tmp_path / "there"))
    assert capsys.readouterr().err == ""
    assert torch.equal(first.train, again.train)
    found = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert sorted(file.name for file in found) == sorted(NAMES)
    assert {file.parent for file in found} == {
        tmp_path / "there" / "cifar-10-batches-bin"
    }


def test_an_archive_that_is_not_the_original_is_not_used(archive: Path, tmp_path: Path):
    archive.write_bytes(archive.read_bytes() + b"x")
    message = refusal(tmp_path / "there")
    assert "is incomplete or another file" in message
    assert not list(tmp_path.rglob("*.bin"))


def test_without_a_network_one_sentence_names_the_files_and_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps proxies
    message = refusal(tmp_path)
    assert "data_batch_1.bin to data_batch_5.bin and test_batch.bin" in message
    assert str(tmp_path / "cifar-10-batches-bin") in message
    assert "mnist, sprites and folder:PATH need no download" in message
    flags = ["--dataset", "cifar10", "--data-dir", tmp_path, "--epochs", 1]
    assert "cifar-10-batches-bin" in cli("train", *flags).refusal


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", records(0)[:-1], bytes([10]) * 3073]
)
def test_a_damaged_file_is_named(folder: Path, content: bytes):
    (folder / "data_batch_3.bin").write_bytes(content)
    assert "data_batch_3.bin is damaged, or another file" in refusal(folder.parent)


def test_its_memory_is_known_before_it_is_loaded():
    config = TrainConfig("cifar10", model="conv", conv_channels=(4, 4, 4, 4, 4))
    assert check_memory(config) == ""  # 32 pixels can be halved five times, 28 cannot


def test_a_run_on_it(folder: Path, tmp_path: Path, cli: Cli):
    run = tmp_path / "run"
    flags = ["--dataset", "cifar10", "--data-dir", folder.parent, "--epochs", 1]
    flags += ["--model", "conv", "--conv-channels", "4,8", "--loss", "logistic"]
    assert cli("train", *flags, "--save-dir", run, "--device", "cpu").code == 0
    text = cli("evaluate", run, "--samples", 2).out
    assert "6 test images" in text
    assert "bits per dimension" in text
