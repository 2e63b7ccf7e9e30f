"""Files of a folder, a zip or a tar, read one at a time and never unpacked.

Nothing is ever written under a name from an archive, so that no path or link in it can lead anywhere, and what is read
is bounded, however small the archive makes itself.
"""

from __future__ import annotations

import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from gandemo.data.images import MAX_BYTES
from gandemo.errors import DataError

ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz")
MAX_FILES = 200_000
# Photos hardly shrink. What grows by more than the factor, and is not small, is made to fill a memory or a disk.
MAX_GROWTH, HARMLESS = 200, 16 * 2**20

# of each file: its name, and how to read it: the bytes, or a DataError that begins with the name
Members = Iterator[tuple[str, Callable[[], bytes]]]

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


def is_source(path: Path) -> bool:
    """Whether files can be looked for at a path: a folder or an archive."""
    return path.is_dir() or (path.is_file() and path.name.lower().endswith(ARCHIVES))


def files_of(folder: Path) -> list[Path]:
    """All files below a folder, sorted; a linked file counts, a linked or hidden folder is not entered.

    Raises:
        DataError: there are too many.
    """
    found: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(root) / name for name in sorted(names) if (Path(root) / name).is_file()]
        if len(found) > MAX_FILES:
            raise DataError(f"{folder} holds more than {MAX_FILES:,} files; name a smaller folder")
    return found


def members(source: Path, *, most_files: int = MAX_FILES, most_bytes: int | None = None) -> Members:
    """The files at a source, by name, each with the function that reads it.

    Hidden files are left out, as are the doubles that macOS puts into its zips.

    Args:
        source: a folder, a zip or a tar.
        most_files: that it may hold.
        most_bytes: that may be read of it in all; None: no bound.

    Raises:
        DataError: it can't be read, or holds too many files. A function that reads a file raises it, too: the file is
            a link, is damaged, has a name that leads out of the archive, or is too large.
    """
    every = _of_folder(source) if source.is_dir() else _of_zip(source) if _is_zip(source) else _of_tar(source)
    if not source.is_dir() and _is_zip(source):
        _check_directory(source, most_files)
    count, left = 0, most_bytes

    def bounded(name: str, read: Callable[[], bytes]) -> bytes:
        nonlocal left
        if left is not None and left <= 0:
            raise DataError(f"{shown(name)} is more than is read at once ({(most_bytes or 0) >> 20} MB); send it alone")
        content = read()
        left = None if left is None else left - len(content)
        return content

    for name, read in every:
        count += 1
        if count > most_files:
            raise DataError(f"{source.name} holds more than {most_files:,} files; split it")
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts or parts[-1].startswith(".") or "__MACOSX" in parts:
            continue
        yield name, lambda name=name, read=read: bounded(name, read)  # type: ignore[misc]


def read_file(path: Path, name: str = "") -> bytes:
    """A file's bytes, one more at most than a photo may have.

    Raises:
        DataError: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{shown(name or path.name)} can't be read: {error.strerror}") from None


def shown(name: str) -> str:
    """A name from an archive as a message may repeat it: no control characters, and not endless."""
    text = "".join(letter if letter.isprintable() else "�" for letter in name)
    return text if len(text) <= 120 else f"{text[:80]}…{text[-39:]}"


def _of_folder(folder: Path) -> Members:
    for path in files_of(folder):
        name = path.relative_to(folder).as_posix()
        yield name, lambda path=path, name=name: read_file(path, name)  # type: ignore[misc]


def _is_zip(source: Path) -> bool:
    return source.name.lower().endswith(".zip")


def _of_zip(source: Path) -> Members:
    try:
        with zipfile.ZipFile(source) as archive:
            for info in archive.infolist():

                def read(info: zipfile.ZipInfo = info) -> bytes:
                    name = shown(info.filename)
                    if stat.S_ISLNK(info.external_attr >> 16):
                        raise DataError(f"{name} is a link")
                    if info.flag_bits & 1:
                        raise DataError(f"{name} is encrypted")
                    _check_member(info.filename, info.file_size, info.compress_size)
                    try:
                        with archive.open(info) as file:
                            return file.read(info.file_size + 1)  # no more is inflated, whatever there is
                    except _BROKEN:
                        raise DataError(f"{name} is damaged in the archive") from None

                if not info.is_dir():
                    yield info.filename, read
    except _BROKEN:
        raise DataError(f"{source} is no zip that can be read; make it again") from None


def _check_directory(source: Path, most_files: int) -> None:
    """Refuses a zip whose list of files alone would fill the memory, before that list is read.

    The list's length stands at the very end of the zip (APPNOTE.TXT 4.3.16), and for long ones in a record before it
    (4.3.14); an entry has 46 bytes and its name.
    """
    try:
        with source.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, end - 65_557 - 20 - 56))
            tail = file.read()
    except OSError as error:
        raise DataError(f"can't read {source}: {error.strerror}") from None
    place = tail.rfind(b"PK\5\6")
    if place < 0 or len(tail) < place + 22:
        return  # no zip, as is said when it is opened
    (length,) = struct.unpack_from("<L", tail, place + 12)
    if place >= 76 and tail[place - 20 : place - 16] == b"PK\6\7":
        (length,) = struct.unpack_from("<Q", tail, place - 20 - 56 + 40)
    if length > most_files * (46 + 1024) or length > start + place:
        raise DataError(f"{source.name} holds more than {most_files:,} files; split it")


def _of_tar(source: Path) -> Members:
    try:
        most = HARMLESS + MAX_GROWTH * source.stat().st_size
        with tarfile.open(source, "r:*") as archive:
            for member in archive:
                if member.offset_data + member.size > most:  # to come past it, all of it would have to be unpacked
                    raise DataError(
                        f"{source.name} grows more than {MAX_GROWTH}-fold when it is unpacked, as no photos do"
                    )

                def read(member: tarfile.TarInfo = member) -> bytes:
                    name = shown(member.name)
                    if not member.isfile():
                        raise DataError(f"{name} is a link")
                    _check_member(member.name, member.size, member.size)
                    try:
                        file = archive.extractfile(member)
                        return b"" if file is None else file.read(MAX_BYTES + 1)
                    except _BROKEN:
                        raise DataError(f"{name} is damaged in the archive") from None

                if not member.isdir():
                    yield member.name, read
    except _BROKEN:
        raise DataError(f"{source} is no tar that can be read; make it again") from None


def _check_member(name: str, size: int, packed: int) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise DataError(f"{shown(name)} has a name that leads out of the archive")
    if size > MAX_BYTES:
        raise DataError(f"{shown(name)} is larger than {MAX_BYTES >> 20} MB")
    if size > HARMLESS and size > MAX_GROWTH * packed:
        raise DataError(f"{shown(name)} grows {size // max(1, packed):,}-fold when it is unpacked, as no photo does")
