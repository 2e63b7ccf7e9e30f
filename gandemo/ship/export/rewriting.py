"""Networks as LiteRT takes them: the same function of their inputs, by other operations.

What the converter (litert-torch 0.10) gets wrong without a word, and what `exact` therefore makes good first:
- a transposed convolution whose padding is not exactly half of kernel minus stride;
- weights in channels_last: it copies each to tell them apart by where they lie, frees the copy, and takes the next of
  the same shape, copied to the same place, for the same weights;
- a network in training mode.

`quicken` does large convolutions with less arithmetic.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gandemo.nets.filling import DirectionalFill, FactoredFill
from gandemo.nets.unet import UNet
from gandemo.nets.wiener import FactoredBank, WienerBank
from gandemo.ship.export.phases import PhasedDoubling, PhasedRise, PhasedTranspose

# Phases have 16/9 of the weights, a Winograd convolution has twice as many, and takes two thirds of the time: that pays
# where each weight works on many pixels, and where so many channels are summed up that the rest weighs little.
PHASED_FROM = 16 * 16  # pixels
WINOGRAD_FROM = 64 * 64
WINOGRAD_CHANNELS = 64  # in and out


def exact(module: nn.Module) -> nn.Module:
    """A copy in eval mode whose transposed convolutions convert without loss."""
    ready = copy.deepcopy(module).cpu().float().eval().requires_grad_(False)
    ready.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for name, layer in list(ready.named_modules()):
        if isinstance(layer, nn.ConvTranspose2d) and not _converts(layer):
            better: nn.Module = PhasedTranspose(layer)
        elif isinstance(layer, WienerBank):
            better = FactoredBank(layer)
        elif isinstance(layer, DirectionalFill):
            better = FactoredFill(layer)
        else:
            continue
        parent, _, leaf = name.rpartition(".")
        setattr(ready.get_submodule(parent), leaf, better)
    return ready


def quicken(module: nn.Module, inputs: Mapping[str, Tensor]) -> None:
    """Replaces, in place, the convolutions that are worth it: those of doubled pixels by phases, others by Winograd's.

    Args:
        module: what `exact` returned.
        inputs: of the size that the file is made for.
    """
    large = _of_many_pixels(module, inputs, PHASED_FROM)
    for layer in list(module.modules()):
        if isinstance(layer, UNet):
            layer.rises = nn.ModuleList(map(PhasedRise, layer.narrow, layer.join))
        elif isinstance(layer, nn.Sequential):
            _phase(layer, large)
    large = _of_many_pixels(module, inputs, WINOGRAD_FROM)
    for name, layer in list(module.named_modules()):
        if layer in large and _has_winograd(layer):
            parent, _, leaf = name.rpartition(".")
            holder = module.get_submodule(parent)
            setattr(holder, leaf, WinogradConvolution(layer, _take_activation(holder, leaf)))


def _of_many_pixels(module: nn.Module, inputs: Mapping[str, Tensor], least: int) -> set[nn.Module]:
    """The layers that make pictures of so many pixels, or more."""
    found: set[nn.Module] = set()

    def note(layer: nn.Module, _: object, out: object) -> None:
        if isinstance(out, Tensor) and out.ndim == 4 and out.shape[2] * out.shape[3] >= least:
            found.add(layer)

    hooks = [layer.register_forward_hook(note) for layer in module.modules()]
    with torch.inference_mode():
        module(**inputs)
    for hook in hooks:
        hook.remove()
    return found


def _phase(layers: nn.Sequential, large: Collection[nn.Module]) -> None:
    """Replaces, in place, each nearest neighbour with the convolution after it, and with that one's batch norm."""
    for index, (before, layer) in enumerate(pairwise(list(layers))):
        if layer in large and _doubles(before) and _is_plain(layer) and layer.padding == (1, 1):
            after = layers[index + 2] if index + 2 < len(layers) else None
            if isinstance(after, nn.BatchNorm2d):
                layer, layers[index + 2] = fuse_conv_bn_eval(layer, after), nn.Identity()
            layers[index], layers[index + 1] = nn.Identity(), PhasedDoubling(layer.weight.detach(), layer.bias)


def _doubles(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Upsample) and layer.mode == "nearest" and layer.scale_factor == 2


def _is_plain(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    return (
        type(layer) is nn.Conv2d
        and layer.kernel_size == (3, 3)
        and layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
    )


def _has_winograd(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    # without a bias, a batch norm follows, which the converter makes part of an ordinary convolution alone
    return (
        _is_plain(layer) and layer.bias is not None and min(layer.in_channels, layer.out_channels) >= WINOGRAD_CHANNELS
    )


def _take_activation(holder: nn.Module, leaf: str) -> nn.Module:
    """The activation that follows the layer, taken out of its place.

    Behind the cut at the end of a `WinogradConvolution` the converter would write a whole plane of zeros into the file,
    for ReLU to take the maximum with.
    """
    if isinstance(holder, nn.Sequential) and int(leaf) + 1 < len(holder):
        after = holder[int(leaf) + 1]
        if isinstance(after, nn.ReLU | nn.LeakyReLU | nn.Tanh):
            holder[int(leaf) + 1] = nn.Identity()
            return after
    return nn.Identity()


def _converts(layer: nn.ConvTranspose2d) -> bool:
    reach = [d * (k - 1) for d, k in _pairs(layer.dilation, layer.kernel_size)]
    padding = all(
        not p or 2 * p == r + 1 - s for (p, s), r in zip(_pairs(layer.padding, layer.stride), reach, strict=True)
    )
    return padding and not any(layer.output_padding)


def _pairs(a: Any, b: Any) -> list[tuple[int, int]]:
    """A layer's settings, which PyTorch types as anything, height and width together."""
    return [(int(a[axis]), int(b[axis])) for axis in (0, 1)]


class WinogradConvolution(nn.Module):
    """The same 3×3 convolution with half the multiplications: F(4, 3) along the height.

    Each four rows of the output come of six rows of the input by six products instead of twelve (Lavin & Gray 2016,
    arXiv:1509.09308, with their points 0, ±1, ±2 and infinity). The rows' sums on the way in are depthwise
    convolutions of stride 4, the products 1×3 convolutions. Float32 loses about a digit.
    """

    ROWS = 4

    def __init__(self, layer: nn.Conv2d, activation: nn.Module) -> None:
        """Takes over the weights of a layer with a bias, without stride, dilation and groups."""
        super().__init__()
        weight, channels = layer.weight.detach(), layer.in_channels
        self.high, self.wide = (int(layer.padding[axis]) for axis in (0, 1))
        products = torch.einsum("pr,oirc->poic", weight.new_tensor(_KERNEL_IN), weight)
        self.sums, self.products = nn.ModuleList(), nn.ModuleList()
        for number, (rows, kernel) in enumerate(zip(weight.new_tensor(_ROWS_IN), products, strict=True)):
            depthwise = nn.Conv2d(channels, channels, (6, 1), stride=(self.ROWS, 1), groups=channels, bias=False)
            # the second product is part of each row of the output, once: so the bias goes there
            product = nn.Conv2d(channels, layer.out_channels, (1, 3), bias=number == 1)
            with torch.no_grad():
                depthwise.weight.copy_(rows[:, None].expand_as(depthwise.weight))
                product.weight.copy_(kernel[:, :, None])
                if product.bias is not None and layer.bias is not None:
                    product.bias.copy_(layer.bias)
            self.sums.append(depthwise)
            self.products.append(product)
        self.activation = activation
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, C, H, W]."""
        height = x.shape[2] + 2 * self.high - 2
        fours = -(-height // self.ROWS)
        below = self.ROWS * fours + 2 - x.shape[2] - self.high
        padded = F.pad(x, (self.wide, self.wide, self.high, below))
        zero, one, minus_one, two, minus_two, last = (
            product(rows(padded)) for rows, product in zip(self.sums, self.products, strict=True)
        )
        near, near_odd, far, far_odd = one + minus_one, one - minus_one, two + minus_two, two - minus_two
        rows = (zero + near + far, near_odd + 2 * far_odd, near + 4 * far, near_odd + 8 * far_odd + last)
        out = torch.stack([self.activation(row).permute(0, 2, 3, 1) for row in rows], 2)
        whole = out.reshape(x.shape[0], self.ROWS * fours, out.shape[3], out.shape[4])
        return whole[:, :height].permute(0, 3, 1, 2)


# One line for each product, for the points 0, 1, -1, 2, -2 and infinity: what it takes of each input row …
_ROWS_IN = (
    (4.0, 0.0, -5.0, 0.0, 1.0, 0.0),
    (0.0, -4.0, -4.0, 1.0, 1.0, 0.0),
    (0.0, 4.0, -4.0, -1.0, 1.0, 0.0),
    (0.0, -2.0, -1.0, 2.0, 1.0, 0.0),
    (0.0, 2.0, -1.0, -2.0, 1.0, 0.0),
    (0.0, 4.0, 0.0, -5.0, 0.0, 1.0),
)
# … and of each row of the kernel.
_KERNEL_IN = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
