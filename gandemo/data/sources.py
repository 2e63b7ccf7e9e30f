"""Where pictures are read: a folder, an archive, or all the archives of a folder that holds no loose pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gandemo.data.archives import ARCHIVES, Members, files_of, is_source, members
from gandemo.data.images import SUFFIXES
from gandemo.errors import DataError

MAX_ARCHIVES = 1_000  # that are read together


def locate(path: Path) -> Path:
    """The folder or archive to read; a folder that holds a single archive and no photo stands for that archive.

    Raises:
        DataError: there is nothing at the path.
    """
    if not path.exists():
        raise DataError(f"there is no {path}; name a folder, a zip or a tar of photos")
    if not is_source(path):
        raise DataError(f"{path} is no folder, zip or tar; name one that holds photos")
    if path.is_file():
        return path
    files = [file for file in sorted(path.iterdir()) if not file.name.startswith(".")]
    archives = [file for file in files if file.is_file() and _is_archive(file)]
    if len(archives) != 1 or any(file.is_dir() or file.suffix.lower() in SUFFIXES for file in files):
        return path
    return archives[0]


def parts(source: Path) -> list[tuple[str, Path]]:
    """What a source from `locate` is read as, and what begins the names of the files in each part.

    A folder or an archive is one part, and names are as they are there. Archives without loose pictures beside them
    are a part each: `train.zip/0/a.png`.

    Raises:
        DataError: there are too many.
    """
    if source.is_dir():
        files = [file for file in files_of(source) if not file.name.startswith(".")]
        archives = [file for file in files if _is_archive(file)]
        if archives and not any(file.suffix.lower() in SUFFIXES for file in files):
            if len(archives) > MAX_ARCHIVES:
                raise DataError(f"{source} holds more than {MAX_ARCHIVES:,} archives; put the pictures into fewer")
            return [(f"{file.relative_to(source).as_posix()}/", file) for file in archives]
    return [("", source)]


def files_in(prefix: str, part: Path) -> Members:
    """The files of a part of `parts`, by their names in it; what is wrong with one is told by its whole name."""
    for inside, read in members(part):
        yield inside, lambda read=read: _read(prefix, read)  # type: ignore[misc]


def _read(prefix: str, read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except DataError as error:
        raise DataError(f"{prefix}{error}") from None


def _is_archive(file: Path) -> bool:
    return file.name.lower().endswith(ARCHIVES)
