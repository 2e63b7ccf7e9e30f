"""The tab Train in a real browser, on real digits: small networks, the real trainer, two browsers at once."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from gandemo.recipe import Recipe
from gandemo.recipes import RECIPES
from gandemo.training import events, runs
from tests import tiny
from tests.ui.train_pages import (
    MEASURED,
    PATIENCE,
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


@pytest.fixture
def home(app_server: Any, served: str) -> Iterator[Path]:
    """The home of the running app; what a test has trained there is stopped and taken away again."""
    yield app_server.home
    folder = app_server.home / "runs"
    if not folder.is_dir():
        return
    (folder / "queue.json").write_text('{"waiting": []}')
    deadline = time.monotonic() + PATIENCE / 1000
    while (left := list(folder.glob("*-*"))) and time.monotonic() < deadline:
        for path in left:
            if runs.process.holder(path) is None:
                shutil.rmtree(path, ignore_errors=True)  # one that has just been started may still write
            else:
                runs.process.request_stop(path)
        time.sleep(0.05)


def rewind(race: Locator) -> None:
    """Puts a race back to its start with the slider, by key."""
    slider = race.get_by_label("Time of training")
    slider.focus()
    slider.press("Home")
    expect(race.locator(".gd-race-words").first).to_contain_text("step 0,")


def test_from_start_to_race(page: Page, open_page: Callable[..., Any], served: str, home: Path) -> None:
    visit(page, served)
    run = start(page, steps=2_000_000, **MEASURED)
    assert (home / "runs" / run / "recipe.json").is_file()
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


def test_two_browsers_press_at_once(page: Page, open_page: Callable[..., Any], served: str, home: Path) -> None:
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
    assert not (home / "runs" / second).exists()


def test_a_race_on_a_phone(open_page: Callable[..., Any], served: str, home: Path) -> None:
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


def test_five_hundred_runs(any_page: Page, served: str, home: Path) -> None:
    for number in range(500):
        lay(home / "runs" / f"many-{number:03d}", tiny.TINY["vanilla"], story(40, 20))
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


def test_the_doctors_cure_is_one_button(page: Page, served: str, home: Path) -> None:
    recipe = RECIPES["vanilla"].with_settings({**SMALL, "name": "ill", "steps": 2_000_000})
    lay(
        home / "runs" / "ill-1",
        recipe,
        story(4_000, 40, real_accuracy=1.0, fake_accuracy=1.0, real_logit=9, fake_logit=-9),
    )
    visit(page, served)
    diagnosis = page.locator(".gd-diagnosis", has_text="inspector is too strong")
    expect(diagnosis.locator(".gd-evidence")).to_contain_text("100")
    diagnosis.get_by_role("button", name="Fork with this fix").click()
    page.wait_for_function("document.querySelector('.gd-live h3 small').textContent !== 'ill-1'")
    expect(page.locator("#train-runs .gd-run")).to_have_count(2)
    fork = Recipe.from_file(home / "runs" / chosen(page) / "recipe.json")
    assert fork.discriminator_optimizer.lr < recipe.discriminator_optimizer.lr


def test_a_failed_run_says_why(page: Page, served: str, home: Path) -> None:
    folder = home / "runs" / "fallen-1"
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


def test_a_checkpoint_of_a_run_is_used_in_its_tab(page: Page, served: str, home: Path) -> None:
    folder = home / "runs" / "useful-1"
    lay(folder, tiny.DIGITS, story(40, 20))
    tiny.save(folder / "checkpoints" / "step-40", tiny.DIGITS)
    visit(page, served)
    button(page, "use").click()
    expect(page.locator("#wall .gd-caption")).to_contain_text("made by useful-1/step-40")
    expect(page.locator("#checkpoint input:checked")).to_have_value("useful-1/step-40")


def test_a_wrong_setting_is_one_sentence(page: Page, served: str, home: Path) -> None:
    visit(page, served)
    open_form(page, "vanilla")
    change(page, {"batch_size": 99_999})
    page.locator(".gd-go").click()
    expect(page.locator(".gd-form-error")).to_contain_text("Batch_size: input should be less than or equal to 4096")
    change(page, {"batch_size": 16, "generator.args.widths": "wide"})
    expect(page.locator(".gd-form-error")).not_to_contain_text("Batch_size")  # asked again meanwhile, it may say more
    page.locator(".gd-go").click()
    expect(page.locator(".gd-form-error")).to_contain_text("Generator 'mlp' can't be built")
    assert not list((home / "runs").glob("vanilla-*"))
    # a design that goes on from another one, which is not here: what is chosen then is what can be started
    page.get_by_text("black-and-white photos in colour").click()
    expect(page.locator(".gd-no-start")).to_contain_text("colorize-l1, which is not here")
    expect(page.locator(".gd-begins option")).to_have_text(["fresh weights, from nothing"])


def test_it_works_in_the_dark_and_on_a_phone(open_page: Callable[..., Any], served: str, home: Path) -> None:
    lay(home / "runs" / "night-1", tiny.TINY["vanilla"], story(400, 20))
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
