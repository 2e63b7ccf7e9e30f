"""What a scratch or a brush has covered, painted in from what is around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from gandemo.data import images as im
from gandemo.data.degradations import MASKS, some_mask
from gandemo.metrics import BEST
from gandemo.recipe import Recipe
from gandemo.tasks import pairs
from gandemo.tasks.base import Batch, Pictures, options, terms

OPTIONS: dict[str, Any] = {
    # decibels that all of the fine detail in the holes is worth when the best checkpoint is picked
    "liveliness": 3.0,
}
TERMS: dict[str, pairs.Term] = {"l1": pairs.l1, "mse": pairs.mse}
MEASURED_SIDE = 192


class Inpaint:
    """The task of filling holes."""

    title = "What is missing, painted in"
    score = "balance"
    lower_is_better = False
    prepares_ahead = True

    def prepare(self, recipe: Recipe, images: Tensor, labels: Tensor, rng: torch.Generator) -> Batch:
        """uint8 [N, 3, S, S] to whole squares [N, 3, size, size], given them with holes, and the mask of the holes."""
        options(recipe, OPTIONS)
        whole = pairs.squares(recipe, images, rng)
        masks = torch.stack([some_mask(recipe.image_size, recipe.image_size, rng) for _ in whole])
        real, condition = im.to_signed(whole).to(labels.device), with_holes(whole, masks).to(labels.device)
        return Batch(real, condition, labels, terms(recipe, TERMS))

    def inputs(self, recipe: Recipe, batch: Batch, rng: torch.Generator) -> tuple[Tensor, ...]:
        """The picture with holes, and the mask."""
        assert batch.condition is not None
        return (batch.condition,)

    def supervised(self, batch: Batch, output: Tensor) -> Mapping[str, Tensor]:
        """The terms of `TERMS` that the recipe weighs, as means over the holes: the rest is as it was."""
        assert batch.condition is not None
        lost = batch.condition[:, 3:].mean()
        return {name: TERMS[name](output.float(), batch.real) / lost for name in batch.terms}

    def evaluate(
        self, recipe: Recipe, generator: nn.Module, held_out: Pictures, count: int, *, seed: int = 0
    ) -> dict[str, float]:
        """PSNR in the holes of the first `count` held-out photos, over a fill of the mean colour, by kind of mask."""
        truth = pairs.middle(held_out.images[:count], MEASURED_SIDE)
        figures, gains, shares = {"photos": float(len(truth))}, [], []
        for kind in MASKS:
            masks = masks_for(truth, kind, seed)
            filled = fill(generator, truth, masks)
            found, before = (_psnr_in(pictures, truth, masks) for pictures in (filled, flat(truth, masks)))
            gains.append(found - before)
            shares.append(pairs.ratio(pairs.detail(filled, masks), pairs.detail(truth, masks)))
            figures |= {f"{kind}_hole_psnr": found, f"{kind}_gain": gains[-1]}
        gain, share = sum(gains) / len(gains), sum(shares) / len(shares)
        figures |= {"gain": gain, "detail_ratio": share}
        figures["balance"] = pairs.balance(gain, share, options(recipe, OPTIONS)["liveliness"])
        return figures

    def sheet(self, recipe: Recipe, generator: nn.Module, held_out: Pictures) -> Image.Image:
        """Held-out photos with holes: input, ours, truth."""
        truth = pairs.middle(held_out.images[: pairs.SHEET[0]], pairs.SHEET[1])
        kinds = list(MASKS)
        masks = torch.cat([masks_for(truth[i : i + 1], kinds[i % len(kinds)], i) for i in range(len(truth))])
        return pairs.contact_sheet(flat(truth, masks), fill(generator, truth, masks), truth)


def with_holes(pixels: Tensor, masks: Tensor) -> Tensor:
    """What the generator is given: RGB in [-1, 1], 0 in the holes, and the mask: [N, 4, H, W].

    Args:
        pixels: uint8 [N, 3, H, W].
        masks: [N, 1, H, W], 1 where the picture is lost.
    """
    lost = masks.float()
    return torch.cat([im.to_signed(pixels) * (1.0 - lost), lost], dim=1)


def fill(generator: nn.Module, pixels: Tensor, masks: Tensor) -> Tensor:
    """Photos uint8 [N, 3, H, W] with their holes painted in; every other pixel stays exactly as it is."""
    painted = im.to_pixels(pairs.through(generator, with_holes(pixels, masks)))
    return torch.where(masks == 1, painted, pixels)


def masks_for(pixels: Tensor, kind: str, seed: int) -> Tensor:
    """A mask of one of `MASKS` for each photo, uint8 [N, 1, H, W]; each with a seed of its own."""
    height, width = pixels.shape[-2:]
    return torch.stack(
        [
            MASKS[kind](height, width, torch.Generator().manual_seed(seed * 100_003 + index))
            for index in range(len(pixels))
        ]
    )


def flat(pixels: Tensor, masks: Tensor) -> Tensor:
    """Every hole in the mean colour of what is left: what a network must beat."""
    known = 1.0 - masks.float()
    mean = (pixels * known).sum(dim=(2, 3), keepdim=True) / known.sum(dim=(2, 3), keepdim=True).clamp(min=1.0)
    return torch.where(masks == 1, mean.round().to(torch.uint8), pixels)


def _psnr_in(pictures: Tensor, truth: Tensor, masks: Tensor) -> float:
    """PSNR over all holes together."""
    inside = masks.expand_as(truth) == 1
    error = float((pictures[inside].double() - truth[inside].double()).square().mean()) if bool(inside.any()) else 0.0
    best = 255.0**2 / 10 ** (BEST / 10)
    return float(10 * torch.tensor(255.0**2 / max(error, best), dtype=torch.float64).log10())
