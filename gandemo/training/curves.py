"""What a run has told, as columns to draw: thinned, by step and by seconds of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gandemo.training.events import Evaluated, Event, Progress, Sampled

Column = npt.NDArray[np.float64]
PLACES = 300  # drawn of a curve at most: as many as a small chart has room for


@dataclass(frozen=True)
class Curves:
    """The columns of a run.

    Attributes:
        steps: [N], rising.
        seconds: of training at each step, [N].
        series: by name ("loss.generator", "signal.real_logit"), [N], NaN where nothing was told.
        evaluated: steps of the evaluations [M], rising.
        metrics: by name, [M].
        best: whether each evaluation was the best until then, [M].
        sampled: steps at which a sheet of samples was written, rising.
    """

    steps: Column
    seconds: Column
    series: dict[str, Column]
    evaluated: Column
    metrics: dict[str, Column]
    best: npt.NDArray[np.bool_]
    sampled: list[int]

    def seconds_at(self, steps: Sequence[float] | Column) -> Column:
        """Seconds of training at any steps, in a straight line between those that were told."""
        known = np.concatenate([[0.0], self.steps]), np.concatenate([[0.0], self.seconds])
        at: Column = np.interp(np.asarray(steps, np.float64), *known)
        return at


def read(told: Sequence[Event]) -> Curves:
    """The columns of a run's events, in their order."""
    progress = [event for event in told if isinstance(event, Progress)]
    evaluated = [event for event in told if isinstance(event, Evaluated)]
    rows = [
        {f"loss.{name}": value for name, value in event.losses.items()}
        | {f"signal.{name}": value for name, value in event.signals.items()}
        for event in progress
    ]
    return Curves(
        steps=_column(event.step for event in progress),
        seconds=_column(event.seconds for event in progress),
        series=_columns(rows),
        evaluated=_column(event.step for event in evaluated),
        metrics=_columns([event.metrics for event in evaluated]),
        best=np.array([event.is_best for event in evaluated], bool),
        sampled=sorted({event.step for event in told if isinstance(event, Sampled)}),
    )


def _column(values: Any) -> Column:
    return np.fromiter(values, np.float64)


def _columns(rows: Sequence[dict[str, float]]) -> dict[str, Column]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _column(row.get(name, np.nan) for row in rows) for name in names}


def drawn(curves: Curves, *, first: float | None = None, last: float | None = None) -> dict[str, Any]:
    """The curves between two steps as plain values, at most PLACES of each.

    Where many points share a place, it has their mean, and their least and greatest value beside it.

    Returns:
        {"steps", "seconds", "series": {name: {"mean", "low", "high"}}}; low and high only where points were joined;
        None where nothing was told.
    """
    low = 0 if first is None else max(0, int(np.searchsorted(curves.steps, first)) - 1)
    high = len(curves.steps) if last is None else int(np.searchsorted(curves.steps, last, side="right")) + 1
    part = slice(low, high)
    count = len(curves.steps[part])
    starts = np.unique(np.linspace(0, count, min(count, PLACES), endpoint=False).astype(int))
    joined = 0 < len(starts) < count
    ends = np.append(starts[1:], count) - 1 if count else starts  # a place stands where its last point does
    return {
        "steps": [int(step) for step in curves.steps[part][ends]],
        "seconds": _plain(curves.seconds[part][ends]),
        "series": {name: _joined(values[part], starts, joined) for name, values in curves.series.items()},
    }


def _joined(values: Column, starts: npt.NDArray[np.int_], joined: bool) -> dict[str, list[float | None]]:
    if not joined:
        return {"mean": _plain(values)}
    known = np.isfinite(values)
    counts = np.add.reduceat(known.astype(float), starts)
    sums = np.add.reduceat(np.where(known, values, 0.0), starts)
    lowest = np.minimum.reduceat(np.where(known, values, np.inf), starts)
    highest = np.maximum.reduceat(np.where(known, values, -np.inf), starts)
    means = np.divide(sums, counts, out=np.full(len(starts), np.nan), where=counts > 0)
    return {"mean": _plain(means), "low": _plain(lowest), "high": _plain(highest)}


def _plain(values: Column) -> list[float | None]:
    """For JSON, to four digits: a chart shows no more."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values]


def scores(curves: Curves, score: str) -> dict[str, Any]:
    """The evaluations as plain values, at most PLACES and the best one among them.

    Args:
        curves: of the run.
        score: the metric that picks the best.

    Returns:
        {"steps", "seconds", "score", "best": the place of the best one or None}.
    """
    values = curves.metrics.get(score, np.empty(0))
    bests = np.flatnonzero(curves.best)
    best = int(bests[-1]) if len(bests) else None
    chosen = spaced(range(len(values)), PLACES)
    if best is not None and best not in chosen:
        chosen = sorted([*chosen, best])
    return {
        "steps": [int(step) for step in curves.evaluated[chosen]],
        "seconds": _plain(curves.seconds_at(curves.evaluated[chosen])),
        "score": _plain(values[chosen]),
        "best": None if best is None else chosen.index(best),
    }


def spaced(items: Sequence[int], most: int) -> list[int]:
    """At most so many of them, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[place] for place in np.unique(np.linspace(0, len(items) - 1, most).round().astype(int))]
