"""The API of the tabs Colorize and Enhance: a photo's file in, a PNG out.

The page's own events are not part of it. Components that nobody sees tell a client the types and the defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from gandemo.errors import RequestError
from gandemo.ui import photos
from gandemo.ui.long_work import unheard
from gandemo.ui.models import calm
from gandemo.ui.photo_files import PhotoFiles
from gandemo.ui.photo_wishes import ColourWish, EnhanceWish, Source


def colorize_endpoint(files: PhotoFiles) -> None:
    """Adds `/colorize` to the current Blocks."""

    def colorize(
        photo: str,
        checkpoint: str = "colorize",
        strength: float = 1.0,
        hints: list[dict[str, Any]] | None = None,
        recolour: bool = False,
    ) -> str:
        """A black-and-white photo in colour, at full size. A photo that has colour is refused without `recolour`."""
        answers = photos.answers()
        wish = ColourWish.parse({"strength": strength, "hints": hints, "recolour": recolour})
        return _made(files, photo, answers.colour_painter(checkpoint, wish), "colour")

    with gr.Row(visible=False):
        photo = _photo()
        checkpoint = gr.Textbox("colorize", label="Checkpoint, by its name")
        strength = gr.Number(1.0, label="Factor on the colour, 0 to 1.5")
        hints = gr.JSON(None, label="Dabs: [{x, y: 0 to 1, colour: [red, green, blue]}]")
        recolour = gr.Checkbox(False, label="Also a photo that has colour")
        _endpoint(colorize, [photo, checkpoint, strength, hints, recolour])


def enhance_endpoint(files: PhotoFiles) -> None:
    """Adds `/enhance` to the current Blocks."""

    def enhance(
        photo: str,
        checkpoint: str = "enhance",
        scale: int = 1,
        crisp: float | None = None,
        strength: float = 1.0,
        mask: str | None = None,
        restore: bool = False,
    ) -> str:
        """A photo made sharper, at full size; what the mask marks is painted in first, and `restore` adds colour."""
        answers = photos.answers()
        marks = answers.mask_from_file(mask) if mask else None
        wish = EnhanceWish.parse(
            {"scale": scale, "crisp": crisp, "strength": strength, "mask": marks, "restore": restore}
        )
        return _made(files, photo, answers.enhance_painter(checkpoint, wish)[0], "enhanced")

    with gr.Row(visible=False):
        photo = _photo()
        checkpoint = gr.Textbox("enhance", label="Checkpoint, by its name")
        scale = gr.Number(1, precision=0, label="Times as wide and high: 1, 2 or 4")
        crisp = gr.Number(None, label="0 faithful to 1 crisp; none: as the checkpoint has it")
        strength = gr.Number(1.0, label="How much of it, 0 to 1")
        mask = gr.File(label="A picture, white where something is to be painted in", type="filepath")
        restore = gr.Checkbox(False, label="Also give it colour, if it has none")
        _endpoint(enhance, [photo, checkpoint, scale, crisp, strength, mask, restore])


def _photo() -> gr.File:
    return gr.File(label="A photo", type="filepath")


def _endpoint(function: Callable[..., str], inputs: list[Any]) -> None:
    call, made = gr.Button(), gr.File(label="PNG")
    call.click(
        calm(function),
        inputs,
        made,
        api_name=function.__name__,
        concurrency_id=photos.SLOW,
        concurrency_limit=2,
        show_progress="hidden",
    )


def _made(files: PhotoFiles, photo: str, paint: Any, ending: str) -> str:
    if not photo:
        raise RequestError("there is no photo: send one")
    path = files.sent(photo)
    made: dict[str, Any] = photos.answers().full_size(files, Source(path, path.name), paint, ending, unheard)
    return str(made["path"])
