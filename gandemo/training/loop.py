"""The one training loop, for every task and recipe.

It knows no screen and no process: it yields events, and looks between two steps at whether it is asked to stop.
"""

from __future__ import annotations

import contextlib
import copy
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
from torch.optim import Optimizer

from gandemo import checkpoint
from gandemo.data import datasets
from gandemo.errors import DataError, GanDemoError, ResumeError, TrainingError
from gandemo.nets import build_discriminator, build_generator
from gandemo.recipe import Optimizer as OptimizerSettings
from gandemo.recipe import Recipe
from gandemo.tasks import Batch, Pictures, task_of
from gandemo.training import events, fingerprint, losses, process, runs, state


def default_device() -> torch.device:
    """CUDA where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def wants_bf16(recipe: Recipe, device: torch.device) -> bool:
    """Whether the networks run under bf16 autocast: as the recipe says, or where the processor computes in bf16."""
    if recipe.precision != "auto":
        return recipe.precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def make_optimizer(settings: OptimizerSettings, network: nn.Module) -> Optimizer:
    """The optimiser that a recipe describes, fused where PyTorch has it."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if settings.name == "rmsprop":
        return torch.optim.RMSprop(
            parameters,
            lr=settings.lr,
            alpha=settings.alpha,
            eps=settings.eps,
            weight_decay=settings.weight_decay,
        )
    make = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return make(
        parameters,
        lr=settings.lr,
        betas=settings.betas,
        eps=settings.eps,
        weight_decay=settings.weight_decay,
        fused=True,
    )


class BatchSource:
    """Endless batches, each epoch in a seeded order of its own.

    The place in the data is a pure function of how many pictures were drawn, so that a resumed run goes on at the very
    next one.
    """

    def __init__(self, pictures: Pictures, batch_size: int, seed: int) -> None:
        """Take the pictures; no batch is drawn yet.

        Raises:
        DataError: there are fewer pictures than one batch takes.
        """
        if len(pictures) < batch_size:
            raise DataError(
                f"{len(pictures)} pictures are fewer than a batch of {batch_size}; add pictures or lower batch_size"
            )
        self.pictures, self.batch_size, self.seed = pictures, batch_size, seed
        self.drawn = 0
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def next(self, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """uint8 [batch_size, C, H, W] and int64 [batch_size]; what is left over at an epoch's end is skipped.

        `rng` draws crops, where the pictures are larger than what the networks work on.
        """
        each = len(self.pictures) // self.batch_size
        epoch, index = divmod(self.drawn, each)
        if epoch != self._epoch:
            order = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._order, self._epoch = torch.randperm(len(self.pictures), generator=order), epoch
        self.drawn += 1
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.pictures.take(chosen, rng)


class Trainer:
    """The state of one run and its two kinds of step."""

    def __init__(self, recipe: Recipe, training: Pictures, device: torch.device) -> None:
        """Builds both players from the recipe's seed.

        Raises:
            GanDemoError: the recipe names something that does not exist, or the data don't do.
        """
        self.recipe, self.device = recipe, device
        self.task = task_of(recipe.task)
        self.loss = losses.gan_loss(recipe.loss)
        torch.manual_seed(recipe.seed)
        self.generator = build_generator(recipe).to(device)
        self.discriminator = build_discriminator(recipe)
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False) if recipe.ema.half_life else None
        self.optimizers = {"generator": make_optimizer(recipe.generator_optimizer, self.generator)}
        if self.discriminator is not None:
            self.discriminator = self.discriminator.to(device)
            self.optimizers["discriminator"] = make_optimizer(recipe.discriminator_optimizer, self.discriminator)
        self.rng = torch.Generator().manual_seed(recipe.seed + 1)
        self.source = BatchSource(training, recipe.batch_size, recipe.seed)
        self.bf16 = wants_bf16(recipe, device)
        self.step = 0
        self.losses: dict[str, Tensor] = {}
        self.signals: dict[str, Tensor] = {}

    @property
    def networks(self) -> dict[str, nn.Module]:
        """All that a saved state must hold."""
        found: dict[str, nn.Module | None] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
        }
        return {name: network for name, network in found.items() if network is not None}

    @property
    def shipped(self) -> nn.Module:
        """The generator to use: the average where there is one. Whoever calls it puts it into eval mode."""
        return self.generator if self.average is None else self.average

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def _batch(self) -> Batch:
        images, labels = self.source.next(self.rng)
        return self.task.prepare(self.recipe, images.to(self.device), labels.to(self.device), self.rng)

    def _generate(self, batch: Batch) -> Tensor:
        with self._autocast():
            output: Tensor = self.generator(*self.task.inputs(self.recipe, batch, self.rng))
        return output

    def _judge(self, pictures: Tensor, condition: Tensor | None) -> Tensor:
        assert self.discriminator is not None
        with self._autocast():
            logits = self.discriminator(pictures, condition) if condition is not None else self.discriminator(pictures)
        scores: Tensor = logits.float()
        return scores

    def _judge_both(self, real: Tensor, fake: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits of real and fake: in one pass, or in two where batch norm must not mix them."""
        if not self.recipe.joint_batch:
            return self._judge(real, condition), self._judge(fake, condition)
        both = None if condition is None else torch.cat([condition, condition])
        logits = self._judge(torch.cat([real, fake]), both)
        half = len(logits) // 2
        return logits[:half], logits[half:]

    def _update(self, player: str, loss: Tensor) -> None:
        """One optimiser step, unless the loss or its gradient is not finite."""
        optimizer = self.optimizers[player]
        network = self.generator if player == "generator" else self.discriminator
        assert network is not None
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        value = float(loss.detach())
        if not math.isfinite(value) or not math.isfinite(float(norm)):
            raise TrainingError(
                f"the {player}'s loss is {value:g} and its gradient norm {float(norm):g} at step "
                f"{self.step + 1}: training diverged, and stopped before it could spoil the weights; "
                f"take a smaller {player}_optimizer.lr, or precision fp32"
            )
        self.signals[f"{player}_gradient_norm"] = norm.detach()
        factor = self.recipe.schedule.factor(self.step, self.recipe.steps)
        settings = getattr(self.recipe, f"{player}_optimizer")
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * factor
        optimizer.step()

    def discriminator_step(self, batch: Batch, fake: Tensor) -> None:
        """One step of the discriminator; the generator's weights are fixed."""
        assert self.discriminator is not None
        settings = self.recipe.loss
        real, fake = batch.real, fake.detach().float()
        regularise = self.step % settings.penalty_every == 0
        r1, r2 = (settings.r1, settings.r2) if regularise else (0.0, 0.0)
        real, fake = real.requires_grad_(r1 > 0), fake.requires_grad_(r2 > 0)
        real_logits, fake_logits = self._judge_both(real, fake, batch.condition)
        aims = losses.targets(settings, len(real_logits), self.rng, self.device)
        loss = self.loss.discriminator(real_logits, fake_logits, aims)
        self.losses["discriminator"] = loss.detach()
        for name, gamma, logits, pictures in (("r1", r1, real_logits, real), ("r2", r2, fake_logits, fake)):
            if gamma:
                penalty = losses.input_gradient_penalty(logits, pictures)
                self.losses[name] = penalty.detach()
                loss = loss + (gamma / 2) * settings.penalty_every * penalty
        if settings.gradient_penalty:
            penalty = losses.interpolation_penalty(
                lambda pictures: self._judge(pictures, batch.condition), real, fake, self.rng
            )
            self.losses["gradient_penalty"] = penalty.detach()
            loss = loss + settings.gradient_penalty * penalty
        self._update("discriminator", loss)
        if settings.clip:
            with torch.no_grad():
                torch._foreach_clamp_min_(list(self.discriminator.parameters()), -settings.clip)
                torch._foreach_clamp_max_(list(self.discriminator.parameters()), settings.clip)
        threshold = self.loss.threshold
        self.signals["real_logit"] = real_logits.detach().mean()
        self.signals["fake_logit"] = fake_logits.detach().mean()
        self.signals["real_accuracy"] = (real_logits.detach() > threshold).float().mean()
        self.signals["fake_accuracy"] = (fake_logits.detach() <= threshold).float().mean()

    def generator_step(self, batch: Batch, fake: Tensor) -> None:
        """One step of the generator; the discriminator's weights are fixed."""
        settings = self.recipe.loss
        loss = torch.zeros((), device=self.device)
        for name, term in self.task.supervised(batch, fake).items():
            self.losses[name] = term.detach()
            loss = loss + settings.weights.get(name, 1.0) * term
        if self.discriminator is not None and settings.adversarial:
            self.discriminator.requires_grad_(False)
            try:
                if self.loss.relativistic:
                    real_logits, fake_logits = self._judge_both(batch.real.detach(), fake, batch.condition)
                else:
                    real_logits, fake_logits = None, self._judge(fake, batch.condition)
                term = self.loss.generator(real_logits, fake_logits)
                self.losses["generator"] = term.detach()
                self._update("generator", loss + settings.adversarial * term)
            finally:
                self.discriminator.requires_grad_(True)
        elif loss.requires_grad:
            self._update("generator", loss)
        else:
            raise TrainingError(
                f"{self.recipe.name} gives its generator nothing to learn from; it needs a discriminator and "
                f"loss.adversarial above 0"
            )

    def round(self) -> None:
        """`d_steps` of the discriminator, then `g_steps` of the generator; `step` counts rounds."""
        recipe = self.recipe
        self.generator.train()
        if self.discriminator is not None:
            self.discriminator.train()
        plays = self.discriminator is not None and recipe.loss.adversarial > 0
        if plays and recipe.reuse_fakes:
            batch = self._batch()
            fake = self._generate(batch)
            self.discriminator_step(batch, fake)
            self.generator_step(batch, fake)
        else:
            for _ in range(recipe.d_steps if plays else 0):
                batch = self._batch()
                with torch.no_grad():
                    fake = self._generate(batch)
                self.discriminator_step(batch, fake)
            for turn in range(recipe.g_steps):
                if not plays or turn:
                    batch = self._batch()
                self.generator_step(batch, self._generate(batch))
        self.step += 1
        if self.average is not None:
            self._follow(self.average)

    @torch.no_grad()
    def _follow(self, average: nn.Module) -> None:
        """Moves the average; its half-life grows with the images seen, so that it never lags behind a young run."""
        settings, images = self.recipe.ema, self.recipe.batch_size * self.recipe.g_steps
        half_life = min(float(settings.half_life), settings.ramp_up * self.step * images) or 1e-8
        if settings.ramp_up == 0:
            half_life = float(settings.half_life)
        weight = 1.0 - 0.5 ** (images / half_life)
        torch._foreach_lerp_(list(average.parameters()), list(self.generator.parameters()), weight)
        for mean, current in zip(average.buffers(), self.generator.buffers(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(current, weight)
            else:
                mean.copy_(current)


def start_from(trainer: Trainer, source: checkpoint.Checkpoint) -> None:
    """Copies the weights of a checkpoint into both players (fine-tuning); a missing discriminator starts anew.

    Raises:
        CheckpointError: its networks are not the recipe's.
    """
    weights = source.path / "generator.safetensors"
    checkpoint.load_weights(trainer.generator, weights)
    if trainer.average is not None:
        checkpoint.load_weights(trainer.average, weights)
    if trainer.discriminator is not None and source.has_discriminator:
        checkpoint.load_weights(trainer.discriminator, source.path / "discriminator.safetensors")


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
        run_dir: the run folder; made here, or taken up again with `resume`.
        init: a checkpoint to start from; default: the one that the recipe names, if it does.
        resume: go on from the newest state in the run folder, with the recipe that lies there.
        max_seconds: of training in this call; then the run is stopped as if asked to.
        should_stop: looked at between steps.
        device: default: CUDA where there is one.

    Raises:
        GanDemoError: training can't start, or had to stop; what was saved before stays whole.
    """
    device = device or default_device()
    new_folders = [folder for folder in (run_dir, *run_dir.parents) if not folder.exists()]
    hold = _prepare_folder(run_dir, recipe, init, resume)
    try:
        training = datasets.load(recipe.dataset, "train")
        held_out = datasets.load(recipe.dataset, "validation")
        trainer = Trainer(recipe, training, device)
        mark = fingerprint.fingerprint(recipe, training, device, "bf16" if trainer.bf16 else "fp32")
        remarks = _check_same(run_dir, recipe, mark) if resume else []
        source = None
        if not (resume and state.state_folders(run_dir / "state")):  # else it goes on from its state
            source = init or runs.init_of(run_dir)
            if source is None and recipe.init:
                source = checkpoint.resolve(recipe.init)
        if source is not None:
            start_from(trainer, source)
    except GanDemoError as error:
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


class _Run:
    """One call of `train`: what happens between the steps."""

    def __init__(
        self,
        trainer: Trainer,
        held_out: Pictures,
        run_dir: Path,
        max_seconds: float | None,
        should_stop: Callable[[], bool],
        hold: process.Hold,
        mark: Mapping[str, Any],
    ) -> None:
        self.trainer, self.held_out, self.run_dir = trainer, held_out, run_dir
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
        try:
            events.append(self.run_dir / "events.jsonl", event)
        except OSError as error:
            raise TrainingError(
                f"can't write {self.run_dir}: {error.strerror}; free some space and resume the run"
            ) from None
        return event

    def go(self, resume: bool, remarks: list[str], saves_first: bool) -> Iterator[events.Event]:
        try:
            yield from self._told(resume, remarks, saves_first)
        finally:
            self.ballast.unlink(missing_ok=True)
            self.hold.release()

    def _told(self, resume: bool, remarks: list[str], saves_first: bool) -> Iterator[events.Event]:
        """The run from its first word to its last."""
        trainer, recipe = self.trainer, self.trainer.recipe
        try:
            # a disk that fills up still has room for the last word
            with contextlib.suppress(OSError):
                self.ballast.write_bytes(os.urandom(2**13))
            if resume and state.state_folders(self.run_dir / "state"):
                trainer.step, scalars = state.load_state(
                    self.run_dir / "state", trainer.networks, trainer.optimizers, {"noise": trainer.rng}
                )
                trainer.source.drawn, self.seconds = scalars["drawn"], scalars["seconds"]
                self.best, self.metrics, self.saved = scalars["best"], scalars["metrics"], trainer.step
                self.stale = scalars.get("stale", 0)
            elif saves_first:
                self._save_state()  # what it starts from may change or go
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
        self.ballast.unlink(missing_ok=True)
        # the disk that failed the run may take no last word either; the error itself goes to the caller
        with contextlib.suppress(TrainingError):
            yield self._tell(self._finished("failed", reason))

    def _asked_to_stop(self, now: float) -> bool:
        """Whether the caller wants it, or somebody who only knows the run folder."""
        if self.should_stop():
            return True
        if now - self.looked < 0.2:
            return False
        self.looked = now
        return process.stop_requested(self.run_dir)

    def _steps(self) -> Iterator[events.Event]:
        trainer, recipe = self.trainer, self.trainer.recipe
        began = last_log = time.perf_counter()
        before = self.seconds
        paused = 0.0  # spent between the steps since the last Progress; not part of the images a second
        if trainer.step == 0 and (event := self._sample()):
            yield event
        while trainer.step < recipe.steps and not self._is_tired():
            now = time.perf_counter()
            if self._asked_to_stop(now) or (self.max_seconds is not None and now - began >= self.max_seconds):
                self.seconds = before + now - began
                if self.saved != trainer.step:
                    yield from self._save()
                yield self._tell(self._finished("stopped", process.stop_reason(self.run_dir)))
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
            if (step % recipe.sample_every == 0 or last) and (event := self._sample()):
                yield event
            if step % recipe.evaluate_every == 0 or last:
                yield from self._evaluate()
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
        means = {key: round(float(total) / self.count, 6) for key, total in self.sums.items()}
        images = self.count * recipe.batch_size * recipe.g_steps
        pace = self.seconds / max(trainer.step, 1)
        self.sums, self.count = {}, 0
        return self._tell(
            events.Progress(
                step=trainer.step,
                time=time.time(),
                losses={key[5:]: value for key, value in means.items() if key.startswith("loss.")},
                signals={key[7:]: value for key, value in means.items() if key.startswith("signal.")},
                images_per_second=round(images / max(seconds, 1e-9), 2),
                seconds=round(self.seconds, 2),
                seconds_left=round(pace * (recipe.steps - trainer.step), 1),
            )
        )

    def _shipped(self) -> nn.Module:
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

    def _save(self) -> Iterator[events.Event]:
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
