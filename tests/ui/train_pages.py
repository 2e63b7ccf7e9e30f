"""The tab Train in a browser, as its tests handle it: real digits, small networks, the real trainer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from gandemo.recipes import RECIPES

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PATIENCE = 240_000  # milliseconds, for a busy machine
# real digits, networks that learn a step in a millisecond
SMALL = {
    "batch_size": 16,
    "features": "",
    "log_every": 5,
    "sample_every": 20,
    "checkpoint_every": 100,
    "generator.args.widths": [16, 16],
    "discriminator.args.widths": [16, 16],
}
MEASURED = {"features": "mnist-classifier", "evaluate_every": 40, "evaluate_samples": 20}


def visit(page: Page, served: str, query: str = "", *, alone: bool = False) -> None:
    """Opens the tab Train; where it is `alone`, the page has no tabs to choose from."""
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(served + query)
    if not alone:
        page.get_by_role("tab", name="Train").click()
    page.wait_for_selector("#train-runs .gd-runs:not([hidden]), #train-start .gd-form:not([hidden])")


def open_form(page: Page, recipe: str) -> None:
    opener = page.get_by_role("button", name="New training")
    if opener.is_visible():
        opener.click()
    page.locator(f".gd-recipes input[value='{recipe}']").locator("..").click()
    expect(page.locator(".gd-recipe-text")).to_have_text(RECIPES[recipe].description)


def change(page: Page, settings: dict[str, Any]) -> None:
    """Fills in settings of the form, those in the drawer, too."""
    if page.locator(".gd-drawer:not([open])").count():
        page.locator(".gd-drawer summary").click()
    for key, value in settings.items():
        text = value if isinstance(value, str) else json.dumps(value)
        page.locator(f"#set-{key.replace('.', '-')}").fill(text)


def start(page: Page, **settings: Any) -> str:
    """Starts a small training through the form; its id."""
    open_form(page, "vanilla")
    change(page, {**SMALL, **settings})
    before = chosen(page)
    page.locator(".gd-go").click()
    page.wait_for_function(
        "old => (document.querySelector('.gd-live h3 small')?.textContent || '') !== old", arg=before
    )
    return chosen(page)


def chosen(page: Page) -> str:
    return str(page.evaluate("document.querySelector('.gd-live h3 small')?.textContent || ''"))


def button(page: Page, verb: str) -> Locator:
    return page.locator(f".gd-live-buttons [data-verb='{verb}']")


def wait_for_state(page: Page, state: str) -> None:
    page.wait_for_selector(f".gd-live h3 .gd-is-{state}")


def step(page: Page) -> int:
    text = page.locator(".gd-facts dd").first.inner_text()
    return int(text.split(" of ")[0].replace(",", ""))


def wait_for_step(page: Page, after: int) -> None:
    page.wait_for_function(
        "after => Number(document.querySelector('.gd-facts dd').textContent.split(' ')[0].replaceAll(',', '')) > after",
        arg=after,
    )


def wait_for_curves(page: Page) -> None:
    page.wait_for_function(
        "/forger [0-9].* inspector [0-9]/"
        ".test(document.querySelector(\"[data-chart='losses'] canvas\")?.ariaLabel || '')"
    )
