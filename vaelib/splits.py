"""Split pictures as the names of their folders say: train, test and val."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from vaelib.images import DataError

Parts = tuple[str, ...]  # of a path: its folders, and the file last

SPELLINGS = {
    "train": "train|training|trn",
    "test": "test|tests|testing|tst",
    "val": "val|valid|validation|dev|eval|evaluation",
}
# Words that say nothing else: test_set, TestImages, test-data.
MORE = "sets?|data|datasets?|images?|imgs?|pictures?|pics?|photos?|files?|split"
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def read_name(name: str) -> tuple[str, str]:
    """Return the split that the name of a folder means, or "", and its other words.

    Example:

    >>> read_name("TestSet 2"), read_name("seg_train"), read_name("cats")
    (('test', ''), ('train', 'seg'), ('', 'cats'))
    """
    meant, others = set(), []
    for word in map(str.lower, WORD.findall(name)):
        known = [
            split
            for split, spellings in SPELLINGS.items()
            if re.fullmatch(f"({spellings})({MORE})?", word)
        ]
        meant.update(known)
        if not known and not re.fullmatch(MORE, word):
            others.append(word)
    # A name with two splits, such as train_test_split, is none of them.
    return meant.pop() if len(meant) == 1 else "", " ".join(others)


def split_folders(names: Iterable[str]) -> dict[str, str]:
    """Return the split of each name of a folder that is one.

    `test` always is. `train` and `val` are if there is another split, since they may
    also be classes: vehicles, or what is valid. So are names with other words, such as
    seg_train and seg_test, if the same words stand with `train` and another split.
    """
    meant = {name: read_name(name) for name in names}
    partners = defaultdict(set)
    for split, others in meant.values():
        partners[others].add(split)
    found = {}
    for name, (split, others) in meant.items():
        together = partners[others] - {""}
        is_pair = len(together) > 1 and ("train" in together or not others)
        if split and (is_pair or (split == "test" and not others)):
            found[name] = split
    return found


def assign(pictures: Sequence[Parts], folders: dict[str, str]) -> list[str]:
    """Return the split of each picture: train, test, val, or "" if it is beside them.

    `folders` are those of `split_folders`. Without a train folder all pictures beside
    the test are trained on; without a test folder val is the test. A picture below both
    is in the test. Raises DataError if train or test has no picture, or if a picture
    would be trained on whose folder may be a test.
    """
    has_train = "train" in folders.values()
    has_test = "test" in folders.values()
    splits = []
    for parts in pictures:
        below = {folders.get(part, "") for part in parts[:-1]}
        split = next((s for s in ("test", "val", "train") if s in below), "")
        if split == "val" and not has_test:
            split = "test"
        elif not split and not has_train:
            split = "train"
            require_no_test(parts[:-1])
        splits.append(split)
    return splits


def require_no_test(folders: Parts) -> None:
    """Raise DataError if a folder of pictures to train on may be a test."""
    for name in folders:
        if read_name(name)[0] == "test":
            raise DataError(
                f"the folder {name!r} may be a test split or a class: call it 'test', "
                "or by a name without that word."
            )


def class_names(pictures: Sequence[Parts], folders: dict[str, str]) -> list[str]:
    """Return the class of each picture: the folder that it lies in, or "".

    Folders of splits are no classes.
    """
    children = defaultdict(set)
    for parts in pictures:
        for i, part in enumerate(parts):
            children[parts[:i]].add(part)

    names = []
    for *parents, _ in pictures:
        is_split = [name in folders for name in parents]
        i = is_split.index(True) if any(is_split) else len(parents)
        below = parents[i + 1 :]
        # train/train/..., as some archives unpack
        is_alone = len(children[tuple(parents[: i + 1])]) == 1
        if below and below[0] in folders and is_alone:
            below = below[1:]
        names.append(["", *parents[:i], *below][-1])
    return names
