"""An export from beginning to end: made and checked by a child process, recorded, told in the card."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gandemo.checkpoint import Checkpoint, load
from gandemo.errors import ExportError, ParityError
from gandemo.ship.export import card, formats, process, records
from gandemo.ship.export.records import Export

MOST_THREADS = 4
SMALL = 4_000_000  # bytes; up to there a browser takes the exact file
Tell = process.Tell


def export(
    source: Checkpoint,
    kind: str,
    *,
    size: int | None = None,
    threads: int | None = None,
    tell: Tell = lambda stage: None,
    should_stop: Callable[[], bool] = lambda: False,
    seconds: float = process.SECONDS,
    memory_gb: float = process.MEMORY_GB,
) -> Export:
    """Makes a file of a checkpoint, checks it, and lays it into the checkpoint's `exports/`.

    Args:
        source: the checkpoint.
        kind: a key of `FORMATS`.
        size: side of the pictures, for photo tasks; None: the task's own.
        threads: for PyTorch and for the file; None: all, up to four.
        tell: called with every stage.
        should_stop: asked now and then; True ends it.
        seconds: the most it may take.
        memory_gb: the most memory it may hold.

    Raises:
        RequestError: there is no such format, this machine lacks what makes it, or the size is no good.
        ExportError: the file can't be made or written, or it is not faithful; nothing of it stays.
    """
    chosen = formats.check(kind)
    weights = records.fingerprint(source.path)
    folder = source.path / records.FOLDER
    mark = "" if chosen.suffix == f".{kind}" else f"-{kind}"
    file = f"{_stem(source.name)}{mark}{chosen.suffix}"
    _sweep(folder)
    with records.writing(folder / file) as temporary:
        order = {
            "checkpoint": str(source.path.absolute()),
            "name": source.name,
            "format": kind,
            "file": str(temporary.absolute()),
            "size": size,
            "threads": threads or min(os.cpu_count() or 1, MOST_THREADS),
        }
        try:
            found = process.run(order, tell, seconds=seconds, memory_gb=memory_gb, should_stop=should_stop)
        finally:
            temporary.with_suffix(".whole").unlink(missing_ok=True)
        if records.fingerprint(source.path) != weights:
            raise ExportError(f"{source.name} was changed while it was exported; export it again")
        made = Export(
            format=kind,
            file=file,
            bytes=temporary.stat().st_size,
            sha256=records.sha256(temporary),
            weights=weights,
            parity=found["parity"],
            latency=found["latency"],
            machine=_machine(),
            seconds=found["seconds"],
            description=found["description"],
        )
    records.add(source.path, made)
    describe(source)
    return made


def for_browsers(
    source: Checkpoint, *, size: int | None = None, tell: Callable[[str], Tell], refused: Callable[[str], None]
) -> list[Export]:
    """The files that a page needs: 8 bits, and the exact one where it is small or where 8 bits are not faithful.

    Args:
        source: the checkpoint.
        size: as for `export`.
        tell: what to call with the stages of each format.
        refused: hears why 8 bits are not faithful, where they are not.

    Raises:
        RequestError: as for `export`.
        ExportError: as for `export`.
    """
    made = []
    try:
        made.append(export(source, "int8", size=size, tell=tell("int8")))
    except ParityError as error:  # then the exact one serves
        refused(error.sentence)
    if not made or 4 * made[0].bytes <= SMALL:
        made.append(export(source, "fp32", size=size, tell=tell("fp32")))
    return made


def describe(source: Checkpoint) -> None:
    """Writes what accompanies the files: README and Android code beside them, and the card's section.

    Raises:
        ExportError: something can't be written.
    """
    from gandemo.ship.export import android

    exports = records.of(source.path)
    android.write(source.path / records.FOLDER, exports)
    card.write(source.path / "README.md", exports)


def take_over(old: Path, new: Path) -> None:
    """Copies the exports of a checkpoint folder into the one that is about to take its place, if the weights are equal.

    Args:
        old: the folder as it was; it may be missing.
        new: it has its weights, recipe and card already.

    Raises:
        OSError: something can't be written.
        ExportError: as for `describe`.
    """
    if records.of(old) and records.fingerprint(old) == records.fingerprint(new):
        shutil.copytree(old / records.FOLDER, new / records.FOLDER, symlinks=True, ignore=shutil.ignore_patterns(".*"))
        describe(load(new))  # the new card does not tell of them


def copy(source: Checkpoint, made: Export, output: Path) -> None:
    """Lays a copy of an export elsewhere.

    Raises:
        ExportError: it can't be written.
    """
    with records.writing(output) as temporary:
        shutil.copyfile(records.path_of(source.path, made), temporary)


def _sweep(folder: Path) -> None:
    """Takes away what exports have left that were killed, of which none is that old and still at work."""
    for path in folder.glob(".*"):
        with suppress(OSError):
            if path.is_file() and time.time() - path.stat().st_mtime > 2 * process.SECONDS:
                path.unlink()


def _stem(name: str) -> str:
    """A checkpoint's name as the beginning of a file's: `run/best` becomes `run-best`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:100] or "model"


def _machine() -> str:
    from gandemo.ship.publish import machine_class

    return machine_class()
