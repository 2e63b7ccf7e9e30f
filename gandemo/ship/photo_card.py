"""What the card of a photo checkpoint tells: figures by kind of harm, data and licences, limits, use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gandemo.recipe import Recipe

CARRIED = "the sample that gandemo carries"  # the name of the data where nobody brought any

FIGURES = {
    "psnr": "PSNR (dB)",
    "psnr_y": "PSNR of luma (dB)",
    "hole_psnr": "PSNR in the holes (dB)",
    "ssim": "SSIM",
    "ab_error": "error of a and b in Lab",
    "colourfulness": "colourfulness",
    "colourfulness_distance": "colourfulness, distance from the truth's",
    "worse": "photos that it made worse",
}
_DECIMALS = {"psnr": 2, "psnr_y": 2, "hole_psnr": 2, "ssim": 3}

# what is so for every checkpoint of the task; what was measured comes on top
_LIMITS = {
    "colorize": (
        "A black-and-white photo does not tell its colours. Where several are likely (clothes, cars, flowers, painted "
        "walls), the answer is a guess, and no evidence of what the colours were; a dab of colour corrects it.",
        "Colour is predicted on a copy whose shorter side has {size} pixels, so that things of a few pixels there take "
        "on the colour of what is around them.",
        "What is rare among the photos it was trained on is coloured badly.",
    ),
    "enhance": (
        "It was trained on blur, noise, JPEG and few pixels up to about the strengths above, and on mixtures of them. "
        "Motion blur, scratches, folds and halftone dots are none of these.",
        "Lost detail is not found again but made up, the more so the crisper: a face, a text or a number plate in the "
        "result is no evidence.",
        "Classical methods were told which harm it was and how strong; this checkpoint has to see it by itself.",
    ),
    "inpaint": (
        "It was trained on scratches, brush strokes, and boxes of up to a quarter of the side of a picture of {size} "
        "pixels. How it does in larger holes was not measured.",
        "What it paints in is made up from what is around, and no evidence of what was there.",
    ),
}
_CALLS = {"colorize": "colorize(photo)", "enhance": "enhance(photo)", "inpaint": "inpaint(photo, mask)"}


def measured(task: str, evaluation: Mapping[str, Any]) -> Iterator[str]:
    """The section on figures."""
    kinds: Mapping[str, Mapping[str, Any]] = evaluation["kinds"]
    yield f"{evaluation['reference']}, {evaluation['how']}. Means over the photos."
    if evaluation["default"].startswith("crisp"):
        share = evaluation["default"].removeprefix("crisp ")
        yield f"`crisp` goes from 0, as faithful as L1 is, to 1, as the adversarial stage has it; {share} unless asked."
    yield ""
    if len(kinds) == 1:
        (kind,) = kinds.values()
        sides = kind["sides"]
        yield f"| | {' | '.join(_side(side, task) for side in sides)} |"
        yield f"|---|{'---|' * len(sides)}"
        for key in FIGURES:
            if any(key in figures for figures in sides.values()):
                yield f"| {FIGURES[key]} | {' | '.join(_number(key, sides[side].get(key)) for side in sides)} |"
        return
    for figure in dict.fromkeys((evaluation["figure"], "ssim", "psnr", "worse")):
        sides = [side for side in next(iter(kinds.values()))["sides"] if side != "truth"]
        if figure == "worse":
            sides.remove("input")
        yield f"| {FIGURES[figure]} | {' | '.join(_side(side, task) for side in sides)} |"
        yield f"|---|{'---|' * len(sides)}"
        for kind in kinds.values():
            values = [kind["sides"][side].get(figure) for side in sides]
            yield f"| {kind['title']} | {' | '.join(_bold(figure, value, values) for value in values)} |"
        yield ""
    yield "Errors of colour and colourfulness are in metrics.json."
    if "left_out" in evaluation:
        yield f"No comparison: {evaluation['left_out']}."
        return
    yield ""
    yield "The best classical method for each, chosen with its settings on training photos:"
    yield ""
    for kind in kinds.values():
        yield f"- {kind['title']}: {kind['classical']}"


def data(metrics: Mapping[str, Any]) -> Iterator[str]:
    """The section on photos and their licences."""
    facts = metrics["data"]
    if not facts["credits"]:
        yield f"No list of sources and licences came with {facts['name']}; ask whoever trained this."
        return
    yield f"The {facts['training']:,} photos that it was trained on:"
    yield ""
    yield "| source | licence | photos |"
    yield "|---|---|---|"
    for source, licence, photos in facts["credits"]:
        yield f"| {_cell(source)} | {_cell(licence)} | {photos:,} |"


def where(recipe: Recipe, facts: Mapping[str, Any]) -> str:
    """Where the command expects the photos."""
    if recipe.dataset != "photos":
        return f"`{recipe.dataset}` being the path of those pictures."
    if facts["name"] == CARRIED:
        return "with no photos in `GANDEMO_DATA`."
    return f"with `{facts['name']}` in `GANDEMO_DATA/photos`."


def limits(recipe: Recipe, evaluation: Mapping[str, Any]) -> Iterator[str]:
    """What it can't do: as its task has it, and as it was measured."""
    for text in _LIMITS[recipe.task]:
        yield f"- {text.format(size=recipe.image_size)}"
    behind = []
    for title, before, after, classical in main_figures(evaluation):
        if after < before:
            yield f"- On average it makes this worse: {title}, {after:.2f} dB from {before:.2f}."
        if classical is not None and after < classical:
            behind.append(f"{title} ({after:.2f} against {classical:.2f} dB)")
    if behind:
        yield f"- The best classical method, told of the harm, does better at {', '.join(behind)}."
    if (share := vividness(evaluation)) is not None and not 0.9 <= share <= 1.1:
        yield f"- Its colours are {100 * share:.0f} % as vivid as the true ones."


def use(name: str, task: str) -> Iterator[str]:
    """The section on use in Python."""
    yield "    from gandemo import Pipeline"
    yield "    from gandemo.data.images import open_photo"
    if task == "inpaint":
        yield "    from PIL import Image"
    yield '    photo = open_photo("photo.jpg")    # upright, of any size'
    if task == "inpaint":
        yield '    mask = Image.open("mask.png")    # as large as the photo; what is not black is painted in'
    yield f'    better = Pipeline.from_pretrained("{name}").{_CALLS[task]}'
    yield '    open("better.png", "wb").write(better.to_png())'


# --- figures for lists and tables -------------------------------------------------------------------------


class MainFigure(NamedTuple):
    """The figure that counts, of one kind of harm, in decibels."""

    title: str
    before: float
    after: float
    classical: float | None


def main_figures(evaluation: Mapping[str, Any]) -> list[MainFigure]:
    """The figure that counts, for each kind of harm."""
    figure, side = evaluation["figure"], evaluation["side"]
    return [
        MainFigure(
            kind["title"],
            kind["sides"]["input"][figure],
            kind["sides"][side][figure],
            kind["sides"].get("classical", {}).get(figure),
        )
        for kind in evaluation["kinds"].values()
    ]


def vividness(evaluation: Mapping[str, Any]) -> float | None:
    """The colourfulness of a colorizer's photos over the truth's; None where the input has colour."""
    if list(evaluation["kinds"]) != ["grey"]:
        return None
    sides = evaluation["kinds"]["grey"]["sides"]
    return float(sides[evaluation["side"]]["colourfulness"] / max(sides["truth"]["colourfulness"], 1e-9))


def overview(entries: Mapping[str, tuple[Recipe, Mapping[str, Any]]]) -> str:
    """A Markdown table of measured photo checkpoints, a row for each kind of harm; empty where there are none.

    Args:
        entries: name to recipe and metrics.
    """
    tasks = list(_LIMITS)
    measured = [
        (name, recipe, metrics)
        for name, (recipe, metrics) in entries.items()
        if recipe.task in tasks and "kinds" in metrics.get("evaluation", {})
    ]
    if not measured:
        return ""
    lines = [
        "| checkpoint | makes good | before | best classical | after | colourfulness | photos | parameters |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, _, metrics in sorted(measured, key=lambda entry: (tasks.index(entry[1].task), -_gain(entry[2]))):
        evaluation = metrics["evaluation"]
        share = vividness(evaluation)
        vivid = "–" if share is None else f"{100 * share:.0f} % of the true"
        first = f"[`{name}`](checkpoints/{name})"
        size = f"{metrics['parameters']['generator']:,}"
        for title, before, after, classical in main_figures(evaluation):
            against = "–" if classical is None else f"{classical:.2f}"
            lines.append(
                f"| {first} | {title} | {before:.2f} | {against} | {after:.2f} | {vivid} | "
                f"{evaluation['photos']:,} | {size} |"
            )
            first = size = ""
    return "\n".join(lines) + "\n"


def _gain(metrics: Mapping[str, Any]) -> float:
    figures = main_figures(metrics["evaluation"])
    return sum(figure.after - figure.before for figure in figures) / len(figures)


# --- words and numbers ------------------------------------------------------------------------------------


def _side(side: str, task: str) -> str:
    if side == "input":
        return "in grey" if task == "colorize" else "mean colour" if task == "inpaint" else "input"
    return {"classical": "best classical", "ours": "this checkpoint"}.get(side, side)


def _bold(figure: str, value: float | None, values: list[float | None]) -> str:
    """The best of a row stands out, unless all are equal."""
    known = [one for one in values if one is not None]
    best = (min if figure == "worse" else max)(known)
    text = _number(figure, value)
    return f"**{text}**" if value == best and len(set(known)) > 1 else text


def _number(figure: str, value: float | None) -> str:
    if value is None:
        return "–"
    if figure == "worse":
        return f"{100 * value:.0f} %"
    return f"{value:.{_DECIMALS.get(figure, 1)}f}"


def _cell(text: str) -> str:
    return text.replace("|", "/")
