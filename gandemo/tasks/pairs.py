"""What the photo tasks share: squares cut from photos, terms of the generator's loss, figures, contact sheets."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from gandemo.data import images as im
from gandemo.errors import RecipeError
from gandemo.metrics import BEST, psnr, psnr_y
from gandemo.recipe import Recipe
from gandemo.tasks.base import Pictures

BATCH = 16  # photos that go through a network at once when it is measured
SHEET = (10, 128)  # photos on a contact sheet, and their side

Term = Callable[[Tensor, Tensor], Tensor]


def squares(
    recipe: Recipe, images: Tensor, rng: torch.Generator, *, least: float = 0.0, favour_small: bool = False
) -> Tensor:
    """A random square of each picture, scaled to `image_size`, half of them mirrored if the recipe says "flip".

    Args:
        recipe: its `image_size` and `augment`.
        images: uint8 [N, 3, S, S], on the CPU.
        rng: draws size, place and mirroring.
        least: the smallest cut, as a share of S; never fewer pixels than `image_size`, where there are as many.
        favour_small: most cuts lie near the smallest, where pixels are as the camera made them.

    Returns:
        uint8 [N, 3, image_size, image_size] on the CPU, in channels_last.
    """
    for name in recipe.augment:
        if name != "flip":
            raise RecipeError(f"augment has no {name!r} for {recipe.task}; valid: flip")
    count, size, side = len(images), recipe.image_size, images.shape[-1]
    smallest = min(side, max(size, round(least * side)))
    cut, top, left, mirrored = torch.rand(4, count, generator=rng)
    cuts = (smallest + (side - smallest) * (cut.square() if favour_small else cut)).round().long()
    found = torch.empty((count, 3, size, size), dtype=torch.uint8, memory_format=torch.channels_last)
    for index, (picture, length) in enumerate(zip(images, cuts.tolist(), strict=True)):
        y, x = (int(share[index] * (side - length + 1)) for share in (top, left))
        square = resize(picture[None, :, y : y + length, x : x + length], size)
        found[index] = square[0].flip(2) if "flip" in recipe.augment and mirrored[index] < 0.5 else square[0]
    return found


def resize(pictures: Tensor, height: int, width: int | None = None) -> Tensor:
    """[N, C, H, W] scaled without aliasing, or as they are where they have the size."""
    size = (height, height if width is None else width)
    if tuple(pictures.shape[-2:]) == size:
        return pictures
    return F.interpolate(pictures, size, mode="bilinear", antialias=True)


def middle(pictures: Tensor, side: int) -> Tensor:
    """The central square of each picture, of at most `side` pixels and a multiple of 16."""
    side = min(side, pictures.shape[-1]) // 16 * 16
    return im.crop_to(pictures, side)


# --- terms of the generator's loss ------------------------------------------------------------------------


def l1(output: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference."""
    return F.l1_loss(output, real)


def mse(output: Tensor, real: Tensor) -> Tensor:
    """Mean squared difference."""
    return F.mse_loss(output, real)


# --- figures ----------------------------------------------------------------------------------------------


@torch.inference_mode()
def through(network: nn.Module, inputs: Tensor) -> Tensor:
    """Inputs [N, C, H, W] through a generator, a few at a time; the output comes back to the CPU."""
    device = next(network.parameters()).device
    return torch.cat([network(part.to(device)).float().cpu() for part in inputs.split(BATCH)])


def mean_psnr(a: Tensor, b: Tensor, *, of_luma: bool = False) -> float:
    """Mean PSNR of pictures uint8 [N, 3, H, W]; of their luma as the literature has it, if asked."""
    measure = psnr_y if of_luma else psnr
    return float(measure(unit(a), unit(b)).clamp(max=BEST).mean())


def unit(pixels: Tensor) -> Tensor:
    """uint8 to float32 in [0, 1], as the metrics want it."""
    return pixels.float() / 255.0


def detail(pictures: Tensor, where: Tensor | None = None) -> float:
    """How much fine structure there is: the mean absolute Laplacian of the luma.

    Args:
        pictures: uint8 [N, 3, H, W].
        where: [N, 1, H, W]; only pixels where it is 1 count.
    """
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).view(1, 1, 3, 3)
    edges = F.conv2d(im.luma(pictures.float()), kernel).abs()
    if where is None:
        return float(edges.mean())
    inside = where[..., 1:-1, 1:-1].float()
    return float((edges * inside).sum() / inside.sum().clamp(min=1.0))


def ratio(found: float, truth: float) -> float:
    """`found` over `truth`; 1 where there is nothing to find."""
    return found / truth if truth > 1e-6 else 1.0


def balance(gain: float, share: float, weight: float) -> float:
    """What picks the best checkpoint: decibels gained, less what is missing of (or too much in) colour or detail.

    PSNR alone would pick the greyest and the softest: on average the mean of all possibilities is nearest.
    """
    return gain - weight * abs(1.0 - share)


# --- contact sheets ---------------------------------------------------------------------------------------


def sample_of(held_out: Pictures) -> Tensor:
    """The photos of the contact sheet, uint8 [N, 3, S, S]."""
    return resize(held_out.images[: SHEET[0]], SHEET[1])


def contact_sheet(*stages: Tensor) -> Image.Image:
    """Photos side by side in their stages (input, ours, truth), two photos to a row.

    Args:
        stages: uint8 [N, 3, H, W] each.
    """
    pictures = torch.stack(stages, dim=1).flatten(0, 1).permute(0, 2, 3, 1).contiguous().numpy()
    return im.grid(pictures, columns=2 * len(stages), background=255)
