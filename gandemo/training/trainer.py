"""Both players of one run, and their two kinds of step."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gandemo import checkpoint
from gandemo.errors import RecipeError, TrainingError
from gandemo.nets import build_discriminator, build_generator
from gandemo.recipe import Net, Recipe
from gandemo.recipe import Optimizer as OptimizerSettings
from gandemo.tasks import Batch, Pictures, task_of
from gandemo.training import losses
from gandemo.training.batches import BatchSource
from gandemo.training.distributed import ALONE, Part, Team
from gandemo.training.shared_norm import share_batch_norm

# The norm of all gradients costs a small network 4 % of its step; a weight that it would have saved from becoming no
# number shows in the next step's loss, and before anything is saved.
NORM_EVERY = 4


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


class Trainer:
    """The state of one run and its two kinds of step."""

    def __init__(self, recipe: Recipe, training: Pictures, device: torch.device, team: Team = ALONE) -> None:
        """Builds both players from the recipe's seed; in a team, this process takes its part of every batch.

        Raises:
            GanDemoError: the recipe names something that does not exist, or the data don't do.
        """
        self.recipe, self.device, self.team = recipe, device, team
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
        self.source = BatchSource(
            training, recipe.batch_size, recipe.seed, self._prepare, ahead=self.task.prepares_ahead
        )
        self.bf16 = wants_bf16(recipe, device)
        self.step = 0
        self._supervised = self._rehearse()
        for network in (self.generator, self.discriminator):
            if network is not None:
                share_batch_norm(network, team)
        self.losses: dict[str, Tensor] = {}
        self.signals: dict[str, Tensor] = {}
        self.seen: tuple[Tensor, Tensor] | None = None  # real and generated pictures of the last step, if it has any

    def _rehearse(self) -> bool:
        """Sends two pictures through copies of both players, so that what can't work is refused before it begins.

        Returns:
            Whether the task asks for anything beside the game.

        Raises:
            RecipeError: a network can't be used with the recipe's settings, or with these pictures.
        """
        recipe, rng = self.recipe, torch.Generator().manual_seed(self.recipe.seed)
        count = min(recipe.batch_size, max(2, recipe.pack))
        pictures = self.source.pictures
        images, labels = pictures.take(torch.arange(count), rng)
        if recipe.classes and int(pictures.labels.max()) >= recipe.classes:
            raise RecipeError(
                f"{recipe.dataset} has {int(pictures.labels.max()) + 1} classes; set classes to as many, or to 0"
            )
        batch = self._prepare(images, labels, rng)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []), torch.no_grad():
            with _in_a_sentence("generator", recipe.generator, recipe.batch_size):
                fake = self.generate(batch, rng, copy.deepcopy(self.generator).train())
            supervised = bool(self.task.supervised(batch, fake))
            if self.discriminator is None or recipe.discriminator is None or not recipe.loss.adversarial:
                return supervised
            if fake.shape != batch.real.shape:
                raise RecipeError(
                    f"the generator {recipe.generator.name!r} makes pictures of {list(fake.shape[1:])}, where the "
                    f"discriminator is shown real ones of {list(batch.real.shape[1:])}; change generator.args or "
                    "image_size"
                )
            with _in_a_sentence("discriminator", recipe.discriminator, recipe.batch_size):
                self.judge(fake.float(), batch.condition, copy.deepcopy(self.discriminator).train())
        return supervised

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

    def _prepare(self, images: Tensor, labels: Tensor, rng: torch.Generator) -> Batch:
        return self.task.prepare(self.recipe, images, labels.to(self.device), rng)

    def _batch(self) -> Batch:
        return self.team.part(self.source.next())

    def generate(self, batch: Batch, rng: torch.Generator | None = None, network: nn.Module | None = None) -> Tensor:
        """What a network makes for a batch: by default the generator that trains, with the run's own noise."""
        network = self.generator if network is None else network
        whole = batch.whole if isinstance(batch, Part) else batch
        inputs = self.task.inputs(self.recipe, whole, self.rng if rng is None else rng)
        if isinstance(batch, Part):
            inputs = tuple(values[batch.rows] for values in inputs)
        with self._autocast():
            output: Tensor = network(*inputs)
        return output

    def judge(self, pictures: Tensor, condition: Tensor | None, network: nn.Module | None = None) -> Tensor:
        """The logits of a network, by default the discriminator that trains: float32 [N]."""
        network = self.discriminator if network is None else network
        assert network is not None
        with self._autocast():
            logits = network(pictures, condition) if condition is not None else network(pictures)
        scores: Tensor = logits.float()
        return scores

    def _judge_both(self, real: Tensor, fake: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits of real and fake: in one pass, or in two where batch norm must not mix them."""
        if not self.recipe.joint_batch:
            return self.judge(real, condition), self.judge(fake, condition)
        both = None if condition is None else torch.cat([condition, condition])
        logits = self.judge(torch.cat([real, fake]), both)
        half = len(logits) // 2
        return logits[:half], logits[half:]

    def _update(self, player: str, loss: Tensor) -> None:
        """One optimiser step, unless the loss is not finite, or its gradient where that is measured."""
        optimizer = self.optimizers[player]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        gradients = [
            parameter.grad
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        mean = self.team.average(gradients, loss)
        value, key = float(mean.detach()), f"{player}_gradient_norm"
        is_looked_at = key not in self.signals or self.step % min(NORM_EVERY, self.recipe.log_every) == 0
        if is_looked_at or not math.isfinite(value):
            norm = self.signals[key] = _total_norm(gradients)
            if not math.isfinite(value) or not math.isfinite(float(norm)):
                raise self._diverged(f"the {player}'s loss is {value:g} and its gradient norm {float(norm):g}", player)
        factor = self.recipe.schedule.factor(self.step, self.recipe.steps)
        settings = getattr(self.recipe, f"{player}_optimizer")
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * factor
        optimizer.step()

    def _diverged(self, what: str, player: str) -> TrainingError:
        return TrainingError(
            f"{what} at step {self.step + 1}: training diverged, and stopped before it could spoil what is saved; "
            f"take a smaller {player}_optimizer.lr, or precision fp32"
        )

    def check_finite(self) -> None:
        """To be called before anything is saved or shown, since not every gradient is looked at.

        Raises:
            TrainingError: a weight is no number any more.
        """
        for player, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            if network is not None and not bool(_total_norm(list(network.parameters())).isfinite()):
                raise self._diverged(f"the {player} has weights that are no numbers", player)

    def discriminator_step(self, batch: Batch, fake: Tensor) -> None:
        """One step of the discriminator; the generator's weights are fixed."""
        assert self.discriminator is not None
        settings = self.recipe.loss
        real, fake = batch.real, fake.detach().float()
        regularise = self.step % settings.penalty_every == 0
        r1, r2 = (settings.r1, settings.r2) if regularise else (0.0, 0.0)
        real, fake = real.requires_grad_(r1 > 0), fake.requires_grad_(r2 > 0)
        real_logits, fake_logits = self._judge_both(real, fake, batch.condition)
        aims = losses.targets(settings, len(real_logits), self.rng, self.device, self.team.place)
        loss = self.loss.discriminator(real_logits, fake_logits, aims)
        self.losses["discriminator"] = loss.detach()
        for name, gamma, logits, pictures in (("r1", r1, real_logits, real), ("r2", r2, fake_logits, fake)):
            if gamma:
                penalty = losses.input_gradient_penalty(logits, pictures)
                self.losses[name] = penalty.detach()
                loss = loss + (gamma / 2) * settings.penalty_every * penalty
        if settings.gradient_penalty:
            penalty = losses.interpolation_penalty(
                lambda pictures: self.judge(pictures, batch.condition), real, fake, self.rng, self.team.place
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
        for name, term in self._terms(batch, fake).items():
            self.losses[name] = term.detach()
            loss = loss + settings.weights.get(name, 1.0) * term
        if self.discriminator is not None and settings.adversarial:
            self.discriminator.requires_grad_(False)
            try:
                if self.loss.relativistic:
                    real_logits, fake_logits = self._judge_both(batch.real.detach(), fake, batch.condition)
                else:
                    real_logits, fake_logits = None, self.judge(fake, batch.condition)
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
        self.seen = (batch.real.detach(), fake.detach()) if fake.shape == batch.real.shape else None

    def _terms(self, batch: Batch, fake: Tensor) -> Mapping[str, Tensor]:
        """What the task asks for beside the game; in a team, of the whole batch, since terms may weigh all of it."""
        if not isinstance(batch, Part):
            return self.task.supervised(batch, fake)
        if not self._supervised:
            return {}
        terms = self.task.supervised(batch.whole, self.team.whole(fake.float()))
        # the others' outputs have no gradient here, and the mean over all processes divides this one's
        return {name: term + (self.team.size - 1) * (term - term.detach()) for name, term in terms.items()}

    def _wake(self) -> None:
        """Puts both players into training mode, where something has put them out of it: they are walked only then."""
        for network in (self.generator, self.discriminator):
            if network is not None and not network.training:
                network.train()

    def turn(self, player: str) -> None:
        """One step of one player alone, on a batch of its own; the other one's parameters stay."""
        self._wake()
        batch = self._batch()
        if player == "generator":
            self.generator_step(batch, self.generate(batch))
            return
        with torch.no_grad():
            fake = self.generate(batch)
        self.discriminator_step(batch, fake)

    def round(self) -> None:
        """`d_steps` of the discriminator, then `g_steps` of the generator; `step` counts rounds."""
        recipe = self.recipe
        self.team.stir(recipe.seed, self.step)
        self._wake()
        plays = self.discriminator is not None and recipe.loss.adversarial > 0
        if plays and recipe.reuse_fakes:
            batch = self._batch()
            fake = self.generate(batch)
            self.discriminator_step(batch, fake)
            self.generator_step(batch, fake)
        else:
            for _ in range(recipe.d_steps if plays else 0):
                batch = self._batch()
                with torch.no_grad():
                    fake = self.generate(batch)
                self.discriminator_step(batch, fake)
            for turn in range(recipe.g_steps):
                if not plays or turn:
                    batch = self._batch()
                self.generator_step(batch, self.generate(batch))
        if plays:
            norms = self.signals["generator_gradient_norm"], self.signals["discriminator_gradient_norm"]
            self.signals["gradient_ratio"] = norms[0] / norms[1].clamp_min(1e-12)
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


@torch.no_grad()
def _total_norm(tensors: list[Tensor]) -> Tensor:
    """The 2-norm of all of them together, a scalar; not finite where one of them is not."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))
    return norm


@contextmanager
def _in_a_sentence(player: str, net: Net, batch_size: int) -> Iterator[None]:
    """Turns what PyTorch says of a network that can't work into a sentence; a full memory stays what it is."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        if "allocate memory" in reason:
            raise
        if "more than 1 value per channel" in reason:
            raise RecipeError(
                f"the {player}'s batch norm can't learn from a batch of {batch_size}; set batch_size to 2 or more"
            ) from None
        raise RecipeError(f"{player} {net.name!r} can't work with {player}.args {net.args}: {reason}") from None


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
