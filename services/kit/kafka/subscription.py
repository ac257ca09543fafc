"""What one consumer group reads and who handles it: the values that a service composes its reading from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from services.kit.kafka.handling import Handler
from services.kit.kafka.records import Partition

StartPositions = Callable[[Collection[Partition]], Awaitable[Mapping[Partition, int]]]
OnPartitions = Callable[[Collection[Partition]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one consumer group reads, and who handles it.

    `handler` gets records in the order of each partition. It may get a record again: after a crash, a rebalance, or a
    failure of the batch. It raises `TransientError` for what passes by itself; the batch is then repeated as it is, for
    ever. Any other exception makes the batch smaller until the record that fails is found and set aside.

    `start_positions` is for those who keep their positions elsewhere: it tells the offset of the next record wanted;
    a partition it leaves out starts at its beginning. `payload` is the model that AsyncAPI names.

    Topics with the same number of partitions are assigned together: whoever has partition 3 of one has it of all.
    """

    group: str
    topics: Sequence[str]
    handler: Handler
    max_records: int = 500
    isolation: Literal["read_committed", "read_uncommitted"] = "read_committed"
    on_assigned: OnPartitions | None = None
    on_revoked: OnPartitions | None = None
    start_positions: StartPositions | None = None
    payload: Any = bytes
