"""TFLite: conversion, quantization, metadata, and the LiteRT interpreter that checks it all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gandemo.nets.filling import FactoredFill
from gandemo.nets.wiener import FactoredBank
from gandemo.ship.export import rewriting
from gandemo.ship.export.interface import Arrays, Interface

METADATA = "gandemo"  # the name of the file's own entry; its content is JSON
FIXED = f".*({FactoredBank.__name__}|{FactoredFill.__name__}).*"  # what no training has chosen keeps all its digits


def convert(interface: Interface, path: Path, *, for_integers: bool = False) -> None:
    """Writes a float32 file with one signature for each batch.

    Args:
        interface: of the network.
        path: of the file.
        for_integers: it is to be quantized to 8 bits, in which what `quicken` puts in is not the quicker.
    """
    inputs = {
        name: {key: torch.from_numpy(value) for key, value in interface.examples(batch).items()}
        for name, batch in interface.signatures.items()
    }
    module = rewriting.exact(interface.module)
    if not for_integers:
        rewriting.quicken(module, inputs[interface.signature])
    import litert_torch

    chain: Any = litert_torch
    for name, examples in inputs.items():
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
