"""Who may do what on this page.

- On this machine alone: everything.
- Behind a password (`--auth`): whoever knows it may do everything but read folders of this machine.
- In public (a Space, a public link, an address that others reach): everybody may watch everything and train within
  `BOUNDS`, one run after the other; a run is stopped, resumed and deleted by the browser that started it. That browser
  keeps a secret of its own making; the run folder keeps a digest of it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

from gandemo import places
from gandemo.errors import DataError, RequestError

_SECRET = re.compile(r"^[0-9a-f]{32,128}$")


@dataclass(frozen=True)
class Bounds:
    """What anybody may ask of a public server.

    Attributes:
        steps: of one training.
        batch_size: of it.
        minutes: that it trains in one go.
        waiting: runs in the queue.
        upload: bytes of one file.
        disk: bytes that all runs may take, where nobody has set another bound; and pictures that were sent or fetched.
        settings: of a recipe that may be changed.
    """

    steps: int = 20_000
    batch_size: int = 256
    minutes: float = 30.0
    waiting: int = 6
    upload: int = 50 * 10**6
    disk: int = 5 * 10**9
    settings: tuple[str, ...] = (
        "steps",
        "batch_size",
        "seed",
        "generator_optimizer.lr",
        "discriminator_optimizer.lr",
        # the remedies of the doctor
        "loss.r1",
        "loss.adversarial",
        "pack",
        # how often it tells
        "log_every",
        "sample_every",
        "evaluate_every",
        "checkpoint_every",
    )


BOUNDS = Bounds()
_reached_from_outside = False
_has_password = False


def settle(host: str, *, share: bool, password: bool) -> None:
    """Called once, before the page is served.

    Args:
        host: address that it listens on.
        share: whether there is a public link.
        password: whether every visitor is asked for one.
    """
    global _reached_from_outside, _has_password
    _reached_from_outside, _has_password = share or not _is_loopback(host), password


def is_local() -> bool:
    """Whether nobody but this machine reaches the page; behind a tunnel or a proxy, set GANDEMO_PUBLIC=1."""
    return not (_reached_from_outside or os.environ.get("SPACE_ID") or os.environ.get("GANDEMO_PUBLIC"))


def is_public() -> bool:
    """Whether strangers reach the page."""
    return not is_local() and not _has_password


def digest(secret: object) -> str:
    """What a run folder keeps of a browser's secret; empty where everything is everybody's.

    Raises:
        RequestError: it is no secret of the page's making.
    """
    if not is_public():
        return ""
    if not isinstance(secret, str) or not _SECRET.match(secret):
        raise RequestError("this browser has no key of its own; reload the page and try again")
    return hashlib.sha256(f"gandemo {secret}".encode()).hexdigest()


def may_change(owner: str, secret: object) -> bool:
    """Whether a browser may stop, resume or delete a run of that owner."""
    if not is_public():
        return True
    return bool(owner) and isinstance(secret, str) and bool(_SECRET.match(secret)) and owner == digest(secret)


def disk_limit() -> int | None:
    """Bytes that all runs may take where nobody has set a bound; None: as many as there are."""
    return BOUNDS.disk if is_public() else None


def check_room(folder: Path) -> None:
    """Refuses more pictures of visitors where those in a folder fill their share of the disk already.

    Raises:
        DataError: they do.
    """
    if places.size(folder) > BOUNDS.disk:
        raise DataError("the server has no room for more pictures; run gandemo on your own machine")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
