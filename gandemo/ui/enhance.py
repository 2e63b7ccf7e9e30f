"""The tab Enhance: a sharper picture from a poor one, larger if wanted, with scratches painted in."""

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
from gandemo.ui.photo_wishes import EnhanceWish, sources

TASK = "enhance"
LEGEND = "Who sharpens"
HOW_TO_PAINT = "Take the brush, draw over what should go, and paint it in."
WHY_NOT_PAINT = "There is no checkpoint to paint in with yet. Train one with: python -m gandemo train inpaint"


def warm_up() -> None:
    """Loads the first checkpoint, so that the first visitor finds it in memory."""
    if catalog.entries(TASK):
        photos.answers().warm(TASK, photo_examples.ENHANCE["blocks"].path)


def tab(demo: gr.Blocks) -> None:
    """Builds the tab inside the current Blocks."""
    files = PhotoFiles(demo.upload_file_set)
    with gr.Column(elem_classes="gd-section"):
        part("enhance-title")
        chosen = part("cards", elem_id="enhance-checkpoint", **photos.cards(TASK, LEGEND))
        bench = photos.bench(
            TASK, invitation="a photo", slow=True, how_to_paint=HOW_TO_PAINT, why_not_paint=WHY_NOT_PAINT
        )
    photos.work(TASK, files, chosen, bench, {"ask": _asked, "take": _taken, "album": _packed})
    chosen.input(None, js="() => gandemo.tell('enhance-bench', 'gd-changed')", api_visibility="private")
    when(demo.load, lambda checkpoint: photos.opened(TASK, LEGEND, checkpoint), chosen, chosen)
    photo_api.enhance_endpoint(files)


def _asked(
    answers: ModuleType, files: PhotoFiles, checkpoint: Any, request: Mapping[str, Any], tell: Tell
) -> dict[str, Any]:
    (source,) = sources(files, TASK, [request.get("photo")])
    wish = EnhanceWish.parse(request)
    shown: dict[str, Any] = answers.enhanced(files, checkpoint, source, wish, request.get("fresh") is True, tell)
    return shown


def _taken(
    answers: ModuleType, files: PhotoFiles, checkpoint: Any, request: Mapping[str, Any], tell: Tell
) -> dict[str, Any]:
    (source,) = sources(files, TASK, [request.get("photo")])
    paint, _ = answers.enhance_painter(checkpoint, EnhanceWish.parse(request))
    taken: dict[str, Any] = answers.full_size(files, source, paint, "enhanced", tell)
    return taken


def _packed(
    answers: ModuleType, files: PhotoFiles, checkpoint: Any, request: Mapping[str, Any], tell: Tell
) -> dict[str, Any]:
    given = sources(files, TASK, request.get("photos"))
    wish = EnhanceWish.parse({**request, "mask": None})
    paint, _ = answers.enhance_painter(checkpoint, wish)
    packed: dict[str, Any] = answers.album(files, given, paint, "enhanced", tell, scale=wish.scale)
    return packed
