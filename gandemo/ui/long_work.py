"""Work that takes a while, told as it goes: how much is done, how fast, how long it will still take."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")

EVERY = 0.2  # seconds between two words to the page
SURE_AFTER = 1.0  # seconds, and
SURE_FROM = 0.02  # the share, before the time left is worth telling
TICKETS_KEPT = 1_000
STOPPED = {"kind": "stopped"}

_stopped: OrderedDict[str, None] = OrderedDict()
_lock = threading.Lock()


class Tell(Protocol):
    """Says how far the work is."""

    def __call__(self, share: float, label: str = "", megapixels: float = 0.0) -> None:
        """`share`: 0 to 1. `label`: what goes on. `megapixels`: of the whole work, for the speed; 0: not told."""


def unheard(share: float, label: str = "", megapixels: float = 0.0) -> None:
    """For work that nobody watches."""


class _Unwanted(BaseException):
    """Ends a thread whose work is no longer wanted; no `except Exception` on its way takes it for a damaged file."""


@dataclass
class _State(Generic[T]):
    share: float = 0.0
    label: str = ""
    megapixels: float = 0.0
    wanted: bool = True
    result: list[T] = field(default_factory=list)
    error: Exception | None = None


def new_ticket() -> str:
    """A name for one piece of work that nobody can guess."""
    return secrets.token_hex(16)


def ticket_of(request: Mapping[str, Any]) -> str:
    """What a request of the page is known by; empty where it has none."""
    return str(request.get("ticket", ""))[:64]


def stop(ticket: str) -> None:
    """Ends the work of that ticket, also if it has not begun; only who asked for it knows the ticket.

    Work without a ticket is nobody's to stop.
    """
    if not ticket:
        return
    with _lock:
        _stopped[ticket] = None
        while len(_stopped) > TICKETS_KEPT:
            _stopped.popitem(last=False)


def told(work: Callable[[Tell], T], ticket: str = "") -> Iterator[dict[str, Any] | T]:
    """Does the work in a thread of its own; yields what the page shows of its progress, and at last its result.

    Once it is stopped, or the iterator is closed, the work ends at its next word. What comes at once in place of a
    result is `STOPPED`; the iterator itself ends with the work, so that its place in a queue, and the memory of a
    photo, is not given away before it is free.

    Args:
        work: gets what it tells its progress to.
        ticket: by which it can be stopped.
    """
    state, ended = _State[T](), threading.Event()

    def tell(share: float, label: str = "", megapixels: float = 0.0) -> None:
        if not state.wanted:
            raise _Unwanted
        state.share, state.label, state.megapixels = min(1.0, max(0.0, share)), label, megapixels

    def body() -> None:
        try:
            state.result.append(work(tell))
        except _Unwanted:
            pass
        except Exception as error:
            state.error = error
        finally:
            ended.set()

    if ticket in _stopped:
        yield STOPPED
        return
    begun = time.monotonic()
    threading.Thread(target=body, name="photo-work", daemon=True).start()
    try:
        before = (0.0, "")  # who says nothing has nothing shown
        while not ended.wait(EVERY):
            if ticket in _stopped:
                state.wanted = False
                yield STOPPED
                ended.wait()
                return
            now = (state.share, state.label)
            if now != before and any(now):
                before = now
                text = words(*now, time.monotonic() - begun, state.megapixels)
                yield {"kind": "progress", "share": now[0], "text": text}
    finally:
        state.wanted = False
    if state.error is not None:
        raise state.error
    yield state.result[0]


def words(share: float, label: str, seconds: float, megapixels: float = 0.0) -> str:
    """Progress as a person reads it.

    >>> words(0.25, "Photo 1 of 4", 3.0, 8.0)
    'Photo 1 of 4 · 25 % · 0.67 megapixels a second · about 9 s left'
    """
    if share <= 0.0:
        return label or "Starting"
    parts = [label] if label else []
    parts.append(f"{100 * share:.0f} %")
    if seconds >= SURE_AFTER and share >= SURE_FROM:
        if megapixels:
            parts.append(f"{megapixels * share / seconds:.2g} megapixels a second")
        left = seconds * (1.0 - share) / share
        parts.append("about " + (f"{left:.0f} s left" if left < 90 else f"{left / 60:.0f} min left"))
    return " · ".join(parts)
