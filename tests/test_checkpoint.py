"""Checkpoint folders: in one piece or not at all, and nothing damaged gets in."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import tiny_photos
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from gandemo import checkpoint, places
from gandemo.errors import CheckpointError
from gandemo.nets import build_discriminator, build_generator
from gandemo.recipe import Recipe


@pytest.fixture
def folder(home: Path) -> Path:
    """A whole checkpoint folder of the name `mine`."""
    return tiny.save(home / "checkpoints" / "mine", metrics={"frechet": 3.5}).path


def files(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def refusal(do: Callable[[], object]) -> str:
    with pytest.raises(CheckpointError) as caught:
        do()
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- in and out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", tiny.TINY)
def test_save_and_load_round_trip(tmp_path: Path, name: str) -> None:
    recipe = tiny.TINY[name]
    torch.manual_seed(1)
    generator, discriminator = build_generator(recipe), build_discriminator(recipe)
    preview = Image.new("L", (3, 2), 77)
    checkpoint.save(
        tmp_path / "new", recipe, generator, discriminator, metrics={"a": [1, {"b": 2.5}]}, preview=preview, card="# é"
    )
    found = checkpoint.load(tmp_path / "new")
    assert (found.name, found.recipe, found.metrics) == ("new", recipe, {"a": [1, {"b": 2.5}]})
    assert (tmp_path / "new" / "README.md").read_text(encoding="utf-8") == "# é"
    with Image.open(tmp_path / "new" / "preview.png") as picture:
        assert (picture.size, picture.getpixel((0, 0))) == ((3, 2), 77)
    for network, again in ((generator, found.generator()), (discriminator, found.discriminator())):
        assert (network is None) == (again is None)
        if network is not None and again is not None:
            assert not again.training
            state = again.state_dict()
            assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items())
    assert found.has_discriminator == (discriminator is not None)


def test_half_precision_on_disk_is_float_in_memory(tmp_path: Path) -> None:
    torch.manual_seed(1)
    generator = build_generator(tiny.DIGITS)
    checkpoint.save(tmp_path / "whole", tiny.DIGITS, generator)
    checkpoint.save(tmp_path / "half", tiny.DIGITS, generator, half=True)
    sizes = [(tmp_path / name / "generator.safetensors").stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.7 * sizes[0]
    again = checkpoint.load(tmp_path / "half").generator().state_dict()
    for key, tensor in generator.state_dict().items():
        assert again[key].dtype == tensor.dtype
        expected = tensor.half().to(tensor.dtype) if tensor.is_floating_point() else tensor
        assert torch.equal(again[key], expected)


def test_what_half_precision_cannot_hold_stays_whole(tmp_path: Path) -> None:
    generator = build_generator(tiny.TINY["selu"])
    with torch.no_grad():
        generator.layers[0].running_var.fill_(1e6)  # beyond 65,504
    checkpoint.save(tmp_path / "half", tiny.TINY["selu"], generator, half=True)
    assert torch.equal(checkpoint.load(tmp_path / "half").generator().layers[0].running_var, torch.full((8,), 1e6))


def test_a_folder_without_the_rest(tmp_path: Path) -> None:
    found = checkpoint.save(tmp_path / "bare", tiny.DIGITS, build_generator(tiny.DIGITS))
    assert set(files(found.path)) == {"recipe.json", "generator.safetensors"}
    assert (found.metrics, found.has_discriminator, found.discriminator()) == ({}, False, None)
    assert checkpoint.load(found.path) == found


def test_everybody_may_read_a_checkpoint(folder: Path) -> None:
    if os.name != "nt":
        assert all(file.stat().st_mode & 0o044 == 0o044 for file in folder.iterdir())


# --- damage -----------------------------------------------------------------------------------------------


def rewrite(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    change(tensors)
    save_file(tensors, path)


def poison(value: float) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["dense.weight"][3, 2] = value

    return change


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "is damaged"),
    "cut in the header": (lambda path: path.write_bytes(path.read_bytes()[:100]), "is damaged"),
    "cut in the data": (lambda path: path.write_bytes(path.read_bytes()[:-7]), "is damaged"),
    "noise": (lambda path: path.write_bytes(bytes(range(256)) * 64), "is damaged"),
    "zeros": (lambda path: path.write_bytes(bytes(4096)), "is damaged"),
    "a huge header": (lambda path: path.write_bytes(b"\xff" * 7 + b"\x7f" + bytes(99)), "is damaged"),
    "a pickle": (lambda path: torch.save({"a": torch.zeros(2)}, path), "is damaged"),
    "missing": (lambda path: path.unlink(), "it needs recipe.json and generator.safetensors"),
    "a name too few": (lambda path: rewrite(path, lambda t: t.pop("last.bias")), "last.bias is missing"),
    "a name too many": (
        lambda path: rewrite(path, lambda t: t.update(extra=torch.zeros(1))),
        "extra is not part of the network",
    ),
    "another shape": (
        lambda path: rewrite(path, lambda t: t.update({"last.bias": torch.zeros(2)})),
        "last.bias is [2], expected [1]",
    ),
    "not a number": (lambda path: rewrite(path, poison(math.nan)), "dense.weight that are not finite"),
    "infinite": (lambda path: rewrite(path, poison(math.inf)), "dense.weight that are not finite"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_are_refused(folder: Path, damage: str) -> None:
    spoil, words = DAMAGES[damage]
    spoil(folder / "generator.safetensors")
    message = refusal(lambda: checkpoint.load(folder).generator())
    assert str(folder) in message
    assert words in message


def test_damaged_weights_of_the_discriminator(folder: Path) -> None:
    path = folder / "discriminator.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    found = checkpoint.load(folder)
    assert isinstance(found.generator(), nn.Module)
    assert "discriminator.safetensors is damaged" in refusal(found.discriminator)


def test_weights_of_another_recipe(folder: Path) -> None:
    other = tiny.DIGITS.with_settings({"generator.args.channels": [4, 4, 4]})
    (folder / "recipe.json").write_text(other.to_json())
    assert "does not fit its recipe" in refusal(lambda: checkpoint.load(folder).generator())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not valid JSON"),
        ("[]", "must be a JSON object"),
        ("{}", "the recipe lacks"),
        ('{"surprise": 1}', "the recipe lacks"),
        (tiny.DIGITS.to_json().replace('"latent": 8', '"latent": -8'), "latent"),
    ],
)
def test_a_damaged_recipe(folder: Path, text: str, words: str) -> None:
    (folder / "recipe.json").write_text(text)
    message = refusal(lambda: checkpoint.load(folder))
    assert str(folder / "recipe.json") in message
    assert words in message


def test_a_recipe_of_networks_that_do_not_exist(folder: Path) -> None:
    (folder / "recipe.json").write_text(tiny.DIGITS.to_json().replace('"resize"', '"diffusion"'))
    with pytest.raises(gandemo_error(), match="no generator 'diffusion'"):
        checkpoint.load(folder).generator()


def gandemo_error() -> type[Exception]:
    from gandemo.errors import GanDemoError

    return GanDemoError


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_damaged_metrics(folder: Path, content: bytes) -> None:
    (folder / "metrics.json").write_bytes(content)
    message = refusal(lambda: checkpoint.load(folder))
    assert message == f"{folder / 'metrics.json'} is damaged (no JSON object); take the original file"


def test_huge_metrics_are_not_read(folder: Path) -> None:
    with (folder / "metrics.json").open("wb") as file:
        file.truncate(checkpoint.MAX_JSON_BYTES + 1)
    assert "is larger than 4 MB" in refusal(lambda: checkpoint.load(folder))


def test_no_checkpoint_folder(tmp_path: Path) -> None:
    message = refusal(lambda: checkpoint.load(tmp_path))
    assert message == f"{tmp_path} is no checkpoint folder: it needs recipe.json and generator.safetensors"


# --- in one piece or not at all ---------------------------------------------------------------------------


def full(*args: Any, **_kwargs: Any) -> None:
    """As on a full disk: something is written, then nothing more."""
    for path in args:
        if isinstance(path, Path):
            with path.open("wb") as file:
                file.write(b"half")
    raise OSError(errno.ENOSPC, "No space left on device")


PLACES = {
    "recipe": "pathlib.Path.write_text",
    "weights": "gandemo.checkpoint.save_file",
    "preview": "PIL.Image.Image.save",
    "flush": "os.fsync",
}


def save_again(path: Path, **kwargs: Any) -> None:
    tiny.save(path, seed=9, metrics={"frechet": 1.0}, preview=Image.new("L", (2, 2)), card="new", **kwargs)


@pytest.mark.parametrize("place", PLACES)
def test_a_full_disk_leaves_the_old_folder_whole(folder: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    before = files(folder)
    monkeypatch.setattr(PLACES[place], full)
    message = refusal(lambda: save_again(folder))
    monkeypatch.undo()
    assert message == (f"can't write {folder}: No space left on device; free some space or choose another folder")
    assert files(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


@pytest.mark.parametrize("place", PLACES)
def test_a_full_disk_leaves_no_new_folder(home: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr(PLACES[place], full)
    refusal(lambda: save_again(home / "checkpoints" / "new"))
    monkeypatch.undo()
    assert list((home / "checkpoints").iterdir()) == []


def test_a_full_disk_in_the_words_of_safetensors(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any) -> None:
        raise checkpoint.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", fail)
    message = refusal(lambda: save_again(folder))
    assert "No space left on device" in message
    assert "free some space" in message


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_the_last_step_fails(folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """The old folder has been set aside, and the new one can't take its place."""
    before, rename = files(folder), Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.suffix == ".tmp":
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises((CheckpointError, KeyboardInterrupt)):
        save_again(folder)
    monkeypatch.undo()
    assert files(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_metrics_that_are_no_json_change_nothing(folder: Path) -> None:
    before = files(folder)
    with pytest.raises(ValueError, match="not JSON compliant"):
        tiny.save(folder, metrics={"frechet": math.nan})
    assert files(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_a_new_folder_takes_the_place_of_the_old_as_a_whole(folder: Path) -> None:
    (folder / "exports").mkdir()
    (folder / "exports" / "model.tflite").write_bytes(b"of the old weights")
    save_again(folder)
    assert set(files(folder)) == {
        "recipe.json", "generator.safetensors", "discriminator.safetensors", "metrics.json", "preview.png", "README.md",
    }  # fmt: skip
    assert checkpoint.load(folder).metrics == {"frechet": 1.0}
    assert [path.name for path in folder.parent.iterdir()] == ["mine"]


def test_nothing_is_seen_before_it_is_whole(folder: Path) -> None:
    """While a folder is written, its name still stands for the old one, and no half of it is listed."""
    before = files(folder)
    with checkpoint.new_folder(folder) as temporary:
        (temporary / "recipe.json").write_text("half")
        (temporary / "generator.safetensors").write_text("half")
        assert files(folder) == before
        assert [path.name for path in checkpoint.folders() if path.is_relative_to(folder.parent)] == ["mine"]
    assert files(folder) == {"recipe.json": b"half", "generator.safetensors": b"half"}


def test_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = refusal(lambda: tiny.save(tmp_path / "file" / "new"))
    assert message.startswith(f"can't write {tmp_path / 'file' / 'new'}: ")
    assert "choose another folder" in message


# --- by name ----------------------------------------------------------------------------------------------


def make_run(home: Path, *names: str) -> Path:
    run = home / "runs" / "digits-1"
    for seed, name in enumerate(names):
        tiny.save(run / "checkpoints" / name, seed=seed, metrics={"name": name})
    run.mkdir(parents=True, exist_ok=True)
    (run / "events.jsonl").touch()
    return run


def test_by_name_and_by_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in ("mine", str(folder), folder):
        assert checkpoint.resolve(source).path == folder
    monkeypatch.chdir(folder.parent)
    assert checkpoint.resolve("./mine").metrics == {"frechet": 3.5}


def test_one_s_own_come_before_the_shipped(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = home / "shipped"
    monkeypatch.setattr(places, "SHIPPED", shipped)
    tiny.save(shipped / "digits", metrics={"whose": "theirs"})
    tiny.save(shipped / "fashion", metrics={"whose": "theirs"})
    assert checkpoint.resolve("digits").metrics["whose"] == "theirs"
    tiny.save(home / "checkpoints" / "digits", metrics={"whose": "mine"})
    assert checkpoint.resolve("digits").metrics["whose"] == "mine"
    assert [path.name for path in checkpoint.folders()] == ["digits", "fashion"]


def test_a_run_is_its_best_checkpoint(home: Path) -> None:
    run = make_run(home, "step-9", "step-100", "best")
    for source in ("digits-1", run, str(run)):
        assert checkpoint.resolve(source).metrics == {"name": "best"}
    assert checkpoint.resolve("digits-1/step-9").metrics == {"name": "step-9"}
    assert checkpoint.resolve("digits-1/best").name == "digits-1/best"
    assert checkpoint.resolve("digits-1/step-100").name == "digits-1/step-100"


def test_a_run_without_a_best_is_its_last(home: Path) -> None:
    run = make_run(home, "step-9", "step-100", "step-20")
    for stray in ("step-", "step-x", ".step-500.tmp"):
        (run / "checkpoints" / stray).mkdir()
    assert checkpoint.resolve("digits-1").metrics == {"name": "step-100"}


def test_a_run_without_checkpoints(home: Path) -> None:
    (make_run(home) / "checkpoints").mkdir()
    assert "has no checkpoint yet; let it train a little longer" in refusal(lambda: checkpoint.resolve("digits-1"))


@pytest.mark.parametrize(
    "source",
    [
        "yours",
        "../x",
        "../mine/../nothing",
        "a/../../b",
        "mine/../../../etc",
        "digits-1/../mine",
        "digits-1/nothing",
        "/nowhere/at/all",
        "~",
        "%2e%2e",
        "mine\n",
        "mine\x00",
        "CON:",
        "x" * 5000,
        "a/" * 3000,
        "é",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_what_is_no_checkpoint(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    make_run(home, "best")
    monkeypatch.chdir(home)
    message = refusal(lambda: checkpoint.resolve(source))
    assert "mine" in message or "is no checkpoint folder" in message
    assert len(message) < 1000


def test_an_unknown_name_lists_the_available(folder: Path) -> None:
    message = refusal(lambda: checkpoint.resolve("yours"))
    assert message.startswith("there is no checkpoint 'yours'; available: mine")
    assert message.endswith("or give a checkpoint folder or run")


def test_a_damaged_folder_is_not_listed(folder: Path, home: Path) -> None:
    for name in ("broken", "empty", ".hidden"):
        (home / "checkpoints" / name).mkdir()
    tiny.save(home / "checkpoints" / "other", tiny.TINY["classifier"])
    (home / "checkpoints" / "broken" / "recipe.json").write_text("{")
    (home / "checkpoints" / ".hidden" / "recipe.json").write_text(tiny.DIGITS.to_json())
    mine = [found for found in checkpoint.available() if found.path.is_relative_to(home)]
    assert [found.name for found in mine] == ["mine", "other"]
    classifiers = [found.name for found in checkpoint.available("classify") if found.path.is_relative_to(home)]
    assert classifiers == ["other"]


def test_the_home_is_the_working_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANDEMO_HOME", raising=False)
    assert places.home() == Path(".")


@pytest.mark.parametrize("name", [found.name for found in checkpoint.available()])
def test_every_shipped_checkpoint_is_whole(name: str) -> None:
    found = checkpoint.resolve(name)
    assert isinstance(found.generator(), nn.Module)
    assert (found.discriminator() is None) == (not found.has_discriminator)
    assert Recipe.from_json((found.path / "recipe.json").read_text()) == found.recipe
    json.dumps(found.metrics, allow_nan=False)


def test_a_game_that_goes_on_keeps_the_faithful_end(home: Path) -> None:
    """Not the one that it began with, which had been through the game already."""
    recipe = tiny_photos.TINY["enhance"]
    ends = [tiny.stirred(recipe, seed) for seed in (1, 2)]
    checkpoint.save(home / "checkpoints" / "both", recipe, ends[1], faithful=ends[0])
    more = checkpoint.save(home / "more", recipe.with_settings({"init": "both"}), tiny.stirred(recipe, 3))
    assert more.has_both_ends
    kept = more.faithful()
    assert kept is not None
    weights = ends[0].state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in kept.state_dict().items())
