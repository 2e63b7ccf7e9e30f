"""What the page may ask of the game in slow motion."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gandemo.errors import GanDemoError, RequestError
from gandemo.training import slow_motion
from gandemo.training.loop import train
from gandemo.ui import slow_motion_answers as answers
from tests import tiny


@pytest.fixture(autouse=True)
def _few_pictures(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.add_dataset(monkeypatch)
    monkeypatch.setattr(slow_motion, "CROWD", 24)
    monkeypatch.setattr(answers, "_sessions", slow_motion.Sessions())


def picture(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))


def test_games_are_runs_that_pause_and_checkpoints_with_both_players(filled: Path) -> None:
    list(train(tiny.DIGITS, run_dir=filled / "runs" / "one-1", device=tiny.CPU))
    found = answers.games()
    assert [game["name"] for game in found["runs"]] == ["one-1"]
    assert not found["runs"][0]["trains"]
    assert [game["name"] for game in found["checkpoints"]] == ["digits", "tiny", "tiny-plain"]


def test_a_game_from_its_opening_to_its_end() -> None:
    first = answers.play({"do": "open", "source": "tiny"})
    assert picture(first["fakes"]).size == picture(first["heat"]).size == (280, 56)
    assert picture(first["heat"]).mode == "RGBA"
    assert len(first["fake_verdicts"]) == len(first["fake_names"]) == 20
    assert len(first["real_verdicts"]) == 10
    moved = answers.play({"do": "move", "game": first["game"], "player": "generator", "count": 3, "pace": 20})
    assert moved["turns"] == {"generator": 3, "discriminator": 0}
    assert moved["fakes"] != first["fakes"]
    again = answers.play({"do": "over", "game": first["game"]})
    assert again["fakes"] == first["fakes"]
    assert answers.play({"do": "end", "game": first["game"]}) == {}
    with pytest.raises(RequestError, match="has ended"):
        answers.play({"do": "move", "game": first["game"], "player": "both", "count": 1})


def test_the_heat_map_has_a_colour_for_each_direction() -> None:
    gradients = np.zeros((20, 28, 28), np.float32)
    gradients[0, 1, 2], gradients[11, 3, 4] = 1.0, -0.5
    heat = np.asarray(answers._heat(gradients))
    assert heat.shape == (56, 280, 4)
    assert tuple(heat[1, 2]) == (*answers.BRIGHTER, 255)
    assert tuple(heat[28 + 3, 28 + 4][:3]) == answers.DARKER
    assert 100 < heat[28 + 3, 28 + 4][3] < 255
    assert np.count_nonzero(heat[..., 3]) == 2


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"do": "open"},
        {"do": "open", "source": "../checkpoints/tiny"},
        {"do": "open", "source": "/etc"},
        {"do": "open", "source": "tiny/best"},
        {"do": "open", "source": "tiny-mute"},
        {"do": "move", "game": "made up"},
        {"do": "dance", "game": None},
    ],
)
def test_a_wrong_move_is_one_sentence(asked: dict[str, Any]) -> None:
    with pytest.raises(GanDemoError):
        answers.play(asked)


@pytest.mark.parametrize(
    "move",
    [
        {"player": "nobody", "count": 1},
        {"player": "both", "count": "many"},
        {"player": "both", "count": 1e9},
        {"player": "both", "count": 1, "pace": "fast"},
        {"player": "both", "count": 1, "pace": 1_000},
    ],
)
def test_moves_out_of_range_are_refused(move: dict[str, Any]) -> None:
    game = answers.play({"do": "open", "source": "tiny"})["game"]
    with pytest.raises(RequestError):
        answers.play({"do": "move", "game": game, **move})
