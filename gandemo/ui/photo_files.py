"""Files between a visitor and the server: what was sent, and what is given back under a name nobody can guess.

Both lie in Gradio's folder for uploads and are on its list of what is deleted in time.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from gradio.utils import get_upload_folder

from gandemo.errors import RequestError
from gandemo.ui import room

MAX_FILE_BYTES = 100 * 10**6  # a photo of 12 megapixels in any format, or a zip of some dozens
GONE = "that photo is no longer here; send it again"


class PhotoFiles:
    """The files of one app's visitors."""

    def __init__(self, kept: set[str]) -> None:
        """`kept`: the paths that Gradio deletes when they are old."""
        self._kept = kept

    def sent(self, path: object) -> Path:
        """A file that somebody has sent.

        Raises:
            RequestError: it lies elsewhere, is gone, or is too large.
        """
        found = sent(path, gone=GONE)
        if found.stat().st_size > MAX_FILE_BYTES:
            raise RequestError(f"{found.name} is larger than {MAX_FILE_BYTES // 10**6} MB; scale it down first")
        return found

    def place(self, name: str) -> Path:
        """Where a file to give back is to be written: in a folder of its own.

        Raises:
            DataError: a public server has no room for it.
        """
        room.check()
        folder = Path(get_upload_folder()).resolve() / secrets.token_hex(16)
        folder.mkdir(parents=True)
        path = folder / name
        self._kept.add(str(path))
        return path

    def keep(self, name: str, content: bytes) -> str:
        """Writes a file to give back; its path.

        Raises:
            DataError: as for `place`.
        """
        path = self.place(name)
        path.write_bytes(content)
        return str(path)


def sent(path: object, gone: str) -> Path:
    """A file that lies in the folder for uploads.

    Args:
        path: as the page was given it.
        gone: what is said where there is none.

    Raises:
        RequestError: it lies elsewhere, or is gone.
    """
    try:
        found = Path(str(path)).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        raise RequestError(gone) from None
    if not found.is_file() or not found.is_relative_to(Path(get_upload_folder()).resolve()):
        raise RequestError(gone)
    return found
