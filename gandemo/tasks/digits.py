"""Digits and clothing from noise: 28×28 pictures in grey."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from gandemo import checkpoint
from gandemo.data import images as im
from gandemo.errors import CheckpointError, RecipeError, RequestError
from gandemo.metrics import (
    FeatureStatistics,
    agreement,
    class_report,
    classification_accuracy_score,
    frechet_distance,
    prdc,
)
from gandemo.nets import build_generator
from gandemo.nets.classifier import Classifier
from gandemo.recipe import Recipe
from gandemo.tasks.base import Batch, Pictures, options

SIZE = 28
MAX_COUNT = 100_000


class Digits:
    """The task of making 28×28 pictures from noise, with or without a class."""

    title = "Digits from noise"
    score = "frechet"
    lower_is_better = True
    prepares_ahead = False

    def prepare(self, recipe: Recipe, images: Tensor, labels: Tensor, rng: torch.Generator) -> Batch:
        """uint8 [N, 1, 28, 28] to float32 [N, 1, S, S], padded with black.

        Raises:
            RecipeError: the recipe asks for something that this task does not know.
        """
        for setting, given in (("augment", recipe.augment), ("loss.weights", recipe.loss.weights)):
            if given:
                raise RecipeError(f"{setting} has no {next(iter(given))!r} for digits; valid: none, so leave it empty")
        options(recipe, {})
        real = im.pad_to(im.to_signed(images.to(labels.device)), recipe.image_size)
        return Batch(real, labels if recipe.classes else None, labels)

    def inputs(self, recipe: Recipe, batch: Batch, rng: torch.Generator) -> tuple[Tensor, ...]:
        """Normal noise [N, latent], with the batch's labels where the recipe has classes."""
        noise = torch.randn(len(batch.real), recipe.latent, generator=rng).to(batch.real.device)
        return (noise, batch.condition) if batch.condition is not None else (noise,)

    def supervised(self, batch: Batch, output: Tensor) -> Mapping[str, Tensor]:
        """Nothing beside the game."""
        return {}

    def evaluate(
        self, recipe: Recipe, generator: nn.Module, held_out: Pictures, count: int, *, seed: int = 0
    ) -> dict[str, float]:
        """Fréchet distance of `count` samples to the held-out pictures; class figures if the classifier knows them."""
        if not recipe.features:
            return {}
        classifier = features_of(recipe.features)
        real = _real_statistics(recipe.features, held_out)
        pictures, asked = sample(recipe, generator, count, seed=seed)
        features, predicted = _features(classifier, torch.from_numpy(pictures)[:, None])
        metrics = {"frechet": frechet_distance(real, features)}
        if not reads(recipe.features, held_out.class_names):
            return metrics  # its classes are others
        report = class_report(predicted, len(held_out.class_names))
        metrics |= {
            "modes": float(report.modes),
            "class_kl": report.kl,
            "smallest_class": report.smallest,
            "largest_class": report.largest,
        }
        if asked is not None:
            metrics["agreement"] = agreement(predicted, torch.from_numpy(asked))
        return metrics

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
        """The full measurement of a checkpoint, next to the same figures for real pictures.

        Args:
            recipe: of the generator.
            generator: in eval mode.
            training: real pictures; their first `count` stand in for a perfect generator.
            test: real pictures that no training saw.
            count: of samples, and of real pictures on either side where there are as many.
            seed: of the samples.

        Returns:
            {"features", "samples", "reference", "generated": {…}, "real": {…}}.
        """
        if not recipe.features:
            raise RequestError(
                f"{recipe.name} names no features to measure with; set features to a classifier checkpoint"
            )
        classifier = features_of(recipe.features)
        truth, _ = _features(classifier, test.images)
        pixels, asked = sample(recipe, generator, count, seed=seed)
        generated = torch.from_numpy(pixels)[:, None]
        sides: dict[str, dict[str, float]] = {}
        for side, pictures, labels in (
            ("generated", generated, None if asked is None else torch.from_numpy(asked)),
            ("real", training.images[:count], training.labels[:count]),
        ):
            features, predicted = _features(classifier, pictures)
            neighbours = prdc(truth, features)
            figures = {
                "frechet": frechet_distance(truth, features),
                "precision": neighbours.precision,
                "recall": neighbours.recall,
                "density": neighbours.density,
                "coverage": neighbours.coverage,
            }
            if reads(recipe.features, test.class_names):
                figures |= _class_figures(recipe, pictures, labels, predicted, test, seed)
            sides[side] = {key: round(value, 5) for key, value in figures.items()}
        return {
            "features": f"{truth.shape[1]} features of {recipe.features}",
            "samples": count,
            "reference": f"{len(test.labels):,} test pictures of {recipe.dataset}",
            **sides,
        }

    def sheet(self, recipe: Recipe, generator: nn.Module, held_out: Pictures) -> Image.Image:
        """80 samples from the same noise; with classes, a column each."""
        pictures, _ = sample(recipe, generator, 80, seed=0)
        return im.grid(pictures, columns=10)


def _class_figures(
    recipe: Recipe, pictures: Tensor, labels: Tensor | None, predicted: Tensor, test: Pictures, seed: int
) -> dict[str, float]:
    """What the classes of pictures tell: how they spread, and with labels, how well they are what they should be."""
    shares = class_report(predicted, len(test.class_names))
    figures = {
        "modes": float(shares.modes),
        "class_kl": shares.kl,
        "smallest_class": shares.smallest,
        "largest_class": shares.largest,
    }
    if labels is not None:
        figures["agreement"] = agreement(predicted, labels)
        figures["classification_accuracy_score"] = classification_accuracy_score(
            im.to_signed(pictures),
            labels,
            im.to_signed(test.images),
            test.labels,
            build=lambda: build_generator(checkpoint.resolve(recipe.features).recipe),
            epochs=3,
            batch_size=100,
            seed=seed,
        )
    return figures


def noise(recipe: Recipe, count: int, seed: int) -> npt.NDArray[np.float32]:
    """Normal noise float32 [count, latent] of a seed.

    NumPy's generator draws one value after the other, so that the first n of many samples are those of a call for n.
    """
    if not 0 <= seed < 2**63:
        raise RequestError(f"the seed must be a whole number from 0 to {2**63 - 1}, got {seed}")
    if not 1 <= count <= MAX_COUNT:
        raise RequestError(f"the count must be from 1 to {MAX_COUNT:,}, got {count:,}")
    return np.random.default_rng(seed).standard_normal((count, recipe.latent), np.float32)


def labels_for(recipe: Recipe, count: int, asked: int | Sequence[int] | None) -> npt.NDArray[np.int64] | None:
    """The class of each sample: one for all, one for each, or (None) 0, 1, 2 … in turn; None without classes.

    Raises:
        RequestError: a class is out of range, or the recipe has no classes to ask for.
    """
    if not recipe.classes:
        if asked is not None:
            raise RequestError(
                f"{recipe.name} was trained without classes; leave out the class or take a class-conditional checkpoint"
            )
        return None
    if asked is None:
        return np.arange(count, dtype=np.int64) % recipe.classes
    chosen = np.broadcast_to(np.asarray(asked, np.int64), (count,)) if np.ndim(asked) == 0 else np.asarray(asked)
    if len(chosen) != count:
        raise RequestError(f"{len(chosen)} classes were given for {count} pictures; give one, or one for each")
    if chosen.min() < 0 or chosen.max() >= recipe.classes:
        wrong = int(chosen.min() if chosen.min() < 0 else chosen.max())
        raise RequestError(f"the class must be from 0 to {recipe.classes - 1}, got {wrong}")
    return chosen.astype(np.int64)


@torch.inference_mode()
def render(
    generator: nn.Module,
    noises: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64] | None,
    batch_size: int = 250,
) -> im.Pixels:
    """Noise [N, latent] and classes [N] to uint8 [N, 28, 28], by a generator in eval mode."""
    device = next(generator.parameters()).device
    chunks = []
    for start in range(0, len(noises), batch_size):
        part = slice(start, start + batch_size)
        arguments = [torch.from_numpy(noises[part]).to(device)]
        if labels is not None:
            arguments.append(torch.from_numpy(labels[part]).to(device))
        pictures = im.crop_to(generator(*arguments), SIZE)
        chunks.append(im.to_pixels(pictures)[:, 0].cpu())
    return torch.cat(chunks).numpy()


def sample(
    recipe: Recipe,
    generator: nn.Module,
    count: int,
    *,
    labels: int | Sequence[int] | None = None,
    seed: int = 0,
    truncation: float = 1.0,
) -> tuple[im.Pixels, npt.NDArray[np.int64] | None]:
    """`count` pictures, and the class asked for of each (None without classes).

    Args:
        recipe: of the generator.
        generator: in eval mode.
        count: 1 to 100,000.
        labels: see `labels_for`.
        seed: the same seed gives the same pictures.
        truncation: factor on the noise; below 1, more typical and less varied pictures.
    """
    if not 0.0 <= truncation <= 2.0:
        raise RequestError(f"truncation must be from 0 to 2, got {truncation}")
    noises = noise(recipe, count, seed)  # first, since it refuses a count that is out of range
    asked = labels_for(recipe, count, labels)
    return render(generator, noises if truncation == 1.0 else noises * np.float32(truncation), asked), asked


def slerp(start: npt.NDArray[np.float32], end: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    """`count` points on the great circle from `start` to `end`, float32 [count, latent].

    Normal noise lies near a sphere; a straight line would cut through its inside, where no training sample ever was.
    """
    share = np.linspace(0.0, 1.0, count, dtype=np.float64)[:, None]
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    angle = np.arccos(np.clip(np.dot(start / lengths[0], end / lengths[1]), -1.0, 1.0))
    if np.sin(angle) < 1e-6:
        return ((1.0 - share) * start + share * end).astype(np.float32)
    directions = (
        np.sin((1.0 - share) * angle) * (start / lengths[0]) + np.sin(share * angle) * (end / lengths[1])
    ) / np.sin(angle)
    points: npt.NDArray[np.float32] = (directions * ((1.0 - share) * lengths[0] + share * lengths[1])).astype(
        np.float32
    )
    points[0], points[-1] = start, end  # to the last bit
    return points


@lru_cache(maxsize=4)
def features_of(name: str) -> Classifier:
    """The classifier that measures, by the name of its checkpoint."""
    network = checkpoint.resolve(name).generator()
    if not isinstance(network, Classifier):
        raise CheckpointError(f"{name} is no classifier; name one in the recipe's features")
    return network


@torch.inference_mode()
def _features(classifier: Classifier, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 [N, 1, 28, 28] to features float32 [N, D] and predicted classes int64 [N]."""
    features = torch.cat([classifier.features(im.to_signed(part)) for part in pixels.split(250)])
    return features, classifier.head(features).argmax(dim=1)


def reads(features: str, class_names: Sequence[str]) -> bool:
    """Whether a classifier, by the name of its checkpoint, knows these very classes."""
    if features_of(features).head.out_features != len(class_names):
        return False
    known = class_names_of(features)
    return known is None or list(known) == list(class_names)


def class_names_of(name: str) -> Sequence[str] | None:
    """The classes of a checkpoint, where it names them: one that is not published yet does not."""
    try:
        return checkpoint.resolve(name).metrics.get("class_names")
    except CheckpointError:
        return None


_statistics: dict[tuple[str, bytes], FeatureStatistics] = {}


def _real_statistics(features: str, pictures: Pictures) -> FeatureStatistics:
    """Mean and covariance of the real side, computed once for a data set."""
    content = hashlib.blake2b(pictures.images.contiguous().numpy().data, digest_size=16).digest()
    key = (features, content)
    if key not in _statistics:
        _statistics.clear()
        _statistics[key] = FeatureStatistics.from_features(_features(features_of(features), pictures.images)[0])
    return _statistics[key]
