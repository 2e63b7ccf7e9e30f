"""Publishing: figures come from the weights that are written, and the card tells them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from gandemo import checkpoint
from gandemo.data import datasets
from gandemo.errors import CheckpointError, RequestError
from gandemo.pipeline import Pipeline
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.ship import publish as publishing
from gandemo.tasks import digits
from gandemo.training import runs
from tests import tiny


@pytest.fixture
def published(home: Path, monkeypatch: pytest.MonkeyPatch) -> checkpoint.Checkpoint:
    """A tiny generator, measured with a tiny classifier and published as `small`."""
    tiny.add_dataset(monkeypatch)
    digits.features_of.cache_clear()
    tiny.save(home / "checkpoints" / "tiny-classifier", tiny.TINY["classifier"])
    monkeypatch.setitem(RECIPES, "tiny-digits", tiny.DIGITS.with_settings({"features": "tiny-classifier"}))
    recipe = RECIPES["tiny-digits"].with_settings({"seed": 5})
    facts = {
        "training": {"step": 6, "images": 96, "seconds": 90.0, "device": "cpu", "threads": 1, "precision": "fp32"},
        "validation": {"frechet": 3.0},
    }
    source = tiny.save(home / "somewhere", recipe, metrics=facts)
    monkeypatch.setattr(publishing, "SAMPLES", 60)
    return publishing.publish(source, "small")


def test_figures_belong_to_the_written_weights(published: checkpoint.Checkpoint) -> None:
    found = checkpoint.resolve("small")
    measured = publishing.evaluate(found, samples=60)
    assert found.metrics["evaluation"] == measured
    assert found.metrics["calibration"] == publishing.calibrate(found)
    assert measured["samples"] == 60
    assert set(measured["generated"]) == set(measured["real"]) >= {"frechet", "coverage", "agreement"}
    assert found.metrics["parameters"]["generator"] == sum(p.numel() for p in found.generator().parameters())
    stored = checkpoint.safe_open(found.path / "generator.safetensors", framework="pt")
    with stored as file:
        assert file.get_tensor("dense.weight").dtype == torch.float16


def test_the_card_tells_data_licence_figures_and_the_command(published: checkpoint.Checkpoint) -> None:
    card = (published.path / "README.md").read_text(encoding="utf-8")
    frechet = published.metrics["evaluation"]["generated"]["frechet"]
    for text in (
        "Tiny squares",
        "6 steps of 16 pictures",
        f"{frechet:.3f}",
        "60 samples",
        "features of tiny-classifier",
    ):
        assert text in card
    assert "python -m gandemo train tiny-digits --set seed=5 --publish small" in card
    assert (published.path / "preview.png").is_file()
    assert json.loads((published.path / "metrics.json").read_text())["class_names"] == list(tiny.NAMES)


def test_a_published_checkpoint_judges(published: checkpoint.Checkpoint) -> None:
    pipeline = Pipeline.from_pretrained("small")
    assert pipeline.can_judge
    samples = pipeline.generate(10, seed=1)
    verdicts = pipeline.judge(samples.images, samples.labels)
    assert ((verdicts > 0) & (verdicts < 1)).all()
    scores = pipeline.scores(samples.images, samples.labels)
    assert (verdicts.argsort() == scores.argsort()).all() or pipeline.metrics["calibration"]["scale"] < 0


def test_a_failing_measurement_leaves_the_old_folder(
    published: checkpoint.Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (published.path / "metrics.json").read_bytes()

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(CheckpointError, match="free some space"):
        publishing.publish(published, "small")
    assert (published.path / "metrics.json").read_bytes() == before
    assert [path.name for path in published.path.parent.iterdir() if path.name.startswith(".")] == []


def test_names_that_leave_the_folder_are_refused(published: checkpoint.Checkpoint) -> None:
    for name in ("../x", "a/b", "", ".hidden", "x" * 200):
        with pytest.raises(RequestError, match="no name for a checkpoint"):
            publishing.publish(published, name)


def test_the_command_names_what_differs() -> None:
    base = RECIPES["digits"]
    changed = base.with_settings({"batch_size": 32, "generator.args.channels": [64, 32, 16]})
    assert publishing.command(base, "digits") == "python -m gandemo train digits --publish digits"
    said = publishing.command(changed, "mine")
    pairs = [word for word in said.split() if "=" in word]
    from gandemo.recipe import parse_settings

    assert base.with_settings(parse_settings(pairs)) == changed
    assert isinstance(changed, Recipe)


def test_pictures_of_ones_own_are_told_without_the_way_to_them(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digits.features_of.cache_clear()
    tiny.save(home / "checkpoints" / "tiny-classifier", tiny.TINY["classifier"])
    folder = home / "secret" / "shapes"
    squares = tiny.pictures(120)
    for index, (image, label) in enumerate(zip(squares.images, squares.labels.tolist(), strict=True)):
        (folder / f"kind-{label % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(folder / f"kind-{label % 2}" / f"{index}.png")
    recipe = datasets.fit(tiny.DIGITS, datasets.named(str(folder), "digits"))
    facts = {"training": {"step": 6, "images": 96, "seconds": 9.0, "device": "cpu", "threads": 1, "precision": "fp32"}}
    source = tiny.save(home / "somewhere", recipe.with_settings({"features": "tiny-classifier"}), metrics=facts)
    monkeypatch.setattr(publishing, "SAMPLES", 60)
    published = publishing.publish(source, "mine")
    assert published.metrics["class_names"] == ["kind-0", "kind-1"]
    told = published.metrics["data"]
    assert told["training"] + told["validation"] + told["test"] == 120
    assert published.metrics["calibration"].keys() == {"scale", "offset"}
    everything = "".join((published.path / file).read_text() for file in ("README.md", "recipe.json", "metrics.json"))
    assert "secret" not in everything
    card = (published.path / "README.md").read_text(encoding="utf-8")
    assert f"| data | shapes: {told['training']:,} pictures to train on" in card
    assert f"picked on {told['validation']:,} pictures" in card
    assert "datasets:" not in card


def test_what_a_run_was_told_to_start_from_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.add_dataset(monkeypatch)
    start = tiny.save(home / "checkpoints" / "lab--first")
    (start.path / "origin.json").write_text(json.dumps({"repo": "lab/first", "revision": "", "commit": "0"}))
    tiny.save(home / "checkpoints" / "tiny-classifier", tiny.TINY["classifier"])
    digits.features_of.cache_clear()
    run = home / "runs" / "tuned"
    run.mkdir(parents=True)
    recipe = tiny.DIGITS.with_settings({"features": "tiny-classifier"})
    runs.lay_out(run, recipe, start.path)
    (run / "events.jsonl").touch()
    facts = {"training": {"step": 6, "images": 96, "seconds": 9.0, "device": "cpu", "threads": 1, "precision": "fp32"}}
    monkeypatch.setattr(publishing, "SAMPLES", 60)
    published = publishing.publish(tiny.save(run / "checkpoints" / "best", recipe, metrics=facts), "mine")
    assert published.metrics["start"] == {"name": "lab--first", "repo": "lab/first"}
    card = (published.path / "README.md").read_text(encoding="utf-8")
    assert "| started from | lab/first: not told here |" in card
    assert "train tiny-digits --init lab--first --publish mine" in card
