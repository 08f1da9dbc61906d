"""Files that appear whole or not at all, and are read without ever running code."""

from __future__ import annotations

import io
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure


def write(file: Path, content: bytes) -> None:
    """Written beside, then renamed. Raises: OSError, nothing left behind and the old file untouched."""
    file.parent.mkdir(exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def write_figure(file: Path, figure: Figure) -> None:
    """A figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", pil_kwargs={"compress_level": 1}
    )  # most of the time went into packing
    write(file, buffer.getvalue())


def write_tensors(file: Path, saved: dict[str, Any]) -> None:
    """Tensors and plain values, as torch.save writes them."""
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    write(file, buffer.getvalue())


def read_tensors(file: Path) -> dict[str, Any]:
    """What `write_tensors` wrote, on the CPU; never code. Raises: OSError; anything else where the content is damaged."""
    content = io.BytesIO(file.read_bytes())
    if damaged := zipfile.ZipFile(
        content
    ).testzip():  # torch does not look at the checksums
        raise zipfile.BadZipFile(damaged)
    content.seek(0)
    return torch.load(content, map_location="cpu", weights_only=True)
