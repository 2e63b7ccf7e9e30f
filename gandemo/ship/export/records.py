"""`exports/` in a checkpoint folder: the files, and `exports.json` with what was measured of each. No torch."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gandemo.errors import ExportError
from gandemo.figures import finite
from gandemo.ship.export.formats import FORMATS

FOLDER = "exports"
INDEX = "exports.json"
MAX_JSON_BYTES = 2**20
_adding = threading.Lock()
_FILE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,150}\.(tflite|onnx)$")


@dataclass(frozen=True)
class Export:
    """One file that a checkpoint became.

    Attributes:
        format: a key of `FORMATS`.
        file: its name in `exports/`.
        bytes: its size.
        sha256: of its content.
        weights: sha256 of the generator.safetensors that it was made from.
        parity: `inputs`, `max_error`, `mean_error`, `psnr`, `worst_psnr`: how far it is from PyTorch.
        latency: `runtime` and `torch` in milliseconds for one input, `threads`.
        machine: what kind of machine measured that.
        seconds: that making and checking it took.
        description: what the file says of itself: task, names, ranges, classes, licence.
    """

    format: str
    file: str
    bytes: int
    sha256: str
    weights: str
    parity: dict[str, float]
    latency: dict[str, float]
    machine: str
    seconds: float
    description: dict[str, Any] = field(default_factory=dict)


def of(checkpoint: Path) -> dict[str, Export]:
    """The exports of a checkpoint folder by format: those that are there and were made from its weights.

    What can't be read is left out: such a folder may come from somebody else.
    """
    folder = checkpoint / FOLDER
    found = {}
    for values in _read(folder / INDEX):
        one = _parse(values)
        if one is not None and _size(folder / one.file) == one.bytes and one.weights == fingerprint(checkpoint):
            found[one.format] = one
    return {name: found[name] for name in FORMATS if name in found}


def path_of(checkpoint: Path, one: Export) -> Path:
    """Where the file lies."""
    return checkpoint / FOLDER / one.file


def add(checkpoint: Path, one: Export) -> None:
    """Writes an export into `exports.json`, in the place of an earlier one of its format; stale ones go.

    Raises:
        ExportError: the folder can't be written.
    """
    folder = checkpoint / FOLDER
    with _adding:
        listed = [found for values in _read(folder / INDEX) if (found := _parse(values)) is not None]
        kept = {**of(checkpoint), one.format: one}
        text = json.dumps([asdict(kept[name]) for name in FORMATS if name in kept], indent=2) + "\n"
        with writing(folder / INDEX) as temporary:
            temporary.write_text(text, encoding="utf-8")
    # no others: one may belong to an export that is about to be listed
    for stale in {found.file for found in listed} - {found.file for found in kept.values()}:
        (folder / stale).unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A hidden sibling of the same ending to write into, which takes the place of `path` when all went well.

    Raises:
        ExportError: it can't be written.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{os.urandom(4).hex()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise ExportError(f"can't write {path}: {error.strerror}; free some space or choose another folder") from None
    finally:
        with suppress(OSError):  # what went wrong is told already; this would take its place
            temporary.unlink(missing_ok=True)


def fingerprint(checkpoint: Path) -> str:
    """The sha256 of a checkpoint's weights; empty where they can't be read."""
    path = checkpoint / "generator.safetensors"
    try:
        stat = path.stat()
    except OSError:
        return ""
    key = (path, stat.st_mtime_ns, stat.st_size)
    if key not in _fingerprints:
        if len(_fingerprints) > 256:
            _fingerprints.clear()
        _fingerprints[key] = sha256(path)
    return _fingerprints[key]


_fingerprints: dict[tuple[Path, int, int], str] = {}


def sha256(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() and not path.is_symlink() else -1


def _read(index: Path) -> list[Any]:
    try:
        if index.stat().st_size > MAX_JSON_BYTES:
            return []
        values = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return values if isinstance(values, list) else []


def _parse(values: Any) -> Export | None:
    try:
        one = Export(**values)
    except TypeError:
        return None
    texts = (one.format, one.file, one.sha256, one.weights, one.machine)
    if not all(isinstance(text, str) for text in texts) or one.format not in FORMATS or not _FILE.match(one.file):
        return None
    if not one.file.endswith(FORMATS[one.format].suffix) or not isinstance(one.description, dict):
        return None
    figures = [_figures(one.parity, "max_error", "mean_error", "psnr"), _figures(one.latency, "runtime", "torch")]
    return one if all(figures) and isinstance(one.bytes, int) else None


def _figures(values: Any, *wanted: str) -> bool:
    return isinstance(values, dict) and all(finite(values.get(name)) is not None for name in wanted)
