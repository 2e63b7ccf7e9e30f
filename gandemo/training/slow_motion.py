"""The game in slow motion: two players of digits, moved one batch at a time by hand, and what each makes of the other.

A session stands beside a run and never writes into it: the run goes on from where it was.
"""

from __future__ import annotations

import copy
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gandemo import checkpoint
from gandemo.data import datasets
from gandemo.data import images as im
from gandemo.errors import RequestError, TrainingError
from gandemo.metrics import fit_probability
from gandemo.metrics.calibration import Calibration
from gandemo.recipe import Recipe
from gandemo.tasks import digits
from gandemo.training import runs, state
from gandemo.training.trainer import Trainer, default_device, start_from

Player = Literal["generator", "discriminator", "both"]
PLAYERS: tuple[Player, ...] = ("generator", "discriminator", "both")

COLUMNS = 10
FAKES, REALS = 20, 10  # shown
CROWD = 128  # of each side, whose mean verdict is told
TURNS_AT_ONCE = 50
TURNS = 3_000
PEOPLE = 3  # at a time
IDLE = 15 * 60.0  # seconds after which a session ends
PATIENCE = 90.0  # seconds that an unused session is kept when somebody else wants its place


@dataclass(frozen=True)
class View:
    """How the game stands.

    Attributes:
        fakes: what the generator makes of the same noise as ever, uint8 [N, 28, 28].
        fake_verdicts: probability of real that the discriminator gives each, [N].
        gradients: where each pixel should be brighter (above 0) or darker (below) to look more real to it,
            float32 [N, 28, 28]; 1 is the strongest that was felt when the session began.
        reals: real pictures, uint8 [M, 28, 28].
        real_verdicts: [M].
        labels: the class asked for of each fake, [N]; None without classes.
        class_names: of the labels.
        real_mean: mean verdict on many real pictures.
        fake_mean: mean verdict on many generated ones.
        push: how strong the gradient is as a whole, against the beginning of the session.
        turns: how often each player has learned since then.
    """

    fakes: npt.NDArray[np.uint8]
    fake_verdicts: npt.NDArray[np.float64]
    gradients: npt.NDArray[np.float32]
    reals: npt.NDArray[np.uint8]
    real_verdicts: npt.NDArray[np.float64]
    labels: list[int] | None
    class_names: tuple[str, ...]
    real_mean: float
    fake_mean: float
    push: float
    turns: Mapping[str, int]


class Session:
    """Two players and what is shown of them."""

    def __init__(
        self, trainer: Trainer, reals: Tensor, labels: Tensor, names: tuple[str, ...], known: Any = None
    ) -> None:
        """Takes the players as they are.

        Args:
            trainer: of a recipe with a discriminator, for the task digits.
            reals: real pictures that were not trained on, uint8 [N, 1, 28, 28], at least CROWD.
            labels: of them, int64 [N].
            names: of the classes.
            known: the discriminator's calibration, where one was measured.

        Raises:
            RequestError: there is nobody to play against.
        """
        recipe = trainer.recipe
        if recipe.task != "digits" or trainer.discriminator is None:
            raise RequestError(f"{recipe.name} has no game of two players to look at; choose a training of digits")
        self.trainer, self.names = trainer, names
        # the rates of the beginning: at the end of a run hardly anything would move
        trainer.recipe = recipe.with_settings({"schedule.warmup": 0, "schedule.decay_from": 1.0})
        self.turns = {"generator": 0, "discriminator": 0}
        shown, crowd = (_multiple(count, recipe.pack) for count in (FAKES, CROWD))
        self._noise = torch.from_numpy(digits.noise(recipe, crowd, seed=0)).to(trainer.device)
        asked = digits.labels_for(recipe, crowd, None)
        self._asked = None if asked is None else torch.from_numpy(asked).to(trainer.device)
        self._shown = shown
        order = torch.argsort(labels[:2_000], stable=True) if len(labels) else torch.arange(0)
        spread = order[torch.linspace(0, len(order) - 1, crowd).long()]
        self._reals, self._real_labels = reals[spread], labels[spread]
        self._first = self._snapshot()
        self._calibration = known or self._calibrate()
        self._strongest, self._push = 1.0, 1.0
        strongest, push = self._gradients()[1:]
        self._strongest, self._push = strongest or 1.0, push or 1.0

    def move(self, player: Player, count: int) -> None:
        """Lets one player, or both in turn, learn from so many batches.

        Raises:
            RequestError: there is no such player, or the count is out of range.
            TrainingError: the game diverged; it stands as before that step.
        """
        if player not in PLAYERS:
            raise RequestError(f"the player must be one of {', '.join(PLAYERS)}, got {str(player)[:40]!r}")
        if not 1 <= count <= TURNS_AT_ONCE:
            raise RequestError(f"the batches must be from 1 to {TURNS_AT_ONCE}, got {count}")
        if sum(self.turns.values()) + count > TURNS:
            raise RequestError(f"{TURNS:,} batches were looked at by now; start over, or train a run for more")
        for _ in range(count):
            if player == "both":
                self.trainer.round()
                self.turns["generator"] += 1
                self.turns["discriminator"] += 1
            else:
                self.trainer.turn(player)
                self.turns[player] += 1

    def set_pace(self, factor: float) -> None:
        """Makes both players learn in larger or smaller steps than their recipe says.

        Raises:
            RequestError: the factor is out of range.
        """
        if not 0.1 <= factor <= 30:
            raise RequestError(f"the pace must be from 0.1 to 30, got {factor:g}")
        rates = {
            f"{player}_optimizer.lr": min(1.0, factor * getattr(self._recipe, f"{player}_optimizer").lr)
            for player in ("generator", "discriminator")
        }
        self.trainer.recipe = self._recipe.with_settings(rates)

    def start_over(self) -> None:
        """Puts both players back to where they were when the session began."""
        for name, network in self.trainer.networks.items():
            network.load_state_dict(self._first["networks"][name])
        for name, optimizer in self.trainer.optimizers.items():
            optimizer.load_state_dict(copy.deepcopy(self._first["optimizers"][name]))
        self.trainer.rng.set_state(self._first["rng"])
        self.trainer.step, self.trainer.source.drawn = self._first["step"], self._first["drawn"]
        self.turns = {"generator": 0, "discriminator": 0}

    def view(self) -> View:
        """How the game stands; looking changes nothing."""
        gradients, _, push = self._gradients()
        fakes, reals = self._fakes(), self._prepared()
        fake_verdicts, real_verdicts = self._verdicts(fakes, self._asked), self._verdicts(reals, self._real_condition())
        shown, few = self._shown, _multiple(REALS, self.trainer.recipe.pack)
        apart = torch.linspace(0, len(reals) - 1, few).long()
        return View(
            fakes=im.to_pixels(im.crop_to(fakes[:shown], digits.SIZE))[:, 0].cpu().numpy(),
            fake_verdicts=fake_verdicts[:shown],
            gradients=gradients[:shown],
            reals=self._reals[apart, 0].numpy(),
            real_verdicts=real_verdicts[apart.numpy()],
            labels=None if self._asked is None else self._asked[:shown].tolist(),
            class_names=self.names,
            real_mean=float(real_verdicts.mean()),
            fake_mean=float(fake_verdicts.mean()),
            push=push,
            turns=dict(self.turns),
        )

    # --- inside -------------------------------------------------------------------------------------------

    @property
    def _recipe(self) -> Recipe:
        recipe: Recipe = self._first["recipe"]
        return recipe

    def _snapshot(self) -> dict[str, Any]:
        trainer = self.trainer
        return {
            "recipe": trainer.recipe,
            "networks": {name: copy.deepcopy(network.state_dict()) for name, network in trainer.networks.items()},
            "optimizers": {name: copy.deepcopy(each.state_dict()) for name, each in trainer.optimizers.items()},
            "rng": trainer.rng.get_state(),
            "step": trainer.step,
            "drawn": trainer.source.drawn,
        }

    def _real_condition(self) -> Tensor | None:
        return None if self._asked is None else self._real_labels.to(self.trainer.device)

    def _prepared(self) -> Tensor:
        return im.pad_to(im.to_signed(self._reals), self.trainer.recipe.image_size).to(self.trainer.device)

    @torch.no_grad()
    def _fakes(self) -> Tensor:
        """[CROWD, 1, S, S] by the generator that plays, not by its average: a step must be seen."""
        generator = self.trainer.generator.eval()
        fakes: Tensor = generator(self._noise) if self._asked is None else generator(self._noise, self._asked)
        return fakes.float()

    def _logits(self, pictures: Tensor, condition: Tensor | None) -> Tensor:
        judge = self.trainer.discriminator
        assert judge is not None
        judge.eval()
        logits: Tensor = judge(pictures) if condition is None else judge(pictures, condition)
        return logits.float()

    @torch.no_grad()
    def _verdicts(self, pictures: Tensor, condition: Tensor | None) -> npt.NDArray[np.float64]:
        """The probability of real of each; pictures that are judged together have the same."""
        verdicts = self._calibration.probability(self._logits(pictures, condition).cpu())
        found: npt.NDArray[np.float64] = verdicts.repeat_interleave(self.trainer.recipe.pack).double().numpy()
        return found

    @torch.no_grad()
    def _calibrate(self) -> Calibration:
        """How a logit is read as a probability, held fast for the session, so that a step is seen in the verdicts."""
        if self.trainer.recipe.loss.gan == "bce":
            return Calibration(1.0, 0.0)  # its logits are log-odds
        real = self._logits(self._prepared(), self._real_condition())
        fake = self._logits(self._fakes(), self._asked)
        fitted = fit_probability(real, fake)
        if fitted.scale > 0.05:
            return fitted
        both = torch.cat([real, fake])  # it knows nothing yet: any verdict is as good, and about a half is honest
        scale = 1.0 / max(float(both.std()), 1e-3)
        return Calibration(min(scale, 4.0), -min(scale, 4.0) * float(both.mean()))

    def _gradients(self) -> tuple[npt.NDArray[np.float32], float, float]:
        """The gradient at the generator's pixels against the strongest one, that one, and the whole push."""
        trainer = self.trainer
        fakes = self._fakes().requires_grad_(True)
        judge = trainer.discriminator
        assert judge is not None
        judge.requires_grad_(False)
        try:
            logits = self._logits(fakes, self._asked)
            real = (
                self._logits(self._prepared(), self._real_condition()).detach() if trainer.loss.relativistic else None
            )
            loss = trainer.loss.generator(real, logits) * len(logits)  # of each picture alone, not of their mean
            (gradient,) = torch.autograd.grad(loss, fakes)
        finally:
            judge.requires_grad_(True)
        wanted = -im.crop_to(gradient, digits.SIZE)[:, 0].cpu()
        strongest = float(wanted.abs().flatten(1).quantile(0.995, dim=1).max())
        push = float(wanted.square().mean().sqrt())
        return (wanted / self._strongest).numpy(), strongest, push / self._push


def _multiple(count: int, pack: int) -> int:
    return -(-count // pack) * pack


def open_session(source: str, *, fresh: bool = False) -> Session:
    """A session of a run that is not training, from its last saved state, or of a checkpoint with both its players.

    Args:
        source: a run's id, RUN/CHECKPOINT, or the name of a checkpoint.
        fresh: with its recipe alone, from the very beginning.

    Raises:
        GanDemoError: there is no such thing, it trains, or it has no game of two players.
    """
    run, _, step = source.partition("/")
    folder = runs.runs_home() / run
    is_run = bool(checkpoint.NAME.match(run)) and (folder / "recipe.json").is_file()
    if fresh:
        recipe = runs.summarise(folder).recipe if is_run else checkpoint.resolve(source).recipe
        trainer, known = _trainer(recipe), None
    elif is_run and not step and state.state_folders(folder / "state"):
        found = runs.summarise(folder)
        if found.state in runs.ACTIVE:
            raise TrainingError(f"{run} is {found.state}; pause it first, and let it go on afterwards")
        trainer, known = _trainer(found.recipe), None
        trainer.step, scalars = state.load_state(
            folder / "state", trainer.networks, trainer.optimizers, {"noise": trainer.rng}
        )
        trainer.source.drawn = scalars["drawn"]
    else:
        chosen = checkpoint.resolve(source)
        if not chosen.has_discriminator:
            raise RequestError(f"{source} came without its discriminator, so there is nobody to play against")
        trainer = _trainer(chosen.recipe)
        start_from(trainer, chosen)
        measured = chosen.metrics.get("calibration")
        known = Calibration(float(measured["scale"]), float(measured["offset"])) if isinstance(measured, dict) else None
    held_out = datasets.load(trainer.recipe.dataset, "validation")
    return Session(trainer, held_out.images, held_out.labels, tuple(held_out.class_names), known)


def _trainer(recipe: Recipe) -> Trainer:
    if recipe.task != "digits" or recipe.discriminator is None:
        raise RequestError(f"{recipe.name} has no game of two players to look at; choose a training of digits")
    return Trainer(recipe, datasets.load(recipe.dataset, "train"), default_device())


class Sessions:
    """The sessions of a server: few at a time, each for a while, known by an id that only its browser has."""

    def __init__(self, places: int = PEOPLE, idle: float = IDLE, patience: float = PATIENCE) -> None:
        self.places, self.idle, self.patience = places, idle, patience
        self._open: OrderedDict[str, tuple[Session, float]] = OrderedDict()
        self._lock = threading.Lock()
        self.playing = threading.Lock()  # one move at a time, whoever asks: it takes all cores

    def begin(self, source: str, *, fresh: bool = False) -> str:
        """Opens a session, as `open_session` does, and returns its id.

        Raises:
            GanDemoError: as `open_session`; or all places are taken.
        """
        with self.playing:  # the place is looked for in here, too: many may ask for the last one at once
            self._make_room()
            session = open_session(source, fresh=fresh)
            name = secrets.token_hex(16)
            with self._lock:
                self._open[name] = session, time.monotonic()
        return name

    def find(self, name: object) -> Session:
        """The session of that id.

        Raises:
            RequestError: it has ended.
        """
        with self._lock:
            found = self._open.get(str(name))
            if found is None:
                raise RequestError("this game has ended, since nobody moved for a while; open it again")
            self._open[str(name)] = found[0], time.monotonic()
            return found[0]

    def end(self, name: object) -> None:
        """Ends a session; a second time does nothing."""
        with self._lock:
            self._open.pop(str(name), None)

    def _make_room(self) -> None:
        now = time.monotonic()
        with self._lock:
            for name, (_, used) in list(self._open.items()):
                if now - used > self.idle:
                    del self._open[name]
            if len(self._open) < self.places:
                return
            oldest = min(self._open, key=lambda name: self._open[name][1])
            if now - self._open[oldest][1] < self.patience:
                raise RequestError(f"{self.places} others are at it; try again in a minute or two")
            del self._open[oldest]


__all__ = ["PLAYERS", "Player", "Session", "Sessions", "View", "open_session"]
