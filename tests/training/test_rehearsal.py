"""What can't be trained is refused before the first step, in one sentence that names what would do."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from gandemo.errors import CheckpointError, DataError, GanDemoError, RecipeError
from gandemo.recipe import Net, Recipe
from gandemo.recipes import RECIPES
from gandemo.training.loop import train
from gandemo.training.trainer import Trainer


def refused(recipe: Recipe) -> str:
    with pytest.raises(GanDemoError) as caught:
        Trainer(recipe, tiny.pictures(), tiny.CPU)
    assert isinstance(caught.value, RecipeError)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("vanilla", {"batch_size": 1, "generator.args.batch_norm_from": 0},
         "the generator's batch norm can't learn from a batch of 1; set batch_size to 2"),
        ("digits", {"image_size": 32, "generator.name": "mlp", "generator.args": {"widths": [8]}, "classes": 0,
                    "discriminator": {"name": "mlp", "args": {"widths": [8]}}}, ""),
        ("vanilla", {"generator.args.slope": "steep"}, "generator 'mlp' can't"),
        ("vanilla", {"discriminator.args.dropout": "much"}, "discriminator 'mlp' can't"),
        ("digits", {"generator.args.channels": ["a", 4, 4]}, "generator 'resize' can't"),
        ("selu", {"generator.args.channels": [4.5, 4]}, "generator 'transposed' can't"),
        ("digits", {"augment": ["flip"]}, "augment has no 'flip' for digits; valid: none"),
        ("digits", {"loss.weights": {"l1": 3.0}}, "loss.weights has no 'l1' for digits; valid: none"),
        ("digits", {"options": {"hints": 0.5}}, "options has no key 'hints' for digits; valid: none"),
        ("classifier", {"loss.weights": {"l1": 3.0}}, "loss.weights has no term 'l1' for classify; valid: cross_"),
        ("classifier", {"options": {"hints": 0.5}}, "options has no key 'hints' for classify"),
        ("digits", {"classes": 4}, "tiny has 10 classes; set classes to as many, or to 0"),
    ],
)  # fmt: skip
def test_what_can_not_work(name: str, settings: dict[str, Any], words: str) -> None:
    recipe = tiny.TINY[name].with_settings(settings)
    if words:
        assert words in refused(recipe)
    else:
        Trainer(recipe, tiny.pictures(), tiny.CPU).round()  # and what can, does


def test_pictures_of_another_size_than_the_generator_s() -> None:
    recipe = tiny.TINY["conv"].with_settings({"image_size": 28})
    message = refused(recipe)
    assert "image_size" in message or "can't be built" in message


def test_a_rehearsal_leaves_no_trace() -> None:
    """The same weights, running means and random numbers as without it: a run's bits do not depend on it."""
    trainers = []
    for skip in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if skip:
                patch.setattr(Trainer, "_rehearse", lambda _: None)
            trainers.append(Trainer(tiny.TINY["selu"], tiny.pictures(), tiny.CPU))
            state = torch.get_rng_state()
        trainers[-1].chance = state  # type: ignore[attr-defined]
    one, two = trainers
    assert torch.equal(one.chance, two.chance)  # type: ignore[attr-defined]
    assert torch.equal(one.rng.get_state(), two.rng.get_state())
    for name, network in one.networks.items():
        others = two.networks[name].state_dict()
        assert all(torch.equal(value, others[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", RECIPES)
def test_what_ships_passes(name: str) -> None:
    if RECIPES[name].task in ("digits", "classify"):
        Trainer(RECIPES[name].with_settings({"batch_size": 2}), tiny.pictures(), tiny.CPU)


# --- features, at the start -------------------------------------------------------------------------------


def start(recipe: Recipe, folder: Path) -> None:
    next(train(recipe, run_dir=folder, device=tiny.CPU))


def test_features_that_are_not_there(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    tiny.add_dataset(monkeypatch)
    far = tiny.DIGITS.with_settings({"features": "nobody", "evaluate_every": 100_000})
    with pytest.raises(CheckpointError, match="there is no checkpoint 'nobody'; available: "):
        start(far, home / "run")
    tiny.save(home / "checkpoints" / "mine")
    with pytest.raises(RecipeError, match="features names 'mine', which is no classifier"):
        start(far.with_settings({"features": "mine"}), home / "run")
    assert not (home / "run").exists()


def test_one_picture_to_measure_with(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    tiny.add_dataset(monkeypatch)
    monkeypatch.setattr("gandemo.data.datasets.load", lambda _, split: tiny.pictures(80 if split == "train" else 1))
    with pytest.raises(DataError, match="1 picture is held out"):
        start(tiny.DIGITS.with_settings({"features": "mnist-classifier"}), home / "run")
    start(tiny.DIGITS, home / "run")


# --- values that JSON can't hold --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [1, math.nan], {"a": [math.inf]}, {1, 2}, b"x"])
def test_arguments_that_would_not_come_back(value: Any) -> None:
    for settings in ({"generator.args.slope": value}, {"options": {"hints": value}}):
        with pytest.raises(RecipeError, match="must be a finite number, text, true, false, a list or an object"):
            tiny.DIGITS.with_settings(settings)


def test_a_recipe_file_with_a_nan() -> None:
    text = tiny.TINY["vanilla"].to_json().replace('"slope": 0.2', '"slope": NaN')
    assert "NaN" in text
    with pytest.raises(RecipeError, match="must be a finite number"):
        Recipe.from_json(text)


def test_plain_arguments_come_back_as_they_were() -> None:
    args = {"a": 1, "b": [1.5, None, {"c": "d"}], "e": True}
    recipe = tiny.DIGITS.with_settings({"generator": Net(name="resize", args=args).model_dump()})
    assert Recipe.from_json(recipe.to_json()).generator.args == args
