"""Pixel ranges, squares, grids, films and drawings: each transform with its inverse."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from gandemo.data import images as im
from gandemo.data.datasets import load
from gandemo.errors import RequestError

# --- ranges and squares -----------------------------------------------------------------------------------


def test_every_grey_value_survives_the_round_trip() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    signed = im.to_signed(pixels)
    assert signed.dtype == torch.float32
    assert (float(signed[0]), float(signed[-1])) == (-1.0, 1.0)
    assert torch.equal(im.to_pixels(signed), pixels)
    assert torch.equal(pixels, torch.arange(256, dtype=torch.uint8))  # the input is left as it was


def test_to_pixels_clamps_and_rounds_to_the_nearest() -> None:
    signed = torch.tensor([-7.0, -1.0, 1.0, 7.0, 0.4 / 127.5 - 1, 0.6 / 127.5 - 1])
    before = signed.clone()
    assert im.to_pixels(signed).tolist() == [0, 0, 255, 255, 0, 1]
    assert torch.equal(signed, before)


def test_to_pixels_takes_half_precision() -> None:
    assert im.to_pixels(torch.tensor([-1.0, 0.5, 1.0], dtype=torch.bfloat16)).tolist() == [0, 191, 255]


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    extra=st.integers(0, 9),
)
def test_padding_is_black_and_cropping_undoes_it(height: int, width: int, extra: int) -> None:
    images = torch.rand(2, 3, height, width) - 0.5
    size = max(height, width) + extra
    padded = im.pad_to(images, size)
    assert padded.shape == (2, 3, size, size)
    assert float(padded.sum()) == pytest.approx(
        float(images.sum()) - 2 * 3 * (size**2 - height * width), rel=1e-4, abs=1e-2
    )
    if height == width:
        assert torch.equal(im.crop_to(padded, height), images)


def test_a_picture_too_large_for_the_square() -> None:
    with pytest.raises(RequestError, match="30×20 does not fit on a square of 28"):
        im.pad_to(torch.zeros(1, 1, 20, 30), 28)


# --- contact sheets and films -----------------------------------------------------------------------------


def test_grid_layout() -> None:
    pictures = np.stack([np.full((2, 3), value, np.uint8) for value in (10, 20, 30, 40, 50)])
    sheet = np.asarray(im.grid(pictures, columns=2, gap=1, background=99))
    assert sheet.shape == (3 * 2 + 2, 2 * 3 + 1)
    assert sheet[:, 3].tolist() == [99] * 8
    assert sheet[2].tolist() == [99] * 7
    corners = [int(sheet[top, left]) for top in (0, 3, 6) for left in (0, 4)]
    assert corners == [10, 20, 30, 40, 50, 99]  # row by row; the last place is empty


def test_grid_of_colours_and_scale() -> None:
    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    pictures[1, 1, 2] = (1, 2, 3)
    sheet = im.grid(pictures, columns=9, gap=0, scale=3)
    assert (sheet.mode, sheet.size) == ("RGB", (2 * 4 * 3, 4 * 3))
    assert (np.asarray(sheet)[3:6, 18:21] == (1, 2, 3)).all()
    assert np.asarray(sheet).sum() == 9 * 6


@given(count=st.integers(1, 30), columns=st.integers(1, 12), gap=st.integers(0, 3))
def test_a_grid_holds_every_picture_once(count: int, columns: int, gap: int) -> None:
    pictures = np.repeat(np.arange(1, count + 1, dtype=np.uint8), 4).reshape(count, 2, 2)
    values, times = np.unique(np.asarray(im.grid(pictures, columns, gap=gap)), return_counts=True)
    assert {v: n for v, n in zip(values.tolist(), times.tolist(), strict=True) if v} == dict.fromkeys(
        range(1, count + 1), 4
    )


def test_a_film_has_all_frames_and_lasts_as_told() -> None:
    frames = [Image.fromarray(np.full((5, 7), 20 * index, np.uint8)) for index in range(8)]
    with Image.open(io.BytesIO(im.film(frames, seconds=2.0))) as film:
        assert (film.format, film.size, film.n_frames, film.info["loop"]) == ("PNG", (7, 5), 8, 0)
        for index, frame in enumerate(frames):
            film.seek(index)
            assert film.info["duration"] == pytest.approx(250)
            assert np.array_equal(np.asarray(film.convert("L")), np.asarray(frame))


def test_a_film_of_one_frame() -> None:
    with Image.open(io.BytesIO(im.film([Image.new("L", (3, 3), 7)], seconds=1.0))) as film:
        assert film.size == (3, 3)


# --- drawings ---------------------------------------------------------------------------------------------


def centre(digit: np.ndarray) -> tuple[float, float]:
    weight = digit.astype(np.float64) / digit.sum()
    places = np.arange(28)
    return float((weight.sum(1) * places).sum()), float((weight.sum(0) * places).sum())


def box(digit: np.ndarray) -> tuple[int, int]:
    rows, columns = np.where(digit.max(1) > 0)[0], np.where(digit.max(0) > 0)[0]
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def stroke() -> np.ndarray:
    """A thick 7 in a corner of a 300×200 canvas, 0 or 1."""
    canvas = np.zeros((300, 200), np.uint8)
    canvas[150:165, 20:100] = 1
    canvas[150:290, 85:100] = 1
    return canvas


@pytest.mark.parametrize(
    "drawing",
    [
        255 - 255 * stroke(),
        255 * stroke(),
        np.dstack([255 - 255 * stroke()] * 3),
        np.dstack([np.zeros_like(stroke())] * 3 + [255 * stroke()]),
        np.dstack([255 - 255 * stroke()] * 3 + [np.full_like(stroke(), 255)]),
        np.dstack([np.zeros_like(stroke()), 255 * stroke()]),
        200.0 - 100.0 * stroke(),
    ],
    ids=["black on white", "white on black", "colour", "alpha", "opaque", "grey and alpha", "low contrast floats"],
)
def test_a_drawing_becomes_a_digit(drawing: np.ndarray) -> None:
    digit = im.drawing_to_digit(drawing)
    assert (digit.shape, digit.dtype) == ((28, 28), np.uint8)
    assert digit.max() == 255
    assert digit[0, 0] == 0
    assert box(digit) == (20, 11)  # 140×80 scaled to a height of 20
    assert centre(digit) == pytest.approx((14, 14), abs=0.51)
    assert np.array_equal(digit, im.drawing_to_digit(255 - 255 * stroke()))


def test_real_digits_stay_where_they_are() -> None:
    """MNIST's own digits, enlarged, come back as they were: the same size, at the same place."""
    digits = load("mnist", "test").images[:200, 0].numpy()
    shifts, errors = [], []
    for digit in digits:
        back = im.drawing_to_digit(digit.repeat(10, 0).repeat(10, 1))
        shifts.append(np.subtract(centre(back), centre(digit)))
        errors.append(np.abs(back.astype(float) - digit).mean())
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.1
    assert np.abs(shifts).max() <= 1.01
    assert np.median(errors) < 8


def test_where_it_was_drawn_does_not_matter() -> None:
    canvas = stroke()
    moved = np.roll(canvas, (-100, 60), (0, 1))
    assert np.array_equal(im.drawing_to_digit(canvas * 255), im.drawing_to_digit(moved * 255))


def test_a_thin_line_is_seen() -> None:
    canvas = np.zeros((1000, 1000), np.uint8)
    canvas[100:900, 500] = 255
    digit = im.drawing_to_digit(canvas)
    assert box(digit)[0] == 20
    assert digit.max() == 255


@pytest.mark.parametrize(
    "drawing",
    [
        np.zeros((0, 0)),
        np.zeros((0, 5, 4), np.uint8),
        np.zeros((1, 1)),
        np.full((40, 40), 255),
        np.full((40, 40, 3), 7, np.uint8),
        np.zeros((40, 40, 4), np.uint8),
        np.full((40, 40, 4), 255, np.uint8),
        np.random.default_rng(0).integers(100, 110, (40, 40)),
    ],
    ids=["empty", "empty rgba", "a pixel", "white", "grey", "clear", "opaque", "hardly anything"],
)
def test_nothing_drawn(drawing: np.ndarray) -> None:
    with pytest.raises(RequestError, match="nothing is drawn yet: draw a digit"):
        im.drawing_to_digit(drawing)


def test_one_pixel_of_ink() -> None:
    canvas = np.zeros((60, 40), np.uint8)
    canvas[59, 39] = 255
    digit = im.drawing_to_digit(canvas)
    assert box(digit) == (20, 20)
    assert digit.max() == 255


def far_corners(size: int) -> np.ndarray:
    canvas = np.zeros((size, size), np.uint8)
    canvas[1, 1] = canvas[-1, -1] = 255
    return canvas


@settings(max_examples=150)
@given(
    drawing=st.tuples(st.integers(1, 60), st.integers(1, 60), st.sampled_from([(), (1,), (2,), (3,), (4,)])).flatmap(
        lambda size: hnp.arrays(np.uint8, (size[0], size[1], *size[2]), fill=st.sampled_from([0, 255]))
    )
)
@example(drawing=far_corners(1500))
@example(drawing=np.eye(2000, 3, dtype=np.uint8) * 255)
@example(drawing=np.eye(3, 2000, k=1990, dtype=np.uint8) * 255)
def test_any_drawing_is_a_digit_or_nothing(drawing: Any) -> None:
    try:
        digit = im.drawing_to_digit(drawing)
    except RequestError:
        return
    assert (digit.shape, digit.dtype) == ((28, 28), np.uint8)
    assert digit.max() == 255
    assert max(box(digit)) <= 20


# --- sheets to compare with -------------------------------------------------------------------------------


def test_a_table_holds_every_stage_in_its_place() -> None:
    rows = [[np.full((64, 64, 3), 40 * row + 10 * stage, np.uint8) for stage in range(3)] for row in range(5)]
    sheet = np.asarray(im.table(rows, ["input", "ours", "truth"], across=2))
    plain = [(row, stage) for row in range(5) for stage in range(3)]
    found = {}
    for row, stage in plain:
        places = np.argwhere((sheet == 40 * row + 10 * stage).all(axis=2))
        top, left = places.min(axis=0)
        block = sheet[top : top + 64, left : left + 64]
        assert (block == 40 * row + 10 * stage).all()
        found[row, stage] = (int(top), int(left))
    assert found[0, 0][0] == found[0, 2][0] == found[1, 0][0]  # two photos to a row, three stages each
    assert found[0, 0][1] < found[0, 1][1] < found[0, 2][1] < found[1, 0][1]
    assert found[2, 0][1] == found[0, 0][1]
    assert sheet.shape[0] >= found[4, 0][0] + 64


def test_a_table_says_what_its_columns_and_rows_are() -> None:
    rows = [[np.zeros((64, 64, 3), np.uint8)] * 2] * 2

    def above_the_first(*labels: str, captions: tuple[str, ...] = ()) -> np.ndarray:
        sheet = np.asarray(im.table(rows, labels, captions))
        return sheet[: int(np.argwhere((sheet == 0).all(axis=2))[0, 0])]

    assert above_the_first("", "").min() == 255
    assert above_the_first("input", "").min() < 100
    letters = above_the_first("input", "Wiener filter")
    assert (letters[:, [0, -1]] == 255).all()  # within the sheet
    told = above_the_first("", "", captions=("noise", "blur"))
    assert told.min() < 160
    assert len(told) > len(above_the_first("", ""))
