"""A recipe may name the checkpoint it starts from, and end when its score has stopped rising."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_photos
import torch

from gandemo import checkpoint
from gandemo.errors import CheckpointError
from gandemo.recipe import Recipe
from gandemo.tasks.enhance import Enhance
from gandemo.training import events
from gandemo.training.loop import train

CPU = torch.device("cpu")
SHORT = {"steps": 9, "evaluate_every": 1, "sample_every": 100, "checkpoint_every": 100, "patience": 3}


@pytest.fixture(autouse=True)
def _tiny(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_photos.add_dataset(monkeypatch)
    scores = iter([1.0, 2.0, 1.5, 2.0, 1.9, 0.0, 0.0, 0.0, 0.0])
    monkeypatch.setattr(Enhance, "evaluate", lambda *_, **__: {"balance": next(scores)})


def run(recipe: Recipe, folder: Path, **kwargs: object) -> list[events.Event]:
    return list(train(recipe, run_dir=folder, device=CPU, **kwargs))  # type: ignore[arg-type]


def test_a_run_ends_when_its_score_has_stopped_rising(tmp_path: Path) -> None:
    told = run(tiny_photos.TINY["enhance"].with_settings(SHORT), tmp_path / "run")
    last = told[-1]
    assert isinstance(last, events.Finished)
    assert (last.state, last.step) == ("done", 5)  # best at 2, then three times no better
    assert last.reason == "no better balance in 3 evaluations"
    assert (tmp_path / "run" / "checkpoints" / "step-5").is_dir()
    again = run(tiny_photos.TINY["enhance"].with_settings(SHORT), tmp_path / "run", resume=True)[-1]
    assert isinstance(again, events.Finished)
    assert (again.state, again.step) == ("done", 5)


def test_without_patience_it_goes_on(tmp_path: Path) -> None:
    recipe = tiny_photos.TINY["enhance-l1"].with_settings({**SHORT, "patience": 0})
    last = run(recipe, tmp_path / "run")[-1]
    assert isinstance(last, events.Finished)
    assert (last.state, last.step, last.reason) == ("done", 9, "")


def test_the_recipe_names_where_it_starts(tmp_path: Path, home: Path) -> None:
    first = tiny_photos.TINY["enhance-l1"].with_settings({"steps": 2, "evaluate_every": 2})
    run(first, tmp_path / "first")
    start = checkpoint.load(tmp_path / "first" / "checkpoints" / "step-2")
    checkpoint.save(home / "checkpoints" / "tiny-start", first, start.generator())
    second = tiny_photos.TINY["enhance"].with_settings(
        {"steps": 1, "init": "tiny-start", "generator_optimizer.lr": 1e-9}
    )
    run(second, tmp_path / "second")
    after = checkpoint.load(tmp_path / "second" / "checkpoints" / "step-1").generator().state_dict()
    assert all(torch.allclose(after[name], value, atol=1e-6) for name, value in start.generator().state_dict().items())


def test_a_start_that_is_not_there(tmp_path: Path) -> None:
    recipe = tiny_photos.TINY["enhance"].with_settings({"init": "nowhere"})
    with pytest.raises(CheckpointError, match="there is no checkpoint 'nowhere'"):
        run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
