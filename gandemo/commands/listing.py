"""`list`: what there is."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

from gandemo.commands.options import Json, headline
from gandemo.recipes import RECIPES


class Listed(str, Enum):
    """What `list` can list."""

    recipes = "recipes"
    datasets = "datasets"
    checkpoints = "checkpoints"
    runs = "runs"


def list_(what: Listed, as_json: Json = False) -> None:
    """List recipes, data sets, checkpoints or runs."""
    rows: list[dict[str, Any]]
    if what is Listed.recipes:
        rows = [
            {"name": r.name, "task": r.task, "dataset": r.dataset, "description": r.description, "source": r.source}
            for r in RECIPES.values()
        ]
    elif what is Listed.datasets:
        from gandemo.data.datasets import DATASETS

        rows = [{"name": n, "title": d.title, "licence": d.licence, "source": d.source} for n, d in DATASETS.items()]
    elif what is Listed.checkpoints:
        from gandemo import checkpoint

        rows = [
            {
                "name": c.name,
                "task": c.recipe.task,
                "dataset": c.recipe.dataset,
                "measured": headline(c.metrics),
                "folder": str(c.path),
            }
            for c in checkpoint.available()
        ]
    else:
        from gandemo.training.runs import list_runs

        rows = [
            {
                "id": r.id,
                "recipe": r.recipe.name,
                "state": r.state,
                "step": r.step,
                "of": r.recipe.steps,
                "score": r.score,
                "reason": r.reason,
            }
            for r in list_runs()
        ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    if not rows:
        print(f"no {what.value} yet")
    for row in rows:
        first, *rest = row.values()
        print(f"{first!s:<22}" + "  ".join("" if value is None else str(value) for value in rest if value != ""))
