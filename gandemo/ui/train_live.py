"""What the tab Train shows of runs, read from their folders at every look, so that all pages show the same truth.

Every part of an answer carries a stamp of its content; what a page has already is not sent again.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from gandemo import checkpoint
from gandemo.data.datasets import DATASETS
from gandemo.errors import CheckpointError, RecipeError, RequestError, sentence_of
from gandemo.figures import finite
from gandemo.recipes import RECIPES
from gandemo.ship.publish import changes
from gandemo.tasks import TASKS
from gandemo.training import curves, doctor, events, forks, runs, signs, state, storage, terms
from gandemo.ui import access, catalog, publications, train_answers, train_form

REPORTS = 4_000  # progress events of a run in memory
WATCHED = 8
ROWS = 500
SHEETS = 120  # places of the time slider
AT_ONCE = 16  # sheets in one answer
FRESH = 0.3  # seconds for which a list of all runs is good
SHEET_BYTES = 8 * 2**20
FILM_SIDE = 640
FILM_SECONDS = 8.0
SCORES = {
    "frechet": ("Fréchet distance", "how far from real pictures as a whole"),
    "balance": ("Balance", "decibels gained, less what is missing of colour or detail"),
    "accuracy": ("Accuracy", "share of the held-out pictures that it reads rightly"),
}


class _Watch:
    """One run's events, and what is drawn from them."""

    def __init__(self, folder: Path) -> None:
        self.reader = events.Reader(folder / "events.jsonl", most=REPORTS)
        self.lock = threading.Lock()
        self.told: list[events.Event] = []
        self.curves = curves.read([])
        self.diagnoses: list[doctor.Diagnosis] | None = None
        self.seconds_before = 0.0  # it was started or resumed for the last time
        self.version = secrets.token_hex(6)

    def look(self) -> None:
        """Reads what is new."""
        told = self.reader.poll()
        if len(told) != len(self.told) or (told and told[-1] is not self.told[-1]):
            self.told, self.curves, self.diagnoses = told, curves.read(told), None
            starts = [place for place, event in enumerate(told) if isinstance(event, events.Started)]
            earlier = told[: starts[-1] if starts else 0]
            self.seconds_before = max(
                (event.seconds for event in earlier if isinstance(event, events.Progress | events.Finished)),
                default=0.0,
            )
            self.version = secrets.token_hex(6)


_watches: OrderedDict[Path, _Watch] = OrderedDict()
_lock = threading.Lock()
_list_lock = threading.Lock()
_list: tuple[float, Path, list[runs.RunSummary]] = (0.0, Path(), [])


def _watch(folder: Path) -> _Watch:
    with _lock:
        found = _watches.setdefault(folder, _Watch(folder))
        _watches.move_to_end(folder)
        while len(_watches) > WATCHED:
            _watches.popitem(last=False)
        return found


def _all_runs() -> list[runs.RunSummary]:
    """Every run, the newest first; many pages that look at once share one look at the disk."""
    global _list
    with _list_lock:
        when, home, found = _list
        if time.monotonic() - when > FRESH or home != runs.runs_home():
            found = list(runs.list_runs())
            _list = time.monotonic(), runs.runs_home(), found
        return found


def look(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What has changed since a page looked last.

    Args:
        asked: {"run": the chosen one or None, "first", "last": steps between which its curves are wanted,
            "rows": of the list, "owner": the browser's secret, "known": {part: its stamp}}.

    Returns:
        {"now", "stamps", and of "list", "head", "curves", "doctor" those that have changed}.
    """
    found = _all_runs()
    secret, known = asked.get("owner"), asked.get("known")
    known = known if isinstance(known, dict) else {}
    leads = _leads()
    parts: dict[str, Any] = {"list": _list_of(found, secret, _count(asked.get("rows")), leads)}
    stamps: dict[str, str] = {}
    chosen = _choose(found, asked.get("run"))
    if chosen is not None:
        first, last = finite(asked.get("first")), finite(asked.get("last"))
        watch = _watch(chosen.path)
        with watch.lock:
            watch.look()
            parts["head"] = _head(chosen, watch, secret, leads)
            stamps = {"curves": f"{watch.version} {first} {last}", "doctor": f"{watch.version} {chosen.state}"}
            if known.get("curves") != stamps["curves"]:
                drawn = curves.drawn(watch.curves, first=first, last=last)
                score = TASKS[chosen.recipe.task].score
                parts["curves"] = {"run": chosen.id, **drawn, "scores": curves.scores(watch.curves, score)}
            if known.get("doctor") != stamps["doctor"]:
                parts["doctor"] = _doctor(chosen, watch)
    stamps |= {name: _stamp(parts[name]) for name in ("list", "head") if name in parts}
    changed = {name: part for name, part in parts.items() if known.get(name) != stamps[name]}
    return {"now": time.time(), "stamps": stamps, **changed}


def _stamp(part: Any) -> str:
    return hashlib.sha256(json.dumps(part).encode()).hexdigest()[:16]


def _count(value: object) -> int:
    return min(ROWS, max(1, value)) if isinstance(value, int) and not isinstance(value, bool) else 12


def _choose(found: Sequence[runs.RunSummary], name: object) -> runs.RunSummary | None:
    """The run of that name; of none, the one that trains, else the newest."""
    by_name = next((run for run in found if run.id == name), None)
    if by_name is not None:
        return by_name
    return next((run for run in found if run.state in runs.ACTIVE), found[0] if found else None)


# --- the list ---------------------------------------------------------------------------------------------


def _list_of(found: Sequence[runs.RunSummary], secret: object, rows: int, leads: Mapping[str, str]) -> dict[str, Any]:
    queue = runs.waiting()
    limit = storage.disk_limit(access.disk_limit())
    return {
        "runs": [_row(run, secret, leads) for run in found[:rows]],
        "count": len(found),
        "active": [run.id for run in found if run.state in runs.ACTIVE],
        "queue": [run for run in queue if any(run == each.id for each in found)],
        "publications": [asdict(each) for each in publications.known()],
        "limit": limit,
        "may_bound": not access.is_public(),
    }


def _row(run: runs.RunSummary, secret: object, leads: Mapping[str, str]) -> dict[str, Any]:
    task = TASKS[run.recipe.task]
    return {
        "id": run.id,
        "recipe": run.recipe.name,
        "task": run.recipe.task,
        "state": run.state,
        "step": run.step,
        "steps": run.recipe.steps,
        "seconds": round(run.seconds),
        "score": _short(run.score),
        "score_name": SCORES.get(task.score, (task.score, ""))[0],
        "lower": task.lower_is_better,
        "best_step": run.best_step,
        "refused": bool(run.differences),
        "time": run.time or run.path.stat().st_mtime if run.path.exists() else 0.0,
        "verbs": train_answers.verbs(run, mine=_is_mine(run, secret), has_checkpoint=run.best_step is not None),
        "leads_to": leads.get(run.recipe.name, ""),
        "has_judge": run.recipe.task == "digits" and run.recipe.discriminator is not None,
    }


def _leads() -> dict[str, str]:
    """By name of a design, the one that waits for it to be published under that name, to go on from it."""
    found: dict[str, str] = {}
    for other in RECIPES.values():
        if other.init and other.init not in found and not forks.has_start(other):
            found[other.init] = other.name
    return found


def _is_mine(run: runs.RunSummary, secret: object) -> bool:
    if not access.is_public():
        return True
    try:
        return access.may_change(terms.read(run.path).owner, secret)
    except CheckpointError:
        return False


def _short(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")


# --- one run ----------------------------------------------------------------------------------------------


def _head(run: runs.RunSummary, watch: _Watch, secret: object, leads: Mapping[str, str]) -> dict[str, Any]:
    """All that the page says of the chosen run in words and numbers."""
    last = next((event for event in reversed(watch.told) if isinstance(event, events.Progress)), None)
    began = next((event for event in reversed(watch.told) if isinstance(event, events.Started)), None)
    task = TASKS[run.recipe.task]
    saved = checkpoints(run.path)
    sampled = curves.spaced(watch.curves.sampled, SHEETS)
    mine = _is_mine(run, secret)
    to_the_end = None if last is None else last.seconds_left
    bound, left = _in_one_go(run, watch)
    return {
        **_row(run, secret, leads),
        "verbs": train_answers.verbs(run, mine=mine, has_checkpoint=bool(saved)),
        "mine": mine,
        "reason": sentence_of(run.reason),
        "log": runs.log_tail(run.path) if run.state in ("failed", "interrupted") else "",
        "remarks": began.remarks if began is not None else [],
        "device": began.device if began is not None else "",
        "pictures": began.pictures if began is not None else 0,
        "dataset_title": _learns_from(run.recipe.dataset),
        "plays": run.recipe.discriminator is not None and run.recipe.loss.adversarial > 0,
        "loss": run.recipe.loss.gan,
        "description": run.recipe.description,
        "changes": _changes(run),
        "from": _origin(run.path),
        "images_per_second": None if last is None else last.images_per_second,
        "seconds_left": to_the_end if to_the_end is None or left is None else min(to_the_end, left),
        "stops_early": to_the_end is not None and left is not None and left < to_the_end,
        "given": bound if run.state == "stopped" and left == 0 else None,
        "told": None if last is None else last.time,
        "score_help": SCORES.get(task.score, ("", ""))[1],
        "checkpoints": saved,
        "samples": sampled,
        "sample_seconds": [round(float(value), 3) for value in watch.curves.seconds_at(sampled)],
        "ahead": runs.waiting().index(run.id) if run.id in runs.waiting() else 0,
    }


def _changes(run: runs.RunSummary) -> list[str]:
    """What differs from the named recipe, as `key = value`; how often it tells, and where pictures lie, is left out."""
    base = RECIPES.get(run.recipe.name)
    quiet = (
        "log_every",
        "sample_every",
        "evaluate_every",
        "checkpoint_every",
        "dataset",
        "classes",
        "description",
        "init",
    )
    found = [] if base is None else changes(base, run.recipe)
    return [f"{key} = {value}" for key, value in found if key not in quiet][:40]


def _learns_from(dataset: str) -> str:
    """A data set's name in few words."""
    return catalog.title_of(dataset) if dataset in DATASETS else train_form.title_of(dataset)


def _terms(folder: Path) -> terms.Terms:
    """What a run was agreed on; nothing where that can't be read."""
    try:
        return terms.read(folder)
    except CheckpointError:
        return terms.Terms()


def _in_one_go(run: runs.RunSummary, watch: _Watch) -> tuple[float | None, float | None]:
    """How many seconds a run trains in one go, and how many of them are left since it was started or resumed."""
    bound = _terms(run.path).max_seconds
    if bound is None:
        return None, None
    return bound, max(0.0, bound - (run.seconds - watch.seconds_before))


def _origin(folder: Path) -> str:
    """The name of the checkpoint that a run started from."""
    init = _terms(folder).init
    if init is None:
        return ""
    path = Path(init)
    is_of_run = path.parent.name == "checkpoints" and path.parents[2] == runs.runs_home().resolve()
    return f"{path.parent.parent.name}/{path.name}" if is_of_run else path.name


def checkpoints(folder: Path) -> list[str]:
    """The names of a run's checkpoints: the best first, then the newest."""
    best = ["best"] if (folder / "checkpoints" / "best" / "generator.safetensors").is_file() else []
    return [*best, *(path.name for path in state.state_folders(folder / "checkpoints"))]


def _doctor(run: runs.RunSummary, watch: _Watch) -> dict[str, Any]:
    """What the doctor finds; `waits_for` is the step before which it says nothing, 0 once that is past."""
    if watch.diagnoses is None:
        watch.diagnoses = doctor.diagnose(watch.told, run.recipe)
    found = [asdict(each) for each in watch.diagnoses]
    for each in found:  # the two players are called as everywhere on the page
        for key in ("title", "evidence", "why", "remedy"):
            each[key] = each[key].replace("discriminator", "inspector").replace("generator", "forger")
    return {"run": run.id, "found": found, "waits_for": signs.YOUNG if run.step < signs.YOUNG else 0}


# --- samples ----------------------------------------------------------------------------------------------


def pictures(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Sheets of samples of a run.

    Args:
        asked: {"run", "steps": of the sheets, at most AT_ONCE are answered}.

    Returns:
        {"pictures": {step: data URL}}; a sheet that is gone is left out.

    Raises:
        RequestError: there is no such run.
    """
    folder = _folder(asked.get("run"))
    steps = asked.get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, int) and 0 <= step < 10**9 for step in steps):
        raise RequestError("the steps must be whole numbers")
    found = {}
    for step in steps[:AT_ONCE]:
        raw = _sheet(folder, step)
        if raw is not None:
            found[str(step)] = catalog.inline(raw)
    return {"pictures": found}


def _folder(name: object) -> Path:
    folder = runs.runs_home() / str(name)
    if not checkpoint.NAME.match(str(name)) or not (folder / "recipe.json").is_file():
        raise RequestError(f"there is no run {str(name)[:60]!r} any more; choose another")
    return folder


def _sheet(folder: Path, step: int) -> bytes | None:
    path = folder / "samples" / f"step-{step:07d}.png"
    try:
        raw = path.read_bytes() if path.stat().st_size <= SHEET_BYTES else b""
    except OSError:
        return None
    return raw if raw.startswith(b"\x89PNG\r\n\x1a\n") else None


_filming = threading.Lock()


def film(asked: Mapping[str, Any]) -> dict[str, Any]:
    """All sheets of a run one after the other, with their steps, as an animated GIF.

    Raises:
        RequestError: there is no such run, or it has no two sheets yet.
    """
    folder = _folder(asked.get("run"))
    watch = _watch(folder)
    with watch.lock:
        watch.look()
        steps = curves.spaced(watch.curves.sampled, SHEETS)
    with _filming:  # one at a time: it takes a whole core
        frames = [frame for step in steps if (frame := _frame(folder, step)) is not None]
        if len(frames) < 2:
            raise RequestError("there is only one sheet of samples yet; a film needs two")
        frames = [frame for frame in frames if frame.size == frames[-1].size]
        stay = [round(1000 * FILM_SECONDS / len(frames))] * len(frames)
        stay[-1] = 2_000  # the end may be looked at
        buffer = io.BytesIO()
        frames[0].save(
            buffer, "GIF", save_all=True, append_images=frames[1:], duration=stay, loop=0, optimize=False, disposal=1
        )
    film = catalog.inline(buffer.getvalue(), "gif")
    return {"film": film, "name": f"gandemo-{folder.name}.gif", "frames": len(frames)}


def _frame(folder: Path, step: int) -> Image.Image | None:
    """One sheet, enlarged if it is small, with its step below."""
    raw = _sheet(folder, step)
    if raw is None:
        return None
    try:
        with Image.open(io.BytesIO(raw), formats=["PNG"]) as opened:
            sheet = opened.convert("L" if opened.mode in ("1", "L") else "RGB")
    except (OSError, ValueError, SyntaxError):
        return None
    scale = max(1, FILM_SIDE // max(sheet.size))
    if scale > 1:
        sheet = sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.NEAREST)
    elif max(sheet.size) > 2 * FILM_SIDE:
        sheet.thumbnail((2 * FILM_SIDE, 2 * FILM_SIDE))
    frame = Image.new(sheet.mode, (sheet.width, sheet.height + 30), 0)
    frame.paste(sheet, (0, 0))
    font = ImageFont.load_default(16)
    ImageDraw.Draw(frame).text(
        (8, sheet.height + 6), f"step {step:,}", fill=220 if sheet.mode == "L" else (220,) * 3, font=font
    )
    return frame if frame.mode == "L" else frame.quantize(256, dither=Image.Dither.FLOYDSTEINBERG)


# --- race -------------------------------------------------------------------------------------------------


def race(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Two runs side by side, their scores and sheets by seconds of training.

    Args:
        asked: {"runs": [id, id], "known": a stamp}.

    Raises:
        RequestError: one of them is gone, or they are of two tasks.
    """
    names = asked.get("runs")
    if not isinstance(names, list) or len(names) != 2:
        raise RequestError("a race is between two runs; choose two in the table")
    try:
        found = [runs.summarise(_folder(name)) for name in names]
    except RecipeError as error:
        raise RequestError(str(error)) from None
    if found[0].recipe.task != found[1].recipe.task:
        raise RequestError("the two runs are of different tasks; choose two of the same")
    score = TASKS[found[0].recipe.task].score
    sides = []
    for run in found:
        watch = _watch(run.path)
        with watch.lock:
            watch.look()
            sheets = curves.spaced(watch.curves.sampled, SHEETS)
            sides.append(
                {
                    **_row(run, None, {}),
                    "changes": _changes(run),
                    "scores": curves.scores(watch.curves, score),
                    "samples": sheets,
                    "sample_seconds": [round(float(value), 3) for value in watch.curves.seconds_at(sheets)],
                }
            )
    stamp = _stamp(sides)
    return {"stamp": stamp, **({} if asked.get("known") == stamp else {"sides": sides})}
