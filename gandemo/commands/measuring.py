"""`evaluate`, `publish`, `estimate`, `bench`: figures."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated

import typer

from gandemo.commands.options import Json, Settings, Threads, chosen_recipe, headline
from gandemo.errors import RequestError


def publish(
    checkpoint: str,
    name: Annotated[str, typer.Argument(help="The folder in checkpoints/ that it becomes.")],
) -> None:
    """Measure a run's best checkpoint (or any other) and lay it into checkpoints/NAME, with its card."""
    check_name(name)
    lay(checkpoint, name)


def lay(source: str, name: str) -> None:
    """Measures a checkpoint and publishes it under a name; says what came of it."""
    from gandemo import checkpoint
    from gandemo.ship.publish import publish as laid_out

    print("measuring on the test pictures …", file=sys.stderr)
    published = laid_out(checkpoint.resolve(source), name)
    print(f"published {published.path}: {headline(published.metrics)}")


def evaluate(
    checkpoint: str,
    samples: Annotated[int, typer.Option(min=100, max=100_000)] = 10_000,
    as_json: Json = False,
) -> None:
    """Measure a checkpoint on test pictures, next to the same figures for real ones."""
    from gandemo import checkpoint as checkpoints
    from gandemo.ship.publish import evaluate as measure

    found = measure(checkpoints.resolve(checkpoint), samples=samples)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if "generated" not in found:
        for key, value in found.items():
            print(f"{key:<32}{value:>12.5g}")
        return
    print(f"{found['features']}, {found['samples']:,} samples against {found['reference']}")
    print(f"{'':<32}{'generated':>12}{'real':>12}")
    for key, value in found["generated"].items():
        print(f"{key:<32}{value:>12.5g}{found['real'].get(key, float('nan')):>12.5g}")


def estimate(
    recipe: str,
    data: Annotated[str | None, typer.Option(help="Another data set, by name.")] = None,
    settings: Settings = None,
    threads: Threads = None,
    nice: Annotated[int, typer.Option(hidden=True, help="How far the priority is lowered.")] = 0,
    as_json: Json = False,
) -> None:
    """Say how long a training will take and what memory and disk, from a few measured steps."""
    chosen = chosen_recipe(recipe, data, settings)
    if nice and hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(nice)
    import torch

    from gandemo.training import estimate as estimates

    if threads is not None:
        torch.set_num_threads(threads)
    found = estimates.measure(chosen)
    if as_json:
        print(json.dumps(asdict(found)))
        return
    seconds, memory = found.seconds(chosen), found.memory
    print(f"{chosen.steps:,} steps at {found.images_per_second:,.0f} images/s on {found.device}: {span(seconds)}")
    print(f"memory: {'not told by this system' if memory is None else f'{memory / 1e9:.2f} GB'}", end=", ")
    print(f"disk: {found.disk(chosen) / 1e6:,.0f} MB")


def span(seconds: float) -> str:
    """A length of time for people."""
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} hours"


def bench(
    rows: Annotated[list[str] | None, typer.Argument(help="Which rows; none: all. --list names them.")] = None,
    as_json: Json = False,
    list_rows: Annotated[bool, typer.Option("--list", help="Name the rows and end.")] = False,
) -> None:
    """Measure this machine: speed of the loop and of the models, quality after five minutes."""
    from gandemo.bench import BENCHES

    if list_rows:
        for name, entry in BENCHES.items():
            print(f"{name:<18}{entry.title}")
        return
    unknown = [name for name in rows or [] if name not in BENCHES]
    if unknown:
        raise RequestError(f"there is no bench row {unknown[0]!r}; valid: {', '.join(BENCHES)}")
    results = []
    for name in rows or BENCHES:
        entry = BENCHES[name]
        for result in entry.run():
            results.append({"row": name, **result})
            if not as_json:
                bound = "" if result.get("bound") is None else f"  (bound {result['bound']})"
                print(f"{name:<14}{result['what']:<64}{result['value']:>10.4g} {result['unit']}{bound}", flush=True)
    if as_json:
        print(json.dumps(results, indent=2))


def check_name(name: str | None) -> None:
    """Before the hours of training, not after them."""
    if name is None:
        return
    from gandemo import checkpoint

    if not checkpoint.NAME.match(name):
        raise RequestError(f"{name!r} is no name for a checkpoint; take letters, digits, '-', '_' and '.'")
