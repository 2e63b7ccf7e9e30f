"""Where checkpoints lie: the folder that ships, and the home of what people make. No torch: to look costs nothing."""

from __future__ import annotations

import os
from pathlib import Path

SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints"


def home() -> Path:
    """The folder of runs and pulled checkpoints: `GANDEMO_HOME`, else the working folder."""
    return Path(os.environ.get("GANDEMO_HOME", "."))
