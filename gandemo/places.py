"""Where things lie, and what files are called. No torch: to look costs nothing."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints"


def home() -> Path:
    """The folder of runs and pulled checkpoints: `GANDEMO_HOME`, else the working folder."""
    return Path(os.environ.get("GANDEMO_HOME", "."))


def size(folder: Path) -> int:
    """Bytes in a folder and below it; files that vanish meanwhile count nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_size
    return total


def stem(name: str) -> str:
    """A file's name without its ending, as another file may be called: no path, no odd characters, not endless."""
    last = re.split(r"[/\\]", name)[-1]
    base = re.sub(r"[^\w\-.() ]+", "_", last.rpartition(".")[0] or last).strip(" .")
    return base[:80] or "photo"
