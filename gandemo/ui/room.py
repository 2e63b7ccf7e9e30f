"""Room on the disk of a public server, for what visitors send and are given back.

Gradio deletes both when they are an hour or two old. Until then, nobody may fill the disk with them.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from gradio.utils import get_upload_folder
from starlette.types import ASGIApp, Receive, Scope, Send

from gandemo.errors import DataError
from gandemo.ui import access

NO_ROOM = 507  # insufficient storage (RFC 4918)


def check() -> None:
    """Refuses more where the server is public and its visitors' files have their share of the disk already.

    Raises:
        DataError: they have.
    """
    if access.is_public():
        access.check_room(Path(get_upload_folder()))


class Room:
    """Answers an upload that there is no room for by one sentence, and writes none of it."""

    def __init__(self, app: ASGIApp) -> None:
        """`app`: answers everything else."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith("/upload"):
            try:
                await run_in_threadpool(check)
            except DataError as error:
                async for _ in Request(scope, receive).stream():  # a browser hears the answer only when it has sent all
                    pass
                await PlainTextResponse(error.sentence, NO_ROOM)(scope, receive, send)
                return
        await self._app(scope, receive, send)
