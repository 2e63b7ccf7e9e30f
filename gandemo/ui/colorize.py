"""The tab Colorize: colour for black-and-white photos, blended, hinted and taken home at full size."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import gradio as gr

from gandemo.ui import catalog, photo_api, photo_examples, photos
from gandemo.ui.events import when
from gandemo.ui.long_work import Tell
from gandemo.ui.parts import part
from gandemo.ui.photo_files import PhotoFiles
from gandemo.ui.photo_wishes import ColourWish, sources

TASK = "colorize"
LEGEND = "Who paints"


def warm_up() -> None:
    """Loads the first checkpoint, so that the first visitor finds it in memory."""
    if catalog.entries(TASK):
        photos.answers().warm(TASK, photo_examples.COLORIZE["lake"].path)


def tab(demo: gr.Blocks) -> None:
    """Builds the tab inside the current Blocks."""
    files = PhotoFiles(demo.upload_file_set)
    with gr.Column(elem_classes="gd-section"):
        part("colorize-title")
        chosen = part("cards", elem_id="colorize-checkpoint", **photos.cards(TASK, LEGEND))
        bench = photos.bench(TASK, invitation="a black-and-white photo", slow=False)

    photos.work(TASK, files, chosen, bench, {"take": _taken, "album": _packed}, quick={"ask": _asked})
    chosen.input(None, js="() => gandemo.tell('colorize-bench', 'gd-changed')", api_visibility="private")
    when(demo.load, lambda checkpoint: photos.opened(TASK, LEGEND, checkpoint), chosen, chosen)
    photo_api.colorize_endpoint(files)


def _asked(
    answers: ModuleType, files: PhotoFiles, checkpoint: Any, request: Mapping[str, Any], tell: Tell
) -> dict[str, Any]:
    (source,) = sources(files, TASK, [request.get("photo")])
    wish = ColourWish.parse(request)
    shown: dict[str, Any] = answers.coloured(files, checkpoint, source, wish, request.get("fresh") is True, tell)
    return shown


def _taken(
    answers: ModuleType, files: PhotoFiles, checkpoint: Any, request: Mapping[str, Any], tell: Tell
) -> dict[str, Any]:
    (source,) = sources(files, TASK, [request.get("photo")])
    # whoever takes it home has seen it coloured, whatever it was before
    paint = answers.colour_painter(checkpoint, ColourWish.parse({**request, "recolour": True}))
    taken: dict[str, Any] = answers.full_size(files, source, paint, "colour", tell)
    return taken


def _packed(
    answers: ModuleType, files: PhotoFiles, checkpoint: Any, request: Mapping[str, Any], tell: Tell
) -> dict[str, Any]:
    given = sources(files, TASK, request.get("photos"))
    paint = answers.colour_painter(checkpoint, ColourWish.parse({**request, "hints": [], "recolour": False}))
    packed: dict[str, Any] = answers.album(files, given, paint, "colour", tell)
    return packed
