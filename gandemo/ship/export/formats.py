"""What a checkpoint can become, how faithful each must be, and what this machine lacks for it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache

from gandemo.errors import RequestError

QUANTIZATIONS = ("none", "fp16", "int8")


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        title: for people.
        suffix: of the file.
        quantize: what is done to the weights, one of `QUANTIZATIONS`.
        good_for: where it serves best.
        max_error: no output value may be further from PyTorch's; None: not bounded.
        psnr: decibels that its output must reach against PyTorch's; None: not bounded.
        needs: packages that make and check it.
    """

    title: str
    suffix: str
    quantize: str
    good_for: str
    max_error: float | None
    psnr: float | None
    needs: tuple[str, ...]


_TFLITE = ("litert_torch", "ai_edge_litert", "ai_edge_quantizer")

FORMATS: dict[str, Format] = {
    "fp32": Format("TFLite, exact", ".tflite", "none", "browsers, and as the reference", 1e-4, None, _TFLITE),
    "fp16": Format("TFLite, half the size", ".tflite", "fp16", "phones", None, 50.0, _TFLITE),
    "int8": Format(
        "TFLite, a quarter of the size", ".tflite", "int8", "browsers and small phones", None, 30.0, _TFLITE
    ),
    "onnx": Format("ONNX", ".onnx", "none", "servers and desktops", 1e-4, None, ("onnx", "onnxscript", "onnxruntime")),
}


def format_of(suffix: str, quantize: str = "none") -> str:
    """The format of a file name's ending and a quantization.

    Raises:
        RequestError: there is none; the message names those that are.
    """
    if quantize not in QUANTIZATIONS:
        raise RequestError(f"--quantize takes {', '.join(QUANTIZATIONS)}, got {quantize!r}")
    for name, one in FORMATS.items():
        if (one.suffix, one.quantize) == (suffix, quantize):
            return name
    if suffix == ".onnx":
        raise RequestError("ONNX is written in full precision; leave out --quantize, or take a .tflite file")
    raise RequestError(f"an export ends in .tflite or .onnx, got {suffix or 'no ending'!r}")


def check(name: str) -> Format:
    """The format of that name, if this machine can make it.

    Raises:
        RequestError: there is no such format, or a package is missing; the message says what would do.
    """
    if name not in FORMATS:
        raise RequestError(f"there is no format {name[:40]!r}; valid: {', '.join(FORMATS)}")
    if why := missing(name):
        raise RequestError(why)
    return FORMATS[name]


def missing(name: str) -> str | None:
    """One sentence on why a format can't be made here, or None if it can."""
    wanting = [package for package in FORMATS[name].needs if not _is_installed(package)]
    if not wanting:
        return None
    if FORMATS[name].suffix == ".tflite":
        return (
            "TFLite files can't be made here: the converter (litert-torch) has wheels for Linux on x86-64 and for Macs "
            "with Apple silicon only; take ONNX, or export on such a machine"
        )
    return f"ONNX files can't be made here: {wanting[0]} is not installed; run: pip install -r requirements.txt"


@cache
def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
