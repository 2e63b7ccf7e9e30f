"""The tab Train in a real browser, on real digits: small networks, the real trainer, two browsers at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.ui.train_pages import (
    MEASURED,
    SMALL,
    button,
    change,
    chosen,
    open_form,
    start,
    step,
    visit,
    wait_for_curves,
    wait_for_state,
    wait_for_step,
)

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser


def rewind(race: Locator) -> None:
    """Puts a race back to its start with the slider, by key."""
    slider = race.get_by_label("Time of training")
    slider.focus()
    slider.press("Home")
    expect(race.locator(".gd-race-words").first).to_contain_text("step 0,")


def test_from_start_to_race(page: Page, open_page: Callable[..., Any], served: str, app_home: Path) -> None:
    visit(page, served)
    run = start(page, steps=2_000_000, **MEASURED)
    assert (app_home / "runs" / run / "recipe.json").is_file()
    wait_for_state(page, "running")
    wait_for_curves(page)
    expect(page.locator(".gd-live-samples img")).to_have_attribute("alt", re.compile(r"^Samples at step \d"))
    expect(button(page, "stop")).to_be_enabled()
    assert button(page, "resume").count() == 0

    # what is looked at stays while new points come in
    page.evaluate(
        "for (const one of document.querySelectorAll('#train-live canvas, #train-live img, .gd-run')) one.kept = true"
    )
    zoom = page.locator("[data-chart='losses'] canvas")
    zoom.focus()
    zoom.press("+")
    expect(page.get_by_role("button", name="Whole run")).to_be_visible()
    seen = step(page)
    wait_for_step(page, seen + 40)
    assert page.evaluate(
        "[...document.querySelectorAll('#train-live canvas, #train-live img, .gd-run')].every(one => one.kept)"
    )
    expect(page.get_by_role("button", name="Whole run")).to_be_visible()
    page.wait_for_function("/best/.test(document.querySelector(\"[data-chart='score'] canvas\").ariaLabel)")

    page.reload()
    page.get_by_role("tab", name="Train").click()
    wait_for_state(page, "running")
    assert chosen(page) == run
    wait_for_curves(page)

    with open_page("desktop") as other:
        visit(other, served)
        wait_for_state(other, "running")
        assert chosen(other) == run
        button(other, "stop").click()
        for each in (page, other):
            wait_for_state(each, "stopped")
            expect(button(each, "resume")).to_be_enabled()
    stopped = step(page)

    button(page, "resume").click()
    wait_for_state(page, "running")
    wait_for_step(page, stopped)
    button(page, "stop").click()
    wait_for_state(page, "stopped")

    button(page, "fork").click()
    expect(page.locator(".gd-fork-of")).to_contain_text(run)
    change(page, {"steps": 40, "loss.r1": 1})
    page.locator(".gd-go").click()
    page.wait_for_function("old => document.querySelector('.gd-live h3 small').textContent !== old", arg=run)
    fork = chosen(page)
    expect(page.locator(".gd-live-from")).to_contain_text(f"from {run}/best")
    expect(page.locator(".gd-live-from")).to_contain_text("loss.r1 = 1.0")
    wait_for_state(page, "done")

    for name in (run, fork):
        page.get_by_label(f"Race {name}").check()
    race = page.locator(".gd-race")
    expect(race.locator("img[src]")).to_have_count(2)
    expect(race.locator(".gd-race-words").first).to_contain_text("best Fréchet distance")
    rewind(race)


def test_two_browsers_press_at_once(page: Page, open_page: Callable[..., Any], served: str, app_home: Path) -> None:
    visit(page, served)
    first = start(page, steps=2_000_000)
    wait_for_state(page, "running")
    with open_page("desktop") as other:
        visit(other, served)
        # the same run, stopped by both
        for each in (page, other):
            each.evaluate("document.querySelector(\".gd-live-buttons [data-verb='stop']\").click()")
        for each in (page, other):
            wait_for_state(each, "stopped")
        assert not page.locator(".gd-toast.gd-wrong.gd-shown").count()
        # both go on with it
        for each in (page, other):
            each.evaluate("document.querySelector(\".gd-live-buttons [data-verb='resume']\").click()")
        for each in (page, other):
            wait_for_state(each, "running")
        # a second one waits in the queue, whoever starts it, and pressing twice starts it once
        open_form(other, "vanilla")
        change(other, {**SMALL, "steps": 20})
        expect(other.locator(".gd-go")).to_have_text("Put it in the queue")
        other.evaluate("const go = document.querySelector('.gd-go'); go.click(); go.disabled = false; go.click()")
        wait_for_state(other, "queued")
        second = chosen(other)
        expect(page.locator("#train-runs .gd-run")).to_have_count(2)
        page.locator(f"[data-run='{second}'] .gd-run-name").click()
        expect(button(page, "stop")).to_have_text("Leave the queue")
        # deleted by one, gone for both
        button(other, "delete").click()
        expect(other.locator("dialog")).to_contain_text(f"Delete {second}")
        other.get_by_role("button", name="Keep it").click()
        expect(other.locator(f"[data-run='{second}']")).to_have_count(1)
        button(other, "delete").click()
        other.get_by_role("button", name="Delete it").click()
        for each in (page, other):
            expect(each.locator(f"[data-run='{second}']")).to_have_count(0)
            expect(each.locator(f"[data-run='{first}']")).to_have_count(1)
    assert not (app_home / "runs" / second).exists()


def test_a_race_on_a_phone(open_page: Callable[..., Any], served: str, app_home: Path) -> None:
    with open_page("phone") as phone:
        visit(phone, served)
        racers = []
        for seed in ("1", "2"):
            run = start(phone, steps=300, seed=seed, sample_every=100)
            wait_for_state(phone, "done")
            wait_for_curves(phone)
            racers.append(run)
        for run in racers:
            tick = phone.get_by_label(f"Race {run}")
            tick.scroll_into_view_if_needed()
            tick.tap()
        race = phone.locator(".gd-race")
        expect(race.locator("img[src]")).to_have_count(2)
        expect(race.locator(".gd-race-words").first).to_contain_text("step 300")
        rewind(race)
        boxes = [box for image in race.locator("img").all() if (box := image.bounding_box())]
        assert [box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["width"] > 100 for box in boxes] == [
            True,
            True,
        ]
        assert phone.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


# --- runs that lie there ----------------------------------------------------------------------------------
