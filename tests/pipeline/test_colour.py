"""Colour at any size: the photo's lightness stays, hints are followed, and only colour photos count as such."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from scipy.sparse.csgraph import dijkstra

from gandemo import checkpoint
from gandemo.data import datasets
from gandemo.data import images as im
from gandemo.data.images import Photo
from gandemo.errors import RequestError
from gandemo.pipeline import Hint, Pipeline, hints, is_grey
from tests.pipeline import photo_models

SAMPLES = datasets.SAMPLES


@pytest.fixture(scope="module")
def colorizer(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return photo_models.load(tmp_path_factory.mktemp("c"), "colorize")


@pytest.fixture(scope="module")
def article(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return photo_models.load(tmp_path_factory.mktemp("a"), "colorize-unet")


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return photo_models.echo(tmp_path_factory.mktemp("e"))


def lab(pixels: np.ndarray) -> torch.Tensor:
    return im.rgb_to_lab(torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255)[0]


# --- lightness and strength -------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["colorizer", "article"])
def test_lightness_is_the_photo_s_own_at_full_size(which: str, request: pytest.FixtureRequest) -> None:
    pipeline = request.getfixturevalue(which)
    photo = photo_models.photo(200, 310)
    painted = pipeline.colorize(photo)
    assert float((lab(painted.pixels)[0] - lab(photo.pixels)[0]).abs().max()) < 0.8
    assert float(lab(painted.pixels)[1:].abs().mean()) > 0.5  # it has colour now


def test_strength(colorizer: Pipeline) -> None:
    photo = photo_models.photo()
    assert np.array_equal(colorizer.colorize(photo, strength=0.0).pixels, photo.pixels)
    weak, full, strong = (
        float(lab(colorizer.colorize(photo, strength=share).pixels)[1:].abs().mean()) for share in (0.5, 1.0, 1.5)
    )
    assert weak < full < strong


def test_the_colour_that_a_photo_has_is_not_looked_at(colorizer: Pipeline) -> None:
    """A scan's tint goes, whatever it was; a photo in colour loses its own."""
    plain = photo_models.photo()
    lightness = lab(photo_models.photo(grey=False).pixels)[0]
    grey = colorizer.colorize(photo_models.photo(grey=False), strength=0.0).pixels
    assert (np.ptp(grey, axis=2) <= 1).all()
    assert float((lab(grey)[0] - lightness).abs().max()) < 0.8
    tinted = Photo((plain.pixels * np.array([1.0, 0.9, 0.7])).astype(np.uint8))
    assert (np.ptp(colorizer.colorize(tinted, strength=0.0).pixels, axis=2) <= 1).all()


def test_progress_reaches_its_end(colorizer: Pipeline) -> None:
    heard: list[tuple[int, int]] = []
    colorizer.colorize(photo_models.photo(), progress=lambda done, total: heard.append((done, total)))
    assert heard
    assert heard[-1][0] == heard[-1][1] > 0


# --- hints ------------------------------------------------------------------------------------------------


def two_halves(height: int = 120, width: int = 240) -> Photo:
    """Dark on the left, light on the right, with grain."""
    grain = np.random.default_rng(0).normal(0, 3, (height, width))
    light = np.where(np.arange(width) < width // 2, 90, 190) + grain
    return Photo(np.repeat(light[..., None], 3, axis=2).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("colour", [(220, 40, 40), (30, 160, 60), (40, 60, 220)])
def test_a_hint_colours_its_region_as_it_says_and_stops_at_its_edge(
    echo: Pipeline, colour: tuple[int, int, int]
) -> None:
    photo = two_halves()
    painted = lab(echo.colorize(photo, hints=[Hint(0.4, 0.5, colour)]).pixels)
    wanted = lab(np.array([[colour]], np.uint8))[1:, 0, 0]
    own, other = painted[1:, 20:100, 60:112], painted[1:, 20:100, 130:]
    middle = painted[1:, 58:62, 94:98].mean(dim=(1, 2))
    assert torch.nn.functional.cosine_similarity(middle, wanted, dim=0) > 0.98
    assert middle.norm() > 0.6 * wanted.norm()  # what so dark a grey can have of it
    assert own.norm(dim=0).mean() > 0.6 * middle.norm()
    assert other.norm(dim=0).mean() < 0.1 * middle.norm()


def test_a_dab_over_an_edge_belongs_to_the_side_of_its_middle(echo: Pipeline) -> None:
    painted = lab(echo.colorize(two_halves(), hints=[Hint(0.49, 0.5, (220, 40, 40), radius=0.05)]).pixels)
    assert painted[1, 20:100, 80:112].mean() > 5 * painted[1, 20:100, 130:162].mean().abs()


def test_without_hints_nothing_is_hinted(echo: Pipeline) -> None:
    photo = two_halves()
    assert np.array_equal(echo.colorize(photo).pixels, photo.pixels)


@settings(max_examples=15)
@given(height=st.integers(1, 7), width=st.integers(2, 7), seed=st.integers(0, 9999))
def test_the_way_to_a_hint_is_the_cheapest(height: int, width: int, seed: int) -> None:
    """By Dijkstra's algorithm on the graph of all places, as SciPy has it."""
    rng = np.random.default_rng(seed)
    light = rng.uniform(-1, 1, (height, width)).astype(np.float32)
    marks = [Hint(*rng.uniform(size=2), (0, 0, 0), radius=1e-6) for _ in range(3)]
    places = [(y, x) for y in range(height) for x in range(width)]
    costs = np.zeros((len(places) + 1,) * 2)  # the last one stands for the hint
    for one, (y, x) in enumerate(places):
        for other, (v, u) in enumerate(places):
            if one != other and max(abs(y - v), abs(x - u)) == 1:
                step = hints.ACROSS * np.hypot(y - v, x - u) / max(height, width)
                costs[one, other] = step + float(hints._rise(light[y, x], light[v, u]))
    for way, mark in zip(hints.distances(light, marks), marks, strict=True):
        middle = light[int(mark.y * height), int(mark.x * width)]
        covered = np.flatnonzero(hints._dab(mark, height, width))
        costs[-1] = 0.0
        costs[-1, covered] = hints._rise(light.ravel()[covered], middle) + 1e-6  # SciPy takes 0 for no way at all
        expected = dijkstra(costs, indices=len(places))[:-1].reshape(height, width)
        assert np.abs(way - expected).max() < 1e-4


def test_two_hints_each_where_it_is(echo: Pipeline) -> None:
    photo = photo_models.photo(160, 90)
    hints = [Hint(0.5, 0.2, (220, 30, 30), radius=0.1), Hint(0.5, 0.8, (30, 60, 220), radius=0.1)]
    painted = lab(echo.colorize(photo, hints=hints).pixels)
    assert painted[1, 28:36, 40:50].mean() > 20
    assert painted[2, 124:132, 40:50].mean() < -20


@pytest.mark.parametrize("place", [(0.0, 0.0), (1.0, 1.0), (0.5, 0.0)])
def test_the_smallest_dab_is_never_lost(colorizer: Pipeline, place: tuple[float, float]) -> None:
    photo = photo_models.photo(300, 400)
    hint = Hint(*place, (255, 0, 0), radius=1e-6)
    assert not np.array_equal(colorizer.colorize(photo, hints=[hint]).pixels, colorizer.colorize(photo).pixels)


@pytest.mark.parametrize("name", [found.name for found in checkpoint.available("colorize")])
def test_shipped_colorizers_follow_a_hint(name: str) -> None:
    """Where the region is asked to be red or blue, the first is redder and the second bluer."""
    pipeline = Pipeline.from_pretrained(name)
    photo = im.open_photo(SAMPLES / "made" / "lake-grey.jpg")
    plain = lab(pipeline.colorize(photo).pixels)
    assert float((plain[0] - lab(photo.pixels)[0]).abs().max()) < 1.0
    assert float(plain[1:].abs().mean()) > 1.0
    if not pipeline.recipe.options.get("hints"):
        return
    height, width = photo.pixels.shape[:2]
    sky = (slice(None), slice(height // 10, height // 4), slice(width // 4, 3 * width // 4))
    red, blue = (
        lab(pipeline.colorize(photo, hints=[Hint(x, 0.17, colour) for x in (0.35, 0.5, 0.65)]).pixels)[sky].mean((1, 2))
        for colour in ((230, 90, 80), (80, 110, 230))
    )
    assert red[1] > blue[1] + 5
    assert blue[2] < red[2] - 5


@pytest.mark.parametrize(
    "name", [found.name for found in checkpoint.available("colorize") if found.recipe.options.get("hints")]
)
def test_ten_true_hints_bring_shipped_colorizers_nearer_to_the_truth(name: str) -> None:
    pipeline = Pipeline.from_pretrained(name)
    gains = []
    for file in ("budgerigar", "lone-tree", "strawberry"):
        photo = im.open_photo(SAMPLES / "photos" / f"{file}.jpg")
        height, width = photo.pixels.shape[:2]
        dabs = []
        for x, y in np.random.default_rng(0).uniform(0.05, 0.95, size=(10, 2)):
            around = photo.pixels[int(y * height) - 4 : int(y * height) + 5, int(x * width) - 4 : int(x * width) + 5]
            red, green, blue = around.reshape(-1, 3).mean(axis=0).round().astype(int).tolist()
            dabs.append(Hint(x, y, (red, green, blue)))
        errors = [
            np.square(pipeline.colorize(photo, hints=given).pixels - photo.pixels.astype(float)).mean()
            for given in ([], dabs)
        ]
        gains.append(10 * np.log10(errors[0] / errors[1]))
    assert min(gains) > 1.0
    assert np.mean(gains) > 3.0


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"strength": -0.1}, "strength must be from 0 to 1.5, got -0.1"),
        ({"strength": 1.6}, "strength must be from 0 to 1.5"),
        ({"strength": float("nan")}, "strength must be from 0 to 1.5"),
        ({"hints": [Hint(1.2, 0.5, (1, 2, 3))]}, "place must be from 0 to 1 across and down, got 1.2"),
        ({"hints": [Hint(0.5, float("nan"), (1, 2, 3))]}, "place must be from 0 to 1"),
        ({"hints": [Hint(0.5, 0.5, (1, 2, 300))]}, "red, green and blue from 0 to 255"),
        ({"hints": [Hint(0.5, 0.5, (1, 2))]}, "red, green and blue"),  # type: ignore[arg-type]
        ({"hints": [Hint(0.5, 0.5, (1, 2, 3), radius=0.0)]}, "radius must be above 0"),
        ({"hints": [Hint(0.5, 0.5, (1, 2, 3), radius=2.0)]}, "up to 0.5, got 2"),
        ({"hints": [Hint(0.5, 0.5, (1, 2, 3))] * 101}, "up to 100 colour hints, got 101"),
    ],
)
def test_requests_out_of_range(colorizer: Pipeline, request_: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError) as caught:
        colorizer.colorize(photo_models.photo(), **request_)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hints_need_a_network_that_knows_them(article: Pipeline) -> None:
    with pytest.raises(RequestError, match="was trained without colour hints; choose another checkpoint"):
        article.colorize(photo_models.photo(), hints=[Hint(0.5, 0.5, (255, 0, 0))])


def test_every_task_says_what_it_is_for(colorizer: Pipeline) -> None:
    with pytest.raises(RequestError, match="is a checkpoint for colorize, not for enhance; choose another"):
        colorizer.enhance(photo_models.photo())
    with pytest.raises(RequestError, match="not for inpaint"):
        colorizer.inpaint(photo_models.photo(), Image.new("L", (90, 60), 255))


# --- any photo --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3), (33, 700), (500, 17)])
@pytest.mark.parametrize("which", ["colorizer", "article"])
def test_any_shape(which: str, size: tuple[int, int], request: pytest.FixtureRequest) -> None:
    photo = photo_models.photo(*size)
    painted = request.getfixturevalue(which).colorize(photo)
    assert painted.pixels.shape == photo.pixels.shape
    assert float((lab(painted.pixels)[0] - lab(photo.pixels)[0]).abs().max()) < 0.8


@settings(max_examples=20)
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"]),
    stretch=st.sampled_from([1, 1, 6]),
    seed=st.integers(0, 9999),
)
def test_any_mode_size_and_aspect(
    colorizer: Pipeline, width: int, height: int, mode: str, stretch: int, seed: int
) -> None:
    kind = "TIFF" if mode in ("CMYK", "I;16", "F") else "PNG"
    values = np.random.default_rng(seed).integers(0, 256, (height, width * stretch, 4), np.uint8)
    if mode == "I;16":
        image = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(values[..., 0].astype(np.float32) / 255)
    else:
        image = Image.fromarray(values).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    photo = im.open_photo(buffer.getvalue())
    painted = colorizer.colorize(photo)
    assert painted.size == photo.size == (width * stretch, height)
    assert (painted.alpha is None) == (photo.alpha is None)
    assert float((lab(painted.pixels)[0] - lab(photo.pixels)[0]).abs().max()) < 0.8
    assert is_grey(photo) in (True, False)


def test_transparency_profile_and_orientation_come_through(colorizer: Pipeline) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(photo_models.photo(40, 60).pixels)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    buffer = io.BytesIO()
    image.save(buffer, "PNG", icc_profile=profile, exif=exif)
    photo = im.open_photo(buffer.getvalue())
    result = im.open_photo(colorizer.colorize(photo).to_png())
    assert result.size == (40, 60)
    assert result.icc == profile
    assert photo.alpha is not None
    assert result.alpha is not None
    assert np.array_equal(result.alpha, photo.alpha)
    assert float((lab(result.pixels)[0] - lab(photo.pixels)[0]).abs().max()) < 0.8


# --- grey or not ------------------------------------------------------------------------------------------


def sample(name: str, mode: str = "RGB") -> np.ndarray:
    with Image.open(SAMPLES / "photos" / f"{name}.jpg") as image:
        return np.asarray(image.convert(mode))


def test_photos_in_colour_and_the_same_made_grey_or_tinted() -> None:
    """Of the sample's photos, a few are of one hue alone (a pool, the sea), and could be blue prints."""
    taken_for_tinted, missed = [], []
    for path in sorted((SAMPLES / "photos").glob("*.jpg")):
        photo = im.open_photo(path)
        grey = np.asarray(Image.fromarray(photo.pixels).convert("L"))[..., None]
        kinds = {
            "grey": grey.repeat(3, 2),
            "sepia": (grey * np.array([1.07, 0.95, 0.74])).clip(0, 255),
            "brown": np.array([40, 26, 13]) + grey / 255 * np.array([215, 214, 192]),
            "blue": np.array([10, 25, 70]) + grey / 255 * np.array([215, 215, 185]),
        }
        for kind, made in kinds.items():
            buffer = io.BytesIO()
            Image.fromarray(made.astype(np.uint8)).save(buffer, "JPEG", quality=80)
            if not is_grey(im.open_photo(buffer.getvalue())):
                missed.append((path.stem, kind))
        if is_grey(photo):
            taken_for_tinted.append(path.stem)
    assert missed == []
    assert len(taken_for_tinted) <= 3, taken_for_tinted


@pytest.mark.parametrize("path", sorted((SAMPLES / "old").glob("*.jpg")), ids=lambda path: path.stem)
def test_real_old_photos_are_black_and_white(path: Path) -> None:
    assert is_grey(im.open_photo(path))


def test_what_cannot_be_seen_has_no_colour() -> None:
    pixels = photo_models.photo(40, 40).pixels.copy()
    pixels[:20] = (255, 0, 0)
    alpha = np.full((40, 40), 255, np.uint8)
    alpha[:20] = 0
    assert is_grey(Photo(pixels, alpha))
    assert not is_grey(Photo(pixels))
    assert is_grey(Photo(pixels, np.zeros((40, 40), np.uint8)))


def test_a_small_thing_in_colour_is_seen() -> None:
    pixels = photo_models.photo(100, 100).pixels.copy()
    pixels[40:60, 40:60] = (200, 30, 40)  # 4 in 100 pixels
    assert not is_grey(Photo(pixels))
