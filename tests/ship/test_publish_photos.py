"""Publishing photo checkpoints: what is written, what is told of it, and that the two agree."""

from __future__ import annotations

import csv
import dataclasses
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_photos
from PIL import Image
from safetensors import safe_open
from tiny_photos import TINY

from gandemo import checkpoint
from gandemo.commands.options import headline
from gandemo.data.datasets import SAMPLES
from gandemo.errors import CheckpointError, RequestError
from gandemo.nets import build_discriminator
from gandemo.pipeline import Pipeline
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.ship import photo_card, photos
from gandemo.ship import publish as publishing
from gandemo.ship.card import card, overview
from tests.tiny import stirred

FACTS = {
    "training": {"step": 4, "images": 16, "seconds": 90.0, "device": "cpu", "threads": 1, "precision": "fp32"},
    "validation": {"balance": 1.0},
}


@pytest.fixture(autouse=True)
def _tiny(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small data set, whose folder has no csv; three kinds of harm, and few classical methods against each."""
    tiny_photos.add_dataset(monkeypatch)
    monkeypatch.chdir(home)
    (home / "tiny").mkdir()
    monkeypatch.setattr(photos, "TUNED_ON", (1, 40))
    for name, measure in list(photos.MEASURES.items()):
        few = {kind: methods[:2] for kind, methods in measure.methods.items()}
        kinds = dict(list(measure.kinds.items())[:3])
        monkeypatch.setitem(photos.MEASURES, name, dataclasses.replace(measure, methods=few, kinds=kinds))


def saved(folder: Path, recipe: Recipe, seed: int = 0, **metrics: Any) -> checkpoint.Checkpoint:
    return checkpoint.save(
        folder, recipe, stirred(recipe, seed), build_discriminator(recipe), metrics={**FACTS, **metrics}
    )


def source(home: Path, name: str) -> checkpoint.Checkpoint:
    """A run's checkpoint of a tiny recipe, and the one that it started from."""
    recipe = TINY[name]
    if name in ("colorize", "enhance", "inpaint"):
        saved(home / "checkpoints" / "tiny-l1", TINY[f"{name}-l1"], 1)
        recipe = recipe.with_settings({"init": "tiny-l1"})
    return saved(home / "somewhere", recipe)


def dtypes(path: Path) -> set[str]:
    with safe_open(path, framework="pt") as file:
        return {str(file.get_tensor(name).dtype) for name in file.keys()}  # noqa: SIM118


@pytest.mark.parametrize("name", TINY)
def test_a_round_trip(home: Path, name: str) -> None:
    publishing.publish(source(home, name), "small")
    found = checkpoint.resolve("small")
    assert found.metrics["evaluation"] == publishing.evaluate(found)
    assert "calibration" not in found.metrics
    assert "class_names" not in found.metrics
    assert found.metrics["half"]["kept"] == ("torch.float16" in dtypes(found.path / "generator.safetensors"))
    assert (found.path / checkpoint.FAITHFUL).is_file() == (name == "enhance")
    with Image.open(found.path / "preview.png") as preview:
        assert preview.mode == "RGB"
        assert min(preview.size) > 100
    text = (found.path / "README.md").read_text(encoding="utf-8")
    assert text == card("small", found.recipe, found.metrics, publishing.command(found.recipe, "small"))
    assert "pipeline_tag: image-to-image" in text
    assert "![samples](preview.png)" in text
    assert "None" not in text
    # what was trained on the sample squares works on any photo
    pipeline = Pipeline.from_pretrained("small")
    assert pipeline.recipe == found.recipe


@pytest.mark.parametrize("adversarial", [0.0, 0.1])
def test_a_judge_that_was_never_asked_does_not_ship(home: Path, adversarial: float) -> None:
    recipe = TINY["colorize-unet"].with_settings({"loss.adversarial": adversarial})
    kept = saved(home / "somewhere", recipe)
    assert kept.has_discriminator
    assert publishing.publish(kept, "small").has_discriminator == (adversarial > 0)


def test_enhance_keeps_both_ends_wherever_it_goes(home: Path) -> None:
    before = Pipeline(source(home, "enhance"))
    published = publishing.publish(before.checkpoint, "small", crisp=0.3)
    moved = published.path.rename(home / "elsewhere")
    (home / "checkpoints" / "tiny-l1").rename(home / "gone")
    after = Pipeline.from_pretrained(moved)
    assert after.can_blend
    assert after.default_crisp == 0.3
    case = photos.MEASURES["enhance"].harm("mixed", tiny_photos.photos(1).photo(0).copy(), 0)
    del before
    for crisp in (0.0, 0.3, 1.0):
        made = after.enhance(photos.Photo(case.poor), crisp=crisp).pixels
        assert made.shape == case.poor.shape
    sides = published.metrics["evaluation"]["kinds"]["mixed"]["sides"]
    assert [side for side in sides if side.startswith("crisp")] == ["crisp 0", "crisp 0.3", "crisp 1"]
    text = (moved / "README.md").read_text(encoding="utf-8")
    assert "0.3 unless asked" in text
    assert "| started from | tiny-l1: 4 steps of 4 pictures (16), 1.5 minutes by the clock, fp32 |" in text


@pytest.mark.parametrize(("name", "crisp"), [("enhance", 1.5), ("enhance-l1", 0.5), ("inpaint", 0.5)])
def test_a_crisp_that_makes_no_sense_is_refused(home: Path, name: str, crisp: float) -> None:
    with pytest.raises(RequestError, match="from 0 to 1, for a checkpoint of enhance that keeps both its ends"):
        publishing.publish(source(home, name), "small", crisp=crisp)
    assert not (home / "checkpoints" / "small").exists()


def test_enhance_without_its_start_is_refused(home: Path) -> None:
    lone = saved(home / "somewhere", TINY["enhance"].with_settings({"init": "tiny-l1"}))
    with pytest.raises(CheckpointError, match="tiny-l1, which it began with, is not there; publish that first"):
        publishing.publish(lone, "small")
    assert not (home / "checkpoints" / "small").exists()


def test_what_is_not_known_of_a_start_is_not_claimed(home: Path) -> None:
    recipe = TINY["colorize"].with_settings({"init": "gone"})
    published = publishing.publish(saved(home / "somewhere", recipe), "small")
    assert published.metrics["start"] == {"name": "gone"}
    assert "| started from | gone: not told here |" in (published.path / "README.md").read_text(encoding="utf-8")


def test_weights_stay_single_where_half_would_show(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "NOTHING_LOST", 500.0)
    published = publishing.publish(source(home, "inpaint"), "small")
    assert published.metrics["half"]["kept"] is False
    assert dtypes(published.path / "generator.safetensors") == {"torch.float32"}
    assert published.metrics["evaluation"] == publishing.evaluate(source(home, "inpaint"))
    text = (published.path / "README.md").read_text(encoding="utf-8")
    assert f"| precision of the weights | single; {published.metrics['half']['psnr']:.1f} dB between photos of" in text


# --- the card tells what metrics.json tells ---------------------------------------------------------------


def test_figures_of_a_card_are_those_of_its_metrics(home: Path) -> None:
    published = publishing.publish(source(home, "enhance-l1"), "small")
    text = (published.path / "README.md").read_text(encoding="utf-8")
    evaluation = published.metrics["evaluation"]
    assert f"{evaluation['reference']}, {evaluation['how']}. Means over the photos." in text
    assert evaluation["reference"] == "6 test photos of tiny"
    luma = text.partition("| PSNR of luma (dB) |")[2].partition("\n\n")[0].replace("*", "")
    for kind in evaluation["kinds"].values():
        values = [kind["sides"][side]["psnr_y"] for side in ("input", "classical", "ours")]
        assert f"| {kind['title']} | {' | '.join(f'{value:.2f}' for value in values)} |" in luma
        assert f"- {kind['title']}: {kind['classical']}" in text
        against = f"{values[2]:.2f} against {values[1]:.2f} dB"
        assert (against in text) == (values[2] < values[1])
        assert (f"makes this worse: {kind['title']}, {values[2]:.2f} dB from {values[0]:.2f}" in text) == (
            values[2] < values[0]
        )
    after, before = (
        float(np.mean([kind["sides"][side]["psnr_y"] for kind in evaluation["kinds"].values()]))
        for side in ("ours", "input")
    )
    assert headline(published.metrics) == f"PSNR {after:.2f} dB, {after - before:+.2f} dB over the input"


def test_the_card_of_a_colorizer_tells_how_vivid_it_is(home: Path) -> None:
    published = publishing.publish(source(home, "colorize"), "small")
    text = (published.path / "README.md").read_text(encoding="utf-8")
    sides = published.metrics["evaluation"]["kinds"]["grey"]["sides"]
    shown = [f"{sides[side]['psnr']:.2f}" for side in ("input", "ours", "10 hints")]
    assert f"| PSNR (dB) | {' | '.join(shown)} | – |" in text
    share = sides["ours"]["colourfulness"] / sides["truth"]["colourfulness"]
    assert photo_card.vividness(published.metrics["evaluation"]) == pytest.approx(share)
    assert (f"{100 * share:.0f} % as vivid" in text) == (not 0.9 <= share <= 1.1)
    assert f"{100 * sides['ours']['worse']:.0f} %" in text


@pytest.fixture
def archive(home: Path) -> Path:
    """Twelve of the photos that ship, small, as a tar with its csv."""
    path = home / "private" / "holidays.tar"
    path.parent.mkdir()
    with (SAMPLES / "photos" / "CREDITS.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))[:12]
    with tarfile.open(path, "w") as tar:
        for row in rows:
            file = path.with_name(row["file"]).with_suffix(".png")
            with Image.open(SAMPLES / "photos" / row["file"]) as photo:
                photo.resize((48, 40)).save(file)
            tar.add(file, arcname=row["file"])
            file.unlink()
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_photos_by_path_are_counted_credited_and_their_path_kept_private(home: Path, archive: Path) -> None:
    recipe = TINY["inpaint"].with_settings({"dataset": str(archive)})
    published = publishing.publish(saved(home / "somewhere", recipe), "small")
    facts = published.metrics["data"]
    assert facts["name"] == "holidays.tar"
    assert facts["training"] + facts["validation"] + facts["test"] == 12
    assert sum(count for _, _, count in facts["credits"]) == facts["training"]
    everything = "".join((published.path / file).read_text() for file in ("README.md", "recipe.json", "metrics.json"))
    assert str(home) not in everything
    assert "private" not in everything
    text = (published.path / "README.md").read_text(encoding="utf-8")
    assert f"| data | holidays.tar: {facts['training']:,} photos to train on" in text
    for whose, licence, count in facts["credits"]:
        assert f"| {whose} | {licence} | {count} |" in text
    assert '--set dataset="holidays.tar"' in text
    assert "`holidays.tar` being the path of those pictures." in text
    again = publishing.evaluate(published, data=str(archive))
    assert again == published.metrics["evaluation"]


def test_a_data_set_of_digits_is_refused(home: Path) -> None:
    with pytest.raises(RequestError, match="mnist is no data set of photos"):
        publishing.evaluate(source(home, "inpaint"), data="mnist")


def test_the_command_begins_with_what_the_recipe_starts_from() -> None:
    assert publishing.command(RECIPES["enhance"], "sharper") == (
        "python -m gandemo train enhance-l1 --publish enhance-l1 && python -m gandemo train enhance-old --publish "
        "enhance-old && python -m gandemo train enhance --publish sharper"
    )


# --- the table of the README ------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_kind_of_harm(home: Path) -> None:
    entries = {}
    for name in ("inpaint", "colorize", "enhance-l1"):
        published = publishing.publish(source(home, name), f"my-{name}")
        entries[f"my-{name}"] = (published.recipe, json.loads((published.path / "metrics.json").read_text()))
    table = photo_card.overview(entries).splitlines()
    assert len(table) == 2 + 1 + 3 + 3
    assert table[2].startswith("| [`my-colorize`](checkpoints/my-colorize) | without colour |")
    assert sum("my-enhance-l1" in row for row in table) == 1
    evaluation = entries["my-inpaint"][1]["evaluation"]
    boxes = evaluation["kinds"]["boxes"]["sides"]
    before, classical, after = (f"{boxes[side]['hole_psnr']:.2f}" for side in ("input", "classical", "ours"))
    assert f"| boxes | {before} | {classical} | {after} | – | 6 |" in table[-1]
    assert photo_card.overview({}) == ""
    assert overview(entries).count("\n") == 2  # none of them among the digits
