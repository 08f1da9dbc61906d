"""Figures for dark pages: ground and lines turned, pictures as they are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

GROUND, TEXT = 18, 226  # grey levels of a dark page and of its text
WHITE, BLACK = 250, 60
PALE = 40  # difference of the channels
SMALLEST = 16  # pixels, the side of a picture
Box = tuple[slice, slice]


def runs(used: np.ndarray) -> list[slice]:
    """Return the runs of set values."""
    edges = np.flatnonzero(np.diff(np.pad(used.astype(np.int8), 1)))
    return [slice(*run) for run in edges.reshape(-1, 2)]


def boxes(ink: np.ndarray, top: int = 0, left: int = 0) -> Iterator[Box]:
    """Yield the rectangles of ink that white rows and columns separate."""
    parts = [
        (rows, columns)
        for rows in runs(ink.max(1))
        for columns in runs(ink[rows].max(0))
    ]
    for rows, columns in parts:
        inner = ink[rows, columns]
        y, x = top + rows.start, left + columns.start
        if inner.shape != ink.shape:
            yield from boxes(inner, y, x)
        else:
            yield slice(y, y + len(inner)), slice(x, x + inner.shape[1])


def pictures_in(grey: np.ndarray) -> Iterator[Box]:
    """Yield the places of the pictures of a figure: they are mostly black.

    Without the ticks and labels that touch them, in rows and columns mostly white.
    """
    for rows, columns in boxes(np.less(grey, WHITE)):
        part = grey[rows, columns]
        if min(part.shape) < SMALLEST or np.mean(part < BLACK) < 0.4:
            continue
        y, x = (np.flatnonzero(np.mean(part < WHITE, axis) > 0.5) for axis in (1, 0))
        yield (
            slice(rows.start + y[0], rows.start + y[-1] + 1),
            slice(columns.start + x[0], columns.start + x[-1] + 1),
        )


def turned(light: np.ndarray) -> np.ndarray:
    """Return colours (..., 3) for dark pages: lightness is turned, hues stay."""
    most, least = light.max(-1, keepdims=True), light.min(-1, keepdims=True)
    dark = light + 255 - most - least
    # Colours that would be hard to see get half the lightness, pale areas do not.
    colourful = np.clip((most - least - PALE) / PALE, 0, 1)
    dark += (colourful * np.maximum(most + least - 255, 0) / 2).astype(np.int32)
    return GROUND + dark * (TEXT - GROUND) // 255


def darkened(figure: Image.Image) -> Image.Image:
    """Return a figure for dark pages: lightness is turned, hues and pictures stay."""
    light = np.asarray(figure.convert("RGB")).astype(np.int32)
    dark = turned(light)
    for box in pictures_in(np.asarray(figure.convert("L"))):
        dark[box] = light[box]
    return Image.fromarray(dark.astype(np.uint8))
