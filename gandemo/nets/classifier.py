"""A small classifier: its features measure the digits that the generators make."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Classifier(nn.Module):
    """Three stages of 3×3 convolutions with batch norm, then a hidden layer whose outputs are the features."""

    def __init__(
        self,
        image_size: int,
        classes: int,
        *,
        width: int = 32,
        features: int = 128,
        dropout: float = 0.3,
    ) -> None:
        """Draw the weights.

        Args:
        image_size: side of the picture.
        classes: number of classes.
        width: channels of the first stage; the next have twice and four times as many.
        features: length of the feature vector.
        dropout: before and after the hidden layer.
        """
        super().__init__()

        def block(fan_in: int, fan_out: int, stride: int = 1) -> list[nn.Module]:
            return [
                nn.Conv2d(fan_in, fan_out, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(fan_out),
                nn.ReLU(inplace=True),
            ]

        side = image_size // 8
        self.backbone = nn.Sequential(
            *block(1, width),
            nn.MaxPool2d(2),
            *block(width, 2 * width),
            *block(2 * width, 2 * width),
            nn.MaxPool2d(2),
            *block(2 * width, 4 * width),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(4 * width * side * side, features),
            nn.ReLU(inplace=True),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, classes)

    def features(self, images: Tensor) -> Tensor:
        """images: [N, 1, S, S] in [-1, 1]; returns float32 [N, features], not negative."""
        return self.backbone(images.contiguous(memory_format=torch.channels_last)).float()

    def forward(self, images: Tensor) -> Tensor:
        """images: [N, 1, S, S] in [-1, 1]; returns logits [N, classes]."""
        return self.head(self.dropout(self.backbone(images.contiguous(memory_format=torch.channels_last))))
