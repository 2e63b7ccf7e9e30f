"""A checkpoint made callable: the same digits for the same seed, and one sentence for what can't be asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

import gandemo
from gandemo import checkpoint
from gandemo.data import images as im
from gandemo.errors import CheckpointError, RequestError
from gandemo.metrics import Calibration
from gandemo.pipeline import Pipeline
from gandemo.recipe import Recipe

CALIBRATED = {"calibration": {"scale": 2.0, "offset": -0.5}}


@pytest.fixture
def make(home: Path) -> Any:
    """`make(recipe, metrics=…)` saves untrained networks as the checkpoint `mine` and loads it."""

    def made(recipe: Recipe = tiny.DIGITS, **kwargs: Any) -> Pipeline:
        tiny.save(home / "checkpoints" / "mine", recipe, **{"metrics": CALIBRATED, **kwargs})
        return Pipeline.from_pretrained("mine")

    return made


@pytest.fixture
def pipeline(make: Any) -> Pipeline:
    loaded: Pipeline = make()
    return loaded


# --- loading ----------------------------------------------------------------------------------------------


def test_loaded_by_name_by_folder_and_from_the_public_face(make: Any, home: Path) -> None:
    pipeline = make()
    assert gandemo.Pipeline is Pipeline
    for source in ("mine", home / "checkpoints" / "mine", str(home / "checkpoints" / "mine")):
        other = Pipeline.from_pretrained(source)
        assert (other.name, other.recipe, other.metrics) == ("mine", tiny.DIGITS, CALIBRATED)
        assert np.array_equal(other.generate(4).images, pipeline.generate(4).images)


def test_an_unknown_checkpoint_lists_the_available(make: Any) -> None:
    make()
    with pytest.raises(CheckpointError) as caught:
        Pipeline.from_pretrained("yours")
    assert "there is no checkpoint 'yours'; available: " in str(caught.value)
    assert "mine" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_checkpoint_is_refused(make: Any, home: Path) -> None:
    make()
    weights = home / "checkpoints" / "mine" / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match="is damaged"):
        Pipeline.from_pretrained("mine")


def test_names_of_classes(make: Any) -> None:
    assert make().class_names == tuple("0123456789")
    names = [f"thing {index}" for index in range(10)]
    assert make(metrics={"class_names": names}).class_names == tuple(names)
    assert make(metrics={"class_names": names[:3]}).class_names == tuple("0123456789")
    assert make(tiny.TINY["selu"]).class_names == ()


def test_nothing_is_trained_any_more(pipeline: Pipeline) -> None:
    assert not pipeline.generator.training
    assert not any(parameter.requires_grad for parameter in pipeline.generator.parameters())
    before = {name: tensor.clone() for name, tensor in pipeline.generator.state_dict().items()}
    pipeline.generate(30)
    assert all(torch.equal(tensor, before[name]) for name, tensor in pipeline.generator.state_dict().items())


# --- generate ---------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_digits(pipeline: Pipeline) -> None:
    one, two, three = (pipeline.generate(20, seed=seed) for seed in (5, 5, 6))
    assert (one.images.shape, one.images.dtype, one.labels.dtype) == ((20, 28, 28), np.uint8, np.int64)
    assert np.array_equal(one.images, two.images)
    assert not np.array_equal(one.images, three.images)
    assert not np.array_equal(one.images[0], one.images[10])  # the same class, other noise


@pytest.mark.parametrize("count", [1, 3, 64, 251])
def test_the_first_of_many_are_those_of_few(pipeline: Pipeline, count: int) -> None:
    many, few = pipeline.generate(300, seed=9), pipeline.generate(count, seed=9)
    assert np.abs(many.images[:count].astype(int) - few.images.astype(int)).max() <= 1
    assert np.array_equal(many.labels[:count], few.labels)


def test_classes_as_asked(pipeline: Pipeline) -> None:
    assert pipeline.generate(12).labels.tolist() == [*range(10), 0, 1]
    assert pipeline.generate(3, labels=7).labels.tolist() == [7, 7, 7]
    assert pipeline.generate(3, labels=[2, 0, 2]).labels.tolist() == [2, 0, 2]


def test_a_checkpoint_without_classes(make: Any) -> None:
    pipeline = make(tiny.TINY["selu"])
    assert pipeline.generate(3).labels.tolist() == [-1, -1, -1]
    with pytest.raises(RequestError, match="was trained without classes; leave out the class"):
        pipeline.generate(3, labels=1)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"count": 0}, "count must be from 1 to 100,000, got 0"),
        ({"count": -5}, "got -5"),
        ({"count": -5, "labels": 3}, "got -5"),
        ({"count": 100_001}, "got 100,001"),
        ({"count": 10**15}, "count must be from 1"),
        ({"labels": 10}, "class must be from 0 to 9, got 10"),
        ({"labels": -1}, "class must be from 0 to 9, got -1"),
        ({"labels": [0, 12, 1, 1]}, "got 12"),
        ({"labels": [1, 2, 3]}, "3 classes were given for 4 pictures"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"truncation": -0.5}, "truncation must be from 0 to 2, got -0.5"),
        ({"truncation": 2.5}, "truncation must be from 0 to 2"),
    ],
)
def test_requests_out_of_range(pipeline: Pipeline, request_: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as caught:
        pipeline.generate(**{"count": 4, **request_})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_classifier_paints_nothing(make: Any) -> None:
    pipeline = make(tiny.TINY["classifier"])
    for ask in (
        lambda: pipeline.generate(1),
        lambda: pipeline.walk(0, 1),
        lambda: pipeline.judge(np.zeros((1, 28, 28), np.uint8)),
    ):
        with pytest.raises(RequestError, match="is a checkpoint for classify, not for digits; choose another"):
            ask()


# --- walk -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [None, 3])
def test_a_walk_begins_and_ends_at_what_generate_shows(pipeline: Pipeline, label: int | None) -> None:
    film = pipeline.walk(4, 9, count=12, label=label, frames=5)
    assert (film.shape, film.dtype) == ((5, 12, 28, 28), np.uint8)
    for frame, seed in ((film[0], 4), (film[-1], 9)):
        still = pipeline.generate(12, labels=label, seed=seed).images
        assert np.abs(frame.astype(int) - still.astype(int)).max() <= 1
    assert not np.array_equal(film[0], film[2])


def test_a_walk_is_smooth(pipeline: Pipeline) -> None:
    film = pipeline.walk(4, 9, frames=60).astype(float)
    steps = np.abs(np.diff(film, axis=0)).mean(axis=(1, 2, 3))
    assert steps.max() < np.abs(film[-1] - film[0]).mean() / 5


def test_a_walk_of_one_picture_is_the_first_of_many(pipeline: Pipeline) -> None:
    one, many = pipeline.walk(1, 2, frames=4), pipeline.walk(1, 2, count=10, frames=4)
    assert np.abs(one[:, 0].astype(int) - many[:, 0].astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"frames": 1}, "2 to 240 frames, got 1"),
        ({"frames": 241}, "2 to 240 frames, got 241"),
        ({"count": 0}, "1 to 100 pictures, got 0"),
        ({"count": 101}, "1 to 100 pictures, got 101"),
        ({"label": 10}, "class must be from 0 to 9"),
        ({"start_seed": -1}, "seed must be a whole number"),
        ({"end_seed": -1}, "seed must be a whole number"),
    ],
)
def test_walks_out_of_range(pipeline: Pipeline, request_: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        pipeline.walk(**{"start_seed": 0, "end_seed": 1, **request_})


# --- judge ------------------------------------------------------------------------------------------------


def pictures(count: int = 6) -> np.ndarray:
    return tiny.pictures(count).images[:, 0].numpy()


def test_scores_are_the_discriminator_s(pipeline: Pipeline) -> None:
    network = pipeline.checkpoint.discriminator()
    assert network is not None
    with torch.no_grad():
        expected = network(im.to_signed(torch.from_numpy(pictures()))[:, None], torch.arange(6))
    assert pipeline.scores(pictures(), list(range(6))) == pytest.approx(expected.double().numpy(), abs=1e-6)


def test_judgements_are_calibrated_probabilities(pipeline: Pipeline) -> None:
    judged, scores = pipeline.judge(pictures(), 3), pipeline.scores(pictures(), 3)
    assert judged.shape == (6,)
    assert ((judged >= 0) & (judged <= 1)).all()
    assert judged == pytest.approx(1 / (1 + np.exp(-(2.0 * scores - 0.5))))
    expected = Calibration(scale=2.0, offset=-0.5).probability(torch.from_numpy(scores))
    assert np.array_equal(judged, expected.numpy())
    assert pipeline.can_judge


def test_a_picture_is_judged_as_a_class(pipeline: Pipeline) -> None:
    with pytest.raises(RequestError, match="judges a picture as one of its classes; say which class"):
        pipeline.judge(pictures())
    with pytest.raises(RequestError, match="the class must be from 0 to 9, got 10"):
        pipeline.judge(pictures(), 10)
    assert pipeline.judge(pictures(), 0)[0] != pipeline.judge(pictures(), 1)[0]


def test_many_are_judged_as_few(pipeline: Pipeline) -> None:
    many = pipeline.scores(pictures(260), [index % 10 for index in range(260)])
    assert many[252:254] == pytest.approx(pipeline.scores(pictures(260)[252:254], [2, 3]), abs=1e-5)


@pytest.mark.parametrize("name", ["conv", "relativistic"])
def test_judges_of_other_kinds(make: Any, name: str) -> None:
    """One that works on 32×32, and one that judges pairs: it is shown the picture twice."""
    judged = make(tiny.TINY[name]).judge(pictures())
    assert judged.shape == (6,)
    assert np.isfinite(judged).all()


def test_pairs_of_the_same_picture(make: Any) -> None:
    pipeline = make(tiny.TINY["relativistic"])
    network = pipeline.checkpoint.discriminator()
    signed = im.to_signed(torch.from_numpy(pictures(3)))[:, None]
    with torch.no_grad():
        expected = [float(network(torch.stack([picture, picture]))) for picture in signed]
    assert len(set(expected)) == 3
    assert pipeline.scores(pictures(3)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "stored",
    [None, [], {}, {"scale": 1.0}, {"scale": "steep", "offset": 0.0}, {"scale": None, "offset": 0.0}],
)
def test_no_calibration_no_probability(make: Any, stored: Any) -> None:
    pipeline = make(metrics={} if stored is None else {"calibration": stored})
    assert not pipeline.can_judge
    with pytest.raises(RequestError, match="was not calibrated yet; run: python -m gandemo publish mine"):
        pipeline.judge(pictures(), 0)
    assert pipeline.scores(pictures(), 0).shape == (6,)


def test_no_discriminator_no_judgement(make: Any, home: Path) -> None:
    make()
    (home / "checkpoints" / "mine" / "discriminator.safetensors").unlink()
    pipeline = Pipeline.from_pretrained("mine")
    assert not pipeline.can_judge
    with pytest.raises(RequestError, match="came without its discriminator; choose another checkpoint"):
        pipeline.judge(pictures(), 0)
    assert len(pipeline.generate(2).images) == 2


def test_no_pictures_no_judgements(pipeline: Pipeline) -> None:
    assert pipeline.judge(np.zeros((0, 28, 28), np.uint8), 0).shape == (0,)


def test_several_threads_at_once(pipeline: Pipeline) -> None:
    def ask(seed: int) -> tuple[np.ndarray, np.ndarray]:
        samples = pipeline.generate(5, seed=seed)
        return samples.images, pipeline.judge(samples.images, samples.labels)

    expected = [ask(seed) for seed in range(6)]
    fresh = Pipeline.from_pretrained("mine")
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda seed: ask(seed) if seed % 2 else _ask(fresh, seed), range(6)))
    for one, two in zip(expected, found, strict=True):
        assert np.array_equal(one[0], two[0])
        assert one[1] == pytest.approx(two[1])


def _ask(pipeline: Pipeline, seed: int) -> tuple[np.ndarray, np.ndarray]:
    samples = pipeline.generate(5, seed=seed)
    return samples.images, pipeline.judge(samples.images, samples.labels)


@pytest.mark.parametrize("name", [found.name for found in checkpoint.available()])
def test_every_shipped_checkpoint_works(name: str) -> None:
    pipeline = Pipeline.from_pretrained(name)
    if pipeline.recipe.task != "digits":
        return
    samples = pipeline.generate(10, seed=1)
    assert samples.images.std() > 10
    if pipeline.can_judge:
        judged = pipeline.judge(samples.images, samples.labels if pipeline.recipe.classes else None)
        assert ((judged >= 0) & (judged <= 1)).all()
