"""The tab Ship in a real browser: files made, run on the visitor's own device, taken along as a page, and the Hub."""

from __future__ import annotations

import functools
import io
import os
import re
import shutil
import threading
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from gandemo import checkpoint, places
from gandemo.errors import RequestError
from gandemo.nets import build_generator
from gandemo.ship.export import making, records
from gandemo.ui import ship_answers
from gandemo.ui.photo_files import PhotoFiles
from tests import tiny_photos
from tests.ship.fake_hub import FakeHub
from tests.ui.conftest import fill
from tests.ui.test_hub_page import ALONE, files, settings

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]  # an export yields to whatever else a machine does
PATIENCE = 1_200_000  # milliseconds: a conversion on a busy machine
EXACT = 1e-4  # of values from -1 to 1
LEVELS = 2  # of 256: what rounding in another order may make of them


@pytest.fixture(scope="module")
def colorizer(app_server: Any, served: str) -> str:
    """The name of a tiny colorizer of the running app, with a file for browsers."""
    recipe = tiny_photos.TINY["colorize"]
    torch.manual_seed(0)
    generator = build_generator(recipe)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    source = checkpoint.save(app_server.home / "checkpoints" / "tiny-colorizer", recipe, generator.eval())
    making.export(source, "fp32", threads=1)
    return source.name


def visit(page: Page, served: str, query: str = "") -> None:
    """Opens the tab; on a narrow screen it may lie behind the button with the dots."""
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(served + query)
    page.wait_for_selector("#tabs button[role=tab]")
    tab = page.get_by_role("tab", name="Ship")
    if not tab.is_visible():
        page.get_by_role("button", name="More tabs").click()
        page.locator("#tabs .overflow-dropdown button", has_text="Ship").click()
    else:
        tab.click()
    page.wait_for_selector("#ship-exports .gd-ship-exports > *")


def choose(page: Page, name: str) -> None:
    page.locator("#ship-checkpoint input").click()
    page.get_by_role("option", name=name, exact=True).click()
    expect(page.locator("#ship-exports")).to_contain_text(name)


def choose_format(page: Page, name: str) -> None:
    page.locator(f"#ship-format input[value={name}]").check()


def made(page: Page, name: str, kind: str) -> dict[str, str]:
    """Exports a checkpoint and waits to the end of it; the figures that are shown, by name."""
    expect(page.locator("#ship-exports")).to_contain_text(f"{name} was not exported yet")
    choose_format(page, kind)
    page.get_by_role("button", name="Export", exact=True).click()
    bar = page.get_by_role("progressbar", name="Progress of the export")
    expect(bar).to_be_visible()
    page.wait_for_function("document.querySelector('#ship-working [role=progressbar]').ariaValueNow > 0")
    file = "onnx" if kind == "onnx" else "tflite"
    expect(page.locator("#ship-working .gd-ship-done")).to_have_text(
        re.compile(rf"^{name}\S*\.{file}: .+ made in \d+ s\.$")
    )
    expect(bar).to_be_hidden()
    shown = page.locator(f"#ship-exports [data-format={kind}] dl div")
    expect(shown).to_have_count(6)
    return {one.locator("dt").inner_text(): one.locator("dd").inner_text() for one in shown.all()}


def no_wider_than_the_screen(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def run_here(page: Page, kind: str) -> Any:
    """Runs a file on this device; the largest difference from the server's result."""
    page.locator(f"#ship-exports [data-format={kind}] .gd-ship-run").click()
    return largest(page, "#ship-device ")


def watch(page: Page, control: str) -> None:
    """Keeps in the page, as `firstSeen`, what a control of the device is when it appears."""
    page.evaluate(
        """(control) => new MutationObserver(() => {
            const found = document.querySelector(`#ship-device ${control}`);
            if (found) window.firstSeen ??= found.disabled ? "disabled" : "enabled";
        }).observe(document, { childList: true, subtree: true })""",
        control,
    )


def largest(page: Page, where: str = "") -> float:
    canvas = page.locator(f"{where}canvas[data-largest]")
    canvas.wait_for()
    return float(canvas.get_attribute("data-largest") or "nan")


# --- files ------------------------------------------------------------------------------------------------


def test_a_file_is_made_and_its_figures_are_shown(page: Page, served: str) -> None:
    visit(page, served)
    choose(page, "tiny")
    shown = made(page, "tiny", "onnx")
    assert shown["Size"].endswith("MB")
    assert float(shown["Mean error"]) <= float(shown["Max error"]) <= EXACT
    assert [shown[name].split()[-1] for name in ("PSNR", "Time", "PyTorch")] == ["dB", "ms", "ms"]
    assert page.locator("#ship-exports .gd-ship-run").count() == 0  # a browser runs TFLite alone
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename == "tiny.onnx"
    assert b"torch" in Path(download.value.path()).read_bytes()[:200]  # who made it, as ONNX says it
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.locator("#ship-working .gd-ship-done")).to_contain_text("there already")


def test_on_a_phone_a_file_is_made_that_runs_there(phone: Page, served: str) -> None:
    visit(phone, served)
    expect(phone.get_by_role("heading", name="What was trained here leaves here")).to_be_visible()
    phone.evaluate("document.querySelector('#ship-qr').scrollIntoView()")  # it is asked for when it is seen
    expect(phone.locator("#ship-qr")).to_contain_text("Only this machine reaches the page")
    choose(phone, "tiny-mute")
    shown = made(phone, "tiny-mute", "fp32")
    assert float(shown["Max error"]) <= EXACT
    assert no_wider_than_the_screen(phone)
    assert run_here(phone, "fp32") <= EXACT
    assert no_wider_than_the_screen(phone)


def test_a_wait_for_a_turn_is_told_and_two_clicks_are_one(page: Page, served: str) -> None:
    visit(page, served)
    choose(page, "tiny-mute")
    held: list[Any] = []
    page.route("**/queue/join*", lambda route: held.append(route))
    for _ in range(2):
        page.get_by_role("button", name="Export", exact=True).click()
    expect(page.locator("#ship-working")).to_contain_text("Waiting for its turn")
    expect(page.locator("#ship-working button")).to_be_hidden()  # there is nothing to stop yet
    assert len(held) == 1


def test_an_export_is_stopped(page: Page, served: str, app_server: Any) -> None:
    visit(page, served)
    choose(page, "tiny-plain")
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.locator("#ship-working")).to_contain_text("%")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#ship-working")).to_contain_text("Stopped; nothing was kept.")
    expect(page.get_by_role("progressbar", name="Progress of the export")).to_be_hidden()
    expect(page.locator("#ship-exports")).to_contain_text("tiny-plain was not exported yet")
    left = app_server.home / "checkpoints" / "tiny-plain" / "exports"
    assert not left.exists() or not any(path.suffix == ".tflite" for path in left.iterdir())


# --- on this device ---------------------------------------------------------------------------------------


def test_digits_are_made_on_this_device(any_page: Page, served: str) -> None:
    any_page.emulate_media(reduced_motion="reduce")  # no gliding: it is there or it is not
    visit(any_page, served)
    choose(any_page, "digits")
    watch(any_page, ".gd-device-go")
    assert run_here(any_page, "fp32") <= EXACT
    assert any_page.evaluate("window.firstSeen") == "disabled"  # two at once would be told one's figures
    expect(any_page.locator("#ship-device canvas")).to_be_in_viewport(ratio=1)
    status = any_page.locator("#ship-device .gd-device-status")
    expect(status).to_contain_text("ms each on this device")
    expect(status).to_contain_text("Largest difference from the server's")
    any_page.evaluate("delete document.querySelector('#ship-device canvas').dataset.largest")
    any_page.locator("#ship-device").get_by_label("Class").select_option("7")
    assert largest(any_page, "#ship-device ") <= EXACT
    assert no_wider_than_the_screen(any_page)


def test_where_the_server_refuses_to_compare_the_device_goes_on(page: Page, served: str, app_server: Any) -> None:
    gone = app_server.home / "checkpoints" / "gone"
    shutil.copytree(places.SHIPPED / "digits", gone)
    made = records.of(gone)["fp32"]
    records.path_of(gone, made).rename(gone / records.FOLDER / "gone.tflite")
    records.add(gone, replace(made, file="gone.tflite"))
    visit(page, served)
    choose(page, "gone")
    assert run_here(page, "fp32") <= EXACT
    shutil.rmtree(gone)
    again = page.get_by_role("button", name="Generate here")
    again.click()
    expect(page.locator(".toast-body")).to_contain_text("there is no checkpoint 'gone'", ignore_case=True)
    expect(again).to_be_enabled()
    expect(page.locator("#ship-device .gd-device-status")).to_have_text(re.compile(r"ms each on this device\.$"))


def test_of_two_quick_clicks_the_last_is_run(page: Page, served: str) -> None:
    visit(page, served)
    choose(page, "digits")
    page.evaluate(
        "['fp32', 'int8'].forEach((kind) =>"
        " document.querySelector(`#ship-exports [data-format=${kind}] .gd-ship-run`).click())"
    )
    assert largest(page, "#ship-device ") > EXACT  # int8, as the server has it in fp32
    expect(page.locator("#ship-device h3")).to_have_text("digits, int8")


def test_a_photo_is_coloured_on_this_device(page: Page, served: str, colorizer: str, tmp_path: Path) -> None:
    visit(page, served)
    choose(page, colorizer)
    watch(page, ".gd-device-file")
    assert run_here(page, "fp32") <= LEVELS
    assert page.evaluate("window.firstSeen") == "disabled"  # the example's result would come over one's own photo
    assert size(page) == (432, 288)  # the example has a shape of its own
    chosen = page.locator("#ship-device input[type=file]")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.url}"))
    shades = np.linspace(0, 255, 90 * 60).reshape(60, 90).astype(np.uint8)
    Image.fromarray(shades).convert("RGB").save(tmp_path / "mine.png")
    chosen.set_input_files(tmp_path / "mine.png")
    expect(page.locator("#ship-device .gd-device-status")).to_contain_text("It never left this device")
    expect(chosen).to_have_value("")  # so that the same one can be chosen again
    assert size(page) == (90, 60)
    Image.new("L", (3, 120)).save(tmp_path / "narrow.png")
    chosen.set_input_files(tmp_path / "narrow.png")
    expect(page.locator("#ship-device .gd-device-status")).to_contain_text("up to 16 times as long as it is wide")
    assert not [one for one in sent if not one.endswith("heartbeat") and "blob:" not in one]


@pytest.mark.parametrize("script", ["litert.js", "device.js"])
def test_a_runtime_that_does_not_come_is_told(script: str, page: Page, served: str) -> None:
    visit(page, served)
    choose(page, "digits")
    page.route(
        f"**/litert/{script}", lambda route: route.fulfill(body="throw new Error()", content_type="text/javascript")
    )
    page.locator("#ship-exports [data-format=fp32] .gd-ship-run").click()
    expect(page.locator("#ship-device")).to_contain_text("the connection broke")
    expect(page.locator("#ship-device")).to_contain_text("oad the page again")


def test_a_file_to_download_is_there_also_hours_later(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradio deletes what is an hour old; a page may be older."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    files, asked = PhotoFiles(set()), {"checkpoint": "digits", "format": "fp32"}
    given = Path(ship_answers.file(files, asked)["path"])
    os.utime(given, (0, 0))
    assert Path(ship_answers.file(files, asked)["path"]) == given
    assert time.time() - given.stat().st_mtime < 3600  # somebody has it for another hour
    given.unlink()
    again = Path(ship_answers.file(files, asked)["path"])
    assert again.read_bytes() == (places.SHIPPED / "digits" / "exports" / again.name).read_bytes()
    for odd in (None, {"checkpoint": "digits", "format": "../fp32"}, {"checkpoint": "../digits", "format": "fp32"}):
        with pytest.raises(RequestError):
            ship_answers.file(files, odd)


def size(page: Page, where: str = "#ship-device") -> tuple[int, int]:
    """Of the picture that this device made, in pixels and, by its proportions, on the screen."""
    canvas = page.locator(f"{where} canvas").nth(1)
    width, height, wide, high = canvas.evaluate("one => [one.width, one.height, one.clientWidth, one.clientHeight]")
    assert wide / high == pytest.approx(width / height, rel=0.02)
    return width, height


# --- a page to take along ---------------------------------------------------------------------------------


@contextmanager
def static_host(folder: Path) -> Iterator[str]:
    """A folder as any static host serves it."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def test_the_page_to_take_along_runs_from_any_host_and_without_network(
    page: Page, served: str, colorizer: str, tmp_path: Path, open_page: Callable[..., Any]
) -> None:
    visit(page, served)
    choose(page, colorizer)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as a web page").first.click()
    assert download.value.suggested_filename == f"{colorizer}.zip"
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        archive.extractall(tmp_path)
    other = shutil.copytree(tmp_path / colorizer, tmp_path / "other")  # another page on the same host
    kept = (other / "sw.js").read_text()
    (other / "sw.js").write_text(re.sub(r"(const KEPT = .*)`;", r"\1-other`;", kept))
    assert (other / "sw.js").read_text() != kept
    with static_host(tmp_path) as host, open_page("phone") as phone:
        address = f"{host}{colorizer}/"
        phone.set_default_timeout(PATIENCE)
        phone.goto(address)
        assert largest(phone) <= LEVELS
        expect(phone.get_by_role("status")).to_contain_text("Largest difference from PyTorch's")
        expect(phone.get_by_role("progressbar")).to_be_hidden()  # it has come to its end
        assert size(phone, "#device") == (432, 288)
        assert no_wider_than_the_screen(phone)
        works = "navigator.serviceWorker.ready.then((ready) => ready.active?.state === 'activated')"
        phone.wait_for_function(works)
        phone.goto(f"{host}other/")
        phone.wait_for_function(works)
        assert largest(phone) <= LEVELS
        phone.context.set_offline(True)
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert answer.status == 200  # the host is up: it is the phone that has no network
        phone.goto(address)  # it is still whole, and the other page's is beside it
        assert largest(phone) <= LEVELS


# --- the rest of the tab ----------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://[", "ftp://a.b/", "http://", 7, None])
def test_a_code_is_of_an_address_alone(url: object) -> None:
    with pytest.raises(RequestError, match="no address of a page"):
        ship_answers.code({"url": url}, None, False)


@pytest.mark.parametrize(
    ("url", "is_local", "says"),
    [
        ("http://127.0.0.1:7860/", True, "Only this machine reaches the page"),
        ("http://localhost:7860/", False, "Open the page by this machine's address in your network"),
        ("http://0.0.0.0:7860/", False, "Open the page by this machine's address in your network"),
        ("http://192.168.1.7:7860/", False, "http://192.168.1.7:7860/"),
    ],
)
def test_a_code_says_what_would_do(url: str, is_local: bool, says: str) -> None:
    found = ship_answers.code({"url": url}, None, is_local)
    assert found["text"].startswith(says)
    assert bool(found["png"]) == (says == url)


def test_a_code_leads_a_phone_to_the_page(start_app: Callable[..., Any], page: Page) -> None:
    """The page of a server that others reach, as one of them has it open."""
    there = "http://192.168.1.7:7860/"
    with start_app("-c", ALONE, GRADIO_SERVER_NAME="0.0.0.0") as app:
        ours = f'"url":"{app.url}"'

        def from_there(route: Any) -> None:
            asked = route.request.post_data or ""
            route.continue_(post_data=asked.replace(ours, f'"url":"{there}"'))

        page.route("**/queue/join*", from_there)
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.goto(app.url)
        expect(page.locator("#ship-qr")).to_contain_text(there)
        image = page.get_by_role("img", name="QR code of this page's address")
        expect(image).to_be_visible()
        assert image.evaluate("one => one.complete && one.naturalWidth > 100")
        page.close()  # it listens to the server to its end


def test_pushed_pulled_and_in_the_lists(
    start_app: Callable[..., Any], page: Page, open_page: Callable[..., Any]
) -> None:
    with FakeHub() as hub, start_app(**{**settings(hub), "HF_TOKEN": ""}) as app:
        fill(app.home)
        hub.plant("lab/nice", files(app.home.parent / "theirs"))
        visit(page, app.url)
        pushed, pulled = page.locator("#hub-pushed"), page.locator("#hub-pulled")
        token = page.locator("#hub-token input")
        page.locator("#hub-checkpoint input").click()
        page.get_by_role("option", name="tiny", exact=True).click()
        page.get_by_label("To the repository").fill("ada/mine")
        token.fill("hf_nobody_knows")
        page.get_by_role("button", name="Push", exact=True).click()
        expect(pushed.get_by_role("alert")).to_have_text(re.compile(r"^The Hub does not know this token: .+\.$"))
        expect(token).to_have_value("")  # used once
        assert "models/ada/mine" not in hub.repos
        token.fill("hf_ada")
        page.get_by_role("button", name="Push", exact=True).click()
        expect(pushed).to_contain_text("Everybody can see it.")
        expect(pushed.get_by_role("link", name="See it on the Hub")).to_have_attribute(
            "href", f"{hub.endpoint}/ada/mine"
        )
        assert {"generator.safetensors", "README.md", "example.py"} <= set(hub.files("ada/mine"))
        expect(token).to_have_value("")
        kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
        assert "hf_ada" not in kept + app.log

        page.get_by_label("From the repository").fill("lab/nothing")
        page.get_by_role("button", name="Pull", exact=True).click()
        expect(pulled.get_by_role("alert")).to_contain_text("There is no lab/nothing on the Hub")
        page.get_by_label("From the repository").fill("lab/nice")
        page.get_by_role("button", name="Pull", exact=True).click()
        expect(pulled).to_contain_text("lab/nice is here as lab--nice")
        page.locator("#hub-checkpoint input").click()
        expect(page.get_by_role("option", name="lab--nice")).to_be_visible()
        page.keyboard.press("Escape")
        pulled.get_by_role("button", name="Try it").click()
        card = page.locator("#checkpoint .gd-card", has_text="lab--nice")
        expect(card.locator("input")).to_be_checked()
        expect(card).to_contain_text("from lab/nice")
        expect(page.locator("#wall .gd-caption")).to_contain_text("made by lab--nice")
        with open_page("desktop") as other:
            other.goto(app.url)
            expect(other.locator("#checkpoint .gd-card", has_text="lab--nice")).to_contain_text("from lab/nice")
        page.close()  # it listens to the server to its end
