"""Photos to train on, from a folder, a zip or a tar: decoded once into a file that all runs map into memory."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gandemo import places
from gandemo.data import cache
from gandemo.data.archives import MAX_FILES, read_file, shown
from gandemo.data.images import MAX_BYTES, SUFFIXES, Pixels, open_photo
from gandemo.data.sources import files_in, locate, parts
from gandemo.data.splits import Split, assign, by_folders, csv_beside, read_csv, share_of
from gandemo.errors import DataError

STORED_SIDE = 512  # larger photos are kept with this as their shorter side
SMALLEST_SIDE = 32
LONGEST = 4  # of a panorama's sides, the longer one over the shorter; the middle is kept
MAX_STORED = 64 * 2**30
# Photos grow ten- or twentyfold when they are decoded. What grows by more than the factor, and is not small, is made to
# fill a disk.
MAX_GROWTH, HARMLESS = 100, 2**28
_VERSION = 2  # 2: folders called train, val and test are heard


@dataclass(frozen=True)
class Photos:
    """One split of decoded photos.

    Attributes:
        pixels: uint8, all photos one after the other, mapped from a file.
        places: of each photo: where it begins, its height and its width.
        names: of each photo.
        side: of the squares that are cut from them; no more than one photo in twenty is enlarged for it.
        origin: the folder or archive that they come from.
        skipped: what was left out of the whole data set, by name, and why, in a sentence.
    """

    pixels: Pixels
    places: tuple[tuple[int, int, int], ...]
    names: tuple[str, ...]
    side: int
    origin: Path
    skipped: Mapping[str, str] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.places)

    @property
    def labels(self) -> Tensor:
        """int64 [N], all zero: photos have no classes."""
        return torch.zeros(len(self), dtype=torch.int64)

    def photo(self, index: int) -> Pixels:
        """One whole photo, uint8 [H, W, 3]; it can't be written to."""
        start, height, width = self.places[index]
        return self.pixels[start : start + 3 * height * width].reshape(height, width, 3)

    @cached_property
    def images(self) -> Tensor:
        """The middle of every photo, uint8 [N, 3, side, side]: the largest square, scaled."""
        squares = self._empty(len(self))
        for index, (_, height, width) in enumerate(self.places):
            whole = min(height, width)
            self._cut(squares[index], index, (height - whole) // 2, (width - whole) // 2, whole)
        return squares.permute(0, 3, 1, 2)

    def take(self, indices: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """A random square of each photo, uint8 [N, 3, side, side] in channels_last, and labels int64 [N]."""
        squares = self._empty(len(indices))
        for slot, index in enumerate(indices.tolist()):
            _, height, width = self.places[index]
            whole = min(height, width)
            cut = whole if whole <= self.side else _one_of(whole - self.side, rng) + self.side
            self._cut(squares[slot], index, _one_of(height - cut, rng), _one_of(width - cut, rng), cut)
        return squares.permute(0, 3, 1, 2), torch.zeros(len(indices), dtype=torch.int64)

    def _empty(self, count: int) -> Tensor:
        return torch.empty((count, self.side, self.side, 3), dtype=torch.uint8)

    def _cut(self, into: Tensor, index: int, top: int, left: int, cut: int) -> None:
        """Fills uint8 [side, side, 3]."""
        square = self.photo(index)[top : top + cut, left : left + cut]
        if cut == self.side:
            into.numpy()[:] = square  # straight from the file's pages, without a copy between
            return
        planes = torch.from_numpy(square.copy()).permute(2, 0, 1)[None]
        scaled = F.interpolate(planes, (self.side, self.side), mode="bilinear", antialias=True)
        into.copy_(scaled[0].permute(1, 2, 0))


def _one_of(most: int, rng: torch.Generator) -> int:
    """A whole number from 0 to `most`."""
    return int(torch.randint(most + 1, (), generator=rng)) if most else 0


# --- loading ---------------------------------------------------------------------------------------------


def load_photos(path: Path, split: Split) -> Photos:
    """A split of the photos at a path, from the cache where they were decoded before.

    Raises:
        DataError: nothing can be read there, or the cache can't be written.
    """
    folder, index = decoded(path)
    try:
        pixels = np.memmap(folder / "pixels.u8", np.uint8, mode="r")
        chosen = [entry for entry in index["photos"] if entry["split"] == split]
        places = tuple((int(entry["start"]), int(entry["height"]), int(entry["width"])) for entry in chosen)
        if any(start + 3 * height * width > len(pixels) for start, height, width in places):
            raise ValueError("the file is too short")
    except (OSError, ValueError, KeyError) as error:
        raise cache.damaged(folder, error) from None
    return Photos(
        pixels,
        places,
        tuple(entry["name"] for entry in chosen),
        int(index["side"]),
        locate(path).resolve(),
        index["skipped"],
    )


def decoded(path: Path) -> tuple[Path, dict[str, Any]]:
    """The cache's folder of the photos at a path, and its index; they are decoded now if they were not yet.

    Raises:
        DataError: as for `load_photos`.
    """
    source = locate(path).resolve()
    return cache.entry("photos", f"{_VERSION} {STORED_SIDE}", source, lambda folder: _decode_all(source, folder))


# --- decoding into the cache ------------------------------------------------------------------------------


def _decode_all(source: Path, folder: Path) -> dict[str, Any]:
    with (folder / "pixels.u8").open("wb") as file:
        return _decode_into(source, file)


def _decode_into(source: Path, file: io.BufferedWriter) -> dict[str, Any]:
    photos: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    found = parts(source)
    common = _csv_of_all(source, found)
    listed = dict(common)  # it may tell the archive as well: train.zip/a.png
    start, size = 0, 0
    for prefix, part in found:
        size += places.size(part) if part.is_dir() else part.stat().st_size
        beside = None if part.is_dir() else csv_beside(part)
        told = common | (read_csv(read_file(beside), beside.name) if beside is not None else {})
        for inside, read in files_in(prefix, part):
            name, path = prefix + inside, PurePosixPath(inside)
            is_csv = path.suffix.lower() == ".csv" and len(path.parts) == 1 and beside is None
            if not is_csv and path.suffix.lower() not in SUFFIXES:
                continue
            try:
                if is_csv:
                    told |= read_csv(read(), f"{part.name}/{inside}")
                    continue
                pixels = _stored(read(), shown(name))
            except DataError as error:
                if is_csv:
                    raise
                skipped[name] = str(error)
                continue
            if start + pixels.size > max(HARMLESS, MAX_GROWTH * size):
                raise DataError(f"{source.name} holds far more pixels than files of its size do; send real photos")
            if len(photos) >= MAX_FILES or start + pixels.size > MAX_STORED:
                raise DataError(f"{source} holds too much: up to {MAX_FILES:,} photos are taken; split it")
            file.write(pixels.tobytes())
            photos[name] = {"name": name, "start": start, "height": pixels.shape[0], "width": pixels.shape[1]}
            start += pixels.size
        listed |= {prefix + inside: split for inside, split in told.items()}
    if skipped:
        first = next(iter(skipped.values()))
        if not photos:
            raise DataError(f"{source} holds no photo that can be read: {first}")
        count = len(photos) + len(skipped)
        warnings.warn(f"{len(skipped)} of {count} files in {source} are left out: {first}", stacklevel=2)
    if not photos:
        raise DataError(f"{source} holds no photos; put JPEG or PNG files there")
    folders = by_folders(photos)
    splits = assign(list(photos), folders | listed)
    shorter = sorted(min(photo["height"], photo["width"]) for photo in photos.values())
    return {
        "side": max(SMALLEST_SIDE, shorter[len(shorter) // 20]),
        "skipped": skipped,
        "split_by": "csv" if photos.keys() & listed.keys() else "folders" if folders else "",
        # in the order of the hash, so that the first few of a split are a fair sample of it
        "photos": [{**photos[name], "split": splits[name]} for name in sorted(photos, key=share_of)],
    }


def _csv_of_all(source: Path, found: list[tuple[str, Path]]) -> dict[str, Split]:
    """What the csv of a folder of archives says of the files in all of them."""
    beside = {csv_beside(part) for prefix, part in found if prefix}
    tables = [path for path in sorted(source.glob("*.csv")) if path not in beside] if beside else []
    listed: dict[str, Split] = {}
    for path in tables:
        listed |= read_csv(read_file(path), path.name)
    return listed


def _stored(content: bytes, name: str) -> Pixels:
    """A photo as the cache keeps it.

    Raises:
        DataError: it can't be decoded, or is too small to learn from.
    """
    if len(content) > MAX_BYTES:
        raise DataError(f"{name} is larger than {MAX_BYTES >> 20} MB")
    pixels = open_photo(content, name=name, shorter_side=STORED_SIDE).pixels
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise DataError(f"{name} is {width}×{height} pixels, too small to learn from")
    longest = LONGEST * min(height, width)
    top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
    return np.ascontiguousarray(pixels[top : top + longest, left : left + longest])
