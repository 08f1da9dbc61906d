"""Unpack the files of MNIST that come with the package. It needs no torch."""

from __future__ import annotations

import lzma
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.resources import files

MNIST_FILES = (
    "train-images-idx3-ubyte",
    "t10k-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-labels-idx1-ubyte",
)
begun: dict[str, Future[bytes]] = {}


def begin() -> None:
    """Start to unpack all files, for the next `mnist_bytes` of each.

    lzma releases the interpreter lock. Unless torch is there already, one thread leaves
    a core to import it meanwhile.
    """
    threads = None if "torch" in sys.modules else 1
    pool = ThreadPoolExecutor(threads)
    begun.update({name: pool.submit(unpacked, name, threads) for name in MNIST_FILES})
    pool.shutdown(wait=False)


def mnist_bytes(name: str) -> bytes:
    """Return one of the four original files of MNIST."""
    started = begun.pop(name, None)
    return started.result() if started else unpacked(name)


def unpacked(name: str, threads: int | None = None) -> bytes:
    """Return a file that is stored in compressed pieces, unpacked on all cores."""
    folder = files("vaelib") / "mnist"
    pieces = sorted(f.name for f in folder.iterdir() if f.name.startswith(name))

    def read(piece: str) -> bytes:
        return lzma.decompress((folder / piece).read_bytes())

    with ThreadPoolExecutor(threads) as pool:
        return b"".join(pool.map(read, pieces))
