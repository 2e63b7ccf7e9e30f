"""The one home of pixel ranges, colour spaces, decoding, tiling and grids.

    pixels     uint8 0..255 and float [-1, 1], squares padded and cropped
    sheets     contact sheets and films
    drawing    what somebody drew as a digit

Networks work on float32 [N, C, H, W] in [-1, 1]; files and people work on uint8 in 0..255. A transform and its inverse
stand side by side.
"""

from gandemo.data.images.drawing import drawing_to_digit, read_drawing
from gandemo.data.images.pixels import Pixels, crop_to, pad_to, to_pixels, to_signed
from gandemo.data.images.sheets import film, grid

__all__ = [
    "Pixels",
    "crop_to",
    "drawing_to_digit",
    "film",
    "grid",
    "pad_to",
    "read_drawing",
    "to_pixels",
    "to_signed",
]
