"""What the form of the tab Train offers: tasks, recipes, data, and the settings, made from the Recipe model itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.ui import access, catalog, photo_cards

# A task's name, what it is called here, and what comes out of it.
TASKS = (
    ("digits", "Digits and clothing", "small grey pictures, made up from random noise"),
    ("colorize", "Colour", "black-and-white photos in colour"),
    ("enhance", "Sharpen", "a crisp photo from a poor one"),
    ("inpaint", "Fill in", "what is missing from a photo, painted in"),
    ("classify", "Classifier", "reads pictures; it measures what the others make"),
)
# Whether a photo's size is what the task works on: it decides what own pictures must look like.
SMALL = ("digits", "classify")

# The few that matter: key, what it is called, what it does, the ends of its slider as factors of the recipe's value.
FEW = (
    ("steps", "Steps", "How many rounds the two players play.", (0.1, 4.0)),
    ("batch_size", "Pictures a step", "How many each player looks at before it learns.", (0.25, 4.0)),
    ("generator_optimizer.lr", "How boldly the forger learns", "Too bold, and it overshoots.", (0.1, 10.0)),
    (
        "discriminator_optimizer.lr",
        "How boldly the inspector learns",
        "It should stay level with the forger.",
        (0.1, 10),
    ),
    ("seed", "Seed", "The same seed gives the same run.", None),
)
_GROUPS = (
    ("", "Training"),
    ("loss", "The game"),
    ("generator_optimizer", "How the forger learns"),
    ("discriminator_optimizer", "How the inspector learns"),
    ("schedule", "How boldness changes over the run"),
    ("ema", "The average that is kept"),
    ("generator", "The forger's network"),
    ("discriminator", "The inspector's network"),
    ("telling", "What is told, measured and saved, and when"),
)
_TELLING = ("features", "log_every", "sample_every", "evaluate_every", "evaluate_samples", "checkpoint_every")
_NOT_HERE = {"name", "description", "source", "task", "dataset", "init"}
_WORDS = {"lr": "Learning rate", "ema": "EMA", "r1": "R1", "r2": "R2", "gan": "Adversarial loss", "d_steps": "D steps"}


def recipes(task: str) -> list[dict[str, Any]]:
    """The named recipes of a task as cards, ours first."""
    shown = {entry.name: entry for entry in catalog.entries(task)}
    found = [recipe for recipe in RECIPES.values() if recipe.task == task]
    strip = (lambda entry: catalog.strip(entry.path)) if task in SMALL else photo_cards.strip_of
    cards = []
    for recipe in sorted(found, key=lambda recipe: (recipe.name != task, recipe.source != "gandemo")):
        entry = shown.get(recipe.name)
        cards.append(
            {
                "name": recipe.name,
                "text": recipe.description,
                "facts": [catalog.title_of(recipe.dataset), f"{recipe.steps:,} steps"],
                "strip": None if entry is None else strip(entry),
                "photos": task not in SMALL,
                "dataset": recipe.dataset,
            }
        )
    return cards


def title_of(dataset: str) -> str:
    """A data set's name for people, somebody's own pictures included; of photos, those that would be taken."""
    from gandemo.data.datasets import DATASETS, own_photos
    from gandemo.ui import own_pictures

    if dataset == "photos":
        return "64 photos that come with gandemo" if own_photos() is None else "Photos in GANDEMO_DATA/photos"
    return DATASETS[dataset].title if dataset in DATASETS else own_pictures.title_of(dataset)


def data(task: str) -> list[dict[str, str]]:
    """The data sets that a task can be trained on."""
    from gandemo.data.datasets import DATASETS

    small = task in SMALL
    return [
        {"name": name, "title": title_of(name), "licence": entry.licence}
        for name, entry in DATASETS.items()
        if bool(entry.class_names) == small
    ]


def few(recipe: Recipe) -> list[dict[str, Any]]:
    """The settings that matter most, each with its range."""
    known = {field["key"]: field for field in fields(recipe)}
    chosen = []
    for key, label, help_text, ends in FEW:
        if key.startswith("discriminator") and recipe.discriminator is None:
            continue
        field = {**known[key], "label": label, "help": help_text}
        field["default"] = field["value"]
        if ends is not None:
            low, high = (field["value"] * end for end in ends)
            if field["kind"] == "int":
                low, high = max(1, round(low)), round(high)
            field["low"], field["high"] = low, min(high, field.get("max") or high)
        if access.is_public():
            most = {"steps": access.BOUNDS.steps, "batch_size": access.BOUNDS.batch_size}.get(key)
            if most is not None:
                field["max"] = min(most, field.get("max") or most)
                field["high"] = min(field["high"], most)
                field["value"] = min(field["value"], most)
        chosen.append(field)
    return chosen


def drawer(recipe: Recipe) -> list[dict[str, Any]]:
    """All other settings, in groups; nothing in public."""
    if access.is_public():
        return []
    told = {key for key, *_ in FEW}
    groups: dict[str, list[dict[str, Any]]] = {key: [] for key, _ in _GROUPS}
    for field in fields(recipe):
        if field["key"] not in told:
            groups[field["group"]].append(field)
    return [{"title": title, "fields": groups[key]} for key, title in _GROUPS if groups[key]]


def fields(recipe: Recipe) -> list[dict[str, Any]]:
    """Every setting of a recipe with its kind, its bounds, its words and its value.

    Returns:
        {"key": dotted, "group", "label", "help", "kind": "int" | "float" | "bool" | "choice" | "text" | "json",
        "value", and where there are any "min", "max", "choices"}.
    """
    return list(_fields(_schema()["properties"], recipe.model_dump(mode="json"), "", recipe))


@cache
def _schema() -> dict[str, Any]:
    return Recipe.model_json_schema()


def _fields(
    properties: Mapping[str, Any], values: Mapping[str, Any], group: str, recipe: Recipe
) -> Iterator[dict[str, Any]]:
    for name, schema in properties.items():
        if not group and name in _NOT_HERE:
            continue
        value = values.get(name)
        part = _part(schema)
        if part == "Net":
            if value is not None:
                yield from _network(name, value)
        elif part is not None:
            if name != "discriminator_optimizer" or recipe.discriminator is not None:
                yield from _fields(_schema()["$defs"][part]["properties"], value or {}, name, recipe)
        else:
            where = "telling" if not group and name in _TELLING else group
            yield _field(f"{group}.{name}" if group else name, name, schema, value, where)


def _part(schema: Mapping[str, Any]) -> str | None:
    """The name of the part of a recipe that a schema points at, if it does."""
    for each in (schema, *schema.get("anyOf", ())):
        if "$ref" in each:
            return str(each["$ref"]).rpartition("/")[2]
    return None


def _network(player: str, net: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What a network's class takes, with its defaults where the recipe says nothing."""
    from gandemo.nets import DISCRIMINATORS, GENERATORS

    make = (GENERATORS if player == "generator" else DISCRIMINATORS).get(net["name"])
    defaults = {}
    if make is not None:
        parameters = inspect.signature(make).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    for name, default in (defaults | dict(net["args"])).items():
        value = None if default is inspect.Parameter.empty else default
        yield _field(f"{player}.args.{name}", name, _schema_of(value), _plain(value), player)


def _schema_of(value: object) -> dict[str, Any]:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return {"type": kinds.get(type(value), "array")}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _field(key: str, name: str, schema: Mapping[str, Any], value: Any, group: str) -> dict[str, Any]:
    kinds = {"integer": "int", "number": "float", "boolean": "bool", "string": "text"}
    field = {
        "key": key,
        "group": group,
        "label": _WORDS.get(name) or name.replace("_", " ").capitalize(),
        "help": schema.get("description", ""),
        "kind": kinds.get(str(schema.get("type")), "json"),
        "value": value,
    }
    choices = schema.get("enum") or (_losses() if key == "loss.gan" else None)
    if choices:
        field |= {"kind": "choice", "choices": list(choices)}
    for side, bounds in (("min", ("minimum", "exclusiveMinimum")), ("max", ("maximum", "exclusiveMaximum"))):
        for bound in bounds:
            if bound in schema:
                field[side] = schema[bound]
    return field


def _losses() -> list[str]:
    from gandemo.training.losses import GAN_LOSSES

    return list(GAN_LOSSES)
