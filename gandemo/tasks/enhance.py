"""A sharper picture from a poor one: what blur, noise, JPEG and few pixels have taken away, as a residual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from gandemo.data import images as im
from gandemo.data.degradations import YARDSTICKS, degrade
from gandemo.recipe import Recipe
from gandemo.tasks import pairs
from gandemo.tasks.base import Batch, Pictures, options, terms

OPTIONS: dict[str, Any] = {
    # decibels that all of the fine detail is worth when the best checkpoint is picked
    "liveliness": 0.0,
    # whether photos get film grain, and are made poor before they are enlarged, too
    "old_and_small": False,
}
TERMS: dict[str, pairs.Term] = {"l1": pairs.l1, "mse": pairs.mse}
MEASURED_SIDE = 192  # of the middle of a photo that is measured while training


class Enhance:
    """The task of making good what happened to a photo."""

    title = "A sharper picture from a poor one"
    score = "balance"
    lower_is_better = False
    prepares_ahead = True

    def prepare(self, recipe: Recipe, images: Tensor, labels: Tensor, rng: torch.Generator) -> Batch:
        """uint8 [N, 3, S, S] to sharp squares [N, 3, size, size], given what is left of them after random harm."""
        settings = options(recipe, OPTIONS)
        sharp = pairs.squares(recipe, images, rng, favour_small=True)
        poor = torch.stack([degrade(picture, rng, old_and_small=settings["old_and_small"]) for picture in sharp])
        real, condition = (im.to_signed(pixels).to(labels.device) for pixels in (sharp, poor))
        return Batch(real, condition, labels, terms(recipe, TERMS))

    def inputs(self, recipe: Recipe, batch: Batch, rng: torch.Generator) -> tuple[Tensor, ...]:
        """The poor picture."""
        assert batch.condition is not None
        return (batch.condition,)

    def supervised(self, batch: Batch, output: Tensor) -> Mapping[str, Tensor]:
        """The terms of `TERMS` that the recipe weighs."""
        return {name: TERMS[name](output.float(), batch.real) for name in batch.terms}

    def evaluate(
        self, recipe: Recipe, generator: nn.Module, held_out: Pictures, count: int, *, seed: int = 0
    ) -> dict[str, float]:
        """PSNR-Y over the degraded input, for each of `YARDSTICKS`, of the first `count` held-out photos."""
        truth = pairs.middle(held_out.images[:count], MEASURED_SIDE)
        figures, gains, shares = {"photos": float(len(truth))}, [], []
        for kind in YARDSTICKS:
            poor = harmed(truth, kind, seed)
            better = restore(generator, poor)
            gains.append(pairs.mean_psnr(better, truth, of_luma=True) - pairs.mean_psnr(poor, truth, of_luma=True))
            shares.append(pairs.ratio(pairs.detail(better), pairs.detail(truth)))
            figures[f"{kind}_gain"] = gains[-1]
        gain, share = sum(gains) / len(gains), sum(shares) / len(shares)
        figures |= {"gain": gain, "detail_ratio": share}
        figures["balance"] = pairs.balance(gain, share, options(recipe, OPTIONS)["liveliness"])
        return figures

    def sheet(self, recipe: Recipe, generator: nn.Module, held_out: Pictures) -> Image.Image:
        """Held-out photos, each harmed in another way: input, ours, truth."""
        truth = pairs.middle(held_out.images[: pairs.SHEET[0]], pairs.SHEET[1])
        kinds = list(YARDSTICKS)
        poor = torch.cat(
            [harmed(truth[index : index + 1], kinds[index % len(kinds)], index) for index in range(len(truth))]
        )
        return pairs.contact_sheet(poor, restore(generator, poor), truth)


def harmed(pixels: Tensor, kind: str, seed: int) -> Tensor:
    """Photos uint8 [N, 3, H, W] after one of `YARDSTICKS`; each with a seed of its own."""
    return torch.stack(
        [
            YARDSTICKS[kind](picture, torch.Generator().manual_seed(seed * 100_003 + index))
            for index, picture in enumerate(pixels)
        ]
    )


def restore(generator: nn.Module, pixels: Tensor) -> Tensor:
    """Poor photos uint8 [N, 3, H, W] through a generator; H and W that the network takes."""
    return im.to_pixels(pairs.through(generator, im.to_signed(pixels)))
