"""In whose name the page asks the Hub.

- On a Space: the visitor signs in and acts with their own token alone.
- On this machine alone: the owner's saved token, if the owner says so and nobody else can have asked; or one typed in.
- Anywhere else: a token typed in, or nobody's name.

A token is handed to one action and forgotten: nothing here stores, logs or returns it.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
import gradio.utils

from gandemo.errors import HubError, RequestError
from gandemo.ui import access

_OAUTH = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL")
# What a proxy or a tunnel adds: behind one, a connection from this machine may be anybody's.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "cf-connecting-ip", "via")


@dataclass(frozen=True)
class Identity:
    """Who asks.

    Attributes:
        token: of theirs; None: nobody.
        owner: it is the owner of this machine, whose cache may serve them.
    """

    token: str | None = field(default=None, repr=False)
    owner: bool = False


def on_space() -> bool:
    """Whether this is a Space."""
    return bool(os.environ.get("SPACE_ID"))


def can_sign_in() -> bool:
    """Whether visitors of this Space can sign in: `hf_oauth: true` in its README makes it so.

    Where Gradio itself sees no Space, its button would sign every visitor in under the name of the machine's owner.
    """
    return on_space() and gradio.utils.get_space() is not None and all(os.environ.get(name) for name in _OAUTH)


def may_use_saved(request: gr.Request | None) -> bool:
    """Whether a request can only be the owner's: the server is not reached from outside, and this came from inside.

    The page of another site can make the owner's browser ask, too: the origin gives it away.
    """
    if on_space() or not access.is_local() or request is None:
        return False
    headers: Any = request.headers
    host, origin = str(headers.get("host", "")), str(headers.get("origin", ""))
    if any(headers.get(name) for name in _FORWARDED):
        return False
    client = request.client
    if client is None or not _is_loopback(str(client.host)) or not _is_loopback(_name(f"//{host}")):
        return False
    return not origin or urlsplit(origin).netloc == host


def is_token_saved() -> bool:
    """Whether this machine has a token of its owner; loads no torch."""
    from gandemo.ship.hub.client import token_of

    try:
        return token_of() is not None
    except HubError:  # whoever wants to use it is told
        return True


def identify(
    saved: object, typed: object, request: gr.Request | None, oauth: gr.OAuthToken | None, *, needed: bool
) -> Identity:
    """Who asks for this one action.

    Args:
        saved: whether the token saved on this machine shall be used.
        typed: a token from the page.
        request: what came.
        oauth: the visitor's, on a Space.
        needed: whether it needs a name at all.

    Raises:
        RequestError: it needs one and there is none, or the saved one must not be used here.
        HubError: the saved token can't be read.
    """
    if on_space():
        if oauth is None and needed:
            raise RequestError("sign in first: what you push is pushed in your name")
        return Identity(None if oauth is None else oauth.token)
    if isinstance(typed, str) and typed.strip():
        return Identity(_clean(typed))
    if saved is True:
        if not may_use_saved(request):
            raise RequestError(
                "the token saved on this machine is for its owner alone, on a page that nobody else reaches; "
                "give a token of yours"
            )
        from gandemo.ship.hub.client import token_of

        found = token_of()
        if found is None:
            raise RequestError("no token is saved on this machine; run hf auth login, or give one here")
        return Identity(found, owner=True)
    if needed:
        raise RequestError(
            "a push needs a token of yours with write access; make one on huggingface.co/settings/tokens"
        )
    return Identity(owner=may_use_saved(request))


def _clean(typed: str) -> str:
    from gandemo.ship.hub.client import is_token

    token = typed.strip()
    if not is_token(token):
        raise RequestError("that is no token: it is one word, such as hf_ and letters and digits")
    return token


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
