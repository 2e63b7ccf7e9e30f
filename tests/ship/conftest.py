"""A Hub on this machine, and people who ask it with the real client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import constants

from gandemo.ship.hub import Hub
from tests.ship.fake_hub import FakeHub


@pytest.fixture
def server(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A running Hub, whose clients keep their cache in the home, have no saved token, and wait for nothing."""
    for name, value in {
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HUB_OFFLINE": False,
        "HF_HUB_CACHE": str(home / "hf"),
        "HF_TOKEN_PATH": str(home / "no-token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    for module in ("huggingface_hub.utils._http", "huggingface_hub.file_download"):
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None}))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with FakeHub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
        template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield hub


@pytest.fixture
def waits() -> list[float]:
    """The pauses that were made."""
    return []


@pytest.fixture
def who(server: FakeHub, waits: list[float]) -> Callable[..., Hub]:
    """`who("ada")` asks in ada's name, `who("")` in nobody's."""

    def asker(name: str = "ada", **kwargs: object) -> Hub:
        return Hub(f"hf_{name}" if name else None, server.endpoint, sleep=waits.append, **kwargs)  # type: ignore[arg-type]

    return asker
