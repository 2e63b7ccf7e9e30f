"""A page whose server is slow to say what there is: what somebody has chosen meanwhile stays chosen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests import tiny

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.browser
PATIENCE = 60_000  # milliseconds


def test_what_was_chosen_before_the_answer_to_the_opening_stays(page: Page, served: str) -> None:
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    config: dict[str, Any] = page.request.get(f"{served}config").json()
    opening = {one["id"] for one in config["dependencies"] if any(event == "load" for _, event in one["targets"])}
    held: list[Route] = []

    def hold(route: Route) -> None:
        if json.loads(route.request.post_data or "{}").get("fn_index") in opening:
            held.append(route)
        else:
            route.continue_()

    page.route("**/queue/join*", hold)
    page.goto(served)
    page.locator("#compare-right input").wait_for()
    assert choose(page, "compare-right", "dense") == "dense"
    expect(page.locator("#compare figcaption strong").last).to_have_text("dense")
    open_tab(page, "Colorize")
    card = page.locator("#colorize-checkpoint .gd-card", has_text="colorize-unet")
    card.click()
    open_tab(page, "Ship")
    for place in ("ship-checkpoint", "hub-checkpoint"):
        assert choose(page, place, "fashion") == "fashion"
    assert len(held) > 3

    for route in held:
        route.continue_()
    expect(page.locator("#checkpoint .gd-card", has_text="tiny-plain")).to_have_count(1)  # the answer has come
    for place in ("ship-checkpoint", "hub-checkpoint"):
        box = page.locator(f"#{place} input")
        expect(box).to_have_value("fashion")
        box.click()
        expect(page.locator(f"#{place}").get_by_role("option", name="tiny", exact=True)).to_be_visible()
        page.keyboard.press("Escape")
        expect(box).to_have_value("fashion")
    open_tab(page, "Colorize")
    expect(card.locator("input")).to_be_checked()
    open_tab(page, "Digits")
    expect(page.locator("#compare-right input")).to_have_value("dense")


def test_a_checkpoint_that_came_later_is_there_when_the_tab_is_opened(page: Page, served: str, app_server: Any) -> None:
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(served)
    page.wait_for_selector("#wall .gd-frame:not(.gd-waiting)")
    tiny.save(app_server.home / "checkpoints" / "came-later")
    with page.expect_response("**/queue/join*"):
        open_tab(page, "Ship")
    for place in ("ship-checkpoint", "hub-checkpoint"):
        box = page.locator(f"#{place} input")
        box.click()
        expect(page.locator(f"#{place}").get_by_role("option", name="came-later", exact=True)).to_be_visible()
        page.keyboard.press("Escape")


def choose(page: Page, place: str, name: str) -> str:
    """Chooses in a drop-down list; what it shows then."""
    box = page.locator(f"#{place} input")
    box.click()
    page.locator(f"#{place}").get_by_role("option", name=name, exact=True).click()
    return box.input_value()


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
