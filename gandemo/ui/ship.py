"""The tab Ship: a checkpoint as a file for phones, browsers and servers, run on this very device, and the Hub.

The wiring alone; what is done stands in `ship_answers`, which loads torch at first use.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import gradio as gr

from gandemo.ship.export import formats
from gandemo.ui import access, catalog
from gandemo.ui.events import unless_there, when
from gandemo.ui.hub import hub_part
from gandemo.ui.parts import PAGE, part
from gandemo.ui.photo_files import PhotoFiles

RUNTIME = PAGE / "litert"
QUEUE = "export"
_TASKS = ("digits", "colorize", "enhance", "inpaint", "classify")


def _answers() -> ModuleType:
    from gandemo.ui import ship_answers

    return ship_answers


def warm_up() -> None:
    """Nothing: what this tab needs is loaded when somebody exports."""


def tab(demo: gr.Blocks) -> None:
    """Builds the tab inside the current Blocks."""
    gr.set_static_paths([RUNTIME])  # the browser's runtime and its scripts, from this server alone
    files = PhotoFiles(demo.upload_file_set)
    opened = gr.context.Context.block
    assert isinstance(opened, gr.Tab)
    with gr.Column(elem_classes="gd-section"):
        part("ship-title")
        with gr.Row(elem_classes="gd-split"):
            with gr.Column(elem_classes="gd-panel gd-side", scale=4, min_width=280):
                chosen = gr.Dropdown(label="Checkpoint", elem_id="ship-checkpoint", **_choices(None))
                kind = gr.Radio(
                    [(f"{one.title}: {one.good_for}", name) for name, one in formats.FORMATS.items()],
                    value="int8",
                    label="Format",
                    elem_id="ship-format",
                    elem_classes="gd-chips",
                )
                export = gr.Button("Export", variant="primary", size="lg", elem_id="ship-export")
                working = part("ship-working")
            with gr.Column(elem_classes="gd-side", scale=7, min_width=300):
                exports = part("ship-exports")
                packed = part("ship-packed")
    with gr.Column(elem_classes="gd-section"):
        part("ship-device-title")
        device = part("ship-device", runtime=(RUNTIME / "device.js").as_posix())
        compared = part("ship-compared")
        code = part("ship-qr")
    hub_part(demo, opened, chosen)

    def looked(checkpoint: Any) -> dict[str, Any]:
        state: dict[str, Any] = _answers().state(checkpoint)
        return state

    def taken(event: gr.EventData) -> dict[str, Any]:
        given: dict[str, Any] = _answers().file(files, event._data)
        return given

    def ran(event: gr.EventData) -> dict[str, Any]:
        shown: dict[str, Any] = _answers().device(files, event._data)
        return shown

    def paged(event: gr.EventData) -> dict[str, Any]:
        made: dict[str, Any] = _answers().page(files, event._data)
        return made

    def coded(event: gr.EventData) -> dict[str, Any]:
        shared = getattr(demo, "share_url", None)
        shown: dict[str, Any] = _answers().code(event._data, shared, access.is_local())
        return shown

    exporting = when(
        export.click, _exported, [chosen, kind], working, begins="ship-working", queue=QUEUE, at_once=1, once=True
    )
    exporting.failure(None, js="() => gandemo.tell('ship-working', 'gd-failed')", api_visibility="private")
    when(working.stop, _stopped, None, None, queue="stop", each=True)
    when(exports.take, taken, None, packed, each=True)
    when(exports.look, looked, chosen, exports)
    changed = "() => ['ship-exports', 'ship-device'].forEach((id) => gandemo.tell(id, 'gd-changed'))"
    chosen.input(None, js=changed, api_visibility="private")
    running = when(exports.run, ran, None, device, each=True)
    running.failure(None, js="() => gandemo.tell('ship-device', 'gd-failed')", api_visibility="private")
    when(exports.pack, paged, None, packed, busy="ship-exports", each=True)
    comparing = when(device.compare, _compared, None, compared, each=True)
    comparing.failure(None, js="() => gandemo.tell('ship-device', 'gd-compared')", api_visibility="private")
    when(code.seen, coded, None, code, each=True)
    for event in (demo.load, opened.select):  # there may be more than when the page was opened
        when(event, _opened, chosen, chosen)


# --- callbacks --------------------------------------------------------------------------------------------


def _exported(checkpoint: Any, kind: Any) -> Iterator[dict[str, Any]]:
    yield from _answers().export(checkpoint, kind)


def _stopped(event: gr.EventData) -> None:
    _answers().stop(event._data)


def _compared(event: gr.EventData) -> dict[str, Any]:
    values: dict[str, Any] = _answers().digits(event._data)
    return values


def _opened(chosen: Any) -> gr.Dropdown:
    return gr.Dropdown(**unless_there(_choices(chosen), chosen))


def _choices(chosen: Any) -> dict[str, Any]:
    names = [entry.name for task in _TASKS for entry in catalog.entries(task)] + catalog.best_of_runs()
    return {"choices": names, "value": chosen if chosen in names else names[0] if names else None}
