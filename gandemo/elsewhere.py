"""Checkpoints that live elsewhere: what loading one asks of parts that lie above it.

A pipeline works without a network and knows none. But people give it a repository's name, or want to push what they
have; `gandemo/__init__.py` puts here who does that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# "fetch": (USER/REPO[@REVISION], token) to a Checkpoint
# "push": (Checkpoint, USER/REPO, private, token, message) to the address of its page
HUB: dict[str, Callable[..., Any]] = {}
