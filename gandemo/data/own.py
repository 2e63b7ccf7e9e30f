"""Somebody's own pictures: checked at once and whole, told in plain words, and kept where a run finds them again."""

from __future__ import annotations

import hashlib
import os
import statistics
import uuid
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gandemo.data import labelled, photos
from gandemo.data.archives import ARCHIVES, shown
from gandemo.data.datasets import CLASSES, DATASETS, OF_CLASSES, data_home, named
from gandemo.errors import DataError
from gandemo.recipe import Recipe

MAX_UPLOAD = 4 * 2**30  # bytes of an archive that is kept
FEW = 500  # training pictures below which a run will know them by heart before it has learned much
NAMED = 20  # broken files that a report names


@dataclass(frozen=True)
class Report:
    """What was found in somebody's pictures.

    Attributes:
        data: their name, for a recipe.
        count: pictures that can be used.
        splits: how many are for training, for choosing the best checkpoint, and for the final figures.
        smallest: width and height of the smallest, as they are kept.
        median: of the median width and of the median height.
        largest: width and height.
        classes: pictures in each class; empty for photos.
        skipped: files that are left out, by name, and why, in a sentence: the first few.
        left_out: how many those are in all.
        remarks: what is worth knowing before a training starts, a sentence each.
    """

    data: str
    count: int
    splits: Mapping[str, int]
    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    classes: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    left_out: int = 0
    remarks: tuple[str, ...] = ()


def check(data: str, recipe: Recipe) -> Report:
    """Reads all of somebody's pictures as a recipe would; they are decoded once, and a run begins with the result.

    Args:
        data: the path of a folder, a zip or a tar, or the name that an earlier report gave it.
        recipe: that is to be trained on them.

    Raises:
        DataError: nothing can be used; the message says why, and what would do.
    """
    name = named(data, recipe.task)
    if name in DATASETS:
        raise DataError(f"{name} is no path; name a folder, a zip or a tar of your own pictures")
    path = Path(name.removeprefix(CLASSES))
    with warnings.catch_warnings(record=True):  # that files are left out is in the report
        warnings.simplefilter("always")
        _, index = (labelled if recipe.task in OF_CLASSES else photos).decoded(path)
    pictures: list[dict[str, Any]] = index["pictures" if recipe.task in OF_CLASSES else "photos"]
    sizes = sorted(((each["width"], each["height"]) for each in pictures), key=lambda size: size[0] * size[1])
    splits = Counter(each["split"] for each in pictures)
    classes = Counter(each["class"] for each in pictures) if recipe.task in OF_CLASSES else Counter[str]()
    skipped = dict(list(index["skipped"].items())[:NAMED])
    return Report(
        data=name,
        count=len(pictures),
        splits={split: splits[split] for split in ("train", "validation", "test")},
        smallest=sizes[0],
        median=(
            round(statistics.median(width for width, _ in sizes)),
            round(statistics.median(height for _, height in sizes)),
        ),
        largest=sizes[-1],
        classes={each: classes[each] for each in index.get("classes", [])},
        skipped={shown(file): reason for file, reason in skipped.items()},
        left_out=len(index["skipped"]),
        remarks=tuple(_remarks(recipe, index, sizes, splits, classes)),
    )


def _remarks(
    recipe: Recipe,
    index: Mapping[str, Any],
    sizes: list[tuple[int, int]],
    splits: Mapping[str, int],
    classes: Mapping[str, int],
) -> list[str]:
    found = []
    training = splits["train"]
    if said := {"csv": "The csv says", "folders": "Names such as train and test say"}.get(index["split_by"]):
        found.append(f"{said} which ones are to learn from and which ones to test.")
    if training < recipe.batch_size:
        found.append(
            f"{training:,} training pictures are fewer than a batch of {recipe.batch_size}: add pictures, or set "
            f"batch_size to {max(1, training)} or less."
        )
    elif training < FEW:
        found.append(
            f"{training:,} training pictures are few: expect them to be known by heart soon. Start from a checkpoint, "
            "and watch the doctor."
        )
    if classes:
        if len(classes) > 1 and (rarest := min(classes, key=lambda name: classes[name])):
            most = max(classes.values())
            if classes[rarest] * 5 < most:
                found.append(f"{rarest} has {classes[rarest]:,} pictures where another class has {most:,}.")
        elif len(classes) == 1:
            found.append("There is one class: the network is not told any. For several, sort them into class folders.")
        if index["turned"]:
            found.append("They are dark on bright: they are turned, so that ink is bright on black as in MNIST.")
        if sizes[-1] != (labelled.SIDE, labelled.SIDE) or sizes[0] != sizes[-1]:
            side = labelled.SIDE
            found.append(f"They are squared with the colour of their border and scaled to {side}×{side} pixels.")
    else:
        small = sum(min(size) < recipe.image_size for size in sizes)
        if small:
            found.append(
                f"{small:,} of {len(sizes):,} photos are smaller than the {recipe.image_size} pixels that are worked "
                "on, and are scaled up."
            )
    return found


def pulled_home() -> Path:
    """The folder that pictures from the Hub lie in, a folder each."""
    return data_home().absolute() / "hub"


def kept_home() -> Path:
    """The folder that archives lie in which somebody sent."""
    return data_home().absolute() / "own"


def keep(upload: Path, filename: str) -> Path:
    """Copies an archive that somebody sent to where its runs find it again; the same one is kept once.

    Args:
        upload: the file.
        filename: what it was called; only its ending is used.

    Returns:
        Its path below the folder of data sets, named by its content.

    Raises:
        DataError: it is no zip or tar by its name, too large, or can't be written.
    """
    ending = next((each for each in sorted(ARCHIVES, key=len, reverse=True) if filename.lower().endswith(each)), None)
    if ending is None:
        raise DataError(f"{shown(filename)} is no zip or tar; put the pictures into one")
    home = kept_home()
    temporary = home / f".{uuid.uuid4().hex}.tmp"
    digest = hashlib.sha256()
    try:
        if upload.stat().st_size > MAX_UPLOAD:
            raise DataError(f"{shown(filename)} is larger than {MAX_UPLOAD >> 30} GB; use fewer or smaller pictures")
        home.mkdir(parents=True, exist_ok=True)
        with upload.open("rb") as source, temporary.open("wb") as target:
            while block := source.read(2**20):
                digest.update(block)
                target.write(block)
        kept = home / f"{digest.hexdigest()[:16]}{ending}"
        os.replace(temporary, kept)
    except OSError as error:
        raise DataError(f"can't keep {shown(filename)}: {error.strerror}; free some space and try again") from None
    finally:
        temporary.unlink(missing_ok=True)
    return kept
