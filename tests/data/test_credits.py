"""Whose photos they are, as the csv tells."""

from __future__ import annotations

import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gandemo.data import credits, datasets
from gandemo.data.credits import Credit, credits_of
from gandemo.data.photos import load_photos
from gandemo.errors import DataError

TABLE = """file,source,licence,split
a.png,here,CC0,train
b.png,here,CC0,train
c.png,there,CC BY 4.0,train
d.png,there,,val
"""


@pytest.fixture
def folder(home: Path) -> Path:
    path = home / "mine"
    path.mkdir()
    for index, name in enumerate("abcde"):
        pixels = np.random.default_rng(index).integers(0, 255, (40, 40, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(path / f"{name}.png")
    return path


def counted(path: Path) -> list[Credit]:
    splits = [load_photos(path, split) for split in ("train", "validation", "test")]
    return sorted(credit for photos in splits for credit in credits_of(photos))


def test_sources_and_licences_are_counted_by_split(folder: Path) -> None:
    (folder / "photos.csv").write_text(TABLE)
    found = credits_of(load_photos(folder, "test"))
    assert found == [Credit("there", credits.NOT_STATED, 1)]
    training = credits_of(load_photos(folder, "train"))
    assert [credit.photos for credit in training] == sorted((credit.photos for credit in training), reverse=True)
    everything = Counter({(source, licence): 0 for source, licence, _ in counted(folder)})
    for source, licence, photos in counted(folder):
        everything[source, licence] += photos
    assert everything == {
        ("here", "CC0"): 2,
        ("there", "CC BY 4.0"): 1,
        ("there", credits.NOT_STATED): 1,
        (credits.NOT_STATED, credits.NOT_STATED): 1,  # e.png, which the csv leaves out
    }


@pytest.mark.parametrize("place", ["beside", "inside"])
def test_a_tar_may_have_its_csv_beside_or_inside(folder: Path, place: str) -> None:
    (folder / "photos.csv").write_text(TABLE)
    archive = folder.parent / "mine.tar"
    with tarfile.open(archive, "w") as tar:
        for file in sorted(folder.iterdir()):
            if place == "inside" or file.suffix != ".csv":
                tar.add(file, arcname=file.name)
    if place == "beside":
        (folder / "photos.csv").rename(archive.with_suffix(".csv"))
    assert sum(credit.photos for credit in counted(archive)) == 5
    assert ("here", "CC0") in {credit[:2] for credit in counted(archive)}


def test_without_a_csv_nothing_is_claimed(folder: Path) -> None:
    assert counted(folder) == []
    (folder / "other.csv").write_text("x,y\n1,2\n")
    assert counted(folder) == []


def test_a_csv_that_is_no_text_is_told(folder: Path) -> None:
    photos = load_photos(folder, "train")
    (folder / "photos.csv").write_bytes(b"file,licence\n\xff\xfe,x\n")
    with pytest.raises(DataError, match="save it as UTF-8"):
        credits_of(photos)


def test_every_sample_that_ships_has_a_source_and_a_licence(home: Path) -> None:
    found = credits_of(load_photos(datasets.SAMPLES / "photos", "train"))
    assert sum(credit.photos for credit in found) > 40
    assert all(credit.source != credits.NOT_STATED and credit.licence != credits.NOT_STATED for credit in found)
