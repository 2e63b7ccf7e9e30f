"""The doctor: names what goes wrong in a training, from what the run has told, with the numbers and one remedy.

RULES is the whole of its knowledge, one row a diagnosis, causes before effects; `signs` holds what each row looks for.
The bounds stand where runs that were broken on purpose and runs of healthy recipes part: `python -m gandemo bench
doctor` shows both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gandemo.recipe import Recipe
from gandemo.training import signs
from gandemo.training.events import Event
from gandemo.training.signs import Course

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


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Attributes:
        title: for people.
        sign: what is looked for: the evidence in a course, or None; the bounds are its further arguments.
        bounds: the numbers that decide.
        why: what happens.
        remedy: what to change, in words; `settings` is the same for the recipe.
        settings: from the course.
        anew: see `Diagnosis`.
        explains: diagnoses that are its effects, and so are not told beside it.
        is_alarm: see `Diagnosis`.
    """

    title: str
    sign: Callable[..., str | None]
    bounds: Mapping[str, float]
    why: str
    remedy: str
    settings: Callable[[Course], Settings]
    anew: bool = False
    explains: tuple[str, ...] = ()
    is_alarm: bool = True


def diagnose(told: Sequence[Event], recipe: Recipe) -> list[Diagnosis]:
    """What goes wrong in a run, causes first; empty: nothing that can be seen.

    Args:
        told: its events so far.
        recipe: of the run.
    """
    course = Course(told, recipe)
    found: list[Diagnosis] = []
    explained: set[str] = set()
    for name, rule in RULES.items():
        if name in explained or (found and not rule.is_alarm):
            continue
        evidence = rule.sign(course, **rule.bounds)
        if evidence is None:
            continue
        explained.update(rule.explains)
        found.append(
            Diagnosis(
                name=name,
                title=rule.title,
                evidence=evidence,
                why=rule.why,
                remedy=rule.remedy,
                settings=rule.settings(course),
                anew=rule.anew,
                step=course.step,
                is_alarm=rule.is_alarm,
            )
        )
    return found


# --- remedies ---------------------------------------------------------------------------------------------


def _rate(course: Course, player: str, factor: float) -> Settings:
    """A learning rate times a factor, to two digits."""
    rate = getattr(course.recipe, f"{player}_optimizer").lr * factor
    return {f"{player}_optimizer.lr": float(f"{min(rate, 1.0):.2g}")}


def _slow_both(course: Course) -> Settings:
    rates = _rate(course, "generator", 0.1)
    return rates | _rate(course, "discriminator", 0.1) if course.recipe.discriminator is not None else rates


def _penalty(course: Course) -> Settings:
    """A stronger gradient penalty on real pictures, which Mescheder et al. 2018 show to damp the circling."""
    return {"loss.r1": max(1.0, 4 * course.recipe.loss.r1)}


def _variety(course: Course) -> Settings:
    """Two samples judged at once, where labels don't forbid it (Lin et al. 2018); else a penalty."""
    recipe = course.recipe
    if recipe.task == "digits" and not recipe.classes and recipe.pack == 1 and recipe.batch_size % 2 == 0:
        return {"pack": 2}
    return _penalty(course)


def _end_at_the_best(course: Course) -> Settings:
    best = course.best
    return {} if best is None else {"steps": max(1, best.step)}


def _colour(course: Course) -> Settings:
    """The judge is heard twice as loud; one that is not heard at all gets a hundredth of the other terms' weight."""
    loss = course.recipe.loss
    if course.recipe.discriminator is not None:
        weight = 2 * loss.adversarial or sum(loss.weights.values()) / 100
        return {"loss.adversarial": float(f"{weight:.2g}")}
    return {}


# --- the table --------------------------------------------------------------------------------------------

RULES: Mapping[str, Rule] = {
    "divergence": Rule(
        title="Divergence",
        sign=signs.divergence,
        bounds={"growth": 100.0, "fall_back": 4.0},
        why="The steps are too large: each overshoots, and the next has more to repair than the last.",
        remedy="a tenth of the learning rates",
        settings=_slow_both,
        anew=True,
        explains=("discriminator-too-strong", "generator-winning", "oscillation", "mode-collapse", "grey"),
    ),
    "memorisation": Rule(
        title="Memorisation",
        sign=signs.memorisation,
        bounds={"copied": 0.6},
        why="The generator gives back training pictures instead of making new ones.",
        remedy="more pictures; with these, a gradient penalty on real pictures, and an end where it was best",
        settings=lambda course: {**_penalty(course), **_end_at_the_best(course)},
        anew=True,
        explains=("too-little-data", "discriminator-too-strong", "oscillation", "mode-collapse"),
    ),
    "too-little-data": Rule(
        title="Too little data",
        sign=signs.too_little_data,
        bounds={"overfitting": 0.6, "gap": 1.25, "rise": 1.05, "seen": 3.0, "few": 30, "by_heart": 50.0},
        why="The training pictures are known by heart: what is learned of them is not true of others.",
        remedy="more pictures; with these, a gradient penalty on real pictures, and an end where it was best",
        settings=lambda course: {
            **(_penalty(course) if course.plays else {}),
            **_end_at_the_best(course),
        },
        anew=True,
        explains=("discriminator-too-strong", "oscillation", "mode-collapse"),
    ),
    "discriminator-too-strong": Rule(
        title="The discriminator is too strong",
        sign=signs.discriminator_too_strong,
        bounds={"accuracy": 0.985},
        why="It is never in doubt, so that its gradient hardly tells the generator which way is better.",
        remedy="a quarter of the discriminator's learning rate",
        settings=lambda course: _rate(course, "discriminator", 0.25),
        anew=True,
        explains=("oscillation", "mode-collapse"),
    ),
    "generator-winning": Rule(
        title="The generator wins too easily",
        sign=signs.generator_winning,
        bounds={"lead": 0.5, "caught": 0.12},
        why="The discriminator takes generated pictures for real ones, so that what it teaches is arbitrary.",
        remedy="four times the discriminator's learning rate",
        settings=lambda course: _rate(course, "discriminator", 4.0),
        anew=True,
        explains=("oscillation", "mode-collapse"),
    ),
    "oscillation": Rule(
        title="Oscillation",
        sign=signs.oscillation,
        bounds={"swing": 2.0, "turns": 4, "factor": 1.5},
        why="The two players chase each other in circles: each undoes what the other has just learned.",
        remedy="a gradient penalty on real pictures, which damps the circles",
        settings=_penalty,
        anew=True,
        explains=("mode-collapse",),
    ),
    "mode-collapse": Rule(
        title="Mode collapse",
        sign=signs.mode_collapse,
        bounds={"nearest": 0.25, "spread": 0.2, "better": 1.15, "kl": 0.7},
        why="The generator has found a few pictures that pass, and makes only those.",
        remedy="let the discriminator see two samples at once, or, with classes, a gradient penalty on real pictures",
        settings=_variety,
        anew=True,
    ),
    "grey": Rule(
        title="Grey or brown pictures",
        sign=signs.grey,
        bounds={"colour": 0.45, "better": 1.15},
        why="Where several colours are possible, their average is the safe answer, and it is grey.",
        remedy="a discriminator that is heard twice as loud, since it is not content with an average",
        settings=_colour,
    ),
    "no-progress": Rule(
        title="No further progress",
        sign=signs.no_progress,
        bounds={"gain": 0.01, "evaluations": 5, "share": 0.4, "of_all_steps": 0.25},
        why="The score has stopped getting better; more steps cost time and bring nothing.",
        remedy="stop here and use the best checkpoint",
        settings=_end_at_the_best,
        is_alarm=False,
    ),
}
