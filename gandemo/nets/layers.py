"""Pieces that several networks share: initialisers, conditional batch norm, packing.

Everything in `nets` sticks to operations that convert to TFLite and ONNX without loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gandemo.errors import RecipeError

T = TypeVar("T")
Initialiser = Callable[[Tensor], object]

INITIALISERS: dict[str, Initialiser] = {
    "glorot-uniform": nn.init.xavier_uniform_,  # Keras's default
    "he-uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "normal-0.02": lambda weight: nn.init.normal_(weight, 0.0, 0.02),  # DCGAN (Radford et al. 2016)
    "orthogonal": nn.init.orthogonal_,
}


def initialise(module: nn.Module, name: str) -> None:
    """Draws all weights of linear and convolution layers anew and sets their biases to zero.

    Raises:
        RecipeError: no initialiser has that name.
    """
    if name not in INITIALISERS:
        raise RecipeError(f"there is no initialiser {name!r}; valid: {', '.join(INITIALISERS)}")
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            INITIALISERS[name](layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def maybe_spectral_norm(use: bool) -> Callable[[nn.Module], nn.Module]:
    """Spectral normalisation (Miyato et al. 2018, arXiv:1802.05957) or nothing."""
    return spectral_norm if use else _unchanged


def _unchanged(module: nn.Module) -> nn.Module:
    return module


class OneHot(nn.Module):
    """int64 [N] to float32 [N, classes]: a look-up in a table that is there, which every export format has.

    A table that is made at each call becomes an operation that LiteRT does not have.
    """

    table: Tensor

    def __init__(self, classes: int) -> None:
        """Lay out the table; it needs no place in the file of the weights."""
        super().__init__()
        self.register_buffer("table", torch.eye(classes), persistent=False)

    def forward(self, labels: Tensor) -> Tensor:
        """labels: int64 [N]."""
        return self.table[labels]


class ConditionalBatchNorm2d(nn.Module):
    """Batch norm whose scale and shift depend on the class (de Vries et al. 2017, arXiv:1707.00683)."""

    def __init__(self, channels: int, classes: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        """With 0 classes this is ordinary batch norm."""
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=eps, momentum=momentum, affine=classes == 0)
        self.affine = nn.Embedding(classes, 2 * channels) if classes else None
        if self.affine is not None:
            with torch.no_grad():
                self.affine.weight[:, :channels] = 1.0
                self.affine.weight[:, channels:] = 0.0

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """x: [N, C, H, W]; labels: int64 [N], ignored without classes."""
        x = self.norm(x)
        if self.affine is None:
            return x
        assert labels is not None
        scale, shift = self.affine(labels)[:, :, None, None].chunk(2, dim=1)
        return x * scale + shift


def luma_of(red: Tensor, green: Tensor, blue: Tensor) -> Tensor:
    """What three channels of any shape come to in luma, by the weights of ITU-R BT.601."""
    return 0.299 * red + 0.587 * green + 0.114 * blue


def in_full_precision(work: Callable[..., T], *values: Tensor) -> T:
    """What `work` makes of the values, in float32 where autocast would have it in fewer digits."""
    device = values[0].device.type
    if device == "meta" or not torch.is_autocast_enabled(device):  # shapes alone know no autocast
        return work(*values)
    with torch.autocast(device, enabled=False):
        return work(*(value.float() for value in values))


def pack_samples(images: Tensor, pack: int) -> Tensor:
    """[N, C, H, W] to [N / pack, pack * C, H, W], so that a discriminator judges several pictures at once.

    PacGAN, Lin et al. 2018 (arXiv:1712.04086).
    """
    return images if pack == 1 else images.reshape(-1, pack * images.shape[1], *images.shape[2:])


def dense_stack(widths: Iterable[int], between: Callable[[int, int], list[nn.Module]]) -> nn.Sequential:
    """Linear layers of the given widths.

    Args:
        widths: of the input and of each layer.
        between: (index of the layer, its width) to the modules that follow it.
    """
    widths = list(widths)
    layers: list[nn.Module] = []
    for index, (fan_in, fan_out) in enumerate(pairwise(widths)):
        layers += [nn.Linear(fan_in, fan_out), *between(index, fan_out)]
    return nn.Sequential(*layers)
