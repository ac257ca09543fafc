"""What ingest needs kept of stores' webhooks: when they came, when they were looked at, what was mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.ids import SessionId
from services.ingest.contract.webhooks import Mended


@dataclass(frozen=True, slots=True)
class Healing:
    """What was mended, until the seller is told: when everything changed before `mended_at` is read.

    What is `mended` had worked for certain until `right_at`. `read_from` is where the reading of what they missed
    began, and `came` counts the orders that it found new or changed, up to the session `counted_in`. `told_in` is the
    session that tells of it.
    """

    mended: tuple[Mended, ...]
    mended_at: datetime
    read_from: datetime
    right_at: datetime | None = None
    came: int = 0
    counted_in: SessionId | None = None
    told_in: SessionId | None = None


@dataclass(frozen=True, slots=True)
class PushHealth:
    """What is known of a store's webhooks.

    `heard_at` is when the last genuine one came that told of an order, `refused_at` when one did not verify.
    `checked_at` is the last look at what is subscribed. `doubted_at` is the last that silence or a missed order
    caused, and `fruitless` counts those in a row that found nothing to mend. `awaited_at` is when a poll found a change
    before any webhook told of it: since then one is awaited. `healing` is what was mended last.
    """

    heard_at: datetime | None = None
    refused_at: datetime | None = None
    checked_at: datetime | None = None
    doubted_at: datetime | None = None
    fruitless: int = 0
    awaited_at: datetime | None = None
    healing: Healing | None = None

    @property
    def is_healing(self) -> bool:
        """Whether what mended webhooks missed is not read to its end."""
        return self.healing is not None and self.healing.told_in is None


class PushRecords(Protocol):
    """What is kept of it: raises and repeats as `services.ingest.ports` do, and passes over stores that are gone."""

    async def get(self, store_id: str) -> PushHealth:
        """What is known; nothing at first."""
        ...

    async def hear(self, heard: Mapping[str, datetime]) -> None:
        """Keep when stores' webhooks came last; the latest counts, whoever tells it."""
        ...

    async def refuse(self, store_id: str, *, now: datetime, unless_since: datetime) -> bool:
        """Keep that a delivery did not verify; False, and nothing changes, when one is known after `unless_since`."""
        ...

    async def keep(self, store_id: str, health: PushHealth) -> None:
        """Keep all but what is heard and refused; only who holds the lease of the store's polls does."""
        ...
