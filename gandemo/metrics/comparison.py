"""A photo as a network made it against the photo as it was: all figures at once, and their means over many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from gandemo.data.images import Pixels
from gandemo.errors import RequestError
from gandemo.metrics.pictures import BEST, ab_error, colourfulness, psnr, psnr_y, ssim


def compare(made: Pixels, truth: Pixels, lost: Pixels | None = None) -> dict[str, float]:
    """All figures of one photo.

    Args:
        made: uint8 [H, W, 3].
        truth: uint8 [H, W, 3].
        lost: [H, W], not 0 where the picture had a hole; adds `hole_psnr`, of the pixels there alone.

    Returns:
        `psnr` and `psnr_y` in decibels (at most `BEST`), `ssim`, `ab_error`, `colourfulness`, and
        `colourfulness_distance`: how far that is from the truth's.

    Raises:
        RequestError: the sizes differ, or a side is below 11 pixels.
    """
    if made.shape != truth.shape or (lost is not None and lost.shape != truth.shape[:2]):
        raise RequestError(
            f"photos to compare must have one size, but have {list(made.shape[:2])} and {list(truth.shape[:2])}"
        )
    a, b = _unit(made), _unit(truth)
    lively, wanted = float(colourfulness(a)), float(colourfulness(b))
    figures = {
        "psnr": min(float(psnr(a, b)), BEST),
        "psnr_y": min(float(psnr_y(a, b)), BEST),
        "ssim": float(ssim(a, b)),
        "ab_error": float(ab_error(a, b)),
        "colourfulness": lively,
        "colourfulness_distance": abs(lively - wanted),
    }
    if lost is not None and lost.any():
        inside = torch.from_numpy(lost) != 0
        found, wanted_there = (picture[..., inside][:, :, None] for picture in (a, b))  # [1, 3, 1, pixels]
        figures["hole_psnr"] = min(float(psnr(found, wanted_there)), BEST)
    return figures


def means(figures: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over the photos that have it, to five decimals."""
    columns: dict[str, list[float]] = {}
    for photo in figures:
        for name, value in photo.items():
            columns.setdefault(name, []).append(value)
    return {name: round(sum(values) / len(values), 5) for name, values in columns.items()}


def _unit(pixels: Pixels) -> Tensor:
    """[1, 3, H, W] in [0, 1]."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].double() / 255.0
