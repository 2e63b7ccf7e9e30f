"""Judges of photos: the 70×70 PatchGAN, which looks at the pair, and the article's discriminator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gandemo.nets.layers import initialise, maybe_spectral_norm


class PatchDiscriminator(nn.Module):
    """Says of every patch whether it is real: 70×70 pixels with four widths (Isola et al. 2017, arXiv:1611.07004)."""

    def __init__(
        self,
        *,
        inputs: int = 6,
        channels: Sequence[int] = (64, 128, 256, 512),
        slope: float = 0.2,
        batch_norm: bool = True,
        spectral_norm: bool = False,
        magnify: float = 0.0,
        init: str = "normal-0.02",
    ) -> None:
        """Draw the weights.

        Args:
        inputs: channels of the condition and the picture together.
        channels: after each 4×4 convolution; all but the last halve the picture.
        slope: of LeakyReLU.
        batch_norm: after every convolution but the first and the last.
        spectral_norm: on every layer.
        magnify: above 0, the picture's fine detail is shown as well, this many times as strong: what a blur of 5×5
            pixels takes away from it. Where real and made pictures differ by a few levels in detail alone, a judge
            would need long to find out.
        init: name of the initialiser.
        """
        super().__init__()
        self.magnify = magnify
        if magnify:
            inputs += 3
        norm = maybe_spectral_norm(spectral_norm)
        layers: list[nn.Module] = []
        plain: list[nn.Conv2d] = []
        fan_in = inputs
        for index, fan_out in enumerate(channels):
            last = index + 1 == len(channels)
            normed = batch_norm and index > 0
            plain.append(nn.Conv2d(fan_in, fan_out, 4, stride=1 if last else 2, padding=1, bias=not normed))
            layers.append(plain[-1])
            if normed:
                layers.append(nn.BatchNorm2d(fan_out))
            layers.append(nn.LeakyReLU(slope, inplace=True))
            fan_in = fan_out
        plain.append(nn.Conv2d(fan_in, 1, 4, padding=1))
        self.layers = nn.Sequential(*layers, plain[-1])
        initialise(self, init)
        for layer in plain:
            norm(layer)

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """pictures, condition: [N, C, H, W] in [-1, 1]; returns logits [N · patches], those of a picture in a row."""
        parts = [pictures] if condition is None else [condition, pictures]
        if self.magnify:
            parts.append(self.magnify * (pictures - F.avg_pool2d(pictures, 5, 1, 2, count_include_pad=False)))
        x = torch.cat(parts, dim=1) if len(parts) > 1 else pictures
        return self.layers(x.contiguous(memory_format=torch.channels_last)).flatten()


class PoolingDiscriminator(nn.Module):
    """The article's judge of colour: pairs of convolutions without padding, each followed by max-pooling, and dense."""

    def __init__(
        self,
        image_size: int,
        *,
        inputs: int = 3,
        channels: Sequence[int] = (32, 64, 128, 256),
        kernels: Sequence[int] = (7, 5, 3, 3),
        widths: Sequence[int] = (512, 128, 16),
        init: str = "glorot-uniform",
    ) -> None:
        """Draw the weights.

        Args:
        image_size: side of the picture.
        inputs: channels of the picture.
        channels: of each pair of convolutions.
        kernels: of each pair of convolutions.
        widths: of the dense layers.
        init: name of the initialiser.
        """
        super().__init__()
        layers: list[nn.Module] = []
        fan_in, side = inputs, image_size
        for fan_out, kernel in zip(channels, kernels, strict=True):
            for _ in range(2):
                layers += [nn.Conv2d(fan_in, fan_out, kernel), nn.ReLU(inplace=True)]
                fan_in, side = fan_out, side - kernel + 1
            layers.append(nn.MaxPool2d(2))
            side //= 2
        if side < 1:
            raise ValueError(f"nothing is left of image_size {image_size} after {len(channels)} halvings")
        layers.append(nn.Flatten())
        fan_in *= side * side
        for width in widths:
            layers += [nn.Linear(fan_in, width), nn.ReLU(inplace=True)]
            fan_in = width
        self.layers = nn.Sequential(*layers, nn.Linear(fan_in, 1))
        initialise(self, init)

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """pictures: [N, C, S, S] in [-1, 1]; returns logits [N]; a condition is left aside, as in the article."""
        return self.layers(pictures.contiguous(memory_format=torch.channels_last))[:, 0]
