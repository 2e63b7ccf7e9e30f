"""Photos and photo recipes that are small enough for tests: everything real, nothing large."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gandemo.data import datasets
from gandemo.data.datasets import Dataset
from gandemo.data.photos import Photos
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES

SIDE = 48


def photos(count: int = 16, seed: int = 0) -> Photos:
    """Coloured waves, blue above and green below, each with another period; 48 pixels high and 60 wide."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :60].astype(np.float32)
    stack = []
    for _ in range(count):
        a, b = rng.uniform(2.0, 6.0, 2)
        light = 110 + 50 * np.sin(x / a) * np.cos(y / b)
        tint = np.where(y[..., None] < 24, [-30.0, 0.0, 60.0], [-20.0, 50.0, -40.0])
        stack.append((light[..., None] + tint).clip(0, 255).astype(np.uint8))
    size = 48 * 60 * 3
    return Photos(
        np.concatenate([photo.ravel() for photo in stack]),
        tuple((index * size, 48, 60) for index in range(count)),
        tuple(f"{index}.jpg" for index in range(count)),
        SIDE,
        Path("tiny"),
    )


def add_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers the data set `tiny-photos` for one test."""
    load = {"train": photos(16, 1), "validation": photos(6, 2), "test": photos(6, 3)}
    monkeypatch.setitem(
        datasets.DATASETS, "tiny-photos", Dataset("Waves", "none", "https://nowhere", (), load.__getitem__)
    )
    datasets._load_cached.cache_clear()


_SHORT = {
    "dataset": "tiny-photos",
    "image_size": 32,
    "batch_size": 4,
    "steps": 4,
    "precision": "fp32",
    "log_every": 1,
    "sample_every": 2,
    "evaluate_every": 2,
    "evaluate_samples": 10,
    "checkpoint_every": 2,
    "schedule.warmup": 0,
}
_UNET = {"generator.args.channels": [4, 6, 8], "generator.args.blocks": [0, 1, 1]}
# holes are filled over four halvings before the network sees them
_FILLED = {"generator.args.channels": [4, 4, 4, 6, 8], "generator.args.blocks": [0, 0, 0, 1, 1]}
_PATCH = {"discriminator.args.channels": [4, 6, 8]}

TINY: dict[str, Recipe] = {
    "colorize-l1": RECIPES["colorize-l1"].with_settings({**_SHORT, **_UNET}),
    "colorize": RECIPES["colorize"].with_settings({**_SHORT, **_UNET, **_PATCH, "init": ""}),
    "colorize-unet": RECIPES["colorize-unet"].with_settings(
        {
            **_SHORT,
            "image_size": 40,
            "generator.args": {"widths": [[3, 4, 4], [4, 5, 5], [5, 6, 6]], "dilations": [2, 1, 1]},
            "discriminator.args": {"channels": [4, 6], "kernels": [7, 5], "widths": [8]},
            "loss.adversarial": 0.1,
            "joint_batch": False,
        }
    ),
    "enhance-l1": RECIPES["enhance-l1"].with_settings({**_SHORT, **_UNET}),
    "enhance-old": RECIPES["enhance-old"].with_settings({**_SHORT, **_UNET, "init": ""}),
    "enhance": RECIPES["enhance"].with_settings({**_SHORT, **_UNET, **_PATCH, "init": ""}),
    "inpaint-l1": RECIPES["inpaint-l1"].with_settings({**_SHORT, **_FILLED}),
    "inpaint": RECIPES["inpaint"].with_settings({**_SHORT, **_PATCH, **_FILLED, "init": ""}),
}
