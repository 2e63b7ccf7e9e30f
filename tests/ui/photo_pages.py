"""What the browser tests of the photo tabs share."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PROGRESS = re.compile(r"\d+ %")
PATIENCE = 60_000  # milliseconds, for a busy machine


def visit(page: Page, served: str, tab: str, query: str = "") -> Locator:
    """Opens the page and a tab of it; its bench."""
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(served + query)
    page.get_by_role("tab", name=tab).click()
    bench = page.locator(f"#{tab.lower()}-bench")
    bench.locator(".gd-drop").wait_for()
    return bench


def try_example(bench: Locator, name: str) -> None:
    """Clicks an example and waits for its result."""
    bench.locator(f".gd-example[data-name={name}]").click()
    done(bench)


def done(bench: Locator) -> None:
    """Waits until a result is shown and nothing is under way; a word of failure ends the wait."""
    toast = bench.page.locator(".toast-body")
    expect(bench.locator(".gd-view.gd-done:visible").or_(toast).first).to_be_visible()
    if toast.count():
        raise AssertionError(toast.first.inner_text())
    settled(bench)


def settled(bench: Locator) -> None:
    """Waits until nothing is under way."""
    expect(bench).not_to_have_class(re.compile("gd-busy"))
    expect(bench.locator(".gd-working")).to_be_hidden()
    expect(bench.locator(".gd-download")).to_be_enabled()


def choose(bench: Locator, *files: Any) -> None:
    """Gives files to the bench, as from the dialog."""
    bench.locator("input[type=file][multiple]").set_input_files(list(files))


def sent(name: str, picture: Image.Image | bytes) -> dict[str, Any]:
    """A file for `choose` and `drop`."""
    if isinstance(picture, Image.Image):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        picture = buffer.getvalue()
    return {"name": name, "mimeType": "image/png", "buffer": picture}


def drop(page: Page, *files: dict[str, Any]) -> None:
    """Drops files anywhere on the page."""
    page.evaluate(
        """files => {
            const carried = new DataTransfer();
            for (const { name, bytes } of files) carried.items.add(new File([new Uint8Array(bytes)], name));
            const how = { dataTransfer: carried, bubbles: true, cancelable: true };
            for (const kind of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, how));
        }""",
        [{"name": file["name"], "bytes": list(file["buffer"])} for file in files],
    )


def result(bench: Locator) -> str:
    """The address of the result that is shown."""
    return bench.locator(".gd-better").get_attribute("src") or ""


def changed(page: Page, bench: Locator, before: str) -> None:
    """Waits for another result than that one."""
    handle = bench.locator(".gd-better").element_handle()
    page.wait_for_function("([image, old]) => (image.getAttribute('src') || '') !== old", arg=[handle, before])
    settled(bench)


def at(bench: Locator, x: float, y: float) -> tuple[float, float]:
    """A place of the photo on the screen; x and y are shares of its sides."""
    sheet = bench.locator(".gd-sheet")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def grey_waves(width: int = 64, height: int = 48) -> Image.Image:
    """A black-and-white photo."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray((120 + 60 * np.sin(x / 5) * np.cos(y / 7)).astype(np.uint8))


def rainbow(width: int = 64, height: int = 48) -> Image.Image:
    """A photo in colour."""
    ramp = Image.linear_gradient("L")
    return Image.merge("RGB", [ramp.rotate(angle) for angle in (0, 90, 180)]).resize((width, height))


def no_wider_than_the_screen(page: Page) -> bool:
    """Whether nothing of the page is cut off."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))
