"""Forks: what a new run starts from when it starts from another one, with some settings changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gandemo import checkpoint
from gandemo.data.datasets import DATASETS
from gandemo.errors import CheckpointError, RecipeError
from gandemo.nets import build_discriminator, build_generator
from gandemo.recipe import Recipe
from gandemo.training import runs


@dataclass(frozen=True)
class Fork:
    """A run that has yet to be started.

    Attributes:
        recipe: what it will train.
        init: the checkpoint whose weights it starts from; None: as the recipe says.
    """

    recipe: Recipe
    init: checkpoint.Checkpoint | None


def plan(source: str, settings: Mapping[str, Any] | None = None, *, anew: bool = False) -> Fork:
    """A new run from any checkpoint of any run, or from a shipped or pulled one.

    Args:
        source: as `checkpoint.resolve` takes it: `RUN` is its best checkpoint, `RUN/step-500` that step's.
        settings: what to change in its recipe, with dotted keys as for `Recipe.with_settings`.
        anew: take its recipe only, and begin as the recipe does: with fresh weights, or with the checkpoint that it
            names; where that is not here, with the one that the run began with.

    Raises:
        GanDemoError: there is no such checkpoint, a setting is wrong, the weights no longer fit, or the pictures that
            it learned from did not come with it.
    """
    settings = settings or {}
    recipe = (recipe_of(source) if anew else checkpoint.resolve(source).recipe).with_settings(settings)
    if "dataset" not in settings:
        _check_data(source, recipe)
    if not anew:
        return begin(recipe, source)
    if has_start(recipe):
        return Fork(recipe, None)
    run = source.partition("/")[0]
    folder = runs.runs_home() / run
    found = runs.init_of(folder) if checkpoint.NAME.match(run) and folder.is_dir() else None
    if found is None:
        raise no_start(recipe)
    check_fits(recipe, found)
    return Fork(recipe, found)


def _check_data(source: str, recipe: Recipe) -> None:
    """Refuses the pictures of a named checkpoint's recipe where they are none that everybody has.

    It may be somebody else's: what it names would be looked for among the files of whoever trains.
    """
    if recipe.dataset not in DATASETS and any(path.name == source for path in checkpoint.folders()):
        raise CheckpointError(
            f"the pictures that {source} learned from, {recipe.dataset[:80]!r}, did not come with it; choose others"
        )


def begin(recipe: Recipe, source: str | None) -> Fork:
    """A run that starts from other weights than its recipe says; None: from those.

    Where the recipe names a start that is not here, and this one has a name, that takes its place in the recipe: it is
    the end that an adversarial generator keeps.

    Raises:
        GanDemoError: there is no such checkpoint, the weights don't fit, or what the recipe says is not here.
    """
    if source is None:
        if not has_start(recipe):
            raise no_start(recipe)
        return Fork(recipe, None)
    found = checkpoint.resolve(source)
    check_fits(recipe, found)
    if not has_start(recipe) and found.path in checkpoint.folders():
        recipe = recipe.with_settings({"init": found.path.name})
    return Fork(recipe, found)


def has_start(recipe: Recipe) -> bool:
    """Whether a recipe can begin as it says: with fresh weights, or with a checkpoint that is here."""
    try:
        return not recipe.init or bool(checkpoint.resolve(recipe.init))
    except CheckpointError:
        return False


def no_start(recipe: Recipe) -> CheckpointError:
    """What to say of a recipe that can't begin as it says."""
    return CheckpointError(
        f"{recipe.name} begins with {recipe.init[:80]}, which is not here; train that recipe first and publish its run "
        "under this name, or begin with another checkpoint"
    )


def check_fits(recipe: Recipe, source: checkpoint.Checkpoint) -> None:
    """Refuses a start from weights that are not of the recipe's networks.

    Raises:
        CheckpointError: they are not, or they are damaged; the message says what would do.
    """
    try:
        checkpoint.load_weights(build_generator(recipe), source.path / "generator.safetensors")
        judge = build_discriminator(recipe)
        if judge is not None and source.has_discriminator:
            checkpoint.load_weights(judge, source.path / "discriminator.safetensors")
    except CheckpointError as error:
        raise CheckpointError(f"{error}; leave the networks as they are, or start anew") from None


def recipe_of(source: str) -> Recipe:
    """The recipe of a run, whether it has a checkpoint yet or not, or of any other checkpoint.

    Raises:
        GanDemoError: there is none.
    """
    run = source.partition("/")[0]
    if checkpoint.NAME.match(run):
        try:
            return Recipe.from_file(runs.runs_home() / run / "recipe.json")
        except RecipeError:
            pass  # no run of that name: a checkpoint, or nothing
    return checkpoint.resolve(source).recipe
