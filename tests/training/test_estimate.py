"""What a training will take, measured in a few of its steps."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gandemo.errors import GanDemoError
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.training import estimate, state
from gandemo.training.manager import child_environment
from tests import tiny

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
