"""Fills along directions: a line goes on through a hole in its own direction, and in no other."""

from __future__ import annotations

import math

import pytest
import torch

from gandemo.nets.filling import REACH, DirectionalFill, FactoredFill, pull_push
from gandemo.nets.unet import UNet

SIDE = 64
MIDDLE = slice(28, 36)


def stripes(angle: float, period: float = 8.0) -> torch.Tensor:
    """Waves that stand across `angle` (radians from the rows): they go on along it. [1, 3, SIDE, SIDE]."""
    y, x = torch.meshgrid(*[torch.arange(SIDE).float()] * 2, indexing="ij")
    return torch.sin(2 * math.pi * (y * math.cos(angle) - x * math.sin(angle)) / period).expand(1, 3, SIDE, SIDE)


def with_a_hole(picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    lost = torch.zeros(1, 1, SIDE, SIDE)
    lost[..., MIDDLE, MIDDLE] = 1.0
    return picture * (1.0 - lost), lost


def errors(angle: float) -> list[float]:
    """What is left of the error in the hole, by direction."""
    whole = stripes(angle)
    known, lost = with_a_hole(whole)
    filled = pull_push(known, lost)
    changes = DirectionalFill(8)(known, lost, filled)
    candidates = torch.stack([filled[:, i : i + 1] + change for i, change in enumerate(changes)], 2)[:, :, 0]
    return [float((candidate - whole[:, 0])[:, MIDDLE, MIDDLE].abs().mean()) for candidate in candidates.unbind(1)]


@pytest.mark.parametrize("index", range(8))
def test_an_edge_goes_on_in_its_own_direction(index: int) -> None:
    found = errors(math.pi * index / 8)
    assert min(found) == found[index]
    assert found[index] < 0.45
    assert found[(index + 4) % 8] > 1.3 * found[index]  # straight across


def test_what_is_far_from_anything_known_keeps_the_smooth_fill() -> None:
    lost = torch.zeros(1, 1, 80, 80)
    lost[..., 10:70, 10:70] = 1.0
    known, filled = torch.ones(1, 3, 80, 80) * (1.0 - lost), torch.full((1, 3, 80, 80), 0.25)
    inside = slice(10 + REACH, 70 - REACH)
    for change in DirectionalFill(4)(known, lost, filled):
        assert change[..., inside, inside].abs().max() == 0.0
        assert float(change[..., 40, 11].mean()) > 0.3  # and at the rim it does not


@pytest.mark.parametrize("directions", [1, 8])
def test_in_two_steps_the_filters_give_the_same(directions: int) -> None:
    known, lost = with_a_hole(torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)))
    filled = pull_push(known, lost)
    fill = DirectionalFill(directions)
    for ours, theirs in zip(FactoredFill(fill)(known, lost, filled), fill(known, lost, filled), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_the_filters_cost_no_place_in_a_file() -> None:
    assert not DirectionalFill(8).state_dict()


def test_no_weight_is_so_small_that_processors_stumble_over_it() -> None:
    """Many take a hundred times as long for a subnormal number, and so they would for the product of a small one."""
    weights = DirectionalFill(8).filters
    assert not ((weights != 0) & (weights.abs() < 1e-20)).any()
    torch.testing.assert_close(weights.sum((1, 2, 3)), torch.ones(8), rtol=0, atol=1e-6)


def test_filters_laid_out_without_memory_leave_nothing_behind() -> None:
    with torch.device("meta"):
        DirectionalFill(5)
    assert DirectionalFill(5).filters.isfinite().all()


def test_a_network_begins_with_their_mean_and_can_choose_one() -> None:
    network = UNet(
        inputs=4, residual="masked", fill=True, directions=4, channels=(4,) * 5, blocks=(0,) * 5, batch_norm=False
    )
    whole = stripes(0.0)
    known, lost = with_a_hole(whole)
    given = torch.cat([known, lost], 1)
    filled = pull_push(known, lost)
    changes = torch.stack(DirectionalFill(4)(known, lost, filled), 1)
    assert torch.allclose(network(given), filled + lost * changes.sum(2) / 5, atol=1e-5)
    assert network.last.bias is not None
    with torch.no_grad():
        network.last.bias[3] = 30.0  # the first direction
    chosen = network(given).detach()
    assert torch.allclose(chosen, filled + lost * changes[:, :, 0], atol=1e-5)
    assert torch.equal(chosen * (1.0 - lost), known)


@pytest.mark.parametrize(
    "wrong", [{"directions": -1}, {"directions": 4, "fill": False}, {"directions": 4, "inputs": 5}]
)
def test_directions_need_a_fill_of_three_channels(wrong: dict[str, object]) -> None:
    settings = {"inputs": 4, "residual": "masked", "fill": True, "channels": (4,) * 5, "blocks": (0,) * 5}
    with pytest.raises(ValueError, match="directions, from 0, need fill"):
        UNet(**{**settings, **wrong})  # type: ignore[arg-type]
