"""Pixel ranges and squares, each transform beside its inverse."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from gandemo.errors import RequestError

Pixels = npt.NDArray[np.uint8]


def to_signed(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 in 0..255 to float32 in [-1, 1], same shape."""
    return pixels.float().div_(127.5).sub_(1.0)


def to_pixels(signed: torch.Tensor) -> torch.Tensor:
    """The inverse of `to_signed`: float in [-1, 1] (clamped) to uint8, rounded to the nearest."""
    return signed.float().add(1.0).mul_(127.5).round_().clamp_(0.0, 255.0).to(torch.uint8)


def pad_to(images: torch.Tensor, size: int) -> torch.Tensor:
    """[N, C, H, W] in [-1, 1] on a black square of side `size`, centred.

    A 28×28 digit becomes 32×32 without resampling, so that `crop_to` gives back the very same pixels.

    Raises:
        RequestError: the picture is larger than the square.
    """
    height, width = images.shape[-2:]
    if height == width == size:
        return images
    if max(height, width) > size:
        raise RequestError(f"a picture of {width}×{height} does not fit on a square of {size}")
    left, top = (size - width) // 2, (size - height) // 2
    edges = (left, size - width - left, top, size - height - top)
    return torch.nn.functional.pad(images, edges, value=-1.0)


def crop_to(images: torch.Tensor, size: int) -> torch.Tensor:
    """The inverse of `pad_to`: the central square of side `size`."""
    top, left = (images.shape[-2] - size) // 2, (images.shape[-1] - size) // 2
    return images[..., top : top + size, left : left + size]
