"""`Pipeline.from_pretrained("user/repo")` and `push_to_hub`, as people know them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gandemo import Pipeline, checkpoint
from gandemo.errors import CheckpointError, HubError
from tests import tiny
from tests.ship.fake_hub import FakeHub

# the library's own way of sending a large file
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def test_there_and_back(server: FakeHub, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.save(home / "checkpoints" / "mine")
    mine = Pipeline.from_pretrained("mine")
    address = mine.push_to_hub("ada/tiny", private=True, token="hf_ada", commit_message="first")
    assert address == f"{server.endpoint}/ada/tiny"
    assert server.repo("ada/tiny").titles[-1] == "first"
    assert server.repo("ada/tiny").private
    with pytest.raises(HubError, match="that anybody may see"):
        Pipeline.from_pretrained("ada/tiny", token=False)
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    theirs = Pipeline.from_pretrained("ada/tiny")
    assert theirs.name == "ada/tiny"
    assert np.array_equal(theirs.generate(4, seed=1).images, mine.generate(4, seed=1).images)
    assert [found.name for found in checkpoint.available() if found.path.is_relative_to(home)] == ["mine"]
    server.close()
    assert Pipeline.from_pretrained("ada/tiny").name == "ada/tiny"


def test_what_is_here_comes_first(server: FakeHub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.save(home / "runs" / "ada" / "checkpoints" / "step-6")
    assert Pipeline.from_pretrained("ada/step-6").recipe == tiny.DIGITS
    with pytest.raises(CheckpointError):
        Pipeline.from_pretrained("ada/step-7")
    tiny.save(tmp_path / "ben" / "tiny")
    monkeypatch.chdir(tmp_path)
    assert Pipeline.from_pretrained("ben/tiny").recipe == tiny.DIGITS
    with pytest.raises(CheckpointError):
        Pipeline.from_pretrained("ben/none")
    with pytest.raises(CheckpointError):
        Pipeline.from_pretrained("nothing")
    assert server.log == []


def test_a_recipe_reaches_no_network(server: FakeHub, home: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint 'ada/tiny'"):
        checkpoint.resolve("ada/tiny")  # as for its init and its features, which somebody else may have written
    assert server.log == []
