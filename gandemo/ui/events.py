"""How the page's own components are wired to callbacks: in one queue, without flicker, the last wish winning."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from gandemo.ui.models import QUEUE, calm


def when(
    event: Callable[..., Any],
    callback: Callable[..., Any],
    inputs: Any,
    outputs: Any,
    *,
    busy: str = "",
    queue: str = QUEUE,
    at_once: int = 2,
) -> Any:
    """Listens to an event of the page. Its endpoint is the page's own; the API has endpoints of its own.

    Args:
        event: of a component.
        callback: gets raw values and checks every one of them itself.
        inputs: of the callback.
        outputs: of the callback.
        busy: id of the component that shows a line while the answer is made.
        queue: whose places are shared.
        at_once: places in it.
    """
    listening = event(
        calm(callback),
        inputs,
        outputs,
        js=f"(...values) => {{ gandemo.busy('{busy}', true); return values; }}" if busy else None,
        preprocess=False,
        api_visibility="private",
        show_progress="hidden",
        concurrency_id=queue,
        concurrency_limit=at_once,
        trigger_mode="always_last",
    )
    if busy:
        done = {"js": f"() => gandemo.busy('{busy}', false)", "api_visibility": "private"}
        listening.success(None, **done)
        listening.failure(None, **done)  # `then` does not follow a failure in Gradio 6
    return listening


def any_of(*events: Any) -> Callable[..., Any]:
    """Several events as one: only one answer is under way at a time, and the last request is the one that stays."""
    return partial(gr.on, list(events))
