"""What a device's results are compared with: the same steps before and after the network, around PyTorch."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from gandemo.data import datasets
from gandemo.data import images as im
from gandemo.data.degradations import YARDSTICKS
from gandemo.errors import RequestError
from gandemo.pipeline import Pipeline
from gandemo.ship.export.interface import interface_of
from gandemo.tasks import colorize, digits, pairs

MOST_DIGITS = 100
EXAMPLE = "lake-and-hills.jpg"
SIDE = 288  # the shorter one of the example, whose shape is 3:2: four tiles of 256


def digit_values(
    pipeline: Pipeline, seed: int, count: int, labels: int | Sequence[int] | None = None
) -> npt.NDArray[np.float32]:
    """What the generator gives, before it is made a picture: float32 [count, 28, 28] in [-1, 1].

    Raises:
        RequestError: a value is out of range.
    """
    if not 1 <= count <= MOST_DIGITS:
        raise RequestError(f"the count must be from 1 to {MOST_DIGITS}, got {count}")
    noise = digits.noise(pipeline.recipe, count, seed)
    asked = digits.labels_for(pipeline.recipe, count, labels)
    given = {"noise": torch.from_numpy(noise)}
    if asked is not None:
        given["label"] = torch.from_numpy(asked.astype(np.int32))
    with torch.inference_mode():
        values = interface_of(pipeline).module(**given)["image"]
    return np.ascontiguousarray(values[..., 0].numpy())


def example(pipeline: Pipeline, size: int) -> tuple[bytes, bytes]:
    """A photo that needs what the checkpoint does, and what the checkpoint makes of it, as PNGs.

    Args:
        pipeline: for colorize or enhance.
        size: of the file's pictures.
    """
    photo = im.open_photo(datasets.SAMPLES / "photos" / EXAMPLE, shorter_side=SIDE)
    whole = torch.from_numpy(photo.pixels).permute(2, 0, 1)[None]
    height, width = whole.shape[-2:]
    high, wide = min(height, 2 * width // 3), min(width, 3 * height // 2)
    top, left = (height - high) // 2, (width - wide) // 2
    pixels = pairs.resize(whole[..., top : top + high, left : left + wide], SIDE, 3 * SIDE // 2)
    if pipeline.recipe.task == "colorize":
        before = colorize.grey(pixels)
        after = _coloured(pipeline, before, size)
    else:
        before = YARDSTICKS["mixed"](pixels[0], torch.Generator().manual_seed(0))[None]
        after = _enhanced(pipeline, before, size)
    return _png(before), _png(after)


def _coloured(pipeline: Pipeline, pixels: torch.Tensor, size: int) -> torch.Tensor:
    """By squares of a copy whose shorter side is theirs, since a file's pictures have one size alone."""
    signed = im.to_signed(pixels)
    height, width = (max(size, int(side * size / min(signed.shape[-2:]) + 0.5)) for side in signed.shape[-2:])
    tiling = im.Tiling(height, width, side=size, overlap=size // 2, align=1)
    small = pairs.resize(signed, height, width)
    chroma = tiling.merge(
        colorize.predict_chroma(pipeline.recipe, pipeline.generator, tile[None])[0] for tile in tiling.split(small[0])
    )
    lightness, _ = im.split_colour(small)
    painted = im.spread_chroma(pixels[0].permute(1, 2, 0).numpy(), lightness, chroma[None])
    return torch.from_numpy(painted).permute(2, 0, 1)[None]


def _enhanced(pipeline: Pipeline, pixels: torch.Tensor, size: int) -> torch.Tensor:
    signed = im.to_signed(pixels)[0]
    tiling = im.Tiling(signed.shape[1], signed.shape[2], side=size)
    tiles = (pairs.through(pipeline.generator, tile[None])[0] for tile in tiling.split(signed))
    return im.to_pixels(tiling.merge(tiles))[None]


def _png(pixels: torch.Tensor) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels[0].permute(1, 2, 0).contiguous().numpy()).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
