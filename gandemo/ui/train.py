"""The tab Train: start a training, watch it, compare it, look at its game in slow motion.

The wiring alone. The page asks by the functions below, one call each, and draws what they answer; all that it shows of
runs is read from their folders (`train_live`), all that it does to them is checked first (`train_answers`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import gradio as gr

from gandemo.errors import RequestError
from gandemo.ui.models import sentence_for
from gandemo.ui.parts import part

SCRIPTS = ("train-store.js", "train-words.js", "train-chart.js", "train-sheets.js", "train-actions.js")

Answer = Callable[[Any], dict[str, Any]]


def warm_up() -> None:
    """Takes up the queue that an earlier server left behind."""
    _answers().manager()


def tab(demo: gr.Blocks) -> None:
    """Builds the tab inside the current Blocks."""
    with gr.Column(elem_classes="gd-section gd-train"):
        part("train", server_functions=[_answer(name, find) for name, find in ANSWERS.items()])
        part("train-start")
        part("train-live")
    with gr.Column(elem_classes="gd-section gd-train"):
        part("train-runs")
        part("train-race")
    with gr.Column(elem_classes="gd-section gd-train"):
        part("slow-motion")


def _answers() -> ModuleType:
    from gandemo.ui import train_answers

    return train_answers


def _live() -> ModuleType:
    from gandemo.ui import train_live

    return train_live


def _slow_motion() -> ModuleType:
    from gandemo.ui import slow_motion_answers

    return slow_motion_answers


# What the page can ask, and where the answer is made.
ANSWERS: dict[str, Callable[[], Answer]] = {
    "look": lambda: _live().look,
    "pictures": lambda: _live().pictures,
    "film": lambda: _live().film,
    "race": lambda: _live().race,
    "offer": lambda: lambda _: _answers().offer(),
    "choices": lambda: _answers().choices,
    "own": lambda: _answers().own,
    "take": lambda: _answers().take,
    "start": lambda: _answers().start,
    "act": lambda: _answers().act,
    "room": lambda: _answers().room,
    "games": lambda: lambda _: _slow_motion().games(),
    "play": lambda: _slow_motion().play,
}


def _answer(name: str, find: Callable[[], Answer]) -> Answer:
    """A function that the page can call by name; what goes wrong is one sentence under `error`."""

    def call(asked: Any) -> dict[str, Any]:
        try:
            if not isinstance(asked, Mapping):
                raise RequestError("the page asked for something strange; reload it and try again")
            return find()(asked)
        except Exception as error:
            return {"error": sentence_for(error, name)}

    call.__name__ = call.__qualname__ = name
    return call
