"""Networks by name: `GENERATORS` and `DISCRIMINATORS`, and the two functions that build them from a recipe.

A network's positional parameters are facts of the recipe (image size, latent, classes, pack) and its keyword-only
parameters are what `generator.args` and `discriminator.args` may set.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import torch
from torch import nn

from gandemo.errors import RecipeError
from gandemo.nets.classifier import Classifier
from gandemo.nets.conditional import ProjectionDiscriminator, ResizeGenerator
from gandemo.nets.convolutional import ConvDiscriminator, TransposedGenerator, UpsamplingGenerator
from gandemo.nets.mlp import MlpDiscriminator, MlpGenerator
from gandemo.nets.patchgan import PatchDiscriminator, PoolingDiscriminator
from gandemo.nets.unet import UNet, ValidUNet
from gandemo.recipe import Net, Recipe

GENERATORS: dict[str, Callable[..., nn.Module]] = {
    "mlp": MlpGenerator,
    "upsampling": UpsamplingGenerator,
    "transposed": TransposedGenerator,
    "resize": ResizeGenerator,
    "unet": UNet,
    "valid-unet": ValidUNet,
    "classifier": Classifier,
}

DISCRIMINATORS: dict[str, Callable[..., nn.Module]] = {
    "mlp": MlpDiscriminator,
    "conv": ConvDiscriminator,
    "projection": ProjectionDiscriminator,
    "patch": PatchDiscriminator,
    "pooling": PoolingDiscriminator,
}


def build_generator(recipe: Recipe) -> nn.Module:
    """The recipe's generator with freshly drawn weights, in channels_last.

    Raises:
        RecipeError: the name or an argument is unknown; the message names the valid ones.
    """
    facts = {"image_size": recipe.image_size, "latent": recipe.latent, "classes": recipe.classes}
    return _build("generator", GENERATORS, recipe.generator, facts)


def build_discriminator(recipe: Recipe) -> nn.Module | None:
    """The recipe's discriminator with freshly drawn weights, or None where it has none.

    Raises:
        RecipeError: the name or an argument is unknown; the message names the valid ones.
    """
    if recipe.discriminator is None:
        return None
    facts = {"image_size": recipe.image_size, "classes": recipe.classes, "pack": recipe.pack}
    return _build("discriminator", DISCRIMINATORS, recipe.discriminator, facts)


def _build(player: str, registry: Mapping[str, Callable[..., nn.Module]], net: Net, facts: dict[str, int]) -> nn.Module:
    if net.name not in registry:
        raise RecipeError(f"there is no {player} {net.name!r}; valid: {', '.join(registry)}")
    make = registry[net.name]
    parameters = inspect.signature(make).parameters
    arguments = {name for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    for key in net.args:
        if key not in arguments:
            raise RecipeError(f"{player}.args has no key {key!r}; valid: {', '.join(sorted(arguments))}")
    if facts["classes"] and "classes" not in parameters:
        raise RecipeError(f"{player} {net.name!r} knows no classes; set classes to 0 or take another {player}")
    if facts.get("pack", 1) > 1 and "pack" not in parameters:
        raise RecipeError(f"{player} {net.name!r} can't judge packs; set pack to 1 or take another {player}")
    given = {name: value for name, value in facts.items() if name in parameters}
    try:
        network = make(**given, **net.args)
    except (TypeError, ValueError, ZeroDivisionError, RuntimeError) as error:
        raise RecipeError(f"{player} {net.name!r} can't be built from {net.args}: {error}") from None
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
