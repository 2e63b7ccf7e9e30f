"""Work that takes a while, told as it goes: how much is done, how fast, how long it will still take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")

EVERY = 0.25  # seconds between two words to the page
SURE_AFTER = 0.8  # seconds before the time left is worth telling


class Tell(Protocol):
    """Says how far the work is."""

    def __call__(self, share: float, label: str = "", megapixels: float = 0.0) -> None:
        """`share`: 0 to 1. `label`: what goes on. `megapixels`: of the whole work, for the speed; 0: not told."""


class _Stopped(Exception):  # noqa: N818 - nobody sees it: it ends a thread whose work is no longer wanted
    pass


@dataclass
class _State(Generic[T]):
    share: float = 0.0
    label: str = ""
    megapixels: float = 0.0
    result: list[T] = field(default_factory=list)
    error: Exception | None = None


def told(work: Callable[[Tell], T]) -> Iterator[dict[str, Any] | T]:
    """Does the work in a thread of its own; yields what the page shows of its progress, and at last its result.

    Closing the iterator ends the work at the next word of it.

    Args:
        work: gets what it tells its progress to.
    """
    state, wanted, ended = _State[T](), threading.Event(), threading.Event()
    wanted.set()

    def tell(share: float, label: str = "", megapixels: float = 0.0) -> None:
        if not wanted.is_set():
            raise _Stopped
        state.share, state.label, state.megapixels = min(1.0, max(0.0, share)), label, megapixels

    def body() -> None:
        try:
            state.result.append(work(tell))
        except _Stopped:
            pass
        except Exception as error:
            state.error = error
        finally:
            ended.set()

    begun = time.monotonic()
    threading.Thread(target=body, name="photo-work", daemon=True).start()
    try:
        before: tuple[float, str] | None = None
        while not ended.wait(EVERY):
            now = (state.share, state.label)
            if now != before:
                before = now
                text = words(*now, time.monotonic() - begun, state.megapixels)
                yield {"kind": "progress", "share": now[0], "text": text}
    finally:
        wanted.clear()
    if state.error is not None:
        raise state.error
    yield state.result[0]


def words(share: float, label: str, seconds: float, megapixels: float = 0.0) -> str:
    """Progress as a person reads it.

    >>> words(0.25, "Photo 1 of 4", 3.0, 8.0)
    'Photo 1 of 4 · 25 % · 0.7 megapixels a second · about 9 s left'
    """
    parts = [label] if label else []
    if share <= 0.0:
        return label or "Starting"
    parts.append(f"{100 * share:.0f} %")
    if seconds >= SURE_AFTER:
        if megapixels:
            parts.append(f"{megapixels * share / seconds:.1f} megapixels a second")
        left = seconds * (1.0 - share) / share
        parts.append("about " + (f"{left:.0f} s left" if left < 90 else f"{left / 60:.0f} min left"))
    return " · ".join(parts)
