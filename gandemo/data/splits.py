"""Which picture is for what: as a csv beside or in the archive says (columns `file` and `split`), else by a hash."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from gandemo.errors import DataError

Split = Literal["train", "validation", "test"]

SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def csv_beside(source: Path) -> Path | None:
    """The csv of an archive: beside it, with its name."""
    stem = source.name.removesuffix(".gz")
    path = source.with_name(stem[: stem.rfind(".")] + ".csv")
    return path if path.is_file() else None


def read_csv(content: bytes, name: str) -> dict[str, Split]:
    """File to split, from a csv; empty where the csv is about something else.

    Raises:
        DataError: a split is none of those that are known.
    """
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        if not {"file", "split"} <= set(rows.fieldnames or ()):
            return {}
        found = {row["file"]: row["split"] or "" for row in rows if row["file"]}
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{name} can't be read ({error}); save it as UTF-8 with the columns file and split") from None
    for file, split in found.items():
        if split.strip().lower() not in SPLITS:
            raise DataError(f"{name} has the split {split!r} for {file}; valid: train, val, test")
    return {file: SPLITS[split.strip().lower()] for file, split in found.items()}


def assign(names: list[str], listed: Mapping[str, Split]) -> dict[str, Split]:
    """The split of every picture: as listed, else by a hash of its name, so that it stays when others come and go.

    What picks the best checkpoint is neither trained on nor reported on. So where a csv holds out one part only, that
    is the test, and a twelfth of the training pictures becomes the validation.

    Raises:
        DataError: there are fewer than three pictures.
    """
    if len(names) < 3:
        raise DataError(f"{len(names)} pictures are too few: one each to train, to choose and to test is the least")
    order = sorted(names, key=share_of)
    if not listed:
        found: dict[str, Split] = {}
        for name in names:
            share = share_of(name)
            found[name] = "test" if share < 0.1 else "validation" if share < 0.2 else "train"
    else:
        found = {name: listed.get(name, "train") for name in names}
        held_out = set(found.values()) - {"train"}
        if len(held_out) == 1:
            found = {name: "train" if split == "train" else "test" for name, split in found.items()}
            rest = [name for name in order if found[name] == "train"]
            found |= dict.fromkeys(rest[: max(1, len(rest) // 12)], "validation")
    for missing in ("train", "validation", "test"):
        if missing not in found.values():
            # a small folder, or a csv that says nothing of this part: it gets one picture of the largest
            counts = [list(found.values()).count(split) for split in ("train", "validation", "test")]
            largest = ("train", "validation", "test")[counts.index(max(counts))]
            found[next(name for name in order if found[name] == largest)] = missing
    return found


def share_of(name: str) -> float:
    """A number in [0, 1) that belongs to the name."""
    return int.from_bytes(hashlib.sha256(f"gandemo photos {name}".encode(errors="replace")).digest()[:8], "big") / 2**64
