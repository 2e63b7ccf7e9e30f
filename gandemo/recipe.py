"""A recipe: everything that defines a training run, frozen, in JSON and out again.

Names of networks, losses, tasks and data sets are plain strings here; whoever holds the dict they point into
checks them, so that reading a recipe never loads torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import cos, isfinite, pi
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gandemo.errors import RecipeError

JsonValue = Any


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Refuses what JSON can't hold: a NaN would come back from recipe.json as nothing at all."""
    for key, value in values.items():
        if not _is_plain(value):
            raise ValueError(f"{key} must be a finite number, text, true, false, a list or an object; got {value!r}")
    return values


def _is_plain(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    return value is None or isinstance(value, str | int)


PlainValues = Annotated[dict[str, JsonValue], AfterValidator(_plain)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Net(_Part):
    """A network by name, with the arguments its class takes beyond those that the task fills in."""

    name: str
    args: PlainValues = Field(default_factory=dict)


class Optimizer(_Part):
    """One player's optimiser, in PyTorch's terms."""

    name: Literal["adam", "adamw", "rmsprop"] = "adam"
    lr: float = Field(2e-4, gt=0, le=1)
    betas: tuple[float, float] = (0.5, 0.999)
    alpha: float = Field(0.99, ge=0, lt=1, description="RMSprop's smoothing constant (rho in Keras)")
    eps: float = Field(1e-8, gt=0)
    weight_decay: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _betas_in_range(self) -> Optimizer:
        if not all(0.0 <= beta < 1.0 for beta in self.betas):
            raise ValueError(f"betas must be at least 0 and below 1, got {list(self.betas)}")
        return self


class Loss(_Part):
    """The game that the two players play, and what else the generator is asked for."""

    gan: str = "bce"
    real_target: float = Field(1.0, ge=0, le=1, description="one-sided label smoothing: 0.9 (Salimans et al. 2016)")
    fake_target: float = Field(0.0, ge=0, le=1)
    target_noise: float = Field(0.0, ge=0, le=0.5, description="half-width of uniform noise on both targets")
    adversarial: float = Field(1.0, ge=0, description="weight of the adversarial term in the generator's loss")
    weights: dict[str, float] = Field(default_factory=dict, description="weights of the task's supervised terms")
    r1: float = Field(0.0, ge=0, description="gamma of the gradient penalty on real data (Mescheder et al. 2018)")
    r2: float = Field(0.0, ge=0, description="gamma of the gradient penalty on generated data")
    penalty_every: int = Field(1, ge=1, description="lazy regularisation: R1 and R2 on every n-th step, n-fold")
    gradient_penalty: float = Field(0.0, ge=0, description="lambda of WGAN-GP (Gulrajani et al. 2017)")
    clip: float = Field(0.0, ge=0, description="bound on the critic's weights (WGAN); 0: none")


class Ema(_Part):
    """The generator that ships: an exponential moving average of the one that trains."""

    half_life: int = Field(10_000, ge=0, description="in images; 0: no average, the trained weights ship")
    ramp_up: float = Field(0.05, ge=0, le=1, description="half-life is at most this share of the images seen")


class Schedule(_Part):
    """The factor on both learning rates over a run."""

    warmup: int = Field(0, ge=0, description="steps of linear rise from 0")
    decay_from: float = Field(1.0, ge=0, le=1, description="share of all steps after which the rate falls")
    final: float = Field(0.0, ge=0, le=1, description="the factor at the last step")
    shape: Literal["linear", "cosine"] = "linear"

    def factor(self, step: int, steps: int) -> float:
        """The factor for 0-based `step` of `steps`."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        start = self.decay_from * steps
        if step < start:
            return 1.0
        done = min((step - start) / max(steps - start, 1.0), 1.0)
        if self.shape == "cosine":
            done = (1 - cos(pi * done)) / 2
        return 1.0 + (self.final - 1.0) * done


class Recipe(_Part):
    """Everything that defines a training run."""

    name: str = Field(min_length=1, pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = ""
    source: str = Field("", description="where the design comes from")
    task: str
    dataset: str
    image_size: int = Field(28, ge=8, le=1024, description="side of the square that the networks work on")
    classes: int = Field(0, ge=0, le=1000, description="0: the networks see no labels")
    latent: int = Field(0, ge=0, le=4096, description="length of the noise vector; 0: none")
    generator: Net
    discriminator: Net | None = None
    loss: Loss = Loss()
    generator_optimizer: Optimizer = Optimizer()
    discriminator_optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    ema: Ema = Ema()
    batch_size: int = Field(64, ge=1, le=4096)
    steps: int = Field(1_000, ge=1, le=10_000_000, description="generator steps")
    d_steps: int = Field(1, ge=1, le=100, description="discriminator steps for each round")
    g_steps: int = Field(1, ge=1, le=100, description="generator steps for each round")
    joint_batch: bool = Field(True, description="the discriminator sees real and fake in one forward pass")
    reuse_fakes: bool = Field(False, description="the generator's step reuses the discriminator step's noise")
    pack: int = Field(1, ge=1, le=8, description="samples the discriminator judges at once (PacGAN)")
    augment: tuple[str, ...] = Field((), description="of the training pictures, by name")
    options: PlainValues = Field(default_factory=dict, description="settings of the task's own")
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = Field(0, ge=0, lt=2**31)
    init: str = Field("", description="checkpoint that the weights start from, by name; empty: drawn from the seed")
    patience: int = Field(0, ge=0, description="evaluations without a better score that end the run; 0: it goes on")
    features: str = Field("", description="checkpoint of the classifier whose features the metrics use")
    log_every: int = Field(20, ge=1)
    sample_every: int = Field(200, ge=1)
    evaluate_every: int = Field(500, ge=1)
    evaluate_samples: int = Field(2_000, ge=10, le=100_000)
    checkpoint_every: int = Field(500, ge=1)

    @model_validator(mode="after")
    def _players_fit(self) -> Recipe:
        if self.discriminator is None and self.loss.adversarial > 0:
            raise ValueError("a recipe without a discriminator needs loss.adversarial 0")
        if self.pack > 1 and self.classes:
            raise ValueError("pack works on recipes without classes: a pack has no single label")
        if self.batch_size % self.pack:
            raise ValueError(f"batch_size {self.batch_size} is not a multiple of pack {self.pack}")
        if self.reuse_fakes and (self.d_steps, self.g_steps) != (1, 1):
            raise ValueError("reuse_fakes needs d_steps 1 and g_steps 1")
        return self

    @classmethod
    def from_dict(cls, values: Mapping[str, JsonValue]) -> Recipe:
        """A recipe from plain values.

        Raises:
            RecipeError: a key is unknown or a value out of range; the message names what would be right.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise RecipeError(_one_sentence(error)) from None

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The inverse of `to_json`.

        Raises:
            RecipeError: the text is no JSON object, or `from_dict` refuses it.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            raise RecipeError("the recipe is not valid JSON; take a recipe.json that gandemo wrote") from None
        if not isinstance(values, dict):
            raise RecipeError("the recipe must be a JSON object; take a recipe.json that gandemo wrote")
        return cls.from_dict(values)

    @classmethod
    def from_file(cls, path: Path) -> Recipe:
        """Reads `recipe.json`.

        Raises:
            RecipeError: the file can't be read, or `from_json` refuses it.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"can't read {path}: {getattr(error, 'strerror', None) or 'not a text file'}") from None
        return cls.from_json(text)

    def to_json(self) -> str:
        """The whole recipe, defaults included, so that a later default changes no old run."""
        return self.model_dump_json(indent=2) + "\n"

    def with_settings(self, settings: Mapping[str, JsonValue]) -> Recipe:
        """A copy with some values changed.

        Args:
            settings: dotted keys to values: `{"batch_size": 32, "loss.r1": 1.0, "generator.args.width": 64}`.

        Raises:
            RecipeError: a key leads nowhere, or a value is out of range.
        """
        values = self.model_dump(mode="json")
        for key, value in settings.items():
            *path, last = key.split(".")
            target: Any = values
            for depth, part in enumerate(path):
                if not isinstance(target, dict) or part not in target:
                    where = ".".join(path[:depth]) or "the recipe"
                    raise RecipeError(f"{where} has no key {part!r}; {_valid_keys(target)}")
                target = target[part]
            if not isinstance(target, dict):
                raise RecipeError(f"{'.'.join(path)} is {target!r} and has no keys of its own")
            target[last] = value
        return Recipe.from_dict(values)


def parse_settings(pairs: list[str]) -> dict[str, JsonValue]:
    """`["batch_size=32", "loss.gan=hinge"]` as a dict; a value is read as JSON where it is JSON, else as text.

    Raises:
        RecipeError: a pair has no `=`.
    """
    settings: dict[str, JsonValue] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise RecipeError(f"--set takes key=value, got {pair!r}")
        try:
            settings[key.strip()] = json.loads(text)
        except ValueError:
            settings[key.strip()] = text
    return settings


def _valid_keys(target: Any) -> str:
    return "valid: " + ", ".join(sorted(target)) if isinstance(target, dict) else "it holds a single value"


_PARTS: dict[str, type[_Part]] = {
    "generator": Net,
    "discriminator": Net,
    "loss": Loss,
    "generator_optimizer": Optimizer,
    "discriminator_optimizer": Optimizer,
    "schedule": Schedule,
    "ema": Ema,
}


def _one_sentence(error: ValidationError) -> str:
    """Pydantic's first complaint, as one sentence that names the valid keys or range."""
    first = error.errors(include_url=False)[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        part = _PARTS.get(place[0]) if len(place) > 1 else Recipe
        keys = ", ".join(sorted(part.model_fields)) if part else "none"
        where = ".".join(place[:-1]) or "a recipe"
        return f"{where} has no key {place[-1]!r}; valid: {keys}"
    if first["type"] == "missing":
        return f"the recipe lacks {'.'.join(place)}"
    reason = first["msg"].removeprefix("Value error, ")
    if not place:
        return reason
    return f"{'.'.join(place)}: {reason[0].lower()}{reason[1:]}, got {first['input']!r}"[:400]
