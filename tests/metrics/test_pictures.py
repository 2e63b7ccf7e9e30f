"""Pixel measures against closed forms and references that loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gandemo.errors import RequestError
from gandemo.metrics import colourfulness, nearest_distances, pairwise_diversity, pictures, psnr, psnr_y, ssim


def random_images(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def flat(*channels: float, count: int = 1, size: int = 16) -> Tensor:
    return torch.tensor(channels)[None, :, None, None].expand(count, len(channels), size, size)


# --- PSNR -------------------------------------------------------------------------------------------------


def test_psnr_by_hand() -> None:
    a = random_images(3, 1, 8, 8) * 0.5
    b = a + torch.tensor([0.1, 0.01, 0.0])[:, None, None, None]
    assert psnr(a, b).tolist() == pytest.approx([20, 40, math.inf], abs=1e-3)


def test_psnr_takes_the_data_range() -> None:
    a, b = random_images(2, 3, 8, 8, seed=1), random_images(2, 3, 8, 8, seed=2)
    torch.testing.assert_close(psnr(a * 2 - 1, b * 2 - 1, data_range=2), psnr(a, b), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(psnr(a * 255, b * 255, data_range=255), psnr(a, b), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(psnr(a, b, data_range=2), psnr(a, b))


def test_psnr_y_sees_luma_alone() -> None:
    # White against black is 219 of 255 steps; pure channels by their BT.601 weights.
    black = flat(0.0, 0.0, 0.0)
    assert psnr_y(flat(1.0, 1.0, 1.0), black).item() == pytest.approx(20 * math.log10(255 / 219))
    for colour, weight in (((1.0, 0, 0), 65.481), ((0, 1.0, 0), 128.553), ((0, 0, 1.0), 24.966)):
        assert psnr_y(flat(*colour), black).item() == pytest.approx(20 * math.log10(255 / weight))


def test_psnr_y_of_grey_pictures_is_psnr_in_studio_range() -> None:
    a, b = random_images(2, 1, 8, 8, seed=1), random_images(2, 1, 8, 8, seed=2)
    expected = psnr(a, b) + 20 * math.log10(255 / 219)
    torch.testing.assert_close(psnr_y(a.expand(-1, 3, -1, -1), b.expand(-1, 3, -1, -1)), expected)


def test_psnr_y_leaves_the_border_out() -> None:
    a = random_images(4, 3, 12, 10)
    b = a.clone()
    b[0, :, :2], b[1, :, -2:], b[2, :, :, :2], b[3, :, :, -2:] = (
        1,
        1,
        1,
        1,
    )  # each picture differs on one side
    assert psnr_y(a, b, border=2).tolist() == [math.inf] * 4
    assert (psnr_y(a, b, border=1) < 40).all()


# --- SSIM -------------------------------------------------------------------------------------------------


def ssim_by_loops(a: Tensor, b: Tensor, data_range: float) -> float:
    """The paper's formula for one picture [C, H, W], a window at a time."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    row = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(row, row) / row.sum() ** 2
    values = []
    for x, y in zip(a.double().numpy(), b.double().numpy(), strict=True):
        for i in range(x.shape[0] - 10):
            for j in range(x.shape[1] - 10):
                p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
                mean_p, mean_q = (weights * p).sum(), (weights * q).sum()
                var_p, var_q = (weights * (p - mean_p) ** 2).sum(), (weights * (q - mean_q) ** 2).sum()
                covariance = (weights * (p - mean_p) * (q - mean_q)).sum()
                values.append(
                    (2 * mean_p * mean_q + c1)
                    * (2 * covariance + c2)
                    / ((mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2))
                )
    return float(np.mean(values))


@pytest.mark.parametrize("shape", [(2, 1, 11, 11), (2, 3, 17, 24)])
@pytest.mark.parametrize("data_range", [1.0, 2.0])
def test_ssim_agrees_with_loops(shape: tuple[int, ...], data_range: float) -> None:
    a = random_images(*shape, seed=1) * data_range
    b = (0.7 * a + 0.3 * data_range * random_images(*shape, seed=2)).clamp(0, data_range)
    expected = [ssim_by_loops(x, y, data_range) for x, y in zip(a, b, strict=True)]
    assert ssim(a, b, data_range).tolist() == pytest.approx(expected, abs=1e-10)


def test_ssim_of_flat_pictures_is_the_luminance_term() -> None:
    expected = (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    assert ssim(flat(0.2), flat(0.6)).item() == pytest.approx(expected, abs=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_ssim_properties(seed: int) -> None:
    a, b = random_images(2, 1, 13, 15, seed=seed), random_images(2, 1, 13, 15, seed=seed + 1)
    assert ssim(a, a).tolist() == pytest.approx([1, 1])
    torch.testing.assert_close(ssim(a, b), ssim(b, a))
    assert (ssim(a, b).abs() < 1).all()
    assert (ssim(a, 1 - a) < 0).all()  # noise against its negative


def test_more_noise_lowers_psnr_and_ssim() -> None:
    clean, noise = torch.linspace(0, 1, 32).expand(1, 1, 32, 32), random_images(1, 1, 32, 32) - 0.5
    worse = torch.cat([clean + amount * noise for amount in (0.05, 0.1, 0.2, 0.4)])
    for measure in (psnr, ssim):
        assert (measure(clean.expand(4, -1, -1, -1), worse).diff() < 0).all()


# --- colourfulness ----------------------------------------------------------------------------------------


def test_grey_has_no_colour() -> None:
    assert colourfulness(random_images(2, 1, 8, 8).expand(-1, 3, -1, -1)).tolist() == pytest.approx([0, 0])


def test_colourfulness_by_hand() -> None:
    # Plain red: rg = 255, yb = 127.5, without spread. Half red, half green: rg = ±255 spreads by 255, mean 0.
    assert colourfulness(flat(1.0, 0.0, 0.0)).item() == pytest.approx(0.3 * math.hypot(255, 127.5))
    halves = torch.cat([flat(1.0, 0.0, 0.0), flat(0.0, 1.0, 0.0)], dim=3)
    assert colourfulness(halves).item() == pytest.approx(255 + 0.3 * 127.5)


def test_colourfulness_agrees_with_numpy_and_falls_with_saturation() -> None:
    image = random_images(1, 3, 9, 7)
    red, green, blue = image[0].double().numpy() * 255
    red_green, yellow_blue = red - green, 0.5 * (red + green) - blue
    spread = math.sqrt(red_green.std() ** 2 + yellow_blue.std() ** 2)
    mean = math.sqrt(red_green.mean() ** 2 + yellow_blue.mean() ** 2)
    assert colourfulness(image).item() == pytest.approx(spread + 0.3 * mean)
    grey = image.mean(dim=1, keepdim=True)
    assert colourfulness(grey + 0.5 * (image - grey)).item() == pytest.approx((spread + 0.3 * mean) / 2, rel=1e-5)


# --- within a set, and against the training pictures ------------------------------------------------------


def test_diversity_by_hand() -> None:
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert pairwise_diversity(corners) == pytest.approx((3 + 4 + 5) / 3)
    assert pairwise_diversity(random_images(1, 1, 4, 4).expand(9, -1, -1, -1)) == 0


def test_random_pairs_come_near_all_pairs_and_never_pair_a_picture_with_itself() -> None:
    images = random_images(120, 1, 6, 6)
    every = pairwise_diversity(images, pairs=120 * 119 // 2)
    assert every == pytest.approx(torch.pdist(images.flatten(1)).mean().item(), rel=1e-5)
    assert pairwise_diversity(images, pairs=3000) == pytest.approx(every, rel=0.01)
    one_hot = torch.eye(50)  # all pairs lie √2 apart, a picture and itself 0
    assert pairwise_diversity(one_hot, pairs=1000) == pytest.approx(math.sqrt(2), abs=1e-12)


def test_diversity_is_seeded_and_leaves_the_global_random_state() -> None:
    images = random_images(200, 5)
    before = torch.get_rng_state()
    assert pairwise_diversity(images, 50, seed=1) == pairwise_diversity(images, 50, seed=1)
    assert pairwise_diversity(images, 50, seed=1) != pairwise_diversity(images, 50, seed=2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("block", [1, 3, 4096])
def test_nearest_distances_agree_with_all_distances(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_REFERENCE_ROWS", block)
    monkeypatch.setattr(pictures, "_QUERY_ROWS", block)
    queries, reference = random_images(7, 1, 4, 4, seed=1), random_images(20, 1, 4, 4, seed=2)
    every = (queries.flatten(1).double()[:, None] - reference.flatten(1).double()[None]).norm(dim=2)
    torch.testing.assert_close(nearest_distances(queries, reference), every.min(dim=1).values)


def test_a_copy_of_a_training_picture_is_at_distance_zero() -> None:
    reference = random_images(300, 1, 28, 28) * 2 - 1
    queries = torch.cat([reference[[7, 299]], random_images(1, 1, 28, 28, seed=9)])
    first, second, other = nearest_distances(queries, reference).tolist()
    assert first == second == 0
    assert other > 1


# --- bad input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", [psnr, ssim, psnr_y])
@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 16, 15), "must have one shape"),
        (torch.zeros(3, 16, 16), torch.zeros(3, 16, 16), r"\[N, C, H, W\]"),
        (torch.zeros(0, 3, 16, 16), torch.zeros(0, 3, 16, 16), "N at least 1"),
        (torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 16, 16, dtype=torch.uint8), "torch.uint8"),
        (torch.zeros(2, 3, 16, 16), torch.full((2, 3, 16, 16), math.nan), "hold NaN"),
    ],
)
def test_pairs_that_do_not_match_are_refused(measure: object, a: Tensor, b: Tensor, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        measure(a, b)  # type: ignore[operator]


@pytest.mark.parametrize("data_range", [0.0, -1.0, math.nan])
def test_a_data_range_that_is_none_is_refused(data_range: float) -> None:
    with pytest.raises(RequestError, match="data_range must be above 0"):
        psnr(flat(0.5), flat(0.5), data_range)


def test_pictures_smaller_than_the_window_are_refused() -> None:
    with pytest.raises(RequestError, match="at least 11 x 11"):
        ssim(torch.zeros(1, 1, 10, 40), torch.zeros(1, 1, 10, 40))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (flat(0.5), "1 channels"),
        (flat(-1.0, 0.0, 1.0), "from -1 to 1"),
        (flat(0.0, 100.0, 255.0), "from 0 to 255"),
    ],
)
def test_what_is_not_rgb_is_refused(image: Tensor, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        colourfulness(image)
    with pytest.raises(RequestError, match=message):
        psnr_y(image, image)


@pytest.mark.parametrize("border", [-1, 8])
def test_a_border_that_leaves_nothing_is_refused(border: int) -> None:
    with pytest.raises(RequestError, match="leaves nothing of 16 x 16"):
        psnr_y(flat(0.0, 0.0, 0.0), flat(0.0, 0.0, 0.0), border)


def test_sets_that_cannot_be_measured_are_refused() -> None:
    with pytest.raises(RequestError, match="At least 2 images"):
        pairwise_diversity(torch.zeros(1, 4))
    with pytest.raises(RequestError, match="pairs must be 1 or more"):
        pairwise_diversity(torch.zeros(3, 4), pairs=0)
    with pytest.raises(RequestError, match="At least 1 references"):
        nearest_distances(torch.zeros(1, 4), torch.zeros(0, 4))
    with pytest.raises(RequestError, match="4 values each, but references 5"):
        nearest_distances(torch.zeros(1, 4), torch.zeros(1, 5))
    with pytest.raises(RequestError, match="queries hold NaN"):
        nearest_distances(torch.full((1, 4), math.nan), torch.zeros(1, 4))
    with pytest.raises(RequestError, match="must be floating point"):
        nearest_distances(torch.zeros(4), torch.zeros(1, 4))
