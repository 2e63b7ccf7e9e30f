"""Folders that are there whole or not at all: filled beside their place, then renamed."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary sibling of `path` to write into; renamed when all went well, unless somebody else was quicker.

    Unlike the one for checkpoints it never replaces a folder: what others read stays as it is.

    Raises:
        OSError: the folder can't be made or renamed.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if not path.exists():
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
