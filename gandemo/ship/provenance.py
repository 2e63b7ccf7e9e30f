"""What a checkpoint is made from, as others may read it: the one it started from, and data without paths of ours."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from gandemo import checkpoint
from gandemo.checkpoint import Checkpoint
from gandemo.data import datasets
from gandemo.errors import CheckpointError, RequestError
from gandemo.recipe import Recipe
from gandemo.ship.hub.ids import HubId
from gandemo.ship.hub.origins import origin
from gandemo.training import runs

_LONGEST_CHAIN = 8  # of starts that are looked through; somebody's own folders may go round in circles


def started_from(source: Checkpoint) -> Checkpoint | None:
    """The checkpoint that this one's weights began with; None where there was none, or where it is gone.

    A run remembers what it was told to start from (`train --init`, a fork); else it is the one that the recipe names.
    """
    with suppress(CheckpointError):
        if (run := _run_of(source)) is not None and (start := runs.init_of(run)) is not None:
            return start
        if checkpoint.NAME.match(source.recipe.init):  # a recipe of others may name any path
            return checkpoint.resolve(source.recipe.init)
    return None


def start_facts(source: Checkpoint, *, longest: int = _LONGEST_CHAIN) -> dict[str, Any]:
    """What metrics.json keeps of the start: `name`, and where known `repo`, `batch_size`, `training` and `start`.

    Empty where the weights were drawn from the seed; `longest` bounds how many starts are told one within the other.
    """
    if isinstance(known := source.metrics.get("start"), dict) and isinstance(known.get("name"), str):
        return dict(known)
    start = started_from(source)
    if start is None:
        return {"name": _name_of(Path(source.recipe.init))} if source.recipe.init else {}
    facts: dict[str, Any] = {"name": _name_of(start.path)}
    if repo := base_of(source):
        facts["repo"] = repo
    if "training" in start.metrics:
        facts |= {"batch_size": start.recipe.batch_size, "training": start.metrics["training"]}
    if longest > 1 and (before := start_facts(start, longest=longest - 1)):
        facts["start"] = before
    return facts


def base_of(source: Checkpoint) -> str:
    """`USER/REPO` on the Hub that the weights go back to, through whatever was trained in between; empty if to none."""
    current: Checkpoint | None = source
    for _ in range(_LONGEST_CHAIN):
        if current is None:
            break
        if repo := _repo(current.metrics.get("start")):
            return repo
        current = started_from(current)
        if current is not None and (repo := _repo(origin(current.path))):
            return repo
    return ""


def without_path(recipe: Recipe) -> Recipe:
    """The recipe as others may read it: of a path to pictures, or to another checkpoint, the last part alone."""
    changed = {}
    if recipe.dataset not in datasets.DATASETS:
        changed["dataset"] = Path(recipe.dataset).name
    for key in ("init", "features"):
        named = getattr(recipe, key)
        if named and not checkpoint.NAME.match(named):
            changed[key] = Path(named).name
    return recipe.with_settings(changed) if changed else recipe


def _run_of(source: Checkpoint) -> Path | None:
    run = source.path.absolute().parent.parent
    return run if source.path.absolute().parent.name == "checkpoints" and (run / "events.jsonl").is_file() else None


def _name_of(path: Path) -> str:
    """A checkpoint's name without the way to it; of a run's, RUN/CHECKPOINT."""
    is_of_run = path.parent.name == "checkpoints" and (path.parent.parent / "events.jsonl").is_file()
    return f"{path.parent.parent.name}/{path.name}" if is_of_run else path.name


def _repo(told: Any) -> str:
    repo = told.get("repo") if isinstance(told, dict) else None
    try:
        return HubId.parse(repo).repo if isinstance(repo, str) else ""
    except RequestError:
        return ""
