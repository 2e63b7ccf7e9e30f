"""Wiener filters: they undo what they say, bear what they say, and add nothing where there is nothing to undo."""

from __future__ import annotations

import pytest
import torch

from gandemo.data.images import Tiling
from gandemo.nets.unet import UNet
from gandemo.nets.wiener import REACH, FactoredBank, WienerBank, wiener_filter

BANK = [[1.0, 1e-2], [2.0, 1e-3]]
INSIDE = (..., slice(20, -20), slice(20, -20))


def waves(period: float, side: int = 96) -> torch.Tensor:
    """A grey picture of vertical waves, float32 [1, 3, side, side] in [-0.5, 0.5]."""
    return (0.5 * torch.sin(torch.arange(side) * 2 * torch.pi / period)).expand(1, 3, side, side).contiguous()


def blurred(pictures: torch.Tensor, sigma: float) -> torch.Tensor:
    """Waves after a Gaussian blur; what is near the edges means nothing."""
    kernel = torch.exp(-torch.arange(-12, 13).float().square() / (2 * sigma**2))
    row = (kernel / kernel.sum()).view(1, 1, 1, -1).expand(3, 1, 1, -1)
    return torch.nn.functional.conv2d(pictures, row, padding=(0, 12), groups=3)


def changed(pictures: torch.Tensor, sigma: float, noise: float) -> torch.Tensor:
    """The pictures after one filter."""
    return pictures + torch.cat(WienerBank([[sigma, noise]])(pictures), 1)


@pytest.mark.parametrize("period", [10.0, 16.0, 24.0])
def test_a_filter_undoes_its_own_blur(period: float) -> None:
    sharp = waves(period)
    soft = blurred(sharp, 2.0)
    lost, left = (float((x - sharp)[INSIDE].abs().max()) for x in (soft, changed(soft, 2.0, 1e-4)))
    assert left < 0.15 * lost


def test_a_filter_of_another_blur_does_worse() -> None:
    sharp = waves(12.0)
    soft = blurred(sharp, 1.5)
    left = [float((changed(soft, sigma, 1e-3) - sharp)[INSIDE].abs().mean()) for sigma in (1.0, 1.5, 2.0)]
    assert min(left) == left[1]


def test_a_filter_without_a_blur_takes_noise_away() -> None:
    sharp = waves(32.0)
    noisy = sharp + 0.2 * torch.randn(sharp.shape, generator=torch.Generator().manual_seed(0))
    before, after = (float((x - sharp)[INSIDE].square().mean()) for x in (noisy, changed(noisy, 0.0, 3.0)))
    assert after < 0.25 * before


def test_the_more_noise_the_less_of_it_comes_through() -> None:
    power = [float(wiener_filter(2.0, noise).square().sum()) for noise in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)]
    assert power == sorted(power, reverse=True)
    assert power[0] > 50 * power[-1]


def test_a_filter_is_symmetric_and_keeps_the_light() -> None:
    kernel = wiener_filter(1.7, 1e-3)
    assert kernel.shape == (2 * REACH + 1, 2 * REACH + 1)
    assert torch.allclose(kernel, kernel.T, atol=1e-5)
    assert torch.allclose(kernel, kernel.flip(0, 1), atol=1e-5)
    assert float(kernel.sum()) == pytest.approx(1.0, abs=1e-5)


def test_an_even_picture_stays_as_it_is_up_to_its_edges() -> None:
    even = torch.tensor([0.3, -0.2, 0.9]).view(1, 3, 1, 1).expand(1, 3, 8, 40)  # lower than the filters
    changes = WienerBank(BANK)(even)
    assert [change.shape for change in changes] == [(1, 2, 8, 40)] * 3
    assert max(float(change.abs().max()) for change in changes) < 1e-5


def test_half_precision_does_not_reach_the_filters() -> None:
    bank, picture = WienerBank(BANK), torch.rand(1, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = bank(picture)
    assert all(torch.equal(one, other) for one, other in zip(inside, bank(picture), strict=True))


def test_no_filter_is_saved() -> None:
    assert not WienerBank(BANK).state_dict()


@pytest.mark.parametrize("filters", [[[1.0]], [[-0.1, 1e-3]], [[1.0, 0.0]]])
def test_a_filter_that_is_none(filters: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="σ, from 0, and a noise above 0"):
        WienerBank(filters)


def test_filters_in_two_steps_are_the_same_filters() -> None:
    bank = WienerBank([[0.7, 1e-2], [1.3, 1e-3], [2.4, 1e-3], [0.0, 3.0]])
    quick, pictures = FactoredBank(bank), torch.rand(2, 3, 24, 40) * 2 - 1
    assert quick.rows.shape[0] == REACH + 1
    for found, wanted in zip(quick(pictures), bank(pictures), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=2e-5)
    torch.testing.assert_close(quick.seen(quick(pictures)), bank.seen(bank(pictures)), rtol=0, atol=2e-5)


# --- in the network ---------------------------------------------------------------------------------------


def unet() -> UNet:
    torch.manual_seed(0)
    return UNet(channels=(4, 6, 8), blocks=(0, 1, 1), residual="add", batch_norm=False, wiener=BANK)


def test_the_network_starts_as_the_input_nearly_and_learns_which_filter_it_is() -> None:
    network, pictures = unet(), waves(12.0)
    assert float((network(pictures) - pictures).detach().abs().max()) < 0.03
    with torch.no_grad():
        network.last.bias[3:] = torch.tensor([50.0, 0.0])  # the first filter alone, everywhere
    expected = pictures + torch.cat([change[:, :1] for change in WienerBank(BANK)(pictures)], 1)
    assert torch.allclose(network(pictures), expected, atol=1e-6)
    with torch.no_grad():
        network.last.bias[3:] = 0.0
    (network(pictures) - pictures.roll(1, 3)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.last.parameters())


def test_a_network_laid_out_without_memory_leaves_nothing_behind() -> None:
    wiener_filter.cache_clear()
    with torch.device("meta"):
        assert unet().last.weight.is_meta
    assert float((unet()(waves(12.0)) - waves(12.0)).detach().abs().max()) < 0.03


def test_tiles_give_what_the_whole_gives() -> None:
    network = unet().eval()
    torch.nn.init.normal_(network.last.weight, 0.0, 0.1)
    picture = torch.rand(3, 144, 208) * 2 - 1
    tiling = Tiling(144, 208, side=128, overlap=96, align=4)
    with torch.inference_mode():
        whole = network(picture[None])[0]
        merged = tiling.merge(network(tile[None])[0] for tile in tiling.split(picture))
    assert float((merged - whole).abs().max()) < 1e-5


@pytest.mark.parametrize("args", [{"residual": "none"}, {"inputs": 4, "residual": "masked"}])
def test_a_network_that_does_not_add_has_no_filters(args: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="wiener needs residual 'add' and 3 channels"):
        UNet(**args, wiener=BANK)  # type: ignore[arg-type]
