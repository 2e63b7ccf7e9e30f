"""What a run's weights depend on, so that a run goes on with the very same, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from gandemo.errors import RecipeError
from gandemo.recipe import Recipe
from gandemo.tasks import Pictures

# Raise it with every change after which the same recipe, on the same data, would train to other weights.
TRAINING_VERSION = 2  # 2: each batch draws from a generator of its own
SAMPLE = 256  # so many pictures, evenly spaced, stand for all

_ASIDE = {"description", "source", "log_every", "sample_every", "evaluate_every", "evaluate_samples"}
_ASIDE |= {"checkpoint_every", "features", "patience"}


def fingerprint(
    recipe: Recipe, pictures: Pictures, device: torch.device, precision: str, processes: int = 1
) -> dict[str, Any]:
    """Everything that decides the weights of a run, as plain values for its saved state.

    Args:
        recipe: of the run.
        pictures: that it trains on.
        device: that it trains on, too.
        precision: what the recipe's came to on this machine.
        processes: that train it together.
    """
    chosen = torch.linspace(0, len(pictures) - 1, min(SAMPLE, len(pictures))).long()
    images, _ = pictures.take(chosen, torch.Generator().manual_seed(0))
    digest = hashlib.sha256(images.contiguous().cpu().numpy().data)
    digest.update(pictures.labels.contiguous().cpu().numpy().data)
    return {
        "recipe": recipe.model_dump(mode="json"),
        "data": {"pictures": len(pictures), "shape": list(images.shape[1:]), "content": digest.hexdigest()[:16]},
        "training": TRAINING_VERSION,
        # another one of these changes the last bits, not what is trained
        "torch": torch.__version__,
        "device": str(device),
        "precision": precision,
        "threads": torch.get_num_threads(),
        "processes": processes,
    }


def refusals(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The differences that forbid to go on, one phrase each; settings that only tell or save more often are none."""
    found = []
    old, new = _flat(_complete(before.get("recipe", after["recipe"]))), _flat(after["recipe"])
    for key in sorted(old.keys() | new.keys()):
        if key.partition(".")[0] not in _ASIDE and old.get(key) != new.get(key):
            found.append(f"{key} was {old.get(key)!r}, is {new.get(key)!r}")
    data, now = before.get("data", {}), after["data"]
    for key, value in now.items():
        if key in data and data[key] != value:
            found.append(
                f"the data set's {key} {'were' if key == 'pictures' else 'was'} {data[key]}, "
                f"{'are' if key == 'pictures' else 'is'} {value}"
            )
    if before.get("training", after["training"]) != after["training"]:
        found.append(f"gandemo's training was version {before['training']}, is {after['training']}")
    return found


def remarks(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The differences with which a run goes on, but not to the very same bits."""
    return [
        f"{key} was {before[key]}, is {after[key]}"
        for key in ("torch", "device", "precision", "threads", "processes")
        if key in before and before[key] != after[key]
    ]


def _complete(recipe: dict[str, Any]) -> dict[str, Any]:
    """What an older version wrote lacks keys that came later: their defaults are what it was trained with."""
    try:
        return Recipe.from_dict(recipe).model_dump(mode="json")
    except RecipeError:
        return recipe


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found
