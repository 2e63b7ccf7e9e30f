"""The one loop: the same bits twice and across a stop, each player alone at its turn, and no half-finished ends."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file
from torch import Tensor

from gandemo import checkpoint
from gandemo.errors import CheckpointError, DataError, GanDemoError, TrainingError
from gandemo.recipe import Recipe
from gandemo.tasks.classify import Classify
from gandemo.tasks.digits import Digits
from gandemo.training import events, losses, state
from gandemo.training.events import Evaluated, Event, Finished, Progress, Sampled, Saved, Started
from gandemo.training.loop import train
from gandemo.training.losses import GanLoss
from gandemo.training.trainer import start_from


@pytest.fixture(autouse=True)
def _tiny_data(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    tiny.add_dataset(monkeypatch)


def run(recipe: Recipe, folder: Path, **kwargs: Any) -> list[Event]:
    return list(train(recipe, run_dir=folder, device=tiny.CPU, **kwargs))


def run_until(step: int, recipe: Recipe, folder: Path, **kwargs: Any) -> list[Event]:
    """Asks the run to stop once it has told of a step."""
    seen: list[Event] = []
    asked = lambda: any(isinstance(event, Progress) and event.step >= step for event in seen)  # noqa: E731
    for event in train(recipe, run_dir=folder, device=tiny.CPU, should_stop=asked, **kwargs):
        seen.append(event)
    return seen


def final_state(folder: Path, step: int = 6) -> dict[str, Tensor]:
    """Weights, optimisers, average and random states at the end of a run."""
    tensors = load_file(folder / "state" / f"step-{step}" / "tensors.safetensors")
    return {name: tensor.clone() for name, tensor in tensors.items()}  # the file itself may change


def assert_same(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


# --- the same bits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", tiny.TINY)
def test_a_run_is_reproducible_and_a_stopped_one_ends_at_the_same_bits(tmp_path: Path, name: str) -> None:
    recipe = tiny.TINY[name]
    run(recipe, tmp_path / "one")
    whole = final_state(tmp_path / "one")
    sparse = recipe.with_settings({"checkpoint_every": 100, "sample_every": 100, "evaluate_every": 100})
    told = run_until(3, sparse, tmp_path / "two")
    assert isinstance(told[-1], Finished)
    assert (told[-1].state, told[-1].step) == ("stopped", 3)
    assert not any(torch.equal(whole[name], tensor) for name, tensor in final_state(tmp_path / "two", 3).items()
                   if name.endswith("weight") and name.startswith("network.generator"))  # fmt: skip
    told = run(sparse, tmp_path / "two", resume=True)
    assert isinstance(told[0], Started)
    assert (told[0].resumed, told[0].step) == (True, 3)
    assert_same(final_state(tmp_path / "two"), whole)


@pytest.mark.parametrize("name", ["digits", "vanilla"])
def test_a_killed_run_ends_at_the_same_bits(tmp_path: Path, name: str) -> None:
    """Killed after step 5, it goes on from the state of step 4."""
    recipe = tiny.TINY[name].with_settings({"checkpoint_every": 2})
    run(recipe, tmp_path / "one")
    killed = train(recipe, run_dir=tmp_path / "two", device=tiny.CPU)
    for event in killed:
        if isinstance(event, Progress) and event.step == 5:
            break
    killed.close()
    del killed
    told = run(recipe, tmp_path / "two", resume=True)
    assert told[0].step == 4
    assert_same(final_state(tmp_path / "two"), final_state(tmp_path / "one"))
    steps = [event.step for event in events.read(tmp_path / "two" / "events.jsonl") if isinstance(event, Progress)]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_shipped_weights_are_the_same_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(tiny.DIGITS, tmp_path / name)
    files = [tmp_path / name / "checkpoints" / "step-6" / "generator.safetensors" for name in ("one", "two")]
    assert files[0].read_bytes() == files[1].read_bytes()
    sheets = [tmp_path / name / "samples" / "step-0000006.png" for name in ("one", "two")]
    assert sheets[0].read_bytes() == sheets[1].read_bytes()


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    run(tiny.DIGITS, tmp_path / "one")
    run(tiny.DIGITS.with_settings({"seed": 1}), tmp_path / "two")
    one, two = final_state(tmp_path / "one"), final_state(tmp_path / "two")
    assert not torch.equal(one["network.generator.dense.weight"], two["network.generator.dense.weight"])


def test_stopped_again_and_again(tmp_path: Path) -> None:
    recipe = tiny.DIGITS
    run(recipe, tmp_path / "one")
    run_until(1, recipe, tmp_path / "two")
    for step in (2, 4, 5):
        run_until(step, recipe, tmp_path / "two", resume=True)
    told = run(recipe, tmp_path / "two", resume=True)
    assert_same(final_state(tmp_path / "two"), final_state(tmp_path / "one"))
    assert isinstance(told[-1], Finished)
    assert told[-1].state == "done"
    # a run that is done stays as it is
    assert [type(event) for event in run(recipe, tmp_path / "two", resume=True)] == [Started, Finished]
    assert_same(final_state(tmp_path / "two"), final_state(tmp_path / "one"))


def test_a_torn_newest_state_costs_some_steps_only(tmp_path: Path) -> None:
    run(tiny.DIGITS, tmp_path / "one")
    whole = final_state(tmp_path / "one")
    torn = tmp_path / "one" / "state" / "step-6" / "tensors.safetensors"
    torn.write_bytes(torn.read_bytes()[:-100])
    told = run(tiny.DIGITS, tmp_path / "one", resume=True)
    assert told[0].step == 3
    assert_same(final_state(tmp_path / "one"), whole)


# --- what a run leaves ------------------------------------------------------------------------------------


def test_events_and_files_of_a_run(tmp_path: Path) -> None:
    told = run(tiny.DIGITS, tmp_path / "run")
    assert [(event.kind, event.step) for event in told] == [
        ("started", 0),
        ("sampled", 0),
        ("progress", 1),
        ("progress", 2),
        ("progress", 3),
        ("sampled", 3),
        ("examined", 3),
        ("saved", 3),
        ("progress", 4),
        ("progress", 5),
        ("progress", 6),
        ("sampled", 6),
        ("examined", 6),
        ("saved", 6),
        ("finished", 6),
    ]
    assert list(events.read(tmp_path / "run" / "events.jsonl")) == told
    for event in told:
        if isinstance(event, Sampled | Saved):
            assert (tmp_path / "run" / event.path).exists()
    assert Recipe.from_file(tmp_path / "run" / "recipe.json") == tiny.DIGITS
    hidden = [path for path in (tmp_path / "run").rglob("*") if path.name.startswith(".")]
    assert hidden == []
    files = {path.suffix for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert files == {".json", ".jsonl", ".png", ".safetensors"}


def test_started_counts_the_weights(tmp_path: Path) -> None:
    started = run(tiny.TINY["vanilla"], tmp_path / "run")[0]
    assert isinstance(started, Started)
    generator = (100 * 16 + 16) + (16 * 16 + 16) + (16 * 784 + 784)
    discriminator = (784 * 16 + 16) + (16 * 16 + 16) + (16 + 1)
    assert started.parameters == {"generator": generator, "discriminator": discriminator}
    assert (started.steps, started.precision, started.device) == (6, "fp32", "cpu")


def test_progress_tells_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = [event for event in run(tiny.DIGITS, tmp_path / "one") if isinstance(event, Progress)]
    pairs = [
        event
        for event in run(tiny.DIGITS.with_settings({"log_every": 4}), tmp_path / "two")
        if isinstance(event, Progress)
    ]
    assert [event.step for event in pairs] == [4, 6]  # and at the end, whatever is left
    for whole, parts in zip(pairs, (each[:4], each[4:]), strict=True):
        for group in ("losses", "signals"):
            values = getattr(whole, group)
            assert set(values) == set(getattr(parts[0], group))
            for key, value in values.items():
                looked_at = parts[:1] if "gradient" in key else parts  # of four steps, one
                mean = sum(getattr(part, group)[key] for part in looked_at) / len(looked_at)
                assert value == pytest.approx(mean, abs=1e-5)
    assert set(each[0].losses) == {"discriminator", "generator"}
    assert set(each[0].signals) >= {"real_logit", "fake_logit", "real_accuracy", "fake_accuracy",
                                    "generator_gradient_norm", "discriminator_gradient_norm"}  # fmt: skip
    assert all(event.images_per_second > 0 for event in each)
    assert each[-1].seconds_left == 0


def test_the_checkpoint_is_what_was_trained(tmp_path: Path) -> None:
    run(tiny.DIGITS, tmp_path / "run")
    saved, tensors = checkpoint.load(tmp_path / "run" / "checkpoints" / "step-6"), final_state(tmp_path / "run")
    for network, player in ((saved.generator(), "average"), (saved.discriminator(), "discriminator")):
        assert network is not None
        assert_same(dict(network.state_dict()), {
            name.removeprefix(f"network.{player}."): tensor
            for name, tensor in tensors.items() if name.startswith(f"network.{player}.")
        })  # fmt: skip
    assert saved.metrics["training"]["step"] == 6
    assert saved.metrics["training"]["images"] == 96


def test_old_checkpoints_and_states_are_thinned(tmp_path: Path) -> None:
    run(tiny.DIGITS.with_settings({"checkpoint_every": 1, "steps": 20}), tmp_path / "run")
    assert [path.name for path in state.state_folders(tmp_path / "run" / "state")] == ["step-20", "step-19"]
    kept = [path.name for path in state.state_folders(tmp_path / "run" / "checkpoints")]
    assert kept[:2] == ["step-20", "step-19"]
    assert len(kept) < 12


@pytest.mark.parametrize("task", ["digits", "classifier"])
def test_the_best_checkpoint_follows_the_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    recipe = tiny.TINY[task].with_settings({"evaluate_every": 1})
    kind, key, sign = (Digits, "frechet", 1) if task == "digits" else (Classify, "accuracy", -1)
    scores = [sign * score for score in (9.0, 5.0, 7.0, 5.0, 4.0, 8.0)]
    upcoming = iter(scores)
    monkeypatch.setattr(kind, "evaluate", lambda *_args, **_kwargs: {key: next(upcoming)})
    bests = []
    for event in train(recipe, run_dir=tmp_path / "run", device=tiny.CPU):
        if isinstance(event, Evaluated):
            assert event.score == key
            bests.append(event.is_best)
        if isinstance(event, Saved) and event.path.endswith("best"):
            metrics = checkpoint.load(tmp_path / "run" / "checkpoints" / "best").metrics
            assert metrics["training"]["step"] == event.step
            assert metrics["validation"] == {key: scores[event.step - 1]}
    assert bests == [True, True, False, False, True, False]
    best = checkpoint.load(tmp_path / "run" / "checkpoints" / "best")
    assert best.metrics["training"]["step"] == 5
    assert checkpoint.resolve(tmp_path / "run").path == best.path


def test_the_best_score_survives_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([3.0, 2.0, 5.0, 4.0, 1.0, 6.0])
    monkeypatch.setattr(Digits, "evaluate", lambda *_args, **_kwargs: {"frechet": next(scores)})
    recipe = tiny.DIGITS.with_settings({"evaluate_every": 1})
    run_until(3, recipe, tmp_path / "run")
    told = run(recipe, tmp_path / "run", resume=True)
    assert [event.is_best for event in told if isinstance(event, Evaluated)] == [False, True, False]


def test_a_real_evaluation_of_a_classifier(tmp_path: Path) -> None:
    told = run(tiny.TINY["classifier"].with_settings({"steps": 60, "augment": [], "evaluate_every": 60,
               "generator_optimizer.lr": 0.01, "schedule.warmup": 0}), tmp_path / "run")  # fmt: skip
    (evaluated,) = (event for event in told if isinstance(event, Evaluated))
    assert evaluated.metrics["accuracy"] > 0.9  # the squares' places are easily told


# --- starting, stopping, failing --------------------------------------------------------------------------


def test_no_time_is_a_stop_before_the_first_step(tmp_path: Path) -> None:
    told = run(tiny.DIGITS, tmp_path / "run", max_seconds=0)
    assert isinstance(told[-1], Finished)
    assert (told[-1].state, told[-1].step) == ("stopped", 0)
    assert (tmp_path / "run" / "checkpoints" / "step-0" / "generator.safetensors").exists()
    run(tiny.DIGITS, tmp_path / "run", resume=True)
    run(tiny.DIGITS, tmp_path / "other")
    assert_same(final_state(tmp_path / "run"), final_state(tmp_path / "other"))


def test_a_used_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(TrainingError, match="is not empty; resume it, or choose another --run-dir"):
        run(tiny.DIGITS, tmp_path)
    assert [path.name for path in tmp_path.glob("*.*")] == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    assert run(tiny.DIGITS, tmp_path / "empty")


def test_a_changed_recipe_is_not_resumed(tmp_path: Path) -> None:
    run(tiny.DIGITS, tmp_path / "run")
    before = (tmp_path / "run" / "events.jsonl").read_bytes()
    with pytest.raises(TrainingError, match=r"seed was 0, is 1; .* start a new run"):
        run(tiny.DIGITS.with_settings({"seed": 1}), tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "events.jsonl").read_bytes() == before  # the run is done, and stays so


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(GanDemoError, match=r"holds no run: it needs recipe\.json"):
        run(tiny.DIGITS, tmp_path / "none", resume=True)


def test_a_run_killed_before_its_first_state_begins_again(tmp_path: Path) -> None:
    killed = train(tiny.DIGITS, run_dir=tmp_path / "run", device=tiny.CPU)
    next(killed)
    killed.close()
    del killed
    run(tiny.DIGITS, tmp_path / "run", resume=True)
    run(tiny.DIGITS, tmp_path / "other")
    assert_same(final_state(tmp_path / "run"), final_state(tmp_path / "other"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"task": "poems"}, "no task 'poems'; valid: digits"),
        ({"dataset": "cifar"}, "no data set 'cifar'; known: mnist"),
        ({"generator.name": "diffusion"}, "no generator 'diffusion'; valid: mlp"),
        ({"generator.args.width": 3}, "generator.args has no key 'width'; valid: channels"),
        ({"loss.gan": "minimax"}, "no adversarial loss 'minimax'; valid: bce"),
        ({"loss.real_target": 0.9}, "has no targets to soften"),
    ],
)
def test_a_recipe_that_names_what_is_not_there_leaves_no_folder(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(GanDemoError) as caught:
        run(tiny.DIGITS.with_settings(settings), tmp_path / "run")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def last_word(folder: Path) -> Finished:
    last = list(events.read(folder / "events.jsonl"))[-1]
    assert isinstance(last, Finished)
    return last


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("digits", {"image_size": 20}),  # smaller than the pictures
        ("digits", {"image_size": 16, "discriminator.args.channels": [4]}),
        ("digits", {"discriminator": None, "loss.adversarial": 0.0}),  # nothing to learn from
        ("digits", {"loss.adversarial": 0.0}),
        ("classifier", {"augment": ["wobble"]}),
    ],
)
def test_a_recipe_that_cannot_be_trained_says_so(tmp_path: Path, name: str, settings: dict[str, Any]) -> None:
    recipe = tiny.TINY[name].with_settings(settings)
    with pytest.raises(GanDemoError) as caught:
        run(recipe, tmp_path / "run")
    assert "\n" not in str(caught.value)
    if (tmp_path / "run").exists():
        assert (last_word(tmp_path / "run").state, last_word(tmp_path / "run").reason) == ("failed", str(caught.value))


def break_loss(monkeypatch: pytest.MonkeyPatch, player: str, value: float, from_call: int = 0) -> Recipe:
    """A recipe whose loss for one player is no number from some call on."""
    good = losses.GAN_LOSSES["hinge"]
    calls: Iterator[int] = iter(range(1000))

    def spoiled(loss: Tensor) -> Tensor:
        return loss * value if next(calls) >= from_call else loss

    broken: GanLoss = (
        replace(good, discriminator=lambda real, fake, aims: spoiled(good.discriminator(real, fake, aims)))
        if player == "discriminator"
        else replace(good, generator=lambda real, fake: spoiled(good.generator(real, fake)))
    )
    monkeypatch.setitem(losses.GAN_LOSSES, "broken", broken)
    return tiny.DIGITS.with_settings({"loss.gan": "broken"})


@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_moves_nothing(monkeypatch: pytest.MonkeyPatch, player: str, value: float) -> None:
    trainer = tiny.trainer(break_loss(monkeypatch, player, value, from_call=2))
    trainer.round()
    trainer.round()
    assert trainer.average is not None
    network = trainer.generator if player == "generator" else trainer.discriminator
    before, average = tiny.weights(network), tiny.weights(trainer.average)
    moments = [value.clone() for value in trainer.optimizers[player].state_dict()["state"][0].values()]
    with pytest.raises(TrainingError) as caught:
        trainer.round()
    message = str(caught.value)
    assert message.startswith((f"the {player}'s loss is {value:g}", f"the {player}'s loss is -{value:g}"))
    assert "at step 3" in message
    assert f"take a smaller {player}_optimizer.lr" in message
    assert tiny.equal(tiny.weights(network), before)
    assert tiny.equal(tiny.weights(trainer.average), average)
    assert tiny.equal(list(trainer.optimizers[player].state_dict()["state"][0].values()), moments)


def test_a_gradient_that_is_no_number_moves_nothing() -> None:
    trainer = tiny.trainer(tiny.DIGITS)
    trainer.loss = replace(trainer.loss, generator=lambda _, fake: (fake - fake).abs().sqrt().sum())
    batch, fake = tiny.deal(trainer)
    before = tiny.weights(trainer.generator)
    with pytest.raises(TrainingError, match="the generator's loss is 0 and its gradient norm nan at step 1"):
        trainer.generator_step(batch, fake)
    assert tiny.equal(tiny.weights(trainer.generator), before)
    assert trainer.discriminator is not None
    assert all(parameter.requires_grad for parameter in trainer.discriminator.parameters())


def test_a_diverged_run_keeps_its_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = break_loss(monkeypatch, "generator", float("nan"), from_call=4)
    with pytest.raises(TrainingError, match="training diverged"):
        run(recipe, tmp_path / "run")
    last = last_word(tmp_path / "run")
    assert (last.state, last.step) == ("failed", 4)
    assert "training diverged" in last.reason
    assert "at step 5" in last.reason
    assert checkpoint.load(tmp_path / "run" / "checkpoints" / "step-3").generator() is not None
    monkeypatch.setitem(losses.GAN_LOSSES, "broken", losses.GAN_LOSSES["hinge"])
    assert run(recipe, tmp_path / "run", resume=True)[0].step == 3
    assert last_word(tmp_path / "run").state == "done"


def test_a_gradient_that_nobody_looked_at_spoils_nothing_that_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(1000))

    def hollow(_: Tensor | None, fake: Tensor) -> Tensor:
        return (fake - fake).abs().sqrt().sum() if next(calls) == 2 else fake.mean()  # the loss 0, its gradient nan

    monkeypatch.setitem(losses.GAN_LOSSES, "hollow", replace(losses.GAN_LOSSES["hinge"], generator=hollow))
    recipe = tiny.DIGITS.with_settings({"loss.gan": "hollow", "checkpoint_every": 3, "log_every": 4, "features": ""})
    with pytest.raises(TrainingError, match="the generator has weights that are no numbers at step 4"):
        run(recipe, tmp_path / "run")
    assert last_word(tmp_path / "run").state == "failed"
    assert not list((tmp_path / "run").glob("checkpoints/step-*"))


def no_space(*_args: Any, **_kwargs: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["events", "samples", "checkpoint", "state"])
def test_a_full_disk_ends_the_run_and_keeps_what_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    folder = tmp_path / "run"
    place = {
        "events": "gandemo.training.events.append",
        "samples": "PIL.Image.Image.save",
        "checkpoint": "gandemo.checkpoint.save_file",
        "state": "gandemo.training.state.save_file",
    }[where]

    def run_until_full(patch: pytest.MonkeyPatch) -> None:
        for event in train(tiny.DIGITS, run_dir=folder, device=tiny.CPU):
            if event.step == 4:
                patch.setattr(place, no_space)

    with monkeypatch.context() as patch, pytest.raises(GanDemoError) as caught:
        run_until_full(patch)
    message = str(caught.value)
    assert "No space left on device; free some space" in message
    assert "\n" not in message
    if where != "events":
        assert (last_word(folder).state, last_word(folder).reason) == ("failed", message)
    assert [path for path in folder.rglob("*") if path.suffix in (".tmp", ".old")] == []
    checkpoint.load(folder / "checkpoints" / "step-3").generator()
    run(tiny.DIGITS, folder, resume=True)
    run(tiny.DIGITS, tmp_path / "other")
    assert_same(final_state(folder), final_state(tmp_path / "other"))


def test_a_disk_that_is_full_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", no_space)
        with pytest.raises(TrainingError, match="No space left on device; free some space or choose another folder"):
            run(tiny.DIGITS, tmp_path / "run")
    assert run(tiny.DIGITS, tmp_path / "run")  # nothing is in the way of another try


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="choose another"):
        run(tiny.DIGITS, tmp_path / "file" / "run")
    with pytest.raises(TrainingError, match="choose another"):
        run(tiny.DIGITS, tmp_path / "file")


# --- starting from a checkpoint ---------------------------------------------------------------------------


def test_fine_tuning_starts_at_the_checkpoint(tmp_path: Path) -> None:
    source = tiny.save(tmp_path / "source", seed=7)
    trainer = tiny.trainer(tiny.DIGITS)
    start_from(trainer, source)
    generator, discriminator = source.generator(), source.discriminator()
    assert trainer.average is not None
    assert tiny.equal(tiny.weights(trainer.generator), tiny.weights(generator))
    assert tiny.equal(tiny.weights(trainer.average), tiny.weights(generator))
    assert tiny.equal(tiny.weights(trainer.discriminator), tiny.weights(discriminator))
    told = run(tiny.DIGITS, tmp_path / "run", init=source)
    assert isinstance(told[-1], Finished)


def test_fine_tuning_without_the_discriminator(tmp_path: Path) -> None:
    source = tiny.save(tmp_path / "source", seed=7)
    (source.path / "discriminator.safetensors").unlink()
    trainer = tiny.trainer(tiny.DIGITS)
    fresh = tiny.weights(trainer.discriminator)
    start_from(trainer, source)
    assert tiny.equal(tiny.weights(trainer.discriminator), fresh)
    assert tiny.equal(tiny.weights(trainer.generator), tiny.weights(source.generator()))


def test_fine_tuning_from_another_design(tmp_path: Path) -> None:
    source = tiny.save(tmp_path / "source", tiny.TINY["selu"])
    with pytest.raises(CheckpointError, match="does not fit its recipe"):
        run(tiny.DIGITS, tmp_path / "run", init=source)
    assert not (tmp_path / "run").exists()


def test_fewer_pictures_than_a_batch(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="80 pictures are fewer than a batch of 96; add pictures or lower batch_size"):
        run(tiny.DIGITS.with_settings({"batch_size": 96}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_run_folder_s_json_is_json(tmp_path: Path) -> None:
    run(tiny.DIGITS, tmp_path / "run")
    files = [file for name in ("recipe", "metrics", "state") for file in (tmp_path / "run").rglob(f"{name}.json")]
    assert len(files) == 1 + 2 * 2 + 2

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    for file in files:
        json.loads(file.read_text(), parse_constant=refuse)
