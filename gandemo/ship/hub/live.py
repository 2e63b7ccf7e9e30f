"""A run's best checkpoint, pushed every few minutes while it trains.

The training knows nothing of it and gets no token: whoever follows the run from outside looks now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from gandemo import checkpoint
from gandemo.checkpoint import Checkpoint
from gandemo.errors import CheckpointError, GanDemoError, RequestError
from gandemo.ship.hub.client import Hub
from gandemo.ship.hub.ids import HubId
from gandemo.ship.hub.pushing import Progress, Pushed, push, target_of
from gandemo.training import runs

ENDED = ("stopped", "interrupted", "failed", "done")


class LivePush:
    """Pushes what is new of a run, at most every so often. Each listener to its events may call `look`."""

    def __init__(
        self,
        run: Path,
        send: Callable[[Checkpoint], Pushed],
        *,
        minutes: float,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = print,
    ) -> None:
        """Pushes nothing yet.

        Args:
            run: its folder.
            send: pushes a checkpoint.
            minutes: between two pushes.
            clock: in seconds.
            tell: hears a sentence about each push, also one that failed: the next one makes up for it.
        """
        self.run, self.send, self.minutes, self.clock, self.tell = run, send, minutes, clock, tell
        self.pushed: Pushed | None = None  # what came of the newest push
        self._sent: tuple[object, ...] = ()
        self._next = clock()

    def look(self, *, last: bool = False) -> Pushed | None:
        """Pushes if there is something new and it is time.

        Args:
            last: the run has ended, so it is time, and a failure is raised.

        Raises:
            GanDemoError: the last push failed.
        """
        if not last and self.clock() < self._next:
            return None
        try:
            found = checkpoint.resolve(self.run)
            state = _state_of(found)
        except (CheckpointError, OSError):  # none yet, or it is being replaced at this moment
            return None
        if state == self._sent:
            return None
        self._next = self.clock() + 60 * self.minutes
        try:
            self.pushed = self.send(found)
        except GanDemoError as error:
            if last:
                raise
            self.tell(f"not pushed: {error}; the next try comes in {self.minutes:g} minutes")
            return None
        self._sent = state
        changed = self.pushed.sent or self.pushed.removed
        self.tell(f"{f'pushed {found.name} to' if changed else f'{found.name} is there already:'} {self.pushed.url}")
        return self.pushed


def follow(
    run: Path,
    repo: str,
    hub: Hub,
    *,
    minutes: float,
    private: bool = False,
    base: str = "",
    bar: Callable[[], AbstractContextManager[Progress | None]] = nullcontext,
    tell: Callable[[str], None] = print,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Pushes a run's best checkpoint again and again until the run has ended, and then once more.

    Args:
        run: its folder; whoever trains it, another process does.
        repo: `USER/REPO`.
        hub: who asks.
        minutes: between two pushes.
        private: as for `push`.
        base: as for `push`.
        bar: shows how far one push is.
        tell: hears a sentence about each push.
        sleep: waits between two looks.
        clock: in seconds.

    Raises:
        HubError: the Hub does not know the token or can't be reached at the beginning, or the last push failed.
        RequestError: a name is none that the Hub allows, or the run has ended without a checkpoint.
    """
    target = target_of(repo, hub)  # before the hours of training, not after them
    if base:
        HubId.parse(base)
    with hub.asking(target):  # a wrong token, or no Hub at all, is told now
        hub.patiently(lambda: hub.api.repo_exists(target))

    def send(found: Checkpoint) -> Pushed:
        step = found.metrics.get("training", {}).get("step")
        title = f"{run.name}, step {step:,}" if isinstance(step, int) else run.name
        with bar() as progress:
            return push(found, repo, hub, private=private, base=base, message=f"{title}, by gandemo", progress=progress)

    live = LivePush(run, send, minutes=minutes, clock=clock, tell=tell)
    if runs.summarise(run).state not in ENDED:
        tell(f"{run.name}: its best is pushed every {minutes:g} minutes until it ends; Ctrl-C ends this, not the run")
    while runs.summarise(run).state not in ENDED:
        live.look()
        sleep(2.0)
    live.look(last=True)
    if live.pushed is None:
        raise RequestError(f"{run.name} has ended without a checkpoint, so there is nothing to push; resume it first")


def _state_of(found: Checkpoint) -> tuple[object, ...]:
    """What tells one checkpoint of a run from the next: folders are replaced, never written into."""
    status = (found.path / "generator.safetensors").stat()
    return found.path, status.st_ino, status.st_mtime_ns
