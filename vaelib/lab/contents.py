"""The notebooks of the course in JupyterLab: what is only read is not changed."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

from ipykernel.ipkernel import IPythonKernel
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
# What notebooks say of their language, the same for every version of Python
STORED = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}


class CourseContents(AsyncLargeFileManager):
    """Contents manager for which a notebook that was only opened stays as it was.

    JupyterLab writes what the kernel says of its language into each notebook that it
    opens. Where the file says something else, the notebook counts as changed at once.
    When it saves, it forgets the state of all widgets that have no kernel any more.
    """

    async def get(self, path: str, *given: Any, **options: Any) -> Any:
        """Return a file; a Python notebook says what its kernel will say."""
        model = await super().get(path, *given, **options)
        if is_python(model):
            language = dict(IPythonKernel.language_info)
            model["content"]["metadata"]["language_info"] = language
        return model

    async def save(self, model: dict[str, Any], path: str = "") -> Any:
        """Write a file; a Python notebook keeps the state of the widgets it shows."""
        if is_python(model):
            notebook = model["content"]
            notebook["metadata"]["language_info"] = STORED
            notebook["metadata"].get("jupytext", {}).pop("default_lexer", None)
            if STATE in notebook["metadata"].get("widgets", {}):
                with suppress(HTTPError):  # a new file
                    before = await super().get(path, type="notebook")
                    keep_widgets(notebook, stored_widgets(before["content"]))
        return await super().save(model, path)


def is_python(model: dict[str, Any]) -> bool:
    """Return whether a file with its content is a notebook in Python."""
    if model.get("type") != "notebook" or not model.get("content"):
        return False
    metadata = model["content"]["metadata"]
    return metadata.get("language_info", {}).get("name") == "python"


def keep_widgets(notebook: Any, before: dict[str, Any]) -> None:
    """Add the states of the widgets that a notebook shows, where it has none."""
    models = stored_widgets(notebook)
    for name in shown_widgets(notebook["cells"], before):
        models.setdefault(name, before[name])


def stored_widgets(notebook: Any) -> dict[str, Any]:
    """Return the stored models of widgets, by their ids."""
    return notebook["metadata"].get("widgets", {}).get(STATE, {}).get("state", {})


def shown_widgets(cells: list[Any], models: dict[str, Any]) -> set[str]:
    """Return the ids of the widgets that some cells show.

    A widget is shown by the view of a cell, or by another widget that is shown.
    """
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    views = [out.get("data", {}).get(VIEW) for out in outputs]
    shown, waiting = set(), [view["model_id"] for view in views if view]
    while waiting:
        name = waiting.pop()
        if name not in shown and name in models:
            shown.add(name)
            state = json.dumps(models[name]["state"])
            waiting += re.findall(r"IPY_MODEL_(\w+)", state)
    return shown
