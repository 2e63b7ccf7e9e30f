"""Numbers of others: what no float holds, or is none, is no figure, and nothing that shows figures falls over it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from gandemo.commands.options import headline
from gandemo.figures import finite
from gandemo.recipes import RECIPES
from gandemo.ship.export import records
from gandemo.ui import catalog, photo_cards

ODD = [10**400, -(10**400), math.nan, math.inf, -math.inf, True, None, "7", [7.0], {"a": 1}]


@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[:8])
def test_what_is_no_figure_is_none(value: object) -> None:
    assert finite(value) is None


@pytest.mark.parametrize("value", [0, -3, 2.5, 2**900, 1e-300])
def test_a_figure_is_itself(value: float) -> None:
    assert finite(value) == value


@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[:8])
def test_the_lists_bear_odd_figures(value: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pulled checkpoint with such a number does not take the page from everybody."""
    monkeypatch.setenv("GANDEMO_HOME", str(tmp_path))
    sides = {"input": {"psnr": 20.0}, "ours": {"psnr": value}}
    lay(tmp_path, "digits", {"evaluation": {"generated": {"frechet": value, "precision": value}, "samples": value}})
    lay(tmp_path, "enhance", {"evaluation": {"kinds": {"a": {"sides": sides}}, "default": "ours", "figure": "psnr"}})
    of_digits = [card for card in catalog.cards("digits") if card["name"] == "odd-digits"]
    assert of_digits[0]["facts"] == ["MNIST digits"]
    assert "odd-digits was not measured yet." in catalog.figures([catalog.find("odd-digits", "digits")])["notes"]
    of_photos = [card for card in photo_cards.cards("enhance") if card["name"] == "odd-enhance"]
    assert of_photos[0]["facts"] == ["Photos"]


def lay(home: Path, recipe: str, metrics: dict[str, Any]) -> None:
    folder = home / "checkpoints" / f"odd-{recipe}"
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text(RECIPES[recipe].to_json(), encoding="utf-8")
    (folder / "generator.safetensors").write_bytes(b"")
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


@pytest.mark.parametrize(
    "evaluation",
    [
        {"generated": {"frechet": 10**400}},
        {"generated": {"frechet": "low"}},
        {"generated": [1]},
        {"accuracy": 10**400},
        {"accuracy": None},
        {"kinds": {}},
        {"kinds": {}, "figure": "psnr", "side": "ours"},
        {"kinds": [], "figure": "psnr", "side": "ours"},
        "a word",
        7,
    ],
    ids=str,
)
def test_a_headline_of_another_form_is_none(evaluation: object) -> None:
    assert headline({"evaluation": evaluation}) == ""


def test_an_export_with_an_odd_figure_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "generator.safetensors").write_bytes(b"weights")
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "a.tflite").write_bytes(b"file")
    told: dict[str, Any] = {
        "format": "fp32",
        "file": "a.tflite",
        "bytes": 4,
        "sha256": records.sha256(tmp_path / "exports" / "a.tflite"),
        "weights": records.fingerprint(tmp_path),
        "parity": {"max_error": 0.0, "mean_error": 0.0, "psnr": 99.0},
        "latency": {"runtime": 1.0, "torch": 1},
        "machine": "a machine",
        "seconds": 1.0,
    }
    for psnr, count in ((99.0, 1), (10**400, 0), (math.nan, 0), (True, 0)):
        told["parity"]["psnr"] = psnr
        (tmp_path / "exports" / records.INDEX).write_text(json.dumps([told]), encoding="utf-8")
        assert len(records.of(tmp_path)) == count
