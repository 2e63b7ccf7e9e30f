"""Naming what is in a 28×28 picture: the classifiers that measure the generators."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from gandemo.data import images as im
from gandemo.errors import RecipeError
from gandemo.recipe import Recipe
from gandemo.tasks.base import Batch, Pictures, options, terms


class Classify:
    """The task of telling the class of a picture; its network sits in the generator's place and plays no game."""

    title = "Classifier"
    score = "accuracy"
    lower_is_better = False
    prepares_ahead = False

    def prepare(self, recipe: Recipe, images: Tensor, labels: Tensor, rng: torch.Generator) -> Batch:
        """uint8 [N, 1, 28, 28] to float32 in [-1, 1], augmented as the recipe says.

        Raises:
            RecipeError: the recipe asks for something that this task does not know.
        """
        options(recipe, {})
        terms(recipe, ("cross_entropy",))
        pictures = im.to_signed(images.to(labels.device))
        for name in recipe.augment:
            if name not in AUGMENTATIONS:
                raise RecipeError(f"augment has no {name!r}; valid: {', '.join(AUGMENTATIONS)}")
            pictures = AUGMENTATIONS[name](pictures, rng)
        return Batch(pictures, None, labels)

    def inputs(self, recipe: Recipe, batch: Batch, rng: torch.Generator) -> tuple[Tensor, ...]:
        """The pictures."""
        return (batch.real,)

    def supervised(self, batch: Batch, output: Tensor) -> Mapping[str, Tensor]:
        """Cross-entropy on hard labels: smoothed ones would draw each class's features together to a point."""
        return {"cross_entropy": F.cross_entropy(output.float(), batch.labels)}

    @torch.inference_mode()
    def evaluate(
        self, recipe: Recipe, generator: nn.Module, held_out: Pictures, count: int, *, seed: int = 0
    ) -> dict[str, float]:
        """Accuracy on the first `count` held-out pictures."""
        images, labels = held_out.images[:count], held_out.labels[:count]
        device = next(generator.parameters()).device
        predicted = [generator(im.to_signed(part.to(device))).argmax(1).cpu() for part in images.split(250)]
        return {"accuracy": float((torch.cat(predicted) == labels).float().mean())}

    def report(
        self,
        recipe: Recipe,
        generator: nn.Module,
        training: Pictures,
        test: Pictures,
        *,
        count: int = 10_000,
        seed: int = 1,
    ) -> dict[str, Any]:
        """Accuracy on all test pictures."""
        return self.evaluate(recipe, generator, test, len(test.labels))

    def sheet(self, recipe: Recipe, generator: nn.Module, held_out: Pictures) -> Image.Image | None:
        """A classifier makes no pictures."""
        return None


def _affine(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Turned by up to 10°, scaled by up to 12 %, moved by up to 3 pixels, each picture on its own."""
    count = len(pictures)
    angle, scale, dx, dy = (torch.rand(4, count, generator=rng) * 2.0 - 1.0) * torch.tensor(
        [math.radians(10.0), 0.12, 0.22, 0.22]
    )[:, None]
    scale = scale + 1.0
    matrix = torch.stack(
        [
            torch.stack([scale * angle.cos(), -scale * angle.sin(), dx], 1),
            torch.stack([scale * angle.sin(), scale * angle.cos(), dy], 1),
        ],
        1,
    )
    places = F.affine_grid(matrix, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures + 1.0, places, align_corners=False) - 1.0


def _flip(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Half of the pictures mirrored left to right."""
    chosen = torch.rand(len(pictures), generator=rng) < 0.5
    return torch.where(chosen[:, None, None, None], pictures.flip(3), pictures)


def _shift(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """The batch moved by up to 2 pixels each way."""
    left, top = torch.randint(0, 5, (2,), generator=rng).tolist()
    side = pictures.shape[-1]
    return F.pad(pictures, (2, 2, 2, 2), value=-1.0)[:, :, top : top + side, left : left + side]


AUGMENTATIONS = {"affine": _affine, "flip": _flip, "shift": _shift}
