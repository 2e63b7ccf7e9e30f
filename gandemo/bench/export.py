"""Every shipped checkpoint in every format: size, faithfulness, speed next to PyTorch."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gandemo import places
from gandemo.bench.row import Bench, Row
from gandemo.errors import GanDemoError

if TYPE_CHECKING:
    from gandemo.ship.export.records import Export

SHIPPED = tuple(sorted(path.parent.name for path in places.SHIPPED.glob("*/recipe.json")))
# What is promised of a file: (checkpoint, format) to megabytes.
SIZES = {("digits", "int8"): 1.5, ("colorize", "fp16"): 12.0}


def _export(names: tuple[str, ...]) -> Iterator[Row]:
    """Exports copies, so that no shipped folder is touched."""
    from gandemo.ship.export import formats

    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / name
            shutil.copytree(places.SHIPPED / name, copy, ignore=shutil.ignore_patterns("exports"))
            for kind in formats.FORMATS:
                yield from _made(copy, kind)


def _made(folder: Path, kind: str) -> Iterator[Row]:
    """What is measured of one file; one that can't be made here, or is refused, is a result, too."""
    from gandemo import checkpoint
    from gandemo.ship.export import formats, making

    what = f"{folder.name} as {kind}"
    if (why := formats.missing(kind)) is not None:
        yield {"what": f"{what}: files made ({why})", "value": 0, "unit": "", "bound": None}
        return
    try:
        made = making.export(checkpoint.load(folder), kind)
    except GanDemoError as error:
        yield {"what": f"{what}: files made ({error})", "value": 0, "unit": "", "bound": ">= 1"}
        return
    yield from _figures(what, kind, made, SIZES.get((folder.name, kind)))


def _figures(what: str, kind: str, made: Export, most: float | None) -> Iterator[Row]:
    from gandemo.ship.export import formats

    one = formats.FORMATS[kind]
    faster = None if kind == "onnx" else 1
    time, other = made.latency["runtime"], made.latency["torch"]
    for figure, value, unit, bound in (
        ("size", made.bytes / 1e6, "MB", _bound("<=", most)),
        ("max error", made.parity["max_error"], "", _bound("<=", one.max_error)),
        ("mean error", made.parity["mean_error"], "", None),
        ("PSNR", made.parity["psnr"], "dB", _bound(">=", one.psnr)),
        ("one input", time, "ms", None),
        ("one input in PyTorch", other, "ms", None),
        ("its time over PyTorch's", time / other, "×", _bound("<=", faster)),
    ):
        yield {"what": f"{what}: {figure}", "value": value, "unit": unit, "bound": bound}


def _bound(side: str, value: float | None) -> str | None:
    return None if value is None else f"{side} {value:g}"


ROWS: dict[str, Bench] = {"export": Bench("shipped checkpoints in all formats", _export, SHIPPED)}
