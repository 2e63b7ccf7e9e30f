"""Who trains in a run folder: one process, known by more than its number, and freed by its death."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gandemo.errors import TrainingError
from gandemo.training import process
from gandemo.training.process import CLAIM, STOP, Claim, hold, holder, start_of

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from gandemo.training import process
pulled = process.leash(0)
kept = process.hold(Path(sys.argv[1]))
print("held", flush=True)
while not pulled() and not process.stop_requested(Path(sys.argv[1])):
    time.sleep(0.01)
"""


@contextmanager
def another_holder(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own that holds a run folder until its standard input ends, or it is asked to stop."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == b"held\n"
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def wait(happened: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def write_claim(folder: Path, pid: int, began: str) -> None:
    (folder / CLAIM).write_text(json.dumps({"pid": pid, "began": began, "told": 0}))


def test_a_folder_is_held_once(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    first = hold(tmp_path)
    assert holder(tmp_path) == Claim(os.getpid(), start_of(os.getpid()), 0)
    with pytest.raises(TrainingError, match=f"is training already in process {os.getpid()}; stop it first"):
        hold(tmp_path)
    first.release()
    first.release()
    assert holder(tmp_path) is None
    hold(tmp_path).release()


def test_a_forgotten_hold_is_given_back(tmp_path: Path) -> None:
    kept = hold(tmp_path)
    del kept
    assert holder(tmp_path) is None


def test_a_reservation_is_taken_over_once(tmp_path: Path) -> None:
    process.reserve(tmp_path)
    assert holder(tmp_path) is not None
    kept = hold(tmp_path)
    with pytest.raises(TrainingError, match="is training already"):
        hold(tmp_path)
    kept.release()


def test_the_claim_tells_what_was_said_before(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("12345")
    kept = hold(tmp_path)
    claim = holder(tmp_path)
    assert claim is not None
    assert claim.told == 5
    kept.release()


def test_another_process_and_its_death(tmp_path: Path) -> None:
    with another_holder(tmp_path) as child:
        claim = holder(tmp_path)
        assert claim is not None
        assert (claim.pid, claim.alive) == (child.pid, True)
        with pytest.raises(TrainingError, match=f"in process {child.pid}"):
            hold(tmp_path)
        child.kill()
        wait(lambda: holder(tmp_path) is None)  # its parent has not even asked for its end yet
        assert start_of(child.pid) == ""
        hold(tmp_path).release()


def test_a_copied_folder_is_nobody_s(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with another_holder(tmp_path / "run"):
        shutil.copytree(tmp_path / "run", tmp_path / "copy")
        text = (tmp_path / "copy" / CLAIM).read_text()
        if sys.platform == "linux":  # as it would look on a machine that was started at another time
            values = json.loads(text)
            values["began"] = "another-boot:" + values["began"].partition(":")[2]
            (tmp_path / "copy" / CLAIM).write_text(json.dumps(values))
            assert holder(tmp_path / "copy") is None
            hold(tmp_path / "copy").release()
        assert holder(tmp_path / "run") is not None


def test_who_ends_the_copy_of_a_run_that_trains_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with another_holder(tmp_path / "run") as child:
        shutil.copytree(tmp_path / "run", tmp_path / "copy")
        assert holder(tmp_path / "copy") is None
        assert not process.kill(tmp_path / "copy")
        hold(tmp_path / "copy").release()
        assert holder(tmp_path / "run") is not None
        assert child.poll() is None


def test_a_reused_number_fools_nobody(tmp_path: Path) -> None:
    write_claim(tmp_path, os.getpid(), "some-boot:1")
    assert holder(tmp_path) is None
    assert not process.kill(tmp_path)
    hold(tmp_path).release()


def test_a_child_that_has_yet_to_claim_counts(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process.write_claim(tmp_path, child.pid, told=7)
    assert holder(tmp_path) == Claim(child.pid, start_of(child.pid), 7)
    with pytest.raises(TrainingError, match="is training already"):
        hold(tmp_path)
    assert process.kill(tmp_path)
    child.wait()
    assert child.stdin is not None
    child.stdin.close()
    assert holder(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": 1}', '{"pid": "x", "began": "", "told": 0}'])
def test_a_damaged_claim_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / CLAIM).write_text(text)
    assert holder(tmp_path) is None
    hold(tmp_path).release()


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_lock", lambda *_args, **_kwargs: None)
    with another_holder(tmp_path) as child:
        claim = holder(tmp_path)
        assert claim is not None
        assert claim.pid == child.pid
        with pytest.raises(TrainingError, match="is training already"):
            hold(tmp_path)
    assert holder(tmp_path) is None
    hold(tmp_path).release()


def test_a_deleted_folder_can_t_be_held(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="can't write"):
        hold(tmp_path / "gone")


# --- asking to stop ---------------------------------------------------------------------------------------


def test_a_request_is_seen_and_forgotten(tmp_path: Path) -> None:
    process.request_stop(tmp_path, "the disk is full")
    assert process.stop_requested(tmp_path)
    assert process.stop_reason(tmp_path) == "the disk is full"
    kept = hold(tmp_path)  # it was meant for the process before
    assert not process.stop_requested(tmp_path)
    process.request_stop(tmp_path)
    assert process.stop_reason(tmp_path) == ""
    kept.release()
    assert not (tmp_path / STOP).exists()


@pytest.mark.parametrize("how", ["line", "two lines", "end", "file"])
def test_the_leash(tmp_path: Path, how: str) -> None:
    with another_holder(tmp_path) as child:
        assert child.stdin is not None
        if how == "file":
            process.request_stop(tmp_path)
        elif how == "end":
            child.stdin.close()
        else:
            child.stdin.write(b"stop\n" if how == "line" else b"sto\nanything\nst")
            child.stdin.flush()
            if how == "two lines":
                time.sleep(0.2)
                assert child.poll() is None
                child.stdin.write(b"op\n")
                child.stdin.flush()
        assert child.wait(60) == 0


def test_times_of_processes() -> None:
    assert start_of(os.getpid()) == start_of(os.getpid()) != ""
    assert start_of(2**22 + 1) == ""
