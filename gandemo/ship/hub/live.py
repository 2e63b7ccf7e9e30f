"""A run's best checkpoint, pushed every few minutes while it trains.

The training knows nothing of it and gets no token: whoever follows the run from outside looks now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from gandemo import checkpoint
from gandemo.checkpoint import Checkpoint
from gandemo.errors import CheckpointError, GanDemoError
from gandemo.ship.hub.client import Hub
from gandemo.ship.hub.pushing import Pushed, push
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
            pushed = self.send(found)
        except GanDemoError as error:
            if last:
                raise
            self.tell(f"not pushed: {error}; the next try comes in {self.minutes:g} minutes")
            return None
        self._sent = state
        self.tell(f"pushed {found.name} to {pushed.url}")
        return pushed


def follow(
    run: Path,
    repo: str,
    hub: Hub,
    *,
    minutes: float,
    private: bool = False,
    base: str = "",
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
        tell: hears a sentence about each push.
        sleep: waits between two looks.
        clock: in seconds.

    Raises:
        HubError: the last push failed.
    """

    def send(found: Checkpoint) -> Pushed:
        step = found.metrics.get("training", {}).get("step")
        title = f"{run.name}, step {step:,}" if isinstance(step, int) else run.name
        return push(found, repo, hub, private=private, base=base, message=f"{title}, by gandemo")

    live = LivePush(run, send, minutes=minutes, clock=clock, tell=tell)
    while runs.summarise(run).state not in ENDED:
        live.look()
        sleep(2.0)
    live.look(last=True)


def _state_of(found: Checkpoint) -> tuple[object, ...]:
    """What tells one checkpoint of a run from the next: folders are replaced, never written into."""
    status = (found.path / "generator.safetensors").stat()
    return found.path, status.st_ino, status.st_mtime_ns
