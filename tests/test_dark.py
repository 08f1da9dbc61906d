"""Figures of the book on dark pages."""

from __future__ import annotations

import io

import numpy as np
import torch
from dark import GROUND, TEXT, darkened, pictures_in
from PIL import Image

from vaelib import plotting

WHITE, BLUE = (255, 255, 255), (0, 114, 178)


def test_ground_is_dark_text_light_and_hues_stay():
    figure = Image.new("RGB", (60, 40), WHITE)
    figure.paste((0, 0, 0), (10, 10, 14, 12))
    figure.paste(BLUE, (30, 10, 50, 12))
    dark = darkened(figure)
    assert dark.getpixel((0, 0)) == (GROUND,) * 3
    assert dark.getpixel((11, 11)) == (TEXT,) * 3
    hues = [np.asarray(each.convert("HSV"))[11, 40, 0] for each in (figure, dark)]
    assert abs(int(hues[0]) - int(hues[1])) <= 2


def test_pictures_stay_and_their_labels_do_not():
    """Digits on black, drawn as the sheets of the book are."""
    images = torch.zeros(6, 1, 28, 28)
    images[:, :, 4:24, 12:16] = 1
    figure, _ = plotting.sheet(images, 3, "Title", ["one", "two"], scale=4)
    file = io.BytesIO()
    figure.savefig(file)
    light = np.asarray(Image.open(file).convert("RGB"))
    grey = np.asarray(Image.fromarray(light).convert("L"))
    boxes = list(pictures_in(grey))
    assert len(boxes) == 6
    dark = np.asarray(darkened(Image.fromarray(light)))
    inside = np.zeros(grey.shape, bool)
    for box in boxes:
        inside[box] = True
        assert min(grey[box].shape) >= 28
    assert np.array_equal(dark[inside], light[inside])
    assert dark[~inside].min() >= GROUND
    assert (dark[~inside] > 200).any()  # the labels
