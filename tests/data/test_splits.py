"""Folders called train, val and test, in folders and archives, and several archives read together."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gandemo.data import credits, own, sources
from gandemo.data.credits import Credit
from gandemo.data.labelled import load_classes
from gandemo.data.photos import load_photos
from gandemo.data.splits import by_folders, share_of
from gandemo.errors import DataError
from gandemo.recipes import RECIPES

SPLITS = ("train", "validation", "test")
COLORIZE = RECIPES["colorize"]
Files = Mapping[str, bytes]


@pytest.fixture(autouse=True)
def _own_home(home: Path) -> None:
    """Every test has a cache of its own."""


def png(seed: int, side: int = 36) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def several(*places: str, each: int = 6) -> dict[str, bytes]:
    """Pictures in every one of some places, all of them different."""
    names = [f"{place}/{index}.png" for place in places for index in range(each)]
    return {name: png(seed) for seed, name in enumerate(names)}


def as_folder(path: Path, files: Files) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def as_zip(path: Path, files: Files) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def as_tar(path: Path, files: Files) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


MAKERS: dict[str, Callable[[Path, Files], Path]] = {"p": as_folder, "p.zip": as_zip, "p.tgz": as_tar}


def parts_of(path: Path) -> dict[str, set[str]]:
    """The names in each split."""
    return {split: set(load_photos(path, split).names) for split in SPLITS}  # type: ignore[arg-type]


def within(names: set[str]) -> set[str]:
    """The folders that the files lie in."""
    return {name.rpartition("/")[0] for name in names}


# --- what folders say ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (("train", "val", "test"), {"train": "train", "val": "validation", "test": "test"}),
        (("Training", "VALID", "Test"), {"Training": "train", "VALID": "validation", "Test": "test"}),
        (("mine/train", "mine/validation"), {"mine/train": "train", "mine/validation": "validation"}),
        (("train/a", "train/b", "test/a"), {"train/a": "train", "train/b": "train", "test/a": "test"}),
        (("a/train", "a/test", "b/train"), {"a/train": "train", "a/test": "test", "b/train": "train"}),
        (("test/train", "test/val"), {"test/train": "train", "test/val": "validation"}),  # it is called test
        (("train/test", "test/train"), {"train/test": "train", "test/train": "test"}),  # the outermost counts
        (("a", "b/c", "test"), {"a": "train", "b/c": "train", "test": "test"}),
        (("train.zip", "test.zip"), {"train.zip": "train", "test.zip": "test"}),
        (("d/train-0.tar", "d/my_val2017.tgz"), {"d/train-0.tar": "train", "d/my_val2017.tgz": "validation"}),
        (("0.zip/train", "1.zip/test"), {"0.zip/train": "train", "1.zip/test": "test"}),
        (("train.zip/train", "train.zip/val"), {"train.zip/train": "train", "train.zip/val": "validation"}),
        (("train.zip", "b.zip/val"), {"train.zip": "train", "b.zip/val": "validation"}),
        (("a\\train", "a\\test"), {"a\\train": "train", "a\\test": "test"}),
        # nothing: all the same, or other names
        (("train",), {}),
        (("train", "a"), {}),
        (("test",), {}),
        (("val", "test"), {}),
        (("train.zip",), {}),
        (("a", "b"), {}),
        (("trains", "testing", "my test", "test-1", "latest"), {}),
        (("retrain.zip", "contest.zip"), {}),
    ],
)
def test_what_folders_say(places: tuple[str, ...], said: dict[str, str]) -> None:
    names = {
        place: [f"{place}{'/' if chr(92) not in place else chr(92)}{index}.png" for index in "12"] for place in places
    }
    found = by_folders([name for each in names.values() for name in each])
    assert found == {name: split for place, split in said.items() for name in names[place]}


def test_a_picture_beside_the_folders_is_for_training() -> None:
    assert by_folders(["cover.png", "train/a.png", "test/b.png"])["cover.png"] == "train"
    assert by_folders(["cover.png"]) == by_folders([]) == {}


@pytest.mark.parametrize("name", MAKERS)
def test_all_three_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    found = parts_of(MAKERS[name](tmp_path / name, several("mine/train/x", "mine/val", "mine/test")))
    assert {split: within(names) for split, names in found.items()} == {
        "train": {"mine/train/x"},
        "validation": {"mine/val"},
        "test": {"mine/test"},
    }


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_where_one_part_is_held_out_the_hash_takes_the_validation_from_train(tmp_path: Path, held_out: str) -> None:
    files = several("train", each=24) | several(held_out)
    found = parts_of(as_folder(tmp_path / "p", files))
    assert found["test"] == {name for name in files if name.startswith(held_out)}
    training = sorted((name for name in files if name.startswith("train")), key=share_of)
    assert found["validation"] == set(training[:2])  # a twelfth
    assert found["train"] == set(training[2:])
    # and it stays with those where others come
    (tmp_path / "p" / held_out / "new.png").write_bytes(png(99))
    assert parts_of(tmp_path / "p")["validation"] == set(training[:2])


def test_a_csv_wins_where_it_speaks(tmp_path: Path) -> None:
    files = several("train", "test")
    listed = "file,split\n" + "".join(f"test/{index}.png,train\n" for index in range(4)) + "train/0.png,val\n"
    found = parts_of(as_folder(tmp_path / "p", {**files, "list.csv": listed.encode()}))
    assert found["validation"] == {"train/0.png"}
    assert found["test"] == {"test/4.png", "test/5.png"}
    assert len(found["train"]) == 9


def test_without_such_names_the_hash_says_it_all(tmp_path: Path) -> None:
    """What was split by the hash before folders were heard is split so still, and a run on it goes on."""
    files = several("a", "b/trains", "testing", each=10)
    found = parts_of(as_folder(tmp_path / "p", files))
    assert found["test"] == {"a/5.png", "a/7.png"}
    assert found["validation"] == {"a/6.png", "b/trains/0.png", "testing/5.png"}
    assert len(found["train"]) == 25
    assert own.check(str(tmp_path / "p"), COLORIZE).remarks[0].startswith(f"{len(found['train'])} training")


def test_the_report_tells_who_said_it(tmp_path: Path) -> None:
    folder = as_folder(tmp_path / "p", several("train", "test"))
    assert own.check(str(folder), COLORIZE).remarks[0].startswith("Names such as train and test say")
    (folder / "list.csv").write_text("file,split\ntrain/0.png,test\n")
    assert own.check(str(folder), COLORIZE).remarks[0].startswith("The csv says")
    assert own.check(str(folder), COLORIZE).splits["test"] == 7


# --- class folders ------------------------------------------------------------------------------------------


def classes(path: Path) -> dict[str, dict[str, int]]:
    """By split, how many pictures of each class."""
    found = {}
    for split in SPLITS:
        part = load_classes(path, split)  # type: ignore[arg-type]
        names = [part.class_names[label] for label in part.labels.tolist()]
        found[split] = {name: names.count(name) for name in sorted(set(names))}
    return found


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("layout", ["{split}/{name}", "{name}/{split}", "mine/{split}/{name}"])
def test_class_folders_inside_or_around(tmp_path: Path, name: str, layout: str) -> None:
    places = [layout.format(split=split, name=each) for split in ("train", "valid", "test") for each in ("0", "1")]
    path = MAKERS[name](tmp_path / name, several(*places, each=3))
    assert classes(path) == {split: {"0": 3, "1": 3} for split in SPLITS}


def test_pictures_without_classes_in_folders_that_say_what_for(tmp_path: Path) -> None:
    path = as_folder(tmp_path / "p", several("mine/train", "mine/val", "mine/test", each=3))
    assert classes(path) == {split: {"all": 3} for split in SPLITS}


def test_train_alone_is_split_by_the_hash(tmp_path: Path) -> None:
    path = as_folder(tmp_path / "p", several("train/0", "train/1", each=30))
    found = {split: sum(counts.values()) for split, counts in classes(path).items()}
    assert found["train"] < 57  # more than one picture each is held out
    assert min(found.values()) > 1


# --- several archives ---------------------------------------------------------------------------------------


def test_archives_in_a_folder_are_read_together(tmp_path: Path) -> None:
    as_zip(tmp_path / "p" / "data" / "part-0.zip", several("train", "test"))
    as_tar(tmp_path / "p" / "data" / "part-1.tar.gz", several("more/train", "more/val"))
    found = parts_of(tmp_path / "p")
    assert within(found["train"]) == {"data/part-0.zip/train", "data/part-1.tar.gz/more/train"}
    assert within(found["validation"]) == {"data/part-1.tar.gz/more/val"}
    assert within(found["test"]) == {"data/part-0.zip/test"}


def test_their_names_say_what_for_and_are_no_classes(tmp_path: Path) -> None:
    as_zip(tmp_path / "train-0.zip", several("0", "1", each=4))
    as_zip(tmp_path / "train-1.zip", several("0", "1", each=2))
    as_zip(tmp_path / "test.zip", several("0", "1", each=3))
    as_zip(tmp_path / "valid.zip", several("test/0", "test/1", each=1))  # a folder in it knows better
    assert classes(tmp_path)["test"] == {"0": 4, "1": 4}
    for name in ("train-1.zip", "valid.zip"):
        (tmp_path / name).unlink()
    as_zip(tmp_path / "val.zip", {f"{index}.png": png(index) for index in range(2)})
    found = own.check(str(tmp_path), RECIPES["digits"])
    assert found.classes == {"0": 7, "1": 7}
    assert found.skipped["val.zip/0.png"] == "val.zip/0.png lies in no class folder, as others do"


def test_each_has_its_csv_and_all_may_have_one(tmp_path: Path) -> None:
    as_zip(tmp_path / "a.zip", several("x") | {"in.csv": b"file,split\nx/0.png,test\n"})
    as_zip(tmp_path / "b.zip", several("x"))
    (tmp_path / "b.csv").write_text("file,split,licence,source\nx/1.png,val,CC0,here\n")
    found = parts_of(tmp_path)
    assert (found["test"], found["validation"]) == ({"a.zip/x/0.png"}, {"b.zip/x/1.png"})
    (credit,) = credits.credits_of(load_photos(tmp_path, "validation"))
    assert credit == Credit("here", "CC0", 1)
    (tmp_path / "all.csv").write_text("file,split\nx/2.png,val\nb.zip/x/3.png,test\n")
    found = parts_of(tmp_path)
    assert found["test"] == {"a.zip/x/0.png", "b.zip/x/3.png"}
    assert found["validation"] == {"b.zip/x/1.png", "a.zip/x/2.png", "b.zip/x/2.png"}


def test_what_is_wrong_in_one_is_told_with_its_name(tmp_path: Path) -> None:
    as_zip(tmp_path / "p" / "train.zip", several("x") | {"../out.png": png(50), "a.png": b"no picture"})
    as_zip(tmp_path / "p" / "test.zip", several("x"))
    with pytest.warns(UserWarning, match="2 of 14 files"):
        part = load_photos(tmp_path / "p", "train")
    assert part.skipped["train.zip/../out.png"] == "train.zip/../out.png has a name that leads out of the archive"
    assert part.skipped["train.zip/a.png"].startswith("train.zip/a.png is no picture")
    assert not list(tmp_path.rglob("*.png"))  # nothing is unpacked
    (tmp_path / "p" / "more.zip").write_bytes(b"PK no zip at all")
    with pytest.raises(DataError, match=r"more\.zip is no zip that can be read"):
        load_photos(tmp_path / "p", "train")


def test_too_many_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_ARCHIVES", 2)
    for name in ("a", "b", "c"):
        as_zip(tmp_path / f"{name}.zip", several("x", each=1))
    with pytest.raises(DataError, match="more than 2 archives; put the pictures into fewer"):
        load_photos(tmp_path, "train")


def test_the_bound_of_pictures_is_for_all_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gandemo.data.photos.MAX_FILES", 7)
    monkeypatch.setattr("gandemo.data.labelled.MAX_FILES", 7)
    for name in ("a", "b"):
        as_zip(tmp_path / f"{name}.zip", several("x", each=4))
    for read in (load_photos, load_classes):
        with pytest.raises(DataError, match=r"up to 7 photos|more than 7 pictures"):
            read(tmp_path, "train")


def test_loose_pictures_are_meant_where_there_are_some(tmp_path: Path) -> None:
    as_folder(tmp_path, several("x"))
    as_zip(tmp_path / "old.zip", several("y"))
    assert within(set().union(*parts_of(tmp_path).values())) == {"x"}
