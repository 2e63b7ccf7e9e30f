"""Photos on the command line: a batch comes out but for what can't be read, and no input is written over."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gandemo import checkpoint
from gandemo.data.images import open_photo
from tests import tiny_photos
from tests.pipeline import photo_models
from tests.test_cli import run

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def models(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny checkpoints under the names that the commands take by default; the working folder is the home's."""
    for name in ("colorize", "enhance", "inpaint"):
        recipe = tiny_photos.TINY[name]
        checkpoint.save(home / "checkpoints" / name, recipe, photo_models.stirred(recipe))
    monkeypatch.chdir(home)
    return home


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(*, grey: bool = True, height: int = 30, width: int = 40) -> Image.Image:
    return Image.fromarray(photo_models.photo(height, width, grey=grey).pixels)


def lines(captured: str) -> list[str]:
    found = captured.strip().splitlines()
    assert all(line.startswith("gandemo: ") for line in found), captured
    return [line.removeprefix("gandemo: ") for line in found]


def huge_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture(), "JPEG", exif=exif)


# --- every kind of photo ----------------------------------------------------------------------------------

GOOD = {
    "turned": (turned(), (30, 40)),
    "cmyk": (encoded(picture().convert("CMYK"), "JPEG"), (40, 30)),
    "sixteen": (encoded(Image.fromarray(np.asarray(picture().convert("L")).astype(np.uint16) * 257), "PNG"), (40, 30)),
    "palette": (encoded(picture().convert("P")), (40, 30)),
    "alpha": (encoded(picture().convert("LA")), (40, 30)),
    "animated": (
        encoded(picture(), "GIF", save_all=True, append_images=[picture().transpose(Image.Transpose.ROTATE_180)]),
        (40, 30),
    ),
    "dot": (encoded(Image.new("L", (1, 1), 90)), (1, 1)),
    "thread": (encoded(Image.new("L", (1, 5000), 90)), (1, 5000)),
}
BAD = {
    "empty": (b"", "empty.jpg is empty (0 bytes); copy the photo again"),
    "cut": (encoded(picture(height=300, width=400), "JPEG")[:700], "cut.jpg is cut off"),
    "text": (b"Dear diary\n" * 9, "text.jpg is no picture that can be read; save it as JPEG or PNG"),
    "bomb": (huge_png(20_000, 15_000), "bomb.jpg"),
    "coloured": (
        encoded(picture(grey=False)),
        "coloured.jpg: it is in colour already; to colour it anew, add --recolour",
    ),
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("command", ["colorize", "enhance"])
def test_every_kind_of_photo(command: str, name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, size = GOOD[name]
    (home / f"{name}.jpg").write_bytes(content)
    assert run(monkeypatch, command, f"{name}.jpg", "-o", "out") == 0
    made = open_photo(home / "out" / f"{name}.png")
    assert made.size == size
    assert (home / f"{name}.jpg").read_bytes() == content


@pytest.mark.parametrize("name", BAD)
def test_every_bad_photo_is_one_line(name: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    content, says = BAD[name]
    (home / f"{name}.jpg").write_bytes(content)
    assert run(monkeypatch, "colorize", f"{name}.jpg", "-o", "out") == 2
    (line,) = lines(capsys.readouterr().err)
    assert line.startswith(says)
    assert not list((home / "out").iterdir())


def test_the_others_of_a_batch_come_out(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    (home / "in").mkdir()
    for name, (content, _) in {**GOOD, **BAD}.items():
        (home / "in" / f"{name}.jpg").write_bytes(content)
    (home / "in" / "notes.txt").write_text("not a photo, and not meant to be")
    assert run(monkeypatch, "colorize", "in", "nowhere.jpg", "-o", "out") == 2
    captured = capsys.readouterr()
    assert len(lines(captured.err)) == len(BAD) + 1
    assert "there is no nowhere.jpg; name photos, folders, zips or tars" in captured.err
    assert captured.out == f"wrote {len(GOOD)} photos to out\n"
    assert {path.stem for path in (home / "out").iterdir()} == set(GOOD)


def test_a_colour_photo_is_coloured_anew_if_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(grey=False).save(home / "a.png")
    assert run(monkeypatch, "colorize", "a.png", "-o", "out", "--recolour") == 0
    assert (np.asarray(Image.open(home / "out" / "a.png")) != np.asarray(picture(grey=False))).any()


# --- names ------------------------------------------------------------------------------------------------


def test_no_input_is_written_over_and_no_stem_is_lost(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "a.jpg", "A.bmp", "deep/a.png"):
        (home / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        picture().save(home / "in" / name)
    before = {path: path.read_bytes() for path in (home / "in").rglob("*.*")}
    assert run(monkeypatch, "enhance", "in", "-o", "in") == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    assert len({path.name.lower() for path in (home / "in").glob("*.*")} - {"a.png", "a.jpg", "a.bmp"}) == 4
    assert not list((home / "in").glob(".*"))


def test_run_again_the_names_are_the_same(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture().save(home / "a.jpg")
    for _ in range(2):
        assert run(monkeypatch, "enhance", "a.jpg", "-o", "out") == 0
    assert [path.name for path in (home / "out").iterdir()] == ["a.png"]


# --- zips -------------------------------------------------------------------------------------------------


def test_a_hostile_zip(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    with zipfile.ZipFile(home / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("../../up.png", "/etc/root.png", "good.png", "also/good.png"):
            archive.writestr(name, encoded(picture()))
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("zeros.png", bytes(40 * 2**20))
        archive.writestr("read.me", "hello")
    assert run(monkeypatch, "enhance", "p.zip", "-o", "out") == 2
    said = lines(capsys.readouterr().err)
    assert len(said) == 4
    assert sum("has a name that leads out of the archive" in line for line in said) == 2
    assert any(line == "link.png is a link" for line in said)
    assert any("fold when it is unpacked" in line for line in said)
    assert sorted(path.name for path in (home / "out").iterdir()) == ["good-2.png", "good.png"]
    assert not list(home.parent.glob("*.png"))


def test_a_thousand_files(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    dot = encoded(Image.new("L", (1, 1), 90))
    with zipfile.ZipFile(home / "p.zip", "w") as archive:
        for index in range(1_000):
            archive.writestr(f"{index}/dot.png", dot if index % 100 else b"broken")
    assert run(monkeypatch, "enhance", "p.zip", "-o", "out", "--strength", "0") == 2
    assert len(lines(capsys.readouterr().err)) == 10
    assert len(list((home / "out").iterdir())) == 990


def test_a_zip_that_is_none_does_not_stop_the_rest(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    (home / "p.zip").write_bytes(b"no zip")
    with zipfile.ZipFile(home / "empty.zip", "w"):
        pass
    picture().save(home / "a.png")
    assert run(monkeypatch, "enhance", "p.zip", "empty.zip", "a.png", "-o", "out") == 2
    assert lines(capsys.readouterr().err) == [
        "p.zip is no zip that can be read; make it again",
        "empty.zip holds no photos; put JPEG or PNG files there",
    ]
    assert (home / "out" / "a.png").is_file()


# --- requests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("colorize", "a.png", "b.png", "-o", "out", "--strength", "2"), "the strength must be from 0 to 1.5, got 2"),
        (("enhance", "a.png", "b.png", "-o", "out", "--crisp", "3"), "crisp must be from 0 (faithful) to 1 (crisp)"),
        (("enhance", "a.png", "b.png", "-o", "out", "--crisp", "0.5"), "enhance has no faithful end"),
        (("enhance", "a.png", "b.png", "-o", "out", "--scale", "3"), "the scale must be 1, 2 or 4, got 3"),
        (("enhance", "a.png", "-o", "out", "--checkpoint", "colorize"), "not for enhance; choose another"),
        (("colorize", "a.png", "-o", "out", "--checkpoint", "nope"), "there is no checkpoint 'nope'; available: "),
        (("colorize", "a.png", "-o", "a.png"), "can't make the folder a.png"),
        (("inpaint", "a.png", "--mask", "gone.png", "-o", "out"), "can't read gone.png"),
        (
            ("inpaint", "a.png", "--mask", "large.png", "-o", "out"),
            "a.png: the mask has 80×60 pixels and the photo 40×30",
        ),
        (("inpaint", "a.png", "--mask", "black.png", "-o", "out"), "a.png: the mask marks nothing"),
        (("restore", "a.png", "b.png", "--mask", "black.png", "-o", "out"), "a mask is for one photo"),
    ],
)
def test_a_wrong_request_is_told_once(
    arguments: tuple[str, ...], says: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    for name in ("a.png", "b.png"):
        picture().save(home / name)
    Image.new("L", (80, 60), 255).save(home / "large.png")
    Image.new("L", (40, 30)).save(home / "black.png")
    assert run(monkeypatch, *arguments) == 2
    (line,) = lines(capsys.readouterr().err)
    assert says in line
    assert not list(home.glob("out/*"))


def test_scale_and_crisp(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny_photos.TINY["enhance"]
    checkpoint.save(
        home / "checkpoints" / "enhance",
        recipe,
        photo_models.stirred(recipe),
        faithful=photo_models.stirred(recipe, 4),
    )
    picture(grey=False).save(home / "a.png")
    made = []
    for crisp in ("0", "1"):
        assert run(monkeypatch, "enhance", "a.png", "-o", crisp, "--crisp", crisp, "--scale", "2") == 0
        made.append(np.asarray(Image.open(home / crisp / "a.png")))
    assert made[0].shape == (60, 80, 3)
    assert (made[0] != made[1]).any()


@pytest.mark.parametrize("kind", ["white", "transparent"])
def test_inpaint_and_restore_with_a_mask(kind: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(grey=False).save(home / "a.png")
    mask = Image.new("RGBA" if kind == "transparent" else "L", (40, 30))
    ImageDraw.Draw(mask).rectangle((5, 5, 9, 20), fill=(0, 0, 0, 255) if kind == "transparent" else 255)
    mask.save(home / "mask.png")
    assert run(monkeypatch, "inpaint", "a.png", "--mask", "mask.png", "-o", "out") == 0
    changed = (np.asarray(Image.open(home / "out" / "a.png")) != np.asarray(picture(grey=False))).any(axis=2)
    assert changed[5:21, 5:10].mean() > 0.9
    assert changed.sum() <= 16 * 5
    assert run(monkeypatch, "restore", "a.png", "--mask", "mask.png", "-o", "out") == 0


def test_restore_without_a_mask(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture().save(home / "a.png")
    assert run(monkeypatch, "restore", "a.png", "-o", "colour") == 0
    assert run(monkeypatch, "restore", "a.png", "-o", "plain", "--no-colour") == 0
    colour, plain = (np.asarray(Image.open(home / name / "a.png")) for name in ("colour", "plain"))
    assert (colour != plain).any()
