"""What a task makes of somebody's pictures, before anything is trained on them: what is given beside what is wanted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor

from gandemo.data import datasets
from gandemo.data import images as im
from gandemo.recipe import Recipe
from gandemo.tasks import Batch, pairs, task_of

COUNT = 8  # photos shown
DIGITS = 80
SIDE = 128  # of a photo on the sheet


def _colour(batch: Batch) -> tuple[Tensor, Tensor]:
    if batch.condition is None:
        return im.luma(batch.real).expand(-1, 3, -1, -1), batch.real
    grey = im.join_colour(batch.condition, torch.zeros_like(batch.real))
    return grey, im.join_colour(batch.condition, batch.real)


def _restored(batch: Batch) -> tuple[Tensor, Tensor]:
    assert batch.condition is not None
    return batch.condition[:, :3], batch.real


# by task: a batch as what the network is given and what is wanted of it, RGB [N, 3, S, S] in [-1, 1]
PAIRS: dict[str, Callable[[Batch], tuple[Tensor, Tensor]]] = {
    "colorize": _colour,
    "enhance": _restored,
    "inpaint": _restored,
}


def preview(recipe: Recipe, data: str, *, seed: int = 0) -> Image.Image:
    """A sheet of training pictures as the recipe would use them.

    Photos come in pairs, what is given and what is wanted; digits as they are learned, a class to a column.

    Args:
        recipe: that is to be trained.
        data: a data set, as `datasets.named` takes it.
        seed: of the choice, of the crops and of the harm that is done.

    Raises:
        GanDemoError: the data set can't be read, or the recipe does not fit it.
    """
    recipe = datasets.fit(recipe, data)
    pictures = datasets.load(recipe.dataset, "train")
    rng = torch.Generator().manual_seed(seed)
    if recipe.task not in PAIRS:
        return _of_classes(pictures.images, pictures.labels, rng)
    chosen = torch.randperm(len(pictures), generator=rng)[:COUNT]
    images, labels = pictures.take(chosen, rng)
    given, wanted = PAIRS[recipe.task](task_of(recipe.task).prepare(recipe, images, labels, rng))
    return pairs.contact_sheet(*(im.to_pixels(pairs.resize(each.float(), SIDE)) for each in (given, wanted)))


def _of_classes(images: Tensor, labels: Tensor, rng: torch.Generator) -> Image.Image:
    """Up to ten classes in columns, with pictures drawn from each."""
    classes = labels.unique().tolist()[:10]
    rows = DIGITS // max(len(classes), 8)
    drawn = []
    for label in classes:
        places = (labels == label).nonzero().flatten()
        drawn.append(places[torch.randint(len(places), (rows,), generator=rng)])
    order = torch.stack(drawn, dim=1).flatten()
    return im.grid(images[order][:, 0].contiguous().numpy(), columns=len(classes))
