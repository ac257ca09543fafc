"""Finds loopback ports that nobody listens on, and that no other process of ours is about to listen on."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import tempfile
from pathlib import Path

LOOPBACK = "127.0.0.1"
#: Below the ports that the kernel lends to outgoing connections: one of those could take the port in the seconds
#: between our choice and the server's own bind.
CHOICE = range(20_000, 32_000)
#: Ports that this process chose, each by the descriptor of a lock that the kernel ends with the process.
_CHOSEN: dict[int, int] = {}


def free_port(preferred: int = 0) -> int:
    """The preferred port if nobody has it, else any free one (0 prefers none).

    It is ours from now on: two processes that start servers at the same moment never choose the same.
    """
    return preferred if preferred and _choose(preferred) else _any_port()


def answers(port: int, *, timeout: float = 0.5) -> bool:
    """Whether something accepts connections at this loopback port within `timeout` seconds."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout):
            return True
    except OSError:
        return False


def _choose(port: int) -> bool:
    if not _can_bind(port):
        return False
    if port in _CHOSEN:
        return True
    directory = Path(tempfile.gettempdir()) / f"sync-order-ports-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(directory / str(port), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    _CHOSEN[port] = descriptor
    return True


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
    while not _choose(port := CHOICE.start + secrets.randbelow(len(CHOICE))):
        pass
    return port
