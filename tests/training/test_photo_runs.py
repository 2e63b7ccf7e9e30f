"""Every photo recipe through the whole loop, and a resumed run to the very same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_photos
import torch

from gandemo import checkpoint
from gandemo.training import events
from gandemo.training.loop import train

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _tiny(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_photos.add_dataset(monkeypatch)


@pytest.mark.parametrize("name", tiny_photos.TINY)
def test_a_resumed_run_comes_to_the_same_weights(name: str, tmp_path: Path) -> None:
    recipe = tiny_photos.TINY[name]
    *_, last = train(recipe, run_dir=tmp_path / "whole", device=CPU)
    assert isinstance(last, events.Finished)
    assert last.state == "done"
    assert len(list((tmp_path / "whole" / "samples").glob("*.png"))) == 3
    best = checkpoint.load(tmp_path / "whole" / "checkpoints" / "best")
    assert best.metrics["validation"]["photos"] == 6

    steps = 0

    def after_two() -> bool:
        nonlocal steps
        steps += 1
        return steps > 2

    *_, stopped = train(recipe, run_dir=tmp_path / "parts", device=CPU, should_stop=after_two)
    assert (stopped.step, stopped.state) == (2, "stopped")  # type: ignore[union-attr]
    *_, resumed = train(recipe, run_dir=tmp_path / "parts", device=CPU, resume=True)
    assert resumed.step == recipe.steps
    one, other = (
        checkpoint.load(tmp_path / run / "checkpoints" / f"step-{recipe.steps}").generator().state_dict()
        for run in ("whole", "parts")
    )
    assert all(torch.equal(one[key], other[key]) for key in one)
