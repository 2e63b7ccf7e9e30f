"""The API of the tab Digits: every action under a name of its own, with files and plain values in and out.

The page's own events are not part of it. Components that nobody sees tell a client the types and the defaults.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from gandemo.errors import RequestError
from gandemo.ui import catalog
from gandemo.ui.models import QUEUE, calm

TASK = "digits"


def endpoints() -> None:
    """Adds the endpoints to the current Blocks."""
    with gr.Row(visible=False):
        checkpoint = gr.Textbox("digits", label="Checkpoint, by its name")
        other = gr.Textbox("vanilla", label="Another checkpoint, by its name")
        count = gr.Number(64, precision=0, label="How many, 1 to 1,000")
        label = gr.Number(None, precision=0, label="The class of all; none: each in turn")
        seed = gr.Number(0, precision=0, label="Seed: the same gives the same pictures")
        end_seed = gr.Number(1, precision=0, label="Seed of the last frame")
        variety = gr.Number(1.0, label="Factor on the noise, 0 to 2")
        drawing = gr.File(label="A picture of one drawn digit, any size", type="filepath")
        picture = gr.Image(format="png", label="PNG")
        second_picture = gr.Image(format="png", label="PNG")
        film = gr.File(label="Animated PNG")
        answer = gr.JSON(label="Values")
        call = gr.Button()

    wish = [checkpoint, count, label, seed, variety]
    for function, inputs, outputs in (
        (checkpoints, [], answer),
        (generate, wish, [picture, answer]),
        (judge, wish, answer),
        (walk, [checkpoint, seed, end_seed, label], film),
        (judge_drawing, [drawing, checkpoint], [picture, answer]),
        (compare, [checkpoint, other, seed], [picture, second_picture, answer]),
    ):
        call.click(
            calm(function),
            inputs,
            outputs,
            preprocess=drawing in inputs,  # a file must be one that was sent; all else is checked by `digits_answers`
            api_name=function.__name__,
            concurrency_id=QUEUE,
            concurrency_limit=2,
            show_progress="hidden",
        )


def checkpoints() -> list[dict[str, Any]]:
    """The checkpoints that can be asked, each with its data set, its classes and what was measured."""
    return [
        {
            "name": entry.name,
            "description": entry.recipe.description,
            "dataset": entry.recipe.dataset,
            "classes": list(entry.class_names),
            "can_judge": entry.has_judge,
            "frechet": entry.figure("frechet"),
        }
        for entry in catalog.entries(TASK)
    ]


def generate(
    checkpoint: str = "digits", count: int = 64, label: int | None = None, seed: int = 0, variety: float = 1.0
) -> tuple[Any, dict[str, Any]]:
    """Pictures from noise: a contact sheet, and the class of each picture where the checkpoint has classes."""
    from gandemo.ui import digits_answers as answers

    return answers.sheet(answers.Wish.parse(_wish(checkpoint, count, label, seed, variety)))


def judge(
    checkpoint: str = "digits", count: int = 64, label: int | None = None, seed: int = 0, variety: float = 1.0
) -> list[float]:
    """What the discriminator thinks of the pictures that `generate` makes: the probability of real of each."""
    from gandemo.ui import digits_answers as answers

    return answers.judge(*answers.samples(answers.Wish.parse(_wish(checkpoint, count, label, seed, variety))))


def walk(checkpoint: str = "digits", start_seed: int = 0, end_seed: int = 1, label: int | None = None) -> str:
    """A film of the way from one seed to another and back, as an animated PNG."""
    from gandemo.ui import digits_answers as answers

    seeds = answers.whole(start_seed, "the first seed"), answers.whole(end_seed, "the last seed")
    return answers.film_file(checkpoint, *seeds, answers.class_of(label))


def judge_drawing(drawing: str, checkpoint: str = "digits") -> tuple[Any, dict[str, Any]]:
    """A drawn digit as the network sees it (28×28), and the probability of real; with classes, as each of them."""
    from gandemo.ui import digits_answers as answers

    if not drawing:
        raise RequestError("there is no picture: send one of a drawn digit")
    return answers.drawing_from_file(checkpoint, drawing)


def compare(checkpoint: str = "digits", other: str = "vanilla", seed: int = 0) -> tuple[Any, Any, dict[str, Any]]:
    """The same seed through two checkpoints: a contact sheet of each, and what was measured of each."""
    from gandemo.ui import digits_answers as answers

    return answers.two_sheets((checkpoint, other), answers.whole(seed, "the seed"))


def _wish(checkpoint: str, count: int, label: int | None, seed: int, variety: float) -> dict[str, Any]:
    return {"checkpoint": checkpoint, "count": count, "label": label, "seed": seed, "variety": variety}
