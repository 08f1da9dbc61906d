"""Decode a picture file to what an image viewer shows."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps

from vaelib.images import DataError

# Without a handler Python prints what Pillow logs about damaged files.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# Pillow knows these formats, but decodes no pixels or asks another program to do it.
NO_PIXELS = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
# Formats of measurements, whose values of 16 bits have no agreed white.
NO_WHITE = {"FITS", "MCIDAS"}
# Formats with several images in a file that show the same picture.
ONE_PICTURE = {"ICNS", "ICO", "MPO", "PSD"}


def formats() -> list[str]:
    """Return the formats that are read, in Pillow's spelling."""
    Image.init()
    return [name for name in Image.OPEN if name not in NO_PIXELS]


def suffixes() -> set[str]:
    """Return the suffixes of the files that are read, such as ".png"."""
    # Pillow opens MPO files with its reader of JPEG.
    known = {*formats(), "MPO"}
    names = Image.registered_extensions().items()
    return {suffix for suffix, name in names if name in known}


def read_picture(file: Path, channels: int, size: int) -> tuple[np.ndarray, bool]:
    """Return a picture as uint8 (channels, size, size), and whether others follow it.

    The picture is cropped to a square and resized. Of a file with several pictures or
    frames the first is returned. Raises DataError if the file cannot be read.
    """
    try:
        # By its content, whatever its suffix says.
        with Image.open(file, formats=formats()) as image:
            several = getattr(image, "is_animated", False)
            several = several and image.format not in ONE_PICTURE
            shown = as_shown(image).convert("L" if channels == 1 else "RGB")
            square = ImageOps.fit(shown, (size, size))
    except DataError as error:
        raise DataError(f"{str(file)!r} {error}") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise DataError(
            f"{str(file)!r} is too large, Pillow reads at most {most} pixels: "
            "make it smaller, or remove it."
        ) from None
    except MemoryError:
        raise DataError(
            f"{str(file)!r} does not fit into memory: make it smaller, or remove it."
        ) from None
    except Exception as error:  # a decoder may raise anything on damaged bytes
        reason = getattr(error, "strerror", None) or "it is damaged or of another kind"
        raise DataError(
            f"{str(file)!r} cannot be read as an image ({reason}): "
            "repair, convert or remove it."
        ) from None
    rows = np.asarray(square).reshape(size, size, channels)
    return rows.transpose(2, 0, 1), several


def as_shown(opened: ImageFile.ImageFile) -> Image.Image:
    """Return an opened image upright, on white paper, with 8 bits, as "L" or "RGB".

    Raises DataError, with the end of a sentence, if its values have no agreed white.
    """
    key = transparent_value(opened)
    opened.load()
    if key is not None:
        opened.info["transparency"] = key
    # A damaged EXIF block turns nothing, as in image viewers.
    with suppress(Exception):
        ImageOps.exif_transpose(opened, in_place=True)

    image: Image.Image = opened
    if image.mode.startswith(("I", "F")):
        return eight_bits(opened)
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
        shown = ImageCms.applyTransform(image, transform)
        assert shown is not None
        return shown
    if image.mode == "La":  # Pillow converts it to nothing else
        image = image.convert("LA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def transparent_value(image: ImageFile.ImageFile) -> int | tuple[int, ...] | None:
    """Return the value that a PNG without alpha declares transparent, if any.

    The file gives it with the bits of its own pixels, which Pillow converts to 8.
    """
    key = image.info.get("transparency")
    if image.format != "PNG" or not image.tile:
        return None
    match image.tile[0][3], key:
        case "L;2", int():
            return key * 85
        case "L;4", int():
            return key * 17
        case "RGB;16B", tuple():
            return tuple(value >> 8 for value in key)
    return None


def eight_bits(image: ImageFile.ImageFile) -> Image.Image:
    """Return a loaded grey image of 16 bits as "L", where the largest value is white.

    Raises DataError, with the end of a sentence, for 32-bit and floating-point values.
    """
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    is_16 = image.mode.startswith("I;16") and image.format not in NO_WHITE
    # Pillow gives 16 bits as "I" for these formats, in some of its versions.
    if not is_16 and (image.mode, image.format) not in (("I", "PNG"), ("I", "PPM")):
        raise DataError(
            f"has 32-bit, signed or floating-point values ({image.mode}), for which no "
            "white is agreed: save it with 8 bits, or with 16 bits as PNG."
        )
    bits = tags.get(258, (16,))[0]  # BitsPerSample, such as 12
    white = 2 ** min(bits, 16) - 1
    values = np.asarray(image).astype(np.uint32)
    grey = (values * 255 + white // 2) // white
    if tags.get(262) == 0:  # PhotometricInterpretation: white is zero
        grey = 255 - grey
    grey[values == image.info.get("transparency", -1)] = 255
    return Image.fromarray(grey.astype(np.uint8))
