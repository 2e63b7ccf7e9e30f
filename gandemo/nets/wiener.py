"""A bank of Wiener filters: the best linear answers to blur and noise, which a network need not learn by heart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gandemo.nets.layers import in_full_precision, luma_of

REACH = 8  # pixels to each side; 12 gain nothing at a blur of σ 2
_PERIOD = 256  # pixels of the grid on which a filter is designed; far more than it reaches
_FLOOR = 0.02  # radians a pixel: below it, photos have no more power than there


class WienerBank(nn.Module):
    """What each of several Wiener filters would change in a picture.

    A network that sees the candidates has to find out what happened to a picture, and where, not how to undo it. Deep
    Wiener deconvolution (Dong et al. 2020, arXiv:2103.09962) does so with features and a known blur; here the blur is
    unknown, and a bank of likely ones stands in for it.
    """

    filters: Tensor
    gains: Tensor

    def __init__(self, filters: Sequence[Sequence[float]]) -> None:
        """Design the filters.

        Args:
            filters: of each, the blur's σ in pixels, and the noise it has to bear, see `wiener_filter`.

        Raises:
            ValueError: one is no such pair.
        """
        super().__init__()
        for pair in filters:
            if len(pair) != 2 or pair[0] < 0 or pair[1] <= 0:
                raise ValueError(f"a Wiener filter is given by σ, from 0, and a noise above 0; got {list(pair)}")
        kernels = torch.stack([wiener_filter(sigma, noise) for sigma, noise in filters])
        # fixed, so that they need no place in the file of the weights
        self.register_buffer("filters", kernels[:, None], persistent=False)
        self.register_buffer("gains", kernels.square().sum((1, 2)).sqrt().view(1, -1, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """The changes to each channel.

        Args:
            pictures: [N, 3, H, W]. Beyond the edges their last pixels go on.

        Returns:
            float32 [N, filters, H, W] for each of red, green and blue.
        """
        return in_full_precision(self._changes, pictures)  # with half the digits, no blur can be undone

    def _changes(self, pictures: Tensor) -> list[Tensor]:
        wide = _extended(pictures)
        channels = ((wide[:, index : index + 1], pictures[:, index : index + 1]) for index in range(3))
        return [self._filtered(wide_one) - one for wide_one, one in channels]

    def _filtered(self, wide: Tensor) -> Tensor:
        return F.conv2d(wide, self.filters)

    def seen(self, changes: Sequence[Tensor]) -> Tensor:
        """The changes to the luma, each filter's scaled as if it let through noise of size 1: [N, filters, H, W]."""
        return luma_of(*changes) / self.gains


class FactoredBank(WienerBank):
    """The same filters in two steps, along the rows and then along the columns: the same values with half the work.

    Each filter is symmetric, so 9 of its 17 rows tell all, and 9 rows are a basis of all filters' rows. LiteRT takes a
    sixth of the time for it, being slow at large convolutions of a single channel.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, bank: WienerBank) -> None:
        """Take over the filters of another bank."""
        nn.Module.__init__(self)
        self.register_buffer("gains", bank.gains, persistent=False)
        count, _, height, width = bank.filters.shape
        left, sizes, basis = torch.linalg.svd(bank.filters.double().view(-1, width), full_matrices=False)
        rank = int((sizes > 1e-9 * sizes[0]).sum())
        columns = (left[:, :rank] * sizes[:rank]).view(count, height, rank).transpose(1, 2)
        self.register_buffer("rows", basis[:rank].float().view(rank, 1, 1, width), persistent=False)
        self.register_buffer("columns", columns.float().unsqueeze(3).contiguous(), persistent=False)

    def _filtered(self, wide: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(wide, self.rows), self.columns)


@cache
def wiener_filter(sigma: float, noise: float) -> Tensor:
    """The filter of (2 · REACH + 1)² taps that comes nearest to the picture before a Gaussian blur and white noise.

    It solves the Wiener–Hopf equations (Wiener 1949) for pictures whose power falls with the square of the frequency,
    as that of photos does (Field 1987).

    Args:
        sigma: of the blur, in pixels; 0: there was none.
        noise: power of the noise, where the picture's is 1 at a frequency of 1 radian a pixel.

    Returns:
        float32 [2 · REACH + 1, 2 · REACH + 1], of sum 1.
    """
    with torch.device("cpu"):  # also where a network is laid out without memory: what is found here is kept
        frequencies = torch.fft.fftfreq(_PERIOD, dtype=torch.float64) * 2 * math.pi
        along = torch.exp(-frequencies.square() * sigma**2 / 2)
        blur = along[:, None] * along[None]
        power = 1 / (frequencies.square()[:, None] + frequencies.square()[None] + _FLOOR**2)
        seen = torch.fft.ifft2(power * blur.square() + noise).real
        wanted = torch.fft.ifft2(power * blur).real
        y, x = (axis.flatten() for axis in torch.meshgrid(*[torch.arange(-REACH, REACH + 1)] * 2, indexing="ij"))
        correlation = seen[(y[:, None] - y[None]) % _PERIOD, (x[:, None] - x[None]) % _PERIOD]
        taps = torch.linalg.solve(correlation, wanted[y % _PERIOD, x % _PERIOD])
        return (taps / taps.sum()).view(2 * REACH + 1, -1).float()


def _extended(pictures: Tensor) -> Tensor:
    """[N, C, H, W] with its edge pixels repeated `REACH` times; written so that every export format has it."""
    above, below = pictures[:, :, :1], pictures[:, :, -1:]
    tall = torch.cat([above.expand(-1, -1, REACH, -1), pictures, below.expand(-1, -1, REACH, -1)], 2)
    left, right = tall[..., :1], tall[..., -1:]
    return torch.cat([left.expand(-1, -1, -1, REACH), tall, right.expand(-1, -1, -1, REACH)], 3)
