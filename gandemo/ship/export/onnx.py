"""ONNX: conversion with open batch and size, metadata, and the ONNX runtime that checks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gandemo.ship.export.interface import Arrays, Interface

METADATA = "gandemo"  # the key of the model's own property; its content is JSON
OPSET = 18


def convert(interface: Interface, path: Path) -> None:
    """Writes a float32 file whose batch is open, and height and width where the network takes any."""
    module = interface.module.eval().requires_grad_(False)
    # more than one of each, so that the export can't take a size that happens to be 1 for a fact
    examples = {name: torch.from_numpy(value) for name, value in interface.examples(2).items()}
    axes = {0: torch.export.Dim.DYNAMIC, **dict.fromkeys(interface.dynamic, torch.export.Dim.DYNAMIC)}
    torch.onnx.export(
        module,
        kwargs=examples,
        f=str(path),
        input_names=list(interface.inputs),
        output_names=list(interface.outputs),
        dynamic_shapes=dict.fromkeys(examples, axes),
        opset_version=OPSET,
        external_data=False,
        dynamo=True,
        verbose=False,
    )


def describe(path: Path, description: Mapping[str, Any]) -> None:
    """Writes a description into a file's properties, as JSON under the name `METADATA`."""
    import onnx

    model = onnx.load(path)
    model.producer_name = "gandemo"
    model.doc_string = f"{description['name']}: {description['description']} {description['licence']}"
    onnx.helper.set_model_props(model, {METADATA: json.dumps(description)})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def description(path: Path) -> dict[str, Any]:
    """What `describe` wrote into a file; empty where nothing is."""
    import onnx

    properties = {one.key: one.value for one in onnx.load(path).metadata_props}
    found: dict[str, Any] = json.loads(properties.get(METADATA, "{}"))
    return found


class Runner:
    """A file in the ONNX runtime, on the processor."""

    def __init__(self, path: Path, threads: int) -> None:
        """Loads the file."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors alone
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._outputs = [one.name for one in self._session.get_outputs()]

    def __call__(self, signature: str, inputs: Arrays) -> Arrays:
        """Runs one batch of any size; `signature` is there to be called as TFLite's runner is."""
        return dict(zip(self._outputs, self._session.run(self._outputs, inputs), strict=True))
