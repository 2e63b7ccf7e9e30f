"""What the tab Train may be asked to train: the form made from the model, and what comes back from it, checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gandemo import places
from gandemo.data import datasets
from gandemo.errors import GanDemoError, RequestError
from gandemo.recipes import RECIPES
from gandemo.ship.hub.origins import ORIGIN, VISITOR
from gandemo.training import runs
from gandemo.ui import access, own_pictures, train_form
from gandemo.ui.train_wishes import Wish
from tests import tiny

# --- the form ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_the_form_has_every_setting_of_a_recipe_with_its_value(name: str) -> None:
    recipe = RECIPES[name]
    found = {field["key"]: field for field in train_form.fields(recipe)}
    assert len(found) == len(train_form.fields(recipe))
    values = recipe.model_dump(mode="json")
    for key, field in found.items():
        target = values
        for part in key.split("."):
            target = target.get(part, field["value"]) if isinstance(target, dict) else target
        assert field["value"] == target
    flat = [key for key, value in values.items() if not isinstance(value, dict)]
    assert not set(flat) - set(found) - train_form._NOT_HERE - {"discriminator"}
    # what the form sends back as it stands is the same recipe
    assert recipe.with_settings({key: field["value"] for key, field in found.items()}).loss == recipe.loss


def test_fields_tell_kind_bounds_and_words() -> None:
    found = {field["key"]: field for field in train_form.fields(RECIPES["digits"])}
    assert found["batch_size"] | {"help": ""} == {
        "key": "batch_size",
        "group": "",
        "label": "Batch size",
        "help": "",
        "kind": "int",
        "value": 64,
        "min": 1,
        "max": 4096,
    }
    assert found["loss.gan"]["choices"] == ["bce", "lsgan", "wasserstein", "hinge", "relativistic"]
    assert found["schedule.shape"]["choices"] == ["linear", "cosine"]
    assert found["joint_batch"]["kind"] == "bool"
    assert found["generator.args.channels"]["kind"] == "json"
    assert found["loss.r1"]["help"].startswith("gamma")
    assert found["evaluate_samples"]["group"] == "telling"


def test_the_few_have_ranges_around_the_recipes_own() -> None:
    few = {field["key"]: field for field in train_form.few(RECIPES["digits"])}
    assert list(few) == [key for key, *_ in train_form.FEW]
    assert (few["steps"]["low"], few["steps"]["high"]) == (1_000, 40_000)
    assert few["batch_size"]["low"] < 64 < few["batch_size"]["high"]
    assert [field["key"] for field in train_form.few(RECIPES["mnist-classifier"])] == [
        "steps",
        "batch_size",
        "generator_optimizer.lr",
        "seed",
    ]


# --- wishes -----------------------------------------------------------------------------------------------


def test_a_wish_is_a_recipe_with_changes(home: Path) -> None:
    wish = Wish.parse(
        {"recipe": "vanilla", "settings": {"loss.r1": 2, "steps": 7}, "dataset": "fashion-mnist", "minutes": 3}
    )
    assert (wish.recipe.loss.r1, wish.recipe.steps, wish.recipe.dataset) == (2.0, 7, "fashion-mnist")
    assert (wish.init, wish.minutes) == (None, 3.0)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"recipe": "nothing"}, "no recipe"),
        ({"recipe": ["vanilla"]}, "no recipe"),
        ({}, "no recipe"),
        ({"recipe": "vanilla", "settings": {"steps": 0}}, "steps"),
        ({"recipe": "vanilla", "settings": {"steps": None}}, "steps"),
        ({"recipe": "vanilla", "settings": {"stepz": 1}}, "stepz"),
        ({"recipe": "vanilla", "settings": {"task": "colorize"}}, "can't be changed"),
        ({"recipe": "vanilla", "settings": {"dataset": "/etc"}}, "can't be changed"),
        ({"recipe": "vanilla", "settings": [1]}, "set of names"),
        ({"recipe": "vanilla", "settings": {"generator.args.widths": "wide"}}, "generator"),
        ({"recipe": "vanilla", "minutes": -1}, "minutes"),
        ({"recipe": "vanilla", "minutes": "many"}, "minutes"),
        ({"recipe": "vanilla", "dataset": "nowhere"}, "no data set"),
        ({"recipe": "vanilla", "dataset": "own/0123456789abcdef.zip"}, "no longer here"),
        ({"recipe": "vanilla", "dataset": "own/../../recipe.json"}, "no data set"),
        ({"source": "nothing-1"}, "no run or checkpoint"),
        ({"source": "../runs/x"}, "no run or checkpoint"),
        ({"source": "/etc"}, "no run or checkpoint"),
    ],
)
def test_a_wrong_wish_is_one_sentence(home: Path, asked: dict[str, Any], complaint: str) -> None:
    with pytest.raises(GanDemoError, match=complaint):
        Wish.parse(asked)


def test_a_fork_starts_from_a_runs_checkpoint(home: Path) -> None:
    folder = home / "runs" / "parent-1"
    runs.lay_out(folder, tiny.DIGITS)
    saved = tiny.save(folder / "checkpoints" / "step-4", tiny.DIGITS)
    wish = Wish.parse({"source": "parent-1/step-4", "settings": {"loss.r1": 1}})
    assert wish.recipe == tiny.DIGITS.with_settings({"loss.r1": 1})
    assert wish.init is not None
    assert Path(wish.init).resolve() == saved.path.resolve()
    assert Wish.parse({"source": "parent-1", "anew": True}).init is None
    with pytest.raises(GanDemoError, match="leave the networks"):
        Wish.parse({"source": "parent-1", "settings": {"generator.args.channels": [4, 4, 4]}})


def test_what_a_visitor_brought_is_trained_where_it_is_of_our_design(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "is_local", lambda: False)
    recipe = RECIPES["vanilla"].with_settings({"steps": 500, "loss.r1": 1.0, "seed": 3, "name": "hers"})
    brought = tiny.save(home / "checkpoints" / "ada--x", recipe).path
    note = {"repo": "ada/x", "by": VISITOR}
    (brought / ORIGIN).write_text(json.dumps(note))
    assert Wish.parse({"source": "ada--x", "settings": {"steps": 400}}).recipe == recipe.with_settings({"steps": 400})
    for settings in (
        {"d_steps": 100},
        {"image_size": 56},
        {"generator.args.widths": [16, 16]},
        {"evaluate_samples": 99_999},
    ):
        tiny.save(brought, recipe.with_settings(settings))
        (brought / ORIGIN).write_text(json.dumps(note))
        for asked in ({"source": "ada--x"}, {"source": "ada--x", "anew": True}):
            with pytest.raises(RequestError, match="ada--x has a design of its own, and a public server trains"):
                Wish.parse(asked)
    (brought / ORIGIN).unlink()  # the owner answers for it
    assert Wish.parse({"source": "ada--x"}).recipe.evaluate_samples == 99_999


def test_where_the_owners_pictures_lie_is_nobodys_business(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "patients")
    recipe = RECIPES["vanilla"].with_settings({"dataset": f"classes:{path}"})
    runs.lay_out(home / "runs" / "mine-1", recipe)
    assert own_pictures.name_of(recipe.dataset) == path
    monkeypatch.setattr(access, "is_local", lambda: False)
    told = own_pictures.name_of(recipe.dataset)
    assert told == "patients"
    assert Wish.parse({"source": "mine-1", "anew": True, "dataset": told}).recipe == recipe  # the run's own, unchanged
    for other in (path, f"classes:{path}", "elsewhere"):
        with pytest.raises(RequestError, match="there is no data set"):
            Wish.parse({"source": "mine-1", "anew": True, "dataset": other})


def test_where_a_training_begins(home: Path) -> None:
    """Its settings are those of the form, wherever its weights come from."""
    recipe = RECIPES["vanilla"].with_settings({"steps": 7, "batch_size": 5})
    runs.lay_out(home / "runs" / "first-1", recipe)
    saved = tiny.save(home / "runs" / "first-1" / "checkpoints" / "step-7", recipe)
    wish = Wish.parse({"recipe": "vanilla", "begins": "first-1", "settings": {"loss.r1": 1}})
    assert wish.recipe == RECIPES["vanilla"].with_settings({"loss.r1": 1})
    assert wish.init is not None
    assert Path(wish.init).resolve() == saved.path.resolve()
    for wrong in ("nothing-1", "../runs/first-1", str(saved.path)):
        with pytest.raises(GanDemoError, match="no run or checkpoint"):
            Wish.parse({"recipe": "vanilla", "begins": wrong})
    with pytest.raises(GanDemoError, match="leave the networks"):
        Wish.parse({"recipe": "conv", "begins": "first-1"})


def test_a_start_that_is_not_here_is_refused_before_anything_starts(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(places, "SHIPPED", tmp_path / "nothing")
    with pytest.raises(GanDemoError, match="colorize begins with colorize-l1, which is not here; train that recipe"):
        Wish.parse({"recipe": "colorize"})
    anew = Wish.parse({"recipe": "colorize", "anew": True})
    assert (anew.recipe.init, anew.init) == ("", None)
    saved = tiny.save(home / "checkpoints" / "mine", RECIPES["colorize"])
    wish = Wish.parse({"recipe": "colorize", "begins": "mine"})
    assert wish.recipe.init == "mine"  # the end that it keeps
    assert Path(str(wish.init)).resolve() == saved.path.resolve()
    tiny.save(home / "checkpoints" / "colorize-l1", RECIPES["colorize-l1"])
    assert Wish.parse({"recipe": "colorize"}).recipe.init == "colorize-l1"
    assert Wish.parse({"recipe": "colorize", "begins": "mine"}).recipe.init == "colorize-l1"


def test_photos_are_called_what_they_are(home: Path) -> None:
    count = len(list((datasets.SAMPLES / "photos").glob("*.jpg")))
    assert train_form.title_of("photos") == f"{count} photos that come with gandemo"
    (home / "data" / "photos").mkdir(parents=True)
    (found,) = train_form.data("colorize")
    assert (found["name"], found["title"]) == ("photos", "Photos in GANDEMO_DATA/photos")
