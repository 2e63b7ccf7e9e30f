"""A small copy's colour on the full-size photo: lightness stays, edges are kept, grey stays grey to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gandemo.data import images as im
from gandemo.data.images import chroma as module


def lab(pixels: np.ndarray) -> Tensor:
    """CIE Lab of uint8 [H, W, 3], float64 [3, H, W]."""
    return im.rgb_to_lab(torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255)[0]


def small(pixels: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Its lightness in another size, as the network sees it."""
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    return im.split_colour(
        im.to_signed(torch.nn.functional.interpolate(planes, size, mode="bilinear", antialias=True))
    )[0]


def flat(a: float, b: float, size: tuple[int, int] = (16, 16)) -> Tensor:
    return torch.tensor([a, b]).view(1, 2, 1, 1).expand(1, 2, *size) / im.CHROMA_SCALE


def scene(height: int = 90, width: int = 120) -> np.ndarray:
    """Dark on the left, light on the right, with grain; grey."""
    grain = np.random.default_rng(0).integers(-12, 13, (height, width, 1))
    base = np.where(np.arange(width)[None, :, None] < width // 2, 70, 180)
    return (base + grain).clip(0, 255).astype(np.uint8).repeat(3, axis=2)


def test_without_chroma_every_grey_is_itself() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None, :, None].repeat(5, 0).repeat(3, 2)
    assert np.array_equal(im.spread_chroma(ramp, torch.zeros(1, 1, 4, 8), torch.zeros(1, 2, 4, 8)), ramp)
    coloured = torch.rand(1, 2, 4, 8) - 0.5
    assert np.array_equal(im.spread_chroma(ramp, torch.zeros(1, 1, 4, 8), coloured, strength=0.0), ramp)


@settings(max_examples=40)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    wild=st.floats(0.0, 1.0),
    seed=st.integers(0, 9999),
    grey=st.booleans(),
)
def test_lightness_is_kept_whatever_the_colour(height: int, width: int, wild: float, seed: int, grey: bool) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 1 if grey else 3), np.uint8).repeat(3 if grey else 1, axis=2)
    chroma = torch.from_numpy(rng.normal(0, wild, (1, 2, 16, 16))).float()
    painted = im.spread_chroma(pixels, small(pixels, (16, 16)), chroma)
    assert painted.shape == pixels.shape
    assert float((lab(painted)[0] - lab(pixels)[0]).abs().max()) < 0.8  # half a step of a byte, in the darkest blue


def test_a_flat_colour_is_the_one_that_was_asked_for() -> None:
    painted = lab(im.spread_chroma(scene(), small(scene(), (16, 16)), flat(20.0, 10.0)))
    assert float((painted[1] - 20.0).abs().max()) < 1.5
    assert float((painted[2] - 10.0).abs().max()) < 1.5
    half = lab(im.spread_chroma(scene(), small(scene(), (16, 16)), flat(20.0, 10.0), strength=0.5))
    assert float((half[1] - 10.0).abs().max()) < 1.5


def test_what_srgb_cannot_show_becomes_paler_of_the_same_hue_side() -> None:
    """White has no colour at all, black neither; between them, as much as there is."""
    pixels = np.array([[0, 120, 255]], np.uint8)[..., None].repeat(3, 2)
    painted = im.spread_chroma(pixels, torch.zeros(1, 1, 4, 4), flat(90.0, 60.0, (4, 4)))
    assert painted[0, 0].tolist() == [0, 0, 0]
    assert painted[0, 2].tolist() == [255, 255, 255]
    assert painted[0, 1, 0] > 150 > 120 > painted[0, 1, 1]


def test_colour_ends_where_lightness_does() -> None:
    """Red on the dark half, blue on the light one: closer to the edge than interpolation alone would have it."""
    pixels = scene(240, 320)
    sharp = torch.cat([flat(40.0, 0.0, (16, 16)), flat(-40.0, 0.0, (16, 16))], dim=3)
    soft = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1, count_include_pad=False)
    wanted = torch.where(torch.arange(320) < 160, 40.0, -40.0)
    guided = lab(im.spread_chroma(pixels, small(pixels, (16, 32)), soft))[1]
    blind = lab(im.spread_chroma(pixels, torch.zeros(1, 1, 16, 32), soft))[1]
    near = slice(140, 180)
    assert (guided - wanted)[:, near].abs().mean() < 0.85 * (blind - wanted)[:, near].abs().mean()


def test_strips_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (75, 40, 3), np.uint8)
    chroma = torch.randn(1, 2, 16, 16) * 0.2
    whole = im.spread_chroma(pixels, small(pixels, (16, 16)), chroma)
    monkeypatch.setattr(module, "STRIP", 7 * 40)
    heard: list[tuple[int, int]] = []
    parts = im.spread_chroma(
        pixels, small(pixels, (16, 16)), chroma, progress=lambda done, total: heard.append((done, total))
    )
    assert np.array_equal(parts, whole)
    assert heard == [(min(75, 7 * step), 75) for step in range(1, 12)]
