"""What the tab Train shows of runs in a real browser: many of them, failed ones, the doctor's cure, slow motion."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.training import events, runs
from tests import tiny
from tests.ui.train_pages import (
    SMALL,
    button,
    change,
    chosen,
    open_form,
    visit,
    wait_for_curves,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def lay(folder: Path, recipe: Recipe, told: list[events.Event]) -> None:
    """A run as it lies on the disk after its process has gone."""
    runs.lay_out(folder, recipe)
    for event in told:
        events.append(folder / "events.jsonl", event)


def story(steps: int, every: int, **changes: Any) -> list[events.Event]:
    """What a run tells up to its end."""
    found: list[events.Event] = [
        events.Started(
            step=0, time=1, steps=steps, device="cpu", threads=1, precision="fp32", parameters={}, pictures=55_000
        )
    ]
    for at in range(every, steps + 1, every):
        signals = {"real_accuracy": 0.7, "fake_accuracy": 0.7, "real_logit": 0.5, "fake_logit": -0.5}
        found.append(
            events.Progress(
                step=at,
                time=at,
                losses={"generator": 1.0, "discriminator": 0.6},
                signals={**signals, **changes},
                images_per_second=100,
                seconds=at,
                seconds_left=steps - at,
            )
        )
    return [*found, events.Finished(step=steps, time=steps, state="done", seconds=steps)]


def test_five_hundred_runs(any_page: Page, served: str, app_home: Path) -> None:
    for number in range(500):
        lay(app_home / "runs" / f"many-{number:03d}", tiny.TINY["vanilla"], story(40, 20))
    visit(any_page, served)
    rows = any_page.locator("#train-runs .gd-run")
    expect(rows).to_have_count(12)
    expect(any_page.locator(".gd-runs-count")).to_have_text("12 of 500")
    any_page.get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(62)
    assert any_page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    name = rows.nth(50).get_attribute("data-run")
    rows.nth(50).locator(".gd-run-name").click()
    expect(any_page.locator(".gd-live h3 small")).to_have_text(str(name))


def test_the_doctors_cure_is_one_button(page: Page, served: str, app_home: Path) -> None:
    recipe = RECIPES["vanilla"].with_settings({**SMALL, "name": "ill", "steps": 2_000_000})
    lay(
        app_home / "runs" / "ill-1",
        recipe,
        story(4_000, 40, real_accuracy=1.0, fake_accuracy=1.0, real_logit=9, fake_logit=-9),
    )
    visit(page, served)
    diagnosis = page.locator(".gd-diagnosis", has_text="inspector is too strong")
    expect(diagnosis.locator(".gd-evidence")).to_contain_text("100")
    diagnosis.get_by_role("button", name="Fork with this fix").click()
    page.wait_for_function("document.querySelector('.gd-live h3 small').textContent !== 'ill-1'")
    expect(page.locator("#train-runs .gd-run")).to_have_count(2)
    fork = Recipe.from_file(app_home / "runs" / chosen(page) / "recipe.json")
    assert fork.discriminator_optimizer.lr < recipe.discriminator_optimizer.lr


def test_a_failed_run_says_why(page: Page, served: str, app_home: Path) -> None:
    folder = app_home / "runs" / "fallen-1"
    lay(folder, tiny.TINY["vanilla"], story(40, 20)[:-1])
    events.append(folder / "events.jsonl", events.Finished(step=40, time=9, state="failed", reason="the disk is full"))
    (folder / "log.txt").write_text("a long way down\nand then the end\n")
    visit(page, served)
    expect(page.locator(".gd-trouble-why")).to_have_text("The disk is full")
    page.get_by_text("The end of its log").click()
    expect(page.locator(".gd-trouble pre")).to_contain_text("and then the end")
    expect(button(page, "resume")).to_be_enabled()


def test_the_game_in_slow_motion(any_page: Page, served: str) -> None:
    page = any_page
    visit(page, served)
    page.locator("#slow-motion .gd-slow-open").scroll_into_view_if_needed()
    page.locator("#slow-motion option[value='cgan']").wait_for(state="attached")
    page.locator("#slow-motion select").select_option("vanilla" if page.viewport_size["width"] > 500 else "cgan")
    page.locator(".gd-slow-go").click()
    shares = page.locator(".gd-fakes .gd-tile-share")
    expect(shares).to_have_count(20)
    expect(page.locator(".gd-reals .gd-tablet")).to_have_count(10)
    at_first = shares.all_inner_texts()
    heat = page.locator(".gd-fakes .gd-tablet-heat").first
    assert heat.evaluate("one => one.style.backgroundImage").startswith('url("data:image/png')
    page.locator(".gd-pace").get_by_text("20 ×").click()
    page.get_by_role("button", name="Let the forger learn").click()
    expect(page.locator(".gd-turns-generator")).to_have_text("5")
    expect(page.locator(".gd-turns-discriminator")).to_have_text("0")
    assert shares.all_inner_texts() != at_first
    page.get_by_role("button", name="Let the inspector learn").click()
    expect(page.locator(".gd-turns-discriminator")).to_have_text("5")
    expect(page.locator(".gd-lesson")).to_contain_text("inspector")
    page.get_by_role("button", name="Start over").click()
    expect(page.locator(".gd-turns-generator")).to_have_text("0")
    assert shares.all_inner_texts() == at_first
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_checkpoint_of_a_run_is_used_in_its_tab(page: Page, served: str, app_home: Path) -> None:
    folder = app_home / "runs" / "useful-1"
    lay(folder, tiny.DIGITS, story(40, 20))
    tiny.save(folder / "checkpoints" / "step-40", tiny.DIGITS)
    visit(page, served)
    button(page, "use").click()
    expect(page.locator("#wall .gd-caption")).to_contain_text("made by useful-1/step-40")
    expect(page.locator("#checkpoint input:checked")).to_have_value("useful-1/step-40")


def test_a_wrong_setting_is_one_sentence(page: Page, served: str, app_home: Path) -> None:
    visit(page, served)
    open_form(page, "vanilla")
    change(page, {"batch_size": 99_999})
    page.locator(".gd-go").click()
    expect(page.locator(".gd-form-error")).to_contain_text("batch_size: input should be less than or equal to 4096")
    change(page, {"batch_size": 16, "generator.args.widths": "wide"})
    expect(page.locator(".gd-form-error")).not_to_contain_text("Batch_size")  # asked again meanwhile, it may say more
    page.locator(".gd-go").click()
    expect(page.locator(".gd-form-error")).to_contain_text("Generator 'mlp' can't be built")
    assert not list((app_home / "runs").glob("vanilla-*"))
    # a design that goes on from another one, which is not here: what is chosen then is what can be started
    page.get_by_text("black-and-white photos in colour").click()
    expect(page.locator(".gd-no-start")).to_contain_text("colorize-l1, which is not here")
    expect(page.locator(".gd-begins option")).to_have_text(["fresh weights, from nothing"])


def test_it_works_in_the_dark_and_on_a_phone(open_page: Callable[..., Any], served: str, app_home: Path) -> None:
    lay(app_home / "runs" / "night-1", tiny.TINY["vanilla"], story(400, 20))
    with open_page("phone") as phone:
        visit(phone, served, "?__theme=dark")
        wait_for_curves(phone)
        ink = phone.locator(".gd-live h3").evaluate("title => getComputedStyle(title).color")
        assert min(int(value) for value in re.findall(r"\d+", ink)[:3]) > 180
        assert phone.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        without = phone.evaluate(
            "[...document.querySelectorAll('.gd-train :is(button, input, select, canvas)')].filter(one => "
            "one.offsetParent && !one.textContent.trim() && !one.ariaLabel && !one.labels?.length)"
            ".map(one => one.outerHTML.slice(0, 120))"
        )
        assert without == []
