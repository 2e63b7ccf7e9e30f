"""Measures on pixels: against a true picture, within a set, and against the training pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from gandemo.data.images import rgb_to_lab
from gandemo.errors import RequestError

# Decibels that two equal pictures count as where a mean is taken, so that it stays finite; rounding to 8 bits alone
# leaves 58.9.
BEST = 60.0

# Rows and columns of a block of distances: 256 queries against 4,096 references of 784 pixels take 35 MB.
_QUERY_ROWS = 256
_REFERENCE_ROWS = 4096

_WINDOW = 11  # of SSIM, in pixels
_SIGMA = 1.5


def psnr(a: Tensor, b: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio of each picture.

    Args:
        a: floating point [N, C, H, W].
        b: the same shape.
        data_range: from the least to the greatest value a pixel may have: 1 for [0, 1], 2 for [-1, 1].

    Returns:
        Decibels, float64 [N]; infinite where the two are equal.

    Raises:
        RequestError: The shapes differ or a value is not finite.
    """
    first, second = _checked_pair(a, b, data_range)
    error = (first - second).square().mean(dim=(1, 2, 3))
    return 10 * (data_range**2 / error).log10()


def psnr_y(a: Tensor, b: Tensor, border: int = 0) -> Tensor:
    """PSNR of the luma alone, as the super-resolution literature gives it.

    BT.601 luma in its studio range (16 to 235 of 255) against a peak of 255, as MATLAB's rgb2ycbcr gives it.
    Papers leave out a border as wide as the scale, and round to 8 bits beforehand.

    Args:
        a: RGB, floating point [N, 3, H, W] in [0, 1].
        b: the same shape and range.
        border: pixels to leave out on each side.

    Returns:
        Decibels, float64 [N]; infinite where the two are equal.

    Raises:
        RequestError: The shapes differ, a value lies outside [0, 1] or the border leaves nothing.
    """
    first, second = _checked_pair(a, b, 1.0)
    height, width = first.shape[2:]
    if border < 0 or 2 * border >= min(height, width):
        raise RequestError(f"A border of {border} pixels leaves nothing of {width} x {height} pictures.")
    inside = (..., slice(border, height - border), slice(border, width - border))
    return psnr(_luma(first[inside]), _luma(second[inside]))


def ssim(a: Tensor, b: Tensor, data_range: float = 1.0) -> Tensor:
    """Structural similarity of each picture.

    Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity": a Gaussian
    window of 11 x 11 with σ 1.5, K₁ 0.01, K₂ 0.03; only windows that lie wholly inside the picture; the mean
    over windows and channels.

    Args:
        a: floating point [N, C, H, W], H and W at least 11.
        b: the same shape.
        data_range: from the least to the greatest value a pixel may have: 1 for [0, 1], 2 for [-1, 1].

    Returns:
        float64 [N], -1 to 1, and 1 where the two are equal.

    Raises:
        RequestError: The shapes differ, a side is below 11 pixels or a value is not finite.
    """
    first, second = _checked_pair(a, b, data_range)
    if min(first.shape[2:]) < _WINDOW:
        raise RequestError(f"SSIM needs pictures of at least 11 x 11 pixels, but these are {list(first.shape[2:])}.")
    # One picture at a time, since five maps of each are alive at once.
    pairs = zip(torch.split(first, 1), torch.split(second, 1), strict=True)
    return torch.cat([_ssim_map(x, y, data_range).mean(dim=(1, 2, 3)) for x, y in pairs])


def colourfulness(images: Tensor) -> Tensor:
    """How colourful each picture looks: 0 not, 15 slightly, 33 moderately, 45 averagely, 59 quite, 82 highly.

    M⁽³⁾ of Hasler & Süsstrunk 2003, "Measuring colourfulness in natural images", on RGB in 0..255, so
    that the figures are on the scale of the paper.

    Args:
        images: RGB, floating point [N, 3, H, W] in [0, 1].

    Returns:
        float64 [N], 0 or more.

    Raises:
        RequestError: The images are not RGB or a value lies outside [0, 1].
    """
    red, green, blue = _rgb(_checked_images(images)).mul(255).unbind(dim=1)
    red_green, yellow_blue = (red - green).flatten(1), ((red + green) / 2 - blue).flatten(1)
    spread = torch.hypot(red_green.std(dim=1, correction=0), yellow_blue.std(dim=1, correction=0))
    return spread + 0.3 * torch.hypot(red_green.mean(dim=1), yellow_blue.mean(dim=1))


def ab_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean distance of each picture's pixels in Lab's a and b, whatever their lightness.

    Args:
        a: RGB, floating point [N, 3, H, W] in [0, 1].
        b: the same shape and range.

    Returns:
        float64 [N], 0 where the colours are equal.

    Raises:
        RequestError: The shapes differ, the pictures are not RGB or a value lies outside [0, 1].
    """
    first, second = _checked_pair(a, b, 1.0)
    difference = rgb_to_lab(_rgb(first))[:, 1:] - rgb_to_lab(_rgb(second))[:, 1:]
    return difference.square().sum(dim=1).sqrt().mean(dim=(1, 2))


def pairwise_diversity(images: Tensor, pairs: int = 2000, seed: int = 0) -> float:
    """Mean L2 distance between two pictures of a set; near 0 when a generator draws one picture only.

    Args:
        images: floating point [N, ...], N at least 2.
        pairs: random pairs to look at; when there are no more than that, each pair is looked at once.
        seed: of the pairs.

    Returns:
        The mean distance, in the unit of the pixels.

    Raises:
        RequestError: There are fewer than 2 images, fewer than 1 pair, or a value is not finite.
    """
    pixels = _checked_rows(images, "images", at_least=2)
    if pairs < 1:
        raise RequestError(f"pairs must be 1 or more, but it is {pairs}.")
    count = len(pixels)
    if pairs >= count * (count - 1) // 2:
        first, second = torch.triu_indices(count, count, offset=1)
    else:
        generator = torch.Generator().manual_seed(seed)
        first = torch.randint(count, (pairs,), generator=generator)
        # A step of 1 to count - 1 around the circle never leads back to the same picture.
        second = (first + torch.randint(1, count, (pairs,), generator=generator)) % count
    return float(_row_distances(pixels, first, pixels, second).mean())


def nearest_distances(queries: Tensor, reference: Tensor) -> Tensor:
    """L2 distance from each query to its nearest reference: 0 where a generator repeats a training picture.

    Args:
        queries: floating point [N, ...].
        reference: floating point [M, ...], as many values each.

    Returns:
        float64 [N], in the unit of the pixels.

    Raises:
        RequestError: A side is empty or not finite, or the sides differ in size.
    """
    asked = _checked_rows(queries, "queries", at_least=1)
    known = _checked_rows(reference, "references", at_least=1)
    if asked.shape[1] != known.shape[1]:
        raise RequestError(f"Queries have {asked.shape[1]} values each, but references {known.shape[1]}.")
    nearest = torch.cat([_nearest_index(part, known) for part in torch.split(asked, _QUERY_ROWS)])
    # The expanded product finds the neighbour; the difference gives its distance, exactly 0 for a copy.
    return _row_distances(asked, torch.arange(len(asked)), known, nearest)


def _luma(rgb: Tensor) -> Tensor:
    """BT.601 luma over 255, [N, 1, H, W], of RGB [N, 3, H, W] in [0, 1]; less its 16, which differences lose."""
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=rgb.dtype).view(1, 3, 1, 1)
    return (_rgb(rgb) * weights).sum(dim=1, keepdim=True) / 255


def _ssim_map(x: Tensor, y: Tensor, data_range: float) -> Tensor:
    """SSIM of each window of [N, C, H, W]: [N, C, H - 10, W - 10]."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    variance_x = _window_mean(x * x) - mean_x * mean_x
    variance_y = _window_mean(y * y) - mean_y * mean_y
    covariance = _window_mean(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)
    return luminance * (2 * covariance + c2) / (variance_x + variance_y + c2)


def _window_mean(x: Tensor) -> Tensor:
    """Gaussian mean over the window, along each side in turn; float64 convolution takes ten times as long."""
    offsets = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    bell = (-offsets.square() / (2 * _SIGMA**2)).exp()
    weights: list[float] = (bell / bell.sum()).tolist()
    for dim in (2, 3):
        length = x.shape[dim] - _WINDOW + 1
        total = x.narrow(dim, 0, length) * weights[0]
        for start in range(1, _WINDOW):
            total.add_(x.narrow(dim, start, length), alpha=weights[start])
        x = total
    return x


def _nearest_index(queries: Tensor, reference: Tensor) -> Tensor:
    """Index of the nearest reference of each query: int64 [N]."""
    best = torch.full((len(queries),), torch.inf, dtype=torch.float64)
    index = torch.zeros(len(queries), dtype=torch.int64)
    wide = queries.double()
    for start in range(0, len(reference), _REFERENCE_ROWS):
        block = reference[start : start + _REFERENCE_ROWS].double()
        # |query|² is the same for all references, so it may be left out.
        values, places = torch.addmm(block.square().sum(dim=1), wide, block.T, alpha=-2).min(dim=1)
        index = torch.where(values < best, places + start, index)
        best = torch.minimum(best, values)
    return index


def _row_distances(a: Tensor, a_index: Tensor, b: Tensor, b_index: Tensor) -> Tensor:
    """L2 distance of each pair of rows, a block at a time: float64 [len(a_index)]."""
    parts = zip(torch.split(a_index, _QUERY_ROWS), torch.split(b_index, _QUERY_ROWS), strict=True)
    return torch.cat([(a[i].double() - b[j].double()).square().sum(dim=1).sqrt() for i, j in parts])


def _checked_images(images: Tensor) -> Tensor:
    """The images as float64 on the CPU, once they are finite [N, C, H, W] with something in them."""
    if images.ndim != 4 or images.numel() == 0 or not images.is_floating_point():
        raise RequestError(
            f"Pictures must be floating point [N, C, H, W] with N at least 1, "
            f"but these are {images.dtype} {list(images.shape)}."
        )
    if not images.isfinite().all():
        raise RequestError("The pictures hold NaN or infinity; look for it in the generator that made them.")
    return images.detach().to("cpu", torch.float64)


def _checked_pair(a: Tensor, b: Tensor, data_range: float) -> tuple[Tensor, Tensor]:
    """Both sides as float64, once they are pictures of one shape."""
    if a.shape != b.shape:
        raise RequestError(f"Pictures to compare must have one shape, but have {list(a.shape)} and {list(b.shape)}.")
    if not data_range > 0:
        raise RequestError(f"data_range must be above 0, but it is {data_range}.")
    return _checked_images(a), _checked_images(b)


def _rgb(images: Tensor) -> Tensor:
    """The same images, once they are RGB in [0, 1]: other ranges would give wrong figures quietly."""
    if images.shape[1] != 3:
        raise RequestError(f"RGB pictures [N, 3, H, W] are needed, but these have {images.shape[1]} channels.")
    low, high = float(images.min()), float(images.max())
    if low < -1e-6 or high > 1 + 1e-6:
        raise RequestError(f"RGB must lie in 0..1, but it reaches from {low:.3g} to {high:.3g}; scale or clip it.")
    return images


def _checked_rows(values: Tensor, what: str, at_least: int) -> Tensor:
    """The values as [N, D] on the CPU in their own type, once they are finite and enough."""
    if values.ndim < 2 or not values.is_floating_point():
        raise RequestError(
            f"The {what} must be floating point [N, ...], but they are {values.dtype} {list(values.shape)}."
        )
    if len(values) < at_least:
        raise RequestError(f"At least {at_least} {what} are needed, but there are {len(values)}.")
    if not values.isfinite().all():
        raise RequestError(f"The {what} hold NaN or infinity; look for it where they were made.")
    return values.detach().to("cpu").flatten(1)
