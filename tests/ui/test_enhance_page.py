"""The tab Enhance in a real browser, as a visitor meets it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from gandemo.ui import photo_examples
from tests.ui import photo_pages as bench_of

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request, Route

pytestmark = pytest.mark.browser


def test_an_example_is_enhanced_at_one_click(any_page: Page, served: str) -> None:
    page = any_page
    bench = bench_of.visit(page, served, "Enhance")
    expect(bench.locator(".gd-example")).to_have_count(len(photo_examples.ENHANCE))
    bench_of.try_example(bench, "small")
    expect(bench.locator(".gd-caption")).to_contain_text("now 512 × 512 pixels")
    expect(bench.locator("input[name='gd-scale'][value='4']")).to_be_checked()
    assert bench.locator(".gd-better").evaluate("image => image.naturalWidth") == 512
    assert bench.locator(".gd-before").evaluate("image => image.naturalWidth") == 128
    assert bench_of.no_wider_than_the_screen(page)


def test_an_old_photo_is_restored_with_one_button(page: Page, served: str) -> None:
    bench = bench_of.visit(page, served, "Enhance")
    bench_of.try_example(bench, "scratched")  # its scratches are marked, and it is black-and-white
    restore = bench.get_by_role("button", name="Restore an old photo")
    expect(restore).to_have_attribute("aria-pressed", "true")
    base = bench.locator(".gd-base").get_attribute("src")
    assert base != bench.locator(".gd-before").get_attribute("src")  # painted in, and with colour
    before = bench_of.result(bench)
    restore.click()
    bench_of.changed(page, bench, before)
    expect(restore).to_have_attribute("aria-pressed", "false")


def test_size_crispness_and_strength(page: Page, served: str, tmp_path: Path) -> None:
    bench = bench_of.visit(page, served, "Enhance")
    bench_of.choose(bench, bench_of.sent("poor.png", bench_of.rainbow()))
    bench_of.done(bench)
    before = bench_of.result(bench)
    bench.get_by_text("2 ×", exact=True).click()
    bench_of.changed(page, bench, before)
    expect(bench.locator(".gd-caption")).to_have_text("poor.png, 64 × 48 pixels, now 128 × 96 pixels")
    with page.expect_download() as started:
        bench.get_by_role("button", name="Download PNG").click()  # is there already
    assert started.value.suggested_filename == "poor-enhanced.png"
    strength = bench.get_by_label("Strength")
    strength.focus()
    strength.press("Home")
    expect(bench.locator(".gd-better")).to_have_css("opacity", "0")
    with page.expect_download() as started:
        bench.get_by_role("button", name="Download PNG").click()  # is made at this strength
    started.value.save_as(tmp_path / "poor.png")
    with Image.open(tmp_path / "poor.png") as picture:
        assert picture.size == (128, 96)


def test_a_stroke_is_painted_in(any_page: Page, served: str) -> None:
    page = any_page
    bench = bench_of.visit(page, served, "Enhance")
    bench_of.choose(bench, bench_of.sent("poor.png", bench_of.rainbow(96, 96)))
    bench_of.done(bench)
    plain = bench_of.result(bench)
    expect(bench.get_by_role("button", name="Paint in")).to_be_disabled()
    bench.get_by_role("button", name="Brush", exact=True).click()
    marks = bench.locator(".gd-marks")
    start, end = bench_of.at(bench, 0.2, 0.3), bench_of.at(bench, 0.7, 0.5)
    if page.evaluate("navigator.maxTouchPoints > 0"):
        touch = page.context.new_cdp_session(page)
        for kind, place in (("touchStart", [start]), ("touchMove", [end]), ("touchEnd", [])):
            points = [{"x": x, "y": y} for x, y in place]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    else:
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(*end, steps=4)
        page.mouse.up()
    count = (
        "canvas => canvas.getContext('2d').getImageData(0, 0, 96, 96).data.filter((_, i) => i % 4 === 3 && _).length"
    )
    drawn = marks.evaluate(count)
    assert 40 < drawn < 2_000
    marks.focus()
    page.keyboard.press("Space")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert marks.evaluate(count) > drawn
    bench.get_by_role("button", name="Undo").click()
    assert marks.evaluate(count) == drawn
    bench.get_by_role("button", name="Paint in").click()
    bench_of.changed(page, bench, plain)
    painted = bench_of.result(bench)
    assert bench.locator(".gd-base").get_attribute("src") != bench.locator(".gd-before").get_attribute("src")
    bench.get_by_role("button", name="Clear").click()
    bench_of.changed(page, bench, painted)
    assert bench_of.no_wider_than_the_screen(page)


def test_a_new_photo_ends_the_work_on_the_one_before_while_it_is_still_on_its_way(page: Page, served: str) -> None:
    bench = bench_of.visit(page, served, "Enhance")
    held: list[Route] = []
    released = False

    def wish(request: Request) -> dict[str, Any]:
        return request.post_data_json["event_data"] or {} if "/queue/join" in request.url else {}

    def hold(route: Route) -> None:
        slow = "/upload" in route.request.url or "example" in wish(route.request).get("photo", {})
        if slow and not released:
            held.append(route)
        else:
            route.continue_()

    page.route("**/queue/join*", hold)
    page.route("**/upload*", hold)
    with page.expect_request(lambda request: set(wish(request)) == {"ticket"}):  # it is told to stop
        bench.locator(".gd-example[data-name=blocks]").click()
        bench_of.choose(bench, bench_of.sent("mine.png", bench_of.rainbow()))
    expect(bench.locator(".gd-progress-text")).to_have_text("Uploading")
    released = True
    for route in held:
        route.continue_()
    bench_of.done(bench)
    expect(bench.locator(".gd-caption")).to_have_text("mine.png, 64 × 48 pixels")
    assert bench.locator(".gd-before").evaluate("image => image.naturalWidth") == 64


def test_the_camera_is_off_as_soon_as_another_photo_is_chosen(page: Page, served: str) -> None:
    page.add_init_script(
        """navigator.mediaDevices.getUserMedia = async () => {
            const canvas = document.createElement("canvas");
            canvas.getContext("2d").fillRect(0, 0, 8, 8);
            return (window.camera = canvas.captureStream());
        }"""
    )
    on = "window.camera.getTracks().some((one) => one.readyState === 'live')"
    bench = bench_of.visit(page, served, "Enhance")
    bench.get_by_role("button", name="Take a photo").click()
    expect(bench.get_by_role("button", name="Shoot")).to_be_visible()
    assert page.evaluate(on)
    bench_of.try_example(bench, "blocks")
    assert not page.evaluate(on)
    expect(bench.get_by_role("button", name="Shoot")).to_be_hidden()


def test_long_work_is_told_and_stopped(page: Page, served: str) -> None:
    bench = bench_of.visit(page, served, "Enhance")
    bench_of.choose(bench, bench_of.sent("large.png", bench_of.rainbow(6000, 4000)))
    bar = bench.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuetext", bench_of.PROGRESS)
    bench.get_by_role("button", name="Stop").click()
    expect(bench.locator(".gd-working")).to_be_hidden()
    expect(bench.locator(".gd-drop")).to_be_visible()
    bench_of.try_example(bench, "blocks")  # the place in the queue is free again
