"""From a run's checkpoint to a named one: measured on test data, calibrated, described, in one folder."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gandemo import checkpoint
from gandemo.data import datasets
from gandemo.errors import RequestError
from gandemo.metrics import fit_probability
from gandemo.pipeline import Pipeline
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.ship.card import card
from gandemo.tasks import task_of

# as many as there are test pictures, so that both sides of a distance are estimated equally well
SAMPLES = 10_000


def evaluate(source: checkpoint.Checkpoint, *, samples: int | None = None, seed: int = 1) -> dict[str, Any]:
    """The full measurement of a checkpoint on its data set's test pictures; see the task's `report`.

    Raises:
        GanDemoError: the data set or the features can't be had.
    """
    recipe = source.recipe
    training, test = datasets.load(recipe.dataset, "train"), datasets.load(recipe.dataset, "test")
    return task_of(recipe.task).report(recipe, source.generator(), training, test, count=samples or SAMPLES, seed=seed)


def publish(source: checkpoint.Checkpoint, name: str, *, root: Path | None = None) -> checkpoint.Checkpoint:
    """Measures a checkpoint and lays it under a name where every list finds it, its weights in half precision.

    All figures are measured from the weights that are written, not from those of the run.

    Args:
        source: a run's checkpoint, or any other.
        name: of the new folder; a folder of that name is replaced.
        root: the folder to put it in; default: `checkpoints` in `GANDEMO_HOME`.

    Raises:
        GanDemoError: the name is no good, something can't be measured, or the disk is full.
    """
    if not checkpoint.NAME.match(name):
        raise RequestError(f"{name!r} is no name for a checkpoint; take letters, digits, '-', '_' and '.'")
    path = (root or checkpoint.home() / "checkpoints") / name
    recipe = source.recipe
    with checkpoint.new_folder(path) as folder:
        checkpoint.write_weights(folder, recipe, source.generator(), source.discriminator(), half=True)
        written = checkpoint.Checkpoint(folder, recipe, source.metrics)
        metrics: dict[str, Any] = {
            **source.metrics,
            "machine": machine_class(),
            "parameters": parameters(written),
            "class_names": list(datasets.DATASETS[recipe.dataset].class_names),
            "evaluation": evaluate(written),
        }
        if written.has_discriminator:
            metrics["calibration"] = calibrate(written)
        checkpoint.write_description(
            folder,
            metrics=metrics,
            preview=task_of(recipe.task).sheet(recipe, written.generator(), datasets.load(recipe.dataset, "test")),
            card=card(name, recipe, metrics, command(recipe, name)),
        )
    return checkpoint.Checkpoint(path, recipe, metrics)


def parameters(source: checkpoint.Checkpoint) -> dict[str, int]:
    """How many parameters each player has."""
    networks = {"generator": source.generator(), "discriminator": source.discriminator()}
    return {
        player: sum(parameter.numel() for parameter in network.parameters())
        for player, network in networks.items()
        if network is not None
    }


def calibrate(source: checkpoint.Checkpoint, *, count: int = 2_000, seed: int = 2) -> dict[str, float]:
    """Platt scaling of the discriminator's logits, from real test pictures and as many generated ones."""
    recipe = source.recipe
    pipeline = Pipeline(source)
    test = datasets.load(recipe.dataset, "test")
    samples = pipeline.generate(count, seed=seed)
    conditioned = recipe.classes > 0
    real = pipeline.scores(test.images[:count, 0].numpy(), test.labels[:count].numpy() if conditioned else None)
    fake = pipeline.scores(samples.images, samples.labels if conditioned else None)
    fitted = fit_probability(torch.from_numpy(real), torch.from_numpy(fake))
    return {"scale": fitted.scale, "offset": fitted.offset}


def command(recipe: Recipe, name: str) -> str:
    """The one command that makes the checkpoint again: the named recipe, and what differs from it."""
    base = RECIPES.get(recipe.name)
    settings = "" if base is None else "".join(f" --set {key}={value}" for key, value in changes(base, recipe))
    return f"python -m gandemo train {recipe.name}{settings} --publish {name}"


def changes(base: Recipe, recipe: Recipe) -> list[tuple[str, str]]:
    """The settings in which a recipe differs from the named one, dotted, as `--set` takes them."""

    def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in values.items():
            found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        return found

    before, after = flat(base.model_dump(mode="json")), flat(recipe.model_dump(mode="json"))
    return [(key, json.dumps(value, separators=(",", ":"))) for key, value in after.items() if before.get(key) != value]


def machine_class() -> str:
    """What kind of machine this is, without its name."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    bf16 = ", bf16 arithmetic" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else ""
    return f"{os.cpu_count()} {platform.machine()} cores, no GPU{bf16}"
