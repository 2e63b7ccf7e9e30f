"""Photos of any size through a network, by overlapping tiles: enhanced, or painted in where something is lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from gandemo.data import images as im
from gandemo.data.images import Photo, Tiling
from gandemo.errors import RequestError

Progress = Callable[[int, int], None]
SCALES = (1, 2, 4)


def enhance(
    generator: nn.Module, photo: Photo, *, strength: float = 1.0, scale: int = 1, progress: Progress | None = None
) -> Photo:
    """See `Pipeline.enhance`."""
    if not 0.0 <= strength <= 1.0:
        raise RequestError(f"the strength must be from 0 to 1, got {strength:g}")
    if scale not in SCALES:
        raise RequestError(f"the scale must be 1, 2 or 4, got {scale}")
    pixels = photo.pixels
    if scale > 1:
        width, height = photo.size
        enlarged = Image.fromarray(pixels).resize((scale * width, scale * height), Image.Resampling.BICUBIC)
        pixels = np.array(enlarged)

    def better(tile: Tensor) -> Tensor:
        painted: Tensor = generator(tile[None])[0]
        return torch.lerp(tile, painted, strength)

    return dataclasses.replace(photo, pixels=_through(better, im.to_signed(_planes(pixels)), progress))


def inpaint(generator: nn.Module, photo: Photo, mask: Image.Image, *, progress: Progress | None = None) -> Photo:
    """See `Pipeline.inpaint`."""
    if mask.size != photo.size:
        raise RequestError(
            f"the mask is {mask.size[0]}×{mask.size[1]} pixels, the photo {photo.size[0]}×{photo.size[1]}"
        )
    lost = torch.from_numpy(np.array(mask.convert("L")) > 0).float()[None]
    known = torch.cat([im.to_signed(_planes(photo.pixels)) * (1.0 - lost), lost])
    painted = _through(lambda tile: generator(tile[None])[0], known, progress)
    return dataclasses.replace(photo, pixels=np.where(lost[0, :, :, None].numpy() > 0, painted, photo.pixels))


def _planes(pixels: im.Pixels) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)


@torch.inference_mode()
def _through(network: Callable[[Tensor], Tensor], picture: Tensor, progress: Progress | None) -> im.Pixels:
    tiling = Tiling(*picture.shape[-2:])

    def tiles() -> Iterator[Tensor]:
        for done, tile in enumerate(tiling.split(picture), start=1):
            yield network(tile)
            if progress is not None:
                progress(done, len(tiling))

    result = im.to_pixels(tiling.merge(tiles()))
    return result.permute(1, 2, 0).contiguous().numpy()
