"""What is agreed on for a run beside its recipe: what it starts from, whose it is, how long it may train."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from gandemo import checkpoint
from gandemo.errors import CheckpointError

FILE = "start.json"


@dataclass(frozen=True)
class Terms:
    """The terms of a run.

    Attributes:
        init: the checkpoint folder whose weights it starts from; None: as the recipe says.
        owner: a digest of a secret that whoever started it knows; empty: it is everybody's.
        max_seconds: of training in one go, then it is stopped; None: to its end.
    """

    init: str | None = None
    owner: str = ""
    max_seconds: float | None = None


def write(folder: Path, terms: Terms) -> None:
    """Lays the terms into a run folder."""
    (folder / FILE).write_text(json.dumps(asdict(terms)), encoding="utf-8")


def read(folder: Path) -> Terms:
    """The terms of a run; a folder without them has none, as a run that was copied from elsewhere.

    Raises:
        CheckpointError: the file is damaged.
    """
    if not (folder / FILE).is_file():
        return Terms()
    values = checkpoint.read_json(folder / FILE)
    init, owner, seconds = values.get("init"), values.get("owner", ""), values.get("max_seconds")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not isinstance(init, str | None) or not isinstance(owner, str) or not (seconds is None or is_number):
        raise CheckpointError(f"{folder / FILE} is damaged; take the original file, or delete the run")
    return Terms(init, owner, None if seconds is None else float(seconds))
