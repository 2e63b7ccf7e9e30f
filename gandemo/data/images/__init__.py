"""The one home of pixel ranges, colour spaces, decoding, tiling and grids.

    pixels     uint8 0..255 and float [-1, 1], squares padded and cropped
    colour     sRGB, Lab, the scale that networks see, luma
    chroma     a small copy's colour on the full-size photo
    decoding   photos from files and back, within bounds
    tiles      a picture of any size as overlapping squares and back
    sheets     contact sheets and films
    drawing    what somebody drew as a digit

Networks work on float32 [N, C, H, W] in [-1, 1]; files and people work on uint8 in 0..255. A transform and its inverse
stand side by side.
"""

from gandemo.data.images.chroma import spread_chroma
from gandemo.data.images.colour import (
    CHROMA_SCALE,
    join_colour,
    lab_to_rgb,
    luma,
    rgb_to_lab,
    split_colour,
)
from gandemo.data.images.decoding import MAX_BYTES, MAX_PIXELS, SUFFIXES, Photo, open_photo
from gandemo.data.images.drawing import drawing_to_digit
from gandemo.data.images.pixels import Pixels, crop_to, pad_to, to_pixels, to_signed
from gandemo.data.images.sheets import film, grid, table
from gandemo.data.images.tiles import Tiling

__all__ = [
    "CHROMA_SCALE",
    "MAX_BYTES",
    "MAX_PIXELS",
    "SUFFIXES",
    "Photo",
    "Pixels",
    "Tiling",
    "crop_to",
    "drawing_to_digit",
    "film",
    "grid",
    "join_colour",
    "lab_to_rgb",
    "luma",
    "open_photo",
    "pad_to",
    "rgb_to_lab",
    "split_colour",
    "spread_chroma",
    "table",
    "to_pixels",
    "to_signed",
]
