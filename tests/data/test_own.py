"""Somebody's own pictures: class folders as MNIST would hold them, photos, what is left out and why, what is kept."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gandemo.data import datasets, own
from gandemo.data.images import open_photo
from gandemo.data.labelled import load_classes, to_small
from gandemo.errors import DataError
from gandemo.recipes import RECIPES
from gandemo.training.preview import preview

DIGITS = RECIPES["digits"].with_settings({"batch_size": 8})
MNIST = datasets.load("mnist", "test")


@pytest.fixture(autouse=True)
def _own_home(home: Path) -> None:
    datasets._load_cached.cache_clear()


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def digit(index: int) -> np.ndarray:
    return MNIST.images[index, 0].numpy()


def folder(path: Path, count: int = 100, *, paper: bool = False, wrap: str = "") -> Path:
    """The first test digits as PNGs in class folders."""
    for index in range(count):
        place = path / wrap / str(int(MNIST.labels[index]))
        place.mkdir(parents=True, exist_ok=True)
        pixels = 255 - digit(index) if paper else digit(index)
        (place / f"{index:03d}.png").write_bytes(png(pixels))
    return path


def zipped(path: Path, source: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(source.rglob("*.png")):
            archive.write(file, file.relative_to(source.parent))
    return path


def every(path: Path) -> dict[int, int]:
    """From each picture's content to its class name."""
    found = {}
    for split in ("train", "validation", "test"):
        part = load_classes(path, split)  # type: ignore[arg-type]
        for image, label in zip(part.images, part.labels.tolist(), strict=True):
            found[hash(image.numpy().tobytes())] = int(part.class_names[label])
    return found


def truth(count: int = 100) -> dict[int, int]:
    return {hash(digit(index).tobytes()): int(MNIST.labels[index]) for index in range(count)}


@pytest.mark.parametrize("paper", [False, True])
def test_class_folders_are_read_to_the_bit(tmp_path: Path, paper: bool) -> None:
    """Also from dark on bright, and from a zip that wraps it all into one more folder."""
    path = folder(tmp_path / "mine", paper=paper)
    assert every(path) == truth()
    assert every(zipped(tmp_path / "mine.zip", path)) == truth()


def test_every_picture_is_in_one_split_and_keeps_it(tmp_path: Path) -> None:
    path = folder(tmp_path / "mine")
    before = [load_classes(path, split) for split in ("train", "validation", "test")]  # type: ignore[arg-type]
    assert sum(map(len, before)) == 100
    assert min(map(len, before)) > 0
    train = {image.numpy().tobytes() for image in before[0].images}
    (path / "3" / "new.png").write_bytes(png(digit(200)))
    after = {image.numpy().tobytes() for image in load_classes(path, "train").images}
    assert train <= after


def test_folders_may_say_what_pictures_are_for(tmp_path: Path) -> None:
    for split, start, count in (("train", 0, 30), ("test", 30, 10)):
        for index in range(start, start + count):
            place = tmp_path / "mine" / split / str(int(MNIST.labels[index]))
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{index}.png").write_bytes(png(digit(index)))
    tested = load_classes(tmp_path / "mine", "test")
    assert {image.numpy().tobytes() for image in tested.images} == {digit(i).tobytes() for i in range(30, 40)}
    assert "train" not in tested.class_names
    assert len(load_classes(tmp_path / "mine", "validation")) == 2  # a twelfth of the training pictures


def test_class_names_are_sorted_as_people_count(tmp_path: Path) -> None:
    for name in ("10", "9", "b", "a2", "a10", "²"):
        (tmp_path / name).mkdir()
        for index in range(2):
            (tmp_path / name / f"{index}.png").write_bytes(png(digit(index + len(name))))
    assert load_classes(tmp_path, "train").class_names == ("9", "10", "a2", "a10", "b", "²")


def test_any_picture_becomes_28_by_28() -> None:
    wide = np.full((40, 120), 250, np.uint8)
    wide[10:30, 50:70] = 5
    small = to_small(open_photo(png(wide)))
    assert small.shape == (28, 28)
    assert small[0, 0] == small[-1, -1] == small[2, 14] == 250  # squared with the border's colour
    assert small.min() < 60
    assert np.array_equal(to_small(open_photo(png(digit(3)))), digit(3))
    ink = np.zeros((28, 28, 4), np.uint8)
    ink[8:20, 8:20, 3] = 255  # black on nothing
    assert to_small(open_photo(png(ink)))[0, 0] == 255
    assert to_small(open_photo(png(ink)))[14, 14] == 0


# --- the report -------------------------------------------------------------------------------------------


def test_a_report_names_what_is_left_out_and_why(tmp_path: Path) -> None:
    path = folder(tmp_path / "mine")
    whole = (path / "3" / next((path / "3").iterdir()).name).read_bytes()
    (path / "3" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (path / "3" / "text.png").write_text("no picture")
    (path / "loose.png").write_bytes(whole)
    (path / "notes.txt").write_text("not looked at")
    report = own.check(str(path), DIGITS)
    assert report.count == 100
    assert sum(report.splits.values()) == 100
    assert report.left_out == 3
    assert "cut off" in report.skipped["3/cut.png"] or "damaged" in report.skipped["3/cut.png"]
    assert "no picture" in report.skipped["3/text.png"]
    assert "lies in no class folder" in report.skipped["loose.png"]
    assert report.classes == {str(label): int((MNIST.labels[:100] == label).sum()) for label in range(10)}
    assert report.smallest == report.median == report.largest == (28, 28)
    assert report.data == f"classes:{path}"
    assert len(datasets.load(report.data, "train")) == report.splits["train"]


def test_a_report_says_what_to_expect(tmp_path: Path) -> None:
    path = folder(tmp_path / "mine", paper=True)
    remarks = " ".join(own.check(str(path), DIGITS).remarks)
    assert "known by heart" in remarks
    assert "dark on bright: they are turned" in remarks
    too_many = own.check(str(path), DIGITS.with_settings({"batch_size": 96})).remarks[0]
    assert "fewer than a batch of 96" in too_many


def test_photos_are_checked_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "photos"
    path.mkdir()
    rng = np.random.default_rng(0)
    for index in range(12):
        smooth = rng.integers(0, 255, (6, 8, 3), np.uint8)
        Image.fromarray(smooth).resize((96, 72)).save(path / f"{index}.png")
    (path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    colorize = RECIPES["colorize"].with_settings({"batch_size": 4, "image_size": 128})
    report = own.check(str(path), colorize)
    assert (report.count, report.left_out, report.classes) == (12, 1, {})
    assert list(report.skipped) == ["broken.jpg"]
    assert any("12 of 12 photos are smaller than the 128 pixels" in remark for remark in report.remarks)
    for name in ("colorize", "colorize-unet", "enhance", "inpaint"):
        recipe = RECIPES[name].with_settings({"image_size": 64} if name != "colorize-unet" else {})
        given, wanted = halves(preview(recipe, str(path)))
        assert np.abs(given - wanted).mean() > 1
        assert np.array_equal(halves(preview(recipe, str(path)))[0], given)  # the same again
        if name.startswith("colorize"):
            assert np.ptp(given, axis=2).max() <= 2  # grey
            assert np.ptp(wanted, axis=2).max() > 30


def halves(sheet: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """What is given, and what is wanted, of the sheet's first pair."""
    pixels = np.asarray(sheet).astype(int)
    return pixels[:128, :128], pixels[:128, 130:258]


def test_a_preview_of_digits_has_a_class_to_a_column(tmp_path: Path) -> None:
    path = folder(tmp_path / "mine", 200)
    sheet = np.asarray(preview(DIGITS, str(path)))
    assert sheet.shape == (8 * 30 - 2, 10 * 30 - 2)
    known = truth(200)
    for column in range(10):
        assert known[hash(sheet[:28, 30 * column : 30 * column + 28].tobytes())] == column


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path / "nowhere", "there is no data set"),
        (lambda path: path, "holds no pictures that can be read"),
        (lambda path: Path("mnist"), "is no path"),
    ],
)
def test_what_can_not_be_used(tmp_path: Path, make: object, says: str) -> None:
    with pytest.raises(DataError, match=says):
        own.check(str(make(tmp_path)), DIGITS)  # type: ignore[operator]


def test_a_zip_that_would_write_elsewhere_is_left_out(tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", folder(tmp_path / "mine"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../outside.png", png(digit(0)))
        link = zipfile.ZipInfo("3/link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    report = own.check(str(path), DIGITS)
    assert report.count == 100
    assert "leads out of the archive" in report.skipped["../outside.png"]
    assert "is a link" in report.skipped["3/link.png"]
    assert not (tmp_path.parent / "outside.png").exists()


# --- a recipe on them -------------------------------------------------------------------------------------


def test_a_recipe_is_told_as_many_classes_as_there_are(tmp_path: Path) -> None:
    path = folder(tmp_path / "mine")
    for label in range(3, 10):
        for file in (path / str(label)).iterdir():
            file.unlink()
        (path / str(label)).rmdir()
    fitted = datasets.fit(DIGITS, str(path))
    assert (fitted.dataset, fitted.classes) == (f"classes:{path}", 3)
    assert datasets.fit(RECIPES["vanilla"], str(path)).classes == 0
    assert datasets.fit(DIGITS, "fashion-mnist").classes == 10
    assert datasets.find(fitted.dataset).class_names == ("0", "1", "2")


def test_changed_pictures_are_read_again(tmp_path: Path) -> None:
    path = folder(tmp_path / "mine")
    name = datasets.named(str(path), "digits")
    before = len(datasets.load(name, "train"))
    assert datasets.load(name, "train") is datasets.load(name, "train")
    for index in range(100, 130):
        (path / "new").mkdir(exist_ok=True)
        (path / "new" / f"{index}.png").write_bytes(png(digit(index)))
    assert len(datasets.load(name, "train")) > before
    assert torch.equal(datasets.load(name, "train").labels.unique(), torch.arange(11))


def test_an_upload_is_kept_by_its_content(tmp_path: Path, home: Path) -> None:
    archive = zipped(tmp_path / "upload.tmp", folder(tmp_path / "mine"))
    kept = own.keep(archive, "../../My Digits.ZIP")
    assert kept.parent == home / "data" / "own"
    assert kept.suffix == ".zip"
    assert own.keep(archive, "other.zip") == kept
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    assert own.check(str(kept), DIGITS).count == 100
    with pytest.raises(DataError, match="is no zip or tar"):
        own.keep(archive, "digits.rar")
    with pytest.raises(DataError, match="can't keep"):
        own.keep(tmp_path / "gone.zip", "gone.zip")
