"""Data sets: their bytes, their factors, and the error messages."""

from __future__ import annotations

import colorsys
import gzip
import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import vaelib.data
from vaelib.data import (
    DataError,
    ImageData,
    binarized,
    draw_binary,
    load_dataset,
    mnist_bytes,
    pixels,
    read_idx,
    sprites,
)
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


def one_sentence(error: pytest.ExceptionInfo[DataError]) -> str:
    """Return the message, after a check that it is one sentence on one line."""
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


# MNIST


@pytest.mark.parametrize("name", MNIST_MD5)
def test_mnist_is_the_original_bytes(name: str) -> None:
    assert hashlib.md5(mnist_bytes(name)).hexdigest() == MNIST_MD5[name]


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


# A folder of your own


def save(
    path: Path, value: int | tuple[int, ...], size: tuple[int, int] = (8, 8)
) -> None:
    """Write a picture of one grey value, or of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L" if isinstance(value, int) else "RGB", size, value).save(path)


def test_a_folder_of_grey_and_colour_pictures(tmp_path: Path) -> None:
    for i in range(20):
        save(tmp_path / f"{i:02}.png", 10 * i)
    save(tmp_path / "red.JPG", (254, 0, 0))
    (tmp_path / "notes.txt").write_text("not a picture")

    grey = load_dataset(f"folder:{tmp_path}", image_size=8)
    assert grey.train.shape == (18, 1, 8, 8)
    # Every tenth image and the last one, a grey that is as light as red.
    assert grey.test[:, 0, 0, 0].tolist() == [90, 190, 76]
    assert grey.train[:9, 0, 3, 3].tolist() == [10 * i for i in range(9)]
    assert grey.labels is None

    colour = load_dataset(f"folder:{tmp_path}", channels=3, image_size=8)
    assert colour.test.shape == (3, 3, 8, 8)
    assert colour.test[0, :, 0, 0].tolist() == [90, 90, 90]
    assert colour.test[2, :, 4, 4].tolist() == pytest.approx([254, 0, 0], abs=1)


def test_pictures_are_cropped_to_a_square_and_resized(tmp_path: Path) -> None:
    stripes = np.zeros((30, 90), dtype=np.uint8)
    stripes[:, 30:60] = 200  # the middle third is what a square crop keeps
    for name in ("a.png", "b.png"):
        Image.fromarray(stripes).save(tmp_path / name)
    kept = load_dataset(f"folder:{tmp_path}", image_size=10).train[0, 0]
    assert (kept[:, 2:-2] == 200).all()  # the outer columns are smoothed
    assert kept.min() > 180
    Image.fromarray(stripes.T).save(tmp_path / "a.png")
    large = load_dataset(f"folder:{tmp_path}", image_size=40)
    assert large.train.shape == (1, 1, 40, 40)


def test_rows_and_columns_are_not_exchanged(tmp_path: Path) -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    for name in ("a.png", "b.png"):
        Image.fromarray(picture).save(tmp_path / name)
    data = load_dataset(f"folder:{tmp_path}", channels=3, image_size=4)
    assert np.array_equal(data.train[0], picture.transpose(2, 0, 1))


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    for i in range(10):
        save(tmp_path / ("cats" if i % 2 else "dogs") / f"{i}.png", i)
    data = load_dataset(f"folder:{tmp_path}", image_size=4)
    assert data.classes == ("cats", "dogs")
    assert data.labels is not None
    for images, labels in zip((data.train, data.test), data.labels, strict=True):
        assert ((images[:, 0, 0, 0] % 2 == 1) == (labels == 0)).all()


def test_train_and_test_folders_are_the_splits(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path / "train" / f"c{i % 2}" / f"{i}.png", i)
        save(tmp_path / "test" / f"c{i % 2}" / f"{i}.png", 100 + i)
    data = load_dataset(f"folder:{tmp_path}", image_size=4)
    assert sorted(data.train[:, 0, 0, 0].tolist()) == [0, 1, 2, 3]
    assert sorted(data.test[:, 0, 0, 0].tolist()) == [100, 101, 102, 103]
    assert data.classes == ("c0", "c1")
    assert data.labels is not None
    assert torch.equal(data.labels[1], data.test[:, 0, 0, 0] % 2)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.png", i, (64, 64))
    whole = (tmp_path / "1.png").read_bytes()
    half, damaged = whole[: len(whole) // 2], whole[:20] + bytes(40)
    for content in (b"", b"not a picture", half, damaged):
        (tmp_path / "1.png").write_bytes(content)
        with pytest.raises(DataError, match=r"1\.png") as error:
            load_dataset(f"folder:{tmp_path}")
        one_sentence(error)


@pytest.mark.parametrize(("name", "count"), [("", 0), ("a.txt", 0), ("a.png", 1)])
def test_a_folder_without_enough_pictures(
    name: str, count: int, tmp_path: Path
) -> None:
    if name.endswith("png"):
        save(tmp_path / name, 1)
    elif name:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=f"contains {count} image") as error:
        load_dataset(f"folder:{tmp_path}")
    assert str(tmp_path) in one_sentence(error)


def test_a_missing_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("missing", "file"):
        with pytest.raises(DataError, match=name) as error:
            load_dataset(f"folder:{tmp_path / name}")
        one_sentence(error)


# Your own tensors


def test_a_pair_of_tensors() -> None:
    train = torch.zeros(5, 1, 3, 4, dtype=torch.uint8)
    test = torch.ones(2, 1, 3, 4, dtype=torch.uint8)
    data = ImageData(train, test)
    assert data.shape == (1, 3, 4)
    assert not data.binary
    assert data.batch(torch.tensor([0, 4]), torch.Generator()).shape == (2, 12)


GOOD = torch.zeros(5, 1, 3, 4, dtype=torch.uint8)


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
    ],
)
def test_tensors_that_are_not_images_are_refused(
    train: torch.Tensor, test: torch.Tensor, message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        ImageData(train, test)
    one_sentence(error)


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
