"""Photos: time and memory of colour for 12 megapixels and of enhancing, and how long a training waits for its data."""

from __future__ import annotations

import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gandemo.bench.row import Bench, Row
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES

if TYPE_CHECKING:
    from gandemo.pipeline import Pipeline
    from gandemo.tasks.base import Pictures

TRAININGS = ("colorize", "colorize-unet", "enhance-l1", "enhance-old", "enhance", "inpaint-l1", "inpaint")


def _colorize() -> Iterator[Row]:
    """A photo as a camera makes it, from the JPEG's bytes to the PNG's."""
    found = measured("colorize", 4000, 3000)
    what = f"colorize a {found['megapixels']:.0f}-megapixel photo{found['note']}"
    yield {"what": f"{what}, JPEG to PNG", "value": found["whole"], "unit": "s", "bound": "<= 3"}
    yield {"what": f"{what}, the model's part", "value": found["work"], "unit": "s", "bound": None}
    yield {"what": f"{what}: peak memory of its process", "value": found["memory"], "unit": "GB", "bound": "<= 1.5"}


def _enhance() -> Iterator[Row]:
    """Two sizes, so that the memory can be seen to stay within bounds."""
    for width, height in ((1600, 1200), (4000, 3000)):
        found = measured("enhance", width, height)
        what = f"enhance {found['megapixels']:.0f} megapixels{found['note']}"
        speed = found["work"] / found["megapixels"]
        yield {"what": f"{what}, scale 1", "value": speed, "unit": "s/MP", "bound": "<= 2.5"}
        yield {"what": f"{what}: peak memory of its process", "value": found["memory"], "unit": "GB", "bound": None}


def measured(task: str, width: int, height: int) -> dict[str, Any]:
    """Seconds and gigabytes of one photo in a process of its own, which has done nothing else.

    Returns:
        `whole` and `work` in seconds, `memory` in GB, `megapixels`, and `note` where no checkpoint was there.
    """
    code = f"from gandemo.bench.photos import child; child({task!r}, {width}, {height})"
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def child(task: str, width: int, height: int) -> None:
    """What `measured` runs: prints its figures as JSON."""
    from gandemo.data.images import open_photo

    pipeline, note = _pipeline(task)
    work = pipeline.colorize if task == "colorize" else pipeline.enhance
    work(open_photo(a_photo(64, 48)))  # the first call of a process pays for the libraries' own start
    content = a_photo(width, height)
    began = time.perf_counter()
    photo = open_photo(content)
    opened = time.perf_counter()
    result = work(photo)
    worked = time.perf_counter()
    result.to_png()
    figures = {
        "whole": time.perf_counter() - began,
        "work": worked - opened,
        "memory": _peak(),
        "megapixels": width * height / 1e6,
        "note": note,
    }
    print(json.dumps(figures))


def _pipeline(task: str) -> tuple[Pipeline, str]:
    """The shipped checkpoint; where there is none, its recipe's networks as they were drawn, which take as long."""
    from gandemo import checkpoint
    from gandemo.nets import build_generator
    from gandemo.pipeline import Pipeline

    if any(found.name == task for found in checkpoint.available(task)):
        return Pipeline.from_pretrained(task), ""
    with tempfile.TemporaryDirectory() as folder:
        return Pipeline(checkpoint.save(Path(folder) / task, RECIPES[task], build_generator(RECIPES[task]))), (
            " (untrained)"
        )


def a_photo(width: int, height: int) -> bytes:
    """A grey JPEG of that size with a real photo's edges and a sensor's noise."""
    import numpy as np
    from PIL import Image

    from gandemo.data import datasets

    source = sorted((datasets.SAMPLES / "photos").glob("*.jpg"))[0]
    with Image.open(source) as image:
        pixels = np.asarray(image.convert("L").resize((width, height), Image.Resampling.BICUBIC), np.float32)
    pixels = pixels + np.random.default_rng(0).standard_normal(pixels.shape, np.float32) * 2
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert("RGB").save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _peak() -> float:
    """The most memory that this process has held, in GB."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux: its getrusage would tell the parent's peak, where that is higher
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1e6
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e9 if sys.platform == "darwin" else 1e6)


def _waiting() -> Iterator[Row]:
    """For every photo recipe, on the data set that is here."""
    from gandemo.data import datasets

    for name in TRAININGS:
        share = 100 * share_of_waiting(RECIPES[name], datasets.load(RECIPES[name].dataset, "train"))
        what = f"{name}: share of a step until its photos are read, cut and made poor"
        yield {"what": what, "value": share, "unit": "%", "bound": "<= 5"}


def share_of_waiting(recipe: Recipe, pictures: Pictures, rounds: int = 15) -> float:
    """How much of a training's time passes before it has its batch: reading, cropping, and what the task does to it."""
    import torch

    from gandemo.training.trainer import Trainer

    trainer = Trainer(recipe, pictures, torch.device("cpu"))
    waited = 0.0

    def timed(batch: Callable[[], Any]) -> Callable[[], Any]:
        def call() -> Any:
            nonlocal waited
            began = time.perf_counter()
            found = batch()
            waited += time.perf_counter() - began
            return found

        return call

    trainer._batch = timed(trainer._batch)  # type: ignore[method-assign]
    trainer.round()
    shares = []
    for _ in range(rounds):
        waited, began = 0.0, time.perf_counter()
        trainer.round()
        shares.append(waited / (time.perf_counter() - began))
    return statistics.median(shares)


ROWS: dict[str, Bench] = {
    "colorize": Bench("colour for 12 megapixels: time and memory", _colorize),
    "enhance": Bench("enhancing: time a megapixel and memory", _enhance),
    "waiting": Bench("how long a training waits for its photos", _waiting),
}
