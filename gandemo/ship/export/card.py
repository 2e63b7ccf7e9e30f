"""The section of a model card that tells of the files a checkpoint became."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gandemo.ship.export.formats import FORMATS
from gandemo.ship.export.records import FOLDER, Export, writing

BEGIN, END = "<!-- exports -->", "<!-- /exports -->"


def section(exports: Mapping[str, Export]) -> str:
    """A heading, a table and what the columns mean, as Markdown; empty without exports."""
    if not exports:
        return ""
    lines = [
        BEGIN,
        "## Runs elsewhere",
        "",
        "| file | size | largest difference | mean difference | PSNR | time | PyTorch |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in exports.items():
        lines.append(
            f"| [{one.file}]({FOLDER}/{one.file}) ({FORMATS[name].title}) | {megabytes(one.bytes)} | "
            f"{one.parity['max_error']:.1e} | {one.parity['mean_error']:.1e} | {decibels(one.parity['psnr'])} | "
            f"{milliseconds(one.latency['runtime'])} | {milliseconds(one.latency['torch'])} |"
        )
    first = next(iter(exports.values()))
    lines += [
        "",
        f"Each file was run on {first.parity.get('inputs', 32):.0f} real inputs next to PyTorch; outputs reach from -1 "
        f"to 1. Time for one input on {first.latency.get('threads', 1):.0f} threads of: {first.machine}. "
        f"[{FOLDER}/README.md]({FOLDER}/README.md) says how to use them.",
        END,
    ]
    return "\n".join(lines) + "\n"


def write(card: Path, exports: Mapping[str, Export]) -> None:
    """Puts the section into a card, at its end or in the place of the one that is there.

    Raises:
        ExportError: the card can't be written.
    """
    if not card.is_file():
        return
    text = card.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    after = rest.partition(END)[2].lstrip("\n") if begin else ""
    parts = [part.strip("\n") for part in (before, section(exports), after)]
    with writing(card) as temporary:
        temporary.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")


def megabytes(size: int) -> str:
    """As people read it."""
    return f"{size / 1e6:.2f} MB" if size < 10e6 else f"{size / 1e6:.1f} MB"


def milliseconds(value: float) -> str:
    """As people read it."""
    return f"{value:.2f} ms" if value < 10 else f"{value:.0f} ms"


def decibels(value: float) -> str:
    """As people read it; beyond what can be told apart there is no difference."""
    return f"{value:.0f} dB" if value < 150 else "over 150 dB"
