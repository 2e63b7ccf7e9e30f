"""What the tests share: one thread, no network, folders of their own, the running app and a browser."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads, and for the processes that tests start
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # in this process; a server that tests start says so itself

import hypothesis
import network_guard
import numpy as np
import pytest
import torch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_MNIST = ROOT / "gandemo" / "data" / "samples" / "mnist"
_FAILED = pytest.StashKey[bool]()
IN_CI = os.environ.get("CI", "").lower() == "true"

torch.set_num_threads(1)
hypothesis.settings.register_profile("gandemo", deadline=None, derandomize=IN_CI)
hypothesis.settings.load_profile("gandemo")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last: Playwright keeps an event loop running.

    Of them the longest come first, so that several processes end at about the same time.
    """
    items.sort(key=lambda item: (item.get_closest_marker("browser") is not None, "train" not in item.path.name))


# --- no network -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def _stay_on_this_machine() -> Iterator[None]:
    undo = network_guard.block_outside()
    yield
    undo()


@pytest.fixture
def no_network(_stay_on_this_machine: None) -> Iterator[None]:
    """As on an unplugged machine: look-ups and connections outside fail with the error that people get."""
    undo = network_guard.block_outside(lambda _: socket.gaierror(-3, "Temporary failure in name resolution"))
    yield
    undo()


# --- folders and data -------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty GANDEMO_HOME; GANDEMO_DATA is its `data`, which does not exist yet."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("GANDEMO_HOME", str(folder))
    monkeypatch.setenv("GANDEMO_DATA", str(folder / "data"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return folder


IDX_FILES = {
    ("train", "images"): "train-images-idx3-ubyte.gz",
    ("train", "labels"): "train-labels-idx1-ubyte.gz",
    ("test", "images"): "t10k-images-idx3-ubyte.gz",
    ("test", "labels"): "t10k-labels-idx1-ubyte.gz",
}


def idx_bytes(array: np.ndarray) -> bytes:
    """A uint8 array in the idx format of MNIST's files, before compression."""
    return struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape) + array.tobytes()


def _first_of_mnist(part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    with gzip.open(SAMPLE_MNIST / IDX_FILES[part, "images"]) as file:
        images = np.frombuffer(file.read(16 + count * 784), np.uint8, offset=16).reshape(count, 28, 28)
    with gzip.open(SAMPLE_MNIST / IDX_FILES[part, "labels"]) as file:
        labels = np.frombuffer(file.read(8 + count), np.uint8, offset=8)
    return images, labels


@pytest.fixture
def write_idx() -> Callable[..., dict[str, Path]]:
    """`write_idx(folder, train=64, test=32, leave_out=())` writes the first digits of MNIST as idx .gz files.

    Returns the paths by name, such as `"train-images-idx3-ubyte.gz"`; `leave_out` takes such names.
    """

    def write(folder: Path, train: int = 64, test: int = 32, leave_out: Sequence[str] = ()) -> dict[str, Path]:
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for part, count in (("train", train), ("test", test)):
            for kind, array in zip(("images", "labels"), _first_of_mnist(part, count), strict=True):
                name = IDX_FILES[part, kind]
                if name not in leave_out:
                    paths[name] = folder / name
                    paths[name].write_bytes(gzip.compress(idx_bytes(array), mtime=0))
        return paths

    return write


# --- the running app --------------------------------------------------------------------------------------


@dataclass
class AppServer:
    """The app in a process of its own."""

    url: str
    home: Path
    log_file: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def log(self) -> str:
        """What the server has printed so far."""
        return self.log_file.read_text(errors="replace")


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_running: list[AppServer] = []


@contextmanager
def _running_app(folder: Path, args: Sequence[str], env: Mapping[str, str]) -> Iterator[AppServer]:
    """`python app.py` with a home below `folder`; the loopback address is all the network it has."""
    home, guard, port = folder / "home", folder / "guard", free_port()
    home.mkdir()
    guard.mkdir()
    (guard / "sitecustomize.py").write_text("import network_guard\nnetwork_guard.block_outside()\n")
    settings = {
        "PYTHONPATH": os.pathsep.join([str(guard), str(ROOT / "tests")]),
        "PYTHONUNBUFFERED": "1",
        "GANDEMO_HOME": str(home),
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
        "HF_HOME": str(folder / "hf"),
    }
    unwanted = {"GRADIO_ANALYTICS_ENABLED", "GRADIO_SERVER_NAME", "GANDEMO_DATA", "HF_TOKEN", "SPACE_ID"}
    inherited = {key: value for key, value in os.environ.items() if key not in unwanted}
    log_file = folder / "log.txt"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *(args or ["app.py"])],
            cwd=ROOT,
            env={**inherited, **settings, **env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = AppServer(f"http://127.0.0.1:{port}/", home, log_file, process)
    _running.append(server)
    try:
        _wait_until_up(server)
        yield server
    finally:
        _running.remove(server)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if network_guard.BLOCKED in server.log:
        pytest.fail(f"the server did not stay on this machine; its log:\n{server.log}")


def _wait_until_up(server: AppServer, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            pytest.fail(f"the app ended with status {server.process.returncode}; its log:\n{server.log}")
        try:
            with urllib.request.urlopen(server.url, timeout=10):
                return
        except urllib.error.HTTPError as answer:
            answer.close()
            if answer.code == 401:  # a server with a password is up too
                return
        except OSError:
            pass
        time.sleep(0.1)
    pytest.fail(f"the app did not answer at {server.url} within {seconds:.0f} s; its log:\n{server.log}")


@pytest.fixture(scope="session")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """The app as `python app.py` starts it, one for all tests: `app_server.url`, `.home`, `.log`."""
    with _running_app(tmp_path_factory.mktemp("app"), (), {}) as server:
        yield server


@pytest.fixture
def start_app(tmp_path: Path) -> Callable[..., Any]:
    """`with start_app("-m", "gandemo", "serve", NAME="value") as server:` starts one more, for one test."""

    def start(*args: str, **env: str) -> Any:
        folder = tmp_path / f"app-{len(list(tmp_path.glob('app-*')))}"
        folder.mkdir()
        return _running_app(folder, args, env)

    return start


# --- the browser ------------------------------------------------------------------------------------------

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Chromium or Chrome from the PATH; without one, browser tests are skipped, or fail in CI."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    reason = "browser tests need Chromium on the PATH; on Debian: apt-get install -y --no-install-recommends chromium"
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    """One Chromium for all tests; each test gets a context of its own, with empty storage."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, headless=True, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@contextmanager
def _clean_page(browser: Browser, options: Mapping[str, Any]) -> Iterator[Page]:
    """A page that raises at the end if it logged an error or asked for anything outside this machine."""
    context = browser.new_context(**options)
    faults = _watch(context)
    page = context.new_page()
    try:
        yield page
    finally:
        context.close()
    if faults:
        pytest.fail("the page was not clean:\n" + "\n".join(faults))


def _watch(context: BrowserContext) -> list[str]:
    """The list that every fault of the context's pages will be added to."""
    faults: list[str] = []

    def outside(url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https", "ws", "wss") and not network_guard.is_loopback(parts.hostname)

    def check(kind: str, url: str) -> None:
        if outside(url):
            faults.append(f"{kind} outside: {url}")

    def watch_page(page: Page) -> None:
        page.on("websocket", lambda socket: check("websocket", socket.url))

    def log(message: Any) -> None:
        if message.type == "error":
            faults.append(f"console error: {message.text} ({message.location.get('url', '')})")

    context.on("page", watch_page)
    context.on("request", lambda request: check("request", request.url))
    context.on("console", log)
    context.on("weberror", lambda error: faults.append(f"uncaught error: {error.error}"))
    return faults


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """`with open_page("phone", color_scheme="dark") as page:` for a page of another kind."""

    @contextmanager
    def open_(device: str = "desktop", **options: Any) -> Iterator[Page]:
        with _clean_page(browser, {**DEVICES[device], **options}) as page:
            failed = True
            try:
                yield page
                failed = request.node.stash.get(_FAILED, False)
            finally:
                if failed and not page.is_closed():
                    page.screenshot(path=tmp_path / f"{device}.png")
                    print(f"the page as it was: {tmp_path / device}.png")

    return open_


@pytest.fixture
def page(open_page: Callable[..., Any]) -> Iterator[Page]:
    """A page on a desktop screen, 1280 x 900."""
    with open_page("desktop") as page:
        yield page


@pytest.fixture
def phone(open_page: Callable[..., Any]) -> Iterator[Page]:
    """A page on a phone, 390 x 844, with touch."""
    with open_page("phone") as page:
        yield page


@pytest.fixture(params=sorted(DEVICES))
def any_page(open_page: Callable[..., Any], request: pytest.FixtureRequest) -> Iterator[Page]:
    """The test runs twice: on a desktop screen and on a phone."""
    with open_page(request.param) as page:
        yield page


# --- what a failure tells ---------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failed test shows the log of each server that is running."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
        for server in _running:
            report.sections.append((f"log of {server.url}", server.log[-8000:]))
    return report
