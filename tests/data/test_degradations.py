"""Degradations: of the strength they say, seeded, and leaving their input alone."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from gandemo.data import degradations
from gandemo.data.degradations import DEGRADATIONS, MASKS, OLD_AND_SMALL, YARDSTICKS
from gandemo.metrics import psnr


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def picture(height: int = 48, width: int = 64) -> torch.Tensor:
    """Smooth colours with some structure, uint8 [3, H, W]."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [128 + 60 * torch.sin(x / a) + 40 * torch.cos(y / b) for a, b in ((1.5, 2.5), (2, 3), (3, 1.2))]
    return torch.stack(waves).round().to(torch.uint8)


def decibels(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(psnr(a[None].float(), b[None].float(), data_range=255))


def test_blur_has_the_spread_it_says() -> None:
    dot = torch.zeros(3, 61, 61, dtype=torch.uint8)
    dot[:, 26:35, 26:35] = 255  # a square of 9, whose own variance is (9² - 1) / 12 a side
    blurred = degradations.blur(dot, 3.0).double()[0]
    offsets = torch.arange(61.0) - 30
    variance = float((blurred.sum(dim=0) * offsets.square()).sum() / blurred.sum())
    assert math.sqrt(variance - 80 / 12) == pytest.approx(3.0, abs=0.1)
    flat = torch.full((3, 9, 5), 77, dtype=torch.uint8)
    assert torch.equal(degradations.blur(flat, 4.0), flat)


@pytest.mark.parametrize("sigma", [5.0, 25.0])
def test_noise_has_the_spread_it_says(sigma: float) -> None:
    grey = torch.full((3, 100, 100), 128, dtype=torch.uint8)
    noisy = degradations.noise(grey, sigma, seeded())
    assert float(noisy.double().std()) == pytest.approx(sigma, rel=0.03)
    assert not torch.equal(noisy[0], noisy[1])
    grain = degradations.noise(grey, sigma, seeded(), grey=True)
    assert torch.equal(grain[0], grain[1])


@pytest.mark.parametrize("grain", [0.5, 1.3])
def test_grain_is_as_strong_and_as_coarse_as_it_says(grain: float) -> None:
    grey = torch.full((3, 200, 200), 128, dtype=torch.uint8)
    field = degradations.noise(grey, 15.0, seeded(), grain=grain).double() - 128
    assert float(field.std()) == pytest.approx(15.0, rel=0.05)
    # white noise after a Gaussian blur of σ correlates as a Gaussian of σ √2, at its edges as in its middle
    beside = float((field[:, :, 1:] * field[:, :, :-1]).mean() / field.square().mean())
    below = float((field[:, 2:] * field[:, :-2]).mean() / field.square().mean())
    taps = torch.exp(-torch.arange(-9.0, 10.0).square() / (2 * grain**2))
    expected = [float((taps[lag:] * taps[: len(taps) - lag]).sum() / taps.square().sum()) for lag in (1, 2)]
    assert [beside, below] == pytest.approx(expected, abs=0.03)
    edge = field[:, :3]
    assert float(edge.std()) == pytest.approx(15.0, rel=0.15)


def test_what_happens_while_a_picture_is_small() -> None:
    inverted = degradations.downscale(picture(), 2, lambda small: 255 - small).int()
    assert (255 - inverted - degradations.downscale(picture(), 2).int()).abs().max() <= 2
    sizes: list[tuple[int, ...]] = []
    degradations.downscale(picture(48, 64), 4, lambda small: sizes.append(tuple(small.shape)) or small)
    assert sizes == [(3, 12, 16)]


def test_jpeg_is_pillows() -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture().permute(1, 2, 0).numpy()).save(buffer, "JPEG", quality=30, subsampling=2)
    expected = np.asarray(Image.open(buffer))
    assert np.array_equal(degradations.jpeg(picture(), 30).permute(1, 2, 0).numpy(), expected)
    assert decibels(degradations.jpeg(picture(), 90), picture()) > decibels(degradations.jpeg(picture(), 20), picture())


def test_downscale_keeps_the_size_and_loses_detail() -> None:
    for factor in (2, 4):
        assert degradations.downscale(picture(), factor).shape == picture().shape
    twice, four = (decibels(degradations.downscale(picture(), factor), picture()) for factor in (2, 4))
    assert twice > four + 3
    checks = torch.tensor([0, 255], dtype=torch.uint8).repeat(3, 16, 8)
    assert degradations.downscale(checks, 2)[:, 4:-4, 4:-4].float().std() < 20


def test_grey_has_no_colour() -> None:
    grey = degradations.grey(picture())
    assert grey.shape == picture().shape
    assert torch.equal(grey[0], grey[2])
    expected = np.asarray(Image.fromarray(picture().permute(1, 2, 0).numpy()).convert("L"), np.int16)
    assert np.abs(grey[0].numpy() - expected).max() <= 1


EVERYTHING = {
    **{name: (lambda p, rng, f=f: f(p, rng, 1.0)) for name, f in DEGRADATIONS.items()},
    **{f"old {name}": (lambda p, rng, f=f: f(p, rng, 1.0)) for name, f in OLD_AND_SMALL.items()},
    **YARDSTICKS,
    "degrade": degradations.degrade,
    "degrade, old and small": lambda p, rng: degradations.degrade(p, rng, old_and_small=True),
}


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("size", [(48, 64), (1, 1), (5, 3)])
def test_each_is_seeded_and_leaves_its_input_alone(name: str, size: tuple[int, int]) -> None:
    before = picture(*size)
    source = before.clone()
    first, again = EVERYTHING[name](source, seeded(3)), EVERYTHING[name](source, seeded(3))
    assert torch.equal(first, again)
    assert torch.equal(source, before)
    assert first.shape == before.shape
    assert first.dtype == torch.uint8


@pytest.mark.parametrize("name", YARDSTICKS)
def test_yardsticks_hurt(name: str) -> None:
    found = decibels(YARDSTICKS[name](picture(), seeded()), picture())
    assert 15 < found < 45


@pytest.mark.parametrize("harms", [DEGRADATIONS, OLD_AND_SMALL], ids=["plain", "old and small"])
def test_strength_bounds_what_is_drawn(harms: dict[str, Callable[..., torch.Tensor]]) -> None:
    def worst(name: str, strength: float) -> float:
        return min(decibels(harms[name](picture(), seeded(s), strength), picture()) for s in range(12))

    for name in harms:
        assert worst(name, 0.0) > worst(name, 1.0)


def test_old_and_small_ones_are_among_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    for name in OLD_AND_SMALL:
        monkeypatch.setitem(OLD_AND_SMALL, name, lambda p, rng, strength, name=name: seen.append(name) or p)
    for seed in range(60):
        degradations.degrade(picture(16, 16), seeded(seed))
    assert not seen
    for seed in range(60):
        degradations.degrade(picture(16, 16), seeded(seed), old_and_small=True)
    assert set(seen) == set(OLD_AND_SMALL)
    assert len(seen) < 60


def test_training_sees_clean_pictures_single_faults_and_mixtures() -> None:
    rng = seeded()
    results = [degradations.degrade(picture(32, 32), rng) for _ in range(120)]
    clean = sum(torch.equal(result, picture(32, 32)) for result in results)
    assert 1 <= clean <= 20
    assert len({tuple(result.flatten().tolist()) for result in results}) >= 100


@pytest.mark.parametrize("name", [*MASKS, "some_mask"])
def test_masks(name: str) -> None:
    make = MASKS.get(name, degradations.some_mask)
    shares = []
    for seed in range(20):
        mask = make(96, 128, seeded(seed))
        assert mask.shape == (1, 96, 128)
        assert mask.dtype == torch.uint8
        assert set(mask.unique().tolist()) <= {0, 1}
        assert torch.equal(mask, make(96, 128, seeded(seed)))
        shares.append(float(mask.float().mean()))
    assert 0.003 < sum(shares) / len(shares) < 0.2
    assert max(shares) < 0.5
    assert len(set(shares)) > 10


def test_some_mask_always_hides_something() -> None:
    assert all(bool(degradations.some_mask(2, 3, seeded(seed)).any()) for seed in range(30))
