"""What several commands share: options, and writing a file that is there whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from gandemo.errors import HubError, RequestError
from gandemo.recipe import Recipe, parse_settings
from gandemo.recipes import RECIPES
from gandemo.ship.photo_card import main_figures

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="key=value, dotted: --set loss.r1=0.1")]
MaxSeconds = Annotated[float | None, typer.Option(min=0, help="Stop, saved, after so many seconds.")]
Publish = Annotated[str | None, typer.Option(help="When done: measure and lay into checkpoints/NAME.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Processor threads; default: all.")]
Leash = Annotated[int | None, typer.Option(hidden=True, help="Niceness; the end of standard input stops.")]


def chosen_recipe(recipe: str, data: str | None, settings: list[str] | None) -> Recipe:
    """A recipe by name or from a recipe.json, on another data set and with other settings where they are given.

    Raises:
        DataError: there is no such data set.
        RecipeError: the file or a setting is wrong.
        RequestError: there is no recipe of that name.
    """
    if recipe in RECIPES:
        chosen = RECIPES[recipe]
    elif recipe.endswith(".json"):
        chosen = Recipe.from_file(Path(recipe))
    else:
        raise RequestError(f"there is no recipe {recipe!r}; valid: {', '.join(RECIPES)}, or a recipe.json")
    changed = parse_settings(settings or [])
    if data is not None:
        from gandemo.data import datasets

        chosen = datasets.fit(chosen, here(data))
    return chosen.with_settings(changed)


def here(data: str) -> str:
    """A data set's name, or the path of own pictures; what is neither may be on the Hub, and is fetched from there.

    Raises:
        HubError: it is not there either, or can't be had.
    """
    from gandemo.data import datasets

    if data in datasets.DATASETS or data.startswith(datasets.CLASSES) or Path(data).exists():
        return data
    from gandemo.ship import hub
    from gandemo.ship.hub.client import token_of
    from gandemo.ship.hub.ids import looks_like_one

    if not looks_like_one(data, "dataset"):
        return data  # whoever reads it says what would do
    source = hub.HubId.parse(data, "dataset")
    try:
        with transfer_bar("fetching") as progress:
            found = hub.pull_pictures(source, hub.Hub(token_of()), progress=progress)
    except HubError as error:
        raise HubError(f"there is no {data} on this machine, and the data sets of the Hub: {error}") from None
    for name in found.left_out:
        print(f"left out: {name} is too large for a picture", file=sys.stderr)
    if found.cached:
        print(f"the Hub can't be reached; training on what is here of {source}", file=sys.stderr)
    return str(found.path)


def headline(metrics: dict[str, Any]) -> str:
    """The one figure of metrics.json that says most; empty where it has another form, as somebody else's may."""
    try:
        return _headline(metrics.get("evaluation", {}))
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError):
        return ""


def _headline(evaluation: dict[str, Any]) -> str:
    if "generated" in evaluation:
        return f"Fréchet distance {evaluation['generated']['frechet']:.2f}"
    if "kinds" in evaluation:
        figures = main_figures(evaluation)
        after = sum(figure.after for figure in figures) / len(figures)
        before = sum(figure.before for figure in figures) / len(figures)
        return f"PSNR {after:.2f} dB, {after - before:+.2f} dB over the input"
    return f"accuracy {100 * evaluation['accuracy']:.2f} %" if "accuracy" in evaluation else ""


@contextmanager
def progress_bar(title: str, unit: str) -> Iterator[Callable[[float, float], None]]:
    """On a terminal, a bar with speed and time left; call it with what is done and the total."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=False),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        line = bar.add_task(title, total=None, pace="")

        def show(done: float, total: float) -> None:
            speed = bar.tasks[0].speed
            bar.update(line, completed=done, total=total, pace=f"{speed:.1f} {unit}/s" if speed else "")

        yield show


@contextmanager
def transfer_bar(verb: str) -> Iterator[Callable[[int, int], None]]:
    """Bytes, speed and time left on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        line = bar.add_task(verb, total=None)
        yield lambda done, total: bar.update(line, completed=done, total=total)


@contextmanager
def writing(output: Path) -> Iterator[Path]:
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
        with suppress(OSError):  # what went wrong is told already; this would take its place
            temporary.unlink(missing_ok=True)
