"""Run folders: made, found, listed, queued and asked to stop.

What is told of a run is read from its folder, and from the queue beside it, so that any page, a second server and the
command line see the same run.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from gandemo import checkpoint, places
from gandemo.errors import CheckpointError, RecipeError, TrainingError
from gandemo.recipe import Recipe
from gandemo.training import events, process, terms

State = Literal["queued", "starting", "running", "stopping", "stopped", "interrupted", "failed", "done"]
ACTIVE: tuple[State, ...] = ("starting", "running", "stopping")

QUEUE = "queue.json"
START = "start"  # the weights to begin with, where a run that goes on could replace or discard them meanwhile
_BEFORE_THE_START = {"recipe.json", terms.FILE, "log.txt", process.CLAIM, process.STOP, START}


@dataclass(frozen=True)
class RunSummary:
    """What a run folder tells at a glance.

    Attributes:
        id: the folder's name.
        path: the folder.
        recipe: what it trains.
        state: "queued"; "starting", "running" or "stopping" while a process trains it; then "stopped" (saved, can go
            on), "interrupted" (its process was killed; goes on from the last saved state), "failed" or "done".
        step: the last one told of.
        score: of the best checkpoint, or None.
        best_step: the best checkpoint's, or None.
        reason: why it failed or was stopped, where that is known.
        seconds: of training so far, over all resumes.
        time: of the last event, in seconds since the epoch; 0: nothing was told yet.
        differences: from what it began with, for which its resume was refused; `Manager.fork_refused` takes them on.
    """

    id: str
    path: Path
    recipe: Recipe
    state: State
    step: int
    score: float | None
    best_step: int | None = None
    reason: str = ""
    seconds: float = 0.0
    time: float = 0.0
    differences: tuple[str, ...] = ()


def runs_home() -> Path:
    """The folder of all runs."""
    return places.home() / "runs"


# --- made and found ---------------------------------------------------------------------------------------


def new_run_dir(recipe: Recipe) -> Path:
    """A folder for a new run, not made yet; the id tells recipe and time and is never used twice."""
    while True:
        folder = runs_home() / f"{recipe.name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
        if not os.path.lexists(folder):
            return folder


def lay_out(
    folder: Path, recipe: Recipe, init: Path | None = None, *, owner: str = "", max_seconds: float | None = None
) -> None:
    """Makes a run folder that waits to be trained in.

    Args:
        folder: new, or empty.
        recipe: what will be trained.
        init: the checkpoint folder to start from.
        owner: see `terms.Terms`; so is the next.
        max_seconds: of training in one go.

    Raises:
        TrainingError: the disk is full or the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if init is not None and init.resolve().is_relative_to(runs_home().resolve()):
            _keep_start(init, folder / START)
        terms.write(folder, terms.Terms(None if init is None else str(init.resolve()), owner, max_seconds))
        # the recipe comes last and in one piece: with it, the folder is a run
        temporary = folder / ".recipe.json"
        temporary.write_text(recipe.to_json(), encoding="utf-8")
        temporary.replace(folder / "recipe.json")
    except OSError as error:
        raise TrainingError(
            f"can't write {folder}: {error.strerror}; free some space or choose another folder"
        ) from None


def _keep_start(source: Path, kept: Path) -> None:
    """Links a checkpoint's files, which are replaced and never rewritten, so that it stays as it is now.

    Raises:
        TrainingError: the checkpoint is gone.
        OSError: the folder can't be written.
    """
    for _ in range(20):
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        with suppress(FileNotFoundError):
            before = source.stat()
            for file in source.iterdir():
                if file.is_file():
                    _link(file, kept / file.name)
            if os.path.samestat(before, source.stat()):
                return
        time.sleep(0.05)  # a better one takes its place just now
    raise TrainingError(f"the checkpoint {source.name} is gone; choose another")


def _link(file: Path, link: Path) -> None:
    try:
        os.link(file, link)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links
        shutil.copyfile(file, link)


def forget_start(folder: Path) -> None:
    """Gives up the weights that a run has begun with; its own are saved."""
    shutil.rmtree(folder / START, ignore_errors=True)


def has_begun(folder: Path) -> bool:
    """Whether a folder holds more than a run that waits for its start."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    return bool(names - _BEFORE_THE_START) or ("recipe.json" in names) != (terms.FILE in names)


def init_path(folder: Path) -> Path | None:
    """The checkpoint folder that a run was meant to start from, whether it is still there or not.

    Until the run has saved weights of its own, that is `START` where it lies in the folder.
    """
    if (folder / START).is_dir():
        return folder / START
    source = terms.read(folder).init
    return None if source is None else Path(source)


def init_of(folder: Path) -> checkpoint.Checkpoint | None:
    """The checkpoint that a run was meant to start from.

    Raises:
        CheckpointError: it is gone or damaged.
    """
    source = init_path(folder)
    return None if source is None else checkpoint.load(source)


def find_run(run: str) -> Path:
    """The folder of a run, by its id or by its path.

    Raises:
        CheckpointError: there is no such run.
    """
    candidates = [runs_home() / run] if checkpoint.NAME.match(run) else []
    for path in (*candidates, Path(run)):
        if _is_run(path):
            return path
    names = [summary.id for summary in list_runs()]
    known = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "") or "none"
    raise CheckpointError(f"there is no run {run!r} in {runs_home()}; runs: {known}")


def _is_run(path: Path) -> bool:
    return (path / "recipe.json").is_file() and ((path / "events.jsonl").is_file() or (path / terms.FILE).is_file())


# --- told -------------------------------------------------------------------------------------------------


def list_runs() -> Iterator[RunSummary]:
    """All runs, the newest first; a folder that is no run is passed over."""
    root = runs_home()
    found = [(_touched(path), path) for path in root.glob("[!.]*") if _is_run(path)] if root.is_dir() else []
    queue = waiting()
    for _, path in sorted(found, key=lambda pair: (-pair[0], pair[1].name)):
        try:
            yield _summarise(path, queue)
        except RecipeError:
            continue


def summarise(path: Path) -> RunSummary:
    """Reads one run folder.

    Raises:
        RecipeError: its recipe can't be read.
    """
    return _summarise(path, waiting())


def _summarise(path: Path, queue: list[str]) -> RunSummary:
    status = status_of(path / "recipe.json")
    recipe = _recipe(path / "recipe.json", status)
    claim = process.holder(path)  # before the events, so that what its process tells last is seen
    known = events.outline(path / "events.jsonl")
    now = _state(path, known, claim, path.name in queue and path.parent == runs_home())
    end = known.finished[0] if known.finished is not None and now in ("failed", "stopped") else None
    reason = "" if end is None else end.reason
    if now == "stopping":
        reason = process.stop_reason(path)
    differences = () if end is None else tuple(end.differences)
    return RunSummary(
        path.name,
        path,
        recipe,
        now,
        known.step,
        known.score,
        known.best_step,
        reason,
        known.seconds,
        known.time,
        differences,
    )


def _state(path: Path, known: events.Outline, claim: process.Claim | None, queued: bool) -> State:
    if claim is not None:
        if known.finished is not None and known.finished[1] >= claim.told:
            return known.finished[0].state  # it has said its last word and is about to go
        if process.stop_requested(path):
            return "stopping"
        return "running" if known.started is not None and known.started[1] >= claim.told else "starting"
    if queued:
        return "queued"
    return "interrupted" if known.finished is None else known.finished[0].state


def note_failure(folder: Path, reason: str, differences: Iterable[str] = ()) -> None:
    """Tells in a run folder why its process could not train; a run that was done stays so."""
    known = events.outline(folder / "events.jsonl")
    if known.finished is None or known.finished[0].state != "done":
        failed = events.Finished(
            step=known.step, time=time.time(), state="failed", reason=reason[:1_000], differences=list(differences)
        )
        with suppress(OSError):
            events.append(folder / "events.jsonl", failed)


def threads_of(folder: Path) -> int | None:
    """How many processor threads a run trained with, as far as there are as many here; None: it has not begun."""
    known = events.outline(folder / "events.jsonl").started
    return None if known is None else max(1, min(known[0].threads, cores()))


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def log_tail(path: Path, lines: int = 20) -> str:
    """The last lines that the run's process printed, errors included; empty where it printed to a terminal."""
    try:
        with (path / "log.txt").open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 20_000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _touched(path: Path) -> float:
    return max(status_of(path / name)[0] for name in ("events.jsonl", terms.FILE))


def status_of(path: Path) -> tuple[float, int]:
    """When a file was last written, and its size; zeros where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return 0.0, 0
    return status.st_mtime, status.st_size


@lru_cache(maxsize=2_000)
def _recipe(path: Path, status: tuple[float, int]) -> Recipe:
    return Recipe.from_file(path)


# --- the queue --------------------------------------------------------------------------------------------


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time changes the queue, or starts what waits in it.

    Raises:
        TrainingError: another one is at it and does not come to an end.
    """
    handle = process.lock_file(runs_home() / ".lock")
    try:
        yield
    finally:
        os.close(handle)


def waiting() -> list[str]:
    """The ids of the runs that wait for their start or their resume, the next one first."""
    try:
        values = json.loads((runs_home() / QUEUE).read_text(encoding="utf-8"))
        return [run for run in values["waiting"] if isinstance(run, str) and checkpoint.NAME.match(run)]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def write_queue(ids: list[str]) -> None:
    """Replaces the queue; to be called within `alone`.

    Raises:
        TrainingError: the disk is full.
    """
    write_json(runs_home() / QUEUE, {"waiting": ids})


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Replaces a file beside the runs in one piece; to be called within `alone`.

    Raises:
        TrainingError: the disk is full.
    """
    try:
        path.with_suffix(".tmp").write_text(json.dumps(values), encoding="utf-8")
        path.with_suffix(".tmp").replace(path)
    except OSError as error:
        raise TrainingError(f"can't write {path}: {error.strerror}; free some space and try again") from None


def stop(folder: Path) -> str:
    """Asks a run to save and leave, or takes it out of the queue; asking twice does no harm.

    Returns:
        What happens now, as a sentence.

    Raises:
        TrainingError: it is not running.
    """
    with alone():
        found = summarise(folder)
        if found.state == "queued":
            write_queue([run for run in waiting() if run != found.id])
            return f"{found.id} left the queue"
    if found.state == "stopping":
        return f"{found.id} is stopping already; it saves first"
    if found.state not in ACTIVE:
        raise TrainingError(f"{found.id} is not running: it is {found.state}")
    process.request_stop(folder)
    return f"{found.id} is stopping; it saves first"
