"""List the picture files of a folder: what is read, and what is passed over and why."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vaelib.images import DataError
from vaelib.pictures import suffixes

# Folders that systems and programs add, with copies of pictures or with none.
SYSTEM = {
    *("__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found"),
    "system volume information",
}
# Pictures that Pillow does not open, or not as pixels.
TO_CONVERT = {
    *(".heic", ".heif", ".hif", ".jxl", ".svg", ".svgz", ".eps", ".ps", ".wmf"),
    *(".emf", ".xcf", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"),
    *(".raf", ".dcm", ".nii", ".npy", ".npz"),
}
META = "run_meta.json"  # a folder with this file is a run


@dataclass
class Found:
    """What is below a folder; all paths are relative to it.

    `files`: the pictures, sorted. `folders`: the names of all folders. `passed_over`:
    how many files and folders were passed over, for each reason. `real`: where each
    picture really is, if links lead to it.
    """

    files: list[Path] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    passed_over: Counter[str] = field(default_factory=Counter)
    real: dict[Path, Path] = field(default_factory=dict)


def find_pictures(path: Path) -> Found:
    """Return the picture files below a folder, sorted by name, folder by folder.

    Folders that are links are followed, except back to where they are. Raises DataError
    if `path` is not a folder or is a run, or if a folder may not be opened.
    """
    found = Found()
    try:
        if not path.is_dir():
            raise DataError(
                f"there is no folder {str(path)!r}: give the folder with your images."
            )
        if is_run(path):
            raise DataError(
                f"{str(path)!r} is the folder of a run, not of images: "
                "give the folder with your images."
            )
        collect(path, found)
    except OSError as error:
        raise DataError(
            f"{str(error.filename)!r} cannot be opened ({error.strerror}): "
            "allow reading it, or move it away."
        ) from None
    found.files.sort(key=lambda file: file.parts)
    return found


def collect(path: Path, found: Found) -> None:
    """Add what is below a folder to `found`, in no particular order."""
    known = suffixes()
    # Each folder with the real folders that lead to it, itself last.
    pending: list[tuple[Path, tuple[Path, ...]]] = [(path, (real_path(path),))]
    while pending:
        here, way = pending.pop()
        entries = [(entry, entry.is_dir()) for entry in here.iterdir()]
        has_runs = any(is_run(entry) for entry, is_folder in entries if is_folder)
        for entry, is_folder in entries:
            real = real_path(entry) if entry.is_symlink() else way[-1] / entry.name
            if is_folder:
                why_not = why_not_folder(entry, has_runs, real in way)
            else:
                why_not = why_not_file(entry, known)
            if why_not:
                found.passed_over[why_not] += 1
            elif is_folder:
                found.folders.add(entry.name)
                pending.append((entry, (*way, real)))
            else:
                file = entry.relative_to(path)
                found.files.append(file)
                found.real[file] = real


def real_path(path: Path) -> Path:
    """Return a path without links; `Path.resolve` raises if a link leads to itself."""
    return Path(os.path.realpath(path))


def is_run(path: Path) -> bool:
    """Return whether `path` is the folder of a run."""
    with suppress(OSError):  # a folder that may not be opened
        return (path / META).is_file()
    return False


def why_not_folder(folder: Path, has_runs: bool, is_on_its_way: bool) -> str:
    """Return why a folder is passed over, or "".

    `has_runs`: whether it is a run or beside one. `is_on_its_way`: whether it is a link
    to a folder that it is in.
    """
    if folder.name.startswith("."):
        return "hidden"
    if folder.name.lower() in SYSTEM:
        return "folders of the system"
    if has_runs and (folder.name == "comparison" or is_run(folder)):
        return "runs of vaelib"
    return "links that lead back" if is_on_its_way else ""


def why_not_file(file: Path, known: set[str]) -> str:
    """Return why a file is passed over, or ""; `known`: suffixes that are read."""
    suffix = file.suffix.lower()
    if file.name.startswith("."):
        return "hidden"
    if not file.exists():
        return "links that lead nowhere"
    if suffix in TO_CONVERT - known:
        return f"{suffix}, to be converted to .png or .jpg"
    if suffix not in known:
        return "not pictures"
    if not file.is_file():
        return "not regular files"
    return "drawn by vaelib" if suffix == ".png" and is_own(file) else ""


def is_own(file: Path) -> bool:
    """Return whether vaelib wrote a PNG file, as one of its first chunks says."""
    try:
        with file.open("rb") as opened:
            return b"tEXtSoftware\0vaelib" in opened.read(2000)
    except OSError:
        return False  # whoever decodes it says why it cannot be read
