"""Everything a run needs to go on as if it had never stopped: weights, optimisers, average, random states, position.

Tensors go to safetensors, the rest to JSON: no pickle. The last two states are kept, so that a torn write never loses
both.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim import Optimizer

from gandemo.checkpoint import new_folder, read_json
from gandemo.errors import CheckpointError

KEEP = 2
HISTORY = 8


def save_state(
    folder: Path,
    step: int,
    networks: dict[str, nn.Module],
    optimizers: dict[str, Optimizer],
    randomness: dict[str, torch.Generator],
    scalars: dict[str, Any],
    fingerprint: Mapping[str, Any] | None = None,
) -> None:
    """Writes `folder/step-<step>/` in one piece and removes all but the last two.

    Args:
        folder: of the states.
        step: after which it is saved.
        networks: by name; so are the next two.
        optimizers: of the networks.
        randomness: generators beside PyTorch's own.
        scalars: plain values that `load_state` gives back.
        fingerprint: what the run depends on, for `saved_fingerprint`.

    Raises:
        CheckpointError: the disk is full; the states before this one stay whole.
    """
    tensors: dict[str, torch.Tensor] = {"random.global": torch.get_rng_state()}
    groups: dict[str, Any] = {}
    for name, network in networks.items():
        for key, tensor in network.state_dict().items():
            # an average that has just been copied shares nothing, but tied weights would: safetensors wants copies
            tensors[f"network.{name}.{key}"] = tensor.detach().cpu().contiguous().clone()
    for name, optimizer in optimizers.items():
        state = optimizer.state_dict()
        groups[name] = {}
        for index, values in state["state"].items():
            for key, value in values.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"optimizer.{name}.{index}.{key}"] = value.detach().cpu().contiguous().clone()
                else:
                    groups[name][f"{index}.{key}"] = value
    for name, generator in randomness.items():
        tensors[f"random.{name}"] = generator.get_state()
    if torch.cuda.is_available():
        tensors |= {f"random.cuda.{index}": each for index, each in enumerate(torch.cuda.get_rng_state_all())}
    values = {"step": step, "optimizers": groups, "scalars": scalars, "fingerprint": dict(fingerprint or {})}
    with new_folder(folder / f"step-{step}") as temporary:
        save_file(tensors, temporary / "tensors.safetensors")
        (temporary / "state.json").write_text(json.dumps(values, allow_nan=False), encoding="utf-8")
    for old in state_folders(folder)[KEEP:]:
        discard(old)


def state_folders(folder: Path) -> list[Path]:
    """The states on disk, the newest first."""
    found = [path for path in folder.glob("step-*") if path.name.partition("-")[2].isdigit()]
    return sorted(found, key=lambda path: -int(path.name.partition("-")[2]))


def saved_fingerprint(folder: Path) -> dict[str, Any] | None:
    """What the newest readable state depends on; None: there is no state, or it is older than fingerprints."""
    for path in state_folders(folder):
        with contextlib.suppress(CheckpointError):
            return read_json(path / "state.json").get("fingerprint") or None
    return None


def repair(folder: Path) -> None:
    """Cleans up after a process that was killed while it replaced a folder in here: whole ones stay, halves go."""
    for old in folder.glob(".*.old"):
        # .NAME.random.old: the former NAME, set aside a moment before the new one took its place
        whole = folder / old.name[1:].rpartition(".old")[0].rpartition(".")[0]
        if whole.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(whole)
    for half in folder.glob(".*.tmp"):
        shutil.rmtree(half, ignore_errors=True)


def history(steps: Sequence[int], every: int) -> set[int]:
    """Which checkpoints to keep: the last two, and a few evenly spaced over the whole run.

    The spacing doubles as the run grows; what a wider spacing keeps, a narrower one has kept.
    """
    ordered = sorted(steps)
    spacing = every
    while ordered and ordered[-1] // spacing > HISTORY:
        spacing *= 2
    return {step for step in ordered if step % spacing == 0} | set(ordered[-KEEP:])


def thin(folder: Path, every: int) -> None:
    """Removes the checkpoints `folder/step-<n>/` that `history` does not keep."""
    found = {int(path.name.partition("-")[2]): path for path in state_folders(folder)}
    for step in found.keys() - history(list(found), every):
        discard(found[step])


def discard(path: Path) -> None:
    """Removes a folder; out of the way first, so that a process killed in the middle leaves no half of it."""
    gone = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    with contextlib.suppress(OSError):
        path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def load_state(
    folder: Path,
    networks: dict[str, nn.Module],
    optimizers: dict[str, Optimizer],
    randomness: dict[str, torch.Generator],
) -> tuple[int, dict[str, Any]]:
    """Restores the newest whole state.

    Returns:
        The step after which it was saved, and the scalars given to `save_state`.

    Raises:
        CheckpointError: there is no state, or none that can be read.
    """
    problem = "it holds no saved state"
    for path in state_folders(folder):
        try:
            tensors = load_file(path / "tensors.safetensors")
            values = read_json(path / "state.json")
            _restore(tensors, values, networks, optimizers, randomness)
            return int(values["step"]), dict(values["scalars"])
        except (SafetensorError, OSError, LookupError, ValueError, RuntimeError, CheckpointError) as error:
            problem = f"{path.name} is damaged ({' '.join(str(error).split())[:120]})"
    raise CheckpointError(f"{folder.parent} can't be resumed: {problem}; start a new run")


def _restore(
    tensors: dict[str, torch.Tensor],
    values: dict[str, Any],
    networks: dict[str, nn.Module],
    optimizers: dict[str, Optimizer],
    randomness: dict[str, torch.Generator],
) -> None:
    for name, network in networks.items():
        prefix = f"network.{name}."
        network.load_state_dict({key[len(prefix) :]: t for key, t in tensors.items() if key.startswith(prefix)})
    for name, optimizer in optimizers.items():
        prefix = f"optimizer.{name}."
        state: dict[int, dict[str, Any]] = {}
        entries: dict[str, Any] = {key[len(prefix) :]: t for key, t in tensors.items() if key.startswith(prefix)}
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        for key, value in (entries | values["optimizers"][name]).items():
            index, _, field = key.partition(".")
            parameter = parameters[int(index)]
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                # a file keeps no strides, but fused optimisers walk moments and channels_last weights side by side
                value = torch.empty_like(parameter, dtype=value.dtype, device="cpu").copy_(value)
            state.setdefault(int(index), {})[field] = value
        whole = optimizer.state_dict()
        whole["state"] = state
        optimizer.load_state_dict(whole)
    for name, generator in randomness.items():
        generator.set_state(tensors[f"random.{name}"])
    torch.set_rng_state(tensors["random.global"])
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            if (each := tensors.get(f"random.cuda.{index}")) is not None:
                torch.cuda.set_rng_state(each, index)
