"""Small grey pictures with a class each, in memory: the form of MNIST, and somebody's own pictures brought into it.

Own pictures lie in class folders, in a folder, a zip or a tar: `0/a.png`, `1/b.png`, or `train/0/a.png` and
`test/0/b.png`; or in several archives that lie in a folder. They are made grey, squared with the colour of their
border, and scaled to 28×28; dark ink on bright paper is turned to bright on dark, as MNIST has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image

from gandemo.data import cache
from gandemo.data.archives import ARCHIVES, MAX_FILES, shown
from gandemo.data.images import SUFFIXES, Photo, Pixels, open_photo
from gandemo.data.sources import files_in, locate, parts
from gandemo.data.splits import Split, assign, by_folders, folders_of, is_for, share_of, shared_folders
from gandemo.errors import DataError

SIDE = 28
MAX_CLASSES = 1_000
KEPT = 256  # pixels of the shorter side that a picture is first brought to
UNNAMED = "all"  # the class of pictures that lie in no class folder
_VERSION = 2  # 2: folders called train, val and test are heard where some pictures lie in none of them


@dataclass(frozen=True)
class LabeledImages:
    """A data set in memory.

    Attributes:
        images: uint8 [N, 1, H, W].
        labels: int64 [N].
        class_names: one for each label.
        origin: the folder it was read from.
    """

    images: torch.Tensor
    labels: torch.Tensor
    class_names: tuple[str, ...]
    origin: Path

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: torch.Tensor, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The pictures uint8 [N, 1, H, W] and labels int64 [N] of some indices; nothing is left to chance."""
        return self.images[indices], self.labels[indices]


def load_classes(path: Path, split: Split) -> LabeledImages:
    """A split of the pictures in the class folders at a path.

    Raises:
        DataError: nothing can be read there, or the cache can't be written.
    """
    folder, index = decoded(path)
    try:
        pixels = np.fromfile(folder / "pixels.u8", np.uint8).reshape(-1, 1, SIDE, SIDE)
        chosen = [(place, entry) for place, entry in enumerate(index["pictures"]) if entry["split"] == split]
        images = pixels[[place for place, _ in chosen]]
        labels = [index["classes"].index(entry["class"]) for _, entry in chosen]
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise cache.damaged(folder, error) from None
    return LabeledImages(torch.from_numpy(images), torch.tensor(labels), tuple(index["classes"]), locate(path))


def decoded(path: Path) -> tuple[Path, dict[str, Any]]:
    """The cache's folder of the pictures at a path, and its index; they are decoded now if they were not yet.

    Returns:
        The index: "pictures" ("name", "class", "split", "width" and "height" as they came), "classes", "skipped" (by
        name, why), "split_by" ("folders", or empty), "turned" (whether dark was made bright).

    Raises:
        DataError: as for `load_classes`.
    """
    source = locate(path).resolve()
    return cache.entry("classes", f"{_VERSION} {SIDE}", source, partial(_decode_all, source))


def to_small(photo: Photo) -> Pixels:
    """A picture as uint8 [28, 28]; one that is grey and has that size stays as it is."""
    grey = np.asarray(Image.fromarray(photo.pixels).convert("L"))
    if photo.alpha is not None:  # ink on nothing is ink on paper
        share = photo.alpha.astype(np.float32) / 255.0
        grey = np.rint(grey * share + 255.0 * (1.0 - share)).astype(np.uint8)
    height, width = grey.shape
    side = max(height, width)
    square = np.full((side, side), round(border(grey)), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = grey
    if side == SIDE:
        return square
    how = Image.Resampling.BOX if side > SIDE else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(square).resize((SIDE, SIDE), how))


def border(grey: Pixels) -> float:
    """What most of a picture's outermost pixels are, 0 to 255."""
    return float(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))


def _decode_all(source: Path, folder: Path) -> dict[str, Any]:
    pictures: list[dict[str, Any]] = []
    small: list[Pixels] = []
    skipped: dict[str, str] = {}
    for prefix, part in parts(source):
        for inside, read in files_in(prefix, part):
            name = prefix + inside
            if PurePosixPath(inside).suffix.lower() not in SUFFIXES:
                continue
            try:
                photo = open_photo(read(), name=shown(name), shorter_side=KEPT)
            except DataError as error:
                skipped[name] = str(error)
                continue
            if len(pictures) >= MAX_FILES:
                raise DataError(f"{source.name} holds more than {MAX_FILES:,} pictures; split it")
            width, height = photo.size
            small.append(to_small(photo))
            pictures.append({"name": name, "width": width, "height": height})
    if not pictures:
        first = next(iter(skipped.values()), "put PNG or JPEG files into a folder for each class")
        raise DataError(f"{source} holds no pictures that can be read: {first}")
    shared = shared_folders(picture["name"] for picture in pictures)
    for picture in pictures:
        picture["class"] = _class_of(folders_of(picture["name"]), shared)
    if any(picture["class"] != UNNAMED for picture in pictures):
        loose = [picture["name"] for picture in pictures if picture["class"] == UNNAMED]
        skipped |= {name: f"{shown(name)} lies in no class folder, as others do" for name in loose}
    kept = [place for place, picture in enumerate(pictures) if picture["name"] not in skipped]
    classes = sorted({pictures[place]["class"] for place in kept}, key=_naturally)
    if len(classes) > MAX_CLASSES:
        raise DataError(f"{source} has {len(classes):,} class folders; up to {MAX_CLASSES:,} are taken")
    # in the order of the hash, so that the first few of a split are a fair sample of it
    kept.sort(key=lambda place: share_of(pictures[place]["name"]))
    names = [pictures[place]["name"] for place in kept]
    folders = by_folders(names)
    splits = assign(names, folders)
    turned = float(np.median([border(small[place]) for place in kept])) > 127.0
    pixels = np.stack([small[place] for place in kept])
    (255 - pixels if turned else pixels).tofile(folder / "pixels.u8")
    return {
        "pictures": [{**pictures[place], "split": splits[pictures[place]["name"]]} for place in kept],
        "classes": classes,
        "skipped": skipped,
        "split_by": "folders" if folders else "",
        "turned": turned,
    }


def _class_of(folders: tuple[str, ...], shared: int) -> str:
    """The folder that a picture lies in; where that only says what it is for, the one above: `7/train/a.png`.

    Args:
        folders: that it lies in, the outermost first.
        shared: how many of them all pictures lie in; those above a folder `train` are no class.
    """
    if folders and not _is_aside(folders[-1]):
        return folders[-1]
    return next((folder for folder in reversed(folders[shared:]) if not _is_aside(folder)), UNNAMED)


def _is_aside(folder: str) -> bool:
    """Whether a folder tells what its pictures are for, or is an archive, and so no class."""
    return is_for(folder) is not None or folder.lower().endswith(ARCHIVES)


def _naturally(name: str) -> list[tuple[int, int, str]]:
    """So that 10 comes after 9."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
