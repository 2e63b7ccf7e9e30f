"""Holes filled from their rims, smoothly: where a network that paints them begins."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 4  # halvings; pictures are multiples of 2 ** LEVELS
_LITTLE = 1e-4  # so that nothing is divided by 0


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
