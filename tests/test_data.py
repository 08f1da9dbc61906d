"""Data sets: their bytes, their factors, and the error messages."""

from __future__ import annotations

import colorsys
import gzip
import hashlib
import math
import re
import struct
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import vaelib.data
import vaelib.downloads
from vaelib import packed
from vaelib.checks import ConfigError
from vaelib.data import (
    DataError,
    ImageData,
    binarized,
    draw_binary,
    load_dataset,
    pixels,
    read_idx,
    sprites,
)
from vaelib.packed import MNIST_FILES, mnist_bytes
from vaelib.sprites import FACTORS, SHAPES, render

MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
# The first labels of the test split, and how often each digit occurs in it.
FIRST_LABELS = [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(scope="module")
def mnist() -> ImageData:
    return load_dataset("mnist")


@pytest.fixture(scope="module")
def small() -> ImageData:
    return sprites(n_train=400, n_test=200, size=12)


def one_sentence(error: pytest.ExceptionInfo[Any]) -> str:
    """Return the message, after a check that it is one sentence on one line."""
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


# MNIST


@pytest.mark.parametrize("name", MNIST_MD5)
def test_mnist_is_the_original_bytes(name: str) -> None:
    assert hashlib.md5(mnist_bytes(name)).hexdigest() == MNIST_MD5[name]


def test_mnist_may_be_unpacked_before_it_is_asked_for() -> None:
    packed.begin()
    assert set(packed.begun) == set(MNIST_MD5)
    for name, md5 in MNIST_MD5.items():
        assert hashlib.md5(mnist_bytes(name)).hexdigest() == md5
    assert packed.begun == {}, "the bytes of MNIST stay in memory"


def test_mnist_has_its_shapes_and_labels(mnist: ImageData) -> None:
    assert mnist.train.shape == (60_000, 1, 28, 28)
    assert mnist.test.shape == (10_000, 1, 28, 28)
    assert mnist.labels is not None
    assert [len(split) for split in mnist.labels] == [60_000, 10_000]
    assert mnist.labels[1][:10].tolist() == FIRST_LABELS
    assert mnist.labels[1].bincount().tolist() == TEST_COUNTS
    assert len(mnist.classes) == 10
    assert mnist.licence
    assert mnist.source


def test_mnist_is_the_default(mnist: ImageData) -> None:
    assert torch.equal(load_dataset().test, mnist.test)


def test_packed_mnist_takes_at_most_10_mb() -> None:
    folder = Path(vaelib.__file__).with_name("mnist")
    assert 0 < sum(file.stat().st_size for file in folder.iterdir()) <= 10_000_000


def test_idx_files_are_read_by_their_header() -> None:
    raw = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])
    assert read_idx(raw).tolist() == [[1, 2, 3], [4, 5, 6]]


# Fashion-MNIST

debian = pytest.mark.skipif(
    not vaelib.data.DEBIAN_FASHION.is_dir(),
    reason="Debian's dataset-fashion-mnist is not installed.",
)


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every download fail at once: no server listens at the port of the proxy."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps proxies


@debian
@pytest.mark.parametrize("given_by", ["argument", "environment", "both"])
def test_fashion_mnist_from_debian(
    given_by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_network(monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VAELIB_DATA", raising=False)
    by_environment = given_by == "environment"
    if given_by != "argument":
        folder = "data" if by_environment else "other"
        monkeypatch.setenv("VAELIB_DATA", str(tmp_path / folder))
    data_dir = "" if by_environment else str(tmp_path / "data")
    data = load_dataset("fashion_mnist", data_dir=data_dir)
    assert [file.name for file in tmp_path.iterdir()] == ["data"]

    assert data.labels is not None
    for split, file, images, labels in (
        ("train", "train", data.train, data.labels[0]),
        ("test", "t10k", data.test, data.labels[1]),
    ):
        packed = vaelib.data.DEBIAN_FASHION / f"{file}-images-idx3-ubyte.gz"
        raw = gzip.decompress(packed.read_bytes())[16:]
        assert images.numpy().tobytes() == raw, split
        assert labels.bincount().tolist() == [6000 if split == "train" else 1000] * 10
    assert data.train.shape == (60_000, 1, 28, 28)
    assert data.test.shape == (10_000, 1, 28, 28)
    assert data.classes[0] == "T-shirt/top"
    assert data.classes[9] == "Ankle boot"
    # The test split starts with a boot, a pullover and two pairs of trousers.
    assert data.labels[1][:4].tolist() == [9, 2, 1, 1]


@debian
def test_fashion_mnist_is_unpacked_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_network(monkeypatch)
    first = load_dataset("fashion_mnist", data_dir=str(tmp_path))
    monkeypatch.setattr(vaelib.data, "DEBIAN_FASHION", tmp_path / "nowhere")
    again = load_dataset("fashion_mnist", data_dir=str(tmp_path))
    assert torch.equal(again.test, first.test)


def test_fashion_mnist_offline_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_network(monkeypatch)
    monkeypatch.setattr(vaelib.data, "DEBIAN_FASHION", tmp_path / "nowhere")
    with pytest.raises(DataError) as error:
        load_dataset("fashion_mnist", data_dir=str(tmp_path / "data"))
    text = one_sentence(error)
    assert "download" in text
    assert str(tmp_path / "data" / "FashionMNIST" / "raw") in text
    assert "dataset-fashion-mnist" in text
    for name in ("mnist", "sprites", "folder"):
        assert name in text[text.rindex(";") :]
    assert ":)" not in text, "the reason is cut off"


@debian
def test_fashion_mnist_half_unpacked_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was killed may leave some files, the last one incomplete."""
    no_network(monkeypatch)
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(bytes(1000))
    assert len(load_dataset("fashion_mnist", data_dir=str(tmp_path)).train) == 60_000


def test_fashion_mnist_if_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_network(monkeypatch)
    (tmp_path / "file").touch()
    with pytest.raises((DataError, OSError)) as error:
        load_dataset("fashion_mnist", data_dir=str(tmp_path / "file"))
    assert "\n" not in str(error.value)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict]:
    """Yield what a server answers to the name of a file: bytes, or what it does."""
    answers: dict[str, bytes | str] = {}
    end = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path[1:], "404")
            if answer == "silent":
                end.wait(20)
            elif answer == "404":
                self.send_error(404)
            elif isinstance(answer, bytes):
                self.send_response(200)
                self.send_header(
                    "Content-Length", "1000000" if answer == b"half" else ""
                )
                self.end_headers()
                self.wfile.write(answer)
            else:  # a byte at a time
                self.send_response(200)
                self.end_headers()
                while not end.wait(0.05):
                    self.wfile.write(b"x")

        def log_message(self, format: str, *args: object) -> None:
            pass

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps proxies
    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{served.server_port}/"
    monkeypatch.setattr(vaelib.data, "FASHION_URL", url)
    monkeypatch.setattr(vaelib.data, "DEBIAN_FASHION", tmp_path / "nowhere")
    yield answers
    end.set()
    served.shutdown()
    served.server_close()


def test_fashion_mnist_is_downloaded_once(
    server: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = {}
    for name, digit in zip(MNIST_FILES, (3, 5, 7, 9), strict=True):
        n, axes = (60_000 if name.startswith("train") else 10_000), [28, 28]
        axes = [n, *(axes if "images" in name else [])]
        head = bytes([0, 0, 8, len(axes)]) + struct.pack(f">{len(axes)}i", *axes)
        packed = gzip.compress(head + bytes([digit]) * math.prod(axes), 1)
        server[f"{name}.gz"] = packed
        sums[f"{name}.gz"] = hashlib.md5(packed).hexdigest()
    monkeypatch.setattr(vaelib.data, "FASHION_MD5", sums)
    data = load_dataset("fashion_mnist", data_dir=str(tmp_path / "data"))
    assert data.labels is not None
    found = (data.train, data.test, *data.labels)
    assert [int(x.flatten()[-1]) for x in found] == [3, 5, 7, 9]
    server.clear()
    again = load_dataset("fashion_mnist", data_dir=str(tmp_path / "data"))
    assert torch.equal(again.train, data.train)
    assert len(list((tmp_path / "data").rglob("*-ubyte*"))) == 4


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("404", "Not Found"),
        ("silent", "timed out"),
        ("drip", "took longer than 0.4 s"),
        (b"a page of a hotel", "is incomplete or another file"),
        (b"half", "is incomplete or another file"),
    ],
)
def test_a_download_ends_in_a_sentence(
    answer: str | bytes,
    reason: str,
    server: dict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vaelib.downloads, "SILENCE", 0.3)
    monkeypatch.setattr(vaelib.downloads, "LONGEST", 0.4)
    server["train-images-idx3-ubyte.gz"] = answer
    started = time.monotonic()
    with pytest.raises(DataError, match=reason) as error:
        load_dataset("fashion_mnist", data_dir=str(tmp_path / "data"))
    assert time.monotonic() - started < 5
    assert "Debian" in one_sentence(error)
    assert not list((tmp_path / "data").rglob("*-ubyte*"))


def test_damaged_files_of_fashion_mnist_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_network(monkeypatch)
    monkeypatch.setattr(vaelib.data, "DEBIAN_FASHION", tmp_path)
    for content in (b"", b"not gzip", gzip.compress(bytes(1000))[:-9]):
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
        with pytest.raises(DataError, match="downloaded or read") as error:
            load_dataset("fashion_mnist", data_dir=str(tmp_path / "data"))
        one_sentence(error)
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    (raw / "train-images-idx3-ubyte").write_bytes(bytes(16 + 60_000 * 784))
    with pytest.raises(DataError, match="downloaded or read") as error:
        load_dataset("fashion_mnist", data_dir=str(tmp_path / "data"))
    one_sentence(error)


@debian
def test_fashion_mnist_without_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container may run as a user who has no entry in the list of users."""
    pwd = pytest.importorskip("pwd")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("VAELIB_DATA", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # raises KeyError
    with pytest.raises(ConfigError, match="home folder is not known") as error:
        load_dataset("fashion_mnist")
    assert "set HOME" in one_sentence(error)
    data = load_dataset("fashion_mnist", data_dir=str(tmp_path))
    assert len(data.test) == 10_000
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    load_dataset("fashion_mnist", data_dir="~/data")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, "channels is 2: give 1"),
        ({"image_size": 0}, "image_size is 0: give at least 1"),
        ({"binarize": "Fixed"}, "binarize is 'Fixed': give one of none, fixed"),
    ],
)
def test_options_that_are_not_allowed(options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        load_dataset("sprites", **{"image_size": 4, **options})
    one_sentence(error)


def test_an_unknown_name_is_one_sentence() -> None:
    with pytest.raises(DataError, match="'cifar'") as error:
        load_dataset("cifar")
    one_sentence(error)


# Sprites


def sprite(
    shape: str = "square",
    scale: float = 1.0,
    rotation: float = 0.0,
    x: float = 0.5,
    y: float = 0.5,
    size: int = 28,
):
    """Return one grey sprite as floats (size, size) in [0, 1]."""
    factors = torch.tensor([SHAPES.index(shape), scale, rotation, x, y]).float()
    return render(factors[None], size)[0, 0] / 255


def centre(picture: torch.Tensor) -> tuple[float, float]:
    """Return the centre of mass (x, y) of a picture, in units of its side."""
    axis = (torch.arange(len(picture)) + 0.5) / len(picture)
    x, y = (picture.sum(0) * axis).sum(), (picture.sum(1) * axis).sum()
    return float(x / picture.sum()), float(y / picture.sum())


def test_sprites_are_the_same_every_time(small: ImageData) -> None:
    again = sprites(n_train=400, n_test=200, size=12)
    assert torch.equal(small.train, again.train)
    assert torch.equal(small.test, again.test)
    assert small.factors is not None
    assert again.factors is not None
    for factors, same in zip(small.factors, again.factors, strict=True):
        assert torch.equal(factors, same)


@contextmanager
def other_defaults(device: str) -> Iterator[None]:
    """Let torch make tensors of 64 bits, on "meta", a device without numbers, say."""
    torch.set_default_dtype(torch.float64)
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_defaults_of_torch_change_no_data(device: str) -> None:
    def everything() -> list[torch.Tensor]:
        grey, colour = sprites(100, 50, 1, 12), sprites(100, 50, 3, 12)
        drawn = binarized(grey, "fixed")
        images = (grey.train, colour.train, drawn.train, drawn.test, pixels(grey.test))
        digit = read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 3, 4]))
        return [digit, *images, *(grey.factors or ()), *(colour.labels or ())]

    usual = everything()
    with other_defaults(device):
        found = everything()
    for x, y in zip(usual, found, strict=True):
        assert x.dtype == y.dtype
        assert torch.equal(x, y)


def test_sprites_do_not_depend_on_the_global_seed() -> None:
    torch.manual_seed(1)
    first, state = sprites(20, 10).train, torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(first, sprites(20, 10).train)
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("channels", [1, 3])
def test_factors_are_in_their_documented_ranges_and_fill_them(channels: int) -> None:
    data = sprites(4000, 400, channels=channels, size=8)
    assert data.factors is not None
    assert data.factor_names == FACTORS[: 6 if channels == 3 else 5]
    factors = torch.cat(data.factors)
    assert factors.shape == (4400, len(data.factor_names))
    ranges = {
        "scale": (0.6, 1),
        "rotation": (0, 2 * math.pi),
        "x": (0, 1),
        "y": (0, 1),
        "hue": (0, 1),
    }
    for name, values in zip(data.factor_names, factors.T, strict=True):
        if name == "shape":
            assert torch.equal(values.unique(), torch.tensor([0.0, 1.0, 2.0]))
            assert values.long().bincount().min() > 4400 / 3 * 0.9
            continue
        low, high = ranges[name]
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high + 1e-6


def test_the_factors_are_independent_of_each_other() -> None:
    data = sprites(8000, 10, channels=3, size=4)
    assert data.factors is not None
    correlations = torch.corrcoef(data.factors[0].T) - torch.eye(6)
    assert correlations.abs().max() < 5 / math.sqrt(8000)


def test_labels_are_the_shapes(small: ImageData) -> None:
    assert small.labels is not None
    assert small.factors is not None
    assert small.classes == SHAPES
    for labels, factors in zip(small.labels, small.factors, strict=True):
        assert torch.equal(labels, factors[:, 0].long())


def test_pictures_are_drawn_from_their_own_factors(small: ImageData) -> None:
    assert small.factors is not None
    assert torch.equal(small.train, render(small.factors[0], 12))
    assert torch.equal(small.test, render(small.factors[1], 12))


@settings(deadline=None, derandomize=True)
@given(
    st.sampled_from(["square", "ellipse"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0.6, 1),
    st.floats(0, 6.28),
)
def test_the_centre_of_mass_moves_with_x_and_y(
    shape: str, x: float, y: float, scale: float, rotation: float
) -> None:
    right, down = centre(sprite(shape, scale, rotation, x, y))
    assert right == pytest.approx(0.27 + 0.46 * x, abs=0.01)
    assert down == pytest.approx(0.27 + 0.46 * y, abs=0.01)


def test_a_heart_moves_as_far_as_its_centre() -> None:
    x, y = centre(sprite("heart", x=0.2, y=0.2))
    right = centre(sprite("heart", x=0.8, y=0.2))
    down = centre(sprite("heart", x=0.2, y=0.8))
    assert right == pytest.approx((x + 0.6 * 0.46, y), abs=0.005)
    assert down == pytest.approx((x, y + 0.6 * 0.46), abs=0.005)


@settings(deadline=None, derandomize=True)
@given(st.floats(0.6, 1), st.floats(0, 6.28))
def test_area_is_that_of_the_shape_at_its_scale(scale: float, rotation: float) -> None:
    radius = 0.22 * scale
    square = sprite("square", scale, rotation, size=64).mean()
    ellipse = sprite("ellipse", scale, rotation, size=64).mean()
    assert square == pytest.approx((1.4 * radius) ** 2, rel=0.02)
    assert ellipse == pytest.approx(math.pi * 0.55 * radius**2, rel=0.02)


@pytest.mark.parametrize("shape", SHAPES)
def test_area_grows_with_the_square_of_the_scale(shape: str) -> None:
    small, large = (float(sprite(shape, scale, size=64).mean()) for scale in (0.6, 0.9))
    assert large / small == pytest.approx(1.5**2, rel=0.02)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_rotation_by_90_degrees_is_clockwise(shape: str) -> None:
    upright, turned = sprite(shape, rotation=0.0), sprite(shape, rotation=math.pi / 2)
    difference = torch.rot90(upright, -1) - turned
    assert difference.abs().max() <= 2 / 255


@settings(deadline=None, derandomize=True)
@given(st.floats(0.1, 3.0))
def test_rotation_is_the_angle_of_the_long_axis(rotation: float) -> None:
    picture = sprite("ellipse", rotation=rotation, size=64)
    x = (torch.arange(64) - 31.5).expand(64, 64)
    y = x.T  # downwards
    xx, yy, xy = (float((picture * a * b).sum()) for a, b in ((x, x), (y, y), (x, y)))
    angle = 0.5 * math.atan2(2 * xy, xx - yy)  # of the principal axis
    assert math.sin(angle - rotation) == pytest.approx(0, abs=0.02)


def test_shapes_match_their_names() -> None:
    square, ellipse, heart = (sprite(shape, size=96) for shape in SHAPES)

    def box(picture: torch.Tensor) -> tuple[int, int, float]:
        """Return width and height of the bounding box, and the filled share of it."""
        width = int((picture.amax(0) > 0.5).sum())
        height = int((picture.amax(1) > 0.5).sum())
        return width, height, float(picture.sum()) / (width * height)

    width, height, filled = box(square)
    assert width == height
    assert filled > 0.95
    width, height, filled = box(ellipse)
    assert height / width == pytest.approx(0.55, abs=0.05)
    assert filled == pytest.approx(math.pi / 4, abs=0.03)
    # A heart is symmetric from left to right, but not from top to bottom.
    assert (heart - heart.flip(1)).abs().max() <= 2 / 255
    assert (heart - heart.flip(0)).abs().max() > 0.9
    # It has a notch: its middle column starts below its top.
    middle, top = (x.gt(0.5).float().argmax() for x in (heart[:, 48], heart.amax(1)))
    assert middle > top


@settings(deadline=None, derandomize=True)
@given(st.floats(0, 0.999), st.sampled_from(SHAPES))
def test_hue_is_the_colour(hue: float, shape: str) -> None:
    factors = torch.tensor([[SHAPES.index(shape), 1.0, 0.0, 0.5, 0.5, hue]])
    picture = render(factors, 16)[0]
    middle = picture[:, 8, 8] / 255
    assert middle.tolist() == pytest.approx(colorsys.hsv_to_rgb(hue, 1, 1), abs=1 / 255)
    assert picture.shape == (3, 16, 16)
    assert picture.amax(0)[0, 0] == 0  # a black background


@pytest.mark.parametrize("shape", SHAPES)
def test_edges_are_anti_aliased_and_nothing_else_is_grey(shape: str) -> None:
    picture = sprite(shape, rotation=0.3)
    grey = (picture > 0) & (picture < 1)
    assert grey.sum() > 20
    assert picture.unique().numel() >= 8
    # Every grey pixel is at most two pixels away from a white and from a black one.
    white_and_black = torch.stack((picture == 1, picture == 0))
    near = torch.nn.functional.max_pool2d(white_and_black[None].float(), 5, 1, 2)[0] > 0
    assert (grey <= (near[0] & near[1])).all()


def test_a_sprite_moves_by_less_than_a_pixel() -> None:
    """Because of anti-aliasing, a tenth of a pixel makes a difference."""
    a, b = sprite(x=0.5), sprite(x=0.5 + 0.1 / 28 / 0.46)
    assert centre(b)[0] - centre(a)[0] == pytest.approx(0.1 / 28, rel=0.1)


@pytest.mark.parametrize("shape", SHAPES)
def test_sprites_stay_inside_the_frame(shape: str) -> None:
    """No outline touches the border, at any rotation or corner."""
    turns = torch.arange(32) * 2 * math.pi / 32
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    grid = torch.cartesian_prod(torch.arange(32), torch.arange(4))
    rest = torch.tensor([SHAPES.index(shape), 1.0]).expand(len(grid), 2)
    factors = torch.cat((rest, turns[grid[:, 0], None], corners[grid[:, 1]]), dim=1)
    large = render(factors, 256)[:, 0]
    border = large[:, 0], large[:, -1], large[:, :, 0], large[:, :, -1]
    assert not torch.cat(border).any()
    centred = torch.cat((factors[:, :3], torch.full((len(grid), 2), 0.5)), dim=1)
    mass, whole = (render(f, 28)[:, 0].sum((1, 2)).float() for f in (factors, centred))
    assert (mass / whole).min() > 0.98


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (1, 8), (3, 28), (3, 40)])
def test_sprites_of_other_sizes_and_in_colour(channels: int, size: int) -> None:
    data = load_dataset("sprites", channels=channels, image_size=size)
    assert data.train.shape == (20_000, channels, size, size)
    assert data.test.shape == (2_000, channels, size, size)
    assert (data.train.flatten(1).amax(1) > 100).all()
    assert data.shape == (channels, size, size)


# Your own tensors


def test_a_pair_of_tensors() -> None:
    train = torch.zeros(5, 1, 3, 4, dtype=torch.uint8)
    test = torch.ones(2, 1, 3, 4, dtype=torch.uint8)
    data = ImageData(train, test)
    assert data.shape == (1, 3, 4)
    assert not data.binary
    assert data.batch(torch.tensor([0, 4]), torch.Generator()).shape == (2, 12)


GOOD = torch.zeros(5, 1, 3, 4, dtype=torch.uint8)
LAST = torch.zeros(5, 8, 8, 3, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (GOOD.float(), GOOD, r"train .*float32"),
        (GOOD, GOOD.long(), r"test .*int64"),
        (GOOD[:, 0], GOOD, r"train .*\(5, 3, 4\)"),
        (GOOD, GOOD[:0], r"test .*\(0, 1, 3, 4\)"),
        (GOOD[:0], GOOD, r"train .*\(0, 1, 3, 4\)"),
        (GOOD, GOOD[..., :2], "images of one shape"),
        (GOOD, GOOD.expand(5, 3, 3, 4), "images of one shape"),
        (LAST, LAST, r"train .*\(5, 8, 8, 3\) has 8 channels.*permute\(0, 3, 1, 2\)"),
        (LAST[..., :1], LAST, r"train .*permute\(0, 3, 1, 2\)"),
        (GOOD, GOOD.expand(5, 4, 3, 4), r"test .* 4 channels.*give 1 \(grey\) or 3"),
        (GOOD.expand(5, 2, 3, 4), GOOD, r"train .* 2 channels"),
        ([1, 2], GOOD, "train is of type"),
        (None, GOOD, "train is of type NoneType"),
        (GOOD.numpy().astype(">f8"), GOOD, "train is"),
        (np.array(["a"]), GOOD, "train is of type ndarray"),
    ],
)
def test_what_is_no_image_is_refused(train: Any, test: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        ImageData(train, test)
    one_sentence(error)


def test_numpy_arrays_are_copied_to_tensors() -> None:
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    test = train[::-1]
    given: Any = (train.transpose(0, 3, 1, 2), test.transpose(0, 3, 1, 2))
    labels: Any = (np.arange(6), np.arange(6, dtype=np.int32))
    factors: Any = [np.ones((6, 2))] * 2
    data = ImageData(*given, labels=labels, factors=factors)
    assert data.shape == (3, 8, 8)
    assert data.train[1, :, 2, 3].tolist() == train[1, 2, 3].tolist()
    assert torch.equal(data.test, data.train.flip(0))
    assert data.labels is not None
    assert data.labels[0].tolist() == [0, 1, 2, 3, 4, 5]
    train[:] = 0
    assert data.train.any()


WRONG = {
    "labels are for 4 + 3 images, but there are 5 + 3": dict(
        labels=(torch.zeros(4).long(), torch.zeros(3).long())
    ),
    "labels are for 5 + 5 images": dict(labels=(torch.zeros(5).long(),) * 2),
    r"labels must be a pair of tensors \(N,\)": dict(labels=torch.zeros(5).long()),
    r"labels must be a pair.*": dict(labels=([0] * 5, [0] * 3)),
    r"labels must be a pair.* ": dict(labels=(torch.zeros(5, 1), torch.zeros(3, 1))),
    "labels are torch.float32: give whole": dict(
        labels=(torch.zeros(5), torch.zeros(3).long())
    ),
    "labels are torch.bool": dict(labels=(torch.ones(5) > 0, torch.ones(3) > 0)),
    "labels are from 0 to 2, but there are 2 classes": dict(
        labels=(torch.arange(5) % 2, torch.arange(3)), classes=("a", "b")
    ),
    "labels are from -2 to -2": dict(
        labels=(torch.full((5,), -2), torch.zeros(3).long()), classes=("a", "b")
    ),
    r"factors must be a pair of tensors \(N, F\)": dict(
        factors=(torch.zeros(5), torch.zeros(3))
    ),
    "factors are for 3 \\+ 5 images": dict(
        factors=(torch.zeros(3, 2), torch.zeros(5, 2))
    ),
    "factors have 2 and 1 columns": dict(factors=(torch.ones(5, 2), torch.ones(3, 1))),
    "factors have 2 and 2 columns and 1 factor_names": dict(
        factors=(torch.ones(5, 2), torch.ones(3, 2)), factor_names=("x",)
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_labels_and_factors_must_fit_to_the_images(message: str) -> None:
    given: Any = WRONG[message]
    pattern = message if "\\" in message else re.escape(message.rstrip(".* "))
    with pytest.raises(DataError, match=pattern) as error:
        ImageData(GOOD, GOOD[:3], **given)
    one_sentence(error)


def test_the_first_images_keep_their_labels_and_factors(small: ImageData) -> None:
    few = small.first(train=7)
    assert torch.equal(few.train, small.train[:7])
    assert torch.equal(few.test, small.test)
    few = small.first(test=3)
    assert few.labels is not None
    assert few.factors is not None
    assert [len(x) for x in (*few.labels, *few.factors)] == [400, 3, 400, 3]
    assert torch.equal(few.factors[1][:, 0].long(), few.labels[1])
    assert ImageData(GOOD, GOOD).first(1, 2).labels is None


def test_labels_without_classes_may_be_any_whole_numbers() -> None:
    labels = (torch.tensor([-1, 0, 299, 7, 7]), torch.tensor([5, 5, 5]).to(torch.uint8))
    data = ImageData(GOOD, GOOD[:3], labels=labels)
    assert data.labels is not None
    assert data.labels[0].tolist() == [-1, 0, 299, 7, 7]


# Black and white


def test_grey_pixels_stay_as_they_are(small: ImageData) -> None:
    same = binarized(small, "none")
    assert torch.equal(same.train, small.train)
    assert not same.binary
    everything = pixels(torch.arange(256, dtype=torch.uint8)[:, None, None, None])
    assert torch.equal(everything[:, 0], torch.arange(256) / 255)


@pytest.mark.parametrize("how", ["fixed", "dynamic"])
def test_binarized_pixels_are_black_or_white_and_the_same_each_time(
    how: str, small: ImageData
) -> None:
    data, again = binarized(small, how), binarized(small, how)
    assert data.binary
    assert data.test.unique().tolist() == [0, 255]
    assert torch.equal(data.test, again.test)
    assert torch.equal(data.train, again.train)
    assert data.test.dtype == torch.uint8


def test_fixed_pixels_are_drawn_once(small: ImageData) -> None:
    data = binarized(small, "fixed")
    assert data.train.unique().tolist() == [0, 255]
    rng, index = torch.Generator().manual_seed(1), torch.arange(100)
    assert torch.equal(data.batch(index, rng), data.batch(index, rng))
    assert torch.equal(data.batch(index, rng), pixels(data.train[index]))


def test_dynamic_pixels_are_drawn_for_each_minibatch(small: ImageData) -> None:
    data = binarized(small, "dynamic")
    assert torch.equal(data.train, small.train)
    rng, index = torch.Generator().manual_seed(1), torch.arange(100)
    first, second = data.batch(index, rng), data.batch(index, rng)
    assert first.unique().tolist() == [0.0, 1.0]
    assert not torch.equal(first, second)
    assert torch.equal(first, data.batch(index, torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("how", ["fixed", "dynamic"])
def test_binarized_pixels_are_on_average_the_grey_ones(
    how: str, small: ImageData
) -> None:
    data = binarized(small, how)
    rng = torch.Generator().manual_seed(3)
    drawn = torch.cat((data.batch(torch.arange(400), rng), pixels(data.test)))
    grey = torch.cat((pixels(small.train), pixels(small.test)))
    error = math.sqrt(float((grey * (1 - grey)).sum())) / grey.numel()
    assert float(drawn.mean()) == pytest.approx(float(grey.mean()), abs=4 * error)


@pytest.mark.parametrize("value", [0, 1, 77, 128, 254, 255])
def test_white_comes_as_often_as_the_grey_value_says(value: int) -> None:
    n, p = 1_000_000, value / 255
    image = torch.full((n, 1, 1, 1), value, dtype=torch.uint8)
    rng = torch.Generator().manual_seed(value)
    share = draw_binary(image, rng).double().mean().item() / 255
    error = math.sqrt(p * (1 - p) / n)  # 0 if p is 0 or 1
    assert abs(share - p) <= 5 * error


def test_load_dataset_binarizes() -> None:
    fixed = load_dataset("sprites", binarize="fixed", image_size=8)
    again = load_dataset("sprites", binarize="fixed", image_size=8)
    dynamic = load_dataset("sprites", binarize="dynamic", image_size=8)
    assert fixed.binary
    assert torch.equal(fixed.train, again.train)
    assert dynamic.train.unique().numel() > 50


# Frey faces, from a file of the same form


def frey_file(folder: Path, pixels: np.ndarray, name: str = "ff") -> None:
    """Write the MATLAB file of the Frey faces, with other pixels."""
    scipy.io.savemat(folder / "frey_rawface.mat", {name: pixels})


def test_frey_faces_are_read_from_the_users_file(tmp_path: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (560, 1965), dtype=np.uint8)
    frey_file(tmp_path, pixels)
    found = load_dataset("frey_face", data_dir=str(tmp_path))
    assert found.shape == (1, 28, 20)
    assert (len(found.train), len(found.test)) == (1565, 400)
    assert found.train[3, 0, 2].tolist() == pixels[40:60, 3].tolist()
    assert found.test[-1, 0, -1].tolist() == pixels[-20:, -1].tolist()


def test_frey_faces_that_are_not_there_are_said_to_be_missing(tmp_path: Path):
    with pytest.raises(DataError) as error:
        load_dataset("frey_face", data_dir=str(tmp_path))
    assert "frey_rawface.mat from https://cs.nyu.edu" in str(error.value)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("kind", ["text", "name", "size", "type"])
def test_a_damaged_file_of_frey_faces_is_one_sentence(kind: str, tmp_path: Path):
    pixels = np.zeros((560, 500), dtype=np.uint8)
    if kind == "text":
        (tmp_path / "frey_rawface.mat").write_text("<html>not found</html>" * 20)
    elif kind == "name":
        frey_file(tmp_path, pixels, "faces")
    else:
        frey_file(tmp_path, pixels[:-1] if kind == "size" else pixels / 2)
    with pytest.raises(DataError, match="is damaged, or is not the file"):
        load_dataset("frey_face", data_dir=str(tmp_path))


# The first images of the training split


@pytest.mark.parametrize("binarize", ["none", "fixed"])
def test_only_the_first_training_images_are_taken(binarize: str):
    whole = load_dataset("mnist", binarize)
    part = load_dataset("mnist", binarize, train_images=50)
    assert torch.equal(part.train, whole.train[:50])
    assert torch.equal(part.test, whole.test)
    assert part.labels is not None
    assert len(part.labels[0]) == 50


def test_more_training_images_than_there_are_are_refused():
    with pytest.raises(DataError, match="is 60001, but mnist has 60,000"):
        load_dataset("mnist", train_images=60_001)
