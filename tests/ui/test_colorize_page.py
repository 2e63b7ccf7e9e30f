"""The tab Colorize in a real browser, as a visitor meets it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from gandemo.ui import photo_examples
from tests.ui import photo_pages as bench_of

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

pytestmark = pytest.mark.browser


def test_an_example_gets_its_colour_at_one_click(any_page: Page, served: str) -> None:
    page = any_page
    bench = bench_of.visit(page, served, "Colorize")
    expect(bench.locator(".gd-example")).to_have_count(len(photo_examples.COLORIZE))
    assert bench_of.no_wider_than_the_screen(page)
    bench_of.try_example(bench, "lake")
    expect(bench.locator(".gd-caption")).to_contain_text("made grey")
    assert bench.locator(".gd-better").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [512, 384]
    assert bench.locator(".gd-before").get_attribute("alt") == "lake-grey.jpg before and after"
    assert bench_of.no_wider_than_the_screen(page)
    box, screen = bench.locator(".gd-sheet").bounding_box(), page.viewport_size
    assert box is not None
    assert screen is not None
    assert 250 < box["width"] <= screen["width"]
    assert abs(box["width"] / box["height"] - 512 / 384) < 0.02


def test_the_line_and_the_strength_move_by_keyboard_without_the_server(page: Page, served: str) -> None:
    bench = bench_of.visit(page, served, "Colorize")
    bench_of.try_example(bench, "tree")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    line = bench.get_by_label("Line between before and after")
    line.focus()
    line.press("Home")
    expect(line).to_have_attribute("aria-valuetext", "100 % of the photo shows the result")
    line.press("ArrowRight")
    assert bench.locator(".gd-sheet").evaluate("sheet => sheet.style.getPropertyValue('--split')") == "1%"
    assert "inset(0px 0px 0px 1%)" in bench.locator(".gd-after").evaluate("one => getComputedStyle(one).clipPath")
    page.mouse.click(*bench_of.at(bench, 0.25, 0.5))
    assert abs(int(line.input_value()) - 25) <= 1
    strength = bench.get_by_label("Strength")
    strength.focus()
    strength.press("Home")
    expect(bench.locator(".gd-better")).to_have_css("opacity", "0")
    strength.press("PageUp")
    strength.press("PageUp")
    assert 0 < float(bench.locator(".gd-better").evaluate("image => image.style.opacity")) < 1
    assert not [url for url in asked if not url.startswith("data:")]
    strength.press("End")  # more than the network says: asked for once
    bench.locator(".gd-vivid[src]").wait_for(state="attached")
    expect(bench.locator(".gd-vivid")).to_have_css("opacity", "1")


def test_a_dab_changes_the_picture_and_is_undone(any_page: Page, served: str) -> None:
    page = any_page
    bench = bench_of.visit(page, served, "Colorize")
    bench_of.try_example(bench, "tree")
    plain = bench_of.result(bench)
    bench.get_by_role("radio", name="Leaves").click()
    place = bench_of.at(bench, 0.8, 0.6)
    if page.evaluate("navigator.maxTouchPoints > 0"):
        page.touchscreen.tap(*place)
    else:
        page.mouse.click(*place)
    expect(bench.locator(".gd-dot")).to_have_count(1)
    bench_of.changed(page, bench, plain)
    dabbed = bench_of.result(bench)
    bench.locator(".gd-marks").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(bench.locator(".gd-dot")).to_have_count(2)
    bench_of.changed(page, bench, dabbed)
    both = bench_of.result(bench)
    bench.get_by_role("button", name="Undo").click()
    expect(bench.locator(".gd-dot")).to_have_count(1)
    bench_of.changed(page, bench, both)
    bench.get_by_role("button", name="Clear").click()
    expect(bench.locator(".gd-dot")).to_have_count(0)
    expect(bench.get_by_role("button", name="Clear")).to_be_disabled()


def test_of_many_wishes_at_once_the_last_is_answered(page: Page, served: str) -> None:
    bench = bench_of.visit(page, served, "Colorize")
    bench_of.try_example(bench, "tree")
    plain = bench_of.result(bench)
    asked: list[int] = []

    def listen(request: Request) -> None:
        wish = request.post_data_json["event_data"] if "/queue/join" in request.url else None
        if wish and "hints" in wish:
            asked.append(len(wish["hints"]))

    page.on("request", listen)
    bench.get_by_role("radio", name="Leaves").click()
    bench.locator(".gd-marks").focus()
    for _ in range(4):  # faster than anybody answers
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowUp")
    bench_of.changed(page, bench, plain)
    assert asked[-1] == 4
    assert len(asked) < 4 or asked == [1, 2, 3, 4]


def test_a_dropped_photo_is_taken_home_at_full_size(page: Page, served: str, tmp_path: Path) -> None:
    bench = bench_of.visit(page, served, "Colorize")
    bench_of.drop(page, bench_of.sent("granny.png", bench_of.grey_waves(1500, 300)))
    bench_of.done(bench)
    expect(bench.locator(".gd-caption")).to_have_text("granny.png, 1,500 × 300 pixels")
    with page.expect_download() as started:
        bench.get_by_role("button", name="Download PNG").click()
    assert started.value.suggested_filename == "granny-colour.png"
    started.value.save_as(tmp_path / "granny.png")
    with Image.open(tmp_path / "granny.png") as picture:
        pixels = np.asarray(picture, np.int16)
    assert pixels.shape == (300, 1500, 3)
    assert np.abs(pixels[..., 0] - pixels[..., 2]).max() > 8
    bench_of.settled(bench)
    bench.get_by_role("button", name="Another photo").click()
    expect(bench.locator(".gd-drop")).to_be_visible()


def test_a_colour_photo_is_told_and_recoloured(page: Page, served: str) -> None:
    bench = bench_of.visit(page, served, "Colorize")
    bench_of.choose(bench, bench_of.sent("holiday.png", bench_of.rainbow()))
    expect(bench.locator(".gd-question")).to_contain_text("This photo is in colour already.")
    expect(bench.locator(".gd-view.gd-done")).to_have_count(0)
    bench.get_by_role("button", name="Recolour it").click()
    bench_of.done(bench)
    expect(bench.locator(".gd-question")).to_be_hidden()


def test_a_broken_photo_is_one_sentence(page: Page, served: str) -> None:
    bench = bench_of.visit(page, served, "Colorize")
    bench_of.choose(bench, bench_of.sent("text.jpg", b"no picture at all"))
    toast = page.locator(".toast-body")
    expect(toast).to_contain_text("text.jpg is no picture that can be read; save it as JPEG or PNG")
    expect(bench.locator(".gd-drop")).to_be_visible()
    expect(bench.locator(".gd-working")).to_be_hidden()
    bench_of.choose(bench, bench_of.sent("granny.png", bench_of.grey_waves()))  # and the next one works
    expect(bench.locator(".gd-view.gd-done")).to_be_visible()


def test_several_photos_come_back_as_a_zip(page: Page, served: str, tmp_path: Path) -> None:
    bench = bench_of.visit(page, served, "Colorize")
    bench_of.choose(
        bench,
        bench_of.sent("one.png", bench_of.grey_waves()),
        bench_of.sent("empty.jpg", b""),
        bench_of.sent("holiday.png", bench_of.rainbow()),
        bench_of.sent("two.png", bench_of.grey_waves(40, 40)),
    )
    expect(bench.locator(".gd-album h3")).to_have_text("2 of 4 photos are done.")
    expect(bench.locator(".gd-problems li")).to_have_text(
        [
            "empty.jpg is empty (0 bytes); copy the photo again.",
            "holiday.png is in colour already and was left out; open it alone to give it new colours.",
        ]
    )
    expect(bench.locator(".gd-album img")).to_have_count(2)
    with page.expect_download() as started:
        bench.get_by_role("button", name="Download the zip").click()
    assert started.value.suggested_filename == "gandemo-colour.zip"
    started.value.save_as(tmp_path / "done.zip")
    with zipfile.ZipFile(tmp_path / "done.zip") as pack:
        assert pack.namelist() == ["one.png", "two.png"]


def test_another_checkpoint_paints_anew_and_says_if_it_takes_no_hints(page: Page, served: str) -> None:
    bench = bench_of.visit(page, served, "Colorize")
    bench_of.try_example(bench, "tree")
    before = bench_of.result(bench)
    page.locator("#colorize-checkpoint .gd-card:has(input[value='colorize-unet'])").click()
    bench_of.changed(page, bench, before)
    expect(bench.locator(".gd-hints")).to_contain_text("This network learned without hints")
    expect(bench.get_by_role("radio", name="Leaves")).to_be_disabled()


@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_in_the_dark_and_with_words_for_every_control(
    open_page: Callable[..., object], served: str, device: str
) -> None:
    with open_page(device) as page:  # type: ignore[attr-defined]
        bench = bench_of.visit(page, served, "Colorize", "?__theme=dark")
        bench_of.try_example(bench, "tree")
        panel = bench.locator(".gd-panel").first.evaluate("one => getComputedStyle(one).backgroundColor")
        assert max(int(value) for value in panel.removeprefix("rgb(").removesuffix(")").split(",")) < 60
        without = page.evaluate(
            "[...document.querySelectorAll('#colorize-bench :is(button, input, canvas)')].filter(one => "
            "one.offsetParent && one.tabIndex >= 0 && !one.textContent.trim() && !one.ariaLabel && !one.labels?.length)"
            ".map(one => one.outerHTML.slice(0, 120))"
        )
        assert without == []
        link, dot = page.locator("footer .show-api"), page.locator("footer .divider:not(.hidden)")
        assert (dot.evaluate("one => one.offsetWidth") > 0) == link.is_visible()  # no dot before nothing
        assert bench_of.no_wider_than_the_screen(page)
