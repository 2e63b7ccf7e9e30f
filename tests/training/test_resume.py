"""A run that was killed, at any moment, goes on to the very same weights; or it says why it can't.

Processes are killed for real, by a signal that nobody handles. Loading torch takes seconds, so one helper process,
this file as a script, loads it once and forks the runs that will be killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import tiny_photos

from gandemo import checkpoint
from gandemo.data import datasets
from gandemo.errors import DataError, GanDemoError, TrainingError
from gandemo.recipe import Recipe
from gandemo.tasks import TASKS
from gandemo.tasks.digits import Digits
from gandemo.training import events, fingerprint, loop, process, runs, state
from gandemo.training.events import Event, Finished, Saved, Started
from gandemo.training.loop import train
from gandemo.training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[2]
KILLS = 20
STRIDE = 3  # of the calls to be killed at; 1 passed as well, and takes three times as long
TRAINED = {recipe.task: recipe for recipe in reversed([*tiny.TINY.values(), *tiny_photos.TINY.values()])}


# --- the helper process -----------------------------------------------------------------------------------


def play(recipe: Recipe, folder: Path) -> None:
    """Trains to the end: from the start, or from wherever a killed process left it."""
    resume = (folder / "recipe.json").is_file()
    for _ in train(recipe, run_dir=folder, device=tiny.CPU, resume=resume):
        pass


def forked(work: Callable[[], object], after: float = 0.0) -> tuple[int, float]:
    """Does some work in a forked process; its exit status, or minus the signal that ended it, and its processor time.

    After so many seconds of processor time the kernel ends it on the spot, without a word, as SIGKILL would: measured
    so, a busy machine changes nothing.
    """
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, after)
            work()
            os._exit(0)
        os._exit(1)
    _, status, used = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def digest(folder: Path, steps: int) -> str:
    """Of everything that a run leaves at its end: weights, optimisers, random states, and the best checkpoint."""
    whole = hashlib.sha256()
    for file in (
        folder / "state" / f"step-{steps}" / "tensors.safetensors",
        folder / "checkpoints" / f"step-{steps}" / "generator.safetensors",
        folder / "checkpoints" / "best" / "generator.safetensors",
    ):
        whole.update(file.read_bytes() if file.exists() else b"none")
    return whole.hexdigest()


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


def kill_at_random(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Kills a run again and again at random moments until it is done; and again, until there were enough kills."""
    status, whole = forked(lambda: play(recipe, folder / "whole"))
    assert status == 0
    chance, kills, same, steps = random.Random(8), 0, [], []
    while kills < KILLS:
        run, patience, last = folder / f"killed-{len(same)}", whole / 2, -1
        while True:
            status, _ = forked(lambda run=run: play(recipe, run), chance.uniform(0.001, patience))
            assert status in (0, -signal.SIGPROF), status
            if status == 0:
                break
            kills += 1
            steps.append(max((int(path.name[5:]) for path in state.state_folders(run / "state")), default=0))
            if steps[-1] == last:
                patience *= 1.2  # it must come further than it did
            last = steps[-1]
        same.append(digest(run, recipe.steps) == digest(folder / "whole", recipe.steps) and not leftovers(run))
    return {"kills": kills, "same": same, "steps": steps}


CALLS = {
    os: ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "fsync", "write", "ftruncate"),
    state: ("save_file",),
    checkpoint: ("save_file",),
}


def kill_at_call(number: int) -> Callable[[], int]:
    """Lets this process be killed at its n-th call that changes a file; what returns the number of calls so far."""
    calls = itertools.count(1)
    made = 0

    def spoil(module: Any, name: str) -> None:
        original = getattr(module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal made
            made = next(calls)
            if made == number:
                if name == "save_file":
                    Path(args[1]).write_bytes(b"\x80\x00\x00\x00")  # half a file
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        setattr(module, name, call)

    for module, names in CALLS.items():
        for name in names:
            spoil(module, name)
    return lambda: made


def kill_at_every_call(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """A resume, its last step, a new best, two saves and two removals of old ones: killed at each of their calls."""
    scores = {step: 10.0 - step for step in range(recipe.steps + 1)}
    Digits.evaluate = lambda *_args, **_kwargs: {"frechet": 1.0}  # type: ignore[method-assign,assignment]
    loop._check_features = lambda *_: None  # the figures are made up: nobody measures
    state.HISTORY = 1
    base, whole = folder / "base", folder / "whole"

    def last_steps(run: Path, number: int = 0) -> None:
        step = max(int(path.name[5:]) for path in state.state_folders(run / "state"))
        upcoming = iter([scores[each] for each in range(step + 1, recipe.steps + 1)])
        Digits.evaluate = lambda *_args, **_kwargs: {"frechet": next(upcoming)}  # type: ignore[method-assign]
        made = kill_at_call(number)
        play(recipe, run)
        if not number:
            (folder / "calls").write_text(str(made()))

    def first_steps() -> None:
        upcoming = iter(scores.values())
        Digits.evaluate = lambda *_args, **_kwargs: {"frechet": next(upcoming)}  # type: ignore[method-assign]
        run = train(recipe, run_dir=base, device=tiny.CPU)
        for event in run:
            if isinstance(event, Saved) and event.path.endswith("step-3"):
                next(run)
                break

    assert forked(first_steps)[0] == 0
    shutil.copytree(base, whole)
    assert forked(lambda: last_steps(whole))[0] == 0
    calls = int((folder / "calls").read_text())
    wrong = []
    for number in range(1, calls + 1, STRIDE):
        run = folder / "killed"
        shutil.copytree(base, run)
        assert forked(lambda run=run, number=number: last_steps(run, number))[0] == -signal.SIGKILL
        status, _ = forked(lambda run=run: last_steps(run))
        if status or digest(run, recipe.steps) != digest(whole, recipe.steps) or leftovers(run):
            wrong.append(number)
        shutil.rmtree(run)
    return {"calls": calls, "wrong": wrong}


def fill_the_disk(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """The system itself refuses to write on, in the middle of a file."""

    def run_until_full() -> None:
        for event in train(recipe, run_dir=folder / "run", device=tiny.CPU):
            if isinstance(event, Saved) and event.path.endswith("step-1"):
                continue
            if event.kind == "progress" and event.step == 2:
                resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))

    status, _ = forked(run_until_full)
    found = runs.summarise(folder / "run")
    last = checkpoint.resolve(folder / "run")
    last.generator()
    report = {"status": status, "state": found.state, "reason": found.reason, "left": leftovers(folder / "run")}
    assert forked(lambda: play(recipe, folder / "run"))[0] == 0
    assert forked(lambda: play(recipe, folder / "other"))[0] == 0
    return report | {"same": digest(folder / "run", recipe.steps) == digest(folder / "other", recipe.steps)}


WORK = {"random": kill_at_random, "calls": kill_at_every_call, "full": fill_the_disk}


def in_helper(what: str, recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Does one of WORK in a fresh process."""
    (folder / "recipe.json").write_text(recipe.to_json())
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    found = subprocess.run(
        [sys.executable, __file__, what, str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    report: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return report


# --- killed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_killed_at_random_moments(tmp_path: Path, task: str) -> None:
    recipe = TRAINED[task].with_settings({"steps": 8, "checkpoint_every": 1, "evaluate_every": 2, "sample_every": 2})
    report = in_helper("random", recipe, tmp_path)
    assert all(report["same"]), report
    assert report["kills"] >= KILLS
    assert len(set(report["steps"])) > 3, report  # all over the run


def test_killed_at_every_change_of_a_file(tmp_path: Path) -> None:
    recipe = tiny.DIGITS.with_settings(
        {"steps": 4, "checkpoint_every": 1, "evaluate_every": 1, "sample_every": 9, "features": "any"}
    )
    report = in_helper("calls", recipe, tmp_path)
    assert report["calls"] > 40
    assert report["wrong"] == []


def test_a_disk_that_takes_half_a_file(tmp_path: Path) -> None:
    recipe = tiny.DIGITS.with_settings({"steps": 4, "checkpoint_every": 1, "sample_every": 9})
    report = in_helper("full", recipe, tmp_path)
    assert (report["status"], report["state"], report["left"]) == (1, "failed", [])
    assert "free some space" in report["reason"]
    assert report["same"]


# --- put right --------------------------------------------------------------------------------------------


def test_a_folder_set_aside_comes_back(tmp_path: Path) -> None:
    """As a kill between the two renames of a replacement leaves it."""
    whole = tiny.save(tmp_path / "best").path
    whole.rename(tmp_path / ".best.0123abcd.old")
    (tmp_path / ".best.0123abcd.tmp").mkdir()
    state.repair(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["best"]
    checkpoint.load(whole).generator()
    shutil.copytree(whole, tmp_path / ".best.4567abcd.old")
    state.repair(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["best"]
    state.repair(tmp_path / "none")


def test_a_removed_folder_is_never_half_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tiny.save(tmp_path / "step-3").path
    monkeypatch.setattr(shutil, "rmtree", lambda *_args, **_kwargs: None)  # killed before it has removed anything
    state.discard(whole)
    assert not whole.exists()
    monkeypatch.undo()
    state.repair(tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- another recipe, other data, another version ----------------------------------------------------------


@pytest.fixture
def stopped(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was stopped at step 3 of 6."""
    tiny.add_dataset(monkeypatch)
    folder = home / "runs" / "mine"
    seen: list[Event] = []
    for event in train(
        tiny.DIGITS, run_dir=folder, device=tiny.CPU, should_stop=lambda: any(event.step == 3 for event in seen)
    ):
        seen.append(event)
    assert runs.summarise(folder).state == "stopped"
    return folder


def go_on(folder: Path, **kwargs: Any) -> list[Event]:
    return list(train(Recipe.from_file(folder / "recipe.json"), run_dir=folder, resume=True, device=tiny.CPU, **kwargs))


def refused(folder: Path) -> str:
    """What a resume says; the folder says the same, and its checkpoint is whole."""
    with pytest.raises(GanDemoError) as caught:
        go_on(folder)
    found = runs.summarise(folder)
    assert (found.state, found.reason, found.step) == ("failed", str(caught.value), 3)
    checkpoint.load(folder / "checkpoints" / "step-3").generator()
    assert process.holder(folder) is None
    return str(caught.value)


def change_recipe(folder: Path, settings: dict[str, Any]) -> None:
    recipe = Recipe.from_file(folder / "recipe.json").with_settings(settings)
    (folder / "recipe.json").write_text(recipe.to_json())


def test_a_changed_recipe(stopped: Path) -> None:
    change_recipe(stopped, {"batch_size": 8, "generator_optimizer.lr": 0.5})
    assert refused(stopped) == (
        "mine can't go on, since batch_size was 16, is 8; generator_optimizer.lr was 0.001, is 0.5; put that back, or "
        f"start a new run from it: python -m gandemo train {stopped / 'recipe.json'} "
        f"--init {stopped / 'checkpoints' / 'step-3'}"
    )
    differences = ("batch_size was 16, is 8", "generator_optimizer.lr was 0.001, is 0.5")
    assert runs.summarise(stopped).differences == differences
    change_recipe(stopped, {"batch_size": 16, "generator_optimizer.lr": 0.001})
    assert go_on(stopped)[-1].step == 6


def test_what_only_tells_more_may_change(stopped: Path) -> None:
    change_recipe(stopped, {"log_every": 2, "checkpoint_every": 2, "description": "other words"})
    assert go_on(stopped)[-1].step == 6


def test_other_pictures(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        tiny.add_dataset(patch, count=60)
        message = refused(stopped)
        assert message.startswith("mine can't go on, since the data set's pictures were 80, are 60; ")
        spoiled = tiny.pictures(80, 1)
        spoiled.images[40, 0, 3, 3] ^= 1  # a single bit
        patch.setattr(datasets, "load", lambda _name, _split: spoiled)
        assert "the data set's content was" in refused(stopped)
    datasets._load_cached.cache_clear()
    assert go_on(stopped)[-1].step == 6


def test_vanished_data(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_name: str, _split: str) -> Any:
        raise DataError("tiny is nowhere; put it back")

    with monkeypatch.context() as patch:
        patch.setattr(datasets, "load", gone)
        assert refused(stopped) == "tiny is nowhere; put it back"
    assert go_on(stopped)[-1].step == 6


def test_data_that_vanish_in_the_middle(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = tiny.pictures(80, 1)
    drawn = itertools.count()

    class Vanishing:
        images, labels, class_names = pictures.images, pictures.labels, pictures.class_names

        def __len__(self) -> int:
            return 80

        def take(self, indices: Any, rng: Any) -> Any:
            if next(drawn) > 1:
                raise FileNotFoundError(2, "No such file or directory", "photo.jpg")
            return pictures.take(indices, rng)

    with monkeypatch.context() as patch:
        patch.setattr(datasets, "load", lambda _name, _split: Vanishing())
        with pytest.raises(FileNotFoundError):
            go_on(stopped)
    found = runs.summarise(stopped)
    assert found.state == "failed"
    assert "photo.jpg" in found.reason
    assert go_on(stopped)[-1].step == 6


def test_another_version_of_the_training(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, "TRAINING_VERSION", fingerprint.TRAINING_VERSION + 1)
        assert "gandemo's training was version 2, is 3" in refused(stopped)
    assert go_on(stopped)[-1].step == 6


def test_what_changes_the_last_bits_is_told(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 3)
    started = go_on(stopped)[0]
    assert isinstance(started, Started)
    assert started.remarks == ["threads was 1, is 3"]


def test_nothing_to_remark(stopped: Path) -> None:
    started = go_on(stopped)[0]
    assert isinstance(started, Started)
    assert (started.remarks, started.resumed, started.step) == ([], True, 3)


def test_a_run_from_before_fingerprints(stopped: Path) -> None:
    for file in (stopped / "state").rglob("state.json"):
        values = json.loads(file.read_text())
        del values["fingerprint"]
        file.write_text(json.dumps(values))
    (stopped / "start.json").unlink()
    assert go_on(stopped)[-1].step == 6


def test_a_recipe_from_before_a_setting_came(stopped: Path) -> None:
    before = state.saved_fingerprint(stopped / "state")
    assert before is not None
    after = json.loads(json.dumps(before))
    del before["recipe"]["augment"]
    del before["recipe"]["loss"]["clip"]
    assert fingerprint.refusals(before, after) == []
    before["recipe"]["colour"] = "red"  # a setting that is no more
    assert fingerprint.refusals(before, after)


# --- forks ------------------------------------------------------------------------------------------------


def test_a_fork_of_what_was_refused(stopped: Path) -> None:
    changed = tiny.DIGITS.with_settings({"batch_size": 8})
    fork = stopped.parent / "fork"
    told = list(train(changed, run_dir=fork, init=checkpoint.resolve("mine/step-3"), device=tiny.CPU))
    assert isinstance(told[-1], Finished)
    assert [path.name for path in state.state_folders(fork / "state")] == ["step-6", "step-3"]


def test_a_fork_killed_early_begins_where_it_was_forked(stopped: Path) -> None:
    """Also when what it was forked from has changed or gone since."""
    source = checkpoint.resolve("mine/step-3")
    whole, killed = stopped.parent / "whole", stopped.parent / "killed"
    list(train(tiny.DIGITS, run_dir=whole, init=source, device=tiny.CPU))
    run = train(tiny.DIGITS, run_dir=killed, init=source, device=tiny.CPU)
    next(run)
    del run
    assert [path.name for path in state.state_folders(killed / "state")] == ["step-0"]
    shutil.rmtree(source.path)
    go_on(killed)
    assert digest(killed, 6) == digest(whole, 6)


def test_a_named_start_is_taken_up_as_well(stopped: Path) -> None:
    recipe = tiny.DIGITS.with_settings({"init": "mine/step-3"})
    whole, laid_out = stopped.parent / "whole", stopped.parent / "laid-out"
    list(train(recipe, run_dir=whole, device=tiny.CPU))
    runs.lay_out(laid_out, recipe)
    go_on(laid_out)
    assert digest(laid_out, 6) == digest(whole, 6)
    list(train(tiny.DIGITS, run_dir=stopped.parent / "anew", device=tiny.CPU))
    assert digest(stopped.parent / "anew", 6) != digest(whole, 6)


def test_a_fork_killed_before_its_first_state(stopped: Path) -> None:
    source = checkpoint.resolve("mine/step-3")
    whole, laid_out = stopped.parent / "whole", stopped.parent / "laid-out"
    list(train(tiny.DIGITS, run_dir=whole, init=source, device=tiny.CPU))
    runs.lay_out(laid_out, tiny.DIGITS, source.path)
    go_on(laid_out)
    assert digest(laid_out, 6) == digest(whole, 6)


# --- two at once ------------------------------------------------------------------------------------------


def test_a_run_is_trained_by_one(stopped: Path) -> None:
    run = train(tiny.DIGITS, run_dir=stopped, resume=True, device=tiny.CPU)
    next(run)
    said = (stopped / "events.jsonl").read_bytes()
    with pytest.raises(TrainingError, match="mine is training already in process"):
        go_on(stopped)
    assert (stopped / "events.jsonl").read_bytes() == said
    for _ in run:
        pass
    assert runs.summarise(stopped).state == "done"


def test_a_laid_out_folder_is_taken_up(stopped: Path) -> None:
    folder = stopped.parent / "laid-out"
    runs.lay_out(folder, tiny.DIGITS)
    (folder / "log.txt").write_text("")
    with pytest.raises(TrainingError, match="was laid out for another recipe"):
        train(tiny.TINY["vanilla"], run_dir=folder, device=tiny.CPU)
    assert isinstance(list(train(tiny.DIGITS, run_dir=folder, device=tiny.CPU))[-1], Finished)
    with pytest.raises(TrainingError, match="is not empty; resume it"):
        train(tiny.DIGITS, run_dir=folder, device=tiny.CPU)


def test_asked_by_the_folder(stopped: Path) -> None:
    """Whoever knows the folder can stop the run, and the reason stays."""
    seen = []
    for event in train(tiny.DIGITS.with_settings({"steps": 500}), run_dir=stopped.parent / "long", device=tiny.CPU):
        seen.append(event)
        if event.step == 2 and event.kind == "progress":
            process.request_stop(stopped.parent / "long", "no room is left")
    assert isinstance(seen[-1], Finished)
    assert (seen[-1].state, seen[-1].reason) == ("stopped", "no room is left")
    assert seen[-1].step < 500
    assert not process.stop_requested(stopped.parent / "long")
    assert leftovers(stopped.parent / "long") == []


def test_memory_that_runs_out(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    with monkeypatch.context() as patch:
        patch.setattr("gandemo.training.trainer.Trainer.round", too_much)
        assert refused(stopped) == "out of memory at step 4; take a smaller batch_size, or end other programs"
    assert go_on(stopped)[-1].step == 6


def test_what_nobody_foresaw(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise(*_args: Any, **_kwargs: Any) -> None:
        raise KeyError("surprise")

    with monkeypatch.context() as patch:
        patch.setattr("gandemo.training.trainer.Trainer.round", surprise)
        with pytest.raises(KeyError):
            go_on(stopped)
    assert (runs.summarise(stopped).state, runs.summarise(stopped).reason) == ("failed", "KeyError: 'surprise'")


def test_the_history_of_a_long_run(stopped: Path) -> None:
    folder = stopped.parent / "long"
    list(train(tiny.DIGITS.with_settings({"steps": 40, "checkpoint_every": 1}), run_dir=folder, device=tiny.CPU))
    kept = sorted(int(path.name[5:]) for path in state.state_folders(folder / "checkpoints"))
    assert kept == [8, 16, 24, 32, 39, 40]
    assert all(checkpoint.load(folder / "checkpoints" / f"step-{step}").generator() for step in kept)
    told = [event.path for event in events.read(folder / "events.jsonl") if isinstance(event, Saved)]
    assert len(told) == 40


if __name__ == "__main__":
    tiny.add_dataset(pytest.MonkeyPatch())
    tiny_photos.add_dataset(pytest.MonkeyPatch())
    _, what, place = sys.argv
    chosen = Recipe.from_file(Path(place) / "recipe.json")
    # loads what torch loads at first use; but no step is taken before forks
    Trainer(chosen, datasets.load(chosen.dataset, "train"), tiny.CPU)
    print(json.dumps(WORK[what](chosen, Path(place))))
