"""What a training run tells, as typed events; `events.jsonl` holds one to a line, append only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError


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
    resumed: bool = False


class Progress(_Event):
    """Means over the steps since the last one of its kind."""

    kind: Literal["progress"] = "progress"
    losses: dict[str, float]
    signals: dict[str, float] = Field(description="D on real and fake, its accuracies, gradient norms")
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


class Saved(_Event):
    """A checkpoint folder was written."""

    kind: Literal["saved"] = "saved"
    path: str = Field(description="relative to the run folder")


class Finished(_Event):
    """The run has ended."""

    kind: Literal["finished"] = "finished"
    state: Literal["done", "stopped", "failed"]
    reason: str = ""
    seconds: float = 0.0


Event = Started | Progress | Sampled | Evaluated | Saved | Finished
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
    if not path.is_file():
        return
    events: list[Event] = []
    with path.open("rb") as file:
        for line in file:
            try:
                event = _adapter.validate_python(json.loads(line))
            except (ValueError, ValidationError):
                continue
            if isinstance(event, Started) and event.resumed:
                events = [earlier for earlier in events if earlier.step <= event.step]
            events.append(event)
    yield from events
