"""Checkpoints of runs on their way into `checkpoints/`: each is measured by a child process, one at a time."""

from __future__ import annotations

import atexit
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Literal

from gandemo import checkpoint, places
from gandemo.errors import RequestError

KEPT = 12
WAITING = 6


@dataclass(frozen=True)
class Publication:
    """One checkpoint on its way.

    Attributes:
        source: RUN/CHECKPOINT.
        name: of the folder that it becomes.
        state: how far it is.
        says: why it failed, or what was measured.
    """

    source: str
    name: str
    state: Literal["waiting", "measuring", "done", "failed"]
    says: str = ""


_lock = threading.Lock()
_known: list[Publication] = []
_environments: dict[str, dict[str, str]] = {}
_worker: threading.Thread | None = None
_child: subprocess.Popen[str] | None = None


def begin(source: str, name: str, *, replace: bool, environment: Mapping[str, str]) -> None:
    """Measures a checkpoint and lays it under a name, in the background.

    Args:
        source: RUN/CHECKPOINT.
        name: of the new folder.
        replace: whether a folder of that name may be replaced.
        environment: of the child.

    Raises:
        RequestError: the name is no good or taken, or too many wait.
    """
    global _worker
    if not checkpoint.NAME.match(name):
        raise RequestError(
            f"{name[:60]!r} is no name for a checkpoint; take letters, digits, '-', '_' and '.', such as my-digits"
            if name
            else "the checkpoint needs a name, such as my-digits"
        )
    if not replace and (places.home() / "checkpoints" / name).exists():
        raise RequestError(f"there is a checkpoint {name} already; take another name, or tick that it may be replaced")
    with _lock:
        under_way = [each for each in _known if each.state in ("waiting", "measuring")]
        if any(each.name == name for each in under_way):
            raise RequestError(f"{name} is being made already")
        if len(under_way) >= WAITING:
            raise RequestError("too many checkpoints are being measured; try again when one of them is done")
        _known[:] = [each for each in _known if each.name != name]
        _known.append(Publication(source, name, "waiting"))
        _environments[name] = dict(environment)
        if _worker is None:
            _worker = threading.Thread(target=_work, name="publications", daemon=True)
            _worker.start()


def known() -> list[Publication]:
    """Those under way and the last few that ended, the newest last."""
    with _lock:
        return list(_known)


def _work() -> None:
    global _worker
    while True:
        with _lock:
            waiting = next((each for each in _known if each.state == "waiting"), None)
            if waiting is None:
                _worker = None
                return
            _tell(changed(waiting, state="measuring"))
            environment = _environments.pop(waiting.name)
        done = _measure(waiting, environment)
        with _lock:
            _tell(done)
            ended = [each for each in _known if each.state in ("done", "failed")]
            for each in ended[:-KEPT]:
                _known.remove(each)


def _tell(now: Publication) -> None:
    for place, each in enumerate(_known):
        if each.name == now.name:
            _known[place] = now


def _measure(asked: Publication, environment: Mapping[str, str]) -> Publication:
    global _child
    try:
        _child = subprocess.Popen(
            [sys.executable, "-m", "gandemo", "publish", asked.source, asked.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            text=True,
        )
        told, complaints = _child.communicate()
    except OSError as error:
        return changed(asked, state="failed", says=f"no process could be started: {error.strerror}")
    lines = [line for line in (told if _child.returncode == 0 else complaints).splitlines() if line.strip()]
    last = lines[-1].removeprefix("gandemo: ") if lines else ""
    if _child.returncode == 0:
        return changed(asked, state="done", says=last.partition(": ")[2])
    return changed(asked, state="failed", says=last[:500] or f"its process ended with status {_child.returncode}")


@atexit.register
def _end() -> None:
    if _child is not None and _child.poll() is None:
        _child.terminate()
