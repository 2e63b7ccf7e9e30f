"""Events: written line by line, read back whatever happened to the file in between."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from gandemo.training import events
from gandemo.training.events import Evaluated, Event, Finished, Progress, Sampled, Saved, Started

EVENTS: list[Event] = [
    Started(step=0, time=1.5, steps=10, device="cpu", threads=1, precision="fp32", parameters={"generator": 3}),
    Sampled(step=0, time=2, path="samples/step-0000000.png"),
    Progress(step=2, time=3, losses={"generator": 0.1}, signals={}, images_per_second=9, seconds=1.25, seconds_left=4),
    Evaluated(step=2, time=4, metrics={"frechet": 7.5}, score="frechet", is_best=True, seconds=0.5),
    Saved(step=2, time=5, path="checkpoints/best"),
    Finished(step=2, time=6, state="stopped", reason="é “quoted”\nand on two lines", seconds=3),
]


def progress(step: int, note: float = 0.0) -> Progress:
    return Progress(step=step, time=note, losses={}, signals={}, images_per_second=1, seconds=step, seconds_left=0)


def started(step: int, resumed: bool) -> Started:
    return Started(
        step=step, time=0, steps=9, device="cpu", threads=1, precision="fp32", parameters={}, resumed=resumed
    )


def write(path: Path, *several: Event) -> None:
    for event in several:
        events.append(path, event)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_every_event_reads_back_equal(file: Path) -> None:
    write(file, *EVENTS)
    assert list(events.read(file)) == EVENTS


def test_one_event_to_a_line(file: Path) -> None:
    write(file, *EVENTS)
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == [event.kind for event in EVENTS]
    assert all({"step", "time"} <= set(json.loads(line)) for line in lines)


def test_no_file_is_no_events(file: Path) -> None:
    assert list(events.read(file)) == []
    file.touch()
    assert list(events.read(file)) == []


@pytest.mark.parametrize("cut", [1, 2, 20, 60])
def test_a_torn_last_line_is_passed_over(file: Path, cut: int) -> None:
    write(file, *EVENTS)
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    # without its line end alone, the last event is whole
    assert list(events.read(file)) == (EVENTS if cut == 1 else EVENTS[:-1])


def test_a_torn_line_spoils_no_later_one(file: Path) -> None:
    write(file, *EVENTS[:3])
    file.write_bytes(file.read_bytes()[:-9])
    write(file, *EVENTS[3:])
    assert list(events.read(file)) == [*EVENTS[:2], *EVENTS[3:]]


def test_damage_and_unknown_lines_are_passed_over(file: Path) -> None:
    write(file, EVENTS[0])
    with file.open("ab") as handle:
        handle.write(b"\n\xff\xfe\x00\nnull\n[]\n{}\n")
        handle.write(b'{"kind": "celebrated", "step": 1, "time": 1}\n{"kind": "saved", "step": "x", "time": 1}\n')
        handle.write(b"\x00" * 4096 + b"\n")
    write(file, EVENTS[4])
    assert list(events.read(file)) == [EVENTS[0], EVENTS[4]]


def test_a_later_version_may_say_more(file: Path) -> None:
    file.write_text(json.dumps(EVENTS[4].model_dump() | {"bytes": 12}) + "\n")
    assert list(events.read(file)) == [EVENTS[4]]


def test_a_resume_takes_back_what_came_after_its_state(file: Path) -> None:
    """Killed after step 5, resumed from the state of step 3: steps 4 and 5 are told again, and once."""
    first = [started(0, resumed=False), *(progress(step, 1) for step in range(1, 6))]
    second = [started(3, resumed=True), *(progress(step, 2) for step in range(4, 8))]
    write(file, *first, *second)
    assert list(events.read(file)) == [*first[:4], *second]


def test_every_resume_counts(file: Path) -> None:
    write(file, started(0, resumed=False), progress(1), progress(2, 1))
    write(file, started(1, resumed=True), progress(2, 2), progress(3, 2))
    write(file, started(2, resumed=True), progress(3, 3), Finished(step=3, time=0, state="done"))
    assert [(event.kind, event.step, event.time) for event in events.read(file)] == [
        ("started", 0, 0),
        ("progress", 1, 0),
        ("started", 1, 0),
        ("progress", 2, 2),
        ("started", 2, 0),
        ("progress", 3, 3),
        ("finished", 3, 0),
    ]


def test_a_stop_stays_told_after_a_resume(file: Path) -> None:
    stop = Finished(step=2, time=0, state="stopped")
    write(file, started(0, resumed=False), progress(2), stop, started(2, resumed=True), progress(4))
    assert stop in list(events.read(file))


def test_a_reader_thins_long_runs_evenly_and_keeps_their_ends(file: Path) -> None:
    reader = events.Reader(file, most=10)
    write(file, started(0, resumed=False))
    for last in range(1, 101):
        write(file, progress(last))
        steps = [event.step for event in reader.poll() if isinstance(event, Progress)]
        assert steps[0] == 1
        assert steps[-1] == last
        assert len(steps) <= 20
        assert len({later - earlier for earlier, later in pairwise(steps[:-1])}) <= 1
    assert len(steps) >= 10
    write(file, started(50, resumed=True), progress(51))
    told = reader.poll()
    assert [event.step for event in told if isinstance(event, Progress)][-2:] == [49, 51]
    assert told[0] == started(0, resumed=False)
