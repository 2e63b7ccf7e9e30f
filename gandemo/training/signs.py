"""What the doctor looks for: the course of a run as series, and one function for each sign.

A sign is a function of the course and its bounds that returns the evidence in numbers, or None. It must hold over a
stretch of the run, never at a single moment.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise

from gandemo.recipe import Recipe
from gandemo.tasks import task_of
from gandemo.training.events import Evaluated, Event, Examined, Finished, Progress, Started

STRETCH = 10  # reports of progress, at least, that a sign must hold over
YOUNG = 200  # steps within which nothing is said: the players have hardly met


class Course:
    """What a run has told so far, as series."""

    def __init__(self, told: Sequence[Event], recipe: Recipe) -> None:
        """Takes the events of a run, and its recipe."""
        self.recipe = recipe
        self.progress = [event for event in told if isinstance(event, Progress)]
        self.evaluated = [event for event in told if isinstance(event, Evaluated)]
        self.examined = [event for event in told if isinstance(event, Examined)]
        self.started = next((event for event in reversed(told) if isinstance(event, Started)), None)
        ends = [event for event in told if isinstance(event, Started | Finished)]
        self.finished = ends[-1] if ends and isinstance(ends[-1], Finished) else None
        self.step = told[-1].step if told else 0
        self._sign = 1.0 if task_of(recipe.task).lower_is_better else -1.0

    @property
    def plays(self) -> bool:
        """Whether there is a game at all."""
        return self.recipe.discriminator is not None and self.recipe.loss.adversarial > 0

    def times_seen(self, step: int | None = None) -> float | None:
        """How often a training picture was seen until a step, or until now, on the average; None: not known."""
        if self.started is None or not self.started.pictures:
            return None
        draws = self.recipe.d_steps + self.recipe.g_steps - 1 if self.plays else self.recipe.g_steps
        return (self.step if step is None else step) * draws * self.recipe.batch_size / self.started.pictures

    @property
    def is_critic(self) -> bool:
        """Whether the discriminator scores without a threshold, so that its accuracies mean nothing."""
        return self.recipe.loss.gan in ("wasserstein", "relativistic")

    def series(self, group: str, name: str) -> list[float]:
        """One value of every report that has it: `group` is losses, signals or samples."""
        values = [getattr(event, group).get(name) for event in self.progress]
        return [value for value in values if value is not None]

    def late(self, group: str, name: str, share: int = 5) -> list[float]:
        """The last part of a series, one in `share`, and at least STRETCH; empty as long as the run is young."""
        values = self.series(group, name)
        count = max(STRETCH, len(values) // share)
        return values[-count:] if self.step >= YOUNG and len(values) >= 2 * count else []

    def grows(self, group: str, name: str, factor: float) -> bool:
        """Whether the late part of a series is above the part before it by a factor: it gets better by itself."""
        late = self.late(group, name)
        before = self.series(group, name)[-2 * len(late) : -len(late)]
        return bool(before) and statistics.median(late) > factor * statistics.median(before)

    def figures(self, name: str, last: int = 3) -> list[float]:
        """One figure of the last examinations; empty as long as there are fewer."""
        values = [event.figures[name] for event in self.examined if name in event.figures]
        return values[-last:] if self.step >= YOUNG and len(values) >= last else []

    def metric(self, name: str) -> list[float]:
        """One metric at every evaluation."""
        return [event.metrics[name] for event in self.evaluated if name in event.metrics]

    @property
    def scores(self) -> list[float]:
        """The score at every evaluation, turned so that lower is better."""
        return [self._sign * event.metrics[event.score] for event in self.evaluated]

    @property
    def best(self) -> Evaluated | None:
        """The best evaluation."""
        scores = self.scores
        return self.evaluated[scores.index(min(scores))] if scores else None

    def score_falls(self, last: int = 4) -> bool:
        """Whether the best of the last few scores is better than all before them."""
        scores = self.scores
        return len(scores) <= last or min(scores[-last:]) < 0.95 * min(scores[:-last])


def divergence(course: Course, growth: float, fall_back: float) -> str | None:
    """A gradient norm that has grown by a factor, a loss that is no number, a score that fell back by a factor."""
    end = course.finished
    if end is not None and end.state == "failed" and "diverged" in end.reason:
        return end.reason.partition(": training diverged")[0]
    for player in ("generator", "discriminator"):
        norms, late = (read("signals", f"{player}_gradient_norm") for read in (course.series, course.late))
        if late and (now := statistics.median(late)) > growth * max(before := statistics.median(norms[:STRETCH]), 0.1):
            return f"the {player}'s gradient norm rose from {before:.3g} to {now:.3g}"
    scores = course.scores
    best = min(scores, default=0.0)
    if len(scores) >= 6 and best > 0 and min(scores[-3:]) > fall_back * best:
        return f"the score fell back from {best:.3g} to {min(scores[-3:]):.3g} or worse in the last three evaluations"
    return None


def memorisation(course: Course, copied: float) -> str | None:
    """Generated pictures that lie nearer to training pictures than pictures do that were not trained on."""
    late = course.figures("copied")
    if not late or statistics.median(late) >= copied or max(late) >= 1.2 * copied:
        return None
    return (
        f"generated pictures lie {statistics.median(late):.2f} times as far from the nearest training picture as "
        f"pictures that were not trained on{_seen(course)}"
    )


def too_little_data(
    course: Course, overfitting: float, gap: float, rise: float, seen: float, few: float, by_heart: float
) -> str | None:
    """A discriminator that takes other real pictures for generated ones; a loss that rises again on them; a handful."""
    times = course.times_seen()
    if times is not None and times < seen:
        return None  # nobody knows by heart what was hardly seen
    late = course.figures("overfitting")
    if late and statistics.median(late) > overfitting and min(late) > 0.8 * overfitting:
        return (
            f"of the discriminator's distance from training pictures to generated ones, pictures that were not "
            f"trained on lie {statistics.median(late):.0%} of the way{_seen(course)}"
        )
    losses = [
        (event.step, event.figures["training_loss"], event.figures["held_out_loss"])
        for event in course.examined
        if event.figures.get("training_loss", 0.0) > 0 and "held_out_loss" in event.figures
    ]
    if len(losses) >= 5 and course.step >= YOUNG:
        # few pictures may differ from a few others before anything is learned of them
        known_by_then = course.times_seen(losses[0][0])
        first = 1.0 if known_by_then is None or known_by_then > 10 else losses[0][2] / losses[0][1]
        ratio = statistics.median(others / known for _, known, others in losses[-3:])
        risen = statistics.median(others for *_, others in losses[-3:]) / min(others for *_, others in losses)
        if ratio >= gap * first and risen >= rise:
            return (
                f"the loss on pictures that were not trained on is {ratio:.2f} times that on training pictures, "
                f"{first:.2f} at first, and {risen:.2f} times what it was at its best{_seen(course)}"
            )
    if course.started is not None and times is not None and course.started.pictures < few and times > by_heart:
        return f"{course.started.pictures} pictures, each seen {times:,.0f} times, are all that it has to learn from"
    return None


def discriminator_too_strong(course: Course, accuracy: float) -> str | None:
    """It is right about nearly all pictures; real and generated ones count alike."""
    real, fake = (course.late("signals", f"{side}_accuracy") for side in ("real", "fake"))
    if course.is_critic or not real or not fake:
        return None
    if statistics.median(map(statistics.fmean, zip(real, fake, strict=True))) < accuracy:
        return None
    logits = [statistics.median(course.late("signals", f"{side}_logit")) for side in ("real", "fake")]
    return (
        f"it tells {statistics.median(real):.1%} of real and {statistics.median(fake):.1%} of generated pictures "
        f"rightly over the last {len(real)} reports, {logits[0] - logits[1]:.1f} apart in logits"
    )


def generator_winning(course: Course, lead: float, caught: float) -> str | None:
    """Generated pictures pass for real ones, or for more than that."""
    real, fake = (course.late("signals", f"{side}_logit") for side in ("real", "fake"))
    if not real or not fake:
        return None
    ahead = [b - a for a, b in zip(real, fake, strict=True)]
    if course.is_critic:
        if sum(value > 0 for value in ahead) > 0.9 * len(ahead):
            return f"generated pictures score {statistics.median(ahead):.2g} above real ones over {len(ahead)} reports"
        return None
    if statistics.median(ahead) > lead:
        return f"it ranks generated pictures {statistics.median(ahead):.2g} above real ones over {len(ahead)} reports"
    rightly = statistics.median(course.late("signals", "fake_accuracy"))
    if rightly < caught:
        return f"it tells only {rightly:.1%} of generated pictures rightly over {len(ahead)} reports"
    return None


def oscillation(course: Course, swing: float, turns: float, factor: float) -> str | None:
    """Both logits swing together by far more than they are apart; a score that goes up and down."""
    scores = course.scores[-8:]
    if len(scores) == 8 and min(scores) > 0:
        changes = [b / a for a, b in pairwise(scores)]
        turned = sum((a > 1) != (b > 1) for a, b in pairwise(changes))
        size = statistics.median(max(change, 1 / change) for change in changes)
        if turned >= turns and size > factor:
            return f"the score turned {turned} times in its last 7 changes, by a factor of {size:.2f} each"
    real, fake = (course.late("signals", f"{side}_logit", share=2) for side in ("real", "fake"))
    if not real or not fake:
        return None
    apart = statistics.median(abs(a - b) for a, b in zip(real, fake, strict=True))
    wide = statistics.stdev((a + b) / 2 for a, b in zip(real, fake, strict=True))
    if wide > swing * max(apart, 0.5):
        return f"both logits swing together by ±{wide:.2g}, where real and generated are {apart:.2g} apart"
    return None


def mode_collapse(course: Course, nearest: float, spread: float, better: float, kl: float) -> str | None:
    """Generated pictures that hardly differ, or are of few classes, and do not get more varied.

    Only of pictures from noise: one that is made from another varies as far as its task leaves anything open.
    """
    if not course.recipe.latent:
        return None
    for name, bound, words in (
        ("nearest", nearest, "the nearest neighbour of a generated picture is {:.2f} times as far as among real ones"),
        ("spread", spread, "generated pictures vary {:.2f} times as much as real ones"),
    ):
        late = course.late("samples", name)
        if late and statistics.median(late) < bound and not course.grows("samples", name, better):
            return words.format(statistics.median(late)) + f", over {len(late)} reports"
    uneven, varied = course.metric("class_kl"), course.late("samples", "spread")
    # of a network that makes no digits yet, all pictures are of one class as well: they do not vary
    if len(uneven) < 5 or not varied or statistics.median(varied) < 0.5 or course.score_falls():
        return None
    if min(uneven[-3:]) > kl and uneven[-1] > uneven[-4] / better:
        share, modes = course.metric("largest_class")[-1], course.metric("modes")[-1]
        return f"{share:.0%} of the samples are of one class, and {modes:.0f} classes appear at all"
    return None


def grey(course: Course, colour: float, better: float) -> str | None:
    """Generated pictures with far less colour than real ones, and no more of it from report to report."""
    late = course.late("samples", "colour")
    if not late or statistics.median(late) >= colour or course.grows("samples", "colour", better):
        return None
    return f"generated pictures have {statistics.median(late):.0%} of the colour of real ones over {len(late)} reports"


def no_progress(course: Course, gain: float, evaluations: float, share: float, of_all_steps: float) -> str | None:
    """The best score lies far behind."""
    scores = course.scores
    if not scores or (course.finished is not None and course.finished.state == "done"):
        return None  # there is nothing to stop
    # the first one that the best of all is hardly better than
    first = next(place for place, score in enumerate(scores) if score - min(scores) <= gain * abs(min(scores)))
    best, since = course.evaluated[first], len(scores) - 1 - first
    if since < max(evaluations, share * len(scores)) or course.step - best.step < of_all_steps * course.recipe.steps:
        return None
    return (
        f"no score is more than {gain:.0%} better than {best.metrics[best.score]:.3g} at step {best.step:,}, "
        f"{since} evaluations ago"
    )


def _seen(course: Course) -> str:
    """How many training pictures there are, and how often each was seen, where that is known."""
    times = course.times_seen()
    if times is None or course.started is None:
        return ""
    return f"; {course.started.pictures:,} pictures, each seen {times:,.0f} times"
