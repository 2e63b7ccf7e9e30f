"""The game in slow motion: one player moves, the other one stays; looking changes nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from gandemo.data import datasets
from gandemo.errors import GanDemoError, RequestError, TrainingError
from gandemo.training import process, slow_motion
from gandemo.training.loop import train
from gandemo.training.slow_motion import Session, Sessions
from gandemo.training.trainer import Trainer
from tests import tiny

GAMES = ("digits", "vanilla", "wgan-gp", "conv", "relativistic")


@pytest.fixture(autouse=True)
def _few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.add_dataset(monkeypatch)
    monkeypatch.setattr(slow_motion, "CROWD", 24)


def session(name: str = "digits") -> Session:
    held_out = datasets.load("tiny", "validation")
    trainer = Trainer(tiny.TINY[name], datasets.load("tiny", "train"), tiny.CPU)
    return Session(trainer, held_out.images, held_out.labels, held_out.class_names)


def weights(trainer: Trainer, player: str) -> list[torch.Tensor]:
    network = trainer.generator if player == "generator" else trainer.discriminator
    assert network is not None
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_only_the_player_that_moves_changes(name: str, player: slow_motion.Player) -> None:
    game = session(name)
    other = "discriminator" if player == "generator" else "generator"
    mine, theirs = weights(game.trainer, player), weights(game.trainer, other)
    game.move(player, 2)
    assert not same(mine, weights(game.trainer, player))
    assert same(theirs, weights(game.trainer, other))
    assert game.turns == {player: 2, other: 0}


@pytest.mark.parametrize("name", GAMES)
def test_a_look_has_everything_and_changes_nothing(name: str) -> None:
    game = session(name)
    game.move("both", 1)
    before = {key: value.clone() for net in game.trainer.networks.values() for key, value in net.state_dict().items()}
    first, second = game.view(), game.view()
    after = {key: value for net in game.trainer.networks.values() for key, value in net.state_dict().items()}
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert np.array_equal(first.fakes, second.fakes)
    assert np.array_equal(first.gradients, second.gradients)
    assert first.fakes.shape == first.gradients.shape == (20, 28, 28)
    assert first.reals.shape == (10, 28, 28)
    for verdicts, count in ((first.fake_verdicts, 20), (first.real_verdicts, 10)):
        assert verdicts.shape == (count,)
        assert ((verdicts >= 0) & (verdicts <= 1)).all()
    assert first.labels == ([number % 10 for number in range(20)] if name == "digits" else None)


def test_the_hint_points_where_the_inspector_is_less_sure() -> None:
    game = session("vanilla")
    game.move("discriminator", 30)
    game.set_pace(1)
    trainer = game.trainer
    assert trainer.discriminator is not None
    view = game.view()
    trainer.discriminator.eval()
    fakes = game._fakes()[:20]
    nudged = fakes + 0.05 * torch.from_numpy(view.gradients)[:, None] / np.abs(view.gradients).max()
    with torch.no_grad():
        assert (trainer.discriminator(nudged) > trainer.discriminator(fakes)).all()


def test_the_inspector_gets_surer_and_the_forger_fools_it() -> None:
    game = session("vanilla")
    game.set_pace(10)
    before = game.view()
    game.move("discriminator", 40)
    surer = game.view()
    assert surer.real_mean - surer.fake_mean > before.real_mean - before.fake_mean + 0.1
    game.move("generator", 40)
    assert game.view().fake_mean > surer.fake_mean + 0.1


def test_starting_over_brings_back_the_beginning() -> None:
    game = session()
    first = game.view()
    game.move("both", 3)
    there = game.view()
    game.start_over()
    assert np.array_equal(game.view().fakes, first.fakes)
    assert game.view().turns == {"generator": 0, "discriminator": 0}
    game.move("both", 3)  # the same batches, the same noise: the same game
    assert np.array_equal(game.view().fakes, there.fakes)


def test_moves_have_bounds() -> None:
    game = session()
    for player, count in (("referee", 1), ("both", 0), ("both", slow_motion.TURNS_AT_ONCE + 1)):
        with pytest.raises(RequestError):
            game.move(player, count)  # type: ignore[arg-type]
    for pace in (0.0, 31.0, float("nan")):
        with pytest.raises(RequestError, match="pace"):
            game.set_pace(pace)
    game.turns["generator"] = slow_motion.TURNS
    with pytest.raises(RequestError, match="start over"):
        game.move("both", 1)


def test_a_run_is_opened_where_it_stands_and_stays_as_it_is(home: Path) -> None:
    folder = home / "runs" / "one-1"
    list(train(tiny.DIGITS, run_dir=folder, device=tiny.CPU))
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    game = slow_motion.open_session("one-1")
    assert game.trainer.step == 6
    game.move("both", 2)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == files
    hold = process.hold(folder)
    try:
        with pytest.raises(TrainingError, match="pause it first"):
            slow_motion.open_session("one-1")
    finally:
        hold.release()


def test_a_checkpoint_is_opened_with_its_own_calibration(home: Path) -> None:
    tiny.save(home / "checkpoints" / "one", metrics={"calibration": {"scale": 0.0, "offset": 2.0}})
    assert slow_motion.open_session("one").view().fake_mean == pytest.approx(1 / (1 + np.exp(-2.0)))
    fresh = slow_motion.open_session("one", fresh=True)
    assert not np.array_equal(fresh.view().fakes, slow_motion.open_session("one").view().fakes)


def test_without_a_second_player_there_is_no_game(home: Path) -> None:
    tiny.save(home / "checkpoints" / "alone", tiny.TINY["classifier"])
    tiny.save(home / "checkpoints" / "mute")
    (home / "checkpoints" / "mute" / "discriminator.safetensors").unlink()
    for name in ("alone", "mute", "nothing"):
        with pytest.raises(GanDemoError):
            slow_motion.open_session(name)


def test_who_come_at_once_get_no_more_places(home: Path) -> None:
    tiny.save(home / "checkpoints" / "one")
    games = Sessions(places=2, idle=1e9, patience=1e9)

    def begin(_: int) -> bool:
        try:
            return bool(games.begin("one"))
        except RequestError:
            return False

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(begin, range(8))) == 2


def test_few_sessions_at_a_time_each_for_a_while(home: Path) -> None:
    tiny.save(home / "checkpoints" / "one")
    games = Sessions(places=2, idle=1e9, patience=1e9)
    first, second = games.begin("one"), games.begin("one")
    assert games.find(first) is not games.find(second)
    with pytest.raises(RequestError, match="others are at it"):
        games.begin("one")
    games.patience = -1.0  # nobody has moved for long enough: the oldest one goes
    games.find(first)
    third = games.begin("one")
    with pytest.raises(RequestError, match="has ended"):
        games.find(second)
    games.end(first)
    games.end(first)
    games.idle = -1.0
    games.begin("one")
    for ended in (first, third, None, "x"):
        with pytest.raises(RequestError, match="has ended"):
            games.find(ended)
