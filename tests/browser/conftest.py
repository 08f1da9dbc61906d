"""JupyterLab, the book and Chromium for the tests, once for all of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import real
from filelock import FileLock
from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium. Skips where there is none, except in CI."""
    with real.chromium() as found:
        if found is None and "CI" not in os.environ:
            pytest.skip(
                "There is no Chromium here: install it, or run playwright install chromium."
            )
        assert found, "CI must have a Chromium"
        yield found


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Lab]:
    """JupyterLab in a copy of the notebooks."""
    with real.jupyterlab(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture
def complaints() -> list[str]:
    """What the page wrote to its console as an error."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """A tab that is tall enough to show a whole chapter: JupyterLab draws only what is in sight."""
    tab = browser.new_page(viewport={"width": 1300, "height": 24000})
    tab.on(
        "console",
        lambda message: (
            complaints.append(message.text) if message.type == "error" else None
        ),
    )
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    tab.close()


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book, as `make book` builds it with a small zoo: once, for all processes that test."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "book"
    with FileLock(f"{folder}.lock", timeout=600):
        if not (folder / "_build").exists():
            command = ["make", "book", f"OUT={folder}", "ZOO=tests/zoo.toml"]
            done = subprocess.run(
                command, cwd=real.ROOT, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "_build" / "html"


@pytest.fixture(scope="session")
def site(book: Path) -> Iterator[str]:
    """Where the book is served."""
    with real.served(book) as address:
        yield address
