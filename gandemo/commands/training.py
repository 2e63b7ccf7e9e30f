"""`train`, `resume`, `fork`, `stop`, `doctor`, `delete`, `tidy`: runs."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gandemo.commands.measuring import check_name, lay
from gandemo.commands.options import Json, Leash, MaxSeconds, Publish, Settings, Threads, chosen_recipe
from gandemo.errors import GanDemoError, RequestError
from gandemo.recipe import Recipe, parse_settings

if TYPE_CHECKING:
    from gandemo.training import events

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_asked = threading.Event()  # several processes only: a signal has asked this one to stop
RunDir = Annotated[Path | None, typer.Option(help="Default: a new folder in runs/.")]


def train(
    recipe: str,
    data: Annotated[
        str | None,
        typer.Option(
            help="Another data set: a name, or your own pictures: a folder, a zip, a tar, USER/NAME on the Hub."
        ),
    ] = None,
    settings: Settings = None,
    init: Annotated[str | None, typer.Option(help="Start from this checkpoint's weights.")] = None,
    run_dir: RunDir = None,
    max_seconds: MaxSeconds = None,
    publish: Publish = None,
    threads: Threads = None,
    leash: Leash = None,
) -> None:
    """Train a recipe, by name or from a recipe.json; Ctrl-C saves, and says how to go on."""
    with _one_voice():
        chosen = chosen_recipe(recipe, data, settings)
        check_name(publish)
        pulled = _leash(leash, run_dir)
        from gandemo.training import distributed, forks, loop, runs

        _set_threads(threads)
        team = distributed.join()
        planned = team.lead(lambda: forks.begin(chosen, init))
        chosen = team.same_recipe(None if planned is None else planned.recipe)
        folder = run_dir or runs.new_run_dir(chosen)
        start = None if planned is None else planned.init
        _follow(
            lambda should_stop: loop.train(
                chosen, run_dir=folder, init=start, max_seconds=max_seconds, should_stop=should_stop
            ),
            chosen,
            folder,
            publish,
            pulled,
        )


def fork(
    source: Annotated[str, typer.Argument(help="RUN (its best), RUN/step-500, or a checkpoint's name.")],
    settings: Settings = None,
    anew: Annotated[bool, typer.Option("--anew", help="Its recipe only; begin with fresh weights.")] = False,
    run_dir: RunDir = None,
    max_seconds: MaxSeconds = None,
    publish: Publish = None,
    threads: Threads = None,
) -> None:
    """Start a new run from any checkpoint of any run, with some settings changed."""
    with _one_voice():
        check_name(publish)
        changed = parse_settings(settings or [])
        from gandemo.training import distributed, forks, loop, runs

        _set_threads(threads)
        team = distributed.join()
        planned = team.lead(lambda: forks.plan(source, changed, anew=anew))
        recipe = team.same_recipe(None if planned is None else planned.recipe)
        folder = run_dir or runs.new_run_dir(recipe)
        start = None if planned is None else planned.init
        _follow(
            lambda should_stop: loop.train(
                recipe, run_dir=folder, init=start, max_seconds=max_seconds, should_stop=should_stop
            ),
            recipe,
            folder,
            publish,
            lambda: False,
        )


def resume(
    run: str,
    max_seconds: MaxSeconds = None,
    publish: Publish = None,
    threads: Threads = None,
    leash: Leash = None,
) -> None:
    """Go on with a stopped or interrupted run, from its last saved state."""
    with _one_voice():
        check_name(publish)
        pulled = _leash(leash, Path(run))
        from gandemo.training import distributed, loop, runs

        team = distributed.join()
        folder = team.lead(lambda: runs.find_run(run)) or Path(run)  # the others may not see it, and need not
        recipe = team.same_recipe(team.lead(lambda: Recipe.from_file(folder / "recipe.json")))
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


def doctor(run: str, as_json: Json = False) -> None:
    """Say what goes wrong in a run, from what it has told so far, and the fork that would mend it."""
    from gandemo.training import events, runs
    from gandemo.training.doctor import diagnose

    folder = runs.find_run(run)
    recipe = Recipe.from_file(folder / "recipe.json")
    found = diagnose(list(events.read(folder / "events.jsonl")), recipe)
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2))
        return
    if not found:
        print("nothing is seen to go wrong")
    for each in found:
        print(f"{each.title}: {each.evidence}.")
        print(textwrap.fill(f"{each.why} Remedy: {each.remedy}.", 100, initial_indent="  ", subsequent_indent="  "))
        if each.settings:
            print(f"  python -m gandemo {_as_fork(_name_of(folder), each.settings, each.anew)}")


def _as_fork(source: str, settings: dict[str, Any], anew: bool) -> str:
    """The arguments that make a fork with some settings."""
    words = ["fork", source]
    for key, value in settings.items():
        words += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join([*words, "--anew"] if anew else words)


def delete(run: str, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete a run for good; one that trains is refused."""
    from gandemo.training import runs, storage

    folder = runs.find_run(run).absolute()
    asked = storage.ask_to_delete(folder)
    if not yes:
        if not sys.stdin.isatty():
            raise RequestError(f"{asked.question} Say so with --yes")
        if not typer.confirm(asked.question):
            print(f"{asked.run} stays")
            return
    storage.delete(folder, asked.token)
    print(f"{asked.run} is deleted")


def tidy(
    limit: Annotated[
        str | None, typer.Argument(help="5GB, 800MB, or none: how much all runs may take from now on.")
    ] = None,
) -> None:
    """Free what nobody needs of runs that have ended, until all fit into the bound; best and last checkpoints stay."""
    from gandemo.training import storage

    if limit is not None:
        storage.set_disk_limit(_bytes(limit))
    taken, bound = storage.tidy(), storage.disk_limit()
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


@contextmanager
def _one_voice() -> Iterator[None]:
    """Of several processes only the first one speaks, and a signal to any of them stops all of them, saved."""
    from gandemo.training import process

    if not process.several():
        yield
        return
    # torchrun ends the others when the first one has ended, and sends every signal twice: none may cut a save short
    for number in _SIGNALS:
        signal.signal(number, lambda _number, _frame: _asked.set())
    try:
        yield
    except GanDemoError as error:
        from gandemo.training import distributed

        if distributed.speaks(error):
            raise
        raise SystemExit(2) from None


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
    from gandemo.training import distributed, events, process

    asked = False

    def ask(signum: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in _SIGNALS} if not process.several() else {}
    last: events.Event | None = None
    try:
        with _progress(recipe) as show:
            for last in start(lambda: asked or _asked.is_set() or pulled()):
                show(last)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    leads = distributed.join().leads
    distributed.leave()
    if not leads:
        return
    if isinstance(last, events.Finished) and last.state == "stopped":
        print(f"stopped at step {last.step:,} and saved; go on with: python -m gandemo resume {_name_of(folder)}")
        return
    print(f"done; the run is in {folder}")
    if publish is not None:
        lay(str(folder), publish)


def _name_of(folder: Path) -> str:
    from gandemo.training.runs import runs_home

    return folder.name if folder.parent == runs_home() else str(folder)


@contextmanager
def _progress(recipe: Recipe) -> Iterator[Callable[[events.Event], None]]:
    """A bar with speed and time left on a terminal, a line for each evaluation elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from gandemo.training import distributed, events

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[score]}"),
    )
    shown = console.is_terminal and distributed.join().leads
    with Progress(*columns, console=console, disable=not shown) as bar:
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
