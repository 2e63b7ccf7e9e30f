"""What the page asks of the game in slow motion: checked moves in, plain values for the page out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gandemo import checkpoint
from gandemo.data import images as im
from gandemo.errors import RequestError
from gandemo.training import runs, slow_motion, state
from gandemo.ui import catalog

TASK = "digits"
BRIGHTER, DARKER = (251, 122, 60), (70, 150, 255)  # told apart with every kind of colour vision
_sessions = slow_motion.Sessions()


def games() -> dict[str, Any]:
    """What can be looked at: trainings of digits that are paused or done, and checkpoints with both players."""
    of_runs = [
        {"name": run.id, "title": f"{run.id}, {run.state} at step {run.step:,}", "trains": run.state in runs.ACTIVE}
        for run in runs.list_runs()
        if run.recipe.task == TASK
        and run.recipe.discriminator is not None
        and (state.state_folders(run.path / "state") or run.best_step is not None)
    ]
    named = [
        {"name": entry.name, "title": f"{entry.name}, {entry.dataset}", "trains": False}
        for entry in catalog.entries(TASK)
        if (entry.path / "discriminator.safetensors").is_file()
    ]
    return {"runs": of_runs[:40], "checkpoints": named}


def play(asked: Mapping[str, Any]) -> dict[str, Any]:
    """One thing that somebody does in a game.

    Args:
        asked: {"do": "open", "source", "fresh"}, {"do": "move", "game", "player", "count", "pace"},
            {"do": "over", "game"} or {"do": "end", "game"}.

    Returns:
        How the game stands; nothing after its end.

    Raises:
        GanDemoError: it can't be done.
    """
    what = asked.get("do")
    if what == "open":
        name = _sessions.begin(_source(asked.get("source")), fresh=asked.get("fresh") is True)
        session = _sessions.find(name)
        with _sessions.playing:
            return {"game": name, **_shown(session.view())}
    game = asked.get("game")
    if what == "end":
        _sessions.end(game)
        return {}
    session = _sessions.find(game)
    with _sessions.playing:
        if what == "move":
            session.set_pace(_number(asked.get("pace", 1), "the pace"))
            session.move(asked.get("player"), int(_number(asked.get("count"), "the batches")))  # type: ignore[arg-type]
        elif what == "over":
            session.start_over()
        else:
            raise RequestError(f"a game can be opened, moved, begun anew and ended, not {str(what)[:40]!r}")
        return {"game": game, **_shown(session.view())}


def _source(name: object) -> str:
    """A run's id, RUN/CHECKPOINT or a named checkpoint: never a path."""
    text = str(name)
    run, slash, step = text.partition("/")
    if checkpoint.NAME.match(run):
        is_run = (runs.runs_home() / run / "recipe.json").is_file()
        if is_run and (not slash or checkpoint.NAME.match(step)):
            return text
        if not slash and any(path.name == run for path in checkpoint.folders()):
            return text
    raise RequestError(f"there is no game {text[:60]!r} to look at; choose another")


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e9 < value < 1e9:
        raise RequestError(f"{what} must be a number, got {str(value)[:40]}")
    return float(value)


def _shown(view: slow_motion.View) -> dict[str, Any]:
    names = view.class_names
    return {
        "columns": slow_motion.COLUMNS,
        "fakes": catalog.data_url(im.grid(view.fakes, columns=slow_motion.COLUMNS, gap=0)),
        "heat": catalog.data_url(_heat(view.gradients)),
        "fake_verdicts": [round(float(value), 4) for value in view.fake_verdicts],
        "fake_names": None if view.labels is None else [names[label] for label in view.labels],
        "reals": catalog.data_url(im.grid(view.reals, columns=slow_motion.COLUMNS, gap=0)),
        "real_verdicts": [round(float(value), 4) for value in view.real_verdicts],
        "real_mean": round(view.real_mean, 4),
        "fake_mean": round(view.fake_mean, 4),
        "push": round(view.push, 4),
        "turns": dict(view.turns),
    }


def _heat(gradients: npt.NDArray[np.float32]) -> Image.Image:
    """The gradients as a see-through sheet without gaps: one colour for brighter, one for darker."""
    count, height, width = gradients.shape
    columns = slow_motion.COLUMNS
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, height, width, 4), np.uint8)
    strength = np.clip(np.abs(gradients), 0.0, 1.0) ** 0.6  # the weak ones are to be seen as well
    sheet[:count, ..., :3] = np.where((gradients > 0)[..., None], BRIGHTER, DARKER)
    sheet[:count, ..., 3] = np.rint(255 * strength)
    whole = sheet.reshape(rows, columns, height, width, 4).transpose(0, 2, 1, 3, 4)
    return Image.fromarray(whole.reshape(rows * height, columns * width, 4), "RGBA")
