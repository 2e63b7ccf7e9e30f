"""Colour spaces against scikit-image's values, there and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from gandemo.data import images as im

# skimage.color.rgb2lab of scikit-image 0.26
KNOWN = {
    (255, 0, 0): (53.2406, 80.0923, 67.2028),
    (0, 255, 0): (87.7351, -86.1830, 83.1797),
    (0, 0, 255): (32.2957, 79.1856, -107.8573),
    (255, 255, 0): (97.1395, -21.5547, 94.4781),
    (12, 34, 56): (12.6562, 0.1214, -16.8316),
    (200, 150, 120): (66.0978, 14.8498, 23.1328),
    (70, 130, 180): (52.4654, -4.0800, -32.1883),
    (3, 3, 3): (0.8225, -0.0001, 0.0001),
    (128, 128, 128): (53.5850, -0.0015, 0.0028),
    (255, 255, 255): (100.0, -0.0025, 0.0047),
    (0, 0, 0): (0.0, 0.0, 0.0),
}


def every_colour(step: int = 15) -> torch.Tensor:
    """A grid over all of sRGB, float64 [1, 3, n, n·n] in [0, 1]."""
    axis = torch.arange(0, 256, step, dtype=torch.float64) / 255
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).reshape(1, 3, len(axis), -1)


@pytest.mark.parametrize(("rgb", "lab"), KNOWN.items())
def test_lab_as_scikit_image_has_it(rgb: tuple[int, ...], lab: tuple[float, ...]) -> None:
    found = im.rgb_to_lab(torch.tensor(rgb).view(1, 3, 1, 1) / 255)
    assert found.flatten().tolist() == pytest.approx(lab, abs=0.01)


# skimage.color.lab2rgb
@pytest.mark.parametrize(
    ("lab", "rgb"),
    [
        ((50.0, 40.0, -30.0), (0.63181, 0.36645, 0.66871)),
        ((75.0, -20.0, 60.0), (0.71323, 0.75523, 0.25823)),
        ((20.0, 5.0, 5.0), (0.22851, 0.17866, 0.16164)),
        ((90.0, 0.0, 0.0), (0.88757, 0.88756, 0.88760)),
    ],
)
def test_rgb_as_scikit_image_has_it(lab: tuple[float, ...], rgb: tuple[float, ...]) -> None:
    found = im.lab_to_rgb(torch.tensor(lab).view(1, 3, 1, 1))
    assert found.flatten().tolist() == pytest.approx(rgb, abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lab_there_and_back(dtype: torch.dtype) -> None:
    rgb = every_colour().to(dtype)
    assert torch.allclose(im.lab_to_rgb(im.rgb_to_lab(rgb)), rgb, atol=2e-5)


def test_eight_bits_survive_lightness_and_chroma() -> None:
    pixels = im.to_pixels(every_colour().float() * 2 - 1)
    lightness, chroma = im.split_colour(im.to_signed(pixels))
    assert (lightness.shape[1], chroma.shape[1]) == (1, 2)
    assert float(lightness.min()) >= -1.0
    assert float(lightness.max()) <= 1.0 + 1e-6
    assert 0.9 < float(chroma.abs().max()) < 1.0
    assert torch.equal(im.to_pixels(im.join_colour(lightness, chroma)), pixels)


def test_grey_has_no_chroma_and_colour_keeps_its_lightness() -> None:
    grey = torch.linspace(-1, 1, 256).view(1, 1, 1, 256).expand(1, 3, 1, 256)
    lightness, chroma = im.split_colour(grey)
    assert float(chroma.abs().max()) < 1e-5
    assert torch.allclose(im.join_colour(lightness, torch.zeros_like(chroma)), grey, atol=1e-5)
    red = im.join_colour(torch.zeros(1, 1, 1, 1), torch.full((1, 2, 1, 1), 0.3))
    assert float(im.split_colour(red)[0]) == pytest.approx(0.0, abs=1e-5)


def test_colours_that_srgb_lacks_are_cut() -> None:
    wild = im.lab_to_rgb(
        torch.tensor([[50.0, 110.0, -110.0], [100.0, 90.0, 90.0], [0.0, -90.0, 50.0]])[..., None, None]
    )
    assert torch.isfinite(wild).all()
    assert float(wild.min()) >= 0.0
    assert float(wild.max()) <= 1.0


def test_colour_has_a_gradient_everywhere() -> None:
    rgb = torch.tensor([0.0, 0.003, 0.04, 0.5, 1.0]).view(1, 1, 1, 5).repeat(1, 3, 1, 1).requires_grad_()
    im.rgb_to_lab(rgb).sum().backward()
    assert torch.isfinite(rgb.grad).all()  # type: ignore[arg-type]
    lab = torch.tensor([[0.0, 30.0, -30.0], [100.0, 0.0, 0.0], [50.0, 90.0, 90.0]])[..., None, None].requires_grad_()
    im.lab_to_rgb(lab).sum().backward()
    assert torch.isfinite(lab.grad).all()  # type: ignore[arg-type]


def test_luma_as_pillow_has_it() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    found = im.luma(torch.from_numpy(rgb).permute(2, 0, 1)[None].float())
    expected = np.asarray(Image.fromarray(rgb).convert("L"), np.float32)
    assert np.abs(found[0, 0].numpy() - expected).max() <= 1.0
