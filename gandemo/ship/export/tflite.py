"""TFLite: conversion, quantization, metadata, and the LiteRT interpreter that checks it all.

What the converter (litert-torch 0.10) gets wrong without a word, and what `exact` therefore makes good first:
- a transposed convolution whose padding is not exactly half of kernel minus stride;
- weights in channels_last: it copies each to tell them apart by where they lie, frees the copy, and takes the next of
  the same shape, copied to the same place, for the same weights;
- a network in training mode.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gandemo.nets.filling import DirectionalFill, FactoredFill
from gandemo.nets.wiener import FactoredBank, WienerBank
from gandemo.ship.export.interface import Arrays, Interface

METADATA = "gandemo"  # the name of the file's own entry; its content is JSON
FIXED = f".*({FactoredBank.__name__}|{FactoredFill.__name__}).*"  # what no training has chosen keeps all its digits


def convert(interface: Interface, path: Path) -> None:
    """Writes a float32 file with one signature for each batch."""
    module = exact(interface.module)
    import litert_torch

    chain: Any = litert_torch
    for name, batch in interface.signatures.items():
        examples = {key: torch.from_numpy(value) for key, value in interface.examples(batch).items()}
        chain = chain.signature(name, module, sample_kwargs=examples)
    chain.convert().export(str(path))


def quantize(source: Path, path: Path, kind: str) -> None:
    """A float32 file with its weights in half precision ("fp16") or dynamically quantized to 8 bits ("int8")."""
    from ai_edge_quantizer import qtyping, quantizer

    work = quantizer.Quantizer(str(source))
    operation = qtyping.TFLOperationName
    if kind == "fp16":
        half = qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(
                num_bits=16, symmetric=True, dtype=qtyping.TensorDataType.FLOAT
            ),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        )
        for name in (operation.FULLY_CONNECTED, operation.CONV_2D, operation.CONV_2D_TRANSPOSE):
            work.update_quantization_recipe(".*", name, half, "float_casting")
    else:
        work.add_dynamic_config(".*", operation.ALL_SUPPORTED, num_bits=8)
        # with quantized activations this one operation is over ten times slower
        work.add_weight_only_config(".*", operation.CONV_2D_TRANSPOSE, num_bits=8)
    # rounded to 8 bits, the filters against blur alone cost 16 dB
    work.update_quantization_recipe(FIXED, operation.ALL_SUPPORTED, None, "no_quantize")
    work.quantize().export_model(str(path), overwrite=True)


def describe(path: Path, description: Mapping[str, Any]) -> None:
    """Writes a description into a file: in words for tools that show one, and as JSON under the name `METADATA`."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils
    from flatbuffers import Builder

    model = flatbuffer_utils.read_model(str(path))
    model.description = f"{description['name']}: {description['description']} {description['licence']}".encode()
    content = schema.BufferT()
    content.data = np.frombuffer(json.dumps(description).encode(), np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA.encode(), len(model.buffers)
    model.buffers.append(content)
    model.metadata = [*(one for one in model.metadata or [] if one.name != entry.name), entry]
    for buffer in model.buffers:
        if buffer.data is not None:
            buffer.Pack = partial(_pack_aligned, schema, bytes(buffer.data))
    builder = Builder(path.stat().st_size + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    path.chmod(0o644)  # the converter marks it as a program


def _pack_aligned(schema: Any, data: bytes, builder: Any) -> int:
    """A buffer at a multiple of 16 bytes, as the format wants it and Python's own writer does not do it."""
    builder.StartVector(1, len(data), 16)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    vector = builder.EndVector()
    schema.BufferStart(builder)
    schema.BufferAddData(builder, vector)
    place: int = schema.BufferEnd(builder)
    return place


def description(path: Path) -> dict[str, Any]:
    """What `describe` wrote into a file; empty where nothing is."""
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    for entry in model.metadata or []:
        if bytes(entry.name) == METADATA.encode():
            found: dict[str, Any] = json.loads(bytes(model.buffers[entry.buffer].data))
            return found
    return {}


class Runner:
    """A file in the LiteRT interpreter, on the processor."""

    def __init__(self, path: Path, threads: int) -> None:
        """Loads the file."""
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
        self._runners: dict[str, Any] = {}

    def __call__(self, signature: str, inputs: Arrays) -> Arrays:
        """Runs one batch of a signature."""
        if signature not in self._runners:
            self._runners[signature] = self._interpreter.get_signature_runner(signature)
        outputs: Arrays = self._runners[signature](**inputs)
        return outputs


# --- networks as the converter needs them -----------------------------------------------------------------


def exact(module: nn.Module) -> nn.Module:
    """A copy in eval mode whose transposed convolutions convert without loss."""
    ready = copy.deepcopy(module).cpu().float().eval().requires_grad_(False)
    ready.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for name, layer in list(ready.named_modules()):
        if isinstance(layer, nn.ConvTranspose2d) and not _converts(layer):
            better: nn.Module = CroppedTranspose(layer)
        elif isinstance(layer, WienerBank):
            better = FactoredBank(layer)
        elif isinstance(layer, DirectionalFill):
            better = FactoredFill(layer)
        else:
            continue
        parent, _, leaf = name.rpartition(".")
        setattr(ready.get_submodule(parent), leaf, better)
    return ready


def _converts(layer: nn.ConvTranspose2d) -> bool:
    reach = [d * (k - 1) for d, k in _pairs(layer.dilation, layer.kernel_size)]
    padding = all(
        not p or 2 * p == r + 1 - s for (p, s), r in zip(_pairs(layer.padding, layer.stride), reach, strict=True)
    )
    return padding and not any(layer.output_padding)


def _pairs(a: Any, b: Any) -> list[tuple[int, int]]:
    """A layer's settings, which PyTorch types as anything, height and width together."""
    return [(int(a[axis]), int(b[axis])) for axis in (0, 1)]


class CroppedTranspose(nn.Module):
    """The same transposed convolution, without padding and then cut to size."""

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.whole = copy.deepcopy(layer)
        self.whole.padding, self.whole.output_padding = (0, 0), (0, 0)
        reach = [d * (k - 1) for d, k in _pairs(layer.dilation, layer.kernel_size)]
        margins = _pairs(layer.padding, layer.output_padding)
        self.first = [before for before, _ in margins]
        self.more = [r + extra - 2 * before + 1 for r, (before, extra) in zip(reach, margins, strict=True)]
        self.stride = [s for s, _ in _pairs(layer.stride, layer.stride)]

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, C, H, W]."""
        out: Tensor = self.whole(x)
        height, width = ((x.shape[2 + axis] - 1) * self.stride[axis] + self.more[axis] for axis in (0, 1))
        top, left = self.first
        # output_padding may reach past what the kernel touches: there, the bias is all there is
        below, right = max(0, top + height - out.shape[2]), max(0, left + width - out.shape[3])
        if below or right:
            bias = torch.zeros(()) if self.whole.bias is None else self.whole.bias.view(1, -1, 1, 1)
            out = F.pad(out - bias, (0, right, 0, below)) + bias
        return out[:, :, top : top + height, left : left + width]
