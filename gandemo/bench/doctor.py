"""Does the doctor name what is wrong? Recipes broken on purpose, one for each diagnosis, beside healthy ones."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gandemo.bench.row import Bench, Row
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES


@dataclass(frozen=True)
class Case:
    """A recipe and what the doctor should say of it.

    Attributes:
        recipe: small enough for a minute.
        expected: the name of the diagnosis; empty: none.
        pictures: how many of its data set it gets; 0: all.
        pieces: in a row and in a column, that each of them is cut into.
        seconds: of training at most; None: all its steps, so that what is found is no matter of how fast this machine
            is.
    """

    recipe: Recipe
    expected: str = ""
    pictures: int = 0
    pieces: int = 1
    seconds: float | None = None


# Multilayer perceptrons on digits, a small U-Net on pieces of photos, a small classifier: healthy as they stand; a few
# settings, or too few pictures, break them.
_DIGITS = RECIPES["vanilla"].with_settings(
    {
        "latent": 64,
        "generator.args": {
            "widths": [64, 128],
            "batch_norm_from": 1,
            "batch_norm_momentum": 0.2,
            "batch_norm_eps": 1e-3,
        },
        "discriminator.args.widths": [128, 64],
        "generator_optimizer.lr": 1e-3,
        "discriminator_optimizer.lr": 1e-3,
        "batch_size": 32,
        "steps": 600,
        "log_every": 5,
        "evaluate_every": 40,
        "evaluate_samples": 100,
        "sample_every": 100_000,
        "checkpoint_every": 100_000,
        "precision": "fp32",
    }
)
_NO_NORM = {"generator.args": {"widths": [64, 128]}}
_SURE = {"discriminator.args.dropout": 0.0, "loss.real_target": 1.0}
_COLOUR = RECIPES["colorize"].with_settings(
    {
        "init": "",
        "image_size": 32,
        "generator.args": {"inputs": 1, "outputs": 2, "channels": [8, 16, 32], "blocks": [0, 0, 1]},
        "discriminator.args.channels": [16, 32],
        "options": {"hints": 0.0},
        "schedule": {"warmup": 20},
        "loss.weights": {"l1": 20.0, "rare": 20.0, "saturation": 10.0},
        "generator_optimizer.lr": 2e-3,
        "batch_size": 8,
        "steps": 400,
        "log_every": 5,
        "evaluate_every": 40,
        "sample_every": 100_000,
        "checkpoint_every": 100_000,
        "precision": "fp32",
    }
)
_CLASSIFIER = RECIPES["mnist-classifier"].with_settings(
    {
        "generator.args": {"width": 8, "features": 32, "dropout": 0.0},
        "schedule": {"warmup": 0, "decay_from": 1.0, "final": 1.0},
        "augment": [],
        "batch_size": 64,
        "steps": 1_000,
        "log_every": 5,
        "evaluate_every": 50,
        "evaluate_samples": 2_000,
        "sample_every": 100_000,
        "checkpoint_every": 100_000,
        "precision": "fp32",
    }
)

BROKEN: Mapping[str, Case] = {
    "a critic without a bound, and large steps": Case(
        _DIGITS.with_settings(
            {
                **_NO_NORM,
                "loss": {"gan": "wasserstein"},
                "generator_optimizer.lr": 1e-2,
                "discriminator_optimizer.lr": 1e-2,
            }
        ),
        "divergence",
    ),
    "forty digits": Case(
        _DIGITS.with_settings(
            {
                **_SURE,
                "generator.args": {"widths": [128, 256]},
                "discriminator.args.widths": [512, 256],
                "discriminator_optimizer.lr": 5e-4,
                "batch_size": 16,
                "steps": 3_000,
                "log_every": 20,
                "evaluate_every": 200,
            }
        ),
        "memorisation",
        40,
    ),
    "a classifier of two hundred digits": Case(
        _CLASSIFIER.with_settings({"steps": 500, "evaluate_every": 50}), "too-little-data", 200
    ),
    "a discriminator 200 times as fast": Case(
        _DIGITS.with_settings({**_SURE, "generator_optimizer.lr": 1e-5, "discriminator_optimizer.lr": 2e-3}),
        "discriminator-too-strong",
    ),
    "a generator 500 times as fast": Case(
        _DIGITS.with_settings({**_NO_NORM, "discriminator_optimizer.lr": 2e-6}), "generator-winning"
    ),
    "a critic without a bound": Case(
        _DIGITS.with_settings({**_NO_NORM, "loss": {"gan": "wasserstein"}}), "oscillation"
    ),
    "five steps of the generator to one": Case(_DIGITS.with_settings({**_NO_NORM, "g_steps": 5}), "mode-collapse"),
    "nothing but the mean squared error": Case(
        _COLOUR.with_settings({"discriminator": None, "loss": {"adversarial": 0.0, "weights": {"mse": 100.0}}}),
        "grey",
        60,
        pieces=4,
    ),
    "eight photos": Case(
        _COLOUR.with_settings(
            {"discriminator": None, "loss": {"adversarial": 0.0, "weights": {"l1": 20.0, "rare": 20.0}}, "augment": []}
        ),
        "too-little-data",
        10,
    ),
    "a classifier trained for far too long": Case(_CLASSIFIER, "no-progress"),
}
HEALTHY: Mapping[str, Case] = {
    "digits as they should be": Case(_DIGITS),
    "colours as they should be": Case(_COLOUR, pictures=60, pieces=4),
}


@dataclass(frozen=True)
class Outcome:
    """What the doctor said of a case.

    Attributes:
        case: it.
        told: names of all diagnoses that it gave in the course of the run, in their order.
        last: those at its end.
        evidence: of the first of the last.
        step: at which the run ended.
    """

    case: Case
    told: tuple[str, ...]
    last: tuple[str, ...]
    evidence: str
    step: int

    @property
    def is_right(self) -> bool:
        """Whether the first thing said at the end is what was expected, or of a healthy run no alarm was ever given."""
        if self.case.expected:
            return self.last[:1] == (self.case.expected,)
        return not [name for name in self.told if name != "no-progress"]


def examine(case: Case, folder: Path) -> Outcome:
    """Trains a case on real pictures and asks the doctor at every evaluation, and at the end.

    Args:
        case: the recipe.
        folder: new; holds the run and its pictures.
    """
    import torch

    from gandemo.errors import TrainingError
    from gandemo.training.doctor import diagnose
    from gandemo.training.events import Evaluated, Event, Finished
    from gandemo.training.loop import train

    recipe = case.recipe
    if case.pictures:
        recipe = recipe.with_settings({"dataset": lay_out(case, folder / "pictures")})
    told: dict[str, None] = {}
    course: list[Event] = []
    with suppress(TrainingError):  # one that diverges says so, and that is what the doctor reads
        run = train(recipe, run_dir=folder / "run", max_seconds=case.seconds, device=torch.device("cpu"))
        for event in run:
            course.append(event)
            if isinstance(event, Evaluated):
                told |= dict.fromkeys(found.name for found in diagnose(course, recipe))
    # the last word of a run that was to end here is that it was done: then there is nothing left to stop
    course = [event for event in course if not (isinstance(event, Finished) and event.state != "failed")]
    last = diagnose(course, recipe)
    told |= dict.fromkeys(found.name for found in last)
    evidence = last[0].evidence if last else ""
    return Outcome(case, tuple(told), tuple(found.name for found in last), evidence, course[-1].step)


def lay_out(case: Case, folder: Path) -> str:
    """The first pictures of a case's data set as files of somebody's own, and their name for its recipe.

    Photos are those that ship, since what breaks with them need not with others, and are laid out small, since these
    recipes work on small ones.
    """
    import torch.nn.functional as F
    from PIL import Image

    from gandemo.data import datasets

    recipe = case.recipe
    samples = datasets.named(str(datasets.SAMPLES / "photos"), recipe.task)
    source = datasets.load(samples if recipe.dataset == "photos" else recipe.dataset, "train")
    images, labels = source.images[: case.pictures], source.labels[: case.pictures]
    is_photo = images.shape[1] == 3
    if is_photo:
        side = 2 * recipe.image_size
        images = F.interpolate(images, (case.pieces * side,) * 2, mode="bilinear", antialias=True)
        rows = images.unfold(2, side, side).unfold(3, side, side)  # [N, 3, pieces, pieces, side, side]
        images = rows.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, side, side)
        labels = labels.repeat_interleave(case.pieces**2)
    for index, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        place = folder if is_photo else folder / str(label)
        place.mkdir(parents=True, exist_ok=True)
        pixels = image.permute(1, 2, 0) if is_photo else image[0]
        Image.fromarray(pixels.contiguous().numpy()).save(place / f"{index:05d}.png")
    return datasets.named(str(folder), recipe.task)


# every recipe that ships with a game or a loss of its own, as it stands
SHIPPED: Mapping[str, Case] = {
    name: Case(recipe.with_settings({"init": ""}), seconds=60.0)
    for name, recipe in RECIPES.items()
    if recipe.task != "classify"
}
CASES: Mapping[str, Case] = {**BROKEN, **HEALTHY, **SHIPPED}


def _doctor(names: Collection[str]) -> Iterator[Row]:
    """Caught, missed and false alarms: broken recipes, healthy ones, and a minute of each recipe that ships."""
    counts = {"caught": 0, "missed": 0, "false alarms": 0}
    for name in names:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            outcome = examine(case, Path(folder))
        key = ("caught" if outcome.is_right else "missed") if case.expected else "false alarms"
        counts[key] += 1 if case.expected else not outcome.is_right
        said = ", ".join(outcome.last if case.expected else outcome.told) or "nothing"
        yield {
            "what": f"{name} ({outcome.step:,} steps): {said}",
            "value": float(outcome.is_right),
            "unit": f"as expected: {case.expected or 'no alarm'}",
            "bound": ">= 1",
        }
    for key, count in counts.items():
        bound = f">= {len([name for name in names if CASES[name].expected])}" if key == "caught" else "<= 0"
        yield {"what": f"the doctor: {key}", "value": float(count), "unit": "", "bound": bound}


ROWS: dict[str, Bench] = {
    "doctor": Bench("the doctor on runs broken on purpose and on healthy ones", _doctor, tuple(CASES))
}
