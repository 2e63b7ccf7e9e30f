"""What a training run tells, as typed events; `events.jsonl` holds one to a line, append only."""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    step: int
    time: float = Field(description="seconds since the epoch")


class Started(_Event):
    """The loop is about to take its first step, or its first step after a resume."""

    kind: Literal["started"] = "started"
    steps: int
    device: str
    threads: int
    precision: str
    parameters: dict[str, int]
    pictures: int = Field(0, description="to train on; 0: not told")
    processes: int = Field(1, description="that train together")
    resumed: bool = False
    remarks: list[str] = Field(default_factory=list, description="why it will not go on to the very same bits")


class Progress(_Event):
    """Means over the steps since the last one of its kind."""

    kind: Literal["progress"] = "progress"
    losses: dict[str, float]
    signals: dict[str, float] = Field(
        description="D on real and fake, its accuracies, gradient norms (of every fourth step)"
    )
    samples: dict[str, float] = Field(default_factory=dict, description="generated pictures beside real ones")
    images_per_second: float
    seconds: float = Field(description="of training so far, over all resumes")
    seconds_left: float


class Sampled(_Event):
    """A picture of samples from the same noise or the same photos was written."""

    kind: Literal["sampled"] = "sampled"
    path: str = Field(description="relative to the run folder")


class Evaluated(_Event):
    """Metrics on held-out data."""

    kind: Literal["evaluated"] = "evaluated"
    metrics: dict[str, float]
    score: str = Field(description="the metric that picks the best")
    is_best: bool
    seconds: float = Field(description="that the evaluation took")


class Examined(_Event):
    """What the doctor wants to know of pictures that were trained on, beside pictures that were not."""

    kind: Literal["examined"] = "examined"
    figures: dict[str, float] = Field(description="as `examination.Examination.look` names them")


class Saved(_Event):
    """A checkpoint folder was written."""

    kind: Literal["saved"] = "saved"
    path: str = Field(description="relative to the run folder")


class Finished(_Event):
    """The run has ended."""

    kind: Literal["finished"] = "finished"
    state: Literal["done", "stopped", "failed"]
    reason: str = ""
    differences: list[str] = Field(default_factory=list, description="why a resume was refused; a fork can go on")
    seconds: float = 0.0


Event = Started | Progress | Sampled | Evaluated | Examined | Saved | Finished
_adapter: TypeAdapter[Any] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def append(path: Path, event: Event) -> None:
    """Adds one line; a torn last line of a killed run is ended first, so that it spoils no other."""
    line = event.model_dump_json() + "\n"
    with path.open("ab+") as file:
        end = file.seek(0, 2)
        if end:
            file.seek(end - 1)
            if file.read(1) != b"\n":
                line = "\n" + line
        file.write(line.encode())


def read(path: Path) -> Iterator[Event]:
    """All whole events; torn and unknown lines are passed over, and steps that a resume took back are left out."""
    yield from Reader(path).poll(torn=True)


class Reader:
    """The events of a run that may still be training; each look reads only what is new."""

    def __init__(self, path: Path, most: int | None = None) -> None:
        """Takes the file; nothing is read yet.

        Args:
            path: of the events.
            most: progress events to keep, evenly spaced, and at times up to twice as many; None: all.
        """
        self.path, self.most = path, most
        self._place = 0
        self._file: tuple[int, int] | None = None
        self._forget()

    def _forget(self) -> None:
        self._events: list[Event] = []
        self._kept = self._since = 0  # progress events that are kept, and that came since one was kept for good
        self._stride = 1

    def poll(self, *, torn: bool = False) -> list[Event]:
        """All events so far.

        Args:
            torn: also take a last line without its end; else it is looked at again next time.
        """
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                same = self._file == (status.st_dev, status.st_ino) and status.st_size >= self._place
                if not same:
                    self._forget()
                    self._place, self._file = 0, (status.st_dev, status.st_ino)
                file.seek(self._place)
                for line in file:
                    if not line.endswith(b"\n") and not torn:
                        break
                    self._place += len(line)
                    self._take(line)
        except OSError:
            self._forget()
            self._place, self._file = 0, None
        return list(self._events)

    def _take(self, line: bytes) -> None:
        event = _parse(line)
        if isinstance(event, Started) and event.resumed:
            self._events = [earlier for earlier in self._events if earlier.step <= event.step]
            self._kept = sum(isinstance(earlier, Progress) for earlier in self._events)
            self._since = 0
        if isinstance(event, Progress):
            self._make_room()
        if event is not None:
            self._events.append(event)

    def _make_room(self) -> None:
        """For one more progress event: the last one goes unless it is its turn to stay; of too many, every other."""
        if self.most is None:
            return
        if 0 < self._since < self._stride:
            places = reversed(range(len(self._events)))
            del self._events[next(place for place in places if isinstance(self._events[place], Progress))]
        else:
            self._kept, self._since = self._kept + 1, 0
        self._since += 1
        if self._kept >= 2 * self.most:
            reports = [event for event in self._events if isinstance(event, Progress)]
            gone = {id(event) for event in reports[1::2]}
            self._events = [event for event in self._events if id(event) not in gone]
            self._kept, self._stride = len(reports) - len(gone) + 1, 2 * self._stride


@dataclass(frozen=True)
class Outline:
    """What a list of many runs shows of each.

    Attributes:
        step: of the last event.
        time: of the last event; 0: nothing was told yet.
        seconds: of training, over all resumes.
        score: of the best checkpoint, or None.
        best_step: its step, or None.
        started: the last Started and its place in the file in bytes, or None.
        finished: the last Finished and its place, or None where a Started came after it.
    """

    step: int = 0
    time: float = 0.0
    seconds: float = 0.0
    score: float | None = None
    best_step: int | None = None
    started: tuple[Started, int] | None = None
    finished: tuple[Finished, int] | None = None


def outline(path: Path) -> Outline:
    """The outline of an events file, remembered until the file changes: parses the few lines that it needs."""
    try:
        status = path.stat()
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        known = _outlines.get(path)
        if known is None or known[0] != key:
            if len(_outlines) > 2_000:
                _outlines.clear()
            known = _outlines[path] = (key, _outline(path))
        return known[1]
    except OSError:
        return Outline()


_outlines: dict[Path, tuple[tuple[int, ...], Outline]] = {}


def _outline(path: Path) -> Outline:
    started: tuple[Started, int] | None = None
    finished: tuple[Finished, int] | None = None
    bests: list[tuple[int, float]] = []
    # the last lines of their kinds, not parsed yet; more than one, since the very last may be torn
    plain, progress = deque[bytes](maxlen=4), deque[bytes](maxlen=4)
    place = 0
    with path.open("rb") as file:
        for line in file:
            if b'"kind":"progress"' in line:
                progress.append(line)
                plain.append(line)
            elif b'"kind":"sampled"' in line or b'"kind":"saved"' in line or b'"is_best":false' in line:
                plain.append(line)
            elif (event := _parse(line)) is not None:
                plain.append(line)
                if isinstance(event, Started):
                    started, finished = (event, place), None
                    bests = [best for best in bests if not event.resumed or best[0] <= event.step]
                elif isinstance(event, Finished):
                    finished = (event, place)
                elif isinstance(event, Evaluated) and event.is_best:
                    bests.append((event.step, event.metrics.get(event.score, math.nan)))
            place += len(line)
    last, run = _last(plain), _last(progress)
    seconds = run.seconds if isinstance(run, Progress) else 0.0
    if finished is not None:
        seconds = max(seconds, finished[0].seconds)
    best_step, score = bests[-1] if bests else (None, None)
    step, moment = (last.step, last.time) if last is not None else (0, 0.0)
    return Outline(step, moment, seconds, score, best_step, started, finished)


def _last(lines: deque[bytes]) -> Event | None:
    return next((event for line in reversed(lines) if (event := _parse(line)) is not None), None)


def _parse(line: bytes) -> Event | None:
    try:
        event: Event = _adapter.validate_python(json.loads(line))
    except (ValueError, RecursionError):
        return None
    return event
