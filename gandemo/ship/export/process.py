"""Starts the child that makes a file, follows it, and ends it when it takes too long or needs too much."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gandemo.errors import ExportError, ParityError
from gandemo.training.manager import child_environment

SECONDS = 1_200.0  # a large network on a busy machine; a quiet one takes a few
MEMORY_GB = 8.0

_STAGES = {
    "load": "Loading the converter and the checkpoint",
    "convert": "Converting",
    "quantize": "Making it smaller",
    "check": "Checking it against PyTorch on 32 real inputs",
    "time": "Timing both",
}


@dataclass(frozen=True)
class Stage:
    """How far an export is.

    Attributes:
        text: what it does, for people.
        share: of the whole that is done, 0 to 1.
        seconds: since its start.
    """

    text: str
    share: float
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """An estimate, once there is something to make it from."""
        return self.seconds * (1.0 - self.share) / self.share if self.share >= 0.1 else None


Tell = Callable[[Stage], None]


def run(
    order: dict[str, Any],
    tell: Tell = lambda stage: None,
    *,
    seconds: float = SECONDS,
    memory_gb: float = MEMORY_GB,
    should_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Has a child process make and check one file; see `worker`.

    Args:
        order: what `worker.make` takes.
        tell: called as it goes on, at least once a second.
        seconds: the most it may take.
        memory_gb: the most memory that it may hold (on Linux, where a process can be bounded).
        should_stop: asked now and then; True ends it.

    Raises:
        ParityError: the file is not faithful; with the figure.
        ExportError: it took too long, needed too much, was stopped, or could not do it; the message says which.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "gandemo.ship.export.worker"],
            env=child_environment(os.environ, order["threads"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
        )
        assert child.stdin is not None
        assert child.stdout is not None
        lines: list[str] = []
        news = threading.Condition()
        reader = threading.Thread(target=_collect, args=(child.stdout, lines, news), daemon=True)
        reader.start()
        try:
            child.stdin.write(json.dumps({**order, "memory_gb": memory_gb}) + "\n")
            child.stdin.flush()
            return _follow(child, lines, news, order["format"], tell, began, seconds, should_stop)
        except BrokenPipeError:
            raise _ended(child.wait()) from None
        finally:
            child.kill()
            child.wait()
            reader.join(5)
            child.stdin.close()
            child.stdout.close()


def _collect(source: Any, lines: list[str], news: threading.Condition) -> None:
    for line in source:
        with news:
            lines.append(line)
            news.notify()
    with news:
        lines.append("")  # the end
        news.notify()


def _follow(
    child: subprocess.Popen[str],
    lines: list[str],
    news: threading.Condition,
    kind: str,
    tell: Tell,
    began: float,
    seconds: float,
    should_stop: Callable[[], bool],
) -> dict[str, Any]:
    shares = _shares(kind)
    stage, at, within, read = "load", time.monotonic(), 0.0, 0
    while True:
        with news:
            if len(lines) == read:
                news.wait(0.5)
            fresh, read = lines[read:], len(lines)
        now = time.monotonic()
        for line in fresh:
            if not line:
                raise _ended(child.wait())
            said = json.loads(line)
            if "done" in said:
                tell(Stage("Done", 1.0, now - began))
                found: dict[str, Any] = said["done"]
                return found
            if "error" in said:
                raise (ParityError if said.get("parity") else ExportError)(said["error"])
            if said["stage"] != stage:
                stage, at = said["stage"], now
            within = said["share"]
        if now - began > seconds:
            raise ExportError(
                f"the export took longer than {seconds:.0f} seconds and was ended; "
                "try again when the machine has less to do, or take ONNX"
            )
        if should_stop():
            raise ExportError("the export was stopped; nothing was kept")
        start, length = shares[stage]
        # a stage that does not tell how far it is comes ever nearer to its end, at the pace of those before it
        pace = (at - began) / start if start else 8.0
        guess = 1.0 - 1.0 / (1.0 + (now - at) / max(length * pace, 0.1))
        tell(Stage(_STAGES[stage], start + length * max(within, guess), now - began))


def _shares(kind: str) -> dict[str, tuple[float, float]]:
    """Where in the whole each stage begins, and its length."""
    from gandemo.ship.export.formats import FORMATS
    from gandemo.ship.export.worker import STAGES

    steps = {name: share for name, share in STAGES.items() if name != "quantize" or FORMATS[kind].quantize != "none"}
    whole, start, found = sum(steps.values()), 0.0, {}
    for name, share in steps.items():
        found[name] = (start, share / whole)
        start += share / whole
    return found


def _ended(status: int) -> ExportError:
    """What the end of a child that said nothing means."""
    if status < 0:
        return ExportError(
            f"the conversion was ended by signal {-status}, most often for want of memory; "
            "free some and try again, or take ONNX"
        )
    return ExportError(f"the conversion ended with status {status} and no word; try again, or take ONNX")
