"""Photos as people have them: every kind is decoded, or refused in one sentence that says what to do."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from gandemo.data import images as im
from gandemo.errors import DataError


def scene(width: int = 24, height: int = 16) -> Image.Image:
    """Red top left, green top right, blue below."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (220, 30, 20)
    pixels[: height // 2, width // 2 :] = (30, 200, 40)
    pixels[height // 2 :] = (20, 40, 210)
    return Image.fromarray(pixels)


def data(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def assert_like(found: im.Pixels, expected: Image.Image, tolerance: float = 0) -> None:
    wanted = np.asarray(expected.convert("RGB"), np.float32)
    assert found.dtype == np.uint8
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= tolerance


# --- what is decoded --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("PPM", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 8),
        ("JPEG", {"quality": 100, "subsampling": 0}, 6),
        ("GIF", {}, 40),
    ],
)
def test_every_common_format(kind: str, options: dict[str, object], tolerance: float) -> None:
    photo = im.open_photo(data(scene(), kind, **options))
    assert_like(photo.pixels, scene(), tolerance)
    assert photo.alpha is None
    assert photo.size == (24, 16)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = scene() if undo is None else scene().transpose(undo)
    photo = im.open_photo(data(stored, "PNG", exif=exif.tobytes()))
    assert_like(photo.pixels, scene())
    assert_like(im.open_photo(photo.to_png()).pixels, scene())  # written upright, without the old orientation


def test_damaged_exif_is_no_orientation() -> None:
    assert_like(im.open_photo(data(scene(), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09broken")).pixels, scene())


def test_cmyk() -> None:
    photo = im.open_photo(data(scene().convert("CMYK"), "JPEG", quality=100, subsampling=0))
    assert_like(photo.pixels, scene(), 12)


def test_a_broken_cmyk_profile_is_as_none() -> None:
    profile = bytes(16) + b"CMYK" + bytes(200)
    photo = im.open_photo(data(scene().convert("CMYK"), "TIFF", icc_profile=profile))
    assert_like(photo.pixels, scene(), 12)
    assert photo.icc is None


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey(kind: str) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    photo = im.open_photo(data(Image.fromarray(ramp), kind))
    assert photo.pixels.shape == (8, 8, 3)
    assert np.abs(photo.pixels[..., 0] - ramp / 257.0).max() <= 0.5


def test_sixteen_bits_of_colour() -> None:
    """A PNG of 16-bit RGB, which Pillow can't write."""
    rows = (np.asarray(scene()).astype(">u2") * 257).reshape(16, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 16, 16, 2, 0, 0, 0))
    png += chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    assert_like(im.open_photo(png).pixels, scene())


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("highest", [1.0, 255.0])
def test_floating_point(highest: float) -> None:
    ramp = np.linspace(0, highest, 64, dtype=np.float32).reshape(8, 8)
    pixels = im.open_photo(data(Image.fromarray(ramp), "TIFF")).pixels
    assert (int(pixels.min()), int(pixels.max())) == (0, 255)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_other_modes(mode: str) -> None:
    stored = scene().convert(mode)
    assert_like(im.open_photo(data(stored)).pixels, stored)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_is_kept_beside_the_colour(mode: str) -> None:
    alpha = Image.fromarray(np.tile(np.arange(24, dtype=np.uint8) * 10, (16, 1)))
    stored = scene().convert("L" if mode == "LA" else "RGB")
    expected = stored.copy()
    stored.putalpha(alpha)
    kind = "TIFF" if mode == "PA" else "PNG"
    photo = im.open_photo(data(stored.convert("RGBA") if mode == "PA" else stored, kind))
    assert_like(photo.pixels, expected)
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, np.asarray(alpha))
    again = Image.open(io.BytesIO(photo.to_png()))
    assert again.mode == "RGBA"
    assert np.array_equal(np.asarray(again)[..., 3], photo.alpha)


def test_a_transparent_palette_entry() -> None:
    stored = scene().quantize(8)
    photo = im.open_photo(data(stored, "PNG", transparency=stored.getpixel((0, 0))))
    assert photo.alpha is not None
    assert (photo.alpha[0, 0], photo.alpha[-1, -1]) == (0, 255)


def test_full_cover_is_no_alpha() -> None:
    assert im.open_photo(data(scene().convert("RGBA"))).alpha is None


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    other = Image.new("RGB", (24, 16), (250, 250, 0))
    options = {"lossless": True} if kind == "WEBP" else {}
    stored = data(scene(), kind, save_all=True, append_images=[other], duration=100, **options)
    assert_like(im.open_photo(stored).pixels, scene(), 40 if kind == "GIF" else 0)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2)])
def test_any_shape(size: tuple[int, int]) -> None:
    photo = im.open_photo(data(Image.new("RGB", size, (10, 20, 30))))
    assert photo.size == size
    assert im.open_photo(photo.to_png()).size == size


def test_an_rgb_profile_is_kept_and_written_back() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = im.open_photo(data(scene(), "PNG", icc_profile=profile))
    assert photo.icc == profile
    assert Image.open(io.BytesIO(photo.to_png())).info["icc_profile"] == profile


def test_a_grey_profile_is_not_written_into_colours() -> None:
    profile = bytes(16) + b"GRAY" + bytes(200)
    assert im.open_photo(data(scene().convert("L"), "PNG", icc_profile=profile)).icc is None


def grey_profile(gamma: float) -> bytes:
    """A profile of grey with a gamma, as a scanner writes it (ICC.1:2022, 8.4 and 10.6)."""
    tags = {
        b"kTRC": b"curv" + struct.pack(">4xIH2x", 1, round(gamma * 256)),
        b"wtpt": b"XYZ " + struct.pack(">4x3i", 63190, 65536, 54061),
        b"desc": b"desc" + struct.pack(">4xI", 5) + b"grey\0" + bytes(79),
    }
    place, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", place + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = place + len(body)
    header = struct.pack(">I4xI4s4s4s12x4s", size, 0x02400000, b"scnr", b"GRAY", b"XYZ ", b"acsp")
    header += bytes(68 - len(header)) + struct.pack(">3i", 63190, 65536, 54061)
    return header + bytes(128 - len(header)) + struct.pack(">I", len(tags)) + table + body


def test_a_grey_profile_is_heeded() -> None:
    """A grey of 128 at gamma 1.0 is half of all light, which sRGB writes as 188."""
    photo = im.open_photo(data(Image.new("L", (8, 8), 128), "PNG", icc_profile=grey_profile(1.0)))
    assert photo.icc is None
    assert np.abs(photo.pixels.astype(int) - 188).max() <= 1
    assert len(np.unique(photo.pixels)) == 1
    plain = im.open_photo(data(Image.new("L", (8, 8), 128), "PNG"))
    assert (plain.pixels == 128).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_scaled_down_while_decoding(kind: str) -> None:
    photo = im.open_photo(data(scene(480, 320), kind), shorter_side=40)
    assert photo.size == (60, 40)
    assert np.abs(photo.pixels[5, 5] - np.array([220.0, 30.0, 20.0])).max() < 12
    small = im.open_photo(data(scene(), kind), shorter_side=40)
    assert small.size == (24, 16)  # never scaled up


def test_a_file_is_as_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(data(scene()))
    assert_like(im.open_photo(tmp_path / "a.png").pixels, scene())
    assert_like(im.open_photo(str(tmp_path / "a.png")).pixels, scene())


# --- what is refused --------------------------------------------------------------------------------------


def huge_png(width: int, height: int) -> bytes:
    """A header that announces a picture of that size, and hardly any data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty (0 bytes); copy the photo again"),
        (b"Dear diary, this is text.\n" * 20, "is no picture that can be read; save it as JPEG or PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no picture that can be read"),
        (data(scene(300, 200), "JPEG")[:700], "is cut off"),
        (data(Image.effect_noise((300, 200), 50), "PNG")[:5000], "is cut off"),
        (huge_png(20_000, 15_000), "megapixel"),
        (huge_png(10_000, 9_500), "megapixel"),
        (huge_png(70_000, 9), "is 70,000×9 pixels; a side may have up to 65,535, so cut it first"),
        (huge_png(9_000, 9_000), "is 9,000×9,000 pixels (81 megapixels); up to 80 are taken, so scale it down first"),
        (data(scene(), "PNG")[:60], "is "),
    ],
    ids=[
        "empty",
        "text",
        "svg",
        "postscript",
        "cut jpeg",
        "cut png",
        "bomb",
        "95 megapixels",
        "long",
        "81 megapixels",
        "stub",
    ],
)
def test_bad_files_get_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        im.open_photo(path)
    message = str(caught.value)
    assert message.startswith("holiday.jpg ")
    assert says in message
    assert "\n" not in message
    assert len(message) < 220


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"can't read gone\.jpg: No such file"):
        im.open_photo(tmp_path / "gone.jpg")


def test_bytes_have_a_name_too() -> None:
    with pytest.raises(DataError, match=r"^the picture is empty"):
        im.open_photo(b"")
    with pytest.raises(DataError, match=r"^a/b\.png is empty"):
        im.open_photo(b"", name="a/b.png")


@settings(max_examples=40)
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]),
    shorter_side=st.sampled_from([None, 1, 7, 64]),
    cut=st.none() | st.integers(0, 400),
)
def test_any_picture_is_decoded_or_refused(
    width: int, height: int, mode: str, shorter_side: int | None, cut: int | None
) -> None:
    stored = data(Image.new(mode, (width, height)))
    if cut is not None and cut < len(stored):
        # a decoder may do without the last bytes
        with contextlib.suppress(DataError):
            im.open_photo(stored[:cut], shorter_side=shorter_side)
        return
    photo = im.open_photo(stored, shorter_side=shorter_side)
    assert photo.pixels.shape[2] == 3
    if shorter_side is None:
        assert photo.size == (width, height)
    else:
        assert min(photo.size) == min(shorter_side, width, height)


@settings(max_examples=50)
@given(place=st.integers(0, 400), value=st.binary(min_size=1, max_size=8))
def test_a_damaged_file_never_ends_in_a_traceback(place: int, value: bytes) -> None:
    for stored in DAMAGED:
        with contextlib.suppress(DataError):
            im.open_photo(stored[:place] + value + stored[place + len(value) :])


DAMAGED = [
    make()
    for make in (
        lambda: data(scene(), "JPEG"),
        lambda: data(scene()),
        lambda: data(scene(), "GIF"),
        lambda: data(scene(), "TIFF"),
        lambda: data(scene(), "WEBP"),
    )
]
