"""Publications: a checkpoint of a run is measured and laid down by a child process, and the page is told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gandemo.errors import RequestError
from gandemo.ui import publications


def wait_for(name: str) -> publications.Publication:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        found = next(each for each in publications.known() if each.name == name)
        if found.state in ("done", "failed"):
            return found
        time.sleep(0.02)
    raise AssertionError("the publication did not end")


def test_a_publication_is_made_by_a_child_and_told(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "gandemo.py"  # stands in for the package in the child
    script.write_text(
        "import sys\nprint('published', sys.argv[2:], ': good', sep='')\nsys.exit('bad' in sys.argv[3])\n"
    )
    environment = {"PYTHONPATH": str(tmp_path), "PATH": ""}
    monkeypatch.chdir(tmp_path)
    publications.begin("run-1/best", "fine", replace=False, environment=environment)
    found = wait_for("fine")
    assert (found.state, found.says) == ("done", "good")
    publications.begin("run-1/best", "bad", replace=False, environment=environment)
    assert wait_for("bad").state == "failed"


def test_a_name_that_is_taken_or_no_good_is_refused(home: Path) -> None:
    (home / "checkpoints" / "mine").mkdir(parents=True)
    for name, complaint in (("mine", "already"), ("", "needs a name"), ("../x", "is no name"), ("a b", "is no name")):
        with pytest.raises(RequestError, match=complaint):
            publications.begin("run-1/best", name, replace=False, environment={})
