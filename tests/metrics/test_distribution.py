"""Fréchet distance and PRDC against closed forms, scipy and a reference that loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gandemo.errors import RequestError
from gandemo.metrics import PRDC, FeatureStatistics, distribution, frechet_distance, prdc

seeds = st.integers(0, 2**32 - 1)


def normal(rows: int, dimensions: int, seed: int = 0, spread: float = 1.0, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, dimensions, generator=generator) * spread + shift


def mixed(rows: int, dimensions: int, seed: int) -> Tensor:
    """Correlated features with a mean of their own."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dimensions, dimensions, generator=generator)
    return normal(rows, dimensions, seed + 1) @ mixing + torch.randn(dimensions, generator=generator)


# --- Fréchet distance -------------------------------------------------------------------------------------


def frechet_by_sqrtm(real: Tensor, fake: Tensor) -> float:
    a, b = real.double().numpy(), fake.double().numpy()
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dimensions", [2, 7, 32])
def test_frechet_agrees_with_sqrtm(dimensions: int, seed: int) -> None:
    real, fake = mixed(200, dimensions, seed), mixed(150, dimensions, seed + 100)
    assert frechet_distance(real, fake) == pytest.approx(frechet_by_sqrtm(real, fake), rel=1e-8)


def test_frechet_of_one_dimension_is_the_closed_form() -> None:
    real, fake = normal(50, 1, 1, spread=3, shift=1).double(), normal(70, 1, 2, spread=0.5, shift=-2).double()
    expected = (real.mean() - fake.mean()) ** 2 + (real.std() - fake.std()) ** 2
    assert frechet_distance(real, fake) == pytest.approx(float(expected), rel=1e-12)


def test_frechet_between_given_gaussians_is_the_closed_form() -> None:
    # Commuting covariances: |Δμ|² + Σ (√λ₁ - √λ₂)², here 9 + 16 + (1 - 2)² + (3 - 5)².
    a = FeatureStatistics(torch.zeros(2).double(), torch.diag(torch.tensor([1.0, 9.0]).double()), 10)
    b = FeatureStatistics(torch.tensor([3.0, 4.0]).double(), torch.diag(torch.tensor([4.0, 25.0]).double()), 10)
    assert frechet_distance(a, b) == pytest.approx(30, rel=1e-12)


@pytest.mark.parametrize(("rows", "dimensions"), [(200, 16), (5, 64), (2, 3)])
def test_frechet_of_a_set_with_itself_is_zero_even_when_singular(rows: int, dimensions: int) -> None:
    features = normal(rows, dimensions) * 10
    features[:, 0] = 4.0  # a dead feature
    assert frechet_distance(features, features.clone()) == pytest.approx(0, abs=1e-9)


def test_frechet_of_singular_covariances_is_the_distance_within_their_subspace() -> None:
    real, fake = mixed(100, 3, 1), mixed(100, 3, 2)
    basis = torch.linalg.qr(normal(40, 3, 3).double()).Q  # rotates 3 dimensions into 40
    inside = frechet_distance(real, fake)
    assert inside > 1
    assert frechet_distance(real.double() @ basis.T, fake.double() @ basis.T) == pytest.approx(inside, rel=1e-9)


@settings(max_examples=40)
@given(seed=seeds, rows=st.integers(2, 40), dimensions=st.integers(1, 12), scale=st.floats(1e-3, 1e3))
def test_frechet_properties(seed: int, rows: int, dimensions: int, scale: float) -> None:
    real, fake = mixed(rows, dimensions, seed).double(), mixed(rows + 3, dimensions, seed + 7).double()
    distance = frechet_distance(real, fake)
    # fewer rows than dimensions: zero eigenvalues come out as rounding errors of 1e-16, and their roots as 1e-8
    tolerance = 3e-8 * (real.square().sum() + fake.square().sum()).item()
    assert distance >= 0
    assert frechet_distance(fake, real) == pytest.approx(distance, abs=tolerance)
    # Moving both sides changes nothing; scaling both scales the squared distance twice; a shift adds its square.
    assert frechet_distance(real + 5, fake + 5) == pytest.approx(distance, abs=tolerance)
    assert frechet_distance(real * scale, fake * scale) == pytest.approx(distance * scale**2, abs=tolerance * scale**2)
    assert frechet_distance(real, real + 2) == pytest.approx(4 * dimensions, abs=tolerance)


def test_frechet_takes_statistics_of_either_side() -> None:
    real, fake = mixed(60, 5, 1), mixed(80, 5, 2)
    stored = FeatureStatistics.from_features(real)
    expected = frechet_distance(real, fake)
    assert frechet_distance(stored, fake) == expected
    assert frechet_distance(stored, FeatureStatistics.from_features(fake)) == expected


def test_statistics_are_those_of_numpy() -> None:
    features = mixed(60, 5, 1)
    statistics = FeatureStatistics.from_features(features)
    assert statistics.count == 60
    assert statistics.covariance.dtype == torch.float64
    np.testing.assert_allclose(statistics.mean, features.double().numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(statistics.covariance, np.cov(features.double().numpy(), rowvar=False), rtol=1e-10)


def test_statistics_of_features_far_from_zero_keep_their_digits() -> None:
    features = normal(1000, 4).double()
    near, far = FeatureStatistics.from_features(features), FeatureStatistics.from_features(features + 1e6)
    torch.testing.assert_close(far.covariance, near.covariance, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (normal(1, 4), normal(9, 4), "At least 2 rows of features are needed, but there are 1"),
        (normal(9, 4), normal(0, 4), "there are 0"),
        (normal(9, 4), normal(9, 4) * math.inf, "hold NaN or infinity"),
        (torch.full((9, 4), math.nan), normal(9, 4), "hold NaN or infinity"),
        (normal(9, 4), normal(9, 5), "they have 4 and 5 dimensions"),
        (normal(9, 4)[0], normal(9, 4), r"\[N, D\]"),
        (normal(9, 4).long(), normal(9, 4), "torch.int64"),
        (normal(9, 4).double() * 1e200, normal(9, 4), "statistics hold NaN or infinity"),
    ],
)
def test_frechet_refuses(real: Tensor, fake: Tensor, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        frechet_distance(real, fake)


@pytest.mark.parametrize(
    ("mean", "covariance", "count"),
    [
        (torch.zeros(3), torch.eye(4), 10),
        (torch.zeros(3, 1), torch.eye(3), 10),
        (torch.zeros(3), torch.eye(3), 1),
        (torch.zeros(3), torch.eye(3) * math.nan, 10),
    ],
)
def test_statistics_that_no_features_have_are_refused(mean: Tensor, covariance: Tensor, count: int) -> None:
    with pytest.raises(RequestError):
        FeatureStatistics(mean, covariance, count)


# --- precision, recall, density, coverage -----------------------------------------------------------------


def prdc_by_loops(real: Tensor, fake: Tensor, k: int) -> PRDC:
    """The definitions of the two papers, a pair at a time, with open balls."""
    reals, fakes = real.double().tolist(), fake.double().tolist()

    def radii(rows: list[list[float]]) -> list[float]:
        return [sorted(math.dist(a, b) for j, b in enumerate(rows) if j != i)[k - 1] for i, a in enumerate(rows)]

    real_radii, fake_radii = radii(reals), radii(fakes)
    inside_real = [[math.dist(r, f) < radius for r, radius in zip(reals, real_radii, strict=True)] for f in fakes]
    inside_fake = [[math.dist(r, f) < radius for f, radius in zip(fakes, fake_radii, strict=True)] for r in reals]
    return PRDC(
        precision=sum(map(any, inside_real)) / len(fakes),
        recall=sum(map(any, inside_fake)) / len(reals),
        density=sum(map(sum, inside_real)) / (k * len(fakes)),
        coverage=sum(map(any, zip(*inside_real, strict=True))) / len(reals),
    )


def assert_same(first: PRDC, second: PRDC) -> None:
    assert vars(first) == pytest.approx(vars(second), abs=1e-12)


def line(*places: float) -> Tensor:
    return torch.tensor(places, dtype=torch.float32)[:, None]


def test_prdc_by_hand() -> None:
    # k = 1. Radii: real 1, 1, 2, 7 around 0, 1, 3, 10; generated 0.5, 0.5, 5.5 around 0.25, 0.75, 6.25.
    # 0.25 and 0.75 lie within the balls of 0, 1 (and at 2.75, 2.25 > 2 not of 3) and not of 10 (9.75, 9.25 > 7);
    # 6.25 lies within that of 10 alone (3.75 < 7; 3.25 > 2 from 3).
    # Real 0, 1 lie within generated balls, 3 and 10 within that of 6.25 (3.25 and 3.75 < 5.5).
    real, fake = line(0, 1, 3, 10), line(0.25, 0.75, 6.25)
    expected = PRDC(precision=1.0, recall=1.0, density=5 / 3, coverage=3 / 4)
    assert_same(prdc(real, fake, k=1), expected)
    assert_same(prdc_by_loops(real, fake, k=1), expected)


def test_a_row_on_the_edge_of_a_ball_lies_outside() -> None:
    real, fake = line(0, 1), line(2, 4)  # radii 1 and 2: 2 is at the edge around 1, 0 at the edge around 2
    assert_same(prdc(real, fake, k=1), PRDC(precision=0, recall=0.5, density=0, coverage=0))


@settings(max_examples=60)
@given(
    seed=seeds,
    real_rows=st.integers(5, 25),
    fake_rows=st.integers(5, 25),
    dimensions=st.integers(1, 6),
    k=st.integers(1, 4),
    shift=st.floats(0, 3),
)
def test_prdc_agrees_with_loops(
    seed: int, real_rows: int, fake_rows: int, dimensions: int, k: int, shift: float
) -> None:
    real, fake = normal(real_rows, dimensions, seed), normal(fake_rows, dimensions, seed + 1, shift=shift)
    figures = prdc(real, fake, k)
    assert_same(figures, prdc_by_loops(real, fake, k))
    # Precision and recall are the same question, asked from either side.
    swapped = prdc(fake, real, k)
    assert (swapped.precision, swapped.recall) == (figures.recall, figures.precision)
    assert figures.coverage <= figures.density * k * fake_rows / real_rows + 1e-12


@settings(max_examples=40)
@given(st.data())
def test_prdc_agrees_with_loops_where_distances_tie(data: st.DataObject) -> None:
    points = st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=4, max_size=12)
    real, fake = (torch.tensor(data.draw(points), dtype=torch.float32) for _ in range(2))
    k = data.draw(st.integers(1, 3))
    assert_same(prdc(real, fake, k), prdc_by_loops(real, fake, k))


@pytest.mark.parametrize("values", [1, 7, 60, 1000])
def test_prdc_is_the_same_in_blocks_of_any_size(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = normal(30, 4, 1), normal(23, 4, 2, shift=0.5)
    whole = prdc(real, fake)
    monkeypatch.setattr(distribution, "_BLOCK_VALUES", values)
    assert_same(prdc(real, fake), whole)


def test_identical_sets() -> None:
    features = normal(500, 32) + 20  # away from zero, where an expanded square loses digits
    assert_same(prdc(features, features.clone()), PRDC(precision=1, recall=1, density=1, coverage=1))


def test_disjoint_sets() -> None:
    assert_same(prdc(normal(100, 8, 1), normal(80, 8, 2, shift=50)), PRDC(0, 0, 0, 0))


def test_a_dropped_mode_lowers_coverage_and_recall_but_not_precision() -> None:
    def two_modes(first: int, second: int, seed: int) -> Tensor:
        return torch.cat([normal(first, 4, seed), normal(second, 4, seed + 1, shift=30)])

    real = two_modes(300, 300, 1)
    whole, dropped = prdc(real, two_modes(300, 300, 11)), prdc(real, two_modes(600, 0, 21))
    assert whole.coverage > 0.9
    assert dropped.coverage < 0.55
    assert dropped.recall < 0.55 < whole.recall
    assert dropped.precision > whole.precision - 0.05 > 0.8


def test_an_outlier_raises_precision_but_not_density() -> None:
    # The reason for density: one far real row has a ball so large that it takes in everything.
    real = torch.cat([normal(200, 4, 1), torch.full((1, 4), 100.0)])
    fake = normal(200, 4, 2, shift=20)
    figures = prdc(real, fake)
    assert figures.precision == 1
    assert figures.density < 0.25


@pytest.mark.parametrize(
    ("real", "fake", "k", "message"),
    [
        (normal(9, 4), normal(9, 4), 0, "k must be 1 or more"),
        (normal(5, 4), normal(9, 4), 5, "At least 6 rows of real features"),
        (normal(9, 4), normal(5, 4), 5, "At least 6 rows of generated features"),
        (normal(9, 4), normal(9, 3), 5, "4 and 3 dimensions"),
        (normal(9, 4), normal(9, 4) * math.nan, 5, "generated features hold NaN"),
        (normal(9, 0), normal(9, 0), 5, r"\[N, D\]"),
    ],
)
def test_prdc_refuses(real: Tensor, fake: Tensor, k: int, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        prdc(real, fake, k)
