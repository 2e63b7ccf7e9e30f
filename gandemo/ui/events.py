"""How the page's own components are wired to callbacks: in one queue, without flicker, the last wish winning."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import gradio as gr

from gandemo.ui.models import QUEUE, calm

REMEMBERED = 10_000  # visitors' components of which the latest request is known

_numbers = itertools.count(1)
_latest: OrderedDict[tuple[str, str], int] = OrderedDict()  # of a visitor and a component
_lock = threading.Lock()


def when(
    event: Callable[..., Any],
    callback: Callable[..., Any],
    inputs: Any,
    outputs: Any,
    *,
    busy: str = "",
    begins: str = "",
    queue: str = QUEUE,
    at_once: int = 2,
    each: bool = False,
    once: bool = False,
    newest: Sequence[gr.Component] = (),
) -> Any:
    """Listens to an event of the page. Its endpoint is the page's own; the API has endpoints of its own.

    Args:
        event: of a component.
        callback: gets raw values and checks every one of them itself.
        inputs: of the callback.
        outputs: of the callback.
        busy: id of the component that shows a line while the answer is made.
        begins: id of the component that hears "gd-begun" when a request is sent, which may wait for a place.
        queue: whose places are shared.
        at_once: places in it.
        each: every request is sent at once, and the page sees to their order. Else one that comes while another is
            under way waits for it, with the inputs as they are then; but Gradio sends it with the *first* one's event
            data, so this is for callbacks that look at event data.
        once: one that comes while another is under way is none: for what must not happen twice.
        newest: outputs that other events ask for too, side by side with this one, and the first of which they have in
            common. An answer that comes after a later request of the same visitor for that one leaves them as they
            are.
    """
    if newest:
        places = range(len(outputs)) if isinstance(outputs, list) else None
        stay = None if places is None else {index for index in places if outputs[index] in newest}
        callback = _newest_stays(callback, str(newest[0].elem_id), stay)
    said = f"gandemo.busy('{busy}', true);" if busy else f"gandemo.tell('{begins}', 'gd-begun');" if begins else ""
    listening = event(
        calm(callback),
        inputs,
        outputs,
        js=f"(...values) => {{ {said} return values; }}" if said else None,
        preprocess=False,
        api_visibility="private",
        show_progress="hidden",
        concurrency_id=queue,
        concurrency_limit=at_once,
        trigger_mode="multiple" if each else "once" if once else "always_last",
    )
    if busy:
        done = {"js": f"() => gandemo.busy('{busy}', false)", "api_visibility": "private"}
        listening.success(None, **done)
        listening.failure(None, **done)  # `then` does not follow a failure in Gradio 6
    return listening


def unless_there(properties: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """What a component is given when the page opens: without its value where that is the one that the page has.

    The answer may come after somebody has chosen another, which stays.

    Args:
        properties: of the component, `value` among them.
        value: what the page had when it asked.
    """
    return {name: each for name, each in properties.items() if name != "value" or each != value}


def any_of(*events: Any) -> Callable[..., Any]:
    """Several events as one: only one answer is under way at a time, and the last request is the one that stays."""
    return partial(gr.on, list(events))


def _newest_stays(callback: Callable[..., Any], name: str, places: set[int] | None) -> Callable[..., Any]:
    def call(request: gr.Request, *values: Any) -> Any:
        key = (str(request.session_hash), name)
        with _lock:
            number = next(_numbers)
            _latest[key] = number
            _latest.move_to_end(key)
            while len(_latest) > REMEMBERED:
                _latest.popitem(last=False)
        answer = callback(*values)
        if _latest.get(key, number) == number:
            return answer
        if places is None:
            return gr.skip()
        return [gr.skip() if index in places else value for index, value in enumerate(answer)]

    call.__name__ = getattr(callback, "__name__", "call")
    return call
