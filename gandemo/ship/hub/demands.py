"""What somebody else's networks would ask of this machine, found by a run on shapes alone: no memory, no arithmetic.

Weights of two megabytes can ask for gigabytes while they work, and for hours.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from gandemo.errors import CheckpointError, GanDemoError
from gandemo.pipeline.painting import SIDE
from gandemo.recipe import Recipe
from gandemo.tasks import colorize, digits
from gandemo.tasks.base import options

# The largest of ours: 262 MB in one layer (conv, 250 pictures) and 0.25 TFLOP (the same).
LARGEST_LAYER = 2**30  # bytes
MOST_WORK = 10 * 10**12  # floating-point operations: about a minute of two cores
_BATCH = 250  # that digits are made and judged in
_SIDES = (digits.SIZE, 64)  # of pictures of digits, from and to


class _Meter(TorchDispatchMode):
    """Stops a run in which one layer gives more than it may."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for one in tree_leaves(made):
            if isinstance(one, Tensor) and (size := one.numel() * one.element_size()) > LARGEST_LAYER:
                raise CheckpointError(
                    f"recipe.json describes a network of which one layer takes {size / 1e9:,.1f} GB while it works; "
                    f"{LARGEST_LAYER / 1e9:,.1f} are the most"
                )
        return made


def check(recipe: Recipe, generator: nn.Module, discriminator: nn.Module | None) -> None:
    """Refuses networks that would ask for too much, or that do not take and give what their task does.

    It leaves the networks in eval mode and without gradients.

    Args:
        recipe: of a task that gandemo knows.
        generator: on the meta device.
        discriminator: on the meta device; None where there is none.

    Raises:
        CheckpointError: they do.
    """
    if recipe.task in ("digits", "classify") and not _SIDES[0] <= recipe.image_size <= _SIDES[1]:
        low, high = _SIDES
        raise CheckpointError(f"recipe.json has an image_size of {recipe.image_size}; {low} to {high} are possible")
    with torch.device("meta"):
        given, wanted = _given(recipe)
        _run("generator", generator, given, wanted)
        if discriminator is not None and recipe.task == "digits":
            side = recipe.image_size
            labels = given[1:]
            _run("discriminator", discriminator, (torch.empty(_BATCH * recipe.pack, 1, side, side), *labels), None)


def _given(recipe: Recipe) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """What the task gives its generator at a time, and the shape of what it expects."""
    side = recipe.image_size
    if recipe.task == "digits":
        labels = (torch.empty(_BATCH, dtype=torch.long),) if recipe.classes else ()
        return (torch.empty(_BATCH, recipe.latent), *labels), (_BATCH, 1, side, side)
    if recipe.task == "classify":
        return (torch.empty(_BATCH, 1, side, side),), (_BATCH, recipe.classes)
    if recipe.task == "colorize":
        try:
            settings = options(recipe, colorize.OPTIONS)
        except GanDemoError as error:
            raise CheckpointError(f"recipe.json: {error}") from None
        rgb = settings["predicts"] == "rgb"
        planes = 1 if rgb or not settings["hints"] else 4
        return (torch.empty(1, planes, side, side),), (1, 3 if rgb else 2, side, side)
    return (torch.empty(1, {"enhance": 3, "inpaint": 4}[recipe.task], SIDE, SIDE),), (1, 3, SIDE, SIDE)


def _run(player: str, network: nn.Module, given: tuple[Tensor, ...], wanted: tuple[int, ...] | None) -> None:
    try:
        with torch.no_grad(), _Meter(), FlopCounterMode(display=False) as counter:
            # fixed filters are laid out with their values even where weights are not
            made = network.to("meta").eval().requires_grad_(False)(*given)
    except CheckpointError:
        raise
    except Exception as error:  # whatever a network makes of inputs that it was never meant for
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(
            f"recipe.json describes a {player} that can't take what its task gives ({reason})"
        ) from None
    if wanted is not None and tuple(made.shape) != wanted:
        raise CheckpointError(
            f"recipe.json describes a {player} that gives {list(made.shape)} where its task expects {list(wanted)}"
        )
    if (work := counter.get_total_flops()) > MOST_WORK:
        raise CheckpointError(
            f"recipe.json describes a {player} that takes {work / 1e12:,.0f} TFLOP at a time; "
            f"{MOST_WORK / 1e12:,.0f} are the most"
        )
