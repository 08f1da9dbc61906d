"""Images of your own, read from a folder."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from vaelib.images import DataError, ImageData
from vaelib.picture_files import Found, find_pictures
from vaelib.pictures import read_picture
from vaelib.splits import assign, class_names, split_folders

WORKERS = 8  # not one for each core: each may hold a large photograph several times
CONTRAST = 16  # of 255, which the values of a picture should span
MOST_NAMES = 8  # that a sentence lists


def folder(path: Path, channels: int = 1, size: int = 28) -> ImageData:
    """Return the images below `path`, each cropped to a square and resized.

    Folders called train and test, in any usual spelling, are the split. Without them
    the test split is every tenth image and the last one. The folder that an image lies
    in is its class. `note` says what was read and passed over, and why. All rules are
    on the page "Your own pictures" of the book.

    Raises DataError if the folder does not exist or contains fewer than two images, if
    one of its splits contains none, or if an image cannot be read.
    """
    found = find_pictures(path)
    folders = split_folders(found.folders)
    train, test, how = split(path, found, folders)
    labels, classes = label([*train, *test], folders)
    images, remarks = read(path, (train, test), channels, size)
    source = str(path.absolute())
    of_classes = f" of {len(classes)} classes ({listed(classes)})" if classes else ""
    sentences = [
        f"{len(labels)} pictures{of_classes} were read from {source!r}",
        f"{len(train)} are to train on, {len(test)} to test on: {how}",
        *[f"passed over: {reasons}" for reasons in [passed_over(found)] if reasons],
        *[f"pictures with {why}: {count}" for why, count in remarks.items()],
    ]
    return ImageData(
        torch.from_numpy(images[0]),
        torch.from_numpy(images[1]),
        name="folder",
        source=source,
        licence="the owner's",
        labels=(labels[: len(train)], labels[len(train) :]) if classes else None,
        classes=classes,
        note="\n".join(f"{sentence}." for sentence in sentences),
    )


def split(
    path: Path, found: Found, folders: dict[str, str]
) -> tuple[list[Path], list[Path], str]:
    """Return the pictures of train and of test, and where the split comes from.

    What is passed over is counted in `found`. Raises DataError if there are fewer than
    two pictures, or none in a split.
    """
    given: dict[str, list[Path]] = {"train": [], "test": [], "val": [], "": []}
    splits = assign([file.parts for file in found.files], folders)
    seen: set[Path] = set()
    # The test comes first: a picture that is in both by a link is not trained on.
    for wanted in ("test", "train", "val", ""):
        for file, of_file in zip(found.files, splits, strict=True):
            if of_file == wanted and found.real[file] not in seen:
                given[wanted].append(file)
                seen.add(found.real[file])
    found.passed_over["reached by two links"] = len(found.files) - len(seen)
    found.passed_over["beside the folders of the split"] = len(given[""])

    n = len(given["train"]) + len(given["test"])
    if n < 2:
        reasons = passed_over(found)
        raise DataError(
            f"{str(path)!r} contains {n} image(s): at least 2 are needed, "
            f"such as .png or .jpg{reasons and f'; passed over: {reasons}'}."
        )
    unused = ""
    if given["val"]:
        names = listed(name for name in folders if folders[name] == "val")
        unused = f"; {len(given['val'])} in {names} are used for neither"
    if not given["test"] and "train" not in folders.values():
        every, is_test = given["train"], [i % 10 == 9 or i == n - 1 for i in range(n)]
        train = [x for x, test in zip(every, is_test, strict=True) if not test]
        test = [x for x, test in zip(every, is_test, strict=True) if test]
        return train, test, f"every tenth picture and the last one{unused}"
    for wanted in ("train", "test"):
        if not given[wanted]:
            raise DataError(
                f"{str(path)!r} contains no picture to {wanted} on, as its folders "
                f"{listed(folders)} are the split: add pictures, or rename the folders."
            )
    return given["train"], given["test"], f"{split_names(folders)}{unused}"


def label(
    files: list[Path], folders: dict[str, str]
) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Return the label of each picture and the names of the classes.

    If all pictures are of one class, there are no names.
    """
    names = class_names([file.parts for file in files], folders)
    classes = tuple(sorted(set(names)))
    number = {name: i for i, name in enumerate(classes)}
    labels = torch.tensor([number[name] for name in names], device="cpu")
    return labels, classes if len(classes) > 1 else ()


def read(
    path: Path, splits: tuple[list[Path], ...], channels: int, size: int
) -> tuple[list[np.ndarray], Counter[str]]:
    """Return the images of each split, and how many of them each remark applies to."""
    shape = (channels, size, size)
    try:
        images = [np.empty((len(files), *shape), np.uint8) for files in splits]
    except MemoryError:
        n = sum(map(len, splits))
        raise DataError(
            f"{n} pictures of {shape} do not fit into memory: "
            "give a smaller --image-size, or fewer pictures."
        ) from None
    places = [place for of_split in images for place in of_split]
    files = [path / file for of_split in splits for file in of_split]
    # Pillow warns of large pictures and of damaged EXIF blocks, which nobody can help.
    with warnings.catch_warnings(), ThreadPoolExecutor(WORKERS) as pool:
        warnings.simplefilter("ignore")
        remarks = Counter(
            remark for found in pool.map(read_into, places, files) for remark in found
        )
    return images, remarks


def read_into(place: np.ndarray, file: Path) -> list[str]:
    """Read a picture into an array (C, size, size) and return remarks about it."""
    place[:], has_more = read_picture(file, len(place), place.shape[-1])
    span = np.ptp(place.reshape(len(place), -1), axis=1).max()
    flat = f"hardly any contrast, as their values span less than {CONTRAST} of 255"
    more = "several frames or pages, of which the first was read"
    return [more] * has_more + [flat] * bool(span < CONTRAST)


def split_names(folders: dict[str, str]) -> str:
    """Return which folders are the split, as a part of a sentence."""
    of = {
        split: listed(name for name in folders if folders[name] == split)
        for split in folders.values()
    }
    train = f"folders {of['train']}" if "train" in of else "all other folders"
    if "test" in of:
        return f"{train}, and {of['test']}"
    return f"{train}, and {of['val']}, since no folder is called test"


def listed(names: Iterable[str]) -> str:
    """Return names with commas, the first ones only if there are many."""
    every = sorted(names)
    shown = [n if n and n.isprintable() else repr(n) for n in every[:MOST_NAMES]]
    return ", ".join(shown) + (", ..." if len(every) > MOST_NAMES else "")


def passed_over(found: Found) -> str:
    """Return the reasons to pass files over with their counts."""
    counts = sorted(found.passed_over.items())
    return ", ".join(f"{reason} ({count})" for reason, count in counts if count)
