"""From a critic's score, which has no unit, to a probability."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gandemo.errors import RequestError

# Weight of the penalty on the standardised slope, in samples. As heavy as one sample, it fades with more data
# yet keeps the slope finite where every real score lies above every generated one.
_RIDGE = 1.0


@dataclass(frozen=True)
class Calibration:
    """Turns a critic's score into a probability of being real: sigmoid(scale · score + offset).

    Attributes:
        scale: slope, in 1 / score; negative for a critic that scores real pictures lower.
        offset: log-odds of a score of 0.
    """

    scale: float
    offset: float

    def __post_init__(self) -> None:
        """Refuse values that a damaged file may hold.

        Raises:
            RequestError: A value is NaN or infinite.
        """
        if not (math.isfinite(self.scale) and math.isfinite(self.offset)):
            raise RequestError(f"A calibration needs finite values, but it has {self.scale} and {self.offset}.")

    def probability(self, scores: Tensor) -> Tensor:
        """Probability of being real, when real and generated are equally likely beforehand.

        Args:
            scores: floating point, any shape.

        Returns:
            Probabilities in [0, 1], in the shape and type of the scores.
        """
        return (self.scale * scores.double() + self.offset).sigmoid().to(scores.dtype)


def fit_probability(real_scores: Tensor, fake_scores: Tensor) -> Calibration:
    """Fit a critic's probability of real by logistic regression on one dimension (Platt scaling, 1999).

    Newton steps on standardised scores with a small ridge on the slope. Each side weighs a half, whatever its
    count, so that 0.5 means undecided.

    Args:
        real_scores: floating point [N], N at least 1; best of real pictures the critic was not trained on.
        fake_scores: floating point [M], M at least 1; of generated pictures.

    Returns:
        The calibration; scale 0 and offset 0, so 0.5 everywhere, where all scores are equal.

    Raises:
        RequestError: A side is empty, not [N], or not finite.
    """
    real, fake = _checked(real_scores, "real"), _checked(fake_scores, "generated")
    scores = torch.cat([real, fake])
    mean, spread = scores.mean(), scores.std(correction=0)
    if spread <= 1e-12 * scores.abs().max():  # equal but for rounding: they tell nothing
        return Calibration(0.0, 0.0)

    design = torch.stack([(scores - mean) / spread, torch.ones_like(scores)], dim=1)  # [N + M, 2]
    wanted = torch.cat([torch.ones_like(real), torch.zeros_like(fake)])
    half = len(scores) / 2
    weight = torch.cat([torch.full_like(real, half / len(real)), torch.full_like(fake, half / len(fake))])
    ridge = torch.tensor([_RIDGE, 0.0], dtype=torch.float64)

    parameters = torch.zeros(2, dtype=torch.float64)
    for _ in range(100):  # about eight are needed
        probability = (design @ parameters).sigmoid()
        gradient = design.T @ (weight * (probability - wanted)) + ridge * parameters
        curvature = weight * probability * (1 - probability)
        hessian = design.T @ (curvature[:, None] * design) + torch.diag(ridge)
        step = torch.linalg.solve(hessian, gradient)
        parameters = parameters - step
        if step.abs().max() < 1e-9 * (1 + parameters.abs().max()):
            break
    slope, level = parameters[0] / spread, parameters[1]
    return Calibration(scale=float(slope), offset=float(level - slope * mean))


def _checked(scores: Tensor, what: str) -> Tensor:
    """The scores as float64 on the CPU, once they are a non-empty, finite row."""
    if scores.ndim != 1 or len(scores) == 0 or not scores.is_floating_point():
        raise RequestError(
            f"The {what} scores must be floating point [N] with N at least 1, "
            f"but they are {scores.dtype} {list(scores.shape)}."
        )
    if not scores.isfinite().all():
        raise RequestError(f"The {what} scores hold NaN or infinity; the critic's training went wrong.")
    return scores.detach().to("cpu", torch.float64)
