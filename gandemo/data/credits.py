"""Whose photos they are: the sources and licences that a csv beside an archive, or in it, tells."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from gandemo.data.archives import members, read_file
from gandemo.data.photos import Photos
from gandemo.data.sources import parts
from gandemo.data.splits import csv_beside
from gandemo.errors import DataError

NOT_STATED = "not stated"
_LICENCE = ("licence", "license")


class Credit(NamedTuple):
    """So many photos of one source under one licence."""

    source: str
    licence: str
    photos: int


def credits_of(photos: Photos) -> list[Credit]:
    """The sources and licences of a split, those with the most photos first; empty where no csv tells any.

    Raises:
        DataError: the archive can't be read any more.
    """
    told: dict[str, tuple[str, str]] = {}
    for prefix, content in _tables(photos.origin):
        told |= {prefix + name: whose for name, whose in _told(content).items()}
    if not told:
        return []
    counts = Counter(told.get(name, (NOT_STATED, NOT_STATED)) for name in photos.names)
    return [Credit(*whose, count) for whose, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))]


def _tables(origin: Path) -> list[tuple[str, bytes]]:
    """The csv beside an archive, else those at the top of the folder or archive; with what begins the photos' names."""
    tables = []
    for prefix, part in parts(origin):
        beside = None if part.is_dir() else csv_beside(part)
        if beside is not None:
            tables.append((prefix, read_file(beside)))
        elif part.is_dir():
            tables += [(prefix, read_file(path)) for path in sorted(part.glob("*.csv"))]
        else:
            inside = members(part)
            tables += [(prefix, read()) for name, read in inside if name.lower().endswith(".csv") and "/" not in name]
    return tables


def _told(content: bytes) -> dict[str, tuple[str, str]]:
    """File to source and licence; empty where the csv is about something else."""
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        columns = rows.fieldnames or ()
        licence = next((name for name in _LICENCE if name in columns), None)
        if "file" not in columns or licence is None:
            return {}
        return {
            row["file"]: ((row.get("source") or NOT_STATED).strip(), (row[licence] or NOT_STATED).strip())
            for row in rows
            if row["file"]
        }
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the csv of the photos can't be read ({error}); save it as UTF-8") from None
