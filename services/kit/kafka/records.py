"""A record is one message as it was read: where it stood, what it says, when it was written."""

from __future__ import annotations

from dataclasses import dataclass

from services.kit.trace import TRACEPARENT, Trace, begin, current, parse

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

    def trace(self) -> Trace:
        """Return a span of ours in the trace that the record tells of, else in the task's own, else in a new one."""
        heard = parse(self.headers.get(TRACEPARENT)) or current()
        return heard.child() if heard is not None else begin()
