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
from typing import Any, NamedTuple

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
            better: nn.Module = PhasedTranspose(layer)
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


class PhasedTranspose(nn.Module):
    """The same transposed convolution as an ordinary one, which makes each pixel's stride × stride pixels as channels.

    Every output row (or column) of one phase, its number modulo the stride, sees the same taps of the kernel at the
    same distances (Shi et al. 2016, arXiv:1609.07009); taps that a phase does not see are 0. LiteRT takes half the time
    for it, and a sixth in 8 bits.
    """

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        """Takes over the weights of a layer without groups."""
        super().__init__()
        weight = layer.weight.detach()
        fan_in, self.channels = weight.shape[:2]
        rows, columns = (_phases(layer, axis) for axis in (0, 1))
        self.strides, self.more = (rows.stride, columns.stride), (rows.more, columns.more)
        self.pads = (*columns.pads, *rows.pads)
        kernel = weight.new_zeros(rows.stride, columns.stride, self.channels, fan_in, rows.length, columns.length)
        for (row, y), high in rows.taps.items():
            for (column, x), wide in columns.taps.items():
                kernel[row, column, :, :, y, x] = weight[:, :, high, wide].T
        phases = rows.stride * columns.stride
        self.whole = nn.Conv2d(
            fan_in, phases * self.channels, (rows.length, columns.length), bias=layer.bias is not None
        )
        with torch.no_grad():
            self.whole.weight.copy_(kernel.flatten(0, 2))
            if self.whole.bias is not None and layer.bias is not None:
                self.whole.bias.copy_(layer.bias.detach().repeat(phases))
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """x: [N, C, H, W]."""
        phases: Tensor = self.whole(F.pad(x, self.pads))
        number, _, height, width = phases.shape
        high, wide = self.strides
        apart = phases.permute(0, 2, 3, 1).reshape(number, height, width, high, wide, self.channels)
        out = apart.permute(0, 1, 3, 2, 4, 5).reshape(number, height * high, width * wide, self.channels)
        bottom, right = (x.shape[2 + axis] * self.strides[axis] + self.more[axis] for axis in (0, 1))
        return out[:, :bottom, :right].permute(0, 3, 1, 2)


class _Phases(NamedTuple):
    """One axis of a transposed convolution, by phases.

    Attributes:
        stride: how many there are.
        length: of the kernel that all of them share.
        pads: pixels before and behind the input.
        more: pixels of the output beyond `stride` times the input's.
        taps: (phase, place in the shared kernel) to the place in the layer's own.
    """

    stride: int
    length: int
    pads: tuple[int, int]
    more: int
    taps: dict[tuple[int, int], int]


def _phases(layer: nn.ConvTranspose2d, axis: int) -> _Phases:
    stride, padding, dilation = (int(one[axis]) for one in (layer.stride, layer.padding, layer.dilation))
    reach = dilation * (layer.kernel_size[axis] - 1)
    more = reach + 1 + layer.output_padding[axis] - stride - 2 * padding
    # the output's pixel j · stride + phase sees the input's pixel j - distance through the tap at this offset
    seen = {
        (phase, distance): offset // dilation
        for phase in range(stride)
        for distance in range(-(phase + padding) // stride, reach // stride + 2)
        if 0 <= (offset := phase + padding + distance * stride) <= reach and offset % dilation == 0
    }
    low, high = (end(distance for _, distance in seen) for end in (min, max))
    taps = {(phase, high - distance): tap for (phase, distance), tap in seen.items()}
    return _Phases(stride, high - low + 1, (high, -(-more // stride) - low), more, taps)
