"""Own pictures in the tab Train, in a real browser: from a zip, and from a Hub on this machine."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from gandemo.data import datasets
from gandemo.recipe import Recipe
from tests.ship.fake_hub import FakeHub
from tests.ui.train_pages import SMALL, change, chosen, open_form, visit, wait_for_state

pytestmark = pytest.mark.browser


def class_folders(count: int) -> dict[str, bytes]:
    """Real digits as files in a folder for each class, and one that is no picture."""
    source = datasets.load("mnist", "train")
    files = {"3/broken.png": b"no picture"}
    for index, label in enumerate(source.labels[:count].tolist()):
        buffer = io.BytesIO()
        Image.fromarray(source.images[index, 0].numpy()).save(buffer, "PNG")
        files[f"{label}/{index:05d}.png"] = buffer.getvalue()
    return files


def test_own_digits_from_a_zip_and_from_the_hub(
    open_page: Callable[..., Any], start_app: Callable[..., Any], tmp_path: Path
) -> None:
    files = class_folders(120)
    archive = tmp_path / "mine.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for name, content in files.items():
            made.writestr(name, content)
    alone = "from gandemo.ui import app, train\napp.TABS = (('Train', train.tab, train.warm_up),)\napp.launch()"
    with FakeHub() as hub:
        hub.plant("ada/digits", files, kind="dataset")
        hub.plant("ada/secret", files, kind="dataset", private=True)
        environment = {"HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "hf_ada"}
        with start_app("-c", alone, **environment) as app, open_page("phone") as page:
            visit(page, app.url, alone=True)
            open_form(page, "vanilla")
            page.get_by_text("Or your own pictures").click()
            says, data = page.locator(".gd-own-says"), page.locator(".gd-data")
            page.locator(".gd-upload input").set_input_files(archive)
            expect(says).to_contain_text("120 pictures can be used")
            expect(page.locator(".gd-own-report")).to_contain_text("10 classes: 0 (")
            expect(page.locator(".gd-own-report")).to_contain_text("1 file is left out: 3/broken.png")
            preview = page.locator(".gd-own-preview")
            expect(preview).to_have_attribute("src", re.compile("^data:image/png"))
            assert preview.evaluate("image => image.decode().then(() => image.naturalWidth)") > 200
            assert re.match(r"own/[0-9a-f]{16}\.zip$", str(data.input_value()))

            there = page.get_by_label("A data set on the Hugging Face Hub")
            there.fill("ada/secret")
            there.press("Enter")
            expect(says).to_contain_text("There is no datasets/ada/secret on the Hub")
            expect(says).to_contain_text("that anybody may see")
            assert preview.is_hidden()
            there.fill("ada/digits")
            page.get_by_role("button", name="Fetch").click()
            expect(says).to_contain_text("120 pictures can be used")
            expect(data.locator("option").first).to_have_text("ada/digits")
            assert str(data.input_value()).startswith("hub/ada--digits--")
            expect(preview).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            assert hub.tokens() == set()

            change(page, {**SMALL, "steps": 20})
            page.locator(".gd-go").click()
            wait_for_state(page, "done")
            expect(page.locator(".gd-facts")).to_contain_text("ada/digits")
            recipe = Recipe.from_file(app.home / "runs" / chosen(page) / "recipe.json")
            assert "/data/hub/ada--digits--" in recipe.dataset
