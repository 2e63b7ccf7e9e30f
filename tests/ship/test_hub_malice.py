"""Repositories that are not what they say: each is refused in a sentence before anything of it is used."""

from __future__ import annotations

import json
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from gandemo.checkpoint import Checkpoint
from gandemo.errors import CheckpointError, HubError
from gandemo.recipes import RECIPES
from gandemo.ship.hub import Hub, demands, pull, verify
from gandemo.tasks import TASKS
from tests import tiny, tiny_photos
from tests.ship.fake_hub import FakeHub, File
from tests.ship.test_hub_pull import REPO, files_of, source

# the library's own way of sending a large file
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
__all__ = ["source"]  # the fixture


def weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    """A repository whose generator was changed."""

    def changed(files: dict[str, bytes]) -> dict[str, bytes]:
        state = load(files["generator.safetensors"])
        change(state)
        return {**files, "generator.safetensors": save(state)}

    return changed


def recipe(**settings: Any) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    """A repository whose recipe was changed, with no regard to what makes sense."""

    def changed(files: dict[str, bytes]) -> dict[str, bytes]:
        values = json.loads(files["recipe.json"])
        for key, value in settings.items():
            target = values
            *path, last = key.split("__")
            for part in path:
                target = target[part]
            target[last] = value
        return {**files, "recipe.json": json.dumps(values).encode()}

    return changed


def swapped(name: str, data: bytes) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda files: {**files, name: data}


class Bomb:
    """Unpickling it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


HEADER = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
MALICE: dict[str, tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = {
    "a missing tensor": (weights(lambda state: state.pop("dense.weight")), "lacks 'dense.weight'"),
    "a tensor too many": (
        weights(lambda state: state.update(more=torch.zeros(1))),
        "holds, against its recipe, 'more'",
    ),
    "another shape": (
        weights(lambda state: state.update({"dense.bias": torch.zeros(3)})),
        r"dense.bias is \[3\], its recipe says \[",
    ),
    "another kind of number": (
        weights(lambda state: state.update({"dense.bias": state["dense.bias"].to(torch.int32)})),
        "dense.bias holds I32, its recipe says torch.float32",
    ),
    "not a number": (weights(lambda state: state["dense.bias"].fill_(torch.nan)), "dense.bias that are not finite"),
    "infinite": (weights(lambda state: state["dense.weight"][0].fill_(torch.inf)), "dense.weight that are not finite"),
    "no safetensors": (swapped("generator.safetensors", b"PK\x03\x04" + bytes(99)), "is no safetensors file"),
    "a lying header": (
        swapped("generator.safetensors", struct.pack("<Q", len(HEADER)) + HEADER),
        "is no safetensors file",
    ),
    "an endless header": (swapped("generator.safetensors", struct.pack("<Q", 2**62)), "is no safetensors file"),
    "no JSON": (swapped("recipe.json", b"import os"), "the recipe is not valid JSON"),
    "nested JSON": (swapped("recipe.json", b"[" * 200_000), "the recipe is not valid JSON"),
    "an unknown key": (recipe(hook="os.system"), "a recipe has no key 'hook'"),
    "a path for its pictures": (recipe(dataset="/etc/passwd"), "names a path, '/etc/passwd', as its dataset"),
    "a path to class folders": (recipe(dataset="classes:C:\\x"), "names a path, .* as its dataset"),
    "the folder above": (recipe(dataset=".."), "names a path, '..', as its dataset"),
    "a path for its start": (recipe(init="../runs/hers"), "names a path, .* as its init"),
    "a path for its features": (recipe(features="a/b"), "names a path, .* as its features"),
    "an unknown task": (recipe(task="mine"), "its task 'mine' is none that gandemo knows"),
    "an unknown network": (recipe(generator__name="os.system"), "recipe.json: .*os.system"),
    "a network without end": (
        recipe(classes=0, generator={"name": "unet", "args": {"channels": [8, 8], "blocks": [60_000, 60_000]}}),
        "more layers than gandemo builds",
    ),
    "a network of terabytes": (recipe(generator__args__channels=[65_536, 65_536, 65_536]), "one layer takes .* GB"),
    "hours of work": (
        recipe(image_size=64, generator__args__channels=[256, 4, 4], generator__args__refine=[140, 0, 0]),
        "takes .* TFLOP at a time; 10 are the most",
    ),
    "pictures without end": (recipe(image_size=1024), "an image_size of 1024; 28 to 64 are possible"),
    "a network for something else": (recipe(task="enhance"), "can't take what its task gives|recipe.json"),
    "a judge of something else": (
        recipe(classes=0, discriminator={"name": "patch", "args": {}}),
        "a discriminator that can't take what its task gives",
    ),
    "a number too large": (recipe(generator__args__channels=[10**12, 4, 4]), "that is too many"),
    "a list too long": (recipe(generator__args__channels=[4] * 1000), "of more parts than gandemo builds"),
    "no network at all": (recipe(generator__args__channels=["x", {}]), "can't be built|recipe.json"),
    "broken metrics": (swapped("metrics.json", b"[1]"), "metrics.json is damaged"),
    "a preview that is none": (swapped("preview.png", b"<svg onload=alert(1)>"), "preview.png is no PNG"),
    "a card that is no text": (swapped("README.md", b"\xff\xfe\x00"), "README.md is no text"),
}


@pytest.mark.parametrize("malice", MALICE)
def test_malice_is_refused_in_a_sentence(
    malice: str, server: FakeHub, who: Callable[..., Hub], source: Checkpoint, home: Path
) -> None:
    change, says = MALICE[malice]
    server.plant(REPO.repo, change(files_of(source)))
    with pytest.raises(CheckpointError, match=f"ada/tiny can't be used: .*({says})") as refused:
        pull(REPO, who(""))
    assert "\n" not in str(refused.value)
    assert str(home) not in str(refused.value)
    assert not (home / "checkpoints").exists()


def test_a_pickle_is_never_opened(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint, home: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "executed"
    bomb = pickle.dumps(Bomb(mark))
    pickle.loads(bomb)
    assert mark.exists()  # it would
    mark.unlink()
    for name in ("generator.safetensors", "recipe.json", "metrics.json", "preview.png"):
        server.plant(REPO.repo, {**files_of(source), name: bomb})
        with pytest.raises(CheckpointError):
            pull(REPO, who(""))
    assert not mark.exists()


@pytest.mark.parametrize("name", list(verify.FILES))
def test_a_huge_file_is_refused_before_it_comes(
    name: str, server: FakeHub, who: Callable[..., Hub], source: Checkpoint
) -> None:
    server.plant(REPO.repo, {**files_of(source), name: File(b"x", True, told=verify.FILES[name] + 1)})
    with pytest.raises(HubError, match=f"{name} is .* MB, more than the .* MB that one may be"):
        pull(REPO, who(""))
    assert not server.asked("/resolve/")


def test_a_file_larger_than_told_is_ended(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint, home: Path
) -> None:
    server.plant(REPO.repo, {**files_of(source), "discriminator.safetensors": File(bytes(30_000), True, told=500)})
    with pytest.raises(HubError, match=r"turned out larger than the Hub had told|failed"):
        pull(REPO, who(""))
    assert not (home / "checkpoints").exists()


def test_a_file_that_came_damaged(
    server: FakeHub, who: Callable[..., Hub], source: Checkpoint, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = files_of(source)["generator.safetensors"]
    server.plant(REPO.repo, files_of(source))
    server.garble("/storage/", times=1)
    assert (pull(REPO, who("")).checkpoint.path / "generator.safetensors").read_bytes() == good


@pytest.mark.parametrize("kind", [b"gAMA", b"cHRM", b"tRNS", b"iCCP", b"pHYs"])
def test_a_preview_whose_chunks_are_cut(
    kind: bytes, server: FakeHub, who: Callable[..., Hub], source: Checkpoint
) -> None:
    whole = (source.path / "preview.png").read_bytes()
    chunk = struct.pack(">I", 1) + kind + b"\0" + struct.pack(">I", zlib.crc32(kind + b"\0"))
    end = whole.rindex(b"IEND") - 4
    server.plant(REPO.repo, {**files_of(source), "preview.png": whole[:end] + chunk + whole[end:]})
    with pytest.raises(CheckpointError, match=r"preview\.png is no PNG, or damaged"):
        pull(REPO, who(""))


def test_a_picture_bomb(server: FakeHub, who: Callable[..., Hub], source: Checkpoint) -> None:
    from PIL import Image

    path = source.path / "preview.png"
    Image.new("1", (20_000, 100)).save(path)
    server.plant(REPO.repo, files_of(source))
    with pytest.raises(CheckpointError, match=r"preview.png is 20000×100; 4096 to a side is the most"):
        pull(REPO, who(""))


# --- what networks would ask for --------------------------------------------------------------------------------------


def test_weights_of_two_megabytes_can_ask_for_gigabytes() -> None:
    asked = tiny.DIGITS.with_settings({"latent": 1, "image_size": 64, "generator.args.channels": [8, 8, 2048]})
    generator, _ = verify.plan(asked)
    assert sum(value.numel() for value in generator.state_dict().values()) < 500_000
    with pytest.raises(CheckpointError, match=r"one layer takes [\d.]+ GB while it works; 1.1 are the most"):
        demands.check(asked, generator, None)


@pytest.mark.parametrize(
    ("mine", "other"),
    [("colorize", "enhance"), ("colorize", "inpaint"), ("enhance", "colorize"), ("inpaint", "colorize")],
)
def test_a_network_must_give_what_its_task_expects(mine: str, other: str) -> None:
    demands.check(tiny_photos.TINY[mine], *verify.plan(tiny_photos.TINY[mine]))
    with pytest.raises(CheckpointError, match=r"can't take what its task gives|where its task expects"):
        demands.check(tiny_photos.TINY[other], *verify.plan(tiny_photos.TINY[mine]))


@pytest.mark.parametrize("name", [name for name, one in RECIPES.items() if one.task in TASKS])
def test_our_own_ask_for_little(name: str) -> None:
    demands.check(RECIPES[name], *verify.plan(RECIPES[name]))
