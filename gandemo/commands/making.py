"""`generate`: what a checkpoint is used for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gandemo.commands.options import writing
from gandemo.errors import RequestError


def generate(
    checkpoint: str,
    output: Annotated[Path, typer.Option("-o", "--output", help="grid.png or samples.npz")],
    count: Annotated[int, typer.Option("-n", "--count", help="How many pictures.")] = 64,
    label: Annotated[int | None, typer.Option(help="The class of all pictures.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pictures.")] = 0,
    truncation: Annotated[float, typer.Option(help="Below 1: more typical, less varied.")] = 1.0,
) -> None:
    """Make pictures from noise: a contact sheet (.png) or an array (.npz)."""
    if output.suffix not in (".png", ".npz"):
        raise RequestError(f"--output must end in .png or .npz, got {str(output)!r}")
    if output.suffix == ".png" and count > 10_000:
        raise RequestError(f"a contact sheet holds up to 10,000 pictures, got {count:,}; take samples.npz")
    from gandemo.pipeline import Pipeline

    samples = Pipeline.from_pretrained(checkpoint).generate(count, labels=label, seed=seed, truncation=truncation)
    with writing(output) as temporary:
        if output.suffix == ".npz":
            import numpy as np

            np.savez(temporary, images=samples.images, labels=samples.labels)
        else:
            from gandemo.data.images import grid

            columns = 10 if samples.labels[0] >= 0 and label is None and count >= 10 else max(1, round(count**0.5))
            grid(samples.images, columns=columns).save(temporary)
    print(f"wrote {output}")
