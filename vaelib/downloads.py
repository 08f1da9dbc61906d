"""Download a file of a data set, once, and keep it in a folder."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from vaelib.checks import path_of

SILENCE = 30  # seconds after which a server that sends nothing is given up
LONGEST = 600  # seconds that a download may take, for each 30 MB or part of them
PART = 30_000_000  # bytes
OFFLINE = "mnist, sprites and folder:PATH need no download"


def download_dir(given: str) -> Path:
    """Return the folder for downloads: `given`, or the default if it is empty."""
    return path_of(given or os.environ.get("VAELIB_DATA") or "~/.cache/vaelib")


def download(url: str, md5: str, size: int = PART) -> bytes:
    """Return the file at `url`, which has about `size` bytes and the checksum `md5`.

    Raises OSError or HTTPException, also if the server sends nothing for SILENCE
    seconds, if all takes too long, or if the file is another one.
    """
    name, longest = url.rpartition("/")[2], LONGEST * max(1, size / PART)
    pieces, end = [], time.monotonic() + longest
    with urlopen(url, timeout=SILENCE) as answer:
        print(f"downloading {url}", file=sys.stderr)
        while piece := answer.read1():
            pieces.append(piece)
            if time.monotonic() > end:
                raise TimeoutError(f"{name} took longer than {longest:g} s")
    content = b"".join(pieces)
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise OSError(
            f"{name} from {url.removesuffix(name)} is incomplete or another file"
        )
    return content


def keep(file: Path, content: bytes) -> None:
    """Write a file that has its name only when it is complete."""
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(file)


def in_one_line(error: Exception) -> str:
    """Return what an error says, or its name if it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
