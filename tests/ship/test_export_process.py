"""The child process that makes a file: what it is held to, what it says, and what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gandemo.errors import ExportError
from gandemo.ship.export import making, process
from tests import tiny

pytestmark = pytest.mark.timeout(1800)  # an export yields to whatever else a machine does


@pytest.fixture
def order(tmp_path: Path) -> dict[str, Any]:
    source = tiny.save(tmp_path / "tiny", tiny.DIGITS)
    return {
        "checkpoint": str(source.path),
        "name": "tiny",
        "format": "fp32",
        "file": str(tmp_path / "model.tflite"),
        "size": None,
        "threads": 1,
    }


def test_an_export_that_takes_too_long_is_ended(order: dict[str, Any]) -> None:
    with pytest.raises(ExportError, match="longer than 0 seconds"):
        process.run(order, seconds=0.0)


def test_an_export_can_be_stopped(order: dict[str, Any]) -> None:
    with pytest.raises(ExportError, match="was stopped; nothing was kept"):
        process.run(order, should_stop=lambda: True)


def test_an_export_that_needs_too_much_memory_is_one_sentence(order: dict[str, Any]) -> None:
    with pytest.raises(ExportError, match=r"needs more than 0\.02 GB of memory"):
        process.run(order, memory_gb=0.02)


def test_a_damaged_checkpoint_is_one_sentence(order: dict[str, Any]) -> None:
    (Path(order["checkpoint"]) / "generator.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ExportError, match="damaged"):
        process.run(order)


def test_a_file_that_can_not_be_written_is_not_the_networks_fault(order: dict[str, Any], tmp_path: Path) -> None:
    order |= {"format": "onnx", "file": str(tmp_path / "nowhere" / "model.onnx")}
    with pytest.raises(ExportError, match=r"a file can't be read or written \(No such file or directory\); free some"):
        process.run(order)


def test_a_child_whose_parent_has_died_takes_its_half_made_files_away(order: dict[str, Any]) -> None:
    file = Path(order["file"])
    halves = [file, file.with_suffix(".whole")]
    for half in halves:
        half.write_bytes(b"half")
    with subprocess.Popen(
        [sys.executable, "-m", "gandemo.ship.export.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        assert child.stdin is not None
        child.stdin.write(json.dumps({**order, "memory_gb": 8.0}).encode() + b"\n")
        child.stdin.close()  # as the end of the parent does
        assert child.wait(120) == 1
    assert not [half for half in halves if half.exists()]


def test_what_killed_exports_left_goes_with_the_next(tmp_path: Path) -> None:
    old, new, whole = tmp_path / ".a.1.ff.tflite", tmp_path / ".b.2.ff.tflite", tmp_path / "c.tflite"
    for path in (old, new, whole):
        path.write_bytes(b"")
    for path in (old, whole):
        os.utime(path, (0, time.time() - 3 * process.SECONDS))
    making._sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [new.name, whole.name]
