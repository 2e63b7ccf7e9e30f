"""Photo checkpoints measured as people use them: whole photos through the pipeline, next to what classical methods do.

The `Measure` of a task says what is done to a photo, which answers of the pipeline are measured, and what counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from gandemo.data.degradations import MASKS
from gandemo.data.images import Photo, Pixels, table
from gandemo.data.photos import Photos
from gandemo.errors import CheckpointError
from gandemo.metrics import classical, colourfulness, compare, means
from gandemo.metrics.classical import Method
from gandemo.pipeline import Hint, Pipeline
from gandemo.tasks import colorize, enhance, inpaint

Progress = Callable[[int, int], None]
Answer = Callable[["Case"], Pixels]

WHOLE = 0
MIDDLE = 384  # of a photo, where a network has to look at every pixel of every kind of harm
TUNED_ON = (8, 160)  # training photos that classical methods are chosen on, and their middle
COMPARED = 4  # photos that tell what half precision costs
HINTS = 10


@dataclass(frozen=True)
class Case:
    """A photo and what was done to it.

    Attributes:
        truth: the photo as it was, uint8 [H, W, 3].
        poor: what is left of it, of the same size.
        lost: uint8 [H, W], 255 in the holes; all 0 where there are none.
        seed: of whatever chance an answer needs.
    """

    truth: Pixels
    poor: Pixels
    lost: Pixels
    seed: int


@dataclass(frozen=True)
class Measure:
    """How the checkpoints of a task are measured.

    Attributes:
        kinds: of harm, by name, in words.
        figure: of `metrics.compare`, the one that counts.
        side: of the middle of the photo that is measured; `WHOLE`: all of it.
        harm: a kind's name and a photo to its case.
        answers: what the pipeline makes of a case, by name; the first one counts.
        methods: classical ones by kind; none where there is none for the task.
        beside: checkpoints of other designs that a contact sheet shows as well, where they are there.
    """

    kinds: Mapping[str, str]
    figure: str
    side: int
    harm: Callable[[str, Pixels, int], Case]
    answers: Callable[[Pipeline], Mapping[str, Answer]]
    methods: Mapping[str, Sequence[Method]]
    beside: tuple[str, ...] = ()


# --- what is done to a photo ------------------------------------------------------------------------------


def _planes(pixels: Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def _pixels(planes: torch.Tensor) -> Pixels:
    return np.asarray(planes[0].permute(1, 2, 0).contiguous(), np.uint8)


def _no_holes(pixels: Pixels) -> Pixels:
    return np.zeros(pixels.shape[:2], np.uint8)


def _without_colour(kind: str, truth: Pixels, seed: int) -> Case:
    return Case(truth, _pixels(colorize.grey(_planes(truth))), _no_holes(truth), seed)


def _harmed(kind: str, truth: Pixels, seed: int) -> Case:
    return Case(truth, _pixels(enhance.harmed(_planes(truth), kind, seed)), _no_holes(truth), seed)


def _with_holes(kind: str, truth: Pixels, seed: int) -> Case:
    planes = _planes(truth)
    masks = inpaint.masks_for(planes, kind, seed)
    if not bool(masks.any()):  # a stroke may end before it reaches the photo
        masks[..., masks.shape[-2] // 2, masks.shape[-1] // 2] = 1
    return Case(truth, _pixels(inpaint.flat(planes, masks)), masks[0, 0].numpy() * np.uint8(255), seed)


# --- what the pipeline makes of it ------------------------------------------------------------------------


def _colours(pipeline: Pipeline) -> Mapping[str, Answer]:
    answers: dict[str, Answer] = {"ours": lambda case: pipeline.colorize(Photo(case.poor)).pixels}
    if pipeline.recipe.options.get("hints"):
        answers[f"{HINTS} hints"] = lambda case: pipeline.colorize(Photo(case.poor), hints=_dabs(case)).pixels
    return answers


def _dabs(case: Case) -> list[Hint]:
    """The true colour at random places, as somebody would dab it who knew the photo."""
    height, width = case.truth.shape[:2]
    radius = 0.02 * max(height, width)
    dabs = []
    for x, y in np.random.default_rng(case.seed).uniform(size=(HINTS, 2)):
        top, left = (max(0, math.floor(share * length - radius)) for share, length in ((y, height), (x, width)))
        around = case.truth[top : math.ceil(y * height + radius), left : math.ceil(x * width + radius)]
        red, green, blue = (round(float(value)) for value in around.reshape(-1, 3).mean(axis=0))
        dabs.append(Hint(float(x), float(y), (red, green, blue)))
    return dabs


def _enhanced(pipeline: Pipeline) -> Mapping[str, Answer]:
    def at(crisp: float | None) -> Answer:
        return lambda case: pipeline.enhance(Photo(case.poor), crisp=crisp).pixels

    if not pipeline.can_blend:
        return {"ours": at(None)}
    return {_crisp(share): at(share) for share in sorted({0.0, pipeline.default_crisp, 1.0})}


def _crisp(share: float) -> str:
    return f"crisp {share:g}"


def _painted_in(pipeline: Pipeline) -> Mapping[str, Answer]:
    return {"ours": lambda case: pipeline.inpaint(Photo(case.poor), Image.fromarray(case.lost)).pixels}


MEASURES: dict[str, Measure] = {
    "colorize": Measure(
        kinds={"grey": "without colour"},
        figure="psnr",
        side=WHOLE,
        harm=_without_colour,
        answers=_colours,
        methods={},
        beside=("colorize-unet",),
    ),
    "enhance": Measure(
        kinds={
            "mixed": "blur σ 1.2, noise σ 12, JPEG 50",
            "noise-25": "noise σ 25",
            "blur-2": "blur σ 2",
            "jpeg-30": "JPEG 30",
            "downscale-2": "×2 down and up again",
            "downscale-4": "×4 down and up again",
            "grain-15": "grey grain σ 15, 2 pixels wide",
        },
        figure="psnr_y",
        side=MIDDLE,
        harm=_harmed,
        answers=_enhanced,
        methods=classical.RESTORERS,
    ),
    "inpaint": Measure(
        kinds={"scratches": "scratches", "strokes": "brush strokes", "boxes": "boxes"},
        figure="hole_psnr",
        side=MIDDLE,
        harm=_with_holes,
        answers=_painted_in,
        methods=dict.fromkeys(MASKS, classical.INPAINTERS),
    ),
}


# --- figures ----------------------------------------------------------------------------------------------


def report(
    pipeline: Pipeline,
    training: Photos,
    test: Photos,
    *,
    count: int | None = None,
    seed: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """All figures of a checkpoint by kind of harm, next to the input and to the best classical method.

    Args:
        pipeline: of the checkpoint.
        training: photos that classical methods are chosen on.
        test: photos that no training saw.
        count: of photos; None: all.
        seed: of the harm.
        progress: called with what is done and the total.

    Returns:
        {"photos", "reference", "how", "figure", "side", "default", "kinds": {kind: {"title", "classical", "sides":
        {"input": {…}, "classical": {…}, each answer: {…}, "truth": {…}}}}}; `side` names the answer that counts,
        `default` the one that people get who ask for nothing else, and "left_out" says so where classical methods could
        not be run.
    """
    measure = MEASURES[pipeline.recipe.task]
    answers = measure.answers(pipeline)
    photos = min(count or len(test), len(test))
    left_out = classical.missing() if measure.methods else ""
    compared = bool(measure.methods) and not left_out
    done, total = 0, len(measure.kinds) * (photos + compared)

    def tell() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    kinds: dict[str, dict[str, Any]] = {}
    for kind, title in measure.kinds.items():
        method = None
        if compared:
            method = _best_method(measure, kind, training, seed)
            tell()
        found: dict[str, list[dict[str, float]]] = {}
        for index in range(photos):
            case = measure.harm(kind, middle(test.photo(index), measure.side), 1_000 * seed + index)
            made = {"input": case.poor}
            if method is not None:
                made["classical"] = method.run(case.poor, case.lost)
            made |= {name: answer(case) for name, answer in answers.items()}
            for name, pixels in made.items():
                found.setdefault(name, []).append(compare(pixels, case.truth, case.lost))
            vivid = float(colourfulness(_planes(case.truth).double() / 255.0))
            found.setdefault("truth", []).append({"colourfulness": vivid})
            tell()
        sides = {name: means(figures) for name, figures in found.items()}
        for name in set(found) - {"input", "truth"}:
            pairs = zip(found[name], found["input"], strict=True)
            worse = sum(after[measure.figure] < before[measure.figure] for after, before in pairs)
            sides[name]["worse"] = round(worse / photos, 5)
        kinds[kind] = {"title": title, **({} if method is None else {"classical": method.title}), "sides": sides}
    first = next(iter(answers))
    usual = _crisp(pipeline.default_crisp) if pipeline.recipe.task == "enhance" else first
    cut = "whole" if measure.side == WHOLE else f"of each the middle, up to {measure.side}×{measure.side} pixels"
    return {
        "photos": photos,
        "reference": f"{photos:,} test photos of {test.origin.name}",
        "how": f"through Pipeline.{pipeline.recipe.task}, at their own size, {cut}",
        "figure": measure.figure,
        "side": first,
        "default": usual if usual in answers else first,
        **({"left_out": left_out} if left_out else {}),
        "kinds": kinds,
    }


def middle(photo: Pixels, side: int) -> Pixels:
    """A copy of a photo's middle, up to `side` pixels each way; of all of it with `WHOLE`."""
    height, width = photo.shape[:2]
    tall, wide = (min(length, side or length) for length in (height, width))
    top, left = (height - tall) // 2, (width - wide) // 2
    part: Pixels = photo[top : top + tall, left : left + wide].copy()
    return part


def _best_method(measure: Measure, kind: str, training: Photos, seed: int) -> Method:
    count, side = TUNED_ON
    cases = [
        measure.harm(kind, middle(training.photo(index), side), 1_000 * seed - 1 - index)
        for index in range(min(count, len(training)))
    ]
    return classical.best_of(
        measure.methods[kind],
        [case.poor for case in cases],
        [case.truth for case in cases],
        [case.lost for case in cases],
        figure=measure.figure,
    )


def difference(one: Pipeline, other: Pipeline, test: Photos) -> dict[str, float | None]:
    """How far the answers of two checkpoints of a task lie apart: {"psnr", "photos"}; psnr is None if they are equal.

    The squared errors of all answers to all kinds of harm are put together, so that a single odd photo shows.
    """
    measure = MEASURES[one.recipe.task]
    first, second = measure.answers(one), measure.answers(other)
    photos, squares, values = min(COMPARED, len(test)), 0.0, 0
    for kind in measure.kinds:
        for index in range(photos):
            case = measure.harm(kind, middle(test.photo(index), measure.side), index)
            for name, answer in first.items():
                gap = answer(case).astype(np.float64) - second[name](case)
                squares, values = squares + float(np.square(gap).sum()), values + gap.size
    psnr = 10 * math.log10(255.0**2 * values / squares) if squares else None
    return {"psnr": None if psnr is None else round(psnr, 2), "photos": photos}


# --- contact sheets ---------------------------------------------------------------------------------------

_HOLE = (214, 51, 132)  # how a sheet shows what is missing
_PLAIN = str.maketrans({"σ": "sigma", "×": "x", "–": "-"})  # the sheet's font knows few letters


def sheet(
    pipeline: Pipeline, test: Photos, evaluation: Mapping[str, Any], *, photos: int = 6, side: int = 192
) -> Image.Image:
    """Test photos in their stages: input, classical method or other design, this checkpoint's answers, truth.

    The photos are the first of the split, whose order is that of a hash; nobody chose them.

    Args:
        pipeline: of the checkpoint.
        test: photos that no training saw.
        evaluation: of `report`; it names the classical method of each kind.
        photos: how many, the kinds of harm in turn.
        side: of each picture; no more than the smallest photo has, where its own pixels are shown.
    """
    measure, name = MEASURES[pipeline.recipe.task], pipeline.recipe.name
    shown = [test.photo(index) for index in range(min(photos, len(test)))]
    if measure.side != WHOLE:
        side = min(side, *(min(photo.shape[:2]) for photo in shown))
    answers = {other.recipe.name: measure.answers(other)["ours"] for other in _companions(measure, name)}
    for title, answer in measure.answers(pipeline).items():
        answers[name if title == "ours" else f"{name}, {title}"] = answer
    methods = {
        kind: next((m for m in measure.methods.get(kind, ()) if m.title == entry.get("classical")), None)
        for kind, entry in evaluation["kinds"].items()
    }
    classic = ["classical"] if all(methods.values()) else []
    rows, captions = [], []
    for index, photo in enumerate(shown):
        kind = list(measure.kinds)[index % len(measure.kinds)]
        case = _to_look_at(measure, kind, _square(photo) if measure.side == WHOLE else middle(photo, side), index)
        stages = [np.where(case.lost[:, :, None] != 0, np.array(_HOLE, np.uint8), case.poor)]
        if classic and (method := methods[kind]) is not None:
            stages.append(method.run(case.poor, case.lost))
        stages += [answer(case) for answer in answers.values()]
        rows.append([_fitted(stage, side) for stage in (*stages, case.truth)])
        captions.append(measure.kinds[kind].translate(_PLAIN))
    return table(rows, ["input", *classic, *answers, "truth"], captions if len(measure.kinds) > 1 else ())


def _companions(measure: Measure, name: str) -> list[Pipeline]:
    found = []
    for other in measure.beside:
        if other != name:
            try:
                found.append(Pipeline.from_pretrained(other))
            except CheckpointError:
                continue  # it does not ship here
    return found


def _to_look_at(measure: Measure, kind: str, truth: Pixels, seed: int) -> Case:
    """A case whose holes, if it has any, are large enough to be seen."""
    case = measure.harm(kind, truth, seed)
    for other in range(seed + 1_000, seed + 20_000, 1_000):
        if not case.lost.any() or (case.lost != 0).mean() > 0.02:
            break
        case = measure.harm(kind, truth, other)
    return case


def _square(photo: Pixels) -> Pixels:
    """The largest square in the middle."""
    return middle(photo, min(photo.shape[:2]))


def _fitted(picture: Pixels, side: int) -> Pixels:
    if picture.shape[:2] == (side, side):
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS), np.uint8)
