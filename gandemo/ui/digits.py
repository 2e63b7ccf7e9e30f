"""The tab Digits: a wall of pictures from noise, a walk between two seeds, a drawing judged, two designs compared.

The wiring alone; what is asked of the models stands in `digits_answers`, which loads torch at first use.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import gradio as gr

from gandemo.ui import catalog, digits_api
from gandemo.ui.events import any_of, unless_there, when
from gandemo.ui.parts import part

TASK = "digits"
COUNTS = (20, 50, 100, 400)
FIRST_WISH: dict[str, Any] = {"seed": 0, "label": "all", "count": 100, "variety": 1.0}
ROLL = "() => Math.floor(Math.random() * 1000000)"
ROLL_TWO = "() => [0, 0].map(() => Math.floor(Math.random() * 1000000))"


def _answers() -> ModuleType:
    from gandemo.ui import digits_answers

    return digits_answers


def warm_up() -> None:
    """Loads torch and makes the first wall, so that the first visitor finds it in memory."""
    if known := catalog.entries(TASK):
        answers = _answers()
        answers.wall(answers.Wish.parse({**FIRST_WISH, "checkpoint": known[0].name}), judged=known[0].has_judge)


def tab(demo: gr.Blocks) -> None:
    """Builds the tab inside the current Blocks."""
    known = catalog.entries(TASK)
    first = known[0].name if known else None
    with gr.Column(elem_classes="gd-section"):
        part("digits")
        chosen = part("cards", elem_id="checkpoint", **_cards(first))
        with gr.Row(elem_classes="gd-split"):
            with gr.Column(elem_classes="gd-side", scale=8, min_width=300):
                wall = part("wall", hello=_preview(first))
                # on a phone it comes after the panel with Generate
                with gr.Column(elem_classes="gd-one"):
                    inspector = part("inspector", hint="Choose a picture in the wall to see it large and judged.")
            with gr.Column(elem_classes="gd-side", scale=5, min_width=280):
                with gr.Column(elem_classes="gd-panel"):
                    generate = gr.Button("Generate", variant="primary", size="lg", elem_id="generate")
                    with gr.Row(elem_classes="gd-seed"):
                        seed = gr.Number(0, label="Seed", precision=0, elem_id="seed", min_width=90)
                        dice = gr.Button("Roll the dice", elem_id="dice", elem_classes="gd-dice", min_width=130)
                with gr.Column(elem_classes="gd-panel gd-settings"):
                    label = gr.Radio(label="Class", elem_id="class", elem_classes="gd-chips", **_classes(first))
                    count = gr.Radio(
                        list(COUNTS), label="How many", elem_id="count", elem_classes="gd-chips", value=100
                    )
                    variety = gr.Slider(
                        0.0, 1.5, 1.0, step=0.05, label="Variety", info=_VARIETY, elem_id="variety", buttons=[]
                    )
                    figures = part("figures", _figures(first), elem_id="figures")
    walked_class = _walk_section(chosen, first)
    _drawing_section(chosen)
    sides = _compare_section([entry.name for entry in known])
    with gr.Column(elem_classes="gd-section"):
        part("how")
    digits_api.endpoints()

    wishes = [chosen, seed, label, count, variety]
    shown = when(
        any_of(generate.click, seed.submit, label.input, count.input, variety.input),
        _wall,
        wishes,
        wall,
        busy="wall",
        newest=[wall],
    )
    shown.success(None, js="() => gandemo.tell('wall', 'gd-made')", api_visibility="private")
    when(_rolled(dice, ROLL, seed), _wall, wishes, wall, busy="wall", newest=[wall])
    changed = [label, wall, figures, inspector, walked_class]
    when(chosen.input, _changed, wishes, changed, busy="wall", newest=[wall]).success(
        None, js="() => ['walk', 'draw'].forEach((id) => gandemo.tell(id, 'gd-changed'))"
    )
    when(wall.ask, _asked, None, wall, busy="wall", each=True)
    when(wall.select, _selected, None, inspector, each=True)
    shown_first = [chosen, label, wall, figures]
    when(demo.load, _opened, [*wishes, *sides], [*shown_first, *sides], newest=[wall, chosen, label, figures])


_VARIETY = "Less: more typical. More: stranger."


def _walk_section(chosen: gr.HTML, first: str | None) -> gr.Radio:
    with gr.Column(elem_classes="gd-section"):
        part("walk-title")
        with gr.Row(elem_classes="gd-controls"):
            start = gr.Number(1, label="From seed", precision=0, elem_id="walk-from", min_width=100)
            end = gr.Number(2, label="To seed", precision=0, elem_id="walk-to", min_width=100)
            dice = gr.Button("Roll the dice", elem_id="walk-dice", elem_classes="gd-dice", min_width=130)
            go = gr.Button("Walk", variant="primary", elem_id="walk-go", min_width=110)
        label = gr.Radio(label="Class", elem_id="walk-class", elem_classes="gd-chips", **_classes(first, every="All"))
        walk = part("walk")
    asked = [chosen, start, end, label]
    for event in (
        any_of(go.click, start.submit, end.submit, label.input),
        _rolled(dice, ROLL_TWO, [start, end]),
        walk.seen,
    ):
        when(event, _walked, asked, walk, busy="walk", newest=[walk])
    when(walk.keep, _filmed, None, walk, busy="walk", each=True)
    return label


def _drawing_section(chosen: gr.HTML) -> None:
    with gr.Column(elem_classes="gd-section"):
        part("draw-title")
        board = part("draw", hint="The verdict comes as soon as you lift the pen.")
    when(board.judge, _drawn, chosen, board, each=True)


def _compare_section(names: list[str]) -> tuple[gr.Dropdown, gr.Dropdown]:
    with gr.Column(elem_classes="gd-section"):
        part("compare-title")
        with gr.Row(elem_classes="gd-controls"):
            left = gr.Dropdown(
                label="This design", elem_id="compare-left", min_width=140, **_side(names, None, "vanilla", -1)
            )
            right = gr.Dropdown(
                label="That design", elem_id="compare-right", min_width=140, **_side(names, None, "digits", 0)
            )
            seed = gr.Number(0, label="Seed for both", precision=0, elem_id="compare-seed", min_width=100)
            dice = gr.Button("Roll the dice", elem_id="compare-dice", elem_classes="gd-dice", min_width=130)
            go = gr.Button("Compare", variant="primary", elem_id="compare-go", min_width=110)
        compared = part("compare")
    asked = [left, right, seed]
    for event in (
        any_of(go.click, left.input, right.input, seed.submit),
        _rolled(dice, ROLL, seed),
        compared.seen,
    ):
        when(event, _compared, asked, compared, busy="compare", newest=[compared])
    return left, right


# --- wiring -----------------------------------------------------------------------------------------------


def _rolled(dice: gr.Button, roll: str, seeds: Any) -> Callable[..., Any]:
    """The event after the dice have set new seeds."""
    rolled: Callable[..., Any] = dice.click(None, None, seeds, js=roll, api_visibility="private").then
    return rolled


# --- callbacks --------------------------------------------------------------------------------------------


def _wall(checkpoint: Any, seed: Any, label: Any, count: Any, variety: Any) -> dict[str, Any]:
    answers = _answers()
    wish = {"checkpoint": checkpoint, "seed": seed, "label": label, "count": count, "variety": variety}
    made: dict[str, Any] = answers.wall(answers.Wish.parse(wish))
    return made


def _changed(checkpoint: Any, seed: Any, label: Any, count: Any, variety: Any) -> list[Any]:
    classes = _classes(checkpoint, label)
    made = _wall(checkpoint, seed, classes["value"], count, variety)
    return [gr.Radio(**classes), made, _figures(checkpoint), None, gr.Radio(**_classes(checkpoint, every="All"))]


def _opened(checkpoint: Any, seed: Any, label: Any, count: Any, variety: Any, left: Any, right: Any) -> list[Any]:
    names = [entry.name for entry in catalog.entries(TASK)]
    if not names:
        return [gr.skip()] * 6
    if checkpoint not in names:
        checkpoint = names[0]
    classes = _classes(checkpoint, label)
    return [
        gr.HTML(**_cards(checkpoint)),
        gr.Radio(**classes),
        _wall(checkpoint, seed, classes["value"], count, variety),
        _figures(checkpoint),
        gr.Dropdown(**unless_there(_side(names, left, "vanilla", -1), left)),
        gr.Dropdown(**unless_there(_side(names, right, "digits", 0), right)),
    ]


def _asked(event: gr.EventData) -> dict[str, Any]:
    answers = _answers()
    judged: dict[str, Any] = answers.wall(answers.Wish.parse(event._data), judged=True)
    return judged


def _selected(event: gr.EventData) -> dict[str, Any]:
    answers = _answers()
    one: dict[str, Any] = answers.one_of_wall(
        answers.Wish.parse(event._data), answers.whole(event._data.get("index"), "the picture's number")
    )
    return one


def _walked(checkpoint: Any, start: Any, end: Any, label: Any) -> dict[str, Any]:
    answers = _answers()
    seeds = answers.whole(start, "the first seed"), answers.whole(end, "the last seed")
    shown: dict[str, Any] = answers.walk(checkpoint, *seeds, answers.class_of(label))[0]
    return shown


def _filmed(event: gr.EventData) -> dict[str, Any]:
    answers = _answers()
    wish = event._data
    seeds = answers.whole(wish.get("start"), "the first seed"), answers.whole(wish.get("end"), "the last seed")
    shown, frames = answers.walk(wish.get("checkpoint"), *seeds, answers.class_of(wish.get("label")))
    return {"film": catalog.inline(answers.film(frames)), "wish": shown["wish"]}


def _drawn(checkpoint: Any, event: gr.EventData) -> dict[str, Any]:
    answers = _answers()
    judged: dict[str, Any] = answers.drawing(checkpoint, answers.drawing_from_page(event._data))
    number = event._data.get("drawing")  # by which the page knows an answer that came too late
    return {**judged, "drawing": number if isinstance(number, int) else None}


def _compared(left: Any, right: Any, seed: Any) -> dict[str, Any]:
    answers = _answers()
    both: dict[str, Any] = answers.comparison((left, right), answers.whole(seed, "the seed"))
    return both


# --- what the controls offer ------------------------------------------------------------------------------


def _cards(chosen: str | None) -> dict[str, Any]:
    return {
        "value": chosen,
        "choices": catalog.cards(TASK),
        "group": "checkpoint",
        "legend": "Who makes them",
        "empty": "There is no checkpoint yet. Train one with: python -m gandemo train digits",
    }


def _classes(checkpoint: str | None, chosen: Any = "all", every: str = "Each column a class") -> dict[str, Any]:
    """The class chooser of a checkpoint, which keeps what was chosen where that is possible."""
    names = catalog.find(checkpoint, TASK).class_names if checkpoint else ()
    if not names:
        why = f"{checkpoint} learned without classes, so it can't be asked for one." if checkpoint else ""
        return {"choices": [("Any", "all")], "value": "all", "interactive": False, "info": why}
    choices = [(every, "all"), *((name, str(index)) for index, name in enumerate(names))]
    value = chosen if chosen in [value for _, value in choices] else "all"
    return {"choices": choices, "value": value, "interactive": True, "info": None}


def _side(names: list[str], chosen: Any, wanted: str, otherwise: int) -> dict[str, Any]:
    value = next((name for name in (chosen, wanted) if name in names), names[otherwise] if names else None)
    return {"choices": names, "value": value}


def _figures(checkpoint: str | None) -> dict[str, Any] | None:
    return catalog.figures([catalog.find(checkpoint, TASK)]) if checkpoint else None


def _preview(checkpoint: str | None) -> str | None:
    return catalog.preview(catalog.find(checkpoint, TASK).path) if checkpoint else None
