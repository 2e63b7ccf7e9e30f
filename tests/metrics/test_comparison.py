"""A photo against what it should be, in figures that can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from gandemo.errors import RequestError
from gandemo.metrics import BEST, ab_error, compare, means


def flat(*colour: int) -> np.ndarray:
    return np.full((16, 20, 3), colour, np.uint8)


def decibels(squared_error: float) -> float:
    return 10 * math.log10(255**2 / squared_error)


def test_figures_by_hand() -> None:
    found = compare(flat(110, 100, 100), flat(100, 100, 100))
    assert found["psnr"] == pytest.approx(decibels(100 / 3))
    assert found["psnr_y"] == pytest.approx(decibels((10 * 65.481 / 255) ** 2))
    # Hasler & Süsstrunk: no spread, so 0.3 of the mean's length: rg = 10, yb = 5
    assert found["colourfulness"] == pytest.approx(0.3 * math.hypot(10, 5))
    assert found["colourfulness_distance"] == pytest.approx(found["colourfulness"])
    assert "hole_psnr" not in found


def test_the_same_photo_has_no_error() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (16, 20, 3)).astype(np.uint8)
    lost = np.zeros((16, 20), np.uint8)
    lost[3:5] = 1
    found = compare(photo, photo, lost)
    assert (found["psnr"], found["psnr_y"], found["hole_psnr"]) == (BEST, BEST, BEST)
    assert found["ssim"] == pytest.approx(1.0)
    assert (found["ab_error"], found["colourfulness_distance"]) == (0.0, 0.0)


def test_a_hole_is_measured_where_it_is() -> None:
    truth, made = flat(100, 100, 100), flat(100, 100, 100)
    made[2:6, 3:7] = 130  # a hole of 4 × 4
    made[10, 10] = 0  # an error elsewhere
    lost = np.zeros((16, 20), np.uint8)
    lost[2:6, 3:7] = 255
    found = compare(made, truth, lost)
    assert found["hole_psnr"] == pytest.approx(decibels(900))
    assert found["psnr"] == pytest.approx(decibels((16 * 900 + 10_000) / 320))
    assert "hole_psnr" not in compare(made, truth, np.zeros((16, 20), np.uint8))


def test_ab_error_is_a_distance_of_colours() -> None:
    """Lab of pure sRGB red and green under D65: (53.24, 80.09, 67.20) and (87.74, -86.18, 83.18)."""
    red, green, grey = (
        torch.tensor(c, dtype=torch.float64).view(1, 3, 1, 1) for c in ([1, 0, 0], [0, 1, 0], [0.5] * 3)
    )
    wide = [colour.expand(1, 3, 4, 6) for colour in (red, green, grey)]
    assert float(ab_error(wide[0], wide[1])) == pytest.approx(math.hypot(80.09 + 86.18, 67.20 - 83.18), rel=2e-3)
    assert float(ab_error(wide[0], wide[2])) == pytest.approx(math.hypot(80.09, 67.20), rel=2e-3)
    half = torch.cat([wide[0][..., :3], wide[2][..., 3:]], dim=3)
    assert float(ab_error(half, wide[2])) == pytest.approx(float(ab_error(wide[0], wide[2])) / 2)
    assert float(ab_error(wide[2] * 0.3, wide[2])) == pytest.approx(0.0, abs=1e-6)  # lightness doesn't count
    assert ab_error(torch.cat([wide[0], wide[2]]), torch.cat([wide[2], wide[2]]))[1] == 0


def test_means_are_of_those_that_have_the_figure() -> None:
    assert means([{"a": 1.0, "b": 4.0}, {"a": 2.0}]) == {"a": 1.5, "b": 4.0}
    assert means([{"a": 1.0}, {"a": 1.0}, {"a": 2.0}]) == {"a": 1.33333}
    assert means([]) == {}


def test_photos_of_two_sizes_are_refused() -> None:
    with pytest.raises(RequestError, match="must have one size"):
        compare(flat(1, 2, 3), flat(1, 2, 3)[:-1])
    with pytest.raises(RequestError, match="must have one size"):
        compare(flat(1, 2, 3), flat(1, 2, 3), np.zeros((4, 4), np.uint8))
