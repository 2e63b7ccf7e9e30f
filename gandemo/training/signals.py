"""What can be seen in a batch of generated pictures beside a batch of real ones, cheaply, for the doctor."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAX_SIDE = 64  # larger pictures are thinned out first: the figures are about the whole, not about fine detail


@torch.no_grad()
def compare(real: Tensor, fake: Tensor) -> dict[str, float]:
    """How a batch of generated pictures differs as a whole from the real batch.

    Args:
        real: [N, C, H, W].
        fake: the same shape.

    Returns:
        spread: how much generated pictures differ from their mean, over the same of real ones; 0: all are one.
        nearest: the distance from a picture to its nearest neighbour in the batch, over the same of real ones; small:
            some come again and again.
        colour: how far from grey they are, over the same of real ones; only with two channels (chroma) or three.
        saturated: the share of values at the ends of the range, less the same of real ones.
    """
    sides = {"real": _small(real), "fake": _small(fake)}
    found = {side: _figures(pictures) for side, pictures in sides.items()}
    figures = {
        key: found["fake"][key] / found["real"][key] if found["real"][key] > 1e-6 else math.nan
        for key in found["real"]
        if key != "saturated"
    }
    figures["saturated"] = found["fake"]["saturated"] - found["real"]["saturated"]
    return {key: round(value, 5) for key, value in figures.items() if math.isfinite(value)}


def _figures(pictures: Tensor) -> dict[str, float]:
    flat = pictures.flatten(1)
    figures = {
        "spread": float((flat - flat.mean(dim=0)).norm(dim=1).mean()),
        "saturated": float((pictures.abs() > 0.98).float().mean()),
    }
    if len(flat) > 1:
        figures["nearest"] = float(nearest(flat, flat, itself=True).mean())
    if pictures.shape[1] == 2:
        figures["colour"] = float(pictures.norm(dim=1).mean())
    elif pictures.shape[1] == 3:
        figures["colour"] = float((pictures.amax(dim=1) - pictures.amin(dim=1)).mean())
    return figures


@torch.no_grad()
def copied(fake: Tensor, training: Tensor, held_out: Tensor) -> float:
    """The distance from a generated picture to the nearest training picture, over the same of pictures held out.

    About 1: generated pictures are as new as real ones; near 0: they are copies.

    Args:
        fake: [N, C, H, W].
        training: [M, C, H, W], all that the run trains on; with fewer than all, copies of the others are not seen.
        held_out: [K, C, H, W].
    """
    known = _small(training).flatten(1)
    ours = nearest(_small(fake).flatten(1), known).median()
    theirs = nearest(_small(held_out).flatten(1), known).median()
    return round(float(ours / theirs.clamp_min(1e-6)), 5)


def nearest(points: Tensor, others: Tensor, *, itself: bool = False) -> Tensor:
    """The distance of each point to the nearest of some others, [N].

    Args:
        points: [N, D].
        others: [M, D].
        itself: the others are the points, and a point does not count as its own neighbour.
    """
    distances = torch.cdist(points, others)
    if itself:
        distances.fill_diagonal_(math.inf)
    return distances.amin(dim=1)


def _small(pictures: Tensor) -> Tensor:
    step = -(-max(pictures.shape[-2:]) // MAX_SIDE)
    return pictures.detach().float()[..., ::step, ::step]
