"""Digits from noise: what goes in, what comes out, and how it is measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gandemo import checkpoint
from gandemo.errors import CheckpointError, RequestError
from gandemo.recipe import Recipe
from gandemo.tasks import digits
from gandemo.tasks.digits import Digits, labels_for, noise, render, sample, slerp

TASK = Digits()
PLAIN = tiny.TINY["selu"]


def generator(recipe: Recipe = tiny.DIGITS) -> torch.nn.Module:
    return tiny.stirred(recipe)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- batches ----------------------------------------------------------------------------------------------


def test_a_batch_of_pictures_and_classes() -> None:
    data = tiny.pictures(10)
    batch = TASK.prepare(tiny.DIGITS, data.images, data.labels, rng())
    assert torch.equal(batch.real, data.images.float() / 127.5 - 1)
    assert batch.condition is batch.labels is data.labels
    assert TASK.supervised(batch, batch.real) == {}


def test_without_classes_there_is_no_condition() -> None:
    data = tiny.pictures(10)
    batch = TASK.prepare(PLAIN, data.images, data.labels, rng())
    assert batch.condition is None
    assert len(TASK.inputs(PLAIN, batch, rng())) == 1


def test_larger_networks_see_black_around() -> None:
    data = tiny.pictures(10)
    batch = TASK.prepare(tiny.TINY["conv"], data.images, data.labels, rng())
    assert batch.real.shape == (10, 1, 32, 32)
    assert torch.equal(batch.real[:, :, 2:30, 2:30], data.images.float() / 127.5 - 1)
    assert float(batch.real[:, :, :2].max()) == float(batch.real[:, :, :, 30:].max()) == -1.0


def test_inputs_are_normal_noise_drawn_anew() -> None:
    recipe = tiny.DIGITS.with_settings({"latent": 1000})
    data = tiny.pictures(20)
    batch = TASK.prepare(recipe, data.images, data.labels, rng())
    source = rng(1)
    first, labels = TASK.inputs(recipe, batch, source)
    second, _ = TASK.inputs(recipe, batch, source)
    assert first.shape == (20, 1000)
    assert labels is batch.condition
    assert float(first.mean()) == pytest.approx(0, abs=0.05)
    assert float(first.std()) == pytest.approx(1, abs=0.05)
    assert not torch.equal(first, second)
    assert torch.equal(first, TASK.inputs(recipe, batch, rng(1))[0])


# --- noise and classes ------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**63 - 1), few=st.integers(1, 40), more=st.integers(0, 40))
def test_the_first_of_many_are_those_of_few(seed: int, few: int, more: int) -> None:
    one, two = noise(tiny.DIGITS, few, seed), noise(tiny.DIGITS, few + more, seed)
    assert one.dtype == np.float32
    assert np.array_equal(one, two[:few])


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_seeds_out_of_range(seed: int) -> None:
    with pytest.raises(RequestError, match=f"from 0 to {2**63 - 1}, got {seed}"):
        noise(tiny.DIGITS, 1, seed)


@pytest.mark.parametrize("count", [-7, 0, 100_001, 10**15])
@pytest.mark.parametrize("labels", [None, 3, []])
def test_counts_out_of_range(count: int, labels: Any) -> None:
    with pytest.raises(RequestError, match=f"the count must be from 1 to 100,000, got {count:,}"):
        sample(tiny.DIGITS, generator(), count, labels=labels)


def test_classes_take_turns() -> None:
    asked = labels_for(tiny.DIGITS, 23, None)
    assert asked is not None
    assert asked.dtype == np.int64
    assert asked.tolist() == [index % 10 for index in range(23)]


def test_one_class_for_all_or_one_each() -> None:
    for asked, expected in ((7, [7, 7, 7]), ([1, 0, 9], [1, 0, 9]), (np.int64(4), [4, 4, 4])):
        found = labels_for(tiny.DIGITS, 3, asked)
        assert found is not None
        assert (found.dtype, found.tolist()) == (np.int64, expected)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (10, "the class must be from 0 to 9, got 10"),
        (-1, "the class must be from 0 to 9, got -1"),
        ([0, 3, 11], "the class must be from 0 to 9, got 11"),
        ([0, -2, 11], "the class must be from 0 to 9, got -2"),
        ([1, 2], "2 classes were given for 3 pictures; give one, or one for each"),
        ([], "0 classes were given for 3 pictures"),
    ],
)
def test_classes_out_of_range(asked: Any, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        labels_for(tiny.DIGITS, 3, asked)


def test_classes_where_there_are_none() -> None:
    assert labels_for(PLAIN, 3, None) is None
    with pytest.raises(RequestError, match="was trained without classes; leave out the class or take a class-cond"):
        labels_for(PLAIN, 3, 0)


# --- pictures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", "selu", "conv", "vanilla"])
def test_pictures_are_28_by_28(name: str) -> None:
    recipe = tiny.TINY[name]
    pictures, asked = sample(recipe, generator(recipe), 5)
    assert (pictures.shape, pictures.dtype) == ((5, 28, 28), np.uint8)
    assert (asked is None) == (recipe.classes == 0)


def test_batches_make_no_difference() -> None:
    network, noises = generator(), noise(tiny.DIGITS, 30, 0)
    labels = labels_for(tiny.DIGITS, 30, None)
    whole = render(network, noises, labels, batch_size=30)
    for batch_size in (1, 7, 16):
        parts = render(network, noises, labels, batch_size=batch_size)
        assert np.abs(parts.astype(int) - whole.astype(int)).max() <= 1  # the last bit of a sum may differ


def test_truncation_shrinks_the_noise() -> None:
    network = generator()
    spread = []
    for truncation in (0.0, 0.5, 1.0, 2.0):
        pictures, _ = sample(tiny.DIGITS, network, 50, labels=3, truncation=truncation)
        spread.append(float(pictures.std(axis=0).mean()))
    assert spread[0] == 0.0  # no noise, one picture for each class
    assert spread == sorted(spread)
    expected = render(network, noise(tiny.DIGITS, 50, 0) * np.float32(0.5), np.full(50, 3))
    assert np.array_equal(sample(tiny.DIGITS, network, 50, labels=3, truncation=0.5)[0], expected)


@pytest.mark.parametrize("truncation", [-0.1, 2.1, float("nan"), float("inf")])
def test_truncation_out_of_range(truncation: float) -> None:
    with pytest.raises(RequestError, match="truncation must be from 0 to 2"):
        sample(tiny.DIGITS, generator(), 1, truncation=truncation)


def test_the_sheet_is_the_same_at_every_call() -> None:
    network, data = generator(), tiny.pictures()
    one, two = TASK.sheet(tiny.DIGITS, network, data), TASK.sheet(tiny.DIGITS, network, data)
    assert one.size == (10 * 30 - 2, 8 * 30 - 2)
    assert one.tobytes() == two.tobytes()
    pictures, _ = sample(tiny.DIGITS, network, 80, labels=4)
    column = np.asarray(one)[:28, 4 * 30 : 4 * 30 + 28]
    assert np.abs(column.astype(int) - pictures[4].astype(int)).max() <= 1  # each class has its column


# --- the great circle -------------------------------------------------------------------------------------

VECTORS = hnp.arrays(np.float32, 6, elements=st.floats(-3, 3, width=32)).filter(lambda v: np.linalg.norm(v) > 0.1)


@given(start=VECTORS, end=VECTORS, count=st.integers(2, 20))
def test_a_walk_begins_and_ends_exactly(start: Any, end: Any, count: int) -> None:
    path = slerp(start, end, count)
    assert (path.shape, path.dtype) == ((count, 6), np.float32)
    assert np.array_equal(path[0], start)
    assert np.array_equal(path[-1], end)
    assert np.isfinite(path).all()


@given(start=VECTORS, end=VECTORS)
def test_a_walk_keeps_its_distance_from_the_centre(start: Any, end: Any) -> None:
    """The length goes evenly from one end's to the other's, unless the ends are opposite."""
    cosine = float(np.dot(start, end) / np.linalg.norm(start) / np.linalg.norm(end))
    if cosine < -0.999:
        return
    lengths = np.linalg.norm(slerp(start, end, 9).astype(float), axis=1)
    assert lengths == pytest.approx(np.linspace(np.linalg.norm(start), np.linalg.norm(end), 9), rel=1e-2)


def test_a_walk_turns_evenly() -> None:
    path = slerp(np.array([2.0, 0.0], np.float32), np.array([0.0, 2.0], np.float32), 4)
    angles = np.degrees(np.arctan2(path[:, 1], path[:, 0]))
    assert angles == pytest.approx([0, 30, 60, 90], abs=1e-4)


def test_a_walk_to_the_same_or_the_opposite_place() -> None:
    here = np.array([1.0, 2.0], np.float32)
    assert np.allclose(slerp(here, here, 5), here)
    assert np.isfinite(slerp(here, -here, 5)).all()
    assert np.allclose(slerp(here, 3 * here, 3)[1], 2 * here)


# --- measuring --------------------------------------------------------------------------------------------


@pytest.fixture
def measured(home: Path) -> Iterator[Recipe]:
    """A recipe that is measured by a tiny classifier."""
    digits.features_of.cache_clear()
    digits._statistics.clear()
    tiny.save(home / "checkpoints" / "tiny-classifier", tiny.TINY["classifier"])
    yield tiny.DIGITS.with_settings({"features": "tiny-classifier"})
    digits.features_of.cache_clear()
    digits._statistics.clear()


def test_no_features_no_figures() -> None:
    assert TASK.evaluate(tiny.DIGITS, generator(), tiny.pictures(), 20) == {}
    with pytest.raises(RequestError, match="names no features to measure with; set features"):
        TASK.report(tiny.DIGITS, generator(), tiny.pictures(), tiny.pictures(), count=20)


def test_figures_of_an_evaluation(measured: Recipe) -> None:
    data, network = tiny.pictures(60), generator()
    figures = TASK.evaluate(measured, network, data, 50)
    assert set(figures) == {"frechet", "modes", "class_kl", "smallest_class", "largest_class", "agreement"}
    assert figures["frechet"] > 0
    assert figures == TASK.evaluate(measured, network, data, 50)
    assert figures != TASK.evaluate(measured, network, data, 50, seed=1)
    plain = PLAIN.with_settings({"features": "tiny-classifier"})
    assert "agreement" not in TASK.evaluate(plain, generator(plain), data, 50)


def test_real_pictures_are_the_better_ones(measured: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator that paints the held-out pictures themselves is at distance nought."""
    data = tiny.pictures(50)
    monkeypatch.setattr(digits, "sample", lambda *_args, **_kwargs: (data.images[:, 0].numpy(), data.labels.numpy()))
    real = TASK.evaluate(measured, generator(), data, 50)
    monkeypatch.undo()
    assert real["frechet"] == pytest.approx(0, abs=1e-3)
    assert TASK.evaluate(measured, generator(), data, 50)["frechet"] > real["frechet"] + 1e-3


def test_another_data_set_has_statistics_of_its_own(measured: Recipe) -> None:
    network = generator()
    one = TASK.evaluate(measured, network, tiny.pictures(60, 1), 50)["frechet"]
    two = TASK.evaluate(measured, network, tiny.pictures(50, 2), 50)["frechet"]
    assert one != two


def test_a_report_stands_beside_real_pictures(measured: Recipe) -> None:
    report = TASK.report(measured, generator(), tiny.pictures(60, 1), tiny.pictures(60, 2), count=60)
    assert report["features"] == "8 features of tiny-classifier"
    assert (report["samples"], report["reference"]) == (60, "60 test pictures of tiny")
    for side in ("generated", "real"):
        figures = report[side]
        assert {"frechet", "coverage", "agreement", "classification_accuracy_score"} <= set(figures)
        assert all(0 <= figures[key] <= 1 for key in ("precision", "recall", "coverage", "agreement"))
    assert report["real"]["frechet"] < report["generated"]["frechet"]


def test_features_come_from_a_classifier(home: Path) -> None:
    digits.features_of.cache_clear()
    tiny.save(home / "checkpoints" / "no-classifier")
    with pytest.raises(CheckpointError, match="no-classifier is no classifier; name one in the recipe's features"):
        digits.features_of("no-classifier")
    with pytest.raises(CheckpointError, match="there is no checkpoint 'nobody'"):
        digits.features_of("nobody")
    assert isinstance(checkpoint.resolve("no-classifier").generator(), torch.nn.Module)


def test_class_figures_are_left_out_where_the_classifier_knows_other_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three classes of somebody's own, or ten of clothing, say nothing of ten digits."""
    recipe = tiny.DIGITS.with_settings({"features": "mnist-classifier", "classes": 0})
    generator = tiny.stirred(recipe)
    real = tiny.pictures(60)
    known = TASK.evaluate(recipe, generator, real, 40)
    assert "largest_class" in known
    for names in (("a", "b", "c"), tuple("abcdefghij")):
        others = replace(real, class_names=names, labels=real.labels % len(names))
        assert TASK.evaluate(recipe, generator, others, 40) == {"frechet": known["frechet"]}
