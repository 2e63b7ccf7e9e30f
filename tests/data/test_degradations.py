"""Degradations: of the strength they say, seeded, and leaving their input alone."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from gandemo.data import degradations
from gandemo.data.degradations import DEGRADATIONS, MASKS, YARDSTICKS
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
    **YARDSTICKS,
    "degrade": degradations.degrade,
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


def test_strength_bounds_what_is_drawn() -> None:
    def worst(name: str, strength: float) -> float:
        return min(decibels(DEGRADATIONS[name](picture(), seeded(s), strength), picture()) for s in range(12))

    for name in DEGRADATIONS:
        assert worst(name, 0.0) > worst(name, 1.0)


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
