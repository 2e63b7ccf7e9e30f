"""Which checkpoints the page offers, read from their JSON files alone: the page is up before torch is."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

from gandemo import places
from gandemo.errors import RecipeError, RequestError
from gandemo.figures import finite
from gandemo.recipe import Recipe
from gandemo.ship.hub.ids import HubId, looks_like_one
from gandemo.ship.hub.origins import origin

MAX_JSON_BYTES = 4 * 2**20
_TITLES = {"mnist": "MNIST digits", "fashion-mnist": "Fashion-MNIST", "photos": "Photos"}
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")  # of a run's folder, and of a checkpoint's in it

# metrics.json's key, the name for people, what it tells, whether lower is better, whether it is a share
_FIGURES = (
    ("frechet", "Fréchet distance", "how far from real pictures as a whole; lower is better", True, False),
    ("agreement", "Read as asked", "share that a classifier reads as the class asked for", False, True),
    ("precision", "Precision", "share that looks real", False, True),
    ("recall", "Recall", "share of the real variety that it can make", False, True),
    ("coverage", "Coverage", "share of real pictures with a look-alike nearby", False, True),
)


@dataclass(frozen=True)
class Entry:
    """A checkpoint folder, before its weights are read.

    Attributes:
        name: the folder's name.
        path: the folder.
        recipe: what trained it.
        metrics: what was measured; empty where nothing was.
    """

    name: str
    path: Path
    recipe: Recipe
    metrics: dict[str, Any]

    @property
    def dataset(self) -> str:
        """The data set's name for people."""
        return title_of(self.recipe.dataset)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that can be asked for; empty without classes."""
        names = self.metrics.get("class_names")
        if isinstance(names, list) and len(names) == self.recipe.classes:
            return tuple(str(name) for name in names)
        return tuple(str(index) for index in range(self.recipe.classes))

    @property
    def has_judge(self) -> bool:
        """Whether its discriminator can be asked."""
        return isinstance(self.metrics.get("calibration"), dict) and (self.path / "discriminator.safetensors").is_file()

    def figure(self, key: str, side: str = "generated") -> float | None:
        """One measured figure of this checkpoint, or of as many real pictures (`side="real"`)."""
        evaluation = self.metrics.get("evaluation")
        figures = evaluation.get(side) if isinstance(evaluation, dict) else None
        return finite(figures.get(key)) if isinstance(figures, dict) else None


def entries(task: str) -> list[Entry]:
    """The checkpoints of a task: those that this server opens with, ours, then by Fréchet distance."""
    return sorted((entry for entry in every() if entry.recipe.task == task), key=_rank)


def every() -> list[Entry]:
    """The checkpoints of all tasks by name. A damaged one is left out."""
    found: dict[str, Entry] = {}
    for root in (_home() / "checkpoints", places.SHIPPED):
        for file in sorted(root.glob("*/recipe.json")):
            name = file.parent.name
            if name in found or name.startswith(".") or not (file.parent / "generator.safetensors").is_file():
                continue
            entry = _read(file.parent)
            if entry is not None:
                found[name] = entry
    return sorted(found.values(), key=lambda entry: entry.name)


def _rank(entry: Entry) -> tuple[int, bool, bool, float, str]:
    frechet, first = entry.figure("frechet"), preferred()
    place = first.index(entry.name) if entry.name in first else len(first)
    return place, entry.name != entry.recipe.task, entry.recipe.source != "gandemo", frechet or math.inf, entry.name


def preferred() -> list[str]:
    """The checkpoints that come first, from GANDEMO_CHECKPOINTS: names, and repositories as a pull names them."""
    listed = (part.strip() for part in os.environ.get("GANDEMO_CHECKPOINTS", "").split(","))
    return [HubId.parse(part).folder if looks_like_one(part) else part for part in listed if part]


def find(name: object, task: str) -> Entry:
    """The entry of that name; only names in the catalogue, and checkpoints of runs as RUN/CHECKPOINT, are ever opened.

    Raises:
        RequestError: there is none.
    """
    entry = of_run(name)
    if entry is not None and entry.recipe.task == task:
        return entry
    known = entries(task)
    for entry in known:
        if entry.name == name:
            return entry
    if not known:
        raise RequestError(f"there is no checkpoint for {task} yet; train one: python -m gandemo train {task}")
    names = ", ".join(entry.name for entry in known)
    raise RequestError(f"there is no checkpoint {str(name)[:60]!r}; choose one of {names}")


def find_any(name: object) -> Entry:
    """The entry of that name, whatever its task; names as for `find`.

    Raises:
        RequestError: there is none.
    """
    entry = of_run(name)
    if entry is not None:
        return entry
    known = {entry.name: entry for entry in every()}
    if str(name) not in known:
        raise RequestError(f"there is no checkpoint {str(name)[:60]!r}; choose one of {', '.join(known) or 'none'}")
    return known[str(name)]


def of_run(name: object) -> Entry | None:
    """A run's checkpoint by RUN/CHECKPOINT, such as digits-1/best; None: there is none of that name."""
    run, slash, step = str(name).partition("/")
    if not slash or not _NAME.match(run) or not _NAME.match(step):
        return None
    folder = _home() / "runs" / run / "checkpoints" / step
    entry = _read(folder) if (folder / "generator.safetensors").is_file() else None
    return None if entry is None else replace(entry, name=f"{run}/{step}")


def best_of_runs(most: int = 20) -> list[str]:
    """The best checkpoints of the newest runs, as RUN/best."""
    found = [
        path for path in (_home() / "runs").glob("*/checkpoints/best") if of_run(f"{path.parent.parent.name}/best")
    ]
    found.sort(key=lambda path: (path / "generator.safetensors").stat().st_mtime, reverse=True)
    return [f"{path.parent.parent.name}/best" for path in found[:most]]


def title_of(dataset: str) -> str:
    """A data set's name for people."""
    return _TITLES.get(dataset, dataset)


def _home() -> Path:
    return places.home().absolute()


def _read(folder: Path) -> Entry | None:
    stamps = []
    for name in ("recipe.json", "metrics.json"):
        try:
            stamps.append((folder / name).stat().st_mtime_ns)
        except OSError:
            stamps.append(0)
    return _read_cached(folder, tuple(stamps))


@lru_cache(maxsize=256)
def _read_cached(folder: Path, _: tuple[int, ...]) -> Entry | None:
    try:
        recipe = Recipe.from_file(folder / "recipe.json")
        file = folder / "metrics.json"
        small = file.is_file() and file.stat().st_size <= MAX_JSON_BYTES
        metrics = json.loads(file.read_text(encoding="utf-8")) if small else {}
    except (RecipeError, OSError, ValueError, RecursionError):
        return None
    return Entry(folder.name, folder, recipe, metrics if isinstance(metrics, dict) else {})


def cards(task: str) -> list[dict[str, Any]]:
    """What the page shows of each checkpoint: name, text, facts and a strip of its samples."""
    shown = []
    for entry in entries(task):
        frechet = entry.figure("frechet")
        measured = [] if frechet is None else [f"Fréchet {_short(frechet)}"]
        shown.append(card(entry, [entry.dataset, *measured], strip(entry.path)))
    return shown


def card(entry: Entry, facts: list[str], strip: str | None) -> dict[str, Any]:
    """A checkpoint with some facts, and where it was pulled from, if it was."""
    source = origin(entry.path).get("repo")
    pulled = [] if source is None else [f"from {source}"]
    return {"name": entry.name, "text": entry.recipe.description, "facts": [*facts, *pulled], "strip": strip}


def strip(folder: Path) -> str | None:
    """The first row of a checkpoint's contact sheet, as a data URL."""
    preview = folder / "preview.png"
    try:
        return _strip_cached(preview, preview.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=256)
def _strip_cached(preview: Path, _: int) -> str | None:
    """Only of 28×28 pictures with gaps of 2."""
    try:
        with Image.open(preview, formats=["PNG"]) as sheet:
            if sheet.width % 30 != 28 or sheet.width > 1198 or sheet.height < 28:
                return None
            row = sheet.convert("L").crop((0, 0, min(sheet.width, 298), 28))
    except (OSError, ValueError, SyntaxError):
        return None
    return data_url(row)


def preview(folder: Path) -> str | None:
    """A checkpoint's contact sheet as it stands in its folder, if it has the form of the page's first wall."""
    try:
        raw = (folder / "preview.png").read_bytes()
        with Image.open(io.BytesIO(raw), formats=["PNG"]) as sheet:
            fits = sheet.width == 298 and sheet.height <= 298
    except (OSError, ValueError, SyntaxError):
        return None
    return inline(raw) if fits else None


def data_url(image: Image.Image) -> str:
    """A picture as a PNG that a page can show without asking for it again."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return inline(buffer.getvalue())


def inline(content: bytes, kind: str = "png") -> str:
    """A picture's file as a data URL; `kind`: png, jpeg or gif."""
    return f"data:image/{kind};base64," + base64.b64encode(content).decode("ascii")


def figures(chosen: Iterable[Entry]) -> dict[str, Any]:
    """A table of what was measured of one or more checkpoints, next to real pictures."""
    shown = list(chosen)
    rows = []
    for key, name, explanation, lower, is_share in _FIGURES:
        values = [entry.figure(key) for entry in shown]
        if not any(value is not None for value in values):
            continue
        known = [value for value in values if value is not None]
        best = min(known) if lower else max(known)
        truth = next((value for entry in shown if (value := entry.figure(key, "real")) is not None), None)
        texts = ["–" if value is None else _percent(value) if is_share else _short(value) for value in values]
        real = "–" if truth is None else _percent(truth) if is_share else _short(truth)
        better = len(shown) > 1 and len(set(known)) == len(shown)
        rows.append(
            {
                "name": name,
                "help": explanation,
                "values": [*texts, real],
                "best": values.index(best) if better else -1,
            }
        )
    notes = [f"{entry.name} was not measured yet." for entry in shown if entry.figure("frechet") is None]
    evaluations = [entry.metrics["evaluation"] for entry in shown if entry.figure("frechet") is not None]
    if len({str(one.get("reference")) for one in evaluations}) > 1:
        notes.append("Measured on different data sets, so the figures can't be compared with each other.")
    elif evaluations and isinstance(evaluations[0].get("samples"), int):
        reference = evaluations[0].get("reference", "real ones")
        notes.append(f"From {evaluations[0]['samples']:,} pictures against {reference}.")
    return {"columns": [*(entry.name for entry in shown), "real"], "rows": rows, "notes": notes}


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share > 0.9 else f"{100 * share:.0f} %"
