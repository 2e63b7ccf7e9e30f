"""The classical methods do what they are for, so that beating them means something."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from gandemo.data.datasets import SAMPLES
from gandemo.data.degradations import MASKS, YARDSTICKS
from gandemo.metrics import classical, compare
from gandemo.metrics.classical import INPAINTERS, RESTORERS, Method, best_of

SIDE = 64


def cut(name: str) -> np.ndarray:
    with Image.open(SAMPLES / "photos" / f"{name}.jpg") as image:
        left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
        return np.array(image.crop((left, top, left + SIDE, top + SIDE)))


PHOTOS = [cut("row-houses"), cut("woman"), cut("oranges")]


def harmed(kind: str) -> list[np.ndarray]:
    planes = [torch.from_numpy(photo).permute(2, 0, 1) for photo in PHOTOS]
    poor = [YARDSTICKS[kind](one, torch.Generator().manual_seed(index)) for index, one in enumerate(planes)]
    return [one.permute(1, 2, 0).contiguous().numpy() for one in poor]


def score(photos: list[np.ndarray], figure: str = "psnr_y") -> float:
    return float(np.mean([compare(photo, truth)[figure] for photo, truth in zip(photos, PHOTOS, strict=True)]))


def nowhere() -> np.ndarray:
    return np.zeros((SIDE, SIDE), np.uint8)


# decibels that the best candidate must gain: well below what it does, and well above nothing
LEAST = {
    "mixed": 0.5,
    "noise-25": 4.0,
    "blur-2": 2.0,
    "jpeg-30": 0.05,
    "downscale-2": 0.5,
    "downscale-4": 0.2,
    "grain-15": 2.0,
}


def test_every_yardstick_has_its_candidates() -> None:
    assert set(RESTORERS) == set(YARDSTICKS) == set(LEAST)
    for methods in (*RESTORERS.values(), INPAINTERS):
        assert len({method.title for method in methods}) == len(methods)


@pytest.mark.parametrize("kind", YARDSTICKS)
def test_the_best_candidate_undoes_a_part_of_the_harm(kind: str) -> None:
    poor = harmed(kind)
    best = best_of(RESTORERS[kind], poor, PHOTOS, figure="psnr_y")
    gain = score([best.run(photo, nowhere()) for photo in poor]) - score(poor)
    assert gain > LEAST[kind], best.title
    assert best.title not in ("nothing done", "bicubic")


@pytest.mark.parametrize("method", [m for m in INPAINTERS if m.title.endswith(("2 (OpenCV)", "(scikit-image)"))])
@pytest.mark.parametrize("kind", MASKS)
def test_holes_are_filled_and_the_rest_is_left(method: Method, kind: str) -> None:
    photo = PHOTOS[2]
    lost = MASKS[kind](SIDE, SIDE, torch.Generator().manual_seed(3))[0].numpy() * 255
    mean = photo[lost == 0].mean(axis=0).round().astype(np.uint8)
    holed = np.where(lost[:, :, None] != 0, mean, photo)
    filled = method.run(holed, lost)
    assert np.array_equal(filled[lost == 0], photo[lost == 0])
    assert filled.dtype == np.uint8
    assert compare(filled, photo, lost)["hole_psnr"] > compare(holed, photo, lost)["hole_psnr"] + 1


EACH = {method.title.split(",")[0]: method for methods in RESTORERS.values() for method in methods}


@pytest.mark.parametrize("name", EACH)
def test_each_kind_of_method_leaves_an_even_surface_even(name: str) -> None:
    """Also at the edges, and with each channel kept to itself."""
    even = np.full((33, 40, 3), (200, 100, 30), np.uint8)
    found = EACH[name].run(even, np.zeros((33, 40), np.uint8))
    assert found.shape == even.shape
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - even).max() <= 1


def test_the_best_is_the_best_and_the_first_wins_a_tie() -> None:
    darker = Method("darker", lambda photo, _: photo // 2)
    same, again = classical.nothing("same"), classical.nothing("again")
    chosen = best_of([darker, same, again], PHOTOS, PHOTOS, figure="psnr")
    assert chosen.title == "same"
    twice = classical.then(darker, darker)
    assert twice.title == "darker, then darker"
    assert np.array_equal(twice.run(PHOTOS[0], nowhere()), PHOTOS[0] // 2 // 2)


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert classical.missing() == ""
    monkeypatch.setattr(classical, "find_spec", lambda name: None if name == "skimage" else object())
    assert classical.missing() == "classical methods are left out: they need scikit-image (pip install scikit-image)"


def test_nothing_is_loaded_before_it_is_needed() -> None:
    code = "import sys, gandemo.metrics.classical; print({'cv2', 'skimage', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
