"""Photos from files and back, within bounds: what somebody sends is decoded whole or refused in one sentence."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from gandemo.data.images.pixels import Pixels
from gandemo.errors import DataError

MAX_PIXELS = 80_000_000  # below the 89 million at which Pillow itself begins to warn
MAX_SIDE = 65_535  # the longest that a JPEG has
MAX_BYTES = 256 * 2**20
# formats that Pillow decodes by itself; it would hand others to outside programs
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "PPM")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm")


Look = Callable[[], object]


class _Watched(io.BytesIO):
    """Bytes whose reader or writer looks up at each block, to see whether its work is still wanted."""

    def __init__(self, look: Look, data: bytes = b"") -> None:
        super().__init__(data)
        self._look = look

    def read(self, size: int | None = -1, /) -> bytes:
        self._look()
        return super().read(size)

    def write(self, data: Any, /) -> int:
        self._look()
        return super().write(data)


@dataclass(frozen=True)
class Photo:
    """A decoded photo, upright, with what is needed to write it back.

    Attributes:
        pixels: uint8 [H, W, 3], in the colours of `icc` where there is one, else sRGB.
        alpha: uint8 [H, W], or None where the photo covers all of itself.
        icc: the RGB colour profile that the file carried, or None.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    icc: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def to_png(self, look: Look | None = None) -> bytes:
        """The photo as a PNG with its transparency and colour profile; alpha follows the pixels' size.

        Args:
            look: called many times meanwhile; what it raises ends the work.
        """
        image = Image.fromarray(self.pixels)
        if self.alpha is not None:
            image.putalpha(Image.fromarray(self.alpha).resize(image.size, Image.Resampling.BICUBIC))
        buffer = io.BytesIO() if look is None else _Watched(look)
        # more compression takes half as long again for a twelfth of the bytes at best
        image.save(buffer, format="PNG", icc_profile=self.icc, compress_level=2)
        return buffer.getvalue()


def open_photo(
    source: Path | str | bytes, *, name: str = "", shorter_side: int | None = None, look: Look | None = None
) -> Photo:
    """Decodes a photo: its first frame, turned upright, 8 bits a channel.

    The size is read from the header, and a picture that is too large is refused before any of it is decoded.

    Args:
        source: a path, or the file's bytes.
        name: for messages; default: the file's name.
        shorter_side: scale down so that the shorter side is no longer than this, while decoding where that is faster.
        look: called many times meanwhile; what it raises ends the work, if it is no `Exception`.

    Raises:
        DataError: it is empty, cut off, no picture, too large or damaged; the message says what to do.
    """
    name = name or ("the picture" if isinstance(source, bytes) else Path(source).name)
    data = source if isinstance(source, bytes) else _read(Path(source), name)
    if not data:
        raise DataError(f"{name} is empty (0 bytes); copy the photo again")
    if len(data) > MAX_BYTES:
        raise DataError(f"{name} is larger than {MAX_BYTES >> 20} MB; scale it down first")
    try:
        file = io.BytesIO(data) if look is None else _Watched(look, data)
        with Image.open(file, formats=FORMATS) as image:
            _check_size(image.size, name)
            icc = image.info.get("icc_profile")
            if shorter_side is not None:
                factor = shorter_side / min(image.size)
                image.draft(None, (round(image.width * factor), round(image.height * factor)))
            image.load()
            return _upright(image, icc if isinstance(icc, bytes) else None, shorter_side)
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(
            f"{name} is no picture that can be read; save it as JPEG or PNG (WebP, AVIF, TIFF, BMP and GIF do too)"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{name} has too many pixels; up to {MAX_PIXELS // 10**6} megapixels are taken") from None
    except Exception as error:  # a damaged file leads Pillow's decoders into errors of every kind
        if "truncated" in str(error) or isinstance(error, EOFError):
            raise DataError(f"{name} is cut off: a part of the file is missing; copy the photo again") from None
        reason = str(error)[:80] or type(error).__name__
        raise DataError(f"{name} is damaged ({reason}); save it again as JPEG or PNG") from None


def _read(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"can't read {name}: {error.strerror}") from None


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{name} is {width:,}×{height:,} pixels ({width * height / 1e6:.0f} megapixels); "
            f"up to {MAX_PIXELS // 10**6} are taken, so scale it down first"
        )
    if max(size) > MAX_SIDE:
        raise DataError(f"{name} is {width:,}×{height:,} pixels; a side may have up to {MAX_SIDE:,}, so cut it first")


def _upright(image: Image.Image, icc: bytes | None, shorter_side: int | None) -> Photo:
    try:
        turned = ImageOps.exif_transpose(image)
    except Exception:  # camera data that can't be read tell no orientation
        turned = image
    alpha: Image.Image | None = None
    if turned.has_transparency_data:
        turned = turned.convert("RGBA")
        alpha = turned.getchannel("A")
    picture = _rgb(turned, icc)
    if shorter_side is not None and min(picture.size) > shorter_side:
        factor = shorter_side / min(picture.size)
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        alpha = None if alpha is None else alpha.resize(size, Image.Resampling.BOX)
    opaque = alpha is None or alpha.getextrema() == (255, 255)
    return Photo(
        np.array(picture),
        None if opaque or alpha is None else np.array(alpha),
        icc if icc is not None and _space(icc) == b"RGB " else None,
    )


def _rgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Any mode of Pillow's as 8-bit RGB."""
    if icc is not None and (image.mode, _space(icc)) in (("CMYK", b"CMYK"), ("L", b"GRAY")):
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None  # an unusable profile is as good as none
        if converted is not None:
            return converted
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_eight_bits(np.asarray(image))).convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Pixels:
    """Grey of 16 bits, or of floating point in 0..1 or 0..255, as 8 bits."""
    wide = np.nan_to_num(values.astype(np.float32))
    if values.dtype.kind == "f":
        factor = 255.0 if float(wide.max(initial=0.0)) <= 1.0 else 1.0
    else:
        factor = 1 / 257 if values.dtype.itemsize == 2 or float(wide.max(initial=0.0)) > 255 else 1.0
    eight: Pixels = np.rint(wide * factor).clip(0, 255).astype(np.uint8)
    return eight


def _space(icc: bytes) -> bytes:
    """The colour space that a profile is for, from its header."""
    return icc[16:20]
