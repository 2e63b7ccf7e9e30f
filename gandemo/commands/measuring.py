"""`evaluate`, `publish`, `estimate`, `bench`: figures."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from gandemo.commands.options import (
    Json,
    Leash,
    Settings,
    Threads,
    chosen_recipe,
    headline,
    here,
    progress_bar,
    writing,
)
from gandemo.errors import GanDemoError, RequestError


def publish(
    checkpoint: str,
    name: Annotated[str, typer.Argument(help="The folder in checkpoints/ that it becomes.")],
    crisp: Annotated[float | None, typer.Option(min=0, max=1, help="Of enhance: what its slider begins at.")] = None,
) -> None:
    """Measure a run's best checkpoint (or any other) and lay it into checkpoints/NAME, with its card."""
    check_name(name)
    lay(checkpoint, name, crisp)


def lay(source: str, name: str, crisp: float | None = None) -> None:
    """Measures a checkpoint and publishes it under a name; says what came of it."""
    from gandemo import checkpoint
    from gandemo.ship.publish import publish as laid_out

    print("measuring on the test pictures …", file=sys.stderr)
    with progress_bar("measuring", "photos") as progress:
        published = laid_out(checkpoint.resolve(source), name, crisp=crisp, progress=progress)
    if left_out := published.metrics["evaluation"].get("left_out"):
        print(left_out, file=sys.stderr)
    print(f"published {published.path}: {headline(published.metrics)}")


def evaluate(
    checkpoint: str,
    samples: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Of a generator (10,000), or photos (all).")
    ] = None,
    data: Annotated[str | None, typer.Option(help="Another data set: a name, a path or USER/NAME on the Hub.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="A picture to write: test photos in their stages.")] = None,
    as_json: Json = False,
) -> None:
    """Measure a checkpoint on test pictures, next to real ones or to classical methods."""
    from gandemo import checkpoint as checkpoints
    from gandemo.ship.publish import SAMPLERS, contact_sheet
    from gandemo.ship.publish import evaluate as measure

    source = checkpoints.resolve(checkpoint)
    if sheet is not None and sheet.suffix.lower() not in (".png", ".jpg", ".webp"):
        raise RequestError(f"--sheet must end in .png, .jpg or .webp, got {str(sheet)!r}")
    if source.recipe.task in SAMPLERS and samples is not None and samples < 100:
        raise RequestError(f"--samples must be at least 100 for {source.recipe.task}, got {samples}")
    data = None if data is None else here(data)
    with progress_bar("measuring", "photos") as progress:
        found = measure(source, data=data, samples=samples, progress=progress)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _show(found)
    if sheet is not None:
        picture = contact_sheet(source, found, data=data, count=12, side=256)
        if picture is None:
            raise RequestError(f"{source.name} makes no pictures; leave out --sheet")
        with writing(sheet) as temporary:
            picture.save(temporary)
        print(f"wrote {sheet}", file=sys.stderr)


def _show(found: dict[str, Any]) -> None:
    """What was measured, as a table on the terminal."""
    if "kinds" in found:
        print(f"{found['reference']}, {found['how']}")
        for kind in found["kinds"].values():
            print(f"\n{kind['title']}" + (f" (classical: {kind['classical']})" if "classical" in kind else ""))
            sides = kind["sides"]
            print(f"{'':<26}" + "".join(f"{side:>14}" for side in sides))
            for figure in dict.fromkeys(figure for figures in sides.values() for figure in figures):
                values = (f"{sides[side][figure]:.4g}" if figure in sides[side] else "" for side in sides)
                print(f"{figure:<26}" + "".join(f"{value:>14}" for value in values))
        if "left_out" in found:
            print(f"\n{found['left_out']}")
    elif "generated" in found:
        print(f"{found['features']}, {found['samples']:,} samples against {found['reference']}")
        print(f"{'':<32}{'generated':>12}{'real':>12}")
        for key, value in found["generated"].items():
            print(f"{key:<32}{value:>12.5g}{found['real'].get(key, float('nan')):>12.5g}")
    else:
        for key, value in found.items():
            print(f"{key:<32}{value:>12.5g}")


def estimate(
    recipe: str,
    data: Annotated[str | None, typer.Option(help="Another data set: a name, a path or USER/NAME on the Hub.")] = None,
    settings: Settings = None,
    threads: Threads = None,
    leash: Leash = None,
    as_json: Json = False,
) -> None:
    """Say how long a training will take and what memory and disk, from a few measured steps."""
    if leash is not None:  # nobody waits for the figures of a server that has gone
        from gandemo.training import process

        signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it may be ignored
        process.leash(leash, process.end)
    chosen = chosen_recipe(recipe, data, settings)
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
    only: Annotated[
        list[str] | None, typer.Option(help="Of a row of many cases, those alone; --list names them.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file: each result is added as it comes, a line of JSON.")
    ] = None,
    as_json: Json = False,
    list_rows: Annotated[bool, typer.Option("--list", help="Name the rows and end.")] = False,
) -> None:
    """Measure this machine: speed of the loop and of the models, quality after five minutes."""
    from gandemo.bench import BENCHES

    if list_rows:
        for name, entry in BENCHES.items():
            print(f"{name:<18}{entry.title}")
            for part in entry.parts:
                print(f"{'':<18}  --only {shlex.quote(part)}")
        return
    unknown = [name for name in rows or [] if name not in BENCHES]
    if unknown:
        raise RequestError(f"there is no bench row {unknown[0]!r}; valid: {', '.join(BENCHES)}")
    parts = _parts(rows, only)
    results, failed = [], []
    with _added_to(output) as add:
        for name in rows or BENCHES:
            try:
                for result in BENCHES[name].run(parts):
                    results.append({"row": name, **result})
                    add(results[-1])
                    if not as_json:
                        _show_row(name, result)
            except GanDemoError as error:  # the others are measured all the same
                failed.append(name)
                print(f"{name}: {error}", file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps(results, indent=2))
    if failed:
        raise RequestError(f"not measured to the end: {', '.join(failed)}; what each lacks is told above")


def _show_row(name: str, result: dict[str, Any]) -> None:
    bound = "" if result.get("bound") is None else f"  (bound {result['bound']})"
    print(f"{name:<14}{result['what']:<64}{result['value']:>10.4g} {result['unit']}{bound}", flush=True)


@contextmanager
def _added_to(output: Path | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Adds results to a file as they come, so that a long measurement that is broken off is not lost."""
    if output is None:
        yield lambda result: None
        return
    try:
        file = output.open("a", encoding="utf-8")
    except OSError as error:
        raise RequestError(f"can't write {output}: {error.strerror}; choose another place") from None
    with file:
        yield lambda result: print(json.dumps(result), file=file, flush=True)


def _parts(rows: list[str] | None, only: list[str] | None) -> tuple[str, ...]:
    """What of the one row that was named is to be measured; nothing: all of it."""
    from gandemo.bench import BENCHES

    if not only:
        return ()
    if not rows or len(rows) != 1 or not BENCHES[rows[0]].parts:
        with_parts = ", ".join(name for name, entry in BENCHES.items() if entry.parts)
        raise RequestError(f"--only picks from one row that has parts; name it: {with_parts}")
    known = BENCHES[rows[0]].parts
    if unknown := [part for part in only if part not in known]:
        raise RequestError(f"{rows[0]} has no part {unknown[0]!r}; valid: {'; '.join(known)}")
    return tuple(only)


def check_name(name: str | None) -> None:
    """Before the hours of training, not after them."""
    if name is None:
        return
    from gandemo import checkpoint

    if not checkpoint.NAME.match(name):
        raise RequestError(f"{name!r} is no name for a checkpoint; take letters, digits, '-', '_' and '.'")
