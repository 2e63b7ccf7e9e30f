"""What a training will take, measured in a few of its steps."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gandemo.errors import GanDemoError
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.training import estimate, state
from gandemo.training.manager import child_environment
from tests import tiny

ROOT = Path(__file__).resolve().parents[2]
FOUND = estimate.Estimate(
    step=0.5,
    sheet=2.0,
    evaluation=10.0,
    save=1.0,
    measuring=4.0,
    images_per_second=128,
    checkpoint=1_000,
    state=100,
    memory=None,
    parameters={"generator": 1},
    device="cpu",
)


def test_a_few_steps_tell_what_all_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.add_dataset(monkeypatch)
    monkeypatch.setattr(estimate, "SECONDS", 0.05)
    found = estimate.measure(tiny.TINY["digits"])
    assert 0 < found.step < 5
    assert found.images_per_second == pytest.approx(16 / found.step)
    assert found.parameters.keys() == {"generator", "discriminator"}
    assert found.checkpoint > 4 * found.parameters["generator"]
    assert found.state > found.checkpoint
    assert found.memory is None or found.memory > 10**7


def test_the_whole_is_its_steps_and_what_happens_between_them() -> None:
    recipe = tiny.DIGITS.with_settings(
        {"steps": 100, "sample_every": 50, "evaluate_every": 1_000, "checkpoint_every": 25}
    )
    # an evaluation and a save come at the end at least
    assert FOUND.seconds(recipe) == 100 * 0.5 + 2 * 2.0 + 1 * 10.0 + 4 * 1.0
    assert FOUND.disk(recipe) == (4 + 1) * 1_000 + 2 * 100  # 25, 50, 75, 100, best


def test_the_disk_is_bounded_by_the_thinned_history() -> None:
    long = tiny.DIGITS.with_settings({"steps": 10_000_000, "checkpoint_every": 1})
    assert FOUND.disk(long) <= (2 * state.HISTORY + 1) * 1_000 + 2 * 100


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_built(name: str) -> None:
    estimate.check(RECIPES[name])


@pytest.mark.parametrize(
    "settings",
    [{"generator.args.channels": [8]}, {"loss.gan": "quarrel"}, {"discriminator.name": "jury"}, {"task": "opera"}],
)
def test_what_cant_be_built_is_said_before_the_start(settings: dict[str, object]) -> None:
    with pytest.raises(GanDemoError):
        estimate.check(tiny.DIGITS.with_settings(settings))


def short(**settings: object) -> Recipe:
    values = {"batch_size": 8, "generator.args.widths": [8, 8], "discriminator.args.widths": [8, 8], "features": ""}
    return RECIPES["vanilla"].with_settings({**values, **settings})


@pytest.fixture
def estimator(home: Path) -> Iterator[estimate.Estimator]:
    made = estimate.Estimator((sys.executable, "-m", "gandemo"), child_environment(os.environ, 1), niceness=0)
    yield made
    made.close()


def answer(estimator: estimate.Estimator, recipe: Recipe) -> estimate.Answer:
    deadline = time.monotonic() + 120
    while (found := estimator.ask(recipe)).state == "measuring" and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def test_a_child_measures_and_the_answer_is_kept(estimator: estimate.Estimator) -> None:
    recipe = short()
    assert estimator.ask(recipe).state == "measuring"  # at once, whatever it takes
    found = answer(estimator, recipe)
    assert found.state == "ready", found.why
    assert found.estimate is not None
    assert found.start > 0
    longer = estimator.ask(short(steps=123_456, seed=9, log_every=7))
    assert longer.estimate == found.estimate


def test_a_recipe_that_fails_says_why_and_may_try_again(estimator: estimate.Estimator) -> None:
    wrong = short(dataset="nowhere")
    found = answer(estimator, wrong)
    assert found.state == "failed"
    assert "no data set 'nowhere'" in found.why
    assert estimator.ask(wrong).state == "measuring"


def test_a_full_disk_is_said_and_the_next_wish_is_measured(
    estimator: estimate.Estimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(estimate.tempfile, "TemporaryDirectory", full)
        found = answer(estimator, short())
    assert found.state == "failed"
    assert "No space left" in found.why
    assert estimator.ask(short()).state == "measuring"
    estimator.rest()


def test_only_the_last_few_wishes_wait(estimator: estimate.Estimator, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    started, asked = threading.Event(), threading.Event()

    def slow(recipe: Recipe) -> estimate.Answer:
        taken.append(recipe.batch_size)
        started.set()
        asked.wait(60)
        return estimate.Answer("ready", FOUND)

    monkeypatch.setattr(estimator, "_measure", slow)
    estimator.ask(short(batch_size=1))
    assert started.wait(60)
    for size in range(2, 10):
        estimator.ask(short(batch_size=size))
    worker = estimator._worker
    assert worker is not None
    asked.set()
    worker.join(60)
    assert taken == [1, 9, 8, 7, 6]  # the last wish first


# a child that measures for ever, and one that tells when its leash is let go
FOREVER = """
import sys, time
from gandemo.commands import measuring
from gandemo.training import process
process.end.__defaults__ = (float(sys.argv[1]),)
def look(*_):
    print("looking", flush=True)
    while True:
        try:
            time.sleep(0.01)
        except KeyboardInterrupt:
            if sys.argv[2] == "polite":
                raise
measuring.chosen_recipe = look
measuring.estimate("vanilla", leash=0)
"""
WATCHER = """
import sys
from pathlib import Path
here = Path(sys.argv[0]).parent
(here / "began").touch()
sys.stdin.read()
(here / "ended").touch()
"""
SERVER = """
import os, sys, threading
from gandemo.recipes import RECIPES
from gandemo.training.estimate import Estimator
made = Estimator((sys.executable, sys.argv[1]), os.environ, niceness=0)
made.ask(RECIPES["vanilla"])
threading.Event().wait()
"""


def child(code: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, **options)


@pytest.mark.parametrize(("grace", "manners"), [("600", "polite"), ("0", "deaf")])
def test_who_measures_ends_with_who_has_asked(grace: str, manners: str) -> None:
    with child(FOREVER, grace, manners, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as one:
        assert one.stdin is not None
        assert one.stdout is not None
        assert one.stdout.readline().strip() == b"looking"
        one.stdin.close()  # as when the other side is killed
        assert one.wait(300) != 0


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_server_that_is_killed_leaves_nobody_measuring(tmp_path: Path, home: Path) -> None:
    watcher = tmp_path / "watcher.py"
    watcher.write_text(WATCHER)
    with child(SERVER, str(watcher), env={**os.environ, "TMPDIR": str(tmp_path)}) as server:
        wait_for(tmp_path / "began")
        assert not (tmp_path / "ended").exists()  # it is held as long as the server lives
        server.kill()
    wait_for(tmp_path / "ended")


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 300
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_command_prints_what_was_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gandemo.commands import measuring

    tiny.add_dataset(monkeypatch)
    monkeypatch.setattr(estimate, "measure", lambda recipe: FOUND)
    monkeypatch.setattr(measuring, "chosen_recipe", lambda *_: tiny.DIGITS)
    measuring.estimate("digits", as_json=True)
    assert json.loads(capsys.readouterr().out)["step"] == 0.5
    measuring.estimate("digits")
    assert "6 steps at 128 images/s on cpu: 29 s" in capsys.readouterr().out
