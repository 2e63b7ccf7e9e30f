"""The pieces that networks share."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gandemo.errors import RecipeError
from gandemo.nets.layers import (
    INITIALISERS,
    ConditionalBatchNorm2d,
    OneHot,
    dense_stack,
    initialise,
    maybe_spectral_norm,
    pack_samples,
)

# --- initialisers -----------------------------------------------------------------------------------------


def drawn(name: str, layer: nn.Module) -> Tensor:
    torch.manual_seed(0)
    initialise(layer, name)
    return layer.weight.detach()


@pytest.mark.parametrize(
    ("name", "bound"),
    [("glorot-uniform", math.sqrt(6 / (300 + 200))), ("he-uniform", math.sqrt(6 / 300))],
)
def test_uniform_initialisers(name: str, bound: float) -> None:
    weight = drawn(name, nn.Linear(300, 200))
    assert bound * 0.99 < weight.abs().max() <= bound
    assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_the_fan_of_a_convolution_counts_its_kernel() -> None:
    for layer in (nn.Conv2d(30, 20, 5), nn.ConvTranspose2d(30, 20, 5)):
        bound = math.sqrt(6 / (25 * 50))
        assert bound * 0.99 < drawn("glorot-uniform", layer).abs().max() <= bound


def test_dcgan_s_normal_initialiser() -> None:
    weight = drawn("normal-0.02", nn.Conv2d(40, 50, 5))
    assert float(weight.std()) == pytest.approx(0.02, rel=0.02)
    assert float(weight.mean()) == pytest.approx(0, abs=5e-4)


def test_orthogonal_initialiser() -> None:
    weight = drawn("orthogonal", nn.Linear(12, 8))
    assert torch.allclose(weight @ weight.T, torch.eye(8), atol=1e-5)


@pytest.mark.parametrize("name", INITIALISERS)
def test_biases_start_at_zero_and_norms_are_left_alone(name: str) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3, bias=False))
    initialise(network, name)
    assert not network[0].bias.any()
    assert torch.equal(network[1].weight, torch.ones(2))


def test_an_unknown_initialiser_names_the_known() -> None:
    with pytest.raises(RecipeError, match="no initialiser 'kaiming'; valid: glorot-uniform"):
        initialise(nn.Linear(1, 1), "kaiming")


# --- labels, packs, stacks --------------------------------------------------------------------------------


def test_one_hot() -> None:
    assert OneHot(3)(torch.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_a_pack_keeps_neighbours_together() -> None:
    images = torch.arange(6.0)[:, None, None, None].expand(6, 1, 2, 2)
    packed = pack_samples(images, 3)
    assert packed.shape == (2, 3, 2, 2)
    assert packed[:, :, 0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert pack_samples(images, 1) is images


def test_dense_stack() -> None:
    seen = []

    def between(index: int, width: int) -> list[nn.Module]:
        seen.append((index, width))
        return [nn.Tanh()]

    stack = dense_stack([3, 5, 2], between)
    assert seen == [(0, 5), (1, 2)]
    assert [type(layer) for layer in stack] == [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh]
    assert stack(torch.zeros(4, 3)).shape == (4, 2)


# --- norms ------------------------------------------------------------------------------------------------


def test_spectral_norm_bounds_the_largest_singular_value() -> None:
    torch.manual_seed(0)
    layer = maybe_spectral_norm(True)(nn.Linear(20, 10))
    for _ in range(50):
        layer(torch.zeros(1, 20))
    assert float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) == pytest.approx(1.0, rel=1e-3)


def test_no_spectral_norm_is_the_layer_itself() -> None:
    layer = nn.Linear(20, 10)
    before = layer.weight.detach().clone()
    assert maybe_spectral_norm(False)(layer) is layer
    layer(torch.zeros(1, 20))
    assert torch.equal(layer.weight, before)


def test_without_classes_it_is_batch_norm() -> None:
    torch.manual_seed(0)
    ours, theirs = ConditionalBatchNorm2d(3, 0), nn.BatchNorm2d(3)
    x = torch.randn(4, 3, 5, 5)
    assert torch.equal(ours(x, None), theirs(x))
    assert sum(parameter.numel() for parameter in ours.parameters()) == 6


def test_every_class_starts_at_plain_batch_norm() -> None:
    torch.manual_seed(0)
    ours, x = ConditionalBatchNorm2d(3, 10), torch.randn(4, 3, 5, 5)
    assert torch.equal(ours(x, torch.tensor([0, 3, 9, 3])), nn.BatchNorm2d(3, affine=False)(x))


@given(label=st.integers(0, 9))
def test_each_class_has_its_own_scale_and_shift(label: int) -> None:
    torch.manual_seed(0)
    norm, x = ConditionalBatchNorm2d(2, 10).eval(), torch.randn(1, 2, 3, 3)
    plain = norm(x, torch.tensor([label]))
    with torch.no_grad():
        norm.affine.weight[label] = torch.tensor([2.0, 3.0, 0.5, -1.0])  # scales, then shifts
        other = norm(x, torch.tensor([(label + 1) % 10]))
    expected = plain * torch.tensor([2.0, 3.0])[None, :, None, None] + torch.tensor([0.5, -1.0])[None, :, None, None]
    assert torch.allclose(norm(x, torch.tensor([label])), expected)
    assert torch.allclose(other, plain)
