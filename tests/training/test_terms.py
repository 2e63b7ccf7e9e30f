"""What is agreed on for a run beside its recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gandemo.errors import CheckpointError
from gandemo.training import runs, terms
from tests import tiny


def test_terms_come_back_as_they_were_written(tmp_path: Path) -> None:
    agreed = terms.Terms(init="/somewhere", owner="0f", max_seconds=12.5)
    terms.write(tmp_path, agreed)
    assert terms.read(tmp_path) == agreed


def test_a_run_laid_out_with_terms_waits_for_its_start(home: Path) -> None:
    folder = home / "runs" / "one"
    runs.lay_out(folder, tiny.DIGITS, owner="0f", max_seconds=3)
    assert not runs.has_begun(folder)
    assert terms.read(folder) == terms.Terms(None, "0f", 3.0)


def test_a_folder_without_terms_is_everybodys(tmp_path: Path) -> None:
    assert terms.read(tmp_path) == terms.Terms()
    (tmp_path / terms.FILE).write_text('{"init": null}')  # as written before there were others
    assert terms.read(tmp_path) == terms.Terms()


@pytest.mark.parametrize("damage", [{"init": 3}, {"owner": None}, {"max_seconds": "long"}, {"max_seconds": True}])
def test_damaged_terms_are_refused(tmp_path: Path, damage: dict[str, object]) -> None:
    (tmp_path / terms.FILE).write_text(json.dumps(damage))
    with pytest.raises(CheckpointError, match="damaged"):
        terms.read(tmp_path)
