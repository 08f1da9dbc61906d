"""Standard streams that are closed, full or narrow never cost work."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vaelib import runs
from vaelib.config import TrainConfig
from vaelib.streams import SafeStream
from vaelib.train import train

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
VAELIB = f'"{sys.executable}" -m vaelib.cli'


def shell(line: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a line of a POSIX shell; the exit status is that of its first command."""
    pipes: Any = dict(capture_output=True, text=True, timeout=100)
    return subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"], **pipes, **options
    )


STREAMS = ["| head -1", "> /dev/full", "2>&-", ">&- 2>&-", ">&-", "2> /dev/full"]


@posix
@pytest.mark.slow
@pytest.mark.parametrize("streams", STREAMS)
def test_every_epoch_is_recorded(streams: str, tiny: list[str], tmp_path: Path):
    if "full" in streams and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    flags = " ".join(f"'{flag}'" for flag in [*tiny, "--save-dir", str(tmp_path / "r")])
    done = shell(f"{VAELIB} train {flags} {streams}")
    with open(tmp_path / "r" / "curves" / "train_log.csv", encoding="utf-8") as log:
        assert len(list(csv.DictReader(log))) == 2
    assert (tmp_path / "r" / "state.pt").is_file()
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if streams == "> /dev/full":
        assert done.returncode == 1
        assert "the output could not be written: No space left" in done.stderr
    else:
        assert done.returncode == 0


def test_in_python_an_epoch_is_recorded_before_its_line_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A script that has closed its output gets an error, after the work is saved."""
    sizes: Any = dict(image_size=8, hidden_dim=(8,), latent_dim=2, epochs=2)
    config = TrainConfig("sprites", **sizes, save_dir=str(tmp_path / "run"))
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    with pytest.raises(ValueError, match="closed file"):
        train(config)
    run = runs.open_run(tmp_path / "run")
    assert run.load_state()
    assert len(run.rows) == 1


@posix
def test_a_letter_that_the_stream_does_not_know_becomes_an_escape(trained: Path):
    names = dict(PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    done = shell(f"{VAELIB} evaluate '{trained}-é'", env=os.environ | names)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.isascii()


@posix
def test_help_may_be_cut_short():
    done = shell(f"{VAELIB} train --help | head -1")
    assert done.stdout.startswith("usage: vaelib train")
    assert done.stderr == ""


@posix
def test_a_file_does_not_get_the_number_of_a_closed_stream(tmp_path: Path):
    """What is written to the stream would be written into the file."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "from vaelib.streams import open_closed_files\n"
        "open_closed_files()\n"
        "with open(sys.argv[1], 'wb') as file:\n"
        "    os.write(2, b'lost')\n"
        "    print('lost', file=sys.stderr, flush=True)\n"
        "    file.write(b'kept')\n"
    )
    assert shell(f"'{sys.executable}' {script} {tmp_path}/file 2>&-").returncode == 0
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_text_passes_unchanged():
    text = io.StringIO()
    stream = SafeStream(text)
    print("β = 1 ± 0.5", file=stream)
    assert text.getvalue() == "β = 1 ± 0.5\n"
    assert stream.lost == ""


def test_a_narrow_stream_gets_escapes():
    raw = io.BytesIO()
    stream = SafeStream(io.TextIOWrapper(raw, encoding="ascii"))
    print("1 ± 0.5", file=stream, flush=True)
    assert raw.getvalue() == b"1 \\xb1 0.5\n"
