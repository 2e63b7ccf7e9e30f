"""What somebody else made, checked against its recipe before anything uses it.

Nothing here runs what was downloaded: JSON is parsed, a safetensors header read, a PNG decoded within bounds. The
recipe's networks are first laid out without memory, so that one that asks for terabytes is refused for its shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import nn
from torch.overrides import TorchFunctionMode

from gandemo import checkpoint
from gandemo.checkpoint import Checkpoint
from gandemo.errors import CheckpointError, RecipeError
from gandemo.nets import build_discriminator, build_generator
from gandemo.recipe import Recipe
from gandemo.ship.hub import demands
from gandemo.tasks import TASKS

# What belongs to a checkpoint, and the most bytes of each: nothing else is ever fetched. Exports are not among it: they
# are for other programs, and made anew from the weights where they are wanted.
FILES: Mapping[str, int] = {
    "recipe.json": 256 * 2**10,
    "generator.safetensors": 512 * 2**20,
    "discriminator.safetensors": 512 * 2**20,
    checkpoint.FAITHFUL: 512 * 2**20,
    "metrics.json": 4 * 2**20,
    "preview.png": 8 * 2**20,
    "README.md": 2**20,
}
NEEDED = ("recipe.json", "generator.safetensors")
LARGEST_PREVIEW = 4096  # pixels to a side
_LARGEST_NUMBER, _LONGEST_LIST, _DEEPEST = 65_536, 64, 4
_MOST_STEPS = 20_000  # that the laying out of a network may take
_FLOATS = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8}
_WHOLES = {torch.int64: "I64", torch.int32: "I32", torch.bool: "BOOL", torch.uint8: "U8"}


def verify(folder: Path) -> Checkpoint:
    """A downloaded checkpoint folder that may be used.

    Raises:
        CheckpointError: a file is missing, too large, damaged, or not what the recipe says; the message names it.
    """
    for name, bound in FILES.items():
        file = folder / name
        if file.is_file() and file.stat().st_size > bound:
            raise CheckpointError(f"{name} is larger than the {bound >> 10:,} kB that a checkpoint's may be")
    found = checkpoint.load(folder)
    if found.recipe.task not in TASKS:
        raise CheckpointError(f"its task {found.recipe.task!r} is none that gandemo knows: {', '.join(TASKS)}")
    _check_names(found.recipe)
    generator, discriminator = plan(found.recipe)
    demands.check(found.recipe, generator, discriminator)
    _check_header(generator, folder / "generator.safetensors")
    if found.has_discriminator:
        if discriminator is None:
            raise CheckpointError("it comes with a discriminator that its recipe does not have")
        _check_header(discriminator, folder / "discriminator.safetensors")
    found.generator()  # read in full, so that a value that is not finite is found now
    found.discriminator()
    if found.has_faithful:
        _check_header(generator, folder / checkpoint.FAITHFUL)
        found.faithful()
    _check_preview(folder / "preview.png")
    _check_text(folder / "README.md")
    return found


def _check_names(recipe: Recipe) -> None:
    """Data and other checkpoints go by names: a path would be one of whoever pulls this."""
    for key in ("dataset", "init", "features"):
        named = getattr(recipe, key)
        is_path = any(mark in named for mark in "/\\:") or named.startswith(".")
        if is_path or len(named) > 255:
            raise CheckpointError(f"recipe.json names a path, {named[:80]!r}, as its {key}; a name was expected")


class _Plan(TorchFunctionMode):
    """Lets networks be laid out without drawing their weights, and stops those that never end."""

    steps = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise CheckpointError("recipe.json describes a network of more layers than gandemo builds")
        if getattr(func, "__module__", "") == "torch.nn.init":
            return (kwargs or {}).get("tensor", args[0] if args else None)
        return func(*args, **(kwargs or {}))


def plan(recipe: Recipe) -> tuple[nn.Module, nn.Module | None]:
    """A recipe's networks as shapes alone, on the meta device.

    Raises:
        CheckpointError: the recipe describes no networks, or immoderate ones.
    """
    for net in (recipe.generator, recipe.discriminator):
        if net is not None:
            _check_modest(net.args)
    try:
        with torch.device("meta"), _Plan():
            return build_generator(recipe), build_discriminator(recipe)
    except CheckpointError:
        raise
    except RecipeError as error:
        raise CheckpointError(f"recipe.json: {str(error)[:200]}") from None
    except Exception as error:  # whatever a network makes of arguments that it was never meant for
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"recipe.json describes a network that can't be built ({reason})") from None


def _check_modest(value: Any, depth: int = 0) -> None:
    if isinstance(value, list | dict):
        parts = list(value.values()) if isinstance(value, dict) else value
        if len(parts) > _LONGEST_LIST or depth > _DEEPEST:
            raise CheckpointError("recipe.json describes a network of more parts than gandemo builds")
        for part in parts:
            _check_modest(part, depth + 1)
    elif isinstance(value, int | float) and abs(value) > _LARGEST_NUMBER:
        raise CheckpointError(f"recipe.json describes a network with {value!s:.20} of something; that is too many")


def _check_header(network: nn.Module, path: Path) -> None:
    """Names, shapes and kinds of numbers, from the file's header alone."""
    expected = network.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            if wrong := sorted(set(file.keys()) ^ set(expected)):
                kind = "lacks" if wrong[0] in expected else "holds, against its recipe,"
                raise CheckpointError(f"{path.name} {kind} {wrong[0][:100]!r}")
            for name, tensor in expected.items():
                header = file.get_slice(name)
                shape, kind = list(header.get_shape()), str(header.get_dtype())
                if shape != list(tensor.shape):
                    raise CheckpointError(f"{path.name}: {name} is {shape}, its recipe says {list(tensor.shape)}")
                fits = kind in _FLOATS if tensor.is_floating_point() else kind == _WHOLES.get(tensor.dtype)
                if not fits:
                    raise CheckpointError(f"{path.name}: {name} holds {kind}, its recipe says {tensor.dtype}")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path.name} is no safetensors file ({str(error)[:120]})") from None


def _check_preview(path: Path) -> None:
    if not path.is_file():
        return
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            if max(picture.size) > LARGEST_PREVIEW:
                raise CheckpointError(f"preview.png is {picture.width}×{picture.height}; 4096 to a side is the most")
            picture.load()
    except CheckpointError:
        raise
    except Exception:  # whatever a decoder makes of what was never a picture
        raise CheckpointError("preview.png is no PNG, or damaged") from None


def _check_text(path: Path) -> None:
    try:
        if path.is_file():
            path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CheckpointError("README.md is no text in UTF-8") from None
