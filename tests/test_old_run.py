"""A run that was written by version 0.1.0 can be loaded, evaluated and resumed."""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

import vaelib

if TYPE_CHECKING:
    from conftest import Cli

STORED = Path(__file__).parent / "data" / "run-0.1.0"

# The log of epoch 2, counted from 0, if version 0.1.0 itself resumes the run.
EPOCH_2 = dict(recon=10.725484, kl=0.859323, train_total=11.750732)


def digest(path: Path) -> str:
    """Return the SHA-256 checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    """A copy of the stored run that may be changed."""
    return Path(shutil.copytree(STORED, tmp_path / "run"))


def test_stored_files_have_the_checksums_of_their_readme() -> None:
    readme = (STORED / "README.md").read_text(encoding="utf-8")
    stated = {name: sha256 for sha256, name in re.findall(r"(\w{64})  (\S+)", readme)}
    found = {
        path.relative_to(STORED).as_posix(): digest(path)
        for path in STORED.rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    assert len(found) == 4
    assert stated == found


def test_model_and_settings_are_loaded(old_run: Path) -> None:
    model, config = vaelib.load(old_run)
    assert (config.dataset, config.image_size, config.epochs) == ("sprites", 8, 2)
    assert (config.hidden_dim, config.latent_dim) == ((8,), 2)
    assert (config.batch_size, config.lr_schedule) == (1000, "none")
    with torch.no_grad():
        assert model.images(torch.zeros(3, 2)).shape == (3, 1, 8, 8)


def test_it_is_evaluated_with_the_figures_of_its_log(old_run: Path, cli: Cli) -> None:
    answer = cli("evaluate", old_run)
    assert answer.code == 0
    kl = re.search(r"^  KL +([\d.]+)$", answer.out, re.MULTILINE)
    recon = re.search(r"^  reconstruction +([\d.]+) ", answer.out, re.MULTILINE)
    assert kl
    assert recon
    assert float(kl[1]) == pytest.approx(0.642582, abs=0.01)  # it needs no noise
    assert float(recon[1]) == pytest.approx(11.364927, abs=0.1)  # with other noise


def test_it_is_resumed_with_the_numbers_of_version_0_1_0(
    old_run: Path, cli: Cli
) -> None:
    log = old_run / "curves" / "train_log.csv"
    old_lines = log.read_text(encoding="utf-8").splitlines()
    answer = cli("train", "--resume", old_run, "--epochs", "3")
    assert answer.code == 0, answer.err

    lines = log.read_text(encoding="utf-8").splitlines()
    assert lines[:3] == old_lines
    [*_, last] = csv.DictReader(lines)
    assert last["epoch"] == "2"
    for name, value in EPOCH_2.items():
        assert float(last[name]) == pytest.approx(value, abs=0.01), name
    assert vaelib.load(old_run)[1].epochs == 3
    assert (old_run / "vae_epoch_0002.pt").is_file()
