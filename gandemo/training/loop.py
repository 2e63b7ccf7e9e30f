"""The one training loop, for every task and recipe.

It knows no screen and no process: it yields events, and looks between two steps at whether it is asked to stop. Of
several processes that train together each goes through it; the leader alone writes and evaluates.
"""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gandemo import checkpoint
from gandemo.data import datasets
from gandemo.errors import DataError, GanDemoError, RecipeError, ResumeError, TrainingError
from gandemo.recipe import Recipe
from gandemo.tasks import Pictures
from gandemo.training import distributed, events, fingerprint, process, runs, signals, state
from gandemo.training.examination import Examination
from gandemo.training.trainer import Trainer, default_device, start_from


def train(
    recipe: Recipe,
    *,
    run_dir: Path,
    init: checkpoint.Checkpoint | None = None,
    resume: bool = False,
    max_seconds: float | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    device: torch.device | None = None,
) -> Iterator[events.Event]:
    """Trains a recipe and tells what happens; every event is in the run folder's `events.jsonl` as well.

    Args:
        recipe: what to train.
        run_dir: the run folder; made here, or taken up again with `resume`. Of several processes that `torchrun` has
            started, only the first one needs it.
        init: a checkpoint to start from; default: the one that the recipe names, if it does.
        resume: go on from the newest state in the run folder, with the recipe that lies there.
        max_seconds: of training in this call; then the run is stopped as if asked to.
        should_stop: looked at between steps.
        device: default: CUDA where there is one.

    Raises:
        GanDemoError: training can't start, or had to stop; what was saved before stays whole.
    """
    team = distributed.join()
    team.check(recipe)
    device = device or default_device()
    new_folders = [folder for folder in (run_dir, *run_dir.parents) if not folder.exists()]
    hold = team.lead(lambda: _prepare_folder(run_dir, recipe, init, resume))
    remarks: list[str] = []
    source = None
    try:
        training = team.first_here(lambda: datasets.load(recipe.dataset, "train"))
        held_out = team.first_here(lambda: datasets.load(recipe.dataset, "validation"))
        with team.together():
            trainer = Trainer(recipe, training, device, team)
            precision = "bf16" if trainer.bf16 else "fp32"
            mark = fingerprint.fingerprint(recipe, training, device, precision, team.size)
            if team.leads:
                remarks = _check_same(run_dir, recipe, mark) if resume else []
                if not (resume and state.state_folders(run_dir / "state")):  # else it goes on from its state
                    source = init or runs.init_of(run_dir)
                    if source is None and recipe.init:
                        source = checkpoint.resolve(recipe.init)
                if source is not None:
                    start_from(trainer, source)
                _check_features(recipe, held_out)
        team.compare(mark)
    except GanDemoError as error:
        if hold is None:
            raise
        if not new_folders:
            runs.note_failure(run_dir, str(error), getattr(error, "differences", ()))
        hold.release()
        if new_folders:
            shutil.rmtree(run_dir, ignore_errors=True)
        for folder in new_folders[1:]:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    run = _Run(trainer, held_out, run_dir, max_seconds, should_stop, hold, mark)
    return run.go(resume, remarks, saves_first=source is not None)


def _prepare_folder(run_dir: Path, recipe: Recipe, init: checkpoint.Checkpoint | None, resume: bool) -> process.Hold:
    """Claims the run folder for this process: a new one, one that was laid out to be trained in, or one to resume."""
    if resume:
        if not (run_dir / "recipe.json").is_file():
            raise TrainingError(f"{run_dir} holds no run: it needs recipe.json; take another folder or start a new run")
        hold = process.hold(run_dir)
        for part in ("state", "checkpoints"):
            state.repair(run_dir / part)
        return hold
    if runs.has_begun(run_dir):
        raise TrainingError(f"{run_dir} is not empty; resume it, or choose another --run-dir")
    laid_out = (run_dir / "recipe.json").is_file()
    if laid_out and Recipe.from_file(run_dir / "recipe.json") != recipe:
        raise TrainingError(f"{run_dir} was laid out for another recipe; choose another --run-dir")
    if not laid_out:
        runs.lay_out(run_dir, recipe, None if init is None else init.path)
    return process.hold(run_dir)


def _check_same(run_dir: Path, recipe: Recipe, mark: Mapping[str, Any]) -> list[str]:
    """Refuses to go on with something else than the run began with; returns what differs harmlessly."""
    before = state.saved_fingerprint(run_dir / "state")
    if before is None:
        before = {"recipe": Recipe.from_file(run_dir / "recipe.json").model_dump(mode="json")}
    if differences := fingerprint.refusals(before, mark):
        saved = state.state_folders(run_dir / "checkpoints")
        words = ["train", str(run_dir / "recipe.json"), *(["--init", str(saved[0])] if saved else [])]
        raise ResumeError(
            f"{run_dir.name} can't go on, since {'; '.join(differences)}; put that back, or start a new run from it: "
            f"python -m gandemo {shlex.join(words)}",
            differences,
        )
    return fingerprint.remarks(before, mark)


def _check_features(recipe: Recipe, held_out: Pictures) -> None:
    """Before the first step, not at the first evaluation.

    Raises:
        GanDemoError: there is no checkpoint of that name, it measures nothing, or there is nothing to measure with.
    """
    if not recipe.features:
        return
    found = checkpoint.resolve(recipe.features)
    if found.recipe.task != "classify":
        raise RecipeError(f"features names {recipe.features!r}, which is no classifier; name one, or leave it empty")
    if len(held_out) < 2:
        raise DataError(
            f"{len(held_out)} picture is held out, too few to measure with; add pictures (20 will do), or leave "
            "features empty"
        )


class _Run:
    """One call of `train`: what happens between the steps."""

    def __init__(
        self,
        trainer: Trainer,
        held_out: Pictures,
        run_dir: Path,
        max_seconds: float | None,
        should_stop: Callable[[], bool],
        hold: process.Hold | None,
        mark: Mapping[str, Any],
    ) -> None:
        self.trainer, self.held_out, self.run_dir = trainer, held_out, run_dir
        self.team, self.leads = trainer.team, trainer.team.leads
        self.examination = Examination(trainer, held_out)
        self.max_seconds, self.should_stop = max_seconds, should_stop
        self.hold, self.mark = hold, mark
        self.ballast = run_dir / ".ballast"
        self.saved: int | None = None
        self.looked = -math.inf
        self.best: float | None = None
        self.metrics: dict[str, float] = {}
        self.stale = 0  # evaluations since the best
        self.seconds = 0.0
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def _tell(self, event: events.Event) -> events.Event:
        if not self.leads:
            return event
        try:
            events.append(self.run_dir / "events.jsonl", event)
        except OSError as error:
            raise TrainingError(
                f"can't write {self.run_dir}: {error.strerror}; free some space and resume the run"
            ) from None
        return event

    def go(self, resume: bool, remarks: list[str], saves_first: bool) -> Iterator[events.Event]:
        try:
            with self.team.listening(lambda reason: runs.note_failure(self.run_dir, reason)):
                yield from self._told(resume, remarks, saves_first)
        finally:
            if self.hold is not None:
                self.ballast.unlink(missing_ok=True)
                self.hold.release()

    def _told(self, resume: bool, remarks: list[str], saves_first: bool) -> Iterator[events.Event]:
        """The run from its first word to its last."""
        trainer, recipe = self.trainer, self.trainer.recipe
        try:
            # a disk that fills up still has room for the last word
            if self.leads:
                with contextlib.suppress(OSError):
                    self.ballast.write_bytes(os.urandom(2**13))
            if self.team.any(self.leads and resume and bool(state.state_folders(self.run_dir / "state"))):
                trainer.step, scalars = self.team.load_state(
                    self.run_dir / "state", trainer.networks, trainer.optimizers, {"noise": trainer.rng}
                )
                trainer.source.drawn, self.seconds = scalars["drawn"], scalars["seconds"]
                self.best, self.metrics, self.saved = scalars["best"], scalars["metrics"], trainer.step
                self.stale = scalars.get("stale", 0)
            elif saves_first:
                self._save_state()  # what it starts from may change or go
            if self.leads:
                runs.forget_start(self.run_dir)
            self.team.align(trainer.networks.values(), trainer.optimizers.values())
            parameters = {
                name: sum(parameter.numel() for parameter in network.parameters())
                for name, network in trainer.networks.items()
                if name != "average"
            }
            yield self._tell(
                events.Started(
                    step=trainer.step,
                    time=time.time(),
                    steps=recipe.steps,
                    device=str(trainer.device),
                    threads=torch.get_num_threads(),
                    precision="bf16" if trainer.bf16 else "fp32",
                    parameters=parameters,
                    pictures=len(trainer.source.pictures),
                    processes=self.team.size,
                    resumed=resume,
                    remarks=remarks,
                )
            )
            yield from self._steps()
        except GanDemoError as error:
            yield from self._failed(str(error))
            raise
        except Exception as error:
            if not _is_out_of_memory(error):
                yield from self._failed(f"{type(error).__name__}: {error}")
                raise
            reason = f"out of memory at step {trainer.step + 1}; take a smaller batch_size, or end other programs"
            yield from self._failed(reason)
            raise TrainingError(reason) from error

    def _failed(self, reason: str) -> Iterator[events.Event]:
        self.team.failed(reason)
        if self.leads:
            self.ballast.unlink(missing_ok=True)
        # the disk that failed the run may take no last word either; the error itself goes to the caller
        with contextlib.suppress(TrainingError):
            yield self._tell(self._finished("failed", reason))

    def _asked_to_stop(self, now: float) -> bool:
        """Whether the caller wants it, or somebody who only knows the run folder."""
        if self.should_stop():
            return True
        if not self.leads:
            return False
        if now - self.looked < 0.2:
            return False
        self.looked = now
        return process.stop_requested(self.run_dir)

    def _steps(self) -> Iterator[events.Event]:
        trainer, recipe = self.trainer, self.trainer.recipe
        began = last_log = time.perf_counter()
        before = self.seconds
        paused = 0.0  # spent between the steps since the last Progress; not part of the images a second
        if trainer.step == 0 and self.leads and (event := self._sample()):
            yield event
        while trainer.step < recipe.steps and not self._is_tired():
            now = time.perf_counter()
            late = self.max_seconds is not None and now - began >= self.max_seconds
            if self.team.any(self._asked_to_stop(now) or late):
                self.seconds = before + now - began
                yield from self._save(again=False)
                yield self._tell(self._finished("stopped", process.stop_reason(self.run_dir) if self.leads else ""))
                return
            trainer.round()
            self._accumulate()
            step = trainer.step
            last = step == recipe.steps
            if step % recipe.log_every == 0 or last:
                now = time.perf_counter()
                self.seconds = before + now - began
                yield self._progress(now - last_log - paused)
                last_log, paused = now, 0.0
            aside = time.perf_counter()
            if (step % recipe.sample_every == 0 or last) and self.leads and (event := self._sample()):
                yield event
            if step % recipe.evaluate_every == 0 or last:
                if self.leads:
                    yield self._examine()
                    yield from self._evaluate()
                self.stale = int(self.team.tell(str(self.stale).encode()))
                last = last or self._is_tired()
            if step % recipe.checkpoint_every == 0 or last:
                self.seconds = before + time.perf_counter() - began
                yield from self._save()
            paused += time.perf_counter() - aside
        self.seconds = before + time.perf_counter() - began
        tired = f"no better {trainer.task.score} in {self.stale} evaluations" if self._is_tired() else ""
        yield self._tell(self._finished("done", tired))

    def _is_tired(self) -> bool:
        """Whether the score has not risen for as long as the recipe is willing to wait."""
        return 0 < self.trainer.recipe.patience <= self.stale

    def _finished(self, how: Literal["done", "stopped", "failed"], reason: str = "") -> events.Finished:
        return events.Finished(
            step=self.trainer.step,
            time=time.time(),
            state=how,
            reason=reason,
            seconds=round(self.seconds, 2),
        )

    def _accumulate(self) -> None:
        self.count += 1
        for group, values in (("loss.", self.trainer.losses), ("signal.", self.trainer.signals)):
            for name, value in values.items():
                key = group + name
                self.sums[key] = self.sums[key] + value if key in self.sums else value

    def _progress(self, seconds: float) -> events.Event:
        trainer, recipe = self.trainer, self.trainer.recipe
        totals = self.sums if self.team.size == 1 else self._shared_sums()
        means = {key: round(float(total) / self.count, 6) for key, total in totals.items()}
        seen = None if trainer.seen is None else [self.team.gather(each) for each in trainer.seen]
        images = self.count * recipe.batch_size * recipe.g_steps
        pace = self.seconds / max(trainer.step, 1)
        self.sums, self.count = {}, 0
        return self._tell(
            events.Progress(
                step=trainer.step,
                time=time.time(),
                losses={key[5:]: value for key, value in means.items() if key.startswith("loss.")},
                signals={key[7:]: value for key, value in means.items() if key.startswith("signal.")},
                samples={} if seen is None or not self.leads else signals.compare(*seen),
                images_per_second=round(images / max(seconds, 1e-9), 2),
                seconds=round(self.seconds, 2),
                seconds_left=round(pace * (recipe.steps - trainer.step), 1),
            )
        )

    def _shared_sums(self) -> dict[str, Tensor]:
        """The means of all processes' sums, with one exchange."""
        values = torch.stack([total.to(self.trainer.device).float() for total in self.sums.values()])
        return dict(zip(self.sums, self.team.mean(values).unbind(), strict=True))

    def _shipped(self) -> nn.Module:
        self.trainer.check_finite()
        return self.trainer.shipped.eval()

    def _sample(self) -> events.Event | None:
        trainer = self.trainer
        picture = trainer.task.sheet(trainer.recipe, self._shipped(), self.held_out)
        if picture is None:
            return None
        name = f"samples/step-{trainer.step:07d}.png"
        temporary = self.run_dir / "samples" / ".writing.png"
        try:
            temporary.parent.mkdir(exist_ok=True)
            picture.save(temporary)
            temporary.replace(self.run_dir / name)
        except OSError as error:
            raise TrainingError(
                f"can't write {self.run_dir}: {error.strerror}; free some space and resume the run"
            ) from None
        return self._tell(events.Sampled(step=trainer.step, time=time.time(), path=name))

    def _examine(self) -> events.Event:
        return self._tell(events.Examined(step=self.trainer.step, time=time.time(), figures=self.examination.look()))

    def _evaluate(self) -> Iterator[events.Event]:
        trainer, recipe = self.trainer, self.trainer.recipe
        began = time.perf_counter()
        metrics = trainer.task.evaluate(recipe, self._shipped(), self.held_out, recipe.evaluate_samples)
        if not metrics:
            return
        self.metrics = metrics
        score = metrics[trainer.task.score]
        better = self.best is None or (score < self.best if trainer.task.lower_is_better else score > self.best)
        self.stale = 0 if better else self.stale + 1
        yield self._tell(
            events.Evaluated(
                step=trainer.step,
                time=time.time(),
                metrics={key: round(value, 5) for key, value in metrics.items()},
                score=trainer.task.score,
                is_best=better,
                seconds=round(time.perf_counter() - began, 2),
            )
        )
        if better:
            self.best = score
            yield self._save_checkpoint("best")

    def _save_checkpoint(self, name: str) -> events.Event:
        trainer = self.trainer
        path = self.run_dir / "checkpoints" / name
        facts = {
            "training": {
                "step": trainer.step,
                "images": trainer.step * trainer.recipe.batch_size * trainer.recipe.g_steps,
                "seconds": round(self.seconds, 1),
                "device": str(trainer.device),
                "threads": torch.get_num_threads(),
                "precision": "bf16" if trainer.bf16 else "fp32",
            },
            "validation": {key: round(value, 5) for key, value in self.metrics.items()},
        }
        checkpoint.save(path, trainer.recipe, self._shipped(), trainer.discriminator, metrics=facts)
        return self._tell(events.Saved(step=trainer.step, time=time.time(), path=f"checkpoints/{name}"))

    def _save(self, again: bool = True) -> Iterator[events.Event]:
        """Saves checkpoint and state; with `again` also where this step was saved already."""
        self.team.align(self.trainer.networks.values(), self.trainer.optimizers.values())
        if not self.leads or (self.saved == self.trainer.step and not again):
            return
        yield self._save_checkpoint(f"step-{self.trainer.step}")
        self._save_state()
        state.thin(self.run_dir / "checkpoints", self.trainer.recipe.checkpoint_every)

    def _save_state(self) -> None:
        trainer = self.trainer
        scalars = {
            "drawn": trainer.source.drawn,
            "seconds": self.seconds,
            "best": self.best,
            "metrics": self.metrics,
            "stale": self.stale,
        }
        state.save_state(
            self.run_dir / "state",
            trainer.step,
            trainer.networks,
            trainer.optimizers,
            {"noise": trainer.rng},
            scalars,
            self.mark,
        )
        self.saved = trainer.step


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)
