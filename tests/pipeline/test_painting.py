"""Enhancing and painting in: tiles leave no seam, the ends and what lies between, and only what is marked changes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageDraw

from gandemo import checkpoint
from gandemo.data import datasets
from gandemo.data import images as im
from gandemo.data.images import Photo
from gandemo.errors import CheckpointError, RequestError
from gandemo.pipeline import Pipeline, painting
from gandemo.pipeline.model import KEPT_BLENDS
from tests import tiny_photos
from tests.pipeline import photo_models


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Both ends, which differ."""
    folder = tmp_path_factory.mktemp("e")
    return photo_models.load(
        folder,
        "enhance",
        faithful=photo_models.stirred(tiny_photos.TINY["enhance"], 5),
    )


@pytest.fixture(scope="module")
def inpainter(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return photo_models.load(tmp_path_factory.mktemp("i"), "inpaint")


@pytest.fixture
def in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bf16, so that two ways to the same picture can be compared to the bit."""
    monkeypatch.setattr(painting, "_bf16_pays", lambda: False)


def difference(one: Photo, two: Photo) -> int:
    return int(np.abs(one.pixels.astype(int) - two.pixels.astype(int)).max())


def mask_of(photo: Photo, *boxes: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", photo.size)
    for box in boxes:
        ImageDraw.Draw(mask).rectangle(box, fill=255)
    return mask


# --- tiles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(208, 144), (144, 208), (200, 150), (33, 400)])
def test_tiled_is_as_the_whole(
    enhancer: Pipeline, in_full: None, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    photo = photo_models.photo(*size, grey=False)
    whole = enhancer.enhance(photo, crisp=1.0)
    monkeypatch.setattr(painting, "SIDE", 96)
    heard: list[tuple[int, int]] = []
    tiled = enhancer.enhance(photo, crisp=1.0, progress=lambda done, total: heard.append((done, total)))
    assert len(heard) > 3
    assert heard == [(step, len(heard)) for step in range(1, len(heard) + 1)]
    assert difference(tiled, whole) <= 1
    assert difference(whole, photo) > 10  # or it would be no wonder


def test_the_whole_is_what_the_network_says(enhancer: Pipeline, in_full: None) -> None:
    photo = photo_models.photo(64, 96, grey=False)
    signed = im.to_signed(torch.from_numpy(photo.pixels).permute(2, 0, 1)[None])
    with torch.no_grad():
        expected = im.to_pixels(enhancer.generator(signed))[0].permute(1, 2, 0).numpy()
    assert difference(enhancer.enhance(photo, crisp=1.0), Photo(expected)) <= 1


def test_half_precision_is_near_enough(enhancer: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = photo_models.photo(64, 96, grey=False)
    found = []
    for pays in (False, True):
        monkeypatch.setattr(painting, "_bf16_pays", lambda pays=pays: pays)
        found.append(enhancer.enhance(photo, crisp=1.0).pixels.astype(float))
    changed = np.abs(found[0] - photo.pixels).mean()  # random weights change far more than trained ones
    assert np.abs(found[0] - found[1]).mean() < 0.04 * changed


@pytest.mark.parametrize("name", ["tiny", *(found.name for found in checkpoint.available("enhance"))])
def test_no_enhancer_leaves_a_seam_in_a_real_photo(
    name: str, enhancer: Pipeline, in_full: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the ones that ship."""
    pipeline = enhancer if name == "tiny" else Pipeline.from_pretrained(name)
    photo = im.open_photo(datasets.SAMPLES / "made" / "colosseum-grain.jpg")
    photo = Photo(np.ascontiguousarray(photo.pixels[:336, :336]))
    whole = pipeline.enhance(photo)
    assert difference(whole, photo) > 10
    monkeypatch.setattr(painting, "SIDE", 192)
    tiled = pipeline.enhance(photo)
    assert np.abs(tiled.pixels.astype(float) - whole.pixels).mean() < 0.05
    assert difference(tiled, whole) <= 3


# --- strength, scale, crisp -------------------------------------------------------------------------------


def test_strength(enhancer: Pipeline, in_full: None) -> None:
    photo = photo_models.photo(grey=False)
    assert np.array_equal(enhancer.enhance(photo, strength=0.0).pixels, photo.pixels)
    full, half = (enhancer.enhance(photo, strength=share).pixels.astype(float) for share in (1.0, 0.5))
    inside = (full > 0) & (full < 255)
    assert np.abs(half - (photo.pixels + full) / 2)[inside].max() <= 1.0


@pytest.mark.parametrize("scale", [2, 4])
def test_scales(enhancer: Pipeline, scale: int) -> None:
    photo = photo_models.photo(30, 44, grey=False)
    large = enhancer.enhance(photo, scale=scale)
    assert large.size == (44 * scale, 30 * scale)
    plain = enhancer.enhance(photo, scale=scale, strength=0.0)
    bicubic = Image.fromarray(photo.pixels).resize(large.size, Image.Resampling.BICUBIC)
    assert np.array_equal(plain.pixels, np.asarray(bicubic))
    assert difference(large, plain) > 5


@pytest.mark.parametrize(("sigma", "left"), [(0.0, 0.9), (15.0, 0.7)])
def test_grain_is_taken_out_before_it_is_enlarged(sigma: float, left: float) -> None:
    pipeline, draw = Pipeline.from_pretrained("enhance"), np.random.default_rng(0)
    errors = []
    for path in sorted((datasets.SAMPLES / "photos").rglob("*.jpg"))[::12]:
        truth = im.open_photo(path).pixels[:160, :160]
        small = np.array(Image.fromarray(truth).resize((80, 80), Image.Resampling.BICUBIC)).astype(float)
        small += draw.normal(0.0, sigma, small.shape) if sigma else 0.0
        poor = Photo(small.round().clip(0, 255).astype(np.uint8))
        made = (pipeline.enhance(poor, scale=2, strength=share, crisp=0.0) for share in (1.0, 0.0))
        errors.append([float(np.square(photo.pixels.astype(float) - truth).mean()) for photo in made])
    ours, bicubic = np.mean(errors, axis=0)
    assert ours < left * bicubic


def test_crisp_is_a_straight_line_between_two_ends(enhancer: Pipeline, in_full: None) -> None:
    photo = photo_models.photo(grey=False)
    faithful = enhancer.checkpoint.faithful()
    assert faithful is not None
    assert difference(enhancer.enhance(photo, crisp=0.0), painting.enhance(faithful, photo)) == 0
    assert difference(enhancer.enhance(photo, crisp=1.0), painting.enhance(enhancer.generator, photo)) == 0
    assert difference(enhancer.enhance(photo, crisp=0.0), enhancer.enhance(photo, crisp=1.0)) > 5
    ends = faithful.state_dict(), enhancer.generator.state_dict()
    for name, weights in enhancer._between_ends(0.25).state_dict().items():
        assert torch.allclose(weights, 0.75 * ends[0][name] + 0.25 * ends[1][name], atol=1e-6)


def test_few_blends_are_kept(enhancer: Pipeline) -> None:
    assert enhancer._between_ends(0.3) is enhancer._between_ends(0.3)
    for step in range(10):
        enhancer._between_ends(step / 11)
    assert len(enhancer._blends) == KEPT_BLENDS


def test_the_default_crisp_is_the_checkpoint_s(tmp_path: Path, enhancer: Pipeline, in_full: None) -> None:
    assert enhancer.can_blend
    assert enhancer.default_crisp == 0.5
    photo = photo_models.photo(grey=False)
    assert difference(enhancer.enhance(photo), enhancer.enhance(photo, crisp=0.5)) == 0
    faithful = photo_models.stirred(tiny_photos.TINY["enhance"], 5)
    for stored, expected in ((0.2, 0.2), (0, 0.0), ("much", 0.5), (7, 0.5), (None, 0.5)):
        pipeline = photo_models.load(tmp_path, "enhance", faithful=faithful, metrics={"crisp": stored})
        assert pipeline.default_crisp == expected


def test_a_run_s_faithful_end_is_what_it_started_from(home: Path, in_full: None) -> None:
    start = checkpoint.save(
        home / "checkpoints" / "enhance-l1",
        tiny_photos.TINY["enhance-l1"],
        photo_models.stirred(tiny_photos.TINY["enhance-l1"], 8),
    )
    recipe = tiny_photos.TINY["enhance"].with_settings({"init": "enhance-l1"})
    run = Pipeline(checkpoint.save(home / "runs" / "r" / "checkpoints" / "best", recipe, photo_models.stirred(recipe)))
    assert run.can_blend
    photo = photo_models.photo(grey=False)
    assert difference(run.enhance(photo, crisp=0.0), Pipeline(start).enhance(photo)) == 0


@pytest.mark.parametrize("init", ["", "gone", "../checkpoints/enhance-l1", "colorize-l1"])
def test_without_the_other_end_there_is_nothing_to_choose(home: Path, init: str) -> None:
    for name in ("enhance-l1", "colorize-l1"):
        checkpoint.save(
            home / "checkpoints" / name, tiny_photos.TINY[name], photo_models.stirred(tiny_photos.TINY[name])
        )
    recipe = tiny_photos.TINY["enhance"].with_settings({"init": init})
    alone = Pipeline(checkpoint.save(home / "alone", recipe, photo_models.stirred(recipe)))
    assert not alone.can_blend
    assert alone.default_crisp == 1.0
    photo = photo_models.photo()
    assert difference(alone.enhance(photo), alone.enhance(photo, crisp=1.0)) == 0
    with pytest.raises(RequestError, match="alone has no faithful end; leave crisp as it is, or choose another"):
        alone.enhance(photo, crisp=0.3)
    first = Pipeline.from_pretrained("enhance-l1")
    assert (first.can_blend, first.default_crisp) == (False, 0.0)
    with pytest.raises(RequestError, match="enhance-l1 has no crisp end"):
        first.enhance(photo, crisp=0.3)


def test_a_damaged_faithful_end_is_told(tmp_path: Path) -> None:
    pipeline = photo_models.load(tmp_path, "enhance", faithful=photo_models.stirred(tiny_photos.TINY["enhance"], 5))
    file = pipeline.checkpoint.path / checkpoint.FAITHFUL
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"faithful\.safetensors is damaged"):
        pipeline.enhance(photo_models.photo(), crisp=0.0)
    assert pipeline.enhance(photo_models.photo(), crisp=1.0).size == (90, 60)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"strength": 1.01}, "strength must be from 0 to 1, got 1.01"),
        ({"strength": float("nan")}, "strength must be from 0 to 1"),
        ({"crisp": -0.5}, "crisp must be from 0 (faithful) to 1 (crisp), got -0.5"),
        ({"crisp": float("nan")}, "crisp must be from 0"),
        ({"scale": 3}, "scale must be 1, 2 or 4, got 3"),
        ({"scale": 0}, "scale must be 1, 2 or 4, got 0"),
    ],
)
def test_requests_out_of_range(enhancer: Pipeline, request_: dict[str, float], words: str) -> None:
    with pytest.raises(RequestError) as caught:
        enhancer.enhance(photo_models.photo(), **request_)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_too_large_to_be_made(enhancer: Pipeline) -> None:
    photo = Photo(np.broadcast_to(np.uint8(0), (3000, 4000, 3)))
    with pytest.raises(RequestError, match="it would have 192 megapixels; up to 80 are made, so take a smaller scale"):
        enhancer.enhance(photo, scale=4)


# --- any photo --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2), (17, 640)])
def test_any_shape(enhancer: Pipeline, inpainter: Pipeline, size: tuple[int, int]) -> None:
    photo = photo_models.photo(*size, grey=False)
    assert enhancer.enhance(photo).pixels.shape == photo.pixels.shape
    if size != (1, 1):
        painted = inpainter.inpaint(photo, mask_of(photo, (0, 0, 0, 0)))
        assert (painted.pixels != photo.pixels).any(axis=2).sum() <= 1


@settings(max_examples=25)
@given(
    width=st.integers(1, 130),
    height=st.integers(1, 130),
    scale=st.sampled_from([1, 1, 2]),
    alpha=st.booleans(),
    boxes=st.lists(st.tuples(*[st.integers(0, 129)] * 4), min_size=1, max_size=3),
    seed=st.integers(0, 9999),
)
def test_any_size_and_any_mask(
    enhancer: Pipeline,
    inpainter: Pipeline,
    width: int,
    height: int,
    scale: int,
    alpha: bool,
    boxes: list[tuple[int, int, int, int]],
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    cover = rng.integers(0, 256, (height, width), np.uint8) if alpha else None
    photo = Photo(rng.integers(0, 256, (height, width, 3), np.uint8), cover)
    better = enhancer.enhance(photo, scale=scale)
    assert better.size == (scale * width, scale * height)
    assert (None if better.alpha is None else better.alpha.shape[::-1]) == (better.size if alpha else None)
    mask = mask_of(photo, *((min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in boxes))
    marked = np.asarray(mask) > 0
    if marked.all() or not marked.any():
        with pytest.raises(RequestError, match="the mask marks"):
            inpainter.inpaint(photo, mask)
        return
    painted = inpainter.inpaint(photo, mask)
    assert np.array_equal(painted.pixels[~marked], photo.pixels[~marked])


def test_transparency_and_profile_come_through(enhancer: Pipeline) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(photo_models.photo(40, 60).pixels)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", icc_profile=profile)
    photo = im.open_photo(buffer.getvalue())
    result = im.open_photo(enhancer.enhance(photo, scale=2).to_png())
    assert (result.size, result.icc) == ((120, 80), profile)
    assert result.alpha is not None
    assert photo.alpha is not None
    assert np.abs(result.alpha[::2, ::2].astype(int) - photo.alpha).max() < 12


# --- painting in ------------------------------------------------------------------------------------------


def test_only_what_is_marked_changes(inpainter: Pipeline) -> None:
    photo = photo_models.photo(120, 200, grey=False)
    mask = mask_of(photo, (20, 10, 24, 110), (150, 40, 190, 80))
    heard: list[tuple[int, int]] = []
    painted = inpainter.inpaint(photo, mask, progress=lambda done, total: heard.append((done, total)))
    marked = np.asarray(mask) > 0
    assert np.array_equal(painted.pixels[~marked], photo.pixels[~marked])
    assert (painted.pixels[marked] != photo.pixels[marked]).any(axis=1).mean() > 0.9
    assert heard
    assert heard[-1][0] == heard[-1][1]


def test_what_lies_under_the_mask_is_not_looked_at(inpainter: Pipeline) -> None:
    """Nor by a wide hole's smaller copies."""
    photo = photo_models.photo(300, 320, grey=False)
    for box in ((60, 60, 64, 280), (80, 80, 240, 220)):
        mask = mask_of(photo, box)
        scribbled = photo.pixels.copy()
        scribbled[np.asarray(mask) > 0] = (255, 0, 255)
        assert difference(inpainter.inpaint(photo, mask), inpainter.inpaint(Photo(scribbled), mask)) == 0


def test_the_photo_that_was_given_stays_as_it_was(inpainter: Pipeline, enhancer: Pipeline) -> None:
    photo = photo_models.photo(300, 320, grey=False)
    before = photo.pixels.copy()
    inpainter.inpaint(photo, mask_of(photo, (80, 80, 240, 220)))
    enhancer.enhance(photo)
    assert np.array_equal(photo.pixels, before)


def test_a_wide_hole_is_begun_in_a_small_copy() -> None:
    """With a network that leaves the holes grey, the rim is the network's at each size, and nothing is left over."""

    class Grey(torch.nn.Module):
        sizes: list[int]

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            self.sizes.append(int(given[:, 3].sum()))
            return given[:, :3]

    network = Grey()
    network.sizes = []
    photo = Photo(np.full((512, 512, 3), 250, np.uint8))
    painted = painting.inpaint(network, photo, mask_of(photo, (100, 100, 399, 399)))
    hole = painted.pixels[100:400, 100:400]
    assert hole.min() >= 120
    assert hole.max() <= 135  # 0 of [-1, 1], through every interpolation
    assert len(network.sizes) >= 3
    rim = 300**2 - (300 - 2 * painting.REACH) ** 2
    assert rim <= sum(network.sizes) < 300**2  # the middle was painted small


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (Image.new("L", (60, 90), 255), "the mask has 60×90 pixels and the photo 90×60; they must be equal"),
        (Image.new("L", (90, 60)), "the mask marks nothing; paint over what should go"),
        (Image.new("1", (90, 60), 1), "the mask marks the whole photo; leave something to paint from"),
    ],
)
def test_masks_that_cannot_be(inpainter: Pipeline, mask: Image.Image, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        inpainter.inpaint(photo_models.photo(), mask)


@settings(max_examples=30)
@given(height=st.integers(1, 40), width=st.integers(1, 40), reach=st.integers(1, 6), seed=st.integers(0, 99))
def test_erosion(height: int, width: int, reach: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.97
    wide = np.pad(mask, reach, constant_values=True)
    windows = np.lib.stride_tricks.sliding_window_view(wide, (2 * reach + 1, 2 * reach + 1))
    assert np.array_equal(painting._eroded(mask, reach), windows.all(axis=(2, 3)))
