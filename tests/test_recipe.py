"""Recipes in and out: round trips, and one helpful sentence for everything that is wrong."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gandemo.errors import RecipeError
from gandemo.recipe import Loss, Net, Optimizer, Recipe, Schedule, parse_settings
from gandemo.recipes import RECIPES

BASE = Recipe(name="base", task="digits", dataset="mnist", generator=Net(name="mlp"), discriminator=Net(name="mlp"))


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_dict(values)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- in and out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_json_round_trip(name: str) -> None:
    recipe = RECIPES[name]
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe.from_dict(json.loads(recipe.to_json())) == recipe


def test_json_holds_the_defaults() -> None:
    values = json.loads(BASE.to_json())
    assert set(values) == set(Recipe.model_fields)
    assert values["loss"]["real_target"] == 1.0


def test_file_round_trip(tmp_path: Path) -> None:
    file = tmp_path / "recipe.json"
    file.write_text(BASE.to_json(), encoding="utf-8")
    assert Recipe.from_file(file) == BASE


@given(
    lr=st.floats(0, 1, exclude_min=True),
    betas=st.tuples(*[st.floats(0, 1, exclude_max=True)] * 2),
    r1=st.floats(0, allow_infinity=False, allow_nan=False),
    weights=st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    half_life=st.integers(0, 2**60),
    batch_size=st.integers(1, 4096),
    steps=st.integers(1, 10**7),
    seed=st.integers(0, 2**31 - 1),
    args=st.dictionaries(st.text(max_size=5), st.integers() | st.lists(st.integers()) | st.none(), max_size=3),
)
def test_any_numbers_survive_json(
    lr: float,
    betas: tuple[float, float],
    r1: float,
    weights: dict[str, float],
    half_life: int,
    batch_size: int,
    steps: int,
    seed: int,
    args: dict[str, Any],
) -> None:
    recipe = BASE.with_settings(
        {
            "generator_optimizer.lr": lr,
            "generator_optimizer.betas": betas,
            "loss.r1": r1,
            "loss.weights": weights,
            "ema.half_life": half_life,
            "batch_size": batch_size,
            "steps": steps,
            "seed": seed,
            "generator.args": args,
        }
    )
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert again.generator_optimizer == Optimizer(lr=lr, betas=betas)
    assert again.loss == Loss(r1=r1, weights=weights)
    assert (again.batch_size, again.steps, again.seed, again.generator.args) == (batch_size, steps, seed, args)


def test_recipes_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        BASE.batch_size = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        BASE.loss.r1 = 3.0  # type: ignore[misc]


@pytest.mark.parametrize("text", ["", "{", "[]", '"digits"', "[" * 100_000], ids=["", "{", "[]", "text", "deep"])
def test_text_that_is_no_recipe(text: str) -> None:
    with pytest.raises(RecipeError, match=r"take a recipe\.json that gandemo wrote"):
        Recipe.from_json(text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="No such file"):
        Recipe.from_file(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not a text file"):
        Recipe.from_file(tmp_path / "binary.json")


# --- unknown keys and values out of range -----------------------------------------------------------------


def test_an_unknown_key_names_the_valid_ones() -> None:
    message = refusal(BASE.model_dump() | {"batchsize": 3})
    assert "'batchsize'" in message
    assert all(field in message for field in Recipe.model_fields)


@pytest.mark.parametrize(
    ("part", "valid"),
    [("loss", "gradient_penalty"), ("generator", "args"), ("discriminator", "args"), ("generator_optimizer", "betas"),
     ("discriminator_optimizer", "betas"), ("schedule", "warmup"), ("ema", "half_life")],
)  # fmt: skip
def test_an_unknown_key_in_a_part_names_that_part_s(part: str, valid: str) -> None:
    values = BASE.model_dump()
    values[part]["wrong"] = 1
    message = refusal(values)
    assert message.startswith(f"{part} has no key 'wrong'; valid: ")
    assert valid in message
    assert "dataset" not in message


@pytest.mark.parametrize("key", ["name", "task", "dataset", "generator"])
def test_a_missing_key_is_named(key: str) -> None:
    values = BASE.model_dump()
    del values[key]
    assert refusal(values) == f"the recipe lacks {key}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", ""),
        ("name", "../up"),
        ("name", "Big"),
        ("image_size", 7),
        ("image_size", 1025),
        ("classes", -1),
        ("latent", -1),
        ("latent", 10_000),
        ("batch_size", 0),
        ("batch_size", 5_000),
        ("batch_size", 2.5),
        ("batch_size", "many"),
        ("steps", 0),
        ("d_steps", 0),
        ("g_steps", 0),
        ("pack", 0),
        ("pack", 9),
        ("seed", -1),
        ("seed", 2**31),
        ("precision", "fp8"),
        ("evaluate_samples", 1),
        ("log_every", 0),
        ("generator_optimizer.name", "sgd"),
        ("generator_optimizer.lr", 0.0),
        ("generator_optimizer.lr", -1e-4),
        ("generator_optimizer.lr", 1.5),
        ("generator_optimizer.lr", math.nan),
        ("generator_optimizer.betas", [0.5]),
        ("generator_optimizer.betas", [0.5, 1.0]),
        ("generator_optimizer.betas", [-0.1, 0.9]),
        ("discriminator_optimizer.alpha", 1.0),
        ("discriminator_optimizer.eps", 0.0),
        ("discriminator_optimizer.eps", math.inf),
        ("discriminator_optimizer.weight_decay", -1.0),
        ("loss.real_target", 1.1),
        ("loss.fake_target", -0.1),
        ("loss.target_noise", 0.6),
        ("loss.adversarial", -1.0),
        ("loss.r1", -1.0),
        ("loss.r1", math.inf),
        ("loss.r2", math.nan),
        ("loss.weights", {"l1": math.inf}),
        ("loss.penalty_every", 0),
        ("loss.gradient_penalty", -1.0),
        ("loss.clip", -0.1),
        ("ema.half_life", -1),
        ("ema.ramp_up", 1.1),
        ("schedule.warmup", -1),
        ("schedule.decay_from", 1.1),
        ("schedule.final", -0.1),
        ("schedule.shape", "square"),
    ],
)
def test_a_value_out_of_range_is_named(key: str, value: Any) -> None:
    with pytest.raises(RecipeError) as caught:
        BASE.with_settings({key: value})
    assert key.rpartition(".")[2] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_long_wrong_value_does_not_flood_the_sentence() -> None:
    assert len(refusal(BASE.model_dump() | {"batch_size": "x" * 10_000})) <= 400


# --- what must fit together -------------------------------------------------------------------------------


def test_no_discriminator_means_no_game() -> None:
    with pytest.raises(RecipeError, match=r"loss\.adversarial 0"):
        BASE.with_settings({"discriminator": None})
    assert BASE.with_settings({"discriminator": None, "loss.adversarial": 0.0}).discriminator is None


def test_a_pack_has_no_class() -> None:
    with pytest.raises(RecipeError, match="pack works on recipes without classes"):
        BASE.with_settings({"pack": 2, "classes": 10})
    assert BASE.with_settings({"pack": 2}).pack == 2


def test_packs_fill_the_batch() -> None:
    with pytest.raises(RecipeError, match="batch_size 64 is not a multiple of pack 3"):
        BASE.with_settings({"pack": 3})


@pytest.mark.parametrize("key", ["d_steps", "g_steps"])
def test_reused_fakes_serve_one_step_each(key: str) -> None:
    with pytest.raises(RecipeError, match="reuse_fakes needs d_steps 1 and g_steps 1"):
        BASE.with_settings({"reuse_fakes": True, key: 2})
    assert BASE.with_settings({"reuse_fakes": True}).reuse_fakes


# --- settings ---------------------------------------------------------------------------------------------


def test_settings_by_dotted_keys() -> None:
    changed = BASE.with_settings({"batch_size": 32, "loss.r1": 2, "generator.args.widths": [8], "loss.weights.l1": 3})
    assert (changed.batch_size, changed.loss.r1) == (32, 2.0)
    assert (changed.generator.args, changed.loss.weights) == ({"widths": [8]}, {"l1": 3.0})
    assert BASE.generator.args == {}  # the original is untouched
    assert BASE.with_settings({}) == BASE


def test_settings_leave_the_rest_alone() -> None:
    recipe = RECIPES["vanilla"]
    changed = recipe.with_settings({"generator.args.slope": 0.1})
    assert changed.generator.args == recipe.generator.args | {"slope": 0.1}
    assert changed.with_settings({"generator.args.slope": 0.2}) == recipe


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("los.r1", "the recipe has no key 'los'; valid: "),
        ("loss.r3", "loss has no key 'r3'; valid: "),
        ("generator.arguments.width", "generator has no key 'arguments'; valid: args, name"),
        ("batch_size.half", "batch_size is 64 and has no keys of its own"),
        ("batch_size.half.of", "batch_size has no key 'half'; it holds a single value"),
        ("", "a recipe has no key ''"),
        (".", "the recipe has no key ''"),
    ],
)
def test_settings_that_lead_nowhere(key: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        BASE.with_settings({key: 1})
    assert str(caught.value).startswith(expected)


def test_parse_settings_reads_json_where_it_is_json() -> None:
    pairs = ["batch_size=32", "loss.gan=hinge", "reuse_fakes=true", "generator.args.widths=[8, 4]", "source=a=b",
             "description="]  # fmt: skip
    assert parse_settings(pairs) == {
        "batch_size": 32,
        "loss.gan": "hinge",
        "reuse_fakes": True,
        "generator.args.widths": [8, 4],
        "source": "a=b",
        "description": "",
    }


@pytest.mark.parametrize("pair", ["batch_size", "=3", ""])
def test_parse_settings_wants_key_and_value(pair: str) -> None:
    with pytest.raises(RecipeError, match="key=value"):
        parse_settings([pair])


# --- the schedule -----------------------------------------------------------------------------------------


def test_no_schedule_is_one_throughout() -> None:
    assert [Schedule().factor(step, 5) for step in range(5)] == [1.0] * 5


def test_warm_up_rises_in_equal_parts() -> None:
    factors = [Schedule(warmup=4).factor(step, 100) for step in range(6)]
    assert factors == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_linear_decay() -> None:
    schedule = Schedule(decay_from=0.5, final=0.2)
    factors = [schedule.factor(step, 8) for step in range(9)]
    assert factors == pytest.approx([1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])


def test_cosine_decay() -> None:
    schedule = Schedule(decay_from=0.0, final=0.0, shape="cosine")
    assert [schedule.factor(step, 4) for step in range(5)] == pytest.approx(
        [(1 + math.cos(math.pi * step / 4)) / 2 for step in range(5)]
    )


@given(
    warmup=st.integers(0, 50),
    decay_from=st.floats(0, 1),
    final=st.floats(0, 1),
    shape=st.sampled_from(["linear", "cosine"]),
    steps=st.integers(1, 60),
)
def test_a_factor_is_never_out_of_range(warmup: int, decay_from: float, final: float, shape: Any, steps: int) -> None:
    schedule = Schedule(warmup=warmup, decay_from=decay_from, final=final, shape=shape)
    factors = [schedule.factor(step, steps) for step in range(steps)]
    assert all(0.0 <= factor <= 1.0 for factor in factors)
    after = factors[warmup:]
    assert all(late <= early + 1e-12 for early, late in pairwise(after))
