"""A loaded checkpoint, ready to be asked: for digits, for what it thinks of them, for photos."""

from __future__ import annotations

import copy
import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from gandemo import checkpoint
from gandemo.data import images as im
from gandemo.elsewhere import HUB
from gandemo.errors import RequestError
from gandemo.metrics import Calibration
from gandemo.pipeline import colour, painting
from gandemo.pipeline.hints import Hint
from gandemo.recipe import Recipe
from gandemo.tasks import digits

DEFAULT_CRISP = 0.5
KEPT_BLENDS = 4


@dataclass(frozen=True)
class Samples:
    """Generated pictures.

    Attributes:
        images: uint8 [N, 28, 28].
        labels: int64 [N], the class asked for; -1 where the checkpoint has no classes.
    """

    images: im.Pixels
    labels: npt.NDArray[np.int64]


class Pipeline:
    """A loaded checkpoint. Calls may come from several threads."""

    def __init__(self, source: checkpoint.Checkpoint) -> None:
        """Loads the generator; the discriminator follows at its first use.

        Raises:
            CheckpointError: the weights are damaged or do not fit the recipe.
        """
        self.checkpoint = source
        self.generator = source.generator().requires_grad_(False)
        self._discriminator: nn.Module | None = None
        self._faithful: nn.Module | None = None
        self._blends: OrderedDict[float, nn.Module] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def from_pretrained(cls, source: str | Path, *, token: str | bool | None = None) -> Pipeline:
        """Loads a shipped name, a checkpoint folder, a run's checkpoint (`RUN` or `RUN/step-500`), or a Hub id.

        Args:
            source: what is here comes first; `USER/REPO[@REVISION]` is fetched into the cache of `huggingface_hub`,
                verified, and found there without a network later.
            token: for a Hub id: None or True takes the one of this machine, False none.

        Raises:
            CheckpointError: there is no such checkpoint, or it is damaged.
            HubError: the Hub can't be reached or has no such repository.
        """
        if checkpoint.is_elsewhere(source):
            return cls(HUB["fetch"](source, token))
        return cls(checkpoint.resolve(source))

    def push_to_hub(
        self, repo_id: str, *, private: bool = False, token: str | bool | None = None, commit_message: str = ""
    ) -> str:
        """Makes a model repository of the checkpoint on the Hub, or renews it, in one commit.

        Args:
            repo_id: `USER/REPO`.
            private: nobody else may see it.
            token: None or True takes the one of this machine.
            commit_message: default: the checkpoint's name.

        Returns:
            The address of its page.

        Raises:
            HubError: the Hub can't be reached or refuses; nothing was changed there.
        """
        address: str = HUB["push"](self.checkpoint, repo_id, private, token, commit_message)
        return address

    @property
    def name(self) -> str:
        """The checkpoint's name."""
        return self.checkpoint.name

    @property
    def recipe(self) -> Recipe:
        """What trained it."""
        return self.checkpoint.recipe

    @property
    def metrics(self) -> dict[str, Any]:
        """What was measured, from metrics.json."""
        return self.checkpoint.metrics

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes that can be asked for; empty without classes."""
        names = self.metrics.get("class_names")
        if isinstance(names, list) and len(names) == self.recipe.classes:
            return tuple(str(name) for name in names)
        return tuple(str(index) for index in range(self.recipe.classes))

    def generate(
        self,
        count: int = 64,
        *,
        labels: int | Sequence[int] | None = None,
        seed: int = 0,
        truncation: float = 1.0,
    ) -> Samples:
        """Makes pictures; the same seed gives the same ones, and the first n of many are those of a call for n.

        Args:
            count: 1 to 100,000.
            labels: a class for all or one for each; None: 0, 1, 2 … in turn.
            seed: a whole number from 0.
            truncation: factor on the noise; below 1, more typical and less varied.

        Raises:
            RequestError: a value is out of range, or a class is asked of a checkpoint without classes.
        """
        self._needs("digits")
        images, asked = digits.sample(
            self.recipe, self.generator, count, labels=labels, seed=seed, truncation=truncation
        )
        return Samples(images, np.full(count, -1, np.int64) if asked is None else asked)

    def walk(
        self, start_seed: int, end_seed: int, *, count: int = 1, label: int | None = None, frames: int = 32
    ) -> npt.NDArray[np.uint8]:
        """Pictures on the way between two seeds, along great circles of the latent space.

        Args:
            start_seed: of the first frame.
            end_seed: of the last frame.
            count: pictures that walk at once; as in `generate`, picture i takes class i in turn.
            label: one class for all pictures.
            frames: 2 to 240.

        Returns:
            uint8 [frames, count, 28, 28].

        Raises:
            RequestError: as for `generate`.
        """
        self._needs("digits")
        if not 2 <= frames <= 240:
            raise RequestError(f"a walk takes 2 to 240 frames, got {frames}")
        if not 1 <= count <= 100:
            raise RequestError(f"a walk takes 1 to 100 pictures, got {count}")
        asked = digits.labels_for(self.recipe, count, label)
        starts = digits.noise(self.recipe, count, start_seed)
        ends = digits.noise(self.recipe, count, end_seed)
        paths = np.stack([digits.slerp(a, b, frames) for a, b in zip(starts, ends, strict=True)], axis=1)
        labels = None if asked is None else np.tile(asked, frames)
        return digits.render(self.generator, paths.reshape(frames * count, -1), labels).reshape(frames, count, 28, 28)

    @torch.inference_mode()
    def judge(
        self, images: im.Pixels, labels: int | Sequence[int] | npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float64]:
        """What the discriminator thinks: the probability that each picture is real, float64 [N].

        Its logit, or a critic's score, is turned into a probability by the calibration measured on real test pictures
        and generated ones (Platt scaling, in metrics.json); 0.5 means undecided.

        Args:
            images: uint8 [N, 28, 28].
            labels: the class each picture is meant to be; needed where the checkpoint has classes.

        Raises:
            RequestError: the checkpoint has no discriminator or no calibration, or a class is missing.
        """
        self._needs("digits")
        scores = self.scores(images, labels)
        calibration = self._calibration()
        if calibration is None:
            raise RequestError(f"{self.name} was not calibrated yet; run: python -m gandemo publish {self.name} NAME")
        return np.asarray(calibration.probability(torch.from_numpy(scores)), np.float64)

    @torch.inference_mode()
    def scores(
        self, images: im.Pixels, labels: int | Sequence[int] | npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.float64]:
        """The discriminator's raw logits, float64 [N]; arguments and errors as for `judge`.

        A packing discriminator is shown copies of the same picture.
        """
        if self.recipe.classes and labels is None:
            raise RequestError(f"{self.name} judges a picture as one of its classes; say which class it is meant to be")
        if not len(images):
            return np.empty(0)
        asked = digits.labels_for(self.recipe, len(images), labels) if self.recipe.classes else None  # type: ignore[arg-type]
        network = self._load_discriminator()
        scores = []
        for start in range(0, len(images), 250):
            part = slice(start, start + 250)
            pictures = im.pad_to(im.to_signed(torch.from_numpy(images[part]))[:, None], self.recipe.image_size)
            pictures = pictures.repeat_interleave(self.recipe.pack, dim=0)
            condition = () if asked is None else (torch.from_numpy(asked[part]),)
            scores.append(network(pictures, *condition).double())
        return torch.cat(scores).numpy()

    def colorize(
        self,
        photo: im.Photo,
        *,
        strength: float = 1.0,
        hints: Sequence[Hint] = (),
        progress: painting.Progress | None = None,
    ) -> im.Photo:
        """Gives a photo colour; its own lightness stays as it is, at full size.

        Args:
            photo: grey or not; the colour that it has is not looked at.
            strength: 0 (grey) to 1.5, a factor on the colour.
            hints: dabs of colour that their regions follow.
            progress: called with what is done and the total.

        Raises:
            RequestError: a value is out of range, or hints are given to a checkpoint that was trained without.
        """
        self._needs("colorize")
        return colour.colorize(self.recipe, self.generator, photo, strength=strength, hints=hints, progress=progress)

    def enhance(
        self,
        photo: im.Photo,
        *,
        strength: float = 1.0,
        crisp: float | None = None,
        scale: int = 1,
        progress: painting.Progress | None = None,
    ) -> im.Photo:
        """Takes blur, noise and JPEG's traces out of a photo.

        Args:
            photo: of any size.
            strength: 0 (as it was) to 1.
            crisp: 0 (faithful, as L1 leaves it) to 1 (as the adversarial stage does); None: `default_crisp`.
            scale: 1, 2 or 4 times as wide and high.
            progress: called with the tiles that are done and their number.

        Raises:
            RequestError: a value is out of range, or the checkpoint lacks the end that `crisp` asks for.
        """
        self._needs("enhance")
        network = self._between_ends(self.default_crisp if crisp is None else crisp)
        return painting.enhance(network, photo, strength=strength, scale=scale, progress=progress)

    @property
    def can_blend(self) -> bool:
        """Whether `enhance` takes any `crisp`: there are both the faithful and the adversarial weights."""
        return self.recipe.task == "enhance" and self.recipe.loss.adversarial > 0 and self.checkpoint.has_both_ends

    @property
    def default_crisp(self) -> float:
        """`crisp` in metrics.json, else the middle; of a checkpoint with one end, that end."""
        if not self.can_blend:
            return 1.0 if self.recipe.loss.adversarial > 0 else 0.0
        stored = self.metrics.get("crisp")
        known = isinstance(stored, (int, float)) and 0.0 <= stored <= 1.0
        return float(stored) if known else DEFAULT_CRISP  # type: ignore[arg-type]

    def _between_ends(self, crisp: float) -> nn.Module:
        """The network whose weights lie between the faithful ones and the adversarial ones; the last few are kept."""
        if not 0.0 <= crisp <= 1.0:
            raise RequestError(f"crisp must be from 0 (faithful) to 1 (crisp), got {crisp:g}")
        if math.isclose(crisp, 1.0 if self.recipe.loss.adversarial > 0 else 0.0, abs_tol=1e-9):
            return self.generator
        if not self.can_blend:
            missing = "faithful" if self.recipe.loss.adversarial > 0 else "crisp"
            raise RequestError(f"{self.name} has no {missing} end; leave crisp as it is, or choose another checkpoint")
        key = round(crisp, 3)
        with self._lock:
            if self._faithful is None:
                self._faithful = self.checkpoint.faithful()
                assert self._faithful is not None
                self._faithful.requires_grad_(False)
            if key not in self._blends:
                self._blends[key] = blend(self._faithful, self.generator, key)
                while len(self._blends) > KEPT_BLENDS:
                    self._blends.popitem(last=False)
            self._blends.move_to_end(key)
            return self._blends[key]

    def inpaint(self, photo: im.Photo, mask: Image.Image, *, progress: painting.Progress | None = None) -> im.Photo:
        """Paints in what a mask marks; every other pixel stays as it is.

        Args:
            photo: of any size.
            mask: grey or black-and-white, of the photo's size; what is not 0 is painted in.
            progress: called with what is done and the total.

        Raises:
            RequestError: the mask has another size, or marks nothing or everything.
        """
        self._needs("inpaint")
        return painting.inpaint(self.generator, photo, mask, progress=progress)

    @property
    def can_judge(self) -> bool:
        """Whether `judge` works: there is a discriminator, and its calibration was measured."""
        return self.checkpoint.has_discriminator and self._calibration() is not None

    def _calibration(self) -> Calibration | None:
        """The one in metrics.json; None where it is missing or damaged."""
        stored = self.metrics.get("calibration")
        try:
            return Calibration(scale=float(stored["scale"]), offset=float(stored["offset"])) if stored else None
        except (KeyError, TypeError, ValueError, OverflowError, RequestError):
            return None

    def _load_discriminator(self) -> nn.Module:
        with self._lock:
            if self._discriminator is None:
                network = self.checkpoint.discriminator()
                if network is None:
                    raise RequestError(f"{self.name} came without its discriminator; choose another checkpoint")
                self._discriminator = network.requires_grad_(False)
            return self._discriminator

    def _needs(self, task: str) -> None:
        if self.recipe.task != task:
            raise RequestError(f"{self.name} is a checkpoint for {self.recipe.task}, not for {task}; choose another")


def blend(faithful: nn.Module, crisp: nn.Module, share: float) -> nn.Module:
    """A network whose weights lie on the straight line between those of two (Wang et al. 2018, arXiv:1809.00219).

    Args:
        faithful: share 0.
        crisp: share 1, trained from `faithful`, so that what lies between works, too.
        share: 0 to 1.
    """
    between = copy.deepcopy(faithful)
    ends = faithful.state_dict(), crisp.state_dict()
    between.load_state_dict(
        {
            name: torch.lerp(weights, ends[1][name], share) if weights.is_floating_point() else ends[1][name]
            for name, weights in ends[0].items()
        }
    )
    return between
