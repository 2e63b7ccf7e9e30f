"""What the doctor is told: figures of pictures that are easily checked, and a look that changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch

from gandemo.data.images import to_signed
from gandemo.training import signals
from gandemo.training.events import Examined, Progress
from gandemo.training.examination import Examination
from gandemo.training.loop import train
from gandemo.training.trainer import Trainer


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 1.6 - 0.8


def test_the_same_pictures_are_as_varied_as_themselves() -> None:
    pictures = noise(16, 1, 28, 28)
    assert signals.compare(pictures, pictures) == {"spread": 1.0, "nearest": 1.0, "saturated": 0.0}


def test_one_picture_again_and_again_has_no_spread() -> None:
    figures = signals.compare(noise(16, 1, 28, 28), noise(1, 1, 28, 28, seed=1).expand(16, -1, -1, -1))
    assert figures["spread"] == pytest.approx(0.0, abs=1e-3)
    assert figures["nearest"] == pytest.approx(0.0, abs=1e-3)


def test_eight_pictures_twice_spread_but_are_near() -> None:
    figures = signals.compare(noise(16, 1, 28, 28), noise(8, 1, 28, 28, seed=1).repeat(2, 1, 1, 1))
    assert figures["spread"] > 0.9
    assert figures["nearest"] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("channels", [2, 3])
def test_colour_is_the_distance_from_grey(channels: int) -> None:
    real = noise(8, channels, 32, 32)
    grey = torch.zeros_like(real) if channels == 2 else real.mean(dim=1, keepdim=True).expand_as(real)
    half = grey + 0.5 * (real - grey)
    assert signals.compare(real, grey)["colour"] == pytest.approx(0.0, abs=1e-6)
    assert signals.compare(real, half)["colour"] == pytest.approx(0.5, abs=1e-5)
    assert "colour" not in signals.compare(noise(8, 1, 28, 28), noise(8, 1, 28, 28))


def test_saturation_is_a_difference_of_shares() -> None:
    real = torch.zeros(4, 1, 8, 8)
    fake = real.clone()
    fake[:, :, :4] = 1.0
    assert signals.compare(real, fake)["saturated"] == 0.5
    assert signals.compare(fake, real)["saturated"] == -0.5


def test_figures_of_a_batch_without_any_difference_are_numbers_or_left_out() -> None:
    same = torch.zeros(4, 1, 8, 8)
    assert signals.compare(same, same) == {"saturated": 0.0}
    assert set(signals.compare(same[:1], same[:1])) == {"saturated"}


def test_the_nearest_training_picture() -> None:
    training = (torch.rand(300, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)
    copies = to_signed(training[10:20])
    assert signals.to_nearest(copies, training) == pytest.approx(0.0, abs=0.02)
    assert signals.to_nearest(copies, training[20:]) > 5
    shifted = copies.clone()
    shifted[:, 0, 0, 0] += 0.5
    assert signals.to_nearest(shifted, training) == pytest.approx(0.5, abs=0.02)


def test_far_training_pictures_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    training = (torch.rand(300, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)
    others = noise(8, 1, 28, 28, seed=3)
    whole = signals.to_nearest(others, training)
    monkeypatch.setattr(signals, "CHUNK", 7)
    assert signals.to_nearest(others, training) == pytest.approx(whole, rel=1e-5)


# --- the examination --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", tiny.TINY)
def test_a_look_changes_nothing(name: str) -> None:
    trainer = Trainer(tiny.TINY[name], tiny.pictures(), tiny.CPU)
    trainer.round()
    before = {player: {k: v.clone() for k, v in net.state_dict().items()} for player, net in trainer.networks.items()}
    modes = {player: net.training for player, net in trainer.networks.items()}
    chance, noises = torch.get_rng_state(), trainer.rng.get_state()
    figures = Examination(trainer, tiny.pictures(40, 2)).look()
    assert figures
    for player, network in trainer.networks.items():
        assert network.training == modes[player]
        assert all(torch.equal(before[player][key], value) for key, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), chance)
    assert torch.equal(trainer.rng.get_state(), noises)
    assert trainer.source.drawn == tiny.TINY[name].d_steps + tiny.TINY[name].g_steps - 1 or name == "classifier"


def test_a_discriminator_that_knows_its_pictures_by_heart() -> None:
    recipe = tiny.DIGITS.with_settings({"discriminator_optimizer.lr": 0.01, "classes": 0})
    few, others = tiny.pictures(16, 1), tiny.pictures(16, 1)
    others.images[:] = 255 - others.images
    trainer = Trainer(recipe, few, tiny.CPU)
    for _ in range(30):
        trainer.round()
    known = Examination(trainer, few).look()
    assert known["overfitting"] == pytest.approx(0.0, abs=1e-3)
    assert Examination(trainer, others).look()["overfitting"] > 0.3
    assert known["training_logit"] > known["generated_logit"]


def test_copies_are_told_from_new_pictures() -> None:
    trainer = Trainer(tiny.DIGITS, tiny.pictures(), tiny.CPU)
    held_out = tiny.pictures(40, 2)
    labels = iter(range(1000))
    trainer.average = None

    class Copier(torch.nn.Module):
        def forward(self, noise: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
            chosen = torch.tensor([next(labels) % 80 for _ in noise])
            return to_signed(trainer.source.pictures.images[chosen])

    assert Examination(trainer, held_out).look()["copied"] > 1.0
    trainer.generator = Copier()
    assert Examination(trainer, held_out).look()["copied"] < 0.05


def test_losses_beside_the_game_are_told_of_both_sides() -> None:
    trainer = Trainer(tiny.TINY["classifier"], tiny.pictures(), tiny.CPU)
    assert set(Examination(trainer, tiny.pictures(40, 2)).look()) == {"training_loss", "held_out_loss"}


def test_a_run_tells_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiny.add_dataset(monkeypatch)
    told = list(train(tiny.DIGITS, run_dir=tmp_path / "run", device=tiny.CPU))
    looks = [event for event in told if isinstance(event, Examined)]
    assert [event.step for event in looks] == [3, 6]
    assert {"training_logit", "held_out_logit", "generated_logit", "copied"} <= set(looks[-1].figures)
    reports = [event for event in told if isinstance(event, Progress)]
    assert all(set(event.samples) == {"spread", "nearest", "saturated"} for event in reports)
    ratio = reports[0].signals["generator_gradient_norm"] / reports[0].signals["discriminator_gradient_norm"]
    assert reports[0].signals["gradient_ratio"] == pytest.approx(ratio, abs=1e-4)
