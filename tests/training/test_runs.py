"""Run folders: what is told of them is true whatever happened to them."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tiny

from gandemo import places
from gandemo.errors import CheckpointError, TrainingError
from gandemo.training import events, process, runs, state, storage
from gandemo.training.events import Evaluated, Event, Finished, Progress, Started


@pytest.fixture(autouse=True)
def _home(home: Path) -> None:
    pass


def started(step: int = 0, *, resumed: bool = False) -> Started:
    return Started(
        step=step, time=1, steps=6, device="cpu", threads=1, precision="fp32", parameters={}, resumed=resumed
    )


def progress(step: int) -> Progress:
    return Progress(step=step, time=2, losses={}, signals={}, images_per_second=1, seconds=step, seconds_left=1)


def evaluated(step: int, score: float, *, is_best: bool = True) -> Evaluated:
    return Evaluated(step=step, time=3, metrics={"frechet": score}, score="frechet", is_best=is_best, seconds=1)


def finished(step: int, how: Any, reason: str = "") -> Finished:
    return Finished(step=step, time=4, state=how, reason=reason, seconds=9)


def make(name: str, *told: Event) -> Path:
    folder = runs.runs_home() / name
    runs.lay_out(folder, tiny.DIGITS)
    for event in told:
        events.append(folder / "events.jsonl", event)
    return folder


def state_of(folder: Path) -> str:
    return runs.summarise(folder).state


# --- states -----------------------------------------------------------------------------------------------

ENDED: dict[str, tuple[tuple[Event, ...], str, int]] = {
    "not begun": ((), "interrupted", 0),
    "killed at once": ((started(),), "interrupted", 0),
    "killed": ((started(), progress(1), progress(2)), "interrupted", 2),
    "done": ((started(), progress(6), finished(6, "done")), "done", 6),
    "stopped": ((started(), progress(1), finished(1, "stopped")), "stopped", 1),
    "failed": ((started(), progress(1), finished(1, "failed", "no data")), "failed", 1),
    "failed before its start": ((finished(0, "failed", "no data"),), "failed", 0),
    "killed after a resume": (
        (started(), progress(3), finished(3, "stopped"), started(3, resumed=True), progress(4)),
        "interrupted",
        4,
    ),
    "killed late, resumed early": ((started(), progress(5), started(3, resumed=True), progress(4)), "interrupted", 4),
    "done at the second try": (
        (started(), finished(1, "failed", "x"), started(0, resumed=True), finished(6, "done")),
        "done",
        6,
    ),
}


@pytest.mark.parametrize("name", ENDED)
def test_a_run_without_a_process(name: str) -> None:
    told, expected, step = ENDED[name]
    found = runs.summarise(make("run", *told))
    assert (found.state, found.step) == (expected, step)
    assert found.reason == ("no data" if expected == "failed" else "")


def test_the_states_of_a_life() -> None:
    folder = make("run")
    path = folder / "events.jsonl"
    runs.write_queue(["run"])
    assert state_of(folder) == "queued"
    kept = process.hold(folder)
    assert state_of(folder) == "starting"
    events.append(path, started())
    assert state_of(folder) == "running"
    process.request_stop(folder)
    assert state_of(folder) == "stopping"
    events.append(path, finished(2, "stopped"))
    assert state_of(folder) == "stopped"  # its process may take a moment to end
    kept.release()
    runs.write_queue([])
    assert state_of(folder) == "stopped"

    kept = process.hold(folder)
    assert state_of(folder) == "starting"  # the last word is of the process before
    process.request_stop(folder)
    assert state_of(folder) == "stopping"  # before it has said anything
    events.append(path, started(2, resumed=True))
    events.append(path, progress(3))
    kept.release()
    assert state_of(folder) == "interrupted"


def test_a_failure_before_the_first_word() -> None:
    folder = make("run", started(), finished(2, "stopped"))
    kept = process.hold(folder)
    events.append(folder / "events.jsonl", finished(2, "failed", "no data"))
    assert (state_of(folder), runs.summarise(folder).reason) == ("failed", "no data")
    kept.release()


def test_a_stale_wish_to_stop_means_nothing() -> None:
    folder = make("run", started(), progress(1))
    process.request_stop(folder)
    assert state_of(folder) == "interrupted"


def test_a_torn_last_line() -> None:
    folder = make("run", started(), progress(1), evaluated(2, 5.0), progress(3))
    path = folder / "events.jsonl"
    whole = path.read_bytes()
    for cut in range(2, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-cut])
        found = runs.summarise(folder)
        assert (found.state, found.step, found.score) == ("interrupted", 2, 5.0)
    path.write_bytes(whole + b"\x00" * 500)
    assert runs.summarise(folder).step == 3


def test_score_and_step_of_the_best() -> None:
    folder = make("run", started(), evaluated(2, 9.0), evaluated(4, 5.0), evaluated(5, 7.0, is_best=False))
    found = runs.summarise(folder)
    assert (found.score, found.best_step, found.step) == (5.0, 4, 5)
    # killed, and resumed from the state of step 3: what came after it is told again
    events.append(folder / "events.jsonl", started(3, resumed=True))
    assert (runs.summarise(folder).score, runs.summarise(folder).best_step) == (9.0, 2)


def test_a_clock_that_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make("run", started())
    kept = process.hold(folder)
    events.append(folder / "events.jsonl", started(0, resumed=True))
    for moment in (0.0, 1e12):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        assert state_of(folder) == "running"
    kept.release()


# --- many runs --------------------------------------------------------------------------------------------


def test_five_hundred_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    template = make("run-000", started(), *(progress(step) for step in range(1, 300)), evaluated(300, 4.0))
    for number in range(1, 500):
        shutil.copytree(template, runs.runs_home() / f"run-{number:03d}")
    read: list[Path] = []
    outline = events._outline

    def counted(path: Path) -> events.Outline:
        read.append(path)
        return outline(path)

    monkeypatch.setattr(events, "_outline", counted)
    assert len(list(runs.list_runs())) == 500
    assert len(set(read)) == len(read) == 500
    assert {found.state for found in runs.list_runs()} == {"interrupted"}
    assert len(read) == 500  # what has not changed is not read again
    events.append(runs.runs_home() / "run-007" / "events.jsonl", progress(301))
    assert {found.step for found in runs.list_runs() if found.id == "run-007"} == {301}
    assert len(read) == 501


def test_folders_that_are_no_runs() -> None:
    make("good", started())
    (runs.runs_home() / "empty").mkdir()
    (runs.runs_home() / "file").write_text("")
    (make("damaged", started()) / "recipe.json").write_text("{")
    tiny.save(runs.runs_home() / "checkpoint")
    shutil.copytree(runs.runs_home() / "good", runs.runs_home() / ".deleted-good-1234")
    assert [found.id for found in runs.list_runs()] == ["good"]


def test_the_newest_comes_first() -> None:
    names = ["b", "a", "c"]
    for name in names:
        make(name, started())
        time.sleep(0.02)
    assert [found.id for found in runs.list_runs()] == names[::-1]


def test_no_runs_at_all() -> None:
    assert list(runs.list_runs()) == []
    with pytest.raises(CheckpointError, match=r"there is no run 'x' in .*; runs: none"):
        runs.find_run("x")


def test_finding() -> None:
    folder = make("run", started())
    assert runs.find_run("run") == folder
    assert runs.find_run(str(folder)) == folder
    for name in ("../run", "run/..", ".", "", str(folder.parent), "other"):
        with pytest.raises(CheckpointError, match="there is no run"):
            runs.find_run(name)


def test_ids_are_never_used_twice() -> None:
    assert len({runs.new_run_dir(tiny.DIGITS) for _ in range(1_000)}) == 1_000


def test_an_id_that_is_taken_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["0badcafe", "0badcafe", "0badcafe", "12345678"])
    monkeypatch.setattr(secrets, "token_hex", lambda _: next(drawn))
    monkeypatch.setattr(time, "strftime", lambda _: "20240501-120000")
    first = runs.new_run_dir(tiny.DIGITS)
    first.mkdir(parents=True)
    assert runs.new_run_dir(tiny.DIGITS).name == f"{tiny.DIGITS.name}-20240501-120000-12345678"


def test_the_log_s_end(tmp_path: Path) -> None:
    assert runs.log_tail(tmp_path) == ""
    (tmp_path / "log.txt").write_bytes(b"\xff" * 50_000 + b"\n" + b"".join(b"line %d\n" % n for n in range(100)))
    assert runs.log_tail(tmp_path, 2) == "line 98\nline 99"


# --- laid out ---------------------------------------------------------------------------------------------


def test_a_folder_that_waits() -> None:
    folder = make("run")
    assert not runs.has_begun(folder)
    (folder / "log.txt").write_text("")
    process.hold(folder).release()
    assert not runs.has_begun(folder)
    assert runs.init_of(folder) is None
    events.append(folder / "events.jsonl", started())
    assert runs.has_begun(folder)


def test_what_is_no_waiting_run(tmp_path: Path) -> None:
    assert not runs.has_begun(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert not runs.has_begun(tmp_path / "empty")
    assert runs.has_begun(tiny.save(tmp_path / "checkpoint").path)


def test_what_it_starts_from(tmp_path: Path) -> None:
    source = tiny.save(tmp_path / "source")
    runs.lay_out(tmp_path / "run", tiny.DIGITS, source.path)
    found = runs.init_of(tmp_path / "run")
    assert found is not None
    assert found.path == source.path
    shutil.rmtree(source.path)
    with pytest.raises(CheckpointError, match="is no checkpoint folder"):
        runs.init_of(tmp_path / "run")


# --- queue and stop ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{", "[]", '{"waiting": 3}', '{"waiting": [1, "../x", "/etc"]}', "\x00" * 99])
def test_a_damaged_queue_is_empty(text: str) -> None:
    make("run")
    (runs.runs_home() / runs.QUEUE).write_text(text)
    assert runs.waiting() == []
    assert state_of(runs.runs_home() / "run") == "interrupted"


def test_a_copied_run_is_in_no_queue(tmp_path: Path) -> None:
    folder = make("run")
    runs.write_queue(["run"])
    shutil.copytree(folder, tmp_path / "elsewhere" / "run")
    assert state_of(tmp_path / "elsewhere" / "run") == "interrupted"


def test_stopping() -> None:
    folder = make("run", started())
    with pytest.raises(TrainingError, match="run is not running: it is interrupted"):
        runs.stop(folder)
    runs.write_queue(["other", "run"])
    assert runs.stop(folder) == "run left the queue"
    assert runs.waiting() == ["other"]
    kept = process.hold(folder)
    assert runs.stop(folder) == "run is stopping; it saves first"
    assert runs.stop(folder) == "run is stopping already; it saves first"
    kept.release()
    with pytest.raises(TrainingError, match="is not running"):
        runs.stop(folder)


# --- room on the disk -------------------------------------------------------------------------------------


def test_deleting_takes_a_confirmation() -> None:
    folder = make("run", started(), progress(2), finished(2, "stopped"))
    tiny.save(folder / "checkpoints" / "step-2")
    asked = storage.ask_to_delete(folder)
    assert asked.question.startswith("Delete run (stopped at step 2) with 1 checkpoint, ")
    with pytest.raises(TrainingError, match="has changed since you were asked"):
        storage.delete(folder, "0" * 16)
    events.append(folder / "events.jsonl", progress(3))
    with pytest.raises(TrainingError, match="has changed since you were asked"):
        storage.delete(folder, asked.token)
    storage.delete(folder, storage.ask_to_delete(folder).token)
    assert not folder.exists()
    assert [path.name for path in runs.runs_home().iterdir()] == [".lock"]
    with pytest.raises(CheckpointError, match="no run"):
        runs.find_run("run")


def test_a_queued_run_leaves_the_queue_with_its_folder() -> None:
    folder = make("run")
    runs.write_queue(["run", "other"])
    storage.delete(folder, storage.ask_to_delete(folder).token)
    assert runs.waiting() == ["other"]


def test_a_running_run_is_not_deleted() -> None:
    folder = make("run", started())
    token = storage.ask_to_delete(folder).token
    kept = process.hold(folder)
    with pytest.raises(TrainingError, match="run is starting; stop it before you delete it"):
        storage.delete(folder, token)
    kept.release()
    assert folder.is_dir()


def test_only_what_lies_among_the_runs_is_deleted(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    runs.lay_out(outside, tiny.DIGITS)
    with pytest.raises(TrainingError, match="lies outside"):
        storage.ask_to_delete(outside)
    runs.runs_home().mkdir(parents=True, exist_ok=True)
    (runs.runs_home() / "link").symlink_to(outside)
    with pytest.raises(TrainingError, match="lies outside"):
        storage.ask_to_delete(runs.find_run("link"))


def fill(folder: Path, *steps: int) -> None:
    """Checkpoints of 10 kB, two states of 30 kB, and a best."""
    for name in (*(f"step-{step}" for step in steps), "best"):
        (folder / "checkpoints" / name).mkdir(parents=True)
        (folder / "checkpoints" / name / "generator.safetensors").write_bytes(bytes(10_000))
    for step in steps[-2:]:
        (folder / "state" / f"step-{step}").mkdir(parents=True)
        (folder / "state" / f"step-{step}" / "tensors.safetensors").write_bytes(bytes(30_000))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_bound_takes_what_nobody_would_miss() -> None:
    done = make("done", started(), finished(4, "done"))
    fill(done, 1, 2, 3, 4)
    time.sleep(0.02)
    stopped = make("stopped", started(), finished(4, "stopped"))
    fill(stopped, 1, 2, 3, 4)
    (runs.runs_home() / ".deleted-x-1").mkdir()
    everything = places.size(runs.runs_home())

    assert storage.tidy() == everything
    assert not (runs.runs_home() / ".deleted-x-1").exists()
    taken = storage.tidy(everything - 75_000)
    assert taken == places.size(runs.runs_home()) <= everything - 75_000
    assert names(done / "state") == []
    assert names(done / "checkpoints") == ["best", "step-3", "step-4"]
    assert names(stopped / "checkpoints") == ["best", "step-1", "step-2", "step-3", "step-4"]

    kept = process.hold(stopped)
    storage.tidy(1)
    assert len(names(stopped / "checkpoints")) == 5  # it may be training
    kept.release()
    assert storage.tidy(1) > 1
    assert names(stopped / "checkpoints") == names(done / "checkpoints") == ["best", "step-4"]
    assert names(stopped / "state") == ["step-3", "step-4"]


def test_the_bound_is_set_by_a_person() -> None:
    assert storage.disk_limit() is None
    with pytest.raises(TrainingError, match="a bound of 1 MB is too small"):
        storage.set_disk_limit(10**6)
    storage.set_disk_limit(5 * 10**9)
    assert storage.disk_limit() == 5 * 10**9
    storage.set_disk_limit(None)
    assert storage.disk_limit() is None
    for text in ("", "[]", json.dumps({"disk_limit": -5}), json.dumps({"disk_limit": "5"})):
        (runs.runs_home() / "settings.json").write_text(text)
        assert storage.disk_limit() is None


# --- the thinned history ----------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 50, 500])
def test_the_history_is_thin_and_even(every: int) -> None:
    kept: set[int] = set()
    for number in range(1, 400):
        kept = state.history(sorted(kept | {number * every}), every)
        ordered = sorted(kept)
        assert len(ordered) <= state.HISTORY + 2
        assert ordered[-1] == number * every
        if number > 1:
            assert ordered[-2] == (number - 1) * every
        assert len({b - a for a, b in pairwise(ordered[:-2])}) <= 1  # even, but for the last two
        if number >= 2 * state.HISTORY:
            assert len(ordered) >= state.HISTORY / 2


def test_uneven_steps_are_thinned_too() -> None:
    assert state.history([0, 37, 500, 777, 1000, 1500], 500) == {0, 500, 1000, 1500}
    assert state.history([37], 500) == {37}
    assert state.history([], 500) == set()
