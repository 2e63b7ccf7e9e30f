"""Where a pulled checkpoint came from, as its folder tells; read without torch and without the Hub's client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ORIGIN = "origin.json"
VISITOR = "a visitor"  # who brought it, where it was none of the owner's doing
_MAX_BYTES = 2**16


def origin(folder: Path) -> dict[str, Any]:
    """Where a pulled checkpoint came from: `repo`, `revision`, `commit`; empty for one that was made here."""
    file = folder / ORIGIN
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file.stat().st_size <= _MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("repo"), str) else {}
