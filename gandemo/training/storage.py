"""Room on the disk: runs deleted, and thinned to a bound that somebody has set."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from gandemo import places
from gandemo.errors import TrainingError
from gandemo.training import process, state
from gandemo.training.runs import (
    ACTIVE,
    alone,
    list_runs,
    runs_home,
    status_of,
    summarise,
    waiting,
    write_json,
    write_queue,
)

SETTINGS = "settings.json"


@dataclass(frozen=True)
class Deletion:
    """What somebody must confirm before a run is deleted.

    Attributes:
        run: its id.
        question: in plain words.
        token: to be handed to `delete`; it no longer fits once the run has gone on.
    """

    run: str
    question: str
    token: str


def ask_to_delete(folder: Path) -> Deletion:
    """What deleting a run would take away, and the token that confirms it.

    Raises:
        TrainingError: it is running, or lies outside the folder of all runs.
    """
    found = summarise(folder)
    if folder.parent.resolve() != runs_home().resolve() or folder.is_symlink():
        raise TrainingError(f"{folder} lies outside {runs_home()}; delete it by hand")
    if found.state in ACTIVE:
        raise TrainingError(f"{found.id} is {found.state}; stop it before you delete it")
    count = len(state.state_folders(folder / "checkpoints")) + (folder / "checkpoints" / "best").is_dir()
    taken = places.size(folder) / 1e6
    question = (
        f"Delete {found.id} ({found.state} at step {found.step:,}) with {count or 'no'} "
        f"checkpoint{'' if count == 1 else 's'}, {f'{taken:,.1f}' if taken >= 0.1 else 'less than 0.1'} MB? This can't "
        "be undone."
    )
    seen = (str(folder.resolve()), found.step, status_of(folder / "events.jsonl"))
    return Deletion(found.id, question, hashlib.sha256(repr(seen).encode()).hexdigest()[:16])


def delete(folder: Path, token: str) -> None:
    """Deletes a run for good, out of the queue as well.

    Raises:
        TrainingError: it is running, or has gone on since the token was given out.
    """
    with alone():
        asked = ask_to_delete(folder)
        if not secrets.compare_digest(asked.token, token):
            raise TrainingError(f"{asked.run} has changed since you were asked; look again before you delete it")
        hold = process.hold(folder)
        if asked.run in (queue := waiting()):
            write_queue([run for run in queue if run != asked.run])
        if sys.platform == "win32":
            hold.release()  # an open file would keep the folder from being renamed
        gone = folder.with_name(f".deleted-{asked.run}-{secrets.token_hex(4)}")
        try:
            folder.rename(gone)  # in one piece: nobody sees half a run
        except OSError as error:
            raise TrainingError(f"can't delete {folder}: {error.strerror}; close what uses it and try again") from None
        finally:
            hold.release()
    shutil.rmtree(gone, ignore_errors=True)


def disk_limit(otherwise: int | None = None) -> int | None:
    """How many bytes all runs together may take, as somebody has set; None: as many as there are.

    Args:
        otherwise: what holds where nobody has set a bound, or where it can't be read.
    """
    try:
        value = json.loads((runs_home() / SETTINGS).read_text(encoding="utf-8"))["disk_limit"]
    except (OSError, ValueError, KeyError, TypeError):
        return otherwise
    return value if isinstance(value, int) and value > 0 else otherwise


def set_disk_limit(limit: int | None) -> None:
    """Sets, or with None lifts, how many bytes all runs together may take.

    Raises:
        TrainingError: the bound is too small for any run, or can't be written.
    """
    if limit is not None and limit < 10**7:
        raise TrainingError(f"a bound of {limit / 1e6:g} MB is too small for a run; take 10 MB or more")
    with alone():
        write_json(runs_home() / SETTINGS, {"disk_limit": limit})


def tidy(limit: int | None = None) -> int:
    """Makes room until all runs fit into a bound; what nobody would miss goes first, and only of runs that have ended.

    First the remains of deletions; then, from the longest untouched run on, the saved states of runs that are done,
    and checkpoints that are neither the best nor the last. Never the best, the last, or what a resume needs.

    Args:
        limit: in bytes; None: the one that was set.

    Returns:
        What all runs take now, in bytes.
    """
    limit = disk_limit() if limit is None else limit
    for remains in runs_home().glob(".deleted-*"):
        shutil.rmtree(remains, ignore_errors=True)
    total = places.size(runs_home())
    if limit is None or total <= limit:
        return total
    for found in reversed(list(list_runs())):
        if found.state in (*ACTIVE, "queued"):
            continue
        try:
            hold = process.hold(found.path)
        except TrainingError:
            continue
        try:
            spare = state.state_folders(found.path / "checkpoints")[:0:-1]
            if found.state == "done":
                spare = [*state.state_folders(found.path / "state"), *spare]
            for path in spare:
                total -= places.size(path)
                state.discard(path)
                if total <= limit:
                    return total
        finally:
            hold.release()
    return total
