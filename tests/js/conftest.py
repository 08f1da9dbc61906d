"""Node, which runs the JavaScript modules."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vaelib.widgets import frontend

# `make` installs node beside Python.
NODE = next(iter(Path(sys.executable).parent.glob("node*")), "node")
Node = Callable[..., str]
Engine = Callable[..., Any]
ENGINE = Path(frontend.__file__).parent / "js/engine"

# A BigInt becomes text, a typed array a list, and a DataView base64.
SCRIPT = """
    import { readFileSync } from "node:fs";
    const given = JSON.parse(readFileSync(0, "utf8"));
    const modules = await Promise.all(given.modules.map((uri) => import(uri)));
    const engine = Object.assign({}, ...modules);
    const base64 = ({ buffer, byteOffset, byteLength }) =>
        Buffer.from(buffer, byteOffset, byteLength).toString("base64");
    const plain = (key, value) =>
        typeof value === "bigint" ? String(value)
        : value instanceof DataView ? base64(value)
        : ArrayBuffer.isView(value) ? [...value] : value;
    const run = new Function("engine", "given", given.code);
    const found = await run(engine, given.values);
    process.stdout.write(JSON.stringify(found, plain));
"""


@pytest.fixture(scope="session")
def node() -> Node:
    """Return a function that runs node and returns its standard output."""

    def run(*arguments: object, text: str = "") -> str:
        done = subprocess.run(
            [str(NODE), *map(str, arguments)],
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def engine(node: Node) -> Engine:
    """Return a function that runs code with modules of engine/, and returns its result.

    The code is the body of a function of `engine`, all that the modules export, and
    `given`, the keywords of the call.
    """

    def run(code: str, *modules: str, **given: Any) -> Any:
        uris = [(ENGINE / f"{name}.js").as_uri() for name in modules]
        text = json.dumps(dict(code=code, modules=uris, values=given))
        return json.loads(node("--input-type=module", "--eval", SCRIPT, text=text))

    return run
