"""Own pictures from a data set on the Hub: fetched in the background, told how far it is, in nobody's name.

Nobody's, since a page can't tell whose browser asks: private data sets are for the command line, whose token is the
owner's.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gandemo.data import own
from gandemo.errors import GanDemoError, RequestError
from gandemo.ui import access

if TYPE_CHECKING:
    from gandemo.ship.hub import HubId, Pictures

KEPT = 32  # answers that wait to be asked for
AT_ONCE = 2  # repositories that are fetched at a time
VISITORS_FILES = 2_000


@dataclass
class _Fetch:
    """One repository on its way here."""

    began: float = field(default_factory=time.monotonic)
    done: int = 0
    total: int = 0
    found: Pictures | None = None
    error: Exception | None = None

    @property
    def is_over(self) -> bool:
        return self.found is not None or self.error is not None


_fetches: OrderedDict[HubId, _Fetch] = OrderedDict()
_lock = threading.Lock()


def look(text: object) -> Pictures | dict[str, Any]:
    """The pictures of a repository, or how far their way here is; the first look sends for them.

    Args:
        text: `USER/NAME`, or the address of its page.

    Returns:
        The pictures, once: the next look asks the Hub again; or {"done", "total": bytes, "seconds"}.

    Raises:
        GanDemoError: they can't be had.
    """
    from gandemo.ship.hub import HubId

    source = HubId.parse(str(text or "")[:300], "dataset")
    with _lock:
        fetch = _fetches.get(source)
        if fetch is None:
            if sum(not other.is_over for other in _fetches.values()) >= AT_ONCE:
                raise RequestError(f"{AT_ONCE} data sets are being fetched already; try again when one of them is here")
            if access.is_public():
                access.check_room(own.pulled_home())
            fetch = _fetches[source] = _Fetch()
            threading.Thread(target=_fetch, args=(source, fetch), name=f"fetch {source}", daemon=True).start()
            over = [key for key, other in _fetches.items() if other.is_over]
            for key in over[: max(0, len(_fetches) - KEPT)]:
                del _fetches[key]
        elif fetch.is_over:
            del _fetches[source]
    if isinstance(fetch.error, GanDemoError):
        raise fetch.error
    if fetch.error is not None:
        raise RuntimeError(f"{source} could not be fetched") from fetch.error
    if fetch.found is not None:
        return fetch.found
    return {"done": fetch.done, "total": fetch.total, "seconds": round(time.monotonic() - fetch.began, 1)}


def _fetch(source: HubId, fetch: _Fetch) -> None:
    from gandemo.ship.hub import Hub, pull_pictures
    from gandemo.ship.hub.pictures import Bounds

    def hear(done: int, total: int) -> None:
        fetch.done, fetch.total = done, total

    bounds = Bounds(files=VISITORS_FILES, size=access.BOUNDS.upload) if access.is_public() else Bounds()
    hub = Hub(None, offline=access.is_local(), instead="only what is public can be had on this page")
    try:
        fetch.found = pull_pictures(source, hub, progress=hear, bounds=bounds)
    except Exception as error:  # told by whoever asks next
        fetch.error = error
