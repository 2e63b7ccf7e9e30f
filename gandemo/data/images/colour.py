"""Colour spaces: sRGB, CIE Lab under D65, the scale that networks see it on, and luma."""

from __future__ import annotations

import torch
from torch import Tensor

# sRGB's primaries (IEC 61966-2-1); each row is divided by its sum, the white point, so that grey has no chroma at all
_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
KNEE, SLOPE = 0.008856, 7.787  # of Lab's cube root, which is a straight line near black

LIGHTNESS_SCALE = 50.0
CHROMA_SCALE = 110.0  # no colour of sRGB lies further out than 108


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """SRGB in [0, 1] to CIE Lab: L in 0..100, a and b within ±108.

    Args:
        rgb: float [N, 3, H, W].
    """
    xyz = _mix(rgb_to_linear(rgb), white_matrix(rgb))
    root = torch.where(xyz > KNEE, xyz.clamp(min=KNEE) ** (1 / 3), SLOPE * xyz + 16 / 116)
    x, y, z = root.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """The inverse of `rgb_to_lab`; a colour outside sRGB goes to the nearest value of each channel, in [0, 1]."""
    lightness, a, b = lab.unbind(dim=1)
    y = (lightness + 16) / 116
    root = torch.stack([y + a / 500, y, y - b / 200], dim=1)
    xyz = torch.where(root > KNEE ** (1 / 3), root**3, (root - 16 / 116) / SLOPE)
    linear = _mix(xyz, torch.linalg.inv(white_matrix(lab).double()).to(lab.dtype)).clamp(0.0, 1.0)
    return linear_to_rgb(linear)


def rgb_to_linear(rgb: Tensor) -> Tensor:
    """SRGB in [0, 1] to linear light in [0, 1], any shape."""
    return torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0.0) + 0.055) / 1.055) ** 2.4)


def linear_to_rgb(linear: Tensor) -> Tensor:
    """The inverse of `rgb_to_linear`."""
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-8) ** (1 / 2.4) - 0.055)


def split_colour(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """SRGB in [-1, 1] to what the networks see: lightness [N, 1, H, W] in [-1, 1] and chroma [N, 2, H, W] in [-1, 1].

    Args:
        rgb: float [N, 3, H, W].
    """
    lab = rgb_to_lab((rgb + 1.0) / 2.0)
    return lab[:, :1] / LIGHTNESS_SCALE - 1.0, lab[:, 1:] / CHROMA_SCALE


def join_colour(lightness: Tensor, chroma: Tensor) -> Tensor:
    """The inverse of `split_colour`: sRGB [N, 3, H, W] in [-1, 1], cut to what sRGB can show."""
    lab = torch.cat([(lightness + 1.0) * LIGHTNESS_SCALE, chroma * CHROMA_SCALE], dim=1)
    return lab_to_rgb(lab) * 2.0 - 1.0


def luma(rgb: Tensor) -> Tensor:
    """BT.601's grey of sRGB in any range, as Pillow's mode L and black-and-white television have it: [N, 1, H, W]."""
    red, green, blue = rgb.unbind(dim=1)
    return (0.299 * red + 0.587 * green + 0.114 * blue).unsqueeze(1)


def white_matrix(like: Tensor) -> Tensor:
    """From linear light to CIE XYZ, in which white is (1, 1, 1): [3, 3] of another tensor's type and device."""
    matrix = torch.tensor(_TO_XYZ, dtype=torch.float64, device=like.device)
    return (matrix / matrix.sum(dim=1, keepdim=True)).to(like.dtype)


def _mix(channels: Tensor, matrix: Tensor) -> Tensor:
    """Each pixel's three channels [N, 3, H, W] through a 3×3 matrix."""
    return torch.einsum("rc,nchw->nrhw", matrix, channels)
