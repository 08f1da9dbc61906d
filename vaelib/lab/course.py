"""The chapters that come with the library, as notebooks in a folder of the reader."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from vaelib import __version__
from vaelib.checks import ConfigError

# The texts of the chapters, where a wheel installs them. In a copy of the repository
# they are in its folder notebooks, and nothing is written.
TEXTS = Path(__file__).parent / "chapters"
FIRST = "00_quick_start.ipynb"
RECORD = ".vaelib-version"  # in a folder that was written: the version it came with


def folder() -> Path:
    """Return the folder of the chapters of this version, here or to be written.

    It is notebooks, unless that is the reader's own or was written by another version:
    then it is notebooks-VERSION, beside it.
    """
    plain = Path("notebooks")
    record = plain / RECORD
    if record.is_file():
        is_free = record.read_text("utf-8").strip() == __version__
    else:
        is_repository = (plain / FIRST).is_file()
        is_free = is_repository or not plain.exists()
    return plain if is_free else Path(f"notebooks-{__version__}")


def write_once() -> Path | None:
    """Write the chapters as notebooks without outputs, and return their folder.

    Nothing is written, and None returned, if the folder of this version exists: what a
    reader changed or removed stays so. Raises ConfigError if it cannot be written.
    """
    target = folder()
    if target.exists() or not TEXTS.is_dir():
        return None
    # A folder gets its name when it is complete, so that none is left half written.
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        write(part)
        (part / RECORD).write_text(f"{__version__}\n", encoding="utf-8")
        part.rename(target)
    except OSError as error:
        advice = "go to a folder of your own, or name what to open: vaelib lab PATH"
        raise ConfigError(
            f"the chapters cannot be written to {Path.cwd()} ({error.strerror}): "
            f"{advice}."
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def write(target: Path) -> None:
    """Write each text NAME.md as target/NAME.ipynb, also those in folders."""
    import jupytext
    import nbformat

    from vaelib.lab.contents import STORED

    for file in sorted(TEXTS.rglob("*.md")):
        text = without_book(file.read_text("utf-8"))
        notebook = jupytext.reads(text, fmt="md:myst")
        # No `jupytext`: these notebooks are not paired with a text.
        kernel = notebook.metadata["kernelspec"]
        notebook.metadata = dict(kernelspec=kernel, language_info=STORED)
        written = target / file.relative_to(TEXTS).with_suffix(".ipynb")
        written.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, written)


def without_book(text: str) -> str:
    """Return a text whose links to pages of the book, which are not here, are names."""
    return re.sub(r"\[([^]]+)\]\((?:\.\./)+book/[^)]+\)", r"*\1* in the book", text)
