"""Probabilities from scores: known parameters are found again, and nothing ever runs off to infinity."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gandemo.errors import RequestError
from gandemo.metrics import Calibration, fit_probability


def normal(count: int, mean: float, spread: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, generator=generator, dtype=torch.float64) * spread + mean


@pytest.mark.parametrize(("real_count", "fake_count"), [(40_000, 40_000), (60_000, 6_000)])
def test_known_parameters_are_recovered_whatever_the_counts(real_count: int, fake_count: int) -> None:
    # Normal scores of equal spread: log-odds are (μ₁ - μ₀) / σ² · score - (μ₁² - μ₀²) / 2σ², here 0.75 and -2.25.
    found = fit_probability(normal(real_count, 4.5, 2, 1), normal(fake_count, 1.5, 2, 2))
    assert found.scale == pytest.approx(0.75, rel=0.05)
    assert found.offset == pytest.approx(-2.25, rel=0.05)


def test_a_score_in_the_middle_is_undecided() -> None:
    real, fake = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([-1.0, -2.0, -3.0])
    assert fit_probability(real, fake).probability(torch.zeros(1)).item() == pytest.approx(0.5)


def test_it_is_the_least_of_the_penalised_loss() -> None:
    real, fake = normal(50, 1, 2, 1), normal(30, 0, 1, 2)
    found = fit_probability(real, fake)
    spread = torch.cat([real, fake]).std(correction=0).item()

    def loss(scale: float, offset: float) -> float:
        misfit = torch.nn.functional.softplus
        sides = misfit(-(scale * real + offset)).mean() + misfit(scale * fake + offset).mean()
        return float(40 * sides) + (scale * spread) ** 2 / 2

    best = loss(found.scale, found.offset)
    for step in (-0.01, 0.01):
        assert loss(found.scale + step, found.offset) > best
        assert loss(found.scale, found.offset + step) > best


@settings(max_examples=60)
@given(
    real=st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20),
    fake=st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20),
)
def test_any_scores_give_finite_monotone_probabilities(real: list[float], fake: list[float]) -> None:
    found = fit_probability(torch.tensor(real), torch.tensor(fake))
    assert math.isfinite(found.scale)
    assert math.isfinite(found.offset)
    probabilities = found.probability(torch.linspace(-1e5, 1e5, 101, dtype=torch.float64))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert (probabilities.diff() * math.copysign(1, found.scale) >= 0).all()


@pytest.mark.parametrize("gap", [1e-6, 1.0, 1e6])
def test_separable_scores_stay_finite_and_tell_the_sides_apart(gap: float) -> None:
    real, fake = normal(500, 0, 1e-3, 1).abs() + gap, -normal(500, 0, 1e-3, 2).abs()
    found = fit_probability(real, fake)
    assert 0 < found.scale < 1e5
    assert (found.probability(real) > 0.5).double().mean() > 0.95
    assert (found.probability(fake) < 0.5).double().mean() > 0.95
    assert found.probability(real.max()) > 0.98


def test_an_extreme_outlier_does_not_throw_the_fit_off() -> None:
    real = torch.cat([normal(200, 2, 1, 1), torch.tensor([-1e4], dtype=torch.float64)])
    found = fit_probability(real, normal(200, -2, 1, 2))
    assert math.isfinite(found.scale)
    assert math.isfinite(found.offset)


def test_moving_and_scaling_the_scores_changes_no_probability() -> None:
    real, fake = normal(300, 1, 1, 1), normal(200, 0, 1, 2)
    plain, other = fit_probability(real, fake), fit_probability(real * 7 + 100, fake * 7 + 100)
    torch.testing.assert_close(other.probability(real * 7 + 100), plain.probability(real), rtol=1e-6, atol=1e-9)


def test_a_critic_that_scores_real_lower_gets_a_negative_scale() -> None:
    real, fake = normal(100, -1, 1, 1), normal(100, 1, 1, 2)
    found = fit_probability(real, fake)
    assert found.scale < 0
    assert found.probability(torch.tensor([-3.0])) > 0.9


def test_equal_scores_tell_nothing() -> None:
    found = fit_probability(torch.full((5,), 3.3), torch.full((9,), 3.3))
    assert found.probability(torch.tensor([3.3, 100.0])).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_probability_keeps_shape_and_type(dtype: torch.dtype) -> None:
    scores = torch.tensor([[-1e30, 0.0], [1.0, 1e30]], dtype=dtype)
    probabilities = Calibration(scale=2.0, offset=1.0).probability(scores)
    assert probabilities.dtype == dtype
    expected = torch.tensor([[0.0, 1 / (1 + math.exp(-1))], [1 / (1 + math.exp(-3)), 1.0]])
    torch.testing.assert_close(probabilities.float(), expected, rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (torch.zeros(0), torch.zeros(3), "real scores must be"),
        (torch.zeros(3), torch.zeros(0), "generated scores must be"),
        (torch.zeros(3, 1), torch.zeros(3), r"\[3, 1\]"),
        (torch.tensor([1, 2]), torch.zeros(3), "torch.int64"),
        (torch.zeros(3), torch.tensor([1.0, math.nan]), "generated scores hold NaN"),
    ],
)
def test_fit_refuses(real: Tensor, fake: Tensor, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        fit_probability(real, fake)


@pytest.mark.parametrize(("scale", "offset"), [(math.nan, 0), (1, math.inf)])
def test_a_calibration_that_is_not_finite_is_refused(scale: float, offset: float) -> None:
    with pytest.raises(RequestError, match="finite"):
        Calibration(scale, offset)
