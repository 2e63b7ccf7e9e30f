"""A training and its page: how soon it is seen, whom it slows down, how soon it goes on, what watching it costs.

Every run is a child process in a home of its own, started by the manager as the page does it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gandemo.bench.row import Bench, Row
from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES

RECIPE = "digits"
BESIDE = ("digits", "colorize-l1")  # what trains while others ask
LOOKS = 0.9  # seconds between two looks of the page while something trains
PATIENCE = 300.0


@contextmanager
def _home() -> Iterator[Path]:
    """A GANDEMO_HOME of its own for as long as a row takes."""
    before = {name: os.environ.get(name) for name in ("GANDEMO_HOME", "GANDEMO_DATA")}
    from gandemo.data.datasets import data_home

    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(GANDEMO_DATA=str(data_home().absolute()), GANDEMO_HOME=folder)
        try:
            yield Path(folder)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _until(is_so: Callable[[], bool], what: str) -> float:
    """Seconds until something is so."""
    began = time.perf_counter()
    while not is_so():
        if time.perf_counter() - began > PATIENCE:
            raise TimeoutError(f"{what} did not come within {PATIENCE:.0f} s")
        time.sleep(0.02)
    return time.perf_counter() - began


def _steps(folder: Path) -> list[int]:
    """The steps whose progress was told."""
    from gandemo.training import events

    return [event.step for event in events.read(folder / "events.jsonl") if isinstance(event, events.Progress)]


def _until_seen(folder: Path) -> float:
    """Seconds until a run has told of its first steps; a RuntimeError with its last words where it failed instead."""
    from gandemo.training import runs

    def is_seen() -> bool:
        if (found := runs.summarise(folder)).state == "failed":
            raise RuntimeError(f"the run failed: {found.reason}")
        return bool(_steps(folder))

    return _until(is_seen, "the first point")


def _told_each_second(recipe: Recipe) -> Recipe:
    """As the page starts it once it was measured: told of about once a second, a sheet every ten seconds."""
    from gandemo.training import estimate

    pace = 1.0 / estimate.measure(recipe).step
    return recipe.with_settings({"log_every": max(1, round(pace)), "sample_every": max(1, round(10 * pace))})


def _seen() -> Iterator[Row]:
    """From Start to the first point of a curve, and from Resume to the next one."""
    from gandemo.training import runs
    from gandemo.training.manager import Manager

    recipe = _told_each_second(RECIPES[RECIPE])
    with _home(), Manager() as manager:
        began = time.perf_counter()
        run = manager.start(recipe)
        _until_seen(run.path)
        yield _row(f"{RECIPE}: from Start to the first point of a curve", time.perf_counter() - began, "s")
        manager.stop(run.id)
        yield _row(
            f"{RECIPE}: from Stop to saved",
            _until(lambda: runs.summarise(run.path).state == "stopped", "the stop"),
            "s",
        )
        last = max(_steps(run.path))
        began = time.perf_counter()
        manager.resume(run.id)
        _until(lambda: max(_steps(run.path)) > last, "the next point")
        yield _row(f"{RECIPE}: from Resume to the next point", time.perf_counter() - began, "s")


def _beside() -> Iterator[Row]:
    """How much longer requests take while a run trains: digits, and colour for a photo from its bytes to the PNG's."""
    from gandemo.training.manager import Manager

    requests = {"64 digits": _digits_request(), "colour for 1 megapixel": _colour_request()}
    alone = {what: _median(request) for what, request in requests.items()}
    for what, seconds in alone.items():
        yield _row(f"{what} while nothing trains", 1000 * seconds, "ms")
    for name in BESIDE:
        with _home(), Manager() as manager:
            run = manager.start(_told_each_second(RECIPES[name]))
            _until_seen(run.path)
            beside = {what: _median(request) for what, request in requests.items()}
        for what, seconds in beside.items():
            yield _row(f"{what} while {name} trains, over that", seconds / alone[what], "×", "<= 1.5")


def _digits_request() -> Callable[[], object]:
    from gandemo.pipeline import Pipeline

    pipeline = Pipeline.from_pretrained(RECIPE)
    return lambda: pipeline.generate(64, seed=1)


def _colour_request() -> Callable[[], object]:
    from gandemo.bench.photos import a_photo
    from gandemo.data.images import open_photo
    from gandemo.pipeline import Pipeline

    pipeline, content = Pipeline.from_pretrained("colorize"), a_photo(1200, 900)
    return lambda: pipeline.colorize(open_photo(content)).to_png()


def _median(request: Callable[[], object], seconds: float = 10.0) -> float:
    """Seconds of one request, of those that fit into a time; the first ones, which warm up, don't count."""
    request()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 3 or time.perf_counter() < end:
        began = time.perf_counter()
        request()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _watched(rounds: int = 3, seconds: float = 15.0) -> Iterator[Row]:
    """What it costs a training to be told of every second and looked at by a page."""
    quiet = RECIPES[RECIPE].with_settings(
        {"log_every": 10**6, "sample_every": 10**6, "evaluate_every": 10**6, "checkpoint_every": 10**6}
    )
    live = _told_each_second(RECIPES[RECIPE]).with_settings({"evaluate_every": 10**6, "checkpoint_every": 10**6})
    ratios = []
    for turn in range(rounds):
        sides = [("quiet", quiet), ("live", live)]
        speeds = {}
        for side, recipe in sides if turn % 2 else reversed(sides):
            with _home() as home:
                speeds[side] = _speed(recipe, home, seconds, looked_at=side == "live")
        ratios.append(speeds["quiet"] / speeds["live"])
    yield _row(
        f"{RECIPE}: steps a second unseen over those with live events", statistics.median(ratios), "×", "<= 1.05"
    )


def _speed(recipe: Recipe, home: Path, seconds: float, *, looked_at: bool) -> float:
    """Steps a second of a training in a process of its own."""
    from gandemo.training import curves, events, runs
    from gandemo.training.manager import child_environment

    file, folder = home / "recipe.json", home / "runs" / "one-1"
    file.write_text(recipe.to_json(), encoding="utf-8")
    threads = max(1, runs.cores() - 1)
    command = [sys.executable, "-m", "gandemo", "train", str(file), "--run-dir", str(folder)]
    command += ["--max-seconds", str(seconds), "--threads", str(threads)]
    with subprocess.Popen(
        command,
        env=child_environment(os.environ, threads),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        ended = threading.Event()

        def look() -> None:
            reader = events.Reader(folder / "events.jsonl", most=4_000)
            while not ended.wait(LOOKS):
                list(runs.list_runs())
                curves.drawn(curves.read(reader.poll()))

        page = threading.Thread(target=look, daemon=True)
        if looked_at:
            page.start()
        child.wait()
        ended.set()
        if looked_at:
            page.join()
    *_, last = events.read(folder / "events.jsonl")
    assert isinstance(last, events.Finished)
    return last.step / last.seconds


def _row(what: str, value: float, unit: str, bound: str | None = None) -> Row:
    return {"what": what, "value": value, "unit": unit, "bound": bound}


ROWS: dict[str, Bench] = {
    "run-seen": Bench("from Start and from Resume to a point of a curve", _seen),
    "run-beside": Bench("requests while a run trains", _beside),
    "run-watched": Bench("what it costs a run to be watched", _watched),
}
