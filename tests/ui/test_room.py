"""A public server's disk, when its visitors have filled their share of it; and one that is full."""

from __future__ import annotations

import asyncio
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from gandemo.errors import DataError
from gandemo.ui import access, models
from gandemo.ui.photo_files import PhotoFiles
from gandemo.ui.room import Room


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for uploads of a public server that gives 1,000 bytes to them."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(access, "is_public", lambda: True)
    monkeypatch.setattr(access, "BOUNDS", replace(access.BOUNDS, disk=1000))
    return tmp_path


def post(path: str) -> tuple[list[dict[str, Any]], bool]:
    """What is sent back to a POST of two parts, and whether the app behind was asked."""
    asked = []
    parts = [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.request", "body": b"b"}]
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(await receive())

    async def receive() -> dict[str, Any]:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    request = {"type": "http", "method": "POST", "path": path, "headers": []}
    with ThreadPoolExecutor(1) as thread:  # the browser of other tests has a loop in this one
        thread.submit(lambda: asyncio.run(Room(app)(request, receive, send))).result()
    assert asked or not parts  # who is refused has been heard to the end
    return sent, bool(asked)


def test_uploads_are_refused_where_visitors_have_their_share(uploads: Path) -> None:
    assert post("/gradio_api/upload") == ([], True)
    (uploads / "photo.png").write_bytes(bytes(1001))
    sent, passed = post("/gradio_api/upload")
    assert not passed
    assert sent[0]["status"] == 507
    assert sent[1]["body"] == b"The server has no room for more pictures; run gandemo on your own machine"
    assert post("/gradio_api/queue/join") == ([], True)


def test_results_are_refused_there_too_but_not_on_ones_own_machine(
    uploads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = PhotoFiles(set())
    assert Path(files.keep("a.png", bytes(1001))).is_file()
    with pytest.raises(DataError, match="no room for more pictures"):
        files.keep("b.png", b"")
    monkeypatch.setattr(access, "is_public", lambda: False)
    assert Path(files.keep("b.png", b"")).is_file()
    assert post("/gradio_api/upload") == ([], True)


def test_a_full_disk_is_one_sentence() -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(gr.Error, match="The disk of this server is full"):
        models.calm(full)()
