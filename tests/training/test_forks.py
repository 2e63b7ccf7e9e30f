"""Forks: any checkpoint of any run, with settings changed; the commands for forks, deletions and diagnoses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import tiny
import torch
from PIL import Image
from test_cli import one_line
from test_cli import run as command

from gandemo import checkpoint
from gandemo.errors import CheckpointError, GanDemoError, RecipeError, TrainingError
from gandemo.recipes import RECIPES
from gandemo.training import events, forks, process, runs
from gandemo.training.loop import train

Pytest = pytest.MonkeyPatch


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """A finished run of six steps, with checkpoints at 3 and 6."""
    tiny.add_dataset(monkeypatch)
    folder = home / "runs" / "parent"
    list(train(tiny.DIGITS, run_dir=folder, device=tiny.CPU))
    return folder


def test_a_fork_takes_the_weights_of_the_step_asked_for_and_the_settings(parent: Path) -> None:
    planned = forks.plan("parent/step-3", {"generator_optimizer.lr": 1e-5, "steps": 2})
    assert planned.init is not None
    assert planned.init.path.name == "step-3"
    assert planned.recipe == tiny.DIGITS.with_settings({"generator_optimizer.lr": 1e-5, "steps": 2})
    list(train(planned.recipe, run_dir=parent.with_name("child"), init=planned.init, device=tiny.CPU))
    assert checkpoint.resolve("child/step-2").recipe.steps == 2
    assert runs.init_path(parent.with_name("child")) == planned.init.path.resolve()
    assert forks.plan("parent").init is not None
    assert forks.plan("parent").init.path.name == "step-6"  # type: ignore[union-attr]  # no score, so no best: the last


def test_a_fork_that_waits_begins_with_what_was_chosen_then(parent: Path, home: Path) -> None:
    source = parent / "checkpoints" / "step-3"
    chosen = checkpoint.load(source)
    before = (source / "generator.safetensors").read_bytes()
    folder = runs.new_run_dir(chosen.recipe)
    runs.lay_out(folder, chosen.recipe, source)
    assert not runs.has_begun(folder)
    tiny.save(source, chosen.recipe, seed=9)  # another takes its place, as a better best one does
    start = runs.init_of(folder)
    assert start is not None
    assert (start.path / "generator.safetensors").read_bytes() == before
    shutil.rmtree(parent)
    assert runs.init_of(folder) is not None
    list(train(chosen.recipe, run_dir=folder, device=tiny.CPU, init=start))
    assert not (folder / runs.START).exists()  # it has its own
    assert runs.init_path(folder) == source


def test_a_start_that_goes_meanwhile_is_said(home: Path) -> None:
    gone = home / "runs" / "one-1" / "checkpoints" / "step-5"
    with pytest.raises(TrainingError, match="the checkpoint step-5 is gone; choose another"):
        runs.lay_out(runs.new_run_dir(tiny.DIGITS), tiny.DIGITS, gone)


def test_a_fork_anew_needs_no_checkpoint(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.add_dataset(monkeypatch)
    runs.lay_out(home / "runs" / "young", tiny.DIGITS)
    with pytest.raises(CheckpointError):
        forks.plan("young")
    planned = forks.plan("young", {"seed": 7}, anew=True)
    assert planned == forks.Fork(tiny.DIGITS.with_settings({"seed": 7}), None)
    tiny.save(home / "checkpoints" / "mine")
    assert forks.plan("mine", anew=True).recipe == tiny.DIGITS


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("data", ["classes:{}", "{}", "his.zip", "his"])
def test_the_pictures_of_a_checkpoint_are_not_looked_for(data: str, anew: bool, home: Path, tmp_path: Path) -> None:
    """What somebody's recipe names may lie on this machine, and be somebody else's."""
    recipe = tiny.DIGITS.with_settings({"dataset": data.format(tmp_path)})
    tiny.save(home / "checkpoints" / "his", recipe)
    with pytest.raises(CheckpointError, match=r"the pictures that his learned from, .*, did not come with it; choose"):
        forks.plan("his", anew=anew)
    assert forks.plan("his", {"dataset": "mnist"}, anew=anew).recipe.dataset == "mnist"
    runs.lay_out(home / "runs" / "mine", recipe)  # a run of this machine knows where its pictures are
    assert forks.plan("mine", anew=True).recipe.dataset == recipe.dataset


def test_anew_where_the_recipes_start_is_gone_begins_where_the_run_did(home: Path) -> None:
    recipe = tiny.DIGITS.with_settings({"init": "gone"})
    start = tiny.save(home / "checkpoints" / "mine", tiny.DIGITS)
    runs.lay_out(home / "runs" / "young", recipe, start.path)
    planned = forks.plan("young", anew=True)
    assert planned.init is not None
    assert planned.init.path == start.path.resolve()
    runs.lay_out(home / "runs" / "lost", recipe)
    with pytest.raises(CheckpointError, match="begins with gone, which is not here; train that recipe first"):
        forks.plan("lost", anew=True)
    tiny.save(home / "checkpoints" / "gone", tiny.DIGITS)
    assert forks.plan("lost", anew=True) == forks.Fork(recipe, None)


@pytest.mark.parametrize(
    ("source", "settings", "says"),
    [
        ("nobody", {}, "there is no checkpoint 'nobody'"),
        ("parent/step-4", {}, "no checkpoint"),
        ("../parent", {}, "there is no checkpoint"),
        ("parent", {"colour": 1}, "no key 'colour'"),
        ("parent", {"generator.args.channels": [8, 8, 4]}, "leave the networks as they are, or start anew"),
        ("parent", {"discriminator.args.channels": [4, 4, 4]}, "leave the networks as they are, or start anew"),
    ],
)
def test_a_fork_that_can_not_be(parent: Path, source: str, settings: dict[str, object], says: str) -> None:
    for anew in (False, True):
        if anew and (source.startswith("parent/") or "leave" in says):
            continue  # anew, the recipe alone counts
        with pytest.raises((CheckpointError, RecipeError), match=says):
            forks.plan(source, settings, anew=anew)


def test_the_commands(parent: Path, monkeypatch: Pytest, capsys: pytest.CaptureFixture[str]) -> None:
    child = parent.with_name("child")
    assert command(monkeypatch, "fork", "parent/step-3", "--set", "steps=2", "--run-dir", str(child)) == 0
    assert runs.summarise(child).state == "done"
    assert command(monkeypatch, "doctor", "child") == 0
    assert "nothing is seen to go wrong" in capsys.readouterr().out
    assert command(monkeypatch, "doctor", "child", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []

    assert command(monkeypatch, "delete", "child") == 2  # nobody is there to be asked
    said = one_line(capsys.readouterr().err)
    assert "Delete child (done at step 2)" in said
    assert "--yes" in said
    held = process.hold(child)
    assert command(monkeypatch, "delete", "child", "--yes") == 2
    assert "stop it before you delete it" in one_line(capsys.readouterr().err) or child.exists()
    held.release()
    assert command(monkeypatch, "delete", "child", "--yes") == 0
    assert "child is deleted" in capsys.readouterr().out
    assert not child.exists()
    assert [found.id for found in runs.list_runs()] == ["parent"]


def test_the_doctor_prints_the_fork_that_mends(
    parent: Path, monkeypatch: Pytest, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = events.Finished(step=6, time=1.0, state="failed", reason="the loss is inf: training diverged")
    events.append(parent / "events.jsonl", failed)
    assert command(monkeypatch, "doctor", "parent") == 0
    said = capsys.readouterr().out
    assert "Divergence: the loss is inf" in said
    line = next(line for line in said.splitlines() if "python -m gandemo" in line)
    assert command(monkeypatch, *line.split()[3:], "--run-dir", str(parent.with_name("mended"))) == 0
    assert checkpoint.resolve("mended").recipe.generator_optimizer.lr == 1e-4


def test_a_refused_resume_names_the_command_that_starts_anew(
    parent: Path, monkeypatch: Pytest, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tiny.DIGITS.with_settings({"batch_size": 8})
    (parent / "recipe.json").write_text(changed.to_json(), encoding="utf-8")
    assert command(monkeypatch, "resume", "parent") == 2
    said = one_line(capsys.readouterr().err)
    assert "batch_size was 16, is 8" in said
    arguments = said[said.index("python -m gandemo") :].split()[3:]
    assert command(monkeypatch, *arguments, "--run-dir", str(parent.with_name("new"))) == 0
    assert checkpoint.resolve("new/step-6").recipe == changed


def test_errors_are_ours() -> None:
    with pytest.raises(GanDemoError):
        forks.plan("")


def test_training_on_own_digits(home: Path, monkeypatch: Pytest, capsys: pytest.CaptureFixture[str]) -> None:
    """Class folders with three classes: the networks are told three."""
    own = tiny.pictures(60)
    for index, (image, label) in enumerate(zip(own.images, own.labels.tolist(), strict=True)):
        place = home / "mine" / f"kind {label % 3}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(place / f"{index}.png")
    monkeypatch.setitem(RECIPES, "tiny-digits", tiny.DIGITS)
    arguments = ("train", "tiny-digits", "--data", str(home / "mine"), "--run-dir", str(home / "runs" / "own"))
    assert command(monkeypatch, *arguments) == 0
    trained = checkpoint.resolve("own/step-6")
    assert (trained.recipe.classes, trained.recipe.dataset) == (3, f"classes:{home / 'mine'}")
    assert trained.generator()(torch.zeros(1, 8), torch.tensor([2])).shape == (1, 1, 28, 28)
    assert command(monkeypatch, "train", "tiny-digits", "--data", str(home / "nowhere")) == 2
    assert "there is no data set" in capsys.readouterr().err
