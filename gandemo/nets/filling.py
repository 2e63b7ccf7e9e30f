"""Holes filled from their rims, smoothly or along a direction: what a network that paints them begins with."""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gandemo.nets.layers import in_full_precision, luma_of

LEVELS = 4  # halvings; pictures are multiples of 2 ** LEVELS
REACH = 12  # pixels along a direction; farther in, only the smooth fill goes
_LITTLE = 1e-4  # so that nothing is divided by 0
_WIDTH = 0.7  # pixels, σ across a direction
_DECAY = 2.5  # power of the distance with which a known pixel loses weight
_NOTHING = 1e-20  # smaller weights are 0: with subnormal numbers among them a convolution takes up to 70 times as long


def pull_push(pictures: Tensor, lost: Tensor) -> Tensor:
    """Fills holes with the mean of what is near them: the wider the hole, the farther away it looks.

    Each halving averages what is known; on the way back, what is still unknown takes the coarser value (the pull-push
    of Gortler et al. 1996). A hole that is wider than about 5 · 2 ** LEVELS pixels keeps a middle of 0.

    Args:
        pictures: [N, C, H, W], H and W multiples of 2 ** LEVELS; 0 where `lost` is 1.
        lost: [N, 1, H, W], 0 or 1.

    Returns:
        [N, C, H, W]: `pictures`, the holes filled.
    """
    sums, known = [pictures], [1.0 - lost]
    for _ in range(LEVELS):
        sums.append(F.avg_pool2d(sums[-1], 2))
        known.append(F.avg_pool2d(known[-1], 2))
    near, there = (F.avg_pool2d(coarsest, 5, stride=1, padding=2) for coarsest in (sums[-1], known[-1]))
    rough = near / (there + _LITTLE)
    filled = rough + (known[-1] > 0).to(rough) * (sums[-1] / (known[-1] + _LITTLE) - rough)
    for total, share in zip(sums[-2:0:-1], known[-2:0:-1], strict=True):
        filled = F.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False)
        sure = torch.clamp(4.0 * share, max=1.0)  # one of four pixels tells enough
        filled = filled + sure * (total / (share + _LITTLE) - filled)
    filled = F.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False)
    return pictures + lost * filled


class DirectionalFill(nn.Module):
    """What holes would hold if their rims went on along each of several directions.

    A network that sees the candidates has to find out which way the edges run, not how to draw a line: so does the
    classical transport along isophotes (Bertalmío et al. 2000) with the directions that it measures.
    """

    filters: Tensor

    def __init__(self, directions: int) -> None:
        """Lay out the filters, the first along the rows, the others at equal angles from it."""
        super().__init__()
        # fixed, so that they need no place in the file of the weights
        self.register_buffer("filters", _along(directions).clone(), persistent=False)

    def forward(self, pictures: Tensor, lost: Tensor, filled: Tensor) -> list[Tensor]:
        """The changes to a smooth fill, for each channel.

        Args:
            pictures: [N, 3, H, W], 0 where `lost` is 1.
            lost: [N, 1, H, W], 0 or 1.
            filled: [N, 3, H, W], the smooth fill; it stays where nothing is known in a direction.

        Returns:
            float32 [N, directions, H, W] for each of red, green and blue.
        """
        # quotients of small sums need all their digits
        return in_full_precision(self._changes, pictures, lost, filled)

    def _changes(self, pictures: Tensor, lost: Tensor, filled: Tensor) -> list[Tensor]:
        known = self._filtered(1.0 - lost)
        sure = known / (known + 0.01)  # of weights that sum up to 1
        return [
            sure * (self._filtered(pictures[:, i : i + 1]) / (known + _LITTLE)) - sure * filled[:, i : i + 1]
            for i in range(3)
        ]

    def _filtered(self, plane: Tensor) -> Tensor:
        """[N, 1, H, W] along each direction: [N, directions, H, W]."""
        return F.conv2d(plane, self.filters, padding=REACH)

    def seen(self, changes: list[Tensor]) -> Tensor:
        """The changes to the luma: [N, directions, H, W]."""
        return luma_of(*changes)


class FactoredFill(DirectionalFill):
    """The same filters in two steps: what is above and below each pixel becomes channels, and these go along the rows.

    For each pixel that it makes LiteRT keeps an address of every one that it looks at: 625 of them took 1.3 GB for a
    picture of 256 pixels, and more time than the sums. It makes 16 channels at a time, so that eight directions of two
    neighbouring pixels are made at once: 21 ms instead of 34.
    """

    shifts: Tensor

    def __init__(self, fill: DirectionalFill) -> None:
        """Take over the filters of another one."""
        nn.Module.__init__(self)
        self.count, _, height, width = fill.filters.shape
        rows = fill.filters.view(self.count, height, 1, width)
        pairs = torch.cat([F.pad(rows, (0, 1)), F.pad(rows, (1, 0))])
        self.register_buffer("shifts", torch.eye(height).view(height, 1, height, 1), persistent=False)
        self.register_buffer("filters", pairs, persistent=False)

    def _filtered(self, plane: Tensor) -> Tensor:
        """[N, 1, H, W] along each direction, W even: [N, directions, H, W]."""
        number, _, height, width = plane.shape
        columns = F.conv2d(plane, self.shifts, padding=(REACH, 0))
        pairs = F.conv2d(columns, self.filters, padding=(0, REACH), stride=(1, 2))
        return pairs.permute(0, 2, 3, 1).reshape(number, height, width, self.count).permute(0, 3, 1, 2)


@cache
def _along(directions: int) -> Tensor:
    """Narrow lobes to both sides, of sum 1: [directions, 1, 2 · REACH + 1, 2 · REACH + 1]."""
    with torch.device("cpu"):  # also where a network is laid out without memory: what is found here is kept
        y, x = torch.meshgrid(*[torch.arange(-REACH, REACH + 1, dtype=torch.float64)] * 2, indexing="ij")
        kernels = []
        for index in range(directions):
            angle = math.pi * index / directions
            across = y * math.cos(angle) - x * math.sin(angle)
            distance = (x.square() + y.square() + 1.0).sqrt()
            kernel = torch.exp(-across.square() / (2 * _WIDTH**2)) / distance**_DECAY
            kernel /= kernel.sum()
            kernels.append(torch.where(kernel < _NOTHING, 0.0, kernel))
        return torch.stack(kernels)[:, None].float()
