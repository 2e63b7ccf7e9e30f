"""Colour for photos of any size: chroma from a small copy, brought to full size along the photo's own lightness."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gandemo.data import images as im
from gandemo.data.images import Photo
from gandemo.errors import RequestError
from gandemo.recipe import Recipe
from gandemo.tasks import colorize as task
from gandemo.tasks import pairs


@dataclass(frozen=True)
class Hint:
    """A dab of colour that somebody puts on a photo.

    Attributes:
        x: 0 (left edge) to 1 (right edge) of the upright photo.
        y: 0 (top) to 1 (bottom).
        colour: red, green and blue, 0 to 255.
        radius: of the dab, as a share of the photo's longer side.
    """

    x: float
    y: float
    colour: tuple[int, int, int]
    radius: float = 0.02


def colorize(
    recipe: Recipe, generator: nn.Module, photo: Photo, *, strength: float = 1.0, hints: Sequence[Hint] = ()
) -> Photo:
    """See `Pipeline.colorize`."""
    if not 0.0 <= strength <= 1.5:
        raise RequestError(f"the strength must be from 0 to 1.5, got {strength:g}")
    pixels = torch.from_numpy(photo.pixels).permute(2, 0, 1)[None]
    height, width = pixels.shape[-2:]
    factor = recipe.image_size / min(height, width)
    small = pairs.resize(im.to_signed(pixels), *(max(16, round(side * factor / 16) * 16) for side in (height, width)))
    planes = _planes(hints, *small.shape[-2:]) if hints else None
    chroma = pairs.resize(task.predict_chroma(recipe, generator, small, planes), height, width)
    lightness, _ = im.split_colour(im.to_signed(pixels))
    painted = im.to_pixels(im.join_colour(lightness, strength * chroma))
    return dataclasses.replace(photo, pixels=painted[0].permute(1, 2, 0).contiguous().numpy())


def _planes(hints: Sequence[Hint], height: int, width: int) -> Tensor:
    """What the network is told of hints: chroma and a mask, [1, 3, height, width]."""
    planes = torch.zeros(1, 3, height, width)
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    for hint in hints:
        signed = im.to_signed(torch.tensor(hint.colour, dtype=torch.uint8)).view(1, 3, 1, 1)
        colour = im.split_colour(signed)[1].view(2, 1, 1)
        radius = max(0.75, hint.radius * max(height, width))
        place = (((x - hint.x * width) ** 2 + (y - hint.y * height) ** 2) <= radius**2).expand(1, -1, -1)
        planes[0, :2] = torch.where(place, colour, planes[0, :2])
        planes[0, 2:] = torch.where(place, torch.ones(()), planes[0, 2:])
    return planes


def is_grey(photo: Photo) -> bool:
    """Whether a photo is black-and-white: grey, or a sepia or otherwise tinted scan."""
    pixels = torch.from_numpy(photo.pixels).permute(2, 0, 1)[None]
    small = im.to_signed(pairs.resize(pixels, *(min(side, 128) for side in pixels.shape[-2:])))
    chroma = im.split_colour(small)[1] * im.CHROMA_SCALE
    away = (chroma - chroma.mean(dim=(2, 3), keepdim=True)).square().sum(dim=1).sqrt()
    return bool(away.quantile(0.95) < 8.0)
