"""The doctor: what was broken on purpose is named, from real steps on real digits; what is healthy is left alone."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import tiny

from gandemo.bench.doctor import BROKEN, HEALTHY, Case, examine
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.training import events
from gandemo.training.doctor import RULES, diagnose
from gandemo.training.signs import Course

# --- real runs: the cases of `python -m gandemo bench doctor` that show in their first steps ----------------------

QUICK = {"steps": 240, "features": "", "evaluate_every": 10_000, "log_every": 5}


@pytest.mark.parametrize(
    "name",
    [
        "a critic without a bound, and large steps",
        "a discriminator 200 times as fast",
        "a generator 500 times as fast",
        "five steps of the generator to one",
    ],
)
def test_what_was_broken_on_purpose_is_named(name: str, tmp_path: Path) -> None:
    case = BROKEN[name]
    outcome = examine(Case(case.recipe.with_settings(QUICK), case.expected), tmp_path)
    assert outcome.last == (case.expected,), outcome


def test_a_healthy_game_is_left_alone(tmp_path: Path) -> None:
    outcome = examine(Case(HEALTHY["digits as they should be"].recipe.with_settings(QUICK)), tmp_path)
    assert outcome.step == 240
    assert outcome.told == ()


def test_the_bench_breaks_a_recipe_for_every_diagnosis() -> None:
    assert {case.expected for case in BROKEN.values()} == set(RULES)
    assert not [case.expected for case in HEALTHY.values() if case.expected]


# --- the rules on courses made up for them --------------------------------------------------------------------------

HEALTH = {
    "losses": {"generator": 1.0, "discriminator": 0.6},
    "signals": {
        "real_logit": 0.8,
        "fake_logit": -0.8,
        "real_accuracy": 0.75,
        "fake_accuracy": 0.75,
        "generator_gradient_norm": 1.0,
        "discriminator_gradient_norm": 1.0,
    },
    "samples": {"spread": 0.9, "nearest": 0.9, "colour": 0.8},
}
GAME = RECIPES["vanilla"].with_settings({"steps": 20_000})
PHOTOS = RECIPES["colorize"].with_settings({"steps": 20_000, "init": ""})


def course(
    scores: list[float] | None = None,
    *,
    pictures: int = 50_000,
    every: int = 500,
    figures: list[dict[str, float]] | None = None,
    score: str = "frechet",
    **changed: dict[str, float],
) -> list[events.Event]:
    """A run as it tells of itself, four reports to an evaluation; unless given, its scores fall as in a healthy one."""
    scores = [100.0 * 0.85**place for place in range(16)] if scores is None else scores
    found: list[events.Event] = [
        events.Started(step=0, time=0, steps=20_000, device="cpu", threads=1, precision="fp32", parameters={})
    ]
    found[0] = found[0].model_copy(update={"pictures": pictures})
    for place, value in enumerate(scores):
        for part in range(1, 5):
            step = place * every + part * every // 4
            told = {key: {**values, **changed.get(key, {})} for key, values in HEALTH.items()}
            found.append(
                events.Progress(step=step, time=step, images_per_second=9, seconds=step, seconds_left=9, **told)  # type: ignore[arg-type]
            )
        step = (place + 1) * every
        found.append(
            events.Evaluated(step=step, time=step, metrics={score: value}, score=score, is_best=True, seconds=1)
        )
        if figures:
            found.append(events.Examined(step=step, time=step, figures=figures[min(place, len(figures) - 1)]))
    return found


def names(told: list[events.Event], recipe: Recipe = GAME) -> list[str]:
    return [found.name for found in diagnose(told, recipe)]


def test_nothing_is_said_of_health_or_of_nothing() -> None:
    assert names([]) == []
    told = course(figures=[{"overfitting": 0.1, "copied": 1.0, "training_loss": 1.0, "held_out_loss": 1.1}])
    for length in range(len(told) + 1):
        assert names(told[:length]) == []
    assert names(course([0.1 * 1.1**place for place in range(16)], score="balance"), PHOTOS) == []


@pytest.mark.parametrize(
    ("expected", "recipe", "told"),
    [
        ("divergence", GAME, course([100, 60, 30, 20, 10, 8, 90, 200, 400])),
        (
            "divergence",
            GAME,
            [
                *course()[:9],
                events.Finished(
                    step=1_000,
                    time=9,
                    state="failed",
                    reason="the loss became nan: training diverged; resume from step 5",
                ),
            ],
        ),
        ("memorisation", GAME, course(pictures=40, figures=[{"copied": 0.3}])),
        # one look of three above the bound, as in a run on forty digits
        ("memorisation", GAME, course(pictures=40, figures=[{"copied": value} for value in (0.52, 0.61, 0.46, 0.5)])),
        ("too-little-data", GAME, course(pictures=200, figures=[{"overfitting": 0.9}])),
        (
            "too-little-data",
            GAME,
            course(
                pictures=200,
                figures=[{"training_loss": 1.0, "held_out_loss": 1.0 + 0.1 * abs(place - 2)} for place in range(16)],
            ),
        ),
        ("too-little-data", GAME, course(pictures=8)),
        ("discriminator-too-strong", GAME, course(signals={"real_accuracy": 1.0, "fake_accuracy": 0.99})),
        # never wrong about noise, now and then about a real picture
        ("discriminator-too-strong", GAME, course(signals={"real_accuracy": 0.975, "fake_accuracy": 1.0})),
        ("generator-winning", GAME, course(signals={"real_logit": -1.0, "fake_logit": 1.0})),
        ("oscillation", GAME, course([10.0, 40.0] * 8)),
        ("mode-collapse", GAME, course(samples={"nearest": 0.1})),
        ("grey", PHOTOS, course(samples={"colour": 0.2, "nearest": 0.1, "spread": 0.1}, score="balance")),
        ("no-progress", GAME, course([100, 50, 20, 10, *[10.5] * 12])),
    ],
)
def test_every_diagnosis_has_its_signs(expected: str, recipe: Recipe, told: list[events.Event]) -> None:
    found = diagnose(told, recipe)
    assert [each.name for each in found] == [expected]
    assert any(letter.isdigit() for letter in found[0].evidence) or "nan" in found[0].evidence
    assert found[0].is_alarm is (expected != "no-progress")


@pytest.mark.parametrize(
    "told",
    [
        # few other pictures that are harder from the first look on
        course(pictures=2_000, every=50, figures=[{"training_loss": 1.0, "held_out_loss": 2.0}]),
        # a loss that jumps about within the first epochs
        course(
            pictures=10**6,
            figures=[{"training_loss": 0.05, "held_out_loss": 0.05 * (1 + place % 3)} for place in range(16)],
        ),
        # copies at some looks only
        course(pictures=2_000, figures=[{"copied": value} for value in (0.3, 0.9) * 8]),
        # a discriminator that tells little apart, one moment of a strong one, and a critic, which has no threshold
        course(pictures=2_000, figures=[{"overfitting": value} for value in (0.9, 0.1) * 8]),
        course()[:-1] + course(signals={"real_accuracy": 1.0, "fake_accuracy": 1.0})[-2:],
        # one that is in doubt about one generated picture in twenty
        course(signals={"real_accuracy": 1.0, "fake_accuracy": 0.95}),
    ],
)
def test_what_only_looks_like_it(told: list[events.Event]) -> None:
    assert names(told) == []


def test_pictures_made_from_others_need_not_vary() -> None:
    rising = [0.1 * 1.1**place for place in range(16)]
    assert names(course(rising, samples={"nearest": 0.1, "spread": 0.1}, score="balance"), PHOTOS) == []


def test_a_critic_has_no_accuracy() -> None:
    critic = RECIPES["wgan-gp"].with_settings({"steps": 20_000})
    assert names(course(signals={"real_accuracy": 1.0, "fake_accuracy": 1.0}), critic) == []


def test_the_young_are_left_alone() -> None:
    told = course(every=40, signals={"real_accuracy": 1.0, "fake_accuracy": 1.0})
    cut = list(itertools.takewhile(lambda event: event.step < 200, told))
    assert names(cut) == []
    assert names(told) == ["discriminator-too-strong"]


def test_when_to_stop_is_said_only_where_there_is_something_to_stop() -> None:
    told = course([100, 50, 20, 10, *[10.5] * 12])
    (found,) = diagnose(told, GAME)
    assert found.settings == {"steps": 2_000}
    done = events.Finished(step=8_000, time=9, state="done")
    assert diagnose([*told, done], GAME) == []


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.task != "classify"])
def test_every_remedy_is_a_change_that_a_recipe_takes(name: str) -> None:
    recipe = RECIPES[name].with_settings({"steps": 30_000})
    seen = Course(course(), recipe)
    for rule in RULES.values():
        settings: dict[str, Any] = rule.settings(seen)
        if settings and not (recipe.discriminator is None and any("discriminator" in key for key in settings)):
            assert recipe.with_settings(settings) != recipe, (rule.title, settings)


def test_a_remedy_changes_what_it_says() -> None:
    (found,) = diagnose(course(signals={"real_accuracy": 1.0, "fake_accuracy": 0.99}), GAME)
    assert found.settings == {"discriminator_optimizer.lr": GAME.discriminator_optimizer.lr / 4}
    (found,) = diagnose(course(samples={"nearest": 0.1}), GAME)
    assert found.settings == {"pack": 2}
    (found,) = diagnose(course(samples={"nearest": 0.1}), tiny.DIGITS.with_settings({"steps": 20_000}))
    assert found.settings == {"loss.r1": 1.0}  # two pictures of two classes can't be judged as one
