"""The row of batches: each from its number alone, in another order every epoch, the same when it is made ahead."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor

from gandemo.training.batches import BatchSource


def prepared(images: Tensor, labels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, float]:
    """A batch as it is, with a number that its generator drew."""
    return images, labels, float(torch.rand((), generator=rng))


def batches(pictures: Any, size: int, seed: int, *, ahead: bool = False) -> BatchSource[tuple[Tensor, Tensor, float]]:
    return BatchSource(pictures, size, seed, prepared, ahead=ahead)


def take(source: BatchSource[tuple[Tensor, Tensor, float]], count: int) -> list[int]:
    """The first pixels of the next batches: the pictures' own numbers."""
    return [int(value) for _ in range(count) for value in source.next()[0][:, 0, 0, 0]]


@pytest.fixture
def numbered() -> Any:
    pictures = tiny.pictures(50)
    pictures.images[:, 0, 0, 0] = torch.arange(50)
    return pictures


def test_each_epoch_is_another_permutation(numbered: Any) -> None:
    source = batches(numbered, 10, seed=3)
    epochs = [take(source, 5) for _ in range(3)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert epochs[0] != sorted(epochs[0])


def test_left_overs_are_skipped(numbered: Any) -> None:
    source = batches(numbered, 16, seed=3)
    for _ in range(4):
        epoch = take(source, 3)
        assert len(set(epoch)) == 48


def test_pictures_and_labels_stay_together(numbered: Any) -> None:
    images, labels, _ = batches(numbered, 50, seed=0).next()
    assert torch.equal(labels, numbered.labels[images[:, 0, 0, 0].long()])


def test_the_seed_makes_the_order(numbered: Any) -> None:
    assert take(batches(numbered, 10, seed=1), 7) == take(batches(numbered, 10, seed=1), 7)
    assert take(batches(numbered, 10, seed=1), 5) != take(batches(numbered, 10, seed=2), 5)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("drawn", [0, 3, 5, 12])
def test_the_place_in_the_data_survives(numbered: Any, drawn: int, ahead: bool) -> None:
    source = batches(numbered, 10, seed=1)
    take(source, drawn)
    other = batches(numbered, 10, seed=1, ahead=ahead)
    other.drawn = source.drawn
    assert take(other, 8) == take(source, 8)


def test_a_batch_is_made_from_its_number_alone(numbered: Any) -> None:
    """With its chances: crops, noise and harm are the same whether the batch before it was made or not."""
    source = batches(numbered, 10, seed=1)
    drawn = [source.next()[2] for _ in range(12)]
    source.drawn = 7
    assert source.next()[2] == drawn[7]
    assert len(set(drawn)) == 12
    assert batches(numbered, 10, seed=2).next()[2] != drawn[0]


def test_batches_made_ahead_are_the_same(numbered: Any) -> None:
    one, two = batches(numbered, 10, seed=1), batches(numbered, 10, seed=1, ahead=True)
    for place in (None, None, None, 9, None, 2, 3):
        if place is not None:
            one.drawn = two.drawn = place
        a, b = one.next(), two.next()
        assert torch.equal(a[0], b[0])
        assert a[2] == b[2]


def test_the_next_batch_is_made_before_it_is_asked_for(numbered: Any) -> None:
    made, told = [], threading.Event()

    def prepare(images: Tensor, labels: Tensor, rng: torch.Generator) -> str:
        made.append(threading.current_thread())
        if len(made) == 2:
            told.set()
        return "batch"

    source = BatchSource(numbered, 10, 1, prepare, ahead=True)
    assert source.next() == "batch"
    assert told.wait(10)
    assert threading.main_thread() not in made


def test_what_fails_ahead_is_told_when_its_turn_comes(numbered: Any) -> None:
    made: list[int] = []

    def prepare(images: Tensor, labels: Tensor, rng: torch.Generator) -> int:
        made.append(len(made))
        if len(made) == 2:
            raise FileNotFoundError("photo.jpg")
        return made[-1]

    source = BatchSource(numbered, 10, 1, prepare, ahead=True)
    assert source.next() == 0
    with pytest.raises(FileNotFoundError, match=r"photo\.jpg"):
        source.next()
    assert source.next() == 2
