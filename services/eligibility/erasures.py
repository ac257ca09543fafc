"""Says which orders were asked to be forgotten: what a tombstone names stays erased, whatever arrives later.

A tombstone on an order takes every revision of it. One on a buyer or a store takes the orders that were placed until
it was asked for: whoever buys again after that agrees anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from schemas.ids import SellerId, StoreId
from schemas.privacy import PrivacyKind

#: How long a seller has to answer, and how long an erasure may take (Shopify's privacy requirements: 30 days).
ANSWER_WITHIN = timedelta(days=30)
#: A buyer's tombstone that holds in all stores of the platform.
EVERY_STORE = ""

RequestState = Literal["open", "answered", "erased"]


@dataclass(frozen=True, slots=True)
class PrivacyRequest:
    """What a platform passed on, with digests in place of buyers' ids.

    `event_id` names it here, `request_id` on the platform. `number` counts requests as they came; 0 before it is kept.
    """

    event_id: str
    request_id: str
    kind: PrivacyKind
    platform: str
    store_id: StoreId | None
    seller_id: SellerId | None
    order_keys: tuple[str, ...]
    buyers: tuple[bytes, ...]
    asked_at: datetime
    number: int = 0
    state: RequestState = "open"
    closed_at: datetime | None = None

    @property
    def due_at(self) -> datetime:
        """By when it must be done."""
        return self.asked_at + ANSWER_WITHIN


@dataclass(frozen=True, slots=True)
class Subject:
    """An order as tombstones see it; `buyers` are the digests under which its buyer may stand."""

    order_key: str
    store_id: str
    placed_at: datetime
    buyers: tuple[bytes, ...] = ()


class Tombstone(NamedTuple):
    """Which request it stands for and when that was asked."""

    event_id: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Those that may concern one batch of orders. A buyer's stands under the digest and the store."""

    orders: Mapping[str, Tombstone] = field(default_factory=dict)
    stores: Mapping[str, Tombstone] = field(default_factory=dict)
    buyers: Mapping[tuple[bytes, str], Tombstone] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.orders or self.stores or self.buyers)

    def erased_by(self, subject: Subject) -> str | None:
        """Return the request that had the order erased, if any did."""
        if (own := self.orders.get(subject.order_key)) is not None:
            return own.event_id
        for tombstone in self._shared(subject):
            if subject.placed_at <= tombstone.asked_at:
                return tombstone.event_id
        return None

    def _shared(self, subject: Subject) -> Iterable[Tombstone]:
        if (of_store := self.stores.get(subject.store_id)) is not None:
            yield of_store
        for buyer in subject.buyers:
            for store in (subject.store_id, EVERY_STORE):
                if (of_buyer := self.buyers.get((buyer, store))) is not None:
                    yield of_buyer


class Erased(NamedTuple):
    """An order to erase, for whom it was erased, and whose it is."""

    order_key: str
    event_id: str
    seller_id: str
