"""The manager: real child processes, started, queued, stopped and outlived.

Most of them are a stand-in that keeps to the protocol of `python -m gandemo train` and loads no torch; the last tests
start the real one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tiny

from gandemo.errors import CheckpointError, GanDemoError, RecipeError, TrainingError
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.training import events, process, runs, storage, terms
from gandemo.training.manager import Manager, child_environment

ROOT = Path(__file__).resolve().parents[2]

STAND_IN = '''
"""Does as a training does; the recipe's description says how."""
import json, os, signal, sys, time
from pathlib import Path
from gandemo.training import events, process

arguments = sys.argv[1:]
folder = Path(arguments[arguments.index("--run-dir") + 1] if arguments[0] == "train" else arguments[1])
way = json.loads((folder / "recipe.json").read_text())["description"]
pulled = process.leash(int(arguments[arguments.index("--leash") + 1]))
print(json.dumps(arguments), flush=True)
try:
    held = process.hold(folder)
except Exception as error:
    sys.exit(f"gandemo: {error}")
path = folder / "events.jsonl"
known = events.outline(path)
while way == "slow to start" and not pulled():
    time.sleep(0.02)
if way == "crash":
    sys.exit("gandemo: there is no data set 'cats'")
if way == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if way == "environment":
    print(json.dumps(dict(os.environ)), flush=True)
step = known.step
events.append(path, events.Started(step=step, time=0, steps=9, device="cpu", threads=2, precision="fp32",
                                   parameters={}, resumed=known.started is not None))
while True:
    if way not in ("stubborn", "deaf") and (pulled() or process.stop_requested(folder)):
        end = "stopped"
        break
    if way == "brief" and step - known.step >= 3:
        end = "done"
        break
    step += 1
    events.append(path, events.Progress(step=step, time=0, losses={}, signals={}, images_per_second=1, seconds=step,
                                        seconds_left=1))
    time.sleep(0.02)
events.append(path, events.Finished(step=step, time=0, state=end, reason=process.stop_reason(folder)))
held.release()
'''


@pytest.fixture
def stand_in(tmp_path: Path, home: Path) -> list[str]:
    file = tmp_path / "stand_in.py"
    file.write_text(STAND_IN)
    return [sys.executable, str(file)]


@pytest.fixture
def manage(stand_in: list[str]) -> Callable[..., Any]:
    @contextmanager
    def make(**options: Any) -> Iterator[Manager]:
        with Manager(**{"command": stand_in, **options}) as manager:
            try:
                yield manager
            finally:
                manager.close(20)

    return make


def recipe(way: str = "", **settings: Any) -> Recipe:
    return tiny.DIGITS.with_settings({"description": way, **settings})


def state_of(run: str) -> str:
    return runs.summarise(runs.find_run(run)).state


def wait(run: str, *states: str, seconds: float = 240) -> str:
    """Until the run is in one of some states."""
    deadline = time.monotonic() + seconds
    while (now := state_of(run)) not in states:
        assert time.monotonic() < deadline, (now, runs.log_tail(runs.find_run(run)))
        time.sleep(0.02)
    return now


def pid_of(run: str) -> int:
    claim = process.holder(runs.find_run(run))
    assert claim is not None
    return claim.pid


# --- a life -----------------------------------------------------------------------------------------------


def test_start_stop_resume(manage: Callable[..., Any]) -> None:
    with manage() as manager:
        run = manager.start(recipe()).id
        assert wait(run, "running") == "running"
        with pytest.raises(TrainingError, match=f"{run} is running already"):
            manager.resume(run)
        assert manager.stop(run) == f"{run} is stopping; it saves first"
        said = manager.stop(run) if state_of(run) == "stopping" else "already"
        assert "already" in said
        wait(run, "stopped")
        with pytest.raises(TrainingError, match=f"{run} is not running: it is stopped"):
            manager.stop(run)
        step = runs.summarise(runs.find_run(run)).step
        manager.resume(run)
        wait(run, "running")
        manager.stop(run)
        wait(run, "stopped")
        assert runs.summarise(runs.find_run(run)).step >= step
        log = runs.log_tail(runs.find_run(run))
        assert log.count('["train", ') == log.count('["resume", ') == 1
        assert '"--threads", "2", "--leash", "10"]' in log.splitlines()[-1]  # as many threads as it began with


def test_a_start_is_seen_at_once(manage: Callable[..., Any]) -> None:
    with manage() as manager:
        found = manager.start(recipe("slow to start"))  # which has not begun before it is asked to stop
        assert found.state == "starting"
        assert manager.stop(found.id) == f"{found.id} is stopping; it saves first"
        wait(found.id, "stopped")


def test_done_is_done(manage: Callable[..., Any]) -> None:
    with manage() as manager:
        run = manager.start(recipe("brief")).id
        wait(run, "done")
        with pytest.raises(TrainingError, match="is done; to train on, fork it"):
            manager.resume(run)


def test_an_error_is_told(manage: Callable[..., Any]) -> None:
    with manage() as manager:
        run = manager.start(recipe("crash")).id
        wait(run, "failed")
        assert runs.summarise(runs.find_run(run)).reason == "there is no data set 'cats'"
        assert "there is no data set 'cats'" in runs.log_tail(runs.find_run(run))


def test_a_killed_child_is_interrupted_and_goes_on(manage: Callable[..., Any]) -> None:
    with manage() as manager:
        run = manager.start(recipe()).id
        wait(run, "running")
        os.kill(pid_of(run), signal.SIGKILL)
        wait(run, "interrupted", seconds=20)
        manager.resume(run)
        wait(run, "running")


def test_a_run_copied_from_another_machine_goes_on_here(manage: Callable[..., Any]) -> None:
    """It was copied while it trained and was about to stop; whoever trained it is nobody here."""
    with manage() as manager:
        first = manager.start(recipe()).id
        wait(first, "running")
        there = runs.find_run(first)
        copied = shutil.copytree(there, there.with_name("copied-1"))
        claim = json.loads((copied / process.CLAIM).read_text())
        (copied / process.CLAIM).write_text(json.dumps({**claim, "began": "another-boot:1"}))
        process.request_stop(copied)
        with (copied / "events.jsonl").open("ab") as torn:
            torn.write(b'{"step":1,"ti')
        assert state_of("copied-1") == "interrupted"
        with pytest.raises(TrainingError, match="copied-1 is not running"):
            manager.stop("copied-1")
        assert manager.resume("copied-1").state == "queued"  # behind the one that trains here
        manager.stop(first)
        wait(first, "stopped")
        wait("copied-1", "running")
        assert pid_of("copied-1") != claim["pid"]
        manager.stop("copied-1")
        wait("copied-1", "stopped")


def test_ended_at_once(manage: Callable[..., Any]) -> None:
    with manage() as manager:
        run = manager.start(recipe("stubborn")).id
        wait(run, "running")
        assert manager.stop(run, now=True) == f"{run} was ended without saving"
        wait(run, "interrupted")


@pytest.mark.parametrize("way", ["stubborn", "deaf"])
def test_who_does_not_hear_is_ended(manage: Callable[..., Any], way: str) -> None:
    with manage(grace=0.3) as manager:
        run = manager.start(recipe(way)).id
        wait(run, "running")
        manager.stop(run)
        assert state_of(run) in ("stopping", "interrupted")
        wait(run, "interrupted")


def test_stopped_by_the_folder_alone(manage: Callable[..., Any]) -> None:
    """As the command line does it, and a second server."""
    with manage() as manager:
        run = manager.start(recipe()).id
        wait(run, "running")
        runs.stop(runs.find_run(run))
        wait(run, "stopped")


def test_a_fork_is_told_its_source(manage: Callable[..., Any], tmp_path: Path) -> None:
    source = tiny.save(tmp_path / "source")
    with manage() as manager:
        with pytest.raises(CheckpointError, match="no checkpoint"):
            manager.start(recipe("brief"), init=tmp_path / "nowhere")
        run = manager.start(recipe("brief"), init=source.path).id
        wait(run, "done")
        assert f'"--init", "{source.path}"' in runs.log_tail(runs.find_run(run))
    assert len(list(runs.list_runs())) == 1


def test_a_fork_by_name_and_one_of_a_run_that_may_not_go_on(manage: Callable[..., Any], home: Path) -> None:
    tiny.save(home / "checkpoints" / "mine")
    with manage() as manager:
        child = manager.fork("mine", {"steps": 3, "description": "brief", "dataset": "mnist"})
        wait(child.id, "done")
        assert f'"--init", "{home / "checkpoints" / "mine"}"' in runs.log_tail(child.path)
        assert child.recipe.steps == 3
        with pytest.raises(RecipeError, match="no key 'colour'"):
            manager.fork("mine", {"colour": 1})
        anew = manager.fork(child.id, {"seed": 5}, anew=True)
        wait(anew.id, "done")
        assert "--init" not in runs.log_tail(anew.path)
        assert (anew.recipe.seed, anew.recipe.steps) == (5, 3)

        runs.note_failure(anew.path, "it can't go on", ["batch_size was 16, is 8"])
        changed = recipe("brief", batch_size=8)
        for step, networks in ((3, tiny.DIGITS), (12, tiny.DIGITS)):
            tiny.save(child.path / "checkpoints" / f"step-{step}", networks)
        (child.path / "recipe.json").write_text(changed.to_json(), encoding="utf-8")
        again = manager.fork_refused(child.id)
        wait(again.id, "done")
        assert again.recipe == changed
        assert f'"--init", "{again.path / runs.START}"' in runs.log_tail(again.path)
        assert terms.read(again.path).init == str(child.path / "checkpoints" / "step-12")


# --- the queue --------------------------------------------------------------------------------------------


def test_one_at_a_time_in_order(manage: Callable[..., Any]) -> None:
    with manage() as manager:
        first, second, third = (manager.start(recipe(way)).id for way in ("", "brief", "brief"))
        wait(first, "running")
        time.sleep(0.5)
        assert [state_of(run) for run in (second, third)] == ["queued", "queued"]
        assert runs.waiting() == [second, third]
        assert manager.resume(second).state == "queued"  # asked twice
        assert runs.waiting() == [second, third]
        assert manager.stop(second) == f"{second} left the queue"
        manager.resume(second)
        assert runs.waiting() == [third, second]
        manager.stop(first)
        wait(second, "done")
        wait(third, "done")
        began = [runs.find_run(run) / "log.txt" for run in (third, second)]
        assert began[0].stat().st_mtime <= began[1].stat().st_mtime
        assert runs.waiting() == []


def test_two_at_a_time(manage: Callable[..., Any]) -> None:
    with manage(at_once=2) as manager:
        names = [manager.start(recipe()).id for _ in range(3)]
        wait(names[0], "running")
        wait(names[1], "running")
        assert state_of(names[2]) == "queued"


def test_a_training_at_the_command_line_counts(manage: Callable[..., Any]) -> None:
    folder = runs.runs_home() / "elsewhere"
    runs.lay_out(folder, recipe())
    kept = process.hold(folder)
    with manage() as manager:
        run = manager.start(recipe()).id
        time.sleep(0.5)
        assert state_of(run) == "queued"
        kept.release()
        wait(run, "running")


def test_the_queue_survives_a_restart(manage: Callable[..., Any]) -> None:
    with manage() as manager:
        first, second = (manager.start(recipe(way)).id for way in ("", "brief"))
        wait(first, "running")
    assert [state_of(run) for run in (first, second)] == ["stopped", "queued"]
    with manage():
        wait(second, "done")
    assert state_of(first) == "stopped"


def test_what_vanished_from_the_queue_is_passed_over(manage: Callable[..., Any]) -> None:
    runs.runs_home().mkdir()
    runs.write_queue(["never-was", "gone"])
    with manage() as manager:
        wait(manager.start(recipe("brief")).id, "done")


SERVER = """
import sys, time
from gandemo.recipe import Recipe
from gandemo.training.manager import Manager
manager = Manager(command=sys.argv[2:])
print(manager.start(Recipe.from_json(sys.argv[1])).id, flush=True)
time.sleep(600)
"""


def test_a_killed_server_leaves_nobody_behind(stand_in: list[str]) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, recipe().to_json(), *stand_in], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    run = server.stdout.readline().strip()
    wait(run, "running")
    server.kill()
    server.wait()
    server.stdout.close()
    wait(run, "stopped", seconds=30)
    with Manager(command=stand_in) as manager:
        manager.resume(run)
        wait(run, "running")


# --- many hands -------------------------------------------------------------------------------------------


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """The results, or errors, of calls that are made at the same moment."""
    ready, results = threading.Barrier(len(calls)), [None] * len(calls)

    def do(index: int) -> None:
        ready.wait()
        try:
            results[index] = calls[index]()
        except GanDemoError as error:
            results[index] = error

    threads = [threading.Thread(target=do, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_servers_and_many_presses(manage: Callable[..., Any]) -> None:
    with manage() as one, manage() as two:
        run = one.start(recipe()).id
        wait(run, "running")
        said = at_once(*[lambda: one.stop(run), lambda: two.stop(run)] * 3)
        for word in said:
            assert isinstance(word, TrainingError) or run in word
        wait(run, "stopped")
        found = at_once(*[lambda: one.resume(run), lambda: two.resume(run)] * 3)
        for word in found:
            assert not isinstance(word, GanDemoError) or "already" in str(word)
        wait(run, "running")
        time.sleep(0.5)
        told = [event.kind for event in events.read(runs.find_run(run) / "events.jsonl")]
        assert told.count("started") == 2
        assert runs.log_tail(runs.find_run(run)).count('["resume"') == 1


def test_many_starts_at_once(manage: Callable[..., Any]) -> None:
    with manage() as one, manage() as two:
        starts = [lambda: one.start(recipe("brief")).id, lambda: two.start(recipe("brief")).id] * 3
        names = at_once(*starts)
        assert len(set(names)) == 6
        for run in names:
            wait(run, "done")
            assert runs.log_tail(runs.find_run(run)).count('["train"') == 1


# --- deleting, disk, secrets ------------------------------------------------------------------------------


def test_deleting(manage: Callable[..., Any], tmp_path: Path) -> None:
    with manage() as manager:
        first, second = (manager.start(recipe()).id for _ in range(2))
        wait(first, "running")
        with pytest.raises(TrainingError, match=f"{first} is running; stop it before you delete it"):
            manager.ask_to_delete(first)
        manager.delete(second, manager.ask_to_delete(second).token)
        assert runs.waiting() == []
        manager.stop(first)
        wait(first, "stopped")
        token = manager.ask_to_delete(first).token
        (said, *_) = sorted(at_once(*[lambda: manager.delete(first, token)] * 2), key=str, reverse=True)
        assert said is None or isinstance(said, GanDemoError)
        assert list(runs.list_runs()) == []
        for name in ("../x", str(tmp_path), "", "x/y"):
            with pytest.raises(CheckpointError, match="is no id of a run"):
                manager.ask_to_delete(name)


def test_no_room(manage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with manage() as manager:
        run = manager.start(recipe()).id
        wait(run, "running")
        (runs.find_run(run) / "large").write_bytes(bytes(11_000_000))
        storage.set_disk_limit(10_000_000)
        monkeypatch.setattr(manager, "_next_look_at_the_disk", 0.0)
        wait(run, "stopped")
        assert "of the 0.01 GB allowed; delete one or raise the bound" in runs.summarise(runs.find_run(run)).reason
        for press in (lambda: manager.start(recipe()), lambda: manager.resume(run)):
            with pytest.raises(TrainingError, match=r"the runs take 0\.01 GB of the 0\.01 GB allowed"):
                press()
        storage.set_disk_limit(None)
        manager.resume(run)
        wait(run, "running")
        monkeypatch.setattr("gandemo.training.manager.MIN_FREE", 10**18)
        with pytest.raises(TrainingError, match="MB are free on the disk of"):
            manager.start(recipe())


SECRETS = [
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HUGGINGFACE_TOKEN",
    "OAUTH_CLIENT_SECRET",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "OPENAI_API_KEY",
    "my_password",
    "WANDB_API_KEY",
]


def test_secrets_stay_at_home(manage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "tell-nobody")
    with manage(threads=3) as manager:
        run = manager.start(recipe("environment")).id
        wait(run, "running")
        log = (runs.find_run(run) / "log.txt").read_text()
    assert "tell-nobody" not in log
    assert f'"GANDEMO_HOME": "{home}"' in log
    assert '"OMP_NUM_THREADS": "3"' in log


def test_what_a_child_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANDEMO_HOME", ".")
    told = child_environment({"PATH": "/bin", "TOKENIZERS_PARALLELISM": "0", "HF_TOKEN": "x", "PYTHONPATH": "here"}, 1)
    assert told["PATH"] == "/bin"
    assert "TOKENIZERS_PARALLELISM" in told
    assert "HF_TOKEN" not in told
    assert Path(told["GANDEMO_HOME"]).is_absolute()
    assert told["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "here"]


# --- the real one -----------------------------------------------------------------------------------------

REAL = RECIPES["vanilla"].with_settings(
    {
        "generator.args.widths": [16],
        "discriminator.args.widths": [16],
        "features": "",
        "steps": 1_000_000,
        "log_every": 1,
        "evaluate_every": 1_000_000,
        "sample_every": 1_000_000,
        "checkpoint_every": 50,
    }
)


def test_a_real_training(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the server and from the command line: both see the same run."""
    monkeypatch.setenv("HF_TOKEN", "tell-nobody")
    with Manager(threads=1) as manager:
        run = manager.start(REAL).id
        folder = runs.find_run(run)
        wait(run, "running")
        while runs.summarise(folder).step < 60:
            time.sleep(0.05)
        pid = pid_of(run)
        if sys.platform == "linux":
            assert os.getpriority(os.PRIO_PROCESS, pid) >= 10
            assert b"tell-nobody" not in Path(f"/proc/{pid}/environ").read_bytes()
        os.kill(pid, signal.SIGKILL)
        wait(run, "interrupted", seconds=20)

        manager.resume(run)
        wait(run, "running")
        # steps until the first Progress after the resume: those of the last saved state
        stop = subprocess.run(
            [sys.executable, "-m", "gandemo", "stop", run],
            cwd=ROOT,
            env={**os.environ, "GANDEMO_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert stop.returncode == 0, stop.stderr
        assert stop.stdout.splitlines()[0] == f"{run} is stopping; it saves first"
        assert stop.stdout.splitlines()[1].startswith("it is stopped at step ")
        found = runs.summarise(folder)
        assert found.state == "stopped"
        assert (folder / "checkpoints" / f"step-{found.step}" / "generator.safetensors").is_file()
        assert (folder / "state" / f"step-{found.step}").is_dir()
