"""What the tab Train shows of runs that met with something: torn lines, clocks that jump, folders from elsewhere."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from gandemo.training import events, process, runs, storage, terms
from gandemo.ui import train_live
from tests import tiny


def progress(step: int, *, at: float = 1.0) -> events.Progress:
    return events.Progress(
        step=step, time=at, losses={"generator": 1.0}, signals={}, images_per_second=50, seconds=step, seconds_left=9
    )


def lay(folder: Path, *told: events.Event, **settings: Any) -> Path:
    runs.lay_out(folder, tiny.DIGITS.with_settings(settings))
    start = events.Started(step=0, time=0, steps=9, device="cpu", threads=1, precision="fp32", parameters={})
    for event in (start, *told):
        events.append(folder / "events.jsonl", event)
    return folder


def look() -> dict[str, Any]:
    """All that a page is sent, as plain JSON, with what is listed read anew."""
    train_live._list = (0.0, Path(), [])
    found: dict[str, Any] = json.loads(json.dumps(train_live.look({}), allow_nan=False))
    return found


def test_a_line_that_is_torn_is_shown_once_it_is_whole(home: Path) -> None:
    file = lay(home / "runs" / "one-1", progress(2), progress(4)) / "events.jsonl"
    whole = file.read_bytes()
    events.append(file, progress(6))
    line = file.read_bytes()[len(whole) :]
    for cut in (1, len(line) // 2, len(line) - 2):
        file.write_bytes(whole + line[:cut])
        found = look()
        assert (found["head"]["step"], found["curves"]["steps"]) == (4, [2, 4])
    file.write_bytes(whole + line)
    found = look()
    assert (found["head"]["step"], found["curves"]["steps"]) == (6, [2, 4, 6])


def test_a_line_that_stays_torn_spoils_nothing_after_it(home: Path) -> None:
    file = lay(home / "runs" / "one-1", progress(2)) / "events.jsonl"
    with file.open("ab") as torn:
        torn.write(b'{"step":4,"ti')  # and its process was killed
    assert look()["head"]["step"] == 2
    events.append(file, progress(6))  # by the one that went on with it
    assert look()["curves"]["steps"] == [2, 6]


def test_a_clock_that_jumps_bends_no_curve(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves and races go by the seconds that were trained, not by anybody's clock."""
    told = [progress(step, at=at) for step, at in ((1, 1e9), (2, 4e12), (3, -5.0), (4, 1e9))]
    kept = process.hold(lay(home / "runs" / "one-1", *told))
    try:
        seen = []
        for moment in (0.0, 1e9, 1e12):
            monkeypatch.setattr(time, "time", lambda moment=moment: moment)
            found = look()
            seen.append((found["head"]["state"], found["head"]["step"], found["curves"]["seconds"]))
        assert len({repr(each) for each in seen}) == 1
        assert seen[0][1:] == (4, [1, 2, 3, 4])
    finally:
        kept.release()


def test_a_run_from_another_machine(home: Path) -> None:
    """Its process, its start and its pictures are not here; it is shown, and may be deleted, all the same."""
    folder = lay(home / "runs" / "far-1", progress(2), dataset="classes:/home/ada/digits")
    terms.write(folder, terms.Terms("/home/ada/checkpoints/first", "somebody", 60.0))
    (folder / process.CLAIM).write_text(json.dumps({"pid": os.getpid(), "began": "another-boot:123", "told": 0}))
    process.request_stop(folder)
    found = look()
    head, (row,) = found["head"], found["list"]["runs"]
    assert (head["state"], head["step"], head["from"], head["dataset_title"]) == ("interrupted", 2, "first", "digits")
    assert {"resume", "delete"} <= set(row["verbs"])
    assert "/home/ada" not in json.dumps(found)
    storage.delete(folder, storage.ask_to_delete(folder).token)
    assert look()["list"]["count"] == 0
