"""Run folders: made, found and listed. What is told of a run is read from its folder alone."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gandemo import checkpoint
from gandemo.errors import CheckpointError, RecipeError
from gandemo.recipe import Recipe
from gandemo.training import events


@dataclass(frozen=True)
class RunSummary:
    """What a run folder tells at a glance.

    Attributes:
        id: the folder's name.
        path: the folder.
        recipe: what it trains.
        state: "done", "stopped", "failed", or "unfinished" (running, or ended without a last word).
        step: the last one told of.
        score: of the best checkpoint, or None.
    """

    id: str
    path: Path
    recipe: Recipe
    state: str
    step: int
    score: float | None


def runs_home() -> Path:
    """The folder of all runs."""
    return checkpoint.home() / "runs"


def new_run_dir(recipe: Recipe) -> Path:
    """A folder for a new run, not made yet; the id tells recipe and time and is never used twice."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return runs_home() / f"{recipe.name}-{stamp}-{secrets.token_hex(2)}"


def find_run(run: str) -> Path:
    """The folder of a run, by its id or by its path.

    Raises:
        CheckpointError: there is no such run.
    """
    candidates = [runs_home() / run] if checkpoint.NAME.match(run) else []
    for path in (*candidates, Path(run)):
        if (path / "recipe.json").is_file() and (path / "events.jsonl").is_file():
            return path
    known = ", ".join(summary.id for summary in list_runs()) or "none"
    raise CheckpointError(f"there is no run {run!r} in {runs_home()}; runs: {known}")


def list_runs() -> Iterator[RunSummary]:
    """All runs, the newest first; a folder that is no run is passed over."""
    root = runs_home()
    paths = [path for path in root.glob("*") if (path / "events.jsonl").is_file()] if root.is_dir() else []
    for path in sorted(paths, key=lambda path: -(path / "events.jsonl").stat().st_mtime):
        try:
            yield summarise(path)
        except RecipeError:
            continue


def summarise(path: Path) -> RunSummary:
    """Reads one run folder.

    Raises:
        RecipeError: its recipe can't be read.
    """
    recipe = Recipe.from_file(path / "recipe.json")
    state, step, score = "unfinished", 0, None
    for event in events.read(path / "events.jsonl"):
        step = max(step, event.step)
        if isinstance(event, events.Started):
            state, step = "unfinished", event.step
        elif isinstance(event, events.Finished):
            state = event.state
        elif isinstance(event, events.Evaluated) and event.is_best:
            score = event.metrics[event.score]
    return RunSummary(path.name, path, recipe, state, step, score)
