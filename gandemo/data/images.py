"""The one home of pixel ranges, grids and decoding.

Networks work on float32 [N, C, H, W] in [-1, 1]; files and people work on uint8 [N, H, W] in 0..255. A transform and
its inverse stand side by side.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from gandemo.errors import RequestError

Pixels = npt.NDArray[np.uint8]

_NOTHING_DRAWN = "nothing is drawn yet: draw a digit with the brush first"


def to_signed(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 in 0..255 to float32 in [-1, 1], same shape."""
    return pixels.float().div_(127.5).sub_(1.0)


def to_pixels(signed: torch.Tensor) -> torch.Tensor:
    """The inverse of `to_signed`: float in [-1, 1] (clamped) to uint8, rounded to the nearest."""
    return signed.float().add(1.0).mul_(127.5).round_().clamp_(0.0, 255.0).to(torch.uint8)


def pad_to(images: torch.Tensor, size: int) -> torch.Tensor:
    """[N, C, H, W] in [-1, 1] on a black square of side `size`, centred.

    A 28×28 digit becomes 32×32 without resampling, so that `crop_to` gives back the very same pixels.

    Raises:
        RequestError: the picture is larger than the square.
    """
    height, width = images.shape[-2:]
    if height == width == size:
        return images
    if max(height, width) > size:
        raise RequestError(f"a picture of {width}×{height} does not fit on a square of {size}")
    left, top = (size - width) // 2, (size - height) // 2
    edges = (left, size - width - left, top, size - height - top)
    return torch.nn.functional.pad(images, edges, value=-1.0)


def crop_to(images: torch.Tensor, size: int) -> torch.Tensor:
    """The inverse of `pad_to`: the central square of side `size`."""
    top, left = (images.shape[-2] - size) // 2, (images.shape[-1] - size) // 2
    return images[..., top : top + size, left : left + size]


def grid(pictures: Pixels, columns: int, gap: int = 2, scale: int = 1, background: int = 0) -> Image.Image:
    """A contact sheet.

    Args:
        pictures: uint8 [N, H, W] or [N, H, W, 3].
        columns: pictures in a row; the last row may be shorter.
        gap: pixels between two pictures, before scaling.
        scale: whole-number enlargement; pixels stay crisp.
        background: grey value of the gaps.
    """
    count, height, width = pictures.shape[:3]
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    size = (rows * (height + gap) - gap, columns * (width + gap) - gap)
    sheet = np.full((*size, *pictures.shape[3:]), background, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    image = Image.fromarray(sheet)
    return image if scale == 1 else image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def film(frames: Sequence[Image.Image], seconds: float) -> bytes:
    """An endless animated PNG of equal frames, shown over `seconds`: lossless and small for grey pictures."""
    buffer = io.BytesIO()
    first, *rest = frames
    first.save(
        buffer,
        format="PNG",
        save_all=True,
        append_images=rest,
        duration=1000.0 * seconds / len(frames),
        loop=0,
    )
    return buffer.getvalue()


def drawing_to_digit(drawing: npt.NDArray[np.generic]) -> Pixels:
    """A drawn digit as MNIST would hold it.

    MNIST's digits were scaled to fit 20×20 with their shape kept, and centred on 28×28 by their centre of mass
    (LeCun et al., yann.lecun.com/exdb/mnist); a drawing that is not treated alike looks wrong to every network.

    Args:
        drawing: [H, W] or [H, W, C], any size; ink is what differs from the background, which is the corner's colour;
            an alpha channel, where there is one, is the ink.

    Returns:
        uint8 [28, 28], white on black.

    Raises:
        RequestError: nothing is drawn.
    """
    array = np.asarray(drawing).astype(np.float32)
    if not array.size:
        raise RequestError(_NOTHING_DRAWN)
    if array.ndim == 3 and array.shape[2] in (2, 4) and float(np.ptp(array[..., -1])) > 0:
        ink = array[..., -1]
    else:
        colours = array[..., :3].mean(axis=2) if array.ndim == 3 else array
        ink = np.abs(colours - colours[0, 0])
    if float(ink.max()) < 16.0:
        raise RequestError(_NOTHING_DRAWN)
    ink = ink * (255.0 / float(ink.max()))
    rows, columns = np.where(ink.max(axis=1) > 32)[0], np.where(ink.max(axis=0) > 32)[0]
    box = Image.fromarray(ink).crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    scale = 20.0 / max(box.size)
    size = (max(1, round(box.width * scale)), max(1, round(box.height * scale)))
    small = np.asarray(box.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC), np.float32)
    small = np.maximum(small, np.float32(0)) * np.float32(255.0 / small.max())  # a thin line is white, too
    total = float(small.sum())
    centre_y = float((small.sum(axis=1) * np.arange(size[1])).sum()) / total
    centre_x = float((small.sum(axis=0) * np.arange(size[0])).sum()) / total
    top = int(np.clip(round(14 - centre_y), 0, 28 - size[1]))
    left = int(np.clip(round(14 - centre_x), 0, 28 - size[0]))
    digit = np.zeros((28, 28), np.uint8)
    digit[top : top + size[1], left : left + size[0]] = small.round().astype(np.uint8)
    return digit
