"""From a run's checkpoint to a named one: measured on test data, calibrated, described, in one folder."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from gandemo import checkpoint, places
from gandemo.data import datasets
from gandemo.data.credits import credits_of
from gandemo.data.photos import Photos
from gandemo.data.splits import Split
from gandemo.errors import CheckpointError, RequestError
from gandemo.metrics import fit_probability
from gandemo.pipeline import Pipeline
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.ship import photos
from gandemo.ship.card import card
from gandemo.ship.export import making
from gandemo.ship.photo_card import CARRIED
from gandemo.ship.provenance import start_facts, without_path
from gandemo.tasks.base import Sampler
from gandemo.tasks.classify import Classify
from gandemo.tasks.digits import Digits

# as many as there are test pictures, so that both sides of a distance are estimated equally well
SAMPLES = 10_000
# Decibels between the photos of half and of single precision from which on nothing is lost: at 55, one 8-bit value in
# five is off by one.
NOTHING_LOST = 55.0

Progress = Callable[[int, int], None]
SAMPLERS: dict[str, Sampler] = {"digits": Digits(), "classify": Classify()}


def evaluate(
    source: checkpoint.Checkpoint,
    *,
    data: str | None = None,
    samples: int | None = None,
    seed: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The full measurement of a checkpoint on test pictures; see the task's `report`, or `ship.photos.report`.

    Args:
        source: the checkpoint.
        data: another data set than its own.
        samples: of a generator, `SAMPLES` by default; or photos, all by default.
        seed: of the samples, or of what is done to the photos.
        progress: called with what is done and the total, where there is more than one step.

    Raises:
        GanDemoError: the data set or the features can't be had.
    """
    recipe = source.recipe
    name = data or recipe.dataset
    if recipe.task in SAMPLERS:
        task, training, test = SAMPLERS[recipe.task], datasets.load(name, "train"), datasets.load(name, "test")
        return task.report(recipe, source.generator(), training, test, count=samples or SAMPLES, seed=seed)
    training, test = _photos(name, "train"), _photos(name, "test")
    return photos.report(Pipeline(source), training, test, count=samples, seed=seed, progress=progress)


def contact_sheet(
    source: checkpoint.Checkpoint,
    evaluation: Mapping[str, Any],
    *,
    data: str | None = None,
    count: int = 6,
    side: int = 192,
) -> Image.Image | None:
    """What a checkpoint makes of test pictures, to look at; None where there is nothing to see.

    Args:
        source: the checkpoint.
        evaluation: of `evaluate`.
        data: another data set than its own.
        count: of photos.
        side: of each photo.
    """
    recipe = source.recipe
    name = data or recipe.dataset
    if recipe.task in SAMPLERS:
        return SAMPLERS[recipe.task].sheet(recipe, source.generator(), datasets.load(name, "test"))
    return photos.sheet(Pipeline(source), _photos(name, "test"), evaluation, photos=count, side=side)


def publish(
    source: checkpoint.Checkpoint,
    name: str,
    *,
    crisp: float | None = None,
    root: Path | None = None,
    progress: Progress | None = None,
) -> checkpoint.Checkpoint:
    """Measures a checkpoint and lays it under a name where every list finds it, its weights in half precision.

    All figures are measured from the weights that are written, not from those of the run. The weights of a photo
    checkpoint stay in single precision where half would show.

    Args:
        source: a run's checkpoint, or any other.
        name: of the new folder; a folder of that name is replaced.
        crisp: what `Pipeline.enhance` takes where nobody says otherwise, 0 to 1; None: as before.
        root: the folder to put it in; default: `checkpoints` in `GANDEMO_HOME`.
        progress: as for `evaluate`.

    Raises:
        GanDemoError: the name is no good, something can't be measured, or the disk is full.
    """
    if not checkpoint.NAME.match(name):
        raise RequestError(f"{name!r} is no name for a checkpoint; take letters, digits, '-', '_' and '.'")
    path = (root or places.home() / "checkpoints") / name
    if crisp is not None:
        if not 0.0 <= crisp <= 1.0 or not Pipeline(source).can_blend:
            raise RequestError("crisp is a number from 0 to 1, for a checkpoint of enhance that keeps both its ends")
        source = replace(source, metrics={**source.metrics, "crisp": crisp})
    data = source.recipe.dataset
    recipe = without_path(source.recipe)
    with checkpoint.new_folder(path) as folder:
        written = _written(folder, recipe, source, half=True)
        metrics: dict[str, Any] = {**source.metrics, "machine": machine_class(), "parameters": parameters(written)}
        if start := start_facts(source):
            metrics["start"] = start
        if recipe.task in SAMPLERS:
            metrics["class_names"] = list(datasets.find(data).class_names)
            if data not in datasets.DATASETS:
                metrics["data"] = _picture_facts(data)
        else:
            half = photos.difference(Pipeline(source), Pipeline(written), _photos(data, "test"))
            kept = half["psnr"] is None or half["psnr"] >= NOTHING_LOST
            if not kept:
                written = _written(folder, recipe, source, half=False)
            metrics |= {"half": {**half, "kept": kept}, "data": _data_facts(data)}
        metrics["evaluation"] = evaluate(written, data=data, progress=progress)
        if recipe.task == "digits" and written.has_discriminator:
            metrics["calibration"] = calibrate(written, data=data)
        checkpoint.write_description(
            folder,
            metrics=metrics,
            preview=contact_sheet(written, metrics["evaluation"], data=data),
            card=card(name, recipe, metrics, command(recipe, name, start.get("name", ""))),
        )
        making.take_over(path, folder)
    return checkpoint.Checkpoint(path, recipe, metrics)


def _written(folder: Path, recipe: Recipe, source: checkpoint.Checkpoint, *, half: bool) -> checkpoint.Checkpoint:
    """The weights in the new folder, as a checkpoint."""
    faithful = source.faithful() if recipe.task == "enhance" else None
    if recipe.task == "enhance" and recipe.init and faithful is None:
        raise CheckpointError(
            f"{recipe.name} keeps both its ends, but {recipe.init}, which it began with, is not there; publish that "
            f"first: python -m gandemo publish RUN {recipe.init}"
        )
    judge = source.discriminator() if recipe.loss.adversarial else None  # one that was never asked has learnt nothing
    checkpoint.write_weights(folder, recipe, source.generator(), judge, half=half, faithful=faithful)
    return checkpoint.Checkpoint(folder, recipe, source.metrics)


def _photos(name: str, split: Split) -> Photos:
    found = datasets.load(name, split)
    if not isinstance(found, Photos):
        raise RequestError(f"{name} is no data set of photos; name photos, or a folder, zip or tar of them")
    return found


def _picture_facts(name: str) -> dict[str, Any]:
    """Which pictures in class folders trained it."""
    parts: tuple[Split, ...] = ("train", "validation", "test")
    counts = {split: len(datasets.load(name, split).labels) for split in parts}
    found = datasets.find(name)
    return {
        "name": found.source,
        "licence": found.licence,
        "training": counts["train"],
        "validation": counts["validation"],
        "test": counts["test"],
    }


def _data_facts(name: str) -> dict[str, Any]:
    """Which photos trained it, and whose they are."""
    parts: dict[Split, Photos] = {split: _photos(name, split) for split in ("train", "validation", "test")}
    origin = parts["train"].origin
    return {
        "name": CARRIED if origin == datasets.SAMPLES / "photos" else origin.name,
        "training": len(parts["train"]),
        "validation": len(parts["validation"]),
        "test": len(parts["test"]),
        "credits": [list(credit) for credit in credits_of(parts["train"])],
    }


def parameters(source: checkpoint.Checkpoint) -> dict[str, int]:
    """How many parameters each player has."""
    networks = {"generator": source.generator(), "discriminator": source.discriminator()}
    return {
        player: sum(parameter.numel() for parameter in network.parameters())
        for player, network in networks.items()
        if network is not None
    }


def calibrate(
    source: checkpoint.Checkpoint, *, data: str | None = None, count: int = 2_000, seed: int = 2
) -> dict[str, float]:
    """Platt scaling of the discriminator's logits, from real test pictures and as many generated ones."""
    recipe = source.recipe
    pipeline = Pipeline(source)
    test = datasets.load(data or recipe.dataset, "test")
    samples = pipeline.generate(count, seed=seed)
    conditioned = recipe.classes > 0
    real = pipeline.scores(test.images[:count, 0].numpy(), test.labels[:count].numpy() if conditioned else None)
    fake = pipeline.scores(samples.images, samples.labels if conditioned else None)
    fitted = fit_probability(torch.from_numpy(real), torch.from_numpy(fake))
    return {"scale": fitted.scale, "offset": fitted.offset}


def command(recipe: Recipe, name: str, start: str = "") -> str:
    """The one command that makes the checkpoint again: the named recipe, and what differs from it.

    Where the recipe starts from another one's checkpoint, that comes first.

    Args:
        recipe: what trained it.
        name: of the checkpoint.
        start: the checkpoint that it started from, where the run was told so.
    """
    base = RECIPES.get(recipe.name)
    words = ("description", "source")  # they change nothing of what is trained
    differing = [] if base is None else [pair for pair in changes(base, recipe) if pair[0] not in words]
    settings = "".join(f" --set {key}={value}" for key, value in differing)
    told = f" --init {start}" if start and start not in (recipe.init, f"{recipe.init}/best") else ""
    said = f"python -m gandemo train {recipe.name}{settings}{told} --publish {name}"
    first = None if told else RECIPES.get(recipe.init)
    return said if first is None else f"{command(first, recipe.init)} && {said}"


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
