"""Which picture is for what: as a csv says (columns `file` and `split`), else as folders say, else by a hash."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Literal

from gandemo.data.archives import ARCHIVES
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


def folders_of(name: str) -> tuple[str, ...]:
    """The folders that a file of that name lies in, the outermost first; some zips part them with backslashes."""
    return tuple(part for part in re.split(r"[/\\]", name)[:-1] if part not in ("", "."))


def shared_folders(names: Iterable[str]) -> int:
    """How many folders all files of those names lie in."""
    every = [folders_of(name) for name in names]
    if not every:
        return 0
    pairs = zip(min(every), max(every), strict=False)  # those between begin as both do
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def is_for(folder: str) -> Split | None:
    """What a folder's name says that its pictures are for: train, val, test and the like, and nothing else."""
    return SPLITS.get(folder.lower())


def by_folders(names: Iterable[str]) -> dict[str, Split]:
    """What folders called train, val or test say; nothing where they hold out no picture, or every one.

    Folders that all pictures lie in say nothing. Of several in each other the outermost counts. Where several archives
    are read, the name of one may say it, too, in one of its words: `train-0.zip`, `images_val2017.tar`; folders in it
    know better. A picture that lies in no such folder is for training, as one that a csv does not list.
    """
    every = list(names)
    depth = shared_folders(every)
    found: dict[str, Split | None] = {}
    for name in every:
        folders = folders_of(name)[depth:]
        said = [*map(is_for, folders), *map(_is_for_archive, folders)]
        found[name] = next((split for split in said if split is not None), None)
    if set(found.values()) <= {"train", None} or not set(found.values()) & {"train", None}:
        return {}
    return {name: split or "train" for name, split in found.items()}


def _is_for_archive(name: str) -> Split | None:
    if not name.lower().endswith(ARCHIVES):
        return None
    return next((SPLITS[word] for word in re.findall("[a-z]+", name.lower()) if word in SPLITS), None)


def assign(names: list[str], listed: Mapping[str, Split]) -> dict[str, Split]:
    """The split of every picture: as listed, else by a hash of its name, so that it stays when others come and go.

    What picks the best checkpoint is neither trained on nor reported on. So where a csv or folders hold out one part
    only, that is the test, and a twelfth of the training pictures, chosen by the hash, becomes the validation.

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
            # a small folder, or a list that says nothing of this part: it gets one picture of the largest
            counts = [list(found.values()).count(split) for split in ("train", "validation", "test")]
            largest = ("train", "validation", "test")[counts.index(max(counts))]
            found[next(name for name in order if found[name] == largest)] = missing
    return found


def share_of(name: str) -> float:
    """A number in [0, 1) that belongs to the name."""
    return int.from_bytes(hashlib.sha256(f"gandemo photos {name}".encode(errors="replace")).digest()[:8], "big") / 2**64
