"""What a training will take, measured before it starts: a few of its steps, a sheet, an evaluation, a save.

`measure` does it in this process; `Estimator` does it in a child, so that a page never waits for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gandemo import places
from gandemo.errors import GanDemoError, TrainingError
from gandemo.recipe import Recipe
from gandemo.training import runs

SECONDS = 2.0  # of steps that are measured, at least
SHARE = 10  # an evaluation is measured on so much less pictures
KEPT = 64
WAITING = 4
PATIENCE = 180.0


@dataclass(frozen=True)
class Estimate:
    """What was measured; all times in seconds.

    Attributes:
        step: of one step of both players.
        sheet: of one sheet of samples.
        evaluation: of one evaluation.
        save: of one checkpoint with its state.
        measuring: that all this took; what a child took beside is its start.
        images_per_second: of training.
        checkpoint: bytes of one.
        state: bytes of one saved state.
        memory: of the whole process at its peak, in bytes; on a GPU, the GPU's; None: not told here.
        parameters: of each player.
        device: that it ran on.
    """

    step: float
    sheet: float
    evaluation: float
    save: float
    measuring: float
    images_per_second: float
    checkpoint: int
    state: int
    memory: int | None
    parameters: dict[str, int]
    device: str

    def seconds(self, recipe: Recipe) -> float:
        """Of the whole training, from its first step to its last."""
        rounds = (
            (1, self.step),
            (recipe.sample_every, self.sheet),
            (recipe.evaluate_every, self.evaluation),
            (recipe.checkpoint_every, self.save),
        )
        return sum(max(recipe.steps / every, 1) * cost for every, cost in rounds)

    def disk(self, recipe: Recipe) -> int:
        """Bytes that the run will hold at its end: the thinned history of checkpoints, the best, two states."""
        from gandemo.training import state

        every = recipe.checkpoint_every
        steps = [*range(every, recipe.steps, every), recipe.steps] if recipe.steps / every < 10_000 else []
        kept = len(state.history(steps, every)) if steps else 2 * state.HISTORY
        return (kept + 1) * self.checkpoint + state.KEEP * self.state


def measure(recipe: Recipe, clock: Callable[[], float] = time.perf_counter) -> Estimate:
    """Trains a few steps and throws them away.

    Raises:
        GanDemoError: the recipe names something that does not exist, or its data can't be had.
    """
    import torch

    from gandemo import checkpoint
    from gandemo.data import datasets
    from gandemo.training import state
    from gandemo.training.trainer import Trainer, default_device

    began = clock()
    device = default_device()
    training, held_out = datasets.load(recipe.dataset, "train"), datasets.load(recipe.dataset, "validation")
    trainer = Trainer(recipe, training, device)

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return clock()

    for _ in range(2):  # buffers are made, kernels chosen
        trainer.round()
    start, rounds = now(), 0
    while rounds < 3 or (now() - start < SECONDS and rounds < 1_000):
        trainer.round()
        rounds += 1
    step = (now() - start) / rounds

    shipped = trainer.shipped.eval()
    start = now()
    trainer.task.sheet(recipe, shipped, held_out)
    sheet = now() - start

    count = max(10, recipe.evaluate_samples // SHARE)
    trainer.task.evaluate(recipe, shipped, held_out, count)  # the real side is looked at once in a run
    start = now()
    trainer.task.evaluate(recipe, shipped, held_out, count)
    evaluation = (now() - start) * recipe.evaluate_samples / count

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = now()
        saved = checkpoint.save(folder / "checkpoint", recipe, shipped, trainer.discriminator)
        state.save_state(folder / "state", 1, trainer.networks, trainer.optimizers, {"noise": trainer.rng}, {})
        save = now() - start
        sizes = places.size(saved.path), places.size(folder / "state")
    return Estimate(
        step=step,
        sheet=sheet,
        evaluation=evaluation,
        save=save,
        measuring=now() - began,
        images_per_second=recipe.batch_size * recipe.g_steps / step,
        checkpoint=sizes[0],
        state=sizes[1],
        memory=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory(),
        parameters={
            name: sum(parameter.numel() for parameter in network.parameters())
            for name, network in trainer.networks.items()
            if name != "average"
        },
        device=str(device),
    )


def peak_memory() -> int | None:
    """The most memory that this process has held at once, in bytes; None where the system does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


@dataclass(frozen=True)
class Answer:
    """What is known of a wish.

    Attributes:
        state: "measuring" (or waiting for it), "ready" or "failed".
        estimate: when ready.
        start: seconds from the start of a process to its first step.
        why: when failed.
        beside: another training had the machine meanwhile, so that it took longer.
    """

    state: Literal["measuring", "ready", "failed"]
    estimate: Estimate | None = None
    start: float = 0.0
    why: str = ""
    beside: bool = False


# what changes no time and no memory; the lengths are reckoned with afterwards
_FREE = {"name", "description", "source", "steps", "seed", "init", "patience", "schedule", "log_every", "sample_every"}
_FREE |= {"evaluate_every", "checkpoint_every", "generator_optimizer", "discriminator_optimizer"}


class Estimator:
    """Measures recipes in child processes, one after the other; the last wish comes first, and old ones are dropped."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], niceness: int = 10) -> None:
        """Nothing is measured yet.

        Args:
            command: what runs gandemo.
            environment: of the children.
            niceness: how far their priority is lowered.
        """
        self.command, self.environment, self.niceness = list(command), dict(environment), niceness
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Answer] = OrderedDict()
        self._wishes: OrderedDict[str, Recipe] = OrderedDict()
        self._worker: threading.Thread | None = None
        self._child: subprocess.Popen[str] | None = None
        self._closed = False

    def ask(self, recipe: Recipe) -> Answer:
        """What is known of a recipe; where that is nothing yet, it will be measured."""
        key = self._key(recipe)
        with self._lock:
            known = self._known.get(key)
            if known is not None and known.state == "failed":
                return self._known.pop(key)  # the next wish tries again
            if known is not None and not (known.beside and not _is_training()):
                return known
            if not self._closed:
                self._wishes[key] = recipe
                self._wishes.move_to_end(key)
                while len(self._wishes) > WAITING:
                    self._wishes.popitem(last=False)
                if self._worker is None:
                    self._worker = threading.Thread(target=self._work, name="estimates", daemon=True)
                    self._worker.start()
        return known or Answer("measuring")

    def known(self, recipe: Recipe) -> Estimate | None:
        """What was measured of a recipe by now; nothing is measured for it."""
        with self._lock:
            answer = self._known.get(self._key(recipe))
            return None if answer is None else answer.estimate

    def rest(self) -> None:
        """Drops all wishes, and ends what is being measured."""
        with self._lock:
            self._wishes.clear()
            if self._child is not None:
                self._child.kill()

    def close(self) -> None:
        """Rests for good."""
        with self._lock:
            self._closed = True
            worker = self._worker
        self.rest()
        if worker is not None:
            worker.join()

    @staticmethod
    def _key(recipe: Recipe) -> str:
        values = recipe.model_dump(mode="json")
        optimizers = [values[f"{player}_optimizer"]["name"] for player in ("generator", "discriminator")]
        return json.dumps([{key: value for key, value in values.items() if key not in _FREE}, optimizers])

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wishes:
                    self._worker = None
                    return
                key, recipe = next(reversed(self._wishes.items()))
            try:
                answer = self._measure(recipe)
            except OSError as error:
                answer = Answer("failed", why=f"a few steps could not be measured: {error.strerror}")
            with self._lock:
                self._child = None
                if self._wishes.pop(key, None) is None:
                    continue  # nobody wants it any more
                self._known[key] = answer
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)

    def _measure(self, recipe: Recipe) -> Answer:
        beside = _is_training()
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="gandemo-estimate-") as folder:
            file = Path(folder) / "recipe.json"
            file.write_text(recipe.to_json(), encoding="utf-8")
            # its standard input is the child's leash: it ends when this process does, however that comes about
            end, held = os.pipe()
            try:
                with self._lock:
                    if self._closed:
                        return Answer("failed", why="the server is about to end")
                    child = self._child = subprocess.Popen(
                        [*self.command, "estimate", str(file), "--json", "--leash", str(self.niceness)],
                        stdin=end,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        env=self.environment,
                        text=True,
                        start_new_session=sys.platform != "win32",
                    )
                told, complaints = child.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()
                return Answer("failed", why=f"a few steps took longer than {PATIENCE:.0f} s")
            except OSError as error:
                return Answer("failed", why=f"no process could be started: {error.strerror}")
            finally:
                os.close(end)
                os.close(held)
        with suppress(ValueError, TypeError, KeyError):
            found = Estimate(**json.loads(told))
            start = max(0.0, time.monotonic() - began - found.measuring)
            return Answer("ready", found, start=start, beside=beside or _is_training())
        lines = [line for line in complaints.splitlines() if line.strip()]
        return Answer("failed", why=lines[-1].removeprefix("gandemo: ")[:500] if lines else "it could not be measured")


def _is_training() -> bool:
    """Whether a training has the machine."""
    return any(run.state in runs.ACTIVE for run in runs.list_runs())


def check(recipe: Recipe) -> None:
    """Refuses a recipe whose networks can't be built, before a process is started for it.

    Raises:
        GanDemoError: as a training would.
    """
    import torch

    from gandemo.nets import build_discriminator, build_generator
    from gandemo.tasks import task_of
    from gandemo.training import losses

    task_of(recipe.task)
    losses.gan_loss(recipe.loss)
    try:
        with torch.device("meta"):  # shapes alone: nothing is allocated
            build_generator(recipe)
            build_discriminator(recipe)
    except GanDemoError:
        raise
    except (RuntimeError, NotImplementedError) as error:
        raise TrainingError(f"{recipe.name} can't be built: {error}") from None
