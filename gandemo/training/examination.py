"""The examination of a run for the doctor: does it know its training pictures by heart, or what pictures are like?

A few pictures that were trained on and as many that were not go through both players. Nothing of it touches the
training: no weight, no running mean, no random number.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from gandemo.data import images as im
from gandemo.tasks import Batch, Pictures
from gandemo.training import signals
from gandemo.training.trainer import Trainer

PIXELS = 2**19  # in all pictures of one side together
MOST = 256  # pictures of one side
PART = 32  # that go through a network at a time
FEW = 16  # pictures of one side below which a mean says little
COPIES = 64  # generated pictures whose nearest training pictures are looked up
SEED = 5


class Examination:
    """Looks at a trainer now and then, always with the same pictures."""

    def __init__(self, trainer: Trainer, held_out: Pictures) -> None:
        """Takes the trainer; the pictures are prepared at the first look."""
        self.trainer, self.held_out = trainer, held_out

    @cached_property
    def _batches(self) -> dict[str, list[Batch]]:
        """The pictures of both sides, in parts; none where there are too few."""
        recipe, device = self.trainer.recipe, self.trainer.device
        rng = torch.Generator().manual_seed(SEED)
        sides = {"training": self.trainer.source.pictures, "held_out": self.held_out}
        count = min(MOST, max(PART, PIXELS // recipe.image_size**2), *map(len, sides.values()))
        count -= count % recipe.pack
        found: dict[str, list[Batch]] = {}
        for side, pictures in sides.items():
            chosen = torch.randperm(len(pictures), generator=rng)[:count]
            found[side] = []
            for part in chosen.split(PART - PART % recipe.pack):
                images, labels = pictures.take(part, rng)
                found[side].append(self.trainer.task.prepare(recipe, images, labels.to(device), rng))
        return found if count > 1 else {}

    @property
    def _count(self) -> int:
        """Pictures of one side."""
        return sum(len(batch.real) for batch in self._batches.get("held_out", []))

    def look(self) -> dict[str, float]:
        """What is found.

        Returns:
            training_logit, held_out_logit, generated_logit: what the discriminator says of pictures that were trained
                on, of others, and of generated ones.
            overfitting: how far it takes pictures that were not trained on for generated ones, 0 to 1 (Karras et al.
                2020, arXiv:2006.06676, r_v); only where it tells training pictures from generated ones at all, and
                there are enough pictures of both sides.
            training_loss, held_out_loss: what the generator is asked for beside the game.
            copied: the distance from a generated picture to the nearest training picture, over the same of pictures
                that were not trained on; about 1: as new as real ones, near 0: copies. Only of pictures from noise.
        """
        trainer, figures = self.trainer, {}
        players = [network for network in (trainer.generator, trainer.discriminator) if network is not None]
        modes = [network.training for network in players]
        for network in players:
            network.eval()
        try:
            with torch.no_grad():
                figures = self._through_the_players()
                if trainer.recipe.latent and self._batches:
                    figures["copied"] = self._copied()
        finally:
            for network, mode in zip(players, modes, strict=True):
                network.train(mode)
        return {key: round(value, 6) for key, value in figures.items()}

    def _through_the_players(self) -> dict[str, float]:
        trainer, recipe = self.trainer, self.trainer.recipe
        rng = torch.Generator().manual_seed(SEED + 1)
        plays = trainer.discriminator is not None and recipe.loss.adversarial > 0
        found: dict[str, list[Tensor]] = {}
        for side, batches in self._batches.items():
            for batch in batches:
                fake = trainer.generate(batch, rng)
                terms = trainer.task.supervised(batch, fake)
                if terms:
                    weighed = [recipe.loss.weights.get(name, 1.0) * float(term) for name, term in terms.items()]
                    found.setdefault(f"{side}_loss", []).append(torch.tensor([sum(weighed)]))
                if plays:
                    found.setdefault(f"{side}_logit", []).append(trainer.judge(batch.real, batch.condition))
                    if side == "training":
                        found.setdefault("generated_logit", []).append(trainer.judge(fake, batch.condition))
        figures = {name: float(torch.cat(values).mean()) for name, values in found.items()}
        if plays and figures:
            wide = figures["training_logit"] - figures["generated_logit"]
            spread = float(torch.cat(found["training_logit"]).std())
            if wide > 0.1 * max(spread, 1e-6) and self._count >= FEW:
                figures["overfitting"] = (figures["training_logit"] - figures["held_out_logit"]) / wide
        return figures

    def _copied(self) -> float:
        trainer = self.trainer
        rng, shipped = torch.Generator().manual_seed(SEED + 2), trainer.shipped
        mode = shipped.training
        shipped.eval()
        fakes = torch.cat([trainer.generate(batch, rng, shipped) for batch in self._batches["training"]])[:COPIES]
        shipped.train(mode)
        training = trainer.source.pictures.images
        fakes = im.crop_to(fakes.float(), training.shape[-1])
        return signals.to_nearest(fakes, training) / max(self._as_far, 1e-6)

    @cached_property
    def _as_far(self) -> float:
        """The same distance of pictures that were held out."""
        chosen = torch.linspace(0, len(self.held_out) - 1, min(COPIES, len(self.held_out))).long()
        images, _ = self.held_out.take(chosen, torch.Generator().manual_seed(SEED))
        return signals.to_nearest(im.to_signed(images), self.trainer.source.pictures.images)
