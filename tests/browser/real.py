"""A real JupyterLab, started by `vaelib lab`, a static host, and a real Chromium that can reach nothing but this machine."""

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
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import nbformat
from playwright.sync_api import Browser, Page, sync_playwright

import notebooks

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--no-first-run", "--disable-default-apps", "--disable-domain-reliability",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
]  # fmt: skip


class Lab(NamedTuple):
    """Where JupyterLab answers, what it opens first, and the folder that it serves."""

    url: str
    token: str
    opened: str
    root: Path


@contextmanager
def chromium() -> Iterator[Browser | None]:
    """Headless Chromium, the system's or Playwright's own; none where there is neither."""
    with sync_playwright() as playwright:
        found = shutil.which("chromium") or playwright.chromium.executable_path
        if not Path(found).exists():
            yield None
            return
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a static host of a folder."""
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    ) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def jupyterlab(folder: Path) -> Iterator[Lab]:
    """`vaelib lab` in a copy of the notebooks; only what a test needs is set: no window, a free port, commands from outside."""
    root, settings = folder / "lab", folder / "settings"
    settings.mkdir()
    shutil.copytree(
        notebooks.FOLDER,
        root / "notebooks",
        ignore=shutil.ignore_patterns(".ipynb_checkpoints", "reports"),
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = dict(open_browser=False, port=port, port_retries=0, allow_root=True)
    quiet = dict(
        expose_app_in_browser=True,
        news_url=None,
        check_for_updates_class="jupyterlab.NeverCheckForUpdate",
    )
    (settings / "jupyter_lab_config.json").write_text(
        json.dumps(dict(ServerApp=server, LabApp=quiet))
    )
    environment = os.environ | dict(
        JUPYTER_CONFIG_DIR=str(settings), JUPYTER_RUNTIME_DIR=str(settings / "runtime")
    )
    with (settings / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "vaelib.cli", "lab"],
            cwd=root,
            env=environment,
            stderr=log,
        )
    try:
        yield Lab(*answer(process, settings / "log"), root)
    finally:
        process.terminate()
        process.wait(20)


def answer(process: subprocess.Popen[bytes], log: Path) -> tuple[str, str, str]:
    """Where JupyterLab says that it is, its token, and what it opens first."""
    said, began = "", time.monotonic()
    while not (
        found := re.search(
            r"(http://127\.0\.0\.1:\d+)(/lab\S*)\?token=([0-9a-f]{48})", said
        )
    ):
        assert process.poll() is None, said
        assert time.monotonic() - began < 60, said
        time.sleep(0.1)
        said = log.read_text()
    return found[1], found[3], found[2]


def command(page: Page, name: str, **arguments: str) -> None:
    """Runs a command of JupyterLab, and waits for its end, if it ever tells."""
    script = """async ([name, given]) => {
        const done = jupyterapp.commands.execute(name, given);
        await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 2000))]);
    }"""
    page.evaluate(script, [name, arguments])


def run_new(page: Page, lab: Lab, name: str, *cells: str) -> None:
    """Makes a notebook of some cells, opens and runs it, and waits for the widget that it shows."""
    kernel = {
        "name": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    made = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    made.cells = [nbformat.v4.new_code_cell(text) for text in cells]
    nbformat.write(made, lab.root / "notebooks" / f"{name}.ipynb")
    page.set_viewport_size({"width": 1300, "height": 2200})
    page.goto(f"{lab.url}/lab/tree/notebooks/{name}.ipynb?reset&token={lab.token}")
    ready = f"""() => {{
        const shown = window.jupyterapp?.shell.currentWidget;
        return shown?.context?.path?.endsWith("{name}.ipynb") && shown.sessionContext?.session?.kernel?.status === "idle";
    }}"""
    page.wait_for_function(ready, timeout=60_000)
    command(page, "notebook:run-all-cells")
    page.locator(".vaelib").first.wait_for(timeout=60_000)
