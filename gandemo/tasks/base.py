"""What a task must tell the loop, which never asks which task it runs; what every task checks of a recipe."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor, nn

from gandemo.errors import RecipeError
from gandemo.recipe import Recipe


class Pictures(Protocol):
    """A data set in memory, as `data.datasets.LabeledImages` and `data.photos.Photos` are."""

    @property
    def images(self) -> Tensor:
        """uint8 [N, C, H, W]."""

    @property
    def labels(self) -> Tensor:
        """int64 [N]."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One for each label."""

    def __len__(self) -> int:
        """How many pictures there are."""

    def take(self, indices: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pictures uint8 [N, C, S, S] and labels int64 [N]; `rng` draws crops where there are any."""


@dataclass(frozen=True)
class Batch:
    """One batch, ready for the two players.

    Attributes:
        real: what the discriminator is shown as real, float32 [N, C, S, S] in [-1, 1].
        condition: what it sees beside real and fake alike (labels, a grey picture), or None.
        labels: int64 [N], for supervised terms.
        terms: the supervised terms that the recipe asks for, by name, where there is a choice.
    """

    real: Tensor
    condition: Tensor | None
    labels: Tensor
    terms: tuple[str, ...] = ()


class Task(Protocol):
    """One kind of model: how its batches are made, what it is asked for beside the game, and how it is judged."""

    @property
    def title(self) -> str:
        """For people."""

    @property
    def score(self) -> str:
        """The key of `evaluate`'s result that picks the best checkpoint."""

    @property
    def lower_is_better(self) -> bool:
        """Which way the score goes."""

    @property
    def prepares_ahead(self) -> bool:
        """Whether a batch takes so long that the next one is made while the networks work."""

    def prepare(self, recipe: Recipe, images: Tensor, labels: Tensor, rng: torch.Generator) -> Batch:
        """uint8 [N, C, H, W] pictures on the CPU and int64 [N] labels as a batch, on the labels' device.

        `rng` draws all that is left to chance: a batch is a pure function of the arguments.
        """

    def inputs(self, recipe: Recipe, batch: Batch, rng: torch.Generator) -> tuple[Tensor, ...]:
        """What the generator is given for this batch; noise is drawn anew at each call."""

    def supervised(self, batch: Batch, output: Tensor) -> Mapping[str, Tensor]:
        """Named terms of the generator's loss beside the adversarial one, before their weights."""

    def evaluate(
        self, recipe: Recipe, generator: nn.Module, held_out: Pictures, count: int, *, seed: int = 0
    ) -> dict[str, float]:
        """Metrics on held-out pictures from `count` samples; empty where the recipe names no features."""

    def sheet(self, recipe: Recipe, generator: nn.Module, held_out: Pictures) -> Image.Image | None:
        """A picture of samples, from the same noise or the same photos at every call."""


class Sampler(Task, Protocol):
    """A task whose finished checkpoints are measured on many small pictures at once."""

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
        """The full measurement of a finished checkpoint on test pictures, from `count` samples."""


def options(recipe: Recipe, known: Mapping[str, Any]) -> dict[str, Any]:
    """The task's own settings: those of the recipe over the defaults.

    Raises:
        RecipeError: one is unknown.
    """
    for key in recipe.options:
        if key not in known:
            raise RecipeError(f"options has no key {key!r} for {recipe.task}; valid: {', '.join(known) or 'none'}")
    return {**known, **recipe.options}


def terms(recipe: Recipe, known: Collection[str]) -> tuple[str, ...]:
    """The supervised terms that the recipe weighs.

    Raises:
        RecipeError: one is unknown.
    """
    for name in recipe.loss.weights:
        if name not in known:
            valid = ", ".join(known) or "none"
            raise RecipeError(f"loss.weights has no term {name!r} for {recipe.task}; valid: {valid}")
    return tuple(name for name, weight in recipe.loss.weights.items() if weight)
