"""A folder of pictures: what is read, what is passed over, and which split it is."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vaelib.checks import ConfigError
from vaelib.data import DataError, ImageData, load_dataset
from vaelib.image_folder import folder
from vaelib.picture_files import find_pictures
from vaelib.splits import read_name, split_folders


def one_sentence(error: pytest.ExceptionInfo[Any]) -> str:
    """Return the message, after a check that it is one sentence on one line."""
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def save_all(path: Path, names: str) -> None:
    """Write pictures of the values 0, 1, 2, ... with the given names."""
    for value, name in enumerate(names.split()):
        save(path / name, value)


def values(images: torch.Tensor) -> list[int]:
    """Return the value of each picture."""
    return images[:, 0, 0, 0].tolist()


def split_of(path: Path) -> tuple[list[int], list[int]]:
    """Return the values of the pictures in train and in test."""
    data = folder(path, size=4)
    return values(data.train), values(data.test)


def classes_of(data: ImageData) -> list[str]:
    """Return the names of the classes of all pictures, in train and in test."""
    assert data.labels is not None
    return [data.classes[i] for i in torch.cat(data.labels)]


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


# What is passed over


def test_the_note_says_what_was_read(tmp_path: Path) -> None:
    save_all(tmp_path, "cats/a.png cats/b.png dogs/a.png cats/.hidden.png")
    (tmp_path / "labels.csv").touch()
    (tmp_path / "labels.pdf").touch()
    (tmp_path / "a.heic").touch()
    (tmp_path / "b.HEIC").touch()
    where = os.path.relpath(tmp_path)
    data = load_dataset(f"folder:{where}", image_size=4)
    path = str(Path(where).absolute())
    assert data.source == path
    assert data.note.splitlines() == [
        f"3 pictures of 2 classes (cats, dogs) were read from {path!r}.",
        "2 are to train on, 1 to test on: every tenth picture and the last one.",
        "passed over: .heic, to be converted to .png or .jpg (2), hidden (1), "
        "not pictures (2).",
        "pictures with hardly any contrast, as their values span less than 16 of 255: "
        "3.",
    ]


PASSED_OVER = {
    "hidden": "._a.png .ipynb_checkpoints/a.png c/.ipynb_checkpoints/a.png .x/y/a.png",
    "folders of the system": "__MACOSX/a.png c/@eaDir/a.png $RECYCLE.BIN/a.png",
    "not pictures": "labels.pdf Thumbs.db data.h5 clip.mpg figure.txt no_suffix",
    ".svg, to be converted to .png or .jpg": "a.svg c/b.SVG",
    ".eps, to be converted to .png or .jpg": "a.eps",
}


@pytest.mark.parametrize("reason", PASSED_OVER)
def test_what_is_no_picture_is_passed_over(reason: str, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    for name in PASSED_OVER[reason].split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture = np.full((4, 4), 99, np.uint8)
        Image.fromarray(picture).save(tmp_path / name, "PNG")
    save_all(tmp_path / "c", "a.png b.png")
    data = folder(tmp_path, size=4)
    assert (values(data.train), values(data.test)) == ([0], [1])
    assert data.labels is None
    assert f"{reason} ({len(PASSED_OVER[reason].split())})" in data.note


def test_the_folder_that_is_given_may_be_hidden(tmp_path: Path) -> None:
    path = tmp_path / ".cache" / "__MACOSX"
    save_all(path, "a.png b.png")
    assert split_of(path) == ([0], [1])


def test_a_folder_of_hidden_files_only(tmp_path: Path) -> None:
    save_all(tmp_path, ".a.png .b.png .c/d.png")
    with pytest.raises(DataError, match=r"contains 0 image.*hidden \(3\)") as error:
        folder(tmp_path)
    one_sentence(error)


def test_photographs_of_a_telephone_are_said_to_be_passed_over(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.HEIC").touch()
    with pytest.raises(DataError, match=r"\.heic, to be converted.*\(3\)") as error:
        folder(tmp_path)
    one_sentence(error)


def test_runs_and_their_comparison_are_never_data(tmp_path: Path) -> None:
    save_all(tmp_path, "a.png b.png comparison/c.png")
    for name in ("run-001", "run-002"):
        save(tmp_path / "reports" / "g" / name / "samples" / "epoch_0.png", 99)
        (tmp_path / "reports" / "g" / name / "run_meta.json").touch()
    save(tmp_path / "reports" / "g" / "comparison" / "curves.png", 99)
    (tmp_path / "reports" / "g" / "latest").symlink_to("run-002")
    data = folder(tmp_path, size=4)
    # A folder called comparison that is beside no run is one of pictures.
    assert (values(data.train), values(data.test)) == ([0, 1], [2])
    assert "runs of vaelib (4)" in data.note
    with pytest.raises(DataError, match="folder of a run") as error:
        folder(tmp_path / "reports" / "g" / "run-001")
    one_sentence(error)


def test_pictures_that_vaelib_drew_are_never_data(tmp_path: Path) -> None:
    save_all(tmp_path, "a.png b.png")
    for software, name in (("vaelib 9.9", "c.png"), ("Matplotlib", "d.png")):
        text = PngInfo()
        text.add_text("Software", software)
        Image.new("L", (8, 8), 99).save(tmp_path / name, pnginfo=text)
    data = folder(tmp_path, size=4)
    assert values(data.train) + values(data.test) == [0, 1, 99]
    assert "drawn by vaelib (1)" in data.note


def test_a_run_made_among_the_pictures_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Any]
) -> None:
    rng = np.random.default_rng(0)
    for i in range(12):
        picture = rng.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{i:02}.png")
    before = folder(tmp_path, size=8)
    monkeypatch.chdir(tmp_path)
    flags = "--image-size 8 --hidden-dim 8 --latent-dim 2 --epochs 1 --device cpu"
    assert cli("train", "--dataset", "folder:.", *flags.split()).code == 0
    after = folder(tmp_path, size=8)
    assert list(tmp_path.rglob("epoch_0000.png"))
    assert torch.equal(after.train, before.train)
    assert torch.equal(after.test, before.test)
    assert after.labels is None


def test_several_frames_are_said(tmp_path: Path) -> None:
    save_all(tmp_path, "a.png b.png")
    frames = [Image.new("L", (4, 4), value) for value in (50, 250)]
    frames[0].save(tmp_path / "c.tif", save_all=True, append_images=frames[1:])
    data = folder(tmp_path, size=4)
    assert values(data.test) == [50]
    assert "several frames or pages, of which the first was read: 1." in data.note


@pytest.mark.parametrize("values", [(0, 15), (240, 255)])
def test_pictures_without_contrast_are_said(
    values: tuple[int, int], tmp_path: Path
) -> None:
    """Such as 12 bits in a file of 16, of which a viewer shows black too."""
    for name, last in (("a.png", values[1]), ("b.png", 128)):
        picture = np.array([[values[0], last]] * 2, dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / name)
    assert "hardly any contrast" in folder(tmp_path, size=2).note
    assert "less than 16 of 255: 1." in folder(tmp_path, size=2).note


# Links and files of other kinds


def test_links_to_folders_and_files_are_read(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    save_all(tmp_path / "store", "a.png b.png c.png")
    save(tmp_path / "store" / "other" / "d.png", 9)
    (pictures / "dogs").mkdir(parents=True)
    (pictures / "cats").symlink_to(tmp_path / "store" / "other")
    for name in ("a", "b"):
        (pictures / "dogs" / f"{name}.png").symlink_to(tmp_path / "store/a.png")
    (pictures / "dogs" / "c.png").symlink_to(tmp_path / "store" / "c.png")
    (pictures / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (pictures / "gone").symlink_to(tmp_path / "nowhere")
    (pictures / "itself.png").symlink_to("itself.png")
    data = folder(pictures, size=4)
    # The second link to a.png would put one picture into both splits.
    assert values(data.train) + values(data.test) == [9, 0, 2]
    assert classes_of(data) == ["cats", "dogs", "dogs"]
    assert "links that lead nowhere (3)" in data.note
    assert "reached by two links (1)" in data.note


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    save_all(tmp_path, "a/1.png b/2.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "across").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "across").symlink_to(tmp_path / "a")
    (tmp_path / "b" / "self").symlink_to(".")
    data = folder(tmp_path, size=4)
    assert sorted(values(data.train) + values(data.test)) == [0, 1]
    assert "links that lead back" in data.note


def test_a_picture_in_both_splits_by_a_link_is_tested_on(tmp_path: Path) -> None:
    save_all(tmp_path, "all/a.png all/b.png all/c.png")
    for name in ("train/a.png", "train/b.png", "test/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(tmp_path / "all" / name[-5:])
    assert split_of(tmp_path) == ([0], [1])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="There are no pipes here.")
def test_a_pipe_is_passed_over(tmp_path: Path) -> None:
    save_all(tmp_path, "a.png c.png")
    os.mkfifo(tmp_path / "b.png")
    reader = threading.Thread(target=split_of, args=[tmp_path], daemon=True)
    reader.start()
    reader.join(20)
    assert not reader.is_alive(), "it waits for the pipe"
    assert "not regular files (1)" in folder(tmp_path, size=4).note


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="Only root can take the rights of another user.",
)
@pytest.mark.parametrize("closed", ["c.png", "d"])
def test_what_may_not_be_opened_is_named(closed: str) -> None:
    # Not in tmp_path, which only its owner can enter.
    with TemporaryDirectory(dir="/tmp") as name:
        path = Path(name)
        save_all(path, "a.png b.png c.png d/e.png lost+found/f.png")
        path.chmod(0o755)
        (path / "lost+found").chmod(0)
        (path / closed).chmod(0)
        os.seteuid(12345)
        try:
            with pytest.raises(DataError, match="Permission denied") as error:
                folder(path)
        finally:
            os.seteuid(0)
    assert repr(str(path / closed)) in one_sentence(error)


def test_names_of_any_letters(tmp_path: Path) -> None:
    names = ["a\nb.png", "é.png", "\u202egnp.png", "%s{}.png", "-rf.png", "猫.PNG"]
    for value, name in enumerate(sorted(names)):
        save(tmp_path / name, value)
    assert split_of(tmp_path) == ([0, 1, 2, 3, 4], [5])
    (tmp_path / "a\nb.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\\nb\.png") as error:
        folder(tmp_path)
    one_sentence(error)


def test_names_of_classes_cannot_write_lines_of_the_note(tmp_path: Path) -> None:
    for name in ("a\nb", "\x1b[31mred", "\u202ecba", "plain"):
        save(tmp_path / name / "1.png", 0)
    first = folder(tmp_path, size=4).note.splitlines()[0]
    assert "4 classes ('\\x1b[31mred', 'a\\nb', plain, '\\u202ecba')" in first


def test_pictures_are_sorted_by_name_folder_by_folder(tmp_path: Path) -> None:
    names = "B.png a/1.png a/10.png a/2.png a-b/1.png a.png c/a/1.png c/b.png"
    save_all(tmp_path, " ".join(reversed(names.split())))
    assert [file.as_posix() for file in find_pictures(tmp_path).files] == names.split()


# The split that folders give

SPLITS = {
    # names: (train, test), by the position of the name
    "train/0.png train/1.png test/2.png": ([0, 1], [2]),
    "train/0.png test/1.png cover.png other/3.png": ([0], [1]),
    "train/0.png val/1.png test/2.png": ([0], [2]),
    "Train/0.PNG TEST/1.png": ([0], [1]),
    "training/0.png testing/1.png": ([0], [1]),
    "training_set/0.png test_set/1.png": ([0], [1]),
    "trainset/0.png testset/1.png": ([0], [1]),
    "TrainImages/0.png TestImages/1.png": ([0], [1]),
    "train-images/0.png tests/1.png": ([0], [1]),
    "01_train/0.png 02_test/1.png": ([0], [1]),
    "train2017/0.png val2017/1.png": ([0], [1]),
    "trainA/0.png trainB/1.png testA/2.png testB/3.png": ([0, 1], [2, 3]),
    "seg_train/seg_train/0.png seg_test/seg_test/1.png seg_pred/2.png": ([0], [1]),
    "train/0.png valid/1.png": ([0], [1]),
    "train/0.png dev/1.png": ([0], [1]),
    "train/0.png Validation/1.png test/2.png": ([0], [2]),
    "cats/0.png dogs/1.png test/2.png": ([0, 1], [2]),
    "cats/0.png test/1.png val/2.png": ([0], [1]),
    "cover.png test/1.png": ([0], [1]),
    "pics/train/0.png pics/test/1.png": ([0], [1]),
    "pics/train/0.png pics/test/1.png cover.png": ([0], [1]),
    "train_test_split/train/0.png train_test_split/test/1.png": ([0], [1]),
    "cats/train/0.png cats/test/1.png dogs/train/2.png": ([0, 2], [1]),
    "cats/test/0.png dogs/train/1.png": ([1], [0]),
    "train/test/0.png train/1.png": ([1], [0]),
    "a/train/0.png b/test/1.png": ([0], [1]),
    # Not splits: the class of vehicles, what is valid, two files.
    "bus/0.png train/1.png": ([0], [1]),
    "invalid/0.png valid/1.png": ([0], [1]),
    "train/0.png train/1.png": ([0], [1]),
    "test.png train.png": ([0], [1]),
    "contest/0.png testimony/1.png": ([0], [1]),
    "train/bus/0.png train/train/1.png test/bus/2.png test/train/3.png": (
        [0, 1],
        [2, 3],
    ),
}


@pytest.mark.parametrize("names", SPLITS)
def test_the_split_of_the_folders_is_taken(names: str, tmp_path: Path) -> None:
    save_all(tmp_path, names)
    assert split_of(tmp_path) == SPLITS[names]


NOTES = {
    "train/0.png test/1.png cover.png": "folders train, and test|"
    "beside the folders of the split (1)",
    "train/0.png val/1.png val/2.png test/3.png": "folders train, and test; "
    "2 in val are used for neither",
    "train/0.png val/1.png": "folders train, and val, since no folder is called test",
    "cats/0.png Test/1.png": "all other folders, and Test",
    "bus/0.png train/1.png": "every tenth picture and the last one",
    "cats/0.png cats/1.png val/2.png": "every tenth picture and the last one",
}


@pytest.mark.parametrize("names", NOTES)
def test_the_note_says_where_the_split_comes_from(names: str, tmp_path: Path) -> None:
    save_all(tmp_path, names)
    note = folder(tmp_path, size=4).note
    for part in NOTES[names].split("|"):
        assert part in note


def test_a_test_without_pictures_is_no_split_unless_there_is_a_train(
    tmp_path: Path,
) -> None:
    save_all(tmp_path, "cats/0.png dogs/1.png")
    (tmp_path / "tests").mkdir()  # of a program, say
    (tmp_path / "tests" / "test_it.py").touch()
    assert split_of(tmp_path) == ([0], [1])
    save_all(tmp_path, "train/0.png train/1.png")
    with pytest.raises(DataError, match=r"to test on.*tests, train") as error:
        folder(tmp_path)
    one_sentence(error)


@pytest.mark.parametrize(
    ("names", "empty", "message"),
    [
        ("test/0.png test/1.png", "train", "no picture to train on"),
        ("test/0.png test/1.png", "other", "no picture to train on"),
        ("train/0.png train/1.png", "test", "no picture to test on"),
        ("train/0.png train/1.png", "val", "no picture to test on"),
        ("train/0.png val/1.png train/2.png", "test", "no picture to test on"),
    ],
)
def test_an_empty_split_is_one_sentence(
    names: str, empty: str, message: str, tmp_path: Path
) -> None:
    save_all(tmp_path, names)
    (tmp_path / empty).mkdir()
    with pytest.raises(DataError, match=message) as error:
        folder(tmp_path)
    one_sentence(error)


@pytest.mark.parametrize("name", ["old_test", "test tube", "MyTest", "a/test_v2"])
def test_what_may_be_a_test_is_not_trained_on(name: str, tmp_path: Path) -> None:
    save_all(tmp_path, "cats/0.png dogs/1.png")
    save(tmp_path / name / "2.png", 2)
    with pytest.raises(DataError, match="may be a test split or a class") as error:
        folder(tmp_path)
    assert repr(name.split("/")[-1]) in one_sentence(error)


def test_it_may_be_a_class_below_a_split(tmp_path: Path) -> None:
    names = ("train/test tube/0.png", "train/flask/1.png", "test/test tube/2.png")
    for value, name in enumerate(names):
        save(tmp_path / name, value)
    data = folder(tmp_path, size=4)
    assert (values(data.train), values(data.test)) == ([1, 0], [2])
    assert classes_of(data) == ["flask", "test tube", "test tube"]


CLASSES = {
    "train/cats/0.png train/dogs/1.png test/dogs/2.png": "cats dogs dogs",
    "cats/train/0.png dogs/train/1.png dogs/test/2.png": "cats dogs dogs",
    "seg_train/seg_train/sea/0.png seg_train/seg_train/wood/1.png "
    "seg_test/seg_test/sea/2.png": "sea wood sea",
    "train/train/0.png train/bus/1.png test/train/2.png test/bus/3.png": (
        "bus train bus train"
    ),
    "x/train/cats/0.png x/train/dogs/1.png x/test/cats/2.png": "cats dogs cats",
    "cats/0.png dogs/1.png test/cats/2.png test/dogs/3.png": "cats dogs cats dogs",
    "pets/cats/0.png pets/dogs/1.png": "cats dogs",
}


@pytest.mark.parametrize("names", CLASSES)
def test_the_folder_of_a_picture_is_its_class(names: str, tmp_path: Path) -> None:
    save_all(tmp_path, names)
    assert classes_of(folder(tmp_path, size=4)) == CLASSES[names].split()


@pytest.mark.parametrize(
    "names",
    [
        "train/0.png test/1.png",
        "data/train/0.png data/test/1.png",
        "train/train/0.png test/test/1.png",
        "a/0.png a/1.png",
    ],
)
def test_folders_of_splits_are_no_classes(names: str, tmp_path: Path) -> None:
    save_all(tmp_path, names)
    data = folder(tmp_path, size=4)
    assert (data.labels, data.classes) == (None, ())


def test_names_of_splits_are_read() -> None:
    assert read_name("Test Set 3") == ("test", "")
    assert read_name("TESTdata") == ("test", "")
    assert read_name("devset") == ("val", "")
    assert read_name("contest") == ("", "contest")
    assert read_name("train_test") == ("", "")
    assert read_name("テスト") == ("", "")
    assert split_folders(["train", "bus"]) == {}
    assert split_folders(["x_train", "y_test"]) == {}
    assert split_folders(["x_train", "x_val"]) == {"x_train": "train", "x_val": "val"}


# The tensors


def test_each_split_is_a_tensor_of_its_own(tmp_path: Path) -> None:
    """As parts of one tensor, each would be sent to a worker with all of it."""
    save_all(tmp_path, " ".join(f"{i}.png" for i in range(9)))
    data = folder(tmp_path, size=32)
    assert len(pickle.dumps(data.test)) < 2 * data.test.numel()


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_defaults_of_torch_change_nothing(tmp_path: Path, device: str) -> None:
    save_all(tmp_path, "a/0.png a/1.png b/2.png")
    torch.set_default_dtype(torch.float64)
    torch.set_default_device(device)
    try:
        data = folder(tmp_path, size=4)
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
    assert (values(data.train), values(data.test)) == ([0, 1], [2])
    assert classes_of(data) == ["a", "a", "b"]


def test_the_home_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_all(tmp_path / "pics", "a.png b.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    data = load_dataset("folder:~/pics", image_size=4)
    assert values(data.test) == [1]
    assert data.source == str(tmp_path / "pics")
    with pytest.raises(ConfigError, match="home folder is not known") as error:
        load_dataset("folder:~nobody-of-this-name/pics")
    one_sentence(error)
