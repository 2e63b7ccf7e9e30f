"""Both players: each alone at its turn, the average that follows, and every recipe for two rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import tiny
import torch
from torch import Tensor, nn

from gandemo.recipes import RECIPES
from gandemo.tasks import Batch
from gandemo.training import losses
from gandemo.training.trainer import Trainer, wants_bf16

GAMES = [name for name in tiny.TINY if name != "classifier"]


@pytest.fixture(autouse=True)
def _tiny_data(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    tiny.add_dataset(monkeypatch)


# --- whose turn it is -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GAMES)
def test_each_player_moves_alone(name: str) -> None:
    trainer = tiny.trainer(tiny.TINY[name])
    batch, fake = tiny.deal(trainer)
    generator, discriminator = tiny.weights(trainer.generator), tiny.weights(trainer.discriminator)
    trainer.discriminator_step(batch, fake)
    assert tiny.equal(tiny.weights(trainer.generator), generator)
    assert all(parameter.grad is None for parameter in trainer.generator.parameters())
    moved = tiny.weights(trainer.discriminator)
    assert not tiny.equal(moved, discriminator)
    assert trainer.discriminator is not None
    gradients = [p.grad.clone() for p in trainer.discriminator.parameters() if p.grad is not None]
    trainer.generator_step(batch, fake)
    assert tiny.equal(tiny.weights(trainer.discriminator), moved)
    assert tiny.equal([p.grad for p in trainer.discriminator.parameters() if p.grad is not None], gradients)
    assert not tiny.equal(tiny.weights(trainer.generator), generator)
    assert all(parameter.requires_grad for parameter in trainer.discriminator.parameters())


def test_generator_steps_raise_what_the_discriminator_says_of_fakes() -> None:
    trainer = tiny.trainer(tiny.DIGITS.with_settings({"generator_optimizer.lr": 0.01}))
    assert trainer.discriminator is not None
    trainer.discriminator.eval()  # its spectral norms hold still
    batch, _ = tiny.deal(trainer)
    torch.manual_seed(0)
    noise = torch.randn(16, 8)

    def verdict() -> float:
        with torch.no_grad():
            return float(trainer.discriminator(trainer.generator(noise, batch.labels), batch.labels).mean())

    before = verdict()
    for _ in range(5):
        trainer.generator_step(batch, trainer.generator(noise, batch.labels))
    assert verdict() > before


def test_discriminator_steps_tell_real_from_fake() -> None:
    trainer = tiny.trainer(tiny.DIGITS.with_settings({"discriminator_optimizer.lr": 0.01}))
    for _ in range(20):
        trainer.discriminator_step(*tiny.deal(trainer))
    assert trainer.signals["real_logit"] > trainer.signals["fake_logit"] + 0.5
    assert trainer.signals["real_accuracy"] == trainer.signals["fake_accuracy"] == 1.0


def spy(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Tensor, Tensor]]:
    """Every step in turn, with its real pictures and its fakes."""
    turns: list[tuple[str, Tensor, Tensor]] = []

    def watch(player: str, step: Callable[[Batch, Tensor], None]) -> Callable[[Batch, Tensor], None]:
        def watched(batch: Batch, fake: Tensor) -> None:
            turns.append((player, batch.real.detach().clone(), fake.detach().clone()))
            step(batch, fake)

        return watched

    for player in ("discriminator", "generator"):
        name = f"{player}_step"
        monkeypatch.setattr(trainer, name, watch(player[0], getattr(trainer, name)))
    return turns


@pytest.mark.parametrize(("d_steps", "g_steps"), [(1, 1), (5, 1), (1, 3), (2, 2)])
def test_rounds_count_steps_of_both(monkeypatch: pytest.MonkeyPatch, d_steps: int, g_steps: int) -> None:
    recipe = tiny.DIGITS.with_settings({"reuse_fakes": False, "d_steps": d_steps, "g_steps": g_steps})
    trainer = tiny.trainer(recipe)
    turns = spy(trainer, monkeypatch)
    trainer.round()
    trainer.round()
    assert "".join(player for player, _, _ in turns) == 2 * ("d" * d_steps + "g" * g_steps)
    assert trainer.step == 2
    assert trainer.source.drawn == 2 * (d_steps + g_steps - 1)
    fakes = [fake for _, _, fake in turns]
    assert not any(torch.equal(one, two) for one, two in pairwise(fakes))
    of_critic = [real for player, real, _ in turns if player == "d"]
    assert not any(torch.equal(one, two) for one, two in pairwise(of_critic))


def test_reused_fakes_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for reuse, made in ((True, 1), (False, 2)):
        trainer = tiny.trainer(tiny.DIGITS.with_settings({"reuse_fakes": reuse}))
        calls: list[int] = []
        trainer.generator.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        turns = spy(trainer, monkeypatch)
        trainer.round()
        assert len(calls) == made
        assert torch.equal(turns[0][2], turns[1][2]) is reuse
        assert torch.equal(turns[0][1], turns[1][1])  # the same real pictures either way


def test_a_pack_is_judged_at_once() -> None:
    seen: list[tuple[int, ...]] = []

    def discriminator(real: Tensor, fake: Tensor, aims: losses.Targets) -> Tensor:
        seen.append((len(real), len(fake), len(aims.real)))
        return fake.mean() - real.mean()

    recipe = tiny.DIGITS.with_settings({"classes": 0, "pack": 4, "loss.gan": "wasserstein"})
    trainer = tiny.trainer(recipe)
    trainer.loss = replace(trainer.loss, discriminator=discriminator)
    trainer.round()
    assert seen == [(4, 4, 4)]


@pytest.mark.parametrize("joint", [True, False])
def test_one_pass_or_two(joint: bool) -> None:
    trainer = tiny.trainer(tiny.TINY["conv"].with_settings({"joint_batch": joint}))
    sizes: list[int] = []
    assert trainer.discriminator is not None
    trainer.discriminator.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    trainer.discriminator_step(*tiny.deal(trainer))
    assert sizes == ([32] if joint else [16, 16])


def test_one_pass_gives_each_side_its_own_logits() -> None:
    trainer = tiny.trainer(tiny.DIGITS)
    assert trainer.discriminator is not None
    trainer.discriminator.eval()
    batch, fake = tiny.deal(trainer)
    seen: list[Tensor] = []

    def discriminator(real: Tensor, fake: Tensor, aims: losses.Targets) -> Tensor:
        seen.extend([real.detach(), fake.detach()])
        return fake.mean() - real.mean()

    trainer.loss = replace(trainer.loss, discriminator=discriminator)
    with torch.no_grad():
        expected = [trainer.discriminator(pictures, batch.condition) for pictures in (batch.real, fake)]
    trainer.discriminator_step(batch, fake)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(seen, expected, strict=True))


def test_weights_are_clipped() -> None:
    trainer = tiny.trainer(RECIPES["wgan"].with_settings({**tiny.SHORT, "discriminator.args.widths": [16]}))
    assert max(float(weight.abs().max()) for weight in tiny.weights(trainer.discriminator)) > 0.01
    trainer.round()
    assert max(float(weight.abs().max()) for weight in tiny.weights(trainer.discriminator)) == pytest.approx(0.01)


def test_lazy_penalties_keep_their_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    """On every third step alone, and three-fold there."""
    plain = tiny.TINY["relativistic"].with_settings({"loss.r1": 0.0, "loss.r2": 0.0})
    gradients: dict[str, list[Tensor]] = {}
    settings = {"plain": (plain, 0), "r1": (plain.with_settings({"loss.r1": 1.0, "loss.penalty_every": 1}), 0)}
    lazy = plain.with_settings({"loss.r1": 1.0, "loss.penalty_every": 3})
    for name, (recipe, step) in {**settings, "lazy": (lazy, 3), "rest": (lazy, 4)}.items():
        trainer = tiny.trainer(recipe)
        trainer.step = step
        trainer.discriminator_step(*tiny.deal(trainer))
        assert trainer.discriminator is not None
        gradients[name] = [p.grad.clone() for p in trainer.discriminator.parameters() if p.grad is not None]
    for plain_, each, lazy_, rest in zip(*(gradients[name] for name in ("plain", "r1", "lazy", "rest")), strict=True):
        assert torch.allclose(lazy_ - plain_, 3 * (each - plain_), atol=1e-5)
        assert torch.equal(rest, plain_)
    assert any(not torch.equal(a, b) for a, b in zip(gradients["r1"], gradients["plain"], strict=True))


def test_penalties_are_told_of() -> None:
    trainer = tiny.trainer(tiny.TINY["relativistic"])
    trainer.round()
    assert {"discriminator", "generator", "r1", "r2"} == set(trainer.losses)
    trainer = tiny.trainer(tiny.TINY["wgan-gp"])
    trainer.round()
    assert {"discriminator", "generator", "gradient_penalty"} == set(trainer.losses)


def test_the_schedule_sets_both_rates() -> None:
    recipe = tiny.DIGITS.with_settings(
        {"schedule.warmup": 2, "schedule.decay_from": 0.5, "discriminator_optimizer.lr": 4e-3}
    )
    trainer = tiny.trainer(recipe)
    rates = []
    for _ in range(6):
        trainer.round()
        rates.append([trainer.optimizers[player].param_groups[0]["lr"] for player in ("generator", "discriminator")])
    factors = [0.5, 1, 1, 1, 2 / 3, 1 / 3]
    assert rates == [pytest.approx([1e-3 * factor, 4e-3 * factor]) for factor in factors]


# --- the average ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("half_life", "ramp_up", "g_steps"), [(64, 0.5, 1), (10_000, 0.05, 1), (32, 0.0, 1), (100, 1.0, 2)]
)
def test_the_average_is_the_formula(half_life: int, ramp_up: float, g_steps: int) -> None:
    recipe = tiny.DIGITS.with_settings(
        {"ema": {"half_life": half_life, "ramp_up": ramp_up}, "g_steps": g_steps, "reuse_fakes": False}
    )
    trainer = tiny.trainer(recipe)
    assert trainer.average is not None

    def values(network: nn.Module) -> dict[str, Tensor]:
        return {name: tensor.double() for name, tensor in network.state_dict().items() if tensor.is_floating_point()}

    expected = values(trainer.generator)
    for step in range(1, 7):
        trainer.round()
        images = 16 * g_steps
        life = min(half_life, ramp_up * images * step) if ramp_up else half_life
        keep = 0.5 ** (images / life)
        current = values(trainer.generator)
        expected = {name: keep * mean + (1 - keep) * current[name] for name, mean in expected.items()}
    average = values(trainer.average)
    assert all(torch.allclose(average[name], mean, rtol=1e-5, atol=1e-6) for name, mean in expected.items())
    assert not torch.equal(average["dense.weight"], values(trainer.generator)["dense.weight"])


def test_the_average_ships_where_there_is_one() -> None:
    averaged, plain = tiny.trainer(tiny.DIGITS), tiny.trainer(tiny.DIGITS.with_settings({"ema.half_life": 0}))
    assert averaged.shipped is averaged.average
    assert plain.average is None
    assert plain.shipped is plain.generator
    assert not any(parameter.requires_grad for parameter in averaged.shipped.parameters())


# --- every recipe -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.task == "digits"])
def test_every_recipe_plays_two_rounds(name: str) -> None:
    recipe = RECIPES[name].with_settings({"batch_size": 4 * RECIPES[name].pack})
    trainer = tiny.trainer(recipe)
    before = tiny.weights(trainer.generator), tiny.weights(trainer.discriminator)
    for _ in range(2):
        trainer.round()
    assert {"discriminator", "generator"} <= set(trainer.losses)
    assert all(bool(value.isfinite()) for value in (*trainer.losses.values(), *trainer.signals.values()))
    assert not tiny.equal(before[0], tiny.weights(trainer.generator))
    assert not tiny.equal(before[1], tiny.weights(trainer.discriminator))
    assert all(
        bool(weight.isfinite().all()) for network in trainer.networks.values() for weight in tiny.weights(network)
    )


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.task == "classify"])
def test_every_classifier_learns_two_batches(name: str) -> None:
    trainer = tiny.trainer(RECIPES[name].with_settings({"batch_size": 8}))
    for _ in range(2):
        trainer.round()
    assert trainer.losses["cross_entropy"].isfinite()


def test_precision_is_a_choice() -> None:
    assert wants_bf16(tiny.DIGITS.with_settings({"precision": "bf16"}), tiny.CPU)
    assert not wants_bf16(tiny.DIGITS.with_settings({"precision": "fp32"}), tiny.CPU)
    assert isinstance(wants_bf16(tiny.DIGITS.with_settings({"precision": "auto"}), tiny.CPU), bool)


@pytest.mark.parametrize("name", ["digits", "wgan-gp", "relativistic"])
def test_half_precision_trains_full_precision_weights(name: str) -> None:
    trainer = tiny.trainer(tiny.TINY[name].with_settings({"precision": "bf16"}))
    trainer.round()
    assert {weight.dtype for weight in tiny.weights(trainer.generator)} == {torch.float32}
    assert all(value.dtype == torch.float32 for value in trainer.losses.values())
