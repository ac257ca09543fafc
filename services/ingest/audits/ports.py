"""What audits need kept: the audits themselves, their leases, lists, answers and differences, and orders' reasons.

As in `services.ingest.ports`: every method raises `TransientError` when the database is away, and messages given to a
method are told if and only if its rows are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from schemas.audits import AuditScope, OrdersCompared
from schemas.ids import OrderKey
from services.ingest.audits.audit import Answer, Audit, Difference, Explained
from services.ingest.ports import Seen
from services.ingest.stores.store import Store
from services.kit.kafka.publisher import Message

#: An order's id and time.
Entry = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class AuditLease:
    """The right to go on with an audit, until it expires unrenewed. `number` rises with every lease of the audit."""

    audit: Audit
    store: Store
    owner: str
    number: int


@dataclass(frozen=True, slots=True)
class Unplanned:
    """A linked store that lacks an audit of this scope.

    `last` is when its last one was planned for, and `failed_at` when that one ended, if it proved nothing.
    """

    store: Store
    scope: AuditScope
    last: datetime | None = None
    failed_at: datetime | None = None


class AuditCost(NamedTuple):
    """What the last audit of a store and scope took of a call budget."""

    platform: str
    scope: AuditScope
    budget: str
    calls: float


class Audits(Protocol):
    """The audits.

    Whatever takes a lease raises `LeaseLost` once somebody else holds the audit, and then changes nothing.
    """

    async def add(self, audits: Sequence[Audit], *, messages: Sequence[Message] = ()) -> None:
        """Keep new audits, all or none; one whose id is known, or a second of a store's scope, changes nothing.

        The messages are told in any case: they are the same whenever they are told.
        """
        ...

    async def get(self, audit_id: str) -> Audit | None:
        """One audit of any seller."""
        ...

    async def page(self, seller_id: str, *, store_id: str | None, after: str | None, limit: int) -> list[Audit]:
        """A seller's audits, of one store or all, the newest first, those after `after`; none that is only planned."""
        ...

    async def unfinished(self, store_ids: Collection[str]) -> Mapping[str, int]:
        """How many audits that were asked for have not ended, of each store."""
        ...

    async def unplanned(self, *, platforms: Collection[str], limit: int) -> list[Unplanned]:
        """Which linked stores that sync by themselves lack an audit of a scope."""
        ...

    async def costs(self, platforms: Collection[str]) -> list[AuditCost]:
        """What the last audit of each scope took, for each linked store."""
        ...

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[AuditLease]:
        """Lease audits that are due and free, the longest due first, whatever became of their stores."""
        ...

    async def renew(self, lease: AuditLease, *, until: datetime) -> None:
        """Keep the lease for longer."""
        ...

    async def give_back(self, lease: AuditLease, *, due: datetime) -> None:
        """End the lease; the audit is due again at `due`."""
        ...

    async def drop(self, lease: AuditLease) -> None:
        """Forget an audit that nobody was told of."""
        ...

    async def listed_lately(self, audit: Audit, *, since: datetime) -> int | None:
        """How many orders the last list held of this audit's store and scope, begun after `since`, that agreed.

        None where there was none, and while anything speaks against the store: another audit that is under way, or one
        that ended after that list began and neither agreed nor has its reasons.
        """
        ...

    async def begin(self, lease: AuditLease, audit: Audit, *, messages: Sequence[Message]) -> None:
        """Keep that the audit began; one that had begun already changes nothing."""
        ...

    async def list_more(
        self,
        lease: AuditLease,
        audit: Audit,
        *,
        listed: Mapping[str, datetime],
        found: Sequence[Difference] = (),
        seen: Mapping[OrderKey, Seen] | None = None,
        messages: Sequence[Message] = (),
    ) -> None:
        """Keep one more part of the list; an order that is listed twice has its later time."""
        ...

    async def listed(self, audit_id: str) -> list[Entry]:
        """The list by now, ascending by time and id."""
        ...

    async def ask(self, lease: AuditLease, audit: Audit, *, messages: Sequence[Message]) -> None:
        """Keep that the report was asked, forget the list and earlier answers, and end the lease."""
        ...

    async def answer(self, compared: OrdersCompared, *, now: datetime) -> bool:
        """Keep an answer to the round under way, once; with the last one the audit is due. Tells whether it is."""
        ...

    async def answers(self, audit: Audit) -> list[Answer]:
        """The answers to the round under way, or the last."""
        ...

    async def differences(self, audit_id: str) -> Mapping[str, Difference]:
        """All differences found by now, by order id."""
        ...

    async def settle(
        self,
        lease: AuditLease,
        audit: Audit,
        *,
        changed: Sequence[Difference],
        seen: Mapping[OrderKey, Seen] | None = None,
        messages: Sequence[Message] = (),
    ) -> None:
        """Keep what became of differences, and what was seen; reasons among them are remembered for later audits."""
        ...

    async def explained(self, store_id: str, by: str, external_ids: Collection[str]) -> Mapping[str, Explained]:
        """What earlier audits of the store found out about these orders."""
        ...

    async def rest(self, lease: AuditLease, audit: Audit) -> None:
        """Keep why and until when the audit waits, and end the lease."""
        ...

    async def end(self, lease: AuditLease, audit: Audit, *, messages: Sequence[Message]) -> None:
        """Keep the audit's end, forget its list and answers, and end the lease."""
        ...

    async def forget(self, *, before: datetime, asked_before: datetime) -> None:
        """Forget audits that ended before `before`, those that sellers asked for before `asked_before`."""
        ...


class OpenOrders(Protocol):
    """The orders of which more is to be expected."""

    async def open_orders(
        self, platform: str, store_id: str, *, after: str | None, limit: int
    ) -> list[tuple[str, Seen]]:
        """A store's open orders by ascending order key, those after the id `after`."""
        ...
