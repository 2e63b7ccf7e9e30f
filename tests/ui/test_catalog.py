"""What the page offers before torch is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gandemo import places
from gandemo.data import images as im
from gandemo.errors import RequestError
from gandemo.ui import catalog
from tests import tiny


def test_only_checkpoints_of_the_task_are_offered(filled: Path) -> None:
    assert [entry.name for entry in catalog.entries("digits")] == ["digits", "tiny", "tiny-mute", "tiny-plain"]
    assert [entry.name for entry in catalog.entries("classify")] == ["tiny-reader"]


def test_a_home_comes_before_what_ships(filled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(places, "SHIPPED", tmp_path / "shipped")
    tiny.save(tmp_path / "shipped" / "tiny", tiny.TINY["vanilla"])
    tiny.save(tmp_path / "shipped" / "other", tiny.TINY["vanilla"])
    entries = {entry.name: entry for entry in catalog.entries("digits")}
    assert entries["tiny"].path == filled / "checkpoints" / "tiny"
    assert entries["other"].path == tmp_path / "shipped" / "other"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "tiny"}', "[" * 100_000])
def test_a_damaged_one_is_left_out(filled: Path, text: str) -> None:
    (filled / "checkpoints" / "tiny" / "recipe.json").write_text(text)
    assert "tiny" not in [entry.name for entry in catalog.entries("digits")]


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"evaluation": 3, "calibration": []}', '{"evaluation": {"generated": 1}}']
)
def test_odd_metrics_do_no_harm(filled: Path, text: str) -> None:
    (filled / "checkpoints" / "tiny" / "metrics.json").write_text(text)
    cards = {card["name"]: card for card in catalog.cards("digits")}
    assert "tiny" not in cards or cards["tiny"]["facts"] == ["tiny"]


def test_a_new_version_is_seen(filled: Path) -> None:
    file = filled / "checkpoints" / "tiny" / "metrics.json"
    assert catalog.find("tiny", "digits").figure("frechet") == 12.34
    values = json.loads(file.read_text())
    values["evaluation"]["generated"]["frechet"] = 5.0
    file.write_text(json.dumps(values))
    assert catalog.find("tiny", "digits").figure("frechet") == 5.0


@pytest.mark.parametrize("name", ["../checkpoints/tiny", "/etc", ".", "", "tiny/", "tiny-reader", None, 3, ["tiny"]])
def test_only_a_name_in_the_list_is_found(filled: Path, name: object) -> None:
    with pytest.raises(RequestError, match="choose one of digits, tiny, tiny-mute, tiny-plain"):
        catalog.find(name, "digits")


def test_without_any_it_says_how_to_train_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "SHIPPED", home / "nothing")
    with pytest.raises(RequestError, match="python -m gandemo train digits"):
        catalog.find("digits", "digits")


def test_a_strip_is_the_first_row_of_the_preview(filled: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (80, 28, 28), np.uint8)
    im.grid(pictures, columns=10).save(filled / "checkpoints" / "tiny" / "preview.png")
    strips = {card["name"]: card["strip"] for card in catalog.cards("digits")}
    assert strips["tiny"] == catalog.data_url(im.grid(pictures[:10], columns=10))
    assert strips["tiny-plain"] is None


@pytest.mark.parametrize("raw", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_damaged_preview_is_left_out(filled: Path, raw: bytes) -> None:
    folder = filled / "checkpoints" / "tiny"
    (folder / "preview.png").write_bytes(raw)
    assert catalog.preview(folder) is None
    assert {card["name"]: card["strip"] for card in catalog.cards("digits")}["tiny"] is None


def test_figures_stand_beside_real_pictures(filled: Path) -> None:
    table = catalog.figures([catalog.find("tiny", "digits")])
    assert table["columns"] == ["tiny", "real"]
    assert table["rows"][0]["values"] == ["12.3", "0.8"]
    assert table["rows"][1]["values"] == ["50 %", "99.0 %"]
    assert all(row["best"] == -1 for row in table["rows"])
    assert table["notes"] == ["From 1,000 pictures against 40 test pictures of tiny."]


def test_the_better_of_two_is_marked(filled: Path) -> None:
    file = filled / "checkpoints" / "digits" / "metrics.json"
    values = json.loads((filled / "checkpoints" / "tiny" / "metrics.json").read_text())
    values["evaluation"]["generated"] = {"frechet": 3.0, "agreement": 0.4}
    file.write_text(json.dumps(values))
    table = catalog.figures([catalog.find("tiny", "digits"), catalog.find("digits", "digits")])
    best = {row["name"]: row["best"] for row in table["rows"]}
    assert best["Fréchet distance"] == 1
    assert best["Read as asked"] == 0
    values["evaluation"]["reference"] = "other pictures"
    file.write_text(json.dumps(values))
    table = catalog.figures([catalog.find("tiny", "digits"), catalog.find("digits", "digits")])
    assert "can't be compared" in table["notes"][-1]


def test_the_page_is_built_without_torch() -> None:
    code = "import sys; from gandemo.ui.app import build; build(); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_a_runs_checkpoint_is_found_by_run_and_name(filled: Path) -> None:
    folder = filled / "runs" / "tiny-1" / "checkpoints" / "step-3"
    tiny.save(folder, tiny.DIGITS)
    entry = catalog.find("tiny-1/step-3", "digits")
    assert (entry.name, entry.path) == ("tiny-1/step-3", folder)
    assert "tiny-1/step-3" not in [entry.name for entry in catalog.entries("digits")]


@pytest.mark.parametrize("name", ["tiny-1/../../checkpoints", "../runs/tiny-1", "tiny-1/", "/tiny-1", "tiny-1/best", 3])
def test_no_other_path_is_a_checkpoint(filled: Path, name: object) -> None:
    tiny.save(filled / "runs" / "tiny-1" / "checkpoints" / "step-3", tiny.DIGITS)
    assert catalog.of_run(name) is None
    with pytest.raises(RequestError, match="there is no checkpoint"):
        catalog.find(name, "digits")


def test_a_runs_checkpoint_is_of_its_own_task_alone(filled: Path) -> None:
    tiny.save(filled / "runs" / "reader" / "checkpoints" / "best", tiny.TINY["classifier"])
    with pytest.raises(RequestError, match="there is no checkpoint"):
        catalog.find("reader/best", "digits")


def test_a_pulled_checkpoint_says_where_it_came_from(filled: Path) -> None:
    (filled / "checkpoints" / "tiny-plain" / "origin.json").write_text('{"repo": "lab/first", "revision": ""}')
    (filled / "checkpoints" / "tiny-mute" / "origin.json").write_text('["lab/first"]')
    facts = {card["name"]: card["facts"] for card in catalog.cards("digits")}
    assert facts["tiny-plain"][-1] == "from lab/first"
    assert not any("from" in fact for name in ("tiny", "tiny-mute") for fact in facts[name])
