"""Multilayer perceptrons: the vanilla and dense designs, and the conditional GAN made from them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gandemo.nets.layers import OneHot, dense_stack, initialise, pack_samples


class MlpGenerator(nn.Module):
    """Noise (and a class) to a picture, by fully connected layers and tanh."""

    def __init__(
        self,
        image_size: int,
        latent: int,
        classes: int = 0,
        *,
        widths: Sequence[int] = (256, 512, 1024),
        slope: float = 0.2,
        batch_norm_from: int | None = None,
        batch_norm_eps: float = 1e-3,
        batch_norm_momentum: float = 0.01,
        init: str = "glorot-uniform",
    ) -> None:
        """Draw the weights.

        Args:
        image_size: side of the picture.
        latent: length of the noise.
        classes: 0 or the number of classes, appended to the noise as a one-hot vector.
        widths: of the hidden layers.
        slope: of LeakyReLU.
        batch_norm_from: index of the first hidden layer with batch norm; None: none.
        batch_norm_eps: its epsilon.
        batch_norm_momentum: its momentum in PyTorch's sense (1 - Keras's).
        init: name of the initialiser.
        """
        super().__init__()
        self.image_size, self.classes, self.one_hot = image_size, classes, OneHot(classes)

        def between(index: int, width: int) -> list[nn.Module]:
            if index == len(widths):
                return [nn.Tanh()]
            layers: list[nn.Module] = [nn.LeakyReLU(slope, inplace=True)]
            if batch_norm_from is not None and index >= batch_norm_from:
                layers.insert(0, nn.BatchNorm1d(width, eps=batch_norm_eps, momentum=batch_norm_momentum))
            return layers

        self.layers = dense_stack([latent + classes, *widths, image_size**2], between)
        initialise(self, init)

    def forward(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """noise: [N, latent], labels: int64 [N] or None; returns [N, 1, S, S] in [-1, 1]."""
        if self.classes:
            assert labels is not None
            noise = torch.cat([noise, self.one_hot(labels)], dim=1)
        return self.layers(noise).view(-1, 1, self.image_size, self.image_size)


class MlpDiscriminator(nn.Module):
    """A picture (and a class) to one logit."""

    def __init__(
        self,
        image_size: int,
        classes: int = 0,
        pack: int = 1,
        *,
        widths: Sequence[int] = (1024, 512, 256),
        slope: float = 0.3,
        dropout: float = 0.2,
        init: str = "glorot-uniform",
    ) -> None:
        """Draw the weights.

        Args:
        image_size: side of the picture.
        classes: 0 or the number of classes, appended to the pixels as a one-hot vector.
        pack: pictures judged at once.
        widths: of the hidden layers.
        slope: of LeakyReLU.
        dropout: after each hidden layer; 0: none.
        init: name of the initialiser.
        """
        super().__init__()
        self.classes, self.pack, self.one_hot = classes, pack, OneHot(classes)

        def between(index: int, width: int) -> list[nn.Module]:
            if index == len(widths):
                return []
            layers: list[nn.Module] = [nn.LeakyReLU(slope, inplace=True)]
            return [*layers, nn.Dropout(dropout)] if dropout else layers

        self.layers = dense_stack([pack * image_size**2 + classes, *widths, 1], between)
        initialise(self, init)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """images: [N, 1, S, S] in [-1, 1], labels: int64 [N] or None; returns logits [N / pack]."""
        x = pack_samples(images, self.pack).flatten(1)
        if self.classes:
            assert labels is not None
            x = torch.cat([x, self.one_hot(labels)], dim=1)
        return self.layers(x)[:, 0]
