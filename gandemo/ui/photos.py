"""What the tabs Colorize and Enhance share: their wiring, and the callbacks that look the same in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import gradio as gr

from gandemo.errors import RequestError
from gandemo.ui import catalog, photo_cards, photo_examples
from gandemo.ui.events import unless_there, when
from gandemo.ui.long_work import Tell, stop, ticket_of, told
from gandemo.ui.models import QUEUE
from gandemo.ui.parts import part
from gandemo.ui.photo_files import MAX_FILE_BYTES as MAX_FILE_BYTES
from gandemo.ui.photo_files import PhotoFiles

SLOW = "photos"  # the queue of what takes seconds, so that it holds up nothing that is quick

# what the models are asked by: the module that loads them, files, checkpoint, request, and where progress is told
Work = Callable[[ModuleType, PhotoFiles, Any, Mapping[str, Any], Tell], dict[str, Any]]


def answers() -> ModuleType:
    """The module that loads torch, at first use."""
    from gandemo.ui import photo_answers

    return photo_answers


def cards(task: str, legend: str, chosen: str | None = None) -> dict[str, Any]:
    """The checkpoints of a task as cards; the first is chosen where none is."""
    known = photo_cards.cards(task)
    names = [card["name"] for card in known]
    return {
        "value": chosen if chosen in names else names[0] if names else None,
        "choices": known,
        "group": f"{task}-checkpoint",
        "legend": legend,
        "empty": f"There is no checkpoint yet. Train one with: python -m gandemo train {task}",
    }


def opened(task: str, legend: str, chosen: Any) -> gr.HTML:
    """The cards of the checkpoints that there are now, for a page that has just opened with one chosen."""
    return gr.HTML(**unless_there(cards(task, legend, chosen), chosen))


def checkpoint_of(task: str, chosen: Any) -> Any:
    """The checkpoint that is chosen; the first where none is, as on a page that is older than the first checkpoint."""
    if chosen:
        return chosen
    known = catalog.entries(task)
    return known[0].name if known else None


def bench(task: str, **props: Any) -> gr.HTML:
    """The component that takes photos in and shows what became of them."""
    return part(
        task,
        elem_id=f"{task}-bench",
        id=f"{task}-bench",
        task=task,
        examples=photo_examples.shown(task),
        most_bytes=MAX_FILE_BYTES,
        **props,
    )


def work(
    task: str,
    files: PhotoFiles,
    chosen: gr.HTML,
    shown: gr.HTML,
    slow: Mapping[str, Work],
    quick: Mapping[str, Work] | None = None,
) -> None:
    """The work of the page: its progress is told as it goes, and the page's event `stop` ends it.

    Gradio's own way to cancel a stream answers with an error if the stream ends at the same moment. The bench has one
    request under way at a time; a new one waits there until the end of the one before is told.

    Args:
        task: of the tab.
        files: of the visitors.
        chosen: the checkpoint.
        shown: the bench.
        slow: what takes seconds, by event of the bench.
        quick: what takes less.
    """
    for queue, works in ((SLOW, slow), (QUEUE, quick or {})):
        for event, does in works.items():
            streamed = _streamed(task, does, files)
            failed(when(getattr(shown, event), streamed, chosen, shown, queue=queue, each=True), shown)
    when(shown.stop, _stop, None, None, queue="stop", each=True)


def _stop(asked: gr.EventData) -> None:
    stop(ticket_of(mapping(asked._data)))


def failed(listening: Any, shown: gr.HTML) -> None:
    """Tells the bench when its event has failed."""
    js = f"() => gandemo.tell('{shown.elem_id}', 'gd-failed')"
    listening.failure(None, js=js, api_visibility="private")


def _streamed(task: str, does: Work, files: PhotoFiles) -> Callable[..., Iterator[Any]]:
    def stream(checkpoint: Any, asked: gr.EventData) -> Iterator[Any]:
        request = mapping(asked._data)
        ticket = ticket_of(request)
        for news in told(lambda tell: does(answers(), files, checkpoint_of(task, checkpoint), request, tell), ticket):
            yield {**news, "ticket": ticket}

    return stream


def mapping(sent: object) -> Mapping[str, Any]:
    """A request of the page.

    Raises:
        RequestError: it is none.
    """
    if not isinstance(sent, Mapping):
        raise RequestError("there is no photo; choose one")
    return sent
