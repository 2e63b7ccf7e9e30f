"""What the tab Digits asks of the models: checked requests in, plain values for the page out.

Importing it loads torch; the tab does so at first use, when the page is already up.
"""

from __future__ import annotations

import base64
import binascii
import math
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from gandemo.data import images as im
from gandemo.errors import RequestError
from gandemo.figures import finite
from gandemo.pipeline import Pipeline, Samples
from gandemo.tasks import digits
from gandemo.ui import catalog, models

TASK = "digits"
MOST = 1_000
WALK_FRAMES = 48
WALK_SECONDS = 4.0
SHEET_COLUMNS = 8
SIDE_COUNT, SIDE_COLUMNS = 20, 5  # of one side in the comparison
DRAWING_SIDE = 112
FILMS_KEPT = 16
_HEADLINES = {"mnist": "Nobody ever wrote these digits", "fashion-mnist": "Nobody ever wore these clothes"}


@dataclass(frozen=True)
class Wish:
    """What a wall is made from.

    Attributes:
        checkpoint: its name in the catalogue.
        seed: the same seed gives the same pictures.
        label: one class for all; None: each in turn.
        count: 1 to 1,000.
        variety: factor on the noise.
    """

    checkpoint: str
    seed: int
    label: int | None
    count: int
    variety: float

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Wish:
        """A request as it came from a browser or a client.

        Raises:
            RequestError: a value is of the wrong kind or out of range.
        """
        count = whole(values.get("count"), "the count")
        if not 1 <= count <= MOST:
            raise RequestError(f"the count must be from 1 to {MOST:,}, got {count:,}")
        variety = values.get("variety")
        if isinstance(variety, bool) or not isinstance(variety, int | float) or not 0.0 <= variety <= 2.0:
            raise RequestError(f"variety must be a number from 0 to 2, got {str(variety)[:40]}")
        return cls(
            checkpoint=str(values.get("checkpoint")),
            seed=whole(values.get("seed"), "the seed"),
            label=class_of(values.get("label")),
            count=count,
            variety=float(variety),
        )


def whole(value: object, what: str) -> int:
    """A whole number, as JSON may carry it.

    Raises:
        RequestError: it is none.
    """
    if finite(value) is None or value != int(value):  # type: ignore[call-overload]
        raise RequestError(f"{what} must be a whole number, got {'nothing' if value is None else repr(value)[:40]}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def class_of(value: object) -> int | None:
    """A class as the page's chooser ("all", "7") or a client (7, None) names it."""
    if value in (None, "", "all"):
        return None
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 6 else whole(value, "the class")


@lru_cache(maxsize=8)
def _samples(pipeline: Pipeline, wish: Wish) -> Samples:
    return pipeline.generate(wish.count, labels=wish.label, seed=wish.seed, truncation=wish.variety)


def samples(wish: Wish) -> tuple[Pipeline, Samples]:
    """The pictures of a wish; asked for again, they come from memory."""
    pipeline = models.pipeline(wish.checkpoint, TASK)
    return pipeline, _samples(pipeline, wish)


def columns_of(wish: Wish, classes: int) -> int:
    """Pictures in a row: with all ten classes a column or two for each, else nearly square and full rows if they go."""
    if wish.label is None and classes == 10 and wish.count >= 10:
        return 10 if wish.count <= 200 else 20
    least = math.ceil(math.sqrt(wish.count))
    return next((columns for columns in range(least, 2 * least) if wish.count % columns == 0), least)


def wall(wish: Wish, *, judged: bool = False) -> dict[str, Any]:
    """A wall for the page: the picture, and all that it needs to be asked about it again."""
    pipeline, made = samples(wish)
    columns = columns_of(wish, pipeline.recipe.classes)
    noun = _noun(pipeline)
    chosen = "" if wish.label is None else f", all meant to be {pipeline.class_names[wish.label]}"
    return {
        "png": catalog.data_url(im.grid(made.images, columns=columns)),
        "columns": columns,
        "count": wish.count,
        "labels": made.labels.tolist() if pipeline.recipe.classes else None,
        "names": list(pipeline.class_names),
        "probabilities": judge(pipeline, made) if judged else None,
        "wish": asdict(wish),
        "can_judge": pipeline.can_judge,
        "why": _why_not(pipeline),
        "headline": _HEADLINES.get(pipeline.recipe.dataset, "Nobody ever made these pictures"),
        "alt": f"{wish.count} {noun} made by the checkpoint {wish.checkpoint} from seed {wish.seed}{chosen}",
        "caption": f"{wish.count} {noun} from seed {wish.seed}, made by {wish.checkpoint}",
    }


def judge(pipeline: Pipeline, made: Samples) -> list[float]:
    """The probability of real of each picture, as the class it was asked for."""
    probabilities = pipeline.judge(made.images, made.labels if pipeline.recipe.classes else None)
    return [round(float(value), 4) for value in probabilities]


def one_of_wall(wish: Wish, index: int) -> dict[str, Any]:
    """One picture of a wall, large, with what a classifier reads in it and what the discriminator says.

    Raises:
        RequestError: the wall has no such picture.
    """
    pipeline, made = samples(wish)
    if not 0 <= index < wish.count:
        raise RequestError(f"the picture must be from 0 to {wish.count - 1}, got {index}")
    picture, what = made.images[index], f"Number {index + 1} of {wish.count}"
    if not pipeline.recipe.classes:
        return {"png": _png(picture), "title": what, **_opinions(pipeline, picture, None)}
    label = int(made.labels[index])
    title = f"{what}, asked for “{pipeline.class_names[label]}”"
    return {"png": _png(picture), "title": title, **_opinions(pipeline, picture, label)}


def drawing(checkpoint: object, picture: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """A drawing of any size, brought into the form of the training pictures and judged, for the page.

    Raises:
        RequestError: nothing is drawn.
    """
    digit = im.drawing_to_digit(picture)
    pipeline = models.pipeline(checkpoint, TASK)
    return {"png": _png(digit), "title": "Real or fake?", **_opinions(pipeline, digit, None)}


def _png(picture: im.Pixels) -> str:
    return catalog.data_url(Image.fromarray(picture))


def _opinions(pipeline: Pipeline, picture: im.Pixels, label: int | None) -> dict[str, Any]:
    """What a classifier reads in a picture, and the verdict on it as `label`, else as what was read."""
    seen = read(pipeline, picture)
    if seen is None:
        return {"reads": "", "verdict": verdict(pipeline, picture, label)}
    kind, name, share = seen
    if label is None and kind < pipeline.recipe.classes:
        label = kind
    sure = "clearly" if share > 0.95 else "probably" if share > 0.6 else "perhaps"
    return {
        "reads": f"A classifier reads {sure} “{name}”.",
        "verdict": verdict(pipeline, picture, label),
    }


@torch.inference_mode()
def read(pipeline: Pipeline, picture: im.Pixels) -> tuple[int, str, float] | None:
    """The class that a classifier reads in a picture uint8 [28, 28], its name, and how sure it is.

    The classifier is the one whose features measured the checkpoint; None where it is not at hand.
    """
    known = {entry.name: entry for entry in catalog.entries("classify")}
    if pipeline.recipe.features not in known:
        return None
    classifier = digits.features_of(pipeline.recipe.features)
    shares = classifier(im.to_signed(torch.tensor(picture[None, None]))).softmax(dim=1)[0]
    kind = int(shares.argmax())
    return kind, known[pipeline.recipe.features].class_names[kind], float(shares[kind])


def verdict(pipeline: Pipeline, picture: im.Pixels, label: int | None) -> dict[str, Any]:
    """What the discriminator says of one picture uint8 [28, 28]; with classes, of each that it might be meant to be."""
    if not pipeline.can_judge:
        return {"probability": None, "as": "", "says": "", "why": _why_not(pipeline), "classes": []}
    if not pipeline.recipe.classes:
        share = float(pipeline.judge(picture[None])[0])
        says = f"says the discriminator of {pipeline.name}"
        return {"probability": share, "as": "", "says": says, "why": "", "classes": []}
    every = np.arange(pipeline.recipe.classes)
    shares = pipeline.judge(np.repeat(picture[None], len(every), axis=0), every)
    chosen = int(shares.argmax()) if label is None else label
    name = pipeline.class_names[chosen]
    return {
        "probability": float(shares[chosen]),
        "as": name,
        "says": f"as “{name}”, says the discriminator of {pipeline.name}",
        "why": "",
        "classes": [
            {"name": name, "probability": round(float(share), 4)}
            for name, share in zip(pipeline.class_names, shares, strict=True)
        ],
    }


def drawing_from_page(sent: Mapping[str, Any]) -> im.Pixels:
    """The drawing board's grey values, uint8 [112, 112], from base64.

    Raises:
        RequestError: they are no drawing of that size.
    """
    try:
        raw = base64.b64decode(str(sent.get("pixels", ""))[: 2 * DRAWING_SIDE**2], validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != DRAWING_SIDE**2:
        raise RequestError(f"the drawing must have {DRAWING_SIDE} × {DRAWING_SIDE} grey values; draw it again")
    return np.frombuffer(raw, np.uint8).reshape(DRAWING_SIDE, DRAWING_SIDE)


def walk(checkpoint: object, start: int, end: int, label: int | None) -> tuple[dict[str, Any], list[Image.Image]]:
    """A walk for the page, and its frames.

    One sheet holds all frames, so that the page can play and scrub without asking again.
    """
    pipeline = models.pipeline(checkpoint, TASK)
    classes = pipeline.recipe.classes
    count = 1 if label is not None else min(classes or 10, 20)
    path = pipeline.walk(start, end, count=count, label=label, frames=WALK_FRAMES)
    frames = [im.grid(pictures, columns=5) for pictures in path]
    sheet = im.grid(np.stack([np.asarray(frame) for frame in frames]), columns=SHEET_COLUMNS, gap=0)
    what = f"{count} {_noun(pipeline)}" if count > 1 else f"A “{pipeline.class_names[label or 0]}”"
    shown = {
        "sheet": catalog.data_url(sheet),
        "film": None,
        "width": frames[0].width,
        "height": frames[0].height,
        "frames": WALK_FRAMES,
        "columns": SHEET_COLUMNS,
        "wish": {"checkpoint": pipeline.name, "start": start, "end": end, "label": label},
        "alt": f"{what} made by {pipeline.name}, turning from those of seed {start} into those of seed {end}",
        "caption": f"{what} made by {pipeline.name}, from seed {start} to seed {end}",
    }
    return shown, frames


def film(frames: list[Image.Image]) -> bytes:
    """A walk there and back as an animated PNG, enlarged for sharing."""
    scale = 12 if frames[0].width <= 28 else 4
    large = [
        frame.resize((frame.width * scale, frame.height * scale), Image.Resampling.NEAREST)
        for frame in [*frames, *frames[-2:0:-1]]
    ]
    return im.film(large, 2 * WALK_SECONDS)


def comparison(checkpoints: tuple[object, object], seed: int) -> dict[str, Any]:
    """The same seed through two checkpoints, with what was measured of each, for the page."""
    pipelines, sheets, table = _side_by_side(checkpoints, seed)
    sides = [
        {
            "name": pipeline.name,
            "text": pipeline.recipe.description,
            "png": catalog.data_url(sheet),
            "alt": f"{SIDE_COUNT} pictures made by {pipeline.name} from seed {seed}",
        }
        for pipeline, sheet in zip(pipelines, sheets, strict=True)
    ]
    return {"sides": sides, "figures": table}


def _side_by_side(
    checkpoints: tuple[object, object], seed: int
) -> tuple[list[Pipeline], list[Image.Image], dict[str, Any]]:
    pipelines = [models.pipeline(name, TASK) for name in checkpoints]
    sheets = [im.grid(pipeline.generate(SIDE_COUNT, seed=seed).images, columns=SIDE_COLUMNS) for pipeline in pipelines]
    table = catalog.figures([catalog.find(pipeline.name, TASK) for pipeline in pipelines])
    table["notes"].insert(0, _shared_noise(*pipelines))
    return pipelines, sheets, table


def _shared_noise(first: Pipeline, second: Pipeline) -> str:
    ours, theirs = first.recipe.latent, second.recipe.latent
    if ours == theirs:
        return f"Both got the very same {ours} random numbers for each picture."
    return (
        f"They share the seed, not the very same noise: {first.name} takes {ours} random numbers for a picture, "
        f"{second.name} {theirs}."
    )


# --- for the API ------------------------------------------------------------------------------------------


def sheet(wish: Wish) -> tuple[Image.Image, dict[str, Any]]:
    """The pictures of a wish as a contact sheet, with the class asked for of each."""
    pipeline, made = samples(wish)
    classes = pipeline.recipe.classes
    return im.grid(made.images, columns=columns_of(wish, classes)), {
        "labels": made.labels.tolist() if classes else None,
        "class_names": list(pipeline.class_names),
        "columns": columns_of(wish, classes),
    }


@cache
def _films() -> tempfile.TemporaryDirectory[str]:
    """Where films lie until the server ends; there is none before the first."""
    return tempfile.TemporaryDirectory(prefix="gandemo-films-")


def film_file(checkpoint: object, start: int, end: int, label: int | None) -> str:
    """A walk as an animated PNG on the disk; the last few stay there until the server ends."""
    shown, frames = walk(checkpoint, start, end, label)
    folder = Path(_films().name)
    path = folder / f"walk-{shown['wish']['checkpoint']}-{start}-{end}-{'all' if label is None else label}.png"
    path.write_bytes(film(frames))
    for old in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)[:-FILMS_KEPT]:
        old.unlink(missing_ok=True)
    return str(path)


def drawing_from_file(checkpoint: object, path: str) -> tuple[Image.Image, dict[str, Any]]:
    """A drawing's 28×28 form, and what the discriminator says of it.

    Raises:
        GanDemoError: the file is no picture, or nothing is drawn on it.
    """
    photo = im.open_photo(Path(path), name="the drawing", shorter_side=280)
    if max(photo.size) > 20 * 280:
        raise RequestError("the drawing is too long and thin for a digit; send one that is nearly square")
    drawn = photo.pixels if photo.alpha is None else np.dstack([photo.pixels, photo.alpha])
    digit = im.drawing_to_digit(drawn)
    return Image.fromarray(digit), _opinions(models.pipeline(checkpoint, TASK), digit, None)


def two_sheets(checkpoints: tuple[object, object], seed: int) -> tuple[Image.Image, Image.Image, dict[str, Any]]:
    """The same seed through two checkpoints, and the figures of both."""
    _, (left, right), table = _side_by_side(checkpoints, seed)
    return left, right, table


def _noun(pipeline: Pipeline) -> str:
    return "digits" if pipeline.recipe.dataset == "mnist" else "pictures"


def _why_not(pipeline: Pipeline) -> str:
    if pipeline.can_judge:
        return ""
    if pipeline.checkpoint.has_discriminator:
        return f"The discriminator of {pipeline.name} was not calibrated, so its score can't be read as a probability."
    return f"{pipeline.name} came without its discriminator, so there is nobody to ask."
