"""Every shipped checkpoint in every format: size, faithfulness, speed next to PyTorch."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gandemo import places
from gandemo.bench.row import Bench, Row

SHIPPED = tuple(sorted(path.parent.name for path in places.SHIPPED.glob("*/recipe.json")))
# What is promised of a file: (checkpoint, format) to megabytes.
SIZES = {("digits", "int8"): 1.5, ("colorize", "fp16"): 12.0}


def _export(names: tuple[str, ...]) -> Iterator[Row]:
    """Exports copies, so that no shipped folder is touched."""
    from gandemo import checkpoint
    from gandemo.errors import ExportError
    from gandemo.ship.export import formats, making

    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            copy = Path(folder) / name
            shutil.copytree(places.SHIPPED / name, copy, ignore=shutil.ignore_patterns("exports"))
            source = checkpoint.load(copy)
            for kind in formats.FORMATS:
                what = f"{name} as {kind}"
                if formats.missing(kind) is not None:
                    continue
                try:
                    made = making.export(source, kind)
                except ExportError as error:
                    # a file that is refused is a result, too: its figure stands in the sentence
                    yield {"what": f"{what}: files made ({error})", "value": 0, "unit": "", "bound": ">= 1"}
                    continue
                most = SIZES.get((name, kind))
                yield {
                    "what": f"{what}: size",
                    "value": made.bytes / 1e6,
                    "unit": "MB",
                    "bound": None if most is None else f"<= {most}",
                }
                yield {"what": f"{what}: max error", "value": made.parity["max_error"], "unit": "", "bound": None}
                yield {"what": f"{what}: mean error", "value": made.parity["mean_error"], "unit": "", "bound": None}
                least = formats.FORMATS[kind].psnr
                bound = None if least is None else f">= {least:g}"
                yield {"what": f"{what}: PSNR", "value": made.parity["psnr"], "unit": "dB", "bound": bound}
                ratio = made.latency["runtime"] / made.latency["torch"]
                yield {"what": f"{what}: one input", "value": made.latency["runtime"], "unit": "ms", "bound": None}
                yield {
                    "what": f"{what}: its time over PyTorch's",
                    "value": ratio,
                    "unit": "×",
                    "bound": "<= 1" if kind != "onnx" else None,
                }
            shutil.rmtree(copy)


ROWS: dict[str, Bench] = {"export": Bench("shipped checkpoints in all formats", _export, SHIPPED)}
