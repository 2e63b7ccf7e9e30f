"""What the tab Train may be asked to train: a form as a browser sends it, checked.

Importing it loads torch, as the forks of checkpoints need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gandemo import checkpoint
from gandemo.data import datasets
from gandemo.errors import RecipeError, RequestError
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.ship.hub.origins import VISITOR, origin
from gandemo.training import estimate, forks, runs
from gandemo.ui import access, own_pictures, train_form


@dataclass(frozen=True)
class Wish:
    """What somebody wants to train.

    Attributes:
        recipe: with all changes.
        init: the checkpoint to start from, or None.
        minutes: of training in one go, or None.
    """

    recipe: Recipe
    init: str | None
    minutes: float | None

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Wish:
        """A form as it came from a browser.

        Args:
            values: "recipe", a name; "begins", the run or checkpoint that its weights are taken from, else they are as
                the recipe says, or with "anew" fresh; or for a fork "source", a run or checkpoint, and with "anew" its
                recipe only; then "settings", "dataset" and "minutes".

        Raises:
            GanDemoError: something in it is wrong, or more than anybody may ask for.
        """
        settings = _settings(values.get("settings"))
        source = values.get("source")
        anew = bool(values.get("anew"))
        base = source_recipe(str(source)) if source else named(values.get("recipe"))
        recipe = base.with_settings(settings)
        asked = values.get("dataset")
        if asked is not None and not _is_owners(asked, base.dataset):
            recipe = datasets.fit(recipe, own_pictures.dataset(asked, recipe))
            settings |= {"dataset": recipe.dataset, "classes": recipe.classes}
        if source:
            planned = forks.plan(str(source), settings, anew=anew)
        else:
            begins = str(values.get("begins") or "") or None
            if begins is not None:
                source_recipe(begins)  # never a path
            planned = forks.begin(recipe.with_settings({"init": ""}) if anew else recipe, begins)
        recipe, init = planned.recipe, None if planned.init is None else str(planned.init.path)
        if recipe.task not in [name for name, *_ in train_form.TASKS]:
            raise RequestError(f"{recipe.task} can't be trained here")
        estimate.check(recipe)
        minutes = _minutes(values.get("minutes"))
        if access.is_public():
            minutes = within_bounds(recipe, minutes)
            if source:
                _check_design(str(source), recipe)
        return cls(recipe, init, minutes)


def _is_owners(asked: object, dataset: str) -> bool:
    """Whether a data set is asked for that only the owner of this machine could name, and that a run has already."""
    told = own_pictures.name_of(dataset)
    return (
        asked == told and told not in datasets.DATASETS and not told.startswith((own_pictures.PREFIX, own_pictures.HUB))
    )


def _check_design(source: str, recipe: Recipe) -> None:
    """Refuses to train what a visitor has brought, unless it is a design of ours: its networks may ask for anything.

    Raises:
        RequestError: it is another one.
    """
    folders = [path for path in checkpoint.folders() if path.name == source]
    if not folders or origin(folders[0]).get("by") != VISITOR:
        return
    free = ("name", "description", "source", "dataset", "classes", "init", "features", *access.BOUNDS.settings)
    wanted = {key: _value(recipe, key) for key in free}
    for known in RECIPES.values():
        with suppress(RecipeError):  # what is free does not go with every design
            if known.task == recipe.task and known.with_settings(wanted) == recipe:
                return
    raise RequestError(
        f"{source} has a design of its own, and a public server trains gandemo's alone; run gandemo on your own machine"
    )


def _value(recipe: Recipe, key: str) -> Any:
    found: Any = recipe
    for part in key.split("."):
        found = getattr(found, part)
    return found


def named(name: object) -> Recipe:
    """The recipe of a name.

    Raises:
        RequestError: there is none.
    """
    if not isinstance(name, str) or name not in RECIPES:
        raise RequestError(f"there is no recipe {str(name)[:60]!r}; choose one of {', '.join(RECIPES)}")
    return RECIPES[name]


def source_recipe(source: str) -> Recipe:
    """The recipe of a run, whether it has a checkpoint yet or not, of RUN/CHECKPOINT or of a named checkpoint.

    It is never that of a path.

    Raises:
        GanDemoError: there is none, or it can't be read.
    """
    run, slash, step = source.partition("/")
    if checkpoint.NAME.match(run):
        is_run = (runs.runs_home() / run / "recipe.json").is_file()
        if is_run and (not slash or checkpoint.NAME.match(step)):
            return forks.recipe_of(source) if not slash else checkpoint.resolve(source).recipe
        if not slash and any(path.name == run for path in checkpoint.folders()):
            return checkpoint.resolve(run).recipe
    raise RequestError(f"there is no run or checkpoint {source[:80]!r} to start from; choose another")


def _settings(values: object) -> dict[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, dict) or len(values) > 200:
        raise RequestError("the settings must be a set of names and values; reload the page and try again")
    public = access.is_public()
    for key in values:
        if not isinstance(key, str) or key.split(".")[0] in ("name", "task", "dataset", "init"):
            raise RequestError(f"{str(key)[:60]!r} can't be changed here")
        if public and key not in access.BOUNDS.settings:
            raise RequestError(f"{key[:60]} can't be changed on a public server; run gandemo on your own machine")
    return dict(values)


def _minutes(value: object) -> float | None:
    if value in (None, "", 0):
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < float(value) <= 60 * 24 * 30:  # type: ignore[arg-type]
        raise RequestError(f"the minutes must be a number above 0, got {str(value)[:40]}")
    return float(value)  # type: ignore[arg-type]


def within_bounds(recipe: Recipe, minutes: float | None) -> float:
    """How many minutes a training may take on a public server.

    Raises:
        RequestError: it asks for more than anybody may.
    """
    bounds = access.BOUNDS
    for what, value, most in (
        ("steps", recipe.steps, bounds.steps),
        ("batch_size", recipe.batch_size, bounds.batch_size),
    ):
        if value > most:
            raise RequestError(f"{what} may be at most {most:,} on a public server, got {value:,}")
    return min(minutes or bounds.minutes, bounds.minutes)
