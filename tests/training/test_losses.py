"""The adversarial losses by hand, which way they push, and the gradient penalties where the answer is known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import softplus

from gandemo.errors import RecipeError
from gandemo.recipe import Loss
from gandemo.training.losses import (
    GAN_LOSSES,
    Targets,
    gan_loss,
    input_gradient_penalty,
    interpolation_penalty,
    targets,
)

CPU = torch.device("cpu")
SOFT = [name for name, loss in GAN_LOSSES.items() if loss.uses_targets]
HARD = [name for name, loss in GAN_LOSSES.items() if not loss.uses_targets]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def plain(count: int) -> Targets:
    return Targets(torch.ones(count), torch.zeros(count))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# --- values by hand ---------------------------------------------------------------------------------------

REAL, FAKE = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])


def test_cross_entropy_by_hand() -> None:
    real = (-math.log(sigmoid(2)) - math.log(sigmoid(-1))) / 2
    fake = (-math.log(1 - sigmoid(0.5)) - math.log(1 - sigmoid(-3))) / 2
    assert float(GAN_LOSSES["bce"].discriminator(REAL, FAKE, plain(2))) == pytest.approx((real + fake) / 2)
    # non-saturating: -log D(G(z)), not log(1 - D(G(z)))
    expected = (-math.log(sigmoid(0.5)) - math.log(sigmoid(-3))) / 2
    assert float(GAN_LOSSES["bce"].generator(None, FAKE)) == pytest.approx(expected)


def test_one_sided_smoothing_by_hand() -> None:
    real = sum(-0.9 * math.log(sigmoid(x)) - 0.1 * math.log(1 - sigmoid(x)) for x in (2, -1)) / 2
    fake = sum(-math.log(1 - sigmoid(x)) for x in (0.5, -3)) / 2
    aims = targets(Loss(real_target=0.9), 2, rng(), CPU)
    assert float(GAN_LOSSES["bce"].discriminator(REAL, FAKE, aims)) == pytest.approx((real + fake) / 2)


def test_smoothing_is_content_with_the_smoothed_probability() -> None:
    """The loss on real pictures is lowest where the discriminator says 0.9, not 1."""
    aims = targets(Loss(real_target=0.9), 1, rng(), CPU)
    logit = torch.tensor([math.log(0.9 / 0.1)], requires_grad=True)
    GAN_LOSSES["bce"].discriminator(logit, torch.zeros(1), aims).backward()
    assert logit.grad is not None
    assert float(logit.grad) == pytest.approx(0, abs=1e-7)


def test_least_squares_by_hand() -> None:
    loss = GAN_LOSSES["lsgan"]
    real = ((2 - 1) ** 2 + (-1 - 1) ** 2) / 2
    fake = (0.5**2 + 3**2) / 2
    assert float(loss.discriminator(REAL, FAKE, plain(2))) == pytest.approx((real + fake) / 2)
    assert float(loss.generator(None, FAKE)) == pytest.approx(((0.5 - 1) ** 2 + (-3 - 1) ** 2) / 2 / 2)
    aims = targets(Loss(real_target=0.9, fake_target=0.1), 2, rng(), CPU)
    expected = ((1.1**2 + 1.9**2) / 2 + (0.4**2 + 3.1**2) / 2) / 2
    assert float(loss.discriminator(REAL, FAKE, aims)) == pytest.approx(expected)


def test_wasserstein_by_hand() -> None:
    loss = GAN_LOSSES["wasserstein"]
    assert float(loss.discriminator(REAL, FAKE, plain(2))) == pytest.approx(-1.25 - 0.5)
    assert float(loss.generator(None, FAKE)) == pytest.approx(1.25)


def test_hinge_by_hand() -> None:
    loss = GAN_LOSSES["hinge"]
    assert float(loss.discriminator(REAL, FAKE, plain(2))) == pytest.approx((0 + 2) / 2 + (1.5 + 0) / 2)
    assert float(loss.generator(None, FAKE)) == pytest.approx(1.25)


def test_relativistic_is_softplus_of_the_difference() -> None:
    loss = GAN_LOSSES["relativistic"]
    expected = (math.log1p(math.exp(0.5 - 2)) + math.log1p(math.exp(-3 + 1))) / 2
    assert float(loss.discriminator(REAL, FAKE, plain(2))) == pytest.approx(expected)
    expected = (math.log1p(math.exp(2 - 0.5)) + math.log1p(math.exp(-1 + 3))) / 2
    assert float(loss.generator(REAL, FAKE)) == pytest.approx(expected)


@given(shift=st.floats(-50, 50))
def test_relativistic_and_wasserstein_know_no_zero(shift: float) -> None:
    """Only differences between real and fake count."""
    for name in ("relativistic", "wasserstein"):
        loss = GAN_LOSSES[name].discriminator
        assert float(loss(REAL + shift, FAKE + shift, plain(2))) == pytest.approx(
            float(loss(REAL, FAKE, plain(2))), abs=1e-4
        )


@given(logits=st.lists(st.floats(-1e4, 1e4, width=32), min_size=2, max_size=8))
def test_extreme_logits_stay_finite(logits: list[float]) -> None:
    real = torch.tensor(logits, requires_grad=True)
    fake = (-real.detach()).requires_grad_(True)
    for loss in GAN_LOSSES.values():
        total = loss.discriminator(real, fake, plain(len(real))) + loss.generator(real, fake)
        gradients = torch.autograd.grad(total, (real, fake))
        assert total.isfinite()
        assert all(gradient.isfinite().all() for gradient in gradients)


# --- which way they push ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_the_players_pull_in_opposite_directions(name: str) -> None:
    loss = GAN_LOSSES[name]
    real, fake = (torch.full((4,), 0.25, requires_grad=True) for _ in range(2))
    on_real, on_fake = torch.autograd.grad(loss.discriminator(real, fake, plain(4)), (real, fake))
    assert (on_real < 0).all()  # a step down the gradient raises the score of real pictures
    assert (on_fake > 0).all()
    (of_generator,) = torch.autograd.grad(loss.generator(real.detach(), fake), fake)
    assert (of_generator < 0).all()


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_steps_lower_the_losses(name: str) -> None:
    """A linear critic on points of the plane, a generator that shifts its points: each step helps its player."""
    torch.manual_seed(0)
    loss, critic = GAN_LOSSES[name], nn.Linear(2, 1)
    real = torch.randn(64, 2) + torch.tensor([2.0, 0.0])
    noise, shift = torch.randn(64, 2), torch.zeros(2, requires_grad=True)

    def game() -> tuple[Tensor, Tensor]:
        real_logits, fake_logits = critic(real)[:, 0], critic(noise + shift)[:, 0]
        return loss.discriminator(real_logits, fake_logits, plain(64)), loss.generator(real_logits, fake_logits)

    first = float(game()[0].detach())
    for _ in range(50):
        gradients = torch.autograd.grad(game()[0], list(critic.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(critic.parameters(), gradients, strict=True):
                parameter -= 0.05 * gradient
    assert float(game()[0].detach()) < first
    before = float(game()[1].detach())
    (gradient,) = torch.autograd.grad(game()[1], shift)
    with torch.no_grad():
        shift -= 0.1 * gradient
    assert float(game()[1].detach()) < before
    assert float(shift.detach()[0]) > 0  # towards the real points


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_the_threshold_lies_between_real_and_fake(name: str) -> None:
    """Where both sides are judged alike, the loss of the discriminator is as large as its mirror's."""
    loss = GAN_LOSSES[name]
    middle = torch.full((3,), loss.threshold)
    above = loss.discriminator(middle + 0.3, middle - 0.3, plain(3))
    below = loss.discriminator(middle - 0.3, middle + 0.3, plain(3))
    assert above < loss.discriminator(middle, middle, plain(3)) < below


# --- targets ----------------------------------------------------------------------------------------------


def test_targets_are_what_the_recipe_says() -> None:
    aims = targets(Loss(real_target=0.9, fake_target=0.1), 3, rng(), CPU)
    assert aims.real.tolist() == pytest.approx([0.9] * 3)
    assert aims.fake.tolist() == pytest.approx([0.1] * 3)


@given(
    real=st.floats(0, 1), fake=st.floats(0, 1), noise=st.floats(0, 0.5, exclude_min=True), seed=st.integers(0, 2**31)
)
def test_target_noise_stays_in_range(real: float, fake: float, noise: float, seed: int) -> None:
    settings = Loss(real_target=real, fake_target=fake, target_noise=noise)
    aims = targets(settings, 200, rng(seed), CPU)
    for values, centre in ((aims.real, real), (aims.fake, fake)):
        assert values.shape == (200,)
        assert values.min() >= max(0.0, centre - noise) - 1e-6
        assert values.max() <= min(1.0, centre + noise) + 1e-6


def test_target_noise_is_seeded_and_spread() -> None:
    settings = Loss(real_target=0.7, fake_target=0.3, target_noise=0.2)
    one, two, three = (targets(settings, 500, rng(seed), CPU) for seed in (1, 1, 2))
    assert torch.equal(one.real, two.real)
    assert torch.equal(one.fake, two.fake)
    assert not torch.equal(one.real, three.real)
    assert not torch.equal(one.real - 0.7, one.fake - 0.3)
    assert float(one.real.mean()) == pytest.approx(0.7, abs=0.03)
    assert float(one.real.std()) == pytest.approx(0.2 / math.sqrt(3), rel=0.1)


def test_no_noise_draws_nothing() -> None:
    generator = rng()
    before = generator.get_state()
    targets(Loss(real_target=0.9), 8, generator, CPU)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("soft", [{"real_target": 0.9}, {"fake_target": 0.1}, {"target_noise": 0.1}])
def test_softened_targets_are_refused_where_they_do_nothing(name: str, soft: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=f"loss.gan '{name}' has no targets to soften; .* take bce or lsgan"):
        gan_loss(Loss(gan=name, **soft))
    assert gan_loss(Loss(gan=name)) is GAN_LOSSES[name]


@pytest.mark.parametrize("name", SOFT)
def test_softened_targets_change_the_loss(name: str) -> None:
    loss = gan_loss(Loss(gan=name, real_target=0.9))
    soft = loss.discriminator(REAL, FAKE, targets(Loss(real_target=0.9), 2, rng(), CPU))
    assert not torch.equal(soft, loss.discriminator(REAL, FAKE, plain(2)))


def test_an_unknown_loss_lists_the_known() -> None:
    with pytest.raises(RecipeError) as caught:
        gan_loss(Loss(gan="minimax"))
    assert str(caught.value) == f"there is no adversarial loss 'minimax'; valid: {', '.join(GAN_LOSSES)}"


# --- gradient penalties -----------------------------------------------------------------------------------


def linear(seed: int, length: float | None = None) -> tuple[nn.Linear, float]:
    """A linear critic of 1×3×3 pictures and the squared length of its weights."""
    torch.manual_seed(seed)
    critic = nn.Linear(9, 1)
    with torch.no_grad():
        if length is not None:
            critic.weight *= length / critic.weight.norm()
    return critic, float(critic.weight.detach().square().sum())


@given(seed=st.integers(0, 1000), count=st.integers(1, 7))
def test_r1_of_a_linear_critic_is_its_squared_weight(seed: int, count: int) -> None:
    critic, squared = linear(seed)
    images = torch.randn(count, 1, 3, 3, requires_grad=True)
    penalty = input_gradient_penalty(critic(images.flatten(1))[:, 0], images)
    assert float(penalty.detach()) == pytest.approx(squared, rel=1e-5)


def test_r1_of_a_quadratic_critic() -> None:
    images = torch.randn(5, 1, 3, 3, requires_grad=True)
    penalty = input_gradient_penalty(images.square().sum((1, 2, 3)), images)
    assert float(penalty.detach()) == pytest.approx(float(4 * images.detach().square().sum() / 5), rel=1e-5)


def test_r1_can_be_descended() -> None:
    critic, squared = linear(0)
    images = torch.randn(4, 1, 3, 3, requires_grad=True)
    input_gradient_penalty(critic(images.flatten(1))[:, 0], images).backward()
    assert critic.weight.grad is not None
    assert torch.allclose(critic.weight.grad, 2 * critic.weight.detach())  # the gradient of |w|²
    assert squared > 0


@pytest.mark.parametrize(("length", "expected"), [(1.0, 0.0), (3.0, 4.0), (0.25, 0.5625)])
def test_wgan_gp_wants_gradients_of_length_one(length: float, expected: float) -> None:
    critic, _ = linear(0, length)
    real, fake = torch.randn(6, 1, 3, 3), torch.randn(6, 1, 3, 3)
    penalty = interpolation_penalty(lambda pictures: critic(pictures.flatten(1))[:, 0], real, fake, rng())
    assert float(penalty.detach()) == pytest.approx(expected, abs=1e-5)


def test_wgan_gp_looks_between_real_and_fake() -> None:
    seen = []

    def critic(pictures: Tensor) -> Tensor:
        seen.append(pictures.detach())
        return pictures.square().sum((1, 2, 3))

    real, fake = torch.full((200, 1, 2, 2), 3.0), torch.full((200, 1, 2, 2), -1.0)
    for seed in (1, 1, 2):
        interpolation_penalty(critic, real, fake, rng(seed))
    share = (seen[0] + 1) / 4
    assert torch.allclose(share, share[:, :, :1, :1].expand_as(share))  # one share for a whole picture
    assert 0 <= share.min() < 0.1
    assert 0.9 < share.max() <= 1
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


def test_a_penalty_for_each_picture_on_its_own() -> None:
    """The mean is over pictures: softplus(10·x) has a steep side and a flat one."""
    real = torch.cat([torch.full((1, 1, 1, 1), 5.0), torch.full((1, 1, 1, 1), -5.0)])
    penalty = interpolation_penalty(lambda pictures: softplus(10 * pictures).sum((1, 2, 3)), real, real, rng())
    assert float(penalty.detach()) == pytest.approx(((10 - 1) ** 2 + 1) / 2, rel=1e-4)
