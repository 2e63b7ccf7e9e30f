"""The tab Digits in a real browser, as a visitor meets it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
PATIENCE = 60_000  # milliseconds, for a busy machine


def visit(page: Page, served: str, query: str = "") -> None:
    """Opens the page and waits for the wall that it makes by itself."""
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(served + query)
    page.wait_for_selector("#wall .gd-frame:not(.gd-waiting)")


def choose(page: Page, checkpoint: str) -> None:
    page.locator(f"#checkpoint .gd-card:has(input[value='{checkpoint}'])").click()
    expect(page.locator("#wall .gd-caption")).to_contain_text(f"made by {checkpoint}")


def wall(page: Page) -> bytes:
    """The PNG of the wall as it is shown."""
    source = page.locator(".gd-wall-image").get_attribute("src")
    assert source is not None
    return base64.b64decode(source.removeprefix("data:image/png;base64,"))


def set_seed(page: Page, seed: int) -> None:
    page.locator("#seed input").fill(str(seed))
    page.locator("#generate").click()
    expect(page.locator("#wall .gd-caption")).to_contain_text(f"seed {seed}")


def no_wider_than_the_screen(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def tiles(page: Page) -> Locator:
    return page.locator("#wall .gd-tile")


def test_the_page_opens_with_a_wall(any_page: Page, served: str) -> None:
    visit(any_page, served)
    assert any_page.title() == "gandemo"
    image = any_page.locator(".gd-wall-image")
    assert re.fullmatch(r"100 \w+ made by the checkpoint digits from seed 0", image.get_attribute("alt") or "")
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [298, 298]
    assert image.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    box = image.bounding_box()
    assert box is not None
    assert 250 < box["width"] <= any_page.viewport_size["width"]
    expect(tiles(any_page)).to_have_count(100)
    assert no_wider_than_the_screen(any_page)
    expect(any_page.locator("#how")).to_contain_text("How this works")


def test_the_same_seed_gives_the_same_picture(page: Page, served: str) -> None:
    visit(page, served)
    choose(page, "tiny")
    set_seed(page, 5)
    first = wall(page)
    set_seed(page, 6)
    assert wall(page) != first
    set_seed(page, 5)
    assert wall(page) == first
    page.locator("#generate").click()  # nothing has changed: the page says why
    expect(page.locator("#wall .gd-caption")).to_contain_text("Roll the dice")
    assert wall(page) == first
    page.locator("#dice").click()
    page.wait_for_function("document.querySelector('#seed input').value !== '5'")
    expect(page.locator("#wall .gd-caption")).to_contain_text(f"seed {page.locator('#seed input').input_value()}")
    assert wall(page) != first


def test_class_count_and_variety(page: Page, served: str) -> None:
    visit(page, served)
    choose(page, "tiny")
    page.locator("#class").get_by_text("7", exact=True).click()
    expect(tiles(page).nth(4)).to_have_attribute("aria-label", "7, 5 of 100")
    page.locator("#count").get_by_text("20", exact=True).click()
    expect(tiles(page)).to_have_count(20)
    full = wall(page)
    slider = page.locator("#variety input[type=range]")
    slider.focus()
    slider.press("Home")
    page.wait_for_function("old => document.querySelector('.gd-wall-image').src !== old", arg=_url(full))
    pictures = Image.open(io.BytesIO(wall(page)))
    first = pictures.crop((0, 0, 28, 28)).tobytes()
    assert all(pictures.crop((30 * i, 0, 30 * i + 28, 28)).tobytes() == first for i in range(5))  # no variety left


def _url(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def test_one_picture_large_and_all_of_them_judged(page: Page, served: str) -> None:
    visit(page, served)
    choose(page, "tiny")
    tiles(page).nth(33).click()
    inspector = page.locator("#inspector")
    expect(inspector).to_contain_text("Number 34 of 100")
    expect(inspector).to_contain_text(re.compile(r"\d+ % real as “3”"))
    expect(inspector.locator(".gd-classes li")).to_have_count(10)
    assert inspector.locator("img").evaluate("image => image.naturalWidth") == 28

    page.get_by_role("button", name="Ask the discriminator").click()
    expect(page.locator("#wall .gd-tile-share")).to_have_count(100)
    expect(tiles(page).first).to_have_attribute("aria-label", re.compile(r"^0, 1 of 100: [<>]?\d+ % real$"))
    expect(page.locator("#wall .gd-legend")).to_be_visible()
    set_seed(page, 8)  # a new wall is judged, too
    expect(tiles(page).first).to_have_attribute("aria-label", re.compile(r"% real$"))
    expect(inspector).to_contain_text("Choose a picture")
    page.get_by_role("button", name="Ask the discriminator").click()
    expect(page.locator("#wall .gd-tile-share")).to_have_count(0)


def test_a_checkpoint_without_classes_or_judge_says_so(page: Page, served: str) -> None:
    visit(page, served)
    choose(page, "tiny-plain")
    expect(page.locator("#class")).to_contain_text("tiny-plain learned without classes")
    expect(page.locator("#class input").first).to_be_disabled()
    choose(page, "tiny-mute")
    expect(page.locator("#wall .gd-why")).to_have_text(
        "tiny-mute came without its discriminator, so there is nobody to ask."
    )
    expect(page.get_by_role("button", name="Ask the discriminator")).to_be_disabled()
    tiles(page).first.click()
    expect(page.locator("#inspector")).to_contain_text("there is nobody to ask")


def test_a_wrong_seed_is_one_sentence(page: Page, served: str) -> None:
    visit(page, served)
    before = wall(page)
    page.locator("#seed input").fill("-4")
    page.locator("#generate").click()
    toast = page.locator(".toast-body")
    expect(toast).to_contain_text("The seed must be a whole number from 0")
    assert wall(page) == before
    expect(page.locator("#wall")).not_to_have_class(re.compile("gd-busy"))


def frame(page: Page) -> str:
    return str(page.evaluate("document.querySelector('#walk canvas').toDataURL()"))


def test_a_walk_plays_and_is_scrubbed_without_the_server(any_page: Page, served: str) -> None:
    page = any_page
    visit(page, served)
    page.locator("#walk-go").scroll_into_view_if_needed()
    page.wait_for_selector("#walk .gd-film:not(.gd-waiting)")  # it plays as soon as it is seen
    first = frame(page)
    page.wait_for_function("first => document.querySelector('#walk canvas').toDataURL() !== first", arg=first)
    page.locator("#walk .gd-play").click()
    expect(page.locator("#walk .gd-play")).to_have_text("Play")

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    slider = page.get_by_label("Place on the walk")
    slider.focus()
    slider.press("Home")
    start = frame(page)
    slider.press("End")
    end = frame(page)
    assert start != end
    slider.press("Home")
    assert frame(page) == start
    assert not [url for url in asked if not url.startswith("data:")]

    page.locator("#walk-to input").fill("9")
    page.locator("#walk-go").click()
    expect(page.locator("#walk .gd-caption")).to_contain_text("to seed 9")
    assert no_wider_than_the_screen(page)


def test_the_film_of_a_walk_is_an_animated_png(page: Page, served: str, tmp_path: Path) -> None:
    visit(page, served)
    choose(page, "tiny")
    page.locator("#walk-class").get_by_text("3", exact=True).click()
    expect(page.locator("#walk .gd-caption")).to_contain_text("A “3” made by tiny")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download film").click()
    assert started.value.suggested_filename == "gandemo-tiny-walk-1-2.png"
    started.value.save_as(tmp_path / "film.png")
    with Image.open(tmp_path / "film.png") as film:
        assert film.n_frames > 40


def stroke(page: Page, points: list[tuple[float, float]]) -> None:
    """Draws on the board, with a finger where there is touch; points are shares of its side."""
    board = page.locator("#draw canvas")
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    assert box is not None
    path = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    if page.evaluate("navigator.maxTouchPoints > 0"):
        touch = page.context.new_cdp_session(page)

        def send(kind: str, at: list[tuple[float, float]]) -> None:
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in at]})

        send("touchStart", path[:1])
        for point in path[1:]:
            send("touchMove", [point])
        send("touchEnd", [])
    else:
        page.mouse.move(*path[0])
        page.mouse.down()
        for point in path[1:]:
            page.mouse.move(*point, steps=4)
        page.mouse.up()


def test_a_drawing_is_judged_when_the_pen_is_lifted(any_page: Page, served: str) -> None:
    page = any_page
    visit(page, served)
    choose(page, "tiny")
    stroke(page, [(0.3, 0.2), (0.7, 0.2), (0.6, 0.5), (0.45, 0.85)])
    verdict = page.locator("#draw .gd-judged-drawing")
    expect(verdict.locator(".gd-verdict")).to_have_text(
        re.compile(r"\d+ % real as “\d”, says the discriminator of tiny")
    )
    expect(verdict.locator(".gd-classes li")).to_have_count(10)
    assert verdict.locator("img").evaluate("image => image.naturalWidth") == 28
    choose(page, "tiny-plain")  # another inspector judges the same drawing
    expect(verdict.locator(".gd-classes li")).to_have_count(0)
    expect(verdict).to_contain_text("says the discriminator of tiny-plain")
    assert no_wider_than_the_screen(page)


def test_of_two_quick_strokes_the_last_is_judged(page: Page, served: str) -> None:
    visit(page, served)
    choose(page, "tiny")
    with page.expect_request(lambda request: '"drawing":2' in (request.post_data or "")):
        stroke(page, [(0.5, 0.2), (0.5, 0.8)])
        stroke(page, [(0.2, 0.5), (0.8, 0.5)])  # while the first is still on its way
    expect(page.locator("#draw .gd-judged-drawing img")).to_be_visible()


def test_an_empty_drawing_is_one_sentence(page: Page, served: str) -> None:
    visit(page, served)
    page.get_by_role("button", name="Judge it").click()
    expect(page.locator(".toast-body")).to_contain_text("Nothing is drawn yet: draw a digit with the brush first")


def test_a_drawing_by_keyboard(page: Page, served: str) -> None:
    visit(page, served)
    page.locator("#draw canvas").focus()
    page.keyboard.press("Space")
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator("#draw .gd-judged-drawing img")).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#draw .gd-judged-drawing")).to_contain_text("as soon as you lift the pen")


def test_two_designs_side_by_side(any_page: Page, served: str) -> None:
    page = any_page
    visit(page, served)
    page.locator("#compare-go").scroll_into_view_if_needed()
    expect(page.locator("#compare .gd-pair img")).to_have_count(2)
    for side, name in (("left", "tiny"), ("right", "tiny-plain")):
        box = page.locator(f"#compare-{side} input")
        box.click()
        page.locator(f"#compare-{side}").get_by_role("option", name=name, exact=True).click()
    expect(page.locator("#compare figcaption strong")).to_have_text(["tiny", "tiny-plain"])
    expect(page.locator("#compare .gd-below")).to_contain_text("They share the seed, not the very same noise")
    expect(page.locator("#compare th", has_text="Fréchet distance")).to_be_visible()
    assert no_wider_than_the_screen(page)


def test_the_wall_is_saved_as_a_large_png(page: Page, served: str, tmp_path: Path) -> None:
    visit(page, served)
    choose(page, "tiny")
    with page.expect_download() as started:
        page.get_by_role("button", name="Download PNG").click()
    assert started.value.suggested_filename == "gandemo-tiny-seed-0.png"
    started.value.save_as(tmp_path / "wall.png")
    with Image.open(tmp_path / "wall.png") as saved, Image.open(io.BytesIO(wall(page))) as shown:
        assert saved.size == (4 * 298, 4 * 298)
        assert saved.convert("L").resize((298, 298), Image.Resampling.NEAREST).tobytes() == shown.tobytes()


@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_the_dark_page(open_page: Callable[..., Any], served: str, device: str) -> None:
    with open_page(device) as page:
        visit(page, served, "?__theme=dark")
        background = page.locator(".gradio-container").evaluate("page => getComputedStyle(page).backgroundColor")
        assert max(int(value) for value in re.findall(r"\d+", background)[:3]) < 60
        ink = page.locator("#digits h2").evaluate("title => getComputedStyle(title).color")
        assert min(int(value) for value in re.findall(r"\d+", ink)[:3]) > 180
        assert no_wider_than_the_screen(page)


def test_everything_is_reached_by_keyboard(page: Page, served: str) -> None:
    visit(page, served)
    before = wall(page)
    page.locator("#checkpoint input:checked").focus()
    page.keyboard.press("Tab")
    assert focused(page) == "gd-tile"  # one stop for the whole wall
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#inspector")).to_contain_text("Number 12 of 100")
    seen = []
    while focused(page) != "generate" and len(seen) < 8:
        page.keyboard.press("Tab")
        seen.append(focused(page))
    assert seen == ["gd-button gd-ask", "gd-button gd-download", "generate"]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("12")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#wall .gd-caption")).to_contain_text("seed 12")
    assert wall(page) != before


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.className.split(' gd-chosen')[0]"))


def test_pictures_have_words(page: Page, served: str) -> None:
    visit(page, served)
    without = page.evaluate(
        "[...document.querySelectorAll('button, input, canvas, svg[role=img]')].filter(one => one.offsetParent && "
        "!one.textContent.trim() && !one.ariaLabel && !one.labels?.length && !one.getAttribute('aria-labelledby'))"
        ".map(one => one.outerHTML.slice(0, 120))"
    )
    assert without == []
    assert page.evaluate("document.querySelectorAll('.gd-wall-image[alt=\"\"]').length") == 0
