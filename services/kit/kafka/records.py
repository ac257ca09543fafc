"""A record is one message as it was read: where it stood, what it says, when it was written."""

from __future__ import annotations

from dataclasses import dataclass

#: A topic and one of its partitions.
Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Record:
    """One message read from Kafka.

    `value` is empty for a tombstone (a compacted topic's way to say "gone"); `timestamp_ms` is epoch milliseconds.
    """

    topic: str
    partition: int
    offset: int
    key: str | None
    value: bytes
    headers: dict[str, bytes]
    timestamp_ms: int
