"""Photo checkpoints as cards: what each makes of photos that it never saw, and how near that comes to the truth."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gandemo.figures import finite
from gandemo.ui import catalog

SIDE = 58  # pixels of a small picture: twice what the page shows, for fine screens
MOST = 4
MOST_PIXELS = 8_000_000  # of a contact sheet


def cards(task: str) -> list[dict[str, Any]]:
    """The checkpoints of a task: as `catalog.cards`, with what was measured on photos."""
    shown = []
    for entry in catalog.entries(task):
        gain = _gain(entry.metrics)
        facts = [entry.dataset] if gain is None else [f"{gain:+.1f} dB PSNR"]
        shown.append({**catalog.card(entry, facts, strip_of(entry)), "photos": True})
    return shown


def strip_of(entry: catalog.Entry) -> str | None:
    """The first photos of a checkpoint's contact sheet, as `strip`."""
    return strip(entry.path, *_measured(entry.metrics))


def strip(folder: Path, sides: tuple[str, ...], side: str) -> str | None:
    """The first photos of a checkpoint's contact sheet, as a data URL: each in part as it came, in part as it left.

    Args:
        folder: the checkpoint.
        sides: what the columns of its sheet are.
        side: the column of its own answer.
    """
    preview = folder / "preview.png"
    try:
        return _strip_cached(preview, preview.stat().st_mtime_ns, sides, side)
    except OSError:
        return None


@lru_cache(maxsize=64)
def _strip_cached(preview: Path, _: int, sides: tuple[str, ...], side: str) -> str | None:
    try:
        with Image.open(preview, formats=["PNG"]) as sheet:
            if sheet.width * sheet.height > MOST_PIXELS:
                return None
            pixels = np.asarray(sheet.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    inked = (pixels < 250).any(axis=2)  # words above the columns and the rows leave most of the paper white
    columns = _runs(inked.mean(axis=0) > 0.2)
    own = len(columns) - len(sides) + (sides.index(side) if side in sides else 0)  # others stand before it
    if len(columns) < 2 or not 0 < own < len(columns) or len({end - start for start, end in columns}) != 1:
        return None
    wide = columns[0][1] - columns[0][0]
    rows = [run for run in _runs(inked.mean(axis=1) > 0.4) if run[1] - run[0] == wide][:MOST]
    if not rows:
        return None
    made = Image.new("RGB", (len(rows) * (SIDE + 2) - 2, SIDE))
    for place, (top, bottom) in enumerate(rows):
        parts = [pixels[top:bottom, slice(*columns[index])] for index in (0, own)]
        half = np.concatenate([parts[0][:, : wide // 2], parts[1][:, wide // 2 :]], axis=1)
        made.paste(Image.fromarray(half).resize((SIDE, SIDE), Image.Resampling.LANCZOS), (place * (SIDE + 2), 0))
    buffer = io.BytesIO()
    made.save(buffer, format="JPEG", quality=82)
    return catalog.inline(buffer.getvalue(), "jpeg")


def _runs(filled: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """Where a line is filled without a gap: starts and ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], filled, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _kinds(metrics: Mapping[str, Any]) -> list[Mapping[str, Mapping[str, Any]]]:
    """By kind of harm, the figures of each side; nothing where they have another form, as somebody else's may."""
    evaluation = metrics.get("evaluation")
    kinds = evaluation.get("kinds") if isinstance(evaluation, dict) else None
    found = [kind.get("sides") for kind in kinds.values() if isinstance(kind, dict)] if isinstance(kinds, dict) else []
    return [
        sides for sides in found if isinstance(sides, dict) and all(isinstance(one, dict) for one in sides.values())
    ]


def _measured(metrics: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """The sides that were measured, and which of them is the checkpoint's own answer."""
    kinds = _kinds(metrics)
    return (tuple(kinds[0]), str(metrics["evaluation"].get("default", ""))) if kinds else ((), "")


def _gain(metrics: Mapping[str, Any]) -> float | None:
    """How many decibels its answers are nearer to the truth than what it was given: the mean over kinds of harm."""
    _, side = _measured(metrics)
    gains = []
    for sides in _kinds(metrics):
        figure = str(metrics["evaluation"].get("figure"))
        ours, given = (finite(sides.get(name, {}).get(figure)) for name in (side, "input"))
        if ours is None or given is None:
            return None
        gains.append(ours - given)
    return sum(gains) / len(gains) if gains else None
