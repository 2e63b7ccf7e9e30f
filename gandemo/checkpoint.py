"""A checkpoint folder: saved in one piece or not at all, loaded only when it fits its recipe, listed by name.

Only JSON and safetensors are read; nothing in a checkpoint is ever executed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from gandemo import places
from gandemo.errors import CheckpointError, RecipeError
from gandemo.nets import build_discriminator, build_generator
from gandemo.recipe import Recipe

FAITHFUL = "faithful.safetensors"  # beside an adversarial generator: the one that it began as, before the game
MAX_JSON_BYTES = 4 * 2**20
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")
_REPOSITORY = re.compile(r"^[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*(@[\w./-]+)?$")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder whose recipe has been read; its weights are read on demand.

    Attributes:
        path: the folder.
        recipe: what trained it.
        metrics: what was measured, from metrics.json; empty where nothing was.
        title: a name other than the folder's, such as a repository's whose folder lies in a cache.
    """

    path: Path
    recipe: Recipe
    metrics: dict[str, Any] = field(default_factory=dict)
    title: str = ""

    @property
    def name(self) -> str:
        """Its title, else the folder's name, or `run/checkpoint` for the checkpoint of a run."""
        if self.title:
            return self.title
        if self.path.parent.name == "checkpoints" and (self.path.parent.parent / "events.jsonl").exists():
            return f"{self.path.parent.parent.name}/{self.path.name}"
        return self.path.name

    @property
    def has_discriminator(self) -> bool:
        """Whether the second player is there as well."""
        return (self.path / "discriminator.safetensors").is_file()

    def generator(self) -> nn.Module:
        """The generator in eval mode, float32.

        Raises:
            CheckpointError: the weights are missing, damaged, not finite or of other shapes than the recipe's.
        """
        return load_weights(build_generator(self.recipe), self.path / "generator.safetensors").eval()

    @property
    def has_faithful(self) -> bool:
        """Whether the folder holds the other end of the generator's game as well."""
        return (self.path / FAITHFUL).is_file()

    def faithful(self) -> nn.Module | None:
        """The generator as it was before the adversarial stage, in eval mode, float32.

        It is the folder's own, or that of the checkpoint that the recipe started from, as a run has it; None where
        there is neither, or where that one is another network.

        Raises:
            CheckpointError: as for `generator`.
        """
        if self.has_faithful:
            return load_weights(build_generator(self.recipe), self.path / FAITHFUL).eval()
        start = self._start()
        if start is not None and start.has_faithful:  # it has both ends itself: a game that goes on
            return start.faithful()
        return None if start is None else start.generator()

    @property
    def has_both_ends(self) -> bool:
        """Whether `faithful` finds something."""
        return self.has_faithful or self._start() is not None

    def _start(self) -> Checkpoint | None:
        if not self.recipe.loss.adversarial or not NAME.match(self.recipe.init):  # a recipe of others may name any path
            return None
        try:
            start = resolve(self.recipe.init)
        except CheckpointError:
            return None
        same = start.recipe.task == self.recipe.task and start.recipe.generator == self.recipe.generator
        return start if same else None

    def discriminator(self) -> nn.Module | None:
        """The discriminator in eval mode, float32, or None where the recipe has none or it was left out.

        Raises:
            CheckpointError: as for `generator`.
        """
        network = build_discriminator(self.recipe) if self.has_discriminator else None
        return None if network is None else load_weights(network, self.path / "discriminator.safetensors").eval()


def load(path: Path) -> Checkpoint:
    """Reads a checkpoint folder's recipe and metrics.

    Raises:
        CheckpointError: it is no checkpoint folder, or a file in it is damaged.
    """
    if not (path / "recipe.json").is_file() or not (path / "generator.safetensors").is_file():
        raise CheckpointError(f"{path} is no checkpoint folder: it needs recipe.json and generator.safetensors")
    try:
        recipe = Recipe.from_file(path / "recipe.json")
    except RecipeError as error:
        raise CheckpointError(f"{path / 'recipe.json'}: {error}") from None
    metrics_file = path / "metrics.json"
    return Checkpoint(path, recipe, read_json(metrics_file) if metrics_file.is_file() else {})


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of bounded size.

    Raises:
        CheckpointError: the file is missing, too large or no JSON object.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise CheckpointError(f"{path} is larger than {MAX_JSON_BYTES >> 20} MB; take the original file")
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"can't read {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise CheckpointError(f"{path} is damaged (no JSON object); take the original file")
    return values


def load_weights(network: nn.Module, path: Path) -> nn.Module:
    """Fills a network from a safetensors file; half precision on disk becomes float32.

    Raises:
        CheckpointError: the file is missing, damaged, not finite, or its names and shapes are not the network's.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; take the whole checkpoint folder")
    expected = network.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            if wrong := sorted(names ^ set(expected)):
                raise CheckpointError(
                    f"{path} does not fit its recipe: {wrong[0]} is "
                    f"{'missing' if wrong[0] in expected else 'not part of the network'}"
                )
            for name, tensor in expected.items():
                # the header alone tells the shape, so that a wrong file is refused before its data are read
                shape = tuple(file.get_slice(name).get_shape())
                if shape != tuple(tensor.shape):
                    raise CheckpointError(
                        f"{path} does not fit its recipe: {name} is {list(shape)}, expected {list(tensor.shape)}"
                    )
            state = {name: file.get_tensor(name).to(tensor.dtype) for name, tensor in expected.items()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged ({str(error)[:120]}); take the original file") from None
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{path} holds values in {name} that are not finite; take another checkpoint")
    network.load_state_dict(state)
    return network


def save(
    path: Path,
    recipe: Recipe,
    generator: nn.Module,
    discriminator: nn.Module | None = None,
    *,
    metrics: Mapping[str, Any] | None = None,
    preview: Image.Image | None = None,
    card: str | None = None,
    half: bool = False,
    faithful: nn.Module | None = None,
) -> Checkpoint:
    """Writes a checkpoint folder in one piece; an older one of that name is replaced only when all is on disk.

    Args:
        path: the folder.
        recipe: what trained it.
        generator: its (averaged) weights ship.
        discriminator: the other player.
        metrics: for metrics.json.
        preview: for preview.png.
        card: for README.md.
        half: store floating-point weights in half precision.
        faithful: the generator before its adversarial stage.

    Raises:
        CheckpointError: the disk is full or the folder can't be written; nothing half-written stays.
    """
    with new_folder(path) as folder:
        write_weights(folder, recipe, generator, discriminator, half=half, faithful=faithful)
        write_description(folder, metrics=metrics, preview=preview, card=card)
    return Checkpoint(path, recipe, dict(metrics or {}))


def write_weights(
    folder: Path,
    recipe: Recipe,
    generator: nn.Module,
    discriminator: nn.Module | None,
    *,
    half: bool,
    faithful: nn.Module | None = None,
) -> None:
    """The part of a checkpoint that `load` needs, into a folder of `new_folder`."""
    (folder / "recipe.json").write_text(recipe.to_json(), encoding="utf-8")
    _save_weights(generator, folder / "generator.safetensors", half)
    if discriminator is not None:
        _save_weights(discriminator, folder / "discriminator.safetensors", half)
    if faithful is not None:
        _save_weights(faithful, folder / FAITHFUL, half)


def write_description(
    folder: Path, *, metrics: Mapping[str, Any] | None, preview: Image.Image | None, card: str | None
) -> None:
    """The part of a checkpoint that tells of it, into a folder of `new_folder`."""
    if metrics is not None:
        text = json.dumps(dict(metrics), indent=2, allow_nan=False) + "\n"
        (folder / "metrics.json").write_text(text, encoding="utf-8")
    if preview is not None:
        preview.save(folder / "preview.png", optimize=True)
    if card is not None:
        (folder / "README.md").write_text(card, encoding="utf-8")


def _save_weights(network: nn.Module, path: Path, half: bool) -> None:
    state = {}
    for name, tensor in network.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        if half and tensor.is_floating_point():
            # a variance may lie beyond half's range; such a tensor keeps its own precision
            shrunk = tensor.half()
            tensor = shrunk if bool(torch.isfinite(shrunk).all()) else tensor
        state[name] = tensor
    save_file(state, path)
    path.chmod(0o644)  # safetensors writes for the owner alone, but a server may run as somebody else


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary sibling of `path` to write into; flushed to the disk and renamed when all went well, else removed.

    Raises:
        CheckpointError: something could not be written; the message says what to do.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    old = temporary.with_suffix(".old")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.iterdir():
            _flush(file)
        _flush(temporary)
        if path.exists():
            path.rename(old)
        temporary.rename(path)
        _flush(path.parent)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CheckpointError(f"can't write {path}: {reason}; free some space or choose another folder") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not path.exists():
            old.rename(path)  # the new one did not make it
        shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if path.is_file():
            raise
        # some file systems can't flush a folder; the files in it are safe all the same
        del error
    finally:
        os.close(handle)


def folders() -> Iterator[Path]:
    """Every checkpoint folder by name: those of `GANDEMO_HOME` first, then those that ship."""
    seen: set[str] = set()
    for root in dict.fromkeys((places.home().absolute() / "checkpoints", places.SHIPPED)):
        for path in sorted(root.glob("*/recipe.json")):
            if not path.parent.name.startswith(".") and path.parent.name not in seen:
                seen.add(path.parent.name)
                yield path.parent


def available(task: str | None = None) -> list[Checkpoint]:
    """All checkpoints by name that can be read, of one task or of all; a damaged one is left out."""
    found = []
    for path in folders():
        try:
            checkpoint = load(path)
        except CheckpointError:
            continue
        if task is None or checkpoint.recipe.task == task:
            found.append(checkpoint)
    return found


def resolve(source: str | Path) -> Checkpoint:
    """A checkpoint from a shipped name, a folder, or a run (`RUN` is its best, `RUN/step-500` that step's).

    Raises:
        CheckpointError: there is none; the message lists those that are.
    """
    text = str(source)
    if NAME.match(text):
        for path in folders():
            if path.name == text:
                return load(path)
    run, _, step = text.partition("/")
    if NAME.match(run) and (not step or NAME.match(step)) and not Path(text).is_absolute():
        checkpoints = places.home() / "runs" / run / "checkpoints"
        if checkpoints.is_dir():
            return _of_run(checkpoints, step)
    folder = Path(text)
    try:
        if (folder / "checkpoints").is_dir() and (folder / "events.jsonl").is_file():
            return _of_run(folder / "checkpoints", "")
        if folder.is_dir():
            return load(folder)
    except OSError:
        pass  # no path at all, such as one that is too long
    names = ", ".join(path.name for path in folders()) or "none"
    raise CheckpointError(
        f"there is no checkpoint {text[:200]!r}; available: {names}, or give a checkpoint folder or run"
    )


def is_elsewhere(source: str | Path) -> bool:
    """Whether a source can only be a repository on the Hub: USER/REPO[@REVISION], and nothing here is called so."""
    text = str(source)
    if isinstance(source, Path) or not _REPOSITORY.match(text):
        return False
    run = text.partition("/")[0]
    return not (places.home() / "runs" / run).is_dir() and not Path(run).is_dir()


def _of_run(checkpoints: Path, step: str) -> Checkpoint:
    if step:
        return load(checkpoints / step)
    if (checkpoints / "best").is_dir():
        return load(checkpoints / "best")
    steps = [path for path in checkpoints.glob("step-*") if path.name.partition("-")[2].isdigit()]
    if not steps:
        raise CheckpointError(f"the run {checkpoints.parent.name} has no checkpoint yet; let it train a little longer")
    return load(max(steps, key=lambda path: int(path.name.partition("-")[2])))
