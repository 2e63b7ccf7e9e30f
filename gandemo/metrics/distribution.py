"""Distances between two sets of features, one row for each picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gandemo.errors import RequestError

# Distances are computed a block of rows at a time; a block holds at most this many float64 values (8 MB).
_BLOCK_VALUES = 2**20


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """The Gaussian that the Fréchet distance sees: keep it for the real side, whose features never change.

    Attributes:
        mean: float64 [D].
        covariance: float64 [D, D], with N - 1 in the denominator.
        count: N, the number of rows that it was computed from, at least 2.
    """

    mean: Tensor
    covariance: Tensor
    count: int

    def __post_init__(self) -> None:
        """Refuse shapes and values that no set of features has.

        Raises:
            RequestError: The shapes don't match, the count is below 2 or a value is NaN or infinite.
        """
        dimensions = self.mean.numel()
        if self.mean.shape != (dimensions,) or self.covariance.shape != (dimensions, dimensions):
            raise RequestError(
                f"Feature statistics need a mean [D] and a covariance [D, D], "
                f"but these are {list(self.mean.shape)} and {list(self.covariance.shape)}."
            )
        if self.count < 2:
            raise RequestError(f"Feature statistics need at least 2 rows, but they count {self.count}.")
        if not (self.mean.isfinite().all() and self.covariance.isfinite().all()):
            raise RequestError("The feature statistics hold NaN or infinity; compute them from finite features.")

    @classmethod
    def from_features(cls, features: Tensor) -> FeatureStatistics:
        """Mean and covariance of a set of features.

        Args:
            features: floating point [N, D], N at least 2.

        Returns:
            The statistics, in float64 on the CPU.

        Raises:
            RequestError: The features are not [N, D], too few, or not finite.
        """
        rows = _checked(features, "features", at_least=2)
        mean = rows.mean(dim=0)
        centred = rows - mean
        return cls(mean, centred.T @ centred / (len(rows) - 1), len(rows))


def frechet_distance(real: Tensor | FeatureStatistics, fake: Tensor | FeatureStatistics) -> float:
    """Squared Fréchet distance between Gaussians fitted to two sets of features.

    |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁Σ₂)^½), after Heusel et al. 2017, arXiv:1706.08500; on Inception features
    it is the FID.

    Args:
        real: floating point [N, D], N at least 2, or its statistics.
        fake: floating point [M, D], M at least 2, or its statistics.

    Returns:
        The distance, 0 or more. It falls as N and M grow: compare only figures of the same counts.

    Raises:
        RequestError: A side has fewer than 2 rows or values that are not finite, or the sides differ in D.
    """
    first = real if isinstance(real, FeatureStatistics) else FeatureStatistics.from_features(real)
    second = fake if isinstance(fake, FeatureStatistics) else FeatureStatistics.from_features(fake)
    _same_dimensions(len(first.mean), len(second.mean))
    # With Σ₁ = F₁F₁ᵀ and Σ₂ = F₂F₂ᵀ, Σ₁Σ₂ has the non-zero eigenvalues of (F₁ᵀF₂)(F₁ᵀF₂)ᵀ, so the trace of
    # its root is the sum of the singular values of F₁ᵀF₂. No root of a product is taken, so constant features
    # or fewer rows than dimensions (singular Σ, where sqrtm may fail) cost no accuracy.
    root_trace = torch.linalg.svdvals(_factor(first.covariance).T @ _factor(second.covariance)).sum()
    traces = first.covariance.trace() + second.covariance.trace()
    distance = (first.mean - second.mean).square().sum() + traces - 2 * root_trace
    return max(0.0, float(distance))  # rounding may leave -1e-15 between equal sets


@dataclass(frozen=True)
class PRDC:
    """Fidelity (precision, density) and variety (recall, coverage) of generated features.

    Attributes:
        precision: share of generated rows that lie within the real manifold, 0 to 1.
        recall: share of real rows that lie within the generated manifold, 0 to 1.
        density: how many real neighbourhoods a generated row lies in, over k; about 1 for real against real,
            and not bounded by 1.
        coverage: share of real neighbourhoods that hold a generated row, 0 to 1.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Tensor, fake: Tensor, k: int = 5) -> PRDC:
    """Precision and recall, density and coverage, with k-nearest-neighbour balls as the manifold.

    Precision and recall after Kynkäänniemi et al. 2019, arXiv:1904.06991; density and coverage after
    Naeem et al. 2020, arXiv:2002.09797, whose reference code this matches: a row's own zero distance is not
    counted among its k neighbours, and a ball is open (a row on its edge lies outside), so that a set
    against itself has density 1. Memory is bounded: no N x M table is ever held.

    Args:
        real: floating point [N, D], N above k.
        fake: floating point [M, D], M above k.
        k: neighbours that set the radius of a ball.

    Returns:
        The four figures.

    Raises:
        RequestError: k is below 1, a side has k rows or fewer, is not finite, or the sides differ in D.
    """
    if k < 1:
        raise RequestError(f"k must be 1 or more, but it is {k}.")
    real_rows = _checked(real, "real features", at_least=k + 1)
    fake_rows = _checked(fake, "generated features", at_least=k + 1)
    _same_dimensions(real_rows.shape[1], fake_rows.shape[1])

    # For equal sets both passes over the real rows multiply the same blocks, so that distances and radii are
    # bit-equal and the open ball stays open.
    real_radii = _squared_radii(real_rows, k)
    fake_radii = _squared_radii(fake_rows, k)

    balls_around_fake = torch.zeros(len(fake_rows), dtype=torch.int64)
    recalled = covered = 0
    for start, block in _squared_distances(real_rows, fake_rows):
        inside_real = block < real_radii[start : start + len(block), None]
        balls_around_fake += inside_real.sum(dim=0)
        covered += int(inside_real.any(dim=1).sum())
        recalled += int((block < fake_radii).any(dim=1).sum())
    return PRDC(
        precision=float((balls_around_fake > 0).double().mean()),
        recall=recalled / len(real_rows),
        density=float(balls_around_fake.sum()) / (k * len(fake_rows)),
        coverage=covered / len(real_rows),
    )


def _checked(features: Tensor, what: str, at_least: int) -> Tensor:
    """The features as float64 on the CPU, once they are [N, D], finite and enough."""
    if features.ndim != 2 or features.shape[1] == 0 or not features.is_floating_point():
        raise RequestError(
            f"The {what} must be floating point [N, D], but they are {features.dtype} {list(features.shape)}."
        )
    if len(features) < at_least:
        raise RequestError(f"At least {at_least} rows of {what} are needed, but there are {len(features)}.")
    if not features.isfinite().all():
        raise RequestError(f"The {what} hold NaN or infinity; look for it in the pictures or the feature network.")
    return features.detach().to("cpu", torch.float64)


def _same_dimensions(real: int, fake: int) -> None:
    """Refuse sides that come from different feature networks."""
    if real != fake:
        raise RequestError(
            f"Real and generated features must come from one network, but they have {real} and {fake} dimensions."
        )


def _factor(covariance: Tensor) -> Tensor:
    """F [D, D] with FFᵀ = covariance; eigenvalues that rounding pushed below zero count as zero."""
    values, vectors = torch.linalg.eigh(covariance)
    root = values.clamp(min=0).sqrt()
    factor: Tensor = vectors * root
    return factor


def _squared_distances(rows: Tensor, columns: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Blocks of |row - column|², float64 [rows in the block, M], each with the index of its first row.

    Expanded to |a|² + |b|² - 2ab, so that nearly all the work is one matrix product; float64 leaves enough
    digits for features that were float32. All blocks share one piece of memory: take what is needed from each
    before the next one (a new piece each time would leave the heap in holes, 700 MB of them for 10,000 rows).
    """
    row_norms, column_norms = rows.square().sum(dim=1), columns.square().sum(dim=1)
    step = min(len(rows), max(1, _BLOCK_VALUES // len(columns)))
    memory = torch.empty(step, len(columns), dtype=torch.float64)
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        block = torch.addmm(column_norms, part, columns.T, alpha=-2, out=memory[: len(part)])
        yield start, block.add_(row_norms[start : start + step, None])


def _squared_radii(rows: Tensor, k: int) -> Tensor:
    """Squared distance from each row to its k-th nearest other row: float64 [N]."""
    nearest = [block.topk(k + 1, dim=1, largest=False).values for _, block in _squared_distances(rows, rows)]
    return torch.cat(nearest)[:, k]  # the nearest of the k + 1 is the row itself
