"""Tiny photo checkpoints for tests of the pipeline: real networks, stirred, and one whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn as nn

from gandemo import checkpoint
from gandemo.data.images import Photo
from gandemo.nets import build_generator
from gandemo.pipeline import Pipeline
from gandemo.recipe import Recipe
from tests import tiny, tiny_photos


def load(folder: Path, name: str, *, seed: int = 0, **kwargs: object) -> Pipeline:
    """A checkpoint of `tiny_photos.TINY`, its weights as if it had been trained a little."""
    recipe = tiny_photos.TINY[name]
    return Pipeline(checkpoint.save(folder / name, recipe, stirred(recipe, seed), **kwargs))  # type: ignore[arg-type]


def stirred(recipe: Recipe, seed: int = 0) -> nn.Module:
    """As `tiny.stirred`, and gentle: what comes out stays in the range of pictures."""
    generator = tiny.stirred(recipe, seed)
    if isinstance(getattr(generator, "last", None), nn.Conv2d):
        with torch.no_grad():
            for parameter in generator.last.parameters():
                parameter *= 0.1
            generator.last.bias[generator.outputs :] = -3.0  # type: ignore[index,misc]
    return generator


def echo(folder: Path) -> Pipeline:
    """A colorizer that gives each hint's colour back where it was dabbed, and no colour elsewhere."""
    recipe = tiny_photos.TINY["colorize"].with_settings(
        {"generator.args.channels": [6, 6], "generator.args.blocks": [0, 0], "generator.args.batch_norm": False}
    )
    generator = build_generator(recipe)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.zero_()
        for channel in range(2):
            # LeakyReLU leaves a fifth of what is below 0; so each of a and b is carried as it is, and negated
            for sign in (1, -1):
                carrier = 2 * channel + (sign < 0)
                generator.stem[0].weight[carrier, 1 + channel, 1, 1] = float(sign)
                generator.join[0][0].weight[carrier, 6 + carrier, 1, 1] = 1.0
                generator.last.weight[channel, carrier, 1, 1] = sign / 1.04
    return Pipeline(checkpoint.save(folder / "echo", recipe, generator))


def photo(height: int = 60, width: int = 90, *, grey: bool = True, seed: int = 0) -> Photo:
    """Soft waves and grain, grey or not."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    light = 120 + 60 * np.sin(x / 9 + seed) * np.cos(y / 7) + rng.normal(0, 4, (height, width))
    tint = np.zeros(3) if grey else np.where(y[..., None] < height / 2, [-60.0, 0.0, 70.0], [60.0, 30.0, -70.0])
    return Photo((light[..., None] + tint).clip(0, 255).astype(np.uint8))
