"""The state of a run: saved in one piece, restored to the last bit, and never both of the last two lost."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gandemo.errors import CheckpointError
from gandemo.training import state
from gandemo.training.state import load_state, save_state, state_folders

OPTIMISERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.1, fused=True),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.1, fused=True),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.1),
}


class Game:
    """A network with buffers, its optimiser and two sources of randomness, which every step draws from."""

    def __init__(self, optimizer: str = "adam", seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
        self.optimizer = OPTIMISERS[optimizer](self.network.parameters())
        self.noise = torch.Generator().manual_seed(seed)

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.network(torch.randn(8, 3, generator=self.noise)).square().sum().backward()
        self.optimizer.step()

    def save(self, folder: Path, step: int, **scalars: Any) -> None:
        save_state(folder, step, {"g": self.network}, {"g": self.optimizer}, {"noise": self.noise}, scalars)

    def load(self, folder: Path) -> tuple[int, dict[str, Any]]:
        return load_state(folder, {"g": self.network}, {"g": self.optimizer}, {"noise": self.noise})

    def weights(self) -> list[torch.Tensor]:
        return [tensor.clone() for tensor in self.network.state_dict().values()]


def assert_equal(one: list[torch.Tensor], two: list[torch.Tensor]) -> None:
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("optimizer", OPTIMISERS)
def test_a_restored_run_goes_on_to_the_same_bits(tmp_path: Path, optimizer: str) -> None:
    game = Game(optimizer)
    for _ in range(3):
        game.step()
    game.save(tmp_path, 3, drawn=7, best=None)
    for _ in range(3):
        game.step()
    expected, drawn = game.weights(), torch.rand(3)

    other = Game(optimizer, seed=99)
    other.step()
    assert other.load(tmp_path) == (3, {"drawn": 7, "best": None})
    for _ in range(3):
        other.step()
    assert_equal(other.weights(), expected)
    assert torch.equal(torch.rand(3), drawn)


def test_a_state_from_before_the_first_step(tmp_path: Path) -> None:
    game = Game()
    game.save(tmp_path, 0)
    game.step()
    other = Game(seed=5)
    other.load(tmp_path)
    other.step()
    assert_equal(other.weights(), game.weights())


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    game = Game()
    for step in (1, 2, 9, 10, 11):
        game.save(tmp_path, step)
    assert [path.name for path in state_folders(tmp_path)] == ["step-11", "step-10"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-10", "step-11"]


def test_saving_the_same_step_again_replaces_it(tmp_path: Path) -> None:
    game = Game()
    game.save(tmp_path, 4, drawn=1)
    game.save(tmp_path, 4, drawn=2)
    assert game.load(tmp_path) == (4, {"drawn": 2})


def test_foreign_folders_are_passed_over(tmp_path: Path) -> None:
    for name in ("step-", "step-x", ".step-9.tmp", "best"):
        (tmp_path / name).mkdir()
    Game().save(tmp_path, 1)
    assert [path.name for path in state_folders(tmp_path)] == ["step-1"]


def test_no_pickle_in_a_state(tmp_path: Path) -> None:
    game = Game()
    game.step()
    game.save(tmp_path, 1)
    assert sorted(path.name for path in (tmp_path / "step-1").iterdir()) == ["state.json", "tensors.safetensors"]


# --- damage -----------------------------------------------------------------------------------------------


def cut(file: Path, share: float) -> None:
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])


def edit(file: Path, **changes: Any) -> None:
    values = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "tensors cut": lambda folder: cut(folder / "tensors.safetensors", 0.7),
    "tensors empty": lambda folder: cut(folder / "tensors.safetensors", 0),
    "tensors missing": lambda folder: (folder / "tensors.safetensors").unlink(),
    "tensors of noise": lambda folder: (folder / "tensors.safetensors").write_bytes(bytes(range(256)) * 20),
    "json cut": lambda folder: cut(folder / "state.json", 0.5),
    "json missing": lambda folder: (folder / "state.json").unlink(),
    "json is a list": lambda folder: (folder / "state.json").write_text("[]"),
    "no optimisers": lambda folder: edit(folder / "state.json", optimizers=None),
    "no scalars": lambda folder: edit(folder / "state.json", scalars=None),
    "no step": lambda folder: edit(folder / "state.json", step=None),
    "no files": lambda folder: (shutil.rmtree(folder), folder.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_torn_newest_state_falls_back_to_the_one_before(tmp_path: Path, damage: str) -> None:
    game = Game()
    game.step()
    game.save(tmp_path, 1, drawn=1)
    after_one = game.weights()
    game.step()
    expected = game.weights()
    game.save(tmp_path, 2, drawn=2)
    DAMAGES[damage](tmp_path / "step-2")

    other = Game(seed=9)
    assert other.load(tmp_path) == (1, {"drawn": 1})
    assert_equal(other.weights(), after_one)
    other.step()
    assert_equal(other.weights(), expected)


@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_left_to_restore(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "run" / "state"
    Game().save(folder, 1)
    DAMAGES[damage](folder / "step-1")
    with pytest.raises(CheckpointError) as caught:
        Game().load(folder)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'run'} can't be resumed: step-1 is damaged")
    assert message.endswith("start a new run")
    assert "\n" not in message


def test_no_state_at_all(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="can't be resumed: it holds no saved state; start a new run"):
        Game().load(tmp_path / "state")


def test_another_network_s_state_is_refused(tmp_path: Path) -> None:
    Game().save(tmp_path / "state", 1)
    game = Game()
    game.network = nn.Sequential(nn.Linear(3, 5))
    with pytest.raises(CheckpointError, match="can't be resumed: step-1 is damaged") as caught:
        game.load(tmp_path / "state")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["tensors", "json"])
def test_a_full_disk_leaves_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    game = Game()
    game.step()
    game.save(tmp_path, 1, drawn=1)

    def full(*args: Any, **_kwargs: Any) -> None:
        for path in args:
            if isinstance(path, Path):
                path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if what == "tensors":
            patch.setattr(state, "save_file", full)
        else:
            patch.setattr(Path, "write_text", full)
        for step in (1, 2):
            with pytest.raises(CheckpointError, match="No space left on device; free some space"):
                game.save(tmp_path, step)
    assert [path.name for path in tmp_path.iterdir()] == ["step-1"]
    assert Game().load(tmp_path) == (1, {"drawn": 1})
