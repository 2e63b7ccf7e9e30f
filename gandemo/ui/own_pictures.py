"""Somebody's own pictures for a training: sent as an archive, named on the Hub or by their path; checked, and shown.

A browser knows what it sent by a name made from the content, never by a path of this machine.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gandemo.data import cache, datasets, own
from gandemo.errors import DataError, RequestError
from gandemo.recipe import Recipe
from gandemo.training import preview
from gandemo.ui import access, catalog, hub_pictures, photo_files

if TYPE_CHECKING:
    from gandemo.ship.hub import Pictures

PREFIX = "own/"
HUB = "hub/"
_NAME = re.compile(r"^own/([0-9a-f]{16}(?:\.[a-z]+){1,2})$")
_ON_HUB = re.compile(r"^hub/([A-Za-z0-9_][\w.-]{1,96}--[0-9a-f]{16})$", re.ASCII)
_GONE = "these pictures are no longer here; send them again"
_checking = threading.Lock()  # one at a time: it takes a whole core


def dataset(name: object, recipe: Recipe) -> str:
    """A data set as the page names it: a known one, what a browser has sent or found on the Hub, or, here, a path.

    Raises:
        GanDemoError: there is no such thing, or it may not be named here.
    """
    text = str(name)
    if text in datasets.DATASETS:
        return text
    if match := _NAME.match(text):
        path = own.kept_home() / match[1]
        if not path.is_file():
            raise RequestError(_GONE)
        return datasets.named(str(path), recipe.task)
    if match := _ON_HUB.match(text):
        path = own.pulled_home() / match[1]
        if not path.is_dir():
            raise RequestError(_GONE)
        return datasets.named(str(path), recipe.task)
    if not access.is_local():
        raise RequestError(f"there is no data set {text[:60]!r}; choose one of the list, or send a zip")
    return datasets.named(text, recipe.task)


def check(asked: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Reads all of somebody's pictures, and shows what a recipe makes of them.

    Args:
        asked: {"sent": the path that an upload was given, "name": of the file}, {"hub": a data set there} or {"folder":
            a path on this machine}.
        recipe: that is to be trained on them.

    Returns:
        {"name", "title", "report", "preview": data URL}; of a data set that is on its way here, {"fetching": {"done",
        "total", "seconds"}}.

    Raises:
        GanDemoError: nothing can be used, or it may not be read here.
    """
    remarks: tuple[str, ...] = ()
    if asked.get("sent"):
        file = photo_files.sent(asked["sent"], gone=_GONE)
        if access.is_public():
            _check_size(file)
            access.check_room(own.kept_home())
        name, title = PREFIX + own.keep(file, str(asked.get("name"))).name, str(asked.get("name"))[:120]
    elif asked.get("hub"):
        found = hub_pictures.look(asked["hub"])
        if isinstance(found, dict):
            return {"fetching": found}
        name, title, remarks = HUB + found.path.name, str(found.source), _of_hub(found)
    else:
        name = str(asked.get("folder") or "").strip()
        if not access.is_local():
            raise RequestError("folders of this machine can't be read from elsewhere; send a zip")
        if not name:
            raise RequestError("name a folder, a zip or a tar of pictures on this machine")
        title = Path(name).name
    with _checking:
        if access.is_public():
            cache.trim(access.BOUNDS.disk)
        data = dataset(name, recipe)
        report = own.check(data, recipe)
        sheet = preview.preview(recipe, data)
    return {
        "name": name,
        "title": title,
        "report": {**asdict(report), "data": title, "remarks": [*remarks, *report.remarks]},
        "preview": catalog.data_url(sheet),
    }


def _of_hub(found: Pictures) -> tuple[str, ...]:
    """What is worth knowing of how pictures came here."""
    remarks = []
    if found.cached:
        remarks.append(f"The Hub can't be reached; these were here already, of commit {found.commit[:7]}.")
    if found.left_out:
        more = len(found.left_out) - 1
        others = f" and {more:,} more" if more else ""
        remarks.append(f"{found.left_out[0]}{others} there: too large for a picture, and not fetched.")
    return tuple(remarks)


def title_of(name: str) -> str:
    """What a data set of somebody's own is called: nothing of where it lies."""
    path = Path(name.removeprefix(datasets.CLASSES))
    if path.parent == own.pulled_home():
        return path.name.rpartition("--")[0].replace("--", "/", 1)
    return "own pictures" if _is_kept(name) else path.name


def name_of(name: str) -> str:
    """A recipe's data set as the page names it: the inverse of `dataset`, but for the owner's paths elsewhere."""
    if name in datasets.DATASETS:
        return name
    path = Path(name.removeprefix(datasets.CLASSES))
    if path.parent == own.pulled_home():
        return HUB + path.name
    if _is_kept(name):
        return PREFIX + path.name
    return str(path) if access.is_local() else path.name  # where it lies is nobody's business


def _is_kept(name: str) -> bool:
    return Path(name.removeprefix(datasets.CLASSES)).parent == own.kept_home()


def _check_size(file: Path) -> None:
    most = access.BOUNDS.upload
    if file.stat().st_size > most:
        raise DataError(f"a file may have {most / 1e6:.0f} MB on a public server; send fewer or smaller pictures")
