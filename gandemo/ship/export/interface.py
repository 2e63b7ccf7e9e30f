"""What each task's file takes and gives, by name and NHWC, and the real inputs that it is checked with.

A file holds the network alone. What comes before and after it (noise, colour spaces, tiles) is told in its description
and written out for the browser (`ui/page/litert`) and for Android (`android`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gandemo import __version__
from gandemo.data import datasets
from gandemo.data import images as im
from gandemo.data.degradations import MASKS, YARDSTICKS
from gandemo.errors import RequestError
from gandemo.pipeline import Pipeline
from gandemo.recipe import Recipe
from gandemo.tasks import colorize, digits, inpaint, pairs
from gandemo.tasks.base import options

Arrays = dict[str, npt.NDArray[Any]]

TILE = im.Tiling(1, 1).side  # what a photo is cut into; the network sees one at a time
BATCHES = (1, 16)
OPTIONAL_SIZE = (32, 1024)


@dataclass(frozen=True)
class Value:
    """One named input or output.

    Attributes:
        shape: without the batch.
        dtype: "float32" or "int32".
        meaning: for people.
        low: the least value, None where there is no bound.
        high: the largest value, None where there is no bound.
    """

    shape: tuple[int, ...]
    dtype: str
    meaning: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Interface:
    """A network as a file offers it.

    Attributes:
        signature: its name; other batches than 1 carry theirs as a suffix: `generate_16`.
        batches: how many samples at once, a signature each, where sizes are fixed.
        inputs: by name, in the order of the network's arguments.
        outputs: by name.
        module: takes the inputs by name, returns the outputs by name, NHWC.
        size: side of the pictures, in pixels.
        dynamic: axes beside the batch that a format with dynamic sizes may leave open.
        examples: real inputs of any number, float32 or int32, batch first.
    """

    signature: str
    batches: tuple[int, ...]
    inputs: Mapping[str, Value]
    outputs: Mapping[str, Value]
    module: nn.Module
    size: int
    dynamic: tuple[int, ...]
    examples: Callable[[int], Arrays]

    @property
    def signatures(self) -> dict[str, int]:
        """Each signature's batch."""
        return {self.signature if batch == 1 else f"{self.signature}_{batch}": batch for batch in self.batches}


def interface_of(pipeline: Pipeline, size: int | None = None) -> Interface:
    """What a checkpoint's file will take and give.

    Args:
        pipeline: the checkpoint, loaded.
        size: side of the pictures; None: the task's own.

    Raises:
        RequestError: the task's pictures have a size of their own, or the network can't take this one.
    """
    return TASKS[pipeline.recipe.task](pipeline, size)


def describe(pipeline: Pipeline, interface: Interface) -> dict[str, Any]:
    """What goes into a file and beside it, for whoever runs it: JSON values alone."""
    recipe = pipeline.recipe
    data, licence = _data(pipeline)
    return {
        "made_by": f"gandemo {__version__}",
        "name": pipeline.name,
        "task": recipe.task,
        "description": recipe.description,
        "recipe": recipe.name,
        "licence": "Apache-2.0",
        "data": data,
        "data_licence": licence,
        "class_names": list(pipeline.class_names),
        "latent": recipe.latent,
        "size": interface.size,
        # sides that a format with dynamic sizes takes; None: this one alone
        "multiple": int(getattr(pipeline.generator, "multiple", 1)) if interface.dynamic else None,
        "predicts": options(recipe, colorize.OPTIONS)["predicts"] if recipe.task == "colorize" else None,
        "signatures": interface.signatures,
        "inputs": {name: asdict(value) for name, value in interface.inputs.items()},
        "outputs": {name: asdict(value) for name, value in interface.outputs.items()},
    }


def _data(pipeline: Pipeline) -> tuple[str, str]:
    """What it was trained on, and the licence: of photos as they were counted, else of the data set by its name."""
    facts, known = pipeline.metrics.get("data"), datasets.DATASETS.get(pipeline.recipe.dataset)
    if isinstance(facts, dict) and isinstance(facts.get("training"), int):
        licence = str(facts.get("licence", "each photo's own, as the card lists them"))
        return f"{facts['training']:,} pictures of {facts.get('name', 'somebody')}", licence
    if known is None:
        return Path(pipeline.recipe.dataset).name, "unknown"
    return known.title, known.licence


# --- the tasks --------------------------------------------------------------------------------------------


def _digits(pipeline: Pipeline, size: int | None) -> Interface:
    recipe = pipeline.recipe
    _no_size(recipe, size)
    inputs = {"noise": Value((recipe.latent,), "float32", "standard normal noise")}
    if recipe.classes:
        inputs["label"] = Value((), "int32", "the class", 0, recipe.classes - 1)

    def examples(count: int) -> Arrays:
        found: Arrays = {"noise": digits.noise(recipe, count, 0)}
        labels = digits.labels_for(recipe, count, None)
        return found if labels is None else {**found, "label": labels.astype(np.int32)}

    return Interface(
        "generate",
        BATCHES,
        inputs,
        {"image": Value((digits.SIZE, digits.SIZE, 1), "float32", "grey; -1 is black, 1 is white", -1.0, 1.0)},
        _FromNoise(pipeline.generator),
        digits.SIZE,
        (),
        examples,
    )


def _classify(pipeline: Pipeline, size: int | None) -> Interface:
    recipe = pipeline.recipe
    _no_size(recipe, size)

    def examples(count: int) -> Arrays:
        # a recipe of others may name any path, and one that was published names none that is here
        known = datasets.DATASETS.get(recipe.dataset)
        pictures = datasets.load(recipe.dataset if known and known.class_names else "mnist", "test").images[:count]
        return {"image": _nhwc(im.pad_to(im.to_signed(pictures), recipe.image_size))}

    return Interface(
        "classify",
        BATCHES,
        {"image": _picture(recipe.image_size, 1, "grey; -1 is black, 1 is white")},
        {"logits": Value((recipe.classes,), "float32", "one for each class; the largest is the answer")},
        _Classifier(pipeline.generator),
        recipe.image_size,
        (),
        examples,
    )


def _colorize(pipeline: Pipeline, size: int | None) -> Interface:
    recipe = pipeline.recipe
    side = _side(pipeline, size or recipe.image_size)
    settings = options(recipe, colorize.OPTIONS)
    if settings["predicts"] == "rgb":
        inputs = {"grey": _picture(side, 1, "luma (BT.601) of the photo; -1 is black, 1 is white")}
        outputs = {"image": _picture(side, 3, "sRGB; only its chroma is used; clamp it", bounded=False)}
        module: nn.Module = _FromGrey(pipeline.generator)
    else:
        inputs = {"lightness": _picture(side, 1, "CIE Lab's L / 50 - 1 (D65)")}
        if settings["hints"]:
            inputs["hints"] = _picture(side, 3, "a / 110, b / 110 and 1 where a colour is wished for; 0 elsewhere")
        outputs = {"chroma": _picture(side, 2, "CIE Lab's a / 110 and b / 110 (D65)")}
        module = _FromLightness(pipeline.generator)

    def examples(count: int) -> Arrays:
        pictures = im.to_signed(_photos(count, side))
        if settings["predicts"] == "rgb":
            return {"grey": _nhwc(im.luma(pictures))}
        lightness, chroma = im.split_colour(pictures)
        found = {"lightness": _nhwc(lightness)}
        if settings["hints"]:
            rng = torch.Generator().manual_seed(0)
            found["hints"] = _nhwc(colorize.random_hints(chroma, 0.5, rng))
        return found

    return Interface(
        "colorize",
        BATCHES,
        inputs,
        outputs,
        module,
        side,
        (1, 2),
        examples,
    )


def _enhance(pipeline: Pipeline, size: int | None) -> Interface:
    side = _side(pipeline, size or TILE)
    if side < 64 or side % 16:  # what tiles with their overlap need
        raise RequestError(f"the size of tiles must be at least 64 and a multiple of 16, got {side}")

    def examples(count: int) -> Arrays:
        kinds = list(YARDSTICKS.values())
        poor = [
            kinds[index % len(kinds)](picture, torch.Generator().manual_seed(index))
            for index, picture in enumerate(_photos(count, side))
        ]
        return {"image": _nhwc(im.to_signed(torch.stack(poor)))}

    return Interface(
        "enhance",
        BATCHES,
        {"image": _picture(side, 3, "sRGB; a tile of the photo")},
        {"enhanced": _picture(side, 3, "sRGB; clamp it", bounded=False)},
        _FromPicture(pipeline.generator),
        side,
        (1, 2),
        examples,
    )


def _inpaint(pipeline: Pipeline, size: int | None) -> Interface:
    side = _side(pipeline, size or TILE)

    def examples(count: int) -> Arrays:
        kinds = list(MASKS.values())
        masks = torch.stack(
            [kinds[index % len(kinds)](side, side, torch.Generator().manual_seed(index)) for index in range(count)]
        )
        planes = _nhwc(inpaint.with_holes(_photos(count, side), masks))
        return {"image": np.ascontiguousarray(planes[..., :3]), "mask": np.ascontiguousarray(planes[..., 3:])}

    return Interface(
        "inpaint",
        BATCHES,
        {
            "image": _picture(side, 3, "sRGB, 0 where it is lost"),
            "mask": Value((side, side, 1), "float32", "1 where it is lost, 0 elsewhere", 0.0, 1.0),
        },
        {"painted": _picture(side, 3, "sRGB; of use where the mask is 1; clamp it", bounded=False)},
        _FromHoles(pipeline.generator),
        side,
        (1, 2),
        examples,
    )


TASKS: dict[str, Callable[[Pipeline, int | None], Interface]] = {
    "digits": _digits,
    "classify": _classify,
    "colorize": _colorize,
    "enhance": _enhance,
    "inpaint": _inpaint,
}


# --- networks with named inputs and outputs, NHWC; export reads the names from the arguments -----------------


class _Named(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def through(self, *planes: Tensor) -> Tensor:
        """Planes [N, H, W, C], one after the other along the channels, to [N, H, W, C]."""
        stacked = planes[0] if len(planes) == 1 else torch.cat(planes, dim=3)
        out: Tensor = self.network(stacked.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return out


class _FromNoise(_Named):
    def forward(self, noise: Tensor, label: Tensor | None = None) -> dict[str, Tensor]:
        images = self.network(noise) if label is None else self.network(noise, label.long())
        return {"image": im.crop_to(images, digits.SIZE).permute(0, 2, 3, 1)}


class _Classifier(_Named):
    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"logits": self.network(image.permute(0, 3, 1, 2))}


class _FromGrey(_Named):
    def forward(self, grey: Tensor) -> dict[str, Tensor]:
        return {"image": self.through(grey)}


class _FromLightness(_Named):
    def forward(self, lightness: Tensor, hints: Tensor | None = None) -> dict[str, Tensor]:
        return {"chroma": self.through(lightness) if hints is None else self.through(lightness, hints)}


class _FromPicture(_Named):
    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"enhanced": self.through(image)}


class _FromHoles(_Named):
    def forward(self, image: Tensor, mask: Tensor) -> dict[str, Tensor]:
        return {"painted": self.through(image, mask)}


# --- pieces -----------------------------------------------------------------------------------------------


def _picture(side: int, channels: int, meaning: str, *, bounded: bool = True) -> Value:
    low, high = (-1.0, 1.0) if bounded else (None, None)
    return Value((side, side, channels), "float32", meaning, low, high)


def _no_size(recipe: Recipe, size: int | None) -> None:
    if size is not None:
        raise RequestError(f"{recipe.task} works on pictures of a size of its own; leave out --size")


def _side(pipeline: Pipeline, size: int) -> int:
    low, high = OPTIONAL_SIZE
    multiple = int(getattr(pipeline.generator, "multiple", 1))
    if not low <= size <= high or size % multiple:
        what = f" and a multiple of {multiple}" if multiple > 1 else ""
        raise RequestError(f"the size must be from {low} to {high}{what}, got {size}")
    return size


def _nhwc(planes: Tensor) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(planes.permute(0, 2, 3, 1).float().numpy())


def _photos(count: int, side: int) -> Tensor:
    """The middle squares of photos that the package carries, uint8 [count, 3, side, side]."""
    files = sorted((datasets.SAMPLES / "photos").glob("*.jpg"))
    squares = []
    for index in range(count):
        photo = im.open_photo(files[index % len(files)], shorter_side=side)
        pixels = torch.from_numpy(photo.pixels).permute(2, 0, 1)[None]
        whole = min(pixels.shape[-2:])
        squares.append(pairs.resize(im.crop_to(pixels, whole), side))
    return torch.cat(squares)
