"""Fixtures that start JupyterLab, the book and Chromium once for all tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import real
from filelock import FileLock
from playwright.sync_api import Browser, ConsoleMessage, Page


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium. Without one, the tests are skipped, except in CI."""
    with real.chromium() as found:
        if found is None and "CI" not in os.environ:
            pytest.skip("no Chromium: install it, or run playwright install chromium")
        assert found, "CI must have a Chromium"
        yield found


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Lab]:
    """JupyterLab in a copy of the notebooks."""
    with real.jupyterlab(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture
def complaints() -> list[str]:
    """Errors that the page has written to its console."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """A tab. In a much higher window each test would take seconds longer."""

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    tab = browser.new_page(viewport={"width": 1300, "height": 2200})
    tab.on("console", on_console)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    tab.close()


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the book, built once for all test processes, with a small zoo."""
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
    """Address of the book on a static file server."""
    with real.served(book) as address:
        yield address
