"""What a run told, as columns to draw."""

from __future__ import annotations

import math

import pytest

from gandemo.training import curves
from gandemo.training.events import Evaluated, Event, Progress, Sampled, Saved


def progress(step: int, loss: float, **signals: float) -> Progress:
    return Progress(
        step=step,
        time=0,
        losses={"generator": loss},
        signals=signals,
        images_per_second=1,
        seconds=2 * step,
        seconds_left=0,
    )


def evaluated(step: int, score: float, is_best: bool) -> Evaluated:
    return Evaluated(step=step, time=0, metrics={"frechet": score}, score="frechet", is_best=is_best, seconds=1)


TOLD: list[Event] = [
    Sampled(step=0, time=0, path="samples/step-0000000.png"),
    progress(10, 1.0),
    progress(20, 0.5, real_logit=2.0),
    evaluated(20, 9.0, True),
    Saved(step=20, time=0, path="checkpoints/best"),
    Sampled(step=20, time=0, path="samples/step-0000020.png"),
    progress(30, 0.25, real_logit=3.0),
    evaluated(30, 11.0, False),
]


def test_few_points_are_drawn_as_they_are() -> None:
    told = curves.read(TOLD)
    assert curves.drawn(told) == {
        "steps": [10, 20, 30],
        "seconds": [20.0, 40.0, 60.0],
        "series": {
            "loss.generator": {"mean": [1.0, 0.5, 0.25]},
            "signal.real_logit": {"mean": [None, 2.0, 3.0]},
        },
    }
    assert told.sampled == [0, 20]


def test_scores_know_their_best_and_when_it_was() -> None:
    told = curves.read(TOLD)
    expected = {"steps": [20, 30], "seconds": [40.0, 60.0], "score": [9.0, 11.0], "best": 0}
    assert curves.scores(told, "frechet") == expected
    assert curves.scores(curves.read([]), "frechet") == {"steps": [], "seconds": [], "score": [], "best": None}


def test_seconds_between_two_reports_lie_on_a_line() -> None:
    assert list(curves.read(TOLD).seconds_at([0, 5, 10, 25, 99])) == [0, 10, 20, 50, 60]


def test_many_points_become_few_with_their_mean_and_extremes() -> None:
    many = curves.read([progress(step, step % 10, real_logit=1.0) for step in range(1, 3_001)])
    drawn = curves.drawn(many)
    assert len(drawn["steps"]) == curves.PLACES
    assert drawn["steps"][-1] == 3_000
    loss = drawn["series"]["loss.generator"]
    assert set(loss["mean"]) == {4.5}
    assert set(loss["low"]) == {0.0}
    assert set(loss["high"]) == {9.0}


def test_joined_points_leave_out_what_was_not_told() -> None:
    half = [progress(step, math.nan, **({"real_logit": 2.0} if step % 2 else {})) for step in range(1, 1_001)]
    drawn = curves.drawn(curves.read(half))
    assert set(drawn["series"]["loss.generator"]["mean"]) == {None}
    assert set(drawn["series"]["signal.real_logit"]["mean"]) == {2.0}


def test_a_part_is_drawn_finer_and_reaches_over_both_ends() -> None:
    many = curves.read([progress(step, step) for step in range(1, 3_001)])
    part = curves.drawn(many, first=1_000, last=1_100)
    assert part["steps"] == list(range(999, 1_102))


def test_nothing_told_is_nothing_drawn() -> None:
    assert curves.drawn(curves.read([])) == {"steps": [], "seconds": [], "series": {}}


def test_evaluations_are_thinned_around_their_best() -> None:
    told = curves.read([evaluated(step, 1.0, step == 333) for step in range(1_000)])
    found = curves.scores(told, "frechet")
    assert len(found["steps"]) <= curves.PLACES + 1
    assert found["steps"][found["best"]] == 333


@pytest.mark.parametrize("most", [2, 3, 7])
def test_spaced_keeps_both_ends(most: int) -> None:
    chosen = curves.spaced(list(range(0, 1_000, 10)), most)
    assert chosen[0] == 0
    assert chosen[-1] == 990
    assert len(chosen) == most
