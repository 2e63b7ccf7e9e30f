"""Somebody's own pictures for a training: sent as an archive or named by their path, checked, and shown as they are.

A browser knows what it sent by a name made from the content, never by a path of this machine.
"""

from __future__ import annotations

import base64
import io
import re
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from gandemo.data import datasets, own
from gandemo.errors import DataError, RequestError
from gandemo.recipe import Recipe
from gandemo.training import preview, runs
from gandemo.ui import access

PREFIX = "own/"
_NAME = re.compile(r"^own/([0-9a-f]{16}(?:\.[a-z]+){1,2})$")
_GONE = "these pictures are no longer here; send them again"
_checking = threading.Lock()  # one at a time: it takes a whole core


def dataset(name: object, recipe: Recipe) -> str:
    """A data set as the page names it, for a recipe: a known one, what a browser has sent, or, on this machine, a path.

    Raises:
        GanDemoError: there is no such thing, or it may not be named here.
    """
    text = str(name)
    if text in datasets.DATASETS:
        return text
    if match := _NAME.match(text):
        path = _home() / match[1]
        if not path.is_file():
            raise RequestError(_GONE)
        return datasets.named(str(path), recipe.task)
    if not access.is_local():
        raise RequestError(f"there is no data set {text[:60]!r}; choose one of the list, or send a zip")
    return datasets.named(text, recipe.task)


def check(asked: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Reads all of somebody's pictures, and shows what a recipe makes of them.

    Args:
        asked: {"sent": the path that an upload was given, "name": of the file} or {"folder": a path on this machine}.
        recipe: that is to be trained on them.

    Returns:
        {"name", "title", "report", "preview": data URL}.

    Raises:
        GanDemoError: nothing can be used, or it may not be read here.
    """
    if asked.get("sent"):
        file = _sent(asked["sent"])
        if access.is_public():
            _check_room(file)
        name, title = PREFIX + own.keep(file, str(asked.get("name"))).name, str(asked.get("name"))[:120]
    else:
        name = str(asked.get("folder") or "").strip()
        if not access.is_local():
            raise RequestError("folders of this machine can't be read from elsewhere; send a zip")
        if not name:
            raise RequestError("name a folder, a zip or a tar of pictures on this machine")
        title = Path(name).name
    with _checking:
        data = dataset(name, recipe)
        report = own.check(data, recipe)
        sheet = preview.preview(recipe, data)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return {
        "name": name,
        "title": title,
        "report": {**asdict(report), "data": title},
        "preview": "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"),
    }


def title_of(name: str) -> str:
    """What a data set of somebody's own is called: nothing of where it lies."""
    return "own pictures" if _is_kept(name) else Path(name).name


def name_of(name: str) -> str:
    """A recipe's data set as the page names it: the inverse of `dataset`."""
    if name in datasets.DATASETS:
        return name
    return PREFIX + Path(name).name if _is_kept(name) else name.removeprefix(datasets.CLASSES)


def _is_kept(name: str) -> bool:
    return Path(name.removeprefix(datasets.CLASSES)).parent == _home()


def _home() -> Path:
    return datasets.data_home().absolute() / "own"


def _sent(path: object) -> Path:
    """A file that somebody has sent through the page."""
    try:
        found = Path(str(path)).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise RequestError(_GONE) from None
    if not found.is_file() or not found.is_relative_to(Path(get_upload_folder()).resolve()):
        raise RequestError(_GONE)
    return found


def _check_room(file: Path) -> None:
    most = access.BOUNDS.upload
    if file.stat().st_size > most:
        raise DataError(f"a file may have {most / 1e6:.0f} MB on a public server; send fewer or smaller pictures")
    if runs.size(_home()) > access.BOUNDS.disk:
        raise DataError("the server has no room for more pictures; run gandemo on your own machine")
