"""Picture files with damaged bytes or wrong headers, and folders of pictures."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from fuzzing import values
from fuzzing.world import Case, World

# Formats that Pillow writes, with the modes that each can hold and that are read.
FORMATS: dict[str, tuple[str, ...]] = {
    "png": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "jpg": ("L", "RGB", "CMYK"),
    "gif": ("L", "P", "RGB", "RGBA"),
    "bmp": ("1", "L", "P", "RGB"),
    "tif": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16"),
    "webp": ("RGB", "RGBA"),
    "ppm": ("1", "L", "RGB", "I;16"),
    "tga": ("L", "P", "RGB", "RGBA"),
    "ico": ("RGBA", "P"),
}


@cache
def encoded(suffix: str, mode: str, **options: Any) -> bytes:
    """Return the bytes of a picture of 8 x 8 pixels."""
    rng = np.random.default_rng(1)
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 2**16, (8, 8), dtype=np.uint16))
    elif mode == "LAB":
        image = Image.frombytes("LAB", (8, 8), bytes(rng.integers(0, 256, 192)))
    else:
        rgb = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        image = Image.fromarray(rgb).convert(mode)
    buffer = io.BytesIO()
    kinds = {"jpg": "JPEG", "tif": "TIFF"}
    image.save(buffer, kinds.get(suffix, suffix.upper()), **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file with its checksum."""
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def claimed_png(width: int, height: int, bits: int = 8, colour: int = 0) -> bytes:
    """Return a PNG that claims a size, with the pixels of one row at most."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    row = zlib.compress(bytes(min(width, 1000) + 1))
    chunks = [(b"IHDR", header), (b"IDAT", row), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def orientation(value: int, kind: int = 3) -> bytes:
    """Return EXIF data that say how a picture is to be turned."""
    entry = struct.pack("<HHIHH", 0x0112, kind, 1, value & 0xFFFF, 0)
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + b"\0\0\0\0"


def strange(rng: Random) -> tuple[str, bytes]:
    """Return the suffix and the bytes of a picture that may be wrong."""
    suffix = rng.choice(sorted(FORMATS))
    raw = encoded(suffix, rng.choice(FORMATS[suffix]))
    sizes = ((0, 0), (0, 8), (10**4, 10**4), (2**31 - 1, 1), (1, 2**31 - 1))
    more = ((60000, 60000), (12000, 10000), (10**6, 1), (1, 10**6), (1, 1))
    match rng.randrange(10):
        case 0:
            bits, colour = rng.choice(((8, 0), (16, 0), (8, 2), (1, 3), (3, 9)))
            return "png", claimed_png(*rng.choice((*sizes, *more)), bits, colour)
        case 1:
            turned = orientation(
                rng.choice((0, 1, 3, 6, 8, 9, 65535)), rng.choice((3, 2))
            )
            if rng.random() < 0.5:
                turned = values.damaged_bytes(rng, turned)
            turned = turned[:1000]
            return "jpg", encoded("jpg", "RGB", exif=turned)
        case 2:
            wide = rng.choice(((10**5, 1), (1, 10**5), (1, 1), (3, 5000)))
            buffer = io.BytesIO()
            Image.new("L", wide, 7).save(buffer, "PNG")
            return "png", buffer.getvalue()
        case 3:
            other = rng.choice(sorted(FORMATS))
            return other, raw
        case 4:
            junk = (b"", b"\0", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"<svg/>", b"%PDF-1.4")
            more_junk = (
                b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
                b"P6\n9 9\n",
            )
            kinds = (
                "png",
                "jpg",
                "eps",
                "pdf",
                "svg",
                "heic",
                "npy",
                "tif",
                "mpg",
                "fits",
            )
            return rng.choice(kinds), rng.choice(junk + more_junk)
        case _:
            return suffix, values.damaged_bytes(rng, raw)


def picture(rng: Random, world: World) -> Case:
    """Return the reading of a folder with one strange picture; a third is valid."""
    from vaelib import load_dataset

    world.bring("pics")
    channels, folder = rng.choice((1, 3)), world.cwd / "pics"
    call = lambda: load_dataset("folder:pics", "none", channels, 8)  # noqa: E731
    if rng.random() < 1 / 3:
        suffix = rng.choice(sorted(FORMATS))
        mode = rng.choice(FORMATS[suffix])
        name, raw = f"zz.{suffix}", encoded(suffix, mode)
        (folder / name).write_bytes(raw)

        def check(data: Any) -> None:
            assert len(data.train) + len(data.test) == 13
            assert data.shape == (channels, 8, 8)
            first = np.array(Image.open("pics/00.png"))
            assert (data.train[0].numpy() == first).all()
            if mode in ("L", "RGB"):
                wanted = Image.open(f"pics/{name}").convert(
                    "RGB" if channels > 1 else "L"
                )
                rows = np.array(wanted).reshape(8, 8, channels).transpose(2, 0, 1)
                assert (data.test[-1].numpy() == rows).all()

        return Case(call, f"{suffix} {mode}", "work", check=check)
    suffix, raw = strange(rng)
    stem = rng.choice(
        ("zz", "zz", "zz", "a\nb", "\u202ea", "x" * 200, "\udcff", "a\x1b[m")
    )
    (folder / f"{stem}.{suffix}").write_bytes(raw)
    return Case(call, f"{stem!r}.{suffix}: {raw[:200]!r} ({len(raw)} bytes)")


NAMES = (
    *(
        "a",
        "b",
        "é",
        "class 1",
        "x.y",
        "a.png",
        "日本",
        "-",
        "%s",
        "CON",
        "0",
        "10",
        "9",
    ),
    *("a\nb", "\u202ea", "a\x1b[31m", "\udcff", "n" * 200, "test", "train", "Test"),
    *("TRAIN", "val", "validation", "Training", "testing", ".hidden", "__MACOSX"),
    *(".ipynb_checkpoints", "latest", "run_meta.json", "cover.png", "reports"),
)
SPLITS = (("train", "test"), ("Train", "TEST"), ("training", "testing"))


def tree(rng: Random, world: World) -> Case:
    """Return the reading of a folder tree; a third is plain and valid.

    Each picture has one colour of its own, by which it is known again.
    """
    from vaelib import load_dataset

    folder, colours = world.cwd / "data", iter(rng.sample(range(1, 256), 255))
    folder.mkdir()
    seen: dict[int, str] = {}

    def draw(path: Path) -> None:
        value = next(colours)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), value).save(path, "PNG")
        seen[value] = path.relative_to(folder).as_posix()

    def fill(path: Path) -> None:
        for i in range(rng.randint(1, 4)):
            draw(path / f"{i}.{rng.choice(('png', 'PNG', 'Png'))}")

    call = lambda: load_dataset("folder:data", "none", 1, 8)  # noqa: E731
    if rng.random() < 1 / 3:
        classes = rng.sample(("a", "b", "é", "0", "10"), rng.randint(2, 3))
        split = rng.choice((("",), *SPLITS))
        for top in split:
            for name in classes:
                fill(folder / top / name)

        def check(data: Any) -> None:
            read(data, seen)
            assert len(data.train) + len(data.test) == len(seen)
            assert data.classes == tuple(sorted(classes))

        return Case(call, repr(seen), "work", check=check)

    for _ in range(rng.randint(0, 5)):
        fill(folder / Path(*rng.sample(NAMES, rng.randint(0, 3))))
    shown = [trap(rng, world, folder, draw) for _ in range(rng.randint(0, 3))]
    call = lambda: load_dataset("folder:data", "none", 1, 8)  # noqa: E731
    text = f"{list(seen.values())} {shown}"
    return Case(call, text, check=lambda data: read(data, seen))


def read(data: Any, seen: dict[int, str]) -> None:
    """Check where each picture went: none of a test folder is trained on."""
    own = {0: "the picture of a run"}
    train = [(seen | own)[int(image[0, 0, 0])] for image in data.train]
    test = [(seen | own)[int(image[0, 0, 0])] for image in data.test]
    everything = [*train, *test]
    assert len(set(train) & set(test)) == 0
    for name in everything:
        assert name != own[0]
        assert not any(part.startswith(".") for part in name.split("/")), name
    tops = {name.split("/")[0].lower() for name in seen.values() if "/" in name}
    for wrong, split in (("train", test), ("test", train)):
        if {"train", "test"} <= tops:
            assert not [n for n in split if n.lower().startswith(f"{wrong}/")]


def trap(rng: Random, world: World, folder: Path, draw: Callable[[Path], None]) -> str:
    """Put something into a folder that is not a picture; return what."""
    top = rng.choice(sorted(p for p in folder.rglob("*") if p.is_dir()) or [folder])
    name = rng.choice(("a.png", "link", "\u202eb.png", "z\n.png", "x.jpg", "deep"))
    at = top / name
    if os.path.lexists(at):
        return "nothing"
    kind = rng.randrange(9)
    if kind == 0:
        at.symlink_to(".")
    elif kind == 1:
        at.symlink_to("nowhere")
    elif kind == 2:
        at.symlink_to(rng.choice(("..", "../..", "/dev/null", "/proc/self/mem", name)))
    elif kind == 3 and hasattr(os, "mkfifo"):
        os.mkfifo(at)
    elif kind == 4:
        at.mkdir()
        at.chmod(0)
    elif kind == 5:
        at.write_bytes(values.text(rng).encode("utf-8", "replace"))
    elif kind == 6:
        (at / "run").mkdir(parents=True)
        (at / "run" / "run_meta.json").write_text("{}")
        Image.new("L", (8, 8), 0).save(at / "run" / "own.png")
    elif kind == 7:
        deep = at / "/".join("d" * 60 for _ in range(12))
        deep.mkdir(parents=True)
        draw(deep / "0.png")
    else:
        (top / ".hidden.png").write_bytes(b"\0\5\x16\7")
    return f"{kind} at {at.relative_to(folder)!s}"
