"""What the page does on the Hub: a push, a pull, each told as it goes. Loads torch."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from gandemo import checkpoint, places
from gandemo.errors import GanDemoError, RequestError, sentence_of
from gandemo.ship import hub
from gandemo.ship.hub.origins import ORIGIN, VISITOR, origin
from gandemo.ship.hub.pulling import Pulled, passing_cache
from gandemo.ship.hub.pushing import Pushed
from gandemo.ship.hub.space import push_space
from gandemo.ship.hub.verify import FILES
from gandemo.ui import access, catalog
from gandemo.ui.catalog import preferred
from gandemo.ui.hub_identity import Identity, on_space
from gandemo.ui.long_work import Tell, told

State = dict[str, Any]

# What visitors may bring to a public page: so large a file, so many checkpoints; the oldest goes for a new one.
VISITORS_FILES = {name: min(bound, 64 * 2**20) for name, bound in FILES.items()}
VISITORS_KEPT = 20
PUBLIC_ALONE = "only what is public can be had on this page"
_ITS_OWN = "it writes to what it has made for you alone, so choose a new name"  # as its OAuth scope has it
TABS = {"digits": ("Digits", "checkpoint"), "colorize": ("Colorize", ""), "enhance": ("Enhance", "")}

_making_room = threading.Lock()


def push(who: Identity, name: object, repo: object, *, space: bool, private: bool) -> Iterator[State]:
    """Pushes a checkpoint of the catalogue; yields what the page shows."""

    def work(tell: Tell) -> State:
        source = checkpoint.load(catalog.find_any(name).path)
        progress, say = _told_to(tell, "Sending")
        asker = hub.Hub(who.token, offline=False, instead=_ITS_OWN if on_space() else "", tell=say)
        tell(0.0, "Looking at the repository")
        target = _text(repo, "the repository")
        send = push_space if space else hub.push
        return _pushed(send(source, target, asker, private=private, progress=progress))

    yield from _shown(work)


def pull(who: Identity, repo: object) -> Iterator[State]:
    """Pulls a checkpoint into the catalogue; yields what the page shows.

    In public it is pulled in nobody's name, so that no private one comes before everybody's eyes.
    """
    public = access.is_public()

    def work(tell: Tell) -> State:
        source = hub.HubId.parse(_text(repo, "the repository"))
        progress, say = _told_to(tell, "Fetching")
        instead = PUBLIC_ALONE if public else ""
        asker = hub.Hub(None if public else who.token, offline=who.owner, instead=instead, tell=say)
        tell(0.0, "Looking at the repository")
        with nullcontext(asker) if who.owner else passing_cache(asker) as asker:
            if not public:
                return _pulled(hub.pull(source, asker, progress=progress))
            with _room(source.folder):
                return _pulled(hub.pull(source, asker, progress=progress, bounds=VISITORS_FILES, note={"by": VISITOR}))

    yield from _shown(work)


def _told_to(tell: Tell, does: str) -> tuple[Callable[[int, int], None], Callable[[str], None]]:
    """How many bytes are through, and what the client says meanwhile, as that it waits: in one line of progress."""
    share = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal share
        share = done / max(total, 1)
        tell(share, f"{does} {total / 1e6:.1f} MB")

    def say(text: str) -> None:
        tell(share, sentence_of(text))

    return progress, say


def _shown(work: Any) -> Iterator[State]:
    """Progress, then what came of it; an error the page can foresee is a state, too, and stays to be read."""
    try:
        yield from told(work)
    except GanDemoError as error:
        yield {"kind": "failed", "text": f"{error.sentence}."}


def _pushed(done: Pushed) -> State:
    seen = "You alone can see it." if done.private else "Everybody can see it."
    if done.sent or done.removed:
        gone = f", {len(done.removed)} old ones removed" if done.removed else ""
        text = f"Pushed {len(done.sent)} of {done.files} files{gone}. {seen}"
    else:
        text = f"It is there already, and nothing has changed. {seen}"
    return {"kind": "done", "text": text, "url": done.url, "label": "See it on the Hub"}


def _pulled(done: Pulled) -> State:
    found = done.checkpoint
    entry = catalog.find_any(found.name)
    tab = TABS.get(found.recipe.task)
    return {
        "kind": "done",
        "text": f"{done.source} is here as {found.name}, verified, and in every list of checkpoints.",
        "name": found.name,
        "about": entry.recipe.description,
        "from": f"from {done.source.repo}",
        "tab": tab[0] if tab else None,
        "part": (tab[1] or f"{found.recipe.task}-checkpoint") if tab else None,
    }


@contextmanager
def _room(name: str) -> Iterator[None]:
    """One more checkpoint of visitors, and none too many once it is here; what the owner has is never touched.

    Raises:
        RequestError: the owner has that very one.
    """
    root = places.home() / "checkpoints"
    if (root / name).exists() and origin(root / name).get("by") != VISITOR:
        raise RequestError(f"the owner of this page has {name} already; choose it in a list of checkpoints")
    yield
    with _making_room:
        others = [path.parent for path in root.glob(f"*/{ORIGIN}") if path.parent.name not in (name, *preferred())]
        theirs = [path for path in others if not path.name.startswith(".") and origin(path).get("by") == VISITOR]
        theirs.sort(key=_age)
        for path in theirs[: max(0, len(theirs) - VISITORS_KEPT + 1)]:
            path.rename(path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.gone"))
        for gone in root.glob(".*.gone"):  # an earlier one, too, that was ended in the middle
            shutil.rmtree(gone, ignore_errors=True)


def _age(folder: Path) -> float:
    return (folder / ORIGIN).stat().st_mtime


def _text(sent: object, what: str) -> str:
    if not isinstance(sent, str) or not sent.strip():
        raise RequestError(f"name {what} as USER/REPO, such as ada/my-digits")
    return sent.strip()[:300]
