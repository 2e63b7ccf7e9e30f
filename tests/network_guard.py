"""Keeps a Python process on this machine: the tests use it, and the servers that they start."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable
from typing import Any

BLOCKED = "the tests stay on this machine, but something wanted to reach"


class OutsideConnectionError(RuntimeError):
    """Not an OSError on purpose: code that takes a missing network in its stride must not hide it."""


def is_loopback(host: object) -> bool:
    """Whether a host name or address, as sockets take it, stays on this machine."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str):
        return host is None
    host = host.strip("[]").partition("%")[0]
    if host in ("", "localhost", "0.0.0.0", "::"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.endswith(".localhost")


def block_outside(error: Callable[[str], Exception] = OutsideConnectionError) -> Callable[[], None]:
    """Lets look-ups and connections outside fail with `error(message)`; returns what undoes it."""

    def refuse(host: object) -> None:
        if not is_loopback(host):
            message = f"{BLOCKED} {host!r}"
            if error is OutsideConnectionError:
                print(message, file=sys.stderr, flush=True)
            raise error(message)

    def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: socket.socket, *args: Any) -> Any:
            address = args[-1]
            if self.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
                refuse(address[0])
            return method(self, *args)

        return call

    def guarded_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        refuse(host)
        return lookup(host, *args, **kwargs)

    methods = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex", "sendto")}
    lookup = socket.getaddrinfo
    for name, method in methods.items():
        setattr(socket.socket, name, guarded(method))
    socket.getaddrinfo = guarded_lookup

    def undo() -> None:
        for name, method in methods.items():
            setattr(socket.socket, name, method)
        socket.getaddrinfo = lookup

    return undo
