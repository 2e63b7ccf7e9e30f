"""Histograms and agreement by hand; the classification accuracy score on classes that a small net can learn."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gandemo.errors import RequestError
from gandemo.metrics import agreement, class_histogram, class_report, classification_accuracy_score

# --- histogram, report, agreement -------------------------------------------------------------------------


def test_histogram_by_hand() -> None:
    shares = class_histogram(torch.tensor([0, 2, 2, 2]), 4)
    assert shares.dtype == torch.float64
    assert shares.tolist() == [0.25, 0, 0.75, 0]


def test_report_by_hand() -> None:
    report = class_report(torch.tensor([0, 2, 2, 2]), 4)
    assert (report.modes, report.smallest, report.largest) == (2, 0, 0.75)
    assert report.fractions == (0.25, 0, 0.75, 0)
    assert report.kl == pytest.approx(0.25 * math.log(0.25 / 0.25) + 0.75 * math.log(0.75 / 0.25))


def test_one_mode_of_ten_has_the_kl_of_ln_ten() -> None:
    report = class_report(torch.full((50,), 7), 10)
    assert report.modes == 1
    assert report.kl == pytest.approx(math.log(10))


def test_one_picture_makes_a_mode() -> None:
    assert class_report(torch.tensor([0] * 9999 + [1]), 2).modes == 2


def test_reference_may_be_shares_or_counts() -> None:
    predicted = torch.tensor([0, 0, 0, 1])
    expected = 0.75 * math.log(0.75 / 0.2) + 0.25 * math.log(0.25 / 0.8)
    for reference in ([0.2, 0.8], torch.tensor([20, 80]), torch.tensor([0.2, 0.8])):
        assert class_report(predicted, 2, reference).kl == pytest.approx(expected)


def test_kl_is_generated_against_reference_and_not_the_reverse() -> None:
    # A class that the generator lacks is allowed for; one that the reference lacks is infinitely surprising.
    assert class_report(torch.tensor([0, 0]), 2, [0.5, 0.5]).kl == pytest.approx(math.log(2))
    assert class_report(torch.tensor([0, 1]), 2, [1.0, 0.0]).kl == math.inf


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_report_properties(labels: list[int]) -> None:
    predicted = torch.tensor(labels)
    report = class_report(predicted, 6)
    assert sum(report.fractions) == pytest.approx(1)
    assert report.modes == len(set(labels))
    assert 0 <= report.kl <= math.log(6) + 1e-12
    assert 0 <= report.smallest <= 1 / 6 <= report.largest <= 1
    assert class_report(predicted, 6, class_histogram(predicted, 6)).kl == pytest.approx(0, abs=1e-12)


def test_report_goes_into_json() -> None:
    report = class_report(torch.tensor([0, 1, 1]), 2)
    assert json.loads(json.dumps(asdict(report)))["fractions"] == pytest.approx([1 / 3, 2 / 3])


def test_agreement() -> None:
    assert agreement(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 0, 4])) == 0.75


@pytest.mark.parametrize(
    ("predicted", "message"),
    [
        (torch.tensor([], dtype=torch.int64), "no predicted classes"),
        (torch.tensor([0, 10]), r"0\.\.9, but they reach from 0 to 10"),
        (torch.tensor([-1, 3]), "from -1 to 3"),
        (torch.tensor([0.0, 1.0]), "torch.float32"),
        (torch.tensor([[0, 1]]), r"\[1, 2\]"),
        (torch.tensor([True]), "torch.bool"),
    ],
)
def test_histogram_refuses(predicted: Tensor, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        class_histogram(predicted, 10)


def test_no_classes_are_refused() -> None:
    with pytest.raises(RequestError, match="classes must be 1 or more"):
        class_histogram(torch.tensor([0]), 0)


@pytest.mark.parametrize("reference", [[1.0], [0.0, 0.0], [-1.0, 2.0], [math.nan, 1.0], [[0.5, 0.5]]])
def test_report_refuses_a_reference_that_is_no_histogram(reference: list[float]) -> None:
    with pytest.raises(RequestError, match="reference must hold"):
        class_report(torch.tensor([0, 1]), 2, reference)


def test_agreement_refuses_different_lengths() -> None:
    with pytest.raises(RequestError, match="3 pictures were read, but 2"):
        agreement(torch.tensor([1, 2, 3]), torch.tensor([1, 2]))


# --- classification accuracy score ------------------------------------------------------------------------


def bars(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noise with a bright row: class 0 at the top, 1 in the middle, 2 at the bottom."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (count,), generator=generator)
    images = torch.rand(count, 1, 28, 28, generator=generator) * 0.8 - 1
    for row, label in enumerate(labels.tolist()):
        images[row, 0, 2 + 11 * label : 5 + 11 * label] = 0.9
    return images, labels


def small_net() -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49, 16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 3))


TRAIN, TEST = bars(240, 1), bars(120, 2)


def score(
    images: Tensor = TRAIN[0],
    labels: Tensor = TRAIN[1],
    test: tuple[Tensor, Tensor] = TEST,
    epochs: int = 8,
    batch_size: int = 16,
    seed: int = 0,
) -> float:
    return classification_accuracy_score(
        images, labels, *test, build=small_net, epochs=epochs, batch_size=batch_size, seed=seed
    )


def test_right_classes_score_high() -> None:
    assert score() > 0.95


def test_wrong_classes_score_low() -> None:
    assert score(labels=(TRAIN[1] + 1) % 3) < 0.05


def test_a_dropped_class_costs_its_share() -> None:
    kept = TRAIN[1] != 2
    share = float((TEST[1] != 2).double().mean())
    assert score(TRAIN[0][kept], TRAIN[1][kept]) == pytest.approx(share, abs=0.03)


def test_the_same_seed_gives_the_same_classifier() -> None:
    built: list[nn.Module] = []

    def build() -> nn.Module:
        built.append(small_net())
        return built[-1]

    for seed in (5, 5, 6):
        classification_accuracy_score(*TRAIN, *TEST, build=build, epochs=1, batch_size=50, seed=seed)
    first, again, other = (torch.cat([p.detach().flatten() for p in net.parameters()]) for net in built)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_global_random_state_stays() -> None:
    torch.manual_seed(1234)
    before = torch.get_rng_state()
    score(epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_it_trains_within_inference_mode_on_pictures_made_there() -> None:
    with torch.inference_mode():
        assert score(TRAIN[0] + 0) == score()


def test_a_batch_of_one_is_never_left_over() -> None:
    def with_batch_norm() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))

    images, labels = TRAIN[0][:33], TRAIN[1][:33]  # 16 + 16 + 1 would fail
    result = classification_accuracy_score(
        images, labels, *TEST, build=with_batch_norm, epochs=1, batch_size=16, seed=0
    )
    assert 0 <= result <= 1


def test_the_score_is_taken_in_evaluation_mode() -> None:
    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small_net()
            self.modes: list[bool] = []

        def forward(self, images: Tensor) -> Tensor:
            self.modes.append(self.training)
            return self.net(images)

    net = Watched()
    classification_accuracy_score(*TRAIN, *TEST, build=lambda: net, epochs=1, batch_size=120, seed=0)
    assert net.modes == [True, True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": TRAIN[1][:-1]}, "240 generated pictures, but 239 labels"),
        ({"test": (TEST[0][:5], TEST[1])}, "5 test pictures, but 120 labels"),
        ({"images": TRAIN[0][:0], "labels": TRAIN[1][:0]}, "no generated labels"),
        ({"images": TRAIN[0] * math.nan}, "generated pictures must be"),
        ({"images": TRAIN[0].byte()}, "generated pictures must be"),
        ({"epochs": 0}, "epochs and batch_size must be 1 or more, but they are 0 and 16"),
        ({"batch_size": 0}, "epochs and batch_size must be 1 or more"),
    ],
)
def test_score_refuses(change: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        score(**change)  # type: ignore[arg-type]
