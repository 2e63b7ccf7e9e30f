"""The adversarial losses, each a pair of functions with one signature.

`discriminator(real_logits, fake_logits, targets) -> loss` and `generator(real_logits, fake_logits) -> loss`, with
logits float32 [N] and a loss that is the mean over the batch. `real_logits` of the generator's loss is None unless the
loss is relativistic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gandemo.errors import RecipeError
from gandemo.recipe import Loss


@dataclass(frozen=True)
class Targets:
    """What the discriminator is told to answer: 1 for real and 0 for fake, or the softened values of a recipe."""

    real: Tensor
    fake: Tensor


@dataclass(frozen=True)
class GanLoss:
    """One adversarial game.

    Attributes:
        discriminator: its loss.
        generator: its loss.
        threshold: the logit above which the discriminator calls a picture real.
        uses_targets: label smoothing and label noise have an effect.
        relativistic: the generator's loss compares with real samples.
    """

    discriminator: Callable[[Tensor, Tensor, Targets], Tensor]
    generator: Callable[[Tensor | None, Tensor], Tensor]
    threshold: float = 0.0
    uses_targets: bool = False
    relativistic: bool = False


def _bce_discriminator(real: Tensor, fake: Tensor, targets: Targets) -> Tensor:
    bce = F.binary_cross_entropy_with_logits
    return (bce(real, targets.real) + bce(fake, targets.fake)) / 2


def _bce_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    return F.softplus(-fake).mean()


def _least_squares_discriminator(real: Tensor, fake: Tensor, targets: Targets) -> Tensor:
    return ((real - targets.real).square().mean() + (fake - targets.fake).square().mean()) / 2


def _least_squares_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    return (fake - 1.0).square().mean() / 2


def _wasserstein_discriminator(real: Tensor, fake: Tensor, targets: Targets) -> Tensor:
    return fake.mean() - real.mean()


def _wasserstein_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    return -fake.mean()


def _hinge_discriminator(real: Tensor, fake: Tensor, targets: Targets) -> Tensor:
    return F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean()


def _relativistic_discriminator(real: Tensor, fake: Tensor, targets: Targets) -> Tensor:
    return F.softplus(fake - real).mean()


def _relativistic_generator(real: Tensor | None, fake: Tensor) -> Tensor:
    assert real is not None
    return F.softplus(real - fake).mean()


GAN_LOSSES: dict[str, GanLoss] = {
    # Goodfellow et al. 2014 (arXiv:1406.2661), the generator's loss in its non-saturating form
    "bce": GanLoss(_bce_discriminator, _bce_generator, uses_targets=True),
    # Mao et al. 2017 (arXiv:1611.04076)
    "lsgan": GanLoss(_least_squares_discriminator, _least_squares_generator, threshold=0.5, uses_targets=True),
    # Arjovsky et al. 2017 (arXiv:1701.07875); with loss.clip or loss.gradient_penalty
    "wasserstein": GanLoss(_wasserstein_discriminator, _wasserstein_generator),
    # Lim & Ye 2017 (arXiv:1705.02894), Miyato et al. 2018 (arXiv:1802.05957)
    "hinge": GanLoss(_hinge_discriminator, _wasserstein_generator),
    # Jolicoeur-Martineau 2018 (arXiv:1807.00734) in the pairing form of R3GAN (Huang et al. 2024, arXiv:2501.05441)
    "relativistic": GanLoss(_relativistic_discriminator, _relativistic_generator, relativistic=True),
}


def gan_loss(loss: Loss) -> GanLoss:
    """The loss that a recipe names.

    Raises:
        RecipeError: the name is unknown, or its targets are softened where the loss has none.
    """
    if loss.gan not in GAN_LOSSES:
        raise RecipeError(f"there is no adversarial loss {loss.gan!r}; valid: {', '.join(GAN_LOSSES)}")
    chosen = GAN_LOSSES[loss.gan]
    if not chosen.uses_targets and (loss.real_target, loss.fake_target, loss.target_noise) != (1.0, 0.0, 0.0):
        raise RecipeError(
            f"loss.gan {loss.gan!r} has no targets to soften; leave real_target, fake_target and "
            "target_noise alone, or take bce or lsgan"
        )
    return chosen


def targets(
    loss: Loss, count: int, rng: torch.Generator, device: torch.device, part: tuple[int, int] = (0, 1)
) -> Targets:
    """Targets for `count` real and `count` fake logits; noise is drawn from `rng` (on the CPU).

    `part` (which, of how many) tells that other processes have as many logits of the same batch.
    """

    def around(value: float) -> Tensor:
        if not loss.target_noise:
            return torch.full((count,), value, device=device)
        noise = (_uniform(count, rng, part) * 2.0 - 1.0) * loss.target_noise
        return (value + noise).clamp_(0.0, 1.0).to(device)

    return Targets(around(loss.real_target), around(loss.fake_target))


def _uniform(count: int, rng: torch.Generator, part: tuple[int, int]) -> Tensor:
    """Numbers from 0 to 1 for one part of a batch, [count]; drawn for all parts, as whoever has the whole does."""
    which, parts = part
    return torch.rand(count * parts, generator=rng)[which * count : (which + 1) * count]


def input_gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """The mean squared norm of the discriminator's gradient at pictures: R1 on real ones, R2 on fake ones.

    Mescheder et al. 2018 (arXiv:1801.04406).

    Args:
        logits: [N], computed from `images`.
        images: [N, C, H, W] that require a gradient.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    penalty: Tensor = gradient.float().square().sum(dim=(1, 2, 3)).mean()
    return penalty


def interpolation_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    rng: torch.Generator,
    part: tuple[int, int] = (0, 1),
) -> Tensor:
    """WGAN-GP's penalty: (norm of the gradient - 1)² at random points between real and fake.

    Gulrajani et al. 2017 (arXiv:1704.00028).

    Args:
        critic: pictures to scores.
        real: [N, C, H, W].
        fake: [N, C, H, W], no gradient.
        rng: draws the points, on the CPU.
        part: as for `targets`.
    """
    share = _uniform(len(real), rng, part).view(-1, 1, 1, 1).to(real.device)
    between = torch.lerp(fake.float(), real.float(), share).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).float().sum(), between, create_graph=True)
    norm = gradient.float().flatten(1).norm(dim=1)
    penalty: Tensor = (norm - 1.0).square().mean()
    return penalty
