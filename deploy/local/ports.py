"""Finds loopback ports that nobody listens on."""

from __future__ import annotations

import secrets
import socket

LOOPBACK = "127.0.0.1"
#: Below the ports that the kernel lends to outgoing connections: one of those could take the port in the seconds
#: between our choice and the server's own bind.
CHOICE = range(20_000, 32_000)


def free_port(preferred: int = 0) -> int:
    """The preferred port if nobody has it, else any free one (0 prefers none)."""
    return preferred if preferred and _can_bind(preferred) else _any_port()


def answers(port: int, *, timeout: float = 0.5) -> bool:
    """Whether something accepts connections at this loopback port within `timeout` seconds."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout):
            return True
    except OSError:
        return False


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections merely linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    # A listener on the wildcard address lets a loopback bind succeed on some systems.
    return not answers(port)


def _any_port() -> int:
    while not _can_bind(port := CHOICE.start + secrets.randbelow(len(CHOICE))):
        pass
    return port
