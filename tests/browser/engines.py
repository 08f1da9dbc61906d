"""Firefox and WebKit, the engine of Safari, as a Linux distribution installs them.

Playwright drives only its own builds of them, and Debian has no driver for Firefox. So
each is driven by the W3C protocol that it speaks itself: WebDriver BiDi and WebDriver.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import websocket
from real import QuietHandler, free_port

MINIBROWSER = next(Path("/usr/lib").glob("*/webkit*/MiniBrowser"), None)
# The first script of a page: it records errors, of which WebKit's driver reports none.
# Firefox fetches the next page in advance, and may give that up.
RECORDER = b"""<head><script>
    window.errors = [];
    addEventListener("error", ({ message, target }) => {
        if (target.rel !== "next")
            errors.push(message ?? `not loaded: ${target.src ?? target.href}`);
    }, true);
    addEventListener("unhandledrejection", ({ reason }) => errors.push(`${reason}`));
    console.error = (...parts) => errors.push(parts.join(" "));
</script>"""


class Engine(Protocol):
    """One window of a browser."""

    def open(self, url: str) -> None:
        """Open a page and wait until it has loaded."""
        ...

    def resize(self, width: int, height: int) -> None:
        """Set the size of the page."""
        ...

    def run(self, script: str) -> Any:
        """Run the body of an async function in the page, and return its result."""
        ...

    def drag(self, *points: tuple[float, float]) -> None:
        """Press the mouse at the first point, and release it at the last."""
        ...

    def errors(self) -> list[str]:
        """Return the error messages of the page that is open."""
        ...


class Firefox:
    """Firefox over WebDriver BiDi."""

    def __init__(self, port: int) -> None:
        url = f"ws://127.0.0.1:{port}/session"
        self.socket = websocket.create_connection(url, 60, suppress_origin=True)
        self.calls = 0
        self.log: list[dict[str, Any]] = []
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded"])
        [window] = self.call("browsingContext.getTree")["contexts"]
        self.window = window["context"]

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method, and keep what is logged before its result comes."""
        self.calls += 1
        call = dict(id=self.calls, method=method, params=parameters)
        self.socket.send(json.dumps(call))
        while (answer := json.loads(self.socket.recv())).get("id") != self.calls:
            self.log.append(answer["params"])
        assert answer["type"] == "success", answer
        return answer["result"]

    def open(self, url: str) -> None:
        """Open a page and wait until it has loaded."""
        self.log.clear()
        where = dict(context=self.window, url=url, wait="complete")
        self.call("browsingContext.navigate", **where)

    def resize(self, width: int, height: int) -> None:
        """Set the size of the page."""
        size = dict(width=width, height=height)
        self.call("browsingContext.setViewport", context=self.window, viewport=size)

    def run(self, script: str) -> Any:
        """Run the body of an async function in the page, and return its result."""
        code = f"(async () => {{ {script} }})().then((v) => JSON.stringify(v ?? null))"
        where = dict(target=dict(context=self.window), awaitPromise=True)
        done = self.call("script.evaluate", expression=code, **where)
        assert done["type"] == "success", done["exceptionDetails"]["text"]
        return json.loads(done["result"]["value"])

    def drag(self, *points: tuple[float, float]) -> None:
        """Press the mouse at the first point, and release it at the last."""
        actions = mouse(points)
        self.call("input.performActions", context=self.window, actions=actions)

    def errors(self) -> list[str]:
        """Return the error messages of the page that is open.

        Of a formula of which a part has not arrived yet Firefox says that its markup is
        invalid.
        """
        recorded = self.run("return window.errors")
        logged = [line["text"] for line in self.log if line["level"] == "error"]
        return recorded + [text for text in logged if "Invalid markup" not in text]


class WebKit:
    """WebKit over WebDriver."""

    def __init__(self, port: int) -> None:
        self.server = HTTPConnection("127.0.0.1", port, timeout=60)
        self.session = "/session"
        popups = "--features=+JavaScriptCanOpenWindowsAutomatically"
        options = dict(binary=str(MINIBROWSER), args=["--automation", popups])
        always = {"webkitgtk:browserOptions": options}
        made = self.call("POST", "", capabilities=dict(alwaysMatch=always))
        self.session += f"/{made['sessionId']}"
        # A first window is wider than a phone, because of its buttons.
        self.run("open('about:blank', '', 'popup')")
        [first, window] = self.call("GET", "/window/handles")
        if window == self.call("GET", "/window"):
            window = first
        self.call("POST", "/window", handle=window)

    def call(self, method: str, path: str, **parameters: object) -> Any:
        """Call a method, and return its result."""
        body = json.dumps(parameters) if method == "POST" else None
        self.server.request(method, self.session + path, body)
        answer = self.server.getresponse()
        value = json.load(answer)["value"]
        assert answer.status == 200, value
        return value

    def open(self, url: str) -> None:
        """Open a page and wait until it has loaded."""
        self.call("POST", "/url", url=url)

    def resize(self, width: int, height: int) -> None:
        """Set the size of the page."""
        self.call("POST", "/window/rect", x=0, y=0, width=width, height=height)

    def run(self, script: str) -> Any:
        """Run the body of an async function in the page, and return its result."""
        code = f"return (async () => {{ {script} }})()"
        return self.call("POST", "/execute/sync", script=code, args=[])

    def drag(self, *points: tuple[float, float]) -> None:
        """Press the mouse at the first point, and release it at the last."""
        self.call("POST", "/actions", actions=mouse(points))

    def errors(self) -> list[str]:
        """Return the error messages of the page that is open."""
        return self.run("return window.errors")


def mouse(points: tuple[tuple[float, float], ...]) -> list[dict[str, object]]:
    """Return the actions of a mouse that is pressed on its way along these points."""
    moves = [dict(type="pointerMove", x=round(x), y=round(y)) for x, y in points]
    press = [dict(type=f"pointer{name}", button=0) for name in ("Down", "Up")]
    actions = [moves[0], press[0], *moves[1:], press[1]]
    return [dict(type="pointer", id="mouse", actions=actions)]


class Recording(QuietHandler):
    """Handler that begins each page with the recorder of its errors."""

    def send_head(self) -> Any:
        """Return the content of a file, and send what comes before it."""
        path = Path(self.translate_path(self.path))
        if path.suffix != ".html":
            return super().send_head()
        page = path.read_bytes().replace(b"<head>", RECORDER, 1)
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        return BytesIO(page)


@contextmanager
def running(*command: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a program with these options of Popen, and end it."""
    quiet: dict[str, Any] = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with subprocess.Popen(command, **quiet | options) as process:
        try:
            yield process
        finally:
            process.terminate()


def wait_for(port: int) -> None:
    """Wait until a program answers at a port."""
    for _ in range(600):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nothing answers at port {port} after 60 s")


@contextmanager
def firefox(profile: Path) -> Iterator[Engine | None]:
    """Yield a headless Firefox with a new profile, or None if there is none."""
    found = shutil.which("firefox-esr") or shutil.which("firefox")
    if not found:
        yield None
        return
    port = free_port()
    flags = ["--headless", "--no-remote", f"--remote-debugging-port={port}"]
    with running(found, *flags, "--profile", str(profile)):
        wait_for(port)
        yield Firefox(port)


@contextmanager
def webkit(profile: Path) -> Iterator[Engine | None]:
    """Yield a WebKit on a screen in memory, or None if a part of it is missing."""
    driver = shutil.which("WebKitWebDriver")
    if not (driver and shutil.which("Xvfb") and MINIBROWSER):
        yield None
        return
    port = free_port()
    screen = ["Xvfb", "-screen", "0", "2000x1500x24", "-displayfd", "1"]
    with running(*screen, stdout=subprocess.PIPE, text=True) as shown:
        assert shown.stdout
        display = f":{shown.stdout.readline().strip()}"
        # The second: drawn without OpenGL, which is slow without a GPU.
        settings = dict(DISPLAY=display, WEBKIT_DISABLE_COMPOSITING_MODE="1")
        with running(driver, f"--port={port}", env=os.environ | settings):
            wait_for(port)
            engine = WebKit(port)
            try:
                yield engine
            finally:
                engine.call("DELETE", "")
