"""Contact sheets and films."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from gandemo.data.images.pixels import Pixels


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
