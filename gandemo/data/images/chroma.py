"""Chroma from a small copy of a photo, on the photo itself: along its own lightness, which stays exactly as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gandemo.data.images.colour import (
    CHROMA_SCALE,
    KNEE,
    LIGHTNESS_SCALE,
    SLOPE,
    linear_to_rgb,
    rgb_to_linear,
    white_matrix,
)
from gandemo.data.images.pixels import Pixels

STRIP = 2**18  # pixels that are worked on at once: what fits a processor's cache
FINE = 4  # how much finer than the small copy the coefficients are computed; from there on, straight lines do
# how far chroma follows lightness within a few pixels of the small copy; measured on 15 photographs, it leaves 5 % less
# of a squared error in a and b than bicubic interpolation where the small copy is sharp, and 3 % less where it is soft
NEIGHBOURS, DAMPING = 2, 0.12
STEPS = 2**14  # of the table from linear light to sRGB: fine enough that every grey comes back as itself


def spread_chroma(
    pixels: Pixels,
    lightness: Tensor,
    chroma: Tensor,
    *,
    strength: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> Pixels:
    """A photo in the colours of a small copy.

    Colour changes where lightness does: within a few pixels of the small copy chroma is taken for a straight line over
    lightness, and the photo's own lightness is put into that line. It is the way in which satellite pictures are
    sharpened (regression-based injection: Aiazzi et al. 2007, "Improving component substitution pansharpening").
    What sRGB can't show is moved towards grey of the same luminance, so that lightness is kept there, too.

    Args:
        pixels: uint8 [H, W, 3]; their own colour is not looked at.
        lightness: of the small copy, [1, 1, h, w] in [-1, 1].
        chroma: for the small copy, [1, 2, h, w] in [-1, 1].
        strength: a factor on chroma.
        progress: called with the rows that are done and their number.

    Returns:
        uint8 [H, W, 3].
    """
    height, width = pixels.shape[:2]
    fine = [min(full, FINE * small) for full, small in zip((height, width), chroma.shape[-2:], strict=True)]
    gain, offset = _coefficients(lightness, chroma, (fine[0], fine[1]))
    maps = _across(torch.cat([gain, offset], dim=1)[0] * (strength * CHROMA_SCALE), width)  # [4, fine rows, W]
    result = np.empty_like(pixels)
    step = max(1, STRIP // width)
    for top in range(0, height, step):
        bottom = min(height, top + step)
        a, b, a0, b0 = _down(maps, torch.arange(top, bottom), height)
        strip = torch.from_numpy(pixels[top:bottom])
        luminance, root = _luminance(strip)
        tone = (116 * root - 16) / LIGHTNESS_SCALE - 1.0
        result[top:bottom] = _painted(luminance, root, a0 + a * tone, b0 + b * tone).numpy()
        if progress is not None:
            progress(bottom, height)
    return result


def _coefficients(lightness: Tensor, chroma: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Chroma as gain · lightness + offset, in another size: two of [1, 2, *size]."""
    mean, mean_chroma = _mean(lightness), _mean(chroma)
    covariance = _mean(lightness * chroma) - mean * mean_chroma
    variance = _mean(lightness * lightness) - mean * mean
    gain = _scaled(covariance / (variance + DAMPING), size)
    return gain, _scaled(chroma, size) - gain * _scaled(lightness, size)


def _mean(planes: Tensor) -> Tensor:
    reach = NEIGHBOURS
    planes = F.avg_pool2d(planes, (1, 2 * reach + 1), 1, (0, reach), count_include_pad=False)
    return F.avg_pool2d(planes, (2 * reach + 1, 1), 1, (reach, 0), count_include_pad=False)


def _scaled(planes: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(planes, size, mode="bicubic", antialias=True)


def _across(maps: Tensor, width: int) -> Tensor:
    """Maps [C, h, w] made as wide as the photo, along straight lines."""
    left, right, share = _between(torch.arange(width), maps.shape[2], width)
    return torch.lerp(maps[:, :, left], maps[:, :, right], share)


def _down(maps: Tensor, rows: Tensor, height: int) -> Iterator[Tensor]:
    """Some rows of maps [C, h, W] made as high as the photo: C of [rows, W]."""
    above, below, share = _between(rows, maps.shape[1], height)
    return iter(torch.lerp(maps[:, above], maps[:, below], share[:, None]))


def _between(places: Tensor, small: int, full: int) -> tuple[Tensor, Tensor, Tensor]:
    """For places of a long line: the two neighbours on a short one, and how near the second is."""
    on_small = ((places + 0.5) * (small / full) - 0.5).clamp_(0.0, small - 1)
    before = on_small.long()
    return before, (before + 1).clamp_(max=small - 1), on_small - before


@cache
def _tables() -> tuple[Tensor, Tensor]:
    """Linear light of each byte of sRGB, float32 [256], and bytes of `STEPS` steps of linear light, uint8 [STEPS]."""
    linear = rgb_to_linear(torch.arange(256, dtype=torch.float64) / 255)
    steps = torch.arange(STEPS, dtype=torch.float64) / (STEPS - 1)
    return linear.float(), (linear_to_rgb(steps) * 255).round().to(torch.uint8)


def _luminance(strip: Tensor) -> tuple[Tensor, Tensor]:
    """CIE Y in [0, 1] of bytes [h, W, 3], and its root as Lab has it: two of [h, W]."""
    linear, _ = _tables()
    red, green, blue = strip.unbind(dim=2)
    if torch.equal(red, green) and torch.equal(red, blue):
        return linear[red.long()], _root(linear)[red.long()]
    weights = white_matrix(linear)[1]
    luminance = sum(
        weight * linear[channel.long()] for weight, channel in zip(weights, (red, green, blue), strict=True)
    )
    assert isinstance(luminance, Tensor)
    return luminance, _root(luminance)


def _root(luminance: Tensor) -> Tensor:
    return torch.where(luminance > KNEE, luminance.clamp(min=KNEE) ** (1 / 3), SLOPE * luminance + 16 / 116)


def _painted(luminance: Tensor, root: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Bytes [h, W, 3] of that luminance, and of Lab's a and b as far as sRGB has them."""
    x, z = (_power(root + part) for part in (a / 500, -b / 200))
    _, table = _tables()
    inverse = torch.linalg.inv(white_matrix(root).double()).tolist()
    # as differences from grey, whose three channels are the luminance: each row of the matrix adds up to 1
    x, z = x - luminance, z - luminance
    away = [row[0] * x + row[2] * z for row in inverse]
    within = torch.ones_like(luminance)
    for channel in away:
        room = torch.where(channel > 0, 1.0 - luminance, luminance)
        within = torch.minimum(within, room / channel.abs().clamp_(min=1e-9))
    result = torch.empty((*luminance.shape, 3), dtype=torch.uint8)
    for index, channel in enumerate(away):
        steps = (luminance + within * channel).mul_(STEPS - 1).round_().clamp_(0, STEPS - 1)
        result[..., index] = table[steps.long()]
    return result


def _power(root: Tensor) -> Tensor:
    """The inverse of `_root`."""
    return torch.where(root > KNEE ** (1 / 3), root**3, (root - 16 / 116) / SLOPE)
