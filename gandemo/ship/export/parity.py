"""A file next to PyTorch: how far apart their outputs are on real inputs, and how long each takes."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from gandemo.errors import ExportError, ParityError
from gandemo.ship.export.formats import FORMATS
from gandemo.ship.export.interface import Arrays, Interface

INPUTS = 32
BEST = 200.0  # decibels; what two equal outputs count as
SECONDS = 4.0  # of timing each side, about
TURN = 0.4  # seconds that one side runs before the other does
MOST_RUNS, TURNS = 200, 10

Run = Callable[[str, Arrays], Arrays]


@dataclass(frozen=True)
class Parity:
    """How faithful a file is.

    Attributes:
        inputs: real ones, through both.
        max_error: the largest distance of two output values.
        mean_error: the mean distance.
        psnr: decibels, over all outputs, for a range from -1 to 1 (for logits, their own range).
        worst_psnr: of the one input where it is lowest.
    """

    inputs: int
    max_error: float
    mean_error: float
    psnr: float
    worst_psnr: float


@dataclass(frozen=True)
class Latency:
    """Median milliseconds for one input, on the same threads.

    Attributes:
        runtime: of the file, in its runtime.
        torch: of the checkpoint, in PyTorch.
        threads: of both.
    """

    runtime: float
    torch: float
    threads: int


def compare(interface: Interface, run: Run, told: Callable[[float], None] = lambda share: None) -> Parity:
    """Real inputs through PyTorch and through a file, with every signature of it.

    Args:
        interface: of the checkpoint.
        run: the file: (signature, inputs) to outputs.
        told: called with the share that is done.

    Returns:
        Of each figure the worst of all signatures.

    Raises:
        ExportError: the file gives other shapes, or values that are not finite.
    """
    inputs = interface.examples(INPUTS)
    wanted: dict[str, list[Any]] = {name: [] for name in interface.outputs}
    found: dict[str, dict[str, list[Any]]] = {}
    with torch.inference_mode():
        for index in range(INPUTS):
            out = interface.module(
                **{name: torch.from_numpy(value[index : index + 1]) for name, value in inputs.items()}
            )
            for name in wanted:
                wanted[name].append(out[name].numpy())
            told((index + 1) / INPUTS / 2)
    for number, (signature, batch) in enumerate(interface.signatures.items()):
        found[signature] = {name: [] for name in interface.outputs}
        for start in range(0, INPUTS, batch):
            out = run(signature, {name: value[start : start + batch] for name, value in inputs.items()})
            for name in wanted:
                found[signature][name].append(out[name])
            told(0.5 + (number + (start + batch) / INPUTS) / len(interface.signatures) / 2)
    truth = np.concatenate([np.concatenate(wanted[name]).reshape(INPUTS, -1) for name in wanted], axis=1)
    every = []
    for signature, outputs in found.items():
        made = np.concatenate([np.concatenate(outputs[name]).reshape(INPUTS, -1) for name in wanted], axis=1)
        every.append(_parity(signature, truth, made))
    return Parity(
        INPUTS,
        max(one.max_error for one in every),
        max(one.mean_error for one in every),
        min(one.psnr for one in every),
        min(one.worst_psnr for one in every),
    )


def _parity(signature: str, truth: Any, made: Any) -> Parity:
    if made.shape != truth.shape:
        raise ExportError(f"{signature} gives {made.shape[1]} values where PyTorch gives {truth.shape[1]}")
    if not np.isfinite(made).all():
        raise ExportError(f"{signature} gives values that are not finite; take another format")
    errors = np.abs(made.astype(np.float64) - truth)
    reach = max(2.0, float(truth.max() - truth.min()))
    squares = (errors**2).mean(axis=1)
    return Parity(
        len(truth),
        float(errors.max()),
        float(errors.mean()),
        _decibels(reach, float(squares.mean())),
        _decibels(reach, float(squares.max())),
    )


def _decibels(reach: float, square: float) -> float:
    return min(BEST, 20 * math.log10(reach) - 10 * math.log10(max(square, 1e-30)))


def check(name: str, found: Parity) -> None:
    """Whether a file is as faithful as its format must be.

    Raises:
        ParityError: it is not; with the figure.
    """
    wanted = FORMATS[name]
    if wanted.max_error is not None and not found.max_error <= wanted.max_error:
        raise ParityError(
            f"the {name} file is up to {found.max_error:.2g} from PyTorch's output, more than {wanted.max_error:g}; "
            "it was not kept"
        )
    if wanted.psnr is not None and not found.psnr >= wanted.psnr:
        raise ParityError(
            f"the {name} file reaches {found.psnr:.1f} dB against PyTorch's output, less than {wanted.psnr:g} dB; "
            "it was not kept, so take a format with more precision"
        )


def time_both(interface: Interface, run: Run, threads: int) -> Latency:
    """The median time of one input through a file and through PyTorch, in turns of a few calls each."""
    inputs = interface.examples(1)
    tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
    sides: dict[str, tuple[Callable[[], Any], list[float]]] = {
        "runtime": (lambda: run(interface.signature, inputs), []),
        "torch": (lambda: interface.module(**tensors), []),
    }
    with torch.inference_mode():
        for call, _ in sides.values():
            call(), call()
        deadline = time.perf_counter() + 2 * SECONDS
        while time.perf_counter() < deadline:
            for call, times in sides.values():
                times += _turn(call)
            if min(len(times) for _, times in sides.values()) >= MOST_RUNS:
                break
    medians = {side: 1000 * statistics.median(times) for side, (_, times) in sides.items()}
    return Latency(medians["runtime"], medians["torch"], threads)


def _turn(call: Callable[[], Any]) -> list[float]:
    """Seconds of each call.

    The first is not counted: the threads of the other side go on turning for a while where the next call needs the
    processor, and so each would be slowed by the other, as it is nowhere else.
    """
    call()
    times: list[float] = []
    end = time.perf_counter() + TURN
    while not times or (time.perf_counter() < end and len(times) < MOST_RUNS // TURNS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return times


def as_values(found: Parity | Latency) -> dict[str, float]:
    """For JSON, rounded to what can be told apart."""
    return {key: value if isinstance(value, int) else float(f"{value:.4g}") for key, value in asdict(found).items()}
