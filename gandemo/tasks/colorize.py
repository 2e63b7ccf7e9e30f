"""Colour for black-and-white photos: the network sees lightness and says the colour; lightness stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from gandemo.data import images as im
from gandemo.errors import RecipeError
from gandemo.metrics import ab_error, colourfulness
from gandemo.recipe import Recipe
from gandemo.tasks import pairs
from gandemo.tasks.base import Batch, Pictures, options, terms

OPTIONS: dict[str, Any] = {
    # "ab": chroma in Lab, with lightness as the condition; "rgb": a whole picture from grey, as the article has it
    "predicts": "ab",
    # share of training pictures with hint points; above 0 the generator has three more inputs
    "hints": 0.0,
    # the smallest square that is cut, as a share of the photo: colour needs to see what a thing is
    "least": 0.6,
    # decibels that the whole colourfulness is worth when the best checkpoint is picked
    "liveliness": 5.0,
}

BIN = 10  # of Lab's a and b, for how rare a colour is
IN_GAMUT = 313  # bins of that size that sRGB reaches


class Colorize:
    """The task of giving a photo its colour."""

    title = "Colour for black-and-white photos"
    score = "balance"
    lower_is_better = False
    prepares_ahead = True

    def prepare(self, recipe: Recipe, images: Tensor, labels: Tensor, rng: torch.Generator) -> Batch:
        """uint8 [N, 3, S, S] to chroma [N, 2, size, size] given lightness, or to RGB that stands for itself."""
        chosen = _options(recipe)
        rgb = im.to_signed(pairs.squares(recipe, images, rng, least=chosen["least"])).to(labels.device)
        if chosen["predicts"] == "rgb":
            return Batch(rgb, None, labels, terms(recipe, ("l1", "mse")))
        lightness, chroma = im.split_colour(rgb)
        return Batch(chroma, lightness, labels, terms(recipe, TERMS))

    def inputs(self, recipe: Recipe, batch: Batch, rng: torch.Generator) -> tuple[Tensor, ...]:
        """Lightness with a few points of the true colour, drawn anew at each call; or luma."""
        if batch.condition is None:
            return (im.luma(batch.real),)
        share = _options(recipe)["hints"]
        if not share:
            return (batch.condition,)
        return (torch.cat([batch.condition, random_hints(batch.real, share, rng)], dim=1),)

    def supervised(self, batch: Batch, output: Tensor) -> Mapping[str, Tensor]:
        """The terms of `TERMS` that the recipe weighs."""
        return {name: TERMS[name](output.float(), batch.real) for name in batch.terms}

    def evaluate(
        self, recipe: Recipe, generator: nn.Module, held_out: Pictures, count: int, *, seed: int = 0
    ) -> dict[str, float]:
        """PSNR, colour error and colourfulness of the first `count` held-out photos, without hints."""
        truth = held_out.images[:count]
        painted = paint(recipe, generator, truth)
        return _figures(recipe, truth, painted)

    def sheet(self, recipe: Recipe, generator: nn.Module, held_out: Pictures) -> Image.Image:
        """Held-out photos: grey, as coloured, as they were."""
        truth = pairs.sample_of(held_out)
        return pairs.contact_sheet(grey(truth), paint(recipe, generator, truth), truth)


def predict_chroma(recipe: Recipe, generator: nn.Module, photos: Tensor, hints: Tensor | None = None) -> Tensor:
    """The colour that a generator gives photos, in their size: chroma [N, 2, H, W] in [-1, 1], on the CPU.

    Args:
        recipe: of the generator.
        generator: in eval mode.
        photos: RGB [N, 3, H, W] in [-1, 1], grey or not; H and W that the network takes.
        hints: [N, 3, H, W] as `random_hints` makes them; None: no hints.

    Raises:
        RecipeError: hints for a network that takes none.
    """
    chosen = _options(recipe)
    if hints is not None and not chosen["hints"]:
        raise RecipeError(f"{recipe.name} was trained without hints; take a checkpoint that takes them")
    if chosen["predicts"] == "rgb":
        return im.split_colour(pairs.through(generator, im.luma(photos)).clamp(-1.0, 1.0))[1]
    lightness, _ = im.split_colour(photos)
    if chosen["hints"]:
        empty = torch.zeros(len(photos), 3, *photos.shape[-2:])
        lightness = torch.cat([lightness, empty if hints is None else hints], dim=1)
    return pairs.through(generator, lightness)


def paint(recipe: Recipe, generator: nn.Module, pixels: Tensor) -> Tensor:
    """Photos with the generator's colour and their own lightness, uint8 [N, 3, H, W].

    Args:
        recipe: of the generator.
        generator: in eval mode.
        pixels: uint8 [N, 3, H, W]; their colour is not looked at.
    """
    painted = []
    for part in pixels.split(pairs.BATCH):
        whole = im.to_signed(part)
        small = pairs.resize(whole, recipe.image_size)
        chroma = predict_chroma(recipe, generator, small)
        lightness, _ = im.split_colour(whole)
        painted.append(im.to_pixels(im.join_colour(lightness, pairs.resize(chroma, *part.shape[-2:]))))
    return torch.cat(painted)


def grey(pixels: Tensor) -> Tensor:
    """Photos without their colour and with their lightness, uint8 [N, 3, H, W]."""
    lightness, chroma = im.split_colour(im.to_signed(pixels))
    return im.to_pixels(im.join_colour(lightness, torch.zeros_like(chroma)))


def random_hints(chroma: Tensor, share: float, rng: torch.Generator, points: int | None = None) -> Tensor:
    """Points of the true colour, as somebody might dab them (Zhang et al. 2017, arXiv:1705.02999).

    Args:
        chroma: [N, 2, H, W] in [-1, 1].
        share: of the pictures that get any.
        rng: draws number, place and size.
        points: how many; None: one or more, eight on average.

    Returns:
        [N, 3, H, W]: the two of chroma and a mask, all 0 where nothing is hinted.
    """
    count, _, height, width = chroma.shape
    hints = torch.zeros((count, 3, height, width), device=chroma.device)
    most = max(1, min(height, width) // 24)
    for index in range(count):
        if float(torch.rand((), generator=rng)) >= share:
            continue
        number = points or 1 + int(torch.empty(()).geometric_(1 / 8, generator=rng))
        for _ in range(min(number, 100)):
            size = 1 + int(torch.randint(most, (), generator=rng))
            top = int(torch.randint(max(1, height - size + 1), (), generator=rng))
            left = int(torch.randint(max(1, width - size + 1), (), generator=rng))
            place = (index, slice(None), slice(top, top + size), slice(left, left + size))
            hints[place] = 1.0
            hints[index, :2, top : top + size, left : left + size] = chroma[place].mean(dim=(1, 2), keepdim=True)
    return hints


# --- terms of the generator's loss, on chroma [N, 2, H, W] -------------------------------------------------


def rare(output: Tensor, real: Tensor) -> Tensor:
    """L1 in which a colour weighs more the rarer it is in the batch (Zhang et al. 2016, arXiv:1603.08511).

    The weight is 1 / (half the colour's share + half of an even share), and 1 on average.
    """
    places = ((real.detach() * im.CHROMA_SCALE + im.CHROMA_SCALE) / BIN).long().clamp_(min=0)
    across = 2 * int(im.CHROMA_SCALE) // BIN + 1
    bins = (places[:, 0] * across + places[:, 1]).flatten()
    shares = torch.bincount(bins, minlength=across**2).float() / len(bins)
    weights = 1.0 / (0.5 * shares + 0.5 / IN_GAMUT)
    weights = (weights / (weights * shares).sum())[bins].view_as(real[:, :1])
    return (weights * (output - real).abs()).mean()


def saturation(output: Tensor, real: Tensor) -> Tensor:
    """Difference of each picture's mean distance from grey, so that the mean of all colours is no way out."""

    def distance(chroma: Tensor) -> Tensor:
        return (chroma.square().sum(dim=1) + 1e-6).sqrt().mean(dim=(1, 2))

    return (distance(output) - distance(real)).abs().mean()


TERMS: dict[str, pairs.Term] = {"l1": pairs.l1, "mse": pairs.mse, "rare": rare, "saturation": saturation}


# --- figures ----------------------------------------------------------------------------------------------


def _options(recipe: Recipe) -> dict[str, Any]:
    chosen = options(recipe, OPTIONS)
    if chosen["predicts"] not in ("ab", "rgb"):
        raise RecipeError(f"options.predicts must be ab or rgb, got {chosen['predicts']!r}")
    if chosen["predicts"] == "rgb" and chosen["hints"]:
        raise RecipeError("options.hints needs options.predicts ab")
    return chosen


def _figures(recipe: Recipe, truth: Tensor, painted: Tensor) -> dict[str, float]:
    psnr, before = pairs.mean_psnr(painted, truth), pairs.mean_psnr(grey(truth), truth)
    lively, wanted = (float(colourfulness(pairs.unit(pictures)).mean()) for pictures in (painted, truth))
    share = pairs.ratio(lively, wanted)
    return {
        "photos": float(len(truth)),
        "psnr": psnr,
        "grey_psnr": before,
        "gain": psnr - before,
        "ab_error": _ab_error(painted, truth),
        "grey_ab_error": _ab_error(grey(truth), truth),
        "colourfulness": lively,
        "colourfulness_of_truth": wanted,
        "colourfulness_error": abs(lively - wanted),
        "colourfulness_ratio": share,
        "balance": pairs.balance(psnr - before, share, _options(recipe)["liveliness"]),
    }


def _ab_error(painted: Tensor, truth: Tensor) -> float:
    parts = zip(painted.split(pairs.BATCH), truth.split(pairs.BATCH), strict=True)
    return float(torch.cat([ab_error(pairs.unit(a), pairs.unit(b)) for a, b in parts]).mean())
