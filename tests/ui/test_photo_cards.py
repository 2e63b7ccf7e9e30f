"""Photo checkpoints as cards: a strip of what they make of photos, and how much nearer to the truth it is."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gandemo import places
from gandemo.data import images as im
from gandemo.ui import catalog, photo_cards

SIDES = ("input", "ours", "10 hints", "truth")


def sheet(columns: int, captions: bool, rows: int = 5, side: int = 96) -> Image.Image:
    """As `evaluate` draws it; every stage has another brightness."""
    pictures = [
        [np.full((side, side, 3), 40 * place + 8 * row, np.uint8) for place in range(columns)] for row in range(rows)
    ]
    return im.table(
        pictures, [f"stage {place}" for place in range(columns)], ["what was done to it"] * rows if captions else ()
    )


def strip_of(folder: Path, sides: tuple[str, ...] = SIDES, side: str = "ours") -> Image.Image | None:
    made = photo_cards.strip(folder, sides, side)
    if made is None:
        return None
    assert made.startswith("data:image/jpeg;base64,")
    return Image.open(io.BytesIO(base64.b64decode(made.split(",")[1]))).convert("L")


@pytest.mark.parametrize("captions", [False, True])
@pytest.mark.parametrize("others", [0, 1])
def test_a_strip_shows_photos_before_and_after(tmp_path: Path, captions: bool, others: int) -> None:
    sheet(len(SIDES) + others, captions).save(tmp_path / "preview.png")
    strip = strip_of(tmp_path)
    assert strip is not None
    assert strip.size == (4 * 60 - 2, 58)
    for place in range(4):
        before, after = (strip.getpixel((60 * place + x, 30)) for x in (10, 48))
        assert abs(before - 8 * place) < 4  # type: ignore[operator]
        assert abs(after - (40 * (1 + others) + 8 * place)) < 4  # type: ignore[operator]


@pytest.mark.parametrize(
    ("raw", "sides", "side"),
    [
        (b"", SIDES, "ours"),
        (b"no picture", SIDES, "ours"),
        (None, (), ""),
        (None, SIDES, "theirs"),
        (None, (*SIDES, "more", "and more"), "ours"),
    ],
)
def test_a_sheet_of_another_form_is_left_out(
    tmp_path: Path, raw: bytes | None, sides: tuple[str, ...], side: str
) -> None:
    if raw is None:
        sheet(4, captions=False).save(tmp_path / "preview.png")
    else:
        (tmp_path / "preview.png").write_bytes(raw)
    assert strip_of(tmp_path, sides, side) is None


def test_without_a_sheet_there_is_no_strip(tmp_path: Path) -> None:
    assert photo_cards.strip(tmp_path, SIDES, "ours") is None


@pytest.mark.parametrize(
    ("evaluation", "facts"),
    [
        (None, ["tiny-photos"]),
        ([], ["tiny-photos"]),
        ({"kinds": 3}, ["tiny-photos"]),
        ({"kinds": {"grey": {"sides": {"ours": 3}}}}, ["tiny-photos"]),
        (
            {"kinds": {"grey": {"sides": {"input": {"psnr": 20}, "ours": {}}}}, "default": "ours", "figure": "psnr"},
            ["tiny-photos"],
        ),
        (
            {
                "kinds": {
                    "blur": {"sides": {"input": {"psnr": 20.0}, "ours": {"psnr": 21.0}}},
                    "noise": {"sides": {"input": {"psnr": 20.0}, "ours": {"psnr": 24.0}}},
                },
                "default": "ours",
                "figure": "psnr",
            },
            ["+2.5 dB PSNR"],
        ),
    ],
)
def test_what_was_measured_stands_on_the_card(filled: Path, evaluation: Any, facts: list[str]) -> None:
    file = filled / "checkpoints" / "colorize" / "metrics.json"
    file.write_text(json.dumps({"evaluation": evaluation}))
    found = {card["name"]: card for card in photo_cards.cards("colorize")}
    assert next(iter(found)) == "colorize"
    assert found["colorize"]["facts"] == facts
    assert found["colorize"]["strip"] is None
    assert found["colorize-unet"]["facts"] == ["tiny-photos"]


def test_a_pulled_one_says_where_it_came_from(filled: Path) -> None:
    (filled / "checkpoints" / "colorize-unet" / "origin.json").write_text('{"repo": "lab/first", "revision": ""}')
    found = {card["name"]: card for card in photo_cards.cards("colorize")}
    assert found["colorize-unet"]["facts"] == ["tiny-photos", "from lab/first"]
    assert found["colorize"]["facts"] == ["tiny-photos"]
    assert found["colorize"]["photos"] is True


@pytest.mark.parametrize("task", ["colorize", "enhance"])
def test_what_ships_has_its_strip_and_its_figure(task: str) -> None:
    shipped = [entry.name for entry in catalog.entries(task) if entry.path.parent == places.SHIPPED]
    found = {card["name"]: card for card in photo_cards.cards(task)}
    assert shipped or task != "colorize"
    for name in shipped:
        assert found[name]["strip"], name
        assert found[name]["facts"][0].endswith("dB PSNR"), name
