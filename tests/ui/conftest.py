"""Checkpoints for the page: tiny untrained ones beside the shipped."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gandemo import places
from gandemo.training import runs
from tests import tiny, tiny_photos

CALIBRATION = {"calibration": {"scale": 1.0, "offset": 0.2}}
FIGURES = {
    "evaluation": {
        "features": "8 features of tiny-classifier",
        "samples": 1000,
        "reference": "40 test pictures of tiny",
        "generated": {"frechet": 12.34, "agreement": 0.5, "precision": 0.25, "recall": 0.125, "coverage": 0.95},
        "real": {"frechet": 0.8, "agreement": 0.99, "precision": 0.9, "recall": 0.9, "coverage": 0.9},
    }
}


def fill(home: Path) -> None:
    """Writes `tiny` (with classes), `tiny-plain` (without), `tiny-mute` (no second player), `tiny-reader` (no digits).

    Where `digits` does not ship, it is a tiny one, too; the photo tasks have tiny ones in any case.
    """
    folder = home / "checkpoints"
    save(folder / "tiny", tiny.DIGITS, metrics={**CALIBRATION, **FIGURES})
    save(folder / "tiny-plain", tiny.TINY["vanilla"], metrics=CALIBRATION)
    save(folder / "tiny-mute", tiny.TINY["selu"], metrics=CALIBRATION)
    (folder / "tiny-mute" / "discriminator.safetensors").unlink()
    save(folder / "tiny-reader", tiny.TINY["classifier"])
    for name in ("colorize", "colorize-unet", "enhance", "inpaint"):
        save(folder / name, tiny_photos.TINY[name])
    if not (places.SHIPPED / "digits").is_dir():
        save(folder / "digits", tiny.DIGITS, metrics={**CALIBRATION, **FIGURES})


def save(path: Path, recipe: Any, **kwargs: Any) -> None:
    tiny.save(path, recipe, **kwargs)


@pytest.fixture
def filled(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of those checkpoints, with nothing shipped beside them."""
    monkeypatch.setattr(places, "SHIPPED", tmp_path / "nothing")
    fill(home)
    return home


@pytest.fixture(scope="session")
def served(app_server: Any) -> str:
    """The address of the running app, whose home has those checkpoints."""
    fill(app_server.home)
    return str(app_server.url)


@pytest.fixture
def app_home(app_server: Any, served: str) -> Iterator[Path]:
    """The home of the running app; what a test has trained there is stopped and taken away again."""
    from tests.ui.train_pages import PATIENCE

    yield app_server.home
    folder = app_server.home / "runs"
    if not folder.is_dir():
        return
    (folder / "queue.json").write_text('{"waiting": []}')
    deadline = time.monotonic() + PATIENCE / 1000
    while (left := list(folder.glob("*-*"))) and time.monotonic() < deadline:
        for path in left:
            if runs.process.holder(path) is None:
                shutil.rmtree(path, ignore_errors=True)  # one that has just been started may still write
            else:
                runs.process.request_stop(path)
        time.sleep(0.05)
