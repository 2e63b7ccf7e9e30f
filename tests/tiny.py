"""Tiny real models and data: a test trains one of them in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gandemo import checkpoint
from gandemo.data import datasets
from gandemo.data.datasets import Dataset, LabeledImages
from gandemo.nets import build_discriminator, build_generator
from gandemo.recipe import Ema, Loss, Net, Optimizer, Recipe
from gandemo.recipes import RECIPES
from gandemo.tasks import Batch
from gandemo.training.trainer import Trainer

CPU = torch.device("cpu")
NAMES = tuple(str(label) for label in range(10))


def pictures(count: int = 80, seed: int = 0) -> LabeledImages:
    """A white square on grey noise for each label; its place is the label's."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 10
    images = torch.randint(0, 60, (count, 1, 28, 28), generator=rng, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        top, left = 2 + 12 * (label // 5), 1 + 5 * (label % 5)
        image[:, top : top + 10, left : left + 5] = 250
    return LabeledImages(images, labels, NAMES, Path("tiny"))


def add_dataset(monkeypatch: pytest.MonkeyPatch, count: int = 80) -> None:
    """Registers the data set `tiny` for one test."""
    load = {"train": pictures(count, 1), "validation": pictures(40, 2), "test": pictures(40, 3)}
    entry = Dataset("Tiny squares", "none", "nowhere", NAMES, load.__getitem__)
    monkeypatch.setitem(datasets.DATASETS, "tiny", entry)
    datasets._load_cached.cache_clear()


SHORT = {
    "dataset": "tiny",
    "batch_size": 16,
    "steps": 6,
    "features": "",
    "precision": "fp32",
    "log_every": 1,
    "sample_every": 3,
    "evaluate_every": 3,
    "checkpoint_every": 3,
}

# class-conditional, spectrally normalised, averaged, one batch of fakes for both players
DIGITS = Recipe(
    name="tiny-digits",
    task="digits",
    dataset="tiny",
    latent=8,
    classes=10,
    generator=Net(name="resize", args={"channels": [8, 4, 4]}),
    discriminator=Net(name="projection", args={"channels": [4, 8, 8], "spectral_norm": True}),
    loss=Loss(gan="hinge"),
    generator_optimizer=Optimizer(lr=1e-3, betas=(0.0, 0.99)),
    discriminator_optimizer=Optimizer(lr=1e-3, betas=(0.0, 0.99)),
    ema=Ema(half_life=64, ramp_up=0.5),
    reuse_fakes=True,
).with_settings(SHORT)

TINY: dict[str, Recipe] = {
    "digits": DIGITS,
    # dropout in the discriminator, softened targets
    "vanilla": RECIPES["vanilla"].with_settings(
        {**SHORT, "generator.args.widths": [16, 16], "discriminator.args.widths": [16, 16]}
    ),
    # five critic steps, random points between real and fake
    "wgan-gp": RECIPES["wgan-gp"].with_settings(
        {**SHORT, "latent": 8, "generator.args.channels": [8, 4, 4], "discriminator.args.channels": [4, 4, 8]}
    ),
    # RMSprop, batch norm, dropout
    "selu": RECIPES["selu"].with_settings(
        {**SHORT, "latent": 8, "generator.args.channels": [8, 4], "discriminator.args.channels": [4, 8]}
    ),
    # two batch norms that must not mix real and fake, noisy targets
    "conv": RECIPES["conv"].with_settings(
        {
            **SHORT,
            "loss.target_noise": 0.1,
            "generator.args.stem": 8,
            "generator.args.channels": [8, 4, 4],
            "discriminator.args.channels": [4, 4, 4, 8, 8],
        }
    ),
    # pairs judged at once, lazy gradient penalties on both sides, an uneven number of steps
    "relativistic": DIGITS.with_settings(
        {
            "name": "tiny-relativistic",
            "classes": 0,
            "pack": 2,
            "reuse_fakes": False,
            "d_steps": 2,
            "g_steps": 2,
            "loss.gan": "relativistic",
            "loss.r1": 1.0,
            "loss.r2": 1.0,
            "loss.penalty_every": 2,
            "discriminator.args.spectral_norm": False,
        }
    ),
    # one network, no game; augmentation and dropout
    "classifier": RECIPES["mnist-classifier"].with_settings(
        {
            **SHORT,
            "name": "tiny-classifier",
            "evaluate_samples": 40,
            "generator.args": {"width": 4, "features": 8, "dropout": 0.3},
        }
    ),
}


def stirred(recipe: Recipe, seed: int = 0) -> nn.Module:
    """A generator as if it had been trained a little: fresh ones treat all classes alike."""
    torch.manual_seed(seed)
    generator = build_generator(recipe)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return generator.eval()


def save(path: Path, recipe: Recipe = DIGITS, *, seed: int = 0, **kwargs: Any) -> checkpoint.Checkpoint:
    """A checkpoint folder of a recipe's networks."""
    return checkpoint.save(path, recipe, stirred(recipe, seed), build_discriminator(recipe), **kwargs)


def trainer(recipe: Recipe) -> Trainer:
    """Both players of a recipe, on tiny pictures."""
    return Trainer(recipe, pictures(), CPU)


def deal(trainer: Trainer) -> tuple[Batch, torch.Tensor]:
    """A batch, and fakes for it."""
    batch = trainer.source.next()
    return batch, trainer.generator(*trainer.task.inputs(trainer.recipe, batch, trainer.rng))


def weights(network: nn.Module | None) -> list[torch.Tensor]:
    """A copy of what trains in a network."""
    assert network is not None
    return [parameter.detach().clone() for parameter in network.parameters()]


def equal(one: list[torch.Tensor], two: list[torch.Tensor]) -> bool:
    """Whether two such copies hold the same bits."""
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
