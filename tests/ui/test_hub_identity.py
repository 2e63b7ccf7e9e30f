"""In whose name the page asks the Hub: nobody gets at the owner's token but the owner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gradio as gr
import pytest
from starlette.requests import Request

from gandemo.errors import RequestError
from gandemo.ui import access, hub_identity

LOCAL = {"host": "127.0.0.1:7860"}


def request(client: str = "127.0.0.1", **headers: str) -> gr.Request:
    """What Gradio hands to a callback."""
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in {**LOCAL, **headers}.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": sent, "client": (client, 1)}
    return gr.Request(request=Request(scope))


@pytest.fixture
def page(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`page("127.0.0.1", share=False)` settles how the page is served; the machine has a token of its owner."""
    for name in ("SPACE_ID", "SYSTEM", "GANDEMO_PUBLIC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_owner")
    monkeypatch.setattr(access, "_reached_from_outside", False)
    monkeypatch.setattr(access, "_has_password", False)

    def settle(host: str = "127.0.0.1", *, share: bool = False, password: bool = False) -> None:
        access.settle(host, share=share, password=password)

    return settle


def ask(asked: gr.Request, *, saved: object = True, typed: object = "", needed: bool = True) -> hub_identity.Identity:
    return hub_identity.identify(saved, typed, asked, None, needed=needed)


def test_the_owner_on_this_machine(page: Callable[..., None]) -> None:
    page()
    for asked in (request(), request(origin="http://127.0.0.1:7860"), request(client="::1", host="localhost:7860")):
        assert ask(asked) == hub_identity.Identity("hf_owner", owner=True)
    assert "hf_owner" not in repr(ask(request()))


@pytest.mark.parametrize("saved", [False, None, "", "true", 1])
def test_the_owner_has_to_say_so(saved: object, page: Callable[..., None]) -> None:
    page()
    with pytest.raises(RequestError, match="a push needs a token of yours"):
        ask(request(), saved=saved)


@pytest.mark.parametrize(
    "asked",
    [
        request(client="192.168.1.5"),
        request(host="my-page.example"),  # a name that was made to lead here
        request(origin="https://evil.example"),  # another site, in the owner's own browser
        request(origin="http://127.0.0.1:9999"),
        request(origin="null"),
        request(x_forwarded_for="8.8.8.8"),
        request(x_forwarded_host="my-page.example"),
        request(forwarded="for=8.8.8.8"),
        request(cf_connecting_ip="8.8.8.8"),
    ],
    ids=["client", "host", "site", "port", "file", "proxy", "proxied host", "rfc 7239", "tunnel"],
)
def test_a_request_that_may_be_somebody_else_s(asked: gr.Request, page: Callable[..., None]) -> None:
    page()
    with pytest.raises(RequestError, match="for its owner alone"):
        ask(asked)
    assert not ask(asked, saved=False, needed=False).owner
    assert ask(asked, typed="hf_mine").token == "hf_mine"


@pytest.mark.parametrize("how", [{"host": "0.0.0.0"}, {"share": True}, {"host": "0.0.0.0", "password": True}])
def test_a_page_that_others_reach(how: dict[str, object], page: Callable[..., None]) -> None:
    page(**how)
    with pytest.raises(RequestError, match="for its owner alone"):
        ask(request())


def test_a_page_that_is_said_to_be_public(page: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    page()
    monkeypatch.setenv("GANDEMO_PUBLIC", "1")
    with pytest.raises(RequestError, match="for its owner alone"):
        ask(request())


def test_on_a_space_the_visitor_alone(page: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    page()
    monkeypatch.setenv("SPACE_ID", "ada/demo")
    for typed in ("", "hf_typed"):
        with pytest.raises(RequestError, match="sign in first"):
            ask(request(), typed=typed)
    assert ask(request(), needed=False).token is None
    visitor = gr.OAuthToken(token="hf_visitor", scope="openid", expires_at=2**40)
    found = hub_identity.identify(True, "", request(), visitor, needed=True)
    assert found == hub_identity.Identity("hf_visitor")


def test_signing_in_is_offered_where_it_works(page: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    page()
    assert not hub_identity.can_sign_in()
    monkeypatch.setenv("SPACE_ID", "ada/demo")
    assert not hub_identity.can_sign_in()
    for name in ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL"):
        monkeypatch.setenv(name, "x")
    assert not hub_identity.can_sign_in()  # Gradio sees no Space: it would sign everybody in as the owner
    monkeypatch.setenv("SYSTEM", "spaces")
    assert hub_identity.can_sign_in()


@pytest.mark.parametrize("typed", ["two words", "hf_\u00e9", "x" * 500, "a\nb", "hf_\0a", "\x7fhf"])
def test_what_is_no_token(typed: str, page: Callable[..., None]) -> None:
    page()
    with pytest.raises(RequestError, match="that is no token") as refused:
        ask(request(), typed=typed)
    assert typed not in str(refused.value)
