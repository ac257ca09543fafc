"""The in-memory twin of the shards' logs: what is committed, the kept positions, and fencing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.eligibility.dossier import OutboxMessage
from services.eligibility.ports import ShardFenced
from services.kit.errors import TransientError


class MemoryLog:
    """Kafka as relays see it: what is committed, the kept positions, and who owns which shard."""

    def __init__(self) -> None:
        self.committed: list[OutboxMessage] = []
        self.positions: dict[int, int] = {}
        self.owners: dict[int, MemoryShardLog] = {}
        #: How many of the next publishes fail, and whether they happened all the same.
        self.failures: list[bool] = []

    async def __call__(self, shard: int) -> MemoryShardLog:
        """Open a shard's log and fence whoever had it."""
        self.owners[shard] = MemoryShardLog(self, shard)
        return self.owners[shard]


class MemoryShardLog:
    """See `ports.ShardLog`."""

    def __init__(self, log: MemoryLog, shard: int) -> None:
        self._log = log
        self._shard = shard

    async def position(self) -> int | None:
        """Return the last number kept, by whomever."""
        return self._log.positions.get(self._shard)

    async def publish(self, messages: Sequence[OutboxMessage], *, number: int) -> None:
        """Publish and keep the number, both or neither; fails as `MemoryLog.failures` says."""
        await asyncio.sleep(0)
        if self._log.owners[self._shard] is not self:
            raise ShardFenced(f"shard {self._shard}")
        fails = bool(self._log.failures)
        happened = self._log.failures.pop(0) if fails else True
        if happened:
            self._log.committed.extend(messages)
            self._log.positions[self._shard] = number
        if fails:
            raise TransientError("the answer was lost")

    async def close(self) -> None:
        """Nothing is open."""
