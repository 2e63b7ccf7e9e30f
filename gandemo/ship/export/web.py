"""A checkpoint as a page of static files: works from any static host, on a phone, and after a visit without network."""

from __future__ import annotations

import hashlib
import html
import io
import json
import shutil
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from string import Template

from gandemo.checkpoint import Checkpoint
from gandemo.errors import ExportError, RequestError
from gandemo.ship.export import records
from gandemo.ship.export.making import SMALL
from gandemo.ship.export.records import Export

RUNTIME = Path(__file__).resolve().parents[2] / "ui" / "page" / "litert"
TEMPLATES = Path(__file__).parent / "templates"
TASKS = ("digits", "colorize", "enhance")
# Half precision comes last: a browser unpacks it at every run.
FOR_BROWSERS = ("int8", "fp32", "fp16")
_TITLES = {"digits": "digits from noise", "colorize": "colour for black-and-white photos", "enhance": "sharper photos"}


def browser_export(checkpoint: Path, kind: str | None = None) -> Export:
    """The exported file that a browser should run.

    Args:
        checkpoint: the folder.
        kind: a format, if a certain one is wanted.

    Raises:
        RequestError: there is none, or the task has no page.
    """
    exports = records.of(checkpoint)
    wanted = FOR_BROWSERS if kind is None else (kind,)
    found = next((exports[name] for name in wanted if name in exports and name in FOR_BROWSERS), None)
    if kind is None and "fp32" in exports and exports["fp32"].bytes <= SMALL:
        found = exports["fp32"]
    if found is None:
        raise RequestError(f"there is no TFLite file of {checkpoint.name} yet; export one first: int8 suits browsers")
    if found.description.get("task") not in TASKS:
        raise RequestError(
            f"only {', '.join(TASKS)} have a page; {checkpoint.name} is for {found.description.get('task')}"
        )
    return found


def write(source: Checkpoint, target: Path, kind: str | None = None) -> Path:
    """Writes the page into a new folder, or into a .zip.

    Raises:
        RequestError: there is no export that a browser could run, or the folder exists.
        ExportError: it can't be written.
    """
    files = page(source, kind)
    if target.suffix == ".zip":
        with records.writing(target) as temporary:
            temporary.write_bytes(zipped(files, target.stem))
        return target
    if target.exists():
        raise RequestError(f"{target} exists; name a new folder or a .zip")
    try:
        for name, content in files.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, path)
            else:
                path.write_bytes(content)
    except OSError as error:
        raise ExportError(f"can't write {target}: {error.strerror}; free some space or choose another folder") from None
    return target / "index.html"


def zipped(files: Mapping[str, bytes | Path], folder: str) -> bytes:
    """The page as a zip with one folder in it; the same export gives the same bytes."""
    # Unpacked files keep this date, and hosts and browsers know a new version of the page by it.
    newest = max(path.stat().st_mtime for path in files.values() if isinstance(path, Path))
    date = max(time.gmtime(newest)[:6], (1980, 1, 1, 0, 0, 0))  # the first that a zip can tell
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", date)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content.read_bytes() if isinstance(content, Path) else content)
    return buffer.getvalue()


def page(source: Checkpoint, kind: str | None = None) -> dict[str, bytes | Path]:
    """Every file of the page by its path: content, or where to copy it from.

    Raises:
        RequestError: there is no export that a browser could run.
    """
    from gandemo.pipeline import Pipeline
    from gandemo.ship.export import reference

    chosen = browser_export(source.path, kind)
    description = chosen.description
    pipeline = Pipeline(source)
    files: dict[str, bytes | Path] = {
        f"litert/{path.name}": path for path in sorted(RUNTIME.iterdir()) if not path.name.startswith(".")
    }
    files["model.tflite"] = records.path_of(source.path, chosen)
    files["model.json"] = _json({**description, "parity": chosen.parity, "bytes": chosen.bytes})
    if description["task"] == "digits":
        files["expected.bin"] = reference.digit_values(pipeline, 0, 20).tobytes()
    else:
        files["example.png"], files["expected.png"] = reference.example(pipeline, description["size"])
    title = f"{description['name']}: {_TITLES[description['task']]}"
    texts = {
        "title": title,
        "name": str(description["name"]),
        "about": str(description["description"]),
        "licence": str(description["licence"]),
        "data": f"{description['data']}; licence of the data: {description['data_licence']}",
    }
    escaped = {name: html.escape(text) for name, text in texts.items()}
    for name, values in (("index.html", escaped), ("README.txt", texts)):
        files[name] = Template((TEMPLATES / "web" / name).read_text(encoding="utf-8")).substitute(values).encode()
    for name in ("start.js", "page.css"):
        files[name] = TEMPLATES / "web" / name
    files["icon.svg"] = RUNTIME.parent / "icon.svg"
    files["manifest.webmanifest"] = _json(
        {
            "name": title,
            "short_name": description["name"],
            "start_url": ".",
            "display": "standalone",
            "background_color": "#faf8f4",
            "theme_color": "#c2410c",
            "icons": [{"src": "icon.svg", "sizes": "any", "type": "image/svg+xml"}],
        }
    )
    kept = [name for name in files if not name.endswith((".md", ".txt", "LICENSE"))]
    worker = (TEMPLATES / "web" / "sw.js").read_text(encoding="utf-8")
    files["sw.js"] = worker.replace("__VERSION__", _version(files)).replace("__FILES__", json.dumps(kept)).encode()
    return files


def _json(values: object) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()


def _version(files: Mapping[str, bytes | Path]) -> str:
    digest = hashlib.sha256()
    for content in files.values():
        digest.update(content.read_bytes() if isinstance(content, Path) else content)
    return digest.hexdigest()[:12]
