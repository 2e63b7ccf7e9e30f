"""U-Nets and their judges: shapes, the article's layers, and what tiles and exports ask of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from gandemo.data.images import Tiling
from gandemo.errors import RecipeError
from gandemo.nets.patchgan import PatchDiscriminator, PoolingDiscriminator
from gandemo.nets.unet import UNet, ValidUNet

TINY: dict[str, Any] = {"channels": (4, 6, 8), "blocks": (0, 1, 1)}


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("size", [(16, 16), (8, 24), (4, 4)])
def test_any_size_that_halves(batch_norm: bool, size: tuple[int, int]) -> None:
    network = UNet(inputs=4, outputs=2, batch_norm=batch_norm, **TINY)
    assert network.multiple == 4
    assert not network(torch.randn(2, 4, *size)).any()  # nothing at first
    nn.init.normal_(network.last.weight)
    output = network(torch.randn(2, 4, *size) * 9)
    assert output.shape == (2, 2, *size)
    assert float(output.detach().abs().max()) <= 1.0
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()) == batch_norm


def test_a_residual_starts_as_the_input() -> None:
    pictures = torch.randn(2, 3, 16, 16)
    assert torch.equal(UNet(residual="add", **TINY)(pictures), pictures)


def test_a_masked_residual_leaves_the_rest_alone() -> None:
    network = UNet(inputs=4, residual="masked", **TINY)
    nn.init.ones_(network.last.bias)
    pictures = torch.randn(2, 4, 16, 16)
    pictures[:, 3] = 0.0
    pictures[:, 3, 4:9, 5:7] = 1.0
    change = network(pictures) - pictures[:, :3]
    assert torch.equal(change != 0, pictures[:, 3:].expand(-1, 3, -1, -1) == 1)


def test_holes_are_filled_from_their_rims_first() -> None:
    network = UNet(inputs=4, residual="masked", fill=True, channels=(4,) * 5, blocks=(0,) * 5, batch_norm=False)
    pictures = torch.cat([torch.full((1, 3, 48, 64), 0.6), torch.zeros(1, 1, 48, 64)], 1)
    pictures[:, :, 20:30, 5:60] = torch.tensor([0.0, 0.0, 0.0, 1.0]).view(1, 4, 1, 1)
    output = network(pictures)
    assert torch.allclose(output, torch.full_like(output, 0.6), atol=1e-3)
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 48, 64) * (1 - pictures[:, 3:])
    filled = network(torch.cat([ramp, pictures[:, 3:]], 1))
    assert float((filled - torch.linspace(-1, 1, 64)).detach().abs().max()) < 0.1  # a ramp goes on through the hole
    with pytest.raises(ValueError, match="fill needs residual 'masked' and more than 4 channels"):
        UNet(inputs=4, residual="masked", fill=True)


def test_every_weight_learns() -> None:
    for network in (UNet(**TINY), UNet(residual="add", **TINY), ValidUNet(outputs=2, widths=[(3, 4, 5)] * 3)):
        inputs = 1 if isinstance(network, ValidUNet) else 3
        for parameter in network.parameters():
            parameter.data += 0.01 * torch.randn_like(parameter)
        network(torch.randn(2, inputs, 48, 48)).square().sum().backward()
        assert all(parameter.grad is not None for parameter in network.parameters())


def test_tiles_give_what_the_whole_gives() -> None:
    network = UNet(residual="add", **TINY).eval()
    nn.init.normal_(network.last.weight, 0.0, 0.1)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean, layer.running_var = (
                torch.randn(layer.num_features),
                torch.rand(layer.num_features) + 0.5,
            )
    picture = torch.rand(3, 144, 208) * 2 - 1
    tiling = Tiling(144, 208, side=96, overlap=64, align=4)
    with torch.inference_mode():
        whole = network(picture[None])[0]
        merged = tiling.merge(network(tile[None])[0] for tile in tiling.split(picture))
    assert len(tiling) > 4
    assert float((merged - whole).abs().max()) < 1e-5
    assert float((whole - picture).abs().mean()) > 0.01


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"residual": "plus"}, "there is no residual 'plus'; valid: none, add, masked"),
        ({"channels": (4, 4), "blocks": (1,)}, "2 channels and 1 blocks"),
        ({"channels": (4,), "blocks": (1,)}, "give two or more"),
        ({"residual": "masked", "inputs": 3, **TINY}, "needs more than 3 inputs"),
    ],
)
def test_what_cannot_be_built(args: dict[str, Any], words: str) -> None:
    with pytest.raises((RecipeError, ValueError), match=words):
        UNet(**args)


def test_the_articles_colorizer() -> None:
    network = ValidUNet()
    shapes: list[tuple[int, ...]] = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _layer, _inputs, output: shapes.append(tuple(output.shape[1:])))
    output = network(torch.zeros(1, 1, 120, 120))
    assert output.shape == (1, 3, 120, 120)
    assert shapes == [
        (16, 104, 104), (32, 102, 102), (32, 100, 100),
        (32, 92, 92), (64, 90, 90), (64, 88, 88),
        (64, 84, 84), (128, 82, 82), (128, 80, 80),
        (128, 80, 80),
        (128, 82, 82), (128, 84, 84), (64, 88, 88),
        (64, 90, 90), (64, 92, 92), (32, 100, 100),
        (32, 102, 102), (32, 104, 104), (3, 120, 120),
    ]  # fmt: skip
    dilations = [layer.dilation[0] for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert dilations.count(4) == dilations.count(2) == 2


def test_a_stride_one_transposed_convolution_is_a_padded_one() -> None:
    """What `ValidUNet` stands on: the same map, with the kernel turned and its channels exchanged."""
    transposed = nn.ConvTranspose2d(3, 4, 5, dilation=2)
    plain = nn.Conv2d(3, 4, 5, dilation=2, padding=8)
    plain.weight.data = transposed.weight.data.transpose(0, 1).flip(2, 3)
    plain.bias = transposed.bias
    x = torch.randn(1, 3, 9, 7)
    assert torch.allclose(transposed(x), plain(x), atol=1e-5)


def test_patches_of_seventy_pixels() -> None:
    network = PatchDiscriminator(inputs=6, batch_norm=False)
    size = 144
    picture = torch.zeros(1, 6, size, size, requires_grad=True)
    logits = network(picture)
    side = round(len(logits) ** 0.5)
    assert side**2 == len(logits) == 16**2
    logits.view(side, side)[8, 8].backward()
    assert picture.grad is not None
    seen = picture.grad.abs().sum(dim=(0, 1)) > 0
    assert (int(seen.any(0).sum()), int(seen.any(1).sum())) == (70, 70)
    assert count(network) == (
        (16 * 6 * 64 + 64) + (16 * 64 * 128 + 128) + (16 * 128 * 256 + 256) + (16 * 256 * 512 + 512) + (16 * 512 + 1)
    )


def test_patches_of_one_picture_stand_in_a_row() -> None:
    network = PatchDiscriminator(inputs=4, channels=(4, 4, 4), batch_norm=False, spectral_norm=True).eval()
    pictures, condition = torch.randn(3, 3, 32, 32), torch.randn(3, 1, 32, 32)
    logits = network(pictures, condition).view(3, -1)
    assert logits.shape[1] > 1
    for index in range(3):
        part = slice(index, index + 1)
        assert torch.allclose(network(pictures[part], condition[part]), logits[index], atol=1e-5)
    assert not torch.allclose(network(pictures, -condition).view(3, -1), logits)  # it looks at the pair


def test_a_judge_may_see_the_detail_magnified() -> None:
    network = PatchDiscriminator(inputs=4, channels=(4, 4), batch_norm=False, magnify=8.0)
    shown: list[torch.Tensor] = []
    network.layers[0].register_forward_pre_hook(lambda _, values: shown.append(values[0]))
    picture, condition = torch.randn(2, 3, 16, 16), torch.randn(2, 1, 16, 16)
    network(picture, condition)
    (seen,) = shown
    assert torch.equal(seen[:, :4], torch.cat([condition, picture], 1))
    around = picture[:, :, 4:9, 6:11].mean((2, 3))
    assert torch.allclose(seen[:, 4:, 6, 8], 8 * (picture[:, :, 6, 8] - around), atol=1e-5)
    corner = picture[:, :, :3, :3].mean((2, 3))  # what lies beyond the edge does not count
    assert torch.allclose(seen[:, 4:, 0, 0], 8 * (picture[:, :, 0, 0] - corner), atol=1e-5)


def test_the_articles_judge() -> None:
    network = PoolingDiscriminator(120)
    assert network(torch.zeros(2, 3, 120, 120)).shape == (2,)
    dense = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert [layer.in_features for layer in dense] == [256 * 2 * 2, 512, 128, 16]
    with pytest.raises(ValueError, match="nothing is left of image_size 40"):
        PoolingDiscriminator(40)


@pytest.mark.parametrize("network", [UNet(), UNet(batch_norm=False, residual="add", wiener=[[1.0, 0.01]]), ValidUNet()])
def test_only_operations_that_phones_know(network: nn.Module) -> None:
    allowed = (nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU, nn.ReLU, nn.Tanh, nn.Identity)
    leaves = [layer for layer in network.modules() if not list(layer.children())]
    known = [layer for layer in leaves if isinstance(layer, allowed) or not list(layer.parameters())]
    assert len(known) == len(leaves)
    assert all(layer.padding_mode == "zeros" for layer in leaves if isinstance(layer, nn.Conv2d))
