"""The page's part for the Hub on a running app, against a running Hub: in whose name it acts, and what people see."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from gandemo import checkpoint
from gandemo.ship.hub import Hub
from gandemo.ship.hub.origins import origin
from gandemo.ui import access, catalog, hub_answers
from gandemo.ui.hub_identity import Identity
from tests import tiny
from tests.ship import fake_sign_in
from tests.ship.conftest import server  # noqa: F401 - a fixture
from tests.ship.fake_hub import FakeHub

ALONE = "from gandemo.ui import app, ship\napp.TABS = (('Ship', ship.tab, lambda: None),)\napp.launch()"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A Hub for another process than this one."""
    with FakeHub() as running:
        yield running


def settings(hub: FakeHub) -> dict[str, str]:
    """The environment of an app on a machine whose owner is ada."""
    return {"HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "hf_ada"}


def files(folder: Path) -> dict[str, bytes]:
    saved = tiny.save(folder)
    return {path.name: path.read_bytes() for path in saved.path.iterdir()}


def test_on_a_space_visitors_act_in_their_own_name(hub: FakeHub, start_app: Callable[..., Any], tmp_path: Path) -> None:
    """The Space's own token is ada's; ben signs in."""
    hub.visitor = "hf_ben"
    hub.plant("ben/nice", files(tmp_path / "his"))
    hub.plant("ada/secret", files(tmp_path / "hers"), private=True)
    space = {**settings(hub), **fake_sign_in.settings(hub), "GRADIO_SERVER_NAME": "127.0.0.1"}
    with start_app("-c", ALONE, **space) as app:
        visitor = Visitor(app.url)
        asked = ["digits", "ben/mine", "model", False, True, "hf_ada"]
        assert "ign in first" in json.dumps(visitor.ask("hub-push", asked))
        visitor.sign_in()
        assert visitor.ask("hub-push", asked)["data"][0]["kind"] == "done"
        assert "generator.safetensors" in hub.files("ben/mine")
        told = visitor.ask("hub-push", ["digits", "ada/hers", "model", False, True, "hf_ada"])["data"][0]
        assert (told["kind"], told["text"][:44]) == ("failed", "This page may not write to ada/hers (You don")
        assert "anybody may see" in visitor.ask("hub-pull", ["ada/secret", True, "hf_ada"])["data"][0]["text"]
        assert visitor.ask("hub-pull", ["ben/nice", False, ""])["data"][0]["kind"] == "done"
    asked_as = {call.token for call in hub.log if call.path.startswith(("/api/models", "/api/repos"))}
    assert asked_as == {"", "hf_ben"}


class Visitor:
    """Somebody's browser, as far as it matters here. Its cookies are for secure connections: it sends them itself."""

    def __init__(self, url: str) -> None:
        self.url, self.session = url.rstrip("/"), ""
        self.config = httpx.get(f"{self.url}/config", timeout=60).json()

    def get(self, address: str) -> httpx.Response:
        answer = httpx.get(address, headers={"cookie": self.session}, timeout=60)
        if "set-cookie" in answer.headers:
            self.session = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def sign_in(self) -> None:
        there = self.get(f"{self.url}/login/huggingface").headers["location"]
        back = httpx.get(there).headers["location"]
        assert self.get(back).headers["location"] == "/"

    def ask(self, button: str, data: list[Any]) -> dict[str, Any]:
        """What the server answers to a click, asked as a page asks it."""
        (component,) = (one["id"] for one in self.config["components"] if one["props"].get("elem_id") == button)
        function = next(
            one["id"]
            for one in self.config["dependencies"]
            if [component, "click"] in one["targets"] and one["backend_fn"]
        )
        sent = {"data": data, "fn_index": function, "session_hash": "visitor"}
        headers = {"cookie": self.session}
        httpx.post(f"{self.url}/gradio_api/queue/join", json=sent, headers=headers, timeout=60).raise_for_status()
        address = f"{self.url}/gradio_api/queue/data?session_hash=visitor"
        latest: dict[str, Any] = {}
        with httpx.stream("GET", address, headers=headers, timeout=120) as stream:
            for line in stream.iter_lines():
                news = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if news.get("msg") == "process_generating":
                    latest = _merged(latest, news["output"])
                if news.get("msg") == "process_completed":
                    return latest if news["success"] and latest else news["output"]
        raise AssertionError("the answer broke off")


def _merged(latest: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
    """A stream's later words tell differences: the first part of the answer is all that is looked at here."""
    values = news["data"]
    if latest and isinstance(values[0], list):
        state = dict(latest["data"][0])
        for action, path, value in values[0]:
            if not path:
                state = value
            elif action == "delete":
                state.pop(path[0], None)
            else:
                state[path[0]] = value if action != "append" else state[path[0]] + value
        return {"data": [state]}
    return news


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's own
def test_a_wait_for_a_busy_hub_is_told(
    server: FakeHub,  # noqa: F811 - the fixture
    filled: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_told = threading.Event()
    monkeypatch.setattr(hub_answers.hub, "Hub", functools.partial(Hub, sleep=lambda _: is_told.wait(60)))
    server.fail("/commit/", 429, headers={"Retry-After": "7"})
    states = []
    for state in hub_answers.push(Identity("hf_ada"), "tiny", "ada/tiny", space=False, private=False):
        states.append(state)
        if "trying again in 7 s" in state.get("text", ""):
            is_told.set()
    assert states[-1]["kind"] == "done"
    assert is_told.is_set()


def test_visitors_do_not_renew_what_the_owner_pulled(
    server: FakeHub,  # noqa: F811 - the fixture
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.plant("ben/n", files(tmp_path / "his"))
    *_, last = hub_answers.pull(Identity(), "ben/n")
    assert last["kind"] == "done"
    monkeypatch.setattr(access, "is_public", lambda: True)
    before = origin(home / "checkpoints" / "ben--n")
    server.plant("ben/n", {**files(tmp_path / "newer"), "README.md": b"newer"})
    *_, last = hub_answers.pull(Identity(), "ben/n")
    assert last["kind"] == "failed"
    assert "owner of this page has ben--n already" in last["text"]
    assert origin(home / "checkpoints" / "ben--n") == before


def test_visitors_bring_so_many_and_touch_nothing_of_the_owner(
    server: FakeHub,  # noqa: F811 - the fixture
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(access, "is_public", lambda: True)
    monkeypatch.setattr(hub_answers, "VISITORS_KEPT", 2)
    mine = tiny.save(home / "checkpoints" / "mine")
    made = files(tmp_path / "his")
    for number in range(4):
        server.plant(f"ben/n{number}", made)
        *_, last = hub_answers.pull(Identity("hf_ada"), f"ben/n{number}")
        assert last["kind"] == "done"
    *_, last = hub_answers.pull(Identity(), "ben/mistyped")  # nothing comes, so nothing goes
    assert last["kind"] == "failed"
    assert last["text"].endswith("check the name: only what is public can be had on this page.")
    left = {path.name: origin(path).get("by") for path in (home / "checkpoints").iterdir()}
    assert left == {"mine": None, "ben--n2": "a visitor", "ben--n3": "a visitor"}
    assert server.tokens() == set()
    assert checkpoint.load(mine.path).recipe == tiny.DIGITS
    assert not (home / "hf").exists()  # nothing stays in the owner's cache
    (home / "checkpoints" / ".ben--n2.gone" / "half").mkdir(parents=True)  # the server was ended in the middle
    monkeypatch.setenv("GANDEMO_CHECKPOINTS", "https://huggingface.co/ben/n2")  # what the page opens with stays
    server.plant("ben/n4", made)
    *_, last = hub_answers.pull(Identity(), "ben/n4")
    assert last["kind"] == "done"
    left = {path.name for path in (home / "checkpoints").iterdir()}
    assert left == {"mine", "ben--n2", "ben--n3", "ben--n4"}


def test_what_a_server_opens_with_comes_first(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.save(filled / "checkpoints" / "ada--mine")
    tiny.save(filled / "checkpoints" / "ada--mine--refs-pr-1")
    monkeypatch.setenv("GANDEMO_CHECKPOINTS", "ada/mine@refs/pr/1, https://huggingface.co/ada/mine, tiny-plain")
    first = ["ada--mine--refs-pr-1", "ada--mine", "tiny-plain"]
    assert [entry.name for entry in catalog.entries("digits")][:3] == first
