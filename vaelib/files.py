"""Write files that are complete or absent, and read tensors without running code."""

from __future__ import annotations

import errno
import io
import json
import os
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import vaelib
from vaelib.checks import invalid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Some network drives and pipes cannot be told to store what was written.
NO_FSYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


def write(file: Path, content: bytes | memoryview) -> None:
    """Write a file so that its final name never stands for incomplete content.

    The content goes to a temporary file (".NAME.PID.part") in the same folder, which
    is then renamed. If this fails, an `OSError` is raised, the temporary file is
    removed, and an older file of that name is unchanged.
    """
    file.parent.mkdir(exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as out:
            out.write(content)
            out.flush()
            store(out.fileno())
        part.replace(file)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def store(descriptor: int) -> None:
    """Wait until an open file is on the disk, if its file system can tell."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FSYNC:
            raise


# By the ending of a file. The default compression of PNG took most of the time of an
# epoch's pictures. PNGs name vaelib, so that a folder of pictures can pass them over.
FORMATS: dict[str, dict[str, Any]] = {
    ".png": dict(
        pil_kwargs=dict(compress_level=1),
        metadata=dict(Software=f"vaelib {vaelib.__version__}"),
    ),
    ".pdf": {},
    ".svg": {},
}


def check_figure_name(file: Path) -> None:
    """Raise ConfigError if a figure cannot be written under this name."""
    if file.suffix.lower() not in FORMATS:
        raise invalid(
            "output", str(file), "give a name that ends with .png, .pdf or .svg"
        )


def write_figure(file: Path, figure: Figure) -> None:
    """Write a figure as PNG, PDF or SVG, by the ending of the name."""
    buffer, kind = io.BytesIO(), file.suffix.lower()
    figure.savefig(buffer, format=kind[1:], **FORMATS[kind])
    write(file, buffer.getvalue())


def write_tensors(file: Path, saved: dict[str, Any]) -> None:
    """Write tensors and plain values in the format of `torch.save`."""
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    write(file, buffer.getbuffer())  # no second copy in memory


def read_tensors(file: Path) -> dict[str, Any]:
    """Return the content of a file of `write_tensors`, with all tensors on the CPU.

    No code in the file is run. Raises `OSError` if the file cannot be opened, and
    various other exceptions if its content is damaged.
    """
    content = io.BytesIO(file.read_bytes())
    archive = zipfile.ZipFile(content)
    # `write_tensors` compresses nothing; a small file could unpack to a huge one.
    if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
        raise zipfile.BadZipFile("it is compressed")
    # torch does not verify the checksums of the archive.
    if damaged := archive.testzip():
        raise zipfile.BadZipFile(damaged)
    content.seek(0)
    with warnings.catch_warnings():  # of torch, about files it did not write
        warnings.simplefilter("ignore")
        saved = torch.load(content, map_location="cpu", weights_only=True)
    if type(saved) is not dict:
        raise ValueError("it is not a dictionary")
    return saved


def read_safetensors(file: Path) -> dict[str, Any]:
    """Return settings, shape and weights from a file that a page has written.

    They have the names of a checkpoint. Raises `OSError` if the file cannot be opened,
    and various other exceptions if its content is damaged. The format:
    https://huggingface.co/docs/safetensors.
    """
    content = file.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    parts = json.loads(content[8:start])
    about = parts.pop("__metadata__")
    saved = {name: json.loads(about[name]) for name in ("config", "shape")}
    weights = {}
    for name, part in parts.items():
        if part["dtype"] != "F32":
            raise ValueError("the weights are not 32-bit floats")
        first, end = part["data_offsets"]
        raw = bytearray(content[start + first : start + end])
        weights[name] = torch.frombuffer(raw, dtype=torch.float32).view(part["shape"])
    return dict(weights=weights, **saved)
