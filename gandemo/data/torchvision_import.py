"""The only import of torchvision.

Beside a CPU build of torch, torchvision's compiled operators do not load and the plain import raises (pytorch/vision
issue 9085). Its Python parts work all the same once the two missing operators are declared.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_library: torch.library.Library | None = None


def import_torchvision() -> ModuleType:
    """torchvision, also where its operators do not load; there `ops.nms` and `io` stay out of reach."""
    global _library
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        _library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision")
