"""Overlapping tiles: a picture of any size cut into equal pieces, and put together again without a seam."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gandemo.errors import RequestError


@dataclass(frozen=True)
class Tiling:
    """Equal tiles over a picture, evenly spread; a tile that reaches over the edge repeats the last row or column.

    Tiles are square, but for a picture that is lower or narrower than one: they are no larger than it needs.

    Neighbours are blended over their overlap, by a ramp that leaves out the outer quarter on either side, where a
    network sees too little around a pixel.

    Attributes:
        height: of the picture.
        width: of the picture.
        side: of every tile, at most.
        overlap: the least that two neighbours share.
        align: tiles start at multiples of this, so that a network that halves its input sees the same grid in each.
    """

    height: int
    width: int
    side: int = 256
    overlap: int = 32
    align: int = 16

    def __post_init__(self) -> None:
        """Refuse what can't be tiled.

        Raises:
            RequestError: the picture is empty, or the numbers don't fit each other.
        """
        if self.height < 1 or self.width < 1:
            raise RequestError(f"a picture of {self.width}×{self.height} has nothing to tile")
        if self.align < 1 or self.side % self.align or not 0 <= self.overlap <= self.side - self.align:
            raise RequestError(
                f"tiles of {self.side} need an align that divides them and an overlap that leaves it room, "
                f"got {self.align} and {self.overlap}"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of every tile, multiples of `align`."""
        tall, wide = (min(self.side, -(-length // self.align) * self.align) for length in (self.height, self.width))
        return tall, wide

    @property
    def tops(self) -> list[int]:
        """The first row of each row of tiles."""
        return self._starts(self.height)

    @property
    def lefts(self) -> list[int]:
        """The first column of each column of tiles."""
        return self._starts(self.width)

    def __len__(self) -> int:
        """How many tiles there are."""
        return len(self.tops) * len(self.lefts)

    def _starts(self, length: int) -> list[int]:
        spare = -(-max(length - self.side, 0) // self.align)  # of the last tile's start, in steps of `align`
        count = -(-spare // ((self.side - self.overlap) // self.align))
        return [0] if count == 0 else [spare * index // count * self.align for index in range(count + 1)]

    def split(self, picture: Tensor) -> Iterator[Tensor]:
        """The tiles [C, *shape] of a picture [C, H, W] of any type, row by row."""
        if picture.shape[-2:] != (self.height, self.width):
            raise RequestError(f"the tiling is for {self.width}×{self.height}, not for {list(picture.shape)}")
        tall, wide = self.shape
        for top in self.tops:
            strip = picture[:, torch.arange(top, top + tall).clamp_(max=self.height - 1)]
            for left in self.lefts:
                yield strip[:, :, torch.arange(left, left + wide).clamp_(max=self.width - 1)]

    def merge(self, tiles: Iterable[Tensor]) -> Tensor:
        """The inverse of `split`: float tiles [C, *shape] in its order, as one picture [C, H, W]."""
        return torch.cat(list(self.bands(tiles)), dim=1)

    def bands(self, tiles: Iterable[Tensor]) -> Iterator[Tensor]:
        """`merge` for a picture too large to hold: finished rows [C, h, W] from the top, a band at a time."""
        source = iter(tiles)
        tops = self.tops
        before: Tensor | None = None  # rows of the strips above that this strip may still change
        for index, top in enumerate(tops):
            strip = _chain([next(source) for _ in self.lefts], self.lefts, self.overlap)
            if before is not None:
                _blend(strip, before, self.overlap, dim=1)
            done = (tops[index + 1] if index + 1 < len(tops) else self.height) - top
            yield strip[:, :done, : self.width]
            before = strip[:, done:]


def _chain(tiles: list[Tensor], lefts: list[int], overlap: int) -> Tensor:
    """Tiles of one row, side by side and blended: [C, side, W]."""
    parts = []
    before: Tensor | None = None
    for index, (tile, left) in enumerate(zip(tiles, lefts, strict=True)):
        tile = tile.clone()
        if before is not None:
            _blend(tile, before, overlap, dim=2)
        if index + 1 < len(lefts):
            done = lefts[index + 1] - left
            parts.append(tile[:, :, :done])
            before = tile[:, :, done:]
        else:
            parts.append(tile)
    return torch.cat(parts, dim=2)


def _blend(later: Tensor, before: Tensor, overlap: int, dim: int) -> None:
    """Fades from `before` to `later` where they overlap, in place: equal values stay exactly as they are."""
    length = before.shape[dim]
    if length == 0:
        return
    margin = min(overlap, length) // 4
    share = ((torch.arange(length, dtype=later.dtype) + 0.5 - margin) / (length - 2 * margin)).clamp_(0.0, 1.0)
    share = share.view([-1 if axis == dim else 1 for axis in range(3)]).to(later.device)
    start = later.narrow(dim, 0, length)
    start.copy_(torch.lerp(before, start, share))
