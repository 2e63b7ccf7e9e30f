"""Signing in with the fake Hub: OpenID Connect, as Spaces use it. Whoever `hub.visitor` is agrees to everything."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

if TYPE_CHECKING:
    from tests.ship.fake_hub import FakeHub
    from tests.ship.fake_hub_http import _Handler

CLIENT = {"OAUTH_CLIENT_ID": "the-space", "OAUTH_CLIENT_SECRET": "its-secret", "OAUTH_SCOPES": "openid profile"}


def settings(hub: FakeHub) -> dict[str, str]:
    """What a Space with `hf_oauth: true` finds in its environment."""
    return {**CLIENT, "OPENID_PROVIDER_URL": hub.endpoint, "SPACE_ID": "ada/demo", "SYSTEM": "spaces"}


def configuration(handler: _Handler, hub: FakeHub) -> None:
    handler.json(
        {
            "issuer": hub.endpoint,
            "authorization_endpoint": f"{hub.endpoint}/oauth/authorize",
            "token_endpoint": f"{hub.endpoint}/oauth/token",
            "jwks_uri": f"{hub.endpoint}/oauth/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }
    )


def authorize(handler: _Handler, hub: FakeHub) -> None:
    """Back to the Space at once, with a code."""
    asked, code = handler.query, secrets.token_urlsafe(12)
    assert asked["client_id"] == CLIENT["OAUTH_CLIENT_ID"]
    hub.codes[code] = (hub.visitor, asked["nonce"])
    back = f"{asked['redirect_uri']}&{urlencode({'code': code, 'state': asked['state']})}"
    handler.send(302, b"", {"Location": back})


def token(handler: _Handler, hub: FakeHub) -> None:
    """An access token for a code, once, and a signed word on whose it is."""
    sent = {key: values[0] for key, values in parse_qs(handler.body.decode()).items()}
    visitor, nonce = hub.codes.pop(sent["code"])
    name, now = hub.users[visitor].name, int(time.time())
    claims: dict[str, Any] = {
        "iss": hub.endpoint,
        "aud": CLIENT["OAUTH_CLIENT_ID"],
        "sub": name,
        "iat": now,
        "exp": now + 600,
        "nonce": nonce,
        "name": name.title(),
        "preferred_username": name,
        "profile": f"{hub.endpoint}/{name}",
        "picture": "",
    }
    from joserfc import jwt

    signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, _key(hub))
    handler.json(
        {"access_token": visitor, "token_type": "bearer", "expires_in": 600, "scope": "openid", "id_token": signed}
    )


def keys(handler: _Handler, hub: FakeHub) -> None:
    handler.json({"keys": [_key(hub).as_dict(private=False)]})


def _key(hub: FakeHub) -> Any:
    from joserfc.jwk import RSAKey

    if hub.key is None:
        hub.key = RSAKey.generate_key(2048, {"kid": "one"})
    return hub.key


ROUTES = (
    (r"/\.well-known/openid-configuration", "GET", configuration),
    (r"/oauth/authorize", "GET", authorize),
    (r"/oauth/token", "POST", token),
    (r"/oauth/keys", "GET", keys),
)
