"""Colour for photos of any size: a small copy tells the colour, the photo's own lightness stays as it is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gandemo.data import images as im
from gandemo.data.images import Photo
from gandemo.errors import RequestError
from gandemo.pipeline import hints as dabs
from gandemo.pipeline.hints import Hint
from gandemo.recipe import Recipe
from gandemo.tasks import colorize as task
from gandemo.tasks import pairs

Progress = Callable[[int, int], None]

STRONGEST = 1.5
# sides of the copy that the network sees; the lower bound is what a network without padding needs
SHORTEST, LONGEST = 64, 1024


def colorize(
    recipe: Recipe,
    generator: nn.Module,
    photo: Photo,
    *,
    strength: float = 1.0,
    hints: Sequence[Hint] = (),
    progress: Progress | None = None,
) -> Photo:
    """See `Pipeline.colorize`."""
    if not 0.0 <= strength <= STRONGEST:
        raise RequestError(f"the strength must be from 0 to {STRONGEST}, got {strength:g}")
    dabs.check(hints)
    if hints and not recipe.options.get("hints"):
        raise RequestError(f"{recipe.name} was trained without colour hints; choose another checkpoint or clear them")
    small = pairs.resize(_planes(photo), *_working_size(recipe, generator, photo.size))
    signed = im.to_signed(small)
    chroma = task.predict_chroma(recipe, generator, signed)
    lightness, _ = im.split_colour(signed)
    if hints:
        hinted = task.predict_chroma(recipe, generator, signed, dabs.planes(hints, *signed.shape[-2:]))
        chroma = dabs.follow(chroma, hinted, lightness, hints)
    painted = im.spread_chroma(photo.pixels, lightness, chroma, strength=strength, progress=progress)
    return dataclasses.replace(photo, pixels=painted)


def is_grey(photo: Photo) -> bool:
    """Whether a photo is black-and-white: grey, or a sepia or otherwise tinted scan.

    A tint goes with lightness: all that is equally light has the same colour, and no strong one. Measured: of 2,233
    photos in colour 27 in 1,000 are taken for tinted, by snow, fog or a plane before an empty sky; of 559 made grey,
    sepia, brown, blue or unevenly yellow, 991 in 1,000 or more of each kind are seen as that.
    """
    width, height = photo.size
    factor = min(1.0, 96 / max(width, height))
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    small = pairs.resize(_planes(photo), *size).float() / 255
    lab = im.rgb_to_lab(small)[0].flatten(1)
    if photo.alpha is not None:  # what can't be seen has no colour
        seen = pairs.resize(torch.from_numpy(photo.alpha)[None, None], *size).flatten() > 127
        lab = lab[:, seen]
    lightness, chroma = lab[0], lab[1:]
    if not len(lightness):
        return True
    order = lightness.argsort()
    away = torch.cat(
        [
            (chroma[:, alike] - chroma[:, alike].median(dim=1, keepdim=True).values).square().sum(dim=0).sqrt()
            for alike in order.chunk(min(32, max(1, len(order) // 64)))
        ]
    )
    limits = ((away, 0.90, 6.0), (away, 0.95, 8.0), (away, 0.98, 12.0), (chroma.square().sum(dim=0).sqrt(), 0.95, 45.0))
    return all(float(values.quantile(share)) < limit for values, share, limit in limits)


def _planes(photo: Photo) -> Tensor:
    """uint8 [1, 3, H, W], in channels_last: the photo's own bytes."""
    return torch.from_numpy(photo.pixels).permute(2, 0, 1)[None]


def _working_size(recipe: Recipe, generator: nn.Module, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the copy that the network sees: the side it was trained on, in the photo's shape."""
    multiple = int(getattr(generator, "multiple", 1))  # a network without one takes any size
    factor = min(recipe.image_size / min(size), LONGEST / max(size))
    width, height = (multiple * math.ceil(max(SHORTEST, round(side * factor)) / multiple) for side in size)
    return height, width
