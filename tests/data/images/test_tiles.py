"""Tiles: every pixel once more as it was, no seam, and a network sees the same in a tile as in the whole."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gandemo.data.images import Tiling
from gandemo.errors import RequestError


@settings(max_examples=40)
@given(
    height=st.integers(1, 150), width=st.integers(1, 150), overlap=st.integers(0, 48), align=st.sampled_from([1, 8, 16])
)
def test_an_identity_is_exact(height: int, width: int, overlap: int, align: int) -> None:
    picture = torch.rand(2, height, width, generator=torch.Generator().manual_seed(height * 151 + width))
    tiling = Tiling(height, width, side=64, overlap=overlap, align=align)
    tiles = list(tiling.split(picture))
    assert len(tiles) == len(tiling)
    assert {tile.shape for tile in tiles} == {(2, *tiling.shape)}
    for side, length in zip(tiling.shape, (height, width), strict=True):
        assert side == 64 if length > 64 - align else length <= side < length + align
    assert torch.equal(tiling.merge(tiles), picture)
    for starts, length in ((tiling.tops, height), (tiling.lefts, width)):
        assert starts[0] == 0
        assert starts[-1] + 64 >= length
        assert len(starts) == 1 or length > 64
        assert all(start % align == 0 for start in starts)
        assert all(b - a <= 64 - overlap for a, b in itertools.pairwise(starts))


def test_bytes_are_split_too_and_edges_repeat() -> None:
    picture = torch.arange(6, dtype=torch.uint8).view(1, 2, 3)
    (tile,) = Tiling(2, 3, side=8, overlap=0, align=4).split(picture)
    assert tile[0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]


def test_a_jump_between_tiles_becomes_a_ramp() -> None:
    tiling = Tiling(32, 112, side=64, overlap=16, align=16)
    assert tiling.lefts == [0, 48]
    assert tiling.shape == (32, 64)
    merged = tiling.merge([torch.zeros(1, 32, 64), torch.ones(1, 32, 64)])
    row = merged[0, 5]
    assert torch.equal(merged, row.expand(1, 32, 112))
    assert not row[:52].any()  # the outer quarter of the later tile is left out
    assert (row[60:] == 1).all()
    steps = row.diff()
    assert (steps >= 0).all()
    assert float(steps.max()) <= 1 / 8 + 1e-6


def test_bands_are_the_picture_and_never_more_than_a_strip() -> None:
    picture = torch.rand(3, 200, 90)
    tiling = Tiling(200, 90, side=64, overlap=16)
    bands = list(tiling.bands(tiling.split(picture)))
    assert torch.equal(torch.cat(bands, 1), picture)
    assert max(band.shape[1] for band in bands) <= 64


def test_a_network_through_tiles_is_the_network_on_the_whole() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 4, stride=2, padding=1), nn.ReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(4, 1, 3, padding=1)
    )
    picture = torch.rand(1, 176, 208)  # multiples of align, so that the whole sees the same grid
    with torch.inference_mode():
        whole = network(picture[None])[0]
        tiling = Tiling(176, 208, side=64, overlap=32)
        merged = tiling.merge(network(tile[None])[0] for tile in tiling.split(picture))
    assert torch.allclose(merged, whole, atol=1e-6)


@pytest.mark.parametrize("values", [(0, 5), (5, 0), (5, 5, 64, 49), (5, 5, 60), (5, 5, 64, -1), (5, 5, 64, 8, 0)])
def test_what_cannot_be_tiled_is_refused(values: tuple[int, ...]) -> None:
    with pytest.raises(RequestError, match=r"nothing to tile|tiles of"):
        Tiling(*values)


def test_another_picture_is_refused() -> None:
    with pytest.raises(RequestError, match="the tiling is for 5×4"):
        next(Tiling(4, 5).split(torch.zeros(3, 5, 4)))
