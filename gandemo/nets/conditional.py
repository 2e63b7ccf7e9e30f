"""Our own pair: a class-conditional generator that resizes and convolves, and a projection discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gandemo.nets.layers import ConditionalBatchNorm2d, initialise, maybe_spectral_norm, pack_samples


class ResizeGenerator(nn.Module):
    """Dense S/4·S/4·C, then twice: nearest-neighbour ×2 and a 3×3 convolution, each after conditional batch norm.

    Resizing before the convolution leaves no checkerboard (Odena et al. 2016, distill.pub/2016/deconv-checkerboard).
    """

    def __init__(
        self,
        image_size: int,
        latent: int,
        classes: int = 0,
        *,
        channels: Sequence[int] = (128, 64, 32),
        refine: Sequence[int] = (0, 0, 0),
        init: str = "orthogonal",
    ) -> None:
        """Draw the weights.

        Args:
        image_size: side of the picture, a multiple of 4.
        latent: length of the noise.
        classes: 0 or the number of classes; they set scale and shift of every batch norm.
        channels: at S/4, S/2 and S.
        refine: residual 3×3 convolutions at each of the three sizes.
        init: name of the initialiser.
        """
        super().__init__()
        if image_size % 4:
            raise ValueError(f"image_size {image_size} is no multiple of 4")
        self.base, self.stem = image_size // 4, channels[0]
        self.dense = nn.Linear(latent, self.base**2 * self.stem)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(fan_in, fan_out, 3, padding=1, bias=False) for fan_in, fan_out in pairwise(channels)
        )
        self.norms = nn.ModuleList(ConditionalBatchNorm2d(width, classes) for width in channels)
        self.refinements = nn.ModuleList(
            _Refinement(_Residual(width, classes) for _ in range(count))
            for width, count in zip(channels, refine, strict=True)
        )
        self.last = nn.Conv2d(channels[-1], 1, 3, padding=1)
        initialise(self, init)
        for block in self.refinements.modules():
            if isinstance(block, _Residual):
                nn.init.zeros_(block.convolution.weight)  # a residual branch starts as nothing

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """noise: [N, latent], labels: int64 [N] or None; returns [N, 1, S, S] in [-1, 1]."""
        x = self.dense(noise).view(-1, self.stem, self.base, self.base)
        x = x.contiguous(memory_format=torch.channels_last)
        for index, norm in enumerate(self.norms):
            if index:
                x = self.convolutions[index - 1](F.interpolate(x, scale_factor=2.0, mode="nearest"))
            x = self.refinements[index](x, labels)
            x = F.relu(norm(x, labels))
        return torch.tanh(self.last(x))


class _Refinement(nn.ModuleList):
    """Residual convolutions, one after the other."""

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        for block in self:
            x = block(x, labels)
        return x


class _Residual(nn.Module):
    """x + conv(relu(norm(x)))."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = ConditionalBatchNorm2d(channels, classes)
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        out: Tensor = x + self.convolution(F.relu(self.norm(x, labels)))
        return out


class ProjectionDiscriminator(nn.Module):
    """Strided convolutions to features φ, and the logit w·φ + e(class)·φ (Miyato & Koyama 2018, arXiv:1802.05637)."""

    def __init__(
        self,
        image_size: int,
        classes: int = 0,
        pack: int = 1,
        *,
        channels: Sequence[int] = (64, 128, 256),
        slope: float = 0.2,
        spectral_norm: bool = True,
        init: str = "orthogonal",
    ) -> None:
        """Draw the weights.

        Args:
        image_size: side of the picture.
        classes: 0 or the number of classes.
        pack: pictures judged at once.
        channels: after each halving.
        slope: of LeakyReLU.
        spectral_norm: on every layer, the class embedding included.
        init: name of the initialiser.
        """
        super().__init__()
        self.pack, self.slope = pack, slope
        side, fan_in = image_size, pack
        self.convolutions = nn.ModuleList()
        for fan_out in channels:
            kernel = 4 if side % 2 == 0 else 3  # an even kernel sees every pixel equally often, an odd side needs 3
            self.convolutions.append(nn.Conv2d(fan_in, fan_out, kernel, stride=2, padding=1))
            side, fan_in = (side + 2 - kernel) // 2 + 1, fan_out
        features = fan_in * side * side
        self.linear = nn.Linear(features, 1)
        self.embedding = nn.Embedding(classes, features) if classes else None
        initialise(self, init)
        norm = maybe_spectral_norm(spectral_norm)
        for layer in (*self.convolutions, self.linear):
            norm(layer)
        if self.embedding is not None:
            if not spectral_norm:
                nn.init.normal_(self.embedding.weight, 0.0, features**-0.5)
            norm(self.embedding)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """images: [N, 1, S, S] in [-1, 1], labels: int64 [N] or None; returns logits [N / pack]."""
        x = pack_samples(images, self.pack).contiguous(memory_format=torch.channels_last)
        for convolution in self.convolutions:
            x = F.leaky_relu(convolution(x), self.slope)
        features = x.flatten(1)
        logits: Tensor = self.linear(features)[:, 0]
        if self.embedding is not None:
            assert labels is not None
            logits = logits + (self.embedding(labels) * features).sum(dim=1)
        return logits
