"""What the tab Ship does: exports, files for this device, a page to download, a code for a phone's camera.

Nothing from a browser names a file: a checkpoint is a name of the catalogue, a format a key of `FORMATS`.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from gandemo import checkpoint
from gandemo.errors import RequestError
from gandemo.pipeline import Pipeline
from gandemo.ship.export import card, formats, making, records, reference, web
from gandemo.ship.export.records import Export
from gandemo.ui import catalog, long_work
from gandemo.ui.digits_answers import class_of, whole
from gandemo.ui.long_work import Tell
from gandemo.ui.models import pipeline as loaded
from gandemo.ui.photo_files import PhotoFiles

LONGEST_URL = 300


def state(name: object) -> dict[str, Any]:
    """The exports of a checkpoint, with every figure, and what this machine can't make."""
    entry = catalog.find_any(name)
    exports = records.of(entry.path)
    why = {kind: reason for kind in formats.FORMATS if (reason := formats.missing(kind)) is not None}
    return {
        "checkpoint": entry.name,
        "rows": [_row(entry, one) for one in exports.values()],
        "can_run": entry.recipe.task in web.TASKS,
        "notes": sorted(set(why.values())),
        "machine": next((one.machine for one in exports.values()), ""),
    }


def _row(entry: catalog.Entry, one: Export) -> dict[str, Any]:
    chosen = formats.FORMATS[one.format]
    return {
        "format": one.format,
        "title": chosen.title,
        "file": one.file,
        "size": card.megabytes(one.bytes),
        "max_error": f"{one.parity['max_error']:.2g}",
        "mean_error": f"{one.parity['mean_error']:.2g}",
        "psnr": card.decibels(one.parity["psnr"]),
        "runtime": card.milliseconds(one.latency["runtime"]),
        "torch": card.milliseconds(one.latency["torch"]),
        "runs_here": chosen.suffix == ".tflite" and entry.recipe.task in web.TASKS,
    }


def _given(files: PhotoFiles, entry: catalog.Entry, one: Export) -> str:
    """A copy of an exported file where a browser may fetch it; the last few are kept."""
    path = _copies.get(one.sha256)
    try:
        if path is not None:
            os.utime(path)  # what is an hour old, Gradio deletes
    except OSError:
        path = None
    if path is None or not path.is_file():
        path = files.place(one.file)
        path.write_bytes(records.path_of(entry.path, one).read_bytes())
        while len(_copies) > 32:
            _copies.pop(next(iter(_copies)))
        _copies[one.sha256] = path
    return str(path)


_copies: dict[str, Any] = {}


def export(name: object, kind: object) -> Iterator[dict[str, Any]]:
    """Makes a file; yields how far it is, and at last what was measured of it."""
    entry = catalog.find_any(name)
    chosen = str(kind)
    formats.check(chosen)
    if (known := records.of(entry.path).get(chosen)) is not None:
        yield {"kind": "done", "text": f"{known.file} is there already, made from these very weights."}
        return
    source = checkpoint.load(entry.path)
    ticket = long_work.new_ticket()
    yield {"kind": "progress", "share": 0.0, "text": "Waiting for its turn", "ticket": ticket}

    def work(tell: Tell) -> Export:
        return making.export(source, chosen, tell=lambda stage: tell(stage.share, stage.text))

    for told in long_work.told(work, ticket):
        if isinstance(told, Export):
            yield {
                "kind": "done",
                "text": f"{told.file}: {card.megabytes(told.bytes)}, {card.decibels(told.parity['psnr'])} against "
                f"PyTorch on {told.parity['inputs']:.0f} real inputs, made in {told.seconds:.0f} s.",
            }
        else:
            yield {**told, "ticket": ticket}


def stop(request: object) -> None:
    """Ends an export, by its ticket."""
    if isinstance(request, Mapping):
        long_work.stop(long_work.ticket_of(request))


def device(files: PhotoFiles, request: object) -> dict[str, Any]:
    """What a browser needs to run an exported file: its address, what it says of itself, an example to compare with.

    The `ask` of the request is in the answer: by it the page knows one that came too late.
    """
    asked, entry, one = _asked(request)
    description = one.description
    shown = {
        "ask": _ask(asked),
        "checkpoint": entry.name,
        "format": one.format,
        "path": _given(files, entry, one),
        "description": description,
        "example": "",
        "expected": "",
    }
    if description["task"] != "digits":
        before, after = reference.example(loaded(entry.name, entry.recipe.task), int(description["size"]))
        shown |= {"example": catalog.inline(before), "expected": catalog.inline(after)}
    return shown


def file(files: PhotoFiles, request: object) -> dict[str, Any]:
    """An exported file to download: its path and its name."""
    _, entry, one = _exported(request)
    return {"path": _given(files, entry, one), "name": one.file}


def digits(request: object) -> dict[str, Any]:
    """The server's values of the digits that a browser has just made: float32, little-endian, base64."""
    if not isinstance(request, Mapping):
        raise RequestError("that is no request of this page")
    seed, count = whole(request.get("seed"), "the seed"), whole(request.get("count"), "the count")
    pipeline: Pipeline = loaded(request.get("checkpoint"), "digits")
    values = reference.digit_values(pipeline, seed, count, class_of(request.get("label")))
    return {"ask": _ask(request), "values": base64.b64encode(values.tobytes()).decode("ascii")}


def page(files: PhotoFiles, request: object) -> dict[str, Any]:
    """A page of static files made from an exported file: the path and the name of a zip."""
    _, entry, one = _asked(request)
    folder = re.sub(r"[^A-Za-z0-9._-]+", "-", entry.name)
    content = web.zipped(web.page(checkpoint.load(entry.path), one.format), folder)
    return {"path": files.keep(f"{folder}.zip", content), "name": f"{folder}.zip"}


def _exported(request: object) -> tuple[Mapping[str, Any], catalog.Entry, Export]:
    if not isinstance(request, Mapping):
        raise RequestError("that is no request of this page")
    entry = catalog.find_any(request.get("checkpoint"))
    found = records.of(entry.path).get(str(request.get("format")))
    if found is None:
        raise RequestError(f"this file of {entry.name} is there no more; export it again")
    return request, entry, found


def _asked(request: object) -> tuple[Mapping[str, Any], catalog.Entry, Export]:
    asked, entry, one = _exported(request)
    return asked, entry, web.browser_export(entry.path, one.format)


def _ask(request: Mapping[str, Any]) -> str:
    return str(request.get("ask"))[:40]


def code(request: object, shared: str | None, is_local: bool) -> dict[str, Any]:
    """The page's address as a QR code, where a phone can reach it."""
    import segno

    url = shared or (request.get("url") if isinstance(request, Mapping) else None)
    try:
        parts = urlsplit(url) if isinstance(url, str) and len(url) <= LONGEST_URL else None
    except ValueError:  # such as http://[
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise RequestError("that is no address of a page")
    if not shared and is_local:
        return {"png": "", "text": "Only this machine reaches the page. Start it with --share for a link to scan."}
    if not shared and parts.hostname in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::"):
        return {
            "png": "",
            "text": "Open the page by this machine's address in your network, and its code is here.",
        }
    address = f"{parts.scheme}://{parts.netloc}{parts.path}"
    image = segno.make(address, error="m").svg_data_uri(scale=5, border=2, dark="#15151c", light="#ffffff")
    return {"png": image, "text": address}
