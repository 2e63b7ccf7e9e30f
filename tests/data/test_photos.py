"""Photos from folders and archives: decoded once, split as told, cut at random, and safe whatever is in the archive."""

from __future__ import annotations

import csv
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gandemo.data import archives, cache, datasets, photos
from gandemo.data.photos import Photos, load_photos
from gandemo.data.splits import assign
from gandemo.errors import DataError

SAMPLES = datasets.SAMPLES / "photos"
SPLITS = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def _own_home(home: Path) -> None:
    """Every test has a cache of its own."""
    datasets._load_cached.cache_clear()


def png(index: int, width: int = 60, height: int = 48) -> bytes:
    """A picture that tells its number: red is the index, green grows to the right, blue grows downwards."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([np.full_like(x, index), x, y], axis=2).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def contents(count: int = 30) -> dict[str, bytes]:
    return {f"{'ab'[index % 2]}/{index:02d}.png": png(index) for index in range(count)}


def table(names: list[str], split: Callable[[int], str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", "licence", "split"])
    writer.writerows([name, "CC0", split(index)] for index, name in enumerate(names))
    return text.getvalue().encode()


def as_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def as_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def as_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def everything(path: Path) -> dict[str, Photos]:
    return {split: load_photos(path, split) for split in SPLITS}  # type: ignore[arg-type]


def number_of(photo: np.ndarray) -> int:
    return int(photo[0, 0, 0])


def sentence(call: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- from where -------------------------------------------------------------------------------------------


MAKERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "photos": as_folder,
    "photos.zip": as_zip,
    "photos.tar": as_tar,
    "photos.tar.gz": as_tar,
    "photos.tgz": as_tar,
}


@pytest.mark.parametrize("name", MAKERS)
def test_folders_and_archives_hold_the_same(tmp_path: Path, name: str) -> None:
    files = contents()
    files |= {"notes.txt": b"no photo", ".hidden.png": b"x", "__MACOSX/a/._00.png": b"x", "other.csv": b"a,b\n1,2\n"}
    parts = everything(MAKERS[name](tmp_path / name, files))
    found = {}
    for part in parts.values():
        assert part.side == 48
        assert part.origin == tmp_path / name
        assert not part.skipped
        for index, file in enumerate(part.names):
            photo = part.photo(index)
            assert photo.shape == (48, 60, 3)
            assert (photo[0, :, 1] == np.arange(60)).all()
            found[file] = number_of(photo)
    assert found == {file: index for index, file in enumerate(contents())}


def test_a_csv_beside_an_archive_tells_the_splits(tmp_path: Path) -> None:
    files = contents()
    as_tar(tmp_path / "photos.tar", files)
    (tmp_path / "photos.csv").write_bytes(table(list(files), lambda index: ["train", "val", "test"][index % 3]))
    for place, part in enumerate(everything(tmp_path / "photos.tar").values()):
        assert sorted(number_of(part.photo(index)) for index in range(len(part))) == list(range(place, 30, 3))


@pytest.mark.parametrize("name", ["photos", "photos.zip"])
def test_a_csv_inside_does_too(tmp_path: Path, name: str) -> None:
    files = contents()
    listed = table(list(files), lambda index: "Test" if index < 5 else "validation" if index < 9 else "train")
    parts = everything(MAKERS[name](tmp_path / name, {"list.csv": listed, **files}))
    assert [len(parts[split]) for split in SPLITS] == [21, 4, 5]


def test_one_held_out_part_is_the_test(tmp_path: Path) -> None:
    files = contents()
    listed = table(list(files), lambda index: "val" if index < 6 else "train")
    parts = everything(as_folder(tmp_path / "p", {"list.csv": listed, **files}))
    assert [len(parts[split]) for split in SPLITS] == [22, 2, 6]
    assert {number_of(parts["test"].photo(index)) for index in range(6)} == set(range(6))


def test_the_hash_splits_and_stays_when_photos_come(tmp_path: Path) -> None:
    names = [f"{index}.jpg" for index in range(1000)]
    before = assign(names, {})
    shares = {split: list(before.values()).count(split) / 1000 for split in SPLITS}  # type: ignore[arg-type]
    assert shares["train"] == pytest.approx(0.8, abs=0.04)
    assert shares["test"] == pytest.approx(0.1, abs=0.03)
    after = assign([*names, "new.jpg", "newer.jpg"], {})
    assert {name: after[name] for name in names} == before


@pytest.mark.parametrize("count", [3, 4, 10])
def test_a_few_photos_fill_every_part(count: int) -> None:
    found = assign([f"{index}.jpg" for index in range(count)], {})
    assert set(found.values()) == set(SPLITS)
    listed = assign(list("abc"), {"a": "train", "b": "train", "c": "train"})
    assert set(listed.values()) == set(SPLITS)


def test_two_photos_are_too_few(tmp_path: Path) -> None:
    assert "2 pictures are too few" in sentence(lambda: load_photos(as_folder(tmp_path / "p", contents(2)), "train"))


# --- decoded once, cut at random --------------------------------------------------------------------------


def test_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = as_folder(tmp_path / "p", contents(12))
    load_photos(folder, "train")
    monkeypatch.setattr(photos, "open_photo", None)
    assert len(load_photos(folder, "train")) + len(load_photos(folder, "test")) <= 12  # from the cache
    monkeypatch.undo()
    (folder / "b" / "99.png").write_bytes(png(99))
    assert sum(len(part) for part in everything(folder).values()) == 13  # a change is seen


def test_squares_by_chance(tmp_path: Path) -> None:
    part = load_photos(as_folder(tmp_path / "p", contents()), "train")
    indices = torch.arange(10)
    squares, labels = part.take(indices, torch.Generator().manual_seed(1))
    assert squares.shape == (10, 3, 48, 48)
    assert squares.dtype == torch.uint8
    assert labels.tolist() == [0] * 10
    assert squares.is_contiguous(memory_format=torch.channels_last)
    for index in range(10):
        left = int(squares[index, 1, 0, 0])
        assert torch.equal(squares[index, 1, 5], torch.arange(left, left + 48, dtype=torch.uint8))  # cut, not scaled
        assert int(squares[index, 0, 0, 0]) == number_of(part.photo(index))
    assert len({int(square[1, 0, 0]) for square in squares}) > 3
    again, _ = part.take(indices, torch.Generator().manual_seed(1))
    assert torch.equal(squares, again)


def test_the_middle_of_every_photo(tmp_path: Path) -> None:
    part = load_photos(as_folder(tmp_path / "p", contents()), "train")
    assert part.images.shape == (len(part), 3, 48, 48)
    assert part.images[0, 1, 0].tolist() == list(range(6, 54))
    assert part.images is part.images
    assert len(part.labels) == len(part)


def test_other_sizes_are_scaled_to_the_side(tmp_path: Path) -> None:
    sizes = {**{f"{i}.png": png(i) for i in range(40)}, "large.png": png(200, 200, 180), "small.png": png(100, 40, 40)}
    parts = everything(as_folder(tmp_path / "p", sizes))
    assert {part.side for part in parts.values()} == {48}
    for part in parts.values():
        squares, _ = part.take(torch.arange(len(part)), torch.Generator().manual_seed(0))
        for index, name in enumerate(part.names):
            assert int(squares[index, 0, 20, 20]) == number_of(part.photo(index))
            if name == "small.png":
                assert torch.equal(squares[index], part.images[index])


def test_large_photos_and_panoramas_are_kept_within_bounds(tmp_path: Path) -> None:
    files = {**contents(4), "wide.png": png(9, 1200, 100), "large.png": png(8, 900, 700)}
    parts = everything(as_folder(tmp_path / "p", files))
    shapes = {name: part.photo(index).shape for part in parts.values() for index, name in enumerate(part.names)}
    assert shapes["wide.png"] == (100, 400, 3)
    assert shapes["large.png"] == (512, 658, 3)


# --- what is left out, and what is refused ----------------------------------------------------------------


def test_bad_photos_are_left_out_and_told_of(tmp_path: Path) -> None:
    files = {"a/text.jpg": b"not a photo", "empty.png": b"", "dot.png": png(1, 1, 1), **contents(20)}
    folder = as_folder(tmp_path / "p", files)
    with pytest.warns(UserWarning, match=r"3 of 23 files in .* are left out: dot\.png is 1×1 pixels"):
        part = load_photos(folder, "train")
    assert set(part.skipped) == {"a/text.jpg", "empty.png", "dot.png"}
    assert part.skipped["dot.png"] == "dot.png is 1×1 pixels, too small to learn from"
    assert sum(len(part) for part in everything(folder).values()) == 20  # told once


def test_a_hostile_zip(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "p.zip", {**contents(6), "../../out.png": png(50), "/etc/out.png": png(51)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("c:\\out.png", png(52))
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    before = sorted(tmp_path.rglob("*.png"))
    with pytest.warns(UserWarning, match="4 of 10 files"):
        part = load_photos(path, "train")
    assert part.skipped["link.png"] == "link.png is a link"
    outside = {"../../out.png", "/etc/out.png", "c:\\out.png", "c:/out.png"}
    reasons = {reason.removeprefix(name) for name, reason in part.skipped.items() if name in outside}
    assert reasons == {" has a name that leads out of the archive"}
    assert sorted(tmp_path.rglob("*.png")) == before  # nothing is unpacked


def test_a_hostile_tar(tmp_path: Path) -> None:
    path = as_tar(tmp_path / "p.tar", {**contents(6), "../out.png": png(50)})
    with tarfile.open(path, "a") as archive:
        for name, kind in (
            ("soft.png", tarfile.SYMTYPE),
            ("hard.png", tarfile.LNKTYPE),
            ("fifo.png", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    with pytest.warns(UserWarning, match="4 of 10 files"):
        part = load_photos(path, "train")
    for name in ("soft.png", "hard.png", "fifo.png"):
        assert part.skipped[name] == f"{name} is a link"


def test_a_zip_of_zeros_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 100_000)
    path = as_zip(tmp_path / "p.zip", {**contents(6), "zeros.png": bytes(3_000_000)})
    assert path.stat().st_size < 50_000
    with pytest.warns(UserWarning, match=r"zeros\.png is larger than"):
        load_photos(path, "train")


def test_a_zip_of_blank_pictures_does_not_fill_the_disk(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "HARMLESS", 10**6)
    blank = io.BytesIO()
    Image.new("1", (512, 512)).save(blank, "PNG")
    with zipfile.ZipFile(tmp_path / "blank.zip", "w") as archive:
        for number in range(20):
            archive.writestr(f"{number}.png", blank.getvalue())
    with pytest.raises(DataError, match=r"blank\.zip holds far more pixels than files of its size do"):
        photos.decoded(tmp_path / "blank.zip")
    assert list((home / "data" / "cache").iterdir()) == []


def test_what_nobody_used_for_longest_goes_first(home: Path) -> None:
    kept = home / "data" / "cache"
    for age, name in enumerate(["photos-new", "labelled-old", "photos-oldest"]):
        (kept / name).mkdir(parents=True)
        (kept / name / "pixels.u8").write_bytes(bytes(1000))
        os.utime(kept / name, (1000 - age, 1000 - age))
    cache.trim(2500)
    assert sorted(path.name for path in kept.iterdir()) == ["labelled-old", "photos-new"]
    cache.trim(0)
    assert list(kept.iterdir()) == []


def test_what_a_killed_process_left_behind_goes(tmp_path: Path, home: Path) -> None:
    kept = home / "data" / "cache"
    for name, when in ((".photos-a.1.tmp", 1000.0), (".photos-b.2.tmp", None)):
        (kept / name).mkdir(parents=True)
        (kept / name / "pixels.u8").write_bytes(bytes(10))
        if when is not None:
            for path in (kept / name / "pixels.u8", kept / name):
                os.utime(path, (when, when))
    cache.entry("photos", "1", tmp_path, lambda folder: {})
    assert [path.name for path in kept.glob(".*")] == [".photos-b.2.tmp"]  # somebody still writes into it


def test_a_damaged_member_and_an_encrypted_one(tmp_path: Path) -> None:
    files = contents(6)
    path = as_zip(tmp_path / "p.zip", files)
    raw = bytearray(path.read_bytes())
    start = raw.index(b"a/02.png") + 60
    raw[start : start + 30] = bytes(30)
    place = raw.rindex(b"b/03.png") - 46
    assert raw[place : place + 4] == b"PK\x01\x02"
    raw[place + 8] |= 1
    path.write_bytes(raw)
    with pytest.warns(UserWarning, match="2 of 6 files"):
        part = load_photos(path, "train")
    assert part.skipped["a/02.png"] == "a/02.png is damaged in the archive"
    assert part.skipped["b/03.png"] == "b/03.png is encrypted"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("p.zip", b"PK no zip at all", "is no zip that can be read"),
        ("p.tar", b"no tar at all", "is no tar that can be read"),
        ("p.tar.gz", b"\x1f\x8b\x08cut", "is no tar that can be read"),
        ("p.txt", b"text", "is no folder, zip or tar"),
    ],
)
def test_what_is_no_archive(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert says in sentence(lambda: load_photos(tmp_path / name, "train"))


def test_a_tar_that_is_cut_off(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    path = as_tar(tmp_path / "p.tar", {**contents(6), "z.png": buffer.getvalue()})
    path.write_bytes(path.read_bytes()[: 6 * 1024 + 5000])
    assert "is no tar that can be read; make it again" in sentence(lambda: load_photos(path, "train"))


def test_nothing_there(tmp_path: Path) -> None:
    assert "there is no" in sentence(lambda: load_photos(tmp_path / "gone", "train"))
    (tmp_path / "empty").mkdir()
    assert "holds no photos; put JPEG or PNG files there" in sentence(lambda: load_photos(tmp_path / "empty", "train"))
    folder = as_folder(tmp_path / "p", {"a.jpg": b"text"})
    assert "holds no photo that can be read: a.jpg is no picture" in sentence(lambda: load_photos(folder, "test"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"file,split\na/00.png,sometimes\n", "has the split 'sometimes' for a/00.png; valid: train, val, test"),
        (b"file,split\n\xff\xfe,train\n", "can't be read"),
    ],
)
def test_a_wrong_csv(tmp_path: Path, content: bytes, says: str) -> None:
    folder = as_folder(tmp_path / "p", {"list.csv": content, **contents(6)})
    assert says in sentence(lambda: load_photos(folder, "train"))


def test_a_folder_that_cannot_be_written(tmp_path: Path, home: Path) -> None:
    (home / "data").write_text("a file where the cache should be")
    folder = as_folder(tmp_path / "p", contents(6))
    assert "set GANDEMO_HOME to a folder that has it" in sentence(lambda: load_photos(folder, "train"))


def test_a_damaged_cache_is_named(tmp_path: Path, home: Path) -> None:
    folder = as_folder(tmp_path / "p", contents(6))
    load_photos(folder, "train")
    (pixels,) = (home / "data" / "cache").glob("photos-*/pixels.u8")
    pixels.write_bytes(pixels.read_bytes()[:1000])
    assert "delete that folder" in sentence(lambda: [load_photos(folder, split) for split in SPLITS])  # type: ignore[arg-type]


def test_old_caches_go(tmp_path: Path, home: Path) -> None:
    for index in range(cache.KEEP + 2):
        load_photos(as_folder(tmp_path / str(index), contents(4)), "train")
    assert len(list((home / "data" / "cache").iterdir())) == cache.KEEP


# --- by name ----------------------------------------------------------------------------------------------


def test_the_sample_comes_with_credits() -> None:
    parts = {split: datasets.load("photos", split) for split in SPLITS}  # type: ignore[arg-type]
    assert {part.origin for part in parts.values()} == {SAMPLES}
    assert [len(parts[split]) for split in SPLITS] == [48, 4, 12]
    assert {part.side for part in parts.values()} == {256}  # type: ignore[union-attr]
    with (SAMPLES / "CREDITS.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"] for row in rows} == {path.name for path in SAMPLES.glob("*.jpg")}
    assert len(rows) == sum(len(part) for part in parts.values())
    for row in rows:
        assert row["licence"].startswith(("CC0", "CC-BY"))
        assert row["source"]
        assert row["original"]
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 2_500_000


@pytest.mark.parametrize("name", ["photos", "photos.zip", "photos.tar"])
def test_own_photos_come_first(home: Path, name: str) -> None:
    (home / "data").mkdir()
    path = MAKERS[name](home / "data" / name, contents())
    assert datasets.load("photos", "train").origin == path


def test_an_archive_in_the_folder_stands_for_it(home: Path) -> None:
    folder = home / "data" / "photos"
    folder.mkdir(parents=True)
    files = contents()
    as_tar(folder / "mine.tar", files)
    (folder / "mine.csv").write_bytes(table(list(files), lambda index: ["train", "val", "test"][index % 3]))
    assert len(datasets.load("photos", "validation")) == 10
    as_zip(folder / "more.zip", {f"more/{name}": content for name, content in contents(6).items()})
    datasets._load_cached.cache_clear()
    names = {name for split in SPLITS for name in datasets.load("photos", split).names}  # type: ignore[arg-type,union-attr]
    assert names == {*(f"mine.tar/{name}" for name in files), *(f"more.zip/more/{name}" for name in contents(6))}


def test_photos_by_their_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_folder(tmp_path / "p", contents())
    assert datasets.load(str(tmp_path / "p"), "train").origin == tmp_path / "p"
    monkeypatch.chdir(tmp_path)
    assert datasets.load("p", "train").origin == tmp_path / "p"
    assert datasets.find("p").title == "photos in p"


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
def test_a_linked_photo_counts_and_a_linked_folder_does_not(tmp_path: Path) -> None:
    elsewhere = as_folder(tmp_path / "elsewhere", contents(4))
    folder = as_folder(tmp_path / "p", contents(6))
    (folder / "linked.png").symlink_to(elsewhere / "a" / "00.png")
    (folder / "more").symlink_to(elsewhere)
    assert sum(len(part) for part in everything(folder).values()) == 7
