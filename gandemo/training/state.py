"""Everything a run needs to go on as if it had never stopped: weights, optimisers, average, random states, position.

Tensors go to safetensors, the rest to JSON: no pickle. The last two states are kept, so that a torn write never loses
both.
"""

from __future__ import annotations

import json
import shutil
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


def save_state(
    folder: Path,
    step: int,
    networks: dict[str, nn.Module],
    optimizers: dict[str, Optimizer],
    randomness: dict[str, torch.Generator],
    scalars: dict[str, Any],
) -> None:
    """Writes `folder/step-<step>/` in one piece and thins older ones.

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
    with new_folder(folder / f"step-{step}") as temporary:
        save_file(tensors, temporary / "tensors.safetensors")
        text = json.dumps({"step": step, "optimizers": groups, "scalars": scalars}, allow_nan=False)
        (temporary / "state.json").write_text(text, encoding="utf-8")
    for old in state_folders(folder)[KEEP:]:
        shutil.rmtree(old, ignore_errors=True)


def state_folders(folder: Path) -> list[Path]:
    """The states on disk, the newest first."""
    found = [path for path in folder.glob("step-*") if path.name.partition("-")[2].isdigit()]
    return sorted(found, key=lambda path: -int(path.name.partition("-")[2]))


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
        except (SafetensorError, OSError, KeyError, RuntimeError, CheckpointError) as error:
            problem = f"{path.name} is damaged ({str(error)[:120]})"
            continue
        return int(values["step"]), values["scalars"]
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
        for key, value in (entries | values["optimizers"][name]).items():
            index, _, field = key.partition(".")
            state.setdefault(int(index), {})[field] = value
        whole = optimizer.state_dict()
        whole["state"] = state
        optimizer.load_state_dict(whole)
    for name, generator in randomness.items():
        generator.set_state(tensors[f"random.{name}"])
    torch.set_rng_state(tensors["random.global"])
