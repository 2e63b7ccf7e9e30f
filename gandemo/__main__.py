"""The command line: parse, call, show. Bad input ends with status 2 and one line that says what to do."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gandemo.errors import GanDemoError, RequestError
from gandemo.recipe import Recipe, parse_settings
from gandemo.recipes import RECIPES

if TYPE_CHECKING:
    from gandemo.training import events

app = typer.Typer(
    help="Train, watch, use and ship small GANs, with no GPU needed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Listed(str, Enum):
    """What `list` can list."""

    recipes = "recipes"
    datasets = "datasets"
    checkpoints = "checkpoints"
    runs = "runs"


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    share: Annotated[bool, typer.Option("--share", help="Also make a public link.")] = False,
    auth: Annotated[str | None, typer.Option(help="USER:PASSWORD, asked of every visitor.")] = None,
) -> None:
    """Start the page, the same as `python app.py`."""
    credentials = None
    if auth is not None:
        user, colon, password = auth.partition(":")
        if not colon or not user or not password:
            raise RequestError("--auth takes USER:PASSWORD")
        credentials = (user, password)
    from gandemo.ui.app import launch

    launch(host=host, port=port, share=share, auth=credentials)


@app.command("list")
def list_(what: Listed, as_json: Json = False) -> None:
    """List recipes, data sets, checkpoints or runs."""
    rows: list[dict[str, Any]]
    if what is Listed.recipes:
        rows = [
            {"name": r.name, "task": r.task, "dataset": r.dataset, "description": r.description, "source": r.source}
            for r in RECIPES.values()
        ]
    elif what is Listed.datasets:
        from gandemo.data.datasets import DATASETS

        rows = [{"name": n, "title": d.title, "licence": d.licence, "source": d.source} for n, d in DATASETS.items()]
    elif what is Listed.checkpoints:
        from gandemo import checkpoint

        rows = [
            {
                "name": c.name,
                "task": c.recipe.task,
                "dataset": c.recipe.dataset,
                "measured": _headline(c.metrics),
                "folder": str(c.path),
            }
            for c in checkpoint.available()
        ]
    else:
        from gandemo.training.runs import list_runs

        rows = [
            {
                "id": r.id,
                "recipe": r.recipe.name,
                "state": r.state,
                "step": r.step,
                "of": r.recipe.steps,
                "score": r.score,
                "reason": r.reason,
            }
            for r in list_runs()
        ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    if not rows:
        print(f"no {what.value} yet")
    for row in rows:
        first, *rest = row.values()
        print(f"{first!s:<22}" + "  ".join("" if value is None else str(value) for value in rest if value != ""))


def _headline(metrics: dict[str, Any]) -> str:
    evaluation = metrics.get("evaluation", {})
    if "generated" in evaluation:
        return f"Fréchet distance {evaluation['generated']['frechet']:.2f}"
    return f"accuracy {100 * evaluation['accuracy']:.2f} %" if "accuracy" in evaluation else ""


@app.command()
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
    with _writing(output) as temporary:
        if output.suffix == ".npz":
            import numpy as np

            np.savez(temporary, images=samples.images, labels=samples.labels)
        else:
            from gandemo.data.images import grid

            columns = 10 if samples.labels[0] >= 0 and label is None and count >= 10 else max(1, round(count**0.5))
            grid(samples.images, columns=columns).save(temporary)
    print(f"wrote {output}")


@contextmanager
def _writing(output: Path) -> Iterator[Path]:
    """A temporary sibling with the same ending that takes the place of `output` when all is written."""
    temporary = output.with_name(f".{output.stem}.{os.getpid()}{output.suffix}")
    try:
        yield temporary
        temporary.replace(output)
    except OSError as error:
        raise RequestError(
            f"can't write {output}: {error.strerror}; choose another folder or free some space"
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


Settings = Annotated[list[str] | None, typer.Option("--set", help="key=value, dotted: --set loss.r1=0.1")]
MaxSeconds = Annotated[float | None, typer.Option(min=0, help="Stop, saved, after so many seconds.")]
Publish = Annotated[str | None, typer.Option(help="When done: measure and lay into checkpoints/NAME.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Processor threads; default: all.")]
Leash = Annotated[int | None, typer.Option(hidden=True, help="Niceness; the end of standard input stops.")]


@app.command()
def train(
    recipe: str,
    data: Annotated[str | None, typer.Option(help="Another data set, by name.")] = None,
    settings: Settings = None,
    init: Annotated[str | None, typer.Option(help="Start from this checkpoint's weights.")] = None,
    run_dir: Annotated[Path | None, typer.Option(help="Default: a new folder in runs/.")] = None,
    max_seconds: MaxSeconds = None,
    publish: Publish = None,
    threads: Threads = None,
    leash: Leash = None,
) -> None:
    """Train a recipe, by name or from a recipe.json; Ctrl-C saves, and says how to go on."""
    if recipe in RECIPES:
        chosen = RECIPES[recipe]
    elif recipe.endswith(".json"):
        chosen = Recipe.from_file(Path(recipe))
    else:
        raise RequestError(f"there is no recipe {recipe!r}; valid: {', '.join(RECIPES)}, or a recipe.json")
    changed = parse_settings(settings or [])
    if data is not None:
        changed["dataset"] = data
    chosen = chosen.with_settings(changed)
    _check_publish(publish)
    pulled = _leash(leash, run_dir)
    from gandemo import checkpoint
    from gandemo.training import loop, runs

    folder = run_dir or runs.new_run_dir(chosen)
    start = None if init is None else checkpoint.resolve(init)
    _set_threads(threads)
    _follow(
        lambda should_stop: loop.train(
            chosen, run_dir=folder, init=start, max_seconds=max_seconds, should_stop=should_stop
        ),
        chosen,
        folder,
        publish,
        pulled,
    )


@app.command()
def resume(
    run: str,
    max_seconds: MaxSeconds = None,
    publish: Publish = None,
    threads: Threads = None,
    leash: Leash = None,
) -> None:
    """Go on with a stopped or interrupted run, from its last saved state."""
    _check_publish(publish)
    pulled = _leash(leash, Path(run))
    from gandemo.training import loop, runs

    folder = runs.find_run(run)
    recipe = Recipe.from_file(folder / "recipe.json")
    _set_threads(threads or runs.threads_of(folder))  # other threads, other bits
    _follow(
        lambda should_stop: loop.train(
            recipe, run_dir=folder, resume=True, max_seconds=max_seconds, should_stop=should_stop
        ),
        recipe,
        folder,
        publish,
        pulled,
    )


@app.command()
def stop(
    run: str, now: Annotated[bool, typer.Option("--now", help="End it at once, unsaved; it can be resumed.")] = False
) -> None:
    """Ask a training to save and leave, wherever it was started, or take it out of the queue."""
    import time

    from gandemo.training import process, runs

    folder = runs.find_run(run)
    print(runs.stop(folder), flush=True)
    if now:
        process.kill(folder)
    deadline = time.monotonic() + 120
    while process.holder(folder) is not None:
        if time.monotonic() > deadline:
            print(f"it is still at it; to end it unsaved: python -m gandemo stop --now {_name_of(folder)}")
            return
        time.sleep(0.1)
    found = runs.summarise(folder)
    print(f"it is {found.state} at step {found.step:,}; go on with: python -m gandemo resume {_name_of(folder)}")


@app.command()
def tidy(
    limit: Annotated[
        str | None, typer.Argument(help="5GB, 800MB, or none: how much all runs may take from now on.")
    ] = None,
) -> None:
    """Free what nobody needs of runs that have ended, until all fit into the bound; best and last checkpoints stay."""
    from gandemo.training import runs

    if limit is not None:
        runs.set_disk_limit(_bytes(limit))
    taken, bound = runs.tidy(), runs.disk_limit()
    print(f"the runs take {taken / 1e9:.2f} GB" + ("" if bound is None else f" of the {bound / 1e9:.2f} GB allowed"))


def _bytes(text: str) -> int | None:
    if text.lower() == "none":
        return None
    number, unit = text[:-2], text[-2:].upper()
    try:
        return round(float(number) * {"GB": 1e9, "MB": 1e6}[unit])
    except (KeyError, ValueError, OverflowError):
        raise RequestError(f"the bound must be like 5GB or 800MB, or none; got {text!r}") from None


def _leash(niceness: int | None, folder: Path | None) -> Callable[[], bool]:
    """For a child of a server: claims its run before it loads torch, and hears when it is to stop."""
    if niceness is None or folder is None:
        return lambda: False
    from gandemo.training import process

    asked = process.leash(niceness)
    process.reserve(folder)
    return asked


def _check_publish(name: str | None) -> None:
    """Before the hours of training, not after them."""
    if name is None:
        return
    from gandemo import checkpoint

    if not checkpoint.NAME.match(name):
        raise RequestError(f"{name!r} is no name for a checkpoint; take letters, digits, '-', '_' and '.'")


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _follow(
    start: Callable[[Callable[[], bool]], Iterator[events.Event]],
    recipe: Recipe,
    folder: Path,
    publish: str | None,
    pulled: Callable[[], bool],
) -> None:
    """Shows a training as it goes; the first Ctrl-C asks it to stop, the second one ends the process."""
    from gandemo.training import events

    asked = False

    def ask(signum: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    last: events.Event | None = None
    try:
        with _progress(recipe) as show:
            for last in start(lambda: asked or pulled()):
                show(last)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if isinstance(last, events.Finished) and last.state == "stopped":
        print(f"stopped at step {last.step:,} and saved; go on with: python -m gandemo resume {_name_of(folder)}")
        return
    print(f"done; the run is in {folder}")
    if publish is not None:
        _publish(str(folder), publish)


def _name_of(folder: Path) -> str:
    from gandemo.training.runs import runs_home

    return folder.name if folder.parent == runs_home() else str(folder)


@contextmanager
def _progress(recipe: Recipe) -> Iterator[Callable[[events.Event], None]]:
    """A bar with speed and time left on a terminal, a line for each evaluation elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from gandemo.training import events

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[score]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        line = bar.add_task(recipe.name, total=recipe.steps, speed="", left="", score="")

        def show(event: events.Event) -> None:
            bar.update(line, completed=event.step)
            if isinstance(event, events.Progress):
                minutes, seconds = divmod(round(event.seconds_left), 60)
                bar.update(line, speed=f"{event.images_per_second:,.0f} images/s", left=f"{minutes}:{seconds:02d} left")
            elif isinstance(event, events.Evaluated):
                text = f"{event.score} {event.metrics[event.score]:.4g}{' (best)' if event.is_best else ''}"
                bar.update(line, score=text)
                if not console.is_terminal:
                    print(f"step {event.step:,} of {recipe.steps:,}: {text}", flush=True)

        yield show


@app.command()
def publish(
    checkpoint: str,
    name: Annotated[str, typer.Argument(help="The folder in checkpoints/ that it becomes.")],
) -> None:
    """Measure a run's best checkpoint (or any other) and lay it into checkpoints/NAME, with its card."""
    _check_publish(name)
    _publish(checkpoint, name)


def _publish(source: str, name: str) -> None:
    from gandemo import checkpoint
    from gandemo.ship.publish import publish as lay

    print("measuring on the test pictures …", file=sys.stderr)
    published = lay(checkpoint.resolve(source), name)
    print(f"published {published.path}: {_headline(published.metrics)}")


@app.command()
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


@app.command()
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


def main() -> None:
    """Runs the command line; every foreseen error is one line on standard error and status 2."""
    try:
        app()
    except GanDemoError as error:
        print(f"gandemo: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("gandemo: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
