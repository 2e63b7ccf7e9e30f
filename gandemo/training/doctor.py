"""The doctor: names what goes wrong in a training, from what the run has told, with the numbers and one remedy.

RULES is the whole of its knowledge, one row a diagnosis. A rule looks at the course of a run and returns its evidence,
or None. It must hold over a stretch of the run, never at a single moment, and healthy recipes must pass: the bounds
stand where runs that were broken on purpose and runs of all named recipes part.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gandemo.recipe import Recipe
from gandemo.tasks import task_of
from gandemo.training.events import Evaluated, Event, Finished, Progress, Started

STRETCH = 10  # so many reports of progress, at least, before anything is said
Settings = dict[str, Any]


@dataclass(frozen=True)
class Diagnosis:
    """One thing that goes wrong.

    Attributes:
        name: of its rule.
        title: for people.
        evidence: the numbers it was told from.
        why: what happens, in plain words.
        remedy: what to change, in plain words.
        settings: the same for `Recipe.with_settings`, and so for `Manager.fork`; empty where nothing there helps.
        anew: whether the fork must begin with fresh weights, since what was learned so far is spoilt or won't fit.
        step: up to which the run was looked at.
        is_alarm: False for mere advice, such as when to stop.
    """

    name: str
    title: str
    evidence: str
    why: str
    remedy: str
    settings: Settings
    anew: bool
    step: int
    is_alarm: bool


class Course:
    """What a run has told so far, as series."""

    def __init__(self, told: Sequence[Event], recipe: Recipe) -> None:
        self.recipe = recipe
        self.progress = [event for event in told if isinstance(event, Progress)]
        self.evaluated = [event for event in told if isinstance(event, Evaluated)]
        self.started = next((event for event in reversed(told) if isinstance(event, Started)), None)
        ends = [event for event in told if isinstance(event, Started | Finished)]
        self.finished = ends[-1] if ends and isinstance(ends[-1], Finished) else None
        self.step = told[-1].step if told else 0
        self.sign = 1.0 if task_of(recipe.task).lower_is_better else -1.0

    @property
    def is_critic(self) -> bool:
        """Whether the discriminator scores without a threshold, so that its accuracies mean nothing."""
        return self.recipe.loss.gan in ("wasserstein", "relativistic")

    def series(self, group: str, name: str) -> list[float]:
        """One value of every progress event that has it: `group` is losses, signals or samples."""
        values = [getattr(event, group).get(name) for event in self.progress]
        return [value for value in values if value is not None]

    def last(self, group: str, name: str) -> list[float]:
        """The last fifth of a series, at least STRETCH; empty as long as there are fewer."""
        values = self.series(group, name)
        return values[-max(STRETCH, len(values) // 5) :] if len(values) >= 2 * STRETCH else []

    def metric(self, name: str) -> list[float]:
        """One metric at every evaluation."""
        return [event.metrics[name] for event in self.evaluated if name in event.metrics]

    @property
    def scores(self) -> list[float]:
        """The score at every evaluation, turned so that lower is better."""
        return [self.sign * event.metrics[event.score] for event in self.evaluated]

    @property
    def passes(self) -> float:
        """How often each training picture was seen; 0 where that is not known."""
        if self.started is None or not self.started.pictures:
            return 0.0
        rounds = 1 if self.recipe.reuse_fakes else max(self.recipe.d_steps, 1)
        return self.step * rounds * self.recipe.batch_size / self.started.pictures


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Attributes:
        title: for people.
        look: the evidence in a course, or None.
        why: what happens.
        remedy: what to change, in words.
        settings: the same as settings of the recipe.
        is_alarm: see `Diagnosis`.
    """

    title: str
    look: Callable[[Course], str | None]
    why: str
    remedy: str
    settings: Callable[[Course], Settings]
    anew: bool = False
    is_alarm: bool = True


def diagnose(told: Sequence[Event], recipe: Recipe) -> list[Diagnosis]:
    """What goes wrong in a run, the most certain first; empty: nothing that can be seen.

    Args:
        told: its events so far.
        recipe: of the run.
    """
    course = Course(told, recipe)
    found = []
    for name, rule in RULES.items():
        evidence = rule.look(course)
        if evidence is not None:
            settings = rule.settings(course)
            found.append(
                Diagnosis(
                    name, rule.title, evidence, rule.why, rule.remedy, settings, rule.anew, course.step, rule.is_alarm
                )
            )
    return found


# --- the signs --------------------------------------------------------------------------------------------


def _divergence(course: Course) -> str | None:
    end = course.finished
    if end is not None and end.state == "failed" and "diverged" in end.reason:
        return end.reason
    for player in ("generator", "discriminator"):
        norms, late = (
            course.series("signals", f"{player}_gradient_norm"),
            course.last("signals", f"{player}_gradient_norm"),
        )
        if late and (before := statistics.median(norms[:STRETCH])) and statistics.median(late) > 100 * max(before, 0.1):
            return f"the {player}'s gradient norm rose from {before:.3g} to {statistics.median(late):.3g}"
    scores = course.scores
    best = min(scores, default=0.0)
    if len(scores) >= 6 and best > 0 and min(scores[-3:]) > 4 * best:
        return f"the score fell back from {best:.3g} to {min(scores[-3:]):.3g} or worse in the last three evaluations"
    return None


def _discriminator_too_strong(course: Course) -> str | None:
    real, fake = course.last("signals", "real_accuracy"), course.last("signals", "fake_accuracy")
    if course.is_critic or not real or not fake:
        return None
    right = [(a + b) / 2 for a, b in zip(real, fake, strict=True)]
    if statistics.median(right) < 0.985:
        return None
    gap = statistics.median(course.last("signals", "real_logit")) - statistics.median(
        course.last("signals", "fake_logit")
    )
    return (
        f"it tells {statistics.median(real):.1%} of real and {statistics.median(fake):.1%} of generated pictures "
        f"rightly over the last {len(right)} reports, {gap:.1f} apart in logits"
    )


def _generator_winning(course: Course) -> str | None:
    real, fake = course.last("signals", "real_logit"), course.last("signals", "fake_logit")
    if not real or not fake:
        return None
    gap = [a - b for a, b in zip(real, fake, strict=True)]
    caught = course.last("signals", "fake_accuracy")
    if statistics.median(gap) < 0:
        return f"it ranks generated pictures {-statistics.median(gap):.2g} above real ones over {len(gap)} reports"
    if not course.is_critic and caught and statistics.median(caught) < 0.12:
        return f"it catches only {statistics.median(caught):.1%} of generated pictures over {len(caught)} reports"
    return None


def _mode_collapse(course: Course) -> str | None:
    for name, bound, words in (
        ("nearest", 0.3, "the nearest neighbour of a generated picture is {:.2f} times as far as among real ones"),
        ("spread", 0.4, "generated pictures vary {:.2f} times as much as real ones"),
    ):
        late, all_ = course.last("samples", name), course.series("samples", name)
        if not late or statistics.median(late) >= bound:
            continue
        before = all_[-2 * len(late) : -len(late)]
        if statistics.median(late) <= 1.15 * statistics.median(before):  # it does not get better by itself
            return words.format(statistics.median(late)) + f" over {len(late)} reports"
    shares = course.metric("largest_class")
    spread = course.metric("class_kl")
    if len(spread) >= 4 and min(spread[-3:]) > 0.5 and spread[-1] > 0.9 * spread[-4]:
        return (
            f"{shares[-1]:.0%} of the samples are of one class, {course.metric('modes')[-1]:.0f} classes appear at all"
        )
    return None


def _oscillation(course: Course) -> str | None:
    scores = course.scores[-8:]
    if len(scores) == 8 and min(scores) > 0:
        swings = [b / a for a, b in pairwise(scores)]
        turns = sum((a > 1) != (b > 1) for a, b in pairwise(swings))
        size = statistics.median(max(swing, 1 / swing) for swing in swings)
        if turns >= 4 and size > 1.5:
            return f"the score turned {turns} times in its last 7 changes, by a factor of {size:.2f} each"
    real, fake = course.last("signals", "real_logit"), course.last("signals", "fake_logit")
    if len(real) < 2 * STRETCH or len(fake) != len(real):
        return None
    middle = [(a + b) / 2 for a, b in zip(real, fake, strict=True)]
    gap = statistics.median(abs(a - b) for a, b in zip(real, fake, strict=True))
    swing = statistics.stdev(middle)
    if swing > 2 * max(gap, 0.5):
        return f"both logits swing together by ±{swing:.2g}, where real and generated are only {gap:.2g} apart"
    return None


def _grey(course: Course) -> str | None:
    late = course.last("samples", "colour")
    if not late or statistics.median(late) >= 0.55:
        return None
    before = course.series("samples", "colour")[-2 * len(late) : -len(late)]
    if statistics.median(late) > 1.15 * statistics.median(before):
        return None
    return f"generated pictures have {statistics.median(late):.0%} of the colour of real ones over {len(late)} reports"


def _memorisation(course: Course) -> str | None:
    late = course.series("samples", "copied")[-3:]
    if len(late) < 3 or max(late) >= 0.5:
        return None
    return (
        f"generated pictures lie {statistics.median(late):.2f} times as far from the nearest training picture as "
        "pictures that were never trained on"
    )


def _too_little_data(course: Course) -> str | None:
    scores = course.scores
    if course.started is None or not 0 < course.started.pictures < 5_000 or course.passes < 50 or len(scores) < 5:
        return None
    best = min(scores)
    late = statistics.median(scores[-3:])
    if best <= 0 or late < 1.15 * best or scores.index(best) >= len(scores) - 3:
        return None
    return (
        f"{course.started.pictures:,} pictures, each seen {course.passes:,.0f} times; the score was {best:.3g} at step "
        f"{course.evaluated[scores.index(best)].step:,} and is {late:.3g} now"
    )


def _no_progress(course: Course) -> str | None:
    scores = course.scores
    if len(scores) < 8:
        return None
    best = scores.index(min(scores))
    since = len(scores) - 1 - best
    if since < max(5, 0.4 * len(scores)):
        return None
    step = course.evaluated[best].step
    return f"the best score, {abs(scores[best]):.3g}, is from step {step:,}, {since} evaluations ago"


def _slower(player: str, factor: float) -> Callable[[Course], Settings]:
    key = f"{player}_optimizer"
    return lambda course: {f"{key}.lr": float(f"{getattr(course.recipe, key).lr * factor:.2g}")}


def _slower_both(course: Course) -> Settings:
    return {**_slower("generator", 0.25)(course), **_slower("discriminator", 0.25)(course)}


def _more_variety(course: Course) -> Settings:
    recipe = course.recipe
    if not recipe.classes and recipe.pack == 1 and recipe.batch_size % 2 == 0:
        return {"pack": 2}
    return {"loss.r1": max(1.0, 4 * recipe.loss.r1)}


def _stop_early(course: Course) -> Settings:
    scores = course.scores
    return {"steps": max(1, course.evaluated[scores.index(min(scores))].step)} if scores else {}


RULES: Mapping[str, Rule] = {
    "divergence": Rule(
        "Divergence",
        _divergence,
        "The steps are too large: each overshoots, and the next has more to repair than the last.",
        "a quarter of both learning rates",
        _slower_both,
    ),
    "discriminator-too-strong": Rule(
        "The discriminator is too strong",
        _discriminator_too_strong,
        "It is never in doubt, so that its gradient hardly tells the generator which way is better.",
        "a quarter of the discriminator's learning rate",
        _slower("discriminator", 0.25),
    ),
    "generator-winning": Rule(
        "The generator wins too easily",
        _generator_winning,
        "The discriminator can't tell real from generated, so that what it teaches is arbitrary.",
        "four times the discriminator's learning rate",
        _slower("discriminator", 4.0),
    ),
    "mode-collapse": Rule(
        "Mode collapse",
        _mode_collapse,
        "The generator has found a few pictures that pass, and makes only those.",
        "let the discriminator see two samples at once, or, with classes, a gradient penalty on real pictures",
        _more_variety,
    ),
    "oscillation": Rule(
        "Oscillation",
        _oscillation,
        "The two players chase each other in circles: each undoes what the other has just learned.",
        "a gradient penalty on real pictures, which damps the circles",
        lambda course: {"loss.r1": max(1.0, 4 * course.recipe.loss.r1)},
    ),
    "grey": Rule(
        "Grey or brown pictures",
        _grey,
        "Where several colours are possible, their average is the safe answer, and it is grey.",
        "twice the weight of the discriminator, which is not content with an average",
        lambda course: {"loss.adversarial": 2 * course.recipe.loss.adversarial or 0.1},
    ),
    "memorisation": Rule(
        "Memorisation",
        _memorisation,
        "The generator gives back training pictures instead of making new ones.",
        "more pictures; or a shorter training with a gradient penalty on real pictures",
        lambda course: {"loss.r1": max(1.0, 4 * course.recipe.loss.r1), **_stop_early(course)},
    ),
    "too-little-data": Rule(
        "Too little data",
        _too_little_data,
        "The discriminator knows the few training pictures by heart and calls everything else generated.",
        "more pictures; or a gradient penalty on real pictures, and an end where it was best",
        lambda course: {"loss.r1": max(1.0, 4 * course.recipe.loss.r1), **_stop_early(course)},
    ),
    "no-progress": Rule(
        "No further progress",
        _no_progress,
        "The score has stopped getting better; more steps cost time and bring nothing.",
        "stop here and use the best checkpoint",
        _stop_early,
        is_alarm=False,
    ),
}
