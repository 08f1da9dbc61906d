"""A real JupyterLab, started by `vaelib lab`, and a real Chromium that can reach nothing but this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import notebooks

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run", "--disable-default-apps", "--disable-domain-reliability",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
]  # fmt: skip


class Lab(NamedTuple):
    """Where JupyterLab answers, and what it opens first."""

    url: str
    token: str
    opened: str
    root: Path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium, the system's or Playwright's own."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or playwright.chromium.executable_path
        if not Path(chromium).exists() and "CI" not in os.environ:
            pytest.skip("There is no Chromium here: install it, or run playwright install chromium.")
        found = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """`vaelib lab` in a copy of the notebooks; only what a test needs is set: no window, a free port, commands from outside."""
    root, settings = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("settings")
    shutil.copytree(notebooks.FOLDER, root / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = dict(open_browser=False, port=port, port_retries=0, allow_root=True)
    quiet = dict(expose_app_in_browser=True, news_url=None, check_for_updates_class="jupyterlab.NeverCheckForUpdate")
    (settings / "jupyter_lab_config.json").write_text(json.dumps(dict(ServerApp=server, LabApp=quiet)))
    environment = os.environ | dict(JUPYTER_CONFIG_DIR=str(settings), JUPYTER_RUNTIME_DIR=str(settings / "runtime"))
    with (settings / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "vaelib.cli", "lab"], cwd=root, env=environment, stderr=log)
    said, began = "", time.monotonic()
    while not (found := re.search(r"(http://127\.0\.0\.1:\d+)(/lab\S*)\?token=([0-9a-f]{48})", said)):
        assert process.poll() is None, said
        assert time.monotonic() - began < 60, said
        time.sleep(0.1)
        said = (settings / "log").read_text()
    yield Lab(found[1], found[3], found[2], root)
    process.terminate()
    process.wait(20)


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
