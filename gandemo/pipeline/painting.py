"""Photos of any size through a network, by overlapping tiles: enhanced, or painted in where something is lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from gandemo.data import images as im
from gandemo.data.images import MAX_PIXELS, Photo, Tiling
from gandemo.errors import RequestError
from gandemo.tasks.inpaint import with_holes

Progress = Callable[[int, int], None]
Mask = npt.NDArray[np.bool_]

SCALES = (1, 2, 4)
SIDE = 384  # of tiles
# What two tiles share: an enhancer of three halvings and Wiener filters looks 45 pixels around it, but what lies beyond
# 20 changes nothing by as much as a level of 255; an inpainter of four looks 93 pixels around it, and much of that
# counts.
OVERLAP, WIDE_OVERLAP = 80, 128
REACH = 12  # pixels from what is known, how far a network paints well: training's strokes and boxes are that wide
SMALLEST = 64  # shorter side of the smallest copy in which a wide hole is begun


def enhance(
    network: nn.Module, photo: Photo, *, strength: float = 1.0, scale: int = 1, progress: Progress | None = None
) -> Photo:
    """See `Pipeline.enhance`; `network` is the blend that its `crisp` asks for."""
    if not 0.0 <= strength <= 1.0:
        raise RequestError(f"the strength must be from 0 to 1, got {strength:g}")
    check_scale(photo, scale)
    if strength == 0.0:
        return enlarged(photo, scale)

    def better(tile: Tensor) -> Tensor:
        poor = im.to_signed(tile)
        painted: Tensor = network(poor[None])[0]
        return torch.lerp(poor, painted.float(), strength)

    width, height = photo.size
    last = _tiling((scale * height, scale * width), OVERLAP)
    if scale == 1:
        return _through(photo, last, better, _counted(progress, len(last)))
    first = _tiling((height, width), OVERLAP)
    done = _counted(progress, len(first) + len(last))
    return _through(enlarged(_cleaned(photo, _through(photo, first, better, done)), scale), last, better, done)


def _cleaned(photo: Photo, once: Photo) -> Photo:
    """What is to be enlarged: the photo without its noise, or as it is where there is hardly any.

    Enlarged grain is coarser than any that a network knows, and comes out as texture: at σ 15 and twice the size,
    photos were 2.3 dB worse than by bicubic interpolation alone, and 3.5 dB better once the noise was taken out first.
    What has no noise would lose 0.3 dB by it; most of its pixels stay as they were.
    """
    is_clean = np.median(np.abs(once.pixels.astype(np.int16) - photo.pixels)) == 0
    return photo if is_clean else once


def _through(photo: Photo, tiling: Tiling, better: Callable[[Tensor], Tensor], done: Callable[[], None]) -> Photo:
    result = np.empty_like(photo.pixels)
    for place, band in _bands(tiling, [_planes(photo.pixels)], better, done):
        result[place] = band
    return dataclasses.replace(photo, pixels=result)


def check_scale(photo: Photo, scale: int) -> None:
    """Refuses what can't be made.

    Raises:
        RequestError: the scale is none of `SCALES`, or there would be too many pixels.
    """
    if scale not in SCALES:
        raise RequestError(f"the scale must be 1, 2 or 4, got {scale}")
    width, height = (scale * side for side in photo.size)
    if scale > 1 and width * height > MAX_PIXELS:
        raise RequestError(
            f"{scale} times as wide and high it would have {width * height / 1e6:.0f} megapixels; "
            f"up to {MAX_PIXELS // 10**6} are made, so take a smaller scale or photo"
        )


def enlarged(photo: Photo, scale: int) -> Photo:
    """The photo `scale` times as wide and high, by bicubic interpolation, as training's small pictures are enlarged."""
    if scale == 1:
        return photo
    width, height = (scale * side for side in photo.size)

    def larger(pixels: im.Pixels) -> im.Pixels:
        return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))

    alpha = None if photo.alpha is None else larger(photo.alpha)
    return dataclasses.replace(photo, pixels=larger(photo.pixels), alpha=alpha)


# --- painting in ------------------------------------------------------------------------------------------


def inpaint(network: nn.Module, photo: Photo, mask: Image.Image, *, progress: Progress | None = None) -> Photo:
    """See `Pipeline.inpaint`.

    A network paints well as far as the holes of its training reach. So a wide hole is begun in a small copy of the
    photo, where it is narrow; from copy to copy its middle is taken over and its rim painted anew, up to full size.
    """
    lost = holes(photo, mask)
    box = _box(lost)
    levels = [_Level(photo.pixels[box].copy(), lost[box])]
    while levels[-1].core.any() and min(levels[-1].lost.shape) >= 2 * SMALLEST:
        smaller = levels[-1].halved()
        if smaller.lost.all():
            break
        levels.append(smaller)
    levels[-1].core[:] = False
    done = _counted(progress, sum(level.tiles_to_paint() for level in levels))
    for index in reversed(range(len(levels))):
        if index + 1 < len(levels):
            levels[index].take_over(levels.pop())
        levels[index].paint(network, done)
    result = photo.pixels.copy()
    result[box] = levels[0].pixels
    return dataclasses.replace(photo, pixels=result)


def holes(photo: Photo, mask: Image.Image) -> Mask:
    """Where a mask is not 0, bool [H, W].

    Raises:
        RequestError: it has another size than the photo, or marks nothing or everything.
    """
    if mask.size != photo.size:
        sizes = [f"{width:,}×{height:,}" for width, height in (mask.size, photo.size)]
        raise RequestError(f"the mask has {sizes[0]} pixels and the photo {sizes[1]}; they must be equal")
    lost: Mask = np.asarray(mask.convert("L")) > 0
    if not lost.any():
        raise RequestError("the mask marks nothing; paint over what should go")
    if lost.all():
        raise RequestError("the mask marks the whole photo; leave something to paint from")
    return lost


class _Level:
    """The photo in one size, and what is lost of it.

    Attributes:
        pixels: uint8 [H, W, 3]; what is lost is filled in here.
        lost: bool [H, W].
        core: bool [H, W], the part of `lost` that comes from the next smaller size.
    """

    def __init__(self, pixels: im.Pixels, lost: Mask) -> None:
        self.pixels, self.lost, self.core = pixels, lost, _eroded(lost, REACH)

    def halved(self) -> _Level:
        """Half as wide and high; what is lost in part is lost."""
        height, width = self.lost.shape
        odd = ((0, height % 2), (0, width % 2))
        lost = np.pad(self.lost, odd, mode="edge")
        pixels = np.pad(self.pixels, (*odd, (0, 0)), mode="edge")
        lost = lost[::2, ::2] | lost[1::2, ::2] | lost[::2, 1::2] | lost[1::2, 1::2]
        return _Level(np.array(Image.fromarray(pixels).reduce(2)), lost)

    def take_over(self, smaller: _Level) -> None:
        """Fills the core with the smaller picture's."""
        height, width = smaller.lost.shape
        image = Image.fromarray(smaller.pixels).resize((2 * width, 2 * height), Image.Resampling.BICUBIC)
        self.pixels[self.core] = np.asarray(image)[: self.core.shape[0], : self.core.shape[1]][self.core]

    def paint(self, network: nn.Module, done: Callable[[], None]) -> None:
        """Fills what is lost and not of the core."""
        rim = self.lost & ~self.core

        def filled(picture: Tensor, mask: Tensor) -> Tensor:
            if not bool(mask.any()):
                return im.to_signed(picture)
            painted: Tensor = network(with_holes(picture[None], mask[None]))[0]
            done()
            return painted.float()

        planes = _planes(self.pixels)
        tiling = _tiling(rim.shape[-2:], WIDE_OVERLAP)
        tiles = _bands(tiling, [planes, torch.from_numpy(rim)[None]], filled, lambda: None)
        for place, band in tiles:
            np.copyto(self.pixels[place], band, where=rim[place][..., None])

    def tiles_to_paint(self) -> int:
        """How many tiles the network is asked for."""
        rim = torch.from_numpy(self.lost & ~self.core)[None]
        return sum(bool(tile.any()) for tile in _tiling(rim.shape[-2:], WIDE_OVERLAP).split(_upright(rim)))


def _box(lost: Mask) -> tuple[slice, slice]:
    """What a network should see to fill the holes: around them, as much again as they are wide, or two tiles."""
    found = []
    for axis in (1, 0):
        places = np.flatnonzero(lost.any(axis=axis))
        first, last = int(places[0]), int(places[-1]) + 1
        margin = max(2 * SIDE, last - first)
        start = max(0, first - margin) // 16 * 16
        found.append(slice(start, min(last + margin, lost.shape[1 - axis])))
    return found[0], found[1]


def _eroded(mask: Mask, reach: int) -> Mask:
    """Where a mask is set in every pixel up to `reach` away, along both axes; beyond the edge it counts as set."""
    found = np.pad(mask, reach, constant_values=True)
    for axis in (0, 1):
        lines, length, wanted = found.swapaxes(0, axis), 1, 2 * reach + 1
        while length < wanted:  # what is set in runs of `length` is set in runs of up to twice that
            step = min(length, wanted - length)
            lines, length = lines[:-step] & lines[step:], length + step
        found = lines.swapaxes(0, axis)
    return found


# --- tiles ------------------------------------------------------------------------------------------------


def _planes(pixels: im.Pixels) -> Tensor:
    """uint8 [3, H, W]: the same bytes."""
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _upright(planes: Tensor) -> Tensor:
    """Planes [C, H, W] turned over their diagonal where they are wide, so that a strip of tiles is always short."""
    return planes.transpose(1, 2) if planes.shape[2] > planes.shape[1] else planes


def _tiling(size: Sequence[int], overlap: int) -> Tiling:
    """Of a picture of this height and width, once it is upright, see `_upright`."""
    height, width = size
    return Tiling(max(height, width), min(height, width), side=SIDE, overlap=overlap)


def _bands(
    tiling: Tiling, sources: Sequence[Tensor], work: Callable[..., Tensor], done: Callable[[], None]
) -> Iterator[tuple[tuple[slice, slice], im.Pixels]]:
    """Planes [C, H, W] through a function of tiles: finished parts uint8 [h, w, 3], and where each belongs."""
    turned = sources[0].shape[2] > sources[0].shape[1]

    def tiles() -> Iterator[Tensor]:
        for parts in zip(*(tiling.split(_upright(source)) for source in sources), strict=True):
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=_bf16_pays()):
                tile = work(*(part.transpose(1, 2) if turned else part for part in parts))
            done()
            yield tile.transpose(1, 2) if turned else tile

    first = 0
    for band in tiling.bands(tiles()):
        rows = slice(first, first + band.shape[1])
        first = rows.stop
        pixels = im.to_pixels(band).permute(2, 1, 0) if turned else im.to_pixels(band).permute(1, 2, 0)
        yield (slice(None), rows) if turned else (rows, slice(None)), pixels.numpy()


def _bf16_pays() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _counted(progress: Progress | None, total: int) -> Callable[[], None]:
    """What is to be called as often as `total`, for each tile that is done."""
    count = 0

    def done() -> None:
        nonlocal count
        count += 1
        if progress is not None:
            progress(count, total)

    return done
