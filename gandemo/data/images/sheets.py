"""Contact sheets and films."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

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


def table(
    rows: Sequence[Sequence[Pixels]], labels: Sequence[str], captions: Sequence[str] = (), across: int = 1
) -> Image.Image:
    """A contact sheet to compare with: the stages of a photo side by side, each under its name.

    Args:
        rows: of each photo its stages, uint8 [S, S, 3], as many as there are labels.
        labels: above the columns; plain letters, since the built-in font knows few others.
        captions: of each row, above it; none: no room is left for them.
        across: photos in a row of the sheet.
    """
    side, across = len(rows[0][0]), max(1, min(across, len(rows)))
    gap, apart = max(2, side // 64), max(8, side // 8)  # between stages, and between photos
    size = max(11, side // 12)
    head, line = round(2.2 * size), round(1.7 * size) if captions else gap
    strip = len(labels) * (side + gap) - gap
    down = -(-len(rows) // across)
    sheet = Image.new("RGB", (across * (strip + apart) + apart, head + down * (side + line) + apart), "white")
    draw = ImageDraw.Draw(sheet)
    for index, stages in enumerate(rows):
        row, column = divmod(index, across)
        left, top = apart + column * (strip + apart), head + row * (side + line) + line
        if row == 0:
            for place, label in enumerate(labels):
                middle = left + place * (side + gap) + side / 2
                draw.text(
                    (middle, head - size / 3), label, fill="#202024", font=_fitting(label, size, side), anchor="ms"
                )
        if captions:
            text = captions[index]
            draw.text((left, top - size / 2), text, fill="#6b6b76", font=_fitting(text, size - 2, strip), anchor="ls")
        for place, picture in enumerate(stages):
            sheet.paste(Image.fromarray(picture), (left + place * (side + gap), top))
    return sheet


def _fitting(text: str, size: int, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The built-in font, so much smaller that the text fits."""
    font = ImageFont.load_default(size)
    long = font.getlength(text)
    return font if long <= width else ImageFont.load_default(max(8, int(size * width / long)))


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
