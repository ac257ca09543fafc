"""Asks a broker, in Kafka's own protocol, whether it serves: an accepted connection alone says too little."""

from __future__ import annotations

import socket
import struct

from deploy.local.ports import LOOPBACK

METADATA_KEY, METADATA_VERSION = 3, 4
CORRELATION_ID = 1
#: Metadata v4: api key, version, correlation id, no client id, no topics, no auto-creation.
_REQUEST = struct.pack(">hhihib", METADATA_KEY, METADATA_VERSION, CORRELATION_ID, -1, 0, 0)
#: Correlation id, throttle time, number of brokers.
_ANSWER = struct.Struct(">iii")


def serves(port: int, *, timeout: float = 1.0) -> bool:
    """Whether the broker at this loopback port lists itself among the brokers that take requests."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout) as connection:
            connection.sendall(struct.pack(">i", len(_REQUEST)) + _REQUEST)
            correlation_id, _, brokers = _ANSWER.unpack(_read(connection, 4 + _ANSWER.size)[4:])
    except (OSError, struct.error):
        return False
    return bool(correlation_id == CORRELATION_ID and brokers > 0)


def _read(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = connection.recv(size - len(received))
        if not chunk:
            break
        received += chunk
    return received
