"""What was decoded once, in a folder of its own below GANDEMO_HOME: whole or not there at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gandemo import places
from gandemo.data.archives import files_of
from gandemo.data.splits import csv_beside
from gandemo.data.whole import new_folder
from gandemo.errors import DataError

KEEP = 6  # of a kind; the longest unused ones go
ABANDONED = 3600.0  # seconds since the last write into an entry that was never finished


def entry(
    kind: str, version: str, source: Path, build: Callable[[Path], dict[str, Any]]
) -> tuple[Path, dict[str, Any]]:
    """The folder of what was decoded from a source, and its index; both made where they are not there yet.

    Args:
        kind: of what is kept.
        version: of how it is decoded.
        source: a folder or an archive; a change of its files, or of the csv beside it, makes a new entry.
        build: writes its files into a folder and returns the index.

    Raises:
        DataError: `build` refuses the source, the folder can't be written, or its index is damaged.
    """
    folder = _home() / f"{kind}-{stamp(source, version)}"
    if not (folder / "index.json").is_file():
        _make(folder, kind, build)
    with contextlib.suppress(OSError):
        os.utime(folder)  # it was used
    try:
        index: dict[str, Any] = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(folder, error) from None
    return folder, index


def damaged(folder: Path, reason: object) -> DataError:
    """What to say of an entry that can't be read."""
    return DataError(f"the decoded pictures in {folder} are damaged ({reason}); delete that folder")


def trim(most: int) -> None:
    """Drops the longest unused entries until the others take no more than that many bytes.

    Whoever reads one at the moment goes on with it, on systems where a file that is open can be deleted.
    """
    used: dict[Path, float] = {}
    for folder in _home().glob("[!.]*"):
        with contextlib.suppress(OSError):  # another process may have dropped it
            used[folder] = folder.stat().st_mtime
    left = 0
    for folder in sorted(used, key=lambda folder: -used[folder]):
        left += places.size(folder)
        if left > most:
            shutil.rmtree(folder, ignore_errors=True)


def _home() -> Path:
    return places.home().absolute() / "data" / "cache"


def stamp(source: Path, version: str = "") -> str:
    """Changes with the files: their names, sizes and times, and those of the csv."""
    digest = hashlib.sha256(f"{version} {source}".encode())
    for file in files_of(source) if source.is_dir() else filter(None, (source, csv_beside(source))):
        found = file.stat()
        digest.update(f"\n{file.name if source.is_file() else file.relative_to(source)}".encode(errors="replace"))
        digest.update(f" {found.st_size} {found.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _make(folder: Path, kind: str, build: Callable[[Path], dict[str, Any]]) -> None:
    try:
        with new_folder(folder) as temporary:
            index = build(temporary)
            (temporary / "index.json").write_text(json.dumps(index), encoding="utf-8")
    except OSError as error:
        if not (folder / "index.json").is_file():  # another process may have been quicker
            raise DataError(
                f"can't write the decoded pictures to {folder.parent} ({error.strerror}); free some space, or set "
                "GANDEMO_HOME to a folder that has it"
            ) from None
    _forget_unfinished(folder.parent)
    others = sorted(folder.parent.glob(f"{kind}-*"), key=lambda path: -path.stat().st_mtime)
    for old in [path for path in others if path != folder][KEEP - 1 :]:
        shutil.rmtree(old, ignore_errors=True)


def _forget_unfinished(home: Path) -> None:
    """What processes have left behind that were killed while they decoded."""
    for folder in home.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            written = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if time.time() - written > ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)
