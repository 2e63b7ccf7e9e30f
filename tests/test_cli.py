"""The command line: what it prints, what it writes, and one line with status 2 for each mistake."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gandemo import __main__ as cli
from gandemo import checkpoint
from gandemo.recipes import RECIPES
from tests import tiny


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of `python -m gandemo …`, in this process."""
    monkeypatch.setattr("sys.argv", ["gandemo", *arguments])
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture
def tiny_recipe(monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """The recipe `tiny-digits` on the data set `tiny`, in a home of its own."""
    tiny.add_dataset(monkeypatch)
    monkeypatch.setitem(RECIPES, "tiny-digits", tiny.DIGITS)
    return home


def one_line(captured: str) -> str:
    lines = captured.strip().splitlines()
    assert len(lines) == 1, captured
    assert lines[0].startswith("gandemo: ")
    assert "Traceback" not in captured
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "nope"), "there is no recipe 'nope'; valid: digits"),
        (("train", "digits", "--set", "colour=1"), "no key 'colour'; valid: "),
        (("train", "digits", "--set", "batch_size=-3"), "batch_size"),
        (("train", "digits", "--set", "steps"), "--set takes key=value"),
        (("train", "digits", "--set", "loss.gan=poker"), "no adversarial loss 'poker'; valid: bce"),
        (("train", "digits", "--data", "cats"), "there is no data set 'cats'; known: "),
        (("train", "digits", "--init", "nowhere"), "there is no checkpoint 'nowhere'"),
        (("train", "digits", "--set", "init=digits-0"), "digits begins with digits-0, which is not here; train that"),
        (("train", "digits", "--publish", "../outside"), "no name for a checkpoint"),
        (("resume", "nope"), "there is no run 'nope'"),
        (("generate", "nope", "-o", "x.png"), "there is no checkpoint 'nope'; available: "),
        (("generate", "tiny", "-o", "x.jpg"), "must end in .png or .npz"),
        (("generate", "tiny", "-n", "-5", "-o", "x.npz"), "the count must be from 1 to 100,000, got -5"),
        (("generate", "tiny", "--label", "10", "-o", "x.npz"), "the class must be from 0 to 9, got 10"),
        (("generate", "tiny", "--seed", "-1", "-o", "x.npz"), "the seed must be"),
        (("generate", "tiny", "--truncation", "9", "-o", "x.npz"), "truncation must be from 0 to 2"),
        (("generate", "tiny", "-o", "no/such/folder/x.npz"), "can't write no/such/folder/x.npz"),
        (("evaluate", "nope"), "there is no checkpoint 'nope'"),
        (("publish", "tiny", "a/b"), "no name for a checkpoint"),
        (("bench", "nope"), "there is no bench row 'nope'; valid: "),
        (("serve", "--auth", "justme"), "--auth takes USER:PASSWORD"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: tuple[str, ...],
    says: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(home)
    tiny.save(home / "checkpoints" / "tiny")
    assert run(monkeypatch, *arguments) == 2
    assert says in one_line(capsys.readouterr().err)
    assert not list(home.glob("x.*"))
    assert not (home / "runs").exists()


def test_generate_writes_what_the_design_says(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.save(home / "checkpoints" / "tiny")
    out = home / "samples.npz"
    assert run(monkeypatch, "generate", "tiny", "-n", "25", "--seed", "3", "-o", str(out)) == 0
    with np.load(out) as arrays:
        assert arrays["images"].dtype == np.uint8
        assert arrays["images"].shape == (25, 28, 28)
        assert arrays["labels"].dtype == np.int64
        assert arrays["labels"].tolist() == [index % 10 for index in range(25)]
        first = arrays["images"][:10]
    again = home / "again.npz"
    assert run(monkeypatch, "generate", "tiny", "-n", "10", "--seed", "3", "-o", str(again)) == 0
    with np.load(again) as arrays:
        assert np.abs(arrays["images"].astype(int) - first).max() <= 1
    sheet = home / "grid.png"
    assert run(monkeypatch, "generate", "tiny", "-n", "20", "--label", "7", "-o", str(sheet)) == 0
    with Image.open(sheet) as picture:
        assert picture.format == "PNG"
    assert not list(home.glob(".*"))


def test_train_resume_list_evaluate(
    tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tiny_recipe
    assert run(monkeypatch, "train", "tiny-digits", "--max-seconds", "0") == 0
    said = capsys.readouterr().out
    assert "stopped at step 0 and saved; go on with: python -m gandemo resume tiny-digits-" in said
    name = said.split()[-1]
    assert run(monkeypatch, "resume", name) == 0
    assert run(monkeypatch, "list", "runs", "--json") == 0
    output = capsys.readouterr().out
    runs = json.loads(output[output.index("[") :])
    assert [(entry["id"], entry["state"], entry["step"]) for entry in runs] == [(name, "done", 6)]
    assert (home / "runs" / name / "checkpoints" / "step-6" / "generator.safetensors").is_file()
    assert run(monkeypatch, "evaluate", name) == 2  # it names no features to measure with
    assert "names no features" in one_line(capsys.readouterr().err)
    assert run(monkeypatch, "resume", name) == 0  # nothing is left to do, and nothing breaks
    assert checkpoint.resolve(name).recipe.name == "tiny-digits"


def test_ctrl_c_saves_and_says_how_to_go_on(
    tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    events = tiny_recipe / "runs" / "mine" / "events.jsonl"
    before = signal.getsignal(signal.SIGINT)  # a shell may have started the tests with it ignored

    def press() -> None:
        while not (events.is_file() and b'"progress"' in events.read_bytes()):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    settings = ("--set", "steps=1000000", "--set", "checkpoint_every=1000000", "--set", "evaluate_every=1000000")
    assert run(monkeypatch, "train", "tiny-digits", *settings, "--run-dir", str(events.parent)) == 0
    assert "and saved; go on with: python -m gandemo resume mine" in capsys.readouterr().out
    assert list((events.parent / "state").glob("step-*/tensors.safetensors"))
    assert signal.getsignal(signal.SIGINT) is before


def test_a_damaged_checkpoint_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny.save(home / "checkpoints" / "tiny").path
    weights = folder / "generator.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert run(monkeypatch, "generate", "tiny", "-o", str(home / "x.png")) == 2
    assert "is damaged" in one_line(capsys.readouterr().err)
    assert not (home / "x.png").exists()


def test_lists_name_everything_registered(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "list", "recipes", "--json") == 0
    assert {entry["name"] for entry in json.loads(capsys.readouterr().out)} == set(RECIPES)
    assert run(monkeypatch, "list", "datasets") == 0
    assert "CC BY-SA 3.0" in capsys.readouterr().out
    assert run(monkeypatch, "bench", "--list") == 0
    assert "quick-digits" in capsys.readouterr().out
