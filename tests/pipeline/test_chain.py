"""An old photo restored: the steps in their order, each where it is wanted."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gandemo.data.images import Photo
from gandemo.errors import RequestError
from gandemo.pipeline import Pipeline, restore
from tests.pipeline import photo_models


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pipeline]:
    folder = tmp_path_factory.mktemp("m")
    return {name: photo_models.load(folder, name) for name in ("inpaint", "enhance", "colorize")}


def mask_of(photo: Photo) -> Image.Image:
    mask = Image.new("L", photo.size)
    ImageDraw.Draw(mask).line([(5, 0), (40, 59)], fill=255, width=3)
    return mask


def test_all_steps_in_their_order(models: dict[str, Pipeline]) -> None:
    photo = photo_models.photo()
    heard: list[tuple[int, int]] = []
    restored = restore(
        photo,
        inpainter=models["inpaint"],
        mask=mask_of(photo),
        enhancer=models["enhance"],
        colorizer=models["colorize"],
        progress=lambda done, total: heard.append((done, total)),
    )
    by_hand = models["colorize"].colorize(models["enhance"].enhance(models["inpaint"].inpaint(photo, mask_of(photo))))
    assert np.array_equal(restored.pixels, by_hand.pixels)
    assert heard == sorted(heard)
    assert heard[-1][0] == heard[-1][1]
    assert len({total for _, total in heard}) == 1


def test_steps_that_are_left_out(models: dict[str, Pipeline]) -> None:
    photo = photo_models.photo()
    assert np.array_equal(restore(photo).pixels, photo.pixels)
    coloured = restore(photo, colorizer=models["colorize"])
    assert np.array_equal(coloured.pixels, models["colorize"].colorize(photo).pixels)
    better = restore(photo, enhancer=models["enhance"], inpainter=models["inpaint"])
    assert np.array_equal(better.pixels, models["enhance"].enhance(photo).pixels)


def test_a_photo_in_colour_keeps_it(models: dict[str, Pipeline]) -> None:
    photo = photo_models.photo(grey=False)
    heard: list[tuple[int, int]] = []
    restored = restore(
        photo,
        enhancer=models["enhance"],
        colorizer=models["colorize"],
        progress=lambda done, total: heard.append((done, total)),
    )
    assert np.array_equal(restored.pixels, models["enhance"].enhance(photo).pixels)
    assert heard[-1] == (1000, 1000)


def test_whether_it_is_grey_is_asked_of_the_original(models: dict[str, Pipeline]) -> None:
    """The enhancer here makes colour of grey; the photo counts as black-and-white all the same."""
    photo = photo_models.photo()
    enhanced = models["enhance"].enhance(photo)
    assert (np.ptp(enhanced.pixels, axis=2) > 30).any()
    restored = restore(photo, enhancer=models["enhance"], colorizer=models["colorize"])
    assert np.array_equal(restored.pixels, models["colorize"].colorize(enhanced).pixels)


def test_a_mask_needs_an_inpainter(models: dict[str, Pipeline]) -> None:
    photo = photo_models.photo()
    with pytest.raises(RequestError, match="a mask needs an inpainter; name a checkpoint for inpaint"):
        restore(photo, mask=mask_of(photo), enhancer=models["enhance"])
    with pytest.raises(RequestError, match="is a checkpoint for colorize, not for enhance"):
        restore(photo, enhancer=models["colorize"])
