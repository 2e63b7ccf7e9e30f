"""The measurements run on tiny recipes; what they find is no matter of a test."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from gandemo import bench, checkpoint, places
from gandemo.bench import digits as rows
from gandemo.bench import photos as photo_rows
from gandemo.bench.row import Bench, Row
from gandemo.commands import measuring
from gandemo.errors import ExportError, RequestError
from gandemo.nets import build_generator
from gandemo.recipes import RECIPES
from gandemo.ship.export import formats, making, records
from gandemo.tasks import digits
from tests import tiny, tiny_photos


def test_the_loop_and_the_bare_loop_train_the_same_networks(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    tiny.add_dataset(monkeypatch)
    for name in ("digits", "vanilla", "selu"):
        ratio = rows.loop_ratio(tiny.TINY[name], rounds=1, seconds=0.05)
        assert ratio > 0
        assert math.isfinite(ratio)


def test_a_quick_training_is_measured_from_its_last_checkpoint(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    tiny.add_dataset(monkeypatch)
    digits.features_of.cache_clear()
    tiny.save(home / "checkpoints" / "tiny-classifier", tiny.TINY["classifier"])
    monkeypatch.setitem(RECIPES, "tiny-digits", tiny.DIGITS.with_settings({"features": "tiny-classifier"}))
    monkeypatch.setattr("gandemo.ship.publish.SAMPLES", 60)
    found = list(rows.quick("tiny-digits", minutes=1 / 60, bound="< 10"))
    assert [set(row) for row in found] == [{"what", "value", "unit", "bound"}] * 4
    assert found[0]["what"] == "tiny-digits after 0.0166667 minutes (6 steps): Fréchet distance"
    assert found[0]["bound"] == "< 10"


def test_how_long_a_photo_training_waits_is_a_share_of_its_time() -> None:
    for name in ("colorize", "enhance-l1", "inpaint"):
        share = photo_rows.share_of_waiting(tiny_photos.TINY[name], tiny_photos.photos(), rounds=1)
        assert 0 < share < 1


def test_a_photo_is_measured_in_a_process_of_its_own(home: Path) -> None:
    for task in ("colorize", "enhance"):
        recipe = tiny_photos.TINY[task]
        checkpoint.save(home / "checkpoints" / task, recipe, build_generator(recipe))
        found = photo_rows.measured(task, 64, 48)
        assert found["megapixels"] == pytest.approx(64 * 48 / 1e6)
        assert 0 < found["work"] <= found["whole"]
        assert 0.05 < found["memory"] < 4  # of a process that has loaded torch
        assert found["note"] == ""


def test_every_row_says_what_it_measures() -> None:
    assert set(bench.BENCHES) >= {"loop", "generate", "start", "quick-digits", "colorize", "enhance", "waiting"}
    assert all(entry.title for entry in bench.BENCHES.values())


def test_a_part_of_a_row_is_measured_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[str, ...]] = []

    def run(parts: tuple[str, ...]) -> Iterator[Row]:
        asked.append(parts)
        yield {"what": "figs", "value": 1.0, "unit": "", "bound": None}

    monkeypatch.setitem(bench.BENCHES, "fruit", Bench("fruit", run, ("figs", "plums")))
    measuring.bench(["fruit"], only=["plums"])
    measuring.bench(["fruit"])
    assert asked == [("plums",), ("figs", "plums")]
    for named, only in ((["fruit"], ["pears"]), (["loop"], ["figs"]), (None, ["figs"]), (["fruit", "loop"], ["figs"])):
        with pytest.raises(RequestError, match=r"figs|fruit|doctor"):
            measuring.bench(named, only=only)
    capsys.readouterr()
    measuring.bench(list_rows=True)
    assert "--only 'forty digits'" in capsys.readouterr().out


def test_what_is_measured_is_kept_when_a_row_breaks_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "bench.jsonl"

    def breaks() -> Iterator[Row]:
        yield {"what": "first", "value": 1.0, "unit": "", "bound": None}
        assert [json.loads(line)["what"] for line in kept.read_text().splitlines()] == ["first"]  # as it goes
        raise RequestError("there is no second")

    def goes_on() -> Iterator[Row]:
        yield {"what": "other", "value": 2.0, "unit": "ms", "bound": "<= 3"}

    monkeypatch.setattr(bench, "BENCHES", {"breaks": Bench("x", breaks), "goes on": Bench("y", goes_on)})
    with pytest.raises(RequestError, match="not measured to the end: breaks;"):
        measuring.bench(output=kept)
    assert [json.loads(line)["what"] for line in kept.read_text().splitlines()] == ["first", "other"]
    told = capsys.readouterr()
    assert "breaks: there is no second" in told.err
    assert "other" in told.out
    with pytest.raises(RequestError, match="choose another place"):
        measuring.bench(output=tmp_path / "no" / "where")


@pytest.mark.timeout(1800)  # an export yields to whatever else a machine does
def test_every_shipped_checkpoint_is_exported_in_every_format_whatever_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One real export; the others are refused, and the table says so."""
    shipped = {path.parent.name for path in places.SHIPPED.glob("*/recipe.json")}
    assert set(bench.BENCHES["export"].parts) == shipped
    real = making.export

    def refused(source: checkpoint.Checkpoint, kind: str) -> records.Export:
        if kind == "int8":
            return real(source, kind, threads=1)
        raise ExportError(f"no {kind} today")

    monkeypatch.setattr(making, "export", refused)
    before = records.of(places.SHIPPED / "dense")
    found = {row["what"]: row for row in bench.BENCHES["export"].run(("dense",))}
    assert {what for what in found if "no " in what} == {
        f"dense as {kind}: files made (no {kind} today)" for kind in formats.FORMATS if kind != "int8"
    }
    assert found["dense as int8: PSNR"]["bound"] == ">= 30"
    assert found["dense as int8: PSNR"]["value"] >= 30
    assert found["dense as int8: its time over PyTorch's"]["bound"] == "<= 1"
    assert records.of(places.SHIPPED / "dense") == before
