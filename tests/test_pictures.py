"""Each picture decodes to what an image viewer shows; the values are known."""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageCms

from vaelib.image_folder import folder
from vaelib.images import DataError
from vaelib.pictures import read_picture, suffixes

BLACK_TO_WHITE = np.array([[0, 1000], [30000, 65535]], dtype=np.uint16)
SHOWN = [[0, 4], [117, 255]]  # the same with 8 bits
WORDS = {"H": 3, "I": 4}  # types of TIFF tags


def tiff(
    values: np.ndarray | bytes,
    bits: int,
    photometric: int = 1,
    kind: int = 1,
    extra: int | None = None,
    big: bool = False,
) -> bytes:
    """Return an uncompressed TIFF.

    `values`: an array (H, W) or (H, W, C), or the bytes of a picture of 2 x 2.
    `photometric`: 0 white is zero, 1 black is zero, 2 RGB, 8 Lab. `kind`: 1 unsigned,
    2 signed, 3 floating point. `extra`: the last channel is 0 unused, 1 alpha by which
    the colours are multiplied, 2 alpha.
    """
    shape = values.shape if isinstance(values, np.ndarray) else (2, 2)
    n = shape[2] if len(shape) == 3 else 1
    data = values if isinstance(values, bytes) else values.tobytes()
    tags: list[tuple[int, str, list[int]]] = [
        (256, "I", [shape[1]]),
        (257, "I", [shape[0]]),
        (258, "H", [bits] * n),
        (259, "H", [1]),
        (262, "H", [photometric]),
        (273, "I", [1000]),  # where the data begin
        (277, "H", [n]),
        (278, "I", [shape[0]]),
        (279, "I", [len(data)]),
        *([] if extra is None else [(338, "H", [extra])]),
        (339, "H", [kind] * n),
    ]
    order = ">" if big else "<"
    table, rest = struct.pack(f"{order}H", len(tags)), b""
    for tag, word, given in tags:
        packed = struct.pack(f"{order}{len(given)}{word}", *given)
        if len(packed) > 4:
            place, rest = 500 + len(rest), rest + packed
            packed = struct.pack(f"{order}I", place)
        table += struct.pack(f"{order}HHI", tag, WORDS[word], len(given))
        table += packed.ljust(4, b"\0")
    head = (b"MM\0*" if big else b"II*\0") + struct.pack(f"{order}I", 8)
    return ((head + table).ljust(500, b"\0") + rest).ljust(1000, b"\0") + data


def png(
    rows: list[bytes], bits: int, colour: int, clear: bytes = b"", side: int = 2
) -> bytes:
    """Return a PNG of `side` x `side`; `clear`: the value that is transparent."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    head = struct.pack(">IIBBBBB", side, side, bits, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + (chunk(b"tRNS", clear) if clear else b"")
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey(values: Any, kind: Any = np.uint8) -> Image.Image:
    """Return a picture of the given values."""
    return Image.fromarray(np.array(values, kind))


def decode(content: bytes, file: Path, channels: int = 1) -> Any:
    """Return the values of a picture of 2 x 2 or of one colour, as lists."""
    file.write_bytes(content)
    picture, _ = read_picture(file, channels, 2)
    assert picture.dtype == np.uint8
    assert picture.shape == (channels, 2, 2)
    return picture[0].tolist() if channels == 1 else picture.transpose(1, 2, 0).tolist()


def with_palette(transparent: Any, kind: str) -> bytes:
    """Return black and red in a palette, where black is transparent."""
    image = Image.new("P", (2, 2))
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putdata([0, 1, 0, 1])
    return saved(image, kind, transparency=transparent)


# Grey: values of 1 to 16 bits

GREY = {
    "1.png": (png([b"\x40", b"\x80"], 1, 0), [[0, 255], [255, 0]]),
    "2.png": (png([b"\x10", b"\xb0"], 2, 0), [[0, 85], [170, 255]]),
    "4.png": (png([b"\x01", b"\xef"], 4, 0), [[0, 17], [238, 255]]),
    "8.png": (png([b"\x00\x07", b"\xf0\xff"], 8, 0), [[0, 7], [240, 255]]),
    "16.png": (saved(Image.fromarray(BLACK_TO_WHITE), "PNG"), SHOWN),
    "16.tif": (tiff(BLACK_TO_WHITE, 16), SHOWN),
    "16 big.tif": (tiff(BLACK_TO_WHITE.astype(">u2"), 16, big=True), SHOWN),
    "16 white is 0.tif": (tiff(BLACK_TO_WHITE, 16, 0), [[255, 251], [138, 0]]),
    "12.tif": (tiff(b"\xff\xf0\x00\x80\x00\x00", 12), [[255, 0], [128, 0]]),
    "8 white is 0.tif": (tiff(b"\x00\x07\xf0\xff", 8, 0), [[255, 248], [15, 0]]),
    "1 white is 0.tif": (tiff(b"\x40\x80", 1, 0), [[255, 0], [0, 255]]),
    "10.pgm": (
        b"P5 2 2 1023\n" + np.array([0, 1023, 512, 1], ">u2").tobytes(),
        [[0, 255], [128, 0]],
    ),
    "16.pgm": (b"P5 2 2 65535\n" + BLACK_TO_WHITE.astype(">u2").tobytes(), SHOWN),
    "16.jp2": (saved(Image.fromarray(BLACK_TO_WHITE), "JPEG2000"), SHOWN),
}


@pytest.mark.parametrize("name", GREY)
def test_grey_is_scaled_by_its_bits(name: str, tmp_path: Path) -> None:
    content, values = GREY[name]
    assert decode(content, tmp_path / name) == values


def test_16_bits_of_grey_and_of_colour_keep_all_values(tmp_path: Path) -> None:
    steps = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1040
    Image.fromarray(steps).save(tmp_path / "a.png")
    picture, _ = read_picture(tmp_path / "a.png", 1, 8)
    assert np.array_equal(picture[0], (steps.astype(float) * 255 / 65535).round())
    row = struct.pack(">6H", 257, 514, 771, 65535, 30000, 0)
    found = decode(png([row, row], 16, 2), tmp_path / "b.png", 3)
    assert found[0] == [[1, 2, 3], [255, 117, 0]]


NO_WHITE = {
    "signed.tif": tiff(BLACK_TO_WHITE.astype(np.int16), 16, kind=2),
    "unsigned 32.tif": tiff(BLACK_TO_WHITE.astype(np.uint32), 32),
    "signed 32.tif": tiff(BLACK_TO_WHITE.astype(np.int32), 32, kind=2),
    "float.tif": tiff((BLACK_TO_WHITE / 65535).astype(np.float32), 32, kind=3),
    "float.pfm": b"Pf\n2 2\n-1.0\n" + np.ones(4, np.float32).tobytes(),
}


@pytest.mark.parametrize("name", NO_WHITE)
def test_values_without_an_agreed_white_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no white is agreed.*8 bits.*PNG") as error:
        decode(NO_WHITE[name], tmp_path / name)
    assert name in str(error.value)
    assert str(error.value).count(".") == name.count(".") + 1


# What is transparent is white paper

LA = np.array([[[0, 255], [100, 128]], [[0, 0], [64, 64]]], dtype=np.uint8)
INK = Image.new("RGBA", (2, 2), (0, 0, 0, 0))
INK.putpixel((1, 0), (0, 0, 0, 255))
CLEAR = {
    "ink.png": (saved(INK, "PNG"), [[255, 0], [255, 255]]),
    "ink.tif": (saved(INK, "TIFF"), [[255, 0], [255, 255]]),
    "ink.webp": (saved(INK, "WEBP", lossless=True), [[255, 0], [255, 255]]),
    "ink.tga": (saved(INK, "TGA"), [[255, 0], [255, 255]]),
    "ink.ico": (saved(INK, "ICO", sizes=[(2, 2)]), [[255, 0], [255, 255]]),
    "LA.png": (saved(Image.fromarray(LA, "LA"), "PNG"), [[0, 177], [255, 207]]),
    "LA.tif": (tiff(LA, 8, extra=2), [[0, 177], [255, 207]]),
    "La.tif": (tiff(LA, 8, extra=1), [[0, 227], [255, 255]]),
    "palette.png": (with_palette(b"\0\xff", "PNG"), [[255, 76], [255, 76]]),
    "palette index.png": (with_palette(0, "PNG"), [[255, 76], [255, 76]]),
    "half.png": (with_palette(b"\x80\xff", "PNG"), [[127, 76], [127, 76]]),
    "palette.gif": (with_palette(0, "GIF"), [[255, 76], [255, 76]]),
    # A value of the file's own bits that is transparent.
    "1.png": (png([b"\x40", b"\x80"], 1, 0, b"\0\0"), [[255, 255], [255, 255]]),
    "2.png": (png([b"\x10", b"\xb0"], 2, 0, b"\0\1"), [[0, 255], [170, 255]]),
    "4.png": (png([b"\x01", b"\xef"], 4, 0, b"\0\1"), [[0, 255], [238, 255]]),
    "8.png": (png([b"\0\7", b"\xf0\xff"], 8, 0, b"\0\0"), [[255, 7], [240, 255]]),
    "16.png": (
        png([b"\0\0\x10\1", b"\x10\0\xff\xff"], 16, 0, b"\x10\1"),
        [[0, 255], [16, 255]],
    ),
}


@pytest.mark.parametrize("name", CLEAR)
def test_transparent_pixels_are_laid_on_white(name: str, tmp_path: Path) -> None:
    content, values = CLEAR[name]
    assert decode(content, tmp_path / name) == values


def test_colours_are_laid_on_white(tmp_path: Path) -> None:
    half = Image.new("RGBA", (2, 2), (200, 0, 0, 128))
    assert decode(saved(half, "PNG"), tmp_path / "a.png", 3)[0][0] == [227, 127, 127]
    premultiplied = np.full((2, 2, 4), (50, 0, 0, 128), dtype=np.uint8)
    content = tiff(premultiplied, 8, 2, extra=1)
    assert decode(content, tmp_path / "a.tif", 3)[0][0] == [177, 127, 127]
    row = struct.pack(">6H", 1000, 1000, 1000, 65535, 0, 0)
    clear = struct.pack(">3H", 1000, 1000, 1000)
    content = png([row, row], 16, 2, clear)
    assert decode(content, tmp_path / "16.png", 3)[0] == [[255] * 3, [255, 0, 0]]
    content = png([bytes([9, 9, 9, 8, 8, 8])] * 2, 8, 2, b"\0\x09" * 3)
    assert decode(content, tmp_path / "8.png", 3)[0] == [[255] * 3, [8] * 3]
    alpha = Image.new("PA", (2, 2))
    alpha.putpalette([0, 0, 255])
    alpha.putalpha(128)
    assert decode(saved(alpha, "TIFF"), tmp_path / "p.tif", 3)[0][0] == [127, 127, 255]


# Colours

RED = Image.new("RGB", (16, 16), (255, 0, 0))
LAB_RED = np.full((2, 2, 3), (136, 80, 67), dtype=np.uint8)  # 53%, 80, 67
OF_RED = {
    "red.jpg": saved(RED, "JPEG", quality=95),
    "cmyk.jpg": saved(RED.convert("CMYK"), "JPEG", quality=95),  # Adobe: inverted
    "cmyk.tif": saved(RED.convert("CMYK"), "TIFF"),
    "ycbcr.tif": saved(RED.convert("YCbCr"), "TIFF"),
    "lab.tif": tiff(LAB_RED, 8, 8),
    "palette.bmp": saved(RED.convert("P"), "BMP"),
    "hsv.webp": saved(RED.convert("HSV"), "WEBP", lossless=True),
    "red.avif": saved(RED, "AVIF"),
    "red.gif": saved(RED, "GIF"),
    "red.pcx": saved(RED, "PCX"),
    "red.sgi": saved(RED, "SGI"),
    "red.ppm": saved(RED, "PPM"),
    "red.qoi": saved(RED, "QOI"),
    "red.dds": saved(RED, "DDS"),
    "red.jp2": saved(RED, "JPEG2000"),
    "unused.tif": tiff(np.full((2, 2, 4), (255, 0, 0, 9), np.uint8), 8, 2, extra=0),
    "really a jpeg.png": saved(RED, "JPEG", quality=95),
}


@pytest.mark.parametrize("name", OF_RED)
def test_red_is_red(name: str, tmp_path: Path) -> None:
    found = decode(OF_RED[name], tmp_path / name, 3)[0][0]
    assert found == pytest.approx([255, 0, 0], abs=12)
    assert decode(OF_RED[name], tmp_path / name)[0][0] == pytest.approx(76, abs=6)


def test_a_colour_profile_is_not_applied(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    content = saved(
        Image.new("RGB", (2, 2), (200, 100, 50)), "PNG", icc_profile=profile
    )
    assert decode(content, tmp_path / "a.png", 3)[0][0] == [200, 100, 50]


# Upright

STORED = [[10, 60], [120, 250]]
TURNED = {
    1: STORED,
    2: [[60, 10], [250, 120]],
    3: [[250, 120], [60, 10]],
    4: [[120, 250], [10, 60]],
    5: [[10, 120], [60, 250]],
    6: [[120, 10], [250, 60]],
    7: [[250, 60], [120, 10]],
    8: [[60, 250], [10, 120]],
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_pictures_are_turned_as_their_exif_says(
    kind: str, orientation: int, tmp_path: Path
) -> None:
    # In blocks of 8 x 8, which JPEG does not mix.
    image = grey(STORED).resize((16, 16), Image.Resampling.NEAREST)
    exif = image.getexif()
    exif[0x112] = orientation
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(kind, {})
    file = tmp_path / f"a.{kind}"
    file.write_bytes(saved(image, kind, exif=exif, **options))
    picture, _ = read_picture(file, 1, 16)
    expected = np.kron(TURNED[orientation], np.ones((8, 8)))
    assert picture[0] == pytest.approx(expected, abs=3)


def test_16_bits_are_turned_too(tmp_path: Path) -> None:
    image = Image.fromarray(BLACK_TO_WHITE)
    exif = image.getexif()
    exif[0x112] = 6
    content = saved(image, "PNG", exif=exif)
    assert decode(content, tmp_path / "a.png") == [[117, 0], [255, 4]]


def test_a_damaged_exif_block_turns_nothing(tmp_path: Path) -> None:
    for i, exif in enumerate((b"garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\1\x12")):
        (tmp_path / f"{i}.png").write_bytes(saved(grey(STORED), "PNG", exif=exif))
    data = folder(tmp_path, size=2)
    assert data.train[0, 0].tolist() == data.test[0, 0].tolist() == STORED


# Several frames, other sizes, and files that cannot be read


def test_the_first_frame_is_read(tmp_path: Path) -> None:
    frames = [Image.new("L", (2, 2), value) for value in (50, 150, 250)]
    for kind in ("GIF", "TIFF", "WEBP", "PNG"):
        file = tmp_path / f"a.{kind}"
        file.write_bytes(
            saved(frames[0], kind, save_all=True, append_images=frames[1:])
        )
        picture, has_more = read_picture(file, 1, 2)
        assert picture.flatten() == pytest.approx([50] * 4, abs=2)
        assert has_more, kind
    (tmp_path / "one.png").write_bytes(saved(frames[0], "PNG"))
    assert read_picture(tmp_path / "one.png", 1, 2)[1] is False


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 300)])
def test_pictures_of_any_shape(size: tuple[int, int], tmp_path: Path) -> None:
    content = saved(Image.new("L", size, 77), "PNG")
    assert decode(content, tmp_path / "a.png") == [[77, 77], [77, 77]]


RED_JPEG = saved(RED, "JPEG")
SCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 2 2\n%%EndComments\n"
BROKEN = {
    "empty.png": b"",
    "text.png": b"not a picture",
    "no.svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "half.jpg": RED_JPEG[: len(RED_JPEG) // 2],
    "half.png": saved(Image.effect_noise((64, 64), 50), "PNG")[:2000],
    "half.gif": saved(Image.effect_noise((64, 64), 50), "GIF")[:2000],
    "head.bmp": saved(RED, "BMP")[:60],
    "script.png": SCRIPT,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_picture_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"damaged or of another kind.*repair") as error:
        decode(BROKEN[name], tmp_path / name)
    assert repr(str(tmp_path / name)) in str(error.value)


@pytest.mark.skipif(os.name != "posix", reason="Programs are found in another way.")
def test_no_other_program_draws_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow would run Ghostscript, if it is there, on a program in PostScript."""
    ghostscript = tmp_path / "gs"
    ghostscript.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    with pytest.raises(DataError):
        decode(SCRIPT, tmp_path / "script.png")
    assert not (tmp_path / "called").exists()
    with Image.open(tmp_path / "script.png") as image, suppress(OSError):
        image.load()
    assert (tmp_path / "called").exists(), "Ghostscript would not be found either"


def test_what_pillow_logs_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of pytest
    content = tiff(b"\0\7\xf0\xff", 8).replace(
        struct.pack("<HHIH", 277, 3, 1, 1), struct.pack("<HHIH", 277, 3, 1, 99)
    )
    with pytest.raises(DataError, match="damaged"):
        decode(content, tmp_path / "a.tif")
    assert capfd.readouterr() == ("", "")


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png.*No such file"):
        read_picture(tmp_path / "gone.png", 1, 2)


def test_a_picture_above_the_limit_of_pillow_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "large.png"
    file.write_bytes(png([b""], 1, 0, side=20_000))
    with pytest.raises(DataError, match=r"large\.png.*too large.*178956970") as error:
        read_picture(file, 1, 2)
    assert "repair" not in str(error.value)


def test_warnings_of_pillow_do_not_reach_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It warns of pictures of more than half its limit, and of damaged EXIF blocks."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    large, damaged = tmp_path / "large.png", tmp_path / "exif.jpg"
    Image.new("L", (16, 16), 70).save(large)
    Image.new("L", (8, 8), 90).save(damaged, exif=b"Exif\0\0MM\0*\0\0\0\x08garbage")
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(large).close()
    with pytest.warns(UserWarning, match="Corrupt EXIF"), Image.open(damaged) as image:
        image.getexif()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        data = folder(tmp_path, size=4)
    assert not seen
    assert (data.train[0, 0, 0, 0], data.test[0, 0, 0, 0]) == (90, 70)


# Every format of Pillow


def test_only_suffixes_of_pictures_that_are_decoded_count() -> None:
    assert {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp"} < suffixes()
    assert {".webp", ".ppm", ".pgm", ".tga", ".ico", ".psd", ".mpo"} < suffixes()
    not_pictures = {".pdf", ".eps", ".ps", ".h5", ".hdf", ".mpg", ".mpeg", ".wmf"}
    assert not suffixes() & {*not_pictures, ".svg", ".txt", ".csv", ""}


def test_white_is_white_in_every_mode_of_every_format(tmp_path: Path) -> None:
    white = Image.new("RGB", (2, 2), "white")
    modes = ("1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I")
    images = [white.convert(mode) for mode in modes]
    images += [white.convert("LA").convert("La"), white.convert("P").convert("PA")]
    wide = ("I;16", "I;16B", "I;16L", "I;16N")
    images += [Image.new(mode, (2, 2), 65535) for mode in wide]
    images += [Image.new("LAB", (2, 2), (255, 128, 128)), Image.new("F", (2, 2), 255.0)]
    seen = set()
    for image in images:
        for kind in ("PNG", "TIFF", "GIF", "JPEG2000", "TGA", "ICO", "WEBP", "AVIF"):
            file = tmp_path / f"a.{kind}"
            try:
                file.write_bytes(saved(image, kind))
            except (OSError, ValueError, KeyError):  # Pillow does not write it
                continue
            with Image.open(file) as opened:
                seen.add(opened.mode)
                if opened.mode in ("I", "F"):  # without a white
                    continue
            picture, _ = read_picture(file, 1, 2)
            assert picture.min() >= 250, (image.mode, kind)
    expected = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I"}
    assert seen >= expected | {"I;16", "I;16B", "F"}
