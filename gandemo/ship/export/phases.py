"""Convolutions that make pictures larger, written as ordinary ones of the small picture: a phase of pixels each."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class PhasedTranspose(nn.Module):
    """The same transposed convolution as an ordinary one, which makes each pixel's stride × stride pixels as channels.

    Every output row (or column) of one phase, its number modulo the stride, sees the same taps of the kernel at the
    same distances (Shi et al. 2016, arXiv:1609.07009); taps that a phase does not see are 0. LiteRT takes half the time
    for it, and a sixth in 8 bits.
    """

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        """Takes over the weights of a layer without groups."""
        super().__init__()
        weight = layer.weight.detach()
        fan_in, self.channels = weight.shape[:2]
        rows, columns = (_phases(layer, axis) for axis in (0, 1))
        self.strides, self.more = (rows.stride, columns.stride), (rows.more, columns.more)
        self.pads = (*columns.pads, *rows.pads)
        kernel = weight.new_zeros(rows.stride, columns.stride, self.channels, fan_in, rows.length, columns.length)
        for (row, y), high in rows.taps.items():
            for (column, x), wide in columns.taps.items():
                kernel[row, column, :, :, y, x] = weight[:, :, high, wide].T
        phases = rows.stride * columns.stride
        self.whole = nn.Conv2d(
            fan_in, phases * self.channels, (rows.length, columns.length), bias=layer.bias is not None
        )
        with torch.no_grad():
            self.whole.weight.copy_(kernel.flatten(0, 2))
            if self.whole.bias is not None and layer.bias is not None:
                self.whole.bias.copy_(layer.bias.detach().repeat(phases))
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, C, H, W]."""
        phases: Tensor = self.whole(F.pad(x, self.pads))
        number, _, height, width = phases.shape
        high, wide = self.strides
        apart = phases.permute(0, 2, 3, 1).reshape(number, height, width, high, wide, self.channels)
        out = apart.permute(0, 1, 3, 2, 4, 5).reshape(number, height * high, width * wide, self.channels)
        bottom, right = (x.shape[2 + axis] * self.strides[axis] + self.more[axis] for axis in (0, 1))
        return out[:, :bottom, :right].permute(0, 3, 1, 2)


class _Phases(NamedTuple):
    """One axis of a transposed convolution, by phases.

    Attributes:
        stride: how many there are.
        length: of the kernel that all of them share.
        pads: pixels before and behind the input.
        more: pixels of the output beyond `stride` times the input's.
        taps: (phase, place in the shared kernel) to the place in the layer's own.
    """

    stride: int
    length: int
    pads: tuple[int, int]
    more: int
    taps: dict[tuple[int, int], int]


def _phases(layer: nn.ConvTranspose2d, axis: int) -> _Phases:
    stride, padding, dilation = (int(one[axis]) for one in (layer.stride, layer.padding, layer.dilation))
    reach = dilation * (layer.kernel_size[axis] - 1)
    more = reach + 1 + layer.output_padding[axis] - stride - 2 * padding
    # the output's pixel j · stride + phase sees the input's pixel j - distance through the tap at this offset
    seen = {
        (phase, distance): offset // dilation
        for phase in range(stride)
        for distance in range(-(phase + padding) // stride, reach // stride + 2)
        if 0 <= (offset := phase + padding + distance * stride) <= reach and offset % dilation == 0
    }
    low, high = (end(distance for _, distance in seen) for end in (min, max))
    taps = {(phase, high - distance): tap for (phase, distance), tap in seen.items()}
    return _Phases(stride, high - low + 1, (high, -(-more // stride) - low), more, taps)


class PhasedDoubling(nn.Module):
    """Nearest neighbour, twice the size, and the same 3×3 convolution after it with four ninths of the arithmetic.

    A 3×3 kernel sees two rows and two columns, at most, of a picture whose pixels were doubled: so each of the four
    phases is a 2×2 convolution of the small picture.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Takes over weights, [out, in, 3, 3], and bias, [out], of a convolution that is padded by 1."""
        super().__init__()
        fan_out, fan_in = weight.shape[:2]
        self.phases = nn.ModuleList()
        with torch.no_grad():
            for row in (0, 1):
                for column in (0, 1):
                    phase = nn.Conv2d(fan_in, fan_out, 2, bias=bias is not None)
                    phase.weight.copy_(_halved(_halved(weight, 2, row), 3, column))
                    if phase.bias is not None and bias is not None:
                        phase.bias.copy_(bias)
                    self.phases.append(phase)
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, C, H, W]; returns [N, c, 2H, 2W]."""
        number, _, height, width = x.shape
        made = []
        for index, phase in enumerate(self.phases):
            row, column = divmod(index, 2)
            made.append(phase(F.pad(x, (1 - column, column, 1 - row, row))).permute(0, 2, 3, 1))
        rows = [torch.stack(made[at : at + 2], 3).reshape(number, height, 2 * width, -1) for at in (0, 2)]
        return torch.stack(rows, 2).reshape(number, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)


def _halved(weight: Tensor, axis: int, phase: int) -> Tensor:
    """What a kernel of three sees of pixels that were doubled, from the first or the second of a pair: two."""
    before, here, after = weight.unbind(axis)
    return torch.stack([before, here + after] if phase == 0 else [before + here, after], axis)


class PhasedRise(nn.Module):
    """The same `Rise` with 28 % less arithmetic: what is doubled, and what joins it, have a convolution each."""

    def __init__(self, narrow: nn.Module, join: nn.Module) -> None:
        """Takes over the weights.

        Args:
            narrow: the 1×1 convolution before the doubling.
            join: a 3×3 convolution of as many doubled channels as others, a batch norm or none, and an activation.
        """
        super().__init__()
        whole, norm, *rest = join.children()
        assert isinstance(whole, nn.Conv2d)
        if isinstance(norm, nn.BatchNorm2d):
            whole = fuse_conv_bn_eval(whole, norm)
        else:
            rest.insert(0, norm)
        channels = whole.out_channels
        coarse, finer = whole.weight.detach().split(channels, 1)
        self.narrow, self.doubled, self.activation = narrow, PhasedDoubling(coarse), nn.Sequential(*rest)
        self.finer = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.finer.weight.copy_(finer)
            if self.finer.bias is not None and whole.bias is not None:
                self.finer.bias.copy_(whole.bias)
        self.eval().requires_grad_(False)

    def forward(self, _narrow: nn.Module, _join: nn.Module, coarse: Tensor, finer: Tensor) -> Tensor:
        """coarse: [N, C, H, W]; finer: [N, c, 2H, 2W]; returns [N, c, 2H, 2W]."""
        out: Tensor = self.activation(self.finer(finer) + self.doubled(self.narrow(coarse)))
        return out
