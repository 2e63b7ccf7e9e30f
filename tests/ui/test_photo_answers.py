"""What the tabs Colorize and Enhance make of photos, without the page."""

from __future__ import annotations

import dataclasses
import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from gandemo import places
from gandemo.data import images as im
from gandemo.errors import GanDemoError, RequestError
from gandemo.pipeline import painting
from gandemo.places import stem
from gandemo.ui import long_work, photo_examples
from gandemo.ui import photo_answers as answers
from gandemo.ui.photo_files import MAX_FILE_BYTES, PhotoFiles
from gandemo.ui.photo_wishes import ColourWish, EnhanceWish, Source, sources
from tests import tiny, tiny_photos

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

quiet = long_work.unheard


@pytest.fixture(scope="module")
def tinies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a tiny untrained checkpoint of each photo task."""
    home = tmp_path_factory.mktemp("home")
    for name in ("colorize", "colorize-unet", "enhance", "inpaint"):
        tiny.save(home / "checkpoints" / name, tiny_photos.TINY[name])
    return home


@pytest.fixture
def files(tinies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PhotoFiles:
    monkeypatch.setenv("GANDEMO_HOME", str(tinies))
    monkeypatch.setattr(places, "SHIPPED", tmp_path / "nothing")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    (tmp_path / "uploads").mkdir()
    return PhotoFiles(set())


def waves(width: int, height: int, *, colour: bool = False) -> Image.Image:
    """A grey picture, or one with red, green and blue in it."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    planes = [120 + 80 * np.sin(x / (5 + step) + step * y / 9) for step in ((0, 1, 2) if colour else (0, 0, 0))]
    return Image.fromarray(np.stack(planes, axis=2).clip(0, 255).astype(np.uint8))


@pytest.fixture
def photo(tmp_path: Path) -> Callable[..., Source]:
    """`photo("name.jpg", width=64, height=48, colour=False, **how_to_save)` as if it had been sent."""

    def save(name: str, width: int = 64, height: int = 48, colour: bool = False, **options: Any) -> Source:
        path = tmp_path / "uploads" / name
        waves(width, height, colour=colour).save(path, **options)
        return Source(path, name)

    return save


def opened(path: object) -> Image.Image:
    with Image.open(str(path)) as image:
        image.load()
        return image


# --- colorize -------------------------------------------------------------------------------------------------


def test_a_grey_photo_gets_colour(files: PhotoFiles, photo: Callable[..., Source]) -> None:
    grey = photo("cat.png", 80, 60)
    shown = answers.coloured(files, "colorize", grey, ColourWish(), fresh=True)
    assert (shown["name"], shown["width"], shown["height"], shown["asks"]) == ("cat.png", 80, 60, "")
    before, after = np.asarray(opened(shown["before"]), np.int16), np.asarray(opened(shown["after"]), np.int16)
    assert before.shape == after.shape == (60, 80, 3)
    assert np.abs(before[..., 0] - before[..., 2]).max() < 8
    assert np.abs(after[..., 0] - after[..., 2]).max() > 8
    again = answers.coloured(files, "colorize", grey, ColourWish(vivid=True), fresh=False)
    assert again["before"] is None
    assert opened(again["after"]).tobytes() == opened(shown["after"]).tobytes()
    assert opened(again["vivid"]).tobytes() != opened(shown["after"]).tobytes()


def test_a_dab_changes_the_colour(files: PhotoFiles, photo: Callable[..., Source]) -> None:
    grey = photo("cat.png")
    plain = answers.coloured(files, "colorize", grey, ColourWish(), fresh=False)
    dabbed = answers.coloured(files, "colorize", grey, ColourWish(hints=((0.5, 0.5, (200, 20, 20)),)), fresh=False)
    assert plain["takes_hints"]
    assert opened(dabbed["after"]).tobytes() != opened(plain["after"]).tobytes()
    without = answers.coloured(files, "colorize-unet", grey, ColourWish(), fresh=False)
    assert not without["takes_hints"]


def test_a_colour_photo_is_told_and_recoloured_on_demand(files: PhotoFiles, photo: Callable[..., Source]) -> None:
    colour = photo("cat.png", colour=True)
    shown = answers.coloured(files, "colorize", colour, ColourWish(), fresh=True)
    assert shown["asks"] == "This photo is in colour already. Shall its colour be made anew?"
    assert shown["after"] is None
    again = answers.coloured(files, "colorize", colour, ColourWish(recolour=True), fresh=False)
    assert again["after"]
    assert again["asks"] == ""
    with pytest.raises(RequestError, match="is in colour already and was left out"):
        answers.full_size(files, colour, answers.colour_painter("colorize", ColourWish()), "colour", quiet)


def test_what_is_looked_at_is_small_and_what_is_taken_is_not(files: PhotoFiles, photo: Callable[..., Source]) -> None:
    large = photo("cat.png", 2000, 500)
    shown = answers.coloured(files, "colorize", large, ColourWish(), fresh=True)
    assert (shown["width"], shown["height"]) == (2000, 500)
    assert opened(shown["after"]).size == (1280, 320)
    taken = answers.full_size(files, large, answers.colour_painter("colorize", ColourWish()), "colour", quiet)
    assert taken["name"] == "cat-colour.png"
    assert opened(taken["path"]).size == (2000, 500)
    pale = answers.colour_painter("colorize", ColourWish(strength=0.0))
    grey = np.asarray(opened(answers.full_size(files, large, pale, "colour", quiet)["path"]), np.int16)
    assert np.abs(grey[..., 0] - grey[..., 2]).max() <= 1


def test_orientation_profile_and_transparency_are_kept(
    files: PhotoFiles, photo: Callable[..., Source], tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn clockwise
    turned = photo("turned.jpg", 64, 48, exif=exif, icc_profile=SRGB, quality=95)
    taken = answers.full_size(files, turned, answers.colour_painter("colorize", ColourWish()), "colour", quiet)
    assert opened(taken["path"]).size == (48, 64)
    assert opened(taken["path"]).info["icc_profile"] == SRGB
    clear = waves(64, 48).convert("L")
    clear.putalpha(Image.linear_gradient("L").resize((64, 48)))
    clear.save(tmp_path / "uploads" / "clear.png")
    source = Source(tmp_path / "uploads" / "clear.png", "clear.png")
    taken = answers.full_size(files, source, answers.colour_painter("colorize", ColourWish()), "colour", quiet)
    assert opened(taken["path"]).getchannel("A").tobytes() == clear.getchannel("A").tobytes()
    assert opened(answers.coloured(files, "colorize", source, ColourWish(), True)["before"]).mode == "RGBA"


# --- enhance --------------------------------------------------------------------------------------------------


def test_enhance_at_a_larger_size(
    files: PhotoFiles, photo: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = photo("cat.jpg", colour=True)
    seen: list[tuple[float, str]] = []
    shown = answers.enhanced(
        files, "enhance", poor, EnhanceWish(scale=2), True, lambda share, label="", _=0.0: seen.append((share, label))
    )
    assert opened(shown["file"]["path"]).size == (128, 96)
    assert shown["result_size"] == "128 × 96 pixels"
    assert shown["base"] is None
    assert Path(shown["file"]["path"]).name == "cat-enhanced.png"
    assert seen
    assert list(dict.fromkeys(label for _, label in seen)) == ["Reading the photo", "Enhancing", "Writing the PNG"]
    monkeypatch.setattr(im, "MAX_PIXELS", 40_000)
    with pytest.raises(
        RequestError, match=r"64×48 pixels, 4 times as wide and high, would be .*choose a smaller scale"
    ):
        answers.enhanced(files, "enhance", poor, EnhanceWish(scale=4), True, quiet)


class Enough(BaseException):
    """What somebody has who does not want to wait any longer."""


@pytest.mark.parametrize("stage", ["Reading the photo", "Enhancing", "Writing the PNG"])
def test_every_stage_of_long_work_can_be_ended_midway(
    files: PhotoFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(painting, "SIDE", 96)
    path = tmp_path / "uploads" / "grain.png"
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    Image.fromarray(noise).save(path)
    words = 0

    def tell(share: float, label: str = "", _: float = 0.0) -> None:
        nonlocal words
        words += label == stage
        if words == 3:
            raise Enough

    with pytest.raises(Enough):
        answers.enhanced(files, "enhance", Source(path, "grain.png"), EnhanceWish(), True, tell)
    words = 0
    wish = ColourWish(recolour=True)
    if stage != "Enhancing":
        with pytest.raises(Enough):
            answers.full_size(
                files, Source(path, "grain.png"), answers.colour_painter("colorize", wish), "colour", tell
            )


def marks(width: int, height: int) -> bytes:
    mask = Image.new("L", (width, height))
    mask.paste(255, (0, 0, width // 2, height // 4))
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    return buffer.getvalue()


def test_marks_are_painted_in_and_a_grey_photo_is_restored_with_colour(
    files: PhotoFiles, photo: Callable[..., Source]
) -> None:
    old = photo("old.png")
    shown = answers.enhanced(files, "enhance", old, EnhanceWish(mask=marks(32, 24)), True, quiet)
    base = np.asarray(opened(shown["base"]), np.int16)
    before = np.asarray(opened(shown["before"]), np.int16)
    assert np.abs(base[:12, :32] - before[:12, :32]).mean() > np.abs(base[20:] - before[20:]).mean() + 1
    restored = answers.enhanced(files, "enhance", old, EnhanceWish(restore=True), True, quiet)
    base = np.asarray(opened(restored["base"]), np.int16)
    assert np.abs(base[..., 0] - base[..., 2]).max() > 8
    assert restored["notes"] == []


def test_without_its_checkpoints_a_task_says_how_to_get_them(
    tinies: Path, files: PhotoFiles, photo: Callable[..., Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANDEMO_HOME", str(tmp_path))
    shutil.copytree(tinies / "checkpoints" / "enhance", tmp_path / "checkpoints" / "enhance")
    old = photo("old.png")
    restored = answers.enhanced(files, "enhance", old, EnhanceWish(restore=True), True, quiet)
    assert restored["notes"] == ["Its colour was left out: there is no checkpoint for colorize yet."]
    with pytest.raises(RequestError, match="no checkpoint for inpaint yet; train one: python -m gandemo train inpaint"):
        answers.enhanced(files, "enhance", old, EnhanceWish(mask=marks(8, 8)), True, quiet)
    with pytest.raises(RequestError, match="no checkpoint for colorize yet; train one"):
        answers.coloured(files, "colorize", old, ColourWish(), True)


# --- several at once ------------------------------------------------------------------------------------------


def test_the_good_ones_of_a_batch_come_out(files: PhotoFiles, photo: Callable[..., Source], tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    given = [photo("one.png"), photo("in-colour.png", colour=True)]
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("no picture")
    whole = photo("whole.png").path.read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    other = folder / "other"
    other.mkdir()
    waves(20, 20).save(other / "one.png")
    given += [Source(folder / name, name) for name in ("empty.jpg", "text.jpg", "cut.png")]
    given += [Source(other / "one.png", "one.png")]
    with zipfile.ZipFile(folder / "album.zip", "w") as pack:
        pack.writestr("inside/two.png", whole)
        pack.writestr("../up.png", whole)
        pack.writestr("readme.txt", "hello")
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        pack.writestr(link, "/etc/passwd")
    given += [Source(folder / "album.zip", "album.zip")]
    heard: list[tuple[float, str]] = []
    done = answers.album(
        files,
        given,
        answers.colour_painter("colorize", ColourWish()),
        "colour",
        lambda share, label="", _=0.0: heard.append((share, label)),
    )
    assert [one["name"] for one in done["items"]] == ["one.png", "one (2).png", "two.png"]
    with zipfile.ZipFile(done["path"]) as pack:
        assert pack.namelist() == ["one.png", "one (2).png", "two.png"]
        assert opened_from(pack.read("one (2).png")).size == (20, 20)
    assert done["text"] == "3 of 9 photos are done."
    for name in ("in-colour.png", "empty.jpg", "text.jpg", "cut.png", "up.png", "link.png"):
        (sentence,) = [text for text in done["problems"] if name in text]
        assert sentence.endswith(".")
        assert str(tmp_path) not in sentence
    assert "1 other file in album.zip was passed over." in done["problems"]
    assert heard[-1][0] <= 1.0
    assert "Photo 9 of 9" in {label for _, label in heard}


def opened_from(raw: bytes) -> Image.Image:
    return Image.open(io.BytesIO(raw))


def test_a_batch_is_bounded(
    files: PhotoFiles,
    photo: Callable[..., Source],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = photo("small.png", 16, 16).path.read_bytes()
    with zipfile.ZipFile(tmp_path / "uploads" / "many.zip", "w") as pack:
        for index in range(answers.MOST_PHOTOS + 3):
            pack.writestr(f"{index}.png", small)
    many = Source(tmp_path / "uploads" / "many.zip", "many.zip")
    done = answers.album(files, [many], lambda photo, _: photo, "colour", quiet)
    assert len(done["items"]) == answers.MOST_PHOTOS
    assert done["problems"] == ["many.zip holds 3 more; up to 50 photos are done at once."]
    monkeypatch.setattr(answers, "MOST_MEGAPIXELS", 0.001)
    done = answers.album(files, [many], lambda photo, _: photo, "colour", quiet)
    assert len(done["items"]) == 3
    assert len(done["problems"]) == answers.MOST_PHOTOS - 3 + 1
    assert done["problems"][0].startswith("3.png is one too many")
    done = answers.album(files, [many], lambda photo, _: photo, "colour", quiet, scale=2)  # 0.001 megapixels each
    assert not done["items"]
    alone = photo("alone.png", 16, 16)
    assert answers.album(files, [alone], lambda photo, _: photo, "colour", quiet)["text"] == "The photo is done."
    with zipfile.ZipFile(tmp_path / "uploads" / "none.zip", "w"):
        pass
    none = Source(tmp_path / "uploads" / "none.zip", "none.zip")
    assert answers.album(files, [none], lambda photo, _: photo, "colour", quiet)["text"] == "No photo was found."
    assert answers.album(files, [alone, alone], lambda p, _: p, "colour", quiet)["text"] == "All 2 photos are done."
    big = photo("big.png", 64, 64)
    done = answers.album(files, [big, alone], lambda photo, _: photo, "colour", quiet)
    assert [one["name"] for one in done["items"]] == ["alone.png"]  # the one too many takes nobody's room
    (tmp_path / "uploads" / "no.zip").write_bytes(b"PK no zip")
    done = answers.album(files, [Source(tmp_path / "uploads" / "no.zip", "no.zip")], lambda p, _: p, "colour", quiet)
    assert done["path"] is None
    assert len(done["problems"]) == 1
    assert str(tmp_path) not in done["problems"][0]


# --- examples and files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task, every in photo_examples.EXAMPLES.items() for name in every]
)
def test_every_example_opens(task: str, name: str) -> None:
    example = photo_examples.find(task, name)
    photo = im.open_photo(example.path)
    assert max(photo.size) <= 640
    assert example.path.stat().st_size <= 60_000
    assert f"\n{example.path.name}," in (example.path.parent / "CREDITS.csv").read_text(encoding="utf-8")
    if example.mask:
        mask = opened(photo_examples.SAMPLES / example.mask)
        assert mask.size == photo.size
        assert 0 < np.asarray(mask.convert("L")).mean() < 60
    if task == "colorize":
        from gandemo.pipeline import is_grey

        assert is_grey(photo)
    (shown,) = [one for one in photo_examples.shown(task) if one["name"] == name]
    assert shown["title"]
    assert len(shown["thumb"]) < 12_000


def test_only_what_was_sent_is_opened(files: PhotoFiles, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    inside = uploads / "photo.png"
    waves(8, 8).save(inside)
    assert files.sent(str(inside)) == inside.resolve()
    (uploads / "link.png").symlink_to("/etc/passwd")
    with (uploads / "large.png").open("wb") as large:
        large.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(RequestError, match=r"large.png is larger than 100 MB; scale it down first"):
        files.sent(str(uploads / "large.png"))
    outside = ["/etc/passwd", "../../etc/passwd", str(uploads / ".." / "x"), str(uploads), "", None, 3, "\0", ["a"]]
    for path in [*outside, str(uploads / "link.png"), str(uploads / "gone.png")]:
        with pytest.raises(RequestError, match="that photo is no longer here; send it again"):
            files.sent(path)
    with pytest.raises(RequestError, match="no example"):
        sources(files, "colorize", [{"example": "../old/librarian"}])
    (source,) = sources(files, "colorize", [{"path": str(inside), "name": "../../My: holiday\n.PNG"}])
    assert source.name == "My_ holiday_.PNG"


def test_files_to_give_back_are_hard_to_guess_and_deleted_in_time(files: PhotoFiles) -> None:
    one, other = files.keep("a.png", b"1"), files.keep("a.png", b"2")
    assert one != other
    assert len(Path(one).parent.name) == 32
    assert {one, other} <= files._kept


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat.jpg", "cat"),
        ("a/b\\c.tar.gz", "c.tar"),
        ("..", "photo"),
        ("", "photo"),
        ("<b>.png", "_b_"),
        ("é" * 99, "é" * 80),
    ],
)
def test_a_name_is_made_harmless(name: str, expected: str) -> None:
    assert stem(name) == expected


# --- what is asked --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"strength": 1.6}, "the strength must be a number from 0 to 1.5, got 1.6"),
        ({"strength": "much"}, "the strength must be a number from 0 to 1.5, got much"),
        ({"hints": "red"}, "hints must be a list of at most 100"),
        ({"hints": [1]}, "a hint must have x, y and colour"),
        ({"hints": [{"x": 2, "y": 0, "colour": [1, 2, 3]}]}, "a hint's x must be a number from 0 to 1, got 2"),
        ({"hints": [{"x": 0, "y": 0, "colour": [1, 2]}]}, "a hint's colour must be red, green and blue"),
        ({"hints": [{"x": 0, "y": 0, "colour": [1, 2, 999]}]}, "a hint's colour must be a number from 0 to 255"),
        ({"hints": [{}] * 101}, "hints must be a list of at most 100"),
    ],
)
def test_a_wrong_colour_wish_is_one_sentence(values: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        ColourWish.parse(values)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"scale": 3}, "the scale must be 1, 2 or 4, got 3"),
        ({"scale": True}, "the scale must be 1, 2 or 4, got True"),
        ({"crisp": 1.2}, "crisp must be a number from 0 to 1, got 1.2"),
        ({"strength": float("nan")}, "the strength must be a number from 0 to 1, got nan"),
        ({"mask": "x"}, "the mask is no picture that can be read; mark the photo again"),
        ({"mask": 3}, "the mask is no picture that can be read; mark the photo again"),
        ({"mask": "A" * (5 * 2**20)}, "the mask is no picture that can be read; mark the photo again"),
    ],
)
def test_a_wrong_wish_to_enhance_is_one_sentence(values: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        EnhanceWish.parse(values)


def test_a_mask_that_is_no_picture(files: PhotoFiles, photo: Callable[..., Source]) -> None:
    wish = dataclasses.replace(EnhanceWish(), mask=b"no picture")
    with pytest.raises(GanDemoError, match="the mask is no picture that can be read"):
        answers.enhanced(files, "enhance", photo("old.png"), wish, True, quiet)
