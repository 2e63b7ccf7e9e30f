"""What somebody drew, as the digit that a network knows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from gandemo.data.images.pixels import Pixels
from gandemo.errors import RequestError

_NOTHING_DRAWN = "nothing is drawn yet: draw a digit with the brush first"


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
