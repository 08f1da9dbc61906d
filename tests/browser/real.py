"""A real JupyterLab, a static file server and a real Chromium without a network."""

from __future__ import annotations

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
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--no-first-run",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
]
# JavaScript: show all that predictions hold back.
UNFOLD = """() => document.querySelectorAll("details.held")
    .forEach((held) => { held.open = true; })"""
FOR_TESTS = ["--expose-app-in-browser"]  # commands from outside
# JavaScript: the text of each box whose content is wider than it.
TOO_WIDE = """(boxes) => boxes.filter((box) => box.scrollWidth > box.clientWidth + 1)
    .map((box) => box.textContent.trim().slice(0, 80))"""
ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)(/lab\S*)\?token=([0-9a-f]{48})")


class Lab(NamedTuple):
    """Address of JupyterLab, its token, the page it opens first, and its folder."""

    url: str
    token: str
    opened: str
    root: Path


@contextmanager
def chromium() -> Iterator[Browser | None]:
    """Yield a headless Chromium, or None if there is none on this machine."""
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


class QuietHandler(SimpleHTTPRequestHandler):
    """Handler that serves files and writes no log."""

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@contextmanager
def served(
    folder: Path, handler: type[SimpleHTTPRequestHandler] = QuietHandler
) -> Iterator[str]:
    """Serve a folder, and yield the address."""
    make = partial(handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), make) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def jupyterlab(folder: Path, *, is_plain: bool = False) -> Iterator[Lab]:
    """Run `vaelib lab` in a copy of the notebooks, for a user with no settings.

    `is_plain`: `jupyter lab` instead, with the extension that a wheel installs.
    """
    root, log = folder / "lab", folder / "log"
    unneeded = shutil.ignore_patterns(".ipynb_checkpoints", "reports")
    shutil.copytree(notebooks.FOLDER, root / "notebooks", ignore=unneeded)
    shutil.copy(ROOT / "pyproject.toml", root)  # says how pairs are written

    # A notebook that was trusted once is known for ever, in the folder of data.
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA")}
    environment = os.environ | own
    program = ["vaelib.cli", "lab"]
    if is_plain:
        program = ["jupyterlab", "--allow-root"]
        environment["JUPYTER_PATH"] = str(ROOT / "vaelib/lab")
    command = [sys.executable, "-m", *program, "--no-browser", *FOR_TESTS]
    command += ["--port", str(free_port())]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, cwd=root, env=environment, stderr=stderr)
    try:
        yield Lab(*wait_for_address(process, log), root)
    finally:
        stop(process, log)


def stop(process: subprocess.Popen[bytes], log: Path) -> None:
    """Ask JupyterLab to end. Kill it, and show its log, if it does not in 20 s."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)
        raise AssertionError("JupyterLab did not end:\n" + log.read_text()) from None


def free_port() -> int:
    """Return a port that no process uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def wait_for_address(
    process: subprocess.Popen[bytes], log: Path
) -> tuple[str, str, str]:
    """Return address, token and first page of JupyterLab, as its log shows them."""
    text, start = "", time.monotonic()
    while not (found := ADDRESS.search(text)):
        assert process.poll() is None, f"JupyterLab has ended:\n{text}"
        assert time.monotonic() - start < 60, f"no address after 60 s:\n{text}"
        time.sleep(0.1)
        text = log.read_text()
    url, opened, token = found.groups()
    return url, token, opened


def command(page: Page, name: str, **arguments: str) -> None:
    """Execute a command of JupyterLab, and wait at most 2 seconds for its end."""
    script = """async ([name, given]) => {
        const done = jupyterapp.commands.execute(name, given);
        await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 2000))]);
    }"""
    page.evaluate(script, [name, arguments])


def open_notebook(page: Page, lab: Lab, name: str) -> None:
    """Open a notebook, and wait until commands reach it and its kernel is idle."""
    page.goto(f"{lab.url}/lab/tree/notebooks/{name}.ipynb?reset&token={lab.token}")
    is_ready = f"""() => {{
        const shown = window.jupyterapp?.shell.currentWidget;
        const kernel = shown?.sessionContext?.session?.kernel;
        const isOpen = shown?.context?.path?.endsWith("{name}.ipynb");
        return isOpen && kernel?.status === "idle";
    }}"""
    page.wait_for_function(is_ready, timeout=60_000)


def run_new(page: Page, lab: Lab, name: str, *cells: str) -> None:
    """Create, open and run a notebook, and wait for the widget that it shows."""
    kernel = {
        "name": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    notebook.cells = [nbformat.v4.new_code_cell(text) for text in cells]
    nbformat.write(notebook, lab.root / "notebooks" / f"{name}.ipynb")

    page.set_viewport_size({"width": 1300, "height": 2200})
    open_notebook(page, lab, name)
    command(page, "notebook:run-all-cells")
    page.locator(".vaelib").first.wait_for(timeout=60_000)


def add_axe(page: Page) -> None:
    """Load axe, which finds barriers for users with disabilities."""
    page.add_script_tag(path=AXE)


def check_layout(page: Page, width: int, ignored: tuple[str, ...]) -> None:
    """Check that each widget fits into a window, and that axe finds nothing.

    `ignored` are impacts of axe: "minor", "moderate", "serious", "critical".
    """
    page.set_viewport_size({"width": width, "height": 2600})
    page.wait_for_timeout(400)
    for widget in page.locator(".vaelib").all():
        assert widget.evaluate("w => w.scrollWidth <= w.clientWidth + 1"), width
    found = page.evaluate("axe.run('.vaelib', {resultTypes: ['violations']})")
    violations = [
        (violation["id"], [node["html"][:200] for node in violation["nodes"]])
        for violation in found["violations"]
        if violation["impact"] not in ignored
    ]
    assert violations == []
