"""What a repository shows: figures that were measured, data sets that the Hub has, a start, and a program that runs."""

from __future__ import annotations

import json
import os
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from PIL import Image

from gandemo import checkpoint, places
from gandemo.checkpoint import Checkpoint
from gandemo.recipe import Recipe
from gandemo.ship import provenance
from gandemo.ship.hub import Hub, describe, push
from gandemo.training import runs, terms
from tests import tiny, tiny_photos
from tests.ship.fake_hub import FakeHub

# the library's own way of sending a large file
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

RECIPES = {
    "digits": tiny.DIGITS,
    "vanilla": tiny.TINY["vanilla"],
    "classify": tiny.TINY["classifier"],
    **{name: tiny_photos.TINY[name] for name in ("colorize", "colorize-unet", "enhance", "inpaint")},
}


def shown(source: Checkpoint, base: str = "") -> dict[str, Any]:
    """The metadata of a card, as the Hub reads it."""
    text = describe.readme(source, "ada/tiny", base)
    ModelCard(text, ignore_metadata_errors=False)
    values: dict[str, Any] = yaml.safe_load(text.split("---")[1])
    return values


# --- a program that runs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_the_example_does_what_the_checkpoint_is_for(
    name: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = tiny.save(home / "checkpoints" / "mine", RECIPES[name])
    (tmp_path / "example.py").write_text(describe.example(made, "mine"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))
    photo.save("photo.jpg")
    photo.save("picture.png")
    mask = np.zeros((40, 60), np.uint8)
    mask[10:20, 10:20] = 255
    Image.fromarray(mask).save("mask.png")
    before = set(os.listdir())
    runpy.run_path("example.py")
    new = sorted(set(os.listdir()) - before)
    if RECIPES[name].task == "classify":
        assert capsys.readouterr().out.strip() in tiny.NAMES
        assert new == []
    else:
        with Image.open(new[0]) as picture:
            assert picture.size == ((238, 238) if RECIPES[name].task == "digits" else (60, 40))
        assert len(new) == 1


@pytest.mark.parametrize("name", RECIPES)
def test_the_card_shows_the_same_program(name: str, home: Path) -> None:
    made = tiny.save(home / "checkpoints" / "mine", RECIPES[name], card="# mine\n\n## Use\n\n    old\n")
    card = describe.readme(made, "ada/tiny")
    block = [line[4:] for line in card.partition("## Use")[2].splitlines() if line.startswith("    ") or not line]
    program = describe.example(made, "ada/tiny").partition("\n\n")[2]
    assert program.replace("\n\n", "\n") in "\n".join(line for line in block if line) + "\n"
    assert "    old" not in card


# --- figures and data sets --------------------------------------------------------------------------------


def test_a_shipped_colorizer_shows_its_figures() -> None:
    source = checkpoint.load(places.SHIPPED / "colorize")
    values = shown(source)
    evaluation = source.metrics["evaluation"]
    (index,) = values["model-index"]
    (result,) = index["results"]
    assert result["task"]["type"] == values["pipeline_tag"] == "image-to-image"
    assert result["dataset"]["type"] == "imagefolder"
    assert result["dataset"]["name"] == f"{evaluation['reference']}, without colour"
    measured = {metric["name"]: (metric["type"], metric["value"]) for metric in result["metrics"]}
    ours = evaluation["kinds"]["grey"]["sides"]["ours"]
    assert measured == {
        "PSNR (dB)": ("psnr", ours["psnr"]),
        "PSNR of luma (dB)": ("psnr", ours["psnr_y"]),
        "SSIM": ("ssim", ours["ssim"]),
    }
    assert "datasets" not in values


def test_every_kind_of_harm_is_a_result_of_its_own(home: Path) -> None:
    kinds = {
        kind: {"title": kind, "sides": {"input": {"psnr_y": 20.0}, "crisp 0.5": {"psnr_y": value, "ssim": 0.9}}}
        for kind, value in (("blur", 25.5), ("noise", 27.5))
    }
    evaluation = {"reference": "6 test photos", "side": "crisp 0.5", "figure": "psnr_y", "kinds": kinds}
    values = shown(tiny.save(home / "enhance", tiny_photos.TINY["enhance"], metrics={"evaluation": evaluation}))
    found = {one["dataset"]["name"]: one["metrics"][0]["value"] for one in values["model-index"][0]["results"]}
    assert found == {"6 test photos, blur": 25.5, "6 test photos, noise": 27.5}


@pytest.mark.parametrize("name", ["digits", "fashion", "mnist-classifier"])
def test_data_sets_are_named_as_the_hub_names_them(name: str) -> None:
    values = shown(checkpoint.load(places.SHIPPED / name))
    known = {"mnist": "ylecun/mnist", "fashion-mnist": "zalando-datasets/fashion_mnist"}
    data = known[checkpoint.load(places.SHIPPED / name).recipe.dataset]
    assert values["datasets"] == [data]
    (result,) = values["model-index"][0]["results"]
    assert result["dataset"]["type"] == data
    assert result["metrics"][0]["type"] in ("frechet_distance", "accuracy")


def test_a_card_names_no_data_set_that_the_hub_does_not_have(home: Path) -> None:
    card = "---\ndatasets: [photos, mnist, ada/pictures]\n---\n\n# mine\n"
    assert shown(tiny.save(home / "mine", card=card))["datasets"] == ["ylecun/mnist", "ada/pictures"]
    assert "datasets" not in shown(tiny.save(home / "other", card="---\ndatasets: photos\n---\n\n# mine\n"))


def test_a_path_of_this_machine_does_not_leave(server: FakeHub, home: Path) -> None:
    for data in ("/home/ada/secret/cats", "classes:/home/ada/secret/cats"):
        recipe = tiny.DIGITS.with_settings({"dataset": data, "init": "/home/ada/secret/start"})
        push(tiny.save(home / "mine", recipe), "ada/tiny", Hub("hf_ada", server.endpoint))
        for name, content in server.files("ada/tiny").items():
            assert b"secret" not in content, name
        told = json.loads(server.files("ada/tiny")["recipe.json"])
        assert (told["dataset"], told["init"]) == ("cats", "start")
        assert "secret" in (home / "mine" / "recipe.json").read_text()  # ours stays as it was


# --- the start --------------------------------------------------------------------------------------------


def pulled(path: Path, repo: str) -> Checkpoint:
    """A checkpoint that says that it came from a repository."""
    saved = tiny.save(path)
    (path / "origin.json").write_text(json.dumps({"repo": repo, "revision": "", "commit": "0"}))
    return saved


def run_from(home: Path, name: str, start: Path | None, recipe: Recipe = tiny.DIGITS) -> Checkpoint:
    """A run that was told what to start from, and has begun, with a checkpoint."""
    folder = home / "runs" / name
    folder.mkdir(parents=True)
    runs.lay_out(folder, recipe)
    terms.write(folder, terms.Terms(None if start is None else str(start)))
    (folder / "events.jsonl").touch()
    return tiny.save(folder / "checkpoints" / "best", recipe)


def test_what_a_run_started_from_is_its_base(home: Path) -> None:
    start = pulled(home / "checkpoints" / "lab--first", "lab/first")
    found = run_from(home, "tuned", start.path)
    values = shown(found)
    assert (values["base_model"], values["base_model_relation"]) == ("lab/first", "finetune")
    assert "| started from | lab/first |" in describe.readme(found, "ada/tiny")
    assert provenance.start_facts(found) == {"name": "lab--first", "repo": "lab/first"}
    fork = run_from(home, "fork", found.path)
    assert shown(fork)["base_model"] == "lab/first"
    assert provenance.start_facts(fork) == {
        "name": "tuned/best",
        "repo": "lab/first",
        "start": {"name": "lab--first", "repo": "lab/first"},
    }
    assert shown(fork, "lab/other")["base_model"] == "lab/other"


def test_what_the_recipe_names_is_its_base(home: Path) -> None:
    pulled(home / "checkpoints" / "first", "lab/first")
    assert shown(tiny.save(home / "mine", tiny.DIGITS.with_settings({"init": "first"})))["base_model"] == "lab/first"
    for init in ("", "gone", str(home / "checkpoints" / "first")):
        recipe = tiny.DIGITS.with_settings({"init": init})
        assert "base_model" not in shown(tiny.save(home / "mine", recipe))


def test_a_base_is_kept_where_the_start_is_gone(home: Path) -> None:
    metrics = {"start": {"name": "lab--first", "repo": "lab/first"}}
    assert shown(tiny.save(home / "mine", metrics=metrics))["base_model"] == "lab/first"
    for told in ({"name": "x", "repo": "../../etc"}, {"name": "x", "repo": ["lab/first"]}, "lab/first", None):
        assert "base_model" not in shown(tiny.save(home / "mine", metrics={"start": told}))


def test_starts_that_go_round_in_circles_end(home: Path) -> None:
    first = run_from(home, "a", home / "runs" / "b" / "checkpoints" / "best")
    run_from(home, "b", first.path)
    assert provenance.base_of(first) == ""
