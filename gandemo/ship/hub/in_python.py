"""What `Pipeline.from_pretrained` and `Pipeline.push_to_hub` do, with tokens as `huggingface_hub` takes them.

None or True: the token of this machine (HF_TOKEN, a saved login), if there is one; False: none; a text: that one.
"""

from __future__ import annotations

from gandemo.checkpoint import Checkpoint
from gandemo.ship.hub.client import Hub, token_of
from gandemo.ship.hub.ids import HubId
from gandemo.ship.hub.pulling import fetch
from gandemo.ship.hub.pushing import push

Token = str | bool | None


def fetch_checkpoint(source: str, token: Token = None) -> Checkpoint:
    """The verified checkpoint of a repository, in the cache of `huggingface_hub`.

    Raises:
        GanDemoError: see `pulling.fetch`.
    """
    return fetch(HubId.parse(source), _hub(token)).checkpoint


def push_checkpoint(
    source: Checkpoint, repo: str, private: bool = False, token: Token = None, message: str = ""
) -> str:
    """Makes or renews a repository; the address of its page.

    Raises:
        GanDemoError: see `pushing.push`.
    """
    return push(source, repo, _hub(token), private=private, message=message).url


def _hub(token: Token) -> Hub:
    if isinstance(token, str):
        return Hub(token)
    return Hub(None if token is False else token_of())
