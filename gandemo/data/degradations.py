"""What happens to photos: blur, noise, JPEG, few pixels, no colour, scratches; each seeded, on one picture at a time.

Pictures are uint8 [3, H, W], before and after, as a file would hold them.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from gandemo.data.images import luma


def blur(picture: Tensor, sigma: float) -> Tensor:
    """Gaussian blur; σ in pixels. The edge pixels go on for ever."""
    bell = _bell(sigma)
    reach = len(bell) // 2
    wide = F.pad(picture.float()[None], (reach, reach, reach, reach), mode="replicate")[0]
    return _bytes(_smoothed(wide, bell))


def noise(picture: Tensor, sigma: float, rng: torch.Generator, *, grey: bool = False, grain: float = 0.0) -> Tensor:
    """Gaussian noise.

    Args:
        picture: uint8 [3, H, W].
        sigma: its standard deviation, on the scale of 0..255.
        rng: draws it.
        grey: the same for all channels, as on a black-and-white film.
        grain: how coarse it is, the σ in pixels of a blur that it went through; 0: each pixel has its own.
    """
    channels, height, width = picture.shape
    channels = 1 if grey else channels
    if not grain:
        return _bytes(picture.float() + sigma * torch.randn((channels, height, width), generator=rng))
    bell = _bell(grain)
    reach = len(bell) // 2
    drawn = torch.randn((channels, height + 2 * reach, width + 2 * reach), generator=rng)
    # a blur of white noise leaves it this much of its standard deviation, once along each side
    left = float(bell.square().sum())
    return _bytes(picture.float() + (sigma / left) * _smoothed(drawn, bell))


def _bell(sigma: float) -> Tensor:
    """The taps of a Gaussian filter along one side, of sum 1."""
    reach = max(1, round(3.5 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    bell = torch.exp(-offsets.square() / (2 * sigma**2))
    return bell / bell.sum()


def _smoothed(wide: Tensor, bell: Tensor) -> Tensor:
    """[C, H + 2r, W + 2r] through a symmetric filter of 2r + 1 taps along both sides: [C, H, W].

    As shifts and sums, which takes a third of the time of a convolution with so few channels.
    """
    for dim in (2, 1):
        reach = len(bell) // 2
        length = wide.shape[dim] - 2 * reach
        total = wide.narrow(dim, reach, length) * bell[reach]
        for offset in range(reach):
            pair = wide.narrow(dim, offset, length) + wide.narrow(dim, 2 * reach - offset, length)
            total.add_(pair, alpha=float(bell[offset]))
        wide = total
    return wide


def jpeg(picture: Tensor, quality: int) -> Tensor:
    """Through a real JPEG of that quality, chroma at half size."""
    buffer = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()).save(buffer, "JPEG", quality=quality, subsampling=2)
    with Image.open(buffer) as image:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def downscale(picture: Tensor, factor: int, harm: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """Bicubic down by a factor and bicubic up again to the same size: what a small picture looks like, enlarged.

    `harm` is what happens to it while it is small.
    """
    height, width = picture.shape[1:]
    small = _resize(picture, max(1, height // factor), max(1, width // factor))
    return _resize(small if harm is None else harm(small), height, width)


def grey(picture: Tensor) -> Tensor:
    """Without colour: its luma in all three channels."""
    return _bytes(luma(picture.float()[None])[0]).expand(3, -1, -1)


def _resize(picture: Tensor, height: int, width: int) -> Tensor:
    # in bytes, and with the channels of a pixel side by side: a tenth of the time that floats take
    pixels = picture[None].contiguous(memory_format=torch.channels_last)
    return F.interpolate(pixels, (height, width), mode="bicubic", antialias=True)[0]


def _bytes(values: Tensor) -> Tensor:
    return values.round().clamp_(0.0, 255.0).to(torch.uint8)


# --- by chance --------------------------------------------------------------------------------------------


def _between(low: float, high: float, rng: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def _some_blur(picture: Tensor, rng: torch.Generator, strength: float) -> Tensor:
    return blur(picture, _between(0.4, 0.4 + 2.2 * strength, rng))


def _some_noise(picture: Tensor, rng: torch.Generator, strength: float) -> Tensor:
    sigma = _between(1.0, 1.0 + 39.0 * strength, rng)
    return noise(picture, sigma, rng, grey=_between(0.0, 1.0, rng) < 0.25)


def _some_grain(picture: Tensor, rng: torch.Generator, strength: float) -> Tensor:
    """A film's, which a scanner has spread over several pixels, mostly in black and white."""
    sigma = _between(1.0, 1.0 + 29.0 * strength, rng)
    return noise(picture, sigma, rng, grey=_between(0.0, 1.0, rng) < 0.75, grain=_between(0.4, 1.3, rng))


def _some_jpeg(picture: Tensor, rng: torch.Generator, strength: float) -> Tensor:
    return jpeg(picture, round(_between(95.0 - 75.0 * strength, 95.0, rng)))


def _few_pixels(picture: Tensor, rng: torch.Generator, strength: float) -> Tensor:
    return downscale(picture, _factor(rng, strength))


def _few_poor_pixels(picture: Tensor, rng: torch.Generator, strength: float) -> Tensor:
    """Enlarged with the noise and the JPEG that the small picture had."""

    def harm(small: Tensor) -> Tensor:
        return _some_jpeg(_some_noise(small, rng, 0.3 * strength), rng, 0.8 * strength)

    return downscale(picture, _factor(rng, strength), harm)


def _factor(rng: torch.Generator, strength: float) -> int:
    return 4 if _between(0.0, 1.0, rng) < 0.5 * strength else 2


# In the order in which a camera and a web site do it. strength: 0 to 1, the worst that may be drawn.
DEGRADATIONS: dict[str, Callable[[Tensor, torch.Generator, float], Tensor]] = {
    "blur": _some_blur,
    "downscale": _few_pixels,
    "noise": _some_noise,
    "jpeg": _some_jpeg,
}


# What an old print or a small file brings with it: each stands in for its namesake above, one time in three.
OLD_AND_SMALL: dict[str, Callable[[Tensor, torch.Generator, float], Tensor]] = {
    "downscale": _few_poor_pixels,
    "noise": _some_grain,
}


def degrade(picture: Tensor, rng: torch.Generator, *, old_and_small: bool = False) -> Tensor:
    """What training sees: one kind at any strength, a milder mixture of several, or now and then nothing at all.

    `old_and_small`: film grain is among the noise, and among small pictures those that were poor before they grew.
    """
    lot = _between(0.0, 1.0, rng)
    if lot < 0.05:
        return picture
    names = list(DEGRADATIONS)
    if lot < 0.5:
        chosen, strength = [names[int(torch.randint(len(names), (), generator=rng))]], 1.0
    else:
        chosen, strength = [name for name in names if _between(0.0, 1.0, rng) < 0.65], 0.5
    for name in chosen:
        harm = DEGRADATIONS[name]
        if old_and_small and name in OLD_AND_SMALL and _between(0.0, 1.0, rng) < 1 / 3:
            harm = OLD_AND_SMALL[name]
        picture = harm(picture, rng, strength)
    return picture


# --- of a known strength, to measure with -----------------------------------------------------------------


def _mixed(picture: Tensor, rng: torch.Generator) -> Tensor:
    return jpeg(noise(blur(picture, 1.2), 12.0, rng), 50)


YARDSTICKS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "mixed": _mixed,  # blur σ 1.2, then noise σ 12, then JPEG 50
    "noise-25": lambda picture, rng: noise(picture, 25.0, rng),
    "blur-2": lambda picture, rng: blur(picture, 2.0),
    "jpeg-30": lambda picture, rng: jpeg(picture, 30),
    "downscale-2": lambda picture, rng: downscale(picture, 2),
    "downscale-4": lambda picture, rng: downscale(picture, 4),
    "grain-15": lambda picture, rng: noise(picture, 15.0, rng, grey=True, grain=0.8),  # as on film, 2 pixels wide
}


# --- masks: uint8 [1, H, W], 1 where the picture is lost ---------------------------------------------------


def scratches(height: int, width: int, rng: torch.Generator) -> Tensor:
    """A few thin, nearly straight lines from edge to edge, as on an old print."""

    def draw(canvas: ImageDraw.ImageDraw, scale: float) -> None:
        for _ in range(int(torch.randint(1, 6, (), generator=rng))):
            upright = _between(0.0, 1.0, rng) < 0.7
            length, breadth = (height, width) if upright else (width, height)
            place, lean = _between(0.0, breadth, rng), _between(-0.15, 0.15, rng) * breadth
            line = []
            for step in range(9):
                along = length * step / 8
                across = place + lean * step / 8 + _between(-0.01, 0.01, rng) * breadth
                line.append((across, along) if upright else (along, across))
            canvas.line(line, fill=1, width=max(1, round(_between(0.5, 2.5, rng) * scale)))

    return _drawn(height, width, draw)


def strokes(height: int, width: int, rng: torch.Generator) -> Tensor:
    """Wandering brush strokes, as a hand paints them over what should go."""

    def draw(canvas: ImageDraw.ImageDraw, scale: float) -> None:
        for _ in range(int(torch.randint(1, 4, (), generator=rng))):
            x, y = _between(0.0, width, rng), _between(0.0, height, rng)
            radius = _between(2.0, 7.0, rng) * scale
            angle = _between(0.0, 2 * np.pi, rng)
            for _ in range(int(torch.randint(2, 9, (), generator=rng))):
                angle += _between(-0.8, 0.8, rng)
                step = _between(4.0, 14.0, rng) * scale
                end = (x + step * np.cos(angle), y + step * np.sin(angle))
                canvas.line([(x, y), end], fill=1, width=max(1, round(2 * radius)))
                canvas.ellipse([end[0] - radius, end[1] - radius, end[0] + radius, end[1] + radius], fill=1)
                x, y = end

    return _drawn(height, width, draw)


def boxes(height: int, width: int, rng: torch.Generator) -> Tensor:
    """One to three rectangles, each up to a quarter of the picture's height and width."""

    def draw(canvas: ImageDraw.ImageDraw, scale: float) -> None:
        for _ in range(int(torch.randint(1, 4, (), generator=rng))):
            tall, wide = _between(0.06, 0.25, rng) * height, _between(0.06, 0.25, rng) * width
            left, top = _between(0.0, width - wide, rng), _between(0.0, height - tall, rng)
            canvas.rectangle([left, top, left + wide, top + tall], fill=1)

    return _drawn(height, width, draw)


MASKS: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "scratches": scratches,
    "strokes": strokes,
    "boxes": boxes,
}


def some_mask(height: int, width: int, rng: torch.Generator) -> Tensor:
    """One of `MASKS` by chance; at least one pixel is lost."""
    names = list(MASKS)
    mask = MASKS[names[int(torch.randint(len(names), (), generator=rng))]](height, width, rng)
    if not bool(mask.any()):
        mask[:, height // 2, width // 2] = 1
    return mask


def _drawn(height: int, width: int, draw: Callable[[ImageDraw.ImageDraw, float], None]) -> Tensor:
    """A mask from a drawing; line widths are for a picture of 128 pixels and grow with it."""
    image = Image.new("L", (width, height))
    draw(ImageDraw.Draw(image), min(height, width) / 128)
    return torch.from_numpy(np.array(image))[None]
