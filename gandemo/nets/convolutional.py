"""Convolutional designs of the articles: up-sampling (`conv`), transposed (`selu`), and DCGAN's pair."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gandemo.nets.layers import initialise, maybe_spectral_norm, pack_samples


class UpsamplingGenerator(nn.Module):
    """Dense 4·4·C, then nearest-neighbour up-sampling and 3×3 convolutions with batch norm and ReLU."""

    def __init__(
        self,
        image_size: int,
        latent: int,
        *,
        base: int = 4,
        stem: int = 256,
        channels: Sequence[int] = (256, 256, 128),
        batch_norm_momentum: float = 0.2,
        batch_norm_eps: float = 1e-3,
        init: str = "glorot-uniform",
    ) -> None:
        """Draw the weights.

        Args:
        image_size: side of the picture; base · 2 ** len(channels).
        latent: length of the noise.
        base: side of the first feature map.
        stem: its channels.
        channels: after each up-sampling.
        batch_norm_momentum: in PyTorch's sense (1 - Keras's).
        batch_norm_eps: epsilon of batch norm.
        init: name of the initialiser.
        """
        super().__init__()
        if base * 2 ** len(channels) != image_size:
            from gandemo.errors import RecipeError

            raise RecipeError(
                f"base {base} doubled {len(channels)} times gives {base * 2 ** len(channels)}, "
                f"not image_size {image_size}"
            )
        self.base, self.stem = base, stem
        self.dense = nn.Sequential(nn.Linear(latent, base * base * stem), nn.ReLU(inplace=True))
        layers: list[nn.Module] = []
        for fan_in, fan_out in zip([stem, *channels], channels, strict=False):
            layers += [
                nn.Upsample(scale_factor=2),
                nn.Conv2d(fan_in, fan_out, 3, padding=1),
                nn.BatchNorm2d(fan_out, eps=batch_norm_eps, momentum=batch_norm_momentum),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 3, padding=1), nn.Tanh())
        initialise(self, init)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """noise: [N, latent]; returns [N, 1, S, S] in [-1, 1]."""
        x = self.dense(noise).view(-1, self.stem, self.base, self.base)
        return self.layers(x.contiguous(memory_format=torch.channels_last))


class TransposedGenerator(nn.Module):
    """Dense S/4·S/4·C, batch norm, then transposed 5×5 convolutions of stride 2 with SELU."""

    def __init__(
        self,
        image_size: int,
        latent: int,
        *,
        channels: Sequence[int] = (128, 64),
        batch_norm_momentum: float = 0.01,
        batch_norm_eps: float = 1e-3,
        init: str = "glorot-uniform",
    ) -> None:
        """Draw the weights.

        Args:
        image_size: side of the picture, a multiple of 4.
        latent: length of the noise.
        channels: of the first feature map and after the first transposed convolution.
        batch_norm_momentum: in PyTorch's sense (1 - Keras's).
        batch_norm_eps: epsilon of batch norm.
        init: name of the initialiser.
        """
        super().__init__()
        if image_size % 4:
            raise ValueError(f"image_size {image_size} is no multiple of 4")
        first, second = channels
        self.base, self.stem = image_size // 4, first
        self.dense = nn.Linear(latent, self.base**2 * first)

        def norm(width: int) -> nn.BatchNorm2d:
            return nn.BatchNorm2d(width, eps=batch_norm_eps, momentum=batch_norm_momentum)

        def double(fan_in: int, fan_out: int) -> nn.ConvTranspose2d:
            return nn.ConvTranspose2d(fan_in, fan_out, 5, stride=2, padding=2, output_padding=1)

        self.layers = nn.Sequential(
            norm(first),
            double(first, second),
            nn.SELU(inplace=True),
            norm(second),
            double(second, 1),
            nn.Tanh(),
        )
        initialise(self, init)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """noise: [N, latent]; returns [N, 1, S, S] in [-1, 1]."""
        x = self.dense(noise).view(-1, self.stem, self.base, self.base)
        return self.layers(x.contiguous(memory_format=torch.channels_last))


class ConvDiscriminator(nn.Module):
    """Strided convolutions with LeakyReLU to one logit, or to one critic's score."""

    def __init__(
        self,
        image_size: int,
        pack: int = 1,
        *,
        channels: Sequence[int] = (64, 128),
        strides: Sequence[int] = (2, 2),
        kernel: int = 5,
        slope: float = 0.2,
        dropout: float = 0.0,
        batch_norm_from: int | None = None,
        batch_norm_momentum: float = 0.1,
        batch_norm_eps: float = 1e-3,
        spectral_norm: bool = False,
        init: str = "glorot-uniform",
    ) -> None:
        """Draw the weights.

        Args:
        image_size: side of the picture.
        pack: pictures judged at once.
        channels: of each convolution.
        strides: of each convolution.
        kernel: side of the kernel, odd.
        slope: of LeakyReLU.
        dropout: after each convolution; 0: none.
        batch_norm_from: index of the first convolution with batch norm; None: none.
        batch_norm_momentum: in PyTorch's sense (1 - Keras's).
        batch_norm_eps: epsilon of batch norm.
        spectral_norm: on every layer.
        init: name of the initialiser.
        """
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel {kernel} is not odd")
        self.pack = pack
        norm = maybe_spectral_norm(spectral_norm)
        layers: list[nn.Module] = []
        fan_in, side = pack, image_size
        plain: list[nn.Module] = []
        for index, (fan_out, stride) in enumerate(zip(channels, strides, strict=True)):
            plain.append(nn.Conv2d(fan_in, fan_out, kernel, stride=stride, padding=kernel // 2))
            layers.append(plain[-1])
            if batch_norm_from is not None and index >= batch_norm_from:
                layers.append(nn.BatchNorm2d(fan_out, eps=batch_norm_eps, momentum=batch_norm_momentum))
            layers.append(nn.LeakyReLU(slope, inplace=True))
            if dropout:
                layers.append(nn.Dropout(dropout))
            fan_in, side = fan_out, (side - 1) // stride + 1
        plain.append(nn.Linear(fan_in * side * side, 1))
        self.layers = nn.Sequential(*layers, nn.Flatten(), plain[-1])
        initialise(self, init)
        for layer in plain:  # after the weights are drawn, since the parametrisation hides them
            norm(layer)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """images: [N, 1, S, S] in [-1, 1]; returns logits [N / pack]."""
        return self.layers(pack_samples(images, self.pack).contiguous(memory_format=torch.channels_last))[:, 0]
