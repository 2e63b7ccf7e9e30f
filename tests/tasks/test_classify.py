"""The classifiers that measure: their batches, their augmentations and their score."""

from __future__ import annotations

import math

import pytest
import tiny
import torch
from torch import Tensor, nn

from gandemo.errors import RecipeError
from gandemo.recipes import RECIPES
from gandemo.tasks import TASKS, task_of
from gandemo.tasks.base import Batch
from gandemo.tasks.classify import AUGMENTATIONS, Classify

TASK = Classify()
RECIPE = tiny.TINY["classifier"].with_settings({"augment": []})


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_tasks_by_name() -> None:
    assert all(task_of(name) is task for name, task in TASKS.items())
    with pytest.raises(RecipeError) as caught:
        task_of("poems")
    assert str(caught.value) == f"there is no task 'poems'; valid: {', '.join(TASKS)}"


@pytest.mark.parametrize("name", TASKS)
def test_every_task_says_how_it_is_judged(name: str) -> None:
    task = TASKS[name]
    assert task.title
    assert task.score
    assert isinstance(task.lower_is_better, bool)


def test_a_batch_is_the_pictures_and_their_labels() -> None:
    data = tiny.pictures(10)
    batch = TASK.prepare(RECIPE, data.images, data.labels, rng())
    assert torch.equal(batch.real, data.images.float() / 127.5 - 1)
    assert torch.equal(batch.labels, data.labels)
    assert TASK.inputs(RECIPE, batch, rng())[0] is batch.real


def test_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    batch = Batch(torch.zeros(2, 1, 1, 1), None, torch.tensor([0, 2]))
    first = math.log(math.exp(2) + 1 + math.exp(-1)) - 2
    second = math.log(2 + math.e)
    (loss,) = TASK.supervised(batch, logits).values()
    assert float(loss) == pytest.approx((first + second) / 2)


class Guess(nn.Module):
    """Says class 0 for dark pictures and class 1 for bright ones."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        brightness = images.mean(dim=(1, 2, 3)) * self.scale
        return torch.stack([-brightness, brightness], dim=1)


def test_accuracy_by_hand() -> None:
    data = tiny.pictures(600)
    data.images[:] = 0
    data.images[::2] = 255
    data.labels[:] = 1
    data.labels[-1] = 0  # beyond the first 599, and right
    assert TASK.evaluate(RECIPE, Guess(), data, 599) == {"accuracy": pytest.approx(300 / 599)}
    assert TASK.evaluate(RECIPE, Guess(), data, 600) == {"accuracy": pytest.approx(301 / 600)}
    assert TASK.sheet(RECIPE, Guess(), data) is None


# --- augmentations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentations_keep_shape_and_range_and_are_seeded(name: str) -> None:
    data = tiny.pictures(20)
    recipe = RECIPE.with_settings({"augment": [name]})
    one, again, other = (TASK.prepare(recipe, data.images, data.labels, rng(seed)).real for seed in (1, 1, 2))
    assert one.shape == (20, 1, 28, 28)
    assert one.min() >= -1 - 1e-5
    assert one.max() <= 1 + 1e-5
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one, data.images.float() / 127.5 - 1)


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.augment])
def test_recipes_name_augmentations_that_exist(name: str) -> None:
    assert set(RECIPES[name].augment) <= set(AUGMENTATIONS)


def test_an_unknown_augmentation_lists_the_known() -> None:
    data = tiny.pictures(2)
    with pytest.raises(RecipeError) as caught:
        TASK.prepare(RECIPE.with_settings({"augment": ["wobble"]}), data.images, data.labels, rng())
    assert str(caught.value) == f"augment has no 'wobble'; valid: {', '.join(AUGMENTATIONS)}"


def test_half_of_the_pictures_are_mirrored() -> None:
    pictures = torch.rand(400, 1, 4, 4)
    flipped = AUGMENTATIONS["flip"](pictures, rng())
    same = (flipped == pictures).all(dim=(1, 2, 3))
    mirrored = (flipped == pictures.flip(3)).all(dim=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 150 < int(mirrored.sum()) < 250


def test_shifts_move_by_up_to_two_pixels() -> None:
    picture = torch.full((1, 1, 9, 9), -1.0)
    picture[0, 0, 4, 4] = 1.0
    places = set()
    for seed in range(200):
        moved = AUGMENTATIONS["shift"](picture, rng(seed))
        assert float(moved.sum()) == float(picture.sum())
        places.add(divmod(int(moved.argmax()), 9))
    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}


def test_affine_moves_each_picture_on_its_own_and_not_far() -> None:
    picture = torch.full((300, 1, 28, 28), -1.0)
    picture[:, :, 9:19, 9:19] = 1.0
    moved = (AUGMENTATIONS["affine"](picture, rng()) + 1) / 2
    weight = moved / moved.sum(dim=(2, 3), keepdim=True)
    rows = (weight.sum(3)[:, 0] * torch.arange(28)).sum(1) - 13.5
    columns = (weight.sum(2)[:, 0] * torch.arange(28)).sum(1) - 13.5
    for offset in (rows, columns):
        assert 2.0 < float(offset.abs().max()) < 4.0
        assert abs(float(offset.mean())) < 0.4
    area = moved.sum(dim=(1, 2, 3)) / 100
    assert 0.7 < float(area.min()) < 0.85  # scaled by 12 % at most, so 1/1.12² and 1/0.88² of the area
    assert 1.2 < float(area.max()) < 1.35
