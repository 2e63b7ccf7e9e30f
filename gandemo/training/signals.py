"""What can be seen in generated pictures beside real ones, cheaply, for the doctor."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_SIDE = 64  # larger pictures are thinned out first: the figures are about the whole, not about fine detail
CHUNK = 5_000  # training pictures that are compared at a time


@torch.no_grad()
def compare(real: Tensor, fake: Tensor) -> dict[str, float]:
    """How a batch of generated pictures differs as a whole from the real batch.

    Args:
        real: [N, C, H, W] in [-1, 1].
        fake: the same shape.

    Returns:
        spread: how far generated pictures are from their mean, over the same of real ones; 0: all are one.
        nearest: the distance from a picture to its nearest neighbour in the batch, over the same of real ones; small:
            some come again and again.
        colour: how far from grey they are, over the same of real ones; only with two channels (chroma) or three.
        saturated: the share of values at the ends of the range, less the same of real ones.
    """
    ours, theirs = _figures(_small(fake)), _figures(_small(real))
    figures = {key: ours[key] / theirs[key] for key in ours if key != "saturated" and theirs[key] > 1e-6}
    figures["saturated"] = ours["saturated"] - theirs["saturated"]
    return {key: round(value, 5) for key, value in figures.items() if math.isfinite(value)}


def _figures(pictures: Tensor) -> dict[str, float]:
    flat = pictures.flatten(1)
    figures = {
        "spread": float((flat - flat.mean(dim=0)).norm(dim=1).mean()),
        "saturated": float((pictures.abs() > 0.98).float().mean()),
    }
    if len(flat) > 1:
        distances = torch.cdist(flat, flat).fill_diagonal_(math.inf)  # no picture is its own neighbour
        figures["nearest"] = float(distances.amin(dim=1).mean())
    if pictures.shape[1] == 2:
        figures["colour"] = float(pictures.norm(dim=1).mean())
    elif pictures.shape[1] == 3:
        figures["colour"] = float((pictures.amax(dim=1) - pictures.amin(dim=1)).mean())
    return figures


@torch.no_grad()
def to_nearest(pictures: Tensor, training: Tensor) -> float:
    """The median distance from a picture to the training picture that is most like it.

    Args:
        pictures: [N, C, H, W] in [-1, 1].
        training: uint8 [M, C, H, W], all that a run trains on: with fewer, copies of the others would not be seen.
    """
    flat = _small(pictures).flatten(1).cpu()
    least = torch.full((len(flat),), math.inf)
    for part in training.split(CHUNK):
        others = _small(part).flatten(1) / 127.5 - 1.0
        least = torch.minimum(least, torch.cdist(flat, others).amin(dim=1))
    return float(least.median())


def _small(pictures: Tensor) -> Tensor:
    step = -(-max(pictures.shape[-2:]) // MAX_SIDE)
    return pictures.detach()[..., ::step, ::step].float()
