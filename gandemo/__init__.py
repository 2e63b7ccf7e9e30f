"""gandemo: train, watch, diagnose, use and ship small GANs, with no GPU needed.

    from gandemo import Pipeline, Recipe, RECIPES, train

The names below load what they need at first use, so that importing the package loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gandemo.elsewhere import HUB
from gandemo.errors import GanDemoError
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES

if TYPE_CHECKING:
    from gandemo.pipeline import Pipeline
    from gandemo.training.loop import train

__version__ = "0.1.0"
__all__ = ["RECIPES", "GanDemoError", "Pipeline", "Recipe", "train"]


def _on_the_hub(name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module("gandemo.ship.hub.in_python"), name)(*args, **kwargs)

    return call


HUB.update(fetch=_on_the_hub("fetch_checkpoint"), push=_on_the_hub("push_checkpoint"))

_LAZY = {"Pipeline": "gandemo.pipeline", "train": "gandemo.training.loop"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'gandemo' has no attribute {name!r}")
