"""JupyterLab and Chromium for the tests, once for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import real
from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium. Skips where there is none, except in CI."""
    with real.chromium() as found:
        if found is None and "CI" not in os.environ:
            pytest.skip("There is no Chromium here: install it, or run playwright install chromium.")
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
    tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    yield tab
    tab.close()
